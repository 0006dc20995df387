// Access tokens in three formats: each is understood by every endpoint of ours, says the same, can be read by foreign
// software where that is meant, and nothing else is taken for one.
import { createLocalJWKSet, jwtVerify } from 'jose'
import { LocalProtocol, PublicProtocol } from 'paseto'
import * as v2 from 'paseto/v2/public'
import * as v3local from 'paseto/v3/local'
import * as v4 from 'paseto/v4/public'
import { describe, expect, test } from 'vitest'
import { decodeBase64url, encodeBase64url, seal, sha256 } from '../../../worker/crypto.ts'
import { sql } from '../../../worker/db/sql.ts'
import { signJwt } from '../../../worker/keys/jwt.ts'
import { paserks, signPaseto } from '../../../worker/keys/paseto.ts'
import { keysOf, privateJwk, rotateKey } from '../../../worker/keys/signing_keys.ts'
import type { ClientInput } from '../../../worker/oauth/clients/clients.ts'
import { changeClient } from '../../../worker/oauth/clients/clients.ts'
import {
  type AccessTokenClaims,
  accessTokenClaims,
  mintAccessToken,
  readAccessToken,
  signAccessToken,
} from '../../../worker/oauth/tokens/access_token.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import {
  API,
  addApp,
  addClient,
  addDevice,
  basic,
  claimsOf,
  MQTT,
  post,
  refresh,
  setStatus,
  signIn,
  startIssuer,
  token,
  write,
} from '../token_fixtures.ts'

const FORMATS = ['jwt', 'opaque', 'paseto'] as const
type Format = (typeof FORMATS)[number]
const SHAPE: Record<Format, RegExp> = {
  jwt: /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/,
  opaque: /^aat_[\w-]+$/,
  paseto: /^v4\.public\.[\w-]+\.[\w-]+$/,
}
const API_OF_SHOP = 'https://shop.example/'
const OTHER_API = 'https://other.example/'
const OWN = { grant_type: 'client_credentials', resource: API_OF_SHOP }
const CREDENTIALS = { grant_types: ['client_credentials' as const] }

/** A machine and a person's app with tokens of a format, and a resource server that owns API_OF_SHOP. */
async function startShop(access_token_format: Format) {
  const worker = await startIssuer()
  const members = { access_token_format, resources: [API_OF_SHOP] } satisfies ClientInput
  await addApp(worker, { ...members, scope: 'orders openid profile offline_access' })
  const scope = 'orders keys:read'
  const job = basic(
    'job',
    await addClient(worker, { client_id: 'job', ...CREDENTIALS, ...members, scope }),
  )
  const server = { client_id: 'shop', ...CREDENTIALS, serves: [API_OF_SHOP] }
  const shop = basic('shop', await addClient(worker, server))
  const look = async (text: string, by = shop) =>
    (await post(worker, '/oauth/introspect', { token: text }, by)).body
  const issue = async (more: Record<string, string> = OWN) =>
    (await token(worker, { grant_type: 'client_credentials', ...more }, job)).body.access_token ??
    ''
  const open = async (path: string, text: string) =>
    (await worker.request(path, { headers: { Authorization: `Bearer ${text}` } })).status
  return { worker, job, shop, look, issue, open }
}

const claims = (worker: TestWorker, format: Format, audience = API_OF_SHOP): AccessTokenClaims =>
  accessTokenClaims(worker.context(), {
    origin: 'job',
    sub: 'job',
    client_id: 'job',
    audience: [audience],
    scope: ['orders'],
    ttl: 600,
    format,
  })

describe.each(FORMATS)('a token of format %s', (format) => {
  test('of a machine is looked at by its audience and client, opens /v1, and is told apart by its form', async () => {
    const { worker, look, issue, open, job } = await startShop(format)
    const text = await issue()
    expect(text).toMatch(SHAPE[format])
    const told = await look(text)
    expect(told).toEqual({
      active: true,
      iss: ISSUER,
      sub: 'job',
      client_id: 'job',
      aud: API_OF_SHOP,
      scope: 'orders',
      iat: worker.clock.now,
      exp: worker.clock.now + 600,
      jti: expect.stringMatching(/^job\.[\w-]{22}$/),
      status: { status_list: { idx: expect.any(Number), uri: `${ISSUER}/status-lists/0` } },
      token_type: 'Bearer',
    })
    expect(await look(text, job)).toEqual(told)
    const management = await issue({ scope: 'keys:read' })
    expect(management).toMatch(SHAPE[format])
    expect(await open('/v1/keys', management)).toBe(200)
    expect(await open('/v1/keys', text)).toBe(401)
    expect(await open('/v1/users', management)).toBe(403)
    console.log('length of an access token', { format, characters: text.length })
  })

  test('costs no more round trips than any other, and nothing is written to issue it', async () => {
    const { worker, look, issue } = await startShop(format)
    await issue() // makes the first EdDSA key
    const { value, roundTrips } = await countRoundTrips(worker, () => issue())
    expect(roundTrips).toBe(1)
    expect((await countRoundTrips(worker, () => look(value))).roundTrips).toBe(1)
  })

  test('of a person works at userinfo, is another after a refresh, and dies by revocation of any', async () => {
    const { worker, look, open, shop } = await startShop(format)
    const first = await signIn(worker, { scope: 'openid offline_access' })
    expect(first.access_token).toMatch(SHAPE[format])
    expect(claimsOf(first.id_token).at_hash).toBe(
      encodeBase64url((decodeBase64url(sha256(first.access_token)) as Uint8Array).slice(0, 16)),
    )
    const { access_token: second = '' } = (await refresh(worker, first.refresh_token)).body
    expect(second).toMatch(SHAPE[format])
    expect(second).not.toBe(first.access_token)
    for (const text of [first.access_token, second]) {
      expect(await open('/oauth/userinfo', text)).toBe(200)
      expect(await open('/v1/keys', text)).toBe(401)
    }
    const stranger = await post(worker, '/oauth/revoke', { token: second }, shop)
    expect([stranger.status, await open('/oauth/userinfo', second)]).toEqual([200, 200])
    await post(worker, '/oauth/revoke', { token: second, client_id: 'app' })
    for (const text of [first.access_token, second]) {
      expect(await open('/oauth/userinfo', text)).toBe(401)
      expect(await look(text)).toEqual({ active: false })
    }
  })

  test('is over when it ran out or its client is disabled', async () => {
    const { worker, look, issue, open } = await startShop(format)
    const [first, other] = [await issue(), await issue({ scope: 'keys:read' })]
    await setStatus(worker, 'client', 'job', 'disabled')
    expect(await look(first)).toEqual({ active: false })
    expect(await open('/v1/keys', other)).toBe(401)
    await setStatus(worker, 'client', 'job', 'active')
    expect(await look(first)).toEqual({ active: false })
    const text = await issue()
    const management = await issue({ scope: 'keys:read' })
    worker.clock.now += 599
    expect((await look(text))['active']).toBe(true)
    worker.clock.now += 1
    expect(await look(text)).toEqual({ active: false })
    expect(await open('/v1/keys', management)).toBe(401)
  })

  test('is told whole to who may look, but the rules for devices only to their audience', async () => {
    const { worker, look, job } = await startShop(format)
    const more = {
      cnf: { jkt: 'x'.repeat(43) },
      act: { sub: 'shop' },
      authorization_details: [
        { type: 'device', actions: ['read'], devices: ['dim-1'], groups: [] } as const,
      ],
      acr: 'urn:allauth:acr:mfa',
      auth_time: worker.clock.now - 5,
      // A claim named like nothing of ours, and one named like nothing at all.
      s: 'ann',
      0: 'ann',
    }
    const acl = [{ permission: 'allow', action: 'publish', topic: 'a' } as const]
    await changeClient(worker.context(), 'shop', { serves: [OTHER_API] }, null)
    const said = { ...claims(worker, format, OTHER_API), ...more, acl }
    const { access_token } = await signAccessToken(worker.context(), said)
    const seen = await look(access_token)
    expect(seen).toMatchObject({ ...more, acl, sub: 'job', active: true, token_type: 'DPoP' })
    expect(seen).not.toHaveProperty('format')
    const { acl: _, ...rest } = seen
    expect(await look(access_token, job)).toEqual(rest)
  })

  test('that was altered anywhere, lengthened or cut is nothing', async () => {
    const { worker, issue } = await startShop(format)
    const text = await issue()
    const read = (changed: string) => readAccessToken(worker.context(), changed)
    expect(await read(text)).not.toBeNull()
    // The last character of a part may have bits that base64url does not use: left out.
    const places = [...text].flatMap((_, at) =>
      /[\w-][\w-]/.test(text.slice(at, at + 2)) ? [at] : [],
    )
    for (const at of places.filter((place) => place % 7 === 0)) {
      const other = text[at] === 'A' ? 'B' : 'A'
      expect([at, await read(text.slice(0, at) + other + text.slice(at + 1))]).toEqual([at, null])
    }
    for (const changed of [`${text}.`, `${text}.x`, `${text}AAAA`, ` ${text}`, text.slice(0, -9)]) {
      expect(await read(changed)).toBeNull()
    }
    expect(await read(`${text}${'A'.repeat(9000)}`)).toBeNull()
  })

  test('stays good when its client goes over to another format', async () => {
    const { worker, issue, look } = await startShop(format)
    const text = await issue()
    const next = format === 'opaque' ? 'paseto' : 'opaque'
    await changeClient(worker.context(), 'job', { access_token_format: next }, null)
    expect(await issue()).toMatch(SHAPE[next])
    expect((await look(text))['active']).toBe(true)
  })
})

describe('opaque', () => {
  test('nothing can be read in it, and no two are alike', async () => {
    const { issue } = await startShop('opaque')
    const [one, two] = [await issue(), await issue()]
    expect(one.slice(0, 12)).toBe(two.slice(0, 12)) // prefix and key id
    expect(one.slice(12, 28)).not.toBe(two.slice(12, 28))
    const bytes = decodeBase64url(one.slice(4)) as Uint8Array
    const clear = [...bytes].map((byte) => String.fromCharCode(byte)).join('')
    for (const word of ['job', 'orders', 'shop.example']) expect(clear).not.toContain(word)
  })

  test('a value sealed for another purpose or place, or by an issuer with the same SECRET_KEY, is no token', async () => {
    const { worker } = await startShop('opaque')
    const cx = worker.context()
    const now = worker.clock.now
    const text = JSON.stringify(['job', 'job', API, now, 600, 'job.x', 'keys:read', {}])
    const context = `access_token:${ISSUER}`
    const asToken = (sealed: string) => `aat_${sealed.split('.').slice(1).join('')}`
    const read = async (sealed: string) => readAccessToken(cx, asToken(sealed))
    expect(await read(await seal(cx, context, text, 'seal tokens'))).not.toBeNull()
    expect(await read(await seal(cx, context, text))).toBeNull()
    for (const other of ['', 'refresh_token', 'access_token', `access_token:${ISSUER}/`]) {
      expect(await read(await seal(cx, other, text, 'seal tokens'))).toBeNull()
    }
    const [key] = await keysOf(cx, 'ES256')
    expect(await read(key?.private_jwk ?? '')).toBeNull()

    const neighbour = await startIssuer({ ISSUER: 'http://localhost:9999' })
    const { access_token } = await signAccessToken(neighbour.context(), claims(neighbour, 'opaque'))
    expect(await readAccessToken(neighbour.context(), access_token)).not.toBeNull()
    expect(await readAccessToken(cx, access_token)).toBeNull()
  })

  test('is good as long as the SECRET_KEY that sealed it is among those given', async () => {
    const { worker, issue } = await startShop('opaque')
    const text = await issue()
    const started = (...secret_keys: Uint8Array<ArrayBuffer>[]) => ({
      ...worker.context(),
      config: { ...worker.config!, secret_keys },
      memory: new Map(),
    })
    const old = worker.config!.secret_keys[0]!
    const next = crypto.getRandomValues(new Uint8Array(32))
    expect(await readAccessToken(started(next, old), text)).not.toBeNull()
    expect(await readAccessToken(started(next), text)).toBeNull()
  })
})

describe('paseto', () => {
  const verifier = new PublicProtocol(v4.ImportPublicKeyFactory, v4.VerifyFactory)
  const signer = new PublicProtocol(
    v4.ImportSecretKeyFactory,
    v4.GenerateKeyPairFactory,
    v4.ExportPublicKeyFactory,
    v4.SignFactory,
  )
  const bytes = (text: string) => new TextEncoder().encode(text)
  const published = async (worker: TestWorker) => {
    const metadata = await worker.request('/.well-known/oauth-authorization-server')
    const { paserk_uri } = (await metadata.json()) as { paserk_uri: string }
    const answer = await worker.request(paserk_uri)
    const { keys } = (await answer.json()) as {
      keys: { kid: string; paserk: `k4.public.${string}` }[]
    }
    return { answer, keys }
  }

  test('a foreign verifier finds the key by the footer and checks the token with it', async () => {
    const { worker, issue } = await startShop('paseto')
    const text = await issue()
    const { answer, keys } = await published(worker)
    expect(answer.headers.get('cache-control')).toBe('public, max-age=300')
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    const footer = new TextDecoder().decode(decodeBase64url(text.split('.')[3] ?? '')!)
    const { kid } = JSON.parse(footer)
    expect(footer).toBe(JSON.stringify({ kid }))
    expect(kid).toMatch(/^k4\.pid\.[\w-]{44}$/)
    const paserk = keys.find((key) => key.kid === kid)?.paserk
    const key = await verifier.ImportPublicKey(paserk!)
    const now = new Date(worker.clock.now * 1000)
    const checks = { now, issuer: ISSUER, audience: API_OF_SHOP, subject: 'job' }
    const { claims } = await verifier.Verify(key, text, checks)
    expect(claims).toEqual({
      iss: ISSUER,
      typ: 'at+paseto',
      sub: 'job',
      client_id: 'job',
      aud: API_OF_SHOP,
      iat: '2027-01-15T08:00:00Z',
      exp: '2027-01-15T08:10:00Z',
      jti: expect.stringMatching(/^job\./),
      scope: 'orders',
      status: { status_list: { idx: expect.any(Number), uri: `${ISSUER}/status-lists/0` } },
    })
    const later = new Date(now.valueOf() + 601_000)
    await expect(verifier.Verify(key, text, { ...checks, now: later })).rejects.toThrow()
  })

  test('the same key is in the JWKS, and a JWT by it is no PASETO and a PASETO no JWT', async () => {
    const { worker, issue } = await startShop('paseto')
    const text = await issue()
    const cx = worker.context()
    const jwks = (await (await worker.request('/.well-known/jwks.json')).json()) as {
      keys: { alg: string; x: string }[]
    }
    const jwk = jwks.keys.find((key) => key.alg === 'EdDSA')
    expect((await published(worker)).keys[0]?.paserk).toBe(`k4.public.${jwk?.x}`)
    const { jwt } = await signJwt(cx, 'EdDSA', 'at+jwt', { ...claims(worker, 'jwt') })
    await jwtVerify(jwt, createLocalJWKSet(jwks as never), {
      currentDate: new Date(worker.clock.now * 1000),
    })
    const [header, body, signature] = jwt.split('.')
    const [, , payload = '', footer] = text.split('.')
    const footers = (await paserks(cx)).keys.map(({ kid }) =>
      encodeBase64url(bytes(JSON.stringify({ kid }))),
    )
    const both = (first: string, second: string) =>
      encodeBase64url(new Uint8Array([...decodeBase64url(first)!, ...decodeBase64url(second)!]))
    const at = payload.length - 86
    for (const forged of [
      `v4.public.${both(body!, signature!)}.${footers[0]}`,
      `v4.public.${both(header!, signature!)}.${footers[0]}`,
      `${header}.${payload.slice(0, at)}.${payload.slice(at)}`,
      `${header}.${payload}.${footer}`,
    ]) {
      expect(await readAccessToken(cx, forged)).toBeNull()
    }
  })

  test('everything that is no v4.public of ours for this use is refused', async () => {
    const { worker, issue } = await startShop('paseto')
    const text = await issue()
    const cx = worker.context()
    const [row] = await keysOf(cx, 'EdDSA')
    const { d = '', x = '' } = await privateJwk(cx, row!)
    const secret = encodeBase64url(new Uint8Array([...decodeBase64url(d)!, ...decodeBase64url(x)!]))
    const ours = await signer.ImportSecretKey(`k4.secret.${secret}`)
    const [{ kid } = { kid: '' }] = (await paserks(cx)).keys
    const footer = bytes(JSON.stringify({ kid }))
    const at = (seconds: number) =>
      new Date((worker.clock.now + seconds) * 1000).toISOString().replace('.000Z', 'Z')
    const said = {
      iss: ISSUER,
      typ: 'at+paseto',
      sub: 'job',
      client_id: 'job',
      aud: API_OF_SHOP,
      iat: at(0),
      exp: at(600),
      jti: 'job.x',
      scope: 'orders',
    }
    const sign = (changes: object, options: object = {}) =>
      signer.Sign(ours, JSON.parse(JSON.stringify({ ...said, ...changes })), { footer, ...options })
    const read = (one: string) => readAccessToken(cx, one)
    expect((await read(await sign({})))?.sub).toBe('job')

    const stranger = await signer.GenerateKeyPair()
    const strangerKid = 'k4.pid.' + 'A'.repeat(44)
    const second = new PublicProtocol(v2.ImportSecretKeyFactory, v2.SignFactory)
    const oursInV2 = await second.ImportSecretKey(`k2.secret.${secret}`)
    const local = new LocalProtocol(v3local.GenerateKeyFactory, v3local.EncryptFactory)
    const body = text.slice('v4.public.'.length)
    const refused: Record<string, string | Promise<string>> = {
      'v2.public by the same key': second.Sign(oursInV2, said, { footer }),
      'v3.local': local.Encrypt(await local.GenerateKey(), said, { footer }),
      'v4.local in name': `v4.local.${body}`,
      'v3.public in name': `v3.public.${body}`,
      'v2.public in name': `v2.public.${body}`,
      'v1.public in name': `v1.public.${body}`,
      'v4.public in capitals': `V4.public.${body}`,
      'an unknown version': `v44.public.${body}`,
      'no footer': sign({}, { footer: bytes('') }),
      'an unknown kid': sign({}, { footer: bytes(JSON.stringify({ kid: strangerKid })) }),
      'a kid with a path': sign({}, { footer: bytes('{"kid":"../../x"}') }),
      'a kid with SQL': sign({}, { footer: bytes(`{"kid":"' or 1=1 --"}`) }),
      'the kid of the JWKS': sign({}, { footer: bytes(JSON.stringify({ kid: row?.kid })) }),
      'a footer with more than the kid': sign({}, { footer: bytes(JSON.stringify({ kid, x: 1 })) }),
      'a footer that is no JSON': sign({}, { footer: bytes('kid') }),
      'another key under our kid': signer.Sign(stranger.secretKey, said, { footer }),
      'an implicit assertion': sign({}, { implicitAssertion: bytes('x') }),
      'no typ': sign({ typ: undefined }),
      'another typ': sign({ typ: 'logout+paseto' }),
      'another issuer': sign({ iss: 'https://evil.example' }),
      'no issuer': sign({ iss: undefined }),
      'no audience': sign({ aud: undefined }),
      'no client': sign({ client_id: undefined }),
      'no scope': sign({ scope: undefined }),
      'no jti': sign({ jti: undefined }),
      'run out now': sign({ exp: at(0) }),
      'run out a second ago': sign({ exp: at(-1) }),
      'no exp': sign({ exp: undefined }, { nonExpiring: true }),
      'no iat': sign({ iat: undefined }, { addIssuedAt: false }),
      'issued in the future': sign({ iat: at(61) }),
      'not yet good': sign({ nbf: at(61) }),
    }
    for (const [what, one] of Object.entries(refused)) {
      expect([what, await read(await one)]).toEqual([what, null])
    }
    // The clock of the process that issued may be ahead of ours.
    expect(await read(await sign({ iat: at(2) }))).not.toBeNull()
  })

  test('the key is made when it is first needed, once for all processes, and signs at once', async () => {
    const worker = await startIssuer()
    const empty = await published(worker)
    expect(empty.keys).toEqual([])
    expect(empty.answer.headers.get('cache-control')).toBe('no-cache')
    const processes = Array.from({ length: 6 }, () => ({ ...worker.context(), memory: new Map() }))
    const tokens = await Promise.all(
      processes.map((cx) => signAccessToken(cx, claims(worker, 'paseto'))),
    )
    expect(new Set(tokens.map((one) => one.kid)).size).toBe(1)
    // The worker remembers its keys without this one, and finds it nevertheless.
    worker.clock.now += 1
    for (const { access_token } of tokens) {
      expect(await readAccessToken(worker.context(), access_token)).not.toBeNull()
    }
    expect((await published(worker)).keys).toHaveLength(1)
  })

  test('forged tokens do not make a process without such a key ask for it each time', async () => {
    const worker = await startIssuer()
    const forge = () => readAccessToken(worker.context(), 'v4.public.AAAA.AAAA')
    const { roundTrips } = await countRoundTrips(worker, async () => {
      for (let i = 0; i < 20; i++) expect(await forge()).toBeNull()
    })
    expect(roundTrips).toBe(1)
  })

  test('a first key that an operator made to wait signs rather than none', async () => {
    const { worker, issue, look } = await startShop('paseto')
    const waiting = await rotateKey(worker.context(), 'EdDSA')
    const text = await issue()
    expect((await look(text))['active']).toBe(true)
    expect((await keysOf(worker.context(), 'EdDSA')).map((key) => key.kid)).toEqual([waiting.kid])
  })

  test('a key that follows is published before it signs, and the old one stays until its tokens ran out', async () => {
    const { worker, issue, look } = await startShop('paseto')
    await changeClient(worker.context(), 'job', { access_token_ttl: 86_400 }, null)
    const footerOf = (text: string) => text.split('.')[3]
    const kids = async () => (await published(worker)).keys.map((key) => key.kid)
    const before = await issue()
    const [old] = await kids()
    await rotateKey(worker.context(), 'EdDSA')
    expect(await kids()).toHaveLength(2)
    worker.clock.now += 359
    const last = await issue()
    expect(footerOf(last)).toBe(footerOf(before))
    worker.clock.now += 1
    const after = await issue()
    expect(footerOf(after)).not.toBe(footerOf(before))
    // The next rotation deletes what is outdated, and the old key is not yet.
    worker.clock.now += 86_398
    await rotateKey(worker.context(), 'EdDSA')
    expect(await kids()).toContain(old)
    expect((await look(last))['active']).toBe(true)
    worker.clock.now += 86_400
    await rotateKey(worker.context(), 'EdDSA')
    expect(await kids()).not.toContain(old)
  })

  test('has one audience: several resources at once are refused', async () => {
    const { worker } = await startShop('paseto')
    const resources = [API_OF_SHOP, OTHER_API]
    const input = { client_id: 'both', ...CREDENTIALS, scope: 'orders', resources }
    const both = basic('both', await addClient(worker, { ...input, access_token_format: 'paseto' }))
    const ask = (...names: string[]) =>
      token(
        worker,
        [
          ['grant_type', 'client_credentials'],
          ...names.map((one): [string, string] => ['resource', one]),
        ],
        both,
      )
    expect((await ask(...resources)).body.error).toBe('invalid_target')
    expect((await ask(API_OF_SHOP)).status).toBe(200)
  })
})

describe('tokens for devices are JWTs', () => {
  test.each(['opaque', 'paseto'] as const)(
    'a client with %s tokens and the scope mqtt cannot be',
    async (format) => {
      const worker = await startIssuer()
      const faulty = { errors: [{ pointer: '/access_token_format' }] }
      const both = { access_token_format: format, scope: 'orders mqtt' }
      await expect(addApp(worker, both)).rejects.toMatchObject(faulty)
      await addApp(worker, { ...both, scope: 'orders' })
      const change = (patch: object) => changeClient(worker.context(), 'app', patch, null)
      await expect(change({ scope: 'mqtt' })).rejects.toMatchObject(faulty)
      await change({ scope: 'mqtt', access_token_format: 'jwt' })
      await expect(change({ access_token_format: format })).rejects.toMatchObject(faulty)
    },
  )

  test.each(['opaque', 'paseto'] as const)(
    'one that became so otherwise gets no %s token for mProxy',
    async (format) => {
      const worker = await startIssuer()
      const scope = 'orders mqtt'
      const job = basic('job', await addClient(worker, { client_id: 'job', ...CREDENTIALS, scope }))
      const members = JSON.stringify({ access_token_format: format })
      await write(worker, sql`update client set members = ${members} where id = 'job'`)
      const ask = async (more: object) => {
        const answer = await token(worker, { grant_type: 'client_credentials', ...more }, job)
        return answer.body.error ?? 'token'
      }
      expect(await ask({ scope: 'mqtt' })).toBe('invalid_scope')
      expect(await ask({ scope: 'orders mqtt' })).toBe('invalid_scope')
      expect(await ask({ scope: 'orders', resource: MQTT })).toBe('invalid_target')
      expect(await ask({ resource: MQTT })).toBe('invalid_scope')
      expect(await ask({ scope: 'orders' })).toBe('token')
    },
  )

  test('those of devices, and those that operators mint', async () => {
    const worker = await startIssuer()
    await addDevice(worker, 'dim-1', { secret: 'ads_x' })
    const own = await token(worker, { grant_type: 'client_credentials' }, basic('dim-1', 'ads_x'))
    expect(own.body.access_token).toMatch(SHAPE.jwt)
    const { access_token } = await mintAccessToken(worker.context(), {
      origin: 'tok_1',
      sub: 'dim-1',
      client_id: 'dim-1',
      audience: [MQTT],
      scope: ['mqtt'],
      ttl: 600,
      acl: [],
    })
    expect(access_token).toMatch(SHAPE.jwt)
  })
})

describe('nothing else is an access token', () => {
  test.each(FORMATS)(
    'no refresh token, ID token, code, answer or hash, beside tokens of format %s',
    async (format) => {
      const { worker, look, issue, open, shop } = await startShop(format)
      const person = await signIn(worker, { scope: 'openid offline_access' })
      const signed = await worker.request('/oauth/introspect', {
        method: 'POST',
        headers: {
          ...shop,
          Accept: 'application/token-introspection+jwt',
          'Content-Type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({ token: await issue() }).toString(),
      })
      const cx = worker.context()
      const others = {
        'a refresh token': person.refresh_token,
        'a refresh token with our prefix': `aat_${person.refresh_token}`,
        'an ID token': person.id_token,
        'an introspection answer': await signed.text(),
        'a JWT of another type': (
          await signJwt(cx, 'ES256', 'logout+jwt', { ...claims(worker, 'jwt') })
        ).jwt,
        'a PASETO of another type': (
          await signPaseto(cx, 'logout+paseto', { ...claims(worker, 'paseto') })
        ).paseto,
        'a hash': sha256(person.access_token),
        'a prefix alone': 'aat_',
        'a version alone': 'v4.',
        'a form alone': 'v4.public..',
        nothing: '..',
      }
      for (const [what, text] of Object.entries(others)) {
        expect([what, await readAccessToken(cx, String(text))]).toEqual([what, null])
        expect([what, await open('/oauth/userinfo', String(text))]).toEqual([what, 401])
        expect([what, await open('/v1/keys', String(text))]).toEqual([what, 401])
        expect([what, await look(String(text))]).toEqual([what, { active: false }])
      }
    },
  )

  test('an access token of any format is no refresh token', async () => {
    for (const format of FORMATS) {
      const { worker } = await startShop(format)
      const { access_token } = await signIn(worker, { scope: 'openid offline_access' })
      expect((await refresh(worker, access_token)).body.error).toBe('invalid_grant')
    }
  })
})
