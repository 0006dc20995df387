-- Devices as records: the numbers that makers gave them, tags, the gateway before each, when they were seen; types that say
-- more of their devices; and the tables by which devices are found.

ALTER TABLE "device" ADD COLUMN "parent_id" text;
ALTER TABLE "device" ADD COLUMN "tags" text NOT NULL DEFAULT '[]';
ALTER TABLE "device" ADD COLUMN "first_seen_at" integer NOT NULL DEFAULT 0;
ALTER TABLE "device" ADD COLUMN "last_seen_at" integer NOT NULL DEFAULT 0;
CREATE INDEX "device_by_parent" ON "device" ("parent_id","id") WHERE "device"."parent_id" is not null;
CREATE INDEX "device_by_status" ON "device" ("status","id");
CREATE INDEX "device_by_silence" ON "device" ("last_seen_at","id");
CREATE INDEX "device_credential_ending" ON "device_credential" ("expires_at","device_id","id") WHERE "device_credential"."expires_at" is not null and "device_credential"."revoked_at" is null;

ALTER TABLE "device_type" ADD COLUMN "names" text NOT NULL DEFAULT '{}';
ALTER TABLE "device_type" ADD COLUMN "permissions" text NOT NULL DEFAULT '[]';
ALTER TABLE "device_type" ADD COLUMN "token_ttl" integer;
ALTER TABLE "device_type" ADD COLUMN "credential_kinds" text;
ALTER TABLE "device_type" ADD COLUMN "claim" text NOT NULL DEFAULT 'never';
ALTER TABLE "device_type" ADD COLUMN "fields" text;

-- A row outlives its device, so that nobody but an operator gives the number to another one.
CREATE TABLE "hardware_id" (
	"kind" text NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	"device_id" text NOT NULL,
	"created_at" integer NOT NULL,
	PRIMARY KEY("kind", "key")
);

CREATE INDEX "hardware_id_device" ON "hardware_id" ("device_id","kind","key");

-- The tables below repeat columns of "device". Triggers keep them, so that each statement that writes a device, those of the
-- previous program too, is followed.

CREATE TABLE "device_tag" (
	"tag" text NOT NULL,
	"device_id" text NOT NULL,
	PRIMARY KEY("tag", "device_id")
);

CREATE INDEX "device_tag_device" ON "device_tag" ("device_id");

CREATE TABLE "device_value" (
	"name" text NOT NULL,
	"value" text NOT NULL,
	"device_id" text NOT NULL,
	PRIMARY KEY("name", "value", "device_id")
);

CREATE INDEX "device_value_device" ON "device_value" ("device_id");

CREATE TABLE "device_text" (
	"id" integer PRIMARY KEY NOT NULL,
	"device_id" text NOT NULL,
	"name" text NOT NULL,
	"ids" text NOT NULL,
	"words" text NOT NULL
);

CREATE UNIQUE INDEX "device_text_device" ON "device_text" ("device_id");

CREATE VIRTUAL TABLE "device_search" USING fts5(
	"name", "ids", "words",
	content = 'device_text', content_rowid = 'id', prefix = '2 4', tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER "device_search_of_new_text" AFTER INSERT ON "device_text"
BEGIN
	INSERT INTO "device_search" ("rowid", "name", "ids", "words")
	VALUES (NEW."id", NEW."name", NEW."ids", NEW."words");
END;

CREATE TRIGGER "device_search_of_changed_text" AFTER UPDATE ON "device_text"
BEGIN
	INSERT INTO "device_search" ("device_search", "rowid", "name", "ids", "words")
	VALUES ('delete', OLD."id", OLD."name", OLD."ids", OLD."words");
	INSERT INTO "device_search" ("rowid", "name", "ids", "words")
	VALUES (NEW."id", NEW."name", NEW."ids", NEW."words");
END;

CREATE TRIGGER "device_search_of_deleted_text" AFTER DELETE ON "device_text"
BEGIN
	INSERT INTO "device_search" ("device_search", "rowid", "name", "ids", "words")
	VALUES ('delete', OLD."id", OLD."name", OLD."ids", OLD."words");
END;

INSERT INTO "device_text" ("device_id", "name", "ids", "words")
SELECT "id", coalesce("name", ''), "id",
	coalesce((SELECT group_concat("atom", ' ') FROM json_tree("device"."metadata") WHERE "atom" IS NOT NULL), '')
FROM "device";

INSERT INTO "device_value" ("name", "value", "device_id")
SELECT v."key", v."value", "device"."id" FROM "device", json_each("device"."metadata") v;

-- The numbers of a new device are stored before the device itself, so that its words are written once.
CREATE TRIGGER "device_words_of_new_device" AFTER INSERT ON "device"
BEGIN
	INSERT INTO "device_text" ("device_id", "name", "ids", "words") VALUES (NEW."id", coalesce(NEW."name", ''),
		concat_ws(' ', NEW."id", (SELECT group_concat("value", ' ') FROM "hardware_id" WHERE "device_id" = NEW."id")),
		coalesce((SELECT group_concat("atom", ' ') FROM json_tree(NEW."metadata") WHERE "atom" IS NOT NULL), ''));
	INSERT INTO "device_tag" ("tag", "device_id") SELECT "value", NEW."id" FROM json_each(NEW."tags");
	INSERT INTO "device_value" ("name", "value", "device_id")
	SELECT "key", CASE "type" WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE "value" END, NEW."id"
	FROM json_each(NEW."metadata")
	WHERE "type" NOT IN ('object', 'array', 'null');
END;

CREATE TRIGGER "device_words_of_changed_device" AFTER UPDATE OF "name", "metadata" ON "device"
WHEN NEW."name" IS NOT OLD."name" OR NEW."metadata" <> OLD."metadata"
BEGIN
	UPDATE "device_text" SET "name" = coalesce(NEW."name", ''),
		"words" = coalesce((SELECT group_concat("atom", ' ') FROM json_tree(NEW."metadata") WHERE "atom" IS NOT NULL), '')
	WHERE "device_id" = NEW."id";
	DELETE FROM "device_value" WHERE "device_id" = NEW."id";
	INSERT INTO "device_value" ("name", "value", "device_id")
	SELECT "key", CASE "type" WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE "value" END, NEW."id"
	FROM json_each(NEW."metadata")
	WHERE "type" NOT IN ('object', 'array', 'null');
END;

CREATE TRIGGER "device_tags_of_changed_device" AFTER UPDATE OF "tags" ON "device" WHEN NEW."tags" <> OLD."tags"
BEGIN
	DELETE FROM "device_tag" WHERE "device_id" = NEW."id";
	INSERT INTO "device_tag" ("tag", "device_id") SELECT "value", NEW."id" FROM json_each(NEW."tags");
END;

CREATE TRIGGER "device_words_of_deleted_device" AFTER DELETE ON "device"
BEGIN
	DELETE FROM "device_text" WHERE "device_id" = OLD."id";
	DELETE FROM "device_tag" WHERE "device_id" = OLD."id";
	DELETE FROM "device_value" WHERE "device_id" = OLD."id";
END;

CREATE TRIGGER "device_words_of_new_hardware_id" AFTER INSERT ON "hardware_id"
BEGIN
	UPDATE "device_text" SET "ids" = concat_ws(' ', NEW."device_id",
		(SELECT group_concat("value", ' ') FROM "hardware_id" WHERE "device_id" = NEW."device_id"))
	WHERE "device_id" = NEW."device_id";
END;

CREATE TRIGGER "device_words_of_changed_hardware_id" AFTER UPDATE ON "hardware_id"
BEGIN
	UPDATE "device_text" SET "ids" = concat_ws(' ', NEW."device_id",
		(SELECT group_concat("value", ' ') FROM "hardware_id" WHERE "device_id" = NEW."device_id"))
	WHERE "device_id" = NEW."device_id";
END;

CREATE TRIGGER "device_words_of_deleted_hardware_id" AFTER DELETE ON "hardware_id"
BEGIN
	UPDATE "device_text" SET "ids" = concat_ws(' ', OLD."device_id",
		(SELECT group_concat("value", ' ') FROM "hardware_id" WHERE "device_id" = OLD."device_id"))
	WHERE "device_id" = OLD."device_id";
END;
