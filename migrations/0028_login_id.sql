-- Names by which people are known: addresses, user names, phones. Unique among proven ones alone.
-- "user"."email" and "user"."email_key" stay written for one version. The previous program writes
-- nothing else, so triggers follow it; this one writes "login_id" first, and they find nothing to do.

CREATE TABLE "login_id" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"kind" text NOT NULL,
	"key" text NOT NULL,
	"form" text NOT NULL,
	"value" text NOT NULL,
	"verified_at" integer,
	"is_primary" integer NOT NULL,
	"created_at" integer NOT NULL
);

-- Where the domain is plain ASCII the key is right already; the others are left to a job.
INSERT INTO "login_id" ("id", "user_id", "kind", "key", "form", "value", "verified_at", "is_primary", "created_at")
SELECT 'lid_' || lower(hex(randomblob(13))), "id", 'email', "email_key",
	CASE WHEN substr("email_key", instr("email_key", '@')) GLOB '*[^ -~]*' THEN 'former' ELSE 'current' END,
	"email", CASE "email_verified" WHEN 1 THEN "created_at" END, 1, "created_at"
FROM "user";

CREATE UNIQUE INDEX "login_id_verified" ON "login_id" ("kind", "key") WHERE "login_id"."verified_at" is not null;
CREATE UNIQUE INDEX "login_id_primary" ON "login_id" ("user_id") WHERE "login_id"."is_primary" = 1;
CREATE INDEX "login_id_key" ON "login_id" ("kind", "key");
CREATE INDEX "login_id_user" ON "login_id" ("user_id");
CREATE INDEX "login_id_former" ON "login_id" ("id") WHERE "login_id"."form" <> 'current';

CREATE TRIGGER "login_id_of_new_user" AFTER INSERT ON "user" WHEN NEW."email_key" NOT LIKE '@%'
BEGIN
	INSERT INTO "login_id" ("id", "user_id", "kind", "key", "form", "value", "verified_at", "is_primary", "created_at")
	VALUES ('lid_' || lower(hex(randomblob(13))), NEW."id", 'email', NEW."email_key",
		CASE WHEN substr(NEW."email_key", instr(NEW."email_key", '@')) GLOB '*[^ -~]*' THEN 'former' ELSE 'current' END,
		NEW."email", CASE NEW."email_verified" WHEN 1 THEN NEW."updated_at" END, 1, NEW."created_at");
END;

CREATE TRIGGER "login_id_of_changed_user" AFTER UPDATE OF "email", "email_key", "email_verified" ON "user"
WHEN NEW."email_key" NOT LIKE '@%' AND NOT EXISTS (SELECT 1 FROM "login_id" WHERE "user_id" = NEW."id"
	AND "is_primary" = 1 AND "value" = NEW."email" AND ("verified_at" IS NOT NULL) = NEW."email_verified")
BEGIN
	DELETE FROM "login_id" WHERE "user_id" = NEW."id" AND "kind" = 'email'
		AND ("is_primary" = 1 OR "key" = NEW."email_key");
	INSERT INTO "login_id" ("id", "user_id", "kind", "key", "form", "value", "verified_at", "is_primary", "created_at")
	VALUES ('lid_' || lower(hex(randomblob(13))), NEW."id", 'email', NEW."email_key",
		CASE WHEN substr(NEW."email_key", instr(NEW."email_key", '@')) GLOB '*[^ -~]*' THEN 'former' ELSE 'current' END,
		NEW."email", CASE NEW."email_verified" WHEN 1 THEN NEW."updated_at" END, 1, NEW."updated_at");
END;

CREATE TRIGGER "login_id_of_deleted_user" AFTER DELETE ON "user"
BEGIN
	DELETE FROM "login_id" WHERE "user_id" = OLD."id";
END;
