// One suite for every runtime, through HTTP alone: discovery, the code flow with the pages' own
// forms, refresh, a device's assertion, an access decision. It takes a base URL; oauth4webapi is
// the strict foreign client.
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import * as oauth from 'oauth4webapi'

export const PASSWORD = 'zażółć gęślą jaźń 2026'
export const OPS_SECRET = 'ops-secret-of-at-least-32-characters-0001'
const REDIRECT = 'http://localhost:5173/callback'

/** Entries that the suite needs: a person, an app, an operator's client, a site with a lamp. */
export async function makeBlueprint() {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const blueprint = {
    clients: [
      {
        client_id: 'ops',
        client_secret: OPS_SECRET,
        grant_types: ['client_credentials'],
        scope: 'manage',
      },
      {
        client_id: 'app',
        client_name: 'Home app',
        redirect_uris: [REDIRECT],
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        scope: 'openid profile email offline_access mqtt',
      },
    ],
    roles: [
      {
        name: 'resident',
        permissions: ['device:read', 'device:command'],
        acl: [
          { permission: 'allow', action: 'subscribe', topic: 'sites/${group.id}/devices/+/state' },
          { permission: 'allow', action: 'publish', topic: 'sites/${group.id}/devices/+/set' },
        ],
      },
    ],
    groups: [{ id: 'site-12', kind: 'site', name: '12 Garden Street' }],
    users: [
      { email: 'ann@example.com', password: PASSWORD, email_verified: true },
      { email: 'bea@example.com', password: PASSWORD, email_verified: true },
    ],
    device_types: [
      {
        name: 'dimmer',
        acl: [
          {
            permission: 'allow',
            action: 'publish',
            topic: 'sites/${group.id}/devices/${device.id}/state',
          },
        ],
      },
    ],
    devices: [
      {
        id: 'dim-0042',
        type: 'dimmer',
        groups: ['site-12'],
        credentials: [{ kind: 'jwk', jwk: await exportJWK(publicKey) }],
      },
    ],
    grants: [{ subject: 'ann@example.com', role: 'resident', object: 'site-12' }],
  }
  return { blueprint, deviceKey: privateKey }
}

const insecure = { [oauth.allowInsecureRequests]: true }

/**
 * A browser without script: follows redirects by hand, keeps cookies, sends forms as they stand.
 */
export class FormBrowser {
  readonly cookies = new Map<string, string>()

  async open(url: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: { accept: 'text/html', ...(cookie === '' ? {} : { cookie }), ...init.headers },
    })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      const at = pair.indexOf('=')
      if (/max-age=0/i.test(line)) this.cookies.delete(pair.slice(0, at))
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return response
  }

  /**
   * Goes on through redirects of the origin; answers the page, or the address outside where it
   * ended.
   */
  async follow(start: string, init?: RequestInit): Promise<{ url: URL; html: string | null }> {
    let url = new URL(start)
    let response = await this.open(start, init)
    const { origin } = url
    for (let i = 0; i < 10; i++) {
      const location = response.headers.get('location')
      if (location === null) return { url, html: await response.text() }
      await response.body?.cancel()
      url = new URL(location, url)
      if (url.origin !== origin) return { url, html: null }
      response = await this.open(url.href)
    }
    throw new Error(`too many redirects, last to ${url}`)
  }

  /** Sends the form of a page with its hidden fields and what is typed. */
  submit(page: { url: URL; html: string | null }, typed: Record<string, string>) {
    const html = page.html ?? ''
    const [, action] = /<form[^>]*\baction="([^"]*)"/.exec(html) ?? []
    const fields = new URLSearchParams()
    for (const [tag] of html.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      const [, name = ''] = /\bname="([^"]*)"/.exec(tag) ?? []
      const [, value = ''] = /\bvalue="([^"]*)"/.exec(tag) ?? []
      fields.set(name, unescapeHtml(value))
    }
    for (const [name, value] of Object.entries(typed)) fields.set(name, value)
    const target =
      action === undefined || action === '' ? page.url : new URL(unescapeHtml(action), page.url)
    return this.follow(target.href, {
      method: 'POST',
      body: fields,
      headers: { origin: page.url.origin },
    })
  }
}

const unescapeHtml = (text: string) =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')

export async function discover(issuer: string): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure))
}

const app: oauth.Client = { client_id: 'app' }

/** Signs the person in at the pages, accepts what is asked, allows, and redeems the code. */
export async function codeFlow(as: oauth.AuthorizationServer, scope: string) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const start = new URL(as.authorization_endpoint ?? '')
  start.search = new URLSearchParams({
    client_id: 'app',
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }).toString()
  const browser = new FormBrowser()
  let accepted = 0
  const login = await browser.follow(start.href)
  let page = await browser.submit(login, {
    username: 'ann@example.com',
    password: PASSWORD,
    action: 'login',
  })
  while (page.html?.includes('name="shown"')) {
    page = await browser.submit(page, { action: 'accept' })
    accepted++
  }
  if (page.html !== null) page = await browser.submit(page, { action: 'allow' })
  if (page.html !== null) throw new Error(`no redirect to the client but:\n${page.html}`)
  const parameters = oauth.validateAuthResponse(as, app, page.url, state)
  const answer = await oauth.authorizationCodeGrantRequest(
    as,
    app,
    oauth.None(),
    parameters,
    REDIRECT,
    verifier,
    insecure,
  )
  const tokens = await oauth.processAuthorizationCodeResponse(as, app, answer, {
    expectedNonce: nonce,
    requireIdToken: true,
  })
  return { tokens, browser, accepted, code: page.url.searchParams.get('code') ?? '', verifier }
}

export async function refresh(as: oauth.AuthorizationServer, token: string) {
  const answer = await oauth.refreshTokenGrantRequest(as, app, oauth.None(), token, insecure)
  return oauth.processRefreshTokenResponse(as, app, answer)
}

/** A device's token by its own key (RFC 7523). */
export async function deviceToken(as: oauth.AuthorizationServer, id: string, key: CryptoKey) {
  const device: oauth.Client = { client_id: id }
  const answer = await oauth.clientCredentialsGrantRequest(
    as,
    device,
    oauth.PrivateKeyJwt(key),
    { scope: 'mqtt' },
    insecure,
  )
  return oauth.processClientCredentialsResponse(as, device, answer)
}

export async function operatorToken(as: oauth.AuthorizationServer, scope = 'manage') {
  const ops: oauth.Client = { client_id: 'ops' }
  const answer = await oauth.clientCredentialsGrantRequest(
    as,
    ops,
    oauth.ClientSecretBasic(OPS_SECRET),
    { scope },
    insecure,
  )
  return oauth.processClientCredentialsResponse(as, ops, answer)
}

export async function evaluate(issuer: string, token: string, question: object) {
  const answer = await fetch(`${issuer}/access/v1/evaluation`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(question),
  })
  return { status: answer.status, body: (await answer.json()) as { decision?: boolean } }
}

export const claimsOf = (jwt: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())

export type { JWK }
