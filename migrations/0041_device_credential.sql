-- When a credential was last used; which one took its place; and, where somebody demanded another
-- key in its place, by when, and the end that the next one takes over.
ALTER TABLE "device_credential" ADD COLUMN "last_used_at" integer;
ALTER TABLE "device_credential" ADD COLUMN "replaced_by" text;
ALTER TABLE "device_credential" ADD COLUMN "rotate_by" integer;
ALTER TABLE "device_credential" ADD COLUMN "renews_until" integer;

-- Types whose devices have to take other keys: those of before `demanded_at` end at `rotate_by`.
CREATE TABLE "device_type_rotation" (
	"type" text PRIMARY KEY NOT NULL,
	"demanded_at" integer NOT NULL,
	"rotate_by" integer NOT NULL
);

-- The last report of each device about itself.
CREATE TABLE "device_report" (
	"device_id" text PRIMARY KEY NOT NULL,
	"firmware" text NOT NULL,
	"model" text,
	"hardware" text,
	"reported_at" integer NOT NULL
);
