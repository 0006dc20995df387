// The embedded file under what the driver is known to lose writes by: locks and sudden death.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Database from 'libsql'
import { afterAll, describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { EmbeddedConnection } from '../../worker/entry/embedded/connection.ts'
import { openEmbeddedDatabase } from '../../worker/entry/embedded/database.ts'
import { readMigrations } from '../../worker/entry/migrate.ts'
import { temporaryFolder } from '../support/folder.ts'

const { path: folder, remove } = temporaryFolder()
const children = new Set<ChildProcess>()
let count = 0
const freshPath = () => join(folder, `${++count}.db`)
const urlOf = (path: string) => pathToFileURL(path).href

const runtimes = {
  node: [process.execPath],
  deno: ['deno', 'run', '-A', '--node-modules-dir=manual', '--quiet'],
  bun: ['bun', 'run'],
}
type Runtime = keyof typeof runtimes

function start(runtime: Runtime, fixture: string, args: string[]) {
  const [program = '', ...first] = runtimes[runtime]
  const file = join(import.meta.dirname, 'fixtures', fixture)
  const child = spawn(program, [...first, file, ...args], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  const lines: string[] = []
  let [rest, errors] = ['', '']
  const waiting = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const whole = (rest + text).split('\n')
    rest = whole.pop() ?? ''
    lines.push(...whole)
    for (const wake of waiting) wake()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  return {
    lines,
    /** Resolves when so many lines have come; rejects if the process ends before. */
    reached: (wanted: number) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (lines.length < wanted) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        child.once('close', () => reject(new Error(`${runtime} ended early: ${errors}`)))
        look()
      }),
    /** Resolves when all it printed was read. */
    async ended(): Promise<void> {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
    },
    async kill(): Promise<void> {
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** The rows on the disk, read by a connection that had no part in writing them. */
function stored(path: string): string[] {
  const db = new Database(path, {})
  try {
    return (db.prepare('select id from entry').all([]) as { id: string }[]).map(({ id }) => id)
  } finally {
    db.close()
  }
}

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  remove()
})

describe('two processes at full speed, one killed again and again', () => {
  async function survive(path: string, plan: Runtime[], acknowledgements: number, atOnce = 1) {
    const steady = start('node', 'database_writer.ts', [urlOf(path), 'steady', '1', '1'])
    await steady.reached(1)
    const acknowledged: string[] = []
    for (const [i, runtime] of plan.entries()) {
      const args = [urlOf(path), `${runtime}-${i}`, String(atOnce)]
      const doomed = start(runtime, 'database_writer.ts', args)
      await doomed.reached(1 + Math.floor(Math.random() * acknowledgements))
      await doomed.kill()
      acknowledged.push(...doomed.lines)
    }
    await steady.kill()
    const byDoomed = acknowledged.length
    acknowledged.push(...steady.lines)

    const seen = new Map<string, number>()
    for (const id of stored(path)) seen.set(id, (seen.get(id) ?? 0) + 1)
    const lost = acknowledged.filter((id) => !seen.has(id))
    const twice = [...seen].filter(([, times]) => times > 1)
    const unacknowledged = seen.size - acknowledged.length
    console.log(
      `kills: ${plan.length} (${plan.join(' ')}), each of ${atOnce} at once; acknowledged: ${byDoomed} by the killed, ` +
        `${steady.lines.length} by the other; lost: ${lost.length}, twice: ${twice.length}, ` +
        `stored but not acknowledged: ${unacknowledged}`,
    )
    expect(lost).toEqual([])
    expect(twice).toEqual([])
    // At most the writes in flight, for each kill.
    expect(unacknowledged).toBeGreaterThanOrEqual(0)
    expect(unacknowledged).toBeLessThanOrEqual(plan.length * atOnce + 1)
    expect(byDoomed).toBeGreaterThanOrEqual(plan.length)
  }

  test(
    'lose nothing that was acknowledged and store nothing twice, on Node',
    {
      timeout: 120_000,
    },
    () => survive(freshPath(), Array(20).fill('node'), 60),
  )

  test('nor on Deno and Bun', { timeout: 120_000 }, () =>
    survive(freshPath(), ['deno', 'bun', 'deno', 'bun', 'deno', 'bun'], 60),
  )

  test('nor when writes share their commits', { timeout: 120_000 }, () =>
    survive(freshPath(), ['node', 'deno', 'bun', 'node', 'deno', 'bun'], 400, 16),
  )
})

describe('after a lock', () => {
  async function acknowledgedAndStored(runtime: Runtime, mode: 'ours' | 'plain') {
    const path = freshPath()
    const child = start(runtime, 'database_poison.ts', [urlOf(path), mode])
    await child.ended()
    const [met, ...acknowledged] = child.lines
    expect(met).toBe('a lock')
    expect(acknowledged).toHaveLength(5)
    return { acknowledged, stored: stored(path) }
  }

  test.each(['node', 'deno', 'bun'] as const)(
    'every acknowledged write is on the disk, on %s',
    async (runtime) => {
      const result = await acknowledgedAndStored(runtime, 'ours')
      expect(result.stored).toEqual(result.acknowledged)
    },
  )

  test('the driver as it is acknowledges writes and loses them, which is why it is not used so', async () => {
    const result = await acknowledgedAndStored('node', 'plain')
    expect(result.stored).toEqual([])
  })

  test('a write waits for it, is tried again and succeeds once', async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path), { lockTimeout: 20, patience: 5000 })
    await db.write(sql`create table entry (n integer primary key, id text not null)`)
    const rival = new Database(path, {})
    rival.exec('BEGIN IMMEDIATE')
    const writes = ['a', 'b', 'c'].map((id) => db.write(sql`insert into entry (id) values (${id})`))
    setTimeout(() => rival.exec('COMMIT'), 60)
    await Promise.all(writes)
    rival.close()
    expect(stored(path)).toEqual(['a', 'b', 'c'])
    await db.close()
  })

  test('that stays, the caller is told that the database is unavailable, and it recovers', async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path), { lockTimeout: 10, patience: 300 })
    await db.write([
      sql`create table entry (n integer primary key, id text not null)`,
      sql`create table child (n integer references entry (n))`,
    ])
    const rival = new Database(path, {})
    rival.exec('BEGIN IMMEDIATE')
    await expect(db.write(sql`insert into entry (id) values ('a')`)).rejects.toMatchObject({
      name: 'DatabaseUnavailable',
    })
    await expect(db.runScript('drop table entry')).rejects.toThrow('stayed locked')
    expect(await db.read(sql`select id from entry`)).toEqual([]) // readers never wait
    rival.exec('COMMIT')
    rival.close()
    for (const id of ['a', 'b']) await db.write(sql`insert into entry (id) values (${id})`)
    expect(stored(path)).toEqual(['a', 'b'])
    // The new connection is set up like the first one.
    await expect(db.write(sql`insert into child values (77)`)).rejects.toMatchObject({
      kind: 'foreign_key',
    })
    await db.close()
  })
})

describe('prepared statements', () => {
  test('are kept up to a number, the last used, and not when their text is long', () => {
    const path = freshPath()
    const connection = new EmbeddedConnection(path, 'read', 0)
    const often = sql<{ often: number }>`select ${1} as often`
    const most = Array.from({ length: 1000 }, (_, i) => {
      const text = { sql: `select ${i} as n`, args: [] }
      expect(connection.read([[text]])).toEqual([[[{ n: i }]]])
      expect(connection.read([[often]])).toEqual([[[{ often: 1 }]]])
      return connection.cached
    })
    console.log(`texts: 1001, kept: ${connection.cached}`)
    expect(Math.max(...most)).toBe(200)
    const long = { sql: `select '${'x'.repeat(20_000)}' as x`, args: [] }
    const fresh = new EmbeddedConnection(path, 'read', 0)
    for (let i = 0; i < 2; i++) expect(fresh.read([[long, often]])[0]?.[1]).toEqual([{ often: 1 }])
    expect(fresh.cached).toBe(1)
    connection.close()
    fresh.close()
  })

  test('do not hand what was bound to them to a request that binds less', async () => {
    const db = await openEmbeddedDatabase(urlOf(freshPath()))
    const whole = sql`select ${'secret'} as a, ${'public'} as b`
    const binding = (...args: string[]): typeof whole =>
      Object.assign(Object.create(Object.getPrototypeOf(whole)), { sql: whole.sql, args })
    expect(await db.read(whole)).toEqual([{ a: 'secret', b: 'public' }])
    expect(await db.read(binding('mine'))).toEqual([{ a: 'mine', b: null }])
    expect(await db.read(binding())).toEqual([{ a: null, b: null }])
    await db.close()
  })

  test.each(['node', 'deno', 'bun'] as const)(
    'follow the schema that another process changes, on %s',
    async (runtime) => {
      const path = freshPath()
      const db = await openEmbeddedDatabase(urlOf(path))
      const change = async (script: string) => {
        const other = start(runtime, 'database_script.ts', [urlOf(path), script])
        await other.reached(1)
        await other.ended()
      }
      const all = sql`select * from thing`
      const put = sql`insert into thing (a) values ('x') returning *`
      const both = async () => {
        const made = await db.write(put)
        const { rows, same } = await db.read({
          rows: all,
          same: all,
        })
        expect(same).toEqual(rows)
        expect(await db.read(all)).toEqual(rows)
        return [made, rows]
      }
      await db.write(sql`create table thing (a text)`)
      expect(await both()).toEqual([[{ a: 'x' }], [{ a: 'x' }]])
      await change('alter table thing add column b integer not null default 7')
      const row = { a: 'x', b: 7 }
      expect(await both()).toEqual([[row], [row, row]])
      await change('drop table thing')
      await expect(db.read(all)).rejects.toThrow('no such table: thing')
      await expect(db.write(put)).rejects.toThrow('no such table: thing')
      await change(`create table thing (c text default 'y', a integer unique)`)
      const [made, rows] = await both()
      expect([made, rows]).toEqual([[{ c: 'y', a: 'x' }], [{ c: 'y', a: 'x' }]])
      await expect(db.write(put)).rejects.toMatchObject({ kind: 'unique', constraint: 'thing.a' })
      await db.close()
    },
  )
})

describe('rows that were read before', () => {
  const entries = sql<{ n: number; id: string }>`select * from entry order by n`
  const opened = async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path), { lockTimeout: 0, patience: 500 })
    await db.runScript(`create table entry (n integer primary key, id text not null, b blob);
      insert into entry values (1, 'first', x'00ff')`)
    return { path, db }
  }

  test('are as new after each commit, of this process, of others, and of no other moment', async () => {
    const { path, db } = await opened()
    const rival = new Database(path, { timeout: 0 })
    const ids = async () => (await db.read(entries)).map(({ id }) => id)
    for (let i = 0; i < 50; i++) {
      rival.exec('BEGIN IMMEDIATE')
      rival.exec(`update entry set id = 'undone-${i}'`)
      const before = await ids()
      expect(before).not.toEqual([`undone-${i}`])
      rival.exec('ROLLBACK')
      expect(await ids()).toEqual(before)
      rival.exec(`update entry set id = 'rival-${i}'`)
      expect(await ids()).toEqual([`rival-${i}`])
      await db.write(sql`update entry set id = ${`own-${i}`}`)
      expect(await ids()).toEqual([`own-${i}`])
      expect(rival.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all([])).toMatchObject([{ busy: 0 }])
      expect(await ids()).toEqual([`own-${i}`])
    }
    rival.close()
    await db.close()
  })

  test.each(['node', 'deno', 'bun'] as const)(
    'are as new after a commit of a process on %s',
    async (runtime) => {
      const { path, db } = await opened()
      expect(await db.read([entries, entries])).toHaveLength(2)
      const other = start(runtime, 'database_script.ts', [
        urlOf(path),
        `update entry set id = 'elsewhere'`,
      ])
      await other.reached(1)
      await other.ended()
      expect(await db.read(entries)).toMatchObject([{ id: 'elsewhere' }])
      await db.close()
    },
  )

  test('belong to the text with these values alone', async () => {
    const { db } = await opened()
    const [text, number, blob] = [
      sql`select typeof(${'1'}) as type, ${'1'} as value`,
      sql`select typeof(${1}) as type, ${1} as value`,
      sql`select typeof(${new Uint8Array([1, 2])}) as type, ${new Uint8Array([1, 2])} as value`,
    ]
    const other = sql`select typeof(${new Uint8Array([12])}) as type, ${new Uint8Array([12])} as value`
    const two = sql`select ${'a\nstring 1 b'} as a, ${'c'} as b`
    const three = sql`select ${'a'} as a, ${'b\nstring 1 c'} as b`
    for (let i = 0; i < 3; i++) {
      expect(await db.read(text)).toEqual([{ type: 'text', value: '1' }])
      expect(await db.read(number)).toEqual([{ type: 'integer', value: 1 }])
      expect(await db.read(blob)).toEqual([{ type: 'blob', value: new Uint8Array([1, 2]) }])
      expect(await db.read(other)).toEqual([{ type: 'blob', value: new Uint8Array([12]) }])
      expect(await db.read(two)).toEqual([{ a: 'a\nstring 1 b', b: 'c' }])
      expect(await db.read(three)).toEqual([{ a: 'a', b: 'b\nstring 1 c' }])
    }
    await db.close()
  })

  test('cannot be changed by who got them, and the list is of each caller', async () => {
    const { db } = await opened()
    const first = await db.read(entries)
    first.push({ n: 2, id: 'mine' })
    expect(() => Object.assign(first[0] ?? {}, { id: 'mine' })).toThrow(TypeError)
    expect(await db.read(entries)).toMatchObject([{ n: 1, id: 'first' }])
    await db.close()
  })

  test('are kept up to a number, and no long list is', async () => {
    const { path, db } = await opened()
    const connection = new EmbeddedConnection(path, 'read', 0)
    for (let i = 0; i < 2000; i++) connection.read([[sql`select ${i} as n`]])
    expect(connection.unchanged).toBeLessThanOrEqual(500)
    await db.write(sql`insert into entry (id) values ('a'), ('b'), ('c'), ('d'), ('e')`)
    expect(connection.read([[entries]])[0]?.[0]).toHaveLength(6)
    expect(connection.unchanged).toBe(0)
    connection.read([[sql`select ${1} as n`]])
    expect(connection.unchanged).toBe(1)
    connection.close()
    await db.close()
  })
})

describe('reads of the same moment', () => {
  test('each get their own rows, and a broken one fails alone', async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path))
    await db.write(sql`create table entry (id text not null)`)
    await db.write(sql`insert into entry (id) values ('first')`)
    const results = await Promise.allSettled(
      Array.from({ length: 300 }, (_, i) =>
        db.read([
          sql`select ${i} as n`,
          i % 50 === 7 ? sql`select * from missing` : sql`select id from entry`,
        ]),
      ),
    )
    for (const [i, result] of results.entries()) {
      if (i % 50 === 7) expect(result).toMatchObject({ status: 'rejected' })
      else expect(result).toEqual({ status: 'fulfilled', value: [{ n: i }, { id: 'first' }] })
    }
    await db.close()
  })

  test('see what another process committed before they were asked', async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path))
    await db.write(sql`create table entry (id text not null)`)
    const rival = new Database(path)
    for (let i = 1; i <= 50; i++) {
      const count = sql<{ n: number }>`select count(*) as n from entry`
      const earlier = db.read(count)
      rival.exec(`insert into entry (id) values ('rival ${i}')`)
      const later = db.read(count)
      expect(await later).toEqual([{ n: i }])
      expect((await earlier)[0]?.n).toBeOneOf([i - 1, i])
    }
    rival.close()
    await db.close()
  })
})

describe('a batch that fails leaves no lock and no snapshot behind', () => {
  const made = sql`insert into child values (1, null)`
  const moved = sql`update child set n = n + 1 returning n`
  const before = [made, moved]
  const failures: [string, string, ReturnType<typeof sql>][] = [
    ['a taken key', 'ConstraintViolation', sql`insert into entry values (1, 'taken')`],
    [
      'one that rolls back by itself',
      'ConstraintViolation',
      sql`insert or rollback into entry values (1, 'taken')`,
    ],
    ['a parent missed at the commit', 'ConstraintViolation', sql`insert into child values (1, 77)`],
    ['no such table', 'SqliteError', sql`insert into nowhere values (1)`],
    ['no statement', 'SqliteError', sql`insert into`],
    [
      'an error in the third row',
      'SqliteError',
      sql`select abs(column1) from (values (1), (2), (-9223372036854775807 - 1))`,
    ],
    [
      'an answer no number can hold',
      'RangeError',
      sql`insert into entry values (${9_007_199_254_740_993n}, 'large') returning n`,
    ],
    [
      'an argument no column can hold',
      'RangeError',
      sql`insert into entry values (${2n ** 63n}, 'far too large')`,
    ],
  ]

  test.each(failures)('%s', async (_, name, failing) => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path), { lockTimeout: 0, patience: 500 })
    await db.runScript(`create table entry (n integer primary key, id text not null);
      create table child (n integer, entry integer references entry deferrable initially deferred);
      insert into entry values (1, 'first')`)
    const rival = new Database(path, { timeout: 0 })
    for (let i = 0; i < 3; i++) {
      await expect(db.write([...before, failing, ...before])).rejects.toMatchObject({ name })
      await expect(db.read([sql`select * from entry`, failing])).rejects.toThrow()
      expect(rival.prepare('select count(*) as n from child').all([])).toEqual([{ n: 0 }])
      rival.exec(`insert into entry (id) values ('rival')`)
      // Answers `busy` if any connection still reads from the log.
      expect(rival.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all([])).toMatchObject([{ busy: 0 }])
      const answers = await db.write({ made, moved, change: sql`delete from child` })
      expect(answers).toEqual({ made: [], moved: [{ n: 2 }], change: [] })
    }
    rival.close()
    await db.close()
    expect(stored(path)).toEqual(['first', 'rival', 'rival', 'rival'])
  })

  test('nor does one that meets a lock with its statements already prepared', async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path), { lockTimeout: 0, patience: 500 })
    await db.write(sql`create table entry (n integer primary key, id text not null)`)
    const rival = new Database(path, { timeout: 0 })
    const put = (id: string) => db.write(sql`insert into entry (id) values (${id}) returning id`)
    for (let i = 0; i < 5; i++) {
      await put(`before-${i}`)
      rival.exec('BEGIN IMMEDIATE')
      await expect(put('locked out')).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
      rival.exec('COMMIT')
      await put(`after-${i}`)
      rival.exec(`insert into entry (id) values ('rival-${i}')`)
    }
    rival.close()
    const expected = Array.from({ length: 5 }, (_, i) => [
      `before-${i}`,
      `after-${i}`,
      `rival-${i}`,
    ])
    expect(stored(path)).toEqual(expected.flat())
    await db.close()
  })
})

describe('writes asked for at once', () => {
  const entry = sql`create table entry (n integer primary key, id text not null unique)`
  const put = (id: string) =>
    sql<{ id: string }>`insert into entry (id) values (${id}) returning id`

  test('share a commit, and each has its own answer', async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path))
    await db.write(entry)
    const rival = new Database(path, { timeout: 0 })
    const frames = () => {
      const [{ log } = { log: NaN }] = rival.prepare('PRAGMA wal_checkpoint(PASSIVE)').all([]) as {
        log: number
      }[]
      return log
    }
    rival.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all([])
    const ids = Array.from({ length: 40 }, (_, i) => `at-once-${i}`)
    const answers = await Promise.all(ids.map((id) => db.write(put(id))))
    expect(answers).toEqual(ids.map((id) => [{ id }]))
    const shared = frames()
    rival.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all([])
    for (const id of ids) await db.write(put(`${id} alone`))
    const alone = frames()
    console.log(`writes: ${ids.length}; pages to the log at once: ${shared}, alone: ${alone}`)
    expect(alone).toBeGreaterThanOrEqual(ids.length)
    expect(shared).toBeLessThan(ids.length / 4)
    rival.close()
    await db.close()
  })

  test('do not suffer from those among them that are refused', async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path))
    await db.write([entry, put('taken')])
    const refused: [string, ReturnType<typeof sql>][] = [
      ['ConstraintViolation', put('taken')],
      ['ConstraintViolation', sql`insert or rollback into entry (id) values ('taken')`],
      ['SqliteError', sql`insert into nowhere values (1)`],
      ['RangeError', sql`insert into entry values (9007199254740993, 'large') returning n`],
      ['Error', sql`rollback`],
    ]
    const refusedAt = (i: number) =>
      i % 3 === 1 ? refused[Math.floor(i / 3) % refused.length] : undefined
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => {
        const [, bad] = refusedAt(i) ?? []
        return bad === undefined
          ? db.write([put(`good-${i}`), put(`too-${i}`)])
          : db.write([put(`half-${i}`), bad, put(`other-half-${i}`)])
      }),
    )
    const expected = ['taken']
    for (const [i, result] of results.entries()) {
      const [name] = refusedAt(i) ?? []
      if (name !== undefined) {
        expect(result, name).toMatchObject({ status: 'rejected', reason: { name } })
      } else {
        const value = [{ id: `good-${i}` }, { id: `too-${i}` }]
        expect(result).toEqual({ status: 'fulfilled', value })
        expected.push(`good-${i}`, `too-${i}`)
      }
    }
    expect(stored(path).sort()).toEqual(expected.sort())
    await db.close()
  })

  test('keep their order with scripts among them, and are done before the file is given back', async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path))
    await db.write(entry)
    const all = [
      db.write(put('first')),
      db.write(put('second')),
      db.runScript(`update entry set id = id || ' seen'`),
      db.write(put('third')),
      db.write([...Array.from({ length: 150 }, (_, i) => put(`many-${i}`)), put('fourth')]),
      db.write(put('fifth')),
    ]
    const closed = db.close()
    await Promise.all(all)
    await closed
    await expect(db.write(put('late'))).rejects.toThrow('the database is closed')
    const kept = stored(path).filter((id) => !id.startsWith('many-'))
    expect(kept).toEqual(['first seen', 'second seen', 'third', 'fourth', 'fifth'])
  })

  test('wait for a lock together, and are all told that it stayed', async () => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path), { lockTimeout: 100, patience: 500 })
    await db.write(entry)
    const rival = new Database(path, { timeout: 0 })
    rival.exec('BEGIN IMMEDIATE')
    const began = performance.now()
    const writes = Array.from({ length: 20 }, (_, i) => db.write(put(`locked-out-${i}`)))
    for (const result of await Promise.allSettled(writes)) {
      expect(result).toMatchObject({ reason: { name: 'DatabaseUnavailable' } })
    }
    expect(performance.now() - began).toBeLessThan(1000)
    rival.exec('COMMIT')
    rival.close()
    await Promise.all([db.write(put('a')), db.write(put('b'))])
    expect(stored(path)).toEqual(['a', 'b'])
    await db.close()
  })

  test('would hide a constraint that is deferred to the commit, of which the schema has none', () => {
    const migrations = join(import.meta.dirname, '../../migrations')
    for (const { name, sql: script } of readMigrations(migrations)) {
      expect(script, name).not.toMatch(/deferr/i)
    }
  })
})

test.each(['node', 'deno', 'bun'] as const)(
  'a long read does not hold up the writes of another process, nor see them, on %s',
  async (runtime) => {
    const path = freshPath()
    const db = await openEmbeddedDatabase(urlOf(path), { lockTimeout: 0, patience: 500 })
    await db.write(sql`create table entry (n integer primary key, id text not null)`)
    let written = 0
    const writeWhileReading = async (steps: number) => {
      const reader = start(runtime, 'database_reader.ts', [urlOf(path), String(steps)])
      await reader.reached(1)
      while (reader.lines.length < 2) {
        await db.write(sql`insert into entry (id) values (${String(++written)})`)
        await new Promise(setImmediate)
      }
      await reader.ended()
      const [seen = NaN, seenAfterwards] = (reader.lines[1] ?? '').split(' ').map(Number)
      console.log(`${runtime}: ${seen} written before ${steps} steps, by their end ${written}`)
      expect(seenAfterwards).toBe(seen)
      return written - seen
    }
    // A slow disk may take as long for a few commits as the read: then a longer one is made. Writes
    // that are held up number one at most, however long the read is.
    const expected = 10
    let meanwhile = 0
    for (let steps = 2_000_000; meanwhile <= expected && steps <= 128_000_000; steps *= 4) {
      meanwhile = await writeWhileReading(steps)
    }
    expect(meanwhile).toBeGreaterThan(expected)
    await db.close()
  },
)

test('a hundred overlapping writes and reads of one process succeed', async () => {
  const path = freshPath()
  const db = await openEmbeddedDatabase(urlOf(path))
  await db.write(sql`create table entry (n integer primary key, id text not null)`)
  await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      await db.write(sql`insert into entry (id) values (${String(i)})`)
      const [row] = await db.read(
        sql<{ n: number }>`select count(*) as n from entry where id = ${String(i)}`,
      )
      expect(row).toEqual({ n: 1 })
    }),
  )
  expect(stored(path)).toHaveLength(100)
  await db.close()
  await db.close()
  await expect(db.read(sql`select 1`)).rejects.toThrow('the database is closed')
  const copy = freshPath()
  copyFileSync(path, copy) // without its log
  expect(stored(copy)).toHaveLength(100)
})

test('a long run of writes and reads lets the rest of the process live', async () => {
  const path = freshPath()
  const db = await openEmbeddedDatabase(urlOf(path))
  await db.write(sql`create table entry (n integer primary key, id text not null)`)
  let [turns, isDone] = [0, false]
  const turn = () => {
    turns++
    if (!isDone) setTimeout(turn, 1)
  }
  setTimeout(turn, 1)
  for (let i = 0; i < 1000; i++) {
    await db.write(sql`insert into entry (id) values ('x')`)
    await db.read(sql`select n from entry where n = ${i}`)
  }
  isDone = true
  console.log(`writes: 1000, reads: 1000, turns of the event loop meanwhile: ${turns}`)
  expect(turns).toBeGreaterThan(10)
  await db.close()
})

test('six processes that start at once on no file at all agree on one schema', async () => {
  const path = join(folder, 'not', 'yet', 'made.db')
  const openers = (['node', 'node', 'node', 'node', 'deno', 'bun'] as const).map((runtime) =>
    start(runtime, 'database_open.ts', [urlOf(path)]),
  )
  await Promise.all(openers.map((opener) => opener.ended()))
  const answers = openers.flatMap(({ lines }) => lines)
  console.log(`processes: ${openers.length}; ${answers.join(', ')}`)
  expect(answers).toHaveLength(6)
  const applied = answers.map((line) => Number(/^applied (\d)$/.exec(line)?.[1]))
  expect(applied.reduce((sum, n) => sum + n, 0)).toBe(2)
  const db = new Database(path, {})
  expect(db.prepare('select x from first union all select x from second').all([])).toHaveLength(2)
  db.close()
})

describe('a file that cannot be used is refused and left as it is', () => {
  const garbage = Buffer.from('These are my holiday pictures, not a database.')
  // A good first page's header, and then nothing that belongs to it.
  const torn = Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(5000, 0xa5)])

  test.each([
    ['a text', garbage, 'is not a database'],
    ['a torn database', torn, 'cannot be used'],
    ['a database cut short', torn.subarray(0, 40), 'cannot be used'],
  ])('%s', async (_, content, reason) => {
    const path = freshPath()
    writeFileSync(path, content)
    const failed = openEmbeddedDatabase(urlOf(path))
    await expect(failed).rejects.toMatchObject({ name: 'DatabaseUnusable' })
    await expect(failed).rejects.toThrow(`${path} ${reason}`)
    expect(readFileSync(path).equals(content)).toBe(true)
    expect(existsSync(`${path}-wal`)).toBe(false)
  })

  test('a folder, a file in place of the folder, an address that names no file', async () => {
    const taken = freshPath()
    writeFileSync(taken, 'x')
    const refused: [string, string][] = [
      [urlOf(folder), 'is a folder'],
      [urlOf(join(taken, 'below.db')), 'cannot be made'],
      ['file:', 'names no database file'],
      ['file::memory:', 'names no database file'],
      ['file://elsewhere/data.db', 'names no database file'],
      ['file:a.db?mode=ro', 'names no database file'],
      ['file:a%', 'names no database file'],
      ['https://db.example.com', 'names no database file'],
      ['a.db', 'names no database file'],
    ]
    for (const [url, reason] of refused) {
      await expect(openEmbeddedDatabase(url), url).rejects.toThrow(reason)
    }
    expect(readFileSync(taken, 'utf8')).toBe('x')
  })

  test('one that this user may not read', async () => {
    const path = join(folder, 'private.db')
    const db = await openEmbeddedDatabase(urlOf(path))
    await db.write(sql`create table kept (x)`)
    await db.close()
    const before = readFileSync(path)
    chmodSync(folder, 0o755)
    // Nothing is forbidden to root, so root looks through the eyes of nobody.
    const isRoot = process.getuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    else chmodSync(path, 0)
    try {
      const failed = openEmbeddedDatabase(urlOf(path))
      await expect(failed).rejects.toMatchObject({ name: 'DatabaseUnusable' })
      await expect(failed).rejects.toThrow(`${path} cannot be read and written`)
    } finally {
      if (isRoot) process.seteuid?.(0)
      else chmodSync(path, 0o600)
    }
    expect(readFileSync(path).equals(before)).toBe(true)
  })
})

test('the file is for its owner alone, and its name may hold anything', async () => {
  const path = join(folder, 'a?b #c%20ü.db')
  const db = await openEmbeddedDatabase(urlOf(path))
  await db.write(sql`create table t (x)`)
  expect(db.path).toBe(path)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600)
  await db.close()
})
