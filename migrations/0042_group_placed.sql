-- Since when a group hangs where it does. Whoever reaches a place sees the events of what is in it from when it came there.
-- Of groups that are there already the last change is the latest moment at which that can have been.

ALTER TABLE "group" ADD COLUMN "placed_at" integer DEFAULT 0 NOT NULL;
UPDATE "group" SET "placed_at" = "updated_at";
