-- A list of keys that end soon has those too that end by the demand of their type: demands in the
-- order of their ends. Demands of types that are gone are forgotten.
DELETE FROM "device_type_rotation" WHERE NOT EXISTS (
	SELECT 1 FROM "device_type" WHERE "device_type"."name" = "device_type_rotation"."type"
);

CREATE UNIQUE INDEX "device_type_rotation_end" ON "device_type_rotation" ("rotate_by","type");
