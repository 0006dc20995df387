-- What the OpenID standard claims say of a person beyond name, language and e-mail, as one JSON object.

ALTER TABLE "user" ADD COLUMN "profile" text NOT NULL DEFAULT '{}';
