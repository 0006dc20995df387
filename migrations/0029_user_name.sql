-- The user name of a person, repeated from "login_id" for whoever reads the user.

ALTER TABLE "user" ADD COLUMN "user_name" text;
