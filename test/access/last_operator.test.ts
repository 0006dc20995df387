// The system is never left without a user who may run it: whatever takes the last one away is
// refused.
import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import type { Problem } from '../../worker/errors.ts'
import { changeUser, removeUser } from '../../worker/identity/users.ts'
import { details, startHouse } from './fixture.ts'

const conflict = (work: Promise<unknown>) =>
  expect(work).rejects.toMatchObject({ type: 'conflict', detail: /last lasting grant/ })

async function startWithOperator(subject: string) {
  const house = await startHouse()
  await house.user('ann')
  await house.user('bob')
  await house.make('POST /v1/groups', { id: 'staff' })
  await house.make('POST /v1/groups', { id: 'night', parent_id: 'staff' })
  await house.make('POST /v1/groups', { id: 'guests' })
  await house.make('POST /v1/grants', { subject, role: 'operator', object: '*' })
  return house
}

test('the last operator is neither disabled nor deleted, with all that is his', async () => {
  const { worker, user, call, make, events } = await startWithOperator('ann')
  const cx = () => worker.context()
  await conflict(changeUser(cx(), 'ann', { status: 'disabled' }, null))
  await conflict(removeUser(cx(), 'ann', null))
  expect((await changeUser(cx(), 'ann', { name: 'Ann' }, null)).status).toBe('active')
  expect((await make('GET /v1/grants?subject=ann'))['items']).toHaveLength(1)
  expect(await events('user.deleted')).toEqual([])
  await removeUser(cx(), 'bob', null)
  await user('cat', 'disabled')
  await make('POST /v1/grants', { subject: 'cat', role: 'operator', object: '*' })
  await conflict(removeUser(cx(), 'ann', null))
  await changeUser(cx(), 'cat', { status: 'active' }, null)
  await removeUser(cx(), 'ann', null)
  expect((await call('GET /v1/grants?subject=ann')).body['items']).toEqual([])
  expect(await events('user.deleted')).toHaveLength(2)
})

test('the last operator does not leave the group by which he is one, nor the group its place', async () => {
  const { call, make } = await startWithOperator('staff')
  await make('POST /v1/groups/night/members', { id: 'ann' })
  await make('POST /v1/groups/guests/members', { id: 'bob' })
  const refused = [
    await call('DELETE /v1/groups/night/members/ann'),
    await call('PATCH /v1/groups/night', { parent_id: null }),
    await call('PATCH /v1/groups/night', { parent_id: 'guests' }),
  ]
  for (const answer of refused) {
    expect(answer.status).toBe(409)
    expect(details(answer)).toContain('last lasting grant')
  }
  await make('PATCH /v1/groups/night', { name: 'Night' })
  await make('PATCH /v1/groups/guests', { parent_id: 'staff' })
  await make('PATCH /v1/groups/night', { parent_id: 'guests' })
  await make('DELETE /v1/groups/night/members/ann')
  expect((await call('DELETE /v1/groups/guests/members/bob')).status).toBe(409)
})

test('an operator who cannot sign in, or only later, does not replace the last one', async () => {
  const { worker, user, make } = await startWithOperator('ann')
  await user('cat')
  await make('POST /v1/grants', { subject: 'cat', role: 'operator', object: '*' })
  await worker.context().db.write(sql`update user set password = null where id = 'cat'`)
  const not_before = worker.clock.now + 1
  await make('POST /v1/grants', { subject: 'bob', role: 'operator', object: '*', not_before })
  await conflict(removeUser(worker.context(), 'ann', null))
  worker.clock.now = not_before
  await removeUser(worker.context(), 'ann', null)
})

test('of two operators who disable each other at the same moment one remains', async () => {
  const { worker, make } = await startWithOperator('ann')
  await make('POST /v1/grants', { subject: 'bob', role: 'operator', object: '*' })
  const counts: number[] = []
  for (let i = 0; i < 5; i++) {
    const answers = await Promise.allSettled(
      ['ann', 'bob'].map((id) => changeUser(worker.context(), id, { status: 'disabled' }, null)),
    )
    const reasons = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    expect(reasons.map((reason: Problem) => reason.type)).toEqual(['conflict'])
    counts.push(answers.filter((one) => one.status === 'fulfilled').length)
    for (const id of ['ann', 'bob']) {
      await changeUser(worker.context(), id, { status: 'active' }, null)
    }
  }
  console.log(`disabled of two at once: ${counts.join(' ')}`)
})
