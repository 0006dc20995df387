// A database that a test borrows. Which kind it gets is said by the project that runs the test:
// remote.ts inside workerd, file.ts on Node, which test/vitest.config.ts puts in the place of the
// former. So the same test files run over both.
import type { Database } from '../../worker/db/database.ts'

export type BorrowedDatabase = {
  /** For `DATABASE_URL`. */
  url: string
  /** The database as one request has it. */
  open(): Database
  /** How many batches it has answered so far. */
  roundTrips(): Promise<number>
}

/** The database that a test borrows, and the modules that a host reads in its own way. */
export type Lender = {
  /** A migrated database without rows of other tests, with signing keys or without. */
  lendDatabase(withKeys: boolean): Promise<BorrowedDatabase>
  /** Gives back the databases that the test file has used: files run one after the other. */
  closeDatabases(): Promise<void>
  argon2: WebAssembly.Module
}
