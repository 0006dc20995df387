-- Claim tokens: a secret in the firmware of a batch of devices, by which each registers its own key.

ALTER TABLE "device" ADD COLUMN "released_at" integer;

CREATE TABLE "claim_batch" (
	"id" text PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"name" text,
	"type" text NOT NULL,
	"group_id" text,
	"uses" integer NOT NULL,
	"used" integer NOT NULL,
	"again" text NOT NULL,
	"is_listed" integer NOT NULL,
	"is_wide" integer NOT NULL,
	"created_by" text,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"revoked_at" integer
);

CREATE UNIQUE INDEX "claim_batch_hash_unique" ON "claim_batch" ("hash");

CREATE TABLE "claim_number" (
	"batch_id" text NOT NULL,
	"kind" text NOT NULL,
	"key" text NOT NULL,
	PRIMARY KEY("batch_id", "kind", "key")
);

CREATE TABLE "claim_use" (
	"rid" text PRIMARY KEY NOT NULL,
	"batch_id" text NOT NULL,
	"device_id" text NOT NULL,
	"created_at" integer NOT NULL
);

CREATE INDEX "claim_use_batch" ON "claim_use" ("batch_id","device_id");
CREATE INDEX "claim_use_device" ON "claim_use" ("device_id");

CREATE TABLE "claim_proof" (
	"hash" text PRIMARY KEY NOT NULL,
	"rid" text NOT NULL,
	"expires_at" integer NOT NULL
);

CREATE INDEX "claim_proof_end" ON "claim_proof" ("expires_at");
