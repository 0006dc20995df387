-- A link that is mailed is good for the address it was sent to, and proves it.

ALTER TABLE "account_link" ADD COLUMN "address_key" text;
