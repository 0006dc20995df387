-- Browsers in which a person proved a second factor and asked not to be asked for it again for some days.

CREATE TABLE "trusted_browser" (
	"hash" text NOT NULL,
	"user_id" text NOT NULL,
	"epoch" integer NOT NULL,
	"trusted_at" integer NOT NULL,
	"address" text NOT NULL,
	"user_agent" text NOT NULL,
	PRIMARY KEY ("hash", "user_id")
);

CREATE INDEX "trusted_browser_user" ON "trusted_browser" ("user_id", "trusted_at");
CREATE INDEX "trusted_browser_age" ON "trusted_browser" ("trusted_at");
