-- Somebody who is invited to make an account, or to get rights with the one that there is.

CREATE TABLE "invitation" (
	"id" text PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"address" text NOT NULL,
	"address_key" text NOT NULL,
	"name" text,
	"locale" text,
	"invited_by" text,
	"inviter" text NOT NULL,
	"inviter_epoch" integer NOT NULL,
	"grants" text NOT NULL,
	"groups" text NOT NULL,
	"valid_for" integer NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"used_by" text,
	"accepted_at" integer,
	"accepted_by" text,
	"revoked_at" integer
);

CREATE UNIQUE INDEX "invitation_hash_unique" ON "invitation" ("hash");
CREATE INDEX "invitation_address" ON "invitation" ("address_key");
CREATE INDEX "invitation_accepted_by" ON "invitation" ("accepted_by");
CREATE INDEX "invitation_invited_by" ON "invitation" ("invited_by");
