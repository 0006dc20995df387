-- How rows are found among a million. The grants of a subject are found by what they give, so that no
-- look for one grant begins at all those of its role; lists by role, by kind and by parent have the
-- order of the index. Walks up and down the tree read indices alone.

DROP INDEX "grant_subject";
CREATE INDEX "grant_subject" ON "grant" ("subject_id","role","object_id");
DROP INDEX "grant_role";
CREATE INDEX "grant_role" ON "grant" ("role","id");
DROP INDEX "group_parent";
CREATE INDEX "group_parent" ON "group" ("parent_id","id");
CREATE INDEX "group_kind" ON "group" ("kind","id");
DROP INDEX "membership_member";
CREATE INDEX "membership_member" ON "membership" ("member_id","group_id","expires_at");
CREATE INDEX "device_token_end" ON "device_token" ("expires_at");
CREATE INDEX "allowed_scope_client" ON "allowed_scope" ("client_id");
CREATE INDEX "authorization_code_client" ON "authorization_code" ("client_id");

-- A change that takes rights away: no more than 1,001 rows are looked at to learn whether it concerns more
-- than 1,000 holders, grants that several of them may hold counted each; and where it does, the holders are
-- left to the job.
DROP TRIGGER "status_change_applied";
CREATE TRIGGER "status_change_applied" AFTER INSERT ON "status_change"
BEGIN
	UPDATE "status_change" SET "upto" = (SELECT "seq" FROM "sqlite_sequence" WHERE "name" = 'status_entry')
	WHERE "n" = new."n" AND 1000 < CASE new."scope"
		WHEN 'client' THEN (SELECT count(*) FROM (
			SELECT 1 FROM "authorization" AS "a" CROSS JOIN "status_entry" AS "e"
				ON "e"."origin_id" = "a"."id" AND "e"."kind" = 'authorization'
			WHERE "a"."client_id" = new."id" LIMIT 1001))
		WHEN 'actor' THEN (SELECT count(*) FROM (
			SELECT 1 FROM "token_exchange" WHERE "actor_id" = new."id" LIMIT 1001))
		ELSE (WITH RECURSIVE "up"("id") AS (
			SELECT new."id" WHERE new."scope" = 'object'
			UNION SELECT "m"."group_id" FROM "up" CROSS JOIN "membership" AS "m" ON "m"."member_id" = "up"."id"
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL),
		"top"("id") AS (
			SELECT new."id" WHERE new."scope" = 'subject'
			UNION ALL SELECT * FROM (SELECT "subject_id" FROM "grant" WHERE new."scope" = 'role' AND "role" = new."id" LIMIT 1001)
			UNION ALL SELECT * FROM (SELECT "id" FROM "device" WHERE new."scope" = 'device_type' AND "type" = new."id" LIMIT 1001)
			UNION ALL SELECT * FROM (SELECT "g"."subject_id" FROM (SELECT "id" FROM "up" UNION ALL SELECT '*' WHERE new."scope" = 'object') AS "o"
				CROSS JOIN "grant" AS "g" ON "g"."object_id" = "o"."id"
				CROSS JOIN "role" AS "r" ON "r"."name" = "g"."role" AND (instr("r"."acl", '${device.') > 0 OR instr(coalesce("g"."condition_reads", ''), 'device.') > 0) LIMIT 1001)),
		"below"("id") AS (
			SELECT "id" FROM (SELECT "id" FROM "top" LIMIT 1001)
			UNION SELECT "g"."id" FROM "below" CROSS JOIN "group" AS "g" ON "g"."parent_id" = "below"."id" LIMIT 1001),
		"holder"("id") AS (
			SELECT "id" FROM "below"
			UNION ALL SELECT "m"."member_id" FROM "below" CROSS JOIN "membership" AS "m" ON "m"."group_id" = "below"."id")
			SELECT max((SELECT count(*) FROM (SELECT 1 FROM "top" LIMIT 1001)), (SELECT count(*) FROM (SELECT 1 FROM "holder" LIMIT 1001)))) END;
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", new."outcome", "e"."seq" FROM "status_entry" AS "e"
		WHERE (SELECT "upto" FROM "status_change" WHERE "n" = new."n") IS NULL AND "e"."seq" IN (
			SELECT "e"."seq" FROM "status_change" AS "few" CROSS JOIN "authorization" AS "a" CROSS JOIN "status_entry" AS "e"
				ON "e"."origin_id" = "a"."id" AND "e"."kind" = 'authorization'
			WHERE "few"."n" = new."n" AND "few"."upto" IS NULL AND new."scope" = 'client' AND "a"."client_id" = new."id"
			UNION ALL SELECT "e"."seq" FROM "status_change" AS "few" CROSS JOIN "token_exchange" AS "x" CROSS JOIN "status_entry" AS "e"
				ON "e"."origin_id" = "x"."origin_id" AND "e"."kind" IN ('authorization', 'client')
			WHERE "few"."n" = new."n" AND "few"."upto" IS NULL AND new."scope" = 'actor' AND "x"."actor_id" = new."id");
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", new."outcome", "e"."seq" FROM "status_entry" AS "e"
		WHERE (SELECT "upto" FROM "status_change" WHERE "n" = new."n") IS NULL AND new."scope" NOT IN ('client', 'actor') AND "e"."seq" IN (
			WITH RECURSIVE "few"("id") AS (SELECT "id" FROM "status_change" WHERE "n" = new."n" AND "upto" IS NULL),
		"up"("id") AS (
			SELECT "id" FROM "few" WHERE new."scope" = 'object'
			UNION SELECT "m"."group_id" FROM "up" CROSS JOIN "membership" AS "m" ON "m"."member_id" = "up"."id"
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL),
		"top"("id") AS (
			SELECT "id" FROM "few" WHERE new."scope" = 'subject'
			UNION ALL SELECT "g"."subject_id" FROM "few" CROSS JOIN "grant" AS "g" ON "g"."role" = "few"."id" WHERE new."scope" = 'role'
			UNION ALL SELECT "d"."id" FROM "few" CROSS JOIN "device" AS "d" ON "d"."type" = "few"."id" WHERE new."scope" = 'device_type'
			UNION ALL SELECT "g"."subject_id" FROM (SELECT "id" FROM "up" UNION ALL SELECT '*' FROM "few" WHERE new."scope" = 'object') AS "o"
				CROSS JOIN "grant" AS "g" ON "g"."object_id" = "o"."id"
				CROSS JOIN "role" AS "r" ON "r"."name" = "g"."role" AND (instr("r"."acl", '${device.') > 0 OR instr(coalesce("g"."condition_reads", ''), 'device.') > 0)),
		"below"("id") AS (
			SELECT "id" FROM (SELECT "id" FROM "top" LIMIT 1001)
			UNION SELECT "g"."id" FROM "below" CROSS JOIN "group" AS "g" ON "g"."parent_id" = "below"."id"),
		"holder"("id") AS (
			SELECT "id" FROM "below"
			UNION SELECT "m"."member_id" FROM "below" CROSS JOIN "membership" AS "m" ON "m"."group_id" = "below"."id")
			SELECT "o"."seq" FROM "holder" AS "h" CROSS JOIN "status_entry" AS "o"
				ON "o"."origin_id" = "h"."id" AND ("o"."kind" = 'device' OR ("o"."kind" = 'client' AND EXISTS (
					SELECT 1 FROM "client" WHERE "id" = "h"."id" AND instr(' ' || "scope" || ' ', ' mqtt ') > 0)))
			UNION ALL SELECT "o"."seq" FROM "holder" AS "h" CROSS JOIN "authorization" AS "a" ON "a"."user_id" = "h"."id"
				AND (instr(' ' || "a"."scope" || ' ', ' mqtt ') > 0 OR instr(' ' || "a"."scope" || ' ', ' roles ') > 0
				OR instr(' ' || "a"."scope" || ' ', ' groups ') > 0 OR "a"."resource" <> '[]' OR "a"."authorization_details" IS NOT NULL)
				CROSS JOIN "status_entry" AS "o" ON "o"."origin_id" = "a"."id" AND "o"."kind" = 'authorization'
			UNION ALL SELECT "o"."seq" FROM "holder" AS "h" CROSS JOIN "device_token" AS "t" ON "t"."device_id" = "h"."id"
				CROSS JOIN "status_entry" AS "o" ON "o"."origin_id" = "t"."id" AND "o"."kind" = 'device_token'
			UNION ALL SELECT "o"."seq" FROM "holder" AS "h" CROSS JOIN "token_exchange" AS "x" ON "x"."actor_id" = "h"."id"
				CROSS JOIN "status_entry" AS "o" ON "o"."origin_id" = "x"."origin_id" AND CASE "o"."kind"
					WHEN 'authorization' THEN EXISTS (SELECT 1 FROM "authorization" AS "a" WHERE "a"."id" = "x"."origin_id"
						AND (instr(' ' || "a"."scope" || ' ', ' mqtt ') > 0 OR instr(' ' || "a"."scope" || ' ', ' roles ') > 0
						OR instr(' ' || "a"."scope" || ' ', ' groups ') > 0 OR "a"."resource" <> '[]' OR "a"."authorization_details" IS NOT NULL))
					WHEN 'client' THEN EXISTS (SELECT 1 FROM "client"
						WHERE "id" = "x"."origin_id" AND instr(' ' || "scope" || ' ', ' mqtt ') > 0) END);
	DELETE FROM "status_change" WHERE ("n" = new."n" AND "upto" IS NULL) OR ("n" < new."n"
		AND "scope" = new."scope" AND "id" = new."id" AND "outcome" = new."outcome"
		AND EXISTS (SELECT 1 FROM "status_change" WHERE "n" = new."n" AND "upto" IS NOT NULL));
END;

-- A place that moves, or becomes or ceases to be a site, concerns those who have grants in it: each where
-- these are 1,000 grants at most, else all holders of the roles whose rules name the place.
DROP TRIGGER "status_of_changed_kind";
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
			SELECT new."id" UNION SELECT "g"."id" FROM "below" CROSS JOIN "group" AS "g" ON "g"."parent_id" = "below"."id"),
		"found"("subject_id") AS (
			SELECT "g"."subject_id" FROM (SELECT "id" FROM "up" UNION ALL SELECT "id" FROM "below") AS "o"
				CROSS JOIN "grant" AS "g" ON "g"."object_id" = "o"."id"
				CROSS JOIN "role" AS "r" ON "r"."name" = "g"."role" AND instr("r"."acl", '${site.') > 0
			WHERE 'site' IN (new."kind", old."kind") LIMIT 1001)
		SELECT DISTINCT 'subject', "subject_id", 3 FROM "found" WHERE (SELECT count(*) FROM "found") <= 1000
		UNION ALL SELECT 'role', "r"."name", 3 FROM "role" AS "r" WHERE instr("r"."acl", '${site.') > 0 AND (SELECT count(*) FROM "found") > 1000;
END;

DROP TRIGGER "status_of_moved_site";
CREATE TRIGGER "status_of_moved_site" AFTER UPDATE OF "parent_id" ON "group" WHEN new."parent_id" IS NOT old."parent_id"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome")
		WITH RECURSIVE "up"("id") AS (
			SELECT old."parent_id" WHERE old."parent_id" IS NOT NULL
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL),
		"below"("id") AS (
			SELECT new."id" UNION SELECT "g"."id" FROM "below" CROSS JOIN "group" AS "g" ON "g"."parent_id" = "below"."id"),
		"found"("subject_id") AS (
			SELECT "g"."subject_id" FROM (SELECT "id" FROM "up" UNION ALL SELECT "id" FROM "below") AS "o"
				CROSS JOIN "grant" AS "g" ON "g"."object_id" = "o"."id"
				CROSS JOIN "role" AS "r" ON "r"."name" = "g"."role" AND (instr("r"."acl", '${site.') > 0 OR instr("r"."acl", '${group.') > 0) LIMIT 1001)
		SELECT DISTINCT 'subject', "subject_id", 3 FROM "found" WHERE (SELECT count(*) FROM "found") <= 1000
		UNION ALL SELECT 'role', "r"."name", 3 FROM "role" AS "r" WHERE (instr("r"."acl", '${site.') > 0 OR instr("r"."acl", '${group.') > 0) AND (SELECT count(*) FROM "found") > 1000;
END;
