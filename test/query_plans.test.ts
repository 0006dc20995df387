// The judgement of plans, tried on a small schema; and the schema as the migrations leave it: each
// table has a decision, each trigger finds its rows, and each reference has an index.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { afterAll, expect, test } from 'vitest'
import { openEmbeddedDatabase } from '../worker/entry/embedded/database.ts'
import { migrate, readMigrations } from '../worker/entry/migrate.ts'
import { COARSE, EXCUSES, EXCUSES_OF_TRIGGERS, GROWING, SMALL } from './query_plan_tables.ts'
import { Planner, statementsOfTrigger, walksOfTriggers } from './query_plans.ts'

const folder = mkdtempSync(join(tmpdir(), 'query-plans-'))
afterAll(() => rmSync(folder, { recursive: true }))

const small = join(folder, 'small.db')
new Database(small, {}).exec(`
  create table device (id text primary key, type text, name text, gateway text);
  create index device_type_index on device (type, id);
  create table "group" (id text primary key, parent_id text);
  create index group_parent on "group" (parent_id);
  create table role (name text primary key);`)

const whole = join(folder, 'whole.db')
const database = await openEmbeddedDatabase(`file:${whole}`)
await migrate(database, readMigrations(new URL('../migrations/', import.meta.url).pathname))
await database.close()

function stepsOf(sql: string): string[] {
  return [false, true].flatMap((isAnalyzed) => {
    const planner = new Planner(small, { isAnalyzed })
    const walks = planner.walks(sql)
    planner.close()
    return walks.map(({ table }) => table)
  })
}

test.each([
  ['all rows', "select name from device where name = 'a'"],
  ['all rows by an index', 'select type from device order by type, id'],
  ['all rows under another name', "select d.id from device as d where d.name = 'a'"],
  ['all rows of a list', 'select d.id from role r, device d where d.name = r.name'],
  ['all from one on', 'select id from device where id > ? order by id limit ?'],
  ['many with the same value', 'select name from device where type = ?'],
  ['a count of all', 'select count(*) from device'],
  [
    'an index made for the statement',
    'select 1 from "group" g join device d on d.gateway = g.id where g.parent_id = ?',
  ],
  ['a change of all', "update device set name = 'a' where name is null"],
])('a plan walks that reads %s', (_, sql) => {
  expect(stepsOf(sql)).toEqual(['device', 'device'])
})

test.each([
  ['one row', 'select name from device where id = ?'],
  [
    'the rows of a list of ids',
    'select name from device where id in (select value from json_each(?))',
  ],
  ['the rows of an empty list', 'select name from device where id in ()'],
  ['a table that stays small', 'select name from role'],
  ['a range between two', "select id from device where id >= ? and id < ? || ';'"],
  ['the greatest of an index', 'select max(id) from device'],
  [
    'a tree from its root',
    'with recursive below(id) as (select ? union select g.id from below b join "group" g on g.parent_id = b.id) select id from below',
  ],
  [
    'a table of its own under the name of another',
    'with d(id) as (select ?) select d.id from d join "group" g on g.id = d.id',
  ],
])('a plan does not walk that reads %s', (_, sql) => {
  expect(stepsOf(sql)).toEqual([])
})

test('what has run out is deleted from its own table by its index', () => {
  expect(stepsOf('delete from device where id < ?')).toEqual([])
  expect(stepsOf('delete from device where name < ?')).toEqual(['device', 'device'])
})

test('the statements of a trigger have parameters in the place of its row', () => {
  const sql = `create trigger t after update of "a" on b when new."a" <> old.a
    begin insert into c select case when 1 then new.a end;
    delete from c where x = old."a"; end`
  expect(statementsOfTrigger(sql)).toEqual(
    [
      'select (?1 <> ?1)',
      'insert into c select case when 1 then ?1 end',
      'delete from c where x = ?1',
    ].map((one) => one.replace('(?1 <> ?1)', '( ?1 <> ?1\n    )')),
  )
})

test('each table of the schema grows, or has the reason why it stays small', () => {
  const planner = new Planner(whole)
  const names = planner
    .rows("select name from sqlite_schema where type = 'table'")
    .map(({ name }) => `${name}`)
    .filter((name) => !/^(sqlite_|(device|user)_search_)/.test(name))
  const decided = [...Object.keys(SMALL), ...GROWING]
  expect(decided.toSorted()).toEqual(names.toSorted())
  expect(Object.keys(COARSE).filter((table) => !GROWING.has(table))).toEqual([])
  planner.close()
})

test.each([false, true])('no trigger walks through a table (statistics: %s)', (isAnalyzed) => {
  const planner = new Planner(whole, { isAnalyzed })
  const { faults, used } = walksOfTriggers(planner)
  expect(faults).toEqual([])
  expect(EXCUSES_OF_TRIGGERS.filter((one) => !used.has(one))).toEqual([])
  planner.close()
})

test('a row that others name is deleted without a walk through them', () => {
  const planner = new Planner(whole)
  const references = planner.rows(`select t.name as "table", f."from" as "column"
    from sqlite_schema t join pragma_foreign_key_list(t.name) f where t.type = 'table'`)
  expect(references.length).toBeGreaterThan(5)
  const walks = references.flatMap(({ table, column }) =>
    planner.walks(`select 1 from "${table}" where "${column}" = ?`),
  )
  expect(walks).toEqual([])
  planner.close()
})

test('each excuse says why', () => {
  for (const { text, tables, because } of [...EXCUSES, ...EXCUSES_OF_TRIGGERS]) {
    expect(because.length, text).toBeGreaterThan(20)
    expect(
      tables.filter((table) => !GROWING.has(table)),
      text,
    ).toEqual([])
  }
})
