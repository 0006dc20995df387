// Memberships of people that end by a time: guests until Sunday. From that second on they give
// nothing, whatever reads them, and nobody with a power that ends makes one that lasts longer.
import { describe, expect, test } from 'vitest'
import { accessDemandsFactor } from '../../../worker/access/factor_demand.ts'
import { createGrant } from '../../../worker/access/grants.ts'
import { addMember, removeMember } from '../../../worker/access/group_members.ts'
import { operatorExists } from '../../../worker/access/operator_store.ts'
import { listClaimedRights } from '../../../worker/access/rights_store.ts'
import { applyBlueprint } from '../../../worker/admin/blueprint.ts'
import { condition, scalar, sql } from '../../../worker/db/sql.ts'
import { runJobs } from '../../../worker/jobs.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { linkIn, mailsOf } from '../../identity/mails.ts'
import { claimsOf, signIn } from '../../oauth/token_fixtures.ts'
import { PASSWORD } from '../../support/people.ts'
import { HOMES, idsOf, startHomes } from '../../support/places.ts'

const GUESTS = {
  ...HOMES,
  groups: [
    ...HOMES.groups,
    { id: 'guests', kind: 'guests', name: 'Guests', parent_id: 'site-1' },
    { id: 'crew', kind: 'team' },
  ],
  users: [
    ...HOMES.users,
    { id: 'gil', email: 'gil@example.com', email_verified: true, groups: ['site-1'] },
  ],
  grants: [...HOMES.grants, { subject: 'guests', role: 'resident', object: 'site-1' }],
}

const MEMBERS = 'POST /v1/groups/guests/members'

async function start() {
  const homes = await startHomes(GUESTS)
  const sunday = homes.worker.clock.now + 300
  return { ...homes, sunday }
}

/** The rules and the end of a token for the door. */
async function tokenOf(worker: TestWorker, user_id: string) {
  const { access_token } = await signIn(worker, { user_id, scope: 'mqtt' })
  const claims = claimsOf(access_token)
  return { rules: (claims['acl'] as unknown[]).length, exp: Number(claims['exp']) }
}

describe('a guest until Sunday', () => {
  test('has what the group gives until then, in tokens too, and nothing from that second on', async () => {
    const { worker, ops, as, sunday } = await start()
    const ann = await as('ann')
    const made = await ann(MEMBERS, { id: 'gil', expires_at: sunday })
    expect([made.status, made.body['expires_at']]).toEqual([201, sunday])
    const may = async () =>
      (
        await ops('POST /access/v1/evaluation', {
          subject: { type: 'user', id: 'gil' },
          action: { name: 'device:command' },
          resource: { type: 'device', id: 'lamp-1' },
        })
      ).body['decision']
    const members = async () => idsOf(await ann('GET /v1/groups/guests/members'))
    const inGroup = async () => idsOf(await ops('GET /v1/users?group=guests'))
    const found = async () =>
      idsOf(
        await ops('POST /access/v1/search/subject', {
          subject: { type: 'user' },
          action: { name: 'device:command' },
          resource: { type: 'device', id: 'lamp-1' },
        }).then(({ body }) => ({ body: { items: body['results'] } })),
      )
    expect(await tokenOf(worker, 'gil')).toEqual({ rules: 3, exp: sunday })
    expect([await may(), await members(), await inGroup()]).toEqual([true, ['gil'], ['gil']])
    expect(await found()).toContain('gil')
    const access = await ops('GET /access/v1/subjects/gil/access')
    expect(access.body['items']).toMatchObject([{ expires_at: sunday }])

    worker.clock.now = sunday
    expect((await tokenOf(worker, 'gil')).rules).toBe(0)
    expect([await may(), await members(), await inGroup()]).toEqual([false, [], []])
    expect(await found()).not.toContain('gil')
    expect((await ops('DELETE /v1/groups/guests/members/gil')).status).toBe(404)
  })

  test('is no person of the place any more, once the last membership there has ended', async () => {
    const { worker, as, sunday } = await start()
    const ann = await as('ann')
    await ann('POST /v1/groups/site-1/members', { id: 'gil', expires_at: sunday })
    expect(idsOf(await ann('GET /v1/users'))).toContain('gil')
    worker.clock.now = sunday
    const again = await as('ann')
    expect(idsOf(await again('GET /v1/users'))).not.toContain('gil')
    expect((await again('GET /v1/users/gil')).status).toBe(404)
    expect((await again(MEMBERS, { id: 'gil' })).status).toBe(400)
  })

  test('tells no client of the group afterwards, and is asked for no factor by it', async () => {
    const { worker, ops, sunday } = await start()
    await ops('PATCH /v1/groups/guests', { require_factor: true })
    await addMember(worker.context(), 'guests', 'gil', sunday)
    const gil = scalar`${'gil'}`
    const wish = scalar`${'groups'}`
    const { db } = worker.context()
    const groups = async (now: number) =>
      (await db.read(listClaimedRights(gil, wish, scalar`null`, now))).map(({ id }) => id)
    const factor = (now: number) =>
      db.read(sql`select ${accessDemandsFactor(gil, now, condition`false`)} as yes`)
    expect(await groups(sunday - 1)).toEqual(['guests', 'site-1'])
    expect(await factor(sunday - 1)).toEqual([{ yes: 1 }])
    expect(await groups(sunday)).toEqual(['site-1'])
    expect(await factor(sunday)).toEqual([{ yes: 0 }])
  })

  test('is removed by the timer, with an event, and others stay', async () => {
    const { worker, ops, sunday } = await start()
    await ops(MEMBERS, { id: 'gil', expires_at: sunday })
    await ops(MEMBERS, { id: 'tim', expires_at: sunday + 1 })
    const rows = () =>
      worker
        .context()
        .db.read(
          sql<{ id: string }>`select member_id as id from membership where group_id = 'guests'`,
        )
    await runJobs(worker.context())
    expect(await rows()).toHaveLength(2)
    worker.clock.now = sunday
    await runJobs(worker.context())
    expect(await rows()).toEqual([{ id: 'tim' }])
    const events = await ops('GET /v1/events?type=group.member_removed&subject_id=gil')
    expect(events.body['items']).toMatchObject([{ data: { group_id: 'guests' } }])
  })

  test('stays for longer, or goes earlier, as the owner says; and comes back after the end', async () => {
    const { worker, as, ops, sunday } = await start()
    const ann = await as('ann')
    const say = async (body: object) => {
      const { status, body: member } = await ann(MEMBERS, { id: 'gil', ...body })
      return [status, member['expires_at']]
    }
    expect(await say({ expires_at: sunday })).toEqual([201, sunday])
    expect(await say({})).toEqual([200, sunday])
    expect(await say({ expires_at: sunday + 60 })).toEqual([200, sunday + 60])
    expect(await say({ expires_at: sunday - 60 })).toEqual([200, sunday - 60])
    expect(await say({ expires_at: null })).toEqual([200, null])
    expect(await say({ expires_at: sunday })).toEqual([200, sunday])
    const events = await ops('GET /v1/events?type=group.member_end_changed')
    expect((events.body['items'] as unknown[]).length).toBe(4)
    worker.clock.now = sunday
    const later = await as('ann')
    const back = await later(MEMBERS, { id: 'gil' })
    expect([back.status, back.body['expires_at']]).toEqual([201, null])
  })

  test('is a person with an end that lies ahead', async () => {
    const { worker, ops } = await start()
    const past = await ops(MEMBERS, { id: 'gil', expires_at: worker.clock.now })
    expect([past.status, past.body['errors']]).toEqual([
      400,
      [{ pointer: '/expires_at', detail: 'has passed' }],
    ])
    const lamp = await ops(MEMBERS, { id: 'lamp-1', expires_at: worker.clock.now + 60 })
    expect([lamp.status, lamp.body['errors']]).toEqual([
      400,
      [{ pointer: '/expires_at', detail: 'only people are members until a time' }],
    ])
  })
})

describe('power', () => {
  test('that ends makes no membership that lasts longer, and one as long', async () => {
    const { worker, as, sunday } = await start()
    const cx = worker.context()
    await createGrant(cx, { subject: 'tim', role: 'owner', object: 'site-1', expires_at: sunday })
    const tim = await as('tim')
    expect((await tim(MEMBERS, { id: 'gil' })).status).toBe(403)
    expect((await tim(MEMBERS, { id: 'gil', expires_at: sunday + 1 })).status).toBe(403)
    expect((await tim(MEMBERS, { id: 'gil', expires_at: sunday })).status).toBe(201)
    expect((await tim(MEMBERS, { id: 'gil', expires_at: sunday + 1 })).status).toBe(403)
    expect((await tim(MEMBERS, { id: 'gil', expires_at: sunday - 1 })).status).toBe(200)
    await addMember(cx, 'guests', 'gil', null)
    expect((await tim(MEMBERS, { id: 'gil', expires_at: sunday })).status).toBe(403)
    expect((await tim('DELETE /v1/groups/guests/members/gil')).status).toBe(403)
    await addMember(cx, 'guests', 'gil', sunday)
    expect((await tim('DELETE /v1/groups/guests/members/gil')).status).toBe(204)
  })

  test('by a membership that ends is a power that ends', async () => {
    const { worker, as, sunday } = await start()
    const cx = worker.context()
    await createGrant(cx, { subject: 'crew', role: 'owner', object: 'site-1' })
    await addMember(cx, 'crew', 'tim', sunday)
    const tim = await as('tim')
    const grant = { subject: 'gil', role: 'guest', object: 'site-1' }
    expect((await tim('POST /v1/grants', grant)).status).toBe(403)
    expect((await tim('POST /v1/grants', { ...grant, expires_at: sunday })).status).toBe(201)
    worker.clock.now = sunday
    const late = await tim('GET /v1/groups/site-1')
    expect([401, 403]).toContain(late.status)
  })

  test('over the system is not left to a membership that ends', async () => {
    const { worker, sunday } = await start()
    const cx = worker.context()
    await cx.db.write(sql`update user set password = 'x' where id in ('bob', 'boss')`)
    await createGrant(cx, { subject: 'crew', role: 'operator', object: '*' })
    await addMember(cx, 'crew', 'bob')
    await cx.db.write(sql`delete from "grant" where subject_id = 'boss'`)
    await expect(addMember(cx, 'crew', 'bob', sunday)).rejects.toMatchObject({ type: 'conflict' })
    await addMember(cx, 'crew', 'boss', sunday)
    await expect(removeMember(cx, 'crew', 'bob')).rejects.toMatchObject({ type: 'conflict' })
    const found = async (now: number) =>
      cx.db.read(sql`select ${operatorExists(now)} as found`) as Promise<unknown>
    await cx.db.write(sql`delete from membership where group_id = 'crew' and member_id = 'bob'`)
    expect(await found(sunday - 1)).toEqual([{ found: 1 }])
    expect(await found(sunday)).toEqual([{ found: 0 }])
  })
})

describe('an invitation with an end', () => {
  test('makes a member until then, who stays for longer where that was said before', async () => {
    const { worker, ops, as, sunday } = await start()
    await ops('PATCH /v1/settings', { sign_up: 'by_invitation' })
    worker.memory.clear()
    const ann = await as('ann')
    const invite = { groups: ['site-1', 'guests'], groups_expire_at: sunday }
    const made = await ann('POST /v1/invitations', { address: 'new@example.com', ...invite })
    expect([made.status, made.body['groups_expire_at']]).toEqual([201, sunday])
    const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'invitation')
    if (mail === undefined) throw new Error('no mail')
    const { pathname, search } = linkIn(mail)
    const browser = new Browser(worker)
    const page = await browser.get(pathname + search)
    await browser.submit(page, { name: 'New', password: PASSWORD, action: 'create' })
    const [user] = await worker
      .context()
      .db.read(sql<{ id: string }>`select id from user where email = 'new@example.com'`)
    const ends = () =>
      worker.context().db.read(sql`select group_id, expires_at from membership
        where member_id = ${user?.id ?? ''} order by group_id`)
    const both = (expires_at: number | null) =>
      ['guests', 'site-1'].map((group_id) => ({ group_id, expires_at }))
    expect(await ends()).toEqual(both(sunday))
    expect(idsOf(await ann('GET /v1/users'))).toContain(user?.id)
  })

  test('is not made by a power that ends before', async () => {
    const { worker, as, sunday } = await start()
    await createGrant(worker.context(), {
      subject: 'tim',
      role: 'owner',
      object: 'site-1',
      expires_at: sunday,
    })
    const tim = await as('tim')
    const invite = (groups_expire_at: number | null) =>
      tim('POST /v1/invitations', {
        address: 'new@example.com',
        groups: ['guests'],
        groups_expire_at,
      })
    expect((await invite(null)).status).toBe(403)
    expect((await invite(sunday + 1)).status).toBe(403)
    expect((await invite(sunday)).status).toBe(201)
  })
})

test('a blueprint makes a member for good of one whose membership ends', async () => {
  const { worker, sunday } = await start()
  const cx = worker.context()
  await addMember(cx, 'guests', 'gil', sunday)
  worker.clock.now = sunday
  await applyBlueprint(
    cx,
    { users: [{ email: 'gil@example.com', groups: ['site-1', 'guests'] }] },
    {},
  )
  expect(
    await cx.db.read(sql`select expires_at from membership where member_id = 'gil'
      and group_id = 'guests'`),
  ).toEqual([{ expires_at: null }])
})

test('an end costs no round trip more', async () => {
  const { worker, ops, sunday } = await start()
  const { roundTrips } = await countRoundTrips(worker, () =>
    ops(MEMBERS, { id: 'gil', expires_at: sunday }),
  )
  expect(roundTrips).toBe(3)
})
