-- Codes by which people claim devices: one for each box, good once, and for whoever holds the box.

CREATE TABLE "device_claim" (
	"id" text PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"device_id" text NOT NULL,
	"made_by" text,
	"maker" text NOT NULL,
	"maker_epoch" integer NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"used_by" text,
	"claimed_at" integer,
	"withdrawn_at" integer
);

CREATE UNIQUE INDEX "device_claim_hash_unique" ON "device_claim" ("hash");
CREATE INDEX "device_claim_device" ON "device_claim" ("device_id", "id");
CREATE UNIQUE INDEX "device_claim_open" ON "device_claim" ("device_id") WHERE "used_by" IS NULL AND "withdrawn_at" IS NULL;
CREATE INDEX "device_claim_end" ON "device_claim" ("expires_at");
