// The main job end to end, with real parts only: a person signs in with Chromium at the hosted
// pages, in a code + PKCE flow that oauth4webapi drives; the access token opens mProxy over
// WebSocket (mqtt.js), in front of Mosquitto; a device logs in with its own key and is heard; what
// the grants do not give is refused.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as oauth from 'oauth4webapi'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimsOf, deviceToken, discover, makeBlueprint, PASSWORD } from './black_box.ts'
import { openBrowser, shoot } from './chromium.ts'
import { connect, tryConnect } from './mproxy_fixtures/clients.ts'
import {
  type Broker,
  type RunningProxy,
  startBroker,
  startProxy,
} from './mproxy_fixtures/programs.ts'
import { until } from './mproxy_fixtures/until.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

let worker: RunningWorker
let broker: Broker
let proxy: RunningProxy
let browser: Browser
let client: Server
let redirect_uri: string
let deviceKey: CryptoKey

beforeAll(async () => {
  // The app's own page, where the browser comes back to.
  client = createServer((_, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<h1>Back at the app</h1>')
  })
  await new Promise<void>((done) => client.listen(0, '127.0.0.1', done))
  redirect_uri = `http://127.0.0.1:${(client.address() as AddressInfo).port}/callback`
  const made = await makeBlueprint()
  deviceKey = made.deviceKey
  made.blueprint.clients[1]!.redirect_uris = [redirect_uri]
  worker = await startWorkerOn('node', made.blueprint)
  broker = await startBroker()
  proxy = await startProxy({ issuer: worker.issuer, broker: broker.url })
  browser = await openBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await proxy?.stop()
  await broker?.stop()
  await worker?.stop()
  client?.close()
})

async function begin(scope: string) {
  const as = await discover(worker.issuer)
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const url = new URL(as.authorization_endpoint ?? '')
  url.search = new URLSearchParams({
    client_id: 'app',
    redirect_uri,
    response_type: 'code',
    scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }).toString()
  return { as, url, verifier, state, nonce }
}

async function finish(page: Page, flow: Awaited<ReturnType<typeof begin>>) {
  await page.waitForURL((url) => url.href.startsWith(redirect_uri))
  const app: oauth.Client = { client_id: 'app' }
  const parameters = oauth.validateAuthResponse(flow.as, app, new URL(page.url()), flow.state)
  const answer = await oauth.authorizationCodeGrantRequest(
    flow.as,
    app,
    oauth.None(),
    parameters,
    redirect_uri,
    flow.verifier,
    { [oauth.allowInsecureRequests]: true },
  )
  return oauth.processAuthorizationCodeResponse(flow.as, app, answer, {
    expectedNonce: flow.nonce,
    requireIdToken: true,
  })
}

test('a person signs in and consents in Chromium, then hears over mProxy what a device published, and no more', async () => {
  // Without script: the pages are plain forms.
  const context: BrowserContext = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  const flow = await begin('openid mqtt')
  await page.goto(flow.url.href)
  expect(await page.title()).not.toBe('')
  await page.fill('input[name=username]', 'ann@example.com')
  await page.fill('input[name=password]', 'not the password, certainly')
  await page.click('button[name=action][value=login]')
  expect(await page.locator('#alert').textContent()).not.toBe('')
  await page.fill('input[name=username]', 'ann@example.com')
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[name=action][value=login]')
  expect(await page.locator('body').textContent()).toContain('Home app')
  await page.click('button[name=action][value=allow]')
  const tokens = await finish(page, flow)
  await context.close()

  const claims = claimsOf(tokens.access_token)
  expect(claims['aud']).toEqual(['urn:allauth:mqtt', worker.issuer])
  const sub = String(claims['sub'])
  const person = await connect({
    url: proxy.wsUrl,
    version: 5,
    id: `${sub}:browser`,
    token: tokens.access_token,
  })
  expect(await person.subscribe(['sites/site-12/devices/+/state'])).toEqual([1])
  const refused = await person.subscribe(['sites/#', 'sites/site-13/devices/+/state', '#'])
  expect(refused).toEqual([0x87, 0x87, 0x87])

  const { access_token } = await deviceToken(flow.as, 'dim-0042', deviceKey)
  const device = await connect({
    url: `mqtt://127.0.0.1:${proxy.port}`,
    version: 5,
    id: 'dim-0042',
    token: access_token,
  })
  await device.publish('sites/site-12/devices/dim-0042/state', 'on')
  await until('the message', () => person.messages.length > 0)
  expect(person.messages).toEqual(['sites/site-12/devices/dim-0042/state on'])

  const denied = (error: unknown) => (error as { code?: number }).code
  const topic = 'sites/site-12/devices/dim-0043/state'
  expect(await device.publish(topic, 'on').then(() => 0, denied)).toBe(0x87)
  expect(
    await person.publish('sites/site-13/devices/dim-0042/set', 'on').then(() => 0, denied),
  ).toBe(0x87)
  await person.publish('sites/site-12/devices/dim-0042/set', 'off')
  await device.end()
  await person.end()

  // Nobody comes in as somebody else, nor with a token that is not for mProxy.
  const url = `mqtt://127.0.0.1:${proxy.port}`
  expect(await tryConnect({ url, version: 5, id: sub, token: access_token })).toBe(0x85)
  expect(await tryConnect({ url, version: 4, id: 'dim-0042', token: 'no.such.token' })).toBe(4)
  const id_token = tokens.id_token ?? ''
  expect([0x86, 0x87]).toContain(await tryConnect({ url, version: 5, id: sub, token: id_token }))
})

test('who refuses consent comes back to the app with access_denied', async () => {
  const context = await browser.newContext()
  const page = await context.newPage()
  const flow = await begin('openid profile')
  await page.goto(flow.url.href)
  await page.fill('input[name=username]', 'ann@example.com')
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[name=action][value=login]')
  await page.click('button[name=action][value=deny]')
  await page.waitForURL((url) => url.href.startsWith(redirect_uri))
  expect(new URL(page.url()).searchParams.get('error')).toBe('access_denied')
  await context.close()
})

test('signing out ends the session', async () => {
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(`${worker.issuer}/login`)
  await page.fill('input[name=username]', 'ann@example.com')
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[name=action][value=login]')
  expect(await page.locator('body').textContent()).toContain('ann@example.com')
  await page.goto(`${worker.issuer}/logout`)
  await page.click('button[name=action][value=logout]')
  await page.goto(`${worker.issuer}/account`)
  expect(page.url()).toContain('/login')
  await context.close()
})

test('login, consent and error pages fit a phone and a desktop', async () => {
  const context = await browser.newContext()
  const page = await context.newPage()
  const flow = await begin('openid profile email offline_access')
  await page.goto(flow.url.href)
  await shoot(page, 'login', false)
  await page.fill('input[name=username]', 'ann@example.com')
  await page.fill('input[name=password]', 'not the password, certainly')
  await page.click('button[name=action][value=login]')
  await shoot(page, 'login_refused', false)
  await page.fill('input[name=username]', 'ann@example.com')
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[name=action][value=login]')
  await shoot(page, 'consent', false)
  flow.url.searchParams.set('redirect_uri', 'https://attacker.example/callback')
  const answer = await page.goto(flow.url.href)
  expect(answer?.status()).toBe(400)
  expect(page.url().startsWith(worker.issuer)).toBe(true)
  await shoot(page, 'error', false)
  await context.close()
})
