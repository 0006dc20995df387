-- Entries of blueprints as they were last applied, so that a start sees what the file changed.

CREATE TABLE "blueprint_entry" (
	"key" text PRIMARY KEY NOT NULL,
	"entry" text NOT NULL,
	"members" text NOT NULL,
	"rid" text NOT NULL,
	"applied_at" integer NOT NULL
);
