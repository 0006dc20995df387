-- Somebody who wants an account. The account is made when the address is proven, so there is no unproven one.

CREATE TABLE "sign_up" (
	"hash" text PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"journey" text NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"used_by" text
);

CREATE INDEX "sign_up_expiry" ON "sign_up" ("expires_at");
