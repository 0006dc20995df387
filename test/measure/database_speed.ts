// CPU time and clock time of reads and writes through openEmbeddedDatabase, with the statements of
// a token request (a client's rights, and what is asked beside them) and of an update that leaves
// an event. Beside it, alternating in rounds, the same through @libsql/client as it comes, or
// through the openEmbeddedDatabase of another version of the module: node
// test/measure/database_speed.ts [batches per round] [rounds] [path of the other module]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client/sqlite3'
import { rightsOf } from '../../worker/access/rights.ts'
import { type Statement, sql } from '../../worker/db/sql.ts'
import { openEmbeddedDatabase } from '../../worker/entry/embedded/database.ts'
import { rowsFromDriver, toDriver } from '../../worker/entry/embedded/libsql.ts'
import { migrate, readMigrations } from '../../worker/entry/migrate.ts'

const batches = Number(process.argv[2] ?? 1000)
const rounds = Number(process.argv[3] ?? 7)
const other = process.argv[4]
const NOW = 1_800_000_000
const CLIENTS = 50

interface Opened {
  read(statements: Statement<unknown>[]): Promise<unknown>
  write(statements: Statement<unknown>[]): Promise<unknown>
  close(): unknown
}
type Open = (url: string) => Promise<Opened>

const openOther: Open =
  other === undefined
    ? async (url) => {
        const client = createClient({ url, timeout: 5000, concurrency: 1 })
        await client.execute('PRAGMA synchronous = FULL')
        const run = (mode: 'deferred' | 'write') => async (statements: Statement<unknown>[]) =>
          (await client.batch(statements.map(toDriver), mode)).map(rowsFromDriver)
        const [read, write] = [run('deferred'), run('write')]
        return {
          read,
          write,
          close: () => client.close(),
        }
      }
    : (await import(pathToFileURL(resolve(other)).href)).openEmbeddedDatabase

async function seed(url: string) {
  const db = await openEmbeddedDatabase(url)
  await migrate(db, readMigrations(join(import.meta.dirname, '../../migrations')))
  const principal = (id: string, kind: string) =>
    sql`insert into principal (id, kind, rid, created_at) values (${id}, ${kind}, '-', ${NOW})`
  const topics = ['${group.id}/+/state', 'commands/${device.id}/#']
  const acl = topics.map((topic) => ({ permission: 'allow', action: 'subscribe', topic }))
  const rows = [
    sql`insert into role values ('reader', '', '["devices:read"]', ${JSON.stringify(acl)}, 0,
      ${NOW}, ${NOW}, 1)`,
  ]
  for (let i = 0; i < CLIENTS; i++) {
    const [id, group, device] = [`c${i}`, `g${i}`, `d${i}`]
    rows.push(
      principal(id, 'client'),
      principal(group, 'group'),
      principal(device, 'device'),
      sql`insert into client (id, client_name, status, token_endpoint_auth_method, application_type,
        redirect_uris, post_logout_redirect_uris, grant_types, scope, resources, first_party,
        created_at, updated_at, version)
        values (${id}, ${id}, 'active', 'client_secret_basic', 'web', '[]', '[]',
        '["client_credentials"]', 'devices:read', '[]', 0, ${NOW}, ${NOW}, 1)`,
      sql`insert into "group" values (${group}, 'fleet', ${group}, ${i === 0 ? null : 'g0'}, ${NOW},
        ${NOW}, 1)`,
      sql`insert into device (id, type, status, metadata, created_at, updated_at, version)
        values (${device}, 'sensor', 'active', '{}', ${NOW}, ${NOW},
        1)`,
      sql`insert into membership values (${group}, ${device}, ${NOW})`,
      sql`insert into "grant" values (${`r${i}`}, ${id}, 'reader', ${group}, null, null, ${NOW},
        ${NOW}, 1)`,
    )
  }
  await db.write(rows)
  await db.close()
}

let drawn = 0
const read = (db: Opened, i: number) => {
  const id = `c${i % CLIENTS}`
  return db.read([
    sql`select * from client c join principal p on p.id = c.id
      where c.id = ${id} and p.deleted_at is null`,
    sql`select hash, expires_at from client_secret where client_id = ${id}`,
    sql`select name, value from setting`,
    ...Object.values(rightsOf(id, NOW)),
  ])
}
const write = (db: Opened, i: number) => {
  const id = `c${i % CLIENTS}`
  return db.write([
    sql`update client set updated_at = ${NOW + i}, version = version + 1 where id = ${id}
      returning version`,
    sql`insert into event (id, at, type, outcome, actor_kind, actor_id, subject_id, address,
      objects, data)
      values (${`e${++drawn}`}, ${NOW}, 'client.updated', 'success', 'user',
      'u0', ${id}, '127.0.0.1', '[]', '{}')`,
  ])
}

const AT_ONCE = 16

/** A round of batches, one after the other or so many at once. */
const oneByOne = (work: typeof read) => async (db: Opened) => {
  for (let i = 0; i < batches; i++) await work(db, i)
}
const atOnce = (work: typeof read) => async (db: Opened) => {
  for (let i = 0; i < batches; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, j) => work(db, i + j)))
  }
}

const folder = mkdtempSync(join(tmpdir(), 'database-speed-'))
try {
  const subjects = await Promise.all(
    [
      { name: 'ours', open: openEmbeddedDatabase as Open },
      { name: other ?? '@libsql/client', open: openOther },
    ].map(async ({ name, open }, i) => {
      const url = pathToFileURL(join(folder, `${i}.db`)).href
      await seed(url)
      return { name, db: await open(url) }
    }),
  )
  const works = {
    read: oneByOne(read),
    write: oneByOne(write),
    [`read ${AT_ONCE} at once`]: atOnce(read),
    [`write ${AT_ONCE} at once`]: atOnce(write),
  }
  const results = new Map<string, { cpu: number[]; clock: number[] }>()
  for (let round = -1; round < rounds; round++) {
    for (const [kind, work] of Object.entries(works)) {
      for (const { name, db } of subjects) {
        const cpu = process.cpuUsage()
        const began = performance.now()
        await work(db)
        const clock = (performance.now() - began) / batches
        const { user, system } = process.cpuUsage(cpu)
        if (round < 0) continue // warms up
        const key = `${kind}, ${name}`
        const result = results.get(key) ?? { cpu: [], clock: [] }
        result.cpu.push((user + system) / 1000 / batches)
        result.clock.push(clock)
        results.set(key, result)
      }
    }
  }
  const median = (values: number[]) =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
  console.log(`${rounds} rounds of ${batches} batches: 8 statements in a read, 2 in a write`)
  for (const [key, { cpu, clock }] of [...results].sort()) {
    const [ms, all] = [median(cpu), cpu.map((one) => one.toFixed(3)).join(' ')]
    console.log(
      `${key}: ${(1 / ms).toFixed(1)} batches per CPU-ms; median ${ms.toFixed(3)} ms CPU, ` +
        `${median(clock).toFixed(3)} ms by the clock (${all})`,
    )
  }
  for (const { db } of subjects) await db.close()
} finally {
  rmSync(folder, { recursive: true })
}
