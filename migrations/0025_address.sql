-- A link that changes the address of an account, or puts the one of before back, carries it.

ALTER TABLE "account_link" ADD COLUMN "address" text;
