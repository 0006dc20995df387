// Devices that people claim with the code of the box: who makes a code, who uses it, what the
// device had before, and what ends the code.
import { describe, expect, test } from 'vitest'
import { beginEpoch } from '../../worker/admin/new_epoch.ts'
import { PLACE_ENDS } from '../../worker/admin/place_ends.ts'
import { sql, TRUE } from '../../worker/db/sql.ts'
import { hashOfClaimCode, readClaimCode } from '../../worker/devices/claiming/claim_code.ts'
import {
  findClaimCodeOf,
  findOpenClaimCode,
  insertClaimCodes,
  withdrawClaimCodesIn,
} from '../../worker/devices/claiming/claim_code_store.ts'
import { claimDeviceByCode, openClaim } from '../../worker/devices/claiming/person_claims.ts'
import { runJobs } from '../../worker/jobs.ts'
import { signingKeys } from '../../worker/keys/signing_keys.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../context.ts'
import { Browser, formFields, type Page } from '../identity/browser.ts'
import { linkIn, mailsOf } from '../identity/mails.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { createPerson, PASSWORD } from '../support/people.ts'
import { type Call, HOMES, startHomes } from '../support/places.ts'
import { losingWrites, overtakenOnce } from '../support/repeated_writes.ts'

const BEA = 'bea@example.com'

/** Rules of a panel, which come with its place, and with what its maker wrote of it. */
const ofPanel = (word: string) => ({
  permission: 'allow',
  action: 'publish',
  topic: `p/${word}/\${group.id}/\${device.metadata.lot}`,
})

const ALARM = { permission: 'allow', action: 'all', topic: 'sites/${group.id}/alarm' }

const STOCK = {
  ...HOMES,
  roles: [
    ...HOMES.roles,
    { name: 'dealer', permissions: ['devices:read', 'devices:write', 'device:read'] },
    { name: 'alarms', permissions: ['devices:read', 'devices:write', 'device:read'], acl: [ALARM] },
    {
      name: 'each',
      acl: [{ permission: 'allow', action: 'subscribe', topic: 'd/${device.id}' }],
    },
    {
      name: 'pinned',
      acl: [{ permission: 'allow', action: 'publish', topic: 'pin/${device.id}' }],
    },
    { name: 'fitter', permissions: ['devices:read', 'devices:write'] },
  ],
  groups: [
    ...HOMES.groups,
    { id: 'store', kind: 'store', name: 'Store' },
    { id: 'vault', kind: 'store' },
    { id: 'flat', kind: 'site', name: 'Flat' },
  ],
  users: [
    ...HOMES.users,
    { id: 'deb', email: 'deb@example.com', email_verified: true },
    { id: 'gus', email: 'gus@example.com', email_verified: true },
    { id: 'fay', email: 'fay@example.com', email_verified: true },
  ],
  device_types: [
    ...HOMES.device_types,
    {
      name: 'plug',
      names: { en: 'Smart plug', pl: 'Wtyczka' },
      claim: 'once',
      acl: [{ permission: 'allow', action: 'publish', topic: 'sites/${group.id}/${device.id}' }],
    },
    { name: 'bulb', claim: 'again' },
    {
      name: 'siren',
      claim: 'once',
      acl: [ALARM],
    },
    { name: 'panel', claim: 'once', acl: [ofPanel('a'), ofPanel('b')] },
  ],
  devices: [
    ...HOMES.devices,
    {
      id: 'plug-1',
      type: 'plug',
      status: 'unclaimed',
      groups: ['store'],
      hardware_ids: [{ kind: 'serial', value: 'SN-0001' }],
    },
    { id: 'plug-2', type: 'plug', status: 'unclaimed' },
    { id: 'bulb-1', type: 'bulb', status: 'unclaimed' },
    { id: 'siren-1', type: 'siren', status: 'unclaimed', groups: ['vault'] },
    { id: 'siren-2', type: 'siren', status: 'unclaimed', groups: ['vault'] },
    { id: 'siren-3', type: 'siren', status: 'unclaimed', groups: ['vault'] },
    {
      id: 'panel-1',
      type: 'panel',
      status: 'unclaimed',
      groups: ['store'],
      metadata: { lot: '7' },
    },
    { id: 'dull', type: 'dimmer', status: 'unclaimed' },
    { id: 'busy', type: 'plug', groups: ['site-2'] },
  ],
  grants: [
    ...HOMES.grants,
    { subject: 'deb', role: 'dealer', object: 'store' },
    { subject: 'gus', role: 'alarms', object: 'vault' },
    { subject: 'ann', role: 'owner', object: 'flat' },
  ],
}

async function start() {
  const homes = await startHomes(STOCK, {})
  const { worker, ops } = homes
  await createPerson(worker.context(), { id: 'bea', email: BEA, password: PASSWORD })
  await worker.context().db.write(sql`update user set password = (
    select password from user where id = 'bea') where id <> 'bea'`)
  await ops('PATCH /v1/settings', { sign_up: 'open' })
  worker.memory.clear()
  return homes
}

/** A code of the device, made by whoever calls. */
async function codeOf(call: Call, id = 'plug-1', body: object = {}): Promise<string> {
  const made = await call(`POST /v1/devices/${id}/claim-code`, body)
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  return String(made.body['claim_code'])
}

const link = (code: string): string => `/claim?token=${code}`

async function signedIn(worker: TestWorker, who: string): Promise<Browser> {
  const browser = new Browser(worker).inEnglish()
  await browser.signIn(`${who}@example.com`, PASSWORD)
  return browser
}

/** Opens the code and puts the device into the place. */
async function claim(browser: Browser, code: string, fields: Record<string, string>) {
  const page = await browser.get(link(code))
  if (page.status !== 200) return page
  const { name: _, ...plain } = formFields(page)
  return browser.post('/claim', { ...plain, action: 'claim', ...fields })
}

/** Calls of an operator after a time in which the tokens of before ran out. */
async function later(worker: TestWorker): Promise<Call> {
  const token = await newClientToken(worker)
  return (what, body) => {
    const [method = '', path = ''] = what.split(' ')
    return callApi(worker, token, method, path, body)
  }
}

const NEW_HOME = { place: '*', name: 'Lake house' }

const deviceOf = async (ops: Call, id: string) => (await ops(`GET /v1/devices/${id}`)).body

const isDead = (page: Page) => [page.status, page.html.includes('This code cannot be used')]
const DEAD = [403, true]

const memberships = (worker: TestWorker, id: string) =>
  worker.context().db.read(sql<{ group_id: string }>`
    select group_id from membership where member_id = ${id} order by group_id`)

describe('a code', () => {
  test('is shown once, is not to be guessed, and stands nowhere', async () => {
    const { worker, ops } = await start()
    const made = await ops('POST /v1/devices/plug-1/claim-code', { expires_in: 7200 })
    expect(made.status).toBe(201)
    expect(made.headers.get('cache-control')).toBe('no-store')
    const code = String(made.body['claim_code'])
    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]{4}$/)
    expect(made.body).toMatchObject({
      device_id: 'plug-1',
      state: 'open',
      expires_at: worker.clock.now + 7200,
      claim_uri: `${ISSUER}/claim?token=${code}`,
    })
    const shown = await ops('GET /v1/devices/plug-1/claim-code')
    expect(shown.body).toMatchObject({ id: made.body['id'], state: 'open', claimed_at: null })
    const bare = code.replaceAll('-', '')
    const stored = await worker.context().db.read(sql<{ text: string }>`
      select json_group_array(hash || device_id || maker) as text from device_claim
      union all select json_group_array(data || objects) from event`)
    for (const text of [...stored.map((row) => row.text), JSON.stringify(shown.body)]) {
      expect(text).not.toContain(code)
      expect(text).not.toContain(bare)
    }
    expect(JSON.stringify(worker.log)).not.toContain(code)
  })

  test('is read as people type it', () => {
    expect(readClaimCode(' abcd efgh 1o1l-ijkm nupq ')).toBe(null)
    expect(readClaimCode('abcd efgh 1o1l ijkm npqr')).toBe('ABCD-EFGH-1011-1JKM-NPQR')
    expect(readClaimCode('ABCDEFGH1011_1JKM.NPQR')).toBe('ABCD-EFGH-1011-1JKM-NPQR')
    for (const text of [undefined, '', 'ABCD', 'U'.repeat(20), 'A'.repeat(21), 'Ä'.repeat(20)]) {
      expect(readClaimCode(text)).toBe(null)
    }
  })

  test('outlives a SECRET_KEY, whose place a new one takes', async () => {
    const { worker } = await start()
    const code = 'ABCD-EFGH-1011-1JKM-NPQR'
    const before = await hashOfClaimCode(worker.context(), code)
    const successor = new Uint8Array(32).fill(7)
    // Programs with these keys, each with a memory of its own.
    const startedWith = (...secret_keys: Uint8Array<ArrayBuffer>[]) => ({
      ...worker.context(),
      config: { ...worker.config, secret_keys },
      memory: new Map(),
    })
    const restarted = startedWith(successor, ...worker.config.secret_keys)
    await signingKeys(restarted)
    worker.clock.now += 3600
    await runJobs(restarted)
    worker.clock.now += 600
    await runJobs(restarted)
    expect(await hashOfClaimCode(startedWith(successor), code)).toBe(before)
  })

  test('is made for an unclaimed device of a type that people claim, and for no other', async () => {
    const { ops } = await start()
    const status = async (id: string) => (await ops(`POST /v1/devices/${id}/claim-code`, {})).status
    expect(await status('plug-1')).toBe(201)
    expect(await status('dull')).toBe(409)
    expect(await status('busy')).toBe(409)
    expect(await status('none')).toBe(404)
    expect((await ops('POST /v1/devices/plug-1/claim-code', { expires_in: 1 })).status).toBe(400)
    // `once` is over with a release, `again` is not.
    for (const id of ['plug-2', 'bulb-1']) {
      expect((await ops(`POST /v1/devices/${id}/release`)).status).toBe(200)
    }
    expect(await status('plug-2')).toBe(409)
    expect(await status('bulb-1')).toBe(201)
  })

  test('is dead with the next one, when it is taken back, and when its time is over', async () => {
    const { worker, ops } = await start()
    const browser = await signedIn(worker, 'bea')
    const first = await codeOf(ops)
    const second = await codeOf(ops, 'plug-1', { expires_in: 3600 })
    expect(isDead(await browser.get(link(first)))).toEqual(DEAD)
    expect((await browser.get(link(second))).status).toBe(200)
    worker.clock.now += 3600
    expect(isDead(await browser.get(link(second)))).toEqual(DEAD)
    const then = await later(worker)
    expect((await then('GET /v1/devices/plug-1/claim-code')).body['state']).toBe('expired')
    const third = await codeOf(then)
    expect((await then('DELETE /v1/devices/plug-1/claim-code')).status).toBe(204)
    expect((await then('DELETE /v1/devices/plug-1/claim-code')).status).toBe(404)
    expect(isDead(await browser.get(link(third)))).toEqual(DEAD)
    expect((await then('GET /v1/devices/plug-1/claim-code')).body['state']).toBe('withdrawn')
    expect((await then('GET /v1/devices/dull/claim-code')).status).toBe(404)
  })

  test('is forgotten a year after its end, and with its device', async () => {
    const { worker, ops } = await start()
    await codeOf(ops, 'plug-1', { expires_in: 3600 })
    await codeOf(ops, 'plug-2', { expires_in: 3600 })
    const count = async () => {
      const rows = await worker.context().db.read(sql<{ n: number }>`
        select count(*) as n from device_claim`)
      return rows[0]?.n
    }
    expect((await ops('DELETE /v1/devices/plug-2')).status).toBe(204)
    expect(await count()).toBe(1)
    worker.clock.now += 3600 + 365 * 86_400
    await runJobs(worker.context())
    expect(await count()).toBe(0)
  })
})

describe('a person who has the box', () => {
  test('claims the device into a place of one’s own, and its code is good for nothing then', async () => {
    const { worker, ops, as } = await start()
    const code = await codeOf(ops)
    const browser = await signedIn(worker, 'ann')
    const page = await browser.get(link(code))
    expect(page.html).toContain('Smart plug')
    expect(page.html).toContain('SN-0001')
    expect(page.html).toContain('Home 1')
    expect(page.html).not.toContain('Home 2')
    expect(page.html).not.toContain('Kitchen')
    worker.clock.now += 1
    // Looking changes nothing.
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({ status: 'unclaimed', groups: ['store'] })
    const done = await claim(browser, code, { place: 'site-1' })
    expect(done.status).toBe(200)
    expect(done.html).toContain('The device was added')
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({ status: 'active', groups: ['site-1'] })
    expect((await ops('GET /v1/devices/plug-1/claim-code')).body['state']).toBe('used')
    expect(isDead(await claim(await signedIn(worker, 'eve'), code, NEW_HOME))).toEqual(DEAD)
    const { items } = (await ops('GET /v1/events?object=plug-1')).body
    expect(items.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['device.claim_code_made', 'device.claimed_by_person']),
    )
    const event = items.find(({ type }) => type === 'device.claimed_by_person')
    expect(event).toMatchObject({ actor_id: 'ann', data: { group: 'site-1' } })
    const ann = await as('ann')
    expect((await ann('GET /v1/devices/plug-1')).status).toBe(200)
    const seen = (await ann('GET /v1/events')).body.items.map(({ type }) => type)
    expect(seen).not.toContain('device.claim_code_made')
  })

  test('types the code, signs in on the way, and comes back with it, which no address has', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const browser = new Browser(worker).inEnglish()
    const typing = await browser.get('/claim')
    const shown = await browser.submit(typing, {
      code: code.toLowerCase().replaceAll('-', ' '),
      action: 'look',
    })
    expect(shown.status).toBe(200)
    expect(shown.html).toContain('Smart plug')
    const sent = await browser.submit(shown, { action: 'login' })
    expect(sent.headers.get('location')).toBe('/login?return_to=%2Fclaim')
    const login = await browser.signIn(BEA, PASSWORD, sent.headers.get('location') ?? '')
    expect(login.headers.get('location')).toBe('/claim')
    const back = await browser.get('/claim')
    expect(back.html).toContain('Smart plug')
    const done = await browser.submit(back, { action: 'claim', ...NEW_HOME })
    expect(done.html).toContain('Lake house')
    expect(browser.cookies.has('__Host-claim')).toBe(false)
  })

  test('makes an account on the way, and claims into a new place', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const browser = new Browser(worker).inEnglish()
    const shown = await browser.get(link(code))
    expect(shown.html).toContain('make an account')
    const sent = await browser.submit(shown, { action: 'login' })
    const login = await browser.get(sent.headers.get('location') ?? '')
    const [, path = ''] = /href="(\/sign-up[^"]*)"/.exec(login.html) ?? []
    const form = await browser.get(path.replaceAll('&amp;', '&'))
    await browser.submit(form, { email: 'new@example.com' })
    const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'sign_up')
    if (mail === undefined) throw new Error('no mail')
    const confirm = linkIn(mail)
    const account = await browser.get(confirm.pathname + confirm.search)
    const made = await browser.submit(account, { name: 'Nia', password: PASSWORD })
    expect(made.headers.get('location')).toBe('/claim')
    const back = await browser.get('/claim')
    const done = await browser.submit(back, { action: 'claim', ...NEW_HOME })
    expect(done.status, done.html).toBe(200)
    const [group] = await memberships(worker, 'plug-1')
    const rows = await worker.context().db.read(sql<Record<string, string>>`
      select "group".kind, "group".name, g.role, user.email from "group"
        join "grant" g on g.object_id = "group".id join user on user.id = g.subject_id
      where "group".id = ${group?.group_id ?? ''}`)
    expect(rows).toEqual([
      { kind: 'site', name: 'Lake house', role: 'owner', email: 'new@example.com' },
    ])
    const members = await worker.context().db.read(sql<{ n: number }>`
      select count(*) as n from membership where group_id = ${group?.group_id ?? ''}`)
    expect(members).toEqual([{ n: 2 }])
  })

  test('is asked first for whatever is lacking, and keeps the code', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const browser = await signedIn(worker, 'bea')
    const page = await browser.get(link(code))
    await worker.context().db.write(sql`update user set must_change_password = 1 where id = 'bea'`)
    const asked = await browser.get(link(code))
    expect(asked.headers.get('location')).toMatch(/^\/continue\?return_to=%2Fclaim$/)
    const sent = await browser.submit(page, { action: 'claim', ...NEW_HOME })
    expect(sent.status).toBe(303)
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({ status: 'unclaimed' })
    await worker.context().db.write(sql`update user set must_change_password = 0 where id = 'bea'`)
    expect((await browser.get('/claim')).html).toContain('Smart plug')
  })

  test('chooses a place, and names a new one', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const browser = await signedIn(worker, 'ann')
    for (const fields of [
      { place: '*', name: ' ' },
      { place: '*', name: 'x'.repeat(201) },
    ]) {
      const page = await claim(browser, code, fields)
      expect(page.status).toBe(400)
      expect(page.html).toContain('A new one needs a name')
    }
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({ status: 'unclaimed' })
  })

  test('makes no place where the setting names no role of owners', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const bea = await signedIn(worker, 'bea')
    const page = await bea.get(link(code))
    expect(page.html).toContain('Name of the new place')
    await ops('PATCH /v1/settings', { owner_role: '' })
    worker.memory.clear()
    expect((await bea.get(link(code))).html).toContain('You run no place')
    expect((await bea.submit(page, { action: 'claim', ...NEW_HOME })).status).toBe(400)
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({ status: 'unclaimed' })
  })

  test('puts no device into a place of others, nor into a group that is none', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const ann = await signedIn(worker, 'ann')
    for (const place of ['site-2', 'region', 'store', 'room-1', 'none']) {
      const page = await claim(ann, code, { place })
      expect([place, page.status]).toEqual([place, 400])
      expect(page.html).toContain('You cannot add devices to this place')
    }
    // A resident commands devices there, and adds none.
    const bob = await signedIn(worker, 'bob')
    const page = await bob.get(link(code))
    expect(page.html).not.toContain('Home 1')
    expect((await claim(bob, code, { place: 'site-1' })).status).toBe(400)
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({ status: 'unclaimed', groups: ['store'] })
  })

  test('of an afternoon adds devices until it is over, and not after', async () => {
    const { worker, ops } = await start()
    const expires_at = worker.clock.now + 3600
    const grant = { subject: 'fay', role: 'fitter', object: 'site-1', expires_at }
    expect((await ops('POST /v1/grants', grant)).status).toBe(201)
    const [early, late] = [await codeOf(ops, 'plug-1'), await codeOf(ops, 'plug-2')]
    const fay = await signedIn(worker, 'fay')
    expect((await claim(fay, early, { place: 'site-1' })).status).toBe(200)
    const page = await fay.get(link(late))
    worker.clock.now = expires_at
    const sent = await fay.submit(page, { action: 'claim', place: 'site-1' })
    expect(sent.status).toBe(400)
    expect(await deviceOf(await later(worker), 'plug-2')).toMatchObject({ status: 'unclaimed' })
  })

  test('is told the same words for each device that cannot be claimed, and for no device', async () => {
    const { worker, ops } = await start()
    const browser = await signedIn(worker, 'eve')
    const pages: Page[] = [await browser.get(link('ABCD-EFGH-1011-1JKM-NPQR'))]
    for (const status of ['active', 'suspended', 'retired'] as const) {
      const id = `x-${status}`
      await ops('POST /v1/devices', { id, type: 'plug', status: 'unclaimed' })
      const code = await codeOf(ops, id)
      await ops(`PATCH /v1/devices/${id}`, { status, groups: ['site-1'] })
      pages.push(await browser.get(link(code)))
    }
    const deleted = await codeOf(ops, 'plug-2')
    await ops('DELETE /v1/devices/plug-2')
    pages.push(await browser.get(link(deleted)))
    const never = await codeOf(ops, 'plug-1')
    await ops('PATCH /v1/device-types/plug', { claim: 'never' })
    pages.push(await browser.get(link(never)))
    const words = pages.map(({ status, html }) => [status, html.replaceAll(/value="[^"]*"/g, '')])
    expect(new Set(words.map(String)).size).toBe(1)
    expect(pages.map(isDead)).toEqual(pages.map(() => DEAD))
  })

  test('of twenty who claim at once, one gets the device', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const browsers: Browser[] = []
    while (browsers.length < 20) {
      const id = `p-${browsers.length}`
      await createPerson(worker.context(), { id, email: `${id}@example.com`, password: PASSWORD })
      browsers.push(await signedIn(worker, id))
    }
    const pages = await Promise.all(browsers.map((one) => one.get(link(code))))
    const done = await Promise.all(
      pages.map((page, n) => browsers[n]?.submit(page, { action: 'claim', ...NEW_HOME })),
    )
    expect(done.filter((page) => page?.status === 200)).toHaveLength(1)
    expect(done.filter((page) => page !== undefined && isDead(page)[1])).toHaveLength(19)
    expect(await memberships(worker, 'plug-1')).toHaveLength(1)
    const places = await worker.context().db.read(sql`
      select id from "group" where name = ${NEW_HOME.name}`)
    expect(places).toHaveLength(1)
    const events = (await ops('GET /v1/events?object=plug-1')).body.items
    expect(events.filter(({ type }) => type === 'device.claimed_by_person')).toHaveLength(1)
  })

  test('who sends the form twice is told twice, and a stranger is not', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const ann = await signedIn(worker, 'ann')
    const page = await ann.get(link(code))
    const send = () => ann.submit(page, { action: 'claim', place: 'site-1' })
    const done = [...(await Promise.all([send(), send(), send()])), await send()]
    for (const one of done) {
      expect([one.status, one.html.includes('The device was added')]).toEqual([200, true])
    }
    expect((await ann.get(link(code))).html).toContain('Home 1')
    expect(await memberships(worker, 'plug-1')).toEqual([{ group_id: 'site-1' }])
    expect(isDead(await (await signedIn(worker, 'eve')).get(link(code)))).toEqual(DEAD)
    expect(isDead(await new Browser(worker).inEnglish().get(link(code)))).toEqual(DEAD)
    // Not when the device has another owner by then.
    await ops('PATCH /v1/devices/plug-1', { groups: ['site-2'] })
    expect(isDead(await ann.get(link(code)))).toEqual(DEAD)
  })

  test('who tries many codes is stopped', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    await ops('PATCH /v1/settings', { secret_attempts_per_address: 3 })
    worker.memory.clear()
    const browser = new Browser(worker).inEnglish()
    for (const n of ['1', '2', '3']) {
      expect(isDead(await browser.get(link(`AAAA-BBBB-CCCC-DDDD-EEE${n}`)))).toEqual(DEAD)
    }
    expect((await browser.get(link(code))).status).toBe(429)
    expect((await new Browser(worker, '198.51.100.7').get(link(code))).status).toBe(200)
  })

  test('costs one round trip to look and two to claim', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const browser = await signedIn(worker, 'ann')
    await browser.get(link(code))
    const look = await countRoundTrips(worker, () => browser.get(link(code)))
    expect(look.roundTrips).toBe(1)
    const sent = await countRoundTrips(worker, () =>
      browser.submit(look.value, { action: 'claim', place: 'site-1' }),
    )
    expect(sent.value.status).toBe(200)
    expect(sent.roundTrips).toBe(2)
  })

  test('sends no form from another site, and none without a button', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const browser = await signedIn(worker, 'ann')
    const page = await browser.get(link(code))
    const fields = { ...formFields(page), action: 'claim', place: 'site-1' }
    for (const [values, headers] of [
      [{ ...fields, csrf: 'x.y' }, {}],
      [fields, { 'sec-fetch-site': 'cross-site' }],
      [{ ...fields, action: 'other' }, {}],
    ] as const) {
      expect((await browser.post('/claim', values, headers)).status).not.toBe(200)
    }
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({ status: 'unclaimed' })
    expect(page.headers.get('referrer-policy')).toBe('same-origin')
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.html).not.toContain('/language?')
  })
})

describe('rights that fit into no token', () => {
  const TOO_WIDE = 'the rights there would not fit into a token any more'

  test('keep a device out of the place, and its code is good for another one', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops, 'panel-1')
    const ann = await signedIn(worker, 'ann')
    await ops('PATCH /v1/settings', { acl_max_rules: 1 })
    worker.memory.clear()
    const page = await claim(ann, code, { place: 'site-1' })
    expect([page.status, page.html.includes(TOO_WIDE)]).toEqual([400, true])
    expect(worker.log.map(({ fields }) => fields['reason'])).toContain('too_many_rules')
    expect(await deviceOf(ops, 'panel-1')).toMatchObject({
      status: 'unclaimed',
      groups: ['store'],
    })
    expect((await ops('GET /v1/devices/panel-1/claim-code')).body['state']).toBe('open')
    // The rules of the store, which it leaves, count no more.
    await ops('PATCH /v1/settings', { acl_max_rules: 2 })
    worker.memory.clear()
    expect((await claim(ann, code, { place: 'site-1' })).status).toBe(200)
  })

  test('of others there are told without their names and numbers', async () => {
    const { worker, ops } = await start()
    await ops('POST /v1/grants', { subject: 'bob', role: 'each', object: 'site-1' })
    const code = await codeOf(ops, 'plug-2')
    const ann = await signedIn(worker, 'ann')
    // A rule for the home, its kitchen, and each of two devices.
    await ops('PATCH /v1/settings', { acl_max_rules: 4 })
    worker.memory.clear()
    const form = await ann.get(link(code))
    const { value: page, roundTrips } = await countRoundTrips(worker, () =>
      ann.submit(form, { action: 'claim', place: 'site-1' }),
    )
    expect([page.status, page.html.includes(TOO_WIDE)]).toEqual([400, true])
    expect(roundTrips).toBe(3)
    for (const word of ['bob', 'acl_max_rules', ' 4 ']) expect(page.html).not.toContain(word)
    expect(await deviceOf(ops, 'plug-2')).toMatchObject({ status: 'unclaimed', groups: [] })
    const elsewhere = await claim(ann, code, { place: 'flat' })
    expect(elsewhere.status).toBe(200)
  })

  test('keep a new place from being made, by the rules of its owner or of the device', async () => {
    const { worker, ops } = await start()
    const ann = await signedIn(worker, 'ann')
    const limit = async (acl_max_rules: number, owner_role = 'owner') => {
      await ops('PATCH /v1/settings', { acl_max_rules, owner_role })
      worker.memory.clear()
    }
    const refused = async (code: string) => {
      const groups = async () => (await ops('GET /v1/groups')).body['items']
      const before = await groups()
      const page = await claim(ann, code, NEW_HOME)
      expect([page.status, page.html.includes(TOO_WIDE)]).toEqual([400, true])
      expect(await groups()).toEqual(before)
    }
    const plug = await codeOf(ops, 'plug-2')
    // Ann has a rule for the home, its kitchen and the flat, and gets one for the new place.
    await limit(3)
    await refused(plug)
    // A role that names each device: the one that is claimed.
    await limit(3, 'each')
    await refused(plug)
    // The device has two rules of its own; bea has none.
    const bea = await signedIn(worker, 'bea')
    await limit(1)
    const panel = await codeOf(ops, 'panel-1')
    const page = await claim(bea, panel, NEW_HOME)
    expect([page.status, page.html.includes(TOO_WIDE)]).toEqual([400, true])
    expect(worker.log.map(({ fields }) => fields['reason'])).toContain('too_many_rules')
    expect(await deviceOf(ops, 'panel-1')).toMatchObject({ status: 'unclaimed' })
    // The codes stay good.
    await limit(4)
    const form = await ann.get(link(plug))
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      ann.submit(form, { action: 'claim', ...NEW_HOME }),
    )
    expect([value.status, roundTrips]).toEqual([200, 2])
    expect((await claim(bea, panel, NEW_HOME)).status).toBe(200)
  })

  test('are looked at again where the person makes another place at that moment', async () => {
    const { worker, ops } = await start()
    const ann = await signedIn(worker, 'ann')
    const [first, other] = [await codeOf(ops, 'plug-1'), await codeOf(ops, 'plug-2')]
    await ops('PATCH /v1/settings', { acl_max_rules: 4 })
    worker.memory.clear()
    const cookie = [...ann.cookies].find(([name]) => name.endsWith('session'))?.[1]
    const opened = await openClaim(worker.context(), first, cookie, '*')
    if (opened === null || 'own' in opened || opened.session === null) throw new Error('no claim')
    const cx = overtakenOnce(worker.context(), async () => {
      expect((await claim(ann, other, NEW_HOME)).status).toBe(200)
    })
    const place = { name: 'Barn', role: 'owner' }
    expect(await claimDeviceByCode(cx, opened, opened.session, place)).toEqual({
      outcome: 'changed',
    })
    const page = await claim(ann, first, NEW_HOME)
    expect([page.status, page.html.includes(TOO_WIDE)]).toEqual([400, true])
  })

  test('are looked at without the grants on the device, which a claim ends', async () => {
    const { worker, ops } = await start()
    await ops('POST /v1/grants', { subject: 'bob', role: 'each', object: 'site-1' })
    await ops('POST /v1/grants', { subject: 'bob', role: 'pinned', object: 'plug-2' })
    const code = await codeOf(ops, 'plug-2')
    const ann = await signedIn(worker, 'ann')
    // The same number as before: a rule for the device as one of the home, in the place of his own.
    await ops('PATCH /v1/settings', { acl_max_rules: 5 })
    worker.memory.clear()
    expect((await claim(ann, code, { place: 'site-1' })).status).toBe(200)
  })

  test('are told of no place of others, nor to whoever has a dead code', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops, 'panel-1')
    const ann = await signedIn(worker, 'ann')
    await ops('PATCH /v1/settings', { acl_max_rules: 1 })
    worker.memory.clear()
    for (const place of ['site-2', 'region', 'none']) {
      const page = await claim(ann, code, { place })
      expect(page.html).toContain('You cannot add devices to this place')
    }
    const page = await ann.get(link(code))
    await ops('DELETE /v1/devices/panel-1/claim-code')
    expect(isDead(await ann.submit(page, { action: 'claim', place: 'site-1' }))).toEqual(DEAD)
  })
})

describe('a device that is claimed', () => {
  test('leaves its groups, and nobody keeps a right over it', async () => {
    const { worker, ops, as } = await start()
    const deb = await as('deb')
    expect((await deb('GET /v1/devices/plug-1')).status).toBe(200)
    const own = await deb('POST /v1/devices/plug-1/credentials', { kind: 'secret' })
    expect(own.status, JSON.stringify(own.body)).toBe(201)
    await ops('POST /v1/devices/plug-1/credentials', { kind: 'secret' })
    await ops('POST /v1/grants', { subject: 'tim', role: 'resident', object: 'plug-1' })
    await ops('POST /v1/grants', { subject: 'plug-1', role: 'guest', object: 'site-2' })
    const code = await codeOf(ops)
    await claim(await signedIn(worker, 'ann'), code, { place: 'site-1' })
    expect((await deb('GET /v1/devices/plug-1')).status).not.toBe(200)
    const left = await worker.context().db.read(sql<Record<string, string | null>>`
      select id from "grant" where subject_id = 'plug-1' or object_id = 'plug-1'`)
    expect(left).toEqual([])
    const keys = await worker.context().db.read(sql<{ made_by: string | null }>`
      select made_by from device_credential where device_id = 'plug-1' and revoked_at is null`)
    expect(keys).toEqual([{ made_by: null }])
  })

  test('keeps what its maker says of it', async () => {
    const { worker, ops } = await start()
    await ops('PATCH /v1/devices/plug-1', { metadata: { lot: '7' }, tags: ['lot-7'], name: 'Plug' })
    await claim(await signedIn(worker, 'ann'), await codeOf(ops), { place: 'site-1' })
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({
      metadata: { lot: '7' },
      tags: ['lot-7'],
      name: 'Plug',
      hardware_ids: [{ kind: 'serial', value: 'SN-0001' }],
    })
  })

  test('is put into its place once, also where the answer to the batch is lost', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const browser = await signedIn(worker, 'ann')
    const cookie = [...browser.cookies].find(([name]) => name.endsWith('session'))?.[1]
    const cx = worker.context()
    const opened = await openClaim(cx, code, cookie)
    if (opened === null || 'own' in opened || opened.session === null)
      throw new Error('not signed in')
    const done = await claimDeviceByCode(losingWrites(cx), opened, opened.session, {
      name: 'Lake house',
      role: 'owner',
    })
    expect(done.outcome).toBe('done')
    const places = await cx.db.read(sql`select id from "group" where name = 'Lake house'`)
    expect(places).toHaveLength(1)
    expect(await memberships(worker, 'plug-1')).toHaveLength(1)
    const granted = await cx.db.read(sql`select id from "grant" where object_id = (
      select id from "group" where name = 'Lake house')`)
    expect(granted).toHaveLength(1)
  })

  test('is not claimed where it was moved meanwhile', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops)
    const browser = await signedIn(worker, 'ann')
    const cookie = [...browser.cookies].find(([name]) => name.endsWith('session'))?.[1]
    const opened = await openClaim(worker.context(), code, cookie, 'site-1')
    if (opened === null || 'own' in opened || opened.session === null)
      throw new Error('not signed in')
    const cx = overtakenOnce(worker.context(), () =>
      ops('PATCH /v1/devices/plug-1', { groups: ['site-2'] }),
    )
    const done = await claimDeviceByCode(cx, opened, opened.session, { id: 'site-1' })
    expect(done).toEqual({ outcome: 'dead', reason: 'claim_code_dead' })
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({ status: 'unclaimed', groups: ['site-2'] })
  })

  test('has rules on the place as far as its maker or its owner may give them', async () => {
    const { worker, ops, as } = await start()
    const ann = await signedIn(worker, 'ann')
    const dealer = await as('gus')
    expect((await claim(ann, await codeOf(dealer, 'siren-1'), { place: 'site-1' })).status).toBe(
      400,
    )
    // Into a new place, where nobody else is, it brings nothing to anybody.
    expect((await claim(ann, await codeOf(dealer, 'siren-2'), NEW_HOME)).status).toBe(200)
    await ops('POST /v1/grants', { subject: 'ann', role: 'alarms', object: 'flat' })
    expect((await claim(ann, await codeOf(dealer, 'siren-1'), { place: 'flat' })).status).toBe(200)
    const ofOperator = await codeOf(ops, 'siren-3')
    expect((await claim(ann, ofOperator, { place: 'site-1' })).status).toBe(200)
  })

  test('goes to somebody else by a release and a new code alone', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops, 'bulb-1')
    await claim(await signedIn(worker, 'ann'), code, { place: 'site-1' })
    const eve = await signedIn(worker, 'eve')
    expect(isDead(await eve.get(link(code)))).toEqual(DEAD)
    expect((await ops('POST /v1/devices/bulb-1/release')).status).toBe(200)
    expect(isDead(await eve.get(link(code)))).toEqual(DEAD)
    const next = await codeOf(ops, 'bulb-1')
    expect((await claim(eve, next, { place: 'site-2' })).status).toBe(200)
    expect(await deviceOf(ops, 'bulb-1')).toMatchObject({ status: 'active', groups: ['site-2'] })
  })

  test('is released by its owner, and by nobody who owns another place', async () => {
    const { worker, ops, as } = await start()
    await claim(await signedIn(worker, 'ann'), await codeOf(ops, 'bulb-1'), { place: 'site-1' })
    const eve = await as('eve')
    expect((await eve('POST /v1/devices/bulb-1/release')).status).toBe(404)
    const ann = await as('ann')
    const released = await ann('POST /v1/devices/bulb-1/release')
    expect(released.body).toMatchObject({ status: 'unclaimed', groups: [] })
    // It is nobody's now: an operator makes the next code.
    expect((await ann('POST /v1/devices/bulb-1/claim-code', {})).status).toBe(404)
    expect((await ann('POST /v1/devices/bulb-1/release')).status).toBe(404)
    const code = await codeOf(ops, 'bulb-1')
    expect((await claim(await signedIn(worker, 'eve'), code, { place: 'site-2' })).status).toBe(200)
  })

  test('is not released by an owner where others hold more over it than the owner does', async () => {
    const { ops, as } = await start()
    await ops('POST /v1/grants', { subject: 'tim', role: 'technician', object: 'site-1' })
    await ops('PATCH /v1/devices/spare', { groups: ['site-1'] })
    expect((await (await as('ann'))('POST /v1/devices/spare/release')).status).toBe(403)
    expect(await deviceOf(ops, 'spare')).toMatchObject({ status: 'active', groups: ['site-1'] })
    // Nor where it is in a group that is out of reach, whose people would lose it.
    await ops('PATCH /v1/devices/lamp-2', { groups: ['room-2', 'flat'] })
    expect((await (await as('eve'))('POST /v1/devices/lamp-2/release')).status).toBe(403)
  })

  test('is released before it was claimed, and its code of then is dead', async () => {
    const { worker, ops } = await start()
    const code = await codeOf(ops, 'bulb-1')
    await ops('POST /v1/devices/bulb-1/release')
    expect(isDead(await (await signedIn(worker, 'ann')).get(link(code)))).toEqual(DEAD)
  })
})

describe('the maker of a code', () => {
  test('gives away what is within reach and power alone', async () => {
    const { as } = await start()
    const deb = await as('deb')
    await codeOf(deb, 'plug-1')
    expect((await deb('POST /v1/devices/plug-2/claim-code', {})).status).toBe(404)
    expect((await deb('GET /v1/devices/plug-2/claim-code')).status).toBe(404)
    expect((await deb('DELETE /v1/devices/plug-2/claim-code')).status).toBe(404)
    expect((await deb('GET /v1/devices/plug-1/claim-code')).body).toMatchObject({ made_by: 'deb' })
    const reader = await as('deb', 'devices:read')
    expect((await reader('POST /v1/devices/plug-1/claim-code', {})).status).toBe(403)
  })

  test('compares what the device holds, and what others hold where it is', async () => {
    const { ops, as } = await start()
    await ops('POST /v1/grants', { subject: 'tim', role: 'technician', object: 'store' })
    const deb = await as('deb')
    const refused = await deb('POST /v1/devices/plug-1/claim-code', {})
    expect(refused.status).toBe(403)
    const one = refused.body['type']
    expect(JSON.stringify(one)).toContain('forbidden')
    expect((await deb('DELETE /v1/devices/plug-1/claim-code')).status).toBe(403)
  })

  test('who was disabled, lost the power or recovered the account has given nothing', async () => {
    const { worker, ops, as } = await start()
    const ann = await signedIn(worker, 'ann')
    const code = await codeOf(await as('deb'))
    const page = await ann.get(link(code))
    const send = () => ann.submit(page, { action: 'claim', place: 'site-1' })
    const grants = (await ops('GET /v1/grants?subject=deb')).body.items
    await ops(`DELETE /v1/grants/${grants[0]?.['id']}`)
    expect(isDead(await send())).toEqual(DEAD)
    await ops('POST /v1/grants', { subject: 'deb', role: 'dealer', object: 'store' })
    await ops('PATCH /v1/users/deb', { status: 'disabled' })
    expect(isDead(await send())).toEqual(DEAD)
    await ops('PATCH /v1/users/deb', { status: 'active' })
    expect(isDead(await send())).toEqual(DEAD)
    expect(await deviceOf(ops, 'plug-1')).toMatchObject({ status: 'unclaimed' })
    expect(worker.log.map(({ fields }) => fields['reason'])).toContain('claim_code_maker')
    const again = await codeOf(await as('deb'))
    expect((await claim(ann, again, { place: 'site-1' })).status).toBe(200)
  })

  test('gives nothing that was moved out of reach since', async () => {
    const { worker, ops, as } = await start()
    const code = await codeOf(await as('deb'))
    // Nobody holds a right there, so nothing but the reach is lacking.
    await ops('POST /v1/groups', { id: 'shelf', kind: 'store' })
    await ops('PATCH /v1/devices/plug-1', { groups: ['store', 'shelf'] })
    const ann = await signedIn(worker, 'ann')
    expect(isDead(await claim(ann, code, { place: 'site-1' }))).toEqual(DEAD)
    expect((await (await as('deb'))('POST /v1/devices/plug-1/claim-code', {})).status).toBe(403)
    await ops('PATCH /v1/devices/plug-1', { groups: ['store'] })
    expect((await claim(ann, code, { place: 'site-1' })).status).toBe(200)
  })

  test('of an operator gives until the role is lost', async () => {
    const { worker, ops, as } = await start()
    const code = await codeOf(await as('boss'), 'plug-2')
    const other = await codeOf(await as('boss'), 'bulb-1')
    const ann = await signedIn(worker, 'ann')
    expect((await claim(ann, code, { place: 'site-1' })).status).toBe(200)
    await ops('POST /v1/grants', { subject: 'eve', role: 'operator', object: '*' })
    const grants = (await ops('GET /v1/grants?subject=boss')).body.items
    await ops(`DELETE /v1/grants/${grants[0]?.['id']}`)
    expect(isDead(await claim(ann, other, { place: 'site-1' }))).toEqual(DEAD)
  })
})

test('the codes of a place that gets a new owner are dead', async () => {
  const { worker, ops } = await start()
  await ops('PATCH /v1/devices/plug-1', { groups: ['room-1'] })
  const [inside, outside] = [await codeOf(ops, 'plug-1'), await codeOf(ops, 'plug-2')]
  const cx = worker.context()
  const ends = { end_credentials: false, end_tokens: false }
  await cx.db.write([...PLACE_ENDS.end(cx, 'site-1', ends, TRUE)])
  const browser = await signedIn(worker, 'eve')
  expect(isDead(await browser.get(link(inside)))).toEqual(DEAD)
  expect((await browser.get(link(outside))).status).toBe(200)
})

test('no code of before a restored backup is good', async () => {
  const { worker, ops } = await start()
  const code = await codeOf(ops)
  await beginEpoch(worker.context())
  worker.memory.clear()
  expect(isDead(await new Browser(worker).inEnglish().get(link(code)))).toEqual(DEAD)
})

test('no statement about codes looks through a table', async () => {
  const { worker } = await start()
  const cx = worker.context()
  const scanned: string[] = []
  for (const one of [
    findOpenClaimCode(cx, 'h'),
    findClaimCodeOf('plug-1', TRUE),
    withdrawClaimCodesIn(cx, 'site-1', TRUE),
    insertClaimCodes([]),
  ]) {
    const plan = await cx.db.read(sql<{ detail: string }>`explain query plan ${one}`)
    scanned.push(
      ...plan
        .map(({ detail }) => detail)
        .filter((detail) => /^SCAN (?!j|value|below|inside|\(subquery)/.test(detail)),
    )
  }
  expect(scanned).toEqual([])
})
