// How clients and devices prove who they are, and everything that does not count as a proof.
import { SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { countRoundTrips, ISSUER } from '../../context.ts'
import {
  AS,
  type AssertionOptions,
  addApp,
  addClient,
  addCode,
  addDevice,
  asserted,
  assertion,
  basic,
  claimsOf,
  count,
  foreign,
  foreignClient,
  losingAnswers,
  makeSigner,
  redeem,
  setStatus,
  startIssuer,
  token,
  write,
} from '../token_fixtures.ts'

const own = { grant_type: 'client_credentials' }
const job = { client_id: 'job', grant_types: ['client_credentials' as const], scope: 'orders' }

/** Attempts that do not use the Authorization header, and so get no challenge (RFC 6749 §5.2). */
const WITHOUT_HEADER = ['no secret', 'device without proof', 'nothing', 'secret alone']

import { reasonOf } from '../../support/log.ts'

describe('secrets', () => {
  test('Basic and post work for the client registered for them, and not for the other', async () => {
    const worker = await startIssuer()
    const post = {
      ...job,
      client_id: 'p',
      token_endpoint_auth_method: 'client_secret_post' as const,
    }
    const secrets = { job: await addClient(worker, job), p: await addClient(worker, post) }
    const inBody = (client_id: 'job' | 'p') =>
      token(worker, { ...own, client_id, client_secret: secrets[client_id] })
    expect((await token(worker, own, basic('job', secrets.job))).status).toBe(200)
    expect((await inBody('p')).status).toBe(200)
    expect((await inBody('job')).body.error).toBe('invalid_client')
    expect((await token(worker, own, basic('p', secrets.p))).body.error).toBe('invalid_client')
  })

  test('both parts of Basic are form-decoded', async () => {
    const worker = await startIssuer()
    const client_secret = '+%/:&=?#!abcdefghijklmnopqrstuvwxyz0123456789'
    await addClient(worker, { ...job, client_id: 'a~b.c', client_secret })
    const encoded = new URLSearchParams([[client_secret, '']]).toString().slice(0, -1)
    const form = { Authorization: `Basic ${btoa(`a%7Eb.c:${encoded}`)}` }
    expect((await token(worker, own, form)).status).toBe(200)
    const raw = { Authorization: `Basic ${btoa(`a~b.c:${client_secret}`)}` }
    expect((await token(worker, own, raw)).body.error).toBe('invalid_client')
    const client = foreignClient(worker, 'a~b.c')
    const answer = await oauth.clientCredentialsGrantRequest(
      AS,
      client,
      oauth.ClientSecretBasic(client_secret),
      {},
      foreign(worker),
    )
    expect(answer.status).toBe(200)
  })

  test('every failure has the same answer, for a client that exists and one that does not', async () => {
    const worker = await startIssuer()
    const secret = await addClient(worker, job)
    await addClient(worker, { ...job, client_id: 'off' })
    await setStatus(worker, 'client', 'off', 'disabled')
    await addDevice(worker, 'dim-1', { secret: 'ads_x' })
    const header = (value: string) => token(worker, own, { Authorization: value })
    const attempts = {
      'wrong secret': token(worker, own, basic('job', 'wrong')),
      'empty secret': token(worker, own, basic('job', '')),
      'unknown client': token(worker, own, basic('nobody', secret)),
      'disabled client': token(worker, own, basic('off', secret)),
      'no secret': token(worker, { ...own, client_id: 'job' }),
      'device without proof': token(worker, { ...own, client_id: 'dim-1' }),
      'wrong device secret': token(worker, own, basic('dim-1', 'wrong')),
      nothing: token(worker, own),
      'secret alone': token(worker, { ...own, client_secret: secret }),
      'no colon': header(`Basic ${btoa('job')}`),
      'not base64': header('Basic *$%'),
      'not UTF-8': header(`Basic ${btoa('\xff:\xff')}`),
      'half an escape': header(`Basic ${btoa('job:%4')}`),
      'NUL in the id': header(`Basic ${btoa('job%00:x')}`),
      Bearer: header(`Bearer ${secret}`),
      'two headers in one': header(`${basic('job', secret).Authorization}, Basic ${btoa('a:b')}`),
    }
    for (const [name, attempt] of Object.entries(attempts)) {
      const { status, body, headers } = await attempt
      expect({ name, status, body }).toEqual({
        name,
        status: 401,
        body: {
          error: 'invalid_client',
          error_description: 'client authentication failed',
        },
      })
      const tried = !WITHOUT_HEADER.includes(name)
      expect(headers.get('www-authenticate')?.startsWith('Basic realm=') ?? false).toBe(tried)
    }
  })

  test('more than one method, or a client_id that is not its own, is refused', async () => {
    const worker = await startIssuer()
    const secret = await addClient(worker, job)
    const header = basic('job', secret)
    for (const more of [
      { client_secret: secret },
      { client_id: 'job', client_secret: secret },
      asserted('x.y.z'),
      { client_assertion: 'x.y.z' },
    ]) {
      expect((await token(worker, { ...own, ...more }, header)).body.error).toBe('invalid_request')
    }
    const other = await token(worker, { ...own, client_id: 'other' }, header)
    expect([other.status, other.body.error]).toEqual([401, 'invalid_client'])
    const same = await token(worker, { ...own, client_id: 'job' }, header)
    expect(same.status).toBe(200)
  })

  test('a secret that has run out is refused, and an older one beside it still works', async () => {
    const worker = await startIssuer()
    const secret = await addClient(worker, job)
    await write(worker, sql`update client_secret set expires_at = ${worker.clock.now + 10}`)
    expect((await token(worker, own, basic('job', secret))).status).toBe(200)
    worker.clock.now += 10
    expect((await token(worker, own, basic('job', secret))).body.error).toBe('invalid_client')
  })

  test('a device credential that is revoked, has run out or is not yet good is refused', async () => {
    const worker = await startIssuer()
    await addDevice(worker, 'dim-1', { secret: 'ads_x' })
    const attempt = async () => (await token(worker, own, basic('dim-1', 'ads_x'))).status
    expect(await attempt()).toBe(200)
    for (const state of [
      sql`update device_credential set not_before = ${worker.clock.now + 1}`,
      sql`update device_credential set not_before = null, expires_at = ${worker.clock.now}`,
      sql`update device_credential set expires_at = null, revoked_at = ${worker.clock.now}`,
    ]) {
      await write(worker, state)
      expect(await attempt()).toBe(401)
    }
  })
})

describe('private_key_jwt', () => {
  test.each(['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'])(
    'a client signs with %s',
    async (alg) => {
      const worker = await startIssuer()
      const signer = await makeSigner(alg, 'k1')
      await addClient(worker, {
        ...job,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [signer.jwk as never] },
      })
      const header = { kid: 'k1' }
      const { value, roundTrips } = await countRoundTrips(worker, async () =>
        token(worker, { ...own, ...asserted(await assertion(worker, signer, 'job', { header })) }),
      )
      expect(value.status).toBe(200)
      expect(roundTrips).toBe(2)
    },
  )

  test('a strict foreign client and a device with its own key are accepted', async () => {
    const worker = await startIssuer()
    const signer = await makeSigner('EdDSA')
    await addDevice(worker, 'dim-1', { jwk: signer.jwk })
    const client = foreignClient(worker, 'dim-1')
    const answer = await oauth.clientCredentialsGrantRequest(
      AS,
      client,
      oauth.PrivateKeyJwt(signer.privateKey),
      {},
      foreign(worker),
    )
    const result = await oauth.processClientCredentialsResponse(AS, client, answer)
    expect(claimsOf(result.access_token)).toMatchObject({ sub: 'dim-1', scope: 'mqtt' })
    const secret = await token(worker, own, basic('dim-1', 'anything'))
    expect(secret.body.error).toBe('invalid_client')
    for (const status of ['suspended', 'retired']) {
      await setStatus(worker, 'device', 'dim-1', status)
      const proof = asserted(await assertion(worker, signer, 'dim-1'))
      expect((await token(worker, { ...own, ...proof })).body.error).toBe('invalid_client')
    }
  })

  const NOW = 1_800_000_000
  test.each<[string, AssertionOptions, number]>([
    ['the issuer as audience', {}, 200],
    ['the token endpoint as audience', { claims: { aud: `${ISSUER}/oauth/token` } }, 200],
    ['both of them', { claims: { aud: [ISSUER, `${ISSUER}/oauth/token`] } }, 200],
    ['exp exactly five minutes ahead', { claims: { exp: NOW + 300 } }, 200],
    ['the type of RFC 7523', { header: { typ: 'client-authentication+jwt' } }, 200],
    ['another audience', { claims: { aud: 'https://evil.example' } }, 401],
    ['our audience and another', { claims: { aud: [ISSUER, 'https://evil.example'] } }, 401],
    ['an empty list of audiences', { claims: { aud: [] } }, 401],
    ['no audience', { claims: { aud: undefined } }, 401],
    ['the issuer with a slash', { claims: { aud: `${ISSUER}/` } }, 401],
    ['exp more than five minutes ahead', { claims: { exp: NOW + 301 } }, 401],
    ['exp that has come', { claims: { exp: NOW } }, 401],
    ['no exp', { claims: { exp: undefined } }, 401],
    ['exp as text', { claims: { exp: `${NOW + 60}` as never } }, 401],
    ['nbf far ahead', { claims: { nbf: NOW + 120 } }, 401],
    ['no jti', { claims: { jti: undefined } }, 401],
    ['an empty jti', { claims: { jti: '' } }, 401],
    ['a jti that is no text', { claims: { jti: 7 as never } }, 401],
    ['a jti without end', { claims: { jti: 'x'.repeat(256) } }, 401],
    ['another iss than sub', { claims: { iss: 'other' } }, 401],
    ['no iss', { claims: { iss: undefined } }, 401],
    ['another sub', { claims: { sub: 'other' } }, 401],
    ['sub of an unknown client', { claims: { iss: 'nobody', sub: 'nobody' } }, 401],
    ['sub with NUL', { claims: { iss: 'job\0', sub: 'job\0' } }, 401],
    ['sub that is no text', { claims: { sub: { $ne: null } as never } }, 401],
    ['the type of an access token', { header: { typ: 'at+jwt' } }, 401],
    ['a type that is no text', { header: { typ: 7 } }, 401],
    ['null as type', { header: { typ: null } }, 401],
    ['the type with its prefix', { header: { typ: 'application/JWT' } }, 200],
    ['a kid that is no text', { header: { kid: 7 } }, 401],
    ['a key that is no object', { header: { jwk: 'x' } }, 401],
    ['an unknown kid', { header: { kid: 'k2' } }, 401],
    ['a path as kid', { header: { kid: '../../k1' } }, 401],
    ['a critical extension', { header: { crit: ['exp'] } }, 401],
  ])('an assertion with %s: %j gives %i', async (_, options, status) => {
    const worker = await startIssuer()
    const signer = await makeSigner('ES256', 'k1')
    await addClient(worker, {
      ...job,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk as never] },
    })
    await addApp(worker, { client_id: 'other' })
    let signed: string
    try {
      signed = await assertion(worker, signer, 'job', options)
    } catch {
      // jose does not sign an unknown critical extension: put it into the header afterwards.
      const plain = (await assertion(worker, signer, 'job')).split('.')
      plain[0] = btoa(JSON.stringify({ alg: 'ES256', ...options.header })).replaceAll('=', '')
      signed = plain.join('.')
    }
    expect((await token(worker, { ...own, ...asserted(signed) })).status).toBe(status)
  })

  test('alg none, an HMAC with the public key, a key in the header and foreign keys are refused', async () => {
    const worker = await startIssuer()
    const signer = await makeSigner('ES256', 'k1')
    const thief = await makeSigner('ES256', 'k1')
    const rsa = await makeSigner('RS256', 'k1')
    await addClient(worker, {
      ...job,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk as never] },
    })
    const good = await assertion(worker, signer, 'job')
    const [, body = '', signature = ''] = good.split('.')
    const encode = (header: object) => btoa(JSON.stringify(header)).replaceAll('=', '')
    const shared = new TextEncoder().encode(JSON.stringify(signer.jwk))
    const hmac = new SignJWT(claimsOf(good)).setProtectedHeader({ alg: 'HS256', kid: 'k1' })
    const forged = [
      `${encode({ alg: 'none' })}.${body}.`,
      `${encode({ alg: 'none' })}.${body}.${signature}`,
      `${encode({ alg: 'None' })}.${body}.`,
      `${encode({ alg: 'ES384', kid: 'k1' })}.${body}.${signature}`,
      `${encode({ alg: 'ES256', kid: ['k1'] })}.${body}.${signature}`,
      `${encode({})}.${body}.${signature}`,
      await hmac.sign(shared),
      await assertion(worker, thief, 'job'),
      await assertion(worker, thief, 'job', { header: { kid: 'k1' } }),
      await assertion(worker, thief, 'job', { header: { jwk: thief.jwk } }),
      await assertion(worker, thief, 'job', { header: { jku: 'https://evil.example/jwks' } }),
      await assertion(worker, rsa, 'job'),
      `${good}x`,
      good.slice(0, -3),
      `${good}.${body}`,
      'x.y.z',
      '..',
    ]
    for (const text of forged) {
      const answer = await token(worker, { ...own, ...asserted(text) })
      expect([text.slice(0, 40), answer.status]).toEqual([text.slice(0, 40), 401])
    }
    const type = await token(worker, { ...own, client_assertion_type: 'x', client_assertion: good })
    expect(type.status).toBe(401)
    const alone = await token(worker, { ...own, client_assertion: good })
    expect(alone.status).toBe(401)
    const other = await token(worker, { ...own, ...asserted(good), client_id: 'app' })
    expect([other.status, other.body.error]).toEqual([401, 'invalid_client'])
    expect(reasonOf(worker)).toBe('client_id_mismatch')
    // None of this consumed it.
    expect((await token(worker, { ...own, ...asserted(good), client_id: 'job' })).status).toBe(200)
  })

  test('an assertion is good once, and two hundred parallel ones give exactly one success', async () => {
    const worker = await startIssuer()
    const signer = await makeSigner('EdDSA')
    await addDevice(worker, 'dim-1', { jwk: signer.jwk })
    const proof = asserted(await assertion(worker, signer, 'dim-1'))
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => token(worker, { ...own, ...proof })),
    )
    const good = answers.filter((answer) => answer.status === 200).length
    const refused = answers.filter((answer) => answer.body.error === 'invalid_client').length
    console.log(`assertion: 200 parallel uses, ${good} success, ${refused} refused`)
    expect([good, refused]).toEqual([1, 199])
    expect(await count(worker, sql`from used_assertion`)).toBe(1)
  })

  test('the same jti of two devices, and after a lost answer of the database, is no replay', async () => {
    const worker = await startIssuer()
    const signer = await makeSigner('EdDSA')
    await addDevice(worker, 'a', { jwk: signer.jwk })
    await addDevice(worker, 'b', { jwk: signer.jwk })
    const claims = { jti: 'same' }
    for (const id of ['a', 'b']) {
      const proof = asserted(await assertion(worker, signer, id, { claims }))
      expect((await token(losingAnswers(worker), { ...own, ...proof })).status).toBe(200)
      expect((await token(worker, { ...own, ...proof })).status).toBe(401)
    }
  })

  test('a replayed assertion redeems no code', async () => {
    const worker = await startIssuer()
    const signer = await makeSigner('ES256')
    await addApp(worker, {
      client_id: 'web',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk as never] },
    })
    const first = await addCode(worker, { client_id: 'web' })
    const second = await addCode(worker, { client_id: 'web' })
    const proof = asserted(await assertion(worker, signer, 'web'))
    const attempt = (code: string, more: object) =>
      redeem(worker, code, { client_id: 'web', ...more })
    expect((await attempt(first.code, proof)).status).toBe(200)
    expect((await attempt(second.code, proof)).body.error).toBe('invalid_client')
    const fresh = asserted(await assertion(worker, signer, 'web'))
    expect((await attempt(second.code, fresh)).status).toBe(200)
  })
})
