// Transfers of places: by whom a place is offered, what ends when it is accepted, and what goes on.
import { describe, expect, test } from 'vitest'
import { mayReceive, parseAcl } from '../../policy/acl.ts'
import { listRolesThatEnd, listSharedDevices } from '../../worker/access/places/place_store.ts'
import { PLACE_ENDS } from '../../worker/admin/place_ends.ts'
import { sql } from '../../worker/db/sql.ts'
import { numbersOf } from '../../worker/identity/transfers/transfers.ts'
import type { TestWorker } from '../context.ts'
import { claimsOf, refresh, signIn } from '../oauth/token_fixtures.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { type Call, HOMES, startHomes } from '../support/places.ts'
import { Browser, type Page } from './browser.ts'
import { linkIn, mailsOf } from './mails.ts'

const BEA = 'bea@example.com'

/** The homes, where no device is in two of them; a firm has a role on the first. */
const SEPARATE = {
  ...HOMES,
  groups: [...HOMES.groups, { id: 'firm', kind: 'team', name: 'Firm' }],
  users: [
    ...HOMES.users,
    { id: 'ina', email: 'ina@example.com', email_verified: true, groups: ['firm'] },
  ],
  devices: HOMES.devices.map((one) => (one.id === 'hub' ? { ...one, groups: ['site-1'] } : one)),
  grants: [
    ...HOMES.grants,
    { subject: 'firm', role: 'resident', object: 'room-1' },
    { subject: 'hub', role: 'resident', object: 'site-1' },
  ],
}

async function start(document: Record<string, unknown> = SEPARATE) {
  const homes = await startHomes(document, {})
  await homes.ops('PATCH /v1/settings', { sign_up: 'by_invitation' })
  homes.worker.memory.clear()
  return { ...homes, browser: new Browser(homes.worker) }
}

/** Offers the place and answers the path of the mailed link. */
async function offer(worker: TestWorker, call: Call, body: object = {}, place = 'site-1') {
  const made = await call(`POST /v1/groups/${place}/transfer`, { to: BEA, ...body })
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'transfer')
  if (mail === undefined) throw new Error('no mail')
  const { pathname, search } = linkIn(mail)
  return { made, mail, path: pathname + search }
}

const create = async (browser: Browser, path: string, fields = {}): Promise<Page> => {
  const page = await browser.get(path)
  if (page.status !== 200) return page
  return browser.submit(page, { name: 'Bea', password: PASSWORD, action: 'create', ...fields })
}

const grantsOn = (worker: TestWorker, ...objects: string[]) =>
  worker.context().db.read(sql<{ subject_id: string; role: string }>`
    select subject_id, role from "grant"
    where object_id in (select value from json_each(${JSON.stringify(objects)}))
    order by subject_id, role`)

const stateOf = async (call: Call) => (await call('GET /v1/groups/site-1/transfer')).body

/** Whether a token of the person for the door lets a state of the home through; null: there is none. */
async function hears(
  worker: TestWorker,
  refresh_token: string,
  topic: string,
): Promise<boolean | null> {
  const answer = await refresh(worker, refresh_token)
  if (answer.status !== 200) return null
  const read = parseAcl(claimsOf(String(answer.body['access_token'])).acl)
  if ('fault' in read) throw new Error(read.fault)
  return mayReceive(read.acl, topic)
}

describe('the offer of a place', () => {
  test('says in numbers what would end, and offers nothing by a dry run', async () => {
    const { worker, as } = await start()
    const ann = await as('ann')
    const dry = await ann('POST /v1/groups/site-1/transfer', { to: BEA, dry_run: true })
    expect(dry.status, JSON.stringify(dry.body)).toBe(200)
    expect(dry.body).toMatchObject({
      state: 'dry_run',
      id: null,
      // ann and bob on the place, the firm on a room; ann, bob and tim are members.
      ends: { people: 4, grants: 3, memberships: 3, invitations: 0, authorizations: 0 },
    })
    expect((await ann('GET /v1/groups/site-1/transfer')).status).toBe(404)
    expect((await mailsOf(worker)).filter(({ kind }) => kind === 'transfer')).toEqual([])
  })

  test('counts nobody whose role ran out before', async () => {
    const { worker, as, ops } = await start()
    await ops('POST /v1/users', { id: 'gil', email: 'gil@example.com' })
    const expires_at = worker.clock.now + 60
    for (const subject of ['ina', 'gil']) {
      const made = await ops('POST /v1/grants', {
        subject,
        role: 'guest',
        object: 'site-1',
        expires_at,
      })
      expect(made.status).toBe(201)
    }
    const ends = async () => {
      const dry = { to: BEA, dry_run: true }
      return (await (await as('ann'))('POST /v1/groups/site-1/transfer', dry)).body['ends']
    }
    expect(await ends()).toMatchObject({ people: 5, grants: 5 })
    worker.clock.now += 60
    expect(await ends()).toMatchObject({ people: 4, grants: 3 })
  })

  test('is made within the reach and power of the actor alone', async () => {
    const { as, ops } = await start()
    await ops('POST /v1/roles', { name: 'helper', permissions: ['access:write', 'device:read'] })
    await ops('POST /v1/grants', { subject: 'tim', role: 'helper', object: 'site-1' })
    const tim = await as('tim', 'access:write')
    expect((await tim('POST /v1/groups/site-1/transfer', { to: BEA })).status).toBe(403)
    const ann = await as('ann')
    expect((await ann('POST /v1/groups/site-2/transfer', { to: BEA })).status).toBe(404)
    expect((await ann('POST /v1/groups/room-1/transfer', { to: BEA })).status).toBe(400)
    const master = await ann('POST /v1/groups/site-1/transfer', { to: BEA, role: 'master' })
    expect(master.status).toBe(403)
    const eve = await ann('POST /v1/groups/site-1/transfer', { to: 'eve' })
    expect(eve.status, 'a person out of reach').toBe(400)
  })

  test('reads no large table whole', async () => {
    const { worker } = await start()
    const cx = worker.context()
    for (const one of [
      numbersOf(cx, 'site-1', PLACE_ENDS),
      listRolesThatEnd('site-1', 1),
      listSharedDevices('site-1'),
    ]) {
      const plan = await cx.db.read(sql<{ detail: string }>`explain query plan ${one}`)
      const scans = plan.map(({ detail }) => detail).filter((detail) => /^SCAN/.test(detail))
      expect(scans.filter((detail) => /USING|^SCAN (m|g|d|p|a|c|t|i|user)$/.test(detail))).toEqual(
        [],
      )
    }
  })

  test('is not made while a device is in another place too', async () => {
    const { ops } = await start(HOMES)
    const refused = await ops('POST /v1/groups/site-1/transfer', { to: BEA })
    expect(refused.status).toBe(409)
    expect(JSON.stringify(refused.body)).toContain('hub')
  })

  test('dies when it is taken back, made again, or when its time is over', async () => {
    const { worker, as, browser } = await start()
    const ann = await as('ann')
    const first = await offer(worker, ann)
    const second = await offer(worker, ann)
    expect((await browser.get(first.path)).status).toBe(403)
    expect((await browser.get(second.path)).status).toBe(200)
    expect((await ann('DELETE /v1/groups/site-1/transfer')).status).toBe(204)
    expect((await stateOf(ann))['state']).toBe('withdrawn')
    expect((await browser.get(second.path)).status).toBe(403)
    const third = await offer(worker, ann, { expires_in: 3600 })
    worker.clock.now += 3600
    expect((await browser.get(third.path)).status).toBe(403)
  })

  test('dies with the power of the one who offered', async () => {
    const { worker, as, ops, browser } = await start()
    const { path } = await offer(worker, await as('ann'))
    await worker.context().db.write([sql`delete from "grant" where subject_id = 'ann'`])
    expect((await create(browser, path)).status).toBe(403)
    expect(await grantsOn(worker, 'site-1')).toContainEqual({ subject_id: 'bob', role: 'resident' })
    expect((await stateOf(ops))['state']).toBe('open')
  })
})

describe('the acceptance of a place', () => {
  test('gives it to a new account in one step, and says in numbers what ended', async () => {
    const { worker, as, ops, browser } = await start()
    const { path } = await offer(worker, await as('ann'))
    const page = await create(browser, path)
    expect(page.status, page.html).toBe(200)
    expect(page.html).toContain('Home 1')
    expect(page.html).toContain('People who lose access: 4')
    const rows = await grantsOn(worker, 'site-1', 'room-1')
    expect(rows.map(({ role }) => role).sort()).toEqual(['owner', 'resident'])
    expect(rows).toContainEqual({ subject_id: 'hub', role: 'resident' })
    const state = await stateOf(ops)
    expect(state).toMatchObject({ state: 'accepted', ends: { people: 4, grants: 3 } })
    const owner = String(state['accepted_by'])
    expect(rows).toContainEqual({ subject_id: owner, role: 'owner' })
    const members = await ops('GET /v1/groups/site-1/members?kind=user')
    expect((members.body['items'] as { id: string }[]).map(({ id }) => id)).toEqual([owner])
    // The other home, and the region, are as they were.
    expect(await grantsOn(worker, 'site-2')).toHaveLength(2)
    expect((await browser.get(path)).status).toBe(403)
  })

  test('with an account that is there asks for it first, and changes nothing by looking', async () => {
    const { worker, as, browser } = await start()
    await createPerson(worker.context(), { id: 'bea', email: BEA, password: PASSWORD })
    const { path } = await offer(worker, await as('ann'))
    const page = await browser.get(path)
    const sent = await browser.submit(page, { action: 'login' })
    expect(sent.headers.get('location')).toBe('/login?return_to=%2Ftransfer')
    const login = await browser.signIn(BEA, PASSWORD, sent.headers.get('location') ?? '')
    const signed = await browser.get(login.headers.get('location') ?? '')
    expect(signed.html).toContain('Accept the place')
    expect(await grantsOn(worker, 'site-1')).toHaveLength(3)
    const done = await browser.submit(signed, { action: 'accept' })
    expect(done.html).toContain('The place is yours')
    expect(await grantsOn(worker, 'site-1')).toContainEqual({ subject_id: 'bea', role: 'owner' })
  })

  test('at once in two browsers gives it once', async () => {
    const { worker, as } = await start()
    const { path } = await offer(worker, await as('ann'))
    const browsers = [new Browser(worker), new Browser(worker), new Browser(worker)]
    const pages = await Promise.all(browsers.map((one) => one.get(path)))
    const done = await Promise.all(
      pages.map((page, i) =>
        browsers[i]?.submit(page, { name: 'Bea', password: PASSWORD, action: 'create' }),
      ),
    )
    expect(done.filter((page) => page?.html.includes('The place is yours'))).toHaveLength(1)
    const owners = await grantsOn(worker, 'site-1')
    expect(owners.filter(({ role }) => role === 'owner')).toHaveLength(1)
  })

  test('by two people at once gives it to one of them', async () => {
    const { worker, as } = await start()
    const { path } = await offer(worker, await as('ann'))
    const pages: [Browser, Page][] = []
    for (const id of ['cal', 'dan']) {
      await createPerson(worker.context(), { id, email: `${id}@example.com`, password: PASSWORD })
      const browser = new Browser(worker)
      await browser.signIn(`${id}@example.com`, PASSWORD)
      pages.push([browser, await browser.get(path)])
    }
    await Promise.all(pages.map(([browser, page]) => browser.submit(page, { action: 'accept' })))
    const owners = await grantsOn(worker, 'site-1')
    expect(owners.filter(({ role }) => role === 'owner')).toHaveLength(1)
  })

  test('ends invitations on their way and links that name the place, and no others', async () => {
    const { worker, as, ops, browser } = await start()
    const ann = await as('ann')
    const invited = { grants: [{ role: 'guest', object: 'lamp-1' }], groups: ['room-1'] }
    await ann('POST /v1/invitations', { address: 'g@example.com', ...invited })
    await ops('POST /v1/invitations', { address: 'h@example.com', groups: ['site-2'] })
    const links: string[] = []
    for (const [user_id, details] of [
      ['bob', [{ type: 'device', actions: ['device:read'], devices: ['lamp-1'], groups: [] }]],
      ['ina', [{ type: 'device', actions: ['device:read'], devices: [], groups: ['room-1'] }]],
      ['tim', [{ type: 'device', actions: ['device:read'], devices: [], groups: ['site-2'] }]],
    ] as const) {
      const { authorization_id } = await signIn(worker, { user_id })
      links.push(authorization_id)
      await worker.context().db.write([
        sql`update authorization set authorization_details = ${JSON.stringify(details)}
          where id = ${authorization_id}`,
      ])
    }
    const { path } = await offer(worker, ann)
    expect((await create(browser, path)).status).toBe(200)
    expect((await stateOf(ops))['ends']).toMatchObject({ invitations: 1, authorizations: 2 })
    const revoked = await worker.context().db.read(sql<{ id: string }>`
      select id from authorization where revoked_at is not null`)
    expect(revoked.map(({ id }) => id).sort()).toEqual(links.slice(0, 2).sort())
    const pending = await worker.context().db.read(sql<{ address: string }>`
      select address from invitation where revoked_at is null`)
    expect(pending).toEqual([{ address: 'h@example.com' }])
  })

  test('ends claim tokens by which devices come into the place, and no others', async () => {
    const { worker, as, ops, browser } = await start()
    const ids: string[] = []
    for (const group of ['site-1', 'room-1', 'site-2', undefined]) {
      const made = await ops('POST /v1/claim-tokens', { type: 'dimmer', group })
      expect(made.status, JSON.stringify(made.body)).toBe(201)
      ids.push(String(made.body['id']))
    }
    const { path, made } = await offer(worker, await as('ann'))
    expect(made.body['ends']).toMatchObject({ claim_tokens: 2 })
    const done = await create(browser, path)
    expect(done.status).toBe(200)
    expect(done.html).toContain('Secrets by which new devices come in: 2')
    expect((await stateOf(ops))['ends']).toMatchObject({ claim_tokens: 2 })
    const shown = await Promise.all(ids.map((id) => ops(`GET /v1/claim-tokens/${id}`)))
    expect(shown.map(({ body }) => body['revoked_at'] !== null)).toEqual([true, true, false, false])
    const { body } = await ops(`GET /v1/events?object=${ids[0]}&object_kind=claim_batch`)
    const types = (body['items'] as { type: string }[]).map(({ type }) => type)
    expect(types).toContain('claim_batch.revoked')
  })

  test('lists keys and tokens that people of the place made, and ends them by choice', async () => {
    const { worker, as, ops } = await start()
    const ann = await as('ann')
    await worker.context().db.write([
      sql`insert into device_credential (id, device_id, kind, secret_hash, created_at, made_by)
        values ('crd_ann', 'lamp-1', 'secret', 'x', 1, 'ann'),
          ('crd_factory', 'lamp-1', 'secret', 'y', 1, null),
          ('crd_other', 'lamp-2', 'secret', 'z', 1, 'eve')`,
      sql`insert into device_token (id, device_id, created_at, expires_at, made_by)
        values ('tok_ann', 'lamp-1', 1, ${worker.clock.now + 9000}, 'ann')`,
    ])
    const { made, path } = await offer(worker, ann)
    expect(made.body).toMatchObject({
      ends: { credentials: 1, tokens: 1 },
      credentials: [{ id: 'crd_ann', device_id: 'lamp-1', made_by: 'ann' }],
      tokens: [{ id: 'tok_ann', device_id: 'lamp-1', made_by: 'ann' }],
    })
    const page = await create(new Browser(worker), path, { end_tokens: '' })
    expect(page.html).toContain('Keys of devices: 1')
    const alive = await worker.context().db.read(sql<{ id: string }>`
      select id from device_credential where revoked_at is null
      union all select id from device_token where revoked_at is null order by 1`)
    expect(alive.map(({ id }) => id)).toEqual(['crd_factory', 'crd_other', 'tok_ann'])
    // The ones of before that are left stay in sight; those that the new owner makes are none.
    await worker.context().db.write([
      sql`insert into device_token (id, device_id, created_at, expires_at, made_by)
        values ('tok_bea', 'lamp-1', ${worker.clock.now + 1}, ${worker.clock.now + 9000}, 'bea')`,
    ])
    expect(await stateOf(ops)).toMatchObject({
      state: 'accepted',
      ends: { credentials: 1, tokens: 0 },
      credentials: [],
      tokens: [{ id: 'tok_ann' }],
    })
  })

  test('notes who made a key or a token of a device within a reach', async () => {
    const { worker, as, ops } = await start()
    const ann = await as('ann')
    const own = await ann('POST /v1/devices/lamp-1/credentials', { kind: 'secret' })
    const theirs = await ops('POST /v1/devices/lamp-1/credentials', { kind: 'secret' })
    expect([own.status, theirs.status]).toEqual([201, 201])
    const rows = await worker.context().db.read(sql<{ made_by: string | null }>`
      select made_by from device_credential order by made_by`)
    expect(rows.map(({ made_by }) => made_by)).toEqual([null, 'ann'])
  })

  test('leaves no token of anybody who was there that reaches a topic of the place', async () => {
    const { worker, as, browser } = await start()
    const tokens = new Map<string, string>()
    for (const user_id of ['ann', 'bob', 'ina', 'tim', 'eve']) {
      const { refresh_token } = await signIn(worker, { user_id, scope: 'mqtt offline_access' })
      tokens.set(user_id, refresh_token)
    }
    const heard = async (topic: string) => {
      const names: string[] = []
      for (const [user_id, refresh_token] of tokens) {
        if (await hears(worker, refresh_token, topic)) names.push(user_id)
      }
      return names
    }
    const TOPICS = ['sites/site-1/devices/hub/state', 'sites/room-1/devices/lamp-1/state']
    expect(await heard(TOPICS[0] ?? '')).toEqual(['ann', 'bob'])
    expect(await heard(TOPICS[1] ?? '')).toContain('ina')
    const { path } = await offer(worker, await as('ann'))
    expect((await create(browser, path)).status).toBe(200)
    for (const topic of TOPICS) expect(await heard(topic), topic).toEqual([])
    // The other house of the same people never noticed.
    expect(await heard('sites/site-2/devices/lamp-2/state')).toEqual(['tim', 'eve'])
  })

  test('shows the new owner no event of before, and the former one none after', async () => {
    const { worker, as, ops, browser } = await start()
    const ann = await as('ann')
    await ann('PATCH /v1/groups/room-1', { name: 'Bath' })
    worker.clock.now += 60
    const { path } = await offer(worker, ann)
    expect((await create(browser, path)).status).toBe(200)
    const owner = String((await stateOf(ops))['accepted_by'])
    worker.clock.now += 60
    await ops('PATCH /v1/groups/room-1', { name: 'Kitchen' })
    const events = await (await as(owner))('GET /v1/events')
    const types = (events.body['items'] as { type: string }[]).map(({ type }) => type)
    expect(types).toContain('place.transferred')
    expect(types).toContain('group.updated')
    expect(types).not.toContain('grant.deleted')
    expect(types).not.toContain('place.transfer_offered')
    expect(types.filter((type) => type === 'group.updated')).toHaveLength(1)
    expect((await ann('GET /v1/events')).status).toBe(403)
    expect((await ann('GET /v1/groups/site-1')).status).toBe(403)
  })
})

test('an address of a person is asked for by nobody else', async () => {
  const { worker, as, ops } = await start()
  const { mail } = await offer(worker, ops, { to: 'ann', locale: 'de' })
  expect([mail.address, mail.text.includes('Ein Ort für Sie')]).toEqual([ANN, true])
  expect((await (await as('ann'))('GET /v1/groups/site-1/transfer')).status).toBe(200)
})
