// A device about itself, through the whole application: its token, its record, its keys, its
// report, and the time for one without a clock.
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { beforeEach, expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { createDevice } from '../../worker/devices/devices.ts'
import { countRoundTrips, ISSUER, startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import type { Answer } from './device_api.ts'

const ROTATE = `${ISSUER}/v1/self/rotate`

type Pair = { key: CryptoKey; jwk: JWK }

async function newPair(): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { key: privateKey, jwk: await exportJWK(publicKey) }
}

let worker: TestWorker
let first: Pair
beforeEach(async () => {
  worker = await startWorker()
  first = await newPair()
  await applyBlueprint(
    worker.context(),
    {
      groups: [{ id: 'home', kind: 'site', name: 'Home' }],
      device_types: [
        {
          name: 'lamp',
          acl: [
            { permission: 'allow', action: 'publish', topic: '${group.id}/${device.id}', qos: [0] },
          ],
        },
      ],
    },
    {},
  )
  await createDevice(worker.context(), {
    id: 'lamp-1',
    type: 'lamp',
    groups: ['home'],
    metadata: { note: 'the owner is away in May' },
    credentials: [{ kind: 'jwk', jwk: first.jwk as { kty: string } }],
  })
})

async function assertion(pair: Pair, at = worker.context().now()) {
  return new SignJWT({ iss: 'lamp-1', sub: 'lamp-1', aud: ISSUER, jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES256' })
    .setExpirationTime(at + 60)
    .sign(pair.key)
}

async function fetchToken(pair: Pair, more: Record<string, string> = {}, at?: number) {
  const answer = await worker.app.request(`${ISSUER}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(pair, at),
      ...more,
    }),
  })
  const body = (await answer.json()) as Answer['body']
  return { status: answer.status, headers: answer.headers, body }
}

async function selfToken(pair: Pair = first): Promise<string> {
  const { status, body } = await fetchToken(pair, { scope: 'self' })
  expect([status, body.scope], JSON.stringify(body)).toEqual([200, 'self'])
  return body.access_token
}

async function call(token: string, method: string, path: string, body?: unknown) {
  const answer = await worker.app.request(`${ISSUER}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  const answered: Answer['body'] = text === '' ? null : JSON.parse(text)
  return { status: answer.status, body: answered }
}

async function proofOf(old: Pair, next: Pair, change: Record<string, unknown> = {}, typ?: string) {
  const now = worker.context().now()
  const claims = {
    iss: 'lamp-1',
    sub: 'lamp-1',
    aud: ROTATE,
    exp: now + 60,
    jkt: await calculateJwkThumbprint(next.jwk),
    ...change,
  }
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: typ ?? 'device-rotation+jwt' })
    .sign(old.key)
}

const rotate = async (token: string, old: Pair, next: Pair, change = {}, typ?: string) =>
  call(token, 'POST', '/v1/self/rotate', {
    credential: { kind: 'jwk', jwk: next.jwk },
    proof: await proofOf(old, next, change, typ),
  })

const events = async () =>
  (
    await worker
      .context()
      .db.read(
        sql<{ type: string }>`select type from event where subject_id = 'lamp-1' order by rowid`,
      )
  ).map(({ type }) => type)

test('a device reads its own record with a token for itself, and nothing else of the API', async () => {
  const token = await selfToken()
  const { status, body } = await call(token, 'GET', '/v1/self')
  expect(status).toBe(200)
  expect(body).toMatchObject({
    id: 'lamp-1',
    type: 'lamp',
    status: 'active',
    groups: ['home'],
    acl: [{ permission: 'allow', action: 'publish', topic: 'home/lamp-1', qos: [0] }],
    credentials: [{ kind: 'jwk', ends_at: null }],
    report: null,
  })
  expect(JSON.stringify(body)).not.toContain('May')
  for (const path of ['/v1/devices', '/v1/devices/lamp-1', '/v1/groups', '/v1/selfish']) {
    expect([path, (await call(token, 'GET', path)).status]).toEqual([path, 401])
  }
  const question = {
    subject: { type: 'device', id: 'lamp-1' },
    action: { name: 'x' },
    resource: { type: 'device', id: 'lamp-1' },
  }
  expect((await call(token, 'POST', '/access/v1/evaluation', question)).status).toBe(401)
  expect(worker.log.map(({ fields }) => fields['reason'])).toContain('token_of_device')
})

test('the token of a device for itself is for nothing else, and one for topics is not for itself', async () => {
  const mixed = await fetchToken(first, { scope: 'mqtt self' })
  expect([mixed.status, mixed.body.error]).toEqual([400, 'invalid_scope'])
  const foreign = await fetchToken(first, { scope: 'self manage' })
  expect(foreign.body.error).toBe('invalid_scope')
  const named = await fetchToken(first, { resource: `${ISSUER}/v1` })
  expect([
    named.body.scope,
    (await call(named.body.access_token, 'GET', '/v1/self')).status,
  ]).toEqual(['self', 200])
  const { body } = await fetchToken(first)
  expect(body.scope).toBe('mqtt')
  expect((await call(body.access_token, 'GET', '/v1/self')).status).toBe(401)
})

test('nobody but a device is at /v1/self, not with manage either', async () => {
  const token = await newClientToken(worker, 'manage')
  for (const [method, path] of [
    ['GET', '/v1/self'],
    ['POST', '/v1/self/rotate'],
    ['POST', '/v1/self/report'],
  ] as const) {
    expect((await call(token, method, path, method === 'GET' ? undefined : {})).status).toBe(403)
  }
})

test('the token of a device for itself ends with the device', async () => {
  const token = await selfToken()
  const manage = await newClientToken(worker, 'manage')
  await callApi(worker, manage, 'PATCH', '/v1/devices/lamp-1', { status: 'suspended' })
  expect((await call(token, 'GET', '/v1/self')).status).toBe(401)
  await callApi(worker, manage, 'PATCH', '/v1/devices/lamp-1', { status: 'active' })
  expect((await call(token, 'GET', '/v1/self')).status).toBe(401)
  expect((await call(await selfToken(), 'GET', '/v1/self')).status).toBe(200)
})

test('a device takes another key, which the present one signs; that one counts for a while', async () => {
  const next = await newPair()
  const answer = await rotate(await selfToken(), first, next)
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  expect(answer.body.credential).toMatchObject({ kind: 'jwk', jwk: next.jwk, expires_at: null })
  expect(answer.body.replaced_until).toBe(worker.context().now() + 86_400)
  expect((await fetchToken(next)).body).not.toHaveProperty('credential_expires_in')
  expect((await fetchToken(first)).body.credential_expires_in).toBe(86_400)
  worker.clock.now += 86_401
  expect((await fetchToken(first)).body.error).toBe('invalid_client')
  expect((await fetchToken(next)).status).toBe(200)
  expect(await events()).toContain('device_credential.rotated')
})

test('the key that takes the place of another is known as made by the same one', async () => {
  const cx = worker.context()
  await cx.db.write(sql`update device_credential set made_by = 'ann' where device_id = 'lamp-1'`)
  expect((await rotate(await selfToken(), first, await newPair())).status).toBe(200)
  const makers = await cx.db.read(sql<{ made_by: string | null }>`
    select made_by from device_credential where device_id = 'lamp-1' and jwk is not null`)
  expect(makers).toEqual([{ made_by: 'ann' }, { made_by: 'ann' }])
})

test('a proof that is not of the present key for this new one changes nothing', async () => {
  const [token, next, strange] = [await selfToken(), await newPair(), await newPair()]
  const now = worker.context().now()
  const wrong = [
    await rotate(token, strange, next),
    await rotate(token, next, next),
    await rotate(token, first, next, { jkt: await calculateJwkThumbprint(strange.jwk) }),
    await rotate(token, first, next, { jkt: undefined }),
    await rotate(token, first, next, { aud: ISSUER }),
    await rotate(token, first, next, { sub: 'lamp-2' }),
    await rotate(token, first, next, { iss: 'lamp-2' }),
    await rotate(token, first, next, { exp: undefined }),
    await rotate(token, first, next, { exp: now - 1 }),
    await rotate(token, first, next, { exp: now + 301 }),
    await rotate(token, first, next, {}, 'JWT'),
  ]
  expect(wrong.map(({ status }) => status)).toEqual(wrong.map(() => 403))
  expect((await fetchToken(next)).body.error).toBe('invalid_client')
  expect((await fetchToken(first)).body).not.toHaveProperty('credential_expires_in')
  expect(await events()).not.toContain('device_credential.rotated')
})

test('a rotation whose answer was lost may be repeated, and a key that was had is not taken again', async () => {
  const [token, second, third] = [await selfToken(), await newPair(), await newPair()]
  const once = await rotate(token, first, second)
  const again = await rotate(token, first, second)
  expect([again.status, again.body]).toEqual([200, once.body])
  expect((await rotate(token, second, third)).status).toBe(200)
  expect((await fetchToken(first)).body.error).toBe('invalid_client')
  expect((await rotate(token, third, first)).status).toBe(409)
  expect((await rotate(token, third, second)).status).toBe(409)
})

test('a device that lost the new key before it used it takes another; once used, the old key takes none', async () => {
  const [token, lost, kept] = [await selfToken(), await newPair(), await newPair()]
  await rotate(token, first, lost)
  expect((await rotate(token, first, kept)).status).toBe(200)
  expect((await fetchToken(lost)).body.error).toBe('invalid_client')
  expect((await fetchToken(kept)).status).toBe(200)
  expect((await rotate(token, first, await newPair())).status).toBe(409)
  expect((await fetchToken(kept)).status).toBe(200)
})

test('of several rotations at once one is done, and the device has a key', async () => {
  const token = await selfToken()
  const pairs = await Promise.all([newPair(), newPair(), newPair(), newPair()])
  const answers = await Promise.all(pairs.map((next) => rotate(token, first, next)))
  const done = answers.flatMap(({ status }, n) => (status === 200 ? [n] : []))
  expect(done.length).toBeGreaterThan(0)
  const works = await Promise.all(pairs.map((pair) => fetchToken(pair)))
  expect(works.filter(({ status }) => status === 200)).toHaveLength(1)
})

test('a revoked key takes no other in its place, and the end that an operator set is not passed', async () => {
  const manage = await newClientToken(worker, 'manage')
  const ends = worker.context().now() + 1000
  const limited = await newPair()
  const credential = { kind: 'jwk', jwk: limited.jwk, expires_at: ends }
  await callApi(worker, manage, 'POST', '/v1/devices/lamp-1/credentials', credential)
  const token = await selfToken()
  const next = await newPair()
  const { body } = await rotate(token, limited, next)
  expect(body.credential.expires_at).toBe(ends)
  expect((await fetchToken(next)).body.credential_expires_in).toBe(1000)
  const list = await call(manage, 'GET', '/v1/devices/lamp-1/credentials')
  const own = list.body.items.find((one: { jwk: JWK }) => one.jwk.x === first.jwk.x)
  await call(manage, 'DELETE', `/v1/devices/lamp-1/credentials/${own.id}`)
  const another = await call(
    (await fetchToken(next, { scope: 'self' })).body.access_token,
    'POST',
    '/v1/self/rotate',
    {
      credential: { kind: 'jwk', jwk: (await newPair()).jwk },
      proof: await proofOf(first, await newPair()),
    },
  )
  expect(another.status).toBe(403)
})

test('an operator demands another key by a date: the device hears of it, and the new key goes on', async () => {
  const manage = await newClientToken(worker, 'manage')
  const now = worker.context().now()
  const demand = { rotate_by: now + 5000 }
  const answer = await call(manage, 'POST', '/v1/devices/lamp-1/rotate', demand)
  expect([answer.status, answer.body]).toEqual([200, { ...demand, keys: 1 }])
  expect((await fetchToken(first)).body.credential_expires_in).toBe(5000)
  const listed = await call(manage, 'GET', '/v1/devices/lamp-1/credentials')
  expect(listed.body.items[0]).toMatchObject({ rotate_by: now + 5000, expires_at: now + 5000 })
  const past = await call(manage, 'POST', '/v1/devices/lamp-1/rotate', { rotate_by: now })
  expect(past.body.errors).toEqual([
    { pointer: '/rotate_by', detail: 'is in the past; revoke a credential to end it at once' },
  ])
  expect(
    (await call(manage, 'POST', '/v1/devices/none/rotate', { rotate_by: now + 9000 })).status,
  ).toBe(404)
  const next = await newPair()
  const { body } = await rotate(await selfToken(), first, next)
  expect([body.credential.expires_at, body.replaced_until]).toEqual([null, now + 5000])
  worker.clock.now += 5001
  expect((await fetchToken(first)).body.error).toBe('invalid_client')
  expect((await fetchToken(next)).status).toBe(200)
})

test('all devices of a type have to take other keys by a date; a key made after the demand goes on', async () => {
  const manage = await newClientToken(worker, 'manage')
  const now = worker.context().now()
  const demand = { rotate_by: now + 5000 }
  const few = await newClientToken(worker, 'devices:write')
  const path = '/v1/device-types/lamp/rotate'
  expect((await call(few, 'POST', path, demand)).status).toBe(403)
  expect((await call(manage, 'POST', '/v1/device-types/none/rotate', demand)).status).toBe(404)
  expect((await call(manage, 'POST', path, demand)).body).toEqual({
    type: 'lamp',
    demanded_at: now,
    rotate_by: now + 5000,
  })
  expect((await fetchToken(first)).body.credential_expires_in).toBe(5000)
  worker.clock.now += 10
  const token = await selfToken()
  expect((await call(token, 'GET', '/v1/self')).body.credentials[0].ends_at).toBe(now + 5000)
  const next = await newPair()
  expect((await rotate(token, first, next)).status).toBe(200)
  worker.clock.now += 5000
  expect((await fetchToken(first)).body.error).toBe('invalid_client')
  expect((await fetchToken(next)).body).not.toHaveProperty('credential_expires_in')
})

test('the last use of a credential is noted once a minute', async () => {
  const manage = await newClientToken(worker, 'manage')
  const used = async () =>
    (await call(manage, 'GET', '/v1/devices/lamp-1/credentials')).body.items[0].last_used_at
  expect(await used()).toBe(null)
  const begin = worker.context().now()
  await fetchToken(first)
  expect(await used()).toBe(begin)
  worker.clock.now += 59
  await fetchToken(first)
  expect(await used()).toBe(begin)
  worker.clock.now += 1
  await fetchToken(first)
  expect(await used()).toBe(begin + 60)
})

test('a device reports its firmware; an event follows where it is another', async () => {
  const token = await selfToken()
  const manage = await newClientToken(worker, 'manage')
  const path = '/v1/devices/lamp-1/report'
  expect((await call(manage, 'GET', path)).status).toBe(404)
  const report = { firmware: '1.2.0', model: 'L-7' }
  const kept = await call(token, 'POST', '/v1/self/report', report)
  expect([kept.status, kept.body]).toEqual([
    200,
    { ...report, hardware: null, reported_at: worker.context().now() },
  ])
  await call(token, 'POST', '/v1/self/report', { ...report, hardware: 'B' })
  await call(token, 'POST', '/v1/self/report', { firmware: '1.3.0', model: 'L-7' })
  expect((await call(manage, 'GET', path)).body).toMatchObject({ firmware: '1.3.0' })
  expect((await call(token, 'GET', '/v1/self')).body.report).toMatchObject({ firmware: '1.3.0' })
  expect((await events()).filter((type) => type === 'device.reported')).toHaveLength(2)
  for (const bad of [{}, { firmware: '' }, { firmware: 'x'.repeat(101) }, { firmware: 1 }]) {
    expect((await call(token, 'POST', '/v1/self/report', bad)).status).toBe(400)
  }
})

test('a device without a clock learns the time from /v1/time and from the refusal', async () => {
  const now = worker.context().now()
  const { value: time, roundTrips } = await countRoundTrips(worker, () =>
    worker.app.request(`${ISSUER}/v1/time`),
  )
  expect(roundTrips).toBe(0)
  expect([time.status, await time.json()]).toEqual([200, { now }])
  expect(Date.parse(time.headers.get('date') ?? '')).toBe(now * 1000)
  for (const at of [0, 1_000_000_000, now + 100_000]) {
    const { status, headers, body } = await fetchToken(first, {}, at)
    expect([status, body]).toEqual([
      401,
      {
        error: 'invalid_client',
        error_description: 'client authentication failed',
        server_time: now,
      },
    ])
    expect(Date.parse(headers.get('date') ?? '')).toBe(now * 1000)
  }
  // The same with a key that is not the device's: the time tells nothing.
  const { body } = await fetchToken(await newPair())
  expect(body.server_time).toBe(now)
})

test('a key of before that is for an algorithm by which nobody authenticates is shown as unusable', async () => {
  const manage = await newClientToken(worker, 'manage')
  await worker
    .context()
    .db.write(sql`update device_credential set jwk = json_set(jwk, '$.alg', 'RS384')`)
  const { body } = await call(manage, 'GET', '/v1/devices/lamp-1/credentials')
  expect(body.items[0].unusable).toBe(true)
})

test('the grace of a rotation is a setting', async () => {
  await changeSettings(worker.context(), { rotation_grace_ttl: 0 })
  const next = await newPair()
  expect((await rotate(await selfToken(), first, next)).status).toBe(200)
  expect((await fetchToken(first)).body.error).toBe('invalid_client')
  expect((await fetchToken(next)).status).toBe(200)
})
