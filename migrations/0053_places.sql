-- Memberships of people may end by a time; the timer removes the row then.
ALTER TABLE "membership" ADD COLUMN "expires_at" integer;
CREATE INDEX "membership_end" ON "membership" ("expires_at") WHERE "expires_at" is not null;
ALTER TABLE "invitation" ADD COLUMN "groups_expire_at" integer;

CREATE TABLE "place_account" (
	"user_id" text PRIMARY KEY NOT NULL,
	"group_id" text NOT NULL,
	"made_by" text,
	"created_at" integer NOT NULL,
	"renewed_by" text,
	"renewed_at" integer,
	"seen_at" integer
);
CREATE INDEX "place_account_group" ON "place_account" ("group_id", "user_id");
CREATE INDEX "place_account_made_by" ON "place_account" ("made_by");
CREATE INDEX "place_account_renewed_by" ON "place_account" ("renewed_by");
