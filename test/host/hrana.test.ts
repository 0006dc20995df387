// The local libSQL endpoint, seen by its foreign clients: the official one and drizzle, with SQL
// that has nothing to do with ours, and plain HTTP for what those clients would never send.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, createClient } from '@libsql/client/web'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql/web'
import { blob, integer, real, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type HranaEndpoint, serveHrana } from '../../worker/entry/hrana/hrana.ts'
import { scanSql } from '../../worker/entry/hrana/sql_text.ts'
import { temporaryFolder } from '../support/folder.ts'

const { path: folder, remove } = temporaryFolder()
let endpoint: HranaEndpoint
const clients: Client[] = []

function connect(options: { authToken?: string; url?: string } = {}): Client {
  const client = createClient({ url: endpoint.url, ...options })
  clients.push(client)
  return client
}

/** One pipeline, without a client. */
async function post(requests: unknown[], baton: string | null = null, version = 'v3') {
  const answer = await fetch(`${endpoint.url}/${version}/pipeline`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ baton, requests }),
  })
  // biome-ignore lint/suspicious/noExplicitAny: the protocol's JSON, looked at as it came
  return { status: answer.status, body: (await answer.json()) as any }
}

const execute = (sql: string) => ({ type: 'execute', stmt: { sql } })

beforeAll(async () => {
  endpoint = await serveHrana({
    file: join(folder, 'shelf.db'),
    idleTimeout: 300,
    lockTimeout: 5000,
    maxBodySize: 100_000,
  })
  await connect().executeMultiple(`
    create table book (isbn text primary key, title text unique, pages integer check (pages > 0));
    create table copy (id integer primary key, isbn text references book (isbn));
    create table counter (name text primary key, n integer not null);
  `)
})

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

afterAll(async () => {
  await endpoint.close()
  remove()
})

describe('values', () => {
  test('come back with the type and the bits they went in with', async () => {
    const client = createClient({ url: endpoint.url, intMode: 'bigint' })
    clients.push(client)
    const args = [
      null,
      'Straße 🌳',
      '',
      1.5,
      -0.1,
      9_007_199_254_740_993n,
      -9_223_372_036_854_775_808n,
      9_223_372_036_854_775_807n,
      true,
      new Uint8Array([0, 1, 254, 255]),
      new Uint8Array(),
    ]
    const placeholders = args.map((_, i) => `? as v${i}, typeof(?${i + 1}) as t${i}`).join(', ')
    const { rows } = await client.execute({ sql: `select ${placeholders}`, args })
    const got = args.map((_, i) => [rows[0]?.[`t${i}`], rows[0]?.[`v${i}`]])
    expect(got).toEqual([
      ['null', null],
      ['text', 'Straße 🌳'],
      ['text', ''],
      ['real', 1.5],
      ['real', -0.1],
      ['integer', 9_007_199_254_740_993n],
      ['integer', -9_223_372_036_854_775_808n],
      ['integer', 9_223_372_036_854_775_807n],
      ['integer', 1n],
      ['blob', new Uint8Array([0, 1, 254, 255]).buffer],
      ['blob', new ArrayBuffer(0)],
    ])
  })

  test('are found by name, with and without the prefix, and by number', async () => {
    const client = connect()
    const named = await client.execute({
      sql: `select :a as a, @b as b, $c as c, :a as again, ':d' as quoted -- :e`,
      args: { a: 'one', '@b': 'two', $c: 'three' },
    })
    expect(named.rows[0]).toMatchObject({ a: 'one', b: 'two', c: 'three', again: 'one' })
    expect(named.rows[0]).toMatchObject({ quoted: ':d' })
    const numbered = await client.execute({ sql: 'select ?2 as b, ?1 as a', args: ['x', 'y'] })
    expect(numbered.rows[0]).toMatchObject({ a: 'x', b: 'y' })
  })

  test('keep their columns: names, declared types, changes and last row id', async () => {
    const client = connect()
    const insert = await client.execute('insert into copy (id) values (41), (42)')
    expect(insert).toMatchObject({ rowsAffected: 2, lastInsertRowid: 42n })
    const update = await client.execute('update copy set isbn = null where id = 42 returning id')
    expect(update).toMatchObject({ rowsAffected: 1, columns: ['id'], columnTypes: ['INTEGER'] })
    expect((await client.execute('select id from copy')).rowsAffected).toBe(0)
    expect((await client.execute('update copy set id = 7 where id = 0')).rowsAffected).toBe(0)
  })
})

describe('errors', () => {
  const refused: [string, string, RegExp][] = [
    ['insert into book values (null, null, 0)', 'SQLITE_CONSTRAINT', /CHECK constraint failed/],
    ["insert into copy values (1, 'none')", 'SQLITE_CONSTRAINT', /FOREIGN KEY constraint failed/],
    ['insert into counter values (null, null)', 'SQLITE_CONSTRAINT', /NOT NULL .* counter.n/],
    ['select * from nowhere', 'SQL_INPUT_ERROR', /no such table: nowhere/],
    ['selec 1', 'SQL_INPUT_ERROR', /syntax error/],
    ['', 'SQL_NO_STATEMENT', /any statement/],
    ['-- nothing', 'SQL_NO_STATEMENT', /any statement/],
    ['select 1; select 2', 'SQL_MANY_STATEMENTS', /more than one/],
    ["select json('{')", 'SQLITE_ERROR', /malformed JSON/],
  ]
  test.each(refused)('%j is refused as %s', async (sql, code, message) => {
    const failed = await connect()
      .execute(sql)
      .catch((error: unknown) => error)
    expect(failed).toMatchObject({ code, message: expect.stringMatching(message) })
  })

  test('of uniqueness name table and column, and leave the lock free', async () => {
    const client = connect()
    await client.execute("insert into book values ('1', 'Dune', 412)")
    await expect(client.execute("insert into book values ('1', 'Emma', 1)")).rejects.toMatchObject({
      code: 'SQLITE_CONSTRAINT',
      message: expect.stringContaining('UNIQUE constraint failed: book.isbn'),
    })
    await connect().execute("insert into book values ('2', 'Emma', 474)")
    expect((await client.execute('select count(*) as n from book')).rows[0]).toMatchObject({ n: 2 })
  })
})

describe('batches', () => {
  test('that fail half-way leave nothing behind', async () => {
    const client = connect()
    const failed = client.batch(
      [
        "insert into book values ('3', 'Ulysses', 730)",
        "insert into book values ('3', 'again', 1)",
        "insert into book values ('4', 'never reached', 1)",
      ],
      'write',
    )
    await expect(failed).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT', statementIndex: 1 })
    const { rows } = await client.execute("select * from book where isbn in ('3', '4')")
    expect(rows).toEqual([])
  })

  test('of 60 statements are one round trip', async () => {
    const client = connect()
    await client.execute('select 1')
    endpoint.resetRequests()
    await client.batch(Array(60).fill('insert into copy (isbn) values (null)'), 'write')
    expect(endpoint.requests()).toBe(1)
  })

  test('that only read are refused a write', async () => {
    const client = connect()
    await expect(client.batch(['delete from copy'], 'read')).rejects.toMatchObject({
      code: 'SQLITE_READONLY',
    })
    await client.execute('delete from copy where id = 41') // the connection is not left read-only
  })

  test('obey their conditions: ok, error, not, and, or, is_autocommit', async () => {
    const ok = (step: number) => ({ type: 'ok', step })
    const error = (step: number) => ({ type: 'error', step })
    const step = (condition: unknown, sql = 'select 1') => ({ condition, stmt: { sql } })
    const { body } = await post([
      {
        type: 'batch',
        batch: {
          steps: [
            step(null), // 0: succeeds
            step(null, 'selec'), // 1: fails
            step(ok(0)),
            step(ok(1)),
            step(error(1)),
            step(error(3)), // a skipped step is no error
            step(ok(3)), // and no success
            step({ type: 'not', cond: error(0) }),
            step({ type: 'and', conds: [ok(0), error(1)] }),
            step({ type: 'and', conds: [ok(0), ok(1)] }),
            step({ type: 'or', conds: [ok(1), error(1)] }),
            step({ type: 'or', conds: [] }),
            step({ type: 'is_autocommit' }),
            step(null, 'begin'),
            step({ type: 'is_autocommit' }),
            step({ type: 'not', cond: { type: 'is_autocommit' } }, 'rollback'),
          ],
        },
      },
      { type: 'close' },
    ])
    const { step_results: results, step_errors: errors } = body.results[0].response.result
    const ran = results.map((result: unknown, i: number) =>
      errors[i] !== null ? 'error' : result === null ? 'skipped' : 'ok',
    )
    expect(ran.join(' ')).toBe(
      'ok error ok skipped ok skipped skipped ok ok skipped ok skipped ok ok skipped ok',
    )
  })
})

describe('interactive transactions', () => {
  test('see their own writes, and others see them after the commit', async () => {
    const transaction = await connect().transaction('write')
    await transaction.execute("insert into counter values ('private', 1)")
    const count = "select count(*) as n from counter where name = 'private'"
    expect((await transaction.execute(count)).rows[0]).toMatchObject({ n: 1 })
    expect((await connect().execute(count)).rows[0]).toMatchObject({ n: 0 })
    await transaction.commit()
    expect((await connect().execute(count)).rows[0]).toMatchObject({ n: 1 })
  })

  test('rolled back or closed leave nothing', async () => {
    for (const end of ['rollback', 'close'] as const) {
      const transaction = await connect().transaction('write')
      await transaction.execute("insert into counter values ('undone', 1)")
      await transaction[end]()
    }
    const { rows } = await connect().execute("select * from counter where name = 'undone'")
    expect(rows).toEqual([])
  })

  test('nobody speaks to are rolled back, free the lock, and their baton is refused', async () => {
    const { body } = await post([
      execute('begin immediate'),
      execute("insert into counter values ('idle', 1)"),
    ])
    const began = performance.now()
    await connect().execute("insert into counter values ('waited', 1)") // waits for the expiry
    expect(performance.now() - began).toBeGreaterThan(150)
    const late = await post([execute('commit')], body.baton)
    expect(late).toMatchObject({ status: 400, body: { code: 'STREAM_EXPIRED' } })
    const { rows } = await connect().execute("select * from counter where name = 'idle'")
    expect(rows).toEqual([])
  })

  test('use each baton once', async () => {
    const first = await post([execute('begin')])
    const second = await post([{ type: 'get_autocommit' }], first.body.baton)
    expect(second.body.results[0].response).toEqual({
      type: 'get_autocommit',
      is_autocommit: false,
    })
    expect(await post([execute('select 1')], first.body.baton)).toMatchObject({
      status: 400,
      body: { code: 'BATON_INVALID' },
    })
    const closed = await post([{ type: 'close' }, execute('select 1')], second.body.baton)
    expect(closed.body).toMatchObject({
      baton: null,
      results: [{ type: 'ok' }, { type: 'error', error: { code: 'STREAM_CLOSED' } }],
    })
    expect((await post([], 'made up')).status).toBe(400)
  })
})

describe('concurrent writers', () => {
  async function counted(name: string, increment: (client: Client) => Promise<unknown>) {
    const parameters = { clients: 8, increments: 50 }
    await connect().execute({ sql: 'insert into counter values (?, 0)', args: [name] })
    await Promise.all(
      Array.from({ length: parameters.clients }, async () => {
        const client = connect()
        for (let i = 0; i < parameters.increments; i++) await increment(client)
      }),
    )
    const { rows } = await connect().execute({
      sql: 'select n from counter where name = ?',
      args: [name],
    })
    console.log(`${name}: ${JSON.stringify(parameters)}, counted ${rows[0]?.['n']}`)
    expect(rows[0]?.['n']).toBe(parameters.clients * parameters.increments)
  }

  test('with batches lose no increment', () =>
    counted('batches', (client) =>
      client.batch(["update counter set n = n + 1 where name = 'batches'"], 'write'),
    ))

  test('with plain statements lose no increment', () =>
    counted('statements', (client) =>
      client.execute("update counter set n = n + 1 where name = 'statements'"),
    ))

  test('that read, think and write in a transaction lose no increment', () =>
    counted('transactions', async (client) => {
      const transaction = await client.transaction('write')
      const { rows } = await transaction.execute(
        "select n from counter where name = 'transactions'",
      )
      await transaction.execute({
        sql: "update counter set n = ? where name = 'transactions'",
        args: [Number(rows[0]?.['n']) + 1],
      })
      await transaction.commit()
    }))

  test('do not stop the endpoint while one holds the lock', async () => {
    const transaction = await connect().transaction('write')
    await transaction.execute("insert into counter values ('slow', 1)")
    const waiting = connect().batch(["insert into counter values ('patient', 1)"], 'write')
    const began = performance.now()
    for (let i = 0; i < 20; i++) await connect().execute('select 1')
    expect(performance.now() - began).toBeLessThan(1000)
    await transaction.commit()
    await waiting
  })

  test('that upgraded too late are told so, and can start again', async () => {
    const behind = await connect().transaction('deferred')
    await behind.execute('select * from counter')
    await connect().execute("insert into counter values ('ahead', 1)")
    await expect(behind.execute("insert into counter values ('behind', 1)")).rejects.toMatchObject({
      code: 'SQLITE_BUSY',
    })
    await expect(behind.execute('select 1')).rejects.toMatchObject({ code: 'SQLITE_BUSY' })
    await behind.rollback()
    const again = await connect().transaction('write')
    await again.execute("insert into counter values ('behind', 1)")
    await again.commit()
    const { rows } = await connect().execute("select n from counter where name = 'behind'")
    expect(rows).toHaveLength(1)
  })
})

describe('texts of SQL', () => {
  test('of many statements run to the first that fails', async () => {
    const client = connect()
    await client.executeMultiple(`
      create table log (line text);
      create trigger logged after insert on counter begin
        insert into log values (case when new.n > 1 then 'many;' else 'one' end);
        insert into log values ('; end ;');
      end;
      insert into counter values ('by sequence', 1) ; ; -- done;
    `)
    const { rows } = await client.execute('select line from log')
    expect(rows.map(({ line }) => line)).toEqual(['one', '; end ;'])
    const failed = client.executeMultiple(`
      begin; insert into log values ('undone'); insert into nowhere values (1); commit;`)
    await expect(failed).rejects.toMatchObject({ code: 'SQL_INPUT_ERROR' })
    expect((await client.execute('select * from log')).rows).toHaveLength(2)
    await client.execute('drop trigger logged')
  })

  test('can be stored, used by number, and forgotten', async () => {
    const { body } = await post([
      { type: 'store_sql', sql_id: 7, sql: 'select 40 + ? as n' },
      { type: 'execute', stmt: { sql_id: 7, args: [{ type: 'integer', value: '2' }] } },
      { type: 'store_sql', sql_id: 7, sql: 'select 1' },
      { type: 'close_sql', sql_id: 7 },
      { type: 'execute', stmt: { sql_id: 7 } },
      { type: 'execute', stmt: { sql: 'select 1', sql_id: 7 } },
      { type: 'close' },
    ])
    expect(body.results[1].response.result.rows).toEqual([[{ type: 'integer', value: '42' }]])
    const kinds = body.results.map(({ type }: { type: string }) => type)
    expect(kinds).toEqual(['ok', 'ok', 'error', 'ok', 'error', 'error', 'ok'])
  })

  test('are described without being run', async () => {
    const describe = (sql: string) => ({ type: 'describe', sql })
    const { body } = await post([
      describe('insert into counter values (:name, coalesce(?, @name, :name, ?7)) returning n'),
      describe('select name, n + 1 from counter where name = $who'),
      describe('explain select 1'),
      describe('select * from nowhere'),
      describe('delete from counter'),
      { type: 'close' },
    ])
    const result = (i: number) => body.results[i].response.result
    const params = [':name', null, '@name', null, null, null, null]
    expect(result(0)).toEqual({
      params: params.map((name) => ({ name })),
      cols: [{ name: 'n', decltype: 'INTEGER' }],
      is_explain: false,
      is_readonly: false,
    })
    expect(result(1)).toMatchObject({
      params: [{ name: '$who' }],
      cols: [
        { name: 'name', decltype: 'TEXT' },
        { name: 'n + 1', decltype: null },
      ],
      is_readonly: true,
    })
    expect(result(2)).toMatchObject({ is_explain: true, is_readonly: true })
    expect(body.results[3]).toMatchObject({ type: 'error', error: { code: 'SQL_INPUT_ERROR' } })
    const { rows } = await connect().execute('select count(*) as n from counter')
    expect(rows[0]?.['n']).toBeGreaterThan(0)
  })

  const looks: [string, object][] = [
    ['describe', { type: 'describe', sql: 'insert into copy (isbn) values (null)' }],
    ['describe of RETURNING', { type: 'describe', sql: 'delete from copy returning id' }],
    ['EXPLAIN', execute('explain insert into copy (isbn) values (null)')],
  ]
  test.each(looks)('that would write leave the file unlocked after %s', async (_, look) => {
    const write = execute('insert into copy (isbn) values (null)')
    const open = await post([look, write, execute('begin'), look, write, execute('commit')])
    const kinds = open.body.results.map(({ type }: { type: string }) => type)
    expect(kinds, JSON.stringify(open.body.results)).toEqual(Array(6).fill('ok'))
    // The stream still rests; another one writes at once.
    const other = await post([write, { type: 'close' }])
    expect(other.body.results[0].type).toBe('ok')
    await post([{ type: 'close' }], open.body.baton)
  })

  test('are cut where SQL says, not at every semicolon', () => {
    const texts = (text: string) => scanSql(text).map(({ sql }) => sql)
    expect(texts(`select ';' ; select ";" ;select [;],\`;\`;/* ; */ ; -- ;`)).toEqual([
      `select ';'`,
      'select ";"',
      'select [;],`;`',
    ])
    expect(texts(`select 'it''s; one'; select 'open; end`)).toEqual([
      `select 'it''s; one'`,
      `select 'open; end`,
    ])
    expect(texts('select 1 /* open ; comment')).toEqual(['select 1 /* open ; comment'])
    expect(texts(' ; ;; ')).toEqual([])
  })
})

describe('a text that was sent before', () => {
  const answerTo = async (...requests: object[]) => {
    const { body } = await post([...requests, { type: 'close' }])
    const { cols, rows } = body.results[requests.length - 1].response.result
    return { names: cols.map(({ name }: { name: string }) => name), rows }
  }

  test('answers the columns that its table has by now', async () => {
    const all = execute('select * from grown')
    await post([execute('create table grown (a)'), execute('insert into grown values (null)')])
    expect(await answerTo(all, all)).toEqual({ names: ['a'], rows: [[{ type: 'null' }]] })
    await post([execute('alter table grown add column b default null'), { type: 'close' }])
    const row = [{ type: 'null' }, { type: 'null' }]
    expect(await answerTo(all)).toEqual({ names: ['a', 'b'], rows: [row] })
    await post([execute('drop table grown'), { type: 'close' }])
    const { body } = await post([all, { type: 'close' }])
    expect(body.results[0]).toMatchObject({
      type: 'error',
      error: { message: expect.stringContaining('no such table') },
    })
  })

  test('finds no argument of the last time in the place of one that is missing', async () => {
    const sql = 'select ? as first, ? as second'
    const argument = (value: string) => ({ type: 'text', value })
    const stmt = { sql, args: [argument('one'), argument('two')] }
    const { rows } = await answerTo({ type: 'execute', stmt })
    expect(rows).toEqual([stmt.args])
    const fewer = { sql, args: [argument('three')] }
    expect((await answerTo({ type: 'execute', stmt: fewer })).rows).toEqual([
      [argument('three'), { type: 'null' }],
    ])
  })

  test('writes after a transaction that only read, and is refused in one', async () => {
    const write = execute("insert into counter values ('after reading', 1)")
    const steps = ['begin transaction readonly', 'select 1', 'commit'].map(execute)
    const { body } = await post([...steps.slice(0, 2), write, ...steps.slice(2), write])
    const kinds = body.results.map(({ type }: { type: string }) => type)
    expect(kinds).toEqual(['ok', 'ok', 'error', 'ok', 'ok'])
    await post([...steps, { type: 'close' }], body.baton)
    const client = connect()
    const written = await client.execute("delete from counter where name = 'after reading'")
    expect(written.rowsAffected).toBe(1)
  })
})

test('the state of one stream is not seen by the next', async () => {
  const first = await post([
    execute('pragma foreign_keys = off'),
    execute('create temp table leak (x)'),
    { type: 'close' },
  ])
  expect(first.body.results.map(({ type }: { type: string }) => type)).toEqual(['ok', 'ok', 'ok'])
  for (let i = 0; i < 5; i++) {
    const next = await post([execute('pragma foreign_keys'), execute('select * from leak')])
    expect(next.body.results[0].response.result.rows).toEqual([[{ type: 'integer', value: '1' }]])
    expect(next.body.results[1].type).toBe('error')
  }
})

test('drizzle stores, finds, changes and refuses as elsewhere', async () => {
  const plant = sqliteTable('plant', {
    id: integer().primaryKey(),
    name: text().notNull().unique(),
    height: real(),
    isIndoor: integer({ mode: 'boolean' }),
    seen: integer({ mode: 'timestamp' }),
    tags: text({ mode: 'json' }).$type<string[]>(),
    leaf: blob({ mode: 'buffer' }),
  })
  const client = connect()
  await client.execute(`create table plant (id integer primary key, name text not null unique,
    height real, isIndoor integer, seen integer, tags text, leaf blob)`)
  const db = drizzle(client)
  const fern = {
    id: 1,
    name: 'fern',
    height: 0.5,
    isIndoor: true,
    seen: new Date(1_700_000_000_000),
    tags: ['green', 'old'],
    leaf: Buffer.from([1, 2, 3]),
  }
  const stored = await db.insert(plant).values(fern).returning()
  expect(stored).toEqual([fern])
  await db.update(plant).set({ height: 2 }).where(eq(plant.name, 'fern'))
  expect(await db.select({ height: plant.height }).from(plant)).toEqual([{ height: 2 }])
  await expect(db.insert(plant).values({ name: 'fern' })).rejects.toMatchObject({
    cause: { code: 'SQLITE_CONSTRAINT' },
  })
  const undone = db.transaction(async (transaction) => {
    await transaction.delete(plant)
    transaction.rollback()
  })
  await expect(undone).rejects.toThrow()
  const [found, none] = await db.batch([
    db.select().from(plant),
    db.select().from(plant).where(eq(plant.id, 2)),
  ])
  expect([found.length, none.length]).toEqual([1, 0])
})

describe('over HTTP', () => {
  const send = (init: RequestInit, path = '/v2/pipeline') =>
    fetch(endpoint.url + path, { method: 'POST', ...init })

  const malformed: [string, string | Uint8Array<ArrayBuffer>][] = [
    ['no JSON', '{'],
    ['an empty body', ''],
    ['not an object', '[]'],
    ['no requests', '{}'],
    ['an unknown request', '{"requests":[{"type":"dance"}]}'],
    ['an integer as a number', pipelineWith('{"type":"integer","value":1}')],
    ['an integer beyond 64 bits', pipelineWith('{"type":"integer","value":"9223372036854775808"}')],
    ['a blob that is not base64', pipelineWith('{"type":"blob","base64":"*"}')],
    ['text that is not UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['conditions nested without end', nestedConditions(3_000)],
  ]
  function pipelineWith(value: string): string {
    return `{"requests":[{"type":"execute","stmt":{"sql":"select ?","args":[${value}]}}]}`
  }
  function nestedConditions(depth: number): string {
    const condition = `${'{"type":"not","cond":'.repeat(depth)}{"type":"ok","step":0}${'}'.repeat(depth)}`
    return `{"requests":[{"type":"batch","batch":{"steps":[{"condition":${condition},"stmt":{}}]}}]}`
  }
  test.each(malformed)('%s is answered 400', async (_, body) => {
    const answer = await send({ body })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code: 'HRANA_PROTO_ERROR' })
  })

  test('an oversized body is answered 413, announced or not', async () => {
    const announced = await send({ body: 'x'.repeat(100_001) })
    expect(announced.status).toBe(413)
    const pieces = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(30_000))
      },
    })
    const endless = await send({ body: pieces, duplex: 'half' } as RequestInit)
    expect(endless.status).toBe(413)
    await connect().execute('select 1')
  })

  test('a wrong path, a wrong method and a web page are refused', async () => {
    expect((await send({ body: '{}' }, '/v2/cursor')).status).toBe(404)
    expect((await fetch(`${endpoint.url}/v2/pipeline`)).status).toBe(405)
    const page = await send({ body: '{"requests":[]}', headers: { origin: 'https://evil.test' } })
    expect(page.status).toBe(403)
  })

  test('versions 2 and 3 are both announced and answered', async () => {
    for (const version of ['v2', 'v3']) {
      expect((await fetch(`${endpoint.url}/${version}`)).status).toBe(200)
      expect((await post([execute('select 1')], null, version)).status).toBe(200)
    }
  })
})

describe('a cursor', () => {
  const openCursor = async (batch: object, baton: string | null = null) => {
    const answer = await fetch(`${endpoint.url}/v3/cursor`, {
      method: 'POST',
      body: JSON.stringify({ baton, batch }),
    })
    expect(answer.status).toBe(200)
    const lines = (await answer.text()).split('\n').map((line) => JSON.parse(line))
    return { head: lines[0], entries: lines.slice(1) }
  }
  const text = (value: string) => ({ type: 'text', value })

  test('answers the entries of each step that ran, in its order', async () => {
    const steps = [
      { stmt: { sql: `insert into book (isbn, title) values ('c-1', 'Cursors')` } },
      { stmt: { sql: `select isbn, title from book where isbn = 'c-1'` } },
      { stmt: { sql: 'select * from nowhere' } },
      { condition: { type: 'ok', step: 2 }, stmt: { sql: 'delete from book' } },
      { condition: { type: 'error', step: 2 }, stmt: { sql: 'select 7 as n' } },
    ]
    const { head, entries } = await openCursor({ steps })
    expect(head).toMatchObject({ baton: expect.any(String), base_url: null })
    expect(entries).toEqual([
      { type: 'step_begin', step: 0, cols: [] },
      { type: 'step_end', affected_row_count: 1, last_insert_rowid: expect.any(String) },
      {
        type: 'step_begin',
        step: 1,
        cols: [
          { name: 'isbn', decltype: 'TEXT' },
          { name: 'title', decltype: 'TEXT' },
        ],
      },
      { type: 'row', row: [text('c-1'), text('Cursors')] },
      expect.objectContaining({ type: 'step_end', affected_row_count: 0 }),
      {
        type: 'step_error',
        step: 2,
        error: { code: 'SQL_INPUT_ERROR', message: expect.stringContaining('nowhere') },
      },
      { type: 'step_begin', step: 4, cols: [{ name: 'n', decltype: null }] },
      { type: 'row', row: [{ type: 'integer', value: '7' }] },
      expect.objectContaining({ type: 'step_end' }),
    ])
  })

  test('goes on with the stream of its baton', async () => {
    const begun = await post([execute('begin'), execute('insert into copy (isbn) values (null)')])
    const { head, entries } = await openCursor(
      { steps: [{ stmt: { sql: 'select changes() as n' } }] },
      begun.body.baton,
    )
    expect(entries[1]).toEqual({ type: 'row', row: [{ type: 'integer', value: '1' }] })
    const ended = await post([execute('rollback'), { type: 'close' }], head.baton)
    expect(ended.body.results[0].type).toBe('ok')
  })

  test('of another shape is answered 400, with a spent baton too', async () => {
    const send = async (body: object) => {
      const answer = await fetch(`${endpoint.url}/v3/cursor`, {
        method: 'POST',
        body: JSON.stringify(body),
      })
      return { status: answer.status, code: (await answer.json()).code }
    }
    expect(await send({ requests: [] })).toEqual({ status: 400, code: 'HRANA_PROTO_ERROR' })
    expect(await send({ baton: 'spent', batch: { steps: [] } })).toEqual({
      status: 400,
      code: 'BATON_INVALID',
    })
  })
})

test('a missing or wrong token is refused, the right one is not', async () => {
  const locked = await serveHrana({ file: join(folder, 'locked.db'), authToken: 'right' })
  try {
    for (const authToken of [undefined, 'wrong', 'righ']) {
      const client = connect({ url: locked.url, ...(authToken ? { authToken } : {}) })
      await expect(client.execute('select 1')).rejects.toMatchObject({ code: 'AUTH_INVALID' })
    }
    expect(locked.requests()).toBe(0)
    const { rows } = await connect({ url: locked.url, authToken: 'right' }).execute('select 1 as n')
    expect(rows[0]).toMatchObject({ n: 1 })
  } finally {
    await locked.close()
  }
})

test('as a program it says what it is for, and stops when told', async () => {
  const program = join(import.meta.dirname, '../../worker/entry/hrana/hrana.ts')
  const file = join(folder, 'program.db')
  const child = spawn(process.execPath, [program, '--file', file, '--port', '0'])
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    expect(String(line)).toMatch(/for development and tests only: http:\/\/127\.0\.0\.1:\d+\n/)
    const url = /http:\S+/.exec(String(line))?.[0] ?? ''
    await connect({ url }).execute('create table kept (x)')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  } finally {
    child.kill('SIGKILL')
  }
  const wrong = spawn(process.execPath, [program, '--port', '99999'])
  expect(await once(wrong, 'exit')).toEqual([2, null])
})

test('a closed endpoint leaves no writer waiting', async () => {
  const short = await serveHrana({ file: join(folder, 'short.db') })
  const holder = await connect({ url: short.url }).transaction('write')
  await holder.execute('create table held (x)')
  const waiting = connect({ url: short.url })
    .execute('create table late (x)')
    .catch(() => 'refused')
  await delay(50)
  await short.close()
  expect(await waiting).toBe('refused')
})
