// Deliveries of a kind that exists here alone: taken by one instance, sent again after its pauses,
// given up in the end.
import { expect, test } from 'vitest'
import { condition, sql } from '../../worker/db/sql.ts'
import {
  type Delivery,
  type DeliveryKind,
  type DeliveryOutcome,
  deleteDeliveriesTo,
  deliver,
  insertDelivery,
  takeDeliveries,
} from '../../worker/deliveries.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'

const ALWAYS = condition`true`
const BACKOFF = [10, 100, 30]

/** Deliveries that were sent, and the outcome of the next ones. */
type Post = {
  sent: Delivery[]
  prepared: number[]
  answer(one: Delivery): Promise<DeliveryOutcome>
}

/** A worker, and letters that are sent through it. */
async function startPost() {
  const worker = await startWorker()
  const post: Post = { sent: [], prepared: [], answer: async () => ({ outcome: 'done' }) }
  return { worker, post, letters: kindOf('letter', post) }
}

const kindOf = (name: string, post: Post): DeliveryKind => ({
  name,
  backoff: BACKOFF,
  async prepare(_, taken) {
    post.prepared.push(taken.length)
    return async (one) => {
      post.sent.push(one)
      return post.answer(one)
    }
  },
  // Types of the catalogue: it has none for what is sent here alone.
  delivered: ({ recipient, attempts }) => ({
    type: 'logout_token.delivered',
    subject_id: recipient,
    data: { client_id: name, attempts },
  }),
  abandoned: ({ recipient, attempts }, reason) => ({
    type: 'logout_token.abandoned',
    outcome: 'failure',
    subject_id: recipient,
    data: { client_id: name, attempts, reason },
  }),
})

const note = (worker: TestWorker, kind: DeliveryKind, recipient: string, about = 'rent') => {
  const cx = worker.context()
  const one = { recipient, about, payload: { text: `${about} for ${recipient}` } }
  return cx.db.write(insertDelivery(cx, kind, one, ALWAYS))
}

async function waiting(worker: TestWorker) {
  const rows = await worker.context().db.read(
    sql<{ recipient: string; about: string }>`
        select recipient, about from delivery order by recipient, about`,
  )
  return rows.map(({ recipient, about }) => `${recipient} ${about}`)
}

async function events(worker: TestWorker) {
  const rows = await worker.context().db.read(
    sql<{
      type: string
      outcome: string
      actor_kind: string
      subject_id: string
      data: string
    }>`select type, outcome, actor_kind, subject_id, data from event order by id`,
  )
  return rows.map(({ data, ...row }) => ({ ...row, data: JSON.parse(data) as unknown }))
}

test('a delivery is noted once for a recipient and what it is about, and sent with what was noted', async () => {
  const { worker, post, letters } = await startPost()
  await note(worker, letters, 'ann')
  await note(worker, letters, 'ann')
  await note(worker, letters, 'ann', 'keys')
  await note(worker, kindOf('parcel', post), 'ann')
  expect(await waiting(worker)).toEqual(['ann keys', 'ann rent', 'ann rent'])
  await deliver(worker.context(), [letters])
  expect(post.sent.map(({ about, payload, attempts }) => [about, payload, attempts])).toEqual(
    expect.arrayContaining([
      ['keys', { text: 'keys for ann' }, 1],
      ['rent', { text: 'rent for ann' }, 1],
    ]),
  )
  // The parcel is of a kind that nobody sent.
  expect(await waiting(worker)).toEqual(['ann rent'])
  const event = {
    type: 'logout_token.delivered',
    outcome: 'success',
    actor_kind: 'system',
    subject_id: 'ann',
    data: { client_id: 'letter', attempts: 1 },
  }
  expect(await events(worker)).toEqual([event, event])
})

test('a delivery whose condition does not hold is not noted', async () => {
  const { worker, letters } = await startPost()
  const cx = worker.context()
  const one = { recipient: 'ann', about: 'rent', payload: {} }
  await cx.db.write(insertDelivery(cx, letters, one, condition`false`))
  expect(await waiting(worker)).toEqual([])
})

test('one that is not taken is sent again after each pause and not before, then given up', async () => {
  const { worker, post, letters } = await startPost()
  post.answer = async () => ({ outcome: 'again', reason: 'closed' })
  await note(worker, letters, 'ann')
  await deliver(worker.context(), [letters])
  for (const [i, seconds] of BACKOFF.slice(0, -1).entries()) {
    worker.clock.now += seconds - 1
    await deliver(worker.context(), [letters])
    expect(post.sent).toHaveLength(i + 1)
    expect(await events(worker)).toEqual([])
    worker.clock.now += 1
    await deliver(worker.context(), [letters])
    expect(post.sent).toHaveLength(i + 2)
  }
  expect(post.sent.map(({ attempts }) => attempts)).toEqual([1, 2, 3])
  expect(await waiting(worker)).toEqual([])
  expect(await events(worker)).toMatchObject([
    { type: 'logout_token.abandoned', outcome: 'failure', data: { attempts: 3, reason: 'closed' } },
  ])
  worker.clock.now += 10_000
  await deliver(worker.context(), [letters])
  expect(post.sent).toHaveLength(3)
})

test('one that cannot arrive is given up at once, one that nobody wants is forgotten without a word', async () => {
  const { worker, post, letters } = await startPost()
  post.answer = async ({ recipient }) =>
    recipient === 'ann' ? { outcome: 'give_up', reason: 'moved' } : { outcome: 'unwanted' }
  await note(worker, letters, 'ann')
  await note(worker, letters, 'bob')
  await deliver(worker.context(), [letters])
  expect(await waiting(worker)).toEqual([])
  expect(await events(worker)).toMatchObject([
    { type: 'logout_token.abandoned', subject_id: 'ann', data: { attempts: 1, reason: 'moved' } },
  ])
})

test('a sender that fails keeps its delivery for later, and holds up no other', async () => {
  const { worker, post, letters } = await startPost()
  post.answer = async ({ recipient, attempts }) => {
    if (recipient === 'ann' && attempts === 1) throw new Error('a fault of our own')
    return { outcome: 'done' }
  }
  await note(worker, letters, 'ann')
  await note(worker, letters, 'bob')
  await deliver(worker.context(), [letters])
  expect(await waiting(worker)).toEqual(['ann rent'])
  expect(worker.log).toMatchObject([
    { level: 'error', message: 'a delivery was not sent', fields: { kind: 'letter' } },
  ])
  worker.clock.now += BACKOFF[0] ?? 0
  await deliver(worker.context(), [letters])
  expect(await waiting(worker)).toEqual([])
})

test('of eight instances one sends each delivery', async () => {
  const { worker, post, letters } = await startPost()
  const names = Array.from({ length: 35 }, (_, i) => `user-${i}`)
  for (const name of names) await note(worker, letters, name)
  await Promise.all(Array.from({ length: 8 }, () => deliver(worker.context(), [letters])))
  expect(post.sent.map(({ recipient }) => recipient).sort()).toEqual(names.sort())
  expect(await events(worker)).toHaveLength(35)
  expect(Math.max(...post.prepared)).toBeLessThanOrEqual(10)
})

test('a delivery whose sender died is sent by another one when the lease has run out', async () => {
  const { worker, post, letters } = await startPost()
  await note(worker, letters, 'ann')
  await worker.context().db.write(takeDeliveries(worker.context(), letters, 'of the dead'))
  await deliver(worker.context(), [letters])
  expect(post.sent).toEqual([])
  worker.clock.now += BACKOFF[0] ?? 0
  await deliver(worker.context(), [letters])
  expect(post.sent.map(({ attempts }) => attempts)).toEqual([2])
})

test('a sender that is slower than its lease settles nothing that another one has taken since', async () => {
  const { worker, post, letters } = await startPost()
  await note(worker, letters, 'ann')
  let release = (_: DeliveryOutcome) => {}
  post.answer = () =>
    new Promise((done) => {
      release = done
    })
  const slow = deliver(worker.context(), [letters])
  while (post.sent.length === 0) await new Promise((done) => setTimeout(done, 5))
  const releaseSlow = release
  worker.clock.now += BACKOFF[0] ?? 0
  post.answer = async () => ({ outcome: 'again', reason: 'closed' })
  await deliver(worker.context(), [letters])
  releaseSlow({ outcome: 'done' })
  await slow
  expect(await events(worker)).toEqual([])
  expect(await waiting(worker)).toEqual(['ann rent'])
})

test('kinds do not hold up each other: one that cannot be prepared leaves the other to arrive', async () => {
  const { worker, post, letters } = await startPost()
  const broken: DeliveryKind = {
    ...kindOf('parcel', post),
    prepare: () => Promise.reject(new Error('no paper')),
  }
  await note(worker, broken, 'ann')
  await note(worker, letters, 'bob')
  await expect(deliver(worker.context(), [broken, letters])).rejects.toThrow('no paper')
  expect(post.sent.map(({ recipient }) => recipient)).toEqual(['bob'])
  expect(await waiting(worker)).toEqual(['ann rent'])
})

test('all that waits for a recipient that is gone is forgotten, whatever its kind', async () => {
  const { worker, post, letters } = await startPost()
  await note(worker, letters, 'ann')
  await note(worker, kindOf('parcel', post), 'ann')
  await note(worker, letters, 'bob')
  await worker.context().db.write(deleteDeliveriesTo('ann', condition`false`))
  expect(await waiting(worker)).toHaveLength(3)
  await worker.context().db.write(deleteDeliveriesTo('ann', ALWAYS))
  expect(await waiting(worker)).toEqual(['bob rent'])
})

test('a run that has nothing to send costs one round trip, ten deliveries two and their preparation', async () => {
  const { worker, letters } = await startPost()
  const run = () => countRoundTrips(worker, () => deliver(worker.context(), [letters]))
  expect((await run()).roundTrips).toBe(1)
  for (let i = 0; i < 9; i++) await note(worker, letters, `user-${i}`)
  expect((await run()).roundTrips).toBe(2)
})
