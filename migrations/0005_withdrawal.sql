-- Codes that nobody has redeemed yet are taken back with what they were given for.

CREATE INDEX "authorization_code_waiting" ON "authorization_code" ("user_id","client_id") WHERE "redeemed_by" IS NULL;
