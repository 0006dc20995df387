-- Texts of pages and mails that operators wrote in the place of those of the program.

CREATE TABLE "message" (
	"locale" text NOT NULL,
	"key" text NOT NULL,
	"text" text NOT NULL,
	"updated_at" integer NOT NULL,
	PRIMARY KEY("locale", "key")
);
