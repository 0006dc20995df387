-- The resources that a client is, beside those that it may ask for. A confidential client without
-- redirect addresses was registered as a service, so it stays what it was. Of any other client the
-- start, and `allauth migrate`, name those that an operator should look at.

ALTER TABLE "client" ADD COLUMN "serves" text DEFAULT '[]' NOT NULL;
UPDATE "client" SET "serves" = "resources"
	WHERE "token_endpoint_auth_method" <> 'none' AND "redirect_uris" = '[]';
