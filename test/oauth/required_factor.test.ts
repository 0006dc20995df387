// Demands of a second factor: by a client, by the setting, by a group or by a role. No door
// lets a person through whose sign-in has none; one that is there is proven, and the first one is
// added on the spot.
import { beforeEach, describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { sealFactor } from '../../worker/identity/factors/sealed_factors.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { CODES, codeAt, KEY } from '../identity/authenticator.ts'
import { alertOf, Browser, formFields, type Page } from '../identity/browser.ts'
import { newestAmr, reasonsOf } from '../identity/passkeys/passkey_people.ts'
import { optionsOf, SoftwareAuthenticator } from '../identity/passkeys/software_authenticator.ts'
import { eventsOf, isSignedIn } from '../identity/people.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import {
  answerOf,
  follow,
  giveRole,
  pathOf,
  requestPath,
  returnTo,
  rowsOf,
  startFlow,
} from './flow.ts'
import { GOOGLE_URI, google, startLinking } from './linking.ts'
import { overtaken, post, refresh, signIn as signInToApp } from './token_fixtures.ts'

const MFA = 'urn:allauth:acr:mfa'
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'

let worker: TestWorker
let browser: Browser
let call: (method: string, path: string, body?: unknown) => ReturnType<typeof callApi>

beforeEach(async () => {
  const flow = await startFlow({
    first_party: true,
    grant_types: ['authorization_code', 'refresh_token', DEVICE_CODE],
  })
  worker = flow.worker
  browser = flow.browser
  await giveAnnAPassword(worker)
  const token = await newClientToken(worker)
  call = (method, path, body) => callApi(worker, token, method, path, body)
})

async function giveAnnAPassword(at: TestWorker) {
  const { password } = await createPerson(at.context(), {
    id: 'twin',
    email: 'twin@example.com',
    password: PASSWORD,
  })
  await at.context().db.write(sql`update user set password = ${password} where id = 'ann'`)
}

const byClient = () => call('PATCH', '/v1/clients/app', { require_acr: MFA })
const bySetting = () => changeSettings(worker.context(), { require_factor: 'everybody' })
const signIn = (by = browser, path = '/login') => by.signIn(ANN, PASSWORD, path)
const codes = async () => (await rowsOf(worker, 'authorization_code')).length
const factors = () => worker.context().db.read(sql`select * from factor where user_id = 'ann'`)

/** Adds an app on the page that asks for the first factor: its key, and the page after it. */
async function enrol(page: Page, by = browser) {
  const key = KEY.exec(page.html)?.[1] ?? ''
  const added = await by.submit(page, { code: await codeAt(key, worker.clock.now), action: 'save' })
  return { key, added }
}

/** The link of the page with the recovery codes. */
const onwardOf = (page: Page): string =>
  (/<a class="button" href="([^"]*)"/.exec(page.html)?.[1] ?? '').replaceAll('&amp;', '&')

/** Ann with an app, in another browser than `browser`; later than its first code. */
async function addApp() {
  const other = new Browser(worker)
  await signIn(other)
  const offered = await other.get('/account/security/add')
  const key = KEY.exec(offered.html)?.[1] ?? ''
  const code = await codeAt(key, worker.clock.now)
  expect((await other.submit(offered, { code, action: 'add' })).status).toBe(200)
  worker.clock.now += 60
  return { other, key, code: () => codeAt(key, worker.clock.now) }
}

describe('a client that demands one', () => {
  test('has it added on the spot by a person who has none, and gets the code', async () => {
    await byClient()
    const sent = await browser.get(requestPath())
    expect(pathOf(sent)).toMatch(/^\/login\?/)
    const door = await browser.get(pathOf(await signIn(browser, pathOf(sent))))
    expect(pathOf(door)).toMatch(/^\/continue\?return_to=%2Foauth%2Fauthorize/)
    const { value: page, roundTrips } = await countRoundTrips(worker, () =>
      browser.get(pathOf(door)),
    )
    expect([page.status, roundTrips]).toEqual([200, 1])
    expect(page.html).toContain('Add a second factor')
    // The key of factors is read once in a process.
    await sealFactor(worker.context(), 'fac_any', new Uint8Array(20))
    const before = browser.cookies.get('session')
    const { value: enrolled, roundTrips: answering } = await countRoundTrips(worker, () =>
      enrol(page),
    )
    // Two, and the sending of the mail behind the answer, which may have gone on meanwhile.
    expect([enrolled.added.status, Math.min(answering, 3)]).toEqual([200, 3])
    expect([...enrolled.added.html.matchAll(CODES)]).toHaveLength(10)
    // Another cookie: the one of before, which somebody may have planted, is not made stronger.
    expect(browser.cookies.get('session')).not.toBe(before)
    expect(await newestAmr(worker)).toEqual(['pwd', 'otp', 'mfa'])
    const after = await follow(browser, await browser.get(onwardOf(enrolled.added)))
    expect(answerOf(after)).toHaveProperty('code')
    const [code] = await rowsOf(worker, 'authorization_code')
    expect(code).toMatchObject({ acr: MFA, amr: '["pwd","otp","mfa"]' })
    expect(answerOf(await browser.get(requestPath()))).toHaveProperty('code')
  })

  test('has it added by a passkey as well', async () => {
    await byClient()
    await signIn()
    const page = await browser.get(pathOf(await browser.get(requestPath())))
    const authenticator = await SoftwareAuthenticator.make()
    const options = optionsOf(page)
    const fields = formFields(page)
    const response = JSON.stringify(await authenticator.create(options))
    const refused = await browser.post('/continue', { ...fields, passkey: '{}' })
    expect(refused.status).toBe(400)
    const added = await browser.post('/continue', { ...fields, passkey: response })
    expect(added.status).toBe(200)
    expect(await newestAmr(worker)).toEqual(['pwd', 'hwk', 'user', 'mfa'])
    const after = await follow(browser, await browser.get(onwardOf(added)))
    expect(answerOf(after)).toHaveProperty('code')
  })

  test('has it proven where it is there, by a session of before, which keeps its time', async () => {
    await signIn()
    const { code } = await addApp()
    expect(answerOf(await browser.get(requestPath()))).toHaveProperty('code')
    const [{ auth_time } = { auth_time: 0 }] = await worker
      .context()
      .db.read(sql<{ auth_time: number }>`select auth_time from session order by rowid limit 1`)
    await byClient()
    const door = await browser.get(pathOf(await browser.get(requestPath())))
    expect(pathOf(door)).toMatch(/^\/login\/verify\?.*step_up=1/)
    const page = await browser.get(pathOf(door))
    const done = await browser.submit(page, { code: await code(), action: 'verify' })
    expect(answerOf(await follow(browser, done))).toHaveProperty('code')
    const rows = await rowsOf(worker, 'authorization_code')
    expect(rows.at(-1)).toMatchObject({ acr: MFA, auth_time })
  })

  test('keeps what people gave it before with one factor, until it is disabled once', async () => {
    const { access_token, refresh_token } = await signInToApp(worker, {
      scope: 'openid offline_access',
    })
    const isGood = async () => {
      const headers = { Authorization: `Bearer ${access_token}` }
      return (await worker.request('/oauth/userinfo', { headers })).status === 200
    }
    await byClient()
    expect(await isGood()).toBe(true)
    const next = (await refresh(worker, refresh_token)).body.refresh_token ?? ''
    expect(next).not.toBe('')
    await call('PATCH', '/v1/clients/app', { status: 'disabled' })
    await call('PATCH', '/v1/clients/app', { status: 'active' })
    expect(await isGood()).toBe(false)
    expect((await refresh(worker, next)).status).toBe(400)
  })

  test('asks nothing of other clients and pages', async () => {
    await byClient()
    await call('POST', '/v1/clients', {
      client_id: 'other',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['https://app.example/callback'],
      scope: 'openid',
      first_party: true,
    })
    await signIn()
    expect(answerOf(await browser.get(requestPath({ client_id: 'other' })))).toHaveProperty('code')
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('gets interaction_required with prompt=none', async () => {
    await byClient()
    await signIn()
    const said = answerOf(await browser.get(requestPath({ prompt: 'none' })))
    expect(said).toMatchObject({ error: 'interaction_required' })
    expect(await codes()).toBe(0)
  })

  test('is not reached by going straight to where the page leads', async () => {
    await byClient()
    await signIn()
    const door = pathOf(await browser.get(requestPath()))
    const onward = new URLSearchParams(door.split('?')[1]).get('return_to') ?? ''
    expect(pathOf(await browser.get(onward))).toBe(door)
    const changed = door.replace(/factor_mac=[^&]*/, 'factor_mac=x')
    // Without its word the page has nothing to ask, and the door asks again.
    expect(pathOf(await browser.get(changed))).toBe(onward)
    expect(await codes()).toBe(0)
  })

  test.each([
    ['the client', () => byClient()],
    ['the setting', () => bySetting()],
  ])(
    'gets no code where %s begins to demand it between the look and the code',
    async (_, demand) => {
      await signIn()
      let isOver = false
      const racing = new Browser({
        ...worker,
        ...overtaken(worker, async () => {
          if (!isOver) {
            isOver = true
            await demand()
          }
        }),
      })
      racing.cookies.set('session', browser.cookies.get('session') ?? '')
      const sent = await racing.get(requestPath())
      expect(pathOf(sent)).toMatch(/^\/continue\?return_to=%2Foauth%2Fauthorize/)
      expect(await codes()).toBe(0)
      expect((await browser.get(pathOf(sent))).html).toContain('Add a second factor')
    },
  )

  test('still asks for a new sign-in first where the request does', async () => {
    await byClient()
    await signIn()
    const sent = await browser.get(requestPath({ prompt: 'login' }))
    await signIn(browser, pathOf(sent))
    expect(pathOf(await browser.get(returnTo(sent)))).toMatch(/^\/continue\?/)
  })

  test('is the word of the operator, which the client does not take back', async () => {
    const made = await call('POST', '/v1/clients', {
      client_id: 'third',
      redirect_uris: ['https://third.example/callback'],
      scope: 'openid',
      require_acr: MFA,
    })
    expect([made.status, made.body['require_acr']]).toEqual([201, MFA])
    const wrong = await call('PATCH', '/v1/clients/third', { require_acr: 'urn:allauth:acr:pwd' })
    expect(wrong.status).toBe(400)
    await changeSettings(worker.context(), { registration: 'open' })
    const registered = await worker.request('/oauth/register', {
      method: 'POST',
      body: JSON.stringify({ redirect_uris: ['https://r.example/cb'], require_acr: MFA }),
      headers: { 'content-type': 'application/json' },
    })
    expect(registered.status).toBe(201)
    expect(await registered.json()).not.toHaveProperty('require_acr')
  })
})

describe('a demand of everybody', () => {
  beforeEach(() => bySetting())

  test.each([
    '/account',
    '/account/applications',
    '/account/consents',
    '/account/security',
    '/account/security/add',
    '/account/security/passkey',
    '/account/email',
    '/account/password',
    '/device',
  ])('opens %s to nobody who has proven none', async (path) => {
    await signIn()
    const { value: page, roundTrips } = await countRoundTrips(worker, () => browser.get(path))
    expect(pathOf(page)).toBe(`/continue?${new URLSearchParams({ return_to: path })}`)
    expect(roundTrips).toBe(1)
  })

  test('lets people sign out, here and everywhere', async () => {
    await signIn()
    const page = await browser.get('/continue')
    const { csrf = '' } = formFields(page)
    await browser.post('/account/sessions', { csrf, action: 'everywhere' })
    await signIn()
    const again = formFields(await browser.get('/continue'))
    await browser.post('/logout', { ...again, action: 'logout' })
    expect(await worker.context().db.read(sql`select * from session`)).toEqual([])
  })

  test('is met by the first factor, which is the only one that is added here', async () => {
    await signIn()
    const page = await browser.get('/continue?return_to=%2Faccount')
    const wrong = await browser.submit(page, { code: '000000', action: 'save' })
    expect([wrong.status, alertOf(wrong)]).toEqual([
      400,
      'This code does not fit the key. Wait for the next one and try again.',
    ])
    expect(KEY.exec(wrong.html)?.[1]).toBe(KEY.exec(page.html)?.[1])
    const { added } = await enrol(wrong)
    expect(pathOf(await browser.get(onwardOf(added)))).toBe('/account')
    expect(await isSignedIn(browser)).toBe(true)
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types).toEqual(expect.arrayContaining(['factor.added', 'recovery_codes.made']))
  })

  test('has a factor that is there proven, and none added by somebody who has the password alone', async () => {
    await changeSettings(worker.context(), { require_factor: 'nobody' })
    await signIn()
    await bySetting()
    // The page of a thief who has the session of before, opened while there was no factor.
    const page = await browser.get('/continue')
    await changeSettings(worker.context(), { require_factor: 'nobody' })
    const { code } = await addApp()
    await bySetting()
    const { added } = await enrol(page)
    expect(pathOf(added)).toMatch(/^\/continue/)
    expect(await factors()).toHaveLength(1)
    const asked = await browser.get('/continue?return_to=%2Faccount')
    expect(pathOf(asked)).toBe('/login/verify?return_to=%2Faccount&step_up=1')
    const proof = await browser.get(pathOf(asked))
    const done = await browser.submit(proof, { code: await code(), action: 'verify' })
    expect(pathOf(done)).toBe('/account')
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('has none added where the owner added one in the same moment', async () => {
    await signIn()
    const page = await browser.get('/continue')
    const racing = new Browser({
      ...worker,
      ...overtaken(worker, () =>
        worker.context().db.write(
          sql`insert into factor (id, user_id, kind, name, last_step, made_by, created_at)
            values ('fac_owner', 'ann', 'totp', 'Owner', 0, 'other', 1) on conflict do nothing`,
        ),
      ),
    })
    for (const [name, value] of browser.cookies) racing.cookies.set(name, value)
    const { added } = await enrol(page, racing)
    expect(added.status).toBe(400)
    expect(await factors()).toMatchObject([{ id: 'fac_owner' }])
    const sessions = await worker.context().db.read(sql`select amr from session`)
    expect(sessions).toEqual([{ amr: '["pwd"]' }])
  })

  test('has none added by a half-done sign-in, nor by an open browser of yesterday', async () => {
    await signIn()
    worker.clock.now += 601
    const path = '/continue?return_to=%2Faccount'
    const page = await browser.get(path)
    expect(pathOf(page)).toBe(`/login?${new URLSearchParams({ return_to: path })}`)
    await signIn(browser, pathOf(page))
    const offered = await browser.get(path)
    worker.clock.now += 601
    const { added } = await enrol(offered)
    expect(pathOf(added)).toBe(path)
    expect(await factors()).toEqual([])
  })

  test('adds none under a cookie of a sign-in that lacks its factor', async () => {
    await changeSettings(worker.context(), { require_factor: 'nobody' })
    await addApp()
    await bySetting()
    const to = await signIn()
    expect(pathOf(to)).toBe('/login/verify')
    browser.cookies.set('session', browser.cookies.get('sign_in') ?? '')
    expect(pathOf(await browser.get('/continue'))).toMatch(/^\/login/)
  })

  test('keeps the last factor, and says why; another one may go', async () => {
    await signIn()
    const page = await browser.get('/continue')
    await enrol(page)
    const list = await browser.get('/account/security')
    const refused = await browser.submit(list, { action: 'remove' })
    expect(refused.status).toBe(400)
    expect(alertOf(refused)).toBe(
      'A second factor is demanded of you, and this is your only one. Add another before you remove it.',
    )
    expect(reasonsOf(worker)).toContain('factor_demanded')
    expect(await factors()).toHaveLength(1)
    await worker.context().db.write(
      sql`insert into factor (id, user_id, kind, name, last_step, made_by, created_at)
        values ('fac_2', 'ann', 'totp', 'Two', 0, 'other', 1)`,
    )
    expect((await browser.submit(list, { action: 'remove' })).status).toBe(303)
    expect(await factors()).toHaveLength(1)
  })

  test('stops a code of a device, before and at the decision', async () => {
    const { body } = await post(worker, '/oauth/device_authorization', {
      client_id: 'app',
      scope: 'openid',
    })
    const { user_code: code = '' } = body as { user_code?: string }
    await signIn()
    expect(pathOf(await browser.get(`/device?user_code=${code}`))).toMatch(/^\/continue/)
    await changeSettings(worker.context(), { require_factor: 'nobody' })
    const form = await browser.get('/device')
    const question = await browser.submit(form, { code, action: 'continue' })
    expect(question.html).toContain('to your account')
    const racing = new Browser({ ...worker, ...overtaken(worker, bySetting) })
    for (const [name, value] of browser.cookies) racing.cookies.set(name, value)
    const sent = await racing.submit(question, { action: 'allow' })
    expect(pathOf(sent)).toMatch(/^\/continue\?return_to=%2Fdevice/)
    const rows = await worker.context().db.read(sql`select status from device_authorization`)
    expect(rows).toEqual([{ status: 'pending' }])
  })
})

test('a code of a device of a client that demands one waits until it is there', async () => {
  await byClient()
  const { body } = await post(worker, '/oauth/device_authorization', {
    client_id: 'app',
    scope: 'openid',
  })
  const { user_code: code = '' } = body as { user_code?: string }
  await signIn()
  const form = await browser.get('/device')
  const typed = await browser.submit(form, { code, action: 'continue' })
  const page = await browser.get(pathOf(typed))
  expect(page.html).toContain('Add a second factor')
  // A code that nobody has leads nowhere else.
  const other = await browser.submit(form, { code: 'BCDF-GHJK', action: 'continue' })
  expect(other.status).not.toBe(303)
  const { added } = await enrol(page)
  const again = await browser.get(pathOf(await browser.get(onwardOf(added))))
  const question = await browser.submit(again, { code, action: 'continue' })
  const done = await browser.submit(question, { action: 'allow' })
  expect(done.status).toBe(200)
  const rows = await worker.context().db.read(sql`select status from device_authorization`)
  expect(rows).toEqual([{ status: 'allowed' }])
})

test('the decision about a device is conditional on the client that demands one meanwhile', async () => {
  const { body } = await post(worker, '/oauth/device_authorization', {
    client_id: 'app',
    scope: 'openid',
  })
  const { user_code: code = '' } = body as { user_code?: string }
  await signIn()
  const form = await browser.get('/device')
  const question = await browser.submit(form, { code, action: 'continue' })
  const racing = new Browser({ ...worker, ...overtaken(worker, byClient) })
  for (const [name, value] of browser.cookies) racing.cookies.set(name, value)
  const sent = await racing.submit(question, { action: 'allow' })
  expect(pathOf(sent)).toMatch(/^\/continue\?return_to=%2Fdevice.*factor_mac=/)
  const rows = await worker.context().db.read(sql`select status from device_authorization`)
  expect(rows).toEqual([{ status: 'pending' }])
  expect((await browser.submit(question, { action: 'allow' })).headers.get('location')).toMatch(
    /^\/continue/,
  )
})

test('an assistant is not linked before a factor that is demanded', async () => {
  const linking = await startLinking(google)
  await changeSettings(linking.worker.context(), { require_factor: 'everybody' })
  await linking.browser.signIn(ANN, PASSWORD)
  const parameters = {
    client_id: google.client_id,
    redirect_uri: GOOGLE_URI,
    response_type: 'code',
    state: 's',
    ...google.asks,
  }
  const sent = await linking.browser.get(`/oauth/authorize?${new URLSearchParams(parameters)}`)
  expect(pathOf(sent)).toMatch(/^\/continue\?/)
  // Google says that the person reads German.
  const page = await linking.browser.get(pathOf(sent))
  expect(page.html).toContain('Zweiten Faktor hinzufügen')
})

describe('of whom it is demanded', () => {
  const isAsked = async () => {
    const other = new Browser(worker)
    await signIn(other)
    return (await other.get('/account')).status === 303
  }

  test('by a group: its people, and those of groups below it', async () => {
    await call('POST', '/v1/groups', { id: 'firm', require_factor: true })
    await call('POST', '/v1/groups', { id: 'team', parent_id: 'firm' })
    await call('POST', '/v1/groups', { id: 'club' })
    expect((await call('GET', '/v1/groups/firm')).body).toMatchObject({ require_factor: true })
    await call('POST', '/v1/groups/club/members', { id: 'ann' })
    expect(await isAsked()).toBe(false)
    await call('POST', '/v1/groups/team/members', { id: 'ann' })
    expect(await isAsked()).toBe(true)
    const changed = await call('PATCH', '/v1/groups/firm', { require_factor: false })
    expect([changed.status, changed.body['require_factor']]).toEqual([200, false])
    expect(await isAsked()).toBe(false)
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'group.updated')
    expect(events.at(-1)?.data).toContain('require_factor')
  })

  test('by a role: people who hold it now, on whatever object, also through a group', async () => {
    await call('POST', '/v1/roles', { name: 'guard', permissions: ['can_open'] })
    await call('POST', '/v1/groups', { id: 'site' })
    const given = await call('POST', '/v1/grants', {
      subject: 'ann',
      role: 'guard',
      object: 'site',
    })
    expect(given.status).toBe(201)
    expect(await isAsked()).toBe(false)
    const changed = await call('PATCH', '/v1/roles/guard', { require_factor: true })
    expect(changed.body).toMatchObject({ require_factor: true })
    expect(await isAsked()).toBe(true)
    await worker.context().db.write(sql`update "grant" set expires_at = 1`)
    expect(await isAsked()).toBe(false)
  })

  test('by the setting `operators`: people who hold a scope of the management API', async () => {
    await changeSettings(worker.context(), { require_factor: 'operators' })
    expect(await isAsked()).toBe(false)
    await call('POST', '/v1/roles', { name: 'reader', permissions: ['can_read'] })
    await giveRole(worker, 'ann', 'reader')
    expect(await isAsked()).toBe(false)
    await call('PATCH', '/v1/roles/reader', { permissions: ['users:read'] })
    expect(await isAsked()).toBe(true)
    await worker.context().db.write(sql`delete from "grant" where subject_id = 'ann'`)
    expect(await isAsked()).toBe(false)
    await giveRole(worker, 'ann', 'operator')
    expect(await isAsked()).toBe(true)
  })

  test('nobody else is asked, and nobody where nothing demands it', async () => {
    expect(await isAsked()).toBe(false)
  })
})
