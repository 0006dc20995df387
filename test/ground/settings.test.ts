import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { DEFAULT_SETTINGS, loadSettings } from '../../worker/settings.ts'
import { startWorker } from '../context.ts'

test('a stored setting that cannot be read, or is none, counts as absent and is logged', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  const rows = [
    ['code_ttl', '{'],
    ['id_token_ttl', '"300"'],
    ['request_ttl', '1'],
    ['constructor', '1'],
    ['__proto__', '{}'],
    ['access_token_ttl', '120'],
  ]
  await cx.db.write(
    rows.map(
      ([name = '', value = '']) =>
        sql`insert into setting (name, value, updated_at) values (${name}, ${value}, 1)`,
    ),
  )
  expect(await loadSettings(cx)).toEqual({ ...DEFAULT_SETTINGS, access_token_ttl: 120 })
  expect(worker.log).toHaveLength(5)
})
