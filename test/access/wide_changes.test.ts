// Rights that no token could carry are refused at each change that makes them: in words that name
// the setting, for whoever would get them, and only where they fitted before.
import { beforeEach, describe, expect, test } from 'vitest'
import { compileAcl } from '../../worker/access/acl_claim.ts'
import { rightsOf } from '../../worker/access/rights.ts'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { runJobs } from '../../worker/jobs.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'publish', topic })

/**
 * At most 4 rules. site-1 has 2 rooms, spot has 2 without devices. ann holds a rule for each room
 * of site-1 (2), ben for each device in spot (2: lamp-1 and lamp-2), the family (cem, dan) nothing.
 */
const DOCUMENT = {
  settings: { acl_max_rules: 4, sign_up: 'open' },
  roles: [
    { name: 'roomwise', acl: [allow('r/${group.id}')] },
    { name: 'devicewise', acl: [allow('d/${device.id}')] },
    { name: 'housewise', acl: [allow('s/${site.id}/r/${group.id}')] },
    { name: 'one', acl: [allow('one')] },
    { name: 'two', acl: [allow('two/a'), allow('two/b')] },
    { name: 'reader', permissions: ['read'] },
  ],
  groups: [
    { id: 'estate', kind: 'site' },
    { id: 'site-1', kind: 'site', parent_id: 'estate' },
    { id: 'room-1', kind: 'room', parent_id: 'site-1' },
    { id: 'spot', kind: 'fleet' },
    { id: 'wide', kind: 'floor' },
    ...['w1', 'w2', 'w3'].map((id) => ({ id, kind: 'room', parent_id: 'wide' })),
    { id: 'family' },
    { id: 'crew' },
  ],
  users: [
    ...['ann', 'ben', 'eve'].map((id) => ({
      id,
      email: `${id}@example.com`,
      email_verified: true,
    })),
    ...['cem', 'dan'].map((id) => ({
      id,
      email: `${id}@example.com`,
      email_verified: true,
      groups: ['family'],
    })),
  ],
  device_types: [
    { name: 'plain' },
    { name: 'meter', acl: [allow('m/${group.id}/${device.id}')] },
    { name: 'double', acl: ['a', 'b', 'c'].map((one) => allow(`m/${one}/\${group.id}`)) },
  ],
  devices: [
    { id: 'lamp-1', type: 'plain', groups: ['spot'], tags: ['light'] },
    { id: 'lamp-2', type: 'plain', groups: ['spot'] },
    { id: 'meter-1', type: 'meter', groups: ['room-1', 'site-1', 'spot'] },
  ],
  grants: [
    { subject: 'ann', role: 'roomwise', object: 'site-1' },
    { subject: 'ben', role: 'devicewise', object: 'spot' },
    { subject: 'dan', role: 'two', object: 'site-1' },
  ],
}

let worker: TestWorker
let token: string
beforeEach(async () => {
  worker = await startWorker()
  await applyBlueprint(worker.context(), DOCUMENT, {})
  token = await newClientToken(worker)
})

const call = (what: string, body?: unknown) => {
  const [method = '', path = ''] = what.split(' ')
  return callApi(worker, token, method, path, body)
}
const make = async (what: string, body?: unknown): Promise<Record<string, unknown>> => {
  const answer = await call(what, body)
  if (answer.status >= 300) throw new Error(`${what}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
/** Refused in words: who would get no token, why, and a way out. */
const refuses = async (who: string, what: string, body?: unknown) => {
  const answer = await call(what, body)
  const text = JSON.stringify(answer.body)
  expect([what, answer.status, text]).toEqual([what, 409, expect.stringContaining(who)])
  expect(text).toContain('setting acl_max_rules')
  expect(text).toContain('${site.id}')
}
const count = async (id: string): Promise<number> => {
  const cx = worker.context()
  const compiled = compileAcl(cx, id, await cx.db.read(rightsOf(id, cx.now())), 4)
  return 'fault' in compiled ? 99 : compiled.rules.length
}

describe('refused is', () => {
  test('a grant, a condition, or the return of a grant that was over', async () => {
    const { id: over } = await make('POST /v1/grants', {
      subject: 'ann',
      role: 'one',
      object: 'room-1',
      expires_at: worker.clock.now + 10,
    })
    worker.clock.now += 20
    await make('POST /v1/grants', { subject: 'ann', role: 'two', object: 'site-1' })
    await refuses('ann', 'POST /v1/grants', { subject: 'ann', role: 'one', object: 'site-1' })
    const { id } = await make('POST /v1/grants', {
      subject: 'eve',
      role: 'devicewise',
      object: 'spot',
      condition: '"light" in device.tags',
    })
    await make('POST /v1/grants', { subject: 'eve', role: 'two', object: 'site-1' })
    await refuses('eve', `PATCH /v1/grants/${id}`, { condition: null })
    expect(await count('eve')).toBe(3)
    await refuses('ann', `PATCH /v1/grants/${over}`, { expires_at: null })
    // Another end is no other rule.
    const [ours] = (await make('GET /v1/grants?subject=ann&role=roomwise'))['items'] as {
      id: string
    }[]
    await make(`PATCH /v1/grants/${ours?.id}`, { expires_at: worker.clock.now + 1000 })
  })

  test('a grant to a group whose member has rights of its own', async () => {
    await make('POST /v1/grants', { subject: 'family', role: 'one', object: 'site-1' })
    await refuses('dan', 'POST /v1/grants', {
      subject: 'family',
      role: 'roomwise',
      object: 'site-1',
    })
    expect([await count('cem'), await count('dan')]).toEqual([1, 3])
  })

  test('other rules of a role that somebody holds, and of a type that a device has', async () => {
    const three = ['a', 'b', 'c'].map((one) => allow(`r/\${group.id}/${one}`))
    await refuses('ann', 'PATCH /v1/roles/roomwise', { acl: three })
    await make('PATCH /v1/roles/roomwise', { acl: three.slice(0, 2) })
    await make('PATCH /v1/roles/reader', { acl: three })
    await refuses('meter-1', 'PATCH /v1/device-types/meter', { acl: three })
    await make('PATCH /v1/device-types/meter', { acl: three.slice(0, 1) })
  })

  test('a group that comes to a place, made there or moved, or that becomes no house', async () => {
    await make('POST /v1/groups', { kind: 'room', parent_id: 'site-1' })
    await refuses('ann', 'PATCH /v1/groups/wide', { parent_id: 'site-1' })
    await make('POST /v1/groups', { kind: 'room', parent_id: 'site-1' })
    expect(await count('ann')).toBe(4)
    await refuses('ann', 'POST /v1/groups', { kind: 'room', parent_id: 'site-1' })
    await make('POST /v1/grants', { subject: 'eve', role: 'housewise', object: 'site-1' })
    await make('POST /v1/groups', { id: 'annex', parent_id: 'w1' })
    const [grant] = (await make('GET /v1/grants?subject=ann'))['items'] as { id: string }[]
    await make(`DELETE /v1/grants/${grant?.id}`)
    await make('POST /v1/groups', { kind: 'room', parent_id: 'site-1' })
    expect(await count('eve')).toBe(1)
    await refuses('eve', 'PATCH /v1/groups/site-1', { kind: 'floor' })
  })

  test('a group whose members get the rules of where it goes', async () => {
    await make('POST /v1/grants', { subject: 'crew', role: 'roomwise', object: 'wide' })
    await make('POST /v1/grants', { subject: 'cem', role: 'one', object: 'site-1' })
    await refuses('cem', 'PATCH /v1/groups/family', { parent_id: 'crew' })
  })

  test('a device that comes to a place: for itself, and for whoever has a rule for each', async () => {
    await make('POST /v1/devices', { id: 'one', type: 'double', groups: ['w1'] })
    await refuses('one', 'PATCH /v1/devices/one', { groups: ['w1', 'w2'] })
    await refuses('one', 'POST /v1/groups/w2/members', { id: 'one' })
    await refuses('new', 'POST /v1/devices', { id: 'new', type: 'double', groups: ['w1', 'w2'] })
    await make('POST /v1/devices', { id: 'new', type: 'meter', groups: ['w1', 'w2'] })
    await refuses('new', 'PATCH /v1/devices/new', { type: 'double' })
    expect(await count('ben')).toBe(3)
    await make('POST /v1/devices', { id: 'lamp-4', type: 'plain', groups: ['spot'] })
    await refuses('ben', 'POST /v1/devices', { id: 'lamp-5', type: 'plain', groups: ['spot'] })
    await make('POST /v1/devices', { id: 'lamp-5', type: 'plain', groups: ['w3'] })
    await refuses('ben', 'PATCH /v1/devices/lamp-5', { groups: ['spot'] })
    await refuses('ben', 'POST /v1/groups/spot/members', { id: 'lamp-5' })
    expect(await count('ben')).toBe(4)
  })

  test('a row of an import, and a device of a job, each with its reason', async () => {
    const rows = [
      { id: 'd1', type: 'double', groups: ['w1', 'w2'] },
      { id: 'd2', type: 'double', groups: ['w1'] },
      ...['d3', 'd4', 'd5'].map((id) => ({ id, type: 'plain', groups: ['spot'] })),
    ]
    const answer = await worker.request('/v1/devices/import', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      body: rows.map((row) => JSON.stringify(row)).join('\n'),
    })
    const lines = (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id?: string; result?: string; errors?: object[] })
      .filter(({ result }) => result !== undefined)
    expect(lines.map(({ id, result }) => [id, result])).toEqual([
      ['d1', 'failed'],
      ['d2', 'created'],
      ['d3', 'created'],
      ['d4', 'failed'],
      ['d5', 'failed'],
    ])
    expect(JSON.stringify(lines[0]?.errors)).toContain('acl_max_rules')
    expect(JSON.stringify(lines[3]?.errors)).toContain('acl_max_rules')
    const { id } = await make('POST /v1/jobs', {
      filter: { group: 'w1' },
      change: { action: 'move', from: 'w1', to: 'spot' },
    })
    for (let i = 0; i < 5; i++) {
      worker.clock.now += 60
      await runJobs(worker.context())
    }
    const results = await make(`GET /v1/jobs/${id}/results`)
    expect(JSON.stringify(results)).toContain('ben would get no token any more')
  })

  test('a claim token for a place in which its devices would be too wide', async () => {
    await make('PATCH /v1/settings', { acl_max_rules: 2 })
    await refuses('dev_', 'POST /v1/claim-tokens', { type: 'double', group: 'w1', uses: 3 })
  })

  test('an invitation and the offer of a place, for an account with rights of its own', async () => {
    await make('POST /v1/grants', { subject: 'cem', role: 'two', object: 'site-1' })
    const rights = { grants: [{ role: 'roomwise', object: 'wide' }], groups: [] }
    await refuses('dan@', 'POST /v1/invitations', { address: 'dan@example.com', ...rights })
    await make('POST /v1/invitations', { address: 'new@example.com', ...rights })
    await make('POST /v1/roles', { name: 'owner', acl: ['a', 'b', 'c'].map(allow) })
    await refuses('cem', 'POST /v1/groups/site-1/transfer', { to: 'cem' })
  })
})

test('whoever was too wide before hinders nobody', async () => {
  await make('PATCH /v1/settings', { acl_max_rules: 1 })
  await make('POST /v1/groups', { kind: 'room', parent_id: 'site-1' })
  await make('PATCH /v1/roles/roomwise', { acl: [allow('x/${group.id}')] })
  await make('POST /v1/devices', { id: 'lamp-9', type: 'plain', groups: ['spot'] })
})

test('of two changes at once that fit alone and not together, one is refused', async () => {
  const grant = (role: string) => ({ subject: 'eve', role, object: 'site-1' })
  const answers = await Promise.all(
    ['roomwise', 'two', 'one'].map((role) => call('POST /v1/grants', grant(role))),
  )
  expect(await count('eve')).toBeLessThanOrEqual(4)
  expect(
    answers.map(({ status }) => status).filter((status) => status === 201).length,
  ).toBeLessThan(3)
  expect(answers.every(({ status }) => [201, 409].includes(status))).toBe(true)
})
