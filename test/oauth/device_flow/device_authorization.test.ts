// The device grant (RFC 8628) from both sides: a device that polls, and a person who types its code in a browser.
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { beforeEach, describe, expect, test } from 'vitest'
import { applyBlueprint } from '../../../worker/admin/blueprint.ts'
import { sql } from '../../../worker/db/sql.ts'
import { createUser } from '../../../worker/identity/users.ts'
import { runJobs } from '../../../worker/jobs.ts'
import { signJwt } from '../../../worker/keys/jwt.ts'
import { changeClient, createClient } from '../../../worker/oauth/clients/clients.ts'
import { DEFAULT_SETTINGS, updateSetting } from '../../../worker/settings.ts'
import { countRoundTrips, ISSUER, startWorker, type TestWorker } from '../../context.ts'
import { alertOf, Browser, formFields, type Page } from '../../identity/browser.ts'
import { giveRole, pathOf, rowsOf, signIn } from '../flow.ts'
import {
  AS,
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
  overtaken,
  post,
  refresh,
  row,
  type Signer,
  setStatus,
  token,
  write,
} from '../token_fixtures.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const SERVER = { ...AS, device_authorization_endpoint: `${ISSUER}/oauth/device_authorization` }
const TV = {
  client_id: 'tv',
  client_name: 'Living Room TV',
  token_endpoint_auth_method: 'none',
  grant_types: [GRANT, 'refresh_token'],
  scope: 'openid profile offline_access mqtt users:read',
  resources: ['https://films.example/'],
} as const

let worker: TestWorker
let browser: Browser

beforeEach(async () => {
  worker = await startWorker()
  await worker.request('/.well-known/jwks.json')
  const cx = worker.context()
  await createUser(cx, { id: 'ann', email: 'ann@example.com' })
  await createUser(cx, { id: 'bob', email: 'bob@example.com' })
  await createClient(cx, { ...TV, grant_types: [...TV.grant_types], resources: [...TV.resources] })
  browser = new Browser(worker)
  await signIn(worker, browser, 'ann')
})

const begin = async (more: Record<string, string> = {}) => {
  const { status, body, headers } = await post(worker, '/oauth/device_authorization', {
    client_id: 'tv',
    scope: 'openid offline_access',
    ...more,
  })
  const { device_code, user_code } = body as { device_code: string; user_code: string }
  return { status, body, headers, device_code, user_code }
}

const poll = (
  device_code: string,
  more: Record<string, string> = {},
  at: Pick<TestWorker, 'request'> = worker,
) => token(at, { grant_type: GRANT, device_code, client_id: 'tv', ...more })

const type = async (code: string, by = browser): Promise<Page> =>
  by.submit(await by.get('/device'), { code, action: 'continue' })

const answer = (page: Page, action: 'allow' | 'deny', by = browser) => by.submit(page, { action })

/** A code that a person has allowed. */
async function allowed(more: Record<string, string> = {}) {
  const begun = await begin(more)
  const page = await answer(await type(begun.user_code), 'allow')
  if (page.status !== 200 || !page.html.includes('The device is connected')) {
    throw new Error(page.html)
  }
  return begun
}

const stateOf = (device_code: string) =>
  row(
    worker,
    sql<{ status: string; user_id: string | null; interval: number; scope: string }>`
      select status, user_id, interval, scope from device_authorization
      where redeemed_by is null and ${device_code} <> '' order by created_at desc limit 1`,
  )

describe('the device authorization endpoint', () => {
  test('gives a code for the device and one for the person, and stores neither as it is', async () => {
    const { value, roundTrips } = await countRoundTrips(worker, () => begin())
    const { status, body, headers, device_code, user_code } = value
    expect([status, roundTrips]).toEqual([200, 2])
    expect(user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
    expect(device_code).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(body).toEqual({
      device_code,
      user_code,
      verification_uri: `${ISSUER}/device`,
      verification_uri_complete: `${ISSUER}/device?user_code=${user_code}`,
      expires_in: 600,
      interval: 5,
    })
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('access-control-allow-origin')).toBe('*')
    const stored = JSON.stringify(await row(worker, sql`select * from device_authorization`))
    for (const secret of [device_code, user_code, user_code.replace('-', '')]) {
      expect(stored).not.toContain(secret)
    }
  })

  test('is announced, answers browsers of any origin, and takes POST alone', async () => {
    const metadata = await (await worker.request('/.well-known/openid-configuration')).json()
    expect(metadata).toMatchObject({
      device_authorization_endpoint: `${ISSUER}/oauth/device_authorization`,
      grant_types_supported: expect.arrayContaining([GRANT]),
    })
    const path = '/oauth/device_authorization'
    const preflight = await worker.request(path, { method: 'OPTIONS' })
    expect(preflight.headers.get('access-control-allow-methods')).toBe('POST')
    expect((await worker.request(path)).status).toBe(405)
    const inQuery = await post(worker, `${path}?client_id=tv`, { scope: 'openid' })
    expect(inQuery.body.error).toBe('invalid_request')
  })

  test('codes live as long as the setting says', async () => {
    await write(worker, updateSetting(worker.context(), 'device_code_ttl', 60))
    worker.memory.delete('settings')
    const { body, user_code, device_code } = await begin()
    expect(body['expires_in']).toBe(60)
    worker.clock.now += 60
    expect((await poll(device_code)).body.error).toBe('expired_token')
    expect((await type(user_code)).status).toBe(400)
  })

  test.each([
    ['a scope that the client is not registered for', { scope: 'openid email' }, 'invalid_scope'],
    ['a management scope it lacks', { scope: 'users:write' }, 'invalid_scope'],
    ['no scope', { scope: '' }, 'invalid_scope'],
    ['a resource of others', { resource: 'https://bank.example/' }, 'invalid_target'],
    ['a resource that is no URI', { resource: 'films' }, 'invalid_target'],
    ['an unknown client', { client_id: 'nobody' }, 'invalid_client'],
    ['a client without this grant', { client_id: 'web' }, 'unauthorized_client'],
    ['a secret of a client that has none', { client_secret: 'x'.repeat(40) }, 'invalid_client'],
  ])('refuses %s', async (_, more, error) => {
    await createClient(worker.context(), {
      client_id: 'web',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['https://web.example/cb'],
      scope: 'openid',
    })
    const { body, status } = await begin(more as Record<string, string>)
    expect([body.error, status]).toEqual([error, error === 'invalid_client' ? 401 : 400])
    expect(await count(worker, sql`from device_authorization`)).toBe(0)
  })

  test('a scope that nobody knows is left out, and one that the client may not have is named', async () => {
    const { device_code } = await allowed({ scope: 'openid frobnicate' })
    expect((await poll(device_code)).body.scope).toBe('openid')
    const refused = await begin({ scope: 'openid email frobnicate' })
    expect(refused.body).toMatchObject({
      error: 'invalid_scope',
      error_description: expect.stringMatching(/: email$/),
    })
    expect((await begin({ scope: 'frobnicate' })).body.error).toBe('invalid_scope')
  })

  test('a confidential client has to prove itself here and when it polls', async () => {
    const signer = await makeSigner('ES256')
    await createClient(worker.context(), {
      client_id: 'hub',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk as never] },
      grant_types: [GRANT],
      scope: 'mqtt',
    })
    const bare = await begin({ client_id: 'hub', scope: 'mqtt' })
    expect(bare.body.error).toBe('invalid_client')
    const send = async (text: string) =>
      post(worker, '/oauth/device_authorization', { scope: 'mqtt', ...asserted(text) })
    const used = await assertion(worker, signer, 'hub')
    const first = await send(used)
    expect(first.status).toBe(200)
    const replayed = await send(used)
    expect(replayed.body.error).toBe('invalid_client')
    expect(await count(worker, sql`from device_authorization`)).toBe(1)

    const code = String(first.body['device_code'])
    await answer(await type(String(first.body['user_code'])), 'allow')
    const ask = (text: string) =>
      token(worker, { grant_type: GRANT, device_code: code, ...asserted(text) })
    const unproven = await poll(code, { client_id: 'hub' })
    expect(unproven.body.error).toBe('invalid_client')
    expect((await ask(used)).body.error).toBe('invalid_client')
    expect(await count(worker, sql`from authorization`)).toBe(0)
    const tokens = await ask(await assertion(worker, signer, 'hub'))
    expect(tokens.body).toMatchObject({ scope: 'mqtt', token_type: 'Bearer' })
  })

  test('a device of the registry cannot use it', async () => {
    await addDevice(worker, 'lamp', { secret: 'a lamp’s secret' })
    const { device_code } = await allowed()
    const headers = basic('lamp', 'a lamp’s secret')
    const begun = await post(worker, '/oauth/device_authorization', { scope: 'mqtt' }, headers)
    expect(begun.body.error).toBe('unauthorized_client')
    const polled = await token(worker, { grant_type: GRANT, device_code }, headers)
    expect(polled.body.error).toBe('unauthorized_client')
    expect((await poll(device_code)).status).toBe(200)
  })

  test('a batch whose answer was lost gives the one code', async () => {
    const lost = await post(losingAnswers(worker), '/oauth/device_authorization', {
      client_id: 'tv',
      scope: 'openid',
    })
    expect(lost.status).toBe(200)
    expect(await count(worker, sql`from device_authorization`)).toBe(1)
    expect((await poll(String(lost.body['device_code']))).body.error).toBe('authorization_pending')
  })
})

describe('the page', () => {
  test('is for people who are signed in; others come back to it with their code', async () => {
    const stranger = new Browser(worker)
    const plain = await stranger.get('/device')
    expect(pathOf(plain)).toBe('/login?return_to=%2Fdevice')
    const { user_code } = await begin()
    const filled = await stranger.get(`/device?user_code=${user_code}`)
    expect(new URLSearchParams(pathOf(filled).split('?')[1]).get('return_to')).toBe(
      `/device?user_code=${user_code}`,
    )
    // A session that ended between the page and its form.
    const page = await browser.get('/device')
    await write(worker, sql`delete from session`)
    const late = await browser.submit(page, { code: user_code, action: 'continue' })
    expect(pathOf(late)).toMatch(/^\/login\?return_to=%2Fdevice/)
  })

  test('fills in a code from the address, and decides nothing by it', async () => {
    const { user_code, device_code } = await begin()
    const page = await browser.get(`/device?user_code=${user_code.toLowerCase()}`)
    expect(page.status).toBe(200)
    expect(formFields(page)['code']).toBe(user_code)
    expect(page.html).not.toContain('Living Room TV')
    expect(page.html).not.toContain('<script')
    expect((await poll(device_code)).body.error).toBe('authorization_pending')
    const evil = await browser.get('/device?user_code=%22%3E%3Cscript%3E')
    expect(formFields(evil)['code']).toBe('')
  })

  test('cannot be framed, kept, or read by other origins', async () => {
    const { user_code } = await begin()
    for (const page of [await browser.get('/device'), await type(user_code)]) {
      expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      expect(page.headers.get('x-frame-options')).toBe('DENY')
      expect(page.headers.get('cache-control')).toBe('no-store')
      expect(page.headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  test('shows who asks for what, the code to compare, and warns of codes that others sent', async () => {
    const { user_code } = await begin({
      scope: 'openid profile',
      resource: 'urn:allauth:mqtt',
    })
    const page = await type(` ${user_code.toLowerCase().replace('-', ' ')} `)
    expect(page.status).toBe(200)
    for (const text of [
      'Living Room TV',
      'tv',
      'ann@example.com',
      user_code,
      'know who you are',
      'see your name and language',
      'see and control the devices that you may use',
      'only if you have the device in front of you',
    ]) {
      expect(page.html).toContain(text)
    }
    const [, other = ''] = /href="(\/login[^"]*)"/.exec(page.html) ?? []
    expect(decodeURIComponent(decodeURIComponent(other))).toContain(
      `/device?user_code=${user_code}`,
    )
    expect(page.html).toMatch(/name="action" value="allow"[\s\S]*name="action" value="deny"/)
  })

  test.each<[string, string, boolean]>([
    ['with offline_access', 'openid offline_access', true],
    ['without openid', 'profile', true],
    ['of openid, which gives no refresh token', 'openid profile', false],
  ])('says that access lasts exactly where it does: %s', async (_, scope, lasts) => {
    const { device_code, user_code } = await begin({ scope })
    const page = await type(user_code)
    expect(page.html.split('keep this access while you are away')).toHaveLength(lasts ? 2 : 1)
    await answer(page, 'allow')
    expect((await poll(device_code)).body.refresh_token !== undefined).toBe(lasts)
  })

  test.each(['', 'AAAA-AAAA', 'BCDF', 'BCDF-GHJKL', '\u{1d401}CDFGHJK', 'x'.repeat(1000)])(
    'takes %j for no code, and does not count it',
    async (code) => {
      const page = await type(code)
      expect(page.status).toBe(400)
      expect(alertOf(page)).toContain('not right')
      expect(await count(worker, sql`from attempt`)).toBe(0)
    },
  )

  test('forms of other sites are refused, for the code as for the answer', async () => {
    const { user_code, device_code } = await begin()
    const confirm = await type(user_code)
    const cross = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    for (const action of ['continue', 'allow', 'deny']) {
      const fields = { ...formFields(confirm), action }
      expect((await browser.post('/device', fields, cross)).status).toBe(403)
      expect((await browser.post('/device', { ...fields, csrf: 'x.y' })).status).toBe(403)
    }
    expect(await stateOf(device_code)).toMatchObject({ status: 'pending', user_id: null })
    const unknown = await browser.submit(confirm, { action: 'approve' })
    expect(unknown.status).toBe(400)
  })

  test('takes 1 round trip, a code 2, an answer 2', async () => {
    const { user_code } = await begin()
    const page = await countRoundTrips(worker, () => browser.get('/device'))
    const typed = await countRoundTrips(worker, () =>
      browser.submit(page.value, { code: user_code, action: 'continue' }),
    )
    const done = await countRoundTrips(worker, () => answer(typed.value, 'allow'))
    const counts = [page.roundTrips, typed.roundTrips, done.roundTrips]
    console.log('round trips of /device', counts)
    expect(counts).toEqual([1, 2, 2])
  })
})

describe('an answer', () => {
  test('without the question is none: nobody allows what was not shown', async () => {
    const { user_code, device_code } = await begin()
    const fields = formFields(await browser.get('/device'))
    for (const request of ['', 'x', formFields(await type(user_code))['csrf'] ?? '']) {
      const page = await browser.post('/device', {
        ...fields,
        code: user_code,
        request,
        action: 'allow',
      })
      expect([page.status, alertOf(page)]).toEqual([200, undefined])
    }
    expect(await stateOf(device_code)).toMatchObject({ status: 'pending', user_id: null })
  })

  test('to the question of another person, session or code is none', async () => {
    const [mine, other] = [await begin(), await begin()]
    const question = formFields(await type(mine.user_code))
    const bob = new Browser(worker)
    await signIn(worker, bob, 'bob')
    const again = new Browser(worker)
    await signIn(worker, again, 'ann')
    const send = async (by: Browser, code: string) => {
      const { csrf = '' } = formFields(await by.get('/device'))
      return by.post('/device', { ...question, csrf, code, action: 'allow' })
    }
    for (const page of [
      await send(bob, mine.user_code),
      await send(again, mine.user_code),
      await send(browser, other.user_code),
    ]) {
      expect(formFields(page)).not.toHaveProperty('request')
      expect(page.html).not.toContain('connected')
    }
    expect(await count(worker, sql`from device_authorization where status <> 'pending'`)).toBe(0)
  })

  test('of one who may less than was shown is asked anew', async () => {
    await giveRole(worker, 'ann', 'operator')
    const { user_code, device_code } = await begin({ scope: 'users:read openid' })
    const page = await type(user_code)
    expect(page.html).toContain('see people in your name')
    await write(worker, sql`delete from "grant"`)
    expect((await answer(page, 'allow')).html).not.toContain('connected')
    expect(await stateOf(device_code)).toMatchObject({ status: 'pending' })
  })

  test('counts once, and is noted once, however often the form or the batch is sent', async () => {
    const { user_code } = await begin()
    const page = await type(user_code)
    const both = await Promise.all([answer(page, 'allow'), answer(page, 'allow')])
    expect(both.filter(({ html }) => html.includes('connected')).length).toBeGreaterThanOrEqual(1)
    expect((await answer(page, 'deny')).html).not.toContain('Nothing was connected')
    const events = (await rowsOf(worker, 'event')).filter(({ type }) =>
      String(type).startsWith('authorization.'),
    )
    expect(events).toMatchObject([
      { type: 'authorization.allowed', actor_id: 'ann', subject_id: 'ann' },
    ])
  })

  test('may be no: the device hears access_denied, and the code is of no more use', async () => {
    const { user_code, device_code } = await begin()
    const page = await answer(await type(user_code), 'deny')
    expect(page.html).toContain('Nothing was connected')
    const told = await poll(device_code)
    expect([told.status, told.body.error]).toEqual([400, 'access_denied'])
    expect((await type(user_code)).status).toBe(400)
    expect(await count(worker, sql`from authorization`)).toBe(0)
    expect((await rowsOf(worker, 'event')).at(-1)).toMatchObject({ type: 'authorization.denied' })
  })

  test.each([
    ['the session ended', sql`delete from session`],
    ['the person was disabled', sql`update user set status = 'disabled'`],
    ['the client was disabled', sql`update client set status = 'disabled'`],
    ['the code ran out', sql`update device_authorization set expires_at = 1`],
    ['the code was denied', sql`update device_authorization set status = 'denied'`],
  ])('is judged by the state of its moment: not when %s meanwhile', async (_, end) => {
    const { user_code, device_code } = await begin()
    const fields = formFields(await type(user_code))
    const page = await overtaken(worker, () => write(worker, end)).request('/device', {
      method: 'POST',
      body: new URLSearchParams({ ...fields, action: 'allow' }).toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      },
    })
    expect(page.status).toBe(400)
    expect((await stateOf(device_code)).status).not.toBe('allowed')
    const events = await rowsOf(worker, 'event')
    expect(events.some(({ type }) => type === 'authorization.allowed')).toBe(false)
  })

  test('gives management scopes only as far as the person holds them', async () => {
    const { user_code } = await begin({ scope: 'users:read' })
    const nothing = await type(user_code)
    expect(nothing.status).toBe(400)
    expect(nothing.html).toContain('does not hold what is asked for')
    await giveRole(worker, 'ann', 'operator')
    const page = await type(user_code)
    expect(page.html).toContain('see people in your name')
    await answer(page, 'allow')
  })
})

describe('typing codes', () => {
  const LIMIT = DEFAULT_SETTINGS.login_attempts_per_account
  const ADDRESS_LIMIT = DEFAULT_SETTINGS.login_attempts_per_address
  const WRONG = 'BBBB-BBBB'

  test('of 40 wrong codes at once no more than the limit are looked up, then even the right one is not', async () => {
    const { user_code } = await begin()
    const page = await browser.get('/device')
    const pages = await Promise.all(
      Array.from({ length: 40 }, () => browser.submit(page, { code: WRONG, action: 'continue' })),
    )
    const of = (status: number) => pages.filter((one) => one.status === status).length
    console.log(`codes guessed at once: 40, limit ${LIMIT}; refused ${of(400)}, blocked ${of(429)}`)
    expect([of(400), of(429)]).toEqual([LIMIT, 40 - LIMIT])
    const right = await type(user_code)
    expect(right.status).toBe(429)
    expect(right.html).not.toContain('Living Room TV')
    expect(right.headers.get('retry-after')).toBe(String(DEFAULT_SETTINGS.login_attempts_window))
    const blocked = (await rowsOf(worker, 'event')).filter(
      ({ type }) => type === 'device_authorization.blocked',
    )
    expect(blocked).toMatchObject([{ outcome: 'failure', subject_id: 'ann' }])
    // Another session, or another address, is the same person.
    const elsewhere = new Browser(worker, '198.51.100.7')
    await signIn(worker, elsewhere, 'ann')
    expect((await type(user_code, elsewhere)).status).toBe(429)
    const bob = new Browser(worker, '198.51.100.8')
    await signIn(worker, bob, 'bob')
    expect((await type(user_code, bob)).status).toBe(200)
    worker.clock.now += DEFAULT_SETTINGS.login_attempts_window
    expect((await type((await begin()).user_code)).status).toBe(200)
  })

  test('many people behind one address are stopped together', async () => {
    const { user_code } = await begin()
    const people = Math.ceil(ADDRESS_LIMIT / LIMIT)
    for (let i = 0; i < people; i++) {
      await createUser(worker.context(), { id: `u${i}`, email: `u${i}@example.com` })
      const one = new Browser(worker)
      await signIn(worker, one, `u${i}`)
      const page = await one.get('/device')
      await Promise.all(
        Array.from({ length: LIMIT }, () => one.submit(page, { code: WRONG, action: 'continue' })),
      )
    }
    expect((await type(user_code)).status).toBe(429)
    const elsewhere = new Browser(worker, '198.51.100.7')
    await signIn(worker, elsewhere, 'ann')
    expect((await type(user_code, elsewhere)).status).toBe(200)
  })

  test('right codes are not counted', async () => {
    const { user_code } = await begin()
    const counted = () => row(worker, sql<{ n: number }>`select sum(count) as n from attempt`)
    // The code itself is a sign-in that nobody has finished yet.
    const before = await counted()
    for (let i = 0; i < LIMIT + 2; i++) expect((await type(user_code)).status).toBe(200)
    expect(await counted()).toEqual(before)
  })

  test('an answer to a guessed code looks nothing up that it would tell', async () => {
    const { user_code } = await begin({ scope: 'users:read' })
    const { csrf = '' } = formFields(await browser.get('/device'))
    const guess = async (code: string) => {
      const fields = { csrf, code, request: 'guess', action: 'allow' }
      const { status, html } = await browser.post('/device', fields)
      return { status, html: html.replaceAll(/(?:value|href)="[^"]*"/g, '') }
    }
    expect(await guess(user_code)).toEqual(await guess(WRONG))
  })

  test('a code of a client that lost the grant is no good', async () => {
    const { user_code } = await begin()
    await changeClient(worker.context(), 'tv', { status: 'disabled' }, null)
    expect((await type(user_code)).status).toBe(400)
  })
})

describe('polling', () => {
  test('is told to wait, and to slow down when it comes too soon', async () => {
    const { device_code } = await begin()
    const { value, roundTrips } = await countRoundTrips(worker, () => poll(device_code))
    expect([value.status, value.body.error, roundTrips]).toEqual([400, 'authorization_pending', 2])
    worker.clock.now += 4
    expect((await poll(device_code)).body.error).toBe('slow_down')
    expect((await stateOf(device_code)).interval).toBe(10)
    worker.clock.now += 9
    expect((await poll(device_code)).body.error).toBe('slow_down')
    worker.clock.now += 15
    expect((await poll(device_code)).body.error).toBe('authorization_pending')
    worker.clock.now += 14
    expect((await poll(device_code)).body.error).toBe('slow_down')
    expect((await stateOf(device_code)).interval).toBe(20)
  })

  test('of parallel polls one is in time', async () => {
    const { device_code } = await begin()
    const answers = await Promise.all(Array.from({ length: 20 }, () => poll(device_code)))
    const told = (error: string) => answers.filter(({ body }) => body.error === error).length
    expect([told('authorization_pending'), told('slow_down')]).toEqual([1, 19])
    expect((await stateOf(device_code)).interval).toBe(5 + 19 * 5)
  })

  test('ends with expired_token when nobody decided', async () => {
    const { device_code, user_code } = await begin()
    worker.clock.now += 599
    expect((await poll(device_code)).body.error).toBe('authorization_pending')
    worker.clock.now += 1
    const told = await poll(device_code)
    expect([told.status, told.body.error]).toEqual([400, 'expired_token'])
    await signIn(worker, browser, 'ann')
    expect((await type(user_code)).status).toBe(400)
    worker.clock.now += 3600
    await runJobs(worker.context())
    expect(await count(worker, sql`from device_authorization`)).toBe(0)
    expect((await poll(device_code)).body.error).toBe('invalid_grant')
  })

  test.each([
    ['an unknown code', 'x'.repeat(43), {}, 'invalid_grant'],
    ['no code', '', {}, 'invalid_request'],
    ['another client', null, { client_id: 'other' }, 'invalid_grant'],
    ['a client without the grant', null, { client_id: 'web' }, 'unauthorized_client'],
  ])('by %s is refused, and leaves the code as it was', async (_, given, more, error) => {
    const cx = worker.context()
    const { client_name: _name, ...tv } = TV
    await createClient(cx, {
      ...tv,
      client_id: 'other',
      grant_types: [GRANT],
      resources: [],
      scope: 'openid',
    })
    await createClient(cx, {
      client_id: 'web',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['https://web.example/cb'],
      scope: 'openid',
    })
    const { device_code } = await allowed()
    expect((await poll(given ?? device_code, more as Record<string, string>)).body.error).toBe(
      error,
    )
    expect((await poll(device_code)).status).toBe(200)
  })
})

describe('redeeming', () => {
  test('gives access, refresh and ID token, with the time of the sign-in and no browser session', async () => {
    const auth_time = worker.clock.now
    const { user_code, device_code } = await begin({ scope: 'openid profile offline_access' })
    worker.clock.now += 30
    await answer(await type(user_code), 'allow')
    worker.clock.now += 5
    const { value, roundTrips } = await countRoundTrips(worker, () => poll(device_code))
    expect([value.status, roundTrips]).toEqual([200, 2])
    const { body } = value
    expect(body.scope).toBe('openid profile offline_access')
    expect(claimsOf(body.access_token)).toMatchObject({ sub: 'ann', client_id: 'tv', aud: ISSUER })
    expect(claimsOf(body.id_token)).toMatchObject({
      sub: 'ann',
      aud: 'tv',
      auth_time,
      amr: ['pwd'],
      acr: 'urn:allauth:acr:pwd',
    })
    expect(claimsOf(body.id_token)).not.toHaveProperty('sid')
    expect(claimsOf(body.id_token)).not.toHaveProperty('nonce')
    expect(await row(worker, sql`select * from authorization`)).toMatchObject({
      user_id: 'ann',
      client_id: 'tv',
      session_hash: null,
      sid: null,
      offline: 1,
    })
    const userinfo = await worker.request('/oauth/userinfo', {
      headers: { authorization: `Bearer ${body.access_token}` },
    })
    expect(await userinfo.json()).toMatchObject({ sub: 'ann' })
    // The browser session ends, the device goes on.
    await write(worker, sql`delete from session`)
    const next = await refresh(worker, body.refresh_token ?? '', { client_id: 'tv' })
    expect(next.status).toBe(200)
  })

  test('without offline_access beside openid there is no refresh token, without openid no ID token', async () => {
    const once = (await poll((await allowed({ scope: 'openid' })).device_code)).body
    expect([once.refresh_token, typeof once.id_token]).toEqual([undefined, 'string'])
    const plain = (await poll((await allowed({ scope: 'mqtt' })).device_code)).body
    expect([typeof plain.refresh_token, plain.id_token]).toEqual(['string', undefined])
    expect(claimsOf(plain.access_token)).toMatchObject({ aud: 'urn:allauth:mqtt', acl: [] })
  })

  test('management scopes last as long as the role', async () => {
    await giveRole(worker, 'ann', 'operator')
    const { device_code } = await allowed({ scope: 'users:read' })
    await write(worker, sql`delete from "grant"`)
    expect((await poll(device_code)).body.error).toBe('invalid_scope')
    await giveRole(worker, 'ann', 'operator')
    const { body } = await poll(device_code)
    expect(claimsOf(body.access_token)).toMatchObject({ aud: `${ISSUER}/v1`, scope: 'users:read' })
  })

  test('a resource is kept, may be narrowed, and nothing else may be named', async () => {
    const films = { resource: 'https://films.example/' }
    const { device_code } = await allowed({ scope: 'openid mqtt', ...films })
    const other = await poll(device_code, { resource: 'urn:allauth:mqtt' })
    expect(other.body.error).toBe('invalid_target')
    const { body } = await poll(device_code)
    expect(claimsOf(body.access_token)).toMatchObject({ aud: 'https://films.example/', scope: '' })
  })

  test('authorization_details are shown by name and narrow the token, refreshed ones too', async () => {
    await changeClient(worker.context(), 'tv', { authorization_details_types: ['device'] }, null)
    await applyBlueprint(
      worker.context(),
      {
        device_types: [{ name: 'lamp', acl: [] }],
        groups: [{ id: 'home', kind: 'site', name: 'Home' }],
        devices: ['lamp-1', 'lamp-2'].map((id) => ({
          id,
          name: `Lamp ${id}`,
          type: 'lamp',
          groups: ['home'],
        })),
        roles: [
          {
            name: 'resident',
            permissions: ['device:command'],
            acl: [{ permission: 'allow', action: 'publish', topic: 'd/${device.id}/set' }],
          },
        ],
        grants: [{ subject: 'ann@example.com', role: 'resident', object: 'home' }],
      },
      {},
    )
    const detail = { type: 'device', actions: ['device:command'], devices: ['lamp-1'] }
    const wrong = await begin({ authorization_details: '[{"type":"bank"}]' })
    expect(wrong.body.error).toBe('invalid_authorization_details')
    const wider = [{ ...detail, devices: ['lamp-1', 'lamp-7'] }]
    const asked = { scope: 'offline_access', authorization_details: JSON.stringify(wider) }
    const { user_code, device_code } = await begin(asked)
    const page = await type(user_code)
    expect(page.html).toContain('control: Lamp lamp-1')
    expect(page.html).not.toContain('lamp-7')
    await answer(page, 'allow')
    // What Ann comes to hold later was not shown to her.
    const later = { devices: [{ id: 'lamp-7', type: 'lamp', groups: ['home'] }] }
    await applyBlueprint(worker.context(), later, {})
    const first = (await poll(device_code)).body
    const second = (await refresh(worker, first.refresh_token ?? '', { client_id: 'tv' })).body
    for (const { access_token } of [first, second]) {
      expect(claimsOf(access_token)).toMatchObject({
        authorization_details: [detail],
        acl: [{ permission: 'allow', action: 'publish', topic: 'd/lamp-1/set' }],
      })
    }
    const none = await begin({
      scope: '',
      authorization_details: JSON.stringify([{ ...detail, devices: ['lamp-8'] }]),
    })
    expect((await type(none.user_code)).html).toContain('does not hold what is asked for')
    // A management scope that Ann does not hold takes nothing from the details.
    const scope = 'openid mqtt offline_access users:read'
    await changeClient(worker.context(), 'tv', { scope }, null)
    const mixed = { scope: 'users:read', authorization_details: JSON.stringify([detail]) }
    const question = await type((await begin(mixed)).user_code)
    expect(question.html).toContain('control: Lamp lamp-1')
    expect(question.html).not.toContain('see people in your name')
  })

  test('two hundred parallel polls of one allowed code give exactly one success', async () => {
    const { device_code } = await allowed()
    const answers = await Promise.all(Array.from({ length: 200 }, () => poll(device_code)))
    const good = answers.filter(({ status }) => status === 200)
    const refused = answers.filter(({ body }) => body.error === 'invalid_grant')
    // A machine that has much else to do may tell some to come again.
    const busy = answers.filter(({ status }) => status === 503)
    console.log(
      `device code: 200 parallel, ${good.length} success, ${refused.length} refused, ${busy.length} busy`,
    )
    expect([good.length, refused.length + busy.length]).toEqual([1, 199])
    expect(await count(worker, sql`from authorization where revoked_at is null`)).toBe(1)
    expect(await count(worker, sql`from refresh_token`)).toBe(1)
    expect((await poll(device_code)).body.error).toBe('invalid_grant')
  })

  test('a poll whose answer the database lost is one redemption', async () => {
    const { device_code } = await allowed()
    const { status, body } = await poll(device_code, {}, losingAnswers(worker))
    expect(status).toBe(200)
    expect(await count(worker, sql`from authorization`)).toBe(1)
    expect((await refresh(worker, body.refresh_token ?? '', { client_id: 'tv' })).status).toBe(200)
    const events = await rowsOf(worker, 'event')
    expect(events.filter(({ type }) => type === 'authorization.created')).toHaveLength(1)
  })

  const ENDS: [string, () => Promise<unknown>, string][] = [
    ['the person is disabled', () => setStatus(worker, 'user', 'ann', 'disabled'), 'invalid_grant'],
    ['the person is deleted', () => write(worker, sql`delete from user`), 'invalid_grant'],
    [
      'the client is disabled',
      () => setStatus(worker, 'client', 'tv', 'disabled'),
      'invalid_client',
    ],
    ['the client is deleted', () => write(worker, sql`delete from client`), 'invalid_client'],
  ]
  test.each(ENDS)('gives nothing once %s', async (_, end, error) => {
    const { device_code } = await allowed()
    await end()
    expect((await poll(device_code)).body.error).toBe(error)
    expect(await count(worker, sql`from authorization`)).toBe(0)
    expect(await count(worker, sql`from refresh_token`)).toBe(0)
  })
  test.each([
    ...ENDS,
    [
      'the code runs out',
      () => write(worker, sql`update device_authorization set expires_at = 1`),
    ] as unknown as (typeof ENDS)[number],
  ])('gives nothing when meanwhile %s', async (_, end) => {
    const { device_code } = await allowed()
    const told = await poll(device_code, {}, overtaken(worker, end))
    expect([told.status, told.body.error]).toEqual([400, 'invalid_grant'])
    expect(await count(worker, sql`from authorization`)).toBe(0)
    expect(await count(worker, sql`from refresh_token`)).toBe(0)
  })

  test('a scope that the client lost meanwhile is not given', async () => {
    const { device_code } = await allowed({ scope: 'openid profile' })
    await changeClient(worker.context(), 'tv', { scope: 'openid' }, null)
    expect((await poll(device_code)).body.scope).toBe('openid')
  })
})

describe('foreign clients', () => {
  test('oauth4webapi, strict, goes the whole way', async () => {
    const tv = foreignClient(worker, 'tv')
    const options = foreign(worker)
    const begun = await oauth.processDeviceAuthorizationResponse(
      SERVER,
      tv,
      await oauth.deviceAuthorizationRequest(
        SERVER,
        tv,
        oauth.None(),
        { scope: 'openid offline_access' },
        options as oauth.DeviceAuthorizationRequestOptions,
      ),
    )
    const ask = async () =>
      oauth.processDeviceCodeResponse(
        SERVER,
        tv,
        await oauth.deviceCodeGrantRequest(
          SERVER,
          tv,
          oauth.None(),
          begun.device_code,
          options as oauth.TokenEndpointRequestOptions,
        ),
      )
    await expect(ask()).rejects.toMatchObject({ error: 'authorization_pending', status: 400 })
    await expect(ask()).rejects.toMatchObject({ error: 'slow_down', status: 400 })
    const there = new URL(begun.verification_uri_complete ?? '')
    const page = await browser.get(there.pathname + there.search)
    await answer(await browser.submit(page, { action: 'continue' }), 'allow')
    const tokens = await ask()
    expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe('ann')
    expect(typeof tokens.refresh_token).toBe('string')
    await expect(ask()).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('openid-client polls until the person has decided', async () => {
    await createClient(worker.context(), {
      client_id: 'box',
      client_secret: 's'.repeat(40),
      grant_types: [GRANT],
      scope: 'openid',
    })
    const config = await client.discovery(
      new URL(ISSUER),
      'box',
      { [client.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000) },
      client.ClientSecretBasic('s'.repeat(40)),
      {
        execute: [client.allowInsecureRequests],
        [client.customFetch]: async (url, init) => worker.request(url, init as RequestInit),
      },
    )
    const begun = await client.initiateDeviceAuthorization(config, { scope: 'openid' })
    await answer(await type(begun.user_code), 'allow')
    const tokens = await client.pollDeviceAuthorizationGrant(config, { ...begun, interval: 0.01 })
    expect(tokens.claims()?.sub).toBe('ann')
    const denied = await client.initiateDeviceAuthorization(config, { scope: 'openid' })
    await answer(await type(denied.user_code), 'deny')
    await expect(
      client.pollDeviceAuthorizationGrant(config, { ...denied, interval: 0.01 }),
    ).rejects.toMatchObject({ error: 'access_denied' })
  })
})

test('a device code is no code, no refresh token and no access token', async () => {
  const { device_code } = await allowed()
  const { jwt } = await signJwt(worker.context(), 'ES256', 'at+jwt', { sub: 'ann' })
  expect((await poll(jwt)).body.error).toBe('invalid_grant')
  const asRefresh = await refresh(worker, device_code, { client_id: 'tv' })
  expect(asRefresh.body.error).toBe('invalid_grant')
  const headers = basic('tv', 'x')
  expect((await token(worker, { grant_type: GRANT, device_code }, headers)).status).toBe(401)
})

describe('a device with a key (RFC 9449)', () => {
  test('gets bound tokens, and a refresh token that is bound too and kept', async () => {
    const { device_code, user_code } = await begin()
    const signer = await makeSigner('ES256')
    const ask = async (parameters: Record<string, string>, by: Signer | null = signer) =>
      token(
        worker,
        { client_id: 'tv', ...parameters },
        by === null ? {} : { DPoP: await dpopProof(worker, by) },
      )
    const grant = { grant_type: GRANT, device_code }
    expect((await ask(grant)).body.error).toBe('authorization_pending')
    await answer(await type(user_code), 'allow')
    worker.clock.now += 10
    const first = await ask(grant)
    expect([first.status, first.body['token_type']]).toEqual([200, 'DPoP'])
    const { refresh_token = '' } = first.body
    const renewal = { grant_type: 'refresh_token', refresh_token }
    for (const by of [await makeSigner('ES256'), null]) {
      expect((await ask(renewal, by)).body.error).toBe('invalid_grant')
    }
    const next = await ask(renewal)
    expect([next.status, next.body.refresh_token]).toEqual([200, undefined])
  })
})
