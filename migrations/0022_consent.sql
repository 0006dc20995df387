-- Texts that people decide about, such as terms, with their versions and the decisions; and whether a person has to
-- change the password.

CREATE TABLE "consent" (
	"key" text PRIMARY KEY NOT NULL,
	"required" integer NOT NULL,
	"round" integer NOT NULL,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL,
	"rid" text NOT NULL
);
CREATE TABLE "consent_version" (
	"key" text NOT NULL,
	"version" text NOT NULL,
	"position" integer NOT NULL,
	"texts" text NOT NULL,
	"demanded_from" integer NOT NULL,
	"revision" integer NOT NULL,
	"is_decided" integer NOT NULL,
	"created_at" integer NOT NULL,
	PRIMARY KEY("key", "version")
);
CREATE TABLE "consent_decision" (
	"seq" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"id" text NOT NULL,
	"user_id" text NOT NULL,
	"key" text NOT NULL,
	"version" text NOT NULL,
	"round" integer NOT NULL,
	"locale" text NOT NULL,
	"decision" text NOT NULL,
	"decided_at" integer NOT NULL,
	"address" text NOT NULL,
	"client_id" text
);
CREATE UNIQUE INDEX "consent_decision_id" ON "consent_decision" ("id");
CREATE INDEX "consent_decision_user" ON "consent_decision" ("user_id", "key", "seq");
CREATE INDEX "consent_decision_key" ON "consent_decision" ("key", "seq");
ALTER TABLE "user" ADD COLUMN "must_change_password" integer NOT NULL DEFAULT 0;
