// Why a decision is as it is, and who has which access, over HTTP.
import { describe, expect, test } from 'vitest'
import { countRoundTrips } from '../../context.ts'
import { actor, startHouse } from '../fixture.ts'

const rule = (permission: string, topic: string, action = 'publish') => ({
  permission,
  action,
  topic,
})

/** site-1 > room-1 (lamp, a dimmer); ann is resident by the group family. */
async function startSite() {
  const house = await startHouse()
  const { make, user, device, deviceType } = house
  await make('POST /v1/groups', { id: 'site-1', kind: 'site' })
  await make('POST /v1/groups', { id: 'room-1', parent_id: 'site-1' })
  await make('POST /v1/groups', { id: 'family' })
  for (const id of ['ann', 'eve']) await user(id)
  await user('off', 'disabled')
  await deviceType('dimmer', [rule('allow', 'd/${device.id}/state')])
  await device('lamp', { type: 'dimmer', groups: ['room-1'] })
  await device('door')
  await make('POST /v1/groups/family/members', { id: 'ann' })
  await make('POST /v1/roles', {
    name: 'resident',
    permissions: ['read'],
    acl: [rule('allow', 's/${site.id}/#', 'all'), rule('deny', 's/${site.id}/safe')],
  })
  await make('POST /v1/roles', { name: 'fitter', permissions: ['fit'] })
  const grant = async (subject: string, role: string, object: string, more: object = {}) =>
    (await make('POST /v1/grants', { subject, role, object, ...more }))['id']
  const family = await grant('family', 'resident', 'site-1')
  const explain = (subject: string, name: string, resource: string, more: object = {}) => {
    const part = (text: string) => {
      const at = text.indexOf(':')
      return { type: text.slice(0, at), id: text.slice(at + 1) }
    }
    return make('POST /access/v1/explain', {
      ...{ subject: part(subject), action: { name }, resource: part(resource), ...more },
    })
  }
  return { ...house, grant, family, explain }
}

describe('explain', () => {
  test('names the grant that decides, the group that holds it and the group that it is on', async () => {
    const { explain, family } = await startSite()
    expect(await explain('user:ann', 'read', 'device:lamp')).toEqual({
      decision: true,
      reason: 'granted',
      grants: [
        {
          id: family,
          ...{ subject: 'family', role: 'resident', object: 'site-1', condition: null },
          ...{ not_before: null, expires_at: null },
        },
      ],
      rule: null,
      device_type: null,
      misses: [],
    })
  })

  test('names the nearest misses and what each lacks', async () => {
    const { explain, grant, family, worker } = await startSite()
    const now = worker.clock.now
    const late = await grant('ann', 'fitter', 'room-1', { not_before: now + 10 })
    const elsewhere = await grant('ann', 'fitter', 'door')
    const bound = await grant('ann', 'fitter', 'lamp', { condition: 'context.pin == "ok"' })
    const answer = await explain('user:ann', 'fit', 'device:lamp')
    const misses = answer['misses'] as { grant: { id: unknown }; lacks: string[] }[]
    expect([answer['decision'], answer['reason']]).toEqual([false, 'not_granted'])
    expect(misses.map(({ grant: { id }, lacks }) => [id, lacks]).sort()).toEqual(
      [
        [late, ['time']],
        [elsewhere, ['object']],
        [bound, ['condition']],
        [family, ['permission']],
      ].sort(),
    )
    const open = await explain('user:ann', 'fit', 'device:lamp', { context: { pin: 'ok' } })
    expect([open['decision'], open['misses']]).toEqual([true, []])
    expect((await explain('user:nobody', 'fit', 'device:lamp'))['reason']).toBe('unknown_subject')
    expect((await explain('user:off', 'fit', 'device:lamp'))['reason']).toBe('inactive_subject')
    expect((await explain('user:eve', 'fit', 'device:none'))['reason']).toBe('unknown_resource')
    expect(await explain('user:eve', 'fit', 'device:lamp')).toMatchObject({ misses: [] })
  })

  test('names the rule that decides on a topic, and the grant or the type that it comes from', async () => {
    const { explain, family } = await startSite()
    expect(await explain('user:ann', 'publish', 'topic:s/site-1/x')).toMatchObject({
      ...{ decision: true, reason: 'allowed', rule: rule('allow', 's/site-1/#', 'all') },
      ...{ grants: [{ id: family }], device_type: null },
    })
    expect(await explain('user:ann', 'publish', 'topic:s/site-1/safe')).toMatchObject({
      ...{ decision: false, reason: 'denied', rule: rule('deny', 's/site-1/safe') },
    })
    expect(await explain('user:ann', 'subscribe', 'topic:s/site-1/#')).toMatchObject({
      decision: true,
    })
    expect(await explain('user:ann', 'subscribe', 'topic:s/#')).toMatchObject({ reason: 'no_rule' })
    expect(await explain('device:lamp', 'publish', 'topic:d/lamp/state')).toMatchObject({
      ...{ decision: true, device_type: 'dimmer', grants: [] },
    })
    expect(await explain('user:off', 'publish', 'topic:x')).toMatchObject({
      reason: 'inactive_subject',
    })
  })
})

describe('lists of access', () => {
  test('say what a principal holds by its groups, and who reaches an object, page by page', async () => {
    const { make, call, grant, family } = await startSite()
    const own = await grant('ann', 'fitter', 'lamp')
    const all = await grant('eve', 'operator', '*')
    await grant('eve', 'fitter', 'door', { expires_at: 2_000_000_000 })
    const pages = async (path: string) => {
      const found: unknown[] = []
      let cursor = ''
      do {
        const answer = (await make(`GET ${path}?limit=1${cursor}`)) as {
          items: { grant: unknown }[]
          next_cursor: string | null
        }
        found.push(...answer.items.map((one) => one.grant))
        cursor = answer.next_cursor === null ? '' : `&cursor=${answer.next_cursor}`
      } while (cursor !== '')
      return found
    }
    expect(await pages('/access/v1/subjects/ann/access')).toEqual([family, own].sort())
    // In the order of the objects: everything, the lamp, its groups.
    expect(await pages('/access/v1/objects/lamp/access')).toEqual([all, own, family])
    expect(await pages('/access/v1/objects/room-1/access')).toEqual([all, family])
    expect((await make('GET /access/v1/subjects/ann/access'))['items']).toContainEqual({
      ...{ grant: family, subject: 'family', role: 'resident', permissions: ['read'] },
      ...{ object: 'site-1', not_before: null, expires_at: null, condition: null },
    })
    expect((await call('GET /access/v1/subjects/nobody/access')).status).toBe(404)
    expect((await call('GET /access/v1/objects/lamp/access?cursor=x.y')).status).toBe(400)
  })

  test('and explanations cost one round trip and need access:read', async () => {
    const { worker, call } = await startSite()
    const question = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'publish' },
      resource: { type: 'topic', id: 's/site-1/x' },
    }
    for (const [what, body] of [
      ['POST /access/v1/explain', question],
      ['GET /access/v1/subjects/ann/access', undefined],
      ['GET /access/v1/objects/lamp/access', undefined],
    ] as const) {
      const { value, roundTrips } = await countRoundTrips(worker, () => call(what, body))
      expect([what, roundTrips, value.status]).toEqual([what, 1, 200])
      const as = actor('client', 'app', 'devices:read')
      expect((await call(what, body, { as })).status).toBe(403)
    }
  })
})
