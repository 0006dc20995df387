// The record of events as operators read it: its order, whom and what an event names, what stood
// before and after, and that every filter finds its rows by an index.
import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { eventSchema } from '../../worker/admin/event_list.ts'
import { type EventFilter, listEventsBefore } from '../../worker/admin/event_store.ts'
import { sql } from '../../worker/db/sql.ts'
import { CATALOGUE } from '../../worker/events/event_catalogue.ts'
import {
  appendEvent,
  appendEventOfEach,
  deleteOldEvents,
  forgetPersonInEvents,
} from '../../worker/events.ts'
import { runJobs } from '../../worker/jobs.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { Browser } from '../identity/browser.ts'
import { EPOCH } from '../support/environment.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'

type Item = {
  seq: number
  id: string
  type: string
  rid: string
  objects: { kind: string; id: string }[]
  [member: string]: unknown
}

async function startManaged() {
  const worker = await startWorker()
  await applyBlueprint(
    worker.context(),
    {
      groups: [{ id: 'house', kind: 'site' }],
      roles: [{ name: 'resident', permissions: ['device:read'] }],
      device_types: [{ name: 'lamp' }],
      devices: [{ id: 'lamp-1', type: 'lamp', metadata: { colour: 'red' } }],
    },
    {},
  )
  let token = await newClientToken(worker, 'manage', 'ops')
  const call = (method: string, path: string, body?: unknown, more: HeadersInit = {}) =>
    callApi(worker, token, method, path, body, more)
  const list = async (query = ''): Promise<Item[]> => {
    const answer = await call('GET', `/v1/events?limit=200${query}`)
    expect(answer.status, JSON.stringify(answer.body)).toBe(200)
    return answer.body.items as Item[]
  }
  /** Lets time pass, and gets a new token, since the old one has run out. */
  const wait = async (seconds: number) => {
    worker.clock.now += seconds
    token = await newClientToken(worker, 'manage')
  }
  return { worker, call, list, wait }
}

const typesOf = (items: readonly Item[]) => items.map(({ type }) => type)

/** A process of its own: its clock, and ids that follow it. */
const processOf = (worker: TestWorker, ahead: number) => ({
  ...worker.context(),
  memory: new Map(),
  now: () => worker.clock.now + ahead,
})

test('events come in the order of their commits, whatever the clocks of the processes say, page by page', async () => {
  const { worker, call } = await startManaged()
  const fast = processOf(worker, 5)
  const slow = processOf(worker, -5)
  for (const alg of ['1', '2', '3', '4']) {
    const cx = Number(alg) % 2 === 1 ? fast : slow
    await cx.db.write(appendEvent(cx, { type: 'key.rotated', data: { alg } }))
  }
  const seen: Item[] = []
  for (let cursor: unknown = ''; cursor !== null; ) {
    const query = cursor === '' ? '' : `&cursor=${cursor}`
    const { body } = await call('GET', `/v1/events?type=key.rotated&limit=1${query}`)
    seen.push(...(body.items as Item[]))
    cursor = body['next_cursor']
  }
  expect(seen.map(({ data }) => data)).toEqual(['4', '3', '2', '1'].map((alg) => ({ alg })))
  const numbers = seen.map(({ seq }) => seq)
  expect(numbers).toEqual([...numbers].sort((a, b) => b - a))
  // The ids alone would have told another order.
  expect(seen.map(({ id }) => id)).not.toEqual(
    seen
      .map(({ id }) => id)
      .sort()
      .reverse(),
  )
})

test('a batch that is sent twice is one event', async () => {
  const { worker, list } = await startManaged()
  const cx = worker.context()
  const data = { id: 'tok_1', expires_at: 7 }
  const event = appendEvent(cx, { type: 'device_token.minted', subject_id: 'lamp-1', data })
  await cx.db.write(event)
  await cx.db.write(event)
  expect(await list('&type=device_token.minted')).toHaveLength(1)
  const objects = sql`select kind, id from event_object where id in ('tok_1')`
  expect(await cx.db.read(objects)).toEqual([{ kind: 'minted_token', id: 'tok_1' }])
})

test('the record of a place or a device is found: each event that names it, as subject or not', async () => {
  const { call, list } = await startManaged()
  await call('POST', '/v1/groups', { id: 'room', parent_id: 'house' })
  await call('POST', '/v1/groups/house/members', { id: 'lamp-1' })
  await call('POST', '/v1/users', { id: 'ann', email: ANN })
  await call('POST', '/v1/grants', { subject: 'ann', role: 'resident', object: 'house' })
  await call('POST', '/v1/devices', { id: 'lamp-2', type: 'lamp', groups: ['house'] })
  await call('PATCH', '/v1/devices/lamp-2', { groups: [] })
  await call('DELETE', '/v1/devices/lamp-2')
  expect(typesOf(await list('&object=house'))).toEqual([
    'device.updated',
    'device.created',
    'grant.created',
    'group.member_added',
    'group.created',
    'group.created',
  ])
  expect(typesOf(await list('&object=lamp-2'))).toEqual([
    'device.deleted',
    'device.updated',
    'device.created',
  ])
  expect(typesOf(await list('&object=resident&object_kind=role'))).toEqual([
    'grant.created',
    'role.created',
  ])
  expect(await list('&object=resident')).toEqual([])
  const [granted] = await list('&type=grant.created&object=house')
  expect(granted?.objects).toEqual([
    { kind: 'principal', id: 'ann' },
    { kind: 'grant', id: expect.stringMatching(/^grt_/) },
    { kind: 'role', id: 'resident' },
    { kind: 'principal', id: 'house' },
  ])
})

test('an event of the API names request, client and actor', async () => {
  const { call, list } = await startManaged()
  const made = await call('POST', '/v1/groups', { id: 'room' })
  const [event] = await list('&type=group.created&subject_id=room')
  expect(event).toMatchObject({
    rid: made.headers.get('x-request-id'),
    client_id: 'ops',
    actor_kind: 'client',
    actor_id: 'ops',
    session_id: null,
    address: '192.0.2.1',
  })
  expect(await list(`&rid=${event?.rid}`)).toEqual([event])
})

test('an event of a person names the browser session, by the id that the API gives it', async () => {
  const { worker, call, list } = await startManaged()
  await createPerson(worker.context(), { id: 'ann', email: ANN, password: PASSWORD })
  const browser = new Browser(worker)
  await browser.signIn(ANN, PASSWORD)
  const session = (await call('GET', '/v1/users/ann/sessions')).body.items[0]?.['id']
  expect(session).toMatch(/^.{43}$/)
  await browser.submit(await browser.get('/logout'), { action: 'logout' })
  const events = await list('&actor_id=ann')
  expect(events.map(({ type, session_id }) => [type, session_id])).toEqual([
    ['session.ended', session],
    ['session.started', session],
  ])
  expect(JSON.stringify(events)).not.toContain([...browser.cookies.values()][0])
})

const CHANGES: readonly [string, string, object, object, object][] = [
  ['group.updated', 'groups/house', { name: 'Home' }, { name: 'house' }, { name: 'Home' }],
  [
    'role.updated',
    'roles/resident',
    { permissions: ['device:write'] },
    { permissions: ['device:read'] },
    { permissions: ['device:write'] },
  ],
  [
    'device.updated',
    'devices/lamp-1',
    { metadata: { colour: null, size: 'big' }, groups: ['house'], name: 'Lamp' },
    { metadata: { colour: 'red' }, groups: [], name: null },
    { metadata: { size: 'big' }, groups: ['house'], name: 'Lamp' },
  ],
  [
    'device_type.updated',
    'device-types/lamp',
    { description: 'gives light' },
    { description: '' },
    { description: 'gives light' },
  ],
  [
    'user.updated',
    'users/ann',
    { email: 'ann@example.org', metadata: { a: 1 }, profile: { given_name: 'Ann' } },
    { email: ANN, metadata: {}, profile: {} },
    { email: 'ann@example.org', metadata: { a: 1 }, profile: { given_name: 'Ann' } },
  ],
  [
    'client.updated',
    'clients/app',
    { client_name: 'Shop', scope: 'openid email' },
    { client_name: null, scope: 'openid' },
    { client_name: 'Shop', scope: 'openid email' },
  ],
  [
    'settings.updated',
    'settings',
    { access_token_ttl: 120 },
    { access_token_ttl: 600 },
    { access_token_ttl: 120 },
  ],
]

test.each(CHANGES)(
  '%s says what stood before and after',
  async (type, path, patch, before, after) => {
    const { call, list } = await startManaged()
    await call('POST', '/v1/users', { id: 'ann', email: ANN, password: PASSWORD })
    await call('POST', '/v1/clients', {
      client_id: 'app',
      scope: 'openid',
      redirect_uris: ['https://app.example/cb'],
    })
    const changed = await call('PATCH', `/v1/${path}`, patch)
    expect(changed.status, JSON.stringify(changed.body)).toBe(200)
    const [event] = await list(`&type=${type}`)
    expect(event).toMatchObject({ before, after })
    expect(Object.keys(event?.['after'] as object).sort()).toEqual(Object.keys(after).sort())
  },
)

test('grant.updated says what stood before and after', async () => {
  const { call, list } = await startManaged()
  const made = await call('POST', '/v1/grants', { subject: 'house', role: 'resident', object: '*' })
  await call('PATCH', `/v1/grants/${made.body['id']}`, { expires_at: EPOCH + 60 })
  const [event] = await list('&type=grant.updated')
  expect(event).toMatchObject({
    before: { expires_at: null },
    after: { expires_at: EPOCH + 60 },
    objects: [
      { kind: 'principal', id: 'house' },
      { kind: 'grant', id: made.body['id'] },
    ],
  })
})

test('every event has the form that the description gives its type, and every type has one', async () => {
  const { worker, call, list } = await startManaged()
  await call('POST', '/v1/users', { id: 'ann', email: ANN, password: PASSWORD })
  await call('PATCH', '/v1/users/ann', { status: 'disabled' })
  await call('PATCH', '/v1/devices/lamp-1', { status: 'suspended', name: 'x' })
  await call('DELETE', '/v1/users/ann')
  const events = await list()
  expect(new Set(typesOf(events)).size).toBeGreaterThan(8)
  for (const event of events) expect(eventSchema.parse(event), event.type).toEqual(event)
  const document = (await (await worker.request('/openapi.json')).json()) as {
    components: {
      schemas: Record<string, { oneOf?: object[]; discriminator?: { mapping: object } }>
    }
  }
  const { oneOf = [], discriminator } = document.components.schemas['Event'] ?? {}
  expect(oneOf).toHaveLength(Object.keys(CATALOGUE).length)
  expect(Object.keys(discriminator?.mapping ?? {})).toEqual(Object.keys(CATALOGUE))
  const { EventGrantCreated } = document.components.schemas
  expect(JSON.stringify(EventGrantCreated)).toContain('"grant":{"type":"string"')
})

test('each filter chooses, and all hold together', async () => {
  const { worker, call, list, wait } = await startManaged()
  const { now } = worker.clock
  await call('POST', '/v1/groups', { id: 'early' })
  await wait(2000)
  await call('POST', '/v1/groups', { id: 'late' })
  const browser = new Browser(worker)
  await browser.signIn('nobody@example.com', 'wrong')
  const subjects = async (query: string) =>
    (await list(`&type=group.created${query}`))
      .filter(({ client_id }) => client_id !== null)
      .map(({ subject_id }) => subject_id)
  expect(await subjects('')).toEqual(['late', 'early'])
  expect(await subjects('&client_id=ops')).toEqual(['early'])
  expect(await subjects(`&from=${now + 2000}`)).toEqual(['late'])
  expect(await subjects(`&from=${now + 2001}`)).toEqual([])
  expect(await subjects(`&to=${now + 1999}`)).toEqual(['early'])
  expect(await subjects(`&from=${now}&to=${now}`)).toEqual(['early'])
  expect(await subjects('&actor_id=ops&outcome=success&subject_id=early')).toEqual(['early'])
  expect(await subjects('&actor_id=ann')).toEqual([])
  expect(await subjects('&outcome=failure')).toEqual([])
  expect(typesOf(await list('&outcome=failure'))).toEqual(['login.failed'])
  expect(typesOf(await list('&outcome=success'))).not.toContain('login.failed')
  expect((await call('GET', '/v1/events?object_kind=role')).status).toBe(400)
  expect((await call('GET', '/v1/events?from=yesterday')).status).toBe(400)
})

const FILTERS: readonly EventFilter[] = [
  {},
  { type: 'user.created' },
  { actor_id: 'ann' },
  { subject_id: 'ann' },
  { client_id: 'app' },
  { rid: 'r' },
  { outcome: 'failure' },
  { outcome: 'success' },
  { object: 'house' },
  { object: 'resident', object_kind: 'role' },
  { from: 1 },
  { to: 1 },
  { from: 1, to: 2 },
  { type: 'user.created', actor_id: 'ann', from: 1, to: 2 },
  { object: 'house', type: 'group.updated', outcome: 'success', from: 1 },
]

test.each(FILTERS)('the filter %j walks through no table and sorts nothing', async (filter) => {
  const cx = (await startWorker()).context()
  for (const before of [null, 7]) {
    const plan = await cx.db.read(
      sql<{ detail: string }>`explain query plan ${listEventsBefore(filter, before, 50)}`,
    )
    const steps = plan.map(({ detail }) => detail)
    expect(steps.length).toBeGreaterThan(0)
    expect(steps.filter((step) => /^SCAN|TEMP B-TREE/.test(step))).toEqual([])
  }
})

test('of two indexes the filter by type, actor or object takes its own', async () => {
  const cx = (await startWorker()).context()
  const stepsOf = async (filter: EventFilter) => {
    const statement = listEventsBefore(filter, null, 50)
    const rows = await cx.db.read(sql<{ detail: string }>`explain query plan ${statement}`)
    return rows.map(({ detail }) => detail).join('\n')
  }
  expect(await stepsOf({ type: 'a.b' })).toContain('INDEX event_type (type=? AND rowid<?)')
  expect(await stepsOf({ actor_id: 'ann' })).toContain('INDEX event_actor (actor_id=? AND rowid<?)')
  expect(await stepsOf({ object: 'ann' })).toContain('(kind=? AND id=? AND seq<?)')
  expect(await stepsOf({ outcome: 'failure' })).toContain('INDEX event_failure')
})

test('events are kept as long as the settings say, failures shorter, with what they name', async () => {
  const { worker, call } = await startManaged()
  const cx = worker.context()
  await new Browser(worker).signIn('nobody@example.com', 'wrong')
  await call('POST', '/v1/groups', { id: 'early' })
  const typesLeft = async () => {
    worker.memory.clear()
    await runJobs(worker.context())
    const rows = await cx.db.read(sql<{ type: string }>`select type from event order by seq`)
    return rows.map(({ type }) => type)
  }
  const ttl = (days: number) => days * 86_400
  const settings = { event_ttl: ttl(10), failure_event_ttl: ttl(2) }
  expect((await call('PATCH', '/v1/settings', settings)).status).toBe(200)
  worker.clock.now += ttl(2)
  expect(await typesLeft()).toContain('login.failed')
  worker.clock.now += 400
  const later = await typesLeft()
  expect(later).not.toContain('login.failed')
  expect(later).toContain('group.created')
  worker.clock.now += ttl(8)
  await cx.db.write(appendEvent(cx, { type: 'key.rotated', data: { alg: 'ES256' } }))
  expect(await typesLeft()).toEqual(['key.rotated'])
  expect(await cx.db.read(sql`select * from event_object`)).toEqual([])
})

test('to delete old events walks through no table', async () => {
  const cx = (await startWorker()).context()
  const statements = [
    ...deleteOldEvents(cx, { event_ttl: 1, failure_event_ttl: 1 }),
    ...forgetPersonInEvents('ann'),
  ]
  for (const statement of statements) {
    const plan = await cx.db.read(sql<{ detail: string }>`explain query plan ${statement}`)
    const steps = plan.map(({ detail }) => detail)
    expect(
      steps.filter((step) => /^SCAN|TEMP B-TREE/.test(step)),
      statement.sql,
    ).toEqual([])
  }
})

test('of a person who is deleted, events keep neither addresses nor what stood before and after', async () => {
  const { worker, call, list } = await startManaged()
  await createPerson(worker.context(), { id: 'ann', email: ANN, password: PASSWORD })
  const home = '203.0.113.7'
  await new Browser(worker, home).signIn(ANN, PASSWORD)
  await new Browser(worker, home).signIn(ANN, 'not that one')
  await new Browser(worker, home).signIn('nobody@example.com', 'wrong')
  await call('PATCH', '/v1/users/ann', { email: 'ann.private@example.com' })
  await call('PATCH', '/v1/groups/house', { name: 'Home' })
  expect(JSON.stringify(await list('&object=ann'))).toContain(home)
  expect((await call('DELETE', '/v1/users/ann')).status).toBe(204)
  const record = await list('&object=ann')
  expect(typesOf(record)).toEqual([
    'user.deleted',
    'user.updated',
    'login.failed',
    'session.started',
    'user.created',
  ])
  expect(JSON.stringify(record)).not.toContain(home)
  expect(JSON.stringify(record)).not.toContain('ann.private')
  // The operator acted from an address too, which stays, as do those of nobody in particular.
  expect(record[0]).toMatchObject({ actor_id: 'ops', address: '192.0.2.1' })
  const [unknown] = await list('&outcome=failure')
  expect(unknown).toMatchObject({ subject_id: null, address: home })
  expect((await list('&type=group.updated'))[0]).toMatchObject({ after: { name: 'Home' } })
})

test('events of many at once name all that one of each would', async () => {
  const { worker, list } = await startManaged()
  const cx = worker.context()
  await cx.db.write([
    appendEventOfEach(
      cx,
      { type: 'grant.deleted', subject_id: null, data: { grant: '', role: '', object: '' } },
      sql`select column1 as key, 'lamp-1' as subject_id, json_object(
          'grant', 'grt-1', 'role', 'resident', 'object', column2) as data
        from (values ('k-1', 'house'), ('k-2', '*'))`,
    ),
    appendEvent(cx, {
      type: 'grant.deleted',
      subject_id: 'lamp-1',
      data: { grant: 'grt-1', role: 'resident', object: 'house' },
    }),
  ])
  const found = (await list('&type=grant.deleted')).sort((a, b) => a.seq - b.seq)
  const named = found.map(({ objects }) => objects.map(({ kind, id }) => `${kind} ${id}`).sort())
  expect(named[0]).toEqual(named[2])
  expect(named[0]).toContain('principal house')
  expect(named[1]).toEqual(named[0]?.filter((one) => one !== 'principal house'))
  expect(await list('&object=house&type=grant.deleted')).toHaveLength(2)
})
