-- Grants that hold under a condition. `condition_reads` is a JSON array of the values that it reads.

ALTER TABLE "grant" ADD COLUMN "condition" text;
ALTER TABLE "grant" ADD COLUMN "condition_reads" text;
