// The whole way as a browser and a foreign client go it: request, login page, question, code, tokens.
import * as oauth from 'oauth4webapi'
import { expect, test } from 'vitest'
import { ISSUER } from '../../context.ts'
import { createPerson, PASSWORD } from '../../support/people.ts'
import {
  answerOf,
  CALLBACK,
  follow,
  locationOf,
  pathOf,
  requestPath,
  rowsOf,
  startFlow,
} from '../flow.ts'

test('a person signs in with a password, allows, and the client gets tokens for that person', async () => {
  const { worker, browser } = await startFlow()
  await createPerson(worker.context(), { id: 'cid', email: 'cid@example.com', password: PASSWORD })
  const transport = {
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: async (url: string, init: object) =>
      worker.app.request(url, init as RequestInit),
  }
  const issuer = new URL(ISSUER)
  const server = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, transport),
  )
  const client = { client_id: 'app' }
  const verifier = oauth.generateRandomCodeVerifier()
  const nonce = oauth.generateRandomNonce()
  const state = oauth.generateRandomState()
  const path = requestPath({
    scope: 'openid email',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    nonce,
    state,
    login_hint: 'cid@example.com',
  })

  const login = pathOf(await browser.get(path))
  const wrong = await browser.signIn('cid@example.com', 'wrong horse battery staple', login)
  expect(wrong.status).toBe(403)
  // Chromium holds the page with the form to its policy until the redirects end at the client.
  expect(wrong.headers.get('content-security-policy')).toContain('https://app.example')
  const right = await browser.submit(wrong, {
    username: 'cid@example.com',
    password: PASSWORD,
    action: 'login',
  })
  const question = await follow(browser, right)
  expect(question.html).toContain('cid@example.com')
  const done = await browser.submit(question, { action: 'allow' })

  const parameters = oauth.validateAuthResponse(server, client, locationOf(done), state)
  // RFC 9207: a client that asked another server notices whose answer this is.
  const other = { ...server, issuer: 'https://other.example' }
  expect(() => oauth.validateAuthResponse(other, client, locationOf(done), state)).toThrow(/iss/)

  const answer = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    oauth.None(),
    parameters,
    CALLBACK,
    verifier,
    transport,
  )
  const tokens = await answer.clone().json()
  expect(tokens).toMatchObject({ token_type: 'Bearer', scope: 'openid email' })
  const claims = JSON.parse(
    atob(String(tokens.id_token).split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''),
  )
  expect(claims).toMatchObject({ iss: ISSUER, sub: 'cid', aud: 'app', nonce })
})

test('the login page takes a form target only with its proof', async () => {
  const { browser } = await startFlow()
  const login = pathOf(await browser.get(requestPath()))
  const policy = async (path: string) =>
    (await browser.get(path)).headers.get('content-security-policy')
  expect(await policy(login)).toContain("form-action 'self' https://app.example;")
  const forged = login.replace('https%3A%2F%2Fapp.example', 'https%3A%2F%2Fevil.example')
  expect(forged).not.toBe(login)
  expect(await policy(forged)).toContain("form-action 'self';")
})

test('another person signs in from the question, and the question is then theirs', async () => {
  const { worker, browser } = await startFlow()
  for (const id of ['cid', 'dora']) {
    await createPerson(worker.context(), { id, email: `${id}@example.com`, password: PASSWORD })
  }
  const login = pathOf(await browser.get(requestPath()))
  const question = await follow(browser, await browser.signIn('cid@example.com', PASSWORD, login))
  const link = /href="(\/login\?[^"]+)"/.exec(question.html)?.[1]?.replaceAll('&amp;', '&') ?? ''
  const theirs = await follow(browser, await browser.signIn('dora@example.com', PASSWORD, link))
  expect(theirs.html).toContain('dora@example.com')
  // The form that was shown to the first is worth nothing any more.
  expect((await browser.submit(question, { action: 'allow' })).status).toBe(403)
  expect(answerOf(await browser.submit(theirs, { action: 'allow' }))).toHaveProperty('code')
  expect(await rowsOf(worker, 'authorization_code')).toMatchObject([{ user_id: 'dora' }])
})
