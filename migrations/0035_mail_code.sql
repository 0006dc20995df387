-- Codes that were mailed as a second factor, one for each session; people whose password came by a mailed link, for
-- whom such a code would be the same factor again; and factors that an operator removed, while that can be undone.

CREATE TABLE "mail_code" (
	"session_hash" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"code_mac" text NOT NULL,
	"expires_at" integer NOT NULL,
	"used_by" text
);

CREATE INDEX "mail_code_user" ON "mail_code" ("user_id");
CREATE INDEX "mail_code_expiry" ON "mail_code" ("expires_at");

CREATE TABLE "linked_password" (
	"user_id" text PRIMARY KEY NOT NULL,
	"set_at" integer NOT NULL
);

CREATE TABLE "removed_factor" (
	"hash" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"sealed" text NOT NULL,
	"removed_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"used_by" text
);

CREATE INDEX "removed_factor_user" ON "removed_factor" ("user_id");
CREATE INDEX "removed_factor_expiry" ON "removed_factor" ("expires_at");
