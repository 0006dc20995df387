-- How often a person, client or device was disabled, suspended or retired; and the sum of the epochs on which a sign-in
-- rests. Whatever was issued under a lower sum is dead for good.

ALTER TABLE "user" ADD "epoch" integer DEFAULT 0 NOT NULL;
ALTER TABLE "client" ADD "epoch" integer DEFAULT 0 NOT NULL;
ALTER TABLE "device" ADD "epoch" integer DEFAULT 0 NOT NULL;
ALTER TABLE "device_authorization" ADD "epoch" integer DEFAULT 0 NOT NULL;
ALTER TABLE "authorization_code" ADD "epoch" integer DEFAULT 0 NOT NULL;
ALTER TABLE "authorization" ADD "epoch" integer DEFAULT 0 NOT NULL;
-- What is disabled at this moment was so before there were epochs.
UPDATE "user" SET "epoch" = 1 WHERE "status" <> 'active';
UPDATE "client" SET "epoch" = 1 WHERE "status" <> 'active';
UPDATE "device" SET "epoch" = 1 WHERE "status" <> 'active';
