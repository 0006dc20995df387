import { createHmac } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { exportSPKI } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { type Clock, type Jwks, openJwks, type Refresh } from '../../../proxy-node/tokens/jwks.ts'
import { openPolicies } from '../../../proxy-node/tokens/policies.ts'
import { openStatusLists } from '../../../proxy-node/tokens/status_lists.ts'
import type { Verification } from '../../../proxy-node/tokens/verifier.ts'
import { createVerifier } from '../../../proxy-node/tokens/verifier.ts'
import {
  audience,
  type IssuerKey,
  makeKey,
  startIssuer,
  type TestIssuer,
  type TokenParts,
} from '../../host/mproxy_fixtures/issuer.ts'

/** Stands still until it is told to go on; runs what falls due. */
function makeClock() {
  let now = Date.now()
  let timers: { at: number; run: () => void }[] = []
  const clock: Clock = {
    now: () => now,
    schedule(ms, run) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
  }
  return {
    clock,
    due: () => timers.map(({ at }) => (at - now) / 1000),
    advance(seconds: number) {
      now += seconds * 1000
      const falling = timers.filter(({ at }) => at <= now)
      timers = timers.filter(({ at }) => at > now)
      for (const { run } of falling) run()
      return falling.length
    },
  }
}

const open: { close: () => unknown }[] = []
afterEach(async () => {
  for (const { close } of open.splice(0)) await close()
})

async function issue(path?: string): Promise<TestIssuer> {
  const issuer = await startIssuer(path)
  open.push({ close: () => issuer.stop() })
  return issuer
}

interface Rig {
  jwks: Jwks
  time: ReturnType<typeof makeClock>
  refreshes: Refresh[]
  verify(token: string | Uint8Array): Promise<Verification>
  /** Until the n-th refresh has come to its end. */
  refreshed(count: number): Promise<Refresh>
}

function rig(issuer: string, options: { jwksUri?: string } = {}): Rig {
  const time = makeClock()
  const refreshes: Refresh[] = []
  const waiting: (() => void)[] = []
  const jwks = openJwks({
    issuer,
    ...options,
    clock: time.clock,
    onRefresh(refresh) {
      refreshes.push(refresh)
      for (const look of waiting.splice(0)) look()
    },
  })
  open.push(jwks)
  const statusLists = openStatusLists({ issuer, jwks, clock: time.clock })
  open.push(statusLists)
  const policies = openPolicies({ issuer, jwks, clock: time.clock })
  open.push(policies)
  const parts = { issuer, audience, jwks, statusLists, policies, now: time.clock.now }
  const verifier = createVerifier(parts)
  return {
    jwks,
    time,
    refreshes,
    verify: async (token) => verifier.verify(token),
    async refreshed(count) {
      while (refreshes.length < count) await new Promise<void>((look) => waiting.push(look))
      return refreshes[count - 1]!
    },
  }
}

async function readyRig(): Promise<Rig & { issuer: TestIssuer }> {
  const issuer = await issue()
  const made = rig(issuer.url)
  await made.jwks.start()
  return { ...made, issuer }
}

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Signs any header and payload text, well formed or not. */
async function signRaw(key: IssuerKey, header: string, payload: string | Buffer): Promise<string> {
  const input = `${encode(header)}.${Buffer.from(payload).toString('base64url')}`
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
  const signature = await crypto.subtle.sign(algorithm, key.privateKey, Buffer.from(input))
  return `${input}.${Buffer.from(signature).toString('base64url')}`
}

const reasonOf = (verification: Verification) => (verification.ok ? 'ok' : verification.reason)

describe('a good token', () => {
  test.each(['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256'])('signed with %s', async (alg) => {
    const { issuer, jwks, verify } = await readyRig()
    issuer.keys = [await makeKey(alg, 'k')]
    await jwks.refreshForUnknownKey()
    expect(reasonOf(await verify(await issuer.mint()))).toBe('ok')
  })

  test('tells who it is, with which rules, until when', async () => {
    const { issuer, verify } = await readyRig()
    const exp = Math.floor(Date.now() / 1000) + 60
    const rule = { permission: 'allow', action: 'publish', topic: 'a/b' }
    const token = await issuer.mint({
      claims: {
        sub: 'usr-1',
        client_id: 'app',
        jti: 'auth.1',
        exp,
        username: 'ann',
        mqtt_client_id: 'meter 7',
        acl: [rule],
      },
    })
    const verification = await verify(Buffer.from(token))
    expect(verification).toMatchObject({
      ok: true,
      identity: {
        sub: 'usr-1',
        client_id: 'app',
        jti: 'auth.1',
        expires_at: exp,
        username: 'ann',
        mqtt_client_id: 'meter 7',
        iss: issuer.url,
        foreign: false,
        acl: { rules: [rule] },
      },
    })
  })

  test('is judged at once, without a promise, when its key is there', async () => {
    const { issuer, jwks, time } = await readyRig()
    const statusLists = openStatusLists({ issuer: issuer.url, jwks, clock: time.clock })
    const policies = openPolicies({ issuer: issuer.url, jwks, clock: time.clock })
    const parts = { issuer: issuer.url, audience, jwks, statusLists, policies, now: time.clock.now }
    const verifier = createVerifier(parts)
    expect(verifier.verify(await issuer.mint())).toMatchObject({ ok: true })
  })

  test.each([
    ['one audience of several', { claims: { aud: ['x', audience] } }],
    ['typ with its prefix', { header: { typ: 'application/at+jwt' } }],
    ['typ in capitals', { header: { typ: 'AT+JWT' } }],
    ['no kid while one key fits', { header: { kid: undefined } }],
    ['without acl, which permits nothing', { claims: { acl: undefined } }],
    ['iat and nbf 20 s ahead', { claims: { iat: later(20), nbf: later(20) } }],
    [
      'without iat, jti and client_id',
      { claims: { iat: undefined, jti: undefined, client_id: undefined } },
    ],
    ['a subject that is not of our alphabet', { claims: { sub: 'auth0|ann@example.com' } }],
  ] satisfies [string, TokenParts][])('%s', async (_, parts) => {
    const { issuer, verify } = await readyRig()
    expect(reasonOf(await verify(await issuer.mint(parts)))).toBe('ok')
  })
})

function later(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds
}

describe('claims', () => {
  test.each([
    ['another issuer', 'wrong_issuer', { iss: 'https://other.example' }],
    ['issuer with a slash more', 'wrong_issuer', { iss: 'slash' }],
    ['no issuer', 'wrong_issuer', { iss: undefined }],
    ['issuer in a list', 'wrong_issuer', { iss: ['list'] }],
    ['another audience', 'wrong_audience', { aud: 'urn:other' }],
    ['an audience that only begins like ours', 'wrong_audience', { aud: `${audience}2` }],
    ['no audience', 'wrong_audience', { aud: undefined }],
    ['an audience nested in a list', 'wrong_audience', { aud: [[audience]] }],
    ['an audience that is an object', 'wrong_audience', { aud: { [audience]: true } }],
    ['no exp', 'malformed', { exp: undefined }],
    ['exp as text', 'malformed', { exp: String(later(60)) }],
    ['exp null', 'malformed', { exp: null }],
    ['exp beyond all dates', 'malformed', { exp: 1e300 }],
    ['exp negative', 'malformed', { exp: -1 }],
    ['exp one second ago', 'expired', { exp: later(-1) }],
    ['exp long ago', 'expired', { exp: 1 }],
    ['nbf 60 s ahead', 'not_yet_valid', { nbf: later(60) }],
    ['iat 60 s ahead', 'not_yet_valid', { iat: later(60) }],
    ['nbf as text', 'malformed', { nbf: '1' }],
    ['iat as text', 'malformed', { iat: '1' }],
    ['no sub', 'malformed', { sub: undefined }],
    ['an empty sub', 'malformed', { sub: '' }],
    ['sub as a number', 'malformed', { sub: 7 }],
    ['sub with a colon, which would be in the space of another', 'malformed', { sub: 'dev-1:x' }],
    ['sub with NUL', 'malformed', { sub: 'a\0b' }],
    ['sub with a line break', 'malformed', { sub: 'a\nb' }],
    ['sub of 256 bytes', 'malformed', { sub: 'ä'.repeat(128) }],
    ['username as a list', 'malformed', { username: ['ann'] }],
    ['an empty username', 'malformed', { username: '' }],
    ['mqtt_client_id as a number', 'malformed', { mqtt_client_id: 1 }],
    ['client_id null', 'malformed', { client_id: null }],
    ['jti as an object', 'malformed', { jti: {} }],
    ['cnf that nothing proves', 'bound_token', { cnf: { jkt: 'x' } }],
    ['cnf null', 'bound_token', { cnf: null }],
    ['cnf with a thumbprint too short', 'bound_token', { cnf: { 'x5t#S256': 'x' } }],
    ['cnf with two keys', 'bound_token', { cnf: { 'x5t#S256': 'x'.repeat(43), jkt: 'x' } }],
    ['acl as an object', 'bad_acl', { acl: {} }],
    ['acl null', 'bad_acl', { acl: null }],
    ['an acl rule of an unknown kind', 'bad_acl', { acl: [{ permission: 'maybe' }] }],
  ] satisfies [string, string, Record<string, unknown>][])(
    '%s is refused: %s',
    async (_, reason, claims) => {
      const { issuer, verify } = await readyRig()
      const iss = 'iss' in claims && claims.iss === 'slash' ? { iss: `${issuer.url}/` } : {}
      const list = 'iss' in claims && Array.isArray(claims.iss) ? { iss: [issuer.url] } : {}
      const token = await issuer.mint({ claims: { ...claims, ...iss, ...list } })
      expect(reasonOf(await verify(token))).toBe(reason)
    },
  )

  test('a token is good until its very last second and not in it', async () => {
    const { issuer, verify, time } = await readyRig()
    const token = await issuer.mint({ claims: { exp: Math.ceil(time.clock.now() / 1000) + 10 } })
    time.advance(9)
    expect(reasonOf(await verify(token))).toBe('ok')
    time.advance(2)
    expect(reasonOf(await verify(token))).toBe('expired')
  })
})

describe('header', () => {
  test.each([
    ['typ JWT', 'wrong_type', { typ: 'JWT' }],
    ['no typ', 'wrong_type', { typ: undefined }],
    ['typ that is no text', 'wrong_type', { typ: 1 }],
    ['null as typ', 'wrong_type', { typ: null }],
    ['typ of an ID token', 'wrong_type', { typ: 'id+jwt' }],
    ['typ of a logout token', 'wrong_type', { typ: 'logout+jwt' }],
    ['typ with a parameter', 'wrong_type', { typ: 'at+jwt; x=1' }],
    ['an embedded key', 'malformed', { jwk: { kty: 'EC' } }],
    ['a key from elsewhere', 'malformed', { jku: 'https://evil.example/jwks' }],
    ['a certificate from elsewhere', 'malformed', { x5u: 'https://evil.example/x' }],
    ['an unknown key id', 'unknown_key', { kid: 'nobody' }],
    ['an empty key id', 'unknown_key', { kid: '' }],
  ] satisfies [string, string, Record<string, unknown>][])(
    '%s is refused: %s',
    async (_, reason, header) => {
      const { issuer, verify } = await readyRig()
      expect(reasonOf(await verify(await issuer.mint({ header })))).toBe(reason)
    },
  )

  test.each([
    ['crit', 'malformed', { alg: 'ES256', typ: 'at+jwt', kid: 'first', crit: ['b64'], b64: true }],
    ['an empty crit', 'malformed', { alg: 'ES256', typ: 'at+jwt', kid: 'first', crit: [] }],
    ['a kid that is a number', 'malformed', { alg: 'ES256', typ: 'at+jwt', kid: 1 }],
    ['no alg', 'malformed', { typ: 'at+jwt', kid: 'first' }],
    ['an alg that is a list', 'malformed', { alg: ['ES256'], typ: 'at+jwt', kid: 'first' }],
    ['an unknown alg', 'bad_signature', { alg: 'ES256K', typ: 'at+jwt', kid: 'first' }],
    [
      'an alg named like a member of all objects',
      'bad_signature',
      { alg: 'constructor', typ: 'at+jwt' },
    ],
    ['an alg in small letters', 'bad_signature', { alg: 'es256', typ: 'at+jwt', kid: 'first' }],
    ['an alg of another kind of key', 'unknown_key', { alg: 'RS256', typ: 'at+jwt', kid: 'first' }],
    ['an alg of another curve', 'unknown_key', { alg: 'ES384', typ: 'at+jwt', kid: 'first' }],
  ])('%s is refused: %s', async (_, reason, header) => {
    const { issuer, verify } = await readyRig()
    const [, payload] = (await issuer.mint()).split('.')
    const claims = Buffer.from(payload!, 'base64url')
    const token = await signRaw(issuer.keys[0]!, JSON.stringify(header), claims)
    expect(reasonOf(await verify(token))).toBe(reason)
  })

  test.each(['none', 'None', 'NONE', ''])('alg %j without a signature is refused', async (alg) => {
    const { issuer, verify } = await readyRig()
    const [, payload] = (await issuer.mint()).split('.')
    const token = `${encode({ alg, typ: 'at+jwt', kid: 'first' })}.${payload}.`
    expect(reasonOf(await verify(token))).toBe('bad_signature')
  })

  test.each(['PEM', 'JWK'])('HS256 keyed with the public key as %s is refused', async (form) => {
    const { issuer, jwks, verify } = await readyRig()
    const key = await makeKey('RS256', 'rsa')
    issuer.keys = [key]
    await jwks.refreshForUnknownKey()
    const { importJWK } = await import('jose')
    const publicKey = await importJWK(key.jwk, 'RS256', { extractable: true })
    const secret =
      form === 'PEM' ? await exportSPKI(publicKey as CryptoKey) : JSON.stringify(key.jwk)
    const [, payload] = (await issuer.mint()).split('.')
    const input = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: 'rsa' })}.${payload}`
    const token = `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
    expect(reasonOf(await verify(token))).toBe('bad_signature')
  })
})

describe('spelling', () => {
  const header = JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: 'first' })

  test.each([
    ['an empty token', ''],
    ['no dots', 'abc'],
    ['two parts', 'a.b'],
    ['five parts, an encrypted token', 'a.b.c.d.e'],
    ['a user name and password', 'ann:secret'],
    ['only dots', '..'],
  ])('%s is refused: malformed', async (_, token) => {
    const { verify } = await readyRig()
    expect(reasonOf(await verify(token))).toBe('malformed')
  })

  test.each([
    ['padding', (token: string) => `${token}==`],
    ['a space at the end', (token: string) => `${token} `],
    ['a line break at the end', (token: string) => `${token}\n`],
    ['a space in front', (token: string) => ` ${token}`],
    ['letters of plain base64', (token: string) => token.replace(/.$/, '+')],
    ['a byte over 127', (token: string) => `${token}\u00e9`],
    ['a fourth part', (token: string) => `${token}.`],
    ['stray bits in the last letter', (token: string) => respell(token)],
  ])('%s is refused: malformed', async (_, damage) => {
    const { issuer, verify } = await readyRig()
    const token = damage(await issuer.mint())
    expect(reasonOf(await verify(token))).toBe('malformed')
    expect(reasonOf(await verify(Buffer.from(token)))).toBe('malformed')
  })

  test.each([
    ['a header that is a list', '[]', '{}'],
    ['a header that is null', 'null', '{}'],
    ['a header that is not JSON', '{', '{}'],
    ['a payload that is not JSON', header, '{'],
    ['a payload that is text', header, '"x"'],
    ['a payload with a byte order mark', header, '\ufeff{}'],
    [
      'a payload that is not UTF-8',
      header,
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    ],
    ['an empty payload', header, ''],
  ])('%s is refused: malformed', async (_, head, payload) => {
    const { issuer, verify } = await readyRig()
    expect(reasonOf(await verify(await signRaw(issuer.keys[0]!, head, payload)))).toBe('malformed')
  })

  test('a changed claim, a foreign signature and a cut signature are refused: bad_signature', async () => {
    const { issuer, verify } = await readyRig()
    const [head, , signature] = (await issuer.mint()).split('.')
    const [, wider] = (await issuer.mint({ claims: { sub: 'root' } })).split('.')
    const stranger = await makeKey('ES256', 'first')
    const good = await issuer.mint()
    const outcomes = [
      await verify(`${head}.${wider}.${signature}`),
      await verify(await issuer.mint({ key: stranger })),
      await verify(good.slice(0, -2)),
      await verify(`${good.split('.').slice(0, 2).join('.')}.`),
    ]
    expect(outcomes.map(reasonOf)).toEqual(Array(4).fill('bad_signature'))
  })

  test('8 KiB pass, one byte more is refused before it is read', async () => {
    const { issuer, verify } = await readyRig()
    const sized = async (size: number) => {
      const bare = (await issuer.mint({ claims: { fill: '' } })).length
      const fill = 'x'.repeat(Math.floor(((size - bare) * 3) / 4) - 3)
      let token = await issuer.mint({ claims: { fill } })
      for (let more = 1; token.length < size; more++) {
        token = await issuer.mint({ claims: { fill: fill + 'x'.repeat(more) } })
      }
      return token
    }
    const token = await sized(8190)
    expect(token.length).toBeLessThanOrEqual(8192)
    expect(reasonOf(await verify(token))).toBe('ok')
    expect(reasonOf(await verify(await sized(8193)))).toBe('too_large')
    expect(reasonOf(await verify('.'.repeat(1_000_000)))).toBe('too_large')
  })
})

/** Another spelling of the same signature bytes: the unused bits of the last letter set. */
function respell(token: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return token.slice(0, -1) + letters[letters.indexOf(token.at(-1)!) + 1]
}

describe('finding the keys', () => {
  test('through the metadata of an issuer with a path', async () => {
    const issuer = await issue('/tenant')
    const { jwks, verify } = rig(issuer.url)
    await jwks.start()
    expect(reasonOf(await verify(await issuer.mint()))).toBe('ok')
  })

  test('through OpenID Connect discovery where there is nothing else', async () => {
    const issuer = await issue()
    issuer.answers.set('/.well-known/oauth-authorization-server', (_, response) =>
      response.writeHead(404).end(),
    )
    issuer.answers.set('/.well-known/openid-configuration', (_, response) =>
      response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys` })),
    )
    const { jwks } = rig(issuer.url)
    await jwks.start()
    expect(jwks.isUsable()).toBe(true)
  })

  test('at JWKS_URI, without asking for metadata', async () => {
    const issuer = await issue()
    const { jwks } = rig(issuer.url, { jwksUri: `${issuer.url}/keys` })
    await jwks.start()
    expect(jwks.isUsable()).toBe(true)
    expect(issuer.requests).toEqual({ metadata: 0, jwks: 1 })
  })

  const metadata = '/.well-known/oauth-authorization-server'
  test.each([
    [
      'metadata of another issuer',
      'issuer_mismatch',
      metadata,
      '{"issuer":"https://x.example","jwks_uri":"https://x.example/"}',
    ],
    [
      'metadata without an issuer',
      'issuer_mismatch',
      metadata,
      '{"jwks_uri":"https://x.example/"}',
    ],
    ['metadata that is a list', 'malformed', metadata, '[]'],
    [
      'keys over plain http elsewhere',
      'insecure_uri',
      metadata,
      '{"issuer":"SELF","jwks_uri":"http://x.example/keys"}',
    ],
    ['no place of keys', 'malformed', metadata, '{"issuer":"SELF"}'],
    ['keys that are not JSON', 'malformed', '/keys', '<html>'],
    ['keys that are a list', 'malformed', '/keys', '[]'],
    ['keys that are not in a list', 'malformed', '/keys', '{"keys":{}}'],
    ['keys that are not UTF-8', 'malformed', '/keys', Buffer.from([0x7b, 0xff, 0x7d])],
  ])('%s is refused: %s', async (_, outcome, path, body) => {
    const issuer = await issue()
    const text = typeof body === 'string' ? body.replace('SELF', issuer.url) : body
    issuer.answers.set(path, (_request, response) => response.end(text))
    const { jwks, refreshes } = rig(issuer.url)
    await jwks.start()
    expect(refreshes).toMatchObject([{ outcome, keys: 0 }])
    expect(jwks.isUsable()).toBe(false)
  })

  test('a redirect is refused and not followed', async () => {
    const issuer = await issue()
    const elsewhere = await issue()
    issuer.answers.set('/keys', (_, response) =>
      response.writeHead(302, { location: `${elsewhere.url}/keys` }).end(),
    )
    const { jwks, refreshes } = rig(issuer.url)
    await jwks.start()
    expect(refreshes).toMatchObject([{ outcome: 'redirect' }])
    expect(elsewhere.requests.jwks).toBe(0)
  })

  test.each([
    ['plain', undefined],
    ['compressed', 'gzip'],
  ])('256 KiB are read, more is refused: %s', async (_, encoding) => {
    const issuer = await issue()
    let size = 256 * 1024
    issuer.answers.set('/keys', (_request, response) => {
      const keys = JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) })
      const body = Buffer.from(keys.padEnd(size, ' '))
      if (encoding === undefined) return response.end(body)
      return response.setHeader('content-encoding', encoding).end(gzipSync(body))
    })
    const { jwks, refreshes } = rig(issuer.url)
    await jwks.start()
    size++
    await jwks.refreshForUnknownKey()
    expect(refreshes.map(({ outcome }) => outcome)).toEqual(['ok', 'too_large'])
  })

  test('an issuer that does not answer in 5 s is given up', async () => {
    const issuer = await issue()
    issuer.answers.set('/keys', (_, response) => {
      response.writeHead(200).write('{')
    })
    const { jwks, refreshes } = rig(issuer.url)
    const started = performance.now()
    await jwks.start()
    expect(refreshes).toMatchObject([{ outcome: 'timeout' }])
    expect(performance.now() - started).toBeLessThan(8000)
  })

  test('keys that cannot or must not be used are passed over', async () => {
    const issuer = await issue()
    const good = (await makeKey('ES256', 'good')).jwk
    const { privateKey } = await makeKey('ES256', 'leaked')
    const { exportJWK, generateKeyPair } = await import('jose')
    const leaked = { ...(await exportJWK(privateKey)), kid: 'leaked' }
    const small = await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 1024,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
      },
      true,
      ['sign', 'verify'],
    )
    const other = await exportJWK((await generateKeyPair('ES512')).publicKey)
    const list = [
      null,
      'x',
      {},
      { kty: 'oct', k: 'c2VjcmV0', kid: 'secret', alg: 'HS256' },
      leaked,
      { ...(await exportJWK(small.publicKey)), kid: 'small' },
      { ...good, kid: 'encryption', use: 'enc' },
      { ...good, kid: 'signing only', key_ops: ['sign'] },
      { ...good, kid: 'off the curve', x: good.y, y: good.x },
      { ...good, kid: 7 },
      { ...good, kid: 'foreign alg', alg: 'ES256K' },
      { ...good, kid: 'contradiction', alg: 'RS256' },
      { ...other, kid: 'unused curve' },
      good,
    ]
    issuer.answers.set('/keys', (_, response) => response.end(JSON.stringify({ keys: list })))
    const { jwks, refreshes } = rig(issuer.url)
    await jwks.start()
    expect(refreshes).toMatchObject([{ outcome: 'ok', keys: 1 }])
    expect(jwks.find('good', 'ES256').map(({ kid }) => kid)).toEqual(['good'])
  })

  test('without a kid two fitting keys are refused rather than guessed', async () => {
    const { issuer, jwks, time, verify } = await readyRig()
    issuer.keys.push(await makeKey('ES256', 'second'))
    await jwks.refreshForUnknownKey()
    time.advance(11)
    const token = await issuer.mint({ header: { kid: undefined } })
    expect(reasonOf(await verify(token))).toBe('unknown_key')
  })
})

describe('reading the keys again', () => {
  test.each([
    ['max-age=100', 100],
    ['public, MAX-AGE="100", must-revalidate', 100],
    ['max-age=1', 30],
    ['max-age=0', 30],
    ['max-age=-5', 30],
    ['no-store', 30],
    ['max-age=100, no-cache', 30],
    ['max-age=x', 30],
    ['max-age=999999999', 3600],
    [undefined, 300],
  ])('Cache-Control %s: ahead of %d s', async (cacheControl, seconds) => {
    const issuer = await issue()
    issuer.cacheControl = cacheControl
    const { jwks, time } = rig(issuer.url)
    await jwks.start()
    const [due] = time.due()
    expect(due).toBeLessThanOrEqual(seconds * 0.9)
    expect(due).toBeGreaterThan(seconds * 0.79)
  })

  test('the age that a cache in between reports is taken off', async () => {
    const issuer = await issue()
    issuer.answers.set('/keys', (_, response) =>
      response
        .writeHead(200, { age: '60', 'cache-control': 'max-age=100' })
        .end(JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) })),
    )
    const { jwks, time } = rig(issuer.url)
    await jwks.start()
    expect(time.due()[0]).toBeLessThanOrEqual(40)
  })

  test('a removed key is refused after the next refresh, a new one accepted', async () => {
    const { issuer, verify, time, refreshed } = await readyRig()
    const before = await issuer.mint()
    issuer.keys = [await makeKey('ES256', 'second')]
    expect(reasonOf(await verify(before))).toBe('ok')
    expect(time.advance(300)).toBe(1)
    await refreshed(2)
    expect(reasonOf(await verify(await issuer.mint()))).toBe('ok')
    expect(reasonOf(await verify(before))).toBe('unknown_key')
  })

  test('a key replaced under its old id is the new key', async () => {
    const { issuer, verify, time, refreshed } = await readyRig()
    const before = await issuer.mint()
    issuer.keys = [await makeKey('ES256', 'first')]
    time.advance(300)
    await refreshed(2)
    expect(reasonOf(await verify(before))).toBe('bad_signature')
    expect(reasonOf(await verify(await issuer.mint()))).toBe('ok')
  })

  test.each([
    ['empty', '{"keys":[]}'],
    ['of keys that cannot be used', '{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"first"},null]}'],
  ])('a set that is %s is a failed refresh and no news: no_keys', async (_, body) => {
    const { issuer, verify, time, refreshed } = await readyRig()
    const token = await issuer.mint({ claims: { exp: later(3 * 86_400) } })
    issuer.answers.set('/keys', (_request, response) => response.end(body))
    time.advance(300)
    expect(await refreshed(2)).toMatchObject({ outcome: 'no_keys', keys: 1 })
    expect(reasonOf(await verify(token))).toBe('ok')
    time.advance(1)
    expect(await refreshed(3)).toMatchObject({ outcome: 'no_keys', keys: 1 })
    time.advance(24 * 3600)
    expect(reasonOf(await verify(token))).toBe('keys_unavailable')
  })

  test('a good new key that comes within the cool-down is not called bad: key_pending', async () => {
    const { issuer, verify, time } = await readyRig()
    const stranger = await makeKey('ES256', 'stranger')
    expect(reasonOf(await verify(await issuer.mint({ key: stranger })))).toBe('unknown_key')
    const next = await makeKey('ES256', 'next')
    issuer.keys = [next, ...issuer.keys]
    const token = await issuer.mint({ key: next })
    expect(reasonOf(await verify(token))).toBe('key_pending')
    time.advance(11)
    expect(reasonOf(await verify(token))).toBe('ok')
  })

  test('a good new key that comes while the keys are being read is not called bad', async () => {
    const { issuer, verify, time } = await readyRig()
    const stranger = await makeKey('ES256', 'stranger')
    const next = await makeKey('ES256', 'next')
    // The answer is of before, and on its way when the key is made.
    const before = JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) })
    let answer = () => {}
    const isAsked = new Promise<void>((asked) => {
      issuer.answers.set('/keys', (_, response) => {
        answer = () => response.end(before)
        asked()
      })
    })
    const first = verify(await issuer.mint({ key: stranger }))
    await isAsked
    const token = await issuer.mint({ key: next })
    const second = verify(token)
    answer()
    expect([await first, await second].map(reasonOf)).toEqual(['unknown_key', 'key_pending'])
    issuer.answers.clear()
    issuer.keys.push(next)
    time.advance(11)
    expect(reasonOf(await verify(token))).toBe('ok')
  })

  test('of two keys with one key id each is tried', async () => {
    const { issuer, jwks, verify } = await readyRig()
    const [first] = issuer.keys
    const second = await makeKey('ES256', 'first')
    issuer.keys = [first!, second]
    await jwks.refreshForUnknownKey()
    const reasons = [
      await verify(await issuer.mint({ key: first! })),
      await verify(await issuer.mint({ key: second })),
      await verify(await issuer.mint({ key: await makeKey('ES256', 'first') })),
    ].map(reasonOf)
    expect(reasons).toEqual(['ok', 'ok', 'bad_signature'])
  })

  test('a hundred tokens with unknown keys at once cause one request, and none in the cool-down', async () => {
    const { issuer, verify, time } = await readyRig()
    const stranger = await makeKey('ES256', 'stranger')
    const flood = async () => {
      // All are there before the first is looked at.
      const tokens = await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          issuer.mint({ key: stranger, header: { kid: `k${i}` } }),
        ),
      )
      return Promise.all(tokens.map((token) => verify(token)))
    }
    // The one that asked knows; the answer may be of before the keys of the others were made.
    expect((await flood()).map(reasonOf).sort()).toEqual([
      ...Array(99).fill('key_pending'),
      'unknown_key',
    ])
    expect(issuer.requests.jwks).toBe(2)
    time.advance(9)
    expect(new Set((await flood()).map(reasonOf))).toEqual(new Set(['key_pending']))
    expect(issuer.requests.jwks).toBe(2)
    time.advance(2)
    await flood()
    expect(issuer.requests.jwks).toBe(3)
    console.log(`300 tokens with unknown keys in 11 s: ${issuer.requests.jwks - 1} key requests`)
  })

  test('a clock that is set back does not make the cool-down longer', async () => {
    const { issuer, verify, time } = await readyRig()
    const stranger = await makeKey('ES256', 'stranger')
    expect(reasonOf(await verify(await issuer.mint({ key: stranger })))).toBe('unknown_key')
    time.advance(-3600)
    issuer.keys.push(stranger)
    const at = Math.floor(time.clock.now() / 1000)
    const token = await issuer.mint({ key: stranger, claims: { iat: at, exp: at + 600 } })
    expect(reasonOf(await verify(token))).toBe('ok')
  })

  test('all who wait for a refresh get in with the key it brings', async () => {
    const { issuer, verify } = await readyRig()
    issuer.keys.unshift(await makeKey('ES256', 'second'))
    const tokens = await Promise.all(Array.from({ length: 20 }, () => issuer.mint()))
    const outcomes = await Promise.all(tokens.map((token) => verify(token)))
    expect(outcomes.map(reasonOf)).toEqual(Array(20).fill('ok'))
    expect(issuer.requests.jwks).toBe(2)
  })
})

describe('when the issuer is gone', () => {
  test('its keys stay good for 24 hours and are refused after that', async () => {
    const { issuer, verify, time, refreshed } = await readyRig()
    const token = await issuer.mint({ claims: { exp: later(3 * 86_400) } })
    await issuer.stop()
    time.advance(300)
    expect(await refreshed(2)).toMatchObject({ outcome: 'unreachable', keys: 1 })
    time.advance(23.5 * 3600)
    expect(reasonOf(await verify(token))).toBe('ok')
    time.advance(3600)
    expect(reasonOf(await verify(token))).toBe('keys_unavailable')
    await issuer.resume()
  })

  test('an unknown key is not called forged, since nobody can tell', async () => {
    const { issuer, verify, time, refreshed } = await readyRig()
    const token = await issuer.mint({ key: await makeKey('ES256', 'newer') })
    await issuer.stop()
    time.advance(300)
    await refreshed(2)
    expect(reasonOf(await verify(token))).toBe('keys_unavailable')
    await issuer.resume()
  })

  test('from the start: refused as unavailable, tried again with growing pauses, then let in', async () => {
    const issuer = await issue()
    await issuer.stop()
    const { jwks, verify, time, refreshed } = rig(issuer.url)
    await jwks.start()
    const token = await issuer.mint()
    const pauses: number[] = []
    for (let attempt = 1; attempt <= 8; attempt++) {
      const { outcome, next } = await refreshed(attempt)
      expect(outcome).toBe('unreachable')
      pauses.push(next)
      time.advance(next + 0.01)
    }
    for (const [i, bound] of [1, 2, 4, 8, 16, 32, 60, 60].entries()) {
      expect(pauses[i]).toBeLessThanOrEqual(bound)
      expect(pauses[i]).toBeGreaterThan(bound * 0.89)
    }
    const last = await refreshed(9)
    expect(reasonOf(await verify(token))).toBe('keys_unavailable')
    await issuer.resume()
    time.advance(last.next + 61)
    while (!jwks.isUsable()) await jwks.refreshForUnknownKey()
    expect(reasonOf(await verify(token))).toBe('ok')
  })

  test('a failed refresh looks for the keys anew, for they may have moved', async () => {
    const { issuer, time, refreshed } = await readyRig()
    issuer.answers.set('/keys', (_, response) => response.writeHead(410).end())
    time.advance(300)
    expect(await refreshed(2)).toMatchObject({ outcome: 'status', keys: 1 })
    const { metadata } = issuer.requests
    issuer.answers.set('/.well-known/oauth-authorization-server', (_, response) =>
      response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/moved` })),
    )
    issuer.answers.set('/moved', (_, response) =>
      response.end(JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) })),
    )
    time.advance(1)
    expect(await refreshed(3)).toMatchObject({ outcome: 'ok', keys: 1 })
    expect(issuer.requests.metadata).toBe(metadata + 2)
  })

  test('after close nothing is asked any more', async () => {
    const { issuer, jwks, time } = await readyRig()
    jwks.close()
    expect(time.due()).toEqual([])
    expect(await jwks.refreshForUnknownKey()).toBe(false)
    expect(issuer.requests.jwks).toBe(1)
  })
})
