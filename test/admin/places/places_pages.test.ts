// The pages /places: an owner runs the own place by forms without script, with the power of /v1 and
// no other; everybody sees what they have in places, and leaves.
import { beforeEach, describe, expect, test } from 'vitest'
import { createGrant } from '../../../worker/access/grants.ts'
import { addMember } from '../../../worker/access/group_members.ts'
import { applyBlueprint } from '../../../worker/admin/blueprint.ts'
import { sql } from '../../../worker/db/sql.ts'
import { countRoundTrips } from '../../context.ts'
import { alertOf, Browser, formFields, type Page } from '../../identity/browser.ts'
import { createPerson, PASSWORD } from '../../support/people.ts'
import { HOMES, startHomes } from '../../support/places.ts'

const PLACE = '/places/site-1'

async function start() {
  const homes = await startHomes({
    ...HOMES,
    devices: HOMES.devices.map((one) => (one.id === 'hub' ? { ...one, groups: ['site-1'] } : one)),
  })
  const cx = homes.worker.context()
  const some = await createPerson(cx, { email: 'some@example.com', password: PASSWORD })
  await cx.db.write(sql`update user set password = ${some.password}`)
  await homes.ops('PATCH /v1/settings', { sign_up: 'by_invitation' })
  homes.worker.memory.clear()
  const enter = async (id: string) => {
    const browser = new Browser(homes.worker).inEnglish()
    await browser.signIn(`${id}@example.com`, PASSWORD)
    return browser
  }
  return { ...homes, enter, db: cx.db }
}

let homes: Awaited<ReturnType<typeof start>>
let ann: Browser
beforeEach(async () => {
  homes = await start()
  ann = await homes.enter('ann')
})

/** Presses a button of the page, with the token that forms of this browser have. */
async function press(browser: Browser, action: string, fields = {}, path = PLACE): Promise<Page> {
  const { csrf = '' } = formFields(await browser.get('/account'))
  return browser.post(path, { csrf, action, ...fields })
}

const bodyOf = ({ html }: Page) =>
  html
    .replaceAll(/value="[^"]*"/g, '')
    .replaceAll(/Request [0-9a-f-]+/g, '')
    .replaceAll(/<code>.*?<\/code>/gs, '')

describe('all places of a person', () => {
  test('ask for a sign-in, and lead an owner to the own place alone', async () => {
    const nobody = await new Browser(homes.worker).get('/places')
    expect([nobody.status, nobody.headers.get('location')]).toEqual([
      303,
      '/login?return_to=%2Fplaces',
    ])
    const { value: page, roundTrips } = await countRoundTrips(homes.worker, () =>
      ann.get('/places'),
    )
    expect([page.status, roundTrips]).toEqual([200, 2])
    expect(page.html).toContain('href="/places/site-1"')
    expect(page.html).not.toContain('site-2')
    expect((await ann.get('/account')).html).toContain('href="/places"')
  })

  test('show a guest until when, and let the guest leave', async () => {
    const { worker, db } = homes
    const cx = worker.context()
    const until = worker.clock.now + 86_400
    await addMember(cx, 'site-1', 'tim', until)
    await createGrant(cx, { subject: 'tim', role: 'guest', object: 'room-1', expires_at: until })
    const tim = await homes.enter('tim')
    const page = await tim.get('/places')
    expect(page.html).toContain('Home 1')
    expect(page.html).toContain('Home 2')
    expect(page.html).toMatch(/until <time/)
    expect((await tim.get(PLACE)).status).toBe(404)
    expect((await press(tim, 'leave', { id: 'site-1' }, '/places')).status).toBe(303)
    expect(
      await db.read(sql`select object_id as id from "grant" where subject_id = 'tim'
        union select group_id from membership where member_id = 'tim' order by 1`),
    ).toEqual([{ id: 'site-2' }])
    const events = await homes.ops('GET /v1/events?type=group.member_removed&subject_id=tim')
    expect(events.body['items']).toMatchObject([{ actor_id: 'tim', data: { group_id: 'site-1' } }])
  })

  test('let nobody leave who runs the place, or whom a denial binds there', async () => {
    const { worker, db, ops } = homes
    const own = await press(ann, 'leave', { id: 'site-1' }, '/places')
    expect(own.status).toBe(409)
    await ops('POST /v1/groups', { id: 'team', kind: 'team' })
    await addMember(worker.context(), 'team', 'bob')
    const team = await press(await homes.enter('bob'), 'leave', { id: 'team' }, '/places')
    expect(team.status).toBe(409)
    await ops('POST /v1/roles', {
      name: 'barred',
      acl: [{ permission: 'deny', action: 'all', topic: 'x/${group.id}' }],
    })
    await createGrant(worker.context(), { subject: 'site-1', role: 'barred', object: 'room-1' })
    const bob = await homes.enter('bob')
    const bound = await press(bob, 'leave', { id: 'site-1' }, '/places')
    expect(alertOf(bound)).toContain('You cannot leave this place here')
    expect(
      await db.read(sql`select role from "grant" where subject_id in ('ann', 'bob')`),
    ).toHaveLength(2)
  })
})

describe('a place', () => {
  test('shows its owner people, roles, devices and rooms, and nothing of another', async () => {
    const { value: page, roundTrips } = await countRoundTrips(homes.worker, () => ann.get(PLACE))
    expect(page.status).toBe(200)
    expect(roundTrips).toBeLessThanOrEqual(10)
    for (const one of ['ann@example.com', 'bob@example.com', 'resident', 'Kitchen', 'lamp-1']) {
      expect(page.html).toContain(one)
    }
    for (const one of ['eve@', 'room-2', 'lamp-2', 'Home 2', 'master', 'technician']) {
      expect(page.html).not.toContain(one)
    }
    expect(page.html).not.toMatch(/<script|style=/)
  })

  test('of somebody else is answered as one that nothing has, to a form too', async () => {
    const eve = await homes.enter('eve')
    const other = await eve.get(PLACE)
    const nothing = await eve.get('/places/nothing')
    expect([other.status, nothing.status]).toEqual([404, 404])
    expect(bodyOf(other).replaceAll('site-1', 'X')).toBe(bodyOf(nothing).replaceAll('nothing', 'X'))
    const sent = await press(eve, 'room', { name: 'Mine' })
    expect(sent.status).toBe(404)
    expect((await eve.get('/places/a%2Fb')).status).toBe(404)
    expect(await homes.db.read(sql`select id from "group" where name = 'Mine'`)).toEqual([])
  })

  test('is changed by its owner: rooms, names, ends and people', async () => {
    const { db } = homes
    expect((await press(ann, 'room', { name: 'Attic' })).status).toBe(303)
    expect((await press(ann, 'rename', { id: 'room-1', name: 'Cellar' })).status).toBe(303)
    const names = await db.read(
      sql<{ name: string }>`select name from "group" where parent_id = 'site-1' order by name`,
    )
    expect(names.map(({ name }) => name)).toEqual(['Attic', 'Cellar'])
    const [grant] = await db.read(
      sql<{ id: string }>`select id from "grant" where subject_id = 'bob'`,
    )
    const end = await press(ann, 'end', { id: grant?.id })
    expect((await ann.submit(end, { action: 'end' })).status).toBe(303)
    const remove = await press(ann, 'remove', { id: 'bob' })
    expect((await ann.submit(remove, { action: 'remove' })).status).toBe(303)
    expect((await ann.get(PLACE)).html).not.toContain('bob@example.com')
    expect(await db.read(sql`select 1 from membership where member_id = 'bob'`)).toEqual([])
  })

  test('ends what a person has there once it was said what that is', async () => {
    const { db, worker, ops } = homes
    const cx = worker.context()
    const held = () =>
      db.read(sql`select "grant".object_id as id from "grant" where subject_id = 'bob'
        union select group_id from membership where member_id = 'bob' order by 1`)
    await addMember(cx, 'room-1', 'bob', worker.clock.now + 86_400)
    await createGrant(cx, { subject: 'site-1', role: 'guest', object: 'room-1' })
    const asked = await press(ann, 'remove', { id: 'bob' })
    expect(asked.status).toBe(200)
    for (const one of ['bob@example.com', 'resident', 'Home 1', 'Kitchen', 'members of these']) {
      expect(asked.html).toContain(one)
    }
    expect(asked.html).toMatch(/until <time/)
    expect(asked.html).not.toContain('was made in this place')
    expect(await held()).toEqual([{ id: 'room-1' }, { id: 'site-1' }])
    // Something came meanwhile: it is asked about too.
    await createGrant(cx, { subject: 'bob', role: 'guest', object: 'room-1' })
    const again = await ann.submit(asked, { action: 'remove' })
    expect([again.status, again.html.includes('guest')]).toEqual([200, true])
    expect(await held()).toHaveLength(2)
    expect((await ann.submit(again, { action: 'remove' })).status).toBe(303)
    expect(await held()).toEqual([])
    // A name for a mark that somebody else was shown is worth nothing.
    const other = await press(ann, 'remove', { id: 'tim', seen: formFields(again)['seen'] })
    expect([other.status, alertOf(other)]).toEqual([200, undefined])
    const events = await ops('GET /v1/events?type=group.member_removed&subject_id=bob')
    expect(events.body['items']).toMatchObject([{ actor_id: 'ann' }, { actor_id: 'ann' }])
  })

  test('names in that question no person and no device to one who may not see them', async () => {
    const { worker, ops } = homes
    const cx = worker.context()
    await ops('PATCH /v1/devices/lamp-1', { name: 'Lamp by the safe' })
    await ops('POST /v1/roles', { name: 'keeper', permissions: ['access:read', 'access:write'] })
    await createGrant(cx, { subject: 'tim', role: 'keeper', object: 'site-1' })
    const { id } = await createGrant(cx, { subject: 'bob', role: 'guest', object: 'lamp-1' })
    const tim = await homes.enter('tim')
    for (const page of [
      await press(tim, 'end', { id }),
      await press(tim, 'remove', { id: 'bob' }),
    ]) {
      expect([page.status, page.html.includes('lamp-1')]).toEqual([200, true])
      expect(page.html).not.toMatch(/bob@example|by the safe/)
    }
    expect((await press(ann, 'end', { id })).html).toMatch(/bob@example[\s\S]*by the safe/)
  })

  test('says that an account which was made there stays', async () => {
    const made = await press(ann, 'account', { name: 'Kim', user_name: 'kim', role: 'guest' })
    expect(made.status).toBe(200)
    const [kim] = await homes.db.read(sql<{ id: string }>`select id from user where name = 'Kim'`)
    const asked = await press(ann, 'remove', { id: kim?.id })
    expect(asked.html).toContain('was made in this place. It stays')
    expect((await ann.submit(asked, { action: 'remove' })).status).toBe(303)
    expect((await ann.get(PLACE)).html).not.toContain('Kim')
  })

  test('ends a hundred grants of a person at a time, and asks about the rest', async () => {
    const { db } = homes
    await createGrant(homes.worker.context(), { subject: 'bob', role: 'guest', object: 'site-1' })
    await db.write(
      sql`insert into "grant" (id, subject_id, role, object_id, created_at, updated_at, version,
          expires_at)
        with recursive n(value) as (select 1 union all select value + 1 from n where value < 120)
        select printf('grt_%03d', value), 'bob', 'guest', 'site-1', 1, 1, 1, 3000000000 + value
        from n`,
    )
    const asked = await press(ann, 'remove', { id: 'bob' })
    const rest = await ann.submit(asked, { action: 'remove' })
    expect([rest.status, rest.html.includes('bob@example.com')]).toEqual([200, true])
    expect((await ann.submit(rest, { action: 'remove' })).status).toBe(303)
    expect(await db.read(sql`select 1 from "grant" where subject_id = 'bob'`)).toEqual([])
  })

  test('has pages for each of its lists, whose cursors are good for these alone', async () => {
    const { db, worker } = homes
    const numbers = [...Array(60).keys()].map((n) => String(100 + n))
    await applyBlueprint(
      worker.context(),
      {
        groups: numbers.map((n) => ({ id: `group-${n}`, kind: 'room', parent_id: 'site-1' })),
        users: numbers.map((n) => ({
          ...{ id: `user-${n}`, email: `user-${n}@example.com`, email_verified: true },
          groups: ['site-1'],
        })),
        devices: numbers.map((n) => ({ id: `device-${n}`, type: 'dimmer', groups: ['site-1'] })),
        grants: [
          ...numbers.map((n) => ({ subject: `device-${n}`, role: 'guest', object: 'site-1' })),
          ...numbers.map((n) => ({ subject: `user-${n}`, role: 'technician', object: 'room-1' })),
        ],
      },
      {},
    )
    await press(ann, 'invite', { address: 'guest-0@example.com', role: 'guest' })
    await db.write(sql`insert into invitation (id, hash, address, address_key, inviter,
        inviter_epoch, grants, groups, valid_for, created_at, expires_at, invited_by)
      select invitation.id || value, hash || value, value || '-' || address,
        value || '-' || address_key,
        inviter, inviter_epoch, grants, groups, valid_for, created_at, expires_at, invited_by
      from invitation, json_each(${JSON.stringify(numbers.slice(1))})`)
    const lists = {
      people: ['People', /user-\d{3}@example/g, 60],
      others: ['Others who have a role here', /dir="auto">device-\d{3}<\/span><\/div>\s*<div/g, 60],
      invitations: ['Invitations on their way', /(?:\d+-)?guest-0@example\.com<\/span>/g, 60],
      devices: ['Devices', /dir="auto">device-\d{3}<\/span>\s*<span/g, 60],
      rooms: ['Rooms', /id="name-group-\d{3}"/g, 60],
    } as const
    const hrefOf = ({ html }: Page, title: string, text: string) =>
      new RegExp(`href="([^"]*)" aria-label="${text}: ${title}"`)
        .exec(html)?.[1]
        ?.replaceAll('&amp;', '&')
    for (const [list, [title, entry, count]] of Object.entries(lists)) {
      const seen = new Set<string>()
      let page = await ann.get(PLACE)
      let pages = 1
      for (; ; pages += 1) {
        for (const [one] of page.html.matchAll(entry)) seen.add(one)
        const next = hrefOf(page, title, 'Show more')
        if (next === undefined) break
        expect(next).toMatch(new RegExp(`#${list}$`))
        page = await ann.get(next)
        expect(page.status, list).toBe(200)
      }
      expect([list, seen.size]).toEqual([list, count])
      expect([list, pages]).toEqual([list, 2])
      if (list === 'people') expect(page.html).toContain('technician')
      expect(hrefOf(page, title, 'Back to the beginning')).toBe(`${PLACE}#${list}`)
    }
    // The lists go on by themselves, and a form comes back to the page that it was sent from.
    const rooms = hrefOf(await ann.get(PLACE), 'Rooms', 'Show more') ?? ''
    const people = hrefOf(await ann.get(rooms), 'People', 'Show more') ?? ''
    expect(Object.keys(Object.fromEntries(new URL(people, 'http://x').searchParams))).toEqual([
      'people',
      'rooms',
    ])
    const here = people.split('#')[0] ?? ''
    const sent = await press(ann, 'rename', { id: 'group-100', name: 'Cellar' }, here)
    expect([sent.status, sent.headers.get('location')]).toEqual([303, here])
    // A cursor of another list, of another place, a forged one.
    const cursor = new URL(rooms, 'http://x').searchParams.get('rooms') ?? ''
    const bad = [
      `${PLACE}?people=${cursor}`,
      `${PLACE}?rooms=x`,
      `${PLACE}?devices=${'x'.repeat(600)}`,
    ]
    for (const path of bad) expect((await ann.get(path)).status, path).toBe(400)
    const eve = await homes.enter('eve')
    expect((await eve.get(`/places/site-2?rooms=${cursor}`)).status).toBe(400)
  })

  test('gets a guest until a day by a mailed invitation, which its owner takes back', async () => {
    const { db } = homes
    const fields = { address: 'gus@example.com', role: 'guest', until: '2027-01-17' }
    expect((await press(ann, 'invite', fields)).status).toBe(303)
    const end = Date.parse('2027-01-18T00:00:00Z') / 1000
    const [row] = await db.read(
      sql<Record<string, string>>`select id, grants, groups, groups_expire_at from invitation`,
    )
    expect(JSON.parse(row?.['grants'] ?? '')).toMatchObject([
      { role: 'guest', object: 'site-1', expires_at: end },
    ])
    expect([row?.['groups'], row?.['groups_expire_at']]).toEqual(['["site-1"]', end])
    expect((await ann.get(PLACE)).html).toContain('gus@example.com')
    expect((await press(ann, 'withdraw', { id: row?.['id'] })).status).toBe(303)
    expect((await ann.get(PLACE)).html).not.toContain('gus@example.com')
    const wrong = await press(ann, 'invite', { ...fields, until: 'tomorrow' })
    expect([wrong.status, alertOf(wrong)]).toEqual([
      409,
      'Something in the form cannot be so. Nothing was changed.',
    ])
  })

  test('gets a member without an address, whose way in its owner renews after a fresh sign-in', async () => {
    const { worker, db } = homes
    const fields = { name: 'Kim', user_name: 'kim', role: 'resident' }
    const made = await press(ann, 'account', fields)
    expect(made.status).toBe(200)
    expect(made.html).toMatch(/kim\.\d{5}/)
    expect(made.html).toContain('/recover/password?token=')
    expect((await ann.get(PLACE)).html).not.toContain('token=')
    const [kim] = await db.read(sql<{ id: string }>`select id from user where name = 'Kim'`)
    expect((await press(ann, 'renew', { id: kim?.id })).html).toContain('token=')
    worker.clock.now += 3600
    const late = await press(ann, 'renew', { id: kim?.id })
    expect([late.status, late.headers.get('location')]).toEqual([
      303,
      '/login?return_to=%2Fplaces%2Fsite-1',
    ])
  })

  test('is offered to a new owner once it was said in numbers what ends', async () => {
    const { db } = homes
    const asked = await press(ann, 'ask', { to: 'bea@example.com' })
    expect(asked.html).toContain('People who lose access: 3')
    expect(await db.read(sql`select 1 from place_transfer`)).toEqual([])
    expect((await ann.submit(asked, { action: 'offer' })).status).toBe(303)
    const open = await ann.get(PLACE)
    expect(open.html).toContain('bea@example.com')
    expect((await press(ann, 'keep')).status).toBe(303)
    expect((await ann.get(PLACE)).html).not.toContain('bea@example.com')
  })
})

describe('no form', () => {
  const stands = () =>
    homes.db.read(sql`select (select count(*) from "grant") as grants,
      (select count(*) from membership) as members, (select count(*) from invitation) as invitations,
      (select group_concat(name) from "group") as names`)

  test('does more than the power of its sender, or outside the place', async () => {
    const { db, worker } = homes
    const before = await stands()
    const [other] = await db.read(
      sql<{ id: string }>`select id from "grant" where subject_id = 'eve'`,
    )
    const refused: [string, Record<string, string>, number][] = [
      ['invite', { address: 'x@example.com', role: 'master' }, 403],
      ['invite', { address: 'x@example.com', role: 'operator' }, 403],
      ['account', { user_name: 'kim', role: 'technician' }, 403],
      ['end', { id: other?.id ?? '' }, 409],
      ['rename', { id: 'room-2', name: 'Mine' }, 409],
      ['remove', { id: 'eve' }, 409],
      ['renew', { id: 'bob' }, 409],
      ['withdraw', { id: 'inv_00000000000000000000000000' }, 409],
    ]
    for (const [action, fields, status] of refused) {
      const page = await press(ann, action, fields)
      expect([action, page.status]).toEqual([action, status])
      expect(alertOf(page)).not.toBe('')
    }
    expect(await stands()).toEqual(before)
    // One who may look, and no more.
    await homes.ops('POST /v1/roles', { name: 'looker', permissions: ['access:read'] })
    await createGrant(worker.context(), { subject: 'bob', role: 'looker', object: 'site-1' })
    const after = await stands()
    const bob = await homes.enter('bob')
    const seen = await bob.get(PLACE)
    expect(seen.status).toBe(200)
    expect(seen.html).not.toContain('ann@example.com')
    expect((await press(bob, 'room', { name: 'Mine' })).status).toBe(403)
    expect((await press(bob, 'remove', { id: 'tim' })).status).toBe(403)
    expect(await stands()).toEqual(after)
  })

  test('counts from another page, or for somebody who lacks what is asked of all', async () => {
    const before = await stands()
    const sent = await ann.post(PLACE, { csrf: 'x.y', action: 'room', name: 'Mine' })
    expect(sent.status).toBe(403)
    const page = await ann.get(PLACE)
    await homes.db.write(sql`update user set must_change_password = 1 where id = 'ann'`)
    const asked = await ann.submit(page, { action: 'room', name: 'Mine' })
    expect([asked.status, asked.headers.get('location')?.split('?')[0]]).toEqual([303, '/continue'])
    expect(await stands()).toEqual(before)
  })
})
