-- Grants that hold under a condition. `condition_reads` is a JSON array of the values that it reads.

ALTER TABLE "grant" ADD COLUMN "condition" text;
ALTER TABLE "grant" ADD COLUMN "condition_reads" text;

-- Few grants have one, so that a change of a device or of a group finds them at once.
CREATE INDEX "grant_conditional" ON "grant" ("object_id") WHERE "condition" IS NOT NULL;

-- Those who reach an object are listed in the order of their grants.
DROP INDEX "grant_object";
CREATE INDEX "grant_object" ON "grant" ("object_id", "id");
