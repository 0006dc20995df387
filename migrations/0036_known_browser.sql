-- Browsers in which a person completed a sign-in. What is guessed there is counted apart, so that nobody else stops the
-- person in them. None of them is a session or a factor.

CREATE TABLE "known_browser" (
	"hash" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"has_factor" integer NOT NULL,
	"last_at" integer NOT NULL,
	"expires_at" integer NOT NULL
);

CREATE INDEX "known_browser_user" ON "known_browser" ("user_id", "last_at");
CREATE INDEX "known_browser_expiry" ON "known_browser" ("expires_at");
