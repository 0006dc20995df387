-- Jobs over many devices: the selection is written down, then each device is changed by itself.

CREATE TABLE "device_job" (
	"id" text PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"filter" text NOT NULL,
	"change" text NOT NULL,
	"undo_of" text,
	"actor" text NOT NULL,
	"created_by" text,
	"place" text NOT NULL,
	"total" integer NOT NULL,
	"done" integer NOT NULL,
	"failed" integer NOT NULL,
	"reason" text,
	"created_at" integer NOT NULL,
	"ended_at" integer
);

CREATE INDEX "device_job_open" ON "device_job" ("created_at","id") WHERE "device_job"."ended_at" is null;
CREATE INDEX "device_job_end" ON "device_job" ("ended_at") WHERE "device_job"."ended_at" is not null;
CREATE INDEX "device_job_creator" ON "device_job" ("created_by","id");

CREATE TABLE "device_job_line" (
	"id" integer PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"device_id" text NOT NULL,
	"result" text NOT NULL,
	"before" text,
	"after" text,
	"version" integer,
	"detail" text,
	"rid" text
);

CREATE UNIQUE INDEX "device_job_line_device" ON "device_job_line" ("job_id","device_id");
CREATE INDEX "device_job_line_result" ON "device_job_line" ("job_id","result","id");
CREATE INDEX "device_job_line_order" ON "device_job_line" ("job_id","id");

CREATE TRIGGER "device_job_of_new_line" AFTER INSERT ON "device_job_line"
BEGIN
	UPDATE "device_job" SET "total" = "total" + 1 WHERE "id" = NEW."job_id";
END;

CREATE TRIGGER "device_job_of_done_line" AFTER UPDATE OF "result" ON "device_job_line"
WHEN OLD."result" = 'pending' AND NEW."result" <> 'pending'
BEGIN
	UPDATE "device_job" SET "done" = "done" + 1, "failed" = "failed" + (NEW."result" = 'failed')
	WHERE "id" = NEW."job_id";
END;
