// Accounts without an address that owners make in their place: who renews their way in, and from
// when on nobody does.
import { beforeEach, describe, expect, test } from 'vitest'
import { createGrant } from '../../../worker/access/grants.ts'
import { addMember } from '../../../worker/access/group_members.ts'
import { sql } from '../../../worker/db/sql.ts'
import type { TestWorker } from '../../context.ts'
import { signIn, token } from '../../oauth/token_fixtures.ts'
import { PASSWORD } from '../../support/people.ts'
import { type Call, HOMES, startHomes } from '../../support/places.ts'
import { Browser } from '../browser.ts'
import { linkIn, mailsOf } from '../mails.ts'

const DOCUMENT = {
  ...HOMES,
  devices: HOMES.devices.map((one) => (one.id === 'hub' ? { ...one, groups: ['site-1'] } : one)),
}
const ACCOUNTS = '/v1/groups/site-1/accounts'
const NEW = 'a long password of the grandchild'

async function start() {
  const homes = await startHomes(DOCUMENT)
  await homes.ops('PATCH /v1/settings', { sign_up: 'by_invitation' })
  homes.worker.memory.clear()
  return { ...homes, ann: await homes.as('ann') }
}

type Made = { user_id: string; user_name: string; url: string }

async function make(call: Call, body: object = {}): Promise<Made> {
  const { status, body: made } = await call(`POST ${ACCOUNTS}`, { user_name: 'kid', ...body })
  expect(status, JSON.stringify(made)).toBe(201)
  const { user_id, user_name, url } = made
  return { user_id: String(user_id), user_name: String(user_name), url: String(url) }
}

const renew = (call: Call, { user_id }: Made) => call(`POST ${ACCOUNTS}/${user_id}/renew`, {})

/** Opens the link and sets the password; answers the status. */
async function follow(worker: TestWorker, url: string, password = NEW): Promise<number> {
  const { pathname, search } = new URL(url)
  const browser = new Browser(worker)
  const page = await browser.get(pathname + search)
  if (page.status !== 200) return page.status
  return (await browser.submit(page, { password, action: 'save' })).status
}

let homes: Awaited<ReturnType<typeof start>>
beforeEach(async () => {
  homes = await start()
})

describe('an owner', () => {
  test('makes a member without an address, who signs in with the link that is shown once', async () => {
    const { worker, ann, ops } = homes
    // Nobody who has no address has to prove one.
    await ops('PATCH /v1/settings', { require_verified_address: true })
    worker.memory.clear()
    const made = await make(ann, { name: 'Kim', roles: [{ role: 'resident' }] })
    expect(made.user_name).toMatch(/^kid\.\d{5}$/)
    expect(await follow(worker, made.url)).toBe(303)
    expect(await follow(worker, made.url)).not.toBe(303)
    const browser = new Browser(worker)
    expect((await browser.signIn(made.user_name, NEW)).status).toBe(303)
    expect((await browser.get('/account')).status).toBe(200)
    const list = await ann(`GET ${ACCOUNTS}`)
    expect(list.body['items']).toMatchObject([
      { user_id: made.user_id, name: 'Kim', made_by: 'ann', renewed_at: null, can_renew: true },
    ])
    expect((await ann(`GET /v1/grants?subject=${made.user_id}`)).body['items']).toMatchObject([
      { role: 'resident', object: 'site-1' },
    ])
  })

  test('gives no more than the own power, in the own place alone, and learns no name', async () => {
    const { ann, ops, worker } = homes
    const body = { user_name: 'kid', roles: [{ role: 'technician' }] }
    expect((await ann(`POST ${ACCOUNTS}`, body)).status).toBe(403)
    expect((await ann('POST /v1/groups/site-2/accounts', { user_name: 'kid' })).status).toBe(404)
    expect((await ann('POST /v1/groups/room-1/accounts', { user_name: 'kid' })).status).toBe(404)
    expect((await ann('GET /v1/groups/site-2/accounts')).status).toBe(404)
    const unknown = await ann(`POST ${ACCOUNTS}`, { ...body, roles: [{ role: 'nothing' }] })
    expect([unknown.status, unknown.body['errors']]).toEqual([
      400,
      [{ pointer: '/roles/0/role', detail: 'there is no such thing' }],
    ])
    await ops('POST /v1/users', { user_name: 'kid' })
    await make(ann)
    await ops('PATCH /v1/settings', { sign_up: 'off' })
    worker.memory.clear()
    expect((await ann(`POST ${ACCOUNTS}`, { user_name: 'kid' })).status).toBe(409)
  })

  test('renews the way in: sessions and access end with its use, and the person is told', async () => {
    const { worker, ann, ops } = homes
    const made = await make(ann, { roles: [{ role: 'resident' }] })
    await follow(worker, made.url)
    const before = new Browser(worker)
    await before.signIn(made.user_name, NEW)
    const { refresh_token = '' } = await signIn(worker, { user_id: made.user_id })
    const again = await renew(ann, made)
    expect(again.status, JSON.stringify(again.body)).toBe(200)
    expect(await follow(worker, String(again.body['url']), `${NEW} 2`)).toBe(303)
    expect((await before.get('/account')).status).toBe(303)
    const dead = await token(worker, {
      grant_type: 'refresh_token',
      client_id: 'app',
      refresh_token,
    })
    expect(dead.status).toBe(400)

    const after = new Browser(worker)
    await after.signIn(made.user_name, `${NEW} 2`)
    const account = await after.get('/account')
    expect(account.headers.get('location')).toMatch(/^\/continue\?/)
    const told = await after.get(account.headers.get('location') ?? '')
    expect(told.html).toContain('Your way in was renewed')
    expect(told.html).toContain('ann@example.com')
    expect(told.html).toContain('Home 1')
    expect((await after.submit(told, { action: 'accept' })).status).toBe(303)
    expect((await after.get('/account')).status).toBe(200)
    const events = await ops(`GET /v1/events?type=user.reset_started&subject_id=${made.user_id}`)
    expect(events.body['items']).toMatchObject([{ actor_id: 'ann' }])
    const list = await ann(`GET ${ACCOUNTS}`)
    expect(list.body['items']).toMatchObject([{ renewed_by: 'ann' }])
  })

  test('beside another one does so too, and nobody else', async () => {
    const { worker, ann, as, ops } = homes
    const made = await make(ann, { roles: [{ role: 'owner' }] })
    await createGrant(worker.context(), { subject: 'tim', role: 'owner', object: 'site-1' })
    expect((await renew(await as('tim'), made)).status).toBe(200)
    await ops('POST /v1/roles', { name: 'helper', permissions: ['users:write'] })
    await createGrant(worker.context(), { subject: 'bob', role: 'helper', object: 'site-1' })
    expect((await renew(await as('bob'), made)).status).toBe(403)
    expect((await renew(await as('eve'), made)).status).toBe(404)
  })
})

/** Ways in which an account ceases to be the place's alone. */
const OWN_WAYS: Record<string, (user_id: string) => Promise<unknown>> = {
  'an address of its own': async (user_id) =>
    homes.ops(`POST /v1/users/${user_id}/login_ids`, { kind: 'email', value: 'kim@example.com' }),
  'a passkey': async (user_id) => {
    const { db, now } = homes.worker.context()
    await db.write(sql`insert into factor (id, user_id, kind, name, last_step, made_by, created_at)
      values ('fac_1', ${user_id}, 'passkey', 'Key', 0, 'x', ${now()})`)
  },
  'a role elsewhere': async (user_id) =>
    createGrant(homes.worker.context(), { subject: user_id, role: 'guest', object: 'site-2' }),
  'a role on everything, from tomorrow on': async (user_id) =>
    createGrant(homes.worker.context(), {
      subject: user_id,
      role: 'guest',
      object: '*',
      not_before: homes.worker.clock.now + 86_400,
    }),
  'another place': async (user_id) => addMember(homes.worker.context(), 'site-2', user_id),
  'a role elsewhere by its group': async () =>
    createGrant(homes.worker.context(), { subject: 'site-1', role: 'guest', object: 'site-2' }),
  'no place here any more': async (user_id) =>
    homes.ops(`DELETE /v1/groups/site-1/members/${user_id}`),
  'an operator who disabled it': async (user_id) =>
    homes.ops(`PATCH /v1/users/${user_id}`, { status: 'disabled' }),
}

describe('an account with', () => {
  test.each(Object.keys(OWN_WAYS))(
    '%s is renewed by no owner, and a link from before is dead',
    async (way) => {
      const { worker, ann } = homes
      const made = await make(ann)
      await follow(worker, made.url)
      const link = await renew(ann, made)
      expect(link.status).toBe(200)
      await OWN_WAYS[way]?.(made.user_id)
      expect([403, 404, 409]).toContain((await renew(ann, made)).status)
      expect(await follow(worker, String(link.body['url']), `${NEW} 3`)).not.toBe(303)
      const [row] = (await ann(`GET ${ACCOUNTS}`)).body['items'] as { can_renew: boolean }[]
      expect(row?.can_renew).toBe(false)
    },
  )
})

test('an account that was moved into the place is renewed by nobody there', async () => {
  const { worker, ann, ops } = homes
  const other = await ops('POST /v1/users', { user_name: 'grandma' })
  const user_id = String(other.body['id'])
  await addMember(worker.context(), 'site-1', user_id)
  expect((await renew(ann, { user_id, user_name: '', url: '' })).status).toBe(404)
  expect((await renew(ann, { user_id: 'bob', user_name: '', url: '' })).status).toBe(404)
})

test('a link of an owner who was stopped, or is none any more, is dead', async () => {
  const { worker, ann, ops, as } = homes
  const made = await make(ann)
  await follow(worker, made.url)
  await createGrant(worker.context(), { subject: 'tim', role: 'owner', object: 'site-1' })
  const byTim = await renew(await as('tim'), made)
  await ops('PATCH /v1/users/tim', { status: 'disabled' })
  expect(await follow(worker, String(byTim.body['url']), `${NEW} 4`)).not.toBe(303)
  const byAnn = await renew(ann, made)
  await worker.context().db.write(sql`delete from "grant" where subject_id = 'ann'`)
  expect(await follow(worker, String(byAnn.body['url']), `${NEW} 5`)).not.toBe(303)
})

test('after a transfer neither the former owner nor the new one renews it, and a link is dead', async () => {
  const { worker, ann, as } = homes
  const made = await make(ann, { roles: [{ role: 'resident' }] })
  await follow(worker, made.url)
  const link = await renew(ann, made)
  const offer = await ann('POST /v1/groups/site-1/transfer', { to: 'bea@example.com' })
  expect(offer.status, JSON.stringify(offer.body)).toBe(201)
  const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'transfer')
  if (mail === undefined) throw new Error('no mail')
  const { pathname, search } = linkIn(mail)
  const browser = new Browser(worker)
  const page = await browser.get(pathname + search)
  const done = await browser.submit(page, { name: 'Bea', password: PASSWORD, action: 'create' })
  expect(done.status).toBe(200)
  expect(await follow(worker, String(link.body['url']), `${NEW} 6`)).not.toBe(303)
  const { db } = worker.context()
  const [bea] = await db.read(sql<{ id: string }>`select id from user where name = 'Bea'`)
  const owner = await as(bea?.id ?? '')
  expect((await owner(`GET ${ACCOUNTS}`)).body['items']).toEqual([])
  expect((await renew(owner, made)).status).toBe(404)
  await addMember(worker.context(), 'site-1', made.user_id)
  expect((await renew(owner, made)).status).toBe(404)
})
