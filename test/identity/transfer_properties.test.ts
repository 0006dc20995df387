// A property of transfers, over random members, firms, applications and grants: whoever was there
// before reaches no topic of the place any more, neither by tokens of before nor by new ones, and
// what they reach in the other house is as it was.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mayPublish, mayReceive, maySubscribe, parseAcl } from '../../policy/acl.ts'
import { valueAt } from '../../worker/status/status_list.ts'
import { basic, claimsOf, refresh, signIn, token } from '../oauth/token_fixtures.ts'
import { claimsOf as claimsWithStatus, readList } from '../status/status_reader.ts'
import { PASSWORD } from '../support/people.ts'
import { HOMES, startHomes } from '../support/places.ts'
import { Browser } from './browser.ts'
import { linkIn, mailsOf } from './mails.ts'

const PEOPLE = ['ann', 'bob', 'ina', 'tim', 'eve']
const SECRET = 'meter-secret-of-at-least-32-characters-1'
const HERE = ['site-1', 'room-1', 'lamp-1', 'hub']
const THERE = ['site-2', 'room-2', 'lamp-2']

const rule = (action: string, topic: string) => ({ permission: 'allow', action, topic })
const ROLES = {
  lamp: [
    rule('publish', 'things/${device.id}/set'),
    rule('subscribe', 'things/${device.id}/state'),
  ],
  room: [rule('all', 'rooms/${group.id}/#')],
  house: [rule('all', 'houses/${site.id}/${device.id}/x'), rule('subscribe', 'all/${site.id}/#')],
}

/** Topics, by the thing of whose place they are. */
const topicsOf = (ids: readonly string[], site: string): string[] =>
  ids.flatMap((id) => [
    `things/${id}/set`,
    `things/${id}/state`,
    `rooms/${id}/a`,
    `houses/${site}/${id}/x`,
    `all/${site}/${id}`,
    `sites/${id}/devices/lamp/state`,
  ])
const TOPICS = { here: topicsOf(HERE, 'site-1'), there: topicsOf(THERE, 'site-2') }

const subjects = [...PEOPLE, 'firm', 'site-1', 'room-1', 'site-2', 'meter']
const grant = fc.record({
  subject: fc.constantFrom(...subjects),
  role: fc.constantFrom(...Object.keys(ROLES), 'resident'),
  object: fc.constantFrom(...HERE, ...HERE, ...THERE),
})
const worldArb = fc.record({
  members: fc.uniqueArray(
    fc.tuple(
      fc.constantFrom('site-1', 'room-1', 'site-2', 'firm'),
      fc.constantFrom('bob', 'ina', 'tim', 'eve'),
    ),
    { maxLength: 8, selector: (pair) => pair.join(' ') },
  ),
  grants: fc.uniqueArray(grant, {
    minLength: 3,
    maxLength: 9,
    selector: ({ subject, role, object }) => `${subject} ${role} ${object}`,
  }),
})

type World = { members: [string, string][]; grants: { subject: string; object: string }[] }

const documentOf = ({ members, grants }: World) => ({
  ...HOMES,
  roles: [...HOMES.roles, ...Object.entries(ROLES).map(([name, acl]) => ({ name, acl }))],
  groups: [...HOMES.groups, { id: 'firm', kind: 'team', name: 'Firm' }],
  users: PEOPLE.map((id) => ({
    id,
    email: `${id}@example.com`,
    email_verified: true,
    groups: members.filter(([, member]) => member === id).map(([group]) => group),
  })),
  clients: [
    {
      client_id: 'meter',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'mqtt',
    },
  ],
  devices: HOMES.devices.map((one) => (one.id === 'hub' ? { ...one, groups: ['site-1'] } : one)),
  grants: [{ subject: 'ann', role: 'owner', object: 'site-1' }, ...grants],
})

/** Topics of a list that a token lets its bearer publish, hear or subscribe to. */
function reached(access_token: string, topics: readonly string[]): string[] {
  const reading = parseAcl(claimsOf(access_token).acl)
  if ('fault' in reading) throw new Error(reading.fault)
  const { acl } = reading
  return topics.filter(
    (topic) =>
      mayPublish(acl, topic, 0, false) || mayReceive(acl, topic) || maySubscribe(acl, topic, 0),
  )
}

const counted = { reachedBefore: 0, reachedThere: 0, worlds: 0 }

test('nobody of before reaches a topic of the place after its transfer, and the other house is as it was', async () => {
  await fc.assert(
    fc.asyncProperty(worldArb, async (world) => {
      const { worker, ops } = await startHomes(documentOf(world), {})
      await ops('PATCH /v1/settings', { sign_up: 'by_invitation' })
      worker.memory.clear()
      const tokensOf = async (id: string): Promise<{ access: string; kept: string | null }> => {
        if (id === 'meter') {
          const form = { grant_type: 'client_credentials', scope: 'mqtt' }
          const { body } = await token(worker, form, basic('meter', SECRET))
          return { access: String(body.access_token), kept: null }
        }
        const signed = await signIn(worker, { user_id: id, scope: 'mqtt offline_access' })
        return { access: signed.access_token, kept: signed.refresh_token }
      }
      const before: { id: string; access: string; kept: string | null }[] = []
      for (const id of [...PEOPLE, 'meter']) before.push({ id, ...(await tokensOf(id)) })

      // An owner may offer only what the own role has; an operator may offer all of these.
      const made = await ops('POST /v1/groups/site-1/transfer', {
        to: 'bea@example.com',
      })
      expect(made.status, JSON.stringify(made.body)).toBe(201)
      const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'transfer')
      if (mail === undefined) throw new Error('no mail')
      const { pathname, search } = linkIn(mail)
      const browser = new Browser(worker)
      const page = await browser.get(pathname + search)
      const typed = { name: 'Bea', password: PASSWORD, action: 'create' }
      expect((await browser.submit(page, typed)).status).toBe(200)
      worker.memory.clear()

      // Through the place somebody may have had a right in the other house, which ends too.
      const isOther = !world.grants.some(
        ({ subject, object }) => HERE.includes(subject) && THERE.includes(object),
      )
      const lists = new Map<string, Uint8Array>()
      for (const { id, access, kept } of before) {
        if (reached(access, TOPICS.here).length > 0) {
          counted.reachedBefore++
          // mProxy ends the sessions of a token whose entry is not 0.
          const { uri = '', idx = -1 } = claimsWithStatus(access).status?.status_list ?? {}
          const places = lists.get(uri) ?? (await readList(worker, uri)).places
          lists.set(uri, places)
          expect([id, valueAt(places, idx)]).not.toEqual([id, 0])
        }
        if (kept !== null) {
          const answer = await refresh(worker, kept)
          const next = answer.status === 200 ? String(answer.body.access_token) : null
          expect([id, next === null ? [] : reached(next, TOPICS.here)]).toEqual([id, []])
        }
        const anew = (await tokensOf(id)).access
        expect([id, reached(anew, TOPICS.here)]).toEqual([id, []])
        const there = reached(access, TOPICS.there)
        counted.reachedThere += there.length
        if (isOther) expect([id, reached(anew, TOPICS.there)]).toEqual([id, there])
      }
      counted.worlds++
    }),
    { numRuns: 8 },
  )
  console.log('transfers:', counted)
  expect(counted.reachedBefore).toBeGreaterThan(8)
  expect(counted.reachedThere).toBeGreaterThan(8)
}, 120_000)
