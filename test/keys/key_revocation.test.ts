// Keys that are taken out at once: what is published, what signs, and what their tokens open
// afterwards.
import { beforeEach, describe, expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { signJwt, verifyJwt } from '../../worker/keys/jwt.ts'
import { revokeKey } from '../../worker/keys/key_revocation.ts'
import { signPaseto, verifyPaseto } from '../../worker/keys/paseto.ts'
import {
  type Algorithm,
  currentKey,
  rotateKey,
  signingKeys,
} from '../../worker/keys/signing_keys.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'
import { callApi, clientToken } from '../support/operator.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

let worker: TestWorker
beforeEach(async () => {
  worker = await startWorker()
})

const publishedKids = async (): Promise<string[]> => {
  const { keys } = (await (await worker.request('/.well-known/jwks.json')).json()) as {
    keys: { kid: string }[]
  }
  return keys.map(({ kid }) => kid)
}

async function currentKid(alg: Algorithm): Promise<string> {
  const cx = worker.context()
  const key = currentKey(cx, await signingKeys(cx), alg)
  if (key === undefined) throw new Error(`no ${alg} key signs`)
  return key.kid
}

const kidOf = (jwt: string): unknown => JSON.parse(atob(jwt.split('.')[0] ?? '')).kid

const claims = () => ({
  sub: 'x',
  aud: 'y',
  iat: worker.clock.now,
  exp: worker.clock.now + 600,
})

/** A client with a token of the whole API, and a way to call it. */
async function startManaged() {
  await applyBlueprint(
    worker.context(),
    {
      clients: [
        {
          client_id: 'ops',
          client_secret: SECRET,
          grant_types: ['client_credentials'],
          scope: 'manage',
        },
        {
          client_id: 'reader',
          client_secret: SECRET,
          grant_types: ['client_credentials'],
          scope: 'keys:read',
        },
      ],
    },
    {},
  )
  const token = (client_id = 'ops', scope = 'manage') =>
    clientToken(worker, client_id, SECRET, scope)
  return { token }
}

describe('the key that signs', () => {
  test('is published no more, and its successor is, and signs at once', async () => {
    const leaked = await currentKid('ES256')
    const answer = await revokeKey(worker.context(), leaked)
    expect(answer).toEqual({
      kid: leaked,
      alg: 'ES256',
      successor: {
        kid: await currentKid('ES256'),
        alg: 'ES256',
        status: 'current',
        created_at: worker.clock.now,
        signs_at: worker.clock.now,
      },
      cached_until: worker.clock.now + 360,
    })
    const kids = await publishedKids()
    expect(kids).not.toContain(leaked)
    expect(kids).toContain(answer.successor?.kid)
    const { jwt } = await signJwt(worker.context(), 'ES256', 'at+jwt', claims())
    expect(kidOf(jwt)).toBe(answer.successor?.kid)
  })

  test('leaves the keys of other algorithms alone', async () => {
    const other = await currentKid('RS256')
    await revokeKey(worker.context(), await currentKid('ES256'))
    expect(await currentKid('RS256')).toBe(other)
  })

  test('opens nothing: neither its JWTs nor its PASETOs', async () => {
    const cx = worker.context()
    const { jwt } = await signJwt(cx, 'ES256', 'at+jwt', claims())
    const { paseto } = await signPaseto(cx, 'at+paseto', claims())
    expect(await verifyJwt(cx, jwt, { typ: 'at+jwt' })).not.toBeNull()
    expect(await verifyPaseto(cx, paseto, { typ: 'at+paseto' })).not.toBeNull()
    for (const alg of ['ES256', 'EdDSA'] as const) await revokeKey(cx, await currentKid(alg))
    expect(await verifyJwt(cx, jwt, { typ: 'at+jwt' })).toBeNull()
    expect(await verifyPaseto(cx, paseto, { typ: 'at+paseto' })).toBeNull()
  })

  test('has a successor although another key waits, which signs when it is due', async () => {
    const waiting = await rotateKey(worker.context(), 'ES256')
    const { successor } = await revokeKey(worker.context(), await currentKid('ES256'))
    expect(successor?.kid).not.toBe(waiting.kid)
    expect(await currentKid('ES256')).toBe(successor?.kid)
    worker.clock.now += 360
    expect(await currentKid('ES256')).toBe(waiting.kid)
  })

  test('does not come back as an older one: a key that is retired stays so', async () => {
    const retired = await currentKid('ES256')
    const next = await rotateKey(worker.context(), 'ES256')
    worker.clock.now += 360
    const { successor } = await revokeKey(worker.context(), next.kid)
    expect(await currentKid('ES256')).toBe(successor?.kid)
    expect(await publishedKids()).toContain(retired)
  })

  test('revoked by two at once has one successor', async () => {
    const leaked = await currentKid('ES256')
    const instances = Array.from({ length: 4 }, () => ({ ...worker.context(), memory: new Map() }))
    const answers = await Promise.allSettled(instances.map((cx) => revokeKey(cx, leaked)))
    const done = answers.filter((one) => one.status === 'fulfilled')
    expect(done.length).toBeGreaterThan(0)
    expect(new Set(done.map(({ value }) => value.successor?.kid)).size).toBe(1)
    worker.memory.clear()
    expect((await signingKeys(worker.context())).filter(({ alg }) => alg === 'ES256')).toHaveLength(
      1,
    )
  })
})

test('a key that waits, or is retired, is revoked without a successor', async () => {
  const first = await currentKid('ES256')
  const waiting = await rotateKey(worker.context(), 'ES256')
  expect((await revokeKey(worker.context(), waiting.kid)).successor).toBeNull()
  expect(await publishedKids()).not.toContain(waiting.kid)
  const next = await rotateKey(worker.context(), 'ES256')
  worker.clock.now += 360
  expect((await revokeKey(worker.context(), first)).successor).toBeNull()
  expect(await currentKid('ES256')).toBe(next.kid)
})

test('a sole key made in advance signs already, so it has a successor', async () => {
  const made = await rotateKey(worker.context(), 'EdDSA')
  const { successor } = await revokeKey(worker.context(), made.kid)
  expect(await currentKid('EdDSA')).toBe(successor?.kid)
})

test('an instance that remembers the key, and a token it read, lets go of both within a minute', async () => {
  const { token } = await startManaged()
  const bearer = await token()
  const leaked = await currentKid('ES256')
  const list = () => callApi(worker, bearer, 'GET', '/v1/keys')
  worker.memory.clear()
  await publishedKids()
  await revokeKey({ ...worker.context(), memory: new Map() }, leaked)
  worker.clock.now += 59
  // Read for the first time now, and not remembered beyond the keys that it was read with.
  expect((await list()).status).toBe(200)
  worker.clock.now += 1
  expect((await list()).status).toBe(401)
})

describe('over HTTP', () => {
  test('DELETE revokes and says by when verifiers elsewhere know it', async () => {
    const { token } = await startManaged()
    const bearer = await token()
    const rsa = await currentKid('RS256')
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      callApi(worker, bearer, 'DELETE', `/v1/keys/${rsa}`),
    )
    expect(value.status).toBe(200)
    expect(value.body).toMatchObject({ kid: rsa, alg: 'RS256', successor: { status: 'current' } })
    expect(value.body['cached_until']).toBe(worker.clock.now + 360)
    expect(roundTrips).toBe(3)
    const again = await callApi(worker, bearer, 'DELETE', `/v1/keys/${rsa}`)
    expect([again.status, again.body['type']]).toEqual([404, expect.stringContaining('not_found')])
    const events = await callApi(worker, bearer, 'GET', '/v1/events?type=key.revoked')
    expect(events.body['items']).toMatchObject([
      { type: 'key.revoked', data: { kid: rsa, alg: 'RS256' } },
    ])
  })

  test('the token that revokes its own key is refused from then on; a new one is good', async () => {
    const { token } = await startManaged()
    const bearer = await token()
    const call = (one: string) => callApi(worker, one, 'GET', '/v1/keys')
    expect((await call(bearer)).status).toBe(200)
    const leaked = await currentKid('ES256')
    expect((await callApi(worker, bearer, 'DELETE', `/v1/keys/${leaked}`)).status).toBe(200)
    expect((await call(bearer)).status).toBe(401)
    expect((await call(await token())).status).toBe(200)
    const introspected = await worker.request('/oauth/introspect', {
      method: 'POST',
      headers: {
        Authorization: `Basic ${btoa(`ops:${SECRET}`)}`,
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ token: bearer }).toString(),
    })
    expect(await introspected.json()).toEqual({ active: false })
  })

  test('a rotation answers 201 with the key it made, and 200 with one that waits already', async () => {
    const { token } = await startManaged()
    const bearer = await token()
    const rotate = () => callApi(worker, bearer, 'POST', '/v1/keys/ES256/rotate')
    const made = await rotate()
    expect(made).toMatchObject({
      status: 201,
      body: {
        status: 'waiting',
        created_at: worker.clock.now,
        signs_at: worker.clock.now + 360,
      },
    })
    expect(await rotate()).toMatchObject({ status: 200, body: made.body })
    const events = await callApi(worker, bearer, 'GET', '/v1/events?type=key.rotated')
    expect(events.body['items']).toHaveLength(1)
  })

  test('the status of SECRET_KEY is told to keys:read, and sealing anew needs keys:write', async () => {
    const { token } = await startManaged()
    const reader = await token('reader', 'keys:read')
    const status = await callApi(worker, reader, 'GET', '/v1/keys/status')
    expect(status).toMatchObject({
      status: 200,
      body: {
        secret_keys: [{ is_newest: true, signing_keys: 2, may_go: false }],
        unopened: { signing_keys: [], stored_secrets: [], other: 0 },
      },
    })
    expect((await callApi(worker, reader, 'POST', '/v1/keys/reseal')).status).toBe(403)
    expect(await callApi(worker, await token(), 'POST', '/v1/keys/reseal')).toMatchObject({
      status: 200,
      body: { signing_keys: 0, stored_secrets: 0, mails: 0, unopened: [] },
    })
  })

  test('a token without keys:write revokes nothing', async () => {
    const { token } = await startManaged()
    const reader = await token('reader', 'keys:read')
    const kid = await currentKid('ES256')
    expect((await callApi(worker, reader, 'DELETE', `/v1/keys/${kid}`)).status).toBe(403)
    expect(await publishedKids()).toContain(kid)
  })
})
