-- Groups and roles may demand that people who belong to them prove a second factor.

ALTER TABLE "group" ADD COLUMN "require_factor" integer NOT NULL DEFAULT 0;
ALTER TABLE "role" ADD COLUMN "require_factor" integer NOT NULL DEFAULT 0;
