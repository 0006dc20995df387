// An installer has a role from 14:00 to 17:00: no token with its rules is there before or after.
import { expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import {
  addApp,
  addGrant,
  claimsOf,
  refresh,
  signIn,
  startIssuer,
  write,
} from '../token_fixtures.ts'

const RULE = { permission: 'allow', action: 'subscribe', topic: 'sites/site-1/#' }
const HOUR = 3600

async function startAfternoon() {
  const worker = await startIssuer()
  await addApp(worker)
  const from = worker.clock.now + 10 * HOUR
  const end = from + 3 * HOUR
  await addGrant(worker, 'ann', { name: 'installer', acl: [RULE], expires_at: end })
  await write(worker, sql`update "grant" set not_before = ${from} where role = 'installer'`)
  const { refresh_token } = await signIn(worker, { scope: 'mqtt offline_access' })
  const at = async (now: number) => {
    worker.clock.now = now
    const { status, body } = await refresh(worker, refresh_token)
    expect(status, JSON.stringify(body)).toBe(200)
    return claimsOf(String(body.access_token)) as { exp: number; acl: unknown[] }
  }
  return { from, end, at }
}

test('a token that is refreshed ends with the role, at the latest', async () => {
  const { from, end, at } = await startAfternoon()
  expect((await at(from)).acl).toHaveLength(1)
  for (const left of [HOUR, 300, 10, 1]) {
    const { exp, acl } = await at(end - left)
    expect([left, acl.length, exp <= end]).toEqual([left, 1, true])
  }
  expect((await at(end)).acl).toEqual([])
})

test('a role that begins later is in no token of before', async () => {
  const { from, at } = await startAfternoon()
  expect((await at(from - HOUR)).acl).toEqual([])
  expect((await at(from - 1)).acl).toEqual([])
  expect((await at(from)).acl).toHaveLength(1)
})
