-- Ends of an actor that acts for somebody by an exchanged token, and of one that made a claim token or
-- began a job.

-- Principals that act for others by exchanged tokens, with the origin that such a token has. The
-- first exchange of each pair writes it.
CREATE TABLE "token_exchange" (
	"origin_id" text NOT NULL,
	"actor_id" text NOT NULL,
	PRIMARY KEY("origin_id", "actor_id")
);
CREATE INDEX "token_exchange_actor" ON "token_exchange" ("actor_id");

-- The actor that made a claim token as it was then (JSON, as `inviter` of an invitation), with its
-- epoch; and its id where it reached some places alone. Tokens of before have none.
ALTER TABLE "claim_batch" ADD COLUMN "maker" text;
ALTER TABLE "claim_batch" ADD COLUMN "maker_epoch" integer DEFAULT 0 NOT NULL;
ALTER TABLE "claim_batch" ADD COLUMN "made_by" text;

-- The same of an initial access token, by which software registers clients.
ALTER TABLE "initial_access_token" ADD COLUMN "created_by" text;
ALTER TABLE "initial_access_token" ADD COLUMN "maker" text;
ALTER TABLE "initial_access_token" ADD COLUMN "maker_epoch" integer DEFAULT 0 NOT NULL;
