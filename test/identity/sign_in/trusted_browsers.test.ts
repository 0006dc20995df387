// Browsers that are not asked for the second factor for some days: only where the person proved it,
// said so, and nothing demands one; and what ends it.
import { beforeEach, describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { changeUser } from '../../../worker/identity/users.ts'
import { runJobs } from '../../../worker/jobs.ts'
import { createClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { APP, answerOf, pathOf, requestPath } from '../../oauth/flow.ts'
import { overtaken } from '../../oauth/token_fixtures.ts'
import { callApi, newClientToken } from '../../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../../support/people.ts'
import { addAuthenticator, codeAt } from '../authenticator.ts'
import { Browser, formFields, type Page } from '../browser.ts'
import { linkIn, type Mail, mailsOf } from '../mails.ts'
import { newestAmr } from '../passkeys/passkey_people.ts'
import { eventsOf, startWithAnn } from '../people.ts'

const DAY = 86_400
const MFA = 'urn:allauth:acr:mfa'
const NEXT = 'seven brown horses jump over fences'

let worker: TestWorker
let owner: Browser
let browser: Browser
let key: string
let codes: string[]

beforeEach(async () => {
  const started = await startWithAnn()
  worker = started.worker
  owner = started.browser
  await changeSettings(worker.context(), { remember_browser_days: 30 })
  await owner.signIn(ANN, PASSWORD)
  const app = await addAuthenticator(worker, owner)
  key = app.key
  codes = app.codes
  worker.clock.now += 60
  browser = new Browser(worker)
})

const code = () => codeAt(key, worker.clock.now)

/** Where the sign-in by password leads in a browser. */
const afterPassword = async (by = browser, path = '/login') =>
  pathOf(await by.signIn(ANN, PASSWORD, path))

/** Signs in with both factors and says that the browser is to be trusted. */
async function trust(by = browser, values: Record<string, string> = { trust: '1' }) {
  const page = await by.get(await afterPassword(by))
  const done = await by.submit(page, { code: await code(), action: 'verify', ...values })
  expect(done.status).toBe(303)
  worker.clock.now += 30
  return page
}

const forgetSession = (by = browser) => by.cookies.delete('session')
const rows = () => worker.context().db.read(sql`select * from trusted_browser`)

test('a browser is trusted where the person says so, and the session says what was proven', async () => {
  const page = await trust()
  expect(page.html).toContain('Do not ask again in this browser for 30 days')
  forgetSession()
  const login = await browser.get('/login')
  const { value: done, roundTrips } = await countRoundTrips(worker, () =>
    browser.submit(login, { username: ANN, password: PASSWORD }),
  )
  expect([pathOf(done), roundTrips]).toEqual(['/account', 2])
  expect(await newestAmr(worker)).toEqual(['pwd'])
  const types = (await eventsOf(worker)).map(({ type }) => type)
  expect(types).toContain('browser.trusted')
  const [row] = await rows()
  expect(JSON.stringify(row)).not.toContain(browser.cookies.get('trusted_browser'))
})

test('it is asked for again in another browser, after the days, and where nothing was said', async () => {
  await trust(browser, { trust: '' })
  forgetSession()
  expect(await afterPassword()).toBe('/login/verify')
  await trust()
  expect(await afterPassword(new Browser(worker))).toBe('/login/verify')
  worker.clock.now += 30 * DAY - 30
  forgetSession()
  expect(await afterPassword()).toBe('/login/verify')
})

test('the cookie is nothing to another person, and nothing without the password', async () => {
  await trust()
  forgetSession()
  await createPerson(worker.context(), { id: 'eve', email: 'eve@example.com', password: PASSWORD })
  const eve = new Browser(worker)
  await eve.signIn('eve@example.com', PASSWORD)
  await addAuthenticator(worker, eve)
  expect(pathOf(await browser.signIn('eve@example.com', PASSWORD))).toBe('/login/verify')
  const wrong = await browser.signIn(ANN, NEXT)
  expect(wrong.status).toBe(403)
})

test('two people who share a browser keep theirs, under a value that is new each time', async () => {
  await createPerson(worker.context(), { id: 'eve', email: 'eve@example.com', password: PASSWORD })
  const eve = new Browser(worker)
  await eve.signIn('eve@example.com', PASSWORD)
  const hers = await addAuthenticator(worker, eve)
  worker.clock.now += 60
  // A value that somebody else planted is worth nothing afterwards.
  browser.cookies.set('trusted_browser', 'x'.repeat(43))
  await trust()
  expect(browser.cookies.get('trusted_browser')).not.toBe('x'.repeat(43))
  forgetSession()
  const page = await browser.get(pathOf(await browser.signIn('eve@example.com', PASSWORD)))
  const proof = { code: await codeAt(hers.key, worker.clock.now), trust: '1', action: 'verify' }
  expect((await browser.submit(page, proof)).status).toBe(303)
  forgetSession()
  expect(await afterPassword()).toBe('/account')
  forgetSession()
  expect(pathOf(await browser.signIn('eve@example.com', PASSWORD))).toBe('/account')
})

test('a recovery code makes no browser trusted', async () => {
  const page = await browser.get(await afterPassword())
  const done = await browser.submit(page, { code: codes[0] ?? '', trust: '1', action: 'verify' })
  expect(done.status).toBe(303)
  expect(await rows()).toEqual([])
})

test('it is off by default, and then neither offered nor taken', async () => {
  await trust()
  await changeSettings(worker.context(), { remember_browser_days: 0 })
  forgetSession()
  const to = await afterPassword()
  expect(to).toBe('/login/verify')
  const page = await browser.get(to)
  expect(page.html).not.toContain('Do not ask again')
  const before = (await rows()).length
  await browser.submit(page, { code: await code(), trust: '1', action: 'verify' })
  expect(await rows()).toHaveLength(before)
})

describe('it proves nothing', () => {
  beforeEach(async () => {
    await createClient(worker.context(), { ...APP, first_party: true })
    await trust()
    forgetSession()
  })

  test.each([
    [
      'an essential acr',
      { claims: JSON.stringify({ id_token: { acr: { essential: true, value: MFA } } }) },
    ],
    ['prompt=login', { prompt: 'login' }],
    ['max_age', { max_age: '60' }],
  ])('to a request with %s', async (_, changes) => {
    const to = pathOf(await browser.get(requestPath(changes)))
    expect(await afterPassword(browser, to)).toMatch(/^\/login\/verify/)
  })

  test('to a client that demands two factors, which asks for the second in the session', async () => {
    const token = await newClientToken(worker)
    await callApi(worker, token, 'PATCH', '/v1/clients/app', { require_acr: MFA })
    expect(await afterPassword()).toBe('/account')
    const door = await browser.get(pathOf(await browser.get(requestPath())))
    const page = await browser.get(pathOf(door))
    const done = await browser.submit(page, { code: await code(), action: 'verify' })
    expect(answerOf(await browser.get(pathOf(done)))).toHaveProperty('code')
    expect(await newestAmr(worker)).toEqual(['pwd', 'otp', 'mfa'])
  })

  test('to the setting, a group or a role, and no browser can be trusted then', async () => {
    await changeSettings(worker.context(), { require_factor: 'everybody' })
    const to = await afterPassword()
    expect(to).toBe('/login/verify')
    const page = await browser.get(to)
    expect(page.html).not.toContain('Do not ask again')
    const before = await rows()
    await browser.submit(page, { code: await code(), trust: '1', action: 'verify' })
    expect(await rows()).toEqual(before)
  })

  test('to the pages that change factors, which ask for the second alone', async () => {
    expect(await afterPassword()).toBe('/account')
    const page = await browser.get('/account/security')
    const refused = await browser.submit(page, { action: 'remove' })
    const login = await browser.get(pathOf(refused))
    expect(pathOf(login)).toMatch(/^\/login\/verify.*step_up=1/)
    const proof = await browser.get(pathOf(login))
    await browser.submit(proof, { code: await code(), action: 'verify' })
    expect((await browser.get('/account/security/add')).status).toBe(200)
  })

  test('but a client may say for how many days, whose word has a MAC', async () => {
    const token = await newClientToken(worker)
    const say = (remember_browser_days: number | null) =>
      callApi(worker, token, 'PATCH', '/v1/clients/app', { remember_browser_days })
    expect((await say(91)).status).toBe(400)
    await say(0)
    const never = pathOf(await browser.get(requestPath()))
    expect(await afterPassword(browser, never)).toMatch(/^\/login\/verify/)
    await say(60)
    worker.clock.now += 45 * DAY
    const longer = pathOf(await browser.get(requestPath()))
    const forged = longer.replace('trust_days=60', 'trust_days=90')
    expect(await afterPassword(browser, forged)).toMatch(/^\/login\/verify/)
    expect(await afterPassword(browser, longer)).toMatch(/^\/oauth\/authorize/)
  })
})

describe('it ends', () => {
  const end = async (browsers: Browser) => {
    const page = await browsers.get('/account')
    const id = /name="browser" value="([^"]*)"/.exec(page.html)?.[1] ?? ''
    expect(page.html).toContain('Browsers that you trust')
    const { csrf = '' } = formFields(page)
    await browsers.post('/account/sessions', { csrf, browser: id, action: 'forget' })
    expect((await browsers.get('/account')).html).not.toContain('Browsers that you trust')
  }

  test.each<[string, (signedIn: Browser) => Promise<unknown>]>([
    ['on the page of the account', end],
    [
      'with another password',
      async (signedIn) => {
        const page = await signedIn.get('/account/password')
        const done = await signedIn.submit(page, {
          present: PASSWORD,
          password: NEXT,
          action: 'save',
        })
        expect(done.status).toBe(303)
      },
    ],
    [
      'with a factor that is removed',
      async (signedIn) => {
        await worker.context().db.write(
          sql`insert into factor (id, user_id, kind, name, last_step, made_by, created_at)
            values ('fac_0000000000000000000000000x', 'ann', 'totp', 'Two', 0, 'other', 1)`,
        )
        const { csrf = '' } = formFields(await signedIn.get('/account/security'))
        await signedIn.post('/account/security', {
          csrf,
          factor: 'fac_0000000000000000000000000x',
          action: 'remove',
        })
      },
    ],
    [
      'with a factor that an operator removes',
      async () => {
        await worker.context().db.write(
          sql`insert into factor (id, user_id, kind, name, last_step, made_by, created_at)
            values ('fac_0000000000000000000000000x', 'ann', 'totp', 'Two', 0, 'other', 1)`,
        )
        const token = await newClientToken(worker)
        const path = '/v1/users/ann/factors/fac_0000000000000000000000000x'
        expect((await callApi(worker, token, 'DELETE', path)).status).toBe(204)
      },
    ],
    [
      'with all sessions',
      async (signedIn) => {
        const { csrf = '' } = formFields(await signedIn.get('/account'))
        await signedIn.post('/account/sessions', { csrf, action: 'everywhere' })
      },
    ],
    [
      'with an account that was disabled and enabled again',
      async () => {
        await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
        await changeUser(worker.context(), 'ann', { status: 'active' }, null)
      },
    ],
    [
      'with the epoch of the person',
      () => worker.context().db.write(sql`update user set epoch = epoch + 1 where id = 'ann'`),
    ],
    [
      'with a forgotten password',
      async () => {
        // A mailbox that was not proven before takes the factors too.
        await changeUser(worker.context(), 'ann', { email_verified: true }, null)
        const asking = new Browser(worker)
        await asking.submit(await asking.get('/recover'), { email: ANN, action: 'send' })
        const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'recovery')
        const link = linkIn(mail as Mail)
        const page: Page = await asking.get(link.pathname + link.search)
        expect((await asking.submit(page, { password: NEXT, action: 'save' })).status).toBe(303)
      },
    ],
  ])('%s', async (_, happens) => {
    await trust()
    await happens(browser)
    forgetSession()
    const changed = await browser.signIn(ANN, NEXT)
    const to = changed.status === 303 ? pathOf(changed) : await afterPassword()
    expect(to).toBe('/login/verify')
  })

  test('with its person, and when it is old', async () => {
    await trust()
    worker.clock.now += 90 * DAY
    await runJobs(worker.context())
    expect(await rows()).toEqual([])
  })

  test('for its owner alone: nobody ends that of another person', async () => {
    await trust()
    const [row] = (await rows()) as { hash: string }[]
    await createPerson(worker.context(), {
      id: 'eve',
      email: 'eve@example.com',
      password: PASSWORD,
    })
    const eve = new Browser(worker)
    await eve.signIn('eve@example.com', PASSWORD)
    const { csrf = '' } = formFields(await eve.get('/account'))
    await eve.post('/account/sessions', { csrf, browser: row?.hash ?? '', action: 'forget' })
    expect(await rows()).toHaveLength(1)
  })

  test('also when that happens while the password is looked at', async () => {
    await trust()
    forgetSession()
    let writes = 0
    const racing = new Browser({
      ...worker,
      // The second write is the one that starts the session.
      ...overtaken(worker, async () => {
        if (++writes === 2) await worker.context().db.write(sql`delete from trusted_browser`)
      }),
    })
    for (const [name, value] of browser.cookies) racing.cookies.set(name, value)
    const page = await racing.signIn(ANN, PASSWORD)
    expect(page.status).toBe(403)
    expect(racing.cookies.has('session')).toBe(false)
  })
})
