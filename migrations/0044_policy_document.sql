-- Types whose devices get tokens that name their rules by reference, and the documents that such tokens name.

ALTER TABLE "device_type" ADD COLUMN "acl_by_reference" integer NOT NULL DEFAULT 0;

CREATE TABLE "policy_document" (
	"sha256" text PRIMARY KEY NOT NULL,
	"content" text NOT NULL,
	"created_at" integer NOT NULL
);

CREATE UNIQUE INDEX "policy_document_content_unique" ON "policy_document" ("content");
