-- The authorization server in full. Sessions get the name by which clients know them (`sid`); codes and authorizations
-- keep what the request asked beyond scopes; a client's further members are one JSON object.

ALTER TABLE "session" ADD COLUMN "sid" text NOT NULL DEFAULT '';
UPDATE "session" SET "sid" = lower(hex(randomblob(16)));
CREATE INDEX "session_sid" ON "session" ("sid");

ALTER TABLE "client" ADD COLUMN "members" text NOT NULL DEFAULT '{}';
ALTER TABLE "client" ADD COLUMN "registration_token_hash" text;
ALTER TABLE "client" ADD COLUMN "initial_access_token_id" text;

ALTER TABLE "authorization_request" ADD COLUMN "pushed" integer NOT NULL DEFAULT 0;

ALTER TABLE "authorization_code" ADD COLUMN "sid" text;
ALTER TABLE "authorization_code" ADD COLUMN "acr" text;
ALTER TABLE "authorization_code" ADD COLUMN "claims" text;
ALTER TABLE "authorization_code" ADD COLUMN "authorization_details" text;
ALTER TABLE "authorization_code" ADD COLUMN "dpop_jkt" text;

ALTER TABLE "authorization" ADD COLUMN "sid" text;
ALTER TABLE "authorization" ADD COLUMN "acr" text;
ALTER TABLE "authorization" ADD COLUMN "claims" text;
ALTER TABLE "authorization" ADD COLUMN "authorization_details" text;
ALTER TABLE "authorization" ADD COLUMN "cnf" text;
ALTER TABLE "authorization" ADD COLUMN "offline" integer NOT NULL DEFAULT 1;
CREATE INDEX "authorization_sid" ON "authorization" ("sid");

CREATE TABLE "stored_secret" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL,
	"created_at" integer NOT NULL
);

CREATE TABLE "device_authorization" (
	"hash" text PRIMARY KEY NOT NULL,
	"user_code_mac" text NOT NULL,
	"client_id" text NOT NULL,
	"scope" text NOT NULL,
	"resource" text NOT NULL,
	"authorization_details" text,
	"status" text NOT NULL,
	"user_id" text,
	"auth_time" integer,
	"amr" text,
	"acr" text,
	"sid" text,
	"authorization_id" text NOT NULL,
	"interval" integer NOT NULL,
	"polled_at" integer,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"redeemed_by" text
);

CREATE UNIQUE INDEX "device_authorization_user_code_mac_unique" ON "device_authorization" ("user_code_mac");

CREATE TABLE "initial_access_token" (
	"id" text PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"description" text,
	"max_uses" integer,
	"scope" text NOT NULL,
	"defaults" text NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer
);

CREATE UNIQUE INDEX "initial_access_token_hash_unique" ON "initial_access_token" ("hash");
CREATE TABLE "initial_access_token_use" (
	"rid" text PRIMARY KEY NOT NULL,
	"token_id" text NOT NULL,
	"created_at" integer NOT NULL
);

CREATE INDEX "initial_access_token_use_token" ON "initial_access_token_use" ("token_id");
CREATE TABLE "logout_delivery" (
	"id" text PRIMARY KEY NOT NULL,
	"client_id" text NOT NULL,
	"user_id" text NOT NULL,
	"sid" text NOT NULL,
	"attempts" integer NOT NULL,
	"taken_by" text,
	"next_at" integer NOT NULL,
	"created_at" integer NOT NULL
);

CREATE INDEX "logout_delivery_next" ON "logout_delivery" ("next_at");
CREATE UNIQUE INDEX "logout_delivery_once" ON "logout_delivery" ("client_id","sid");
