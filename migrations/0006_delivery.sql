-- Messages that others have yet to get, of any kind. Logout tokens that wait are carried over.

CREATE TABLE "delivery" (
	"id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"recipient" text NOT NULL,
	"about" text NOT NULL,
	"payload" text NOT NULL,
	"attempts" integer NOT NULL,
	"taken_by" text,
	"next_at" integer NOT NULL,
	"created_at" integer NOT NULL
);

CREATE INDEX "delivery_due" ON "delivery" ("kind","next_at");
CREATE UNIQUE INDEX "delivery_once" ON "delivery" ("recipient","kind","about");

INSERT INTO "delivery" ("id","kind","recipient","about","payload","attempts","taken_by","next_at","created_at")
	SELECT "id", 'logout_token', "client_id", "sid", json_object('user_id', "user_id"), "attempts", "taken_by", "next_at", "created_at"
	FROM "logout_delivery";

DROP TABLE "logout_delivery";
