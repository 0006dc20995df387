// A browser as far as signing in needs one: it keeps cookies, reads the fields of a form, and sends
// the form with the headers that browsers add by themselves.
import { ISSUER, type TestWorker } from '../context.ts'

export type Page = { status: number; headers: Headers; html: string }

export class Browser {
  readonly cookies = new Map<string, string>()
  readonly #worker: TestWorker
  readonly #address: string

  constructor(worker: TestWorker, address = '192.0.2.1') {
    this.#worker = worker
    this.#address = address
  }

  /** The same browser with the choice of the page /language, for texts that are looked for. */
  inEnglish(): this {
    this.cookies.set('locale', 'en')
    return this
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Page> {
    return this.#send(path, { headers })
  }

  /** Sends the form of `page` with `values` over its fields. */
  async submit(
    page: Page,
    values: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Page> {
    return this.post(formAction(page), { ...formFields(page), ...values }, headers)
  }

  async post(
    path: string,
    values: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Page> {
    return this.#send(path, {
      method: 'POST',
      body: new URLSearchParams(values).toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: new URL(this.#worker.config.issuer).origin,
        'sec-fetch-site': 'same-origin',
        ...headers,
      },
    })
  }

  /** Opens the login page at `path` and signs in there. */
  async signIn(username: string, password: string, path = '/login'): Promise<Page> {
    return this.submit(await this.get(path), { username, password, action: 'login' })
  }

  async #send(path: string, init: RequestInit & { headers: Record<string, string> }) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await this.#worker.request(path, {
      ...init,
      headers: { ...init.headers, cookie, 'x-test-address': this.#address },
    })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0/i.test(line)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return { status: answer.status, headers: answer.headers, html: await answer.text() }
  }
}

const unescapeHtml = (text: string) =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')

const attribute = (tag: string, name: string) => {
  const [, value] = new RegExp(`\\s${name}="([^"]*)"`).exec(tag) ?? []
  return value === undefined ? undefined : unescapeHtml(value)
}

/** The fields of the page's form as they stand. */
export function formFields(page: Page): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [tag] of page.html.matchAll(/<input\b[^>]*>/g)) {
    fields[attribute(tag, 'name') ?? ''] = attribute(tag, 'value') ?? ''
  }
  return fields
}

export function formAction(page: Page): string {
  const [tag] = /<form\b[^>]*>/.exec(page.html) ?? []
  if (tag === undefined) throw new Error(`no form on a page with status ${page.status}`)
  return new URL(attribute(tag, 'action') ?? '', ISSUER).pathname
}

/** The text of the page's alert. */
export const alertOf = (page: Page): string | undefined =>
  /role="alert"[^>]*>([^<]*)</.exec(page.html)?.[1]
