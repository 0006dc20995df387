// The database as a file of this process, on Node, Deno and Bun. The one place that opens it, because
// the driver loses acknowledged writes if it is used plainly: after SQLITE_BUSY a statement stays
// open on the pooled connection, and what that connection is told next is acknowledged and never
// reaches the disk. So all writes of the process go through one connection behind one queue, and a
// connection that has met anything but a constraint is thrown away before the next attempt.

import { accessSync, closeSync, constants, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Client, createClient } from '@libsql/client/sqlite3'
import { type Database, DatabaseUnavailable, type Rows } from '../db/database.ts'
import type { Statement } from '../db/sql.ts'
import {
  asConstraintViolation,
  backOff,
  codeOf,
  isLockedOut,
  rowsFromDriver,
  type ScriptRunner,
  toDriver,
} from './libsql.ts'

export interface EmbeddedDatabase extends Database, ScriptRunner {
  /** The file, as an absolute path. */
  readonly path: string
  /** Waits for what was begun, then gives the file back. */
  close(): Promise<void>
}

export interface EmbeddedDatabaseOptions {
  /**
   * How long SQLite waits for another process's lock, in milliseconds. The wait stops the whole
   * process, for native calls are synchronous; it is only ever another process that is waited for.
   */
  lockTimeout?: number
  /** How often a call that met a lock is tried, each try waiting up to `lockTimeout`. */
  attempts?: number
}

/** The file cannot be used, and waiting will not help. The message says what to do. */
export class DatabaseUnusable extends Error {
  override readonly name = 'DatabaseUnusable'
}

/**
 * Opens, and makes where it does not exist, the file of a `file:` URL, folder included.
 * Throws DatabaseUnusable, with nothing changed, if the file is not a database we may use.
 */
export async function openEmbeddedDatabase(
  url: string,
  { lockTimeout = 5000, attempts = 3 }: EmbeddedDatabaseOptions = {},
): Promise<EmbeddedDatabase> {
  const path = databasePath(url)
  makeFile(path)
  const open = (role: 'write' | 'read') =>
    Connection.open(path, role, Math.max(1, attempts), lockTimeout)
  const writer = await open('write')
  const reader = await open('read').catch(async (error: unknown) => {
    await writer.close()
    throw error
  })

  return {
    path,
    read: <const S extends readonly Statement<unknown>[]>(...statements: S) =>
      reader.run(async (client) => {
        const [only] = statements
        // One statement is a snapshot by itself; several need a transaction around them.
        const results =
          only === undefined
            ? []
            : statements.length === 1
              ? [await client.execute(toDriver(only))]
              : await client.batch(statements.map(toDriver), 'deferred')
        return results.map(rowsFromDriver) as unknown as Rows<S>
      }),
    write: <const S extends readonly Statement<unknown>[]>(...statements: S) =>
      writer.run(async (client) => {
        const results = await client.batch(statements.map(toDriver), 'write')
        return results.map(rowsFromDriver) as unknown as Rows<S>
      }),
    runScript: (script) =>
      writer.run((client) => client.executeMultiple(`BEGIN IMMEDIATE;\n${script}\n;COMMIT;`)),
    async close() {
      await reader.close()
      await writer.fold()
      await writer.close()
    },
  }
}

/** One connection and the line of those who want it. */
class Connection {
  readonly #client: Client
  readonly #role: 'write' | 'read'
  readonly #attempts: number
  #line: Promise<unknown> = Promise.resolve()
  #loopTurnedAt = 0
  #isClosed = false

  private constructor(client: Client, role: 'write' | 'read', attempts: number) {
    this.#client = client
    this.#role = role
    this.#attempts = attempts
  }

  static async open(
    path: string,
    role: 'write' | 'read',
    attempts: number,
    timeout: number,
  ): Promise<Connection> {
    // Two processes that start at once can lock each other out of the set-up, in which SQLite does
    // not wait its timeout: hence more and quicker attempts than later.
    for (let attempt = 0; ; attempt++) {
      let client: Client | undefined
      try {
        // A PRAGMA reaches one connection of the driver's pool, so the pool has just one.
        client = createClient({ url: pathToFileURL(path).href, timeout, concurrency: 1 })
        const connection = new Connection(client, role, attempts)
        if (role === 'write') await client.execute('PRAGMA journal_mode = WAL')
        await connection.#prepare()
        await client.execute('SELECT count(*) FROM sqlite_schema') // reads the file's first pages
        return connection
      } catch (error) {
        client?.close()
        if (!isLockedOut(error)) throw unusable(path, error)
        if (attempt === 20) throw new DatabaseUnavailable(`${path} is locked`, { cause: error })
        await backOff(attempt)
      }
    }
  }

  /** What holds for a connection and not for the file; so again after each reconnect. */
  async #prepare(): Promise<void> {
    await this.#client.execute('PRAGMA foreign_keys = ON')
    if (this.#role === 'read') {
      await this.#client.execute('PRAGMA query_only = ON')
    } else {
      // What was acknowledged is security state: a spent code, a revoked family. Any setting keeps
      // it when the process is killed, for then the kernel has the write; FULL, one fsync for each
      // commit, keeps it when the power goes too (NORMAL could lose the last commits, not the file).
      await this.#client.execute('PRAGMA synchronous = FULL')
    }
  }

  run<T>(work: (client: Client) => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new DatabaseUnavailable('the database is closed'))
    const answer = this.#line.then(async () => {
      await this.#letOthersIn()
      return this.#try(work)
    })
    this.#line = answer.catch(() => undefined)
    return answer
  }

  // The driver's promises are settled before they are awaited, so that a long import would keep
  // timers and sockets waiting until its last row. Every few milliseconds they get their turn.
  async #letOthersIn(): Promise<void> {
    if (performance.now() - this.#loopTurnedAt < 5) return
    await new Promise(setImmediate)
    this.#loopTurnedAt = performance.now()
  }

  async #try<T>(work: (client: Client) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work(this.#client)
      } catch (error) {
        const violation = asConstraintViolation(error)
        if (violation !== null) throw violation
        await this.#renew()
        if (!isLockedOut(error)) throw atRunTime(error)
        if (attempt >= this.#attempts) {
          throw new DatabaseUnavailable('the database stayed locked', { cause: error })
        }
        await backOff(attempt)
      }
    }
  }

  /** A new connection in place of one that may hold an unfinished statement. */
  async #renew(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#client.reconnect()
        return await this.#prepare()
      } catch (error) {
        if (attempt === 5 || !isLockedOut(error)) throw atRunTime(error)
        await backOff(attempt)
      }
    }
  }

  /** The write-ahead log goes into the file, so that the file alone is worth copying. */
  async fold(): Promise<void> {
    // PASSIVE waits for nobody; what another process still reads stays in the log.
    await this.run((client) => client.execute('PRAGMA wal_checkpoint(PASSIVE)')).catch(() => null)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#line
    this.#client.close()
  }
}

function atRunTime(error: unknown): unknown {
  return /^SQLITE_(BUSY|FULL|IOERR|CANTOPEN|NOMEM)/.test(codeOf(error))
    ? new DatabaseUnavailable(`the database cannot work: ${messageOf(error)}`, { cause: error })
    : error
}

function databasePath(url: string): string {
  const shape = /^file:(?:\/\/(?:localhost)?(?=\/))?([^?#]+)$/i.exec(url)
  let path: string | undefined
  try {
    path = shape?.[1] && decodeURIComponent(shape[1])
  } catch {
    // a lone % is as wrong as the rest
  }
  if (!path || path.includes('\0') || path.startsWith('//') || path.startsWith(':memory:')) {
    throw new DatabaseUnusable(
      `${url} names no database file; write for example file:.allauth/allauth.db`,
    )
  }
  return resolve(path)
}

/** Makes sure of a file that is empty or looks like SQLite's, before the driver may touch it. */
function makeFile(path: string): void {
  const folder = dirname(path)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new DatabaseUnusable(
      `the folder ${folder} of the database cannot be made (${messageOf(error)}); ` +
        'make it, or let DATABASE_URL name another one',
      { cause: error },
    )
  }
  try {
    // Keys and password hashes are in there: for its owner only. The write-ahead log follows suit.
    closeSync(openSync(path, 'a', 0o600))
    accessSync(path, constants.R_OK | constants.W_OK)
    accessSync(folder, constants.W_OK) // the write-ahead log is made beside it
  } catch (error) {
    throw statSync(path, { throwIfNoEntry: false })?.isDirectory()
      ? new DatabaseUnusable(`${path} is a folder; let DATABASE_URL name a file in it`)
      : new DatabaseUnusable(
          `the database ${path} cannot be read and written (${messageOf(error)}); ` +
            'give this user the right to, for the file and its folder',
          { cause: error },
        )
  }
  if (!statSync(path).isFile()) {
    throw new DatabaseUnusable(`${path} is not a file; let DATABASE_URL name one`)
  }
  const start = new Uint8Array(16)
  const descriptor = openSync(path, 'r')
  const length = readSync(descriptor, start, 0, 16, 0)
  closeSync(descriptor)
  if (length > 0 && new TextDecoder('latin1').decode(start) !== 'SQLite format 3\0') {
    throw new DatabaseUnusable(
      `${path} is not a database; it was left as it is: let DATABASE_URL name another file`,
    )
  }
}

function unusable(path: string, error: unknown): Error {
  return new DatabaseUnusable(
    `the database ${path} cannot be used (${messageOf(error)}); it was left as it is: ` +
      'bring back a backup, or let DATABASE_URL name another file',
    { cause: error },
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
