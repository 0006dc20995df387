CREATE TABLE "allowed_scope" (
	"user_id" text NOT NULL,
	"client_id" text NOT NULL,
	"resource" text NOT NULL,
	"scope" text NOT NULL,
	"created_at" integer NOT NULL,
	PRIMARY KEY("user_id", "client_id", "resource", "scope")
);

CREATE TABLE "attempt" (
	"key" text PRIMARY KEY NOT NULL,
	"count" integer NOT NULL,
	"resets_at" integer NOT NULL
);

CREATE TABLE "authorization" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"client_id" text NOT NULL,
	"scope" text NOT NULL,
	"resource" text NOT NULL,
	"auth_time" integer NOT NULL,
	"amr" text NOT NULL,
	"session_hash" text,
	"head" text,
	"created_at" integer NOT NULL,
	"last_used_at" integer NOT NULL,
	"expires_at" integer,
	"revoked_at" integer
);

CREATE INDEX "authorization_user" ON "authorization" ("user_id","client_id");
CREATE INDEX "authorization_client" ON "authorization" ("client_id");
CREATE TABLE "authorization_code" (
	"hash" text PRIMARY KEY NOT NULL,
	"client_id" text NOT NULL,
	"user_id" text NOT NULL,
	"redirect_uri" text NOT NULL,
	"code_challenge" text,
	"scope" text NOT NULL,
	"resource" text NOT NULL,
	"nonce" text,
	"auth_time" integer NOT NULL,
	"amr" text NOT NULL,
	"session_hash" text,
	"authorization_id" text NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"redeemed_by" text
);

CREATE INDEX "authorization_code_authorization" ON "authorization_code" ("authorization_id");
CREATE TABLE "authorization_request" (
	"id_hash" text PRIMARY KEY NOT NULL,
	"client_id" text NOT NULL,
	"parameters" text NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL
);

CREATE TABLE "client" (
	"id" text PRIMARY KEY NOT NULL,
	"client_name" text,
	"status" text NOT NULL,
	"token_endpoint_auth_method" text NOT NULL,
	"application_type" text NOT NULL,
	"redirect_uris" text NOT NULL,
	"post_logout_redirect_uris" text NOT NULL,
	"grant_types" text NOT NULL,
	"scope" text NOT NULL,
	"resources" text NOT NULL,
	"jwks" text,
	"first_party" integer NOT NULL,
	"access_token_ttl" integer,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL,
	FOREIGN KEY ("id") REFERENCES "principal"("id") ON UPDATE no action ON DELETE no action
);

CREATE TABLE "client_secret" (
	"id" text PRIMARY KEY NOT NULL,
	"client_id" text NOT NULL,
	"hash" text NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer
);

CREATE INDEX "client_secret_client" ON "client_secret" ("client_id");
CREATE TABLE "device" (
	"id" text PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"name" text,
	"status" text NOT NULL,
	"mqtt_client_id" text,
	"metadata" text NOT NULL,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL,
	FOREIGN KEY ("id") REFERENCES "principal"("id") ON UPDATE no action ON DELETE no action
);

CREATE UNIQUE INDEX "device_mqtt_client_id_unique" ON "device" ("mqtt_client_id");
CREATE INDEX "device_by_type" ON "device" ("type","id");
CREATE TABLE "device_credential" (
	"id" text PRIMARY KEY NOT NULL,
	"device_id" text NOT NULL,
	"kind" text NOT NULL,
	"jwk" text,
	"secret_hash" text,
	"not_before" integer,
	"expires_at" integer,
	"revoked_at" integer,
	"created_at" integer NOT NULL
);

CREATE INDEX "device_credential_device" ON "device_credential" ("device_id");
CREATE TABLE "device_token" (
	"id" text PRIMARY KEY NOT NULL,
	"device_id" text NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"revoked_at" integer
);

CREATE INDEX "device_token_device" ON "device_token" ("device_id");
CREATE TABLE "device_type" (
	"name" text PRIMARY KEY NOT NULL,
	"description" text NOT NULL,
	"acl" text NOT NULL,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL
);

CREATE TABLE "event" (
	"id" text PRIMARY KEY NOT NULL,
	"at" integer NOT NULL,
	"type" text NOT NULL,
	"outcome" text NOT NULL,
	"actor_kind" text NOT NULL,
	"actor_id" text,
	"subject_id" text,
	"address" text NOT NULL,
	"data" text NOT NULL
);

CREATE INDEX "event_subject" ON "event" ("subject_id","id");
CREATE TABLE "grant" (
	"id" text PRIMARY KEY NOT NULL,
	"subject_id" text NOT NULL,
	"role" text NOT NULL,
	"object_id" text NOT NULL,
	"not_before" integer,
	"expires_at" integer,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL
);

CREATE INDEX "grant_subject" ON "grant" ("subject_id");
CREATE INDEX "grant_object" ON "grant" ("object_id");
CREATE INDEX "grant_role" ON "grant" ("role");
CREATE TABLE "group" (
	"id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"parent_id" text,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL,
	FOREIGN KEY ("id") REFERENCES "principal"("id") ON UPDATE no action ON DELETE no action
);

CREATE INDEX "group_parent" ON "group" ("parent_id");
CREATE TABLE "idempotency_key" (
	"hash" text PRIMARY KEY NOT NULL,
	"rid" text NOT NULL,
	"request_hash" text NOT NULL,
	"status" integer,
	"response" text,
	"expires_at" integer NOT NULL
);

CREATE TABLE "lease" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"expires_at" integer NOT NULL
);

CREATE TABLE "membership" (
	"group_id" text NOT NULL,
	"member_id" text NOT NULL,
	"created_at" integer NOT NULL,
	PRIMARY KEY("group_id", "member_id")
);

CREATE INDEX "membership_member" ON "membership" ("member_id");
CREATE TABLE "principal" (
	"id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"rid" text NOT NULL,
	"created_at" integer NOT NULL,
	"deleted_at" integer
);

CREATE TABLE "refresh_token" (
	"hash" text PRIMARY KEY NOT NULL,
	"authorization_id" text NOT NULL,
	"parent" text,
	"created_at" integer NOT NULL
);

CREATE INDEX "refresh_token_authorization" ON "refresh_token" ("authorization_id");
CREATE TABLE "role" (
	"name" text PRIMARY KEY NOT NULL,
	"description" text NOT NULL,
	"permissions" text NOT NULL,
	"acl" text NOT NULL,
	"builtin" integer NOT NULL,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL
);

CREATE TABLE "session" (
	"id_hash" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"auth_time" integer NOT NULL,
	"amr" text NOT NULL,
	"created_at" integer NOT NULL,
	"last_seen_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"address" text NOT NULL,
	"user_agent" text NOT NULL
);

CREATE INDEX "session_user" ON "session" ("user_id");
CREATE INDEX "session_expiry" ON "session" ("expires_at");
CREATE TABLE "setting" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL,
	"updated_at" integer NOT NULL
);

CREATE TABLE "setup_link" (
	"hash" text PRIMARY KEY NOT NULL,
	"created_at" integer NOT NULL,
	"expires_at" integer NOT NULL,
	"redeemed_by" text
);

CREATE TABLE "signing_key" (
	"kid" text PRIMARY KEY NOT NULL,
	"alg" text NOT NULL,
	"public_jwk" text NOT NULL,
	"private_jwk" text NOT NULL,
	"created_at" integer NOT NULL,
	"signs_at" integer NOT NULL,
	"needed_until" integer NOT NULL
);

CREATE TABLE "used_assertion" (
	"hash" text PRIMARY KEY NOT NULL,
	"rid" text NOT NULL,
	"expires_at" integer NOT NULL
);

CREATE TABLE "user" (
	"id" text PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"email_key" text NOT NULL,
	"email_verified" integer NOT NULL,
	"name" text,
	"locale" text,
	"password" text,
	"status" text NOT NULL,
	"metadata" text NOT NULL,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL,
	FOREIGN KEY ("id") REFERENCES "principal"("id") ON UPDATE no action ON DELETE no action
);

CREATE UNIQUE INDEX "user_email_key_unique" ON "user" ("email_key");

-- The role that holds every permission. Whoever has it on `*` runs the system.
INSERT INTO "role" ("name", "description", "permissions", "acl", "builtin", "created_at", "updated_at", "version")
VALUES ('operator', 'Runs the system: holds every permission.', '["manage"]', '[]', 1, unixepoch(), unixepoch(), 1);
