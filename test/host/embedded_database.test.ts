// The embedded file under what the driver is known to lose writes by: locks and sudden death.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Database from 'libsql'
import { afterAll, describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { openEmbeddedDatabase } from '../../worker/entry/embedded_database.ts'

const folder = mkdtempSync(join(tmpdir(), 'embedded-'))
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

/** What is on the disk, read by a connection that had no part in writing it. */
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
  rmSync(folder, { recursive: true })
})

describe('two processes at full speed, one killed again and again', () => {
  async function survive(path: string, plan: Runtime[], acknowledgements: number) {
    const steady = start('node', 'database_writer.ts', [urlOf(path), 'steady'])
    await steady.reached(1)
    const acknowledged: string[] = []
    for (const [i, runtime] of plan.entries()) {
      const doomed = start(runtime, 'database_writer.ts', [urlOf(path), `${runtime}-${i}`])
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
      `kills: ${plan.length} (${plan.join(' ')}); acknowledged: ${byDoomed} by the killed, ` +
        `${steady.lines.length} by the other; lost: ${lost.length}, twice: ${twice.length}, ` +
        `stored but not acknowledged: ${unacknowledged}`,
    )
    expect(lost).toEqual([])
    expect(twice).toEqual([])
    // At most the write in flight, for each kill.
    expect(unacknowledged).toBeGreaterThanOrEqual(0)
    expect(unacknowledged).toBeLessThanOrEqual(plan.length + 1)
    expect(byDoomed).toBeGreaterThanOrEqual(plan.length)
  }

  test(
    'lose nothing that was acknowledged and store nothing twice, on Node',
    {
      timeout: 40_000,
    },
    () => survive(freshPath(), Array(20).fill('node'), 60),
  )

  test('nor on Deno and Bun', { timeout: 40_000 }, () =>
    survive(freshPath(), ['deno', 'bun', 'deno', 'bun', 'deno', 'bun'], 60),
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
    const db = await openEmbeddedDatabase(urlOf(path), { lockTimeout: 20, attempts: 10 })
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
    const db = await openEmbeddedDatabase(urlOf(path), { lockTimeout: 10, attempts: 2 })
    await db.write(
      sql`create table entry (n integer primary key, id text not null)`,
      sql`create table child (n integer references entry (n))`,
    )
    const rival = new Database(path, {})
    rival.exec('BEGIN IMMEDIATE')
    await expect(db.write(sql`insert into entry (id) values ('a')`)).rejects.toMatchObject({
      name: 'DatabaseUnavailable',
    })
    await expect(db.runScript('drop table entry')).rejects.toThrow('stayed locked')
    expect(await db.read(sql`select id from entry`)).toEqual([[]]) // readers never wait
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

test('a hundred overlapping writes and reads of one process succeed', async () => {
  const path = freshPath()
  const db = await openEmbeddedDatabase(urlOf(path))
  await db.write(sql`create table entry (n integer primary key, id text not null)`)
  await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      await db.write(sql`insert into entry (id) values (${String(i)})`)
      const [[row]] = await db.read(
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
