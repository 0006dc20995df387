-- How many sign-ins at an account failed since its person signed in last, and before that sign-in.

CREATE TABLE "failed_sign_in" (
	"user_id" text PRIMARY KEY NOT NULL,
	"count" integer NOT NULL,
	"last_at" integer NOT NULL,
	"before_count" integer NOT NULL,
	"before_at" integer NOT NULL,
	"session" text,
	"rid" text NOT NULL
);
