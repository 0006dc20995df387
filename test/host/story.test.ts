// A smart-home company, with real parts only: the worker over its file, mProxy, and Mosquitto behind
// it. Devices come from the factory with keys, an installer fits them in an afternoon, an owner takes
// over, invites a resident and a guest, links an assistant, and sells the home. After each step: what
// the token of each party may do at the broker, and whose open sessions ended.

import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  claimsOf,
  deviceToken,
  discover,
  FormBrowser,
  OPS_SECRET,
  operatorToken,
  PASSWORD,
} from './black_box.ts'
import { type Connection, connect, tryConnect } from './mproxy_fixtures/clients.ts'
import {
  type Broker,
  type RunningProxy,
  startBroker,
  startProxy,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'
import { linkIn, readMailTo } from './operator_mails.ts'
import { startWorkerOn } from './programs.ts'

/** `ttl` and two seconds, with the time that a request takes on a machine that is busy. */
const SOON = 12 + 6
const HOUR = 3600
const REDIRECT = 'http://localhost:5173/callback'
const SUPERSEDED = 0xa0
const ENDED = 0x98

const topicOf = (rest: string) => `sites/\${site.id}/devices/\${device.id}/${rest}`
const HEAR = { permission: 'allow', action: 'subscribe', topic: topicOf('state') }
const SET = { permission: 'allow', action: 'publish', topic: topicOf('set') }
const TEST = { permission: 'allow', action: 'publish', topic: topicOf('test') }
const THING = [
  { permission: 'allow', action: 'publish', topic: topicOf('state') },
  { permission: 'allow', action: 'subscribe', topic: topicOf('set') },
  { permission: 'allow', action: 'subscribe', topic: topicOf('test') },
]

const CODE = {
  redirect_uris: [REDIRECT],
  grant_types: ['authorization_code', 'refresh_token'],
}
const API = 'devices:read devices:write access:read access:write users:read users:write events:read'

const person = (id: string, ...groups: string[]) => ({
  id,
  email: `${id}@example.com`,
  email_verified: true,
  password: PASSWORD,
  groups,
})

/** The company on the day before; ina is of a firm, gus and hana live in a house of their own. */
const BLUEPRINT = {
  settings: { sign_up: 'by_invitation' },
  clients: [
    {
      client_id: 'ops',
      client_secret: OPS_SECRET,
      grant_types: ['client_credentials'],
      scope: 'manage',
    },
    {
      client_id: 'app',
      client_name: 'Home app',
      token_endpoint_auth_method: 'none',
      scope: `openid offline_access mqtt ${API}`,
      ...CODE,
    },
    {
      client_id: 'assistant',
      client_name: 'Assistant',
      client_secret: OPS_SECRET,
      authorization_details_types: ['device'],
      scope: 'openid offline_access',
      ...CODE,
    },
  ],
  roles: [
    { name: 'guest', permissions: ['device:read'], acl: [HEAR] },
    { name: 'resident', permissions: ['device:read', 'device:command'], acl: [HEAR, SET] },
    { name: 'installer', permissions: ['devices:read', 'devices:write'], acl: [HEAR, TEST] },
    {
      name: 'owner',
      permissions: [...API.split(' '), 'device:read', 'device:command'],
      acl: [HEAR, SET, TEST],
    },
  ],
  groups: [
    { id: 'site-12', kind: 'site', name: '12 Garden Street' },
    { id: 'site-90', kind: 'site', name: '90 Mill Lane' },
    { id: 'fitters', kind: 'firm', name: 'Fitters Ltd.' },
  ],
  users: [person('ina', 'fitters'), person('gus', 'site-90'), person('hana', 'site-90')],
  // The home's things have the small tokens, the heater of the other house the plain one.
  device_types: [
    { name: 'thing', acl: THING, acl_by_reference: true },
    { name: 'heater', acl: THING },
  ],
  grants: [
    { subject: 'gus', role: 'owner', object: 'site-90' },
    { subject: 'gus', role: 'resident', object: 'site-90' },
    { subject: 'hana', role: 'resident', object: 'site-90' },
  ],
}

let worker: Awaited<ReturnType<typeof startWorkerOn>>
let broker: Broker
let proxy: RunningProxy
let as: oauth.AuthorizationServer

beforeAll(async () => {
  worker = await startWorkerOn('node', BLUEPRINT)
  broker = await startBroker()
  proxy = await startProxy({ issuer: worker.issuer, broker: broker.url })
  await untilReady(proxy)
  as = await discover(worker.issuer)
}, 60_000)
afterAll(async () => {
  for (const { client } of opened) client.end(true)
  await proxy?.stop()
  await broker?.stop()
  await worker?.stop()
})

type Json = Record<string, unknown>
const now = () => Math.floor(Date.now() / 1000)

async function send(token: string, what: string, body?: Json | string) {
  const [method = '', path = ''] = what.split(' ')
  const isText = typeof body === 'string'
  const answer = await fetch(`${worker.issuer}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': isText ? 'application/x-ndjson' : 'application/json',
    },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  })
  return { status: answer.status, text: await answer.text() }
}

/** The answer of a call that must succeed. */
async function call(token: string, what: string, body?: Json): Promise<Json> {
  const { status, text } = await send(token, what, body)
  expect([status < 300, text], what).toEqual([true, text])
  return text === '' ? {} : (JSON.parse(text) as Json)
}

// Factory and devices

type Key = { private: CryptoKey; jwk: JWK; alg: string }

async function makeKey(alg: 'EdDSA' | 'ES256'): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { private: privateKey, jwk: await exportJWK(publicKey), alg }
}

const serial = (id: string) => ({ kind: 'serial', value: `SN-${id}` })

let claims = 0

async function claim(claim_token: string, id: string, key: Key) {
  const header = { alg: key.alg, typ: 'device-claim+jwt', jwk: key.jwk }
  const proof = await new SignJWT({ hardware_ids: [serial(id)], jti: `claim-${claims++}` })
    .setProtectedHeader(header)
    .setAudience(worker.issuer)
    .setExpirationTime('1m')
    .sign(key.private)
  const answer = await fetch(`${worker.issuer}/devices/claim`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ claim_token, proof }),
  })
  return { status: answer.status, body: (await answer.json()) as Json }
}

const joinAsDevice = async (id: string, key: Key) =>
  join(id, (await deviceToken(as, id, key.private)).access_token)

// People and their applications

const homes = new Map<string, FormBrowser>()

/** The browser of a person; cookies stay in it. */
function browserOf(id: string): FormBrowser {
  const browser = homes.get(id) ?? new FormBrowser()
  homes.set(id, browser)
  return browser
}

type Page = Awaited<ReturnType<FormBrowser['follow']>>
const isLogin = ({ html }: Page) => html?.includes('value="login"') === true
const signIn = (id: string, page: Page) =>
  browserOf(id).submit(page, {
    username: `${id}@example.com`,
    password: PASSWORD,
    action: 'login',
  })

type Link = { client_id: string; access_token: string; refresh_token: string; sub: string }

function authenticationOf(client_id: string): oauth.ClientAuth {
  return client_id === 'app' ? oauth.None() : oauth.ClientSecretBasic(OPS_SECRET)
}

const insecure = { [oauth.allowInsecureRequests]: true }

/** The code flow of a client with a person, who allows all that it asks for. */
async function link(id: string, client_id: string, wish: Record<string, string>): Promise<Link> {
  const browser = browserOf(id)
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const start = new URL(as.authorization_endpoint ?? '')
  start.search = new URLSearchParams({
    client_id,
    redirect_uri: REDIRECT,
    response_type: 'code',
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...wish,
  }).toString()
  let page = await browser.follow(start.href)
  if (isLogin(page)) page = await signIn(id, page)
  if (page.html !== null) page = await browser.submit(page, { action: 'allow' })
  expect(page.html, `${client_id} of ${id}`).toBe(null)
  const client: oauth.Client = { client_id }
  const answer = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    authenticationOf(client_id),
    oauth.validateAuthResponse(as, client, page.url, state),
    REDIRECT,
    verifier,
    insecure,
  )
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer)
  return linkOf(client_id, tokens)
}

const linkOf = (client_id: string, tokens: oauth.TokenEndpointResponse): Link => ({
  client_id,
  access_token: tokens.access_token,
  refresh_token: tokens.refresh_token ?? '',
  sub: String(claimsOf(tokens.access_token)['sub']),
})

const linkApp = (id: string) => link(id, 'app', { scope: 'mqtt offline_access' })

const linkAssistant = (id: string, device: string) => {
  const detail = { type: 'device', actions: ['device:read', 'device:command'], devices: [device] }
  return link(id, 'assistant', {
    scope: 'openid offline_access',
    authorization_details: JSON.stringify([detail]),
  })
}

const apiOf = async (id: string, scope = API) => (await link(id, 'app', { scope })).access_token

async function refresh({ client_id, refresh_token }: Link): Promise<Link> {
  const client: oauth.Client = { client_id }
  const answer = await oauth.refreshTokenGrantRequest(
    as,
    client,
    authenticationOf(client_id),
    refresh_token,
    insecure,
  )
  const tokens = await oauth.processRefreshTokenResponse(as, client, answer)
  return { ...linkOf(client_id, tokens), refresh_token: tokens.refresh_token ?? refresh_token }
}

const mailTo = async (address: string, kind: string) =>
  linkIn(await readMailTo(worker.issuer, OPS_SECRET, { address, kind }))

/** Goes behind a mailed link with a new account, or with the one that is there. */
async function accept(id: string, kind: 'invitation' | 'transfer', choice = {}, isThere = false) {
  const browser = browserOf(id)
  let page = await browser.follow(await mailTo(`${id}@example.com`, kind))
  if (isThere) {
    page = await browser.submit(page, { action: 'login' })
    if (isLogin(page)) page = await signIn(id, page)
    page = await browser.submit(page, { action: 'accept' })
  } else {
    page = await browser.submit(page, { name: id, password: PASSWORD, action: 'create', ...choice })
  }
  expect(page.html).not.toContain('id="alert"')
}

// At the broker

const opened: Connection[] = []
const at = () => ({ url: `mqtt://127.0.0.1:${proxy.port}`, version: 5 as const })

/** A session that the broker keeps for an hour. */
async function join(id: string, token: string): Promise<Connection> {
  const properties = { sessionExpiryInterval: HOUR }
  const connection = await connect({ ...at(), id, token, clean: false, properties })
  opened.push(connection)
  return connection
}

const joinWith = ({ client_id, access_token, sub }: Link) =>
  join(`${sub}:${client_id}`, access_token)
const knock = ({ client_id, access_token, sub }: Link) =>
  tryConnect({ ...at(), id: `${sub}:${client_id}`, token: access_token })

const codeOf = (error: unknown) => (error as { code?: number }).code
const HOUSES = { 'site-12': ['lamp', 'lock'], 'site-90': ['heater'] }

/** Tries all topics that there are, to hear and to say; lists those that a session may use. */
async function powerOf(session: Connection): Promise<string[]> {
  const found: string[] = []
  for (const [site, devices] of Object.entries(HOUSES)) {
    for (const device of devices) {
      const topic = `sites/${site}/devices/${device}`
      const [granted] = await session.subscribe([`${topic}/state`])
      if (granted !== 0x87) found.push(`hear ${device}`)
      for (const verb of ['set', 'test', 'state']) {
        const code = await session.publish(`${topic}/${verb}`, 'x').then(() => 0, codeOf)
        if (code !== 0x87) found.push(`${verb} ${device}`)
      }
    }
  }
  // No filter that reaches further than one house.
  const wide = ['#', 'sites/#', 'sites/+/devices/+/state', '$SYS/#']
  expect(await session.subscribe(wide)).toEqual([0x87, 0x87, 0x87, 0x87])
  return found
}

const closes = (...sessions: Connection[]) =>
  Promise.all(sessions.map((session) => session.untilClosed(SOON)))

let told = 0

/** The device tells its state, and each of the sessions hears it. Answers the message. */
async function tell(device: Connection, site: string, id: string, ...hearers: Connection[]) {
  const topic = `sites/${site}/devices/${id}/state`
  const message = `${topic} ${told++}`
  await device.publish(topic, message.slice(topic.length + 1))
  for (const { messages } of hearers) await until(message, () => messages.includes(message))
  return message
}

test('a home from the factory to its second owner', async () => {
  const ops = (await operatorToken(as)).access_token

  // The factory: three devices with keys, of which none may do anything yet.
  const keys = { lamp: await makeKey('EdDSA'), lock: await makeKey('ES256') }
  const heaterKey = await makeKey('ES256')
  const rows = [
    ...Object.entries(keys).map(([id, { jwk }]) => ({ id, status: 'unclaimed', jwk })),
    { id: 'heater', type: 'heater', groups: ['site-90'], jwk: heaterKey.jwk },
  ].map(({ id, jwk, ...row }) => ({
    id,
    type: 'thing',
    hardware_ids: [serial(id)],
    credentials: [{ kind: 'jwk', jwk }],
    ...row,
  }))
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  for (const summary of [
    { created: 3, unchanged: 0 },
    { created: 0, unchanged: 3 },
  ]) {
    const imported = await send(ops, 'POST /v1/devices/import', text)
    const last = imported.text.trim().split('\n').at(-1) ?? ''
    expect(JSON.parse(last), imported.text).toMatchObject({ summary: { ...summary, failed: 0 } })
  }
  await expect(joinAsDevice('lamp', keys.lamp)).rejects.toThrow()

  // The other house, which is to notice nothing of all that follows.
  const heater = await joinAsDevice('heater', heaterKey)
  const hana = await joinWith(await linkApp('hana'))
  expect(await powerOf(hana)).toEqual(['hear heater', 'set heater'])
  let gusLink = await linkApp('gus')
  let gus = await joinWith(gusLink)
  expect(await powerOf(gus)).toEqual(['hear heater', 'set heater', 'test heater'])

  // An afternoon: the firm has a role on the home, and a token with which its devices come in.
  const afternoon = { subject: 'fitters', role: 'installer', object: 'site-12' }
  const grant = await call(ops, 'POST /v1/grants', { ...afternoon, expires_at: now() + 4 * HOUR })
  const serials = ['lamp', 'lock'].map((id) => serial(id).value)
  const batch = await call(ops, 'POST /v1/claim-tokens', {
    ...{ type: 'thing', group: 'site-12', uses: 2, expires_in: 4 * HOUR, serials },
  })
  const claim_token = String(batch['claim_token'])
  const stranger = await claim(claim_token, 'lamp', await makeKey('EdDSA'))
  expect(stranger.status).toBe(403)
  for (const id of ['lamp', 'lock'] as const) {
    const claimed = await claim(claim_token, id, keys[id])
    expect([claimed.status, claimed.body]).toMatchObject([201, { device_id: id }])
  }
  const lamp = await joinAsDevice('lamp', keys.lamp)
  const lock = await joinAsDevice('lock', keys.lock)
  expect(await powerOf(lamp)).toEqual(['state lamp'])
  const inaLink = await linkApp('ina')
  const ina = await joinWith(inaLink)
  const fitting = ['hear lamp', 'test lamp', 'hear lock', 'test lock']
  expect(await powerOf(ina)).toEqual(fitting)
  const named = await call(await apiOf('ina', 'devices:write'), 'PATCH /v1/devices/lamp', {
    name: 'Lamp over the table',
  })
  expect(named['name']).toBe('Lamp over the table')
  await tell(lamp, 'site-12', 'lamp', ina)

  // The owner takes over, and lets the installer stay for some seconds.
  await call(ops, 'POST /v1/invitations', {
    address: 'ann@example.com',
    groups: ['site-12'],
    // The rules that an assistant gets are those of a role whose every permission it names.
    grants: ['owner', 'resident'].map((role) => ({ role, object: 'site-12' })),
  })
  await accept('ann', 'invitation')
  const annApi = await apiOf('ann')
  const annLink = await linkApp('ann')
  const ann = await joinWith(annLink)
  const owning = ['lamp', 'lock'].flatMap((id) => [`hear ${id}`, `set ${id}`, `test ${id}`])
  expect(await powerOf(ann)).toEqual(owning)
  const end = now() + 30
  await call(annApi, `PATCH /v1/grants/${grant['id']}`, { expires_at: end })
  expect(await closes(ina)).toEqual([SUPERSEDED])
  expect(await knock(inaLink)).toBe(0x86)
  const lastLink = await refresh(inaLink)
  expect(Number(claimsOf(lastLink.access_token)['exp'])).toBeLessThanOrEqual(end)
  const lastIna = await joinWith(lastLink)
  expect(await powerOf(lastIna)).toEqual(fitting)

  // Meanwhile: a resident for good, a guest until Sunday, an assistant for the lamp.
  const sunday = now() + 3 * 24 * HOUR
  for (const [id, role, expires_at] of [
    ['bob', 'resident', null],
    ['gus', 'guest', sunday],
  ] as const) {
    await call(annApi, 'POST /v1/invitations', {
      address: `${id}@example.com`,
      groups: ['site-12'],
      grants: [{ role, object: 'site-12', expires_at }],
    })
    await accept(id, 'invitation', {}, id === 'gus')
  }
  const bobLink = await linkApp('bob')
  const bob = await joinWith(bobLink)
  expect(await powerOf(bob)).toEqual(['hear lamp', 'set lamp', 'hear lock', 'set lock'])
  // More rights end no session: gus fetches a token when he likes.
  expect(gus.isClosed()).toBe(false)
  await gus.end()
  gusLink = await refresh(gusLink)
  gus = await joinWith(gusLink)
  const own = ['hear heater', 'set heater', 'test heater']
  expect(await powerOf(gus)).toEqual(['hear lamp', 'hear lock', ...own])
  const assistantLink = await linkAssistant('ann', 'lamp')
  const assistant = await joinWith(assistantLink)
  expect(await powerOf(assistant)).toEqual(['hear lamp', 'set lamp'])
  const heaterLink = await linkAssistant('gus', 'heater')
  // A token of the lock for a machine of the owner, which the next one will not want.
  const minted = await call(annApi, 'POST /v1/devices/lock/tokens', { expires_in: 24 * HOUR })
  const bridge = await join('lock:bridge', String(minted['access_token']))
  expect(await powerOf(bridge)).toEqual(['state lock'])
  await tell(lamp, 'site-12', 'lamp', ann, bob, gus, assistant)
  await tell(heater, 'site-90', 'heater', hana, gus)

  // The afternoon is over, and its grant is no more part of what ends below.
  expect(await lastIna.untilClosed(30 + 6)).toBe(SUPERSEDED)
  const afterwards = await joinWith(await refresh(lastLink))
  expect(await powerOf(afterwards)).toEqual([])

  // The home is sold.
  const offer = { to: 'zoe@example.com', expires_in: HOUR }
  const dry = await call(annApi, 'POST /v1/groups/site-12/transfer', { ...offer, dry_run: true })
  expect(dry['ends']).toMatchObject({
    people: 3,
    grants: 4,
    memberships: 3,
    authorizations: 1,
    tokens: 1,
  })
  await call(annApi, 'POST /v1/groups/site-12/transfer', offer)
  await tell(lamp, 'site-12', 'lamp', ann, bob, gus, assistant)
  await accept('zoe', 'transfer', { end_tokens: '1' })
  expect(await closes(ann, bob, gus, assistant, bridge)).toEqual([
    ...[SUPERSEDED, SUPERSEDED, SUPERSEDED],
    ...[ENDED, ENDED],
  ])

  // The new owner has it all, and the devices went on.
  const zoeLink = await linkApp('zoe')
  const zoe = await joinWith(zoeLink)
  expect(await powerOf(zoe)).toEqual(owning)
  await tell(lamp, 'site-12', 'lamp', zoe)
  await tell(lock, 'site-12', 'lock', zoe)
  const zoeApi = await apiOf('zoe')
  expect(await call(zoeApi, 'GET /v1/devices/lamp')).toMatchObject({ id: 'lamp' })
  const events = (await call(zoeApi, 'GET /v1/events'))['items'] as { type: string }[]
  const types = events.map(({ type }) => type)
  expect(types).toContain('place.transferred')
  for (const earlier of ['device.claimed', 'invitation.created', 'grant.updated']) {
    expect(types).not.toContain(earlier)
  }

  const mine = { subject: zoeLink.sub, role: 'resident', object: 'site-12' }
  await call(zoeApi, 'POST /v1/grants', mine)
  const zoeAssistant = await joinWith(await linkAssistant('zoe', 'lamp'))
  expect(await powerOf(zoeAssistant)).toEqual(['hear lamp', 'set lamp'])

  // Nothing is left to anybody of before: neither with old tokens nor with new ones.
  expect(await Promise.all([annLink, bobLink, gusLink].map(knock))).toEqual([0x86, 0x86, 0x86])
  expect(await knock(assistantLink)).toBe(0x87)
  await expect(refresh(assistantLink)).rejects.toMatchObject({ error: 'invalid_grant' })
  for (const before of [annLink, bobLink]) {
    expect(await powerOf(await joinWith(await refresh(before))), before.sub).toEqual([])
  }
  expect((await send(annApi, 'GET /v1/devices/lamp')).status).toBe(403)
  expect((await send(annApi, 'GET /v1/events')).status).toBe(403)
  // The token of the afternoon ended with the sale, for the lamp's own key too.
  const late = await claim(claim_token, 'lamp', keys.lamp)
  expect([late.status, late.body['error']]).toEqual([400, 'invalid_grant'])

  // The guest comes back to the session that the broker kept. Of what both houses told meanwhile, in
  // this order, the own one alone arrives.
  await tell(lamp, 'site-12', 'lamp', zoe)
  const missed = await tell(heater, 'site-90', 'heater', hana)
  gus = await joinWith(await refresh(gusLink))
  expect(gus.packets[0]).toMatchObject({ cmd: 'connack', sessionPresent: true })
  await until('the state of the own house', () => gus.messages.includes(missed))
  expect(gus.messages).toEqual([missed])
  expect(await powerOf(gus)).toEqual(own)
  const heaterAssistant = await joinWith(await refresh(heaterLink))
  expect(await powerOf(heaterAssistant)).toEqual(['hear heater', 'set heater'])

  // All the time, the other house and the devices kept their first connections.
  expect([heater, hana, lamp, lock].map((session) => session.isClosed())).not.toContain(true)
}, 120_000)
