-- Samples of what mProxy refused to devices, for the question why.
CREATE TABLE "mqtt_refusal" (
	"device_id" text NOT NULL,
	"event" text NOT NULL,
	"reason" text NOT NULL,
	"topic" text NOT NULL,
	"client_id" text NOT NULL,
	"count" integer NOT NULL,
	"first_at" integer NOT NULL,
	"last_at" integer NOT NULL,
	PRIMARY KEY ("device_id", "event", "reason", "topic")
);

CREATE INDEX "mqtt_refusal_last" ON "mqtt_refusal" ("device_id","last_at");
CREATE INDEX "mqtt_refusal_last_at" ON "mqtt_refusal" ("last_at");
