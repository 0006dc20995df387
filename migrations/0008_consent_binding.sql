-- The client to which a person allowed a scope, as it was shown: a digest of its addresses, authentication and keys.
-- Rows of before have none. They count until their client changes, and are bound to its old form by then.

ALTER TABLE "allowed_scope" ADD COLUMN "client_digest" text;
CREATE INDEX "allowed_scope_unbound" ON "allowed_scope" ("client_id") WHERE "client_digest" IS NULL;
