// The entries of status lists as the triggers of the migrations allot them: in the database alone,
// since the order of a whole list takes a million of them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'libsql'
import { expect, test } from 'vitest'
import { ROOT } from './support/tree.ts'

const LIST = 2 ** 20

type Row = Record<string, number>

function startDatabase({ before = '9999' }: { before?: string } = {}) {
  const database = new Sqlite(':memory:')
  const files = readdirSync(join(ROOT, 'migrations')).sort()
  const apply = (file: string) =>
    database.exec(readFileSync(join(ROOT, 'migrations', file), 'utf8'))
  const scripts = files.filter((file) => file.endsWith('.sql'))
  for (const file of scripts.filter((one) => one < before)) apply(file)
  const rows = (text: string) => database.prepare(text).all([]) as Row[]
  const rest = () => {
    for (const file of scripts.filter((one) => one >= before)) apply(file)
  }
  return { database, rows, rest }
}

const allot = (n: number) => `with recursive s(i) as (select 1 union all select i + 1 from s
  where i < ${n}) insert into status_entry (kind, origin_id) select 'device', 'dev-' || i from s`

test('a whole list is a permutation of its places, and the next list has another order', () => {
  const { database, rows } = startDatabase()
  database.exec(allot(LIST + 1000))
  const lists = rows(`select (seq - 1) >> 20 as list, count(*) as n, count(distinct idx) as places,
    min(idx) as first, max(idx) as last from status_entry group by list`)
  expect(lists[0]).toEqual({ list: 0, n: LIST, places: LIST, first: 0, last: LIST - 1 })
  expect(lists[1]).toMatchObject({ list: 1, n: 1000, places: 1000 })
  const begin = (list: number) =>
    rows(`select idx from status_entry where (seq - 1) >> 20 = ${list} order by seq limit 1000`)
  expect(begin(0)).not.toEqual(begin(1))
}, 300_000)

test('the order of a list is that of its key, and neighbours lie far from each other', () => {
  const orders = [1, 2].map(() => {
    const { database, rows } = startDatabase()
    database.exec(allot(2000))
    return rows('select idx from status_entry order by seq').map(({ idx = 0 }) => idx)
  })
  expect(orders[0]).not.toEqual(orders[1])
  const [order = []] = orders
  const steps = order.slice(1).map((idx, i) => idx - (order[i] ?? 0))
  expect(new Set(steps).size).toBeGreaterThan(1900)
  expect(steps.filter((step) => Math.abs(step) < 16).length).toBeLessThan(5)
})

test('an entry that was given up is never allotted again', () => {
  const { database, rows } = startDatabase()
  database.exec(allot(10))
  database.exec(`insert into status_flip (list, idx, outcome, seq)
    select 0, idx, 1, seq from status_entry`)
  expect(rows('select * from status_entry')).toEqual([])
  database.exec(allot(3))
  expect(rows('select seq from status_entry order by seq')).toEqual([
    { seq: 11 },
    { seq: 12 },
    { seq: 13 },
  ])
})

test('rows of before the lists get their entries by the migration', () => {
  const { database, rows, rest } = startDatabase({ before: '0059' })
  database.exec(`pragma foreign_keys = off;
    insert into device (id, type, status, metadata, created_at, updated_at, version) values
      ('d1', 'lamp', 'active', '{}', 1, 1, 1), ('d2', 'lamp', 'suspended', '{}', 1, 1, 1);
    insert into device_token (id, device_id, created_at, expires_at, revoked_at) values
      ('t1', 'd1', 1, 9, null), ('t2', 'd1', 1, 9, 5);`)
  rest()
  expect(rows('select kind, origin_id from status_entry order by seq')).toEqual([
    { kind: 'device', origin_id: 'd1' },
    { kind: 'device_token', origin_id: 't1' },
  ])
})
