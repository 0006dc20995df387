// SQL as values: what is bound, what is inlined, what is refused.

import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { describe, expect, test } from 'vitest'
import { type Answers, databaseOver } from '../../worker/db/database.ts'
import { condition, insertInto, insertWhere, join, list, scalar, sql } from '../../worker/db/sql.ts'

const thing = sqliteTable('thing', {
  id: text().primaryKey(),
  display_name: text().notNull().default(''),
  isOn: integer('is_on', { mode: 'boolean' }),
  made_at: integer(),
  tags: text({ mode: 'json' }).$type<string[]>(),
})

const plain = ({ sql: text, args }: { sql: string; args: readonly unknown[] }) => [text, args]

describe('a template', () => {
  test('binds its values and never pastes them', () => {
    const name = `'; drop table thing; --`
    expect(plain(sql`select * from thing where id = ${name} and made_at > ${5}`)).toEqual([
      'select * from thing where id = ? and made_at > ?',
      [name, 5],
    ])
    const bytes = new Uint8Array([1])
    expect(sql`${true} ${false} ${null} ${3n} ${bytes} ${bytes.buffer}`.args).toEqual([
      1,
      0,
      null,
      3n,
      bytes,
      bytes.buffer,
    ])
  })

  test('takes other statements in, with their arguments in their places', () => {
    const isMine = sql`owner = ${'ann'} and id in (${list(['x', true])})`
    expect(plain(sql`select ${0} from t where ${isMine} limit ${9}`)).toEqual([
      'select ? from t where owner = ? and id in (?, ?) limit ?',
      [0, 'ann', 'x', 1, 9],
    ])
    expect(plain(sql`id in (${list([])})`)).toEqual(['id in ()', []])
  })

  test('keeps joined conditions together wherever they are inlined', () => {
    const either = join([condition`a = ${1} and b`, condition`c = ${2}`], ' or ')
    expect(plain(sql`owner = ${'ann'} and ${either}`)).toEqual([
      'owner = ? and ((a = ? and b) or (c = ?))',
      ['ann', 1, 2],
    ])
    expect([join([], ' and ').sql, join([], ' or ').sql]).toEqual(['(1)', '(0)'])
    expect(plain(join([sql`a = ${1}`, sql`b = ${2}`], ', '))).toEqual(['a = ?, b = ?', [1, 2]])
  })

  test('refuses what no column can hold, and SQL that only looks like ours', () => {
    const refused: unknown[] = [
      undefined,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      {},
      [],
      new Date(),
      Symbol('x'),
      () => 1,
      'cut\0off',
      { sql: '1; drop table thing', args: [] },
    ]
    for (const value of refused) {
      expect(() => sql`select ${value as string}`, String(value)).toThrow(TypeError)
      expect(() => list([value as string]), String(value)).toThrow(TypeError)
    }
  })
})

describe('an insertion', () => {
  test('names its columns, leaves undefined out and stores by the mode of the column', () => {
    const row = { id: 'a"', isOn: true, made_at: undefined, tags: ['x'] }
    expect(plain(insertInto(thing, row))).toEqual([
      'insert into "thing" ("id", "is_on", "tags") values (?, ?, ?)',
      ['a"', 1, '["x"]'],
    ])
    expect(
      plain(insertInto(thing, { id: 'a', made_at: null }, sql`on conflict do nothing`)),
    ).toEqual([
      'insert into "thing" ("id", "made_at") values (?, ?) on conflict do nothing',
      ['a', null],
    ])
  })

  test('under a condition selects its values, and binds row, condition and tail in this order', () => {
    const isMine = condition`exists (select 1 from code where rid = ${'r'}) or ${0}`
    const tail = sql<{ id: string }>`on conflict do update set made_at = ${9} returning id`
    expect(plain(insertWhere(thing, { id: 'a', made_at: 1 }, isMine, tail))).toEqual([
      'insert into "thing" ("id", "made_at") select ?, ? ' +
        'where (exists (select 1 from code where rid = ?) or ?) ' +
        'on conflict do update set made_at = ? returning id',
      ['a', 1, 'r', 0, 9],
    ])
  })

  test('refuses a column that the table does not have, and an empty row', () => {
    const unknown = { id: 'a', constructor: 'x' } as unknown as { id: string }
    expect(() => insertInto(thing, unknown)).toThrow('thing has no column constructor')
    const empty = { id: undefined } as unknown as { id: string }
    expect(() => insertInto(thing, empty)).toThrow('without a column')
    // @ts-expect-error the id is required
    expect(() => insertInto(thing, { made_at: 1 })).not.toThrow()
  })
})

test('the type of a row goes from the statement to the answer', () => {
  const byId = sql<{ id: string }>`select id from thing`
  const returning = insertInto(thing, { id: 'a' }, sql<{ n: number }>`returning made_at as n`)
  const row: Answers<typeof byId>[number] = { id: 'a' }
  const batch = { found: byId, made: { returning } }
  const rows: Answers<typeof batch> = { found: [row], made: { returning: [{ n: 1 }] } }
  // @ts-expect-error a number is no string
  const wrong: Answers<typeof byId> = [{ id: 1 }]
  expect([rows, wrong]).toHaveLength(2)
})

test('a condition, a scalar and a statement do not stand for each other', async () => {
  const holds = condition`1 = ${1}`
  const one = scalar`(select ${1})`
  const query = sql<{ n: number }>`select 1 as n where ${holds} and ${one}`
  const db = databaseOver({
    read: async (statements) => statements.map(({ args }) => [{ args }]),
    write: async () => [],
  })
  expect(await db.read({ query })).toEqual({ query: [{ args: [1, 1] }] })
  // @ts-expect-error a condition is no query
  await db.read(holds)
  // @ts-expect-error nor is it one under a name
  await db.read({ holds })
  // @ts-expect-error a scalar is no query
  await db.read([one])
  // @ts-expect-error a query is no condition
  insertWhere(thing, { id: 'a' }, query)
  // @ts-expect-error nor is it one among others
  join([holds, query], ' and ')
  // @ts-expect-error a condition is no part of a list of columns
  join([holds], ', ')
})
