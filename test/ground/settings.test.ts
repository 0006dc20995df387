import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { DEFAULT_SETTINGS, loadSettings, settingsSchema } from '../../worker/settings.ts'
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

test.each([
  ['manage', 'self_registered_scopes', 'manage'],
  ['a scope of the management API', 'self_registered_scopes', 'users:read'],
  ['two scopes in one', 'self_registered_scopes', 'a b'],
  ['a resource that is no address', 'self_registered_resources', 'tools'],
  ['a resource with a fragment', 'self_registered_resources', 'https://tools.example/#part'],
] as const)('for clients that nobody vouches for %s is refused', (_, name, value) => {
  expect(settingsSchema.shape[name].safeParse([value]).success).toBe(false)
})

test('for clients that nobody vouches for other scopes and resources are taken', () => {
  const { self_registered_scopes, self_registered_resources } = settingsSchema.shape
  expect(self_registered_scopes.safeParse(['openid', 'tools:read']).success).toBe(true)
  expect(self_registered_resources.safeParse(['https://tools.example/mcp']).success).toBe(true)
})
