// The question to the person: when it is asked, what it shows, whose answer counts, and that it counts once.
import { beforeEach, describe, expect, test } from 'vitest'
import { createUser } from '../../../worker/identity/users.ts'
import { changeClient, createClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import { Browser, formFields, type Page } from '../../identity/browser.ts'
import {
  APP,
  answerOf,
  CALLBACK,
  VERIFIER as FLOW_VERIFIER,
  follow,
  giveRole,
  pathOf,
  requestPath,
  rowsOf,
  signIn,
  startFlow,
} from '../flow.ts'
import { overtaken, redeem } from '../token_fixtures.ts'

let worker: TestWorker
let browser: Browser
beforeEach(async () => {
  ;({ worker, browser } = await startFlow({ resources: ['https://api.example/'] }))
  await createUser(worker.context(), { id: 'bob', email: 'bob@example.com' })
  await signIn(worker, browser, 'ann')
})

const ask = async (changes: Parameters<typeof requestPath>[0] = {}): Promise<Page> =>
  follow(browser, await browser.get(requestPath(changes)))

const allow = (page: Page) => browser.submit(page, { action: 'allow' })
const asksNothing = async (changes: Parameters<typeof requestPath>[0]) =>
  'code' in answerOf(await browser.get(requestPath(changes)))

describe('the page', () => {
  test('names person, client, scopes, resources and where the answer goes', async () => {
    await changeClient(worker.context(), 'app', { client_name: 'Garden App' }, null)
    const page = await ask({ scope: 'openid mqtt', resource: 'https://api.example/' })
    expect(page.status).toBe(200)
    for (const text of [
      'Garden App',
      'ann@example.com',
      'mqtt',
      'https://api.example/',
      'app.example',
    ]) {
      expect(page.html).toContain(text)
    }
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('says that devices can be controlled also where mProxy is only named as resource', async () => {
    const text = 'see and control the devices'
    expect((await ask()).html).not.toContain(text)
    const named = await ask({ scope: 'openid', resource: 'urn:allauth:mqtt' })
    expect(named.html).toContain(text)
  })

  const LASTING = 'keep this access while you are away'

  test.each<[string, readonly string[], string | undefined, boolean]>([
    ['with offline_access', ['authorization_code', 'refresh_token'], 'openid offline_access', true],
    ['without openid', ['authorization_code', 'refresh_token'], 'email', true],
    ['for a device alone', ['authorization_code', 'refresh_token'], 'mqtt', true],
    [
      'of openid, which ends with the session',
      ['authorization_code', 'refresh_token'],
      'openid email',
      false,
    ],
    [
      'of a client that gets no refresh token',
      ['authorization_code'],
      'email offline_access',
      false,
    ],
  ])('says that access lasts exactly where it does: %s', async (_, grant_types, scope, lasts) => {
    await changeClient(worker.context(), 'app', { grant_types: [...grant_types] as never }, null)
    const page = await ask({ scope })
    expect(page.status).toBe(200)
    expect(page.html.split(LASTING)).toHaveLength(lasts ? 2 : 1)
    // It is true.
    const { code = '' } = answerOf(await allow(page))
    const { body } = await redeem(worker, code, {
      redirect_uri: CALLBACK,
      code_verifier: FLOW_VERIFIER,
    })
    expect(body.refresh_token !== undefined).toBe(lasts)
  })

  test('whose access lasts by now is asked anew', async () => {
    await changeClient(worker.context(), 'app', { grant_types: ['authorization_code'] }, null)
    const page = await ask({ scope: 'email' })
    const grant_types = ['authorization_code', 'refresh_token'] as const
    await changeClient(worker.context(), 'app', { grant_types: [...grant_types] }, null)
    const again = await follow(browser, await allow(page))
    expect([again.status, again.html.includes(LASTING)]).toEqual([200, true])
    expect(answerOf(await allow(again))).toHaveProperty('code')
  })

  test('is asked again where access did not last when it was allowed, and once', async () => {
    await changeClient(worker.context(), 'app', { grant_types: ['authorization_code'] }, null)
    await allow(await ask({ scope: 'email' }))
    expect(await asksNothing({ scope: 'email' })).toBe(true)
    const grant_types = ['authorization_code', 'refresh_token'] as const
    await changeClient(worker.context(), 'app', { grant_types: [...grant_types] }, null)
    const page = await ask({ scope: 'email' })
    expect([page.status, page.html.includes(LASTING)]).toEqual([200, true])
    await allow(page)
    expect(await asksNothing({ scope: 'email' })).toBe(true)
  })

  test('has words for a scope that is named like a member of every object', async () => {
    const scope = 'constructor toString:read __proto__'
    await createClient(worker.context(), { ...APP, client_id: 'odd', scope })
    const { html } = await ask({ client_id: 'odd', scope })
    expect(html.match(/use what the application calls/g)).toHaveLength(3)
    expect(html).not.toContain('native code')
  })

  test('lets its form lead to the client, and nowhere else', async () => {
    const policy = (await ask()).headers.get('content-security-policy')
    expect(policy).toContain("form-action 'self' https://app.example;")
    expect(policy).toContain("frame-ancestors 'none'")
  })

  test('shows markup in the client’s name and in state as text', async () => {
    const client_name = '<img src=x onerror=alert(1)>"\'</h1><script>alert(2)</script>'
    await changeClient(worker.context(), 'app', { client_name }, null)
    const { html } = await ask({ state: '"><script>alert(3)</script>' })
    expect(html).not.toContain('<script')
    expect(html).not.toContain('<img src=x')
    expect(html).toContain('&lt;img src=x')
  })

  test('without a session leads to login, and back to the question', async () => {
    const other = new Browser(worker)
    const page = await browser.get(requestPath())
    const login = await follow(other, await other.get(pathOf(page)))
    expect(pathOf(login)).toMatch(/^\/login\?/)
  })

  test.each([
    ['an unknown handle', '/consent?request=abc'],
    ['no handle', '/consent'],
    ['a handle twice', '/consent?request=a&request=b'],
    ['NUL', '/consent?request=%00'],
  ])('with %s is refused', async (_, path) => {
    const page = await browser.get(path)
    expect(page.status).toBe(400)
    expect(page.headers.get('location')).toBeNull()
  })
})

describe('the answer', () => {
  test('allow gives a code, is remembered, and is not asked for again', async () => {
    const answer = answerOf(await allow(await ask({ scope: 'openid email' })))
    expect(answer).toEqual({ code: expect.any(String), state: 'state-1', iss: ISSUER })
    expect(await rowsOf(worker, 'allowed_scope')).toMatchObject([
      { user_id: 'ann', client_id: 'app', resource: '', scope: 'email' },
      { user_id: 'ann', client_id: 'app', resource: '', scope: 'openid' },
    ])
    expect(await asksNothing({ scope: 'openid' })).toBe(true)
    // Without openid access would last, which was not asked.
    expect((await ask({ scope: 'email' })).status).toBe(200)
    expect(await asksNothing({ scope: 'openid email', prompt: 'none' })).toBe(true)
    const event = (await rowsOf(worker, 'event')).find(
      (one) => one['type'] === 'authorization.allowed',
    )
    expect(event).toMatchObject({ actor_kind: 'user', actor_id: 'ann', subject_id: 'ann' })
  })

  test('is asked for again with more scopes, another resource, another person, prompt=consent', async () => {
    await allow(await ask({ scope: 'openid' }))
    expect((await ask({ scope: 'openid mqtt' })).status).toBe(200)
    expect((await ask({ resource: 'https://api.example/' })).status).toBe(200)
    expect((await ask({ prompt: 'consent' })).status).toBe(200)
    expect((await ask()).status).toBe(303)
    await signIn(worker, browser, 'bob')
    expect((await ask()).status).toBe(200)
  })

  test('prompt=none where the person was not asked is consent_required', async () => {
    const answer = answerOf(await browser.get(requestPath({ prompt: 'none' })))
    expect(answer).toMatchObject({ error: 'consent_required', state: 'state-1', iss: ISSUER })
  })

  test('prompt=consent asks once, although it was allowed before', async () => {
    await allow(await ask())
    const answer = answerOf(await allow(await ask({ prompt: 'consent' })))
    expect(answer).toHaveProperty('code')
  })

  test('deny tells the client access_denied, gives no code, and ends the request', async () => {
    const page = await ask()
    const answer = answerOf(await browser.submit(page, { action: 'deny' }))
    expect(answer).toMatchObject({ error: 'access_denied', state: 'state-1', iss: ISSUER })
    expect(await rowsOf(worker, 'authorization_code')).toEqual([])
    expect(await rowsOf(worker, 'allowed_scope')).toEqual([])
    const late = await allow(page)
    expect(late.status).toBe(400)
    expect(late.headers.get('location')).toBeNull()
    const types = (await rowsOf(worker, 'event')).map((one) => one['type'])
    expect(types.filter((type) => type === 'authorization.denied').length).toBe(1)
  })

  test('first_party clients do not ask, unless prompt=consent', async () => {
    await createClient(worker.context(), { ...APP, client_id: 'ours', first_party: true })
    expect(await asksNothing({ client_id: 'ours' })).toBe(true)
    expect((await ask({ client_id: 'ours', prompt: 'consent' })).status).toBe(200)
  })

  test('of 20 parallel answers to one question, one gives a code', async () => {
    const page = await ask()
    const answers = await Promise.all(Array.from({ length: 20 }, () => allow(page)))
    const codes = answers.filter((one) => one.status === 303).map((one) => answerOf(one)['code'])
    console.log('parallel consents', { parallel: answers.length, codes: codes.length })
    expect(codes.length).toBe(1)
    expect(answers.filter((one) => one.status === 400).length).toBe(19)
    expect((await rowsOf(worker, 'authorization_code')).length).toBe(1)
  })

  test('allow that deny overtakes gives no code, and nothing is remembered', async () => {
    const page = await ask()
    const late = new Browser({
      ...worker,
      ...overtaken(worker, () => browser.submit(page, { action: 'deny' })),
    })
    for (const [name, value] of browser.cookies) late.cookies.set(name, value)
    const answer = await late.submit(page, { action: 'allow' })
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
    expect(await rowsOf(worker, 'authorization_code')).toEqual([])
    expect(await rowsOf(worker, 'allowed_scope')).toEqual([])
    const types = (await rowsOf(worker, 'event')).map((event) => event['type'])
    expect(types).toContain('authorization.denied')
    expect(types).not.toContain('authorization.allowed')
  })

  test('a request that ran out gives a page', async () => {
    const page = await ask()
    worker.clock.now += 1800
    expect((await allow(page)).status).toBe(400)
    expect(await rowsOf(worker, 'authorization_code')).toEqual([])
  })
})

describe('an answer that is not the person’s is refused and gives no code', () => {
  const cases: [string, (page: Page) => Promise<Page>][] = [
    [
      'without csrf',
      (page) => browser.post('/consent', { ...formFields(page), csrf: '', action: 'allow' }),
    ],
    [
      'with csrf of another browser',
      async (page) => {
        const other = new Browser(worker)
        await signIn(worker, other, 'ann')
        const theirs = await follow(other, await other.get(requestPath()))
        return browser.submit(page, { csrf: formFields(theirs)['csrf'] ?? '', action: 'allow' })
      },
    ],
    [
      'from another site',
      (page) => browser.submit(page, { action: 'allow' }, { 'sec-fetch-site': 'cross-site' }),
    ],
    [
      'from another origin',
      (page) => browser.submit(page, { action: 'allow' }, { origin: 'https://evil.example' }),
    ],
    [
      'without cookies',
      async (page) => {
        browser.cookies.clear()
        return browser.submit(page, { action: 'allow' })
      },
    ],
    [
      'after another person signed in',
      async (page) => {
        await signIn(worker, browser, 'bob')
        return browser.submit(page, { action: 'allow' })
      },
    ],
    ['without a button', (page) => browser.submit(page, {})],
    ['with an unknown button', (page) => browser.submit(page, { action: 'maybe' })],
    ['without request', (page) => browser.submit(page, { request: '', action: 'allow' })],
    [
      'as JSON',
      async (page) => {
        const body = JSON.stringify({ ...formFields(page), action: 'allow' })
        return browser.post('/consent', { body }, { 'content-type': 'application/json' })
      },
    ],
  ]
  test.each(cases)('%s', async (_, send) => {
    const answer = await send(await ask())
    expect([400, 403]).toContain(answer.status)
    expect(answer.headers.get('location')).toBeNull()
    expect(await rowsOf(worker, 'authorization_code')).toEqual([])
  })

  test('with the question of another person: it is asked anew', async () => {
    const page = await ask()
    await signIn(worker, browser, 'bob')
    const bobs = await ask()
    // Bob's form with the handle that was shown to Ann.
    const answer = await browser.submit(bobs, {
      request: formFields(page)['request'] ?? '',
      action: 'allow',
    })
    expect(pathOf(answer)).toMatch(/^\/consent\?request=/)
    expect(await rowsOf(worker, 'authorization_code')).toEqual([])
    expect((await follow(browser, answer)).html).toContain('bob@example.com')
  })

  test('about less than would be given now: it is asked anew', async () => {
    await createClient(worker.context(), {
      ...APP,
      client_id: 'desk',
      scope: 'users:read clients:read',
    })
    const at = worker.clock.now
    const { sql } = await import('../../../worker/db/sql.ts')
    await worker.context().db.write(sql`
      insert into role (name, description, permissions, acl, builtin, created_at, updated_at, version)
      values ('helper', '', '["users:read"]', '[]', 0, ${at}, ${at}, 1)`)
    await giveRole(worker, 'ann', 'helper')
    const page = await ask({ client_id: 'desk', scope: 'users:read clients:read' })
    expect(page.html).not.toContain('clients:read')
    await giveRole(worker, 'ann', 'operator')
    const answer = await allow(page)
    expect(pathOf(answer)).toMatch(/^\/consent\?request=/)
    expect((await follow(browser, answer)).html).toContain('clients:read')
  })
})

test('the question takes 1 round trip, each answer 2', async () => {
  await allow(await ask())
  const page = await browser.get(requestPath({ scope: 'openid mqtt' }))
  const asked = await countRoundTrips(worker, () => browser.get(pathOf(page)))
  const allowed = await countRoundTrips(worker, () => allow(asked.value))
  const again = await ask({ scope: 'openid profile' })
  const denied = await countRoundTrips(worker, () => browser.submit(again, { action: 'deny' }))
  const counts = {
    question: asked.roundTrips,
    allow: allowed.roundTrips,
    deny: denied.roundTrips,
  }
  console.log('round trips of consent', counts)
  expect(answerOf(allowed.value, CALLBACK)).toHaveProperty('code')
  expect(counts).toEqual({ question: 1, allow: 2, deny: 2 })
})
