-- The request that revoked a minted token by suspending or retiring its device, so that the answer counts exactly
-- those. And the maker of a link to a new password: its power over the person is looked at again when the link is used.

ALTER TABLE "device_token" ADD COLUMN "revoked_by" text;
ALTER TABLE "account_link" ADD COLUMN "made_by" text;
