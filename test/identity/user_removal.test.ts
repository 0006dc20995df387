// A deleted person is in no table any more, but where it is said why.
import { getTableColumns, getTableName } from 'drizzle-orm'
import { type SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { expect, test } from 'vitest'
import * as eventSchema from '../../worker/db/event_schema.ts'
import * as factorSchema from '../../worker/db/factor_schema.ts'
import * as oauthSchema from '../../worker/db/oauth_schema.ts'
import * as peopleSchema from '../../worker/db/people_schema.ts'
import * as schema from '../../worker/db/schema.ts'
import { type SqlValue, type Statement, sql } from '../../worker/db/sql.ts'
import { startWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'

/** Tables that keep rows of a deleted person, with the reason. */
const KEPT: Readonly<Record<string, string>> = {
  authorization: 'that it ended is remembered while something issued under it may be shown',
  authorization_code: 'a minute, until the timer cleans up; dead with the account',
  device_authorization: 'minutes, until the timer cleans up; dead with the account',
}

const tables = [schema, factorSchema, peopleSchema, oauthSchema, eventSchema]
  .flatMap((module) => Object.values(module))
  .filter((one) => one instanceof SQLiteTable)
  .filter((table) => 'user_id' in getTableColumns(table))

/** A statement about a table whose name only the test knows; `?` stands for each value. */
function about<Row>(text: string, ...values: readonly SqlValue[]): Statement<Row> {
  const parts = text.split('?')
  return sql<Row>(Object.assign(parts, { raw: parts }), ...values)
}

test('a deletion leaves no row of the person behind', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  await createPerson(cx, { id: 'ann', email: ANN, password: PASSWORD })
  for (const [i, table] of tables.entries()) {
    const columns = Object.values<SQLiteColumn>(getTableColumns(table))
    const names = columns.map(({ name }) => `"${name}"`).join(', ')
    const values = columns.map(({ name, dataType }): SqlValue => {
      if (name === 'user_id') return 'ann'
      return dataType === 'number' ? 4_000_000_000 + i : `"${name} ${i}"`
    })
    const places = values.map(() => '?').join(', ')
    await cx.db.write(
      about(
        `insert or ignore into "${getTableName(table)}" (${names}) values (${places})`,
        ...values,
      ),
    )
  }
  const withRows = async () => {
    const left: string[] = []
    for (const table of tables) {
      const name = getTableName(table)
      const rows = await cx.db.read(
        about(`select 1 from "${name}" where user_id = ? limit 1`, 'ann'),
      )
      if (rows.length > 0) left.push(name)
    }
    return left.sort()
  }
  expect(tables.length).toBeGreaterThan(10)
  expect(await withRows()).toEqual(tables.map(getTableName).sort())
  const token = await newClientToken(worker)
  expect((await callApi(worker, token, 'DELETE', '/v1/users/ann')).status).toBe(204)
  await worker.settled()
  expect(await withRows()).toEqual(Object.keys(KEPT).sort())
})
