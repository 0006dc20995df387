-- Second factors. A sign-in that is not complete yet is a row of its own, and never a session; a factor is what a
-- person proves beside the password; recovery codes stand in for it, each once.

CREATE TABLE "sign_in" (
	"id_hash" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL REFERENCES "user" ("id"),
	"password" text,
	"epoch" integer NOT NULL,
	"methods" text NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL
);

CREATE INDEX "sign_in_user" ON "sign_in" ("user_id");
CREATE INDEX "sign_in_expiry" ON "sign_in" ("expires_at");

CREATE TABLE "factor" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL REFERENCES "user" ("id"),
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"secret" text,
	"last_step" integer NOT NULL,
	"used_by" text,
	"made_by" text NOT NULL,
	"created_at" integer NOT NULL,
	"last_used_at" integer
);

CREATE INDEX "factor_user" ON "factor" ("user_id");

CREATE TABLE "recovery_code" (
	"hash" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL REFERENCES "user" ("id"),
	"made_by" text NOT NULL,
	"created_at" integer NOT NULL,
	"used_by" text,
	"used_at" integer
);

CREATE INDEX "recovery_code_user" ON "recovery_code" ("user_id");
