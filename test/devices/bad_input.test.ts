// Input that is wrong: each is refused with its place, or has no effect. Cycles are in registry and
// access/groups, claim tokens and clocks in claims and self, cursors in device_list and jobs.
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { importDevices } from '../../worker/devices/getting_in/device_import.ts'
import { type Call, HOMES, startHomes } from '../support/places.ts'

const NO_LEVELS = ['a/b', 'a+b', '+', '#', '$SYS', '', '.', '..', 'a b', 'ü', 'a:b']

const pointersOf = ({ body }: { body: Record<string, unknown> }) =>
  ((body['errors'] ?? []) as { pointer: string }[]).map(({ pointer }) => pointer)

/** The rules of a token that an operator mints for the device. */
async function rulesOf(ops: Call, id: string): Promise<string[]> {
  const made = await ops(`POST /v1/devices/${id}/tokens`, { expires_in: 3600 })
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  const { acl } = decodeJwt<{ acl: { permission: string; action: string; topic: string }[] }>(
    String(made.body['access_token']),
  )
  return acl.map(({ permission, action, topic }) => `${permission} ${action} ${topic}`)
}

const rule = (topic: string, permission = 'allow') => ({ permission, action: 'publish', topic })

test.each([...NO_LEVELS, 'x'.repeat(65)])(
  'an id that is no level of a topic is that of nothing: %j',
  async (id) => {
    const { ops } = await startHomes()
    for (const [path, more] of [
      ['devices', { type: 'dimmer' }],
      ['groups', { kind: 'room' }],
      ['users', { email: 'new@example.com' }],
    ] as const) {
      const answer = await ops(`POST /v1/${path}`, { id, ...more })
      expect([answer.status, pointersOf(answer)], path).toEqual([400, ['/id']])
    }
    const type = await ops('POST /v1/device-types', { name: id })
    expect([type.status, pointersOf(type)]).toEqual([400, ['/name']])
  },
)

test('metadata that are no level of a topic open nothing in a rule, and close what they would have closed', async () => {
  const { ops } = await startHomes()
  await ops('POST /v1/device-types', {
    name: 'sensor',
    acl: [rule('rooms/${device.metadata.room}/state'), rule('own/${device.id}')],
  })
  await ops('POST /v1/device-types', {
    name: 'barred',
    acl: [rule('rooms/${device.metadata.room}/state', 'deny'), rule('rooms/#')],
  })
  for (const [n, room] of ['a/b', '+', '#', 'a/#', '$SYS', '${device.id}', ''].entries()) {
    for (const type of ['sensor', 'barred']) {
      const made = await ops('POST /v1/devices', { id: `${type}-${n}`, type, metadata: { room } })
      expect(made.status, room).toBe(201)
    }
    expect(await rulesOf(ops, `sensor-${n}`), room).toEqual([`allow publish own/sensor-${n}`])
    // Each room is denied, since it may be any.
    expect(await rulesOf(ops, `barred-${n}`), room).toEqual([
      'deny publish rooms/+/state',
      'allow publish rooms/#',
    ])
  }
})

test('a value leads no rule to the topics of the broker, nor to another place', async () => {
  const { ops, as } = await startHomes()
  await ops('POST /v1/device-types', {
    name: 'camera',
    acl: [rule('${device.metadata.root}/uptime'), rule('sites/${device.metadata.site}/picture')],
  })
  const made = await ops('POST /v1/devices', {
    id: 'cam-1',
    type: 'camera',
    groups: ['room-1'],
    metadata: { root: '$SYS', site: 'site-1' },
  })
  expect(made.status).toBe(201)
  expect(await rulesOf(ops, 'cam-1')).toEqual(['allow publish sites/site-1/picture'])
  // The owner of the first home does not make it speak in the second.
  const ann = await as('ann')
  const moved = await ann('PATCH /v1/devices/cam-1', { metadata: { site: 'site-2' } })
  expect(moved.status).toBe(403)
  const template = await ops('POST /v1/device-types', {
    name: 'wild',
    acl: [rule('a/${device.metadata.no such}'), rule('a/#/b'), rule('')],
  })
  expect([template.status, pointersOf(template).sort()]).toEqual([
    400,
    ['/acl/0/topic', '/acl/1/topic', '/acl/2/topic'],
  ])
})

test('a grant whose role means nothing on its object gives nothing', async () => {
  const { ops, as } = await startHomes()
  // Scopes of the API are given on groups and on everything.
  const made = await ops('POST /v1/grants', { subject: 'bob', role: 'owner', object: 'lamp-1' })
  expect(made.status).toBe(201)
  await expect(as('bob')).rejects.toThrow('holds none of the management scopes')
  for (const object of ['ann', 'app', 'nothing', 'a/b']) {
    const refused = await ops('POST /v1/grants', { subject: 'bob', role: 'guest', object })
    expect([refused.status, pointersOf(refused)], object).toEqual([400, ['/object']])
  }
})

test('ten megabytes of metadata are refused before they are read, and more than fits is refused', async () => {
  const { ops } = await startHomes()
  const large = { type: 'dimmer', id: 'big', metadata: { a: 'x'.repeat(10_000_000) } }
  expect((await ops('POST /v1/devices', large)).status).toBe(413)
  expect((await ops('PATCH /v1/devices/lamp-1', { metadata: large.metadata })).status).toBe(413)
  const many = Object.fromEntries(Array.from({ length: 90 }, (_, n) => [`a${n}`, 'x'.repeat(200)]))
  const refused = await ops('PATCH /v1/devices/lamp-1', { metadata: many })
  expect(refused.status).toBe(400)
  expect((await ops('GET /v1/devices/lamp-1')).body['metadata']).toEqual({})
})

test('of ten thousand rows in a stream that is cut anywhere, the one that is broken fails alone', async () => {
  const { worker, ops } = await startHomes(HOMES)
  const rows = 10_000
  const broken = 7777
  async function* body() {
    const utf8 = new TextEncoder()
    for (let n = 1; n <= rows; n += 1000) {
      const lines = Array.from({ length: 1000 }, (_, i) => {
        const row = JSON.stringify({ id: `n-${n + i}`, type: 'dimmer', name: 'ü' })
        return n + i === broken ? row.slice(0, row.length >> 1) : row
      })
      const bytes = utf8.encode(`${lines.join('\n')}\n`)
      for (let at = 0; at < bytes.length; at += 7919) yield bytes.slice(at, at + 7919)
    }
  }
  const answer = await importDevices(worker.context(), body(), {
    format: 'application/x-ndjson',
    dry_run: false,
    resume: undefined,
  })
  const lines = (await new Response(answer).text()).trim().split('\n')
  const failed = lines.filter((line) => line.includes('"failed","errors"'))
  expect(failed.map((line) => JSON.parse(line).line)).toEqual([broken])
  expect(JSON.parse(lines.at(-1) ?? '').summary).toMatchObject({ created: rows - 1, failed: 1 })
  expect((await ops(`GET /v1/devices/n-${broken}`)).status).toBe(404)
  expect((await ops(`GET /v1/devices/n-${rows}`)).status).toBe(200)
}, 60_000)
