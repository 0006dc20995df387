CREATE TABLE "secret_key" (
	"id" text PRIMARY KEY NOT NULL,
	"first_seen_at" integer NOT NULL,
	"seals_from" integer NOT NULL
);
