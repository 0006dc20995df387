// Jobs that demand other keys of many devices by a date, and how they are taken back.
import { expect, test } from 'vitest'
import { workOnJobs } from '../../worker/devices/bulk/job_work.ts'
import { type Call, startHomes } from '../support/places.ts'
import { losingWrites } from '../support/repeated_writes.ts'
import { newJwk } from './device_api.ts'

async function startKeys() {
  const homes = await startHomes()
  const { worker, ops } = homes
  for (const id of ['lamp-1', 'lamp-2']) await ops(`PATCH /v1/devices/${id}`, { tags: ['old'] })
  const addKey = async (id: string, more: object = {}) => {
    const made = await ops(`POST /v1/devices/${id}/credentials`, {
      kind: 'jwk',
      jwk: await newJwk(),
      ...more,
    })
    expect(made.status).toBe(201)
    return String(made.body['id'])
  }
  const begin = (call: Call, filter: object, before: number) =>
    call('POST /v1/jobs', { filter, change: { action: 'rotate', before } })
  const work = () => workOnJobs(worker.context())
  const rotate = async (call: Call, filter: object, before: number) => {
    const begun = await begin(call, filter, before)
    expect(begun.status, JSON.stringify(begun.body)).toBe(202)
    await work()
    return (await call(`GET /v1/jobs/${begun.body['id']}`)).body
  }
  const undo = async (call: Call, id: unknown) => {
    const begun = await call(`POST /v1/jobs/${id}/undo`)
    expect(begun.status).toBe(202)
    await work()
    return (await call(`GET /v1/jobs/${begun.body['id']}`)).body
  }
  const keysOf = async (id: string) =>
    (await ops(`GET /v1/devices/${id}/credentials`)).body.items as Record<string, unknown>[]
  const linesOf = async (call: Call, id: unknown) =>
    (await call(`GET /v1/jobs/${id}/results`)).body.items as Record<string, unknown>[]
  const in_ = (seconds: number) => worker.clock.now + seconds
  return { ...homes, addKey, begin, work, rotate, undo, keysOf, linesOf, in_ }
}

test('a job demands other keys of each device by a date, says which ends it moved, and is taken back', async () => {
  const { ops, addKey, rotate, undo, keysOf, linesOf, in_ } = await startKeys()
  const endless = await addKey('lamp-1')
  const ending = await addKey('lamp-1', { expires_at: in_(500) })
  const before = in_(1000)
  const job = await rotate(ops, { tag: 'old' }, before)
  expect(job).toMatchObject({
    state: 'done',
    change: { action: 'rotate', before },
    progress: { total: 2, done: 2, failed: 0 },
  })
  expect(await keysOf('lamp-1')).toMatchObject([
    { id: endless, expires_at: before, rotate_by: before },
    { id: ending, expires_at: in_(500), rotate_by: before },
  ])
  const [first, second] = await linesOf(ops, job['id'])
  const keys = [
    { id: endless, expires_at: null, rotate_by: null, renews_until: null },
    { id: ending, expires_at: in_(500), rotate_by: null, renews_until: null },
  ]
  expect(first).toEqual({
    device: 'lamp-1',
    result: 'changed',
    before: { keys },
    after: {
      keys: [
        { id: endless, expires_at: before, rotate_by: before, renews_until: null },
        { id: ending, expires_at: in_(500), rotate_by: before, renews_until: in_(500) },
      ],
    },
    detail: null,
  })
  // It has no key.
  expect(second).toMatchObject({ device: 'lamp-2', result: 'unchanged', before: null, after: null })
  const events = await ops('GET /v1/events?object=lamp-1&type=device.rotation_demanded')
  expect(events.body.items).toMatchObject([{ data: { rotate_by: before } }])
  expect(
    (await ops('GET /v1/events?object=lamp-2&type=device.rotation_demanded')).body.items,
  ).toEqual([])
  const back = await undo(ops, job['id'])
  expect(back).toMatchObject({ state: 'done', progress: { total: 1, done: 1, failed: 0 } })
  expect(await keysOf('lamp-1')).toMatchObject([
    { id: endless, expires_at: null, rotate_by: null },
    { id: ending, expires_at: in_(500), rotate_by: null },
  ])
  expect(await linesOf(ops, back['id'])).toMatchObject([{ result: 'changed', after: { keys } }])
  const told = await ops('GET /v1/events?object=lamp-1&type=device.rotation_taken_back')
  expect(told.body.items).toHaveLength(1)
  // A demand that was taken back can be made again.
  await undo(ops, back['id'])
  expect(await keysOf('lamp-1')).toMatchObject([{ expires_at: before }, { expires_at: in_(500) }])
})

test('a job begun again with the same date changes nothing', async () => {
  const { ops, addKey, rotate, linesOf, in_ } = await startKeys()
  await addKey('lamp-1')
  const before = in_(1000)
  await rotate(ops, { tag: 'old' }, before)
  const again = await rotate(ops, { tag: 'old' }, before)
  expect(await linesOf(ops, again['id'])).toMatchObject([
    { result: 'unchanged' },
    { result: 'unchanged' },
  ])
})

test('taking it back gives life to no key that is over, replaced, revoked or demanded anew since', async () => {
  const { worker, ops, addKey, rotate, undo, keysOf, linesOf, in_ } = await startKeys()
  const revoked = await addKey('lamp-1')
  await addKey('lamp-2')
  await addKey('spare')
  await ops('PATCH /v1/devices/spare', { tags: ['old'] })
  const before = in_(300)
  const job = await rotate(ops, { tag: 'old' }, before)
  await ops(`DELETE /v1/devices/lamp-1/credentials/${revoked}`)
  await ops('POST /v1/devices/lamp-2/rotate', { rotate_by: in_(500) })
  const demanded = await keysOf('lamp-2')
  worker.clock.now = before
  const back = await undo(ops, job['id'])
  expect(back).toMatchObject({ progress: { total: 3, done: 3, failed: 3 } })
  expect(await linesOf(ops, back['id'])).toMatchObject(
    ['spare', 'lamp-2', 'lamp-1'].map((device) => ({
      device,
      result: 'failed',
      detail: 'its keys were changed since, or are over',
    })),
  )
  expect(await keysOf('spare')).toMatchObject([{ expires_at: before, rotate_by: before }])
  expect(await keysOf('lamp-2')).toEqual(demanded)
})

test('a dry run and the job refuse a date of the past', async () => {
  const { ops, begin, in_ } = await startKeys()
  for (const dry_run of [true, false]) {
    const change = { action: 'rotate', before: in_(0) }
    const refused = await ops('POST /v1/jobs', { filter: { tag: 'old' }, change, dry_run })
    expect([refused.status, refused.body['errors']]).toEqual([
      400,
      [expect.objectContaining({ pointer: '/change/before' })],
    ])
  }
  expect((await begin(ops, { tag: 'old' }, 1.5)).status).toBe(400)
  const tried = await ops('POST /v1/jobs', {
    filter: { tag: 'old' },
    change: { action: 'rotate', before: in_(60) },
    dry_run: true,
  })
  expect(tried.body).toMatchObject({ count: 2, is_complete: true })
})

test('a date that passes before the job comes to a device ends no key at once', async () => {
  const { worker, ops, addKey, begin, work, keysOf, linesOf, in_ } = await startKeys()
  await addKey('lamp-1')
  const begun = await begin(ops, { tag: 'old' }, in_(60))
  worker.clock.now += 60
  await work()
  expect(await keysOf('lamp-1')).toMatchObject([{ expires_at: null, rotate_by: null }])
  expect((await linesOf(ops, begun.body['id']))[0]).toMatchObject({ result: 'failed' })
})

test('within a reach, and over a device of more power, the job does as the demand for one device', async () => {
  const { as, ops, addKey, rotate, keysOf, linesOf, in_ } = await startKeys()
  await ops('POST /v1/grants', { subject: 'hub', role: 'master', object: 'site-1' })
  for (const id of ['lamp-1', 'lamp-2', 'hub']) await addKey(id)
  const ann = await as('ann')
  expect((await ann('POST /v1/devices/hub/rotate', { rotate_by: in_(900) })).status).toBe(403)
  const job = await rotate(ann, { type: 'dimmer' }, in_(900))
  expect(job).toMatchObject({ progress: { total: 2, done: 2, failed: 1 } })
  expect(await linesOf(ann, job['id'])).toMatchObject([
    { device: 'hub', result: 'failed' },
    { device: 'lamp-1', result: 'changed' },
  ])
  expect(await keysOf('hub')).toMatchObject([{ expires_at: null, rotate_by: null }])
  expect(await keysOf('lamp-2')).toMatchObject([{ expires_at: null, rotate_by: null }])
})

test('a demand and its undo whose answers are lost are noted once, with the ends of before', async () => {
  const { worker, ops, addKey, begin, keysOf, linesOf, in_ } = await startKeys()
  await addKey('lamp-1')
  const losing = () => workOnJobs(losingWrites(worker.context()))
  const begun = await begin(ops, { tag: 'old' }, in_(900))
  await losing()
  expect(await linesOf(ops, begun.body['id'])).toMatchObject([
    { before: { keys: [{ expires_at: null }] }, after: { keys: [{ expires_at: in_(900) }] } },
    { result: 'unchanged' },
  ])
  const back = await ops(`POST /v1/jobs/${begun.body['id']}/undo`)
  await losing()
  expect(await keysOf('lamp-1')).toMatchObject([{ expires_at: null, rotate_by: null }])
  expect(await linesOf(ops, back.body['id'])).toMatchObject([
    { before: { keys: [{ expires_at: in_(900) }] }, after: { keys: [{ expires_at: null }] } },
  ])
  const events = await ops('GET /v1/events?object=lamp-1')
  const types = (events.body.items as { type: string }[]).map(({ type }) => type)
  expect(types.filter((type) => type.startsWith('device.rotation')).sort()).toEqual([
    'device.rotation_demanded',
    'device.rotation_taken_back',
  ])
})

test('a job that is cancelled between two devices demands nothing of the second', async () => {
  const { worker, ops, addKey, begin, keysOf, in_ } = await startKeys()
  for (const id of ['lamp-1', 'lamp-2']) await addKey(id)
  const begun = await begin(ops, { tag: 'old' }, in_(900))
  const cx = worker.context()
  let isCancelled = false
  const write: typeof cx.db.write = async (...call) => {
    const answer = await cx.db.write(...call)
    if (!isCancelled && (await keysOf('lamp-1'))[0]?.['rotate_by'] === in_(900)) {
      isCancelled = true
      await ops(`POST /v1/jobs/${begun.body['id']}/cancel`)
    }
    return answer
  }
  await workOnJobs({ ...cx, db: { ...cx.db, write } })
  expect(isCancelled).toBe(true)
  expect(await keysOf('lamp-2')).toMatchObject([{ expires_at: null, rotate_by: null }])
})
