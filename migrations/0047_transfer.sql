-- Places that change hands: an offer by a mailed link, and what ended when it was accepted. Keys and
-- tokens of devices know the person or client that made them while it reached some places alone.

CREATE TABLE "place_transfer" (
	"id" text PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"group_id" text NOT NULL,
	"address" text NOT NULL,
	"address_key" text NOT NULL,
	"locale" text,
	"role" text NOT NULL,
	"end_credentials" integer NOT NULL,
	"end_tokens" integer NOT NULL,
	"invited_by" text,
	"inviter" text NOT NULL,
	"inviter_epoch" integer NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"used_by" text,
	"accepted_at" integer,
	"accepted_by" text,
	"withdrawn_at" integer,
	"ended" text,
	"done" integer DEFAULT 0 NOT NULL
);

CREATE UNIQUE INDEX "place_transfer_hash_unique" ON "place_transfer" ("hash");
CREATE INDEX "place_transfer_group" ON "place_transfer" ("group_id", "id");
CREATE INDEX "place_transfer_accepted_by" ON "place_transfer" ("accepted_by");
CREATE INDEX "place_transfer_invited_by" ON "place_transfer" ("invited_by");
CREATE INDEX "place_transfer_open" ON "place_transfer" ("expires_at") WHERE "used_by" IS NULL AND "withdrawn_at" IS NULL;
CREATE INDEX "invitation_open" ON "invitation" ("expires_at") WHERE "used_by" IS NULL AND "revoked_at" IS NULL;
ALTER TABLE "device_credential" ADD COLUMN "made_by" text;
ALTER TABLE "device_token" ADD COLUMN "made_by" text;
