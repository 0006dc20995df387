// Input that no honest program sends, at the doors of the registry: nothing of it becomes a rule of a
// token, nothing stops what stands beside it, and nothing of it is a fault of the server.
import { decodeJwt } from 'jose'
import { beforeEach, expect, test } from 'vitest'
import { mintAccessToken } from '../../worker/oauth/tokens/access_token.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'

type Call = (method: string, path: string, body?: unknown) => ReturnType<typeof callApi>

let worker: TestWorker
let token: string
let call: Call

beforeEach(async () => {
  worker = await startWorker()
  token = await newClientToken(worker)
  call = (method, path, body) => callApi(worker, token, method, path, body)
})

const allow = (topic: string) => ({ permission: 'allow', action: 'publish', topic })

/** The rules of a token that is minted for the device. */
async function rulesOf(id: string): Promise<unknown> {
  const { body } = await call('POST', `/v1/devices/${id}/tokens`, { expires_in: 600 })
  return decodeJwt(String(body['access_token']))['acl']
}

test('a value of metadata that is no topic level fills no rule of a token', async () => {
  const acl = [allow('areas/${device.metadata.area}/state'), allow('${device.metadata.area}/x')]
  await call('POST', '/v1/device-types', { name: 'meter', acl })
  await call('POST', '/v1/devices', { id: 'm', type: 'meter', metadata: { area: 'hall' } })
  const rules = [
    { permission: 'allow', action: 'publish', topic: 'areas/hall/state' },
    { permission: 'allow', action: 'publish', topic: 'hall/x' },
  ]
  expect(await rulesOf('m')).toEqual(rules)
  for (const area of ['#', '+', 'a/b', '../hall', '$SYS', '', '${device.id}', 'a\u0000b', 'a+']) {
    const changed = await call('PATCH', '/v1/devices/m', { metadata: { area } })
    expect([area, changed.status < 500]).toEqual([area, true])
    if (changed.status === 200) expect([area, await rulesOf('m')]).toEqual([area, []])
    else expect([area, await rulesOf('m')]).toEqual([area, rules])
    await call('PATCH', '/v1/devices/m', { metadata: { area: 'hall' } })
  }
})

test('a template reaches the topics of the broker by its own words alone, and no variable is left in it', async () => {
  for (const topic of ['#', '+/#', '${device.id}/#']) {
    const name = `t-${crypto.randomUUID().slice(0, 8)}`
    expect((await call('POST', '/v1/device-types', { name, acl: [allow(topic)] })).status).toBe(201)
    await call('POST', '/v1/devices', { id: `of-${name}`, type: name })
    expect(JSON.stringify(await rulesOf(`of-${name}`))).not.toMatch(/\$/)
  }
  for (const topic of ['eq ${device.id}', 'a/#/b', 'a/b+', '${nothing.here}/x', '']) {
    const refused = await call('POST', '/v1/device-types', { name: 'bad', acl: [allow(topic)] })
    expect([topic, refused.status]).toEqual([topic, 400])
  }
})

test('a grant whose role means nothing on its object gives no rule, and is explained', async () => {
  await call('POST', '/v1/device-types', { name: 'meter' })
  await call('POST', '/v1/devices', { id: 'alone', type: 'meter' })
  await call('POST', '/v1/devices', { id: 'reader', type: 'meter' })
  const acl = [allow('sites/${group.id}/state'), allow('houses/${site.id}/state')]
  await call('POST', '/v1/roles', { name: 'resident', permissions: ['device:read'], acl })
  // The device is in no group, so the role speaks of nothing there.
  const grant = { subject: 'reader', role: 'resident', object: 'alone' }
  expect((await call('POST', '/v1/grants', grant)).status).toBe(201)
  expect(await rulesOf('reader')).toEqual([])
  const explained = await call('POST', '/access/v1/explain', {
    subject: { type: 'device', id: 'reader' },
    action: { name: 'publish' },
    resource: { type: 'topic', id: 'sites/alone/state' },
  })
  expect([explained.status, explained.body['decision']]).toEqual([200, false])
})

test('10 MB of metadata are refused, and nothing is stored', async () => {
  await call('POST', '/v1/device-types', { name: 'meter' })
  await call('POST', '/v1/devices', { id: 'm', type: 'meter' })
  for (const metadata of [{ a: 'x'.repeat(10_000_000) }, { a: 'x'.repeat(16_400) }]) {
    const made = await call('POST', '/v1/devices', { id: 'big', type: 'meter', metadata })
    const changed = await call('PATCH', '/v1/devices/m', { metadata })
    for (const { status } of [made, changed]) expect([400, 413]).toContain(status)
  }
  expect((await call('GET', '/v1/devices/big')).status).toBe(404)
  expect((await call('GET', '/v1/devices/m')).body['metadata']).toEqual({})
})

test('of thousands of rows a bad one and one that is cut in half fail alone, with their lines', async () => {
  await call('POST', '/v1/device-types', { name: 'meter' })
  const rows = Array.from({ length: 2500 }, (_, i) => `{"id":"m-${i}","type":"meter"}`)
  rows[1201] = '{"id":"m-1201","type":"none"}'
  rows[2499] = '{"id":"m-2499","ty'
  const answer = await worker.request('/v1/devices/import', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
    body: rows.join('\n'),
  })
  const lines = new TextDecoder()
    .decode(await answer.arrayBuffer())
    .trim()
    .split('\n')
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(told.filter(({ result }) => result === 'failed')).toMatchObject([
    { line: 1202, errors: [{ pointer: '/type' }] },
    { line: 2500 },
  ])
  expect(told.at(-1)).toMatchObject({
    summary: { created: 2498, updated: 0, unchanged: 0, failed: 2 },
  })
}, 60_000)

test('a token without status, of a version before, counts until its origin ends', async () => {
  await call('POST', '/v1/clients', {
    client_id: 'old',
    grant_types: ['client_credentials'],
    scope: 'devices:read',
  })
  const { access_token } = await mintAccessToken(worker.context(), {
    origin: 'old',
    epoch: 0,
    sub: 'old',
    client_id: 'old',
    audience: [`${worker.config.issuer}/v1`],
    scope: ['devices:read'],
    ttl: 600,
  })
  expect(decodeJwt(access_token)['status']).toBe(undefined)
  const read = () => callApi(worker, access_token, 'GET', '/v1/devices')
  expect((await read()).status).toBe(200)
  await call('PATCH', '/v1/clients/old', { status: 'disabled' })
  expect((await read()).status).toBe(401)
})
