// A browser without script, with the parts that a check of the pages needs: cookies, redirects,
// forms.

export type Page = { status: number; url: URL; headers: Headers; html: string }

/** The target of a redirect that left the origin; it is not opened. */
export type Left = { left: URL }

export class FormBrowser {
  /** Every page that was shown, in order. */
  readonly pages: Page[] = []
  readonly #cookies = new Map<string, string>()
  readonly #signal: AbortSignal

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /**
   * Opens an address and follows its redirects as long as they stay on the origin. Throws what
   * `fetch` throws.
   */
  async open(address: string | URL, form?: URLSearchParams): Promise<Page | Left> {
    let url = new URL(address)
    const { origin } = url
    let body: URLSearchParams | null = form ?? null
    for (let i = 0; i < 10; i++) {
      const answer = await this.#send(url, body)
      const location = answer.headers.get('location')
      if (location === null) {
        const { status, headers } = answer
        const page = { status, url, headers, html: await answer.text() }
        this.pages.push(page)
        return page
      }
      await answer.body?.cancel()
      url = new URL(location, url)
      if (url.origin !== origin) return { left: url }
      body = null
    }
    throw new Error(`the pages lead in a circle, last to ${url.pathname}`)
  }

  /** Sends the form of a page: its hidden fields, the typed values, and the pressed button. */
  submit(page: Page, typed: Readonly<Record<string, string>>): Promise<Page | Left> {
    const [tag] = /<form\b[^>]*>/.exec(page.html) ?? []
    if (tag === undefined) throw new Error(`${page.url.pathname} has no form`)
    const fields = new URLSearchParams()
    for (const [input] of page.html.matchAll(/<input\b[^>]*\btype="hidden"[^>]*>/g)) {
      fields.set(attribute(input, 'name'), attribute(input, 'value'))
    }
    for (const [name, value] of Object.entries(typed)) fields.set(name, value)
    return this.open(new URL(attribute(tag, 'action') || page.url, page.url), fields)
  }

  async #send(url: URL, body: URLSearchParams | null): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(url, {
      method: body === null ? 'GET' : 'POST',
      body,
      redirect: 'manual',
      signal: this.#signal,
      headers: {
        accept: 'text/html',
        ...(cookie === '' ? {} : { cookie }),
        ...(body === null ? {} : { origin: url.origin }),
      },
    })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/;\s*max-age=0/i.test(line)) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    return answer
  }
}

const ENTITIES = { '&quot;': '"', '&#39;': "'", '&lt;': '<', '&gt;': '>', '&amp;': '&' }

function attribute(tag: string, name: string): string {
  const [, value = ''] = new RegExp(`\\s${name}="([^"]*)"`).exec(tag) ?? []
  return value.replaceAll(/&(?:quot|#39|lt|gt|amp);/g, (one) => ENTITIES[one as '&amp;'])
}
