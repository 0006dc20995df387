// Changes of many devices: jobs, their results, and how they are taken back.
import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { workOnJobs } from '../../worker/devices/bulk/job_work.ts'
import { type Call, startHomes } from '../support/places.ts'

async function startFleet() {
  const homes = await startHomes()
  const { worker, ops } = homes
  for (const id of ['lamp-1', 'lamp-2']) await ops(`PATCH /v1/devices/${id}`, { tags: ['old'] })
  const work = () => workOnJobs(worker.context())
  /** Begins a job, works it to its end and answers what became of it. */
  const runJob = async (call: Call, filter: object, change: object) => {
    const begun = await call('POST /v1/jobs', { filter, change })
    expect(begun.status).toBe(202)
    await work()
    return (await call(`GET /v1/jobs/${begun.body['id']}`)).body
  }
  const undo = async (call: Call, id: unknown) => {
    const begun = await call(`POST /v1/jobs/${id}/undo`)
    expect(begun.status).toBe(202)
    await work()
    return (await call(`GET /v1/jobs/${begun.body['id']}`)).body
  }
  const look = async (id: string) => (await ops(`GET /v1/devices/${id}`)).body
  return { ...homes, work, runJob, undo, look }
}

const lines = (answer: { body: { items?: unknown } }) => answer.body.items as object[]

test('a dry run counts and shows the devices of a filter, and changes nothing', async () => {
  const { ops, look, work } = await startFleet()
  const tried = await ops('POST /v1/jobs', {
    filter: { tag: 'old' },
    change: { action: 'suspend' },
    dry_run: true,
  })
  expect(tried.status).toBe(200)
  expect(tried.body).toMatchObject({ count: 2, is_complete: true })
  expect((tried.body['first'] as { id: string }[]).map(({ id }) => id)).toEqual([
    'lamp-1',
    'lamp-2',
  ])
  await work()
  expect((await look('lamp-1'))['status']).toBe('active')
  expect((await ops('GET /v1/jobs')).body.items).toEqual([])
})

test('a job suspends each device of its filter, says what it changed, and is taken back', async () => {
  const { ops, runJob, undo, look } = await startFleet()
  await ops('PATCH /v1/devices/lamp-2', { status: 'suspended' })
  const job = await runJob(ops, { tag: 'old' }, { action: 'suspend' })
  expect(job).toMatchObject({ state: 'done', progress: { total: 2, done: 2, failed: 0 } })
  expect((await look('lamp-1'))['status']).toBe('suspended')
  expect((await look('spare'))['status']).toBe('active')
  const first = await ops(`GET /v1/jobs/${job['id']}/results?limit=1`)
  const rest = await ops(`GET /v1/jobs/${job['id']}/results?cursor=${first.body['next_cursor']}`)
  expect([...lines(first), ...lines(rest)]).toEqual([
    {
      device: 'lamp-1',
      result: 'changed',
      before: { status: 'active' },
      after: { status: 'suspended' },
      detail: null,
    },
    { device: 'lamp-2', result: 'unchanged', before: null, after: null, detail: null },
  ])
  const forged = await ops(`GET /v1/jobs/${job['id']}/results?cursor=1.abc`)
  expect(forged.status).toBe(400)
  const back = await undo(ops, job['id'])
  expect(back).toMatchObject({ state: 'done', undo_of: job['id'], progress: { total: 1, done: 1 } })
  expect((await look('lamp-1'))['status']).toBe('active')
  expect((await look('lamp-2'))['status']).toBe('suspended')
})

test('a job tags, untags and moves, and each is taken back', async () => {
  const { ops, runJob, undo, look } = await startFleet()
  const cases = [
    [{ action: 'tag', tags: ['recall', 'old'] }, { tags: ['old', 'recall'] }],
    [{ action: 'untag', tags: ['old'] }, { tags: [] }],
    [{ action: 'move', from: 'room-1', to: 'room-2' }, { groups: ['room-2'] }],
  ] as const
  for (const [change, after] of cases) {
    const before = await look('lamp-1')
    const job = await runJob(ops, { group: 'room-1' }, change)
    expect(job, change.action).toMatchObject({ state: 'done', progress: { total: 1, failed: 0 } })
    expect(await look('lamp-1'), change.action).toMatchObject(after)
    await undo(ops, job['id'])
    const { updated_at: _, ...same } = before
    expect(await look('lamp-1'), change.action).toMatchObject(same)
  }
})

test('a job of more devices than are selected at once changes them all, and tells of each', async () => {
  const { worker, ops, runJob } = await startFleet()
  const numbers = sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < 1001)`
  await worker.context().db.write([
    sql`insert into principal (id, kind, rid, created_at)
      ${numbers} select 'bulb-' || i, 'device', 'test', 0 from n`,
    sql`insert into device (id, type, status, metadata, created_at, updated_at, version)
      ${numbers} select 'bulb-' || i, 'dimmer', 'unclaimed', '{}', 0, 0, 1 from n`,
  ])
  const job = await runJob(ops, { status: 'unclaimed' }, { action: 'suspend' })
  expect(job).toMatchObject({ state: 'done', progress: { total: 1001, done: 1001, failed: 1001 } })
  const one = await ops(`GET /v1/jobs/${job['id']}/results?device=bulb-1001`)
  expect(one.body.items).toMatchObject([{ device: 'bulb-1001', result: 'failed' }])
})

test('a device that was changed since is not taken back', async () => {
  const { ops, runJob, undo, look } = await startFleet()
  const job = await runJob(ops, { tag: 'old' }, { action: 'suspend' })
  await ops('PATCH /v1/devices/lamp-1', { status: 'active' })
  await ops('PATCH /v1/devices/lamp-1', { status: 'suspended' })
  const back = await undo(ops, job['id'])
  expect(back).toMatchObject({ state: 'done', progress: { total: 2, done: 2, failed: 1 } })
  expect((await look('lamp-1'))['status']).toBe('suspended')
  expect((await look('lamp-2'))['status']).toBe('active')
  const failed = await ops(`GET /v1/jobs/${back['id']}/results?result=failed`)
  expect(lines(failed)).toMatchObject([{ device: 'lamp-1', detail: 'it was changed since' }])
})

test('a device that joined another group since it was moved is not taken back', async () => {
  const { ops, runJob, undo, look } = await startFleet()
  const change = { action: 'move', from: 'room-1', to: 'room-2' }
  const job = await runJob(ops, { group: 'room-1' }, change)
  expect((await ops('POST /v1/groups/region/members', { id: 'lamp-1' })).status).toBe(201)
  const back = await undo(ops, job['id'])
  expect(back).toMatchObject({ state: 'done', progress: { total: 1, failed: 1 } })
  expect((await look('lamp-1'))['groups']).toEqual(['region', 'room-2'])
})

test('a job changes what is within the reach of its actor, and is seen by nobody else there', async () => {
  const { as, ops, runJob, look } = await startFleet()
  const [ann, eve] = [await as('ann'), await as('eve')]
  const job = await runJob(ann, { tag: 'old' }, { action: 'suspend' })
  expect(job).toMatchObject({ state: 'done', progress: { total: 1, done: 1, failed: 0 } })
  expect((await look('lamp-1'))['status']).toBe('suspended')
  expect((await look('lamp-2'))['status']).toBe('active')
  for (const call of ['GET /v1/jobs/ID', 'GET /v1/jobs/ID/results', 'POST /v1/jobs/ID/undo']) {
    expect((await eve(call.replace('ID', String(job['id'])))).status, call).toBe(404)
  }
  expect((await eve('GET /v1/jobs')).body.items).toEqual([])
  expect(((await ops('GET /v1/jobs')).body.items as object[]).length).toBe(1)
})

test('a job stops when its actor may change devices no more', async () => {
  const { as, ops, work, look } = await startFleet()
  const ann = await as('ann')
  const begun = await ann('POST /v1/jobs', {
    filter: { tag: 'old' },
    change: { action: 'suspend' },
  })
  const grants = (await ops('GET /v1/grants?subject=ann')).body.items as { id: string }[]
  for (const { id } of grants) expect((await ops(`DELETE /v1/grants/${id}`)).status).toBe(204)
  await work()
  const job = (await ops(`GET /v1/jobs/${begun.body['id']}`)).body
  expect(job).toMatchObject({ state: 'stopped', reason: 'its actor may change devices no more' })
  expect((await look('lamp-1'))['status']).toBe('active')
})

test('a job of a person who was disabled stops, and so does one through a disabled client', async () => {
  const { as, ops, work, look } = await startFleet()
  const wish = { filter: { tag: 'old' }, change: { action: 'suspend' } }
  const boss = await as('boss')
  const begun = await boss('POST /v1/jobs', wish)
  expect((await ops('PATCH /v1/users/boss', { status: 'disabled' })).status).toBe(200)
  await work()
  expect((await ops(`GET /v1/jobs/${begun.body['id']}`)).body['state']).toBe('stopped')
  const eve = await as('eve')
  const next = await eve('POST /v1/jobs', wish)
  expect((await ops('PATCH /v1/clients/app', { status: 'disabled' })).status).toBe(200)
  await work()
  expect((await ops(`GET /v1/jobs/${next.body['id']}`)).body['state']).toBe('stopped')
  expect((await look('lamp-1'))['status']).toBe('active')
  expect((await look('lamp-2'))['status']).toBe('active')
})

test('a job ends with the sign-in by whose token it was begun', async () => {
  const { worker, as, ops, work } = await startFleet()
  const ann = await as('ann')
  const begin = async () =>
    (await ann('POST /v1/jobs', { filter: { group: 'room-1' }, change: { action: 'suspend' } }))
      .body
  const revoked = await begin()
  await worker
    .context()
    .db.write([
      sql`update authorization set revoked_at = ${worker.clock.now} where user_id = 'ann'`,
    ])
  await work()
  expect((await ops(`GET /v1/jobs/${revoked['id']}`)).body).toMatchObject({
    state: 'stopped',
    progress: { total: 0 },
  })
})

test('a job of a client ends when the client was disabled and enabled since', async () => {
  const { worker, ops, work } = await startFleet()
  const begun = await ops('POST /v1/jobs', {
    filter: { tag: 'old' },
    change: { action: 'suspend' },
  })
  await worker.context().db.write([sql`update client set epoch = epoch + 1`])
  await work()
  const rows = await worker
    .context()
    .db.read(sql`select state from device_job where id = ${String(begun.body['id'])}`)
  expect(rows).toEqual([{ state: 'stopped' }])
})

test('a job that cannot be worked on leaves those behind it alone', async () => {
  const { worker, ops, work } = await startFleet()
  const change = { action: 'tag', tags: ['new'] }
  const bad = await ops('POST /v1/jobs', { filter: { tag: 'old' }, change })
  const good = await ops('POST /v1/jobs', { filter: { tag: 'old' }, change })
  await worker
    .context()
    .db.write([sql`update device_job set actor = '{' where id = ${String(bad.body['id'])}`])
  await expect(work()).rejects.toThrow(SyntaxError)
  expect((await ops(`GET /v1/jobs/${bad.body['id']}`)).body['state']).toBe('selecting')
  expect((await ops(`GET /v1/jobs/${good.body['id']}`)).body['state']).toBe('done')
})

test('a device over which the actor has too little power fails, the others are changed', async () => {
  const { as, ops, runJob, look } = await startFleet()
  await ops('POST /v1/grants', { subject: 'lamp-1', role: 'master', object: 'site-1' })
  const ann = await as('ann')
  const job = await runJob(ann, { group: 'site-1', below: 'true' }, { action: 'tag', tags: ['x'] })
  expect(job).toMatchObject({ state: 'done', progress: { total: 2, done: 2, failed: 1 } })
  expect((await look('lamp-1'))['tags']).toEqual(['old'])
  expect((await look('hub'))['tags']).toEqual(['x'])
})

test('a job that is cancelled changes nothing more, and tells so once', async () => {
  const { ops, work, look } = await startFleet()
  const begun = await ops('POST /v1/jobs', {
    filter: { tag: 'old' },
    change: { action: 'suspend' },
  })
  const path = `/v1/jobs/${begun.body['id']}`
  expect((await ops(`POST ${path}/undo`)).status).toBe(409)
  expect((await ops(`POST ${path}/cancel`)).body['state']).toBe('cancelled')
  expect((await ops(`POST ${path}/cancel`)).status).toBe(409)
  await work()
  expect((await look('lamp-1'))['status']).toBe('active')
})

test('a job that is cancelled between two of its devices leaves the second as it is', async () => {
  const { ops, worker, look } = await startFleet()
  const wish = { filter: { tag: 'old' }, change: { action: 'suspend' } }
  const begun = await ops('POST /v1/jobs', wish)
  const cx = worker.context()
  let isCancelled = false
  const write: typeof cx.db.write = async (...call) => {
    const answer = await cx.db.write(...call)
    if (!isCancelled && (await look('lamp-1'))['status'] === 'suspended') {
      isCancelled = true
      await ops(`POST /v1/jobs/${begun.body['id']}/cancel`)
    }
    return answer
  }
  await workOnJobs({ ...cx, db: { ...cx.db, write } })
  expect((await look('lamp-2'))['status']).toBe('active')
  const job = (await ops(`GET /v1/jobs/${begun.body['id']}`)).body
  expect(job).toMatchObject({ state: 'cancelled', progress: { total: 2, done: 1 } })
})

test('two runs at once change each device once', async () => {
  const { ops, worker, work } = await startFleet()
  const change = { action: 'tag', tags: ['x'] }
  const begun = await ops('POST /v1/jobs', { filter: { type: 'dimmer' }, change })
  await Promise.all([work(), work(), workOnJobs(worker.context())])
  await work()
  const job = (await ops(`GET /v1/jobs/${begun.body['id']}`)).body
  expect(job).toMatchObject({ state: 'done', progress: { total: 4, done: 4, failed: 0 } })
  const results = await ops(`GET /v1/jobs/${begun.body['id']}/results?result=changed`)
  expect(lines(results).length).toBe(4)
  const events = await ops(`GET /v1/events?object=${begun.body['id']}&object_kind=device_job`)
  const types = (events.body.items as { type: string }[]).map(({ type }) => type)
  expect(types.sort()).toEqual(['device_job.ended', 'device_job.started'])
  const own = (await ops('GET /v1/events?object=lamp-1&type=device.updated')).body.items as object[]
  expect(own.length).toBe(2)
})

test('each device has the event of its own change, by the actor of the job', async () => {
  const { as, ops, runJob } = await startFleet()
  await runJob(await as('boss'), { tag: 'old' }, { action: 'suspend' })
  const found = await ops('GET /v1/events?object=lamp-1&type=device.suspended')
  expect(found.body.items).toMatchObject([{ actor_id: 'boss', subject_id: 'lamp-1' }])
})

test('a filter that is empty or not known is refused, since it would select more', async () => {
  const { ops } = await startFleet()
  const change = { action: 'suspend' }
  for (const filter of [
    {},
    { staus: 'active' },
    { limit: 5 },
    { status: 'gone' },
    { below: 'true' },
  ]) {
    const answer = await ops('POST /v1/jobs', { filter, change })
    expect(answer.status, JSON.stringify(filter)).toBe(400)
  }
  for (const wrong of [{ action: 'retire' }, { action: 'tag' }, { action: 'move', to: 'room-1' }]) {
    const answer = await ops('POST /v1/jobs', { filter: { tag: 'old' }, change: wrong })
    expect(answer.status, wrong.action).toBe(400)
  }
})

test('a page of results within a reach examines a bounded number of lines, and its cursor goes on', async () => {
  const { worker, as, runJob } = await startFleet()
  const ann = await as('ann')
  const job = await runJob(ann, { tag: 'old' }, { action: 'suspend' })
  // Devices that the actor reaches no more.
  await worker.context().db.write([
    sql`delete from device_job_line`,
    sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
      insert into device_job_line (job_id, device_id, result)
      select ${String(job['id'])}, 'gone-' || i, 'failed' from n`,
    sql`insert into device_job_line (job_id, device_id, result)
      values (${String(job['id'])}, 'lamp-1', 'failed')`,
  ])
  for (const query of ['limit=5', 'limit=5&result=failed']) {
    const first = await ann(`GET /v1/jobs/${job['id']}/results?${query}`)
    expect(first.body.items, query).toEqual([])
    const cursor = first.body['next_cursor']
    const rest = await ann(`GET /v1/jobs/${job['id']}/results?${query}&cursor=${cursor}`)
    expect(rest.body, query).toMatchObject({ items: [{ device: 'lamp-1' }], next_cursor: null })
  }
  const one = await ann(`GET /v1/jobs/${job['id']}/results?device=lamp-1`)
  expect(one.body).toMatchObject({ items: [{ device: 'lamp-1' }], next_cursor: null })
})
