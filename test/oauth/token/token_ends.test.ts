// No token outlives what it stands on: each way to a token, for each audience, while each thing
// that it stands on ends (or a denial begins) before the token would.
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { mintDeviceToken } from '../../../worker/admin/minted_tokens.ts'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { randomId, sha256 } from '../../../worker/crypto.ts'
import { authorization_code, device_authorization } from '../../../worker/db/oauth_schema.ts'
import { session } from '../../../worker/db/schema.ts'
import { insertInto, sql } from '../../../worker/db/sql.ts'
import type { TrustedIssuer } from '../../../worker/settings.ts'
import { ISSUER, type TestWorker } from '../../context.ts'
import { addGroup, addMember, addRole, give } from '../../status/house.ts'
import {
  addClient,
  addDevice,
  addUser,
  basic,
  claimsOf,
  MQTT,
  makeSigner,
  REDIRECT,
  startIssuer,
  token,
  VERIFIER,
  write,
} from '../token_fixtures.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS = 'urn:ietf:params:oauth:token-type:access_token'
const PARTNER = 'https://partner.example'
const SERVICE = 'https://service.example/'
const SECRET = 's'.repeat(40)
const TTL = 600
const LONG = 3600

const ALLOW = { permission: 'allow', action: 'subscribe', topic: 'sites/${group.id}/${device.id}' }
const ANYWHERE = { permission: 'allow', action: 'subscribe', topic: 'sites/#' }
const DENY = { permission: 'deny', action: 'subscribe', topic: 'sites/secret' }

/** An audience as a person's client asks for it; `details` are those of RFC 9396. */
type Asked = { scope: string; resource: string[]; details?: object[] }

const AUDIENCES = {
  mProxy: { scope: 'mqtt offline_access', resource: [] },
  'the management API': { scope: 'users:read offline_access', resource: [`${ISSUER}/v1`] },
  'mProxy, with details': {
    scope: 'offline_access',
    resource: [],
    details: [{ type: 'device', actions: ['device:read'], devices: ['lamp'], groups: [] }],
  },
  'a service, with details': {
    scope: 'orders offline_access',
    resource: [SERVICE],
    details: [{ type: 'device', actions: ['device:read'], devices: ['lamp'], groups: [] }],
  },
  'a service, with roles': { scope: 'roles offline_access', resource: [SERVICE] },
  'this issuer, with roles': { scope: 'openid roles offline_access', resource: [] },
} satisfies Record<string, Asked>

type Audience = keyof typeof AUDIENCES

async function startAnew() {
  const partner = await makeSigner('ES256', 'k1')
  const worker = await startIssuer()
  await addUser(worker, 'bob')
  const issuer = { issuer: PARTNER, subject: 'email', jwks: { keys: [partner.jwk] } }
  await changeSettings(worker.context(), {
    trusted_issuers: [issuer as unknown as TrustedIssuer],
    access_token_ttl: TTL,
    device_access_token_ttl: TTL,
  })
  for (const client_id of ['web', 'other']) {
    await addClient(worker, {
      client_id,
      client_secret: SECRET,
      redirect_uris: [REDIRECT],
      grant_types: [
        'authorization_code',
        'refresh_token',
        'client_credentials',
        JWT_BEARER,
        DEVICE_CODE,
        EXCHANGE,
      ],
      scope: 'openid offline_access mqtt users:read orders roles groups',
      resources: [SERVICE],
      authorization_details_types: ['device'],
      first_party: true,
    })
  }
  await addDevice(worker, 'lamp', { secret: 'of-lamp', acl: [ALLOW] })
  await addGroup(worker, 'home')
  await addGroup(worker, 'team')
  await addGroup(worker, 'crew')
  await addMember(worker, 'home', 'lamp')
  await addMember(worker, 'team', 'ann')
  await addMember(worker, 'team', 'bob')
  await addRole(worker, 'keeper', [ANYWHERE], ['users:read', 'device:read'])
  await addRole(worker, 'silent', [], ['users:read', 'device:read'])
  await addRole(worker, 'barred', [DENY])
  return { worker, partner }
}

type Started = Awaited<ReturnType<typeof startAnew>>

let shared: Started | undefined

/** One worker for all of these, without any grant and with a clock that goes on. */
async function start(): Promise<Started> {
  shared ??= await startAnew()
  const { worker } = shared
  worker.clock.now += LONG
  await write(
    worker,
    sql`delete from "grant"`,
    sql`delete from membership where group_id = 'crew'`,
    sql`update device_credential set expires_at = null`,
    sql`update client_secret set expires_at = null`,
  )
  return shared
}

async function fetched(worker: TestWorker, pairs: [string, string][]) {
  const { status, body } = await token(worker, pairs, basic('web', SECRET))
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body as { access_token: string; refresh_token: string }
}

const wishOf = ({ resource }: Asked): [string, string][] => resource.map((one) => ['resource', one])

/** A code of Ann, or of another person, with all that was allowed for it. */
async function byCode({ worker }: Started, asked: Asked, user_id = 'ann') {
  const code = randomId(worker.context(), 'code')
  const now = worker.clock.now
  await write(
    worker,
    insertInto(authorization_code, {
      hash: sha256(code),
      client_id: 'web',
      user_id,
      redirect_uri: REDIRECT,
      code_challenge: sha256(VERIFIER),
      scope: asked.scope,
      resource: JSON.stringify(asked.resource),
      authorization_details: asked.details === undefined ? null : JSON.stringify(asked.details),
      nonce: null,
      dpop_jkt: null,
      auth_time: now,
      amr: '["pwd"]',
      authorization_id: randomId(worker.context(), 'aut'),
      created_at: now,
      expires_at: now + 60,
      epoch: 0,
    }),
  )
  return fetched(worker, [
    ['grant_type', 'authorization_code'],
    ['code', code],
    ['redirect_uri', REDIRECT],
    ['code_verifier', VERIFIER],
    ...wishOf(asked),
  ])
}

async function byDeviceCode({ worker }: Started, asked: Asked) {
  const device_code = randomId(worker.context(), 'dvc')
  const now = worker.clock.now
  await write(
    worker,
    insertInto(session, {
      id_hash: device_code,
      user_id: 'ann',
      auth_time: now,
      amr: '["pwd"]',
      created_at: now,
      last_seen_at: now,
      expires_at: now + LONG,
      address: '',
      user_agent: '',
      sid: device_code,
    }),
    insertInto(device_authorization, {
      hash: sha256(device_code),
      user_code_mac: device_code,
      client_id: 'web',
      scope: asked.scope,
      resource: JSON.stringify(asked.resource),
      authorization_details: asked.details === undefined ? null : JSON.stringify(asked.details),
      status: 'allowed',
      user_id: 'ann',
      auth_time: now,
      amr: '["pwd"]',
      sid: device_code,
      authorization_id: randomId(worker.context(), 'aut'),
      interval: 5,
      created_at: now,
      expires_at: now + 60,
      epoch: 0,
    }),
  )
  const code: [string, string][] = [
    ['grant_type', DEVICE_CODE],
    ['device_code', device_code],
  ]
  return fetched(worker, [...code, ...wishOf(asked)])
}

async function byAssertion({ worker, partner }: Started, asked: Asked) {
  const now = worker.clock.now
  const assertion = await new SignJWT({
    iss: PARTNER,
    sub: 'x',
    aud: ISSUER,
    iat: now,
    exp: now + 300,
    jti: crypto.randomUUID(),
    email: 'ann@example.com',
    email_verified: true,
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .sign(partner.privateKey)
  return fetched(worker, [
    ['grant_type', JWT_BEARER],
    ['assertion', assertion],
    ['scope', asked.scope],
    ...wishOf(asked),
  ])
}

const byRefresh = async (started: Started, refresh_token: string) =>
  fetched(started.worker, [
    ['grant_type', 'refresh_token'],
    ['refresh_token', refresh_token],
  ])

/** How a person's client gets a token. It begins before anything is about to end, where it can. */
type Way = {
  begin?: (started: Started, asked: Asked) => Promise<string>
  get: (started: Started, asked: Asked, begun: string) => Promise<{ access_token: string }>
  /** Audiences that this way has not. */
  without?: readonly Audience[]
}

const exchange = (started: Started, pairs: [string, string][]) =>
  fetched(started.worker, [['grant_type', EXCHANGE], ['subject_token_type', ACCESS], ...pairs])

const WAYS: Record<string, Way> = {
  'an authorization code': { get: (started, asked) => byCode(started, asked) },
  'a refresh token': {
    begin: async (started, asked) => (await byCode(started, asked)).refresh_token,
    get: (started, _, refresh_token) => byRefresh(started, refresh_token),
  },
  'a device code': { get: byDeviceCode },
  'an assertion of another issuer': {
    get: byAssertion,
    without: ['mProxy, with details', 'a service, with details'],
  },
  'an exchange': {
    get: async (started, asked) =>
      exchange(started, [['subject_token', (await byCode(started, asked)).access_token]]),
  },
}

const ways = Object.entries(WAYS).flatMap(([name, way]) =>
  (Object.keys(AUDIENCES) as Audience[])
    .filter((audience) => !way.without?.includes(audience))
    .map((audience) => [name, audience, way] as const),
)

const endOf = (access_token: string): number => claimsOf(access_token).exp

describe.each(ways)('by %s, for %s', (_, audience, { begin, get }) => {
  const asked: Asked = AUDIENCES[audience]
  const isForMqtt = audience.startsWith('mProxy')

  test('a token ends with the role, at the latest', async () => {
    const started = await start()
    const { worker } = started
    const end = worker.clock.now + LONG
    await give(worker, 'team', isForMqtt ? 'keeper' : 'silent', '*', end)
    const begun = (await begin?.(started, asked)) ?? ''
    for (const left of [TTL - 1, 17, 1]) {
      worker.clock.now = end - left
      const { access_token } = await get(started, asked, begun)
      expect([left, endOf(access_token) - end]).toEqual([left, 0])
    }
  })

  test('a token has its whole time where another grant of the role lasts', async () => {
    const started = await start()
    const { worker } = started
    await give(worker, 'team', 'silent', '*', worker.clock.now + 10)
    await give(worker, 'team', 'silent', '*')
    const begun = (await begin?.(started, asked)) ?? ''
    const { access_token } = await get(started, asked, begun)
    expect(endOf(access_token)).toBe(worker.clock.now + TTL)
  })

  if (isForMqtt) {
    test('a token ends when a denial begins', async () => {
      const started = await start()
      const { worker } = started
      await give(worker, 'team', 'keeper', '*')
      const from = worker.clock.now + LONG
      await deny(worker, 'ann', from)
      await deny(worker, 'team', from - 100)
      const begun = (await begin?.(started, asked)) ?? ''
      for (const now of [from - 110, from - 10]) {
        worker.clock.now = now
        const { access_token } = await get(started, asked, begun)
        expect(endOf(access_token) - now).toBe(10)
      }
    })
  }
})

async function deny(worker: TestWorker, subject: string, from: number) {
  const id = await give(worker, subject, 'barred', '*')
  await write(worker, sql`update "grant" set not_before = ${from} where id = ${id}`)
}

describe('a token that was exchanged', () => {
  test('ends with the rules of the client that acts', async () => {
    const started = await start()
    const { worker } = started
    await give(worker, 'team', 'keeper', '*')
    await give(worker, 'web', 'keeper', '*', worker.clock.now + 30)
    const subject = await byCode(started, AUDIENCES.mProxy)
    const { access_token } = await exchange(started, [['subject_token', subject.access_token]])
    expect(endOf(access_token)).toBe(worker.clock.now + 30)
  })

  test('ends with the role of the person who acts', async () => {
    const started = await start()
    const { worker } = started
    const end = worker.clock.now + 40
    await give(worker, 'ann', 'silent', '*')
    await give(worker, 'bob', 'silent', '*', end)
    const asked = AUDIENCES['the management API']
    const subject = await byCode(started, asked)
    const actor = await byCode(started, { scope: asked.scope, resource: [] }, 'bob')
    const { access_token } = await exchange(started, [
      ['subject_token', subject.access_token],
      ['actor_token', actor.access_token],
      ['actor_token_type', ACCESS],
    ])
    expect(endOf(access_token)).toBe(end)
  })

  test('ends with the role of the person, where that ends before the token that was shown', async () => {
    const started = await start()
    const { worker } = started
    const asked = { scope: 'users:read offline_access', resource: [] }
    const id = await give(worker, 'ann', 'silent', '*')
    const subject = await byCode(started, asked)
    await write(
      worker,
      sql`update "grant" set expires_at = ${worker.clock.now + 20} where id = ${id}`,
    )
    const { access_token } = await exchange(started, [['subject_token', subject.access_token]])
    expect(endOf(access_token)).toBe(worker.clock.now + 20)
  })
})

const own = async (worker: TestWorker, id: string, secret: string, scope?: string) => {
  const { status, body } = await token(
    worker,
    { grant_type: 'client_credentials', scope },
    basic(id, secret),
  )
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body.access_token ?? ''
}

const minted = async (worker: TestWorker) =>
  (await mintDeviceToken(worker.context(), 'lamp', { expires_in: LONG })).access_token

const OWN: [string, string, (worker: TestWorker) => Promise<string>][] = [
  ['a client for itself', 'web', (worker) => own(worker, 'web', SECRET, 'mqtt')],
  ['a device', 'lamp', (worker) => own(worker, 'lamp', 'of-lamp')],
  ['an operator for a device', 'lamp', minted],
]

describe.each(OWN)('a token that %s gets', (_, subject, get) => {
  test('ends with the role', async () => {
    const { worker } = await start()
    await give(worker, subject, 'keeper', '*', worker.clock.now + 30)
    expect(endOf(await get(worker)) - worker.clock.now).toBe(30)
  })

  test.each([subject, 'crew'])('ends when a denial of %s begins', async (denied) => {
    const { worker } = await start()
    await addMember(worker, 'crew', subject)
    await deny(worker, denied, worker.clock.now + 30)
    expect(endOf(await get(worker)) - worker.clock.now).toBe(30)
  })

  test('has its whole time beside a denial that holds already, or begins after it', async () => {
    const { worker } = await start()
    await deny(worker, subject, worker.clock.now - 1)
    await deny(worker, subject, worker.clock.now + 2 * LONG)
    const ttl = endOf(await get(worker)) - worker.clock.now
    expect([TTL, LONG]).toContain(ttl)
  })
})

test.each(['mqtt', 'self'])('a device’s token with %s ends with its credential', async (scope) => {
  const { worker } = await start()
  const end = worker.clock.now + 50
  await write(worker, sql`update device_credential set expires_at = ${end}`)
  const access_token = await own(worker, 'lamp', 'of-lamp', scope)
  expect(endOf(access_token)).toBe(end)
  expect(claimsOf(access_token).aud).toBe(scope === 'mqtt' ? MQTT : `${ISSUER}/v1`)
})

test('a client’s token ends with its secret', async () => {
  const { worker } = await start()
  const end = worker.clock.now + 50
  await write(worker, sql`update client_secret set expires_at = ${end} where client_id = 'web'`)
  expect(endOf(await own(worker, 'web', SECRET, 'orders'))).toBe(end)
})
