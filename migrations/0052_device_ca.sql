-- Certificates of devices (kind `x509`): by thumbprint, or vouched for by an authority that an operator
-- registered. `issuer` is a hash of the name of its issuer; both with `serial` say which certificate it is
-- whatever form it is sent in. `not_after` is the end of the certificate itself. `ca_id`: it counts only
-- while that authority does.
ALTER TABLE "device_credential" ADD COLUMN "thumbprint" text;
ALTER TABLE "device_credential" ADD COLUMN "issuer" text;
ALTER TABLE "device_credential" ADD COLUMN "serial" text;
ALTER TABLE "device_credential" ADD COLUMN "not_after" integer;
ALTER TABLE "device_credential" ADD COLUMN "ca_id" text;
CREATE INDEX "device_credential_ca" ON "device_credential" ("ca_id","device_id") WHERE "device_credential"."ca_id" is not null;

-- Authorities whose certificates devices authenticate with.
CREATE TABLE "device_ca" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"certificate" text NOT NULL,
	"thumbprint" text NOT NULL,
	"subject" text NOT NULL,
	"names" text NOT NULL,
	"device_type" text,
	"group_id" text,
	"enabled" integer NOT NULL,
	"not_before" integer NOT NULL,
	"not_after" integer NOT NULL,
	"created_by" text,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL
);
CREATE UNIQUE INDEX "device_ca_name_unique" ON "device_ca" ("name");
CREATE INDEX "device_ca_subject" ON "device_ca" ("subject");

-- An authority that is disabled or gone ends the tokens of devices that came by it; other credentials of
-- these devices fetch anew. A change of more than 1,000 devices begins with its `upto`, and so stays.
DROP VIEW "status_waiting";
CREATE VIEW "status_waiting" AS SELECT "c"."n" AS "n", "e"."seq" AS "seq"
FROM "status_change" AS "c" CROSS JOIN "status_entry" AS "e"
WHERE "e"."seq" > "c"."done" AND "e"."seq" <= "c"."upto" AND CASE "c"."scope"
	WHEN 'client' THEN "e"."kind" = 'authorization' AND EXISTS (
		SELECT 1 FROM "authorization" AS "a" WHERE "a"."id" = "e"."origin_id" AND "a"."client_id" = "c"."id")
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

-- A device whose authority has ended goes on with another entry: it may have other credentials.
DROP TRIGGER "status_entry_flipped";
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

DROP TRIGGER "status_of_revoked_credential";
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
DROP TRIGGER "status_of_deleted_credential";
CREATE TRIGGER "status_of_deleted_credential" AFTER DELETE ON "device_credential" WHEN old."revoked_at" IS NULL AND old."ca_id" IS NULL
BEGIN
	INSERT INTO "status_flip" ("list", "idx", "outcome", "seq")
		SELECT ("e"."seq" - 1) >> 20, "e"."idx", 1, "e"."seq" FROM "status_entry" AS "e"
		WHERE "e"."origin_id" = old."device_id" AND "e"."kind" = 'device';
	INSERT INTO "status_entry" ("kind", "origin_id") SELECT 'device', "id" FROM "device"
		WHERE "id" = old."device_id" AND "status" NOT IN ('suspended', 'retired')
			AND NOT EXISTS (SELECT 1 FROM "status_entry" WHERE "origin_id" = old."device_id" AND "kind" = 'device');
END;

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
