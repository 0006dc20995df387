// The record of events takes the types of the catalogue alone, each with the data that the
// catalogue says.
import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { appendEvent } from '../../worker/events.ts'
import { startWorker } from '../context.ts'

test('an event has the outcome and the data that it was appended with', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  const reason = 'password'
  await cx.db.write([
    appendEvent(cx, { type: 'key.rotated', data: { alg: 'ES256' } }),
    appendEvent(cx, {
      type: 'login.failed',
      outcome: 'failure',
      subject_id: null,
      data: { reason },
    }),
  ])
  const rows = await cx.db.read(
    sql<{ type: string; outcome: string; data: string }>`
      select type, outcome, data from event order by type`,
  )
  expect(rows).toEqual([
    { type: 'key.rotated', outcome: 'success', data: '{"alg":"ES256"}' },
    { type: 'login.failed', outcome: 'failure', data: '{"reason":"password"}' },
  ])
})

// Held by `npm run types`: an expected error that does not come is an error.
test('an event that is not in the catalogue, or has other data, does not compile', () => {
  type Append = Parameters<typeof appendEvent>[1]
  const events: Append[] = [
    // @ts-expect-error no such type
    { type: 'user.creatd', subject_id: 'usr_1' },
    // @ts-expect-error no such member
    { type: 'user.created', subject_id: 'usr_1', data: { email: 'ann@example.com' } },
    // @ts-expect-error a member is missing
    { type: 'grant.updated', subject_id: 'usr_1', data: { grant: 'grt_1' } },
    // @ts-expect-error a member of another kind
    { type: 'client.updated', subject_id: 'app', data: { fields: 'scope' } },
    // @ts-expect-error a failure that is told as a success
    { type: 'login.failed', subject_id: null, data: { reason: 'password' } },
    // @ts-expect-error nobody it happened to
    { type: 'device.activated' },
    // @ts-expect-error a change that does not say what stood before
    { type: 'client.updated', subject_id: 'app', data: { fields: ['scope'] } },
    // @ts-expect-error no change
    { type: 'user.created', subject_id: 'usr_1', before: {}, after: {} },
  ]
  expect(events).toHaveLength(8)
})
