-- A decision about a text may be that of a guardian, noted by an operator.

ALTER TABLE "consent_decision" ADD COLUMN "guardian" text;
ALTER TABLE "consent_decision" ADD COLUMN "noted_by" text;
