-- Events get an order (`seq`), the request, session and client they came with, the objects they name,
-- and what stood before and after a change. Those that are there keep their order, by id.

CREATE TABLE "event_object" (
	"kind" text NOT NULL,
	"id" text NOT NULL,
	"seq" integer NOT NULL,
	PRIMARY KEY("kind","id","seq")
);

CREATE INDEX "event_object_seq" ON "event_object" ("seq");

DROP INDEX "event_subject";
ALTER TABLE "event" RENAME TO "event_unordered";

CREATE TABLE "event" (
	"seq" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"id" text NOT NULL,
	"at" integer NOT NULL,
	"type" text NOT NULL,
	"outcome" text NOT NULL,
	"actor_kind" text NOT NULL,
	"actor_id" text,
	"subject_id" text,
	"client_id" text,
	"session_id" text,
	"rid" text,
	"address" text NOT NULL,
	"objects" text NOT NULL,
	"data" text NOT NULL,
	"before" text,
	"after" text
);

CREATE UNIQUE INDEX "event_id" ON "event" ("id");
CREATE INDEX "event_at" ON "event" ("at");
CREATE INDEX "event_type" ON "event" ("type");
CREATE INDEX "event_actor" ON "event" ("actor_id");
CREATE INDEX "event_subject" ON "event" ("subject_id");
CREATE INDEX "event_client" ON "event" ("client_id");
CREATE INDEX "event_rid" ON "event" ("rid");
CREATE INDEX "event_failure" ON "event" ("outcome") WHERE "outcome" = 'failure';
CREATE INDEX "event_failure_at" ON "event" ("at") WHERE "outcome" = 'failure';

-- The objects stand in the row; these keep the table by which they are found.
CREATE TRIGGER "event_objects" AFTER INSERT ON "event" BEGIN
	INSERT INTO "event_object" ("kind","id","seq")
		SELECT value ->> '$[0]', value ->> '$[1]', new."seq" FROM json_each(new."objects") WHERE true
		ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER "event_forgotten" AFTER DELETE ON "event" BEGIN
	DELETE FROM "event_object" WHERE "seq" = old."seq";
END;

INSERT INTO "event" ("id","at","type","outcome","actor_kind","actor_id","subject_id","address","objects","data")
	SELECT "id", "at", "type", "outcome", "actor_kind", "actor_id", "subject_id", "address",
		CASE WHEN "subject_id" IS NULL THEN '[]' ELSE json_array(json_array(CASE
			WHEN "type" LIKE 'device\_type.%' ESCAPE '\' THEN 'device_type'
			WHEN "type" LIKE 'initial\_access\_token.%' ESCAPE '\' THEN 'initial_access_token'
			ELSE 'principal' END, "subject_id")) END,
		"data"
	FROM "event_unordered" ORDER BY "id";

DROP TABLE "event_unordered";

-- Links by which a person gets back into an account; hashed, good once.

CREATE TABLE "account_link" (
	"hash" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL REFERENCES "user"("id"),
	"purpose" text NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"used_by" text,
	"used_at" integer
);

CREATE INDEX "account_link_user" ON "account_link" ("user_id");
