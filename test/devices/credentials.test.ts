import { calculateJwkThumbprint } from 'jose'
import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import {
  credentialsOf,
  findDeviceSecret,
  liveCredentials,
} from '../../worker/devices/credentials.ts'
import { WEAK_KEYS } from '../support/weak_keys.ts'
import { type Answer, deviceApi, eventsOf, newJwk, startDevices } from './device_api.ts'

const verifyDeviceSecret = (...given: Parameters<typeof findDeviceSecret>) =>
  findDeviceSecret(...given) !== undefined

const LIST = '/v1/devices/d/credentials'

async function startDevice() {
  const { worker, api } = await startDevices()
  await api('POST', '/v1/devices', { id: 'd', type: 'dimmer' })
  const rows = async () => await worker.context().db.read(credentialsOf('d'))
  const live = async () => liveCredentials(worker.context(), await rows())
  return { worker, api, rows, live }
}

const faults = (answer: Answer): string[] =>
  (answer.body.errors ?? []).map((one: { pointer: string; detail: string }) =>
    `${one.pointer} ${one.detail}`.trim(),
  )

test('a generated secret is shown once, kept as a hash, and verified', async () => {
  const { worker, api, live } = await startDevice()
  const { status, body, headers } = await api('POST', LIST, { kind: 'secret' })
  expect(status).toBe(201)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('location')).toBe(`${LIST}/${body.id}`)
  expect(body.secret).toMatch(/^ads_[A-Za-z0-9_-]{43}$/)
  const list = await api('GET', LIST)
  expect(list.body.items).toEqual([{ ...body, secret: undefined }])
  const stored = await worker
    .context()
    .db.read(sql`select * from device_credential, event, device, principal`)
  expect(stored.length).toBeGreaterThan(0)
  expect(JSON.stringify(stored)).not.toContain(body.secret)

  const rows = await live()
  expect(verifyDeviceSecret(rows, body.secret)).toBe(true)
  for (const wrong of [
    '',
    'ads_',
    body.secret.slice(0, -1),
    `${body.secret}x`,
    rows[0]?.id ?? '',
  ]) {
    expect(verifyDeviceSecret(rows, wrong), wrong).toBe(false)
  }
  expect(verifyDeviceSecret(rows, rows[0]?.secret_hash ?? '')).toBe(false)
  expect(verifyDeviceSecret([], body.secret)).toBe(false)
})

test('a secret that is given is not repeated, and a short one is refused', async () => {
  const { api, live } = await startDevice()
  const secret = 'the secret that was burnt into it'
  const spaced = await api('POST', LIST, { kind: 'secret', secret })
  expect(faults(spaced)).toEqual(['/secret must be 32 to 200 visible ASCII characters'])
  const given = secret.replaceAll(' ', '-')
  const { body } = await api('POST', LIST, { kind: 'secret', secret: given })
  expect(body.secret).toBeUndefined()
  expect(verifyDeviceSecret(await live(), given)).toBe(true)
  for (const bad of ['x'.repeat(31), 'x'.repeat(201), 'é'.repeat(40), 7, null]) {
    expect((await api('POST', LIST, { kind: 'secret', secret: bad })).status).toBe(400)
  }
})

test('keys of the three kinds are kept public, and named by their thumbprint unless they have a name', async () => {
  const { api } = await startDevice()
  for (const kind of ['Ed25519', 'P-256', 'RSA'] as const) {
    const jwk = await newJwk(kind)
    const { status, body } = await api('POST', LIST, { kind: 'jwk', jwk })
    expect(status, kind).toBe(201)
    expect(body.jwk).toEqual({ ...jwk, kid: await calculateJwkThumbprint(jwk as never) })
    expect(body.secret).toBeUndefined()
  }
  const named = {
    ...(await newJwk()),
    kid: 'slot-0',
    alg: 'EdDSA',
    use: 'sig',
    key_ops: ['verify'],
  }
  const { body } = await api('POST', LIST, { kind: 'jwk', jwk: named })
  const { use: _, key_ops: __, ...kept } = named
  expect(body.jwk).toEqual(kept)
})

test('a private key is refused, and the answer says that it must be regarded as disclosed', async () => {
  const { worker, api, rows } = await startDevice()
  const jwk = await newJwk()
  const privates = [
    { ...jwk, d: jwk.x },
    { ...(await newJwk('P-256')), d: jwk.x },
    { ...(await newJwk('RSA')), p: 'AQAB', q: 'AQAB' },
    { ...jwk, d: null },
    { kty: 'oct', k: 'c2VjcmV0' },
  ]
  for (const one of privates) {
    const answer = await api('POST', LIST, { kind: 'jwk', jwk: one })
    expect(answer.status).toBe(400)
    expect(faults(answer)).toHaveLength(1)
    expect(faults(answer)[0]).toMatch(
      /^\/jwk holds a private or secret key.* regarded as disclosed/,
    )
    const created = await api('POST', '/v1/devices', {
      type: 'dimmer',
      credentials: [{ kind: 'jwk', jwk: one }],
    })
    expect(faults(created)[0]).toMatch(/^\/credentials\/0\/jwk holds a private/)
  }
  console.log(`${privates.length} private keys refused, twice each`)
  expect(await rows()).toEqual([])
  expect(worker.log).toEqual([])
})

test('what is no usable public key is refused with the member that is wrong', async () => {
  const { api, rows } = await startDevice()
  const [ed, ec, rsa] = [await newJwk(), await newJwk('P-256'), await newJwk('RSA')]
  const bytes = (length: number, last = 1) =>
    btoa(String.fromCharCode(...Array(length - 1).fill(0xff), last))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replaceAll('=', '')
  const cases: (readonly [unknown, string])[] = [
    [undefined, '/jwk'],
    [null, '/jwk'],
    ['text', '/jwk'],
    [{}, '/jwk/kty'],
    [{ kty: 'oct' }, '/jwk/kty'],
    [{ kty: 'AKP' }, '/jwk/kty'],
    [{ kty: 'constructor' }, '/jwk/kty'],
    [{ ...ed, crv: 'X25519' }, '/jwk/crv'],
    [{ ...ed, crv: 'Ed448' }, '/jwk/crv'],
    [{ kty: 'OKP', crv: 'Ed25519' }, '/jwk/x'],
    [{ ...ed, x: `${ed.x}=` }, '/jwk/x'],
    [{ ...ed, x: ed.x?.slice(1) }, '/jwk/x'],
    [{ ...ed, x: 7 }, '/jwk/x'],
    [{ ...ed, x: 'A'.repeat(43) }, '/jwk/x'],
    [{ ...ed, x: `AQ${'A'.repeat(41)}` }, '/jwk/x'],
    [{ ...ed, y: ed.x }, '/jwk/y'],
    [{ ...ed, alg: 'ES256' }, '/jwk/alg'],
    [{ ...ed, alg: 'none' }, '/jwk/alg'],
    [{ ...ed, use: 'enc' }, '/jwk/use'],
    [{ ...ed, kid: '' }, '/jwk/kid'],
    [{ ...ed, kid: 'a b' }, '/jwk/kid'],
    [{ ...ed, kid: 'x'.repeat(129) }, '/jwk/kid'],
    [{ ...ed, surprise: 1 }, '/jwk/surprise'],
    [{ ...ec, crv: 'P-384' }, '/jwk/crv'],
    [{ ...ec, crv: 'secp256k1' }, '/jwk/crv'],
    [{ ...ec, y: undefined }, '/jwk/y'],
    [{ ...ec, y: ec.x }, '/jwk'],
    [{ ...ec, x: bytes(32), y: bytes(32) }, '/jwk'],
    [await newJwk('RSA', 1024), '/jwk/n'],
    [{ ...rsa, n: bytes(256, 2) }, '/jwk/n'],
    [{ ...rsa, n: `AA${bytes(256)}` }, '/jwk/n'],
    [{ ...rsa, n: bytes(1025) }, '/jwk/n'],
    [{ ...rsa, n: undefined }, '/jwk/n'],
    [{ ...rsa, e: 'Aw' }, '/jwk/e'],
    [{ ...rsa, e: 'AQAA' }, '/jwk/e'],
    [{ ...rsa, e: '' }, '/jwk/e'],
    [{ ...rsa, alg: 'HS256' }, '/jwk/alg'],
    // Of no use at the token endpoint, which does not offer it.
    [{ ...rsa, alg: 'RS512' }, '/jwk/alg'],
    ...WEAK_KEYS.map(
      ([, jwk, member]) => [jwk, member === '' ? '/jwk' : `/jwk/${member}`] as const,
    ),
  ]
  for (const [jwk, pointer] of cases) {
    const answer = await api('POST', LIST, { kind: 'jwk', jwk })
    expect(answer.status, JSON.stringify(jwk)).toBe(400)
    const found = faults(answer).map((fault) => fault.split(' ')[0])
    expect(found, JSON.stringify(jwk)).toContain(pointer)
  }
  console.log(`${cases.length} unusable keys refused`)
  expect(await rows()).toEqual([])
})

test('of twenty parallel additions five are taken, the others are refused', async () => {
  const { worker, api, rows } = await startDevice()
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => api('POST', LIST, { kind: 'secret' })),
  )
  const taken = answers.filter(({ status }) => status === 201)
  const refused = answers.filter(({ status }) => status === 409)
  console.log(`20 parallel additions: ${taken.length} taken, ${refused.length} refused`)
  expect([taken.length, refused.length]).toEqual([5, 15])
  expect(refused[0]?.body.detail).toContain('at most 5 credentials')
  expect((await rows()).map(({ id }) => id).sort()).toEqual(taken.map(({ body }) => body.id).sort())
  const events = (await eventsOf(worker, 'd')).filter((type) => type !== 'device.created')
  expect(events).toEqual(Array(5).fill('device_credential.created'))
})

test('a revoked credential or one that has run out makes room, and proves nothing', async () => {
  const { worker, api, live } = await startDevice()
  const now = worker.clock.now
  const soon = await api('POST', LIST, { kind: 'secret', expires_at: now + 60 })
  const later = await api('POST', LIST, { kind: 'secret', not_before: now + 100 })
  for (let n = 0; n < 3; n++) await api('POST', LIST, { kind: 'secret' })
  expect((await api('POST', LIST, { kind: 'secret' })).status).toBe(409)
  const ids = async () => (await live()).map(({ id }) => id)
  expect(await ids()).toHaveLength(4)
  expect(verifyDeviceSecret(await live(), later.body.secret)).toBe(false)
  worker.clock.now = now + 59
  expect(verifyDeviceSecret(await live(), soon.body.secret)).toBe(true)
  worker.clock.now = now + 60
  expect(verifyDeviceSecret(await live(), soon.body.secret)).toBe(false)
  const sixth = await api('POST', LIST, { kind: 'secret' })
  expect(sixth.status).toBe(201)
  worker.clock.now = now + 100
  expect(verifyDeviceSecret(await live(), later.body.secret)).toBe(true)

  for (const _ of ['revoked', 'revoked again: nothing more happens']) {
    expect((await api('DELETE', `${LIST}/${later.body.id}`)).status).toBe(204)
    worker.clock.now += 5
  }
  expect(verifyDeviceSecret(await live(), later.body.secret)).toBe(false)
  const listed = (await api('GET', LIST)).body.items
  const revoked = listed.find(({ id }: { id: string }) => id === later.body.id)
  expect(revoked.revoked_at).toBe(now + 100)
  expect((await eventsOf(worker, 'd')).filter((type) => type.endsWith('revoked'))).toHaveLength(1)
  expect((await api('POST', LIST, { kind: 'secret' })).status).toBe(201)
})

test('a key or a kid that the device has already is refused until it is revoked', async () => {
  const { api } = await startDevice()
  const [first, second] = [await newJwk(), await newJwk()]
  const made = await api('POST', LIST, { kind: 'jwk', jwk: { ...first, kid: 'a' } })
  for (const jwk of [
    { ...first, kid: 'a' },
    { ...first, kid: 'b' },
    first,
    { ...second, kid: 'a' },
  ]) {
    const again = await api('POST', LIST, { kind: 'jwk', jwk })
    expect(again.status).toBe(409)
    expect(again.body.detail).toContain('this key or this kid')
  }
  await api('DELETE', `${LIST}/${made.body.id}`)
  expect((await api('POST', LIST, { kind: 'jwk', jwk: { ...second, kid: 'a' } })).status).toBe(201)
  const twice = await api('POST', '/v1/devices', {
    type: 'dimmer',
    credentials: [
      { kind: 'jwk', jwk: { ...first, kid: 'a' } },
      { kind: 'jwk', jwk: first },
    ],
  })
  expect(faults(twice)[0]).toMatch(/^\/credentials\/1\/jwk /)
})

test('times that cannot be are refused', async () => {
  const { worker, api, rows } = await startDevice()
  const now = worker.clock.now
  const cases: [object, string][] = [
    [{ expires_at: now }, '/expires_at'],
    [{ expires_at: now + 10, not_before: now + 10 }, '/expires_at'],
    [{ expires_at: now + 0.5 }, '/expires_at'],
    [{ expires_at: -1 }, '/expires_at'],
    [{ expires_at: now * 1000_000 }, '/expires_at'],
    [{ not_before: 'today' }, '/not_before'],
    [{ revoked_at: 1 }, ''],
  ]
  for (const [times, pointer] of cases) {
    const answer = await api('POST', LIST, { kind: 'secret', ...times })
    expect(answer.status, JSON.stringify(times)).toBe(400)
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
  }
  expect(await rows()).toEqual([])
})

test('credentials of another device, or of none, are not found', async () => {
  const { worker, api, live } = await startDevice()
  await api('POST', '/v1/devices', { id: 'e', type: 'dimmer' })
  const { body } = await api('POST', LIST, { kind: 'secret' })
  expect((await api('DELETE', `/v1/devices/e/credentials/${body.id}`)).status).toBe(404)
  expect((await api('DELETE', `${LIST}/none`)).status).toBe(404)
  expect(await live()).toHaveLength(1)
  expect((await api('GET', '/v1/devices/none/credentials')).status).toBe(404)
  expect((await api('POST', '/v1/devices/none/credentials', { kind: 'secret' })).status).toBe(404)
  expect(await eventsOf(worker, 'none')).toEqual([])
})

test('credentials are listed in pages, revoked ones included', async () => {
  const { worker, api } = await startDevice()
  const ids: string[] = []
  for (let n = 0; n < 7; n++) {
    const { body } = await api('POST', LIST, { kind: 'secret' })
    ids.push(body.id)
    worker.clock.now += 1
    if (n < 4) await api('DELETE', `${LIST}/${body.id}`)
  }
  const first = await api('GET', `${LIST}?limit=5`)
  const second = await api('GET', `${LIST}?limit=5&cursor=${first.body.next_cursor}`)
  const items = [...first.body.items, ...second.body.items]
  expect(items.map(({ id }) => id)).toEqual(ids)
  expect(second.body.next_cursor).toBeNull()
  const reader = deviceApi(worker, { kind: 'client', id: 'c', scopes: new Set(['devices:read']) })
  expect((await reader('GET', LIST)).status).toBe(200)
})
