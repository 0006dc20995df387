// Signing out and the account pages as people see them: Chromium at two sizes, in three languages,
// with script and without;
// clients that end the session by the browser; and a receiver of logout tokens over real HTTP.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { messagesIn } from '../../worker/messages/messages.ts'
import { discover, PASSWORD } from './black_box.ts'
import { openBrowser, shoot } from './chromium.ts'
import { until } from './mproxy_fixtures/until.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

let worker: RunningWorker
let browser: Browser
let site: Server
let origin: string
const received: string[] = []

const LOCALES = ['en', 'pl', 'ar'] as const
const RUNS = LOCALES.flatMap((locale) => [false, true].map((script) => [locale, script] as const))
const ANN = 'ann@example.com'
const emailOf = (locale: string, script: boolean) =>
  `ann.${locale}.${script ? 'script' : 'plain'}@example.com`

beforeAll(async () => {
  // The application: its pages, and where it hears of logouts. 127.0.0.1 is another site than
  // localhost.
  site = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (request.url === '/backchannel') {
      const form = new URLSearchParams(Buffer.concat(chunks).toString())
      received.push(form.get('logout_token') ?? '')
      response.end()
      return
    }
    response.setHeader('content-type', 'text/html')
    const query = new URL(request.url ?? '', origin).searchParams
    if (request.url?.startsWith('/leave')) {
      const fields = [...query].map(([name, value]) => `<input name="${name}" value="${value}">`)
      response.end(
        `<form method="post" action="${worker.issuer}/oauth/logout">${fields.join('')}<button>Leave</button></form>`,
      )
      return
    }
    if (request.url?.startsWith('/popup')) {
      response.end('<script>opener.postMessage(location.search, "*"); close()</script>')
      return
    }
    response.end('<h1>At the app</h1>')
  })
  await new Promise<void>((done) => site.listen(0, '127.0.0.1', done))
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  const client = (client_id: string, client_name: string, scope: string) => ({
    client_id,
    client_name,
    scope,
    redirect_uris: [`${origin}/callback`, `${origin}/popup`],
    post_logout_redirect_uris: [`${origin}/bye`],
    backchannel_logout_uri: `${origin}/backchannel`,
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  })
  worker = await startWorkerOn(
    'node',
    {
      clients: [
        client('home', 'Home app', 'openid profile email offline_access mqtt'),
        client('energy', 'Energy reports of the Municipal Utility Company', 'openid email'),
      ],
      users: [ANN, ...RUNS.map(([locale, script]) => emailOf(locale, script))].map((email) => ({
        ...{ email, name: 'Ann Example', password: PASSWORD },
      })),
    },
    { ALLOW_PRIVATE_ADDRESSES: 'yes' },
  )
  browser = await openBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
  site?.close()
})

const open = async (options: BrowserContextOptions = { javaScriptEnabled: false }): Promise<Page> =>
  (await browser.newContext(options)).newPage()

async function login(page: Page, email = ANN) {
  await page.fill('input[name=username]', email)
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[name=action][value=login]')
}

/** Signs in to a client, through whatever pages come, and answers the tokens. */
async function signInAt(page: Page, client_id: string, scope: string, email = ANN) {
  const as = await discover(worker.issuer)
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const url = new URL(as.authorization_endpoint ?? '')
  url.search = new URLSearchParams({
    client_id,
    redirect_uri: `${origin}/callback`,
    response_type: 'code',
    scope,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }).toString()
  await page.goto(url.href)
  if (page.url().includes('/login')) await login(page, email)
  if (page.url().includes('/consent')) await page.click('button[name=action][value=allow]')
  await page.waitForURL((at) => at.href.startsWith(origin))
  const client: oauth.Client = { client_id }
  const answer = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    oauth.None(),
    oauth.validateAuthResponse(as, client, new URL(page.url()), state),
    `${origin}/callback`,
    verifier,
    { [oauth.allowInsecureRequests]: true },
  )
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer)
  return { as, tokens, id_token: tokens.id_token ?? '' }
}

test.concurrent.each(RUNS)(
  'a person looks at browsers and applications, takes access away, and signs out everywhere, in %s, with script: %s',
  async (locale, javaScriptEnabled) => {
    const m = messagesIn(locale)
    const email = emailOf(locale, javaScriptEnabled)
    // Each page is photographed once in each language.
    const look = async (name: string) => {
      if (!javaScriptEnabled) await shoot(page, `${name}_${locale}`)
    }
    const page = await open({ javaScriptEnabled, locale })
    const { tokens } = await signInAt(
      page,
      'home',
      'openid profile email offline_access mqtt',
      email,
    )
    await signInAt(page, 'energy', 'openid email', email)
    const phone = await open({
      javaScriptEnabled,
      locale,
      userAgent:
        'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
    })
    await phone.goto(`${worker.issuer}/login`)
    await login(phone, email)
    await page.goto(`${worker.issuer}/account`)
    expect(await page.getAttribute('html', 'lang')).toBe(locale)
    await look('account')
    expect(await page.locator('.entries > li').count()).toBe(2)
    await page.click('.entries > li:has-text("Safari, iPhone") button')
    expect(await page.locator('.entries > li').count()).toBe(1)
    await phone.goto(`${worker.issuer}/account`)
    expect(phone.url()).toContain('/login')

    await page.click('a[href="/account/applications"]')
    expect(await page.locator('.entries > li').count()).toBe(2)
    await look('applications')
    await page.click('.entries > li:has-text("Home app") button')
    expect(await page.locator('.entry-name').allTextContents()).toEqual([
      'Energy reports of the Municipal Utility Company',
    ])
    await page.click('.entries > li button')
    expect(await page.locator('.entries > li').count()).toBe(0)
    await look('applications_none')

    await page.goto(`${worker.issuer}/account`)
    await page.click('button[name=action][value=everywhere]')
    expect(await page.locator('h1').textContent()).toBe(m('signed_out.title'))
    // Both were signed in in this session, though their access was taken away before.
    const { sub } = decodeJwt(tokens.id_token ?? '')
    const mine = () => received.filter((token) => decodeJwt(token).sub === sub)
    await until('both logout tokens', () => mine().length === 2)
    const jwks = createRemoteJWKSet(new URL(`${worker.issuer}/.well-known/jwks.json`))
    for (const audience of ['home', 'energy'] as const) {
      const verified = await Promise.allSettled(
        mine().map((token) =>
          jwtVerify(token, jwks, { issuer: worker.issuer, audience, typ: 'logout+jwt' }),
        ),
      )
      expect(
        verified.filter(({ status }) => status === 'fulfilled'),
        audience,
      ).toHaveLength(1)
    }
    await page.context().close()
    await phone.context().close()
  },
  300_000,
)

test('a client of another site signs the person out by a link or a form, with or without a question', async () => {
  const page = await open()
  const { as, id_token } = await signInAt(page, 'energy', 'openid email')
  const asked = new URLSearchParams({
    client_id: 'energy',
    post_logout_redirect_uri: `${origin}/bye`,
    state: 'a b',
  })
  await page.goto(`${as.end_session_endpoint}?${asked}`)
  await shoot(page, 'sign_out_asked')
  await page.click('button[name=action][value=logout]')
  // The policy of the page lets its form lead there.
  await page.waitForURL(`${origin}/bye?state=a+b`)
  await page.goto(`${worker.issuer}/account`)
  expect(page.url()).toContain('/login')

  await signInAt(page, 'energy', 'openid email')
  const stale = new URLSearchParams({ id_token_hint: id_token, state: 's' })
  await page.goto(`${as.end_session_endpoint}?${stale}`)
  expect(await page.locator('button[value=cancel]').count()).toBe(1)

  const again = await signInAt(page, 'energy', 'openid email')
  const hinted = new URLSearchParams({
    id_token_hint: again.id_token,
    post_logout_redirect_uri: `${origin}/bye`,
  })
  await page.goto(`${origin}/leave?${hinted}`)
  await page.click('button')
  await page.waitForURL(`${origin}/bye`)
  await page.goto(`${worker.issuer}/account`)
  expect(page.url()).toContain('/login')
  await page.context().close()
})

test('an application that opens the sign-in in a window of its own gets the answer from it', async () => {
  const context = await browser.newContext()
  const app = await context.newPage()
  await app.goto(`${origin}/`)
  const as = await discover(worker.issuer)
  const url = new URL(as.authorization_endpoint ?? '')
  url.search = new URLSearchParams({
    client_id: 'home',
    redirect_uri: `${origin}/popup`,
    response_type: 'code',
    scope: 'openid',
    state: 'from-the-window',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  }).toString()
  const answer = app.evaluate(
    'new Promise((done) => addEventListener("message", ({ data }) => done(data)))',
  )
  const [window] = await Promise.all([
    context.waitForEvent('page'),
    app.evaluate(`open(${JSON.stringify(url.href)}, 'sign-in', 'width=400,height=600') !== null`),
  ])
  await login(window)
  await window.click('button[name=action][value=allow]')
  expect(String(await answer)).toMatch(/code=[\w-]+&state=from-the-window/)
  await context.close()
})
