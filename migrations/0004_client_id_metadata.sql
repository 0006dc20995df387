-- Clients that are named by the address of a document about themselves: until when the document counts. Null for all others.

ALTER TABLE "client" ADD COLUMN "metadata_expires_at" integer;
