-- Mails to people: a record of each, in which link and code stand sealed until they are of no more use. And addresses
-- that take no mail.

CREATE TABLE "mail" (
	"id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"user_id" text,
	"address" text NOT NULL,
	"address_key" text NOT NULL,
	"name" text,
	"locale" text,
	"details" text NOT NULL,
	"secrets" text,
	"secret_of" text,
	"expires_at" integer,
	"state" text NOT NULL,
	"attempts" integer NOT NULL,
	"fault" text,
	"created_at" integer NOT NULL,
	"settled_at" integer
);

CREATE INDEX "mail_user" ON "mail" ("user_id");
CREATE INDEX "mail_address" ON "mail" ("address_key");
CREATE INDEX "mail_created" ON "mail" ("created_at");
CREATE INDEX "mail_secrets" ON "mail" ("secret_of") WHERE "secrets" IS NOT NULL;

CREATE TABLE "undeliverable_address" (
	"address_key" text PRIMARY KEY NOT NULL,
	"address" text NOT NULL,
	"reason" text NOT NULL,
	"detail" text,
	"reported_at" integer NOT NULL
);
