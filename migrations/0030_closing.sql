-- An account that is closed keeps the time at which it is deleted; until then its person can keep it.

ALTER TABLE "user" ADD COLUMN "closes_at" integer;

CREATE INDEX "user_closes" ON "user" ("closes_at") WHERE "closes_at" is not null;
