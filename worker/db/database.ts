// The database as the rooms see it: statements go in, rows come out, one round trip each way.
// Which driver carries them, and how it recovers, is known to worker/entry alone.

import type { RowOf, Statement } from './sql.ts'

/** The rows of each statement, in the order of the statements. */
export type Rows<S extends readonly Statement<unknown>[]> = {
  -readonly [K in keyof S]: RowOf<S[K]>[]
}

/**
 * Rows are plain objects keyed by column name. Integers are numbers (one beyond 2^53 is a
 * RangeError), blobs are Uint8Array.
 */
export interface Database {
  /** One round trip, one consistent snapshot. A statement that would write is refused. */
  read<const S extends readonly Statement<unknown>[]>(...statements: S): Promise<Rows<S>>
  /**
   * One round trip, one `BEGIN IMMEDIATE` transaction: all or nothing. Repeated by itself after a
   * lock or a lost answer, so the caller's batch must be safe to repeat: conditional on a `rid`
   * that the request drew once.
   */
  write<const S extends readonly Statement<unknown>[]>(...statements: S): Promise<Rows<S>>
}

/** The database could not be reached, or stayed locked. Transient: the same call may work later. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable'
}

export type ConstraintKind =
  /** a UNIQUE or PRIMARY KEY constraint or index; the drivers do not tell them apart */
  'unique' | 'check' | 'foreign_key' | 'not_null' | 'other'

/** The batch was refused by the schema and nothing of it was stored. */
export class ConstraintViolation extends Error {
  override readonly name = 'ConstraintViolation'
  readonly kind: ConstraintKind
  /**
   * What SQLite names: `user.email_normal`, `member.group_id, member.principal_id`, the name or
   * expression of a CHECK; empty for a foreign key. It never holds a stored value.
   */
  readonly constraint: string

  constructor(kind: ConstraintKind, constraint: string, options?: ErrorOptions) {
    super(`${kind} constraint failed${constraint === '' ? '' : ': ' + constraint}`, options)
    this.kind = kind
    this.constraint = constraint
  }
}
