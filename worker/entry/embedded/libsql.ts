// Parts that the embedded and the remote database share: how values are bound, and the meaning of
// the errors of the drivers; and how statements and rows cross the border to @libsql/client, which
// the remote one uses. No node: import, since the Workers bundle has this file too.

import type { InStatement, ResultSet } from '@libsql/client'
import { type ConstraintKind, ConstraintViolation } from '../../db/database.ts'
import type { SqlValue, Statement } from '../../db/sql.ts'

/** A database that can also run a whole script, which migrations need. */
export interface ScriptRunner {
  /** All statements of `script` in one `BEGIN IMMEDIATE` transaction: all or nothing. */
  runScript(script: string): Promise<void>
}

export function toDriver(statement: Statement<unknown>): InStatement {
  return { sql: statement.sql, args: statement.args.map(bindable) }
}

/** The value in the form that both drivers take. */
export function bindable(value: SqlValue): string | bigint | number | null | Uint8Array {
  // They bind every JavaScript number as REAL. Where the affinity of a column does not turn it back
  // (`select ?`, a CHECK with typeof, JSON) 5 would become 5.0, so integers go as bigint.
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value
  }
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value
}

export type PlainRow = Record<string, string | number | bigint | null | Uint8Array<ArrayBuffer>>

/** Frozen rows, as those of the embedded database are. */
export function rowsFromDriver(result: ResultSet): PlainRow[] {
  return result.rows.map((row) =>
    Object.freeze(
      Object.fromEntries(
        result.columns.map((column, i) => {
          const value = row[i] ?? null
          return [column, value instanceof ArrayBuffer ? new Uint8Array(value) : value]
        }),
      ),
    ),
  )
}

/** The code of a driver error, by name: the error classes are minified and exist twice. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

/**
 * True when another connection holds the lock. Nothing was done; the same batch may be tried again.
 */
export function isLockedOut(error: unknown): boolean {
  // PROTOCOL is the code of SQLite for losing the race for the locks of the write-ahead log,
  // TRANSACTION_BUSY the code of sqld for too many waiting writers.
  return /^(SQLITE_(BUSY|LOCKED|PROTOCOL)|TRANSACTION_BUSY)/.test(codeOf(error))
}

/** The error in the form that the rooms know, or null when it is none of theirs. */
export function asConstraintViolation(error: unknown): ConstraintViolation | null {
  if (!(error instanceof Error) || !codeOf(error).startsWith('SQLITE_CONSTRAINT')) return null
  // sqld and the embedded library differ in code and prefix, but both have the sentence of SQLite.
  const match = /(UNIQUE|CHECK|FOREIGN KEY|NOT NULL) constraint failed(?:: ([^\n]*))?/.exec(
    error.message,
  )
  const kind = (match && kinds[match[1] ?? '']) ?? 'other'
  const place = 'statementIndex' in error ? Number(error.statementIndex) : null
  return new ConstraintViolation(kind, match?.[2] ?? '', { cause: error, place })
}

const kinds: Record<string, ConstraintKind> = {
  UNIQUE: 'unique',
  CHECK: 'check',
  'FOREIGN KEY': 'foreign_key',
  'NOT NULL': 'not_null',
}

/** Waits before the next attempt: doubling from 10 ms, with jitter so that rivals part. */
export function backOff(attempt: number): Promise<void> {
  const longest = Math.min(10 * 2 ** attempt, 500)
  return new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)))
}
