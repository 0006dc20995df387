// Libraries that people log in with today, each in a real browser, against a worker behind TLS:
// oidc-client-ts, auth0-spa-js and keycloak-js as single-page applications, passport-openidconnect
// as a server's. What they do with tokens is their own code, unchanged.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { globalAgent } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import passport from 'passport'
import { Strategy } from 'passport-openidconnect'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { ROOT } from '../support/tree.ts'
import { openBrowser } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'
import { startTlsFront } from './tls_front.ts'

const PASSWORD = 'zażółć gęślą jaźń 2026'
const SECRET = 'passport-secret-of-at-least-32-characters'
const SPA = {
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'openid profile email offline_access',
}

/** The libraries as they come from npm, by the path at which pages load them. */
const FILES: Record<string, string> = {
  '/oidc-client-ts.js': 'oidc-client-ts/dist/browser/oidc-client-ts.min.js',
  '/auth0-spa-js.js': '@auth0/auth0-spa-js/dist/auth0-spa-js.production.js',
  '/keycloak.js': 'keycloak-js/lib/keycloak.js',
}

type Answerer = (request: IncomingMessage, response: ServerResponse) => void

let front: Awaited<ReturnType<typeof startTlsFront>>
let worker: RunningWorker
let browser: Browser
let context: BrowserContext
let page: Page
let apps: Server
let origin: string
/** Answers paths that are no file. */
let application: Answerer

beforeAll(async () => {
  apps = createServer((request, response) => {
    if (request.url === '/favicon.ico') return response.writeHead(404).end()
    const file = FILES[request.url ?? '']
    if (file === undefined) return application(request, response)
    response.setHeader('content-type', 'text/javascript')
    response.end(readFileSync(join(ROOT, 'node_modules', file)))
  })
  await new Promise<void>((done) => apps.listen(0, '127.0.0.1', done))
  origin = `http://localhost:${(apps.address() as AddressInfo).port}`
  front = await startTlsFront()
  const port = await findFreePort()
  front.passTo(port)
  const spa = (client_id: string, client_name: string) => ({
    ...SPA,
    client_id,
    client_name,
    redirect_uris: [`${origin}/${client_id}`],
    post_logout_redirect_uris: [`${origin}/${client_id}/out`],
  })
  const blueprint = {
    users: [{ email: 'ann@example.com', name: 'Ann Ex', password: PASSWORD, email_verified: true }],
    clients: [
      spa('oidc-client-ts', 'Garden'),
      spa('auth0-spa-js', 'Kitchen'),
      spa('keycloak-js', 'Attic'),
      {
        client_id: 'passport',
        client_secret: SECRET,
        token_endpoint_auth_method: 'client_secret_post',
        redirect_uris: [`${origin}/passport/callback`],
        scope: 'openid profile email',
        // It knows no PKCE.
        require_pkce: false,
      },
    ],
  }
  worker = await startWorkerOn('node', blueprint, {
    ISSUER: front.origin,
    PORT: String(port),
    TRUSTED_PROXY: 'loopback',
  })
  browser = await openBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
  front?.stop()
  apps?.closeAllConnections()
  apps?.close()
})

beforeEach(async () => {
  context = await browser.newContext({ ignoreHTTPSErrors: true })
  page = await context.newPage()
})

afterEach(() => context.close())

/** Serves one page whose script ends by setting `window.result`. */
function serve(script: string): void {
  application = (_, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(`<!doctype html><title>App</title><script type="module">
      try { ${script} } catch (error) { window.result = { error: String(error) } }
    </script>`)
  }
}

const result = async (): Promise<Record<string, unknown>> => {
  await page.waitForFunction(() => 'result' in window, null, { timeout: 15_000 })
  return page.evaluate(() => (window as unknown as { result: Record<string, unknown> }).result)
}

/**
 * Signs in at our pages, allows what is asked, and waits until the application has the browser
 * again.
 */
async function signIn(): Promise<void> {
  await page.waitForURL((url) => url.href.startsWith(`${front.origin}/login`))
  await page.fill('[name=username]', 'ann@example.com')
  await page.fill('[name=password]', PASSWORD)
  await page.click('[name=action][value=login]')
  await page.waitForURL((url) => url.href.startsWith(`${front.origin}/consent`))
  await page.click('[name=action][value=allow]')
  await page.waitForURL((url) => url.href.startsWith(origin))
}

/**
 * The call of the page for signing out leads back to its address for that, and nobody is signed in
 * here any more.
 */
async function signOut(client_id: string): Promise<void> {
  // Not waited for: the page goes away under it.
  await page.evaluate(() => void setTimeout((window as unknown as { signOut(): void }).signOut))
  await page.waitForURL((url) => url.href.startsWith(`${origin}/${client_id}/out`))
  await page.goto(`${front.origin}/account`)
  expect(new URL(page.url()).pathname).toBe('/login')
}

test('oidc-client-ts signs in, reads userinfo, renews with its refresh token, and signs out', async () => {
  serve(`
    await new Promise((loaded, failed) => {
      const tag = document.createElement('script')
      tag.src = '/oidc-client-ts.js'; tag.onload = loaded; tag.onerror = failed
      document.head.append(tag)
    })
    const manager = new oidc.UserManager({
      authority: '${front.origin}', client_id: 'oidc-client-ts',
      redirect_uri: '${origin}/oidc-client-ts', scope: 'openid profile email offline_access',
      loadUserInfo: true, monitorSession: false,
    })
    if (!location.search.includes('code=')) await manager.signinRedirect()
    else {
      const user = await manager.signinRedirectCallback()
      const renewed = await manager.signinSilent()
      window.result = {
        profile: user.profile, scopes: user.scopes, first: user.access_token,
        renewed: renewed.access_token, same: renewed.profile.sub === user.profile.sub,
      }
      window.signOut = () =>
        manager.signoutRedirect({ post_logout_redirect_uri: '${origin}/oidc-client-ts/out' })
    }`)
  await page.goto(`${origin}/oidc-client-ts`)
  await signIn()
  const { profile, same, first, renewed, error } = await result()
  expect(error).toBeUndefined()
  expect(profile).toMatchObject({
    iss: front.origin,
    name: 'Ann Ex',
    email: 'ann@example.com',
    email_verified: true,
  })
  expect(same).toBe(true)
  expect(renewed).not.toBe(first)
  await signOut('oidc-client-ts')
})

test('auth0-spa-js signs in and renews with its refresh token', async () => {
  serve(`
    await new Promise((loaded, failed) => {
      const tag = document.createElement('script')
      tag.src = '/auth0-spa-js.js'; tag.onload = loaded; tag.onerror = failed
      document.head.append(tag)
    })
    const client = await auth0.createAuth0Client({
      domain: '${front.origin}', issuer: '${front.origin}', clientId: 'auth0-spa-js',
      useRefreshTokens: true, cacheLocation: 'localstorage',
      authorizationParams: { redirect_uri: '${origin}/auth0-spa-js', scope: 'openid profile email offline_access' },
    })
    if (!location.search.includes('code=')) await client.loginWithRedirect()
    else {
      await client.handleRedirectCallback()
      const user = await client.getUser()
      const first = await client.getTokenSilently()
      const renewed = await client.getTokenSilently({ cacheMode: 'off' })
      window.result = { user, first, renewed, in: await client.isAuthenticated() }
    }`)
  await page.goto(`${origin}/auth0-spa-js`)
  await signIn()
  const { user, first, renewed, error, ...rest } = await result()
  expect(error).toBeUndefined()
  expect(rest['in']).toBe(true)
  expect(user).toHaveProperty('sub')
  expect(renewed).not.toBe(first)
})

test('keycloak-js signs in, renews its token, and signs out', async () => {
  serve(`
    const { default: Keycloak } = await import('/keycloak.js')
    const keycloak = new Keycloak({ oidcProvider: '${front.origin}', clientId: 'keycloak-js' })
    const signedIn = await keycloak.init({
      onLoad: 'login-required', responseMode: 'query', pkceMethod: 'S256', checkLoginIframe: false,
      scope: 'openid profile email offline_access', redirectUri: '${origin}/keycloak-js',
    })
    const first = keycloak.token
    await keycloak.updateToken(-1)
    window.signOut = () => keycloak.logout({ redirectUri: '${origin}/keycloak-js/out' })
    window.result = { signedIn, subject: keycloak.subject, idToken: keycloak.idTokenParsed, first, renewed: keycloak.token }
  `)
  await page.goto(`${origin}/keycloak-js`)
  await signIn()
  const { signedIn, idToken, first, renewed, error } = await result()
  expect(error).toBeUndefined()
  expect(signedIn).toBe(true)
  expect(idToken).toMatchObject({ iss: front.origin, aud: 'keycloak-js' })
  expect(renewed).not.toBe(first)
  await signOut('keycloak-js')
})

test('passport-openidconnect signs a server’s visitor in', async () => {
  // It has no option for a certificate authority of its own.
  globalAgent.options.ca = front.certificate
  const strategy = new Strategy(
    {
      issuer: front.origin,
      authorizationURL: `${front.origin}/oauth/authorize`,
      tokenURL: `${front.origin}/oauth/token`,
      userInfoURL: `${front.origin}/oauth/userinfo`,
      clientID: 'passport',
      clientSecret: SECRET,
      callbackURL: `${origin}/passport/callback`,
      scope: ['profile', 'email'],
      skipUserProfile: false,
    },
    (_issuer: string, profile: object, done: (error: null, user: object) => void) =>
      done(null, profile),
  )
  const sessions = new Map<string, object>()
  application = (request, response) => {
    const known = /\bapp=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1]
    const id = known ?? randomUUID()
    if (known === undefined) response.setHeader('set-cookie', `app=${id}; Path=/; HttpOnly`)
    const session = sessions.get(id) ?? {}
    sessions.set(id, session)
    const { searchParams } = new URL(request.url ?? '', origin)
    Object.assign(request, { session, query: Object.fromEntries(searchParams) })
    const show = (value: unknown) => {
      response.setHeader('content-type', 'text/html')
      const text = JSON.stringify(value).replaceAll('<', '\\u003c')
      response.end(`<!doctype html><title>App</title><script>window.result = ${text}</script>`)
    }
    passport.authenticate(strategy, (error: unknown, user: unknown, info: unknown) =>
      show(error ? { error: String(error) } : { user, info: user ? undefined : info }),
    )(request, response, (error: unknown) => show({ error: String(error) }))
  }
  await page.goto(`${origin}/passport`)

  await signIn()
  const { user, error } = await result()
  expect(error).toBeUndefined()
  expect(user).toMatchObject({
    displayName: 'Ann Ex',
    emails: [{ value: 'ann@example.com' }],
  })
})
