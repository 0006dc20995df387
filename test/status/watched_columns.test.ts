// Protections that hold for statements that are not written yet: each column that ends something or
// gives rights is watched by a trigger, and no statement of a token looks through a table.
import { getTableColumns, getTableName } from 'drizzle-orm'
import { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { expect, test } from 'vitest'
import * as oauthSchema from '../../worker/db/oauth_schema.ts'
import * as schema from '../../worker/db/schema.ts'
import { type Statement, sql } from '../../worker/db/sql.ts'
import { findLiveOrigin } from '../../worker/oauth/authorizations/origin_store.ts'
import { findStatus, supersede } from '../../worker/status/entry_store.ts'
import { findListHead, listContent } from '../../worker/status/list_store.ts'
import { startWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'

/** Columns by which a row ends, and why some need no trigger. */
const ENDS = /^(status|epoch|revoked_at)$/
const NOT_WATCHED: Readonly<Record<string, string>> = {
  'idempotency_key.status': 'of an answer',
  'device_authorization.status': 'nothing was issued yet',
  'device_authorization.epoch': 'nothing was issued yet',
  'authorization_code.epoch': 'nothing was issued yet',
  'sign_in.epoch': 'no token hangs on a sign-in',
  'authorization.epoch': 'stays as it was when the authorization was given',
}

/** Tables whose rows give rights: each change of them may take some. */
const RIGHTS = ['grant', 'membership', 'role', 'device_type', 'group', 'device', 'device_ca']
/** Tables whose rows are origins of tokens, or the principals behind them. */
const ORIGINS = ['device', 'client', 'user', 'authorization', 'device_token']

test('each column that ends something is watched, and each deletion of an origin', async () => {
  const worker = await startWorker()
  const triggers = await worker.context().db.read(
    sql<{ tbl_name: string; sql: string }>`select tbl_name, sql from sqlite_schema
        where type = 'trigger' and name glob 'status_*'`,
  )
  const watched = (table: string, event: RegExp) =>
    triggers.some((one) => one.tbl_name === table && event.test(one.sql))
  const tables = [...Object.values(schema), ...Object.values(oauthSchema)].filter(
    (one) => one instanceof SQLiteTable,
  )
  const missing = tables.flatMap((table) => {
    const name = getTableName(table)
    return Object.values(getTableColumns(table))
      .filter((column) => ENDS.test(column.name) && !(`${name}.${column.name}` in NOT_WATCHED))
      .filter(({ name: column }) => !watched(name, new RegExp(`AFTER UPDATE OF[^\n]*"${column}"`)))
      .map((column) => `${name}.${column.name}`)
  })
  expect(missing, 'add a trigger, or a reason here').toEqual([])
  expect(ORIGINS.filter((table) => !watched(table, /AFTER DELETE/))).toEqual([])
  expect(ORIGINS.filter((table) => table !== 'user' && !watched(table, /AFTER INSERT/))).toEqual([])
  const changing = RIGHTS.filter((table) => !watched(table, /INTO "status_change"/))
  expect(changing).toEqual([])
})

test('no statement of a token or a list looks through a table', async () => {
  const worker = await startWorker()
  const token = { origin: 'o', epoch: 0, sub: 's', client_id: 's', status: { list: 0, idx: 1 } }
  const statements: Statement[] = [
    findStatus('client or device', 's'),
    findStatus('authorization', 'a'),
    supersede('device', 's'),
    findLiveOrigin(token, 1),
    findLiveOrigin({ ...token, sub: 'ann' }, 1),
    findLiveOrigin({ ...token, act: { sub: 'x' } }, 1),
    findListHead(0),
    ...Object.values(listContent(0, 1)),
  ]
  const scanned: string[] = []
  for (const statement of statements) {
    const plan = await worker
      .context()
      .db.read(sql<{ detail: string }>`explain query plan ${statement}`)
    scanned.push(
      ...plan
        .map(({ detail }) => detail)
        // Changes that wait are few; the rest are values, and tables of one row.
        .filter((detail) =>
          /^SCAN (?!c$|above|around|named|party|one$|\(|CONSTANT|up$)/.test(detail),
        ),
    )
  }
  expect(scanned).toEqual([])
})

test('an operator sees how many entries there are, and what is being spread', async () => {
  const worker = await startWorker()
  const token = await newClientToken(worker, 'keys:read')
  const view = async () => (await callApi(worker, token, 'GET', '/v1/status-lists')).body
  expect(await view()).toEqual({ lists: 1, entries: 1, flips: 0, waiting: [] })
  const cx = worker.context()
  await cx.db.write([
    sql`insert into membership (group_id, member_id, created_at)
      with recursive s(i) as (select 1 union all select i + 1 from s where i < 1001)
      select 'crowd', 'u-' || i, 1 from s`,
    sql`insert into "grant" (id, subject_id, role, object_id, created_at, updated_at, version)
      values ('grt', 'crowd', 'operator', '*', 1, 1, 1)`,
    sql`delete from "grant"`,
  ])
  expect(await view()).toMatchObject({
    waiting: [{ scope: 'subject', id: 'crowd', outcome: 'superseded', done: 0, upto: 1 }],
  })
  const stranger = await newClientToken(worker, 'users:read')
  expect((await callApi(worker, stranger, 'GET', '/v1/status-lists')).status).toBe(403)
})
