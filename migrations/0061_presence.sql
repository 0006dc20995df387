-- Sessions that are open at mProxy, as it reports them. A report renews a lease, and its sessions
-- are there as long as the lease is: those of an mProxy that crashed end with it.
CREATE TABLE "mproxy_lease" (
	"id" text PRIMARY KEY NOT NULL,
	"proxy" text NOT NULL,
	"reporter" text NOT NULL,
	"started_at" integer NOT NULL,
	"sessions" integer NOT NULL,
	"key_age" integer,
	"list_age" integer,
	"dropped" integer NOT NULL,
	"seq" integer NOT NULL,
	"seen_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"rid" text NOT NULL
);

CREATE INDEX "mproxy_lease_proxy" ON "mproxy_lease" ("proxy");
CREATE INDEX "mproxy_lease_expires_at" ON "mproxy_lease" ("expires_at");

CREATE TABLE "presence" (
	"lease" text NOT NULL,
	"session" integer NOT NULL,
	"sub" text NOT NULL,
	"client_id" text NOT NULL,
	"since" integer NOT NULL,
	PRIMARY KEY ("lease", "session")
);

CREATE INDEX "presence_sub" ON "presence" ("sub","lease","session");
