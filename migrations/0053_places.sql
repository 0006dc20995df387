-- Memberships of people may end by a time. A change of the end supersedes the tokens of the member; the
-- end itself removes the row on the timer, which does so too.
ALTER TABLE "membership" ADD COLUMN "expires_at" integer;
CREATE INDEX "membership_end" ON "membership" ("expires_at") WHERE "expires_at" is not null;
ALTER TABLE "invitation" ADD COLUMN "groups_expire_at" integer;

CREATE TRIGGER "status_of_changed_membership" AFTER UPDATE OF "expires_at" ON "membership" WHEN new."expires_at" IS NOT old."expires_at"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', new."member_id", 3;
END;

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
