// Brings a database to the schema of this program: the files of migrations/, in the order of their
// names, forward only. Each runs in one transaction with the row that records it. Safe when two
// processes start at once: that row is written first, and only one process can write it.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConstraintViolation, type Database } from '../db/database.ts'
import { type Statement, sql } from '../db/sql.ts'
import type { ScriptRunner } from './embedded/libsql.ts'

export interface Migration {
  /** Name of the file without `.sql`, as in `0001_users`. */
  readonly name: string
  /** Any number of statements; no BEGIN or COMMIT of its own. */
  readonly sql: string
}

/**
 * Thrown when the database and this program do not belong together. The message says the remedy.
 */
export class MigrationRefused extends Error {
  override readonly name = 'MigrationRefused'
}

const fileName = /^\d{4}_[a-z0-9_]+\.sql$/

/** The `NNNN_name.sql` files of a folder, in order. Throws MigrationRefused for a misnamed one. */
export function readMigrations(folder: string): Migration[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
  const misnamed = files.find((file) => !fileName.test(file))
  if (misnamed !== undefined) {
    throw new MigrationRefused(
      `${join(folder, misnamed)} is not named like a migration, for example 0001_users.sql`,
    )
  }
  return files.map((file) => ({
    name: file.slice(0, -'.sql'.length),
    sql: readFileSync(join(folder, file), 'utf8'),
  }))
}

/**
 * Applies the missing migrations and answers their names, none if the database is up to date.
 * Throws MigrationRefused, before any change, if a migration was changed after it was applied, or
 * if the database has one that this program does not know. A statement that fails undoes its whole
 * migration; those before it stay.
 */
export async function migrate(
  db: Database & ScriptRunner,
  migrations: readonly Migration[],
): Promise<string[]> {
  const wanted = migrations.map(({ name, sql: text }) => {
    // A checkout may convert line ends, which is no change.
    const script = text.replaceAll('\r\n', '\n')
    return { name, script, sha256: createHash('sha256').update(script).digest('hex') }
  })
  if (!(await findApplied(db))) await createTable(db)
  const applied: string[] = []
  for (const [i, { name, script, sha256 }] of wanted.entries()) {
    const stored = await listApplied(db)
    checkBelongs(stored, wanted)
    if (stored.length > i) continue
    try {
      await db.runScript(
        'INSERT INTO migration (name, applied_at, sha256) ' +
          `VALUES (${quoted(name)}, unixepoch(), ${quoted(sha256)});\n${script}`,
      )
      applied.push(name)
    } catch (error) {
      // Another process was first, or the answer to the first try was lost: look again.
      const rival = error instanceof ConstraintViolation && error.constraint === 'migration.name'
      if (!rival) throw error
    }
  }
  checkBelongs(await listApplied(db), wanted)
  return applied
}

/** Rows about which a migration could not decide, in a line of the log for each. */
const UNDECIDED: Readonly<Record<string, { rows: Statement<Row>; message: string }>> = {
  '0009_serves': {
    rows: sql`select id as client_id, resources from client
      where resources <> '[]' and serves = '[]' order by id`,
    message:
      'this client may ask for its resources and is none of them: ' +
      'if it introspects or exchanges tokens of others for them, say so with its member serves',
  },
}

/** For an operator to look at after these migrations. */
export async function listUndecided(
  db: Database,
  applied: readonly string[],
): Promise<{ message: string; fields: Row }[]> {
  const found: { message: string; fields: Row }[] = []
  for (const name of applied) {
    const undecided = UNDECIDED[name]
    if (undecided === undefined) continue
    const rows = await db.read(undecided.rows)
    found.push(...rows.map((fields) => ({ message: undecided.message, fields })))
  }
  return found
}

type Row = Record<string, string>

interface Applied {
  name: string
  sha256: string
}

async function findApplied(db: Database): Promise<boolean> {
  const tables = await db.read(
    sql<{
      name: string
    }>`select name from sqlite_schema where type = 'table' and name = 'migration'`,
  )
  return tables.length > 0
}

function createTable(db: Database): Promise<unknown> {
  return db.write(sql`
    create table if not exists migration (
      name text primary key not null,
      applied_at integer not null,
      sha256 text not null
    ) strict`)
}

async function listApplied(db: Database): Promise<Applied[]> {
  return db.read(sql<Applied>`select name, sha256 from migration order by name`)
}

/** Asserts that the applied migrations are the first of this program, unchanged. */
function checkBelongs(stored: readonly Applied[], wanted: readonly Applied[]): void {
  for (const [i, { name, sha256 }] of stored.entries()) {
    const ours = wanted[i]
    if (ours?.name === name && ours.sha256 === sha256) continue
    const own = wanted.find((migration) => migration.name === name)
    if (own === undefined) {
      throw new MigrationRefused(
        `the database is newer than this program: it has the migration ${name}; ` +
          'run the version of the program that brought it, or a later one',
      )
    }
    throw new MigrationRefused(
      own.sha256 !== sha256
        ? `the migration ${name} was changed after it had been applied; ` +
            'put its file back as it was, and make the change in a new migration'
        : `the migration ${ours?.name} comes before ${name}, which the database already has; ` +
            'give it a higher number',
    )
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
