// The record of SQL of a whole run, tried on small sources.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { expect, test } from 'vitest'
import { findUnprepared, findUnsent, templatesIn, templatesOfStores } from './sql_record.ts'

const source = [
  '/** A `condition` in a comment is none. */',
  'export const findThing = (id: string): Statement<Row> =>',
  "  sql<{ id: string }>`select id from thing where ${all([condition`id = ${id}`, '}'])} limit 1`",
  '',
  'export const insertThing = (row: Row) => insertWhere(thing, row, TRUE)',
].join('\n')

test('a template is found with its holes, and so are those within them', () => {
  expect(templatesIn(source, 'store.ts')).toEqual([
    { place: 'store.ts: findThing', parts: ['select id from thing where ', ' limit 1'] },
    { place: 'store.ts: findThing', parts: ['id = ', ''] },
    { place: 'store.ts: insertThing', parts: ['insert into "thing" ('] },
  ])
})

test('a template that no text holds is named with its function', () => {
  const templates = templatesIn(source, 'store.ts')
  const sent = [
    'select id from thing where (id = ?) limit 1',
    'insert into "thing" ("id") select 1',
  ]
  expect(findUnsent(templates, sent)).toEqual([])
  expect(findUnsent(templates, sent.slice(0, 1))).toEqual([
    'store.ts: insertThing: insert into "thing" (',
  ])
  expect(findUnsent(templates, ['limit 1 select id from thing where id'])).toHaveLength(3)
})

test('a text that does not prepare is named with what the database says', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sql-record-'))
  const file = join(folder, 'a.db')
  new Database(file, {}).exec('create table thing (id text)')
  const texts = ['select id from thing', 'select name from thing', 'pragma table_info(thing)']
  expect(findUnprepared(file, texts)).toEqual(['no such column: name: select name from thing'])
  rmSync(folder, { recursive: true })
})

test('the stores of the worker have templates, each with a name', () => {
  const templates = templatesOfStores()
  expect(templates.length).toBeGreaterThan(300)
  expect(templates.filter(({ place }) => place.endsWith('the file'))).toEqual([])
})
