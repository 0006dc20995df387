// People and invitations, as somebody reaches them who holds the scopes on some groups alone.
import { expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { countRoundTrips } from '../context.ts'
import { PASSWORD } from '../support/people.ts'
import { idsOf, startHomes } from '../support/places.ts'
import { Browser } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'

const BEA = 'bea@example.com'

/** The homes, where people come by invitation; `accept` makes the account behind the last link. */
async function startInviting() {
  const homes = await startHomes()
  const { worker } = homes
  await changeSettings(worker.context(), { sign_up: 'by_invitation' })
  worker.memory.clear()
  const accept = async () => {
    const browser = new Browser(worker)
    const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'invitation') as Mail
    const { pathname, search } = linkIn(mail)
    const page = await browser.get(pathname + search)
    return browser.submit(page, { name: 'Bea', password: PASSWORD, action: 'create' })
  }
  return { ...homes, accept }
}

test('an owner sees the people of the home, and of them how they are called', async () => {
  const { as, ops } = await startHomes()
  await ops('PATCH /v1/users/bob', { metadata: { note: 'pays late' }, profile: { nickname: 'Bo' } })
  const ann = await as('ann')
  expect(idsOf(await ann('GET /v1/users'))).toEqual(['ann', 'bob', 'tim'])
  const first = await ann('GET /v1/users?limit=2')
  const next = await ann(`GET /v1/users?limit=2&cursor=${first.body['next_cursor']}`)
  expect(idsOf(next)).toEqual(['tim'])
  expect(idsOf(await ann('GET /v1/users?email=eve@example.com'))).toEqual([])
  expect(idsOf(await ann('GET /v1/users?email=bob@example.com'))).toEqual(['bob'])
  expect(idsOf(await ann('GET /v1/users?group=site-2'))).toEqual([])
  const { email, metadata, profile, last_sign_in_at } = (await ann('GET /v1/users/bob')).body
  expect({ email, metadata, profile, last_sign_in_at }).toEqual({
    email: 'bob@example.com',
    metadata: {},
    profile: {},
    last_sign_in_at: null,
  })
  expect((await ops('GET /v1/users/bob')).body['metadata']).toEqual({ note: 'pays late' })
  for (const filter of ['search=pays', 'has_factor=any', 'lacks_factor=any', 'signed_in_after=1']) {
    expect((await ann(`GET /v1/users?${filter}`)).status, filter).toBe(403)
  }
})

test('a person elsewhere is answered like one that is not there, and nobody is changed', async () => {
  const { as, worker } = await startHomes()
  const ann = await as('ann')
  const answers: string[] = []
  for (const id of ['nobody', 'eve', 'boss']) {
    const { value, roundTrips } = await countRoundTrips(worker, () => ann(`GET /v1/users/${id}`))
    answers.push(JSON.stringify([value.status, value.body, roundTrips]))
  }
  expect(new Set(answers).size).toBe(1)
  for (const path of ['sessions', 'factors', 'login_ids', 'authorizations', 'export', 'consents']) {
    expect((await ann(`GET /v1/users/bob/${path}`)).status, path).toBe(403)
  }
  expect((await ann('PATCH /v1/users/bob', { name: 'Bobby' })).status).toBe(403)
  expect((await ann('DELETE /v1/users/bob')).status).toBe(403)
  expect((await ann('POST /v1/users/bob/reset')).status).toBe(403)
})

const GUEST = { address: BEA, groups: ['site-1'], grants: [{ role: 'guest', object: 'site-1' }] }

test('an owner invites into the home, sees the invitation, sends it again and takes it back', async () => {
  const { as, ops, worker, accept } = await startInviting()
  const ann = await as('ann')
  const until = worker.clock.now + 3 * 86_400
  const grants = [{ role: 'guest', object: 'site-1', expires_at: until }]
  const made = await ann('POST /v1/invitations', { ...GUEST, grants })
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  expect(idsOf(await ann('GET /v1/invitations'))).toEqual([made.body['id']])
  expect((await accept()).status).toBe(303)
  const members = await ann('GET /v1/groups/site-1/members?kind=user')
  expect(members.body.items.length).toBe(4)
  expect((await ops('GET /v1/grants?role=guest')).body.items).toMatchObject([
    { object: 'site-1', expires_at: until },
  ])
  const second = await ann('POST /v1/invitations', { ...GUEST, address: 'cid@example.com' })
  const path = `/v1/invitations/${second.body['id']}`
  const eve = await as('eve')
  for (const what of [`GET ${path}`, `POST ${path}/send`, `DELETE ${path}`]) {
    const there = await eve(what)
    const gone = await eve(what.replace(/inv_\w+/, `inv_${'0'.repeat(26)}`))
    expect([there.status, there.body]).toEqual([gone.status, gone.body])
    expect(there.status, what).toBe(404)
  }
  expect(idsOf(await eve('GET /v1/invitations'))).toEqual([])
  expect((await ann(`POST ${path}/send`)).status).toBe(200)
  expect((await ann(`DELETE ${path}`)).status).toBe(204)
  expect((await ann(`GET ${path}`)).body).toMatchObject({ state: 'revoked' })
})

test('an owner sees and takes back what another owner has on its way to the home, and no more', async () => {
  const { as, ops } = await startInviting()
  await ops('POST /v1/grants', { subject: 'bob', role: 'owner', object: 'site-1' })
  const [ann, bob] = [await as('ann'), await as('bob')]
  const made = (await ann('POST /v1/invitations', GUEST)).body
  const wide = { ...GUEST, address: 'cid@example.com', groups: ['site-1', 'site-2'] }
  await ops('POST /v1/invitations', wide)
  await ops('POST /v1/invitations', { address: 'dan@example.com' })
  const more = { ...GUEST, address: 'eli@example.com' }
  const strong = { ...more, grants: [{ role: 'technician', object: 'site-1' }] }
  const byOperator = (await ops('POST /v1/invitations', strong)).body
  expect(idsOf(await bob('GET /v1/invitations')).sort()).toEqual(
    [made['id'], byOperator['id']].sort(),
  )
  // To take back needs the power to give.
  expect((await bob(`DELETE /v1/invitations/${byOperator['id']}`)).status).toBe(403)
  expect((await bob(`DELETE /v1/invitations/${made['id']}`)).status).toBe(204)
  expect((await bob(`GET /v1/invitations/${made['id']}`)).status).toBe(404)
  expect((await ann(`GET /v1/invitations/${made['id']}`)).body['state']).toBe('revoked')
})

test('an owner invites nowhere else, to no more than the own role, and learns of no account', async () => {
  const { as, ops } = await startInviting()
  await ops('PATCH /v1/settings', { sign_up: 'off' })
  const ann = await as('ann')
  const invite = async (body: object) =>
    (await ann('POST /v1/invitations', { ...GUEST, ...body })).status
  const on = (role: string, object: string) => ({ grants: [{ role, object }] })
  expect(await invite({ groups: [] })).toBe(403)
  expect(await invite({ groups: [], grants: [] })).toBe(403)
  for (const id of ['site-2', 'region', 'nowhere']) {
    expect(await invite({ groups: ['site-1', id] }), id).toBe(400)
    expect(await invite(on('guest', id)), id).toBe(400)
  }
  expect(await invite(on('guest', '*'))).toBe(400)
  expect(await invite(on('technician', 'site-1'))).toBe(403)
  expect(await invite(on('master', 'site-1'))).toBe(403)
  expect([await invite({}), await invite({ address: 'eve@example.com' })]).toEqual([201, 201])
})

test('an invitation gives nothing when the one who invited owns the home no longer', async () => {
  for (const change of ['the grant', 'the scope', 'the place'] as const) {
    const { as, ops, accept } = await startInviting()
    const ann = await as('ann')
    expect((await ann('POST /v1/invitations', { ...GUEST, grants: [] })).status).toBe(201)
    const [own] = (await ops('GET /v1/grants?subject=ann')).body.items
    if (change === 'the grant') await ops(`DELETE /v1/grants/${own?.['id']}`)
    if (change === 'the scope') {
      await ops('PATCH /v1/roles/owner', { permissions: ['users:write', 'device:read'] })
    }
    if (change === 'the place') {
      await ops('POST /v1/grants', { subject: 'ann', role: 'owner', object: 'site-2' })
      await ops(`DELETE /v1/grants/${own?.['id']}`)
    }
    const before = (await ops('GET /v1/groups/site-1/members')).body.items.length
    expect((await accept()).status, change).not.toBe(303)
    expect((await ops('GET /v1/groups/site-1/members')).body.items.length).toBe(before)
  }
})
