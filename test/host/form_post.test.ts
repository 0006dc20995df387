// Answers by form in Chromium, with and without script: the page's own policy lets the form go to
// the client's address and on from there to another origin, and nothing else.
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import * as oauth from 'oauth4webapi'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { discover, makeBlueprint, PASSWORD } from './black_box.ts'
import { openBrowser } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

let worker: RunningWorker
let browser: Browser
let app: Server
let home: Server
let redirect_uri: string
const posted: { body: URLSearchParams; origin: string | undefined; method: string | undefined }[] =
  []

const listen = async (server: Server) => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

beforeAll(async () => {
  home = createServer((_, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<h1>Signed in at the app</h1>')
  })
  const homeOrigin = await listen(home)
  app = createServer(async (request: IncomingMessage, response) => {
    const { method, headers } = request
    posted.push({ body: new URLSearchParams(await text(request)), origin: headers.origin, method })
    response.writeHead(303, { location: homeOrigin }).end()
  })
  redirect_uri = `${await listen(app)}/callback`
  const { blueprint } = await makeBlueprint()
  blueprint.clients[1]!.redirect_uris = [redirect_uri]
  worker = await startWorkerOn('node', blueprint)
  browser = await openBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
  app?.close()
  home?.close()
})

test.each([true, false])('a code comes by form, with script: %s', async (javaScriptEnabled) => {
  const as = await discover(worker.issuer)
  const verifier = oauth.generateRandomCodeVerifier()
  const url = new URL(as.authorization_endpoint ?? '')
  url.search = new URLSearchParams({
    client_id: 'app',
    redirect_uri,
    response_type: 'code',
    response_mode: 'form_post',
    scope: 'openid',
    state: 'of the app',
    prompt: 'consent',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }).toString()
  const context = await browser.newContext({ javaScriptEnabled })
  const page = await context.newPage()
  const blocked: string[] = []
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) blocked.push(message.text())
  })
  await page.goto(url.href)
  await page.fill('input[name=username]', 'ann@example.com')
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[name=action][value=login]')
  await page.click('button[name=action][value=allow]')
  if (!javaScriptEnabled) await page.click('button[type=submit]')
  await page.waitForSelector('text=Signed in at the app')
  await context.close()
  expect(blocked).toEqual([])

  const { body, origin, method } = posted.at(-1)!
  expect([method, origin]).toEqual(['POST', worker.issuer])
  const client: oauth.Client = { client_id: 'app' }
  const parameters = oauth.validateAuthResponse(as, client, body, 'of the app')
  const answer = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    oauth.None(),
    parameters,
    redirect_uri,
    verifier,
    { [oauth.allowInsecureRequests]: true },
  )
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer)
  expect(tokens.access_token).not.toBe('')
})
