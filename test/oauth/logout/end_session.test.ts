// RP-Initiated Logout: who is signed out without a question, who is asked, where the browser goes then, and what
// leads nowhere.
import * as client from 'openid-client'
import { beforeAll, describe, expect, test } from 'vitest'
import { changeClient, createClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER } from '../../context.ts'
import { Browser, formFields, type Page } from '../../identity/browser.ts'
import { locationOf, pathOf } from '../flow.ts'
import {
  BOB,
  byeOf,
  eventsOf,
  isSignedIn,
  signInAt,
  startSessions,
  verifyLogoutToken,
  visit,
} from '../session_fixtures.ts'
import { refresh } from '../token_fixtures.ts'

const SHOP = byeOf('shop')
type Given = Record<string, string | undefined>

const query = (given: Given) =>
  new URLSearchParams(
    Object.entries(given).filter((pair): pair is [string, string] => pair[1] !== undefined),
  ).toString()
const logoutPath = (given: Given = {}) => `/oauth/logout?${query(given)}`

/** Opens a page of ours, and what it redirects to at our own origin. */
async function open(browser: Browser, path: string): Promise<Page> {
  let page = await browser.get(path)
  while (page.status === 303 && locationOf(page).origin === ISSUER) {
    page = await browser.get(pathOf(page))
  }
  return page
}

async function startSignedIn(changes = {}) {
  const started = await startSessions(changes)
  const tokens = await signInAt(started.worker, started.browser, 'shop')
  return { ...started, tokens }
}

describe('the ID token of the very session', () => {
  test('signs the person out without a question, in two round trips, and leads back with the state', async () => {
    // Without a receiver: what is sent to one goes on behind the answer.
    const { worker, browser, tokens } = await startSignedIn({ backchannel_logout_uri: null })
    const state = 'a b&c=ü'
    const { value: page, roundTrips } = await countRoundTrips(worker, () =>
      browser.get(
        logoutPath({ id_token_hint: tokens.id_token, post_logout_redirect_uri: SHOP, state }),
      ),
    )
    expect(roundTrips).toBe(2)
    expect(page.status).toBe(303)
    expect(page.headers.get('location')).toBe(`${SHOP}?${new URLSearchParams({ state })}`)
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(browser.cookies.has('session')).toBe(false)
    expect(await isSignedIn(browser)).toBe(false)
    expect(await eventsOf(worker, 'session.ended')).toMatchObject([
      { actor_kind: 'user', actor_id: 'ann', subject_id: 'ann' },
    ])
  })

  test('may have run out, and may come by POST from another site, without getting into an address', async () => {
    const { worker, browser, tokens } = await startSignedIn()
    worker.clock.now += 7200
    const asked = await browser.post(
      '/oauth/logout',
      { id_token_hint: tokens.id_token, post_logout_redirect_uri: SHOP, client_id: 'shop' },
      { origin: 'https://shop.example', 'sec-fetch-site': 'cross-site' },
    )
    expect(asked.headers.get('location')).not.toContain(tokens.id_token.split('.')[1])
    expect(await isSignedIn(browser)).toBe(true)
    const page = await browser.get(pathOf(asked))
    expect(locationOf(page).href).toBe(SHOP)
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('of another client that the person signed in to is as good', async () => {
    const { worker, browser } = await startSignedIn()
    const { id_token } = await visit(worker, browser, 'bank')
    const page = await browser.get(
      logoutPath({ id_token_hint: id_token, post_logout_redirect_uri: byeOf('bank') }),
    )
    expect(locationOf(page).href).toBe(byeOf('bank'))
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('without an address ends at a page that says so', async () => {
    const { browser, tokens } = await startSignedIn()
    const page = await browser.get(logoutPath({ id_token_hint: tokens.id_token, state: 's' }))
    expect(page.status).toBe(200)
    expect(page.html).toContain('You are signed out')
    expect(page.headers.get('x-frame-options')).toBe('DENY')
    expect(await isSignedIn(browser)).toBe(false)
  })
})

describe('the person is asked', () => {
  test('without a hint, and what is answered counts: cancel, then sign out', async () => {
    const { browser } = await startSignedIn()
    const path = logoutPath({
      client_id: 'shop',
      post_logout_redirect_uri: SHOP,
      state: 'xyz',
      logout_hint: 'ann@example.com',
      ui_locales: 'de en',
    })
    const page = await browser.get(path)
    expect(page.status).toBe(200)
    expect(page.html).toContain('<bdi>The shop</bdi> möchte Sie abmelden.')
    expect(page.html).toMatch(/name="action" value="logout"[\s\S]*name="action" value="cancel"/)
    const policy = page.headers.get('content-security-policy')
    expect(policy).toContain("form-action 'self' https://shop.example;")
    expect(policy).toContain("frame-ancestors 'none'")
    const kept = await browser.submit(page, { action: 'cancel' })
    expect(pathOf(kept)).toBe('/account')
    expect(await isSignedIn(browser)).toBe(true)
    const gone = await browser.submit(await browser.get(path), { action: 'logout' })
    expect(locationOf(gone).href).toBe(`${SHOP}?state=xyz`)
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('with no parameter at all', async () => {
    const { browser } = await startSignedIn()
    const page = await browser.get('/oauth/logout')
    expect(page.html).toContain('value="logout"')
    const done = await browser.submit(page, { action: 'logout' })
    expect(done.html).toContain('You are signed out')
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('when the hint is about another person, or about an earlier session of the same one', async () => {
    const { worker, browser, tokens } = await startSignedIn()
    const other = new Browser(worker)
    await signInAt(worker, other, 'shop', { email: BOB })
    const again = new Browser(worker)
    await signInAt(worker, again, 'shop')
    for (const asked of [other, again]) {
      const page = await asked.get(
        logoutPath({ id_token_hint: tokens.id_token, post_logout_redirect_uri: SHOP }),
      )
      expect([page.status, page.headers.get('location')]).toEqual([200, null])
      expect(page.html).toContain('value="cancel"')
      expect(await isSignedIn(asked)).toBe(true)
    }
    expect(await isSignedIn(browser)).toBe(true)
  })
})

test('an ID token that names no session is about whoever it names', async () => {
  const { worker, browser } = await startSessions()
  const { refresh_token } = await signInAt(worker, browser, 'shop', {
    scope: 'openid offline_access',
  })
  await browser.submit(await browser.get('/logout'), { action: 'logout' })
  const { body } = await refresh(worker, refresh_token, { client_id: 'shop' })
  const path = logoutPath({ id_token_hint: body.id_token, post_logout_redirect_uri: SHOP })
  const bob = new Browser(worker)
  await signInAt(worker, bob, 'shop', { email: BOB })
  expect((await bob.get(path)).html).toContain('value="cancel"')
  expect(await isSignedIn(bob)).toBe(true)
  await signInAt(worker, browser, 'shop')
  expect(locationOf(await browser.get(path)).href).toBe(SHOP)
  expect(await isSignedIn(browser)).toBe(false)
})

describe('the form that asks', () => {
  test('is taken from our page and this browser alone', async () => {
    const { worker, browser } = await startSignedIn()
    const page = await browser.get(logoutPath({ client_id: 'shop' }))
    const fields = { ...formFields(page), action: 'logout' }
    const thief = new Browser(worker)
    await signInAt(worker, thief, 'shop', { email: BOB })
    const theirs = formFields(await thief.get(logoutPath({ client_id: 'shop' })))
    const refused = [
      await browser.post('/oauth/logout/confirm', { ...fields, csrf: '' }),
      await browser.post('/oauth/logout/confirm', { ...fields, csrf: theirs['csrf'] ?? '' }),
      await browser.post('/oauth/logout/confirm', fields, { origin: 'https://evil.example' }),
      await browser.post('/oauth/logout/confirm', fields, { 'sec-fetch-site': 'cross-site' }),
    ]
    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403])
    expect(await isSignedIn(browser)).toBe(true)
    // Only a form that we made has an effect at the endpoint itself.
    await browser.post('/oauth/logout', { action: 'logout' }, { origin: 'https://evil.example' })
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('is refused with a request that was changed, made up, or has run out', async () => {
    const { worker, browser } = await startSignedIn()
    const fields = formFields(await browser.get(logoutPath({ client_id: 'shop' })))
    const request = fields['request'] ?? ''
    const changed = `${request.slice(0, -2)}${request.endsWith('AA') ? 'BB' : 'AA'}`
    for (const one of [changed, '', 'v1.x.y', 'e30']) {
      const page = await browser.post('/oauth/logout/confirm', {
        ...fields,
        request: one,
        action: 'logout',
      })
      expect([one, page.status]).toEqual([one, 400])
      const got = await browser.get(`/oauth/logout?${query({ request: one === '' ? 'x' : one })}`)
      expect(got.status).toBe(400)
    }
    const odd = await browser.post('/oauth/logout/confirm', { ...fields, action: 'other' })
    expect(odd.status).toBe(400)
    worker.clock.now += 1800
    const late = await browser.post('/oauth/logout/confirm', { ...fields, action: 'logout' })
    expect(late.status).toBe(400)
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('goes nowhere when the client gave up the address meanwhile', async () => {
    const { worker, browser } = await startSignedIn()
    const page = await browser.get(
      logoutPath({ client_id: 'shop', post_logout_redirect_uri: SHOP }),
    )
    await changeClient(worker.context(), 'shop', { post_logout_redirect_uris: [] }, null)
    const answer = await browser.submit(page, { action: 'logout' })
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
  })
})

test('a foreign client finds the endpoint and makes the address by itself', async () => {
  const { worker, browser, tokens } = await startSignedIn()
  const config = await client.discovery(new URL(ISSUER), 'shop', undefined, client.None(), {
    execute: [client.allowInsecureRequests],
    [client.customFetch]: async (url, init) => worker.request(url, init as RequestInit),
  })
  const url = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: SHOP,
    state: 'of-openid-client',
  })
  expect(url.searchParams.get('client_id')).toBe('shop')
  const page = await browser.get(url.pathname + url.search)
  expect(locationOf(page).href).toBe(`${SHOP}?state=of-openid-client`)
  expect(await isSignedIn(browser)).toBe(false)
})

test('where nobody is signed in the browser is led straight back', async () => {
  const { worker, browser, tokens } = await startSignedIn()
  const nobody = new Browser(worker)
  for (const given of [{ client_id: 'shop' }, { id_token_hint: tokens.id_token }]) {
    const page = await nobody.get(
      logoutPath({ ...given, post_logout_redirect_uri: SHOP, state: 's' }),
    )
    expect(locationOf(page).href).toBe(`${SHOP}?state=s`)
  }
  expect((await nobody.get('/oauth/logout')).html).toContain('You are signed out')
  expect(await isSignedIn(browser)).toBe(true)
})

test.each(['native', 'web'] as const)(
  'a public %s client comes back to its loopback address at any port',
  async (application_type) => {
    const { worker, browser } = await startSignedIn()
    await createClient(worker.context(), {
      client_id: 'desktop',
      application_type,
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/callback'],
      post_logout_redirect_uris: ['http://127.0.0.1/bye', 'http://localhost/bye'],
    })
    const given = { client_id: 'desktop', post_logout_redirect_uri: 'http://127.0.0.1:53211/bye' }
    const named = { ...given, post_logout_redirect_uri: 'http://localhost:53211/bye' }
    expect((await browser.get(logoutPath(named))).status).toBe(200)
    const done = await browser.submit(await browser.get(logoutPath(given)), { action: 'logout' })
    expect(locationOf(done).href).toBe('http://127.0.0.1:53211/bye')
    const web = { client_id: 'shop', post_logout_redirect_uri: 'https://shop.example:444/bye' }
    expect((await browser.get(logoutPath(web))).status).toBe(400)
  },
)

test('a client that proves itself comes back to its loopback address at its port alone', async () => {
  const { worker, browser } = await startSignedIn()
  await createClient(worker.context(), {
    client_id: 'desktop',
    application_type: 'native',
    redirect_uris: ['http://127.0.0.1:3000/callback'],
    post_logout_redirect_uris: ['http://127.0.0.1:3000/bye'],
  })
  const at = async (port: number) => {
    const post_logout_redirect_uri = `http://127.0.0.1:${port}/bye`
    return (await browser.get(logoutPath({ client_id: 'desktop', post_logout_redirect_uri })))
      .status
  }
  expect([await at(3000), await at(3001)]).toEqual([200, 400])
})

describe('is told to the person, sends nobody anywhere and ends nothing:', () => {
  let started: Awaited<ReturnType<typeof startSignedIn>>
  let logout_token = ''
  beforeAll(async () => {
    started = await startSignedIn()
    const { worker, receivers } = started
    await createClient(worker.context(), {
      client_id: 'closed',
      status: 'disabled',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['https://closed.example/callback'],
      post_logout_redirect_uris: ['https://closed.example/bye'],
    })
    const other = new Browser(worker)
    await signInAt(worker, other, 'shop')
    await other.submit(await other.get('/logout'), { action: 'logout' })
    await worker.settled()
    logout_token = receivers.got[0]?.logout_token ?? ''
    await verifyLogoutToken(worker, 'shop', logout_token)
  })

  const hinted = { post_logout_redirect_uri: SHOP }
  const named = { client_id: 'shop' }
  test.each<[string, (ours: typeof started) => Given]>([
    [
      'an address that is not registered',
      () => ({ ...named, post_logout_redirect_uri: 'https://evil.example/' }),
    ],
    [
      'an address with more behind it',
      () => ({ ...named, post_logout_redirect_uri: `${SHOP}/more` }),
    ],
    [
      'an address with a query added',
      () => ({ ...named, post_logout_redirect_uri: `${SHOP}?foo=bar` }),
    ],
    [
      'a redirect address of the sign-in',
      () => ({ ...named, post_logout_redirect_uri: 'https://shop.example/callback' }),
    ],
    [
      'an address of another client',
      ({ tokens }) => ({
        id_token_hint: tokens.id_token,
        post_logout_redirect_uri: byeOf('bank'),
      }),
    ],
    ['a client that is not known', () => ({ ...hinted, client_id: 'nobody' })],
    [
      'a client that is disabled',
      () => ({ client_id: 'closed', post_logout_redirect_uri: 'https://closed.example/bye' }),
    ],
    [
      'a hint of another client than the one named',
      ({ tokens }) => ({
        client_id: 'bank',
        id_token_hint: tokens.id_token,
        ...hinted,
      }),
    ],
    ['a hint that is nonsense', () => ({ ...hinted, id_token_hint: 'nonsense' })],
    [
      'a hint whose claims were changed',
      ({ tokens }) => {
        const [head, , tail] = tokens.id_token.split('.')
        const body = btoa(JSON.stringify({ ...tokens.claims, sub: 'bob' })).replaceAll('=', '')
        return { ...hinted, id_token_hint: `${head}.${body}.${tail}` }
      },
    ],
    [
      'an access token for a hint',
      ({ tokens }) => ({ ...hinted, id_token_hint: tokens.access_token }),
    ],
    ['a logout token for a hint', () => ({ ...hinted, id_token_hint: logout_token })],
    ['a state that is too long', () => ({ ...named, ...hinted, state: 'x'.repeat(4097) })],
  ])('%s', async (_, given) => {
    const { browser } = started
    const parameters = given(started)
    for (const page of [
      await open(browser, logoutPath(parameters)),
      await browser.post('/oauth/logout', JSON.parse(JSON.stringify(parameters))),
    ]) {
      // By POST the address is looked at where the cookie is there.
      const shown = page.status === 303 ? await open(browser, pathOf(page)) : page
      expect([shown.status, shown.headers.get('location')]).toEqual([400, null])
      expect(shown.html).toContain('This did not work')
    }
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('an address without a client, before anything is looked up', async () => {
    const { worker, browser } = started
    const { value: page, roundTrips } = await countRoundTrips(worker, () =>
      browser.get(logoutPath({ post_logout_redirect_uri: SHOP, state: 's' })),
    )
    expect([page.status, page.headers.get('location'), roundTrips]).toEqual([400, null, 0])
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('a parameter that comes twice', async () => {
    const { browser, tokens } = started
    const path = logoutPath({ id_token_hint: tokens.id_token, ...hinted })
    const page = await browser.get(`${path}&state=a&state=b`)
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
    expect(await isSignedIn(browser)).toBe(true)
  })
})

test('an ended session asks for the password at the next client', async () => {
  const { worker, browser, tokens } = await startSignedIn()
  await browser.get(logoutPath({ id_token_hint: tokens.id_token }))
  await expect(visit(worker, browser, 'bank', { prompt: 'none' })).rejects.toThrow('login_required')
})
