-- How rows are found among a million. The grants of a subject are found by what they give, so that no
-- look for one grant begins at all those of its role; lists by role, by kind and by parent have the
-- order of the index. Walks up and down the tree read indices alone.

DROP INDEX "grant_subject";
CREATE INDEX "grant_subject" ON "grant" ("subject_id","role","object_id");
DROP INDEX "grant_role";
CREATE INDEX "grant_role" ON "grant" ("role","id");
DROP INDEX "group_parent";
CREATE INDEX "group_parent" ON "group" ("parent_id","id");
CREATE INDEX "group_kind" ON "group" ("kind","id");
DROP INDEX "membership_member";
CREATE INDEX "membership_member" ON "membership" ("member_id","group_id","expires_at");
CREATE INDEX "device_token_end" ON "device_token" ("expires_at");
CREATE INDEX "allowed_scope_client" ON "allowed_scope" ("client_id");
CREATE INDEX "authorization_code_client" ON "authorization_code" ("client_id");
