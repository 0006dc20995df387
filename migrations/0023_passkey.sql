-- Passkeys (WebAuthn) are factors: the columns that only they have, and the challenges that were answered already.

ALTER TABLE "factor" ADD COLUMN "credential_id" text;
ALTER TABLE "factor" ADD COLUMN "public_key" text;
ALTER TABLE "factor" ADD COLUMN "user_handle" text;
ALTER TABLE "factor" ADD COLUMN "sign_count" integer;
ALTER TABLE "factor" ADD COLUMN "transports" text;
ALTER TABLE "factor" ADD COLUMN "aaguid" text;
ALTER TABLE "factor" ADD COLUMN "is_synced" integer;
ALTER TABLE "factor" ADD COLUMN "is_backed_up" integer;

CREATE UNIQUE INDEX "factor_credential" ON "factor" ("credential_id");

CREATE TABLE "passkey_challenge" (
	"hash" text PRIMARY KEY NOT NULL,
	"used_by" text NOT NULL,
	"expires_at" integer NOT NULL
);

CREATE INDEX "passkey_challenge_expiry" ON "passkey_challenge" ("expires_at");
