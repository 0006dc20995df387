// Tokens bound to a key by DPoP (RFC 9449): which proofs count, that each counts once, and what a bound token is worth to
// whoever does not have the key.
import { base64url, calculateJwkThumbprint, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../../worker/crypto.ts'
import { sql } from '../../../worker/db/sql.ts'
import { dpopNonce } from '../../../worker/oauth/client_authentication/dpop.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { reasonOf } from '../../support/log.ts'
import { WEAK_KEYS } from '../../support/weak_keys.ts'
import {
  answerOf,
  VERIFIER as FLOW_VERIFIER,
  follow,
  requestParameters,
  requestPath,
  rowsOf,
  signIn as signInBrowser,
  startFlow,
} from '../flow.ts'
import {
  AS,
  addApp,
  addClient,
  addCode,
  addDevice,
  asserted,
  assertion,
  basic,
  claimsOf,
  count,
  dpopProof,
  foreign,
  foreignClient,
  losingAnswers,
  makeSigner,
  type ProofOptions,
  post,
  REDIRECT,
  redeem,
  refresh,
  type Signer,
  startIssuer,
  token,
  VERIFIER,
} from '../token_fixtures.ts'

const own = { grant_type: 'client_credentials' }
const JOB = { client_id: 'job', grant_types: ['client_credentials' as const], scope: 'orders' }
const USERINFO = '/oauth/userinfo'

/** A worker with the client `job`, and a token request of it with a proof. */
async function startJob() {
  const worker = await startIssuer()
  const secret = await addClient(worker, JOB)
  const ask = (proof: string) => token(worker, own, { ...basic('job', secret), DPoP: proof })
  return { worker, secret, ask }
}

/** A worker with the public client `app`, a key, and a token of Ann bound to it. */
async function startBound(scope = 'openid offline_access') {
  const worker = await startIssuer()
  await addApp(worker)
  const signer = await makeSigner('ES256')
  const { code, authorization_id } = await addCode(worker, { scope })
  const { status, body } = await redeem(worker, code, {}, { DPoP: await dpopProof(worker, signer) })
  if (status !== 200) throw new Error(JSON.stringify(body))
  const { access_token = '', refresh_token = '' } = body
  return { worker, signer, access_token, refresh_token, authorization_id, body }
}

async function use(worker: TestWorker, path: string, authorization: string, proof?: string) {
  const headers = { Authorization: authorization, ...(proof === undefined ? {} : { DPoP: proof }) }
  const answer = await worker.request(path, { headers })
  return { status: answer.status, challenge: answer.headers.get('www-authenticate'), answer }
}

const proofFor = (
  worker: TestWorker,
  signer: Signer,
  access_token: string,
  more: ProofOptions = {},
) => dpopProof(worker, signer, { path: USERINFO, method: 'GET', access_token, ...more })

const ALG_OF: Record<string, string> = { OKP: 'EdDSA', EC: 'ES256', RSA: 'RS256' }

describe('a proof at the token endpoint', () => {
  test.each(['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'])(
    'signed with %s binds the token of a client',
    async (alg) => {
      const { worker, ask } = await startJob()
      const signer = await makeSigner(alg)
      const { value, roundTrips } = await countRoundTrips(worker, async () =>
        ask(await dpopProof(worker, signer)),
      )
      expect(value.status).toBe(200)
      expect(value.body['token_type']).toBe('DPoP')
      expect(claimsOf(value.body.access_token)['cnf']).toEqual({
        jkt: await calculateJwkThumbprint(signer.jwk as never),
      })
      expect(value.headers.get('dpop-nonce')).toBe(dpopNonce(worker.context()))
      expect(roundTrips).toBe(2)
    },
  )

  const NOW = 1_800_000_000
  test.each<[string, ProofOptions, string | 200]>([
    ['a query and a fragment at htu', { claims: { htu: `${ISSUER}/oauth/token?a=b#c` } }, 200],
    ['htu in another spelling', { claims: { htu: 'HTTP://LOCALHOST:8787/oauth/./t%6fken' } }, 200],
    ['the type in capitals', { header: { typ: 'DPoP+JWT' } }, 200],
    ['iat five minutes ago', { claims: { iat: NOW - 300 } }, 200],
    ['iat a minute ahead', { claims: { iat: NOW + 60 } }, 200],
    ['further claims', { claims: { ath: 'x', other: 1 } }, 200],
    ['another type', { header: { typ: 'JWT' } }, 'bad_signature'],
    ['no type', { header: { typ: undefined } }, 'bad_signature'],
    ['no key', { header: { jwk: undefined } }, 'proof_key'],
    ['a key that is no object', { header: { jwk: 'x' } }, 'no_jwt'],
    ['a list as key', { header: { jwk: [] } }, 'no_jwt'],
    ['a key type that is no text', { header: { jwk: { kty: 1 } } }, 'proof_key'],
    ['a type that is no text', { header: { typ: 1 } }, 'no_jwt'],
    ['a key id that is no text', { header: { kid: 1 } }, 'no_jwt'],
    ['a key id instead of a key', { header: { jwk: undefined, kid: 'k' } }, 'proof_key'],
    ['an unknown critical extension', { header: { crit: ['x'], x: 1 } }, 'no_jwt'],
    ['no jti', { claims: { jti: undefined } }, 'proof_jti'],
    ['an empty jti', { claims: { jti: '' } }, 'proof_jti'],
    ['a jti that is no text', { claims: { jti: 1 } }, 'proof_jti'],
    ['a jti without end', { claims: { jti: 'x'.repeat(256) } }, 'proof_jti'],
    ['no htm', { claims: { htm: undefined } }, 'proof_htm'],
    ['another htm', { claims: { htm: 'GET' } }, 'proof_htm'],
    ['htm in small letters', { claims: { htm: 'post' } }, 'proof_htm'],
    ['no htu', { claims: { htu: undefined } }, 'proof_htu'],
    ['another path', { claims: { htu: `${ISSUER}/oauth/par` } }, 'proof_htu'],
    ['a path with a slash more', { claims: { htu: `${ISSUER}/oauth/token/` } }, 'proof_htu'],
    ['another host', { claims: { htu: 'http://evil.example:8787/oauth/token' } }, 'proof_htu'],
    ['another port', { claims: { htu: 'http://localhost/oauth/token' } }, 'proof_htu'],
    ['another scheme', { claims: { htu: 'https://localhost:8787/oauth/token' } }, 'proof_htu'],
    ['a user in htu', { claims: { htu: 'http://a@localhost:8787/oauth/token' } }, 'proof_htu'],
    ['a path alone', { claims: { htu: '/oauth/token' } }, 'proof_htu'],
    ['an encoded slash', { claims: { htu: `${ISSUER}/oauth%2Ftoken` } }, 'proof_htu'],
    ['no iat', { claims: { iat: undefined } }, 'proof_iat'],
    ['iat more than five minutes ago', { claims: { iat: NOW - 301 } }, 'proof_too_old'],
    ['iat more than a minute ahead', { claims: { iat: NOW + 61 } }, 'proof_issued_ahead'],
    ['iat as text', { claims: { iat: String(NOW) } }, 'bad_signature'],
    ['exp that has come', { claims: { exp: NOW } }, 'proof_expired'],
    ['nbf to come', { claims: { nbf: NOW + 1 } }, 'proof_not_yet_valid'],
    ['no nonce', { claims: { nonce: undefined } }, 'no_nonce'],
    ['a nonce of its own', { claims: { nonce: 'x' } }, 'old_nonce'],
    ['a nonce that is no text', { claims: { nonce: 1 } }, 'old_nonce'],
  ])('with %s: %j gives %s', async (_, options, expected) => {
    const { worker, ask } = await startJob()
    const signer = await makeSigner('ES256')
    let proof: string
    try {
      proof = await dpopProof(worker, signer, options)
    } catch {
      // jose signs no unknown critical extension.
      const [, body, signature] = (await dpopProof(worker, signer)).split('.')
      const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: signer.jwk, ...options.header }
      proof = [base64url.encode(JSON.stringify(header)), body, signature].join('.')
    }
    const { status, body } = await ask(proof)
    if (expected === 200) return expect([status, body.error]).toEqual([200, undefined])
    const nonce = ['no_nonce', 'old_nonce'].includes(expected)
    expect([status, body.error]).toEqual([400, nonce ? 'use_dpop_nonce' : 'invalid_dpop_proof'])
    expect(worker.log.at(-1)?.fields['reason']).toBe(expected)
    expect(await count(worker, sql`from used_assertion`)).toBe(0)
  })

  test.each<[string, Record<string, unknown>, string | undefined]>([
    ['alg of the proof', { alg: 'ES256' }, undefined],
    ['use sig', { use: 'sig' }, undefined],
    ['another alg', { alg: 'RS256' }, 'proof_key'],
    ['an alg that is no text', { alg: 1 }, 'proof_key'],
    ['use enc', { use: 'enc' }, 'proof_key'],
    ['another alg of its kind', { alg: 'PS256' }, 'proof_key'],
  ])('whose own key names %s: %j gives %s', async (_, members, reason) => {
    const { worker, ask } = await startJob()
    const signer = await makeSigner(members['alg'] === 'PS256' ? 'RS256' : 'ES256')
    const proof = await dpopProof(worker, signer, {
      header: { jwk: { ...signer.jwk, ...members } },
    })
    const { status, body } = await ask(proof)
    const error = reason === undefined ? undefined : 'invalid_dpop_proof'
    expect([status, body.error]).toEqual([reason === undefined ? 200 : 400, error])
    if (reason !== undefined) expect(reasonOf(worker)).toBe(reason)
  })

  test('a private key, a foreign signature, alg none, HMAC and a short RSA key are refused', async () => {
    const { worker, ask } = await startJob()
    const [signer, thief] = [await makeSigner('ES256'), await makeSigner('ES256')]
    const good = await dpopProof(worker, signer)
    const [, body, signature] = good.split('.')
    const encode = (header: object) =>
      base64url.encode(JSON.stringify({ typ: 'dpop+jwt', jwk: signer.jwk, ...header }))
    const { d } = (await crypto.subtle.exportKey('jwk', signer.privateKey)) as JsonWebKey
    const short = await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 1024,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
      },
      true,
      ['sign', 'verify'],
    )
    const exported = await crypto.subtle.exportKey('jwk', (short as CryptoKeyPair).publicKey)
    const { n = '', e = '' } = exported as JsonWebKey
    const secret = new TextEncoder().encode(JSON.stringify(signer.jwk))
    const symmetric = { kty: 'oct', k: base64url.encode(secret) }
    const refusals = {
      'a private key': await dpopProof(worker, signer, { header: { jwk: { ...signer.jwk, d } } }),
      'the key of another': await dpopProof(worker, thief, { header: { jwk: signer.jwk } }),
      none: `${encode({ alg: 'none' })}.${body}.`,
      'another algorithm': `${encode({ alg: 'RS256' })}.${body}.${signature}`,
      'no algorithm': `${encode({})}.${body}.${signature}`,
      HMAC: await new SignJWT(claimsOf(good))
        .setProtectedHeader({ typ: 'dpop+jwt', alg: 'HS256', jwk: symmetric as never })
        .sign(secret),
      'a short RSA key': `${encode({ alg: 'RS256', jwk: { kty: 'RSA', n, e } })}.${body}.${signature}`,
      ...Object.fromEntries(
        WEAK_KEYS.map(([name, jwk]) => [
          `with ${name}`,
          `${encode({ alg: ALG_OF[String(jwk['kty'])] ?? 'ES256', jwk })}.${body}.${signature}`,
        ]),
      ),
      'a signature cut off': good.slice(0, -4),
      'two proofs in one header': `${good}, ${await dpopProof(worker, signer)}`,
      'the same proof twice': `${good},${good}`,
      'no JWT': 'x',
      'an endless proof': `${good}${'x'.repeat(9000)}`,
    }
    for (const [name, proof] of Object.entries(refusals)) {
      const answer = await ask(proof)
      expect([name, answer.status, answer.body.error]).toEqual([name, 400, 'invalid_dpop_proof'])
    }
    expect((await ask(good)).status).toBe(200)
  })

  test('the nonce changes with time, the one before is good too, and an older one is not', async () => {
    const { worker, ask } = await startJob()
    const signer = await makeSigner('ES256')
    const nonce = dpopNonce(worker.context())
    const later = async (seconds: number) => {
      worker.clock.now += seconds
      return ask(await dpopProof(worker, signer, { claims: { nonce } }))
    }
    expect((await later(0)).status).toBe(200)
    expect((await later(180)).status).toBe(200)
    const refused = await later(180)
    expect([refused.status, refused.body.error]).toEqual([400, 'use_dpop_nonce'])
    const fresh = refused.headers.get('dpop-nonce') ?? ''
    expect(fresh).not.toBe(nonce)
    expect((await ask(await dpopProof(worker, signer, { claims: { nonce: fresh } }))).status).toBe(
      200,
    )
    // An instance whose clock is ahead gives out the next one already.
    worker.clock.now += 180
    const ahead = dpopNonce(worker.context())
    worker.clock.now -= 180
    expect((await ask(await dpopProof(worker, signer, { claims: { nonce: ahead } }))).status).toBe(
      200,
    )
    const another = await startIssuer({ SECRET_KEY: 'B'.repeat(43) })
    const foreignNonce = dpopNonce(another.context())
    const answer = await ask(await dpopProof(worker, signer, { claims: { nonce: foreignNonce } }))
    expect(answer.body.error).toBe('use_dpop_nonce')
  })

  test('to learn the nonce costs no round trip and consumes nothing', async () => {
    const { worker, ask } = await startJob()
    const signer = await makeSigner('ES256')
    const { value, roundTrips } = await countRoundTrips(worker, async () =>
      ask(await dpopProof(worker, signer, { claims: { nonce: undefined } })),
    )
    expect([value.body.error, roundTrips]).toEqual(['use_dpop_nonce', 0])
    expect(value.headers.get('dpop-nonce')).toBe(dpopNonce(worker.context()))
    expect(value.headers.get('access-control-expose-headers')).toContain('DPoP-Nonce')
  })

  test('a proof is good once, and two hundred parallel ones give exactly one token', async () => {
    const { worker, ask } = await startJob()
    const proof = await dpopProof(worker, await makeSigner('ES256'))
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(proof)))
    const good = answers.filter(({ status }) => status === 200).length
    const refused = answers.filter(({ body }) => body.error === 'invalid_dpop_proof').length
    console.log(`proof: 200 parallel uses, ${good} success, ${refused} refused`)
    expect([good, refused]).toEqual([1, 199])
    expect(await count(worker, sql`from used_assertion`)).toBe(1)
  })

  test('a proof whose answer the database lost is no replay, and one of another key with its jti neither', async () => {
    const { worker, secret, ask } = await startJob()
    const claims = { jti: 'same' }
    const proof = await dpopProof(worker, await makeSigner('ES256'), { claims })
    const lost = await token(losingAnswers(worker), own, { ...basic('job', secret), DPoP: proof })
    expect(lost.status).toBe(200)
    expect((await ask(proof)).body.error).toBe('invalid_dpop_proof')
    const other = await dpopProof(worker, await makeSigner('ES256'), { claims })
    expect((await ask(other)).status).toBe(200)
  })

  test('an assertion that is made to look like a proof does not burn one', async () => {
    const { worker, ask } = await startJob()
    const signer = await makeSigner('ES256')
    const jkt = await calculateJwkThumbprint(signer.jwk as never)
    const assertor = await makeSigner('ES256')
    await addClient(worker, {
      ...JOB,
      client_id: 'dpop',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [assertor.jwk as never] },
    })
    const claims = { jti: `${jkt}\np` }
    const signed = asserted(await assertion(worker, assertor, 'dpop', { claims }))
    expect((await token(worker, { ...own, ...signed })).status).toBe(200)
    expect((await ask(await dpopProof(worker, signer, { claims: { jti: 'p' } }))).status).toBe(200)
  })

  test('a replayed proof redeems no code', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const signer = await makeSigner('ES256')
    const [first, second] = [await addCode(worker), await addCode(worker)]
    const DPoP = await dpopProof(worker, signer)
    expect((await redeem(worker, first.code, {}, { DPoP })).status).toBe(200)
    const replay = await redeem(worker, second.code, {}, { DPoP })
    expect(replay.body.error).toBe('invalid_dpop_proof')
    const fresh = { DPoP: await dpopProof(worker, signer) }
    expect((await redeem(worker, second.code, {}, fresh)).status).toBe(200)
  })

  test('a client registered for bound tokens gets none without a proof', async () => {
    const worker = await startIssuer()
    const secret = await addClient(worker, { ...JOB, dpop_bound_access_tokens: true })
    const bare = await token(worker, own, basic('job', secret))
    expect([bare.status, bare.body.error]).toEqual([400, 'invalid_dpop_proof'])
    const DPoP = await dpopProof(worker, await makeSigner('ES256'))
    expect((await token(worker, own, { ...basic('job', secret), DPoP })).status).toBe(200)
  })

  test('a proof does not replace the secret', async () => {
    const { worker } = await startJob()
    const DPoP = await dpopProof(worker, await makeSigner('ES256'))
    const answer = await token(worker, own, { ...basic('job', 'wrong'), DPoP })
    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client'])
  })

  test('a device gets a bound token for mProxy', async () => {
    const worker = await startIssuer()
    await addDevice(worker, 'dim-1', { secret: 'ads_x' })
    const DPoP = await dpopProof(worker, await makeSigner('EdDSA'))
    const { body } = await token(worker, own, { ...basic('dim-1', 'ads_x'), DPoP })
    expect(body['token_type']).toBe('DPoP')
    expect(claimsOf(body.access_token)).toMatchObject({
      sub: 'dim-1',
      cnf: { jkt: expect.any(String) },
    })
  })
})

describe('codes and refresh tokens', () => {
  test('a code bound to a key is redeemed with that key alone, and is not burned by others', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const [signer, thief] = [await makeSigner('ES256'), await makeSigner('ES256')]
    const dpop_jkt = await calculateJwkThumbprint(signer.jwk as never)
    const { code } = await addCode(worker, { dpop_jkt })
    const attempt = async (by: Signer | null) =>
      redeem(worker, code, {}, by === null ? {} : { DPoP: await dpopProof(worker, by) })
    for (const by of [thief, null]) {
      const { status, body } = await attempt(by)
      expect([status, body.error]).toEqual([400, 'invalid_grant'])
      expect(worker.log.at(-1)?.fields['reason']).toBe('dpop_jkt')
    }
    expect((await attempt(signer)).status).toBe(200)
    // A second use without the key is no sign that the key's holder lost it.
    expect((await attempt(thief)).status).toBe(400)
    expect(await count(worker, sql`from authorization where revoked_at is null`)).toBe(1)
    expect((await attempt(signer)).status).toBe(400)
    expect(await count(worker, sql`from authorization where revoked_at is null`)).toBe(0)
  })

  test('dpop_jkt of the authorization request is kept with the code, and a faulty one is told to the client', async () => {
    const { worker, browser } = await startFlow({ first_party: true })
    await signInBrowser(worker, browser, 'ann')
    const dpop_jkt = 'k'.repeat(43)
    expect(answerOf(await browser.get(requestPath({ dpop_jkt })))).toHaveProperty('code')
    expect((await rowsOf(worker, 'authorization_code'))[0]?.['dpop_jkt']).toBe(dpop_jkt)
    for (const bad of ['x', 'k'.repeat(44), `${'k'.repeat(42)}+`, [dpop_jkt, dpop_jkt]]) {
      const answer = answerOf(await browser.get(requestPath({ dpop_jkt: bad })))
      expect([bad, answer['error']]).toEqual([bad, 'invalid_request'])
    }
    const stored = new Browser(worker)
    const login = await stored.get(requestPath({ dpop_jkt: 'm'.repeat(43) }))
    await signInBrowser(worker, stored, 'ann')
    const { pathname, search } = new URL(login.headers.get('location') ?? '', ISSUER)
    expect(pathname).toBe('/login')
    const back = new URLSearchParams(search).get('return_to') ?? ''
    expect(answerOf(await follow(stored, await stored.get(back)))).toHaveProperty('code')
    const keys = (await rowsOf(worker, 'authorization_code')).map((one) => one['dpop_jkt'])
    expect(keys).toContain('m'.repeat(43))
  })

  test('a refresh token of a public client is bound to the key, and is kept', async () => {
    const { worker, signer, refresh_token, body } = await startBound()
    expect(body['token_type']).toBe('DPoP')
    for (let i = 0; i < 3; i++) {
      const DPoP = await dpopProof(worker, signer)
      const answer = await refresh(worker, refresh_token, {}, { DPoP })
      expect([answer.status, answer.body['token_type']]).toEqual([200, 'DPoP'])
      expect(answer.body.refresh_token).toBeUndefined()
    }
  })

  test('it is refused with another key and without one, which harms no family', async () => {
    const { worker, signer, refresh_token } = await startBound()
    const thief = await makeSigner('ES256')
    const attempts: Record<string, string>[] = [{}, { DPoP: await dpopProof(worker, thief) }]
    for (const headers of attempts) {
      const { status, body } = await refresh(worker, refresh_token, {}, headers)
      expect([status, body.error]).toEqual([400, 'invalid_grant'])
      expect(worker.log.at(-1)?.fields['reason']).toBe('key_of_another')
    }
    const DPoP = await dpopProof(worker, signer)
    expect((await refresh(worker, refresh_token, {}, { DPoP })).status).toBe(200)
  })

  test('one that is not bound rotates, also when a later request has a proof', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker)
    const { body } = await redeem(worker, code)
    const DPoP = await dpopProof(worker, await makeSigner('ES256'))
    const answer = await refresh(worker, body.refresh_token ?? '', {}, { DPoP })
    expect(answer.body['token_type']).toBe('DPoP')
    expect(answer.body.refresh_token).toEqual(expect.any(String))
  })

  test('one of a confidential client is not bound, but its access tokens are', async () => {
    const worker = await startIssuer()
    const secret = await addClient(worker, {
      client_id: 'web',
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code', 'refresh_token'],
      scope: 'openid offline_access',
    })
    const { code } = await addCode(worker, { client_id: 'web' })
    const headers = async (alg: string) => ({
      ...basic('web', secret),
      DPoP: await dpopProof(worker, await makeSigner(alg)),
    })
    const { body } = await redeem(worker, code, { client_id: 'web' }, await headers('ES256'))
    expect(body['token_type']).toBe('DPoP')
    const more = { client_id: 'web' }
    const next = await refresh(worker, body.refresh_token ?? '', more, await headers('EdDSA'))
    expect([next.status, next.body['token_type']]).toEqual([200, 'DPoP'])
    const bare = await refresh(worker, body.refresh_token ?? '', more, basic('web', secret))
    expect([bare.status, bare.body['token_type']]).toEqual([200, 'Bearer'])
  })
})

describe('a bound token', () => {
  test('opens userinfo and /v1 with a proof of its key, in one round trip', async () => {
    const { worker, signer, access_token } = await startBound()
    const { value, roundTrips } = await countRoundTrips(worker, async () =>
      use(worker, USERINFO, `DPoP ${access_token}`, await proofFor(worker, signer, access_token)),
    )
    expect([value.status, roundTrips]).toEqual([200, 1])
    expect(value.answer.headers.get('dpop-nonce')).toBe(dpopNonce(worker.context()))

    const secret = await addClient(worker, {
      ...JOB,
      client_id: 'ops',
      scope: 'keys:read events:read',
    })
    const headers = { ...basic('ops', secret), DPoP: await dpopProof(worker, signer) }
    const { body } = await token(worker, own, headers)
    const ops = body.access_token ?? ''
    const path = '/v1/keys'
    const proof = await proofFor(worker, signer, ops, { path })
    const api = await countRoundTrips(worker, () => use(worker, path, `DPoP ${ops}`, proof))
    expect([api.value.status, api.roundTrips]).toEqual([200, 1])
    // RFC 9449 §4.3: the query is not part of `htu`
    const events = await proofFor(worker, signer, ops, { path: '/v1/events' })
    const listed = await use(worker, '/v1/events?limit=1', `DPoP ${ops}`, events)
    expect(listed.status).toBe(200)
    const replay = await use(worker, path, `DPoP ${ops}`, proof)
    expect(replay.status).toBe(401)
    expect(replay.challenge).toContain('DPoP error="invalid_dpop_proof"')
    expect(replay.answer.headers.get('content-type')).toBe('application/problem+json')
    const bare = await use(worker, path, `DPoP ${ops}`)
    expect([bare.status, bare.challenge?.split(',')[0]]).toEqual([
      401,
      'DPoP error="invalid_dpop_proof"',
    ])
    expect((await use(worker, path, `Bearer ${ops}`)).status).toBe(401)
  })

  test('is refused as a bearer token, in the form, without proof, and with one that is not for it', async () => {
    const { worker, signer, access_token } = await startBound()
    const thief = await makeSigner('ES256')
    const bound = `DPoP ${access_token}`
    const proof = (more: ProofOptions = {}, by = signer) => proofFor(worker, by, access_token, more)
    const cases: [string, string, string | undefined, string][] = [
      ['as bearer', `Bearer ${access_token}`, undefined, 'invalid_token'],
      ['as bearer with proof', `Bearer ${access_token}`, await proof(), 'invalid_token'],
      ['no proof', bound, undefined, 'invalid_dpop_proof'],
      ['another key', bound, await proof({}, thief), 'invalid_token'],
      ['no ath', bound, await proof({ claims: { ath: undefined } }), 'invalid_dpop_proof'],
      ['another ath', bound, await proof({ claims: { ath: 'x' } }), 'invalid_dpop_proof'],
      ['another method', bound, await proof({ method: 'POST' }), 'invalid_dpop_proof'],
      ['the token endpoint', bound, await proof({ path: '/oauth/token' }), 'invalid_dpop_proof'],
      ['no nonce', bound, await proof({ claims: { nonce: undefined } }), 'use_dpop_nonce'],
      ['two tokens', `${bound}, ${bound}`, await proof(), 'invalid_token'],
    ]
    for (const [name, authorization, header, error] of cases) {
      const { status, challenge, answer } = await use(worker, USERINFO, authorization, header)
      expect([name, status]).toEqual([name, 401])
      const scheme = name === 'two tokens' ? 'Bearer' : 'DPoP'
      expect(challenge).toMatch(new RegExp(`^${scheme} error="${error}"`))
      if (name !== 'as bearer') expect(answer.headers.get('dpop-nonce')).not.toBeNull()
    }
    const form = await post(
      worker,
      USERINFO,
      { access_token },
      { DPoP: await proof({ method: 'POST' }) },
    )
    expect([form.status, form.body.error]).toEqual([401, 'invalid_token'])
    const good = await proof()
    expect((await use(worker, USERINFO, bound, good)).status).toBe(200)
    expect((await use(worker, USERINFO, bound, good)).status).toBe(401)
  })

  test('of two hundred parallel requests with one proof, one is answered', async () => {
    const { worker, signer, access_token } = await startBound()
    const proof = await proofFor(worker, signer, access_token)
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => use(worker, USERINFO, `DPoP ${access_token}`, proof)),
    )
    const good = answers.filter(({ status }) => status === 200).length
    console.log(`proof at userinfo: 200 parallel uses, ${good} success`)
    expect([good, answers.filter(({ status }) => status === 401).length]).toEqual([1, 199])
  })

  test('that is not bound is refused with the DPoP scheme', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker)
    const { access_token = '' } = (await redeem(worker, code)).body
    const proof = await proofFor(worker, await makeSigner('ES256'), access_token)
    const { status, challenge } = await use(worker, USERINFO, `DPoP ${access_token}`, proof)
    expect([status, challenge?.split(',')[0]]).toEqual([401, 'DPoP error="invalid_token"'])
    expect((await use(worker, USERINFO, `Bearer ${access_token}`)).status).toBe(200)
  })

  test('lacks nothing that it would have unbound: insufficient_scope is told in its scheme', async () => {
    const { worker, signer, access_token } = await startBound('profile')
    const proof = await proofFor(worker, signer, access_token)
    const { status, challenge } = await use(worker, USERINFO, `DPoP ${access_token}`, proof)
    expect([status, challenge?.split(',')[0]]).toEqual([403, 'DPoP error="insufficient_scope"'])
  })

  test('says at introspection what it is bound to', async () => {
    const { worker, access_token, refresh_token } = await startBound()
    const secret = await addClient(worker, JOB)
    await addClient(worker, { ...JOB, client_id: 'api', resources: ['https://api.example'] })
    const { cnf } = claimsOf(access_token)
    await worker.context().db.write(sql`update client set token_endpoint_auth_method =
      'client_secret_basic' where id = 'app'`)
    const { client_secret } = await makeSecret(worker, 'app')
    const look = (what: string) =>
      post(worker, '/oauth/introspect', { token: what }, basic('app', client_secret))
    expect((await look(access_token)).body).toMatchObject({ active: true, token_type: 'DPoP', cnf })
    expect((await look(refresh_token)).body).toMatchObject({ active: true, cnf })
    const bearer = await token(worker, own, basic('job', secret))
    const plain = await post(
      worker,
      '/oauth/introspect',
      { token: bearer.body.access_token },
      basic('job', secret),
    )
    expect(plain.body['token_type']).toBe('Bearer')
    expect(plain.body['cnf']).toBeUndefined()
  })
})

async function makeSecret(worker: TestWorker, client_id: string) {
  const client_secret = 'abcdefghijklmnopqrstuvwxyz0123456789'
  await worker.context().db.write(
    sql`insert into client_secret (id, client_id, hash, created_at) values
      ('s', ${client_id}, ${sha256(client_secret)}, ${worker.clock.now})`,
  )
  return { client_secret }
}

describe('strict foreign clients learn the nonce and go on', () => {
  test('oauth4webapi: code, userinfo, refresh', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const client = foreignClient(worker, 'app')
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
    const { code } = await addCode(worker, { scope: 'openid email offline_access' })
    const redeemed = new URLSearchParams({ code, iss: ISSUER })
    const parameters = oauth.validateAuthResponse(AS, client, redeemed)
    const options = { ...foreign(worker), DPoP }
    const grant = () =>
      oauth.authorizationCodeGrantRequest(
        AS,
        client,
        oauth.None(),
        parameters,
        REDIRECT,
        VERIFIER,
        options,
      )
    const first = await oauth
      .processAuthorizationCodeResponse(AS, client, await grant())
      .then(() => null)
      .catch((error: unknown) => error)
    expect(oauth.isDPoPNonceError(first)).toBe(true)
    const result = await oauth.processAuthorizationCodeResponse(AS, client, await grant())
    expect(result.token_type).toBe('dpop')
    const info = await oauth.userInfoRequest(AS, client, result.access_token, options)
    const claims = await oauth.processUserInfoResponse(AS, client, 'ann', info)
    expect(claims.email).toBe('ann@example.com')
    const next = await oauth.processRefreshTokenResponse(
      AS,
      client,
      await oauth.refreshTokenGrantRequest(
        AS,
        client,
        oauth.None(),
        result.refresh_token ?? '',
        options,
      ),
    )
    expect([next.token_type, next.refresh_token]).toEqual(['dpop', undefined])
    // A resource first of all: the nonce comes with its 401.
    const fresh = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
    const refused = await oauth
      .protectedResourceRequest(
        result.access_token,
        'GET',
        new URL(`${ISSUER}${USERINFO}`),
        new Headers(),
        null,
        { ...foreign(worker), DPoP: fresh },
      )
      .catch((error: unknown) => error)
    expect(oauth.isDPoPNonceError(refused)).toBe(true)
  })

  test.each(['job', 'dim-1'])('openid-client: client_credentials of %s', async (id) => {
    const worker = await startIssuer()
    await addDevice(worker, 'dim-1', { secret: 'ads_x' })
    const secret = await addClient(worker, JOB)
    const config = await discover(
      worker,
      id,
      openid.ClientSecretBasic(id === 'job' ? secret : 'ads_x'),
    )
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'))
    for (let i = 0; i < 2; i++) {
      const answer = await openid.clientCredentialsGrant(config, {}, { DPoP })
      expect(answer.token_type).toBe('dpop')
    }
  })

  test('openid-client: code bound by dpop_jkt, userinfo, refresh', async () => {
    const { worker, browser } = await startFlow({ first_party: true })
    await signInBrowser(worker, browser, 'ann')
    const config = await discover(worker, 'app', openid.None())
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'))
    const dpop_jkt = await DPoP.calculateThumbprint()
    const page = await browser.get(requestPath({ scope: 'openid email offline_access', dpop_jkt }))
    const checks = { pkceCodeVerifier: FLOW_VERIFIER, expectedState: 'state-1' }
    const at = new URL(page.headers.get('location') ?? '')
    const tokens = await openid.authorizationCodeGrant(config, at, checks, {}, { DPoP })
    expect(tokens.token_type).toBe('dpop')
    const info = await openid.fetchUserInfo(config, tokens.access_token, 'ann', { DPoP })
    expect(info.email).toBe('ann@example.com')
    const again = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '', {}, { DPoP })
    expect(again.token_type).toBe('dpop')
    const other = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'))
    const stolen = openid.refreshTokenGrant(config, tokens.refresh_token ?? '', {}, { DPoP: other })
    await expect(stolen).rejects.toMatchObject({ error: 'invalid_grant' })
  })
})

describe('a pushed request with a proof', () => {
  test('binds its code to the key; with another dpop_jkt, a replayed proof or no nonce it is refused', async () => {
    const { worker, browser } = await startFlow({ first_party: true })
    await signInBrowser(worker, browser, 'ann')
    const signer = await makeSigner('ES256')
    const jkt = await calculateJwkThumbprint(signer.jwk as never)
    const push = (proof: string, more: Record<string, string> = {}) =>
      post(worker, '/oauth/par', [...requestParameters(more)], { DPoP: proof })
    const prove = (claims: Record<string, unknown> = {}) =>
      dpopProof(worker, signer, { path: '/oauth/par', claims })
    const ignorant = await push(await prove({ nonce: undefined }))
    expect([ignorant.status, ignorant.body.error]).toEqual([400, 'use_dpop_nonce'])
    expect(ignorant.headers.get('dpop-nonce')).toBe(dpopNonce(worker.context()))
    const proof = await prove()
    const { status, body } = await push(proof)
    expect(status).toBe(201)
    expect((await push(proof)).body.error).toBe('invalid_dpop_proof')
    const other = await push(await prove(), { dpop_jkt: 'k'.repeat(43) })
    expect([other.status, other.body.error]).toEqual([400, 'invalid_dpop_proof'])
    expect((await push(await prove(), { dpop_jkt: jkt })).status).toBe(201)
    const request_uri = String(body['request_uri'])
    const opened = await browser.get(
      `/oauth/authorize?${new URLSearchParams({ client_id: 'app', request_uri })}`,
    )
    expect(answerOf(opened)).toHaveProperty('code')
    expect((await rowsOf(worker, 'authorization_code'))[0]?.['dpop_jkt']).toBe(jkt)
  })

  test('openid-client pushes with its key and redeems with it', async () => {
    const { worker, browser } = await startFlow({ first_party: true })
    await signInBrowser(worker, browser, 'ann')
    const config = await discover(worker, 'app', openid.None())
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'))
    const url = await openid.buildAuthorizationUrlWithPAR(config, requestParameters(), { DPoP })
    const page = await browser.get(url.pathname + url.search)
    const checks = { pkceCodeVerifier: FLOW_VERIFIER, expectedState: 'state-1' }
    const at = new URL(page.headers.get('location') ?? '')
    const tokens = await openid.authorizationCodeGrant(config, at, checks, {}, { DPoP })
    expect(tokens.token_type).toBe('dpop')
  })
})

async function discover(worker: TestWorker, client_id: string, auth: openid.ClientAuth) {
  const metadata = { [openid.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000) }
  return openid.discovery(new URL(ISSUER), client_id, metadata as never, auth, {
    [openid.customFetch]: async (url, options) => worker.app.request(url, options as RequestInit),
    execute: [openid.allowInsecureRequests],
  })
}

test('the metadata announces the algorithms of proofs', async () => {
  const worker = await startIssuer()
  const answer = await worker.request('/.well-known/oauth-authorization-server')
  const { dpop_signing_alg_values_supported: algorithms } = (await answer.json()) as never
  expect(algorithms).toEqual(['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'])
})
