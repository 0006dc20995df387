-- The user name of a person, repeated from "login_id" for whoever reads the user, and the last sign-in.

ALTER TABLE "user" ADD COLUMN "user_name" text;
ALTER TABLE "user" ADD COLUMN "last_sign_in_at" integer;
UPDATE "user" SET "last_sign_in_at" = (SELECT max("created_at") FROM "session" WHERE "session"."user_id" = "user"."id");
CREATE INDEX "user_last_sign_in" ON "user" ("last_sign_in_at");

-- The words by which people are searched. Triggers keep them: a dozen statements write people and names, those of the
-- previous program too, and one that forgot them would keep somebody in the index who is deleted. The ids are numbers
-- of their own, since a row of "user" may get another number when the file is compacted.

CREATE TABLE "user_text" (
	"id" integer PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"name" text NOT NULL,
	"names" text NOT NULL,
	"metadata" text NOT NULL
);

CREATE UNIQUE INDEX "user_text_user" ON "user_text" ("user_id");

CREATE VIRTUAL TABLE "user_search" USING fts5(
	"name", "names", "metadata",
	content = 'user_text', content_rowid = 'id', prefix = '1 2 3', tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER "user_search_of_new_text" AFTER INSERT ON "user_text"
BEGIN
	INSERT INTO "user_search" ("rowid", "name", "names", "metadata")
	VALUES (NEW."id", NEW."name", NEW."names", NEW."metadata");
END;

CREATE TRIGGER "user_search_of_changed_text" AFTER UPDATE ON "user_text"
BEGIN
	INSERT INTO "user_search" ("user_search", "rowid", "name", "names", "metadata")
	VALUES ('delete', OLD."id", OLD."name", OLD."names", OLD."metadata");
	INSERT INTO "user_search" ("rowid", "name", "names", "metadata")
	VALUES (NEW."id", NEW."name", NEW."names", NEW."metadata");
END;

CREATE TRIGGER "user_search_of_deleted_text" AFTER DELETE ON "user_text"
BEGIN
	INSERT INTO "user_search" ("user_search", "rowid", "name", "names", "metadata")
	VALUES ('delete', OLD."id", OLD."name", OLD."names", OLD."metadata");
END;

INSERT INTO "user_text" ("user_id", "name", "names", "metadata")
SELECT "id",
	concat_ws(' ', "name", "profile" ->> 'given_name', "profile" ->> 'family_name', "profile" ->> 'middle_name', "profile" ->> 'nickname', "profile" ->> 'preferred_username'),
	coalesce((SELECT group_concat("value", ' ') FROM "login_id" WHERE "user_id" = "user"."id"), ''),
	coalesce((SELECT group_concat("atom", ' ') FROM json_tree("user"."metadata") WHERE "atom" IS NOT NULL), '')
FROM "user";

CREATE TRIGGER "user_text_of_new_user" AFTER INSERT ON "user"
BEGIN
	INSERT INTO "user_text" ("user_id", "name", "names", "metadata") VALUES (NEW."id",
		concat_ws(' ', NEW."name", NEW."profile" ->> 'given_name', NEW."profile" ->> 'family_name', NEW."profile" ->> 'middle_name', NEW."profile" ->> 'nickname', NEW."profile" ->> 'preferred_username'),
		coalesce((SELECT group_concat("value", ' ') FROM "login_id" WHERE "user_id" = NEW."id"), ''),
		coalesce((SELECT group_concat("atom", ' ') FROM json_tree(NEW."metadata") WHERE "atom" IS NOT NULL), ''));
END;

CREATE TRIGGER "user_text_of_changed_user" AFTER UPDATE OF "name", "profile", "metadata" ON "user"
WHEN NEW."name" IS NOT OLD."name" OR NEW."profile" <> OLD."profile" OR NEW."metadata" <> OLD."metadata"
BEGIN
	UPDATE "user_text" SET
		"name" = concat_ws(' ', NEW."name", NEW."profile" ->> 'given_name', NEW."profile" ->> 'family_name', NEW."profile" ->> 'middle_name', NEW."profile" ->> 'nickname', NEW."profile" ->> 'preferred_username'),
		"metadata" = coalesce((SELECT group_concat("atom", ' ') FROM json_tree(NEW."metadata") WHERE "atom" IS NOT NULL), '')
	WHERE "user_id" = NEW."id";
END;

CREATE TRIGGER "user_text_of_deleted_user" AFTER DELETE ON "user"
BEGIN
	DELETE FROM "user_text" WHERE "user_id" = OLD."id";
END;

CREATE TRIGGER "user_text_of_new_login_id" AFTER INSERT ON "login_id"
BEGIN
	UPDATE "user_text" SET "names" = coalesce((SELECT group_concat("value", ' ') FROM "login_id" WHERE "user_id" = NEW."user_id"), '')
	WHERE "user_id" = NEW."user_id";
END;

CREATE TRIGGER "user_text_of_changed_login_id" AFTER UPDATE OF "value" ON "login_id" WHEN NEW."value" <> OLD."value"
BEGIN
	UPDATE "user_text" SET "names" = coalesce((SELECT group_concat("value", ' ') FROM "login_id" WHERE "user_id" = NEW."user_id"), '')
	WHERE "user_id" = NEW."user_id";
END;

CREATE TRIGGER "user_text_of_deleted_login_id" AFTER DELETE ON "login_id"
BEGIN
	UPDATE "user_text" SET "names" = coalesce((SELECT group_concat("value", ' ') FROM "login_id" WHERE "user_id" = OLD."user_id"), '')
	WHERE "user_id" = OLD."user_id";
END;
