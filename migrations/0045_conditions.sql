-- Grants that hold under a condition. `condition_reads` is a JSON array of the values that it reads.

ALTER TABLE "grant" ADD COLUMN "condition" text;
ALTER TABLE "grant" ADD COLUMN "condition_reads" text;

-- Few grants have one, so that a change of a device or of a group finds them at once.
CREATE INDEX "grant_conditional" ON "grant" ("object_id") WHERE "condition" IS NOT NULL;

-- Superseded: a condition that is another now, or that reads a value which is another now. It may
-- hold where it did not and fail to hold where it did; a denial then begins or ends.
CREATE TRIGGER "status_of_changed_condition" AFTER UPDATE OF "condition" ON "grant"
WHEN new."condition" IS NOT old."condition"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', new."subject_id", 3;
END;

CREATE TRIGGER "status_of_conditions_on_device" AFTER UPDATE OF "type", "metadata", "tags" ON "device"
WHEN new."type" <> old."type" OR new."metadata" <> old."metadata" OR new."tags" <> old."tags"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome")
		WITH RECURSIVE "up"("id") AS (
			SELECT new."id" UNION SELECT '*'
			UNION SELECT "m"."group_id" FROM "membership" AS "m" WHERE "m"."member_id" = new."id"
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL)
		SELECT DISTINCT 'subject', "g"."subject_id", 3 FROM "up" CROSS JOIN "grant" AS "g" ON "g"."object_id" = "up"."id"
		WHERE "g"."condition" IS NOT NULL AND instr("g"."condition_reads", '"device.') > 0;
END;

-- Rules that name the site follow the group that is one, also those of the groups below.
CREATE TRIGGER "status_of_changed_kind" AFTER UPDATE OF "kind" ON "group" WHEN new."kind" <> old."kind"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome")
		WITH RECURSIVE "up"("id") AS (
			SELECT new."id" UNION SELECT '*'
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL)
		SELECT DISTINCT 'subject', "g"."subject_id", 3 FROM "up" CROSS JOIN "grant" AS "g" ON "g"."object_id" = "up"."id"
		WHERE "g"."condition" IS NOT NULL AND instr("g"."condition_reads", '"group.') > 0;
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', new."id", 3
		WHERE 'site' IN (new."kind", old."kind") AND EXISTS (SELECT 1 FROM "device_type" WHERE instr("acl", '${site.') > 0);
	INSERT INTO "status_change" ("scope", "id", "outcome")
		WITH RECURSIVE "up"("id") AS (
			SELECT new."id"
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL),
		"below"("id") AS (
			SELECT new."id" UNION SELECT "g"."id" FROM "below" CROSS JOIN "group" AS "g" ON "g"."parent_id" = "below"."id")
		SELECT DISTINCT 'subject', "g"."subject_id", 3
		FROM (SELECT "id" FROM "up" UNION SELECT "id" FROM "below") AS "o"
			CROSS JOIN "grant" AS "g" ON "g"."object_id" = "o"."id"
			CROSS JOIN "role" AS "r" ON "r"."name" = "g"."role" AND instr("r"."acl", '${site.') > 0
		WHERE 'site' IN (new."kind", old."kind");
END;

CREATE TRIGGER "status_of_moved_site" AFTER UPDATE OF "parent_id" ON "group" WHEN new."parent_id" IS NOT old."parent_id"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome")
		WITH RECURSIVE "up"("id") AS (
			SELECT old."parent_id" WHERE old."parent_id" IS NOT NULL
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL),
		"below"("id") AS (
			SELECT new."id" UNION SELECT "g"."id" FROM "below" CROSS JOIN "group" AS "g" ON "g"."parent_id" = "below"."id")
		SELECT DISTINCT 'subject', "g"."subject_id", 3
		FROM (SELECT "id" FROM "up" UNION SELECT "id" FROM "below") AS "o"
			CROSS JOIN "grant" AS "g" ON "g"."object_id" = "o"."id"
			CROSS JOIN "role" AS "r" ON "r"."name" = "g"."role" AND (instr("r"."acl", '${site.') > 0 OR instr("r"."acl", '${group.') > 0);
END;

-- Those who reach an object are listed in the order of their grants.
DROP INDEX "grant_object";
CREATE INDEX "grant_object" ON "grant" ("object_id", "id");
