// What the tests of account linking share: a worker with Ann and a client for each vendor, and the vendors
// themselves, as far as their published descriptions say what they send and when.
import type { Preset } from '../../worker/oauth/clients/presets.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'
import { Browser, type Page } from '../identity/browser.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { follow, locationOf } from './flow.ts'
import { addClient, basic, post } from './token_fixtures.ts'

export const GOOGLE = { name: 'google-home', project_id: 'lamps-12345' } as const
export const ALEXA = { name: 'alexa', vendor_id: 'M2AB3CD4EF5GH' } as const
export const GOOGLE_URI = 'https://oauth-redirect.googleusercontent.com/r/lamps-12345'
export const ALEXA_URI = 'https://layla.amazon.com/api/skill/link/M2AB3CD4EF5GH'

type Requests = Pick<TestWorker, 'request'>

/** A vendor: how it asks for a link and how it calls the token endpoint. */
export type Vendor = {
  preset: Preset
  client_id: string
  redirect_uri: string
  /** Parameters of its own at the authorization endpoint. */
  asks: Record<string, string>
  /** What it sends in the header. */
  headers(secret: string): Record<string, string>
  /** What it sends in each body. */
  body(secret: string): Record<string, string>
}

export const google: Vendor = {
  preset: GOOGLE,
  client_id: 'google',
  redirect_uri: GOOGLE_URI,
  asks: { user_locale: 'de-DE' },
  headers: () => ({}),
  body: (client_secret) => ({ client_id: 'google', client_secret }),
}

export const alexa: Vendor = {
  preset: ALEXA,
  client_id: 'alexa',
  redirect_uri: ALEXA_URI,
  asks: { scope: 'openid email' },
  headers: (secret) => basic('alexa', secret),
  body: () => ({ client_id: 'alexa' }),
}

export async function startLinking(vendor: Vendor, env: Record<string, string> = {}) {
  const worker = await startWorker(env)
  await createPerson(worker.context(), { id: 'ann', email: ANN, password: PASSWORD })
  const secret = await addClient(worker, {
    client_id: vendor.client_id,
    preset: vendor.preset,
    scope: 'openid email',
  })
  return { worker, secret, browser: new Browser(worker), ...callsOf(vendor, secret) }
}

/** The calls of a vendor's servers. */
function callsOf(vendor: Vendor, secret: string) {
  const call = (worker: Requests, path: string, parameters: Record<string, string>) =>
    post(worker, path, { ...vendor.body(secret), ...parameters }, vendor.headers(secret))
  return {
    redeem: (worker: Requests, code: string) =>
      call(worker, '/oauth/token', {
        grant_type: 'authorization_code',
        code,
        redirect_uri: vendor.redirect_uri,
      }),
    refresh: (worker: Requests, refresh_token = '') =>
      call(worker, '/oauth/token', { grant_type: 'refresh_token', refresh_token }),
    revoke: (worker: Requests, token = '') => call(worker, '/oauth/revoke', { token }),
  }
}

export const requestOf = (vendor: Vendor, changes: Record<string, string> = {}): string =>
  `/oauth/authorize?${new URLSearchParams({
    client_id: vendor.client_id,
    redirect_uri: vendor.redirect_uri,
    state: 'opaque~state/1',
    response_type: 'code',
    ...vendor.asks,
    ...changes,
  })}`

/** The page that asks Ann whether to link, after she signed in if she had to. */
export async function question(browser: Browser, vendor: Vendor): Promise<Page> {
  const first = await follow(browser, await browser.get(requestOf(vendor)))
  if (first.status !== 303) return first
  const { pathname, search } = locationOf(first)
  const signedIn = await browser.signIn(ANN, PASSWORD, pathname + search)
  return follow(browser, signedIn)
}

/** Ann agrees: the code in the vendor's address. */
export async function agree(browser: Browser, vendor: Vendor): Promise<string> {
  const done = await browser.submit(await question(browser, vendor), { action: 'allow' })
  const url = locationOf(done)
  if (url.origin + url.pathname !== vendor.redirect_uri) throw new Error(`sent to ${url}`)
  return url.searchParams.get('code') ?? ''
}

/** Whether a token works where Ann's name is kept. */
export async function works(worker: Requests, access_token = ''): Promise<boolean> {
  const answer = await worker.request(`${ISSUER}/oauth/userinfo`, {
    headers: { authorization: `Bearer ${access_token}` },
  })
  return answer.status === 200
}
