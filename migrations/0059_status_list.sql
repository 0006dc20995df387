-- Token status lists. Each device, client, authorization and minted token has one entry of a list at a
-- time. An entry is allotted by the statement that makes its origin, and given up for good by a flip.
-- Triggers do both, so that no statement, of whichever program, can leave it out. The outcome of a
-- flip is 1 (ended) or 3 (superseded). A list has 2^20 entries; `seq` counts through all of them.
CREATE TABLE "status_list" (
	"id" integer PRIMARY KEY NOT NULL,
	"key" integer NOT NULL,
	"upto" integer DEFAULT 0 NOT NULL,
	"snapshot" blob
);
CREATE TABLE "status_entry" (
	"seq" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"kind" text NOT NULL,
	"origin_id" text NOT NULL,
	"idx" integer DEFAULT -1 NOT NULL
);
CREATE INDEX "status_entry_origin" ON "status_entry" ("origin_id", "kind", "seq");
CREATE TABLE "status_flip" (
	"n" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"list" integer NOT NULL,
	"idx" integer NOT NULL,
	"outcome" integer NOT NULL,
	"seq" integer NOT NULL
);
CREATE INDEX "status_flip_list" ON "status_flip" ("list", "n");
CREATE TABLE "status_change" (
	"n" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"scope" text NOT NULL,
	"id" text NOT NULL,
	"outcome" integer NOT NULL,
	"upto" integer,
	"done" integer DEFAULT 0 NOT NULL
);

-- Changes that are not spread yet, with the entries that they concern. Tokens that carry no rights stay
-- as they are: `/v1` reads the rights anew each time. A plus keeps the planner from beginning at all
-- grants of a role or on an object. A view, since each look at a token asks it. `actor`: the origins of
-- tokens by which somebody acts for others; rights that such an actor loses concern these too.
CREATE VIEW "status_waiting" AS SELECT "c"."n" AS "n", "e"."seq" AS "seq"
FROM "status_change" AS "c" CROSS JOIN "status_entry" AS "e"
WHERE "e"."seq" > "c"."done" AND "e"."seq" <= "c"."upto" AND CASE "c"."scope"
	WHEN 'client' THEN "e"."kind" = 'authorization' AND EXISTS (
		SELECT 1 FROM "authorization" AS "a" WHERE "a"."id" = "e"."origin_id" AND "a"."client_id" = "c"."id")
	WHEN 'actor' THEN "e"."kind" IN ('authorization', 'client') AND EXISTS (
		SELECT 1 FROM "token_exchange" AS "x" WHERE "x"."origin_id" = "e"."origin_id" AND "x"."actor_id" = "c"."id")
	WHEN 'device_ca' THEN "e"."kind" = 'device' AND EXISTS (
		SELECT 1 FROM "device_credential" AS "k" WHERE "k"."device_id" = "e"."origin_id" AND "k"."ca_id" = "c"."id")
	WHEN 'device_type' THEN EXISTS (SELECT 1 FROM "device" AS "d" WHERE "d"."type" = "c"."id" AND "d"."id" =
		CASE "e"."kind" WHEN 'device_token' THEN (SELECT "device_id" FROM "device_token" WHERE "id" = "e"."origin_id")
			ELSE "e"."origin_id" END)
	ELSE CASE "e"."kind"
		WHEN 'authorization' THEN EXISTS (SELECT 1 FROM "authorization" AS "a" WHERE "a"."id" = "e"."origin_id"
			AND (instr(' ' || "a"."scope" || ' ', ' mqtt ') > 0 OR instr(' ' || "a"."scope" || ' ', ' roles ') > 0
			OR instr(' ' || "a"."scope" || ' ', ' groups ') > 0 OR "a"."resource" <> '[]' OR "a"."authorization_details" IS NOT NULL))
		WHEN 'client' THEN EXISTS (SELECT 1 FROM "client" AS "k"
			WHERE "k"."id" = "e"."origin_id" AND instr(' ' || "k"."scope" || ' ', ' mqtt ') > 0)
		ELSE true END
	AND EXISTS (WITH RECURSIVE "above"("id") AS (
			SELECT CASE "e"."kind"
				WHEN 'authorization' THEN (SELECT "user_id" FROM "authorization" WHERE "id" = "e"."origin_id")
				WHEN 'device_token' THEN (SELECT "device_id" FROM "device_token" WHERE "id" = "e"."origin_id")
				ELSE "e"."origin_id" END
			UNION SELECT "x"."actor_id" FROM "token_exchange" AS "x" WHERE "x"."origin_id" = "e"."origin_id"
			UNION SELECT "m"."group_id" FROM "above" CROSS JOIN "membership" AS "m" ON "m"."member_id" = "above"."id"
			UNION SELECT "g"."parent_id" FROM "above" CROSS JOIN "group" AS "g" ON "g"."id" = "above"."id"
				WHERE "g"."parent_id" IS NOT NULL),
		"around"("id") AS (
			SELECT "c"."id" WHERE "c"."scope" = 'object'
			UNION SELECT "m"."group_id" FROM "around" CROSS JOIN "membership" AS "m" ON "m"."member_id" = "around"."id"
			UNION SELECT "g"."parent_id" FROM "around" CROSS JOIN "group" AS "g" ON "g"."id" = "around"."id"
				WHERE "g"."parent_id" IS NOT NULL)
		SELECT 1 FROM "above" WHERE CASE "c"."scope"
			WHEN 'subject' THEN "above"."id" = "c"."id"
			WHEN 'role' THEN EXISTS (
				SELECT 1 FROM "grant" AS "g" WHERE "g"."subject_id" = "above"."id" AND +"g"."role" = "c"."id")
			ELSE EXISTS (SELECT 1 FROM "grant" AS "g" JOIN "role" AS "r" ON "r"."name" = "g"."role"
				WHERE "g"."subject_id" = "above"."id" AND (instr("r"."acl", '${device.') > 0
						OR instr(coalesce("g"."condition_reads", ''), 'device.') > 0)
					AND (+"g"."object_id" = '*' OR +"g"."object_id" IN (SELECT "id" FROM "around"))) END) END;

-- A permutation of the places of the list, by a Feistel network of five rounds: two halves of ten
-- bits, and ten bits of the list's key for each round.
CREATE TRIGGER "status_entry_allotted" AFTER INSERT ON "status_entry"
BEGIN
	INSERT INTO "status_list" ("id", "key") SELECT (new."seq" - 1) >> 20, random() & 1125899906842623
		WHERE NOT EXISTS (SELECT 1 FROM "status_list" WHERE "id" = (new."seq" - 1) >> 20);
	UPDATE "status_entry" SET "idx" = (WITH RECURSIVE "round"("i", "left", "right", "key") AS (
			SELECT 0, ((new."seq" - 1) >> 10) & 1023, (new."seq" - 1) & 1023, "key"
				FROM "status_list" WHERE "id" = (new."seq" - 1) >> 20
			UNION ALL SELECT "i" + 1, "right", ("left" + (
				(("right" + ("key" & 1023)) * ("right" + ("key" & 1023)) * 2654435761 + ("right" + ("key" & 1023)) * 40503) >> 11
			)) & 1023, "key" >> 10 FROM "round" WHERE "i" < 5)
		SELECT ("left" << 10) | "right" FROM "round" WHERE "i" = 5)
	WHERE "seq" = new."seq";
END;

-- A flip gives its entry up. An origin that is superseded goes on with another one, and so does a device
-- whose authority has ended: it may have other credentials.
CREATE TRIGGER "status_entry_flipped" AFTER INSERT ON "status_flip"
BEGIN
	INSERT INTO "status_entry" ("kind", "origin_id")
		SELECT "e"."kind", "e"."origin_id" FROM "status_entry" AS "e" WHERE "e"."seq" = new."seq" AND (new."outcome" = 3
			OR ("e"."kind" = 'device' AND EXISTS (SELECT 1 FROM "status_change" AS "c"
				CROSS JOIN "device_credential" AS "k" ON "k"."device_id" = "e"."origin_id" AND "k"."ca_id" = "c"."id"
				WHERE "c"."scope" = 'device_ca')
			AND EXISTS (SELECT 1 FROM "device" AS "d"
				WHERE "d"."id" = "e"."origin_id" AND "d"."status" NOT IN ('suspended', 'retired'))));
	DELETE FROM "status_entry" WHERE "seq" = new."seq";
END;

-- A change that takes rights from some holders, whose tokens may carry them: those of devices, those
-- for mProxy, and those with roles, groups or details. (`/v1` reads the rights anew each time.) Up to
-- 1,000 of them are flipped at once; of more, the row stays with the last entry that it concerns, `upto`,
-- until the job `status` went through them. No more than 1,001 rows are looked at to learn which: grants
-- that several holders may have count each.
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

-- Ended: devices and their minted tokens.
CREATE TRIGGER "status_of_new_device" AFTER INSERT ON "device" WHEN new."status" NOT IN ('suspended', 'retired')
BEGIN
	INSERT INTO "status_entry" ("kind", "origin_id") VALUES ('device', new."id");
END;
CREATE TRIGGER "status_of_changed_device" AFTER UPDATE OF "status", "epoch" ON "device" WHEN new."status" <> old."status" OR new."epoch" <> old."epoch"
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = new."id" AND "e"."kind" = 'device' AND (new."epoch" <> old."epoch" OR new."status" IN ('suspended', 'retired'));
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "device_token" AS "t" CROSS JOIN "status_entry" AS "e"
			ON "e"."origin_id" = "t"."id" AND "e"."kind" = 'device_token'
		WHERE "t"."device_id" = new."id" AND (new."epoch" <> old."epoch" OR new."status" IN ('suspended', 'retired'));
	INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'device', new."id"
		WHERE new."status" NOT IN ('suspended', 'retired') AND NOT EXISTS (
			SELECT 1 FROM "status_entry" WHERE "origin_id" = new."id" AND "kind" = 'device');
END;
CREATE TRIGGER "status_of_deleted_device" AFTER DELETE ON "device"
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = old."id" AND "e"."kind" = 'device';
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "device_token" AS "t" CROSS JOIN "status_entry" AS "e"
			ON "e"."origin_id" = "t"."id" AND "e"."kind" = 'device_token' WHERE "t"."device_id" = old."id";
END;
CREATE TRIGGER "status_of_new_device_token" AFTER INSERT ON "device_token" WHEN new."revoked_at" IS NULL
BEGIN
	INSERT INTO "status_entry" ("kind", "origin_id") VALUES ('device_token', new."id");
END;
CREATE TRIGGER "status_of_revoked_device_token" AFTER UPDATE OF "revoked_at" ON "device_token" WHEN new."revoked_at" IS NOT NULL
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = new."id" AND "e"."kind" = 'device_token';
END;
CREATE TRIGGER "status_of_deleted_device_token" AFTER DELETE ON "device_token"
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = old."id" AND "e"."kind" = 'device_token';
END;

-- Of a device that has other credentials, what was issued upon this one ends with the rest, and the
-- others fetch anew.
CREATE TRIGGER "status_of_revoked_credential" AFTER UPDATE OF "revoked_at" ON "device_credential" WHEN old."revoked_at" IS NULL AND new."revoked_at" IS NOT NULL
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = new."device_id" AND "e"."kind" = 'device';
	INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'device', "id" FROM "device"
		WHERE "id" = new."device_id" AND "status" NOT IN ('suspended', 'retired')
			AND NOT EXISTS (SELECT 1 FROM "status_entry" WHERE "origin_id" = new."device_id" AND "kind" = 'device');
END;

-- A certificate of an authority is forgotten once it has run out; what was issued upon it has its end.
CREATE TRIGGER "status_of_deleted_credential" AFTER DELETE ON "device_credential" WHEN old."revoked_at" IS NULL AND old."ca_id" IS NULL
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = old."device_id" AND "e"."kind" = 'device';
	INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'device', "id" FROM "device"
		WHERE "id" = old."device_id" AND "status" NOT IN ('suspended', 'retired')
			AND NOT EXISTS (SELECT 1 FROM "status_entry" WHERE "origin_id" = old."device_id" AND "kind" = 'device');
END;
-- An authority that is disabled or gone ends the tokens of devices that came by it; other credentials of
-- these devices fetch anew. A change of more than 1,000 devices begins with its `upto`, and so stays.
CREATE TRIGGER "status_of_disabled_device_ca" AFTER UPDATE OF "enabled" ON "device_ca" WHEN old."enabled" = 1 AND new."enabled" = 0
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome", "upto")
		SELECT 'device_ca', new."id", 1, (SELECT "seq" FROM "sqlite_sequence" WHERE "name" = 'status_entry')
		WHERE 1000 < (SELECT count(*) FROM (SELECT 1 FROM "device_credential" WHERE "ca_id" = new."id" LIMIT 1001));
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e" WHERE "e"."seq" IN (
			SELECT "o"."seq" FROM "device_credential" AS "k" CROSS JOIN "status_entry" AS "o"
				ON "o"."origin_id" = "k"."device_id" AND "o"."kind" = 'device'
			WHERE "k"."ca_id" = new."id")
		AND 1000 >= (SELECT count(*) FROM (SELECT 1 FROM "device_credential" WHERE "ca_id" = new."id" LIMIT 1001));
	INSERT INTO "status_entry" ("kind", "origin_id") SELECT DISTINCT 'device', "d"."id"
		FROM "device_credential" AS "k" CROSS JOIN "device" AS "d" ON "d"."id" = "k"."device_id"
		WHERE "k"."ca_id" = new."id" AND "d"."status" NOT IN ('suspended', 'retired')
			AND 1000 >= (SELECT count(*) FROM (SELECT 1 FROM "device_credential" WHERE "ca_id" = new."id" LIMIT 1001))
			AND NOT EXISTS (SELECT 1 FROM "status_entry" WHERE "origin_id" = "d"."id" AND "kind" = 'device');
END;
CREATE TRIGGER "status_of_deleted_device_ca" AFTER DELETE ON "device_ca"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome", "upto")
		SELECT 'device_ca', old."id", 1, (SELECT "seq" FROM "sqlite_sequence" WHERE "name" = 'status_entry')
		WHERE 1000 < (SELECT count(*) FROM (SELECT 1 FROM "device_credential" WHERE "ca_id" = old."id" LIMIT 1001));
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e" WHERE "e"."seq" IN (
			SELECT "o"."seq" FROM "device_credential" AS "k" CROSS JOIN "status_entry" AS "o"
				ON "o"."origin_id" = "k"."device_id" AND "o"."kind" = 'device'
			WHERE "k"."ca_id" = old."id")
		AND 1000 >= (SELECT count(*) FROM (SELECT 1 FROM "device_credential" WHERE "ca_id" = old."id" LIMIT 1001));
	INSERT INTO "status_entry" ("kind", "origin_id") SELECT DISTINCT 'device', "d"."id"
		FROM "device_credential" AS "k" CROSS JOIN "device" AS "d" ON "d"."id" = "k"."device_id"
		WHERE "k"."ca_id" = old."id" AND "d"."status" NOT IN ('suspended', 'retired')
			AND 1000 >= (SELECT count(*) FROM (SELECT 1 FROM "device_credential" WHERE "ca_id" = old."id" LIMIT 1001))
			AND NOT EXISTS (SELECT 1 FROM "status_entry" WHERE "origin_id" = "d"."id" AND "kind" = 'device');
END;

-- Ended: people, clients and what people gave clients.
CREATE TRIGGER "status_of_new_client" AFTER INSERT ON "client" WHEN new."status" = 'active'
BEGIN
	INSERT INTO "status_entry" ("kind", "origin_id") VALUES ('client', new."id");
END;
CREATE TRIGGER "status_of_changed_client" AFTER UPDATE OF "status", "epoch" ON "client" WHEN new."status" <> old."status" OR new."epoch" <> old."epoch"
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = new."id" AND "e"."kind" = 'client' AND (new."epoch" <> old."epoch" OR new."status" <> 'active');
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'client', new."id", 1 WHERE new."epoch" <> old."epoch" OR new."status" <> 'active';
	INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'client', new."id"
		WHERE new."status" = 'active' AND NOT EXISTS (
			SELECT 1 FROM "status_entry" WHERE "origin_id" = new."id" AND "kind" = 'client');
END;
CREATE TRIGGER "status_of_deleted_client" AFTER DELETE ON "client"
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = old."id" AND "e"."kind" = 'client';
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'client', old."id", 1;
END;
CREATE TRIGGER "status_of_changed_user" AFTER UPDATE OF "status", "epoch" ON "user"
WHEN (new."status" <> old."status" AND new."status" <> 'active') OR new."epoch" <> old."epoch"
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "authorization" AS "a" CROSS JOIN "status_entry" AS "e"
			ON "e"."origin_id" = "a"."id" AND "e"."kind" = 'authorization' WHERE "a"."user_id" = new."id";
END;

-- Of what was not ended with the person for good, the epochs say.
CREATE TRIGGER "status_of_active_user" AFTER UPDATE OF "status" ON "user" WHEN new."status" = 'active' AND old."status" <> 'active'
BEGIN
	INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'authorization', "a"."id"
		FROM "authorization" AS "a" JOIN "client" AS "c" ON "c"."id" = "a"."client_id"
		WHERE "a"."user_id" = new."id" AND "a"."revoked_at" IS NULL AND "a"."epoch" = new."epoch" + "c"."epoch"
			AND NOT EXISTS (SELECT 1 FROM "status_entry" WHERE "origin_id" = "a"."id" AND "kind" = 'authorization');
END;
CREATE TRIGGER "status_of_deleted_user" AFTER DELETE ON "user"
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "authorization" AS "a" CROSS JOIN "status_entry" AS "e"
			ON "e"."origin_id" = "a"."id" AND "e"."kind" = 'authorization' WHERE "a"."user_id" = old."id";
END;
CREATE TRIGGER "status_of_new_authorization" AFTER INSERT ON "authorization" WHEN new."revoked_at" IS NULL
BEGIN
	INSERT INTO "status_entry" ("kind", "origin_id") VALUES ('authorization', new."id");
END;

-- A change that only supersedes leaves it to the revocation to end an entry.
CREATE TRIGGER "status_of_revoked_authorization" AFTER UPDATE OF "revoked_at" ON "authorization" WHEN new."revoked_at" IS NOT NULL AND NOT EXISTS (
	SELECT 1 FROM "status_change" WHERE "scope" = 'client' AND "id" = new."client_id" AND "outcome" = 1)
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = new."id" AND "e"."kind" = 'authorization';
END;
CREATE TRIGGER "status_of_deleted_authorization" AFTER DELETE ON "authorization"
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = old."id" AND "e"."kind" = 'authorization';
END;

-- Superseded: rights that became fewer. A condition that is another may hold where it did not and fail
-- to hold where it did; a denial then begins or ends.
CREATE TRIGGER "status_of_new_grant" AFTER INSERT ON "grant"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', new."subject_id", 3 WHERE EXISTS (SELECT 1 FROM "role" WHERE "name" = new."role" AND instr("acl", '"deny"') > 0);
END;
CREATE TRIGGER "status_of_changed_grant" AFTER UPDATE OF "subject_id", "role", "object_id", "not_before", "expires_at", "condition" ON "grant"
WHEN new."subject_id" <> old."subject_id" OR new."role" <> old."role" OR new."object_id" <> old."object_id"
	OR coalesce(new."expires_at", 9e15) < coalesce(old."expires_at", 9e15)
	OR coalesce(new."not_before", 0) > coalesce(old."not_before", 0)
	OR new."condition" IS NOT old."condition"
	OR ((new."expires_at" IS NOT old."expires_at" OR new."not_before" IS NOT old."not_before")
		AND EXISTS (SELECT 1 FROM "role" WHERE "name" = new."role" AND instr("acl", '"deny"') > 0))
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', old."subject_id", 3;
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', new."subject_id", 3 WHERE new."subject_id" <> old."subject_id";
END;
CREATE TRIGGER "status_of_deleted_grant" AFTER DELETE ON "grant"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', old."subject_id", 3;
END;
CREATE TRIGGER "status_of_changed_role" AFTER UPDATE OF "acl", "permissions" ON "role"
WHEN EXISTS (SELECT "value" FROM json_each(CASE WHEN json_valid(old."acl") THEN old."acl" ELSE '[]' END)
		EXCEPT SELECT "value" FROM json_each(CASE WHEN json_valid(new."acl") THEN new."acl" ELSE '[]' END)) OR EXISTS (SELECT "value" FROM json_each(CASE WHEN json_valid(old."permissions") THEN old."permissions" ELSE '[]' END)
		EXCEPT SELECT "value" FROM json_each(CASE WHEN json_valid(new."permissions") THEN new."permissions" ELSE '[]' END))
	OR EXISTS (SELECT "value" FROM json_each(CASE WHEN json_valid(new."acl") THEN new."acl" ELSE '[]' END)
			WHERE CASE "type" WHEN 'object' THEN "value" ->> 'permission' END = 'deny'
		EXCEPT SELECT "value" FROM json_each(CASE WHEN json_valid(old."acl") THEN old."acl" ELSE '[]' END))
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'role', new."name", 3;
END;
CREATE TRIGGER "status_of_changed_device_type" AFTER UPDATE OF "acl" ON "device_type"
WHEN EXISTS (SELECT "value" FROM json_each(CASE WHEN json_valid(old."acl") THEN old."acl" ELSE '[]' END)
		EXCEPT SELECT "value" FROM json_each(CASE WHEN json_valid(new."acl") THEN new."acl" ELSE '[]' END))
	OR EXISTS (SELECT "value" FROM json_each(CASE WHEN json_valid(new."acl") THEN new."acl" ELSE '[]' END)
			WHERE CASE "type" WHEN 'object' THEN "value" ->> 'permission' END = 'deny'
		EXCEPT SELECT "value" FROM json_each(CASE WHEN json_valid(old."acl") THEN old."acl" ELSE '[]' END))
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'device_type', new."name", 3;
END;
CREATE TRIGGER "status_of_new_membership" AFTER INSERT ON "membership"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', new."member_id", 3 WHERE EXISTS (WITH RECURSIVE "up"("id") AS (
		SELECT new."group_id" UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
			WHERE "g"."parent_id" IS NOT NULL)
			SELECT 1 FROM "up" CROSS JOIN "grant" AS "g" ON "g"."subject_id" = "up"."id"
				CROSS JOIN "role" AS "r" ON "r"."name" = "g"."role" AND instr("r"."acl", '"deny"') > 0)
		OR EXISTS (SELECT 1 FROM "device" AS "d" JOIN "device_type" AS "t" ON "t"."name" = "d"."type"
			WHERE "d"."id" = new."member_id" AND instr("t"."acl", '"deny"') > 0 AND instr("t"."acl", '${group.') > 0);
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'object', new."group_id", 3 WHERE EXISTS (SELECT 1 FROM "device" WHERE "id" = new."member_id")
		AND EXISTS (WITH RECURSIVE "up"("id") AS (
		SELECT new."group_id" UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
			WHERE "g"."parent_id" IS NOT NULL)
			SELECT 1 FROM (SELECT "id" FROM "up" UNION ALL SELECT '*') AS "o"
				CROSS JOIN "grant" AS "g" ON "g"."object_id" = "o"."id"
				CROSS JOIN "role" AS "r" ON "r"."name" = "g"."role" AND instr("r"."acl", '"deny"') > 0 AND instr("r"."acl", '${device.') > 0);
END;
CREATE TRIGGER "status_of_deleted_membership" AFTER DELETE ON "membership"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', old."member_id", 3;
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'object', old."group_id", 3 WHERE EXISTS (SELECT 1 FROM "principal" WHERE "id" = old."member_id" AND "kind" = 'device');
END;
CREATE TRIGGER "status_of_changed_membership" AFTER UPDATE OF "expires_at" ON "membership" WHEN new."expires_at" IS NOT old."expires_at"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', new."member_id", 3;
END;
CREATE TRIGGER "status_of_moved_group" AFTER UPDATE OF "parent_id" ON "group" WHEN new."parent_id" IS NOT old."parent_id"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', new."id", 3;
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'object', new."id", 3;
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'object', old."parent_id", 3 WHERE old."parent_id" IS NOT NULL;
END;
CREATE TRIGGER "status_of_changed_rules_of_device" AFTER UPDATE OF "type", "metadata", "mqtt_client_id" ON "device"
WHEN new."type" <> old."type" OR new."mqtt_client_id" IS NOT old."mqtt_client_id" OR new."metadata" <> old."metadata"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'subject', new."id", 3 WHERE new."type" <> old."type" OR new."mqtt_client_id" IS NOT old."mqtt_client_id"
		OR EXISTS (SELECT 1 FROM "device_type" WHERE "name" = new."type" AND instr("acl", '.metadata.') > 0);
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'object', new."id", 3 WHERE new."metadata" <> old."metadata"
		AND EXISTS (SELECT 1 FROM "role" WHERE instr("acl", '.metadata.') > 0);
END;

-- Conditions that read a value of a device, or where it is.
CREATE TRIGGER "status_of_changed_values_of_device" AFTER UPDATE OF "type", "metadata", "tags" ON "device"
WHEN new."type" <> old."type" OR new."metadata" <> old."metadata" OR new."tags" <> old."tags"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'object', new."id", 3 WHERE EXISTS (WITH RECURSIVE "up"("id") AS (
			SELECT new."id"
			UNION SELECT "m"."group_id" FROM "up" CROSS JOIN "membership" AS "m" ON "m"."member_id" = "up"."id"
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL)
		SELECT 1 FROM (SELECT "id" FROM "up" UNION ALL SELECT '*') AS "o" CROSS JOIN "grant" AS "g" ON "g"."object_id" = "o"."id"
		WHERE instr(coalesce("g"."condition_reads", ''), 'device.') > 0);
END;

-- Rules that name the site follow the group that is one, also those of the groups below; rules that name
-- groups follow those that are moved away.
-- A place that moves, or becomes or ceases to be a site, concerns those who have grants in it: each where
-- these are 1,000 grants at most, else all holders of the roles whose rules name the place.
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
CREATE TRIGGER "status_of_gone_authorization" AFTER DELETE ON "authorization"
BEGIN
	DELETE FROM "token_exchange" WHERE "origin_id" = old."id";
END;

-- Whoever acts for others ends: the origins go on with another entry.
CREATE TRIGGER "status_of_ended_client_as_actor" AFTER UPDATE OF "status", "epoch" ON "client"
WHEN new."epoch" <> old."epoch" OR (new."status" <> old."status" AND new."status" <> 'active')
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'actor', new."id", 3
		WHERE EXISTS (SELECT 1 FROM "token_exchange" WHERE "actor_id" = new."id");
END;
CREATE TRIGGER "status_of_deleted_client_as_actor" AFTER DELETE ON "client"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'actor', old."id", 3
		WHERE EXISTS (SELECT 1 FROM "token_exchange" WHERE "actor_id" = old."id");
	DELETE FROM "token_exchange" WHERE "origin_id" = old."id";
END;
CREATE TRIGGER "status_of_ended_user_as_actor" AFTER UPDATE OF "status", "epoch" ON "user"
WHEN new."epoch" <> old."epoch" OR (new."status" <> old."status" AND new."status" <> 'active')
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'actor', new."id", 3
		WHERE EXISTS (SELECT 1 FROM "token_exchange" WHERE "actor_id" = new."id");
END;
CREATE TRIGGER "status_of_deleted_user_as_actor" AFTER DELETE ON "user"
BEGIN
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'actor', old."id", 3
		WHERE EXISTS (SELECT 1 FROM "token_exchange" WHERE "actor_id" = old."id");
END;

-- Power that a client loses, and each key or way by which it proves itself.
CREATE TRIGGER "status_of_narrowed_client"
AFTER UPDATE OF "scope", "resources", "serves", "grant_types", "jwks", "token_endpoint_auth_method", "members" ON "client"
WHEN new."status" = 'active' AND new."epoch" = old."epoch" AND (
	EXISTS (SELECT "value" FROM json_each('["' || replace(old."scope", ' ', '","') || '"]')
		EXCEPT SELECT "value" FROM json_each('["' || replace(new."scope", ' ', '","') || '"]'))
	OR EXISTS (SELECT "value" FROM json_each(old."resources") EXCEPT SELECT "value" FROM json_each(new."resources"))
	OR EXISTS (SELECT "value" FROM json_each(old."serves") EXCEPT SELECT "value" FROM json_each(new."serves"))
	OR EXISTS (SELECT "value" FROM json_each(old."grant_types") EXCEPT SELECT "value" FROM json_each(new."grant_types"))
	OR EXISTS (SELECT "value" FROM json_each(coalesce(old."jwks", '{}'), '$.keys')
		EXCEPT SELECT "value" FROM json_each(coalesce(new."jwks", '{}'), '$.keys'))
	OR (new."token_endpoint_auth_method" <> old."token_endpoint_auth_method" AND old."token_endpoint_auth_method" <> 'none')
	OR EXISTS (SELECT "value" FROM json_each(old."members", '$.authorization_details_types')
		EXCEPT SELECT "value" FROM json_each(new."members", '$.authorization_details_types'))
	OR (new."members" ->> '$.groups_within' IS NOT NULL
		AND new."members" ->> '$.groups_within' IS NOT old."members" ->> '$.groups_within')
	OR EXISTS (SELECT "key", "value" FROM json_each(old."members")
			WHERE "key" = 'jwks_uri' OR "key" LIKE 'tls_client_auth_%'
		EXCEPT SELECT "key", "value" FROM json_each(new."members")))
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 3, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = new."id" AND "e"."kind" = 'client';
	INSERT INTO "status_change" ("scope", "id", "outcome") VALUES ('client', new."id", 3);
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'actor', new."id", 3
		WHERE EXISTS (SELECT 1 FROM "token_exchange" WHERE "actor_id" = new."id");
END;

-- A secret that is taken away before its end has the end 0, and is deleted then. What its holder got for
-- the client has ended; tokens of people are fetched anew by whoever has another one.
CREATE TRIGGER "status_of_taken_secret" AFTER UPDATE OF "expires_at" ON "client_secret"
WHEN new."expires_at" = 0 AND old."expires_at" IS NOT 0
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = new."client_id" AND "e"."kind" = 'client';
	INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'client', "id" FROM "client"
		WHERE "id" = new."client_id" AND "status" = 'active' AND NOT EXISTS (
			SELECT 1 FROM "status_entry" WHERE "origin_id" = new."client_id" AND "kind" = 'client');
	INSERT INTO "status_change" ("scope", "id", "outcome") VALUES ('client', new."client_id", 3);
	INSERT INTO "status_change" ("scope", "id", "outcome") SELECT 'actor', new."client_id", 3
		WHERE EXISTS (SELECT 1 FROM "token_exchange" WHERE "actor_id" = new."client_id");
END;

-- Of rows that were there before.
INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'device', "id" FROM "device" WHERE "status" NOT IN ('suspended', 'retired');
INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'client', "id" FROM "client" WHERE "status" = 'active';
INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'authorization', "id" FROM "authorization" WHERE "revoked_at" IS NULL;
INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'device_token', "id" FROM "device_token" WHERE "revoked_at" IS NULL;
