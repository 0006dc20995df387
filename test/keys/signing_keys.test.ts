import { createLocalJWKSet, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { signJwt, verifyJwt } from '../../worker/keys/jwt.ts'
import { currentKey, rotateKey, signingKeys } from '../../worker/keys/signing_keys.ts'
import { keepKeyUntil } from '../../worker/keys/store.ts'
import { countRoundTrips, ISSUER, startWorker } from '../context.ts'

const DAY = 86_400

async function publishedKids(worker: Awaited<ReturnType<typeof startWorker>>) {
  const answer = await worker.request('/.well-known/jwks.json')
  const { keys } = (await answer.json()) as { keys: { kid: string; alg: string; d?: string }[] }
  return { answer, keys }
}

test('the published keys are cacheable, hold no private part, and verify what we sign', async () => {
  const worker = await startWorker({}, { hasKeys: false })
  const { answer, keys } = await publishedKids(worker)
  expect(answer.headers.get('cache-control')).toBe('public, max-age=300')
  expect(keys.map((key) => key.alg).sort()).toEqual(['ES256', 'RS256'])
  expect(JSON.stringify(keys)).not.toMatch(/"(d|p|q|dp|dq|qi|k)":/)
  const cx = worker.context()
  const now = worker.clock.now
  for (const alg of ['ES256', 'RS256'] as const) {
    const claims = { sub: 'x', aud: 'y', iat: now, exp: now + 60 }
    const { jwt } = await signJwt(cx, alg, 'at+jwt', claims)
    const { payload } = await jwtVerify(jwt, createLocalJWKSet({ keys } as never), {
      issuer: ISSUER,
      audience: 'y',
      typ: 'at+jwt',
      currentDate: new Date(now * 1000),
    })
    expect(payload.sub).toBe('x')
    expect(await verifyJwt(cx, jwt, { typ: 'at+jwt', audience: 'y' })).not.toBeNull()
    expect(await verifyJwt(cx, jwt, { typ: 'JWT', audience: 'y' })).toBeNull()
    expect(await verifyJwt(cx, jwt, { typ: 'at+jwt', audience: 'z' })).toBeNull()
  }
})

test('the published keys cost no database round trip once warm, and one when cold', async () => {
  const worker = await startWorker({}, { hasKeys: false })
  await publishedKids(worker)
  expect((await countRoundTrips(worker, () => publishedKids(worker))).roundTrips).toBe(0)
  worker.memory.clear()
  expect((await countRoundTrips(worker, () => publishedKids(worker))).roundTrips).toBe(1)
})

test('private keys are sealed at rest', async () => {
  const worker = await startWorker({}, { hasKeys: false })
  for (const key of await signingKeys(worker.context())) {
    expect(key.private_jwk).toMatch(/^v1\./)
    expect(key.public_jwk).not.toContain('"d"')
  }
})

test('a new key is published before it signs, and the old one stays until its last token has run out', async () => {
  const worker = await startWorker({}, { hasKeys: false })
  const cx = worker.context()
  const old = currentKey(cx, await signingKeys(cx), 'ES256')!
  const next = await rotateKey(cx, 'ES256')
  expect((await publishedKids(worker)).keys.map((key) => key.kid)).toContain(next.kid)
  worker.clock.now += 359
  expect(currentKey(cx, await signingKeys(cx), 'ES256')?.kid).toBe(old.kid)
  worker.clock.now += 1
  expect(currentKey(cx, await signingKeys(cx), 'ES256')?.kid).toBe(next.kid)
  const { jwt } = await signJwt(cx, 'ES256', 'at+jwt', {
    sub: 'x',
    iat: worker.clock.now,
    exp: worker.clock.now + DAY,
  })
  expect(JSON.parse(atob(jwt.split('.')[0]!)).kid).toBe(next.kid)
  await rotateKey(cx, 'ES256')
  expect((await publishedKids(worker)).keys.map((key) => key.kid)).toContain(old.kid)
  worker.clock.now += DAY + 100
  await rotateKey(cx, 'ES256')
  const left = (await publishedKids(worker)).keys.map((key) => key.kid)
  expect(left).not.toContain(old.kid)
  expect(left).toContain(next.kid)
})

test('a key stays published as long as a token needs it that outlives the usual lifetimes', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  const old = currentKey(cx, await signingKeys(cx), 'ES256')!
  const exp = worker.clock.now + 300 * DAY
  await cx.db.write(keepKeyUntil(old.kid, exp))
  for (let rotation = 1; rotation <= 3; rotation++) {
    await rotateKey(cx, 'ES256')
    worker.clock.now += 90 * DAY
  }
  const isPublished = async () =>
    (await publishedKids(worker)).keys.some(({ kid }) => kid === old.kid)
  expect(await isPublished()).toBe(true)
  worker.clock.now = exp
  await rotateKey(cx, 'ES256')
  expect(await isPublished()).toBe(true)
  worker.clock.now = exp + 400
  await rotateKey(cx, 'ES256')
  expect(await isPublished()).toBe(false)
})

test('two instances that start at once, and then rotate at once, end with one current key', async () => {
  const worker = await startWorker({}, { hasKeys: false })
  const instances = Array.from({ length: 8 }, () => ({ ...worker.context(), memory: new Map() }))
  const first = await Promise.all(instances.map((cx) => signingKeys(cx)))
  expect(new Set(first.flat().map((key) => key.kid)).size).toBe(2)
  const rotated = await Promise.all(instances.map((cx) => rotateKey(cx, 'ES256')))
  expect(new Set(rotated.map((key) => key.kid)).size).toBe(1)
  worker.clock.now += 400
  const current = await Promise.all(
    instances.map(async (cx) => currentKey(cx, await signingKeys(cx), 'ES256')?.kid),
  )
  expect(new Set(current)).toEqual(new Set([rotated[0]?.kid]))
})

test('the first key of another algorithm waits too, until no cache is without it', async () => {
  const worker = await startWorker({}, { hasKeys: false })
  const cx = worker.context()
  await publishedKids(worker)
  const made = await rotateKey(cx, 'EdDSA')
  expect((await rotateKey(cx, 'EdDSA')).kid).toBe(made.kid)
  expect((await publishedKids(worker)).keys.map((key) => key.kid)).toContain(made.kid)
  expect(currentKey(cx, await signingKeys(cx), 'EdDSA')).toBeUndefined()
  worker.clock.now += 360
  expect(currentKey(cx, await signingKeys(cx), 'EdDSA')?.kid).toBe(made.kid)
})

test('a token signed with a key of another kind under the same kid, or with none, is refused', async () => {
  const worker = await startWorker({}, { hasKeys: false })
  const cx = worker.context()
  const { jwt } = await signJwt(cx, 'ES256', 'at+jwt', {
    sub: 'x',
    iat: worker.clock.now,
    exp: worker.clock.now + 60,
  })
  const [, body, signature] = jwt.split('.')
  const kid = JSON.parse(atob(jwt.split('.')[0]!)).kid
  for (const header of [
    { alg: 'none', typ: 'at+jwt', kid },
    { alg: 'HS256', typ: 'at+jwt', kid },
    { alg: 'RS256', typ: 'at+jwt', kid },
    { alg: 'ES256', typ: 'at+jwt', kid: '../../x' },
    { alg: 'ES256', typ: 'at+jwt' },
  ]) {
    const forged = `${btoa(JSON.stringify(header)).replaceAll('=', '')}.${body}.${signature}`
    expect(await verifyJwt(cx, forged, { typ: 'at+jwt' })).toBeNull()
  }
})
