// Rows that the reading connection read, for as long as nobody commits. SQLite counts the commits
// of all other connections to the file, of this process and of others (PRAGMA data_version), and
// telling that number costs a tenth of reading a few rows. With the first commit all are forgotten,
// so a change counts at once, as without this file.
// Knows no connection: connection.ts asks here first, with the number of the moment.

import type { Statement } from '../../db/sql.ts'
import type { PlainRow } from './libsql.ts'

/** Answers that are kept; a list is not one to come again soon. */
const KEPT_MAX = 500
const KEPT_ROWS_MAX = 4
/** A longer text is that of a long list of ids. */
const NAME_LENGTH_MAX = 4096

export type Rows = readonly PlainRow[]

export class UnchangedRows {
  readonly #kept = new Map<string, Rows>()
  #version: unknown

  /** Number of answers that are kept. */
  get size(): number {
    return this.#kept.size
  }

  /** Forgets all that was read before this version of the file. */
  at(version: unknown): void {
    if (version === this.#version) return
    this.#kept.clear()
    this.#version = version
  }

  /** The rows of each statement, or null unless all are known. An array is the caller's own. */
  find(statements: readonly Statement<unknown>[]): PlainRow[][] | null {
    const found: PlainRow[][] = []
    for (const statement of statements) {
      const rows = this.#kept.get(nameOf(statement))
      if (rows === undefined) return null
      found.push(rows.slice())
    }
    return found
  }

  keep(statement: Statement<unknown>, rows: Rows): void {
    const name = nameOf(statement)
    if (rows.length > KEPT_ROWS_MAX || name.length > NAME_LENGTH_MAX) return
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear()
    this.#kept.set(name, rows.slice())
  }
}

/** Two statements have one name only if text, types and values are the same. */
function nameOf({ sql, args }: Statement<unknown>): string {
  let name = sql
  for (const value of args) {
    const text = value instanceof Uint8Array || value instanceof ArrayBuffer ? hex(value) : value
    const written = String(text)
    name += `\n${typeof value} ${written.length} ${written}`
  }
  return name
}

const hex = (bytes: Uint8Array | ArrayBuffer): string =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16)).join(' ')
