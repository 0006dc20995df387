// An issuer below a path of its host: where everything is then, and that nothing is beside it.
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startWorker, type TestWorker } from '../context.ts'
import { lender } from '../databases/remote.ts'
import { createPerson } from '../support/people.ts'

const ORIGIN = 'https://id.example.com'
const BELOW = `${ORIGIN}/auth/eu`

let worker: TestWorker
beforeAll(async () => {
  worker = await startWorker({ ISSUER: BELOW })
})
afterAll(lender.closeDatabases)

const get = (url: string, init?: RequestInit) => worker.app.request(url, init)

describe('metadata', () => {
  test.each([
    `${BELOW}/.well-known/openid-configuration`,
    `${BELOW}/.well-known/oauth-authorization-server`,
    `${ORIGIN}/.well-known/oauth-authorization-server/auth/eu`,
    `${ORIGIN}/.well-known/openid-configuration/auth/eu`,
  ])('are at %s, and name the endpoints below the path', async (url) => {
    const metadata = (await (await get(url)).json()) as Record<string, string>
    expect(metadata['issuer']).toBe(BELOW)
    expect(metadata['token_endpoint']).toBe(`${BELOW}/oauth/token`)
    expect((await get(metadata['jwks_uri'] ?? '')).status).toBe(200)
  })

  test('are found by a foreign client in both ways', async () => {
    for (const algorithm of ['oidc', 'oauth2'] as const) {
      const answer = await oauth.discoveryRequest(new URL(BELOW), {
        algorithm,
        [oauth.customFetch]: async (url) => get(url),
      })
      const as = await oauth.processDiscoveryResponse(new URL(BELOW), answer)
      expect(as.issuer).toBe(BELOW)
    }
  })

  test('of the management API are between host and path, as the challenge says', async () => {
    const refused = await get(`${BELOW}/v1/users`)
    const [, uri = ''] =
      /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '') ?? []
    expect(uri).toBe(`${ORIGIN}/.well-known/oauth-protected-resource/auth/eu/v1`)
    expect(await (await get(uri)).json()).toMatchObject({ resource: `${BELOW}/v1` })
  })
})

describe('beside the path', () => {
  test.each([
    '/',
    '/login',
    '/oauth/token',
    '/v1/users',
    '/authors/login',
    '/auth',
    '/AUTH/eu/login',
  ])('%s is nothing', async (path) => {
    expect((await get(ORIGIN + path)).status).toBe(404)
  })

  test('/healthz and /readyz are at both places', async () => {
    for (const place of [ORIGIN, BELOW]) {
      expect((await get(`${place}/healthz`)).status).toBe(200)
      expect((await get(`${place}/readyz`)).status).toBe(200)
    }
  })

  test('no metadata of another issuer of the host is answered', async () => {
    for (const path of ['', '/auth', '/auth/eu2', '/other']) {
      const url = `${ORIGIN}/.well-known/oauth-authorization-server${path}`
      expect((await get(url)).status, url).toBe(404)
    }
  })
})

describe('pages', () => {
  /** The addresses of a page on this server. */
  const addresses = (html: string) =>
    [...html.matchAll(/ (?:href|action|src)="(\/[^"]*)"/g)].map(([, address]) => address)

  test('keep forms, links and redirects below the path, and cookies apart from other issuers', async () => {
    await createPerson(worker.context(), {
      email: 'ann@example.com',
      password: 'a password of some length',
    })
    const start = await get(BELOW)
    expect(start.headers.get('location')).toBe('/auth/eu/account')
    const account = await get(`${BELOW}/account`)
    expect(account.headers.get('location')).toBe('/auth/eu/login?return_to=/account')

    const login = await get(ORIGIN + account.headers.get('location'))
    const page = await login.text()
    expect(addresses(page)).toEqual([
      '/auth/eu/style.css',
      '/auth/eu/login',
      '/auth/eu/login',
      '/auth/eu/recover?return_to=%2Faccount',
      '/auth/eu/language?return_to=%2Flogin%3Freturn_to%3D%252Faccount&amp;ui_locales=en',
    ])
    const [visit = ''] = login.headers.getSetCookie()
    expect(visit).toMatch(/^__Host-[a-z]+-[A-Za-z0-9_-]{8}=.*; Path=\/;/)
    const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? ''

    const answer = await get(`${BELOW}/login`, {
      method: 'POST',
      headers: { cookie: visit.split(';')[0] ?? '', origin: ORIGIN },
      body: new URLSearchParams({
        ...{ csrf, username: 'ann@example.com', password: 'a password of some length' },
        ...{ action: 'login', return_to: '/auth/eu/account/applications' },
      }),
    })
    expect(answer.status, await answer.text()).toBe(303)
    expect(answer.headers.get('location')).toBe('/auth/eu/account/applications')
    const session = answer.headers.getSetCookie().map((one) => one.split(';')[0])
    expect(session.every((one) => /^__Host-[a-z_]+-[A-Za-z0-9_-]{8}=/.test(one ?? ''))).toBe(true)
    const inside = await get(`${BELOW}/account`, { headers: { cookie: session.join('; ') } })
    const all = addresses(await inside.text())
    expect(all.length).toBeGreaterThan(2)
    expect(all.filter((one) => !one?.startsWith('/auth/eu/'))).toEqual([])

    // The session of an issuer at the root, or at another path, is none here.
    const elsewhere = session.map((one) => one?.replace(/-[A-Za-z0-9_-]{8}=/, '='))
    const stranger = await get(`${BELOW}/account`, { headers: { cookie: elsewhere.join('; ') } })
    expect(stranger.status).toBe(303)
  })

  test('of errors have their styles too', async () => {
    const answer = await get(`${BELOW}/nowhere`, { headers: { accept: 'text/html' } })
    expect(answer.status).toBe(404)
    expect(addresses(await answer.text())).toEqual(['/auth/eu/style.css'])
  })
})
