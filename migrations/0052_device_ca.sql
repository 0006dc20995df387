-- Certificates of devices (kind `x509`): by thumbprint, or vouched for by an authority that an operator
-- registered. `issuer` is a hash of the name of its issuer; both with `serial` say which certificate it is
-- whatever form it is sent in. `not_after` is the end of the certificate itself. `ca_id`: it counts only
-- while that authority does.
ALTER TABLE "device_credential" ADD COLUMN "thumbprint" text;
ALTER TABLE "device_credential" ADD COLUMN "issuer" text;
ALTER TABLE "device_credential" ADD COLUMN "serial" text;
ALTER TABLE "device_credential" ADD COLUMN "not_after" integer;
ALTER TABLE "device_credential" ADD COLUMN "ca_id" text;
CREATE INDEX "device_credential_ca" ON "device_credential" ("ca_id","device_id") WHERE "device_credential"."ca_id" is not null;

-- Authorities whose certificates devices authenticate with.
CREATE TABLE "device_ca" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"certificate" text NOT NULL,
	"thumbprint" text NOT NULL,
	"subject" text NOT NULL,
	"names" text NOT NULL,
	"device_type" text,
	"group_id" text,
	"enabled" integer NOT NULL,
	"not_before" integer NOT NULL,
	"not_after" integer NOT NULL,
	"created_by" text,
	"created_at" integer NOT NULL,
	"updated_at" integer NOT NULL,
	"version" integer NOT NULL
);
CREATE UNIQUE INDEX "device_ca_name_unique" ON "device_ca" ("name");
CREATE INDEX "device_ca_subject" ON "device_ca" ("subject");
