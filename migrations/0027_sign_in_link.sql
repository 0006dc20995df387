-- A link that signs in is good in the browser that asked for it, and leads back to where the person came from.

ALTER TABLE "account_link" ADD COLUMN "browser" text;
ALTER TABLE "account_link" ADD COLUMN "journey" text;
