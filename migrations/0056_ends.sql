-- Ends that were not followed yet: of a client's power and secrets, of whoever acts for somebody by
-- an exchanged token, and of the actor that made a claim token or began a job.

-- Principals that act for others by exchanged tokens, with the origin that such a token has. The
-- first exchange of each pair writes it.
CREATE TABLE "token_exchange" (
	"origin_id" text NOT NULL,
	"actor_id" text NOT NULL,
	PRIMARY KEY("origin_id", "actor_id")
);
CREATE INDEX "token_exchange_actor" ON "token_exchange" ("actor_id");

-- The actor that made a claim token as it was then (JSON, as `inviter` of an invitation), with its
-- epoch; and its id where it reached some places alone. Tokens of before have none.
ALTER TABLE "claim_batch" ADD COLUMN "maker" text;
ALTER TABLE "claim_batch" ADD COLUMN "maker_epoch" integer DEFAULT 0 NOT NULL;
ALTER TABLE "claim_batch" ADD COLUMN "made_by" text;

-- The same of an initial access token, by which software registers clients.
ALTER TABLE "initial_access_token" ADD COLUMN "created_by" text;
ALTER TABLE "initial_access_token" ADD COLUMN "maker" text;
ALTER TABLE "initial_access_token" ADD COLUMN "maker_epoch" integer DEFAULT 0 NOT NULL;

-- The same as before, and for `actor`: the origins of tokens by which somebody acts for others. Rights
-- that somebody loses who acts so concern these too.
DROP VIEW "status_waiting";
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
		ELSE (SELECT count(*) FROM (WITH RECURSIVE "up"("id") AS (
			SELECT new."id" WHERE new."scope" = 'object'
			UNION SELECT "m"."group_id" FROM "up" CROSS JOIN "membership" AS "m" ON "m"."member_id" = "up"."id"
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL),
		"top"("id") AS (
			SELECT new."id" WHERE new."scope" = 'subject'
			UNION ALL SELECT "subject_id" FROM "grant" WHERE new."scope" = 'role' AND "role" = new."id"
			UNION ALL SELECT "id" FROM "device" WHERE new."scope" = 'device_type' AND "type" = new."id"
			UNION ALL SELECT "g"."subject_id" FROM (SELECT "id" FROM "up" UNION ALL SELECT '*' WHERE new."scope" = 'object') AS "o"
				CROSS JOIN "grant" AS "g" ON "g"."object_id" = "o"."id"
				CROSS JOIN "role" AS "r" ON "r"."name" = "g"."role" AND (instr("r"."acl", '${device.') > 0 OR instr(coalesce("g"."condition_reads", ''), 'device.') > 0)),
		"below"("id") AS (
			SELECT "id" FROM (SELECT "id" FROM "top" LIMIT 1001)
			UNION SELECT "g"."id" FROM "below" CROSS JOIN "group" AS "g" ON "g"."parent_id" = "below"."id"),
		"holder"("id") AS (
			SELECT "id" FROM "below"
			UNION ALL SELECT "m"."member_id" FROM "below" CROSS JOIN "membership" AS "m" ON "m"."group_id" = "below"."id")
			SELECT 1 FROM "holder" LIMIT 1001)) END;
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", new."outcome", "e"."seq" FROM "status_entry" AS "e"
		WHERE (SELECT "upto" FROM "status_change" WHERE "n" = new."n") IS NULL AND "e"."seq" IN (
			SELECT "e"."seq" FROM "authorization" AS "a" CROSS JOIN "status_entry" AS "e"
				ON "e"."origin_id" = "a"."id" AND "e"."kind" = 'authorization'
			WHERE new."scope" = 'client' AND "a"."client_id" = new."id"
			UNION ALL SELECT "e"."seq" FROM "token_exchange" AS "x" CROSS JOIN "status_entry" AS "e"
				ON "e"."origin_id" = "x"."origin_id" AND "e"."kind" IN ('authorization', 'client')
			WHERE new."scope" = 'actor' AND "x"."actor_id" = new."id");
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", new."outcome", "e"."seq" FROM "status_entry" AS "e"
		WHERE (SELECT "upto" FROM "status_change" WHERE "n" = new."n") IS NULL AND new."scope" NOT IN ('client', 'actor') AND "e"."seq" IN (
			WITH RECURSIVE "up"("id") AS (
			SELECT new."id" WHERE new."scope" = 'object'
			UNION SELECT "m"."group_id" FROM "up" CROSS JOIN "membership" AS "m" ON "m"."member_id" = "up"."id"
			UNION SELECT "g"."parent_id" FROM "up" CROSS JOIN "group" AS "g" ON "g"."id" = "up"."id"
				WHERE "g"."parent_id" IS NOT NULL),
		"top"("id") AS (
			SELECT new."id" WHERE new."scope" = 'subject'
			UNION ALL SELECT "subject_id" FROM "grant" WHERE new."scope" = 'role' AND "role" = new."id"
			UNION ALL SELECT "id" FROM "device" WHERE new."scope" = 'device_type' AND "type" = new."id"
			UNION ALL SELECT "g"."subject_id" FROM (SELECT "id" FROM "up" UNION ALL SELECT '*' WHERE new."scope" = 'object') AS "o"
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

-- A change that only supersedes leaves it to the revocation to end an entry.
DROP TRIGGER "status_of_revoked_authorization";
CREATE TRIGGER "status_of_revoked_authorization" AFTER UPDATE OF "revoked_at" ON "authorization" WHEN new."revoked_at" IS NOT NULL AND NOT EXISTS (
	SELECT 1 FROM "status_change" WHERE "scope" = 'client' AND "id" = new."client_id" AND "outcome" = 1)
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = new."id" AND "e"."kind" = 'authorization';
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
