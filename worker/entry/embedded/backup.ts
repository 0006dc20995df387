// Copies of a database file: of one that is in use, and of a copy that is to become a database. A
// copy is one file, whole and for its owner alone; it is never written over another one.
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { EmbeddedConnection } from './connection.ts'
import { isLockedOut } from './libsql.ts'

/** Thrown when a copy cannot be made or used. The message says the remedy. */
export class BackupRefused extends Error {
  override readonly name = 'BackupRefused'
}

/** Milliseconds for a lock that another process has for a moment. */
const LOCK_TIMEOUT = 5000

/**
 * Copies the database at `path` into the new file `copy`, while other processes write: the copy is
 * the state of one moment, with every write that was acknowledged before. Answers its size in
 * bytes. Throws BackupRefused.
 */
export function copyDatabase(path: string, copy: string): number {
  if (!isFilled(path)) {
    throw new BackupRefused(`there is no database at ${path}; set DATABASE_URL`)
  }
  makeCopyFile(copy)
  try {
    const source = new EmbeddedConnection(path, 'write', LOCK_TIMEOUT)
    try {
      // A read transaction of its own: writers go on, and what they write is not in it.
      source.script(`VACUUM INTO '${copy.replaceAll("'", "''")}'`)
    } finally {
      source.close()
    }
    assertIntact(copy)
    sync(copy)
    sync(dirname(copy))
    return statSync(copy).size
  } catch (error) {
    rmSync(copy, { force: true })
    throw error instanceof BackupRefused ? error : unreadable(path, error)
  }
}

function makeCopyFile(copy: string): void {
  try {
    closeSync(openSync(copy, 'wx', 0o600))
  } catch (error) {
    throw existsSync(copy)
      ? new BackupRefused(`${copy} is there already; name a new file`)
      : new BackupRefused(`${copy} cannot be made (${messageOf(error)})`)
  }
}

/**
 * Makes the database at `path` of a copy, which stays as it is. `prepare` gets the path of the file
 * that becomes the database, and may still refuse it; only then does the file get its place. Throws
 * BackupRefused.
 */
export async function restoreDatabase(
  copy: string,
  path: string,
  prepare: (file: string) => Promise<void>,
): Promise<void> {
  if (!isFilled(copy)) throw new BackupRefused(`${copy} is not there, or is empty`)
  if (isFilled(`${copy}-wal`)) {
    throw new BackupRefused(
      `beside ${copy} is a log (${copy}-wal), so it is a database that is or was in use; ` +
        'make a copy of it with `allauth backup`',
    )
  }
  assertFree(path)
  const file = `${path}.restoring`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    copyFileSync(copy, file, constants.COPYFILE_EXCL)
    // The copy may have come with another mode; keys and password hashes are for the owner alone.
    chmodSync(file, 0o600)
  } catch (error) {
    throw existsSync(file)
      ? new BackupRefused(
          `${file} is there: another restore is running, or one broke off; delete it`,
        )
      : new BackupRefused(`${file} cannot be made (${messageOf(error)})`)
  }
  try {
    assertIntact(file, copy)
    await prepare(file)
    foldLog(file)
    if (isFilled(`${file}-wal`)) throw new BackupRefused(`${file}-wal was not folded into the file`)
    sync(file)
    assertFree(path)
    // Unlike a rename, a link never takes the place of a file that came meanwhile.
    if (existsSync(path)) rmSync(path)
    linkSync(file, path)
    sync(dirname(path))
  } finally {
    for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true })
  }
}

/** Writes the whole log into the file, which alone gets the new name. */
function foldLog(file: string): void {
  const connection = new EmbeddedConnection(file, 'write', LOCK_TIMEOUT)
  try {
    connection.script('PRAGMA wal_checkpoint(TRUNCATE)')
  } finally {
    connection.close()
  }
}

/** Refuses a place where a database is, or where a program has one open. */
function assertFree(path: string): void {
  if (isFilled(path)) {
    throw new BackupRefused(
      isInUse(path)
        ? `${path} is in use by a running program; stop it, and move its database away`
        : `there is a database at ${path}; move it away, with ${path}-wal and ${path}-shm, ` +
            'or let DATABASE_URL name another file',
    )
  }
  const log = [`${path}-wal`, `${path}-shm`].find((file) => existsSync(file))
  if (log !== undefined) {
    throw new BackupRefused(
      `${log} is there without its database: a program still runs, or it was left behind; ` +
        'stop the program, and move the file to where its database is',
    )
  }
}

/** Whether another connection, of whatever process, has the database open. */
function isInUse(path: string): boolean {
  let connection: EmbeddedConnection | undefined
  try {
    connection = new EmbeddedConnection(path, 'read', 0, 0)
    // In write-ahead mode each connection has a shared lock for as long as it is open, and this one
    // must have the file to itself.
    connection.script('PRAGMA locking_mode = EXCLUSIVE')
    connection.script('SELECT count(*) FROM sqlite_schema')
    return false
  } catch (error) {
    return isLockedOut(error)
  } finally {
    connection?.close()
  }
}

/** Reads every page and every index of the file, which the refusal calls by `name`. */
function assertIntact(file: string, name = file): void {
  let faults: readonly unknown[]
  try {
    const connection = new EmbeddedConnection(file, 'read', LOCK_TIMEOUT)
    try {
      faults = connection.check()
    } finally {
      connection.close()
    }
  } catch (error) {
    throw unreadable(name, error)
  }
  if (faults.length > 0) {
    throw new BackupRefused(`${name} is damaged: ${faults.slice(0, 3).join('; ')}`)
  }
}

const unreadable = (file: string, error: unknown) =>
  new BackupRefused(`${file} cannot be read as a database (${messageOf(error)})`, { cause: error })

const isFilled = (file: string): boolean =>
  (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0

/** Waits until the file, or the names in a folder, are on the disk. */
function sync(file: string): void {
  const descriptor = openSync(file, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
