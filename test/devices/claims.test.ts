// Devices that come in by themselves: with the token of their batch, a key of their own, and the
// number that their maker gave them.
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { beforeEach, expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { sql } from '../../worker/db/sql.ts'
import { runJobs } from '../../worker/jobs.ts'
import { countRoundTrips, ISSUER, startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { losingWrites } from '../support/repeated_writes.ts'

type Key = { private: CryptoKey; jwk: JWK }

let worker: TestWorker
let token: string

beforeEach(async () => {
  worker = await startWorker()
  await applyBlueprint(
    worker.context(),
    {
      groups: [{ id: 'depot' }, { id: 'home' }],
      device_types: [
        {
          name: 'meter',
          acl: [{ permission: 'allow', action: 'publish', topic: 'd/${device.id}' }],
        },
        { name: 'broad', acl: [{ permission: 'allow', action: 'all', topic: '#' }] },
        { name: 'secret', credential_kinds: ['secret'] },
      ],
    },
    {},
  )
  token = await newClientToken(worker)
})

const api = (method: string, path: string, body?: unknown, by = token) =>
  callApi(worker, by, method, path, body)

async function newKey(alg = 'EdDSA'): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { private: privateKey as CryptoKey, jwk: await exportJWK(publicKey) }
}

async function newBatch(input: object = {}): Promise<{ id: string; claim_token: string }> {
  const { body, status } = await api('POST', '/v1/claim-tokens', {
    type: 'meter',
    uses: 10,
    ...input,
  })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body as unknown as { id: string; claim_token: string }
}

const serial = (value: string) => ({ kind: 'serial', value })

let drawn = 0
const proofOf = (
  key: Key,
  ids: readonly object[],
  { header = {}, ...claims }: Record<string, unknown> & { header?: object } = {},
) =>
  new SignJWT({
    aud: ISSUER,
    exp: worker.clock.now + 60,
    iat: worker.clock.now,
    jti: `p-${drawn++}`,
    hardware_ids: ids,
    ...claims,
  })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'device-claim+jwt', jwk: key.jwk, ...header })
    .sign(key.private)

type Answer = { status: number; body: Record<string, unknown> }

async function send(body: object): Promise<Answer> {
  const answer = await worker.request('/devices/claim', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

const claim = async (claim_token: string, key: Key, name: string, more?: object) =>
  send({ claim_token, proof: await proofOf(key, [serial(name)], { ...more }) })

async function tokenOf(id: string, key: Key) {
  const assertion = await new SignJWT({ jti: `a-${drawn++}` })
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer(id)
    .setSubject(id)
    .setAudience(ISSUER)
    .setExpirationTime(worker.clock.now + 60)
    .sign(key.private)
  const answer = await worker.request('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }),
  })
  return answer.status
}

test('a device comes in with a key of its own, into the place of its batch, and gets tokens', async () => {
  const batch = await newBatch({ group: 'depot', name: 'Lot 7' })
  const key = await newKey()
  const { status, body } = await claim(batch.claim_token, key, 'SN-1')
  expect(status).toBe(201)
  expect(body).toMatchObject({ type: 'meter', token_endpoint: `${ISSUER}/oauth/token` })
  const id = String(body['device_id'])
  expect((await api('GET', `/v1/devices/${id}`)).body).toMatchObject({
    status: 'active',
    type: 'meter',
    groups: ['depot'],
    hardware_ids: [serial('SN-1')],
  })
  expect(await tokenOf(id, key)).toBe(200)
  const shown = (await api('GET', `/v1/claim-tokens/${batch.id}`)).body
  expect(shown).toMatchObject({ name: 'Lot 7', group: 'depot', uses: 10, used: 1 })
  expect(JSON.stringify(shown)).not.toContain(batch.claim_token)
  const { items } = (await api('GET', `/v1/events?object=${id}`)).body
  expect(items.map(({ type }) => type).sort()).toEqual(['device.claimed', 'device.created'])
  const ofBatch = await api('GET', `/v1/events?object=${batch.id}&object_kind=claim_batch`)
  expect(ofBatch.body.items.map(({ type }) => type)).toContain('device.claimed')
})

test('of two hundred devices at once with a hundred uses left exactly a hundred come in', async () => {
  const { id, claim_token } = await newBatch({ uses: 100 })
  const key = await newKey()
  const proofs = await Promise.all(
    Array.from({ length: 200 }, async (_, n) => ({
      claim_token,
      proof: await proofOf(key, [serial(`SN-${n}`)]),
    })),
  )
  const answers = await Promise.all(proofs.map(send))
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(100)
  expect(answers.filter(({ body }) => body['error'] === 'invalid_grant')).toHaveLength(100)
  expect((await api('GET', `/v1/claim-tokens/${id}`)).body).toMatchObject({ used: 100 })
  const rows = await worker.context().db.read(sql<{ n: number }>`select count(*) as n from device`)
  expect(rows).toEqual([{ n: 100 }])
})

test('of many claims of one number at once one makes the device', async () => {
  const { id, claim_token } = await newBatch({ uses: 50 })
  const keys = await Promise.all(Array.from({ length: 10 }, () => newKey()))
  const answers = await Promise.all(keys.map((key) => claim(claim_token, key, 'SN-1')))
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
  expect(answers.filter(({ status }) => status === 403)).toHaveLength(9)
  expect((await api('GET', `/v1/claim-tokens/${id}`)).body).toMatchObject({ used: 1 })
})

test('the same device comes again with its own key, whose answer it lost, and no use is counted', async () => {
  const { id, claim_token } = await newBatch({ uses: 1 })
  const key = await newKey()
  const first = await claim(claim_token, key, 'SN-1')
  const again = await claim(claim_token, key, 'sn-1')
  expect([again.status, again.body['device_id']]).toEqual([200, first.body['device_id']])
  expect((await api('GET', `/v1/claim-tokens/${id}`)).body).toMatchObject({ used: 1 })
})

test('a claim whose batch is written twice after a lost answer makes one device and counts once', async () => {
  const { id, claim_token } = await newBatch({ uses: 2 })
  const { claimDevice } = await import('../../worker/devices/getting_in/claims.ts')
  const key = await newKey()
  const cx = losingWrites(worker.context())
  const proof = await proofOf(key, [serial('SN-1')])
  expect((await claimDevice(cx, { claim_token, proof })).is_new).toBe(true)
  expect((await api('GET', `/v1/claim-tokens/${id}`)).body).toMatchObject({ used: 1 })
})

test('the secret of a batch and a printed number take no device over', async () => {
  const { claim_token } = await newBatch({ again: 'reset' })
  const owner = await newKey()
  const thief = await newKey()
  const { body } = await claim(claim_token, owner, 'SN-1')
  const id = String(body['device_id'])
  const refused = await claim(claim_token, thief, 'SN-1')
  expect([refused.status, refused.body['error']]).toEqual([403, 'access_denied'])
  for (const status of ['suspended', 'active']) {
    await api('PATCH', `/v1/devices/${id}`, { status })
    expect((await claim(claim_token, thief, 'SN-1')).status, status).toBe(403)
  }
  // Two numbers of two devices are of none.
  await claim(claim_token, thief, 'SN-2')
  const both = await proofOf(thief, [serial('SN-1'), serial('SN-2')])
  expect((await send({ claim_token, proof: both })).status).toBe(403)
  await api('DELETE', `/v1/devices/${id}`)
  expect((await claim(claim_token, thief, 'SN-1')).status).toBe(403)
  const keys = await worker
    .context()
    .db.read(sql<{ n: number }>`select count(*) as n from device_credential`)
  expect(keys).toEqual([{ n: 1 }])
})

test('a device that was released comes in with another key, where the token says so, and keeps nothing', async () => {
  const { claim_token } = await newBatch({ again: 'reset', group: 'depot' })
  const keeping = await newBatch({ again: 'keep' })
  const before = await newKey()
  const id = String((await claim(claim_token, before, 'SN-1')).body['device_id'])
  await api('PATCH', `/v1/devices/${id}`, {
    name: 'Kitchen',
    metadata: { owner: 'ann' },
    tags: ['a'],
    groups: ['home', 'depot'],
  })
  await api('POST', '/v1/roles', { name: 'reader', permissions: ['device:read'] })
  await api('POST', '/v1/grants', { subject: id, role: 'reader', object: 'home' })
  expect(await tokenOf(id, before)).toBe(200)
  const released = await api('POST', `/v1/devices/${id}/release`)
  expect(released.status).toBe(200)
  expect(released.body).toMatchObject({
    status: 'unclaimed',
    name: null,
    metadata: {},
    tags: [],
    groups: [],
    hardware_ids: [serial('SN-1')],
  })
  expect(await tokenOf(id, before)).toBe(401)
  expect((await api('GET', '/v1/grants')).body.items).toEqual([])
  const after = await newKey()
  expect((await claim(keeping.claim_token, after, 'SN-1')).status).toBe(403)
  const again = await claim(claim_token, after, 'SN-1')
  expect([again.status, again.body['device_id']]).toEqual([201, id])
  expect((await api('GET', `/v1/devices/${id}`)).body).toMatchObject({
    status: 'active',
    groups: ['depot'],
    metadata: {},
  })
  expect([await tokenOf(id, before), await tokenOf(id, after)]).toEqual([401, 200])
  // The former owner's key brings it back no more.
  expect((await claim(claim_token, before, 'SN-1')).status).toBe(403)
  await api('PATCH', `/v1/devices/${id}`, { status: 'retired' })
  expect((await api('POST', `/v1/devices/${id}/release`)).status).toBe(409)
})

test('a key that the factory registered ahead is the only one that its device comes in with', async () => {
  const { claim_token } = await newBatch({ group: 'home' })
  const factory = await newKey()
  const credentials = [{ kind: 'jwk', jwk: factory.jwk }]
  const hardware_ids = [serial('SN-1')]
  const ahead = { id: 'm-1', type: 'meter', status: 'unclaimed', hardware_ids, credentials }
  expect((await api('POST', '/v1/devices', ahead)).status).toBe(201)
  expect(await tokenOf('m-1', factory)).toBe(400)
  expect((await claim(claim_token, await newKey(), 'SN-1')).status).toBe(403)
  const answer = await claim(claim_token, factory, 'SN-1')
  expect([answer.status, answer.body['device_id']]).toEqual([201, 'm-1'])
  expect(await tokenOf('m-1', factory)).toBe(200)
  expect((await api('GET', '/v1/devices/m-1')).body).toMatchObject({ groups: ['home'] })
  const other = { ...ahead, id: 'm-2', type: 'broad', hardware_ids: [serial('SN-2')] }
  await api('POST', '/v1/devices', other)
  expect((await claim(claim_token, factory, 'SN-2')).status).toBe(403)
})

test.each([
  ['a key that is over', async () => ({ kind: 'jwk', jwk: (await newKey()).jwk, expires_at: 100 })],
  ['a key of later', async () => ({ kind: 'jwk', jwk: (await newKey()).jwk, not_before: 1e5 })],
  ['a secret', async () => ({ kind: 'secret', secret: 'a-secret-of-the-factory-that-is-long' })],
])('a device with %s is not there for the first key that comes', async (_, credential) => {
  const { claim_token } = await newBatch()
  const { expires_at, not_before, ...made } = (await credential()) as Record<string, unknown>
  const { now } = worker.clock
  const times = {
    ...(expires_at === undefined ? {} : { expires_at: now + Number(expires_at) }),
    ...(not_before === undefined ? {} : { not_before: now + Number(not_before) }),
  }
  const hardware_ids = [serial('SN-1')]
  const ahead = { type: 'meter', status: 'unclaimed', hardware_ids }
  const credentials = [{ ...made, ...times }]
  expect((await api('POST', '/v1/devices', { ...ahead, credentials })).status).toBe(201)
  worker.clock.now += 200
  expect((await claim(claim_token, await newKey(), 'SN-1')).status).toBe(403)
})

test('a listed number beside that of another device opens no device that is not on the list', async () => {
  const { claim_token } = await newBatch({ serials: ['SN-1'] })
  const mac = { kind: 'mac', value: '00:1b:44:11:3a:b7' }
  const ahead = { type: 'meter', status: 'unclaimed', hardware_ids: [serial('SN-9'), mac] }
  expect((await api('POST', '/v1/devices', ahead)).status).toBe(201)
  const proof = await proofOf(await newKey(), [serial('SN-1'), mac])
  expect((await send({ claim_token, proof })).status).toBe(403)
})

test('a token with a list of serial numbers is for these alone', async () => {
  const { claim_token } = await newBatch({ serials: ['SN-1', 'sn 2'] })
  expect((await claim(claim_token, await newKey(), 'SN-3')).status).toBe(403)
  expect((await claim(claim_token, await newKey(), 'SN2')).status).toBe(201)
  const mac = { kind: 'mac', value: '00:1b:44:11:3a:b7' }
  const key = await newKey()
  const without = await proofOf(key, [mac])
  expect((await send({ claim_token, proof: without })).status).toBe(403)
  const beside = await proofOf(key, [mac, serial('SN-1')])
  expect((await send({ claim_token, proof: beside })).status).toBe(201)
})

test('a revoked batch takes nobody more, and all that came in by it is suspended at once', async () => {
  const batch = await newBatch()
  const other = await newBatch()
  const keys = await Promise.all([1, 2, 3].map(() => newKey()))
  const ids: string[] = []
  for (const [n, key] of keys.entries()) {
    const by = n === 2 ? other : batch
    ids.push(String((await claim(by.claim_token, key, `SN-${n}`)).body['device_id']))
  }
  const { status, body } = await api('POST', `/v1/claim-tokens/${batch.id}/revoke`)
  expect([status, body['devices_suspended']]).toEqual([200, 2])
  expect(body['revoked_at']).toBe(worker.clock.now)
  const states = await Promise.all(ids.map((id) => api('GET', `/v1/devices/${id}`)))
  expect(states.map((one) => one.body['status'])).toEqual(['suspended', 'suspended', 'active'])
  expect(await tokenOf(ids[0] ?? '', keys[0] as Key)).toBe(401)
  expect((await claim(batch.claim_token, keys[0] as Key, 'SN-0')).body['error']).toBe(
    'invalid_grant',
  )
  const kept = await api('POST', `/v1/claim-tokens/${other.id}/revoke`, { devices: 'keep' })
  expect(kept.body['devices_suspended']).toBe(0)
  expect((await api('GET', `/v1/devices/${ids[2]}`)).body['status']).toBe('active')
  expect((await claim(other.claim_token, await newKey(), 'SN-9')).status).toBe(400)
})

test('a token that has run out takes nobody', async () => {
  const { claim_token } = await newBatch({ expires_in: 60 })
  worker.clock.now += 60
  const { status, body } = await claim(claim_token, await newKey(), 'SN-1')
  expect([status, body['error']]).toEqual([400, 'invalid_grant'])
})

test('a proof that is not signed by its own key, for this server and once, is refused', async () => {
  const { claim_token } = await newBatch()
  const key = await newKey()
  const other = await newKey()
  const ids = [serial('SN-1')]
  const [head = '', body = '', signature = ''] = (await proofOf(key, ids)).split('.')
  const wrong = {
    'another key': `${head}.${body}.${(await proofOf(other, ids)).split('.')[2]}`,
    'another content': `${head}.${(await proofOf(key, [serial('X')])).split('.')[1]}.${signature}`,
    'no JWT': 'abc',
    'another type': await proofOf(key, ids, { header: { typ: 'jwt' } }),
    'another server': await proofOf(key, ids, { aud: 'https://other.example' }),
    'two servers': await proofOf(key, ids, { aud: [ISSUER, 'https://other.example'] }),
    'no id': await proofOf(key, ids, { jti: undefined }),
    'no number': await proofOf(key, []),
    'no key': await proofOf(key, ids, { header: { jwk: undefined } }),
  }
  for (const [words, proof] of Object.entries(wrong)) {
    const answer = await send({ claim_token, proof })
    expect([answer.status, answer.body['error']], words).toEqual([400, 'invalid_request'])
  }
  const proof = await proofOf(key, ids)
  expect((await send({ claim_token, proof })).status).toBe(201)
  expect((await send({ claim_token, proof })).status).toBe(400)
  expect((await send({ claim_token })).status).toBe(400)
})

test('a device whose clock is wrong learns the time from the refusal', async () => {
  const { claim_token } = await newBatch()
  const key = await newKey()
  for (const times of [
    { iat: 5, exp: 65 },
    { exp: worker.clock.now },
    { exp: worker.clock.now + 3600 },
    { iat: worker.clock.now + 600 },
    { exp: undefined },
  ]) {
    const { status, body } = await claim(claim_token, key, 'SN-1', times)
    expect([status, body['server_time']], JSON.stringify(times)).toEqual([400, worker.clock.now])
  }
  const exp = worker.clock.now + 60
  expect((await claim(claim_token, key, 'SN-1', { iat: undefined, exp })).status).toBe(201)
})

test('wrong tokens are counted for each address, and a right one costs one read and one write', async () => {
  const { claim_token } = await newBatch()
  const { value, roundTrips } = await countRoundTrips(worker, async () =>
    claim(claim_token, await newKey(), 'SN-1'),
  )
  expect([value.status, roundTrips]).toEqual([201, 2])
  const statuses: number[] = []
  for (let n = 0; n < 21; n++) {
    statuses.push((await claim(`clt_wrong${n}`, await newKey(), 'SN-2')).status)
  }
  expect([statuses[0], statuses.at(-1)]).toEqual([400, 429])
})

test('nobody makes a token for devices that could do more, nor ends those of another power', async () => {
  const few = await newClientToken(worker, 'devices:write devices:read')
  expect((await api('POST', '/v1/claim-tokens', { type: 'broad' }, few)).status).toBe(403)
  const own = await api('POST', '/v1/claim-tokens', { type: 'meter' }, few)
  expect(own.status).toBe(201)
  const broad = await newBatch({ type: 'broad' })
  expect((await api('POST', `/v1/claim-tokens/${broad.id}/revoke`, {}, few)).status).toBe(403)
  // A device of the own batch that got rights since is not ended with it.
  const key = await newKey()
  const claimed = await claim(String(own.body['claim_token']), key, 'SN-1')
  const id = String(claimed.body['device_id'])
  await api('POST', '/v1/roles', { name: 'opener', permissions: ['lock:open'] })
  await api('POST', '/v1/grants', { subject: id, role: 'opener', object: 'home' })
  const path = `/v1/claim-tokens/${own.body['id']}/revoke`
  const refused = await api('POST', path, {}, few)
  expect(refused.status).toBeGreaterThanOrEqual(400)
  expect((await api('GET', `/v1/devices/${id}`)).body['status']).toBe('active')
  expect((await api('POST', path, { devices: 'keep' }, few)).status).toBe(200)
  expect((await api('POST', `/v1/devices/${id}/release`, undefined, few)).status).toBe(403)
  // A device registered ahead with values takes part in no token of such an actor.
  const token2 = await api('POST', '/v1/claim-tokens', { type: 'meter' }, few)
  const hardware_ids = [serial('SN-8')]
  const metadata = { room: 'a' }
  await api('POST', '/v1/devices', { type: 'meter', status: 'unclaimed', hardware_ids, metadata })
  const ahead = await claim(String(token2.body['claim_token']), await newKey(), 'SN-8')
  expect(ahead.status).toBe(403)
})

test('a token for a type or place that is not there, or for a type without keys, is refused', async () => {
  for (const body of [
    { type: 'nothing' },
    { type: 'meter', group: 'nowhere' },
    { type: 'secret' },
    { type: 'meter', uses: 0 },
    { type: 'meter', serials: [] },
  ]) {
    expect((await api('POST', '/v1/claim-tokens', body)).status, JSON.stringify(body)).toBe(400)
  }
})

test('proofs are forgotten once they could not be used again', async () => {
  const { claim_token } = await newBatch()
  await claim(claim_token, await newKey(), 'SN-1')
  const left = () => worker.context().db.read(sql`select hash from claim_proof`)
  expect(await left()).toHaveLength(1)
  worker.clock.now += 301
  await runJobs(worker.context())
  expect(await left()).toEqual([])
})

test('a device that came by the token of somebody within a reach has a key of that person', async () => {
  const batch = await newBatch({ group: 'home', uses: 2 })
  const { db } = worker.context()
  await db.write([sql`update claim_batch set made_by = 'ann'`])
  const factory = await newKey()
  const first = await claim(batch.claim_token, factory, 'SN-1')
  expect(first.status).toBe(201)
  const rows = await db.read(sql`select device_id, made_by from device_credential`)
  expect(rows).toEqual([{ device_id: first.body['device_id'], made_by: 'ann' }])
})
