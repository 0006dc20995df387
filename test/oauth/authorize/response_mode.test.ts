// How answers go to the client: in the address, as a form that posts itself, or as one signed JWT in either.
import { createLocalJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { verifyJwt } from '../../../worker/keys/jwt.ts'
import { rotateKey } from '../../../worker/keys/signing_keys.ts'
import { type ClientInput, createClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import { Browser, formFields, type Page } from '../../identity/browser.ts'
import {
  APP,
  answerOf,
  CALLBACK,
  follow,
  locationOf,
  pathOf,
  requestParameters,
  requestPath,
  returnTo,
  rowsOf,
  signIn,
  startFlow,
} from '../flow.ts'
import { AS, foreign, foreignClient } from '../token_fixtures.ts'

const SERVER = { ...AS, authorization_signing_alg_values_supported: ['RS256', 'ES256', 'EdDSA'] }

/** Ann signed in, and a client that needs no consent. */
async function startSignedIn(app: Partial<ClientInput> = {}) {
  const flow = await startFlow({ first_party: true, ...app })
  await flow.worker.request('/.well-known/jwks.json')
  await signIn(flow.worker, flow.browser, 'ann')
  return flow
}

/** Where the form of a page is posted to. */
const targetOf = (page: Page) => /<form method="post" action="([^"]*)"/.exec(page.html)?.[1]

const policyOf = (page: Page) => page.headers.get('content-security-policy') ?? ''

/** The claims of a signed answer, with everything checked that a client has to check. */
async function claimsOfAnswer(worker: TestWorker, response: string, alg = 'RS256') {
  const jwks = await (await worker.request('/.well-known/jwks.json')).json()
  const { payload } = await jwtVerify(response, createLocalJWKSet(jwks as never), {
    issuer: ISSUER,
    audience: 'app',
    algorithms: [alg],
    currentDate: new Date(worker.clock.now * 1000),
  })
  return payload
}

describe('form_post', () => {
  const path = requestPath({ response_mode: 'form_post' })

  test('posts code, state and iss to the address, which a strict foreign client takes', async () => {
    const { worker, browser } = await startSignedIn()
    const page = await browser.get(path)
    expect([page.status, targetOf(page)]).toEqual([200, CALLBACK])
    expect(page.headers.get('location')).toBeNull()
    expect(page.headers.get('cache-control')).toBe('no-store')
    const client = foreignClient(worker, 'app')
    const body = new URLSearchParams(formFields(page))
    const parameters = oauth.validateAuthResponse(SERVER, client, body, 'state-1')
    expect([...parameters.keys()].sort()).toEqual(['code', 'iss', 'state'])
    expect(await rowsOf(worker, 'authorization_code')).toHaveLength(1)
  })

  test('goes without script by a button, and lets its one script alone run', async () => {
    const { browser } = await startSignedIn()
    const page = await browser.get(path)
    expect(page.html).toMatch(/<button class="primary" type="submit">Continue<\/button>/)
    const scripts = [...page.html.matchAll(/<script>([^<]*)<\/script>/g)].map(([, text]) => text)
    expect(scripts).toHaveLength(1)
    const bytes = new TextEncoder().encode(scripts[0])
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    const source = `'sha256-${btoa(String.fromCharCode(...digest))}'`
    expect(policyOf(page)).toContain(`default-src 'none'; script-src ${source};`)
    expect(policyOf(page)).not.toContain('unsafe')
    expect(policyOf(page)).toContain("frame-ancestors 'none'")
    // Other pages do not have it.
    expect(policyOf(await browser.get('/logout'))).not.toContain('script-src')
  })

  test('lets the form go to the address and on from there, and tells it our origin', async () => {
    const { browser } = await startSignedIn()
    const page = await browser.get(path)
    expect(policyOf(page)).toContain("form-action 'self' https://app.example https:;")
    expect(page.headers.get('referrer-policy')).toBe('strict-origin')
  })

  test('escapes what the client says', async () => {
    const { browser } = await startSignedIn()
    const state = '"><script>alert(1)</script>'
    const page = await browser.get(requestPath({ response_mode: 'form_post', state }))
    expect(page.html).not.toContain('alert(1)</script>')
    expect(formFields(page)['state']).toBe(state)
  })

  test('takes errors too, also those found before anybody signed in', async () => {
    const { worker } = await startFlow()
    const browser = new Browser(worker)
    for (const [changes, error] of [
      [{ prompt: 'none' }, 'login_required'],
      [{ scope: 'unknown' }, 'invalid_scope'],
      [{ code_challenge: undefined }, 'invalid_request'],
    ] as const) {
      const page = await browser.get(requestPath({ response_mode: 'form_post', ...changes }))
      expect([page.status, targetOf(page)]).toEqual([200, CALLBACK])
      expect(formFields(page)).toMatchObject({ error, state: 'state-1', iss: ISSUER })
    }
  })

  test('lasts through login and consent, for both answers', async () => {
    const { worker, browser } = await startFlow()
    for (const action of ['deny', 'allow']) {
      const login = await new Browser(worker).get(path)
      await signIn(worker, browser, 'ann')
      const question = await follow(browser, await browser.get(returnTo(login)))
      const page = await browser.submit(question, { action })
      expect([page.status, targetOf(page)]).toEqual([200, CALLBACK])
      expect(formFields(page)).toMatchObject(
        action === 'deny' ? { error: 'access_denied' } : { code: expect.any(String) },
      )
    }
  })

  test('never shows a form for an address that is not the client’s', async () => {
    const { browser } = await startSignedIn()
    const redirect_uri = 'https://evil.example/'
    const page = await browser.get(requestPath({ response_mode: 'form_post', redirect_uri }))
    expect([page.status, targetOf(page)]).toEqual([400, undefined])
    expect(page.html).not.toContain('evil.example')
  })

  test('to an address where no HTTP is spoken is refused', async () => {
    const { worker, browser } = await startFlow()
    await createClient(worker.context(), {
      ...APP,
      client_id: 'native',
      application_type: 'native',
      redirect_uris: ['com.example.app:/cb', 'http://127.0.0.1/cb'],
    })
    const at = (redirect_uri: string) =>
      browser.get(requestPath({ client_id: 'native', redirect_uri, response_mode: 'form_post' }))
    const refused = answerOf(await at('com.example.app:/cb'), 'com.example.app:/cb')
    expect(refused).toMatchObject({ error: 'invalid_request' })
    expect(pathOf(await at('http://127.0.0.1:5000/cb'))).toMatch(/^\/login\?/)
  })
})

describe('a signed answer', () => {
  test.each(['RS256', 'ES256', 'EdDSA'] as const)(
    'by %s is taken by a strict foreign client',
    async (alg) => {
      const { worker, browser } = await startSignedIn({ authorization_signed_response_alg: alg })
      const done = locationOf(await browser.get(requestPath({ response_mode: 'jwt' })))
      expect([...done.searchParams.keys()]).toEqual(['response'])
      const client = { ...foreignClient(worker, 'app'), authorization_signed_response_alg: alg }
      const parameters = await oauth.validateJwtAuthResponse(
        { ...SERVER }, // which the library remembers keys by
        client,
        done,
        'state-1',
        foreign(worker),
      )
      expect(parameters.get('code')).toHaveLength(43)
      const response = done.searchParams.get('response') ?? ''
      expect(await claimsOfAnswer(worker, response, alg)).toEqual({
        iss: ISSUER,
        aud: 'app',
        exp: worker.clock.now + 600,
        state: 'state-1',
        code: parameters.get('code'),
      })
    },
  )

  test('by openid-client goes the whole way', async () => {
    const { worker, browser } = await startSignedIn()
    const config = await openid.discovery(
      new URL(ISSUER),
      'app',
      { [openid.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000) },
      openid.None(),
      {
        execute: [openid.allowInsecureRequests, openid.useJwtResponseMode],
        [openid.customFetch]: (url, init) => worker.request(url, init as RequestInit),
      },
    )
    const pkceCodeVerifier = openid.randomPKCECodeVerifier()
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      state: 's',
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    })
    expect(url.searchParams.get('response_mode')).toBe('jwt')
    const done = locationOf(await browser.get(url.pathname + url.search))
    const tokens = await openid.authorizationCodeGrant(config, done, {
      pkceCodeVerifier,
      expectedState: 's',
    })
    expect(tokens.claims()?.sub).toBe('ann')
  })

  test('has errors too, and goes by form where that was asked', async () => {
    const { worker } = await startFlow()
    const browser = new Browser(worker)
    const none = { prompt: 'none' }
    const inQuery = answerOf(
      await browser.get(requestPath({ response_mode: 'query.jwt', ...none })),
    )
    const page = await browser.get(requestPath({ response_mode: 'form_post.jwt', ...none }))
    expect(targetOf(page)).toBe(CALLBACK)
    for (const answer of [inQuery, formFields(page)]) {
      expect(Object.keys(answer).filter((name) => name !== '')).toEqual(['response'])
      expect(await claimsOfAnswer(worker, answer['response'] ?? '')).toMatchObject({
        error: 'login_required',
        state: 'state-1',
      })
    }
  })

  test('is no ID token, not even as a hint', async () => {
    const { worker, browser } = await startSignedIn()
    const { response = '' } = answerOf(await browser.get(requestPath({ response_mode: 'jwt' })))
    const expected = { typ: 'JWT', audience: 'app', ignoreExpiry: true }
    expect(await verifyJwt(worker.context(), response, expected)).toBeNull()
    const hinted = await browser.get(requestPath({ id_token_hint: response }))
    expect(answerOf(hinted)).toMatchObject({ error: 'invalid_request' })
  })

  test('leaves the round trips as they are once its key is there', async () => {
    const { browser, worker } = await startSignedIn()
    await askForEdDsa(worker)
    const path = requestPath({ response_mode: 'jwt' })
    const counted = async () => (await countRoundTrips(worker, () => browser.get(path))).roundTrips
    const counts = { first: await counted(), warm: await counted() }
    console.log('round trips of a signed answer', counts)
    expect(counts).toEqual({ first: 3, warm: 2 })
  })
})

/** As a client that was registered before keys were made with clients. */
const askForEdDsa = (worker: TestWorker) =>
  worker
    .context()
    .db.write(sql`update client set members = '{"authorization_signed_response_alg":"EdDSA"}'`)

describe('the first key of an algorithm', () => {
  const path = requestPath({ response_mode: 'jwt' })

  const kids = async (worker: TestWorker) => {
    const answer = await worker.request('/.well-known/jwks.json')
    const { keys } = (await answer.json()) as { keys: { kid: string; alg: string }[] }
    return keys.filter(({ alg }) => alg === 'EdDSA').map(({ kid }) => kid)
  }

  test('is made with the client that asks for it', async () => {
    const { worker } = await startSignedIn({ authorization_signed_response_alg: 'EdDSA' })
    expect(await kids(worker)).toHaveLength(1)
  })

  test('is made when it is needed, where it is not there, once, and is published at once', async () => {
    const { worker, browser } = await startSignedIn()
    await askForEdDsa(worker)
    expect(await kids(worker)).toEqual([])
    const pages = await Promise.all(Array.from({ length: 10 }, () => browser.get(path)))
    const made = await kids(worker)
    expect(made).toHaveLength(1)
    for (const page of pages) {
      const { response = '' } = answerOf(page)
      expect((await claimsOfAnswer(worker, response, 'EdDSA'))['code']).toBeDefined()
    }
  })

  test('is taken from another process that was first', async () => {
    const { worker, browser } = await startSignedIn()
    await askForEdDsa(worker)
    // What a process remembers that did not hear of it yet.
    const memory = new Map(worker.memory)
    await browser.get(path)
    worker.memory.clear()
    for (const [name, value] of memory) worker.memory.set(name, value)
    const { response = '' } = answerOf(await browser.get(path))
    expect(await kids(worker)).toHaveLength(1)
    expect((await claimsOfAnswer(worker, response, 'EdDSA'))['code']).toBeDefined()
  })

  test('is the one that a rotation made to wait, where there is one', async () => {
    const { worker, browser } = await startSignedIn()
    await askForEdDsa(worker)
    const waiting = await rotateKey(worker.context(), 'EdDSA')
    const { response = '' } = answerOf(await browser.get(path))
    expect((await claimsOfAnswer(worker, response, 'EdDSA'))['code']).toBeDefined()
    expect(JSON.parse(atob(response.split('.')[0] ?? '')).kid).toBe(waiting.kid)
    expect(await kids(worker)).toEqual([waiting.kid])
  })
})

describe('a response_mode that answers cannot go by', () => {
  test.each([
    ['fragment', 'fragment'],
    ['fragment.jwt', 'fragment.jwt'],
    ['web_message', 'web_message'],
    ['two', ['form_post', 'form_post']],
    ['another case', 'FORM_POST'],
  ])('%s is refused in the query', async (_, response_mode) => {
    const { browser } = await startSignedIn()
    expect(answerOf(await browser.get(requestPath({ response_mode })))).toMatchObject({
      error: 'invalid_request',
      state: 'state-1',
      iss: ISSUER,
    })
  })
})

describe('wishes for the pages', () => {
  test('are kept with the request, told to the login page, and no fault when not understood', async () => {
    const { worker, browser } = await startFlow()
    const kept = async () => {
      const rows = await rowsOf(worker, 'authorization_request')
      return JSON.parse(String(rows.at(-1)?.['parameters'])) as Record<string, unknown>
    }
    const login = await browser.get(requestPath({ display: 'popup', ui_locales: 'de-CH <x> fr' }))
    expect(await kept()).toMatchObject({ display: 'popup', ui_locales: ['de-CH', 'fr'] })
    expect(locationOf(login).searchParams.get('ui_locales')).toBe('de-CH fr')
    const page = await browser.get(pathOf(login))
    expect(page.html).toContain('<html lang="de" dir="ltr">')
    expect(formFields(page)['ui_locales']).toBe('de-CH fr')

    for (const wishes of [{ display: 'hologram' }, { ui_locales: '*' }, { ui_locales: ' ' }]) {
      expect(pathOf(await browser.get(requestPath(wishes)))).toMatch(/^\/login\?/)
    }
    const [twice] = [new URLSearchParams(requestParameters())]
    twice.append('display', 'page')
    twice.append('display', 'page')
    expect(answerOf(await browser.get(`/oauth/authorize?${twice}`))).toMatchObject({
      error: 'invalid_request',
    })
  })
})
