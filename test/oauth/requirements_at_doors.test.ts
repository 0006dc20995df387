// A person who lacks something goes on at no door, whatever was looked at before, and is led to
// /continue and back where there is somebody to lead.
import { beforeEach, describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../context.ts'
import { Browser, formFields, type Page } from '../identity/browser.ts'
import { isSignedIn } from '../identity/people.ts'
import { accept, publishTerms, publishVersion } from '../support/consents.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import {
  answerOf,
  CALLBACK,
  follow,
  pathOf,
  requestParameters,
  requestPath,
  rowsOf,
  signIn,
  startFlow,
  VERIFIER,
} from './flow.ts'
import { GOOGLE_URI, google, startLinking } from './linking.ts'
import { overtaken, post, token } from './token_fixtures.ts'

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'

let worker: TestWorker
let browser: Browser

async function start(app: Parameters<typeof startFlow>[0] = {}) {
  const flow = await startFlow({
    ...app,
    grant_types: ['authorization_code', 'refresh_token', DEVICE_CODE],
  })
  worker = flow.worker
  browser = flow.browser
  await signIn(worker, browser, 'ann')
  await publishTerms(worker)
}

/** A browser with the same cookies, in whose requests something happens before each write. */
function racing(happens: () => Promise<unknown>): Browser {
  const other = new Browser({ ...worker, ...overtaken(worker, happens) })
  for (const [name, value] of browser.cookies) other.cookies.set(name, value)
  return other
}

const codes = async () => (await rowsOf(worker, 'authorization_code')).length

/** Accepts the version that is offered at present. */
const acceptNow = async (by = browser) => accept(by, await by.get('/continue'))

/** Publishes one more version, once. */
function publishing() {
  let isOver = false
  return async () => {
    if (!isOver) await publishVersion(worker, '2')
    isOver = true
  }
}

describe('authorize', () => {
  beforeEach(() => start({ first_party: true }))

  test('leads to the question and, once it is answered, to the code', async () => {
    await worker.request('/.well-known/jwks.json')
    const { value: sent, roundTrips } = await countRoundTrips(worker, () =>
      browser.get(requestPath()),
    )
    expect(roundTrips).toBe(2)
    const question = await browser.get(pathOf(sent))
    expect(pathOf(sent)).toMatch(/^\/continue\?return_to=%2Foauth%2Fauthorize/)
    // The answer ends in a redirect to the application, which Chromium checks against form-action.
    expect(question.headers.get('content-security-policy')).toContain(new URL(CALLBACK).origin)
    const after = await follow(browser, await accept(browser, question))
    expect(answerOf(after)).toHaveProperty('code')
    const [decision] = await worker
      .context()
      .db.read(sql<{ client_id: string }>`select client_id from consent_decision`)
    expect(decision?.client_id).toBe('app')
  })

  test('keeps no application for a decision whose name was made up', async () => {
    const sent = new URL(pathOf(await browser.get(requestPath())), ISSUER)
    sent.searchParams.set('sender', 'other')
    await accept(browser, await browser.get(sent.pathname + sent.search))
    const rows = await worker.context().db.read(sql`select client_id from consent_decision`)
    expect(rows).toEqual([{ client_id: null }])
  })

  test('gives nothing to a person who goes past the question', async () => {
    const sent = new URL(pathOf(await browser.get(requestPath())), ISSUER)
    const onward = sent.searchParams.get('return_to') ?? ''
    expect(pathOf(await browser.get(onward))).toBe(sent.pathname + sent.search)
    expect(await codes()).toBe(0)
  })

  test('answers prompt=none with interaction_required', async () => {
    const answer = answerOf(await browser.get(requestPath({ prompt: 'none' })))
    expect(answer).toMatchObject({ error: 'interaction_required', state: 'state-1' })
    expect(answer).not.toHaveProperty('code')
    await acceptNow()
    expect(answerOf(await browser.get(requestPath({ prompt: 'none' })))).toHaveProperty('code')
  })

  test('gives no code when a version is published between the look and the code', async () => {
    await acceptNow()
    const sent = await racing(publishing()).get(requestPath())
    expect(pathOf(sent)).toMatch(/^\/continue\?return_to=%2Foauth%2Fauthorize/)
    expect(await codes()).toBe(0)
    const question = await browser.get(pathOf(sent))
    expect(question.html).toContain('The terms, version 2.')
    const after = await follow(browser, await accept(browser, question))
    expect(answerOf(after)).toHaveProperty('code')
  })

  test('answers prompt=none so too when it is published in between', async () => {
    await acceptNow()
    const page = await racing(publishing()).get(requestPath({ prompt: 'none' }))
    expect(answerOf(page)).toMatchObject({ error: 'interaction_required' })
    expect(await codes()).toBe(0)
  })

  test('leads a pushed request to the question as well', async () => {
    const pushed = await post(worker, '/oauth/par', Object.fromEntries(requestParameters()))
    const { request_uri } = pushed.body as { request_uri: string }
    const path = `/oauth/authorize?${new URLSearchParams({ client_id: 'app', request_uri })}`
    const question = await browser.get(pathOf(await browser.get(path)))
    const after = await follow(browser, await accept(browser, question))
    expect(answerOf(after)).toHaveProperty('code')
  })

  test('asks who signs in anew only after the sign-in', async () => {
    const sent = pathOf(await browser.get(requestPath({ prompt: 'login' })))
    expect(sent).toMatch(/^\/login\?/)
    const onward = new URLSearchParams(sent.split('?')[1]).get('return_to') ?? ''
    await signIn(worker, browser, 'ann')
    const question = await browser.get(pathOf(await browser.get(onward)))
    const after = await follow(browser, await accept(browser, question))
    expect(answerOf(after)).toHaveProperty('code')
  })
})

describe('the question of an application', () => {
  beforeEach(() => start())

  const openConsent = async () => {
    await acceptNow()
    return browser.get(pathOf(await browser.get(requestPath())))
  }

  test('is asked after the texts, and its answer counts for nothing while one lacks', async () => {
    const question = await openConsent()
    expect(question.html).toContain('asks for access')
    await publishVersion(worker, '2')
    const sent = await browser.submit(question, { action: 'allow' })
    const asked = await browser.get(pathOf(sent))
    expect(pathOf(asked)).toMatch(/^\/continue\?/)
    expect([await codes(), (await rowsOf(worker, 'allowed_scope')).length]).toEqual([0, 0])
  })

  test('is not shown to a person who lacks something', async () => {
    const question = await openConsent()
    await publishVersion(worker, '2')
    const { request = '' } = formFields(question)
    const path = `/consent?${new URLSearchParams({ request: request.split('.')[0] ?? '' })}`
    const page = await browser.get(pathOf(await browser.get(path)))
    expect(pathOf(page)).toMatch(/^\/continue\?/)
  })

  test('its answer gives no code when a version is published in between', async () => {
    const question = await openConsent()
    const sent = await racing(publishing()).submit(question, { action: 'allow' })
    expect(pathOf(sent)).toMatch(/^\/continue\?/)
    expect([await codes(), (await rowsOf(worker, 'allowed_scope')).length]).toEqual([0, 0])
  })
})

describe('a code of a device', () => {
  beforeEach(async () => {
    await start()
  })

  const begin = async () => {
    const { body } = await post(worker, '/oauth/device_authorization', {
      client_id: 'app',
      scope: 'openid',
    })
    return (body as { user_code: string }).user_code
  }
  const stateOf = async () => {
    const rows = await worker
      .context()
      .db.read(sql<{ status: string }>`select status from device_authorization`)
    return rows.map(({ status }) => status)
  }
  const asksFirst = (page: Page) => expect(pathOf(page)).toMatch(/^\/continue\?return_to=%2Fdevice/)

  test('is neither typed nor allowed by a person who lacks something', async () => {
    const code = await begin()
    asksFirst(await browser.get(`/device?user_code=${code}`))
    const { csrf = '' } = formFields(await browser.get('/continue'))
    asksFirst(await browser.post('/device', { csrf, code, action: 'continue' }))
    await acceptNow()
    const form = await browser.get('/device')
    const question = await browser.submit(form, { code, action: 'continue' })
    expect(question.html).toContain('to your account')
    await publishVersion(worker, '2')
    asksFirst(await browser.submit(question, { action: 'allow' }))
    expect(await stateOf()).toEqual(['pending'])
  })

  test('is not allowed when a version is published in between', async () => {
    const code = await begin()
    await acceptNow()
    const form = await browser.get('/device')
    const question = await browser.submit(form, { code, action: 'continue' })
    asksFirst(await racing(publishing()).submit(question, { action: 'allow' }))
    expect(await stateOf()).toEqual(['pending'])
  })

  test('the page and its steps cost no more round trips than before', async () => {
    const code = await begin()
    await acceptNow()
    const { value: form, roundTrips: first } = await countRoundTrips(worker, () =>
      browser.get('/device'),
    )
    const { value: question, roundTrips: second } = await countRoundTrips(worker, () =>
      browser.submit(form, { code, action: 'continue' }),
    )
    const { roundTrips: third } = await countRoundTrips(worker, () =>
      browser.submit(question, { action: 'allow' }),
    )
    expect([first, second, third]).toEqual([1, 2, 2])
  })
})

test('an assistant is not linked by a person who lacks something', async () => {
  const linking = await startLinking(google)
  worker = linking.worker
  browser = linking.browser
  await publishTerms(worker)
  await browser.signIn(ANN, PASSWORD)
  const parameters = {
    client_id: google.client_id,
    redirect_uri: GOOGLE_URI,
    response_type: 'code',
    state: 's',
    ...google.asks,
  }
  const sent = await browser.get(`/oauth/authorize?${new URLSearchParams(parameters)}`)
  const question = await browser.get(pathOf(sent))
  expect(question.html).toContain('The terms, version 1.')
  const linkingPage = await follow(browser, await accept(browser, question))
  // Google says that the person reads German.
  expect(linkingPage.html).toContain('Zustimmen und verknüpfen')
  await publishVersion(worker, '2')
  const refused = await follow(browser, await browser.submit(linkingPage, { action: 'allow' }))
  expect(refused.html).toContain('The terms, version 2.')
  expect(await codes()).toBe(0)
})

describe('the account', () => {
  beforeEach(() => start())

  test.each([
    '/account',
    '/account/applications',
    '/account/consents',
    '/account/security',
    '/account/security/add',
    '/account/security/passkey',
    '/account/email',
    '/account/password',
  ])('%s is not opened by a person who lacks something', async (path) => {
    const { value: page, roundTrips } = await countRoundTrips(worker, () => browser.get(path))
    expect(pathOf(page)).toBe(`/continue?${new URLSearchParams({ return_to: path })}`)
    expect(roundTrips).toBe(1)
  })

  test('but signing out works, here and everywhere', async () => {
    const { csrf = '' } = formFields(await browser.get('/continue'))
    const second = new Browser(worker)
    await signIn(worker, second, 'ann')
    await browser.post('/account/sessions', { csrf, action: 'everywhere' })
    expect([await isSignedIn(browser), await isSignedIn(second)]).toEqual([false, false])
    await signIn(worker, browser, 'ann')
    const page = await browser.get('/continue')
    const out = await browser.post('/logout', { ...formFields(page), action: 'logout' })
    expect(out.status).toBe(303)
    expect(browser.cookies.has('session')).toBe(false)
  })
})

describe('access that was given before', () => {
  async function connect() {
    await start({ first_party: true, client_id: 'app' })
    await acceptNow()
    const page = await browser.get(requestPath({ scope: 'openid offline_access' }))
    const { code = '' } = answerOf(page)
    const { body } = await token(worker, {
      grant_type: 'authorization_code',
      client_id: 'app',
      code,
      redirect_uri: CALLBACK,
      code_verifier: VERIFIER,
    })
    return body as { refresh_token: string; access_token: string }
  }
  const refreshing = (refresh_token: string) =>
    token(worker, { grant_type: 'refresh_token', client_id: 'app', refresh_token })

  test('goes on when a text changes', async () => {
    const { refresh_token } = await connect()
    await publishVersion(worker, '2')
    expect((await refreshing(refresh_token)).status).toBe(200)
  })

  test('ends when the person withdraws a required consent, at once', async () => {
    const { refresh_token, access_token } = await connect()
    const page = await browser.get('/account/consents')
    await browser.submit(page, { action: 'withdraw' })
    expect((await refreshing(refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
    const headers = { authorization: `Bearer ${access_token}` }
    expect((await worker.request('/oauth/userinfo', { headers })).status).toBe(401)
    expect(await rowsOf(worker, 'allowed_scope')).toEqual([])
  })

  test('ends when the person sets the password that was demanded', async () => {
    const { refresh_token } = await connect()
    const person = await createPerson(worker.context(), {
      id: 'bob',
      email: 'bob@example.com',
      password: PASSWORD,
    })
    await worker
      .context()
      .db.write(
        sql`update user set password = ${person.password}, must_change_password = 1 where id = 'ann'`,
      )
    await worker.context().db.write(
      sql`insert into allowed_scope (user_id, client_id, resource, scope, created_at)
        values ('ann', 'app', '', 'openid', 1)`,
    )
    const page = await browser.get('/continue')
    const values = { password: PASSWORD, new_password: `${PASSWORD} 2`, action: 'save' }
    expect((await browser.submit(page, values)).status).toBe(303)
    expect((await refreshing(refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
    // Every application has to ask again.
    expect(await rowsOf(worker, 'allowed_scope')).toEqual([])
  })
})
