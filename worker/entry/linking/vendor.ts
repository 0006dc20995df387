// A vendor of a voice assistant as far as account linking goes: its requests, with the browser of a
// person who signs in and answers. Judges nothing; rules.ts does.
import type { Client } from '../../oauth/clients/clients.ts'
import { type Preset, VENDORS, vendorAddresses } from '../../oauth/clients/presets.ts'
import { FormBrowser, type Left, type Page } from './form_browser.ts'

export type Endpoints = Record<
  'issuer' | 'authorize' | 'token' | 'revoke' | 'introspect' | 'userinfo',
  string
>

export type Linking = { client: Client; preset: Preset; client_secret: string }
export type Person = { username: string; password: string }
export type Tokens = { access_token: string; refresh_token: string }
export type Answer = { status: number; body: Record<string, unknown> }

/** Way in which the secret is sent. */
export type Way = 'body' | 'header'

/** The `state` of the vendor: it has to come back unchanged. */
export const STATE = 'a+b/c=d~e'

/**
 * Plays the vendor. Uses the first address of the vendor that the client has. All calls throw the
 * errors of `fetch`.
 */
export function playVendor(
  endpoints: Endpoints,
  { client, preset, client_secret }: Linking,
  person: Person,
  signal: AbortSignal,
) {
  const { locale_parameter } = VENDORS[preset.name]
  const addresses = vendorAddresses(preset)
  const registered = addresses.filter((uri) => client.redirect_uris.includes(uri))
  const [redirect_uri = ''] = [...registered, ...addresses]
  const browser = new FormBrowser(signal)
  let slowest = 0

  function authorizationUrl(changes: Record<string, string> = {}): URL {
    const url = new URL(endpoints.authorize)
    // Google may leave the scope out; only a client with a preset has a rule for that.
    const hasScope = preset.name !== 'google-home' || client.preset === null
    url.search = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri,
      response_type: 'code',
      state: STATE,
      ...(hasScope ? { scope: client.scope.join(' ') } : {}),
      ...(locale_parameter === null ? {} : { [locale_parameter]: 'en-US' }),
      ...changes,
    }).toString()
    return url
  }

  async function post(
    url: string,
    way: Way,
    form: Record<string, string>,
    secret = client_secret,
  ): Promise<Answer> {
    const { client_id } = client
    const body = new URLSearchParams({ client_id, ...form })
    const headers = new Headers()
    if (way === 'body') body.set('client_secret', secret)
    else {
      const pair = [client_id, secret].map(encodeURIComponent).join(':')
      headers.set('authorization', `Basic ${btoa(pair)}`)
    }
    const started = performance.now()
    const response = await fetch(url, { method: 'POST', body, headers, signal, redirect: 'error' })
    const text = await response.text()
    slowest = Math.max(slowest, (performance.now() - started) / 1000)
    return { status: response.status, body: readJson(text) }
  }

  return {
    browser,
    redirect_uri,
    authorizationUrl,
    /** The way of sending the secret that works. */
    usual: 'body' as Way,

    redeem: (way: Way, code: string) =>
      post(endpoints.token, way, { grant_type: 'authorization_code', code, redirect_uri }),

    refresh(refresh_token: string, other: { client_secret?: string } = {}) {
      const form = { grant_type: 'refresh_token', refresh_token }
      return post(endpoints.token, this.usual, form, other.client_secret)
    },

    revoke(token: string) {
      return post(endpoints.revoke, this.usual, { token })
    },

    /** True when the access token is accepted. */
    async works(access_token: string): Promise<boolean> {
      if (client.scope.includes('openid')) {
        const headers = { authorization: `Bearer ${access_token}` }
        return (await fetch(endpoints.userinfo, { headers, signal })).status === 200
      }
      const { body } = await post(endpoints.introspect, this.usual, { token: access_token })
      return body['active'] === true
    },

    /** Goes through the pages up to the question, or as far as they lead. */
    async ask(): Promise<Page | Left> {
      const shown = await browser.open(authorizationUrl())
      if ('left' in shown || !shown.html.includes('name="password"')) return shown
      return browser.submit(shown, { ...person, action: 'login' })
    },

    /** Answers the question. Result: the members that come back to the vendor. */
    async answer(question: Page | Left, action: 'allow' | 'deny'): Promise<Record<string, string>> {
      if ('left' in question) return Object.fromEntries(question.left.searchParams)
      if (!question.html.includes(`value="${action}"`)) {
        throw new Error(`there is a page that is no question: ${titleOf(question)}`)
      }
      const gone = await browser.submit(question, { action })
      if (!('left' in gone)) throw new Error(`there is a page and no way back: ${titleOf(gone)}`)
      const { origin, pathname, searchParams } = gone.left
      if (origin + pathname !== redirect_uri) throw new Error(`the answer went to ${origin}`)
      return Object.fromEntries(searchParams)
    },

    /** Seconds of the slowest answer. */
    slowest: () => slowest,
  }
}

function readJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {}
  return {}
}

export function readTokens(body: Record<string, unknown>): Tokens {
  const read = (name: string) => (typeof body[name] === 'string' ? body[name] : '')
  return { access_token: read('access_token'), refresh_token: read('refresh_token') }
}

/** The title of a page, and the text of its error. */
function titleOf({ html }: Page): string {
  const [, body = ''] = /<main[^>]*>([\s\S]*)<\/main>/.exec(html) ?? []
  return body
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 200)
}
