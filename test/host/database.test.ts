// Promises to every room, the same over the embedded file and over HTTP; then cases that only
// happen on the way to a remote database: lost answers, silence, refusals.

import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Libsql from 'libsql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../worker/db/database.ts'
import { condition, list, refuseUnless, sql, TRUE } from '../../worker/db/sql.ts'
import { openEmbeddedDatabase } from '../../worker/entry/embedded/database.ts'
import type { ScriptRunner } from '../../worker/entry/embedded/libsql.ts'
import { type HranaEndpoint, serveHrana } from '../../worker/entry/hrana/hrana.ts'
import {
  listUndecided,
  type Migration,
  migrate,
  readMigrations,
} from '../../worker/entry/migrate.ts'
import { openRemoteDatabase } from '../../worker/entry/remote_database.ts'
import { temporaryFolder } from '../support/folder.ts'

const { path: folder, remove } = temporaryFolder()
let count = 0
const freshPath = () => join(folder, `${++count}.db`)

afterAll(remove)

interface Opened {
  db: Database & ScriptRunner
  close(): Promise<void>
}

const drivers: [string, () => Promise<Opened>][] = [
  [
    'embedded',
    async () => {
      const db = await openEmbeddedDatabase(pathToFileURL(freshPath()).href)
      return { db, close: () => db.close() }
    },
  ],
  [
    'remote',
    async () => {
      const endpoint = await serveHrana({ file: freshPath() })
      const db = openRemoteDatabase({ url: endpoint.url })
      return {
        db,
        async close() {
          db.close()
          await endpoint.close()
        },
      }
    },
  ],
]

describe.each(drivers)('%s', (_, open) => {
  let opened: Opened
  let db: Database & ScriptRunner

  beforeAll(async () => {
    opened = await open()
    db = opened.db
    await db.write([
      sql`create table person (id text primary key, email text unique, age integer check (age > 0),
          name text not null default '')`,
      sql`create table pet (owner text references person (id), name text, unique (owner, name))`,
    ])
    return () => opened.close()
  })

  test('values come back as they went in, blobs as Uint8Array, integers as integers', async () => {
    const bytes = new Uint8Array([0, 255, 1])
    const [row] = await db.read(
      sql`select ${'ü\n'} as text, ${5} as integer, typeof(${5}) as kind, ${-1.5} as float,
          typeof(${5.5}) as float_kind, ${null} as absent, ${true} as yes, ${false} as no,
          ${bytes} as bytes, ${bytes.buffer} as buffer, ${new Uint8Array()} as none,
          ${9_007_199_254_740_991} as safe`,
    )
    expect(row).toStrictEqual({
      text: 'ü\n',
      integer: 5,
      kind: 'integer',
      float: -1.5,
      float_kind: 'real',
      absent: null,
      yes: 1,
      no: 0,
      bytes,
      buffer: bytes,
      none: new Uint8Array(),
      safe: 9_007_199_254_740_991,
    })
    await expect(db.read(sql`select 9007199254740993`)).rejects.toThrow(RangeError)
  })

  test('answers come in the order of the statements, and none for none', async () => {
    const { ones, twos, threes } = await db.read({
      ones: sql<{ n: number }>`select 1 as n`,
      twos: sql<{ n: string }>`select 'two' as n where 0`,
      threes: sql<{ n: number }>`select 3 as n union all select 4`,
    })
    expect([ones, twos, threes]).toEqual([[{ n: 1 }], [], [{ n: 3 }, { n: 4 }]])
    expect(await db.read([])).toEqual([])
    expect(await db.write({})).toEqual({})
  })

  test('a batch that fails half-way leaves nothing, and the next one works', async () => {
    const failed = db.write([
      sql`insert into person (id) values ('half')`,
      sql`insert into pet values ('nobody', 'Rex')`,
    ])
    await expect(failed).rejects.toMatchObject({ name: 'ConstraintViolation' })
    const rows = await db.write(sql<{ id: string }>`select id from person where id = 'half'`)
    expect(rows).toEqual([])
  })

  test('a statement that would write is refused in a read', async () => {
    const insert = sql`insert into person (id) values ('sneaked in')`
    await expect(db.read(insert)).rejects.toThrow(/readonly/)
    await expect(db.read([sql`select 1`, insert])).rejects.toThrow(/readonly/)
    const found = sql`select id from person where id = 'sneaked in'`
    expect(await db.read(found)).toEqual([])
  })

  const violations = [
    [sql`insert into person (id) values ('ann')`, 'unique', 'person.id'],
    [sql`insert into person (id, email) values ('b', 'ann@x')`, 'unique', 'person.email'],
    [sql`insert into pet values ('ann', 'Tom')`, 'unique', 'pet.owner, pet.name'],
    [sql`insert into person (id, age) values ('c', -1)`, 'check', 'age > 0'],
    [sql`insert into person (id, name) values ('d', null)`, 'not_null', 'person.name'],
    [sql`insert into pet values ('nobody', 'Rex')`, 'foreign_key', ''],
  ] as const
  test('constraints are named by kind and column', async () => {
    await db.write([
      sql`insert into person (id, email) values ('ann', 'ann@x')`,
      sql`insert into pet values ('ann', 'Tom')`,
    ])
    for (const [statement, kind, constraint] of violations) {
      const failed = await db.write(statement).catch((error: unknown) => error)
      expect(failed, statement.sql).toMatchObject({ name: 'ConstraintViolation', kind, constraint })
    }
  })

  test('a batch with an unmet refuseUnless is undone as a whole, and says the reason', async () => {
    await db.runScript(`create table if not exists batch_refusal (
      refused integer not null, constraint refused check (refused = 0))`)
    const holds = condition`exists (select 1 from person where id = ${'undone'})`
    const undone = db.write({
      made: sql`insert into person (id) values ('undone')`,
      demands: [refuseUnless(holds, 'first'), refuseUnless(condition`null`, 'second')],
      never: refuseUnless(condition`0`, 'third'),
    })
    await expect(undone).rejects.toMatchObject({ name: 'BatchRefused', reason: 'second' })
    expect(await db.read(sql`select id from person where id = 'undone'`)).toEqual([])
    await db.write([sql`insert into person (id) values ('kept')`, refuseUnless(TRUE, 'first')])
    expect(await db.read(sql`select id from person where id = 'kept'`)).toEqual([{ id: 'kept' }])
    expect(await db.read(sql`select * from batch_refusal`)).toEqual([])
    // Of two that share a commit, the one that is refused.
    const both = await Promise.allSettled([
      db.write([sql`insert into person (id) values ('shared')`, refuseUnless(TRUE, 'first')]),
      db.write([sql`select 1`, refuseUnless(condition`1 = 2`, 'fourth')]),
    ])
    expect(both).toMatchObject([{ status: 'fulfilled' }, { reason: { reason: 'fourth' } }])
  })

  test('no violation of another rule is taken for a refusal', async () => {
    const faulty = db.write([
      refuseUnless(TRUE, 'a rule'),
      sql`insert into batch_refusal values (1)`,
    ])
    await expect(faulty).rejects.toMatchObject({ name: 'ConstraintViolation', place: 1 })
    const empty = db.write([
      refuseUnless(TRUE, 'a rule'),
      sql`insert into person values (1, 2, 3, null)`,
    ])
    await expect(empty).rejects.toMatchObject({ name: 'ConstraintViolation', kind: 'not_null' })
  })

  test('an error of ours stays what it is', async () => {
    const failed = db.read(sql`select * from nowhere`)
    await expect(failed).rejects.toThrow('no such table: nowhere')
    await expect(failed).rejects.toMatchObject({ name: expect.stringMatching(/^(Libsql|Sqlite)/) })
  })

  test('a read of several statements sees one state, whatever others write', async () => {
    await db.write([sql`create table pair (a integer)`, sql`insert into pair values (0)`])
    const writing = (async () => {
      for (let i = 0; i < 100; i++) await db.write(sql`update pair set a = a + 1`)
    })()
    for (let i = 0; i < 50; i++) {
      const { first, second } = await db.read({
        first: sql`select a from pair`,
        second: sql`select a from pair`,
      })
      expect(first).toEqual(second)
    }
    await writing
    expect(await db.read(sql`select a from pair`)).toEqual([{ a: 100 }])
  })

  test('a list is bound value by value, and an empty one matches nothing', async () => {
    const among = (ids: string[]) => sql`select id from person where id in (${list(ids)})`
    const batch = { some: among(['ann', "x') or ('1'='1"]), none: among([]) }
    expect(await db.read(batch)).toEqual({ some: [{ id: 'ann' }], none: [] })
  })

  test('a script is one transaction', async () => {
    await expect(
      db.runScript(
        `create table half (x); insert into half values (';'); insert into nope values (1)`,
      ),
    ).rejects.toThrow('no such table')
    expect(await db.read(sql`select name from sqlite_schema where name = 'half'`)).toEqual([])
    await db.runScript(`create table whole (x); insert into whole values (';') -- the end`)
    expect(await db.read(sql`select x from whole`)).toEqual([{ x: ';' }])
  })
})

describe.each(drivers)('migrations, %s', (_, open) => {
  const first: Migration = { name: '0001_first', sql: 'create table a (x);\ncreate table b (x);' }
  const second: Migration = { name: '0002_second', sql: 'insert into a values (2) -- no end' }

  async function fresh(work: (db: Opened['db']) => Promise<void>) {
    const { db, close } = await open()
    await work(db).finally(close)
  }

  test('are applied in order, once', () =>
    fresh(async (db) => {
      expect(await migrate(db, [first])).toEqual(['0001_first'])
      expect(await migrate(db, [first, second])).toEqual(['0002_second'])
      expect(await migrate(db, [first, second])).toEqual([])
      const crlf = { ...first, sql: first.sql.replaceAll('\n', '\r\n') }
      expect(await migrate(db, [crlf, second])).toEqual([])
      expect(await db.read(sql`select x from a`)).toEqual([{ x: 2 }])
      const rows = await db.read(sql<{ applied_at: number }>`select applied_at from migration`)
      for (const { applied_at } of rows) {
        expect(Math.abs(applied_at - Date.now() / 1000)).toBeLessThan(60)
      }
    }))

  test('that fail leave the database at the one before', () =>
    fresh(async (db) => {
      const broken = { name: '0002_broken', sql: 'create table c (x); insert into nope values (1)' }
      await expect(migrate(db, [first, broken])).rejects.toThrow('no such table: nope')
      expect(await db.read(sql`select name from migration`)).toEqual([{ name: '0001_first' }])
      expect(await db.read(sql`select 1 from sqlite_schema where name = 'c'`)).toEqual([])
      expect(await migrate(db, [first, second])).toEqual(['0002_second'])
    }))

  test('that were changed, are unknown or come too late are refused, and nothing is applied', () =>
    fresh(async (db) => {
      await migrate(db, [first, second])
      const third = { name: '0003_third', sql: 'create table c (x)' }
      const refused: [Migration[], RegExp][] = [
        [[first, { ...second, sql: 'select 1' }, third], /0002_second was changed after/],
        [[first], /newer than this program: it has the migration 0002_second/],
        [[first, { ...third, name: '0001_late' }, second], /0001_late comes before 0002_second/],
      ]
      for (const [migrations, message] of refused) {
        const failed = migrate(db, migrations)
        await expect(failed).rejects.toThrow(message)
        await expect(failed).rejects.toMatchObject({ name: 'MigrationRefused' })
      }
      expect(await db.read(sql`select 1 from sqlite_schema where name = 'c'`)).toEqual([])
    }))

  test('that end the table of logout tokens carry over those that wait', () =>
    fresh(async (db) => {
      const all = readMigrations(join(import.meta.dirname, '../../migrations'))
      const end = all.findIndex(({ name }) => name === '0006_delivery')
      await migrate(db, all.slice(0, end))
      await db.write([
        sql`insert into logout_delivery values ('lgd_1', 'shop', 'ann', 's1', 2, 'lease', 60, 7)`,
        sql`insert into logout_delivery values ('lgd_2', 'bank', 'ann', 's1', 0, null, 50, 7)`,
      ])
      await migrate(db, all.slice(0, end + 1))
      const carried = { kind: 'logout_token', about: 's1', payload: '{"user_id":"ann"}' }
      const rows = await db.read(sql`select * from delivery order by id`)
      expect(rows).toEqual([
        {
          ...carried,
          id: 'lgd_1',
          recipient: 'shop',
          attempts: 2,
          taken_by: 'lease',
          next_at: 60,
          created_at: 7,
        },
        {
          ...carried,
          id: 'lgd_2',
          recipient: 'bank',
          attempts: 0,
          taken_by: null,
          next_at: 50,
          created_at: 7,
        },
      ])
      expect(await db.read(sql`select 1 from sqlite_schema where name like 'logout_%'`)).toEqual([])
    }))

  test('that give events an order carry over those that are there, by id, each found by its subject', () =>
    fresh(async (db) => {
      const all = readMigrations(join(import.meta.dirname, '../../migrations'))
      const order = all.findIndex(({ name }) => name === '0015_events_and_links')
      await migrate(db, all.slice(0, order))
      const older = (id: string, type: string, subject: string | null) =>
        sql`insert into event values (${id}, 7, ${type}, 'success', 'system', null, ${subject}, '', '{}')`
      await db.write([
        older('evt_2', 'device_type.created', 'lamp'),
        older('evt_3', 'key.rotated', null),
        older('evt_1', 'device.created', 'lamp-1'),
      ])
      await migrate(db, all.slice(0, order + 1))
      expect(await db.read(sql`select seq, id, subject_id, rid, data from event`)).toEqual([
        { seq: 1, id: 'evt_1', subject_id: 'lamp-1', rid: null, data: '{}' },
        { seq: 2, id: 'evt_2', subject_id: 'lamp', rid: null, data: '{}' },
        { seq: 3, id: 'evt_3', subject_id: null, rid: null, data: '{}' },
      ])
      expect(await db.read(sql`select * from event_object order by seq`)).toEqual([
        { kind: 'principal', id: 'lamp-1', seq: 1 },
        { kind: 'device_type', id: 'lamp', seq: 2 },
      ])
      // The newest number is not given again after its event was deleted.
      await db.write(sql`delete from event where seq >= 2`)
      await db.write(sql`insert into event (id, at, type, outcome, actor_kind, address, objects, data)
        values ('evt_4', 8, 'key.rotated', 'success', 'system', '', '[]', '{}')`)
      expect(await db.read(sql`select seq from event`)).toEqual([{ seq: 1 }, { seq: 4 }])
      expect(await db.read(sql`select seq from event_object`)).toEqual([{ seq: 1 }])
    }))

  test('that part what a client is from what it may ask for keep services as they were, and name the rest', () =>
    fresh(async (db) => {
      const all = readMigrations(join(import.meta.dirname, '../../migrations'))
      const parting = all.findIndex(({ name }) => name === '0009_serves')
      const before = await migrate(db, all.slice(0, parting))
      const api = '["https://api.example"]'
      const add = (id: string, method: string, redirect_uris: string, resources = api) => [
        sql`insert into principal (id, kind, rid, created_at) values (${id}, 'client', 'r', 1)`,
        sql`insert into client (id, status, token_endpoint_auth_method, application_type,
            redirect_uris, post_logout_redirect_uris, grant_types, scope, resources, first_party,
            created_at, updated_at, version)
          values (${id}, 'active', ${method}, 'web', ${redirect_uris}, '[]', '[]', '',
            ${resources}, 0, 1, 1, 1)`,
      ]
      await db.write([
        ...add('service', 'private_key_jwt', '[]'),
        ...add('site', 'client_secret_basic', '["https://site.example/cb"]'),
        ...add('tv', 'none', '[]'),
        ...add('plain', 'client_secret_basic', '[]', '[]'),
      ])
      const applied = await migrate(db, all.slice(0, parting + 1))
      const rows = await db.read(sql`select id, serves, resources from client order by id`)
      expect(rows).toEqual([
        { id: 'plain', serves: '[]', resources: '[]' },
        { id: 'service', serves: api, resources: api },
        { id: 'site', serves: '[]', resources: api },
        { id: 'tv', serves: '[]', resources: api },
      ])
      const message = expect.stringContaining('serves')
      expect(await listUndecided(db, applied)).toEqual([
        { message, fields: { client_id: 'site', resources: api } },
        { message, fields: { client_id: 'tv', resources: api } },
      ])
      expect(await listUndecided(db, before)).toEqual([])
    }))

  test('asked for by eight callers at once are applied once', () =>
    fresh(async (db) => {
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => migrate(db, [first, second])),
      )
      expect(answers.flat().sort()).toEqual(['0001_first', '0002_second'])
      expect(await db.read(sql`select x from a`)).toEqual([{ x: 2 }])
    }))
})

test('a folder of migrations is read in order, and a misnamed file is refused', () => {
  const migrations = mkdtempSync(join(folder, 'migrations-'))
  writeFileSync(join(migrations, '0002_b.sql'), 'two')
  writeFileSync(join(migrations, '0001_a.sql'), 'one')
  writeFileSync(join(migrations, 'drizzle.config.ts'), '')
  expect(readMigrations(migrations)).toEqual([
    { name: '0001_a', sql: 'one' },
    { name: '0002_b', sql: 'two' },
  ])
  writeFileSync(join(migrations, '3_c.sql'), 'three')
  expect(() => readMigrations(migrations)).toThrow('3_c.sql is not named like a migration')
  expect(readdirSync(migrations)).toHaveLength(4)
})

describe('on the way to a remote database', () => {
  let endpoint: HranaEndpoint
  let path: string

  beforeAll(async () => {
    path = freshPath()
    endpoint = await serveHrana({ file: path, lockTimeout: 50, authToken: 'right' })
    const db = connect()
    await db.write(sql`create table once (rid text primary key)`)
    db.close()
    return () => endpoint.close()
  })

  const connect = (options: Partial<Parameters<typeof openRemoteDatabase>[0]> = {}) =>
    openRemoteDatabase({ url: endpoint.url, authToken: 'right', ...options })

  const insert = (rid: string) => sql`insert into once values (${rid}) on conflict do nothing`
  const found = (rid: string) => sql`select rid from once where rid = ${rid}`

  /** Does as asked, and loses the answers to the first `losses` requests. */
  function losing(losses: number): typeof fetch & { sent: number } {
    const lossy = async (input: RequestInfo | URL, init?: RequestInit) => {
      lossy.sent++
      const answer = await fetch(input, init)
      if (lossy.sent > losses) return answer
      await answer.arrayBuffer()
      throw new TypeError('fetch failed')
    }
    lossy.sent = 0
    return lossy as typeof fetch & { sent: number }
  }

  test('a read and a write are one HTTP request each, however many statements', async () => {
    for (const size of [1, 2, 40]) {
      const db = connect()
      const before = endpoint.requests()
      await db.read(Array.from({ length: size }, (_, i) => sql`select ${i}, ${size}`))
      expect(endpoint.requests() - before).toBe(1)
      await db.write(Array.from({ length: size }, (_, i) => insert(`size ${size} ${i}`)))
      expect(endpoint.requests() - before).toBe(2)
      db.close()
    }
  })

  test('a write whose answer is lost is repeated once', async () => {
    const lossy = losing(1)
    await connect({ fetch: lossy }).write(insert('lost'))
    expect(lossy.sent).toBe(2)
    expect(await connect().read(found('lost'))).toEqual([{ rid: 'lost' }])
  })

  test('a second lost answer makes it unavailable', async () => {
    const lossy = losing(2)
    const failed = connect({ fetch: lossy }).write(insert('lost twice'))
    await expect(failed).rejects.toMatchObject({
      name: 'DatabaseUnavailable',
      message: 'the database does not answer',
    })
    expect(lossy.sent).toBe(2)
  })

  test('a server that is not there, one that fails and one that is silent are unavailable', async () => {
    let silentRequests = 0
    const server = createServer((request, response) => {
      request.resume()
      if (request.url?.startsWith('/broken/')) response.writeHead(500).end('oops')
      else if (request.url?.startsWith('/half/')) {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"baton":')
      } else silentRequests++
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const { port } = server.address() as AddressInfo
    const url = `http://127.0.0.1:${port}`
    const began = performance.now()
    for (const bad of [`${url}/silent`, `${url}/broken`, `${url}/half`, 'http://127.0.0.1:1']) {
      const failed = connect({ url: bad, timeout: 150 }).read(sql`select 1`)
      await expect(failed, bad).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
    }
    expect(performance.now() - began).toBeLessThan(3000)
    expect(silentRequests).toBe(2)
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })

  test('a wrong token is not tried twice, and is told without the token', async () => {
    const counting = losing(0)
    const failed = connect({ fetch: counting, authToken: 'wrong-secret' }).read(sql`select 1`)
    await expect(failed).rejects.toThrow(/check DATABASE_URL and DATABASE_AUTH_TOKEN/)
    await expect(failed).rejects.not.toThrow(/wrong-secret/)
    expect(counting.sent).toBe(1)
  })

  test('a lock is waited out, and one that stays makes it unavailable', async () => {
    const rival = new Libsql(path, {})
    rival.exec('BEGIN IMMEDIATE')
    const short = connect({ patience: 200 }).write(insert('locked out'))
    await expect(short).rejects.toMatchObject({
      name: 'DatabaseUnavailable',
      message: 'the database stayed locked',
    })
    const long = connect({ patience: 5000 }).write(insert('waited'))
    setTimeout(() => rival.exec('COMMIT'), 150)
    await long
    rival.close()
    const batch = { waited: found('waited'), lockedOut: found('locked out') }
    expect(await connect().read(batch)).toEqual({ waited: [{ rid: 'waited' }], lockedOut: [] })
  })

  test('a server without a free connection (429) is waited for as for a lock', async () => {
    let refusals = 5
    let sent = 0
    const crowded = (async (input, init) => {
      sent++
      if (refusals-- <= 0) return fetch(input, init)
      // As sqld says it.
      return Response.json({ error: 'timed out while creating a connection' }, { status: 429 })
    }) satisfies typeof fetch
    await connect({ fetch: crowded }).write(insert('crowded'))
    expect(sent).toBe(6)
    expect(await connect().read(found('crowded'))).toEqual([{ rid: 'crowded' }])

    refusals = Number.POSITIVE_INFINITY
    const failed = connect({ fetch: crowded, patience: 100 }).read(sql`select 1`)
    await expect(failed).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
  })

  test('calls whose time is over while others have the connections are never sent', async () => {
    const sent: string[] = []
    const answers: (() => void)[] = []
    const stuck = (async (input, init) => {
      sent.push(await new Request(input, init).text())
      await new Promise<void>((answer) => answers.push(answer))
      throw new TypeError('fetch failed')
    }) satisfies typeof fetch
    const db = connect({ fetch: stuck, patience: 60 })
    const calls = Array.from({ length: 30 }, (_, i) => db.write(insert(`stuck ${i}`)))
    const late = db.write(insert('late'), { patience: 20 })
    await expect(late).rejects.toThrow('does not keep up')
    const waiting = await Promise.allSettled(calls.slice(20))
    expect(waiting.map(({ status }) => status)).toEqual(Array(10).fill('rejected'))
    for (const answer of answers) answer()
    await Promise.allSettled(calls)
    expect(sent.filter((body) => body.includes('late'))).toEqual([])
    const stuckOnes = new Set(sent.map((body) => /stuck \d+/.exec(body)?.[0]))
    expect(stuckOnes.size).toBe(20)
  })

  test('a path is kept and an address that is none is refused', async () => {
    const paths: string[] = []
    const fake = (async (input: RequestInfo | URL) => {
      paths.push(new URL((input as Request).url).pathname)
      return Response.json({}, { status: 404 })
    }) as typeof fetch
    for (const url of ['http://h/db', 'http://h/db/', 'libsql://h', 'https://h/a/b']) {
      await connect({ url, fetch: fake })
        .read(sql`select 1`)
        .catch(() => null)
    }
    expect(paths).toEqual(['/db/', '/db/', '/', '/a/b/'].map((base) => `${base}v2/pipeline`))
    for (const url of ['file:x.db', 'nonsense', 'ftp://h', 'http://h?secret=1']) {
      expect(() => connect({ url }), url).toThrow(TypeError)
    }
  })
})
