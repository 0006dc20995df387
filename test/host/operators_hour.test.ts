// An operator's hour with the real programs, on one start of worker, broker and mProxy: a backup
// under load and its restore, a new SECRET_KEY, a leaked signing key, a stolen account, and the
// record of who was refused what. Each part has tests of its own elsewhere; here they follow each
// other on one database, as docs/backup.md, keys.md, management.md and events.md tell it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import type * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import {
  claimsOf,
  codeFlow,
  deviceToken,
  discover,
  FormBrowser,
  makeBlueprint,
  operatorToken,
  PASSWORD,
  refresh,
} from './black_box.ts'
import { type Connection, connect } from './mproxy_fixtures/clients.ts'
import {
  type Broker,
  type RunningProxy,
  startBroker,
  startProxy,
  untilReady,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'
import { type Program, type RunningWorker, run, runCli, startWorkerOn } from './programs.ts'

const DIARY = {
  client_id: 'diary',
  client_secret: 'diary-secret-of-at-least-32-characters-01',
  redirect_uris: ['https://diary.example/cb'],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'openid offline_access',
  subject_type: 'pairwise',
  access_token_format: 'paseto',
}
const NEW_PASSWORD = 'a new one that nobody else has read'

let first: RunningWorker
let broker: Broker
let proxy: RunningProxy
let deviceKey: CryptoKey
let as: oauth.AuthorizationServer
const elsewhere = temporaryFolder()
/** Servers on the restored database, by port. */
const servers = new Map<string, Program>()
let SECRET_KEY: string

beforeAll(async () => {
  const { blueprint, ...keys } = await makeBlueprint()
  deviceKey = keys.deviceKey
  const clients = [...blueprint.clients, DIARY]
  broker = await startBroker()
  first = await startWorkerOn('node', { ...blueprint, clients })
  as = await discover(first.issuer)
  SECRET_KEY = readFileSync(join(first.folder, '.allauth/secret_key'), 'utf8')
}, 90_000)
afterAll(async () => {
  await proxy?.stop()
  for (const server of servers.values()) await server.stop()
  await first?.stop()
  await broker?.stop()
  elsewhere.remove()
})

async function startServer(port: string): Promise<void> {
  await servers.get(port)?.stop()
  const program = run(process.execPath, [join(ROOT, 'worker/entry/node.ts')], {
    cwd: elsewhere.path,
    env: { PORT: port, ISSUER: first.issuer, SECRET_KEY },
  })
  servers.set(port, program)
  await program.printed(/listens on/, 60)
}

const cli = async (...args: string[]) => {
  const env = { ISSUER: first.issuer, SECRET_KEY }
  const { code, output } = await runCli(args, elsewhere.path, env)
  expect(code, output).toBe(0)
  return output
}

async function call(method: string, path: string, body?: object, token?: string) {
  const bearer = token ?? (await operatorToken(as)).access_token
  const answer = await fetch(first.issuer + path, {
    method,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? {} : JSON.parse(text) }
}

const userinfo = async (token: string, origin = first.issuer) => {
  const headers = { authorization: `Bearer ${token}` }
  return (await fetch(`${origin}/oauth/userinfo`, { headers })).status
}

const basic = (id: string, secret: string) => ({
  authorization: `Basic ${btoa(`${id}:${secret}`)}`,
})

/** A request at the token endpoint by the pairwise client. */
async function diary(form: Record<string, string>, secret = DIARY.client_secret) {
  const answer = await fetch(`${first.issuer}/oauth/token`, {
    method: 'POST',
    headers: basic(DIARY.client_id, secret),
    body: new URLSearchParams(form),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, string> }
}

/** Signs the person in to the pairwise client and redeems the code. */
async function openDiary(password = PASSWORD) {
  const verifier = 'v'.repeat(43)
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  const [redirect_uri = ''] = DIARY.redirect_uris
  const query = new URLSearchParams({
    client_id: DIARY.client_id,
    redirect_uri,
    response_type: 'code',
    scope: DIARY.scope,
    code_challenge: Buffer.from(digest).toString('base64url'),
    code_challenge_method: 'S256',
  })
  const browser = new FormBrowser()
  const login = await browser.follow(`${as.authorization_endpoint}?${query}`)
  const typed = { username: 'ann@example.com', password, action: 'login' }
  let page = await browser.submit(login, typed)
  if (page.html !== null) page = await browser.submit(page, { action: 'allow' })
  const code = page.url.searchParams.get('code') ?? ''
  const grant_type = 'authorization_code'
  const { status, body } = await diary({ grant_type, code, redirect_uri, code_verifier: verifier })
  expect([status, body]).toEqual([200, expect.anything()])
  const { sub } = claimsOf(body['id_token'] ?? '')
  return {
    access_token: body['access_token'] ?? '',
    refresh_token: body['refresh_token'] ?? '',
    sub,
  }
}

const keptBy = async (browser: FormBrowser) =>
  (await browser.follow(`${first.issuer}/account`)).url.pathname === '/account'

let subOfDiary: unknown

test('a copy made under load comes back elsewhere: passwords and keys live, what was given out is dead', async () => {
  const { tokens, browser } = await codeFlow(as, 'openid offline_access')
  const past = await openDiary()
  subOfDiary = past.sub
  const old = (await operatorToken(as)).access_token
  const mint = await call('POST', '/v1/devices/dim-0042/tokens', { expires_in: 86_400 })
  expect(mint.status).toBe(201)
  const acknowledged: string[] = []
  let isOver = false
  const write = async (writer: number) => {
    for (let n = 0; !isOver; n++) {
      const group = { id: `room-${writer}-${n}`, kind: 'room', name: 'Room' }
      if ((await call('POST', '/v1/groups', group, old)).status === 201) acknowledged.push(group.id)
    }
  }
  const writers = [1, 2, 3, 4].map(write)
  await until('writes', () => acknowledged.length > 40)
  const before = [...acknowledged]
  const copy = join(elsewhere.path, 'copy.db')
  const made = await runCli(['backup', copy], first.folder)
  expect(made.code, made.output).toBe(0)
  isOver = true
  await Promise.all(writers)
  await first.process.kill('SIGTERM')
  await first.exit
  expect(await cli('restore', copy)).toContain('A new epoch has begun')
  const restored_at = Math.floor(Date.now() / 1000)
  await startServer(new URL(first.issuer).port)

  const { access_token: again } = await operatorToken(as)
  for (const id of before) {
    expect((await call('GET', `/v1/groups/${id}`, undefined, again)).status, id).toBe(200)
  }
  expect(await userinfo(tokens.access_token)).toBe(401)
  expect(await userinfo(past.access_token)).toBe(401)
  await expect(refresh(as, tokens.refresh_token ?? '')).rejects.toThrow()
  const grant_type = 'refresh_token'
  expect((await diary({ grant_type, refresh_token: past.refresh_token })).status).toBe(400)
  expect((await call('GET', '/v1/users', undefined, old)).status).toBe(401)
  expect(await keptBy(browser)).toBe(false)
  const tokensOfDevice = await call('GET', '/v1/devices/dim-0042/tokens')
  expect(tokensOfDevice.body.items).toMatchObject([{ revoked_at: expect.any(Number) }])
  // Password, secret and device key are those of before, and so is the name of the person.
  expect((await openDiary()).sub).toBe(subOfDiary)
  // An assertion of the very second of the restore counts as one of the past.
  await until('the second after the restore', () => Date.now() / 1000 > restored_at + 1)
  expect((await deviceToken(as, 'dim-0042', deviceKey)).access_token).not.toBe('')
}, 90_000)

test('SECRET_KEY is rotated on two servers and the old one dropped; sign-ins and PASETOs go on', async () => {
  const before = await openDiary()
  const app = await codeFlow(as, 'openid offline_access')
  const one = new URL(first.issuer).port
  const two = String(await findFreePort())
  await startServer(two)
  const OLD = SECRET_KEY
  const NEW = Buffer.alloc(32, 7).toString('base64url')
  SECRET_KEY = `${NEW},${OLD}`
  await startServer(two)
  // The other one still has the old key alone, and opens all that is made meanwhile.
  expect(await userinfo(before.access_token)).toBe(200)
  expect(await userinfo(before.access_token, `http://localhost:${two}`)).toBe(200)
  await startServer(one)
  expect(await cli('key', 'reseal')).toContain('sealed anew')
  expect(await cli('key', 'status')).toMatch(
    /older .* 0 signing keys, 0 stored secrets.* must stay/,
  )

  // A day goes by: nothing but the time of the new key tells.
  const database = new Database(join(elsewhere.path, '.allauth/allauth.db'), {})
  database.exec(
    'update secret_key set first_seen_at = first_seen_at - 90000, seals_from = seals_from - 90000',
  )
  database.close()
  expect(await cli('key', 'status')).toMatch(/older .* may be dropped/)
  SECRET_KEY = NEW
  await startServer(two)
  await startServer(one)
  expect(await userinfo(before.access_token)).toBe(200)
  expect((await refresh(as, app.tokens.refresh_token ?? '')).access_token).not.toBe('')
  expect((await openDiary()).sub).toBe(subOfDiary)
  await servers.get(two)?.stop()
  const behind = run(process.execPath, [join(ROOT, 'worker/entry/node.ts')], {
    cwd: elsewhere.path,
    env: { PORT: two, ISSUER: first.issuer, SECRET_KEY: OLD },
  })
  expect(await behind.exit).toBe(2)
  expect(behind.output()).toContain('SECRET_KEY does not open the signing keys')
}, 90_000)

test('a leaked signing key is revoked: sessions at mProxy end, and clients get new tokens at once', async () => {
  proxy = await startProxy({ issuer: first.issuer, broker: broker.url })
  await untilReady(proxy)
  const join = async (id: string): Promise<Connection> => {
    const { access_token } = await deviceToken(as, 'dim-0042', deviceKey)
    const url = `mqtt://127.0.0.1:${proxy.port}`
    return connect({ url, version: 5, id, token: access_token })
  }
  const session = await join('dim-0042')
  const leaked = (await operatorToken(as)).access_token
  const { kid } = JSON.parse(Buffer.from(leaked.split('.')[0] ?? '', 'base64url').toString())
  const revoked = await call('DELETE', `/v1/keys/${kid}`)
  expect(revoked.body).toMatchObject({ kid, successor: { status: 'current' } })
  expect((await call('GET', '/v1/users', undefined, leaked)).status).toBe(401)
  expect(session.isClosed()).toBe(false)
  // The next device has a token of the new key, so mProxy reads the keys.
  const next = await join('dim-0042:b')
  expect(await session.untilClosed()).toBe(0x98)
  expect(next.isClosed()).toBe(false)
  await next.end()
}, 60_000)

test('a stolen account is locked out and comes back clean', async () => {
  const { items } = (await call('GET', '/v1/users?email=ann@example.com')).body as {
    items: { id: string }[]
  }
  const [{ id } = { id: '' }] = items
  const app = await codeFlow(as, 'openid offline_access')
  const past = await openDiary()
  const isDead = async () => {
    expect(await userinfo(app.tokens.access_token)).toBe(401)
    expect(await userinfo(past.access_token)).toBe(401)
    await expect(refresh(as, app.tokens.refresh_token ?? '')).rejects.toThrow()
    const grant_type = 'refresh_token'
    expect((await diary({ grant_type, refresh_token: past.refresh_token })).status).toBe(400)
    expect(await keptBy(app.browser)).toBe(false)
  }
  expect((await call('PATCH', `/v1/users/${id}`, { status: 'disabled' })).status).toBe(200)
  expect((await call('DELETE', `/v1/users/${id}/sessions`)).status).toBe(204)
  await isDead()
  const overHttp = (await call('POST', `/v1/users/${id}/reset`)).body.url as string
  const [link = ''] = /http\S+/.exec(await cli('user', 'reset', 'ann@example.com')) ?? []
  const browser = new FormBrowser()
  expect((await browser.follow(overHttp)).html).toContain('a newer link took its place')
  const done = await browser.submit(await browser.follow(link), { password: NEW_PASSWORD })
  expect(done.html).toContain('Your password is changed')
  expect((await call('PATCH', `/v1/users/${id}`, { status: 'active' })).status).toBe(200)
  await isDead()
  expect((await openDiary(NEW_PASSWORD)).sub).toBe(subOfDiary)
  const stranger = new FormBrowser()
  const typed = { username: 'ann@example.com', password: PASSWORD, action: 'login' }
  const login = await stranger.follow(`${first.issuer}/login`)
  expect((await stranger.submit(login, typed)).html).toContain('E-mail or password is not right')

  // The record of the person has it all, also what the pairwise client was refused.
  const expected = [
    'user.updated',
    'user.sessions_ended',
    'user.password_reset',
    'token.refused app',
    'token.refused diary',
  ]
  await until('the whole record', async () => {
    const record = await call('GET', `/v1/events?object=${id}&limit=200`)
    const seen = (record.body.items as { type: string; client_id: string }[]).map((event) =>
      event.type === 'token.refused' ? `${event.type} ${event.client_id}` : event.type,
    )
    return expected.every((type) => seen.includes(type))
  })
}, 60_000)

test('the events tell who was refused what, from which address and how often', async () => {
  for (let i = 0; i < 3; i++) {
    const wrong = await diary({ grant_type: 'refresh_token', refresh_token: 'x' }, 'w'.repeat(40))
    expect(wrong.status).toBe(401)
  }
  expect((await diary({ grant_type: 'refresh_token', refresh_token: 'x' })).status).toBe(400)
  const weak = (await operatorToken(as, 'users:read')).access_token
  const grant = { subject: 'ann@example.com', role: 'operator', object: '*' }
  expect((await call('POST', '/v1/grants', grant, weak)).status).toBe(403)

  const find = async (query: string) => (await call('GET', `/v1/events?${query}`)).body.items
  await until('the events behind the answers', async () => {
    const found = await find('type=escalation.refused')
    return found.length > 0
  })
  const count = (found: { data: { count: number } }[]) =>
    found.reduce((sum, { data }) => sum + data.count, 0)
  const guesses = await until('all wrong secrets', async () => {
    const found = await find('type=client_authentication.failed&object=diary')
    return count(found) === 3 && found
  })
  expect(guesses[0]).toMatchObject({
    address: '127.0.0.1',
    subject_id: 'diary',
    data: { reason: 'wrong_secret' },
  })
  expect(await find('type=token.refused&client_id=diary')).toContainEqual(
    expect.objectContaining({ data: expect.objectContaining({ reason: 'unknown_refresh_token' }) }),
  )
  expect(await find('type=escalation.refused&actor_id=ops')).toMatchObject([
    { outcome: 'failure', data: { reason: 'scope_not_held', count: 1 } },
  ])
  expect((await call('GET', '/v1/events?typ=x')).status).toBe(400)
}, 60_000)
