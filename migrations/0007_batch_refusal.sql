-- Holds no row, ever: what would undo a batch is inserted here, and the CHECK refuses it by its name.

CREATE TABLE "batch_refusal" (
	"refused" integer NOT NULL,
	CONSTRAINT "refused" CHECK("refused" = 0)
);
