// Headers of pages: the Content-Security-Policy, no framing, no storing. `page` marks a route of
// pages, so that its errors are pages too.
import type { MiddlewareHandler } from 'hono'
import type { Env, Http } from '../http.ts'
import { bringTexts } from '../messages/texts.ts'

/**
 * Headers of a page: no framing, no script, no referrer to others, forms only to ourselves and to
 * `formTargets` (origins). `script` is the CSP source of the one script that a page may have.
 */
export function pageHeaders(
  c: Http,
  formTargets: readonly string[] = [],
  { script, images = [] }: { script?: string; images?: readonly string[] } = {},
): void {
  // Chromium applies form-action to the redirect that follows a form, hence the client's origin.
  const targets = ["'self'", ...formTargets].join(' ')
  c.header(
    'Content-Security-Policy',
    `default-src 'none'; ${script === undefined ? '' : `script-src ${script}; `}` +
      `style-src 'self'; ${['img-src', "'self'", 'data:', ...images].join(' ')}; form-action ${targets}; ` +
      "frame-ancestors 'none'; base-uri 'none'",
  )
  c.header('X-Frame-Options', 'DENY')
  // A window that opened this page gets no hold of it, nor this page of that window. An application
  // may open the sign-in in a window of its own, which brings the answer back to it.
  const isForApplication = formTargets.length > 0
  c.header('Cross-Origin-Opener-Policy', isForApplication ? 'unsafe-none' : 'same-origin')
  // Not `no-referrer`, for which browsers call the origin of our own forms "null" (Fetch §3.2).
  c.header('Referrer-Policy', 'same-origin')
  c.header('Cache-Control', 'no-store')
}

/**
 * The CSP source that covers a logo: its origin. None for a host that is no name, since URL accepts
 * `;` in one.
 */
export function imageSources(shown: { logo_uri: string | null } | null): readonly string[] {
  if (shown === null || shown.logo_uri === null) return []
  const { origin, hostname } = new URL(shown.logo_uri)
  return /^[a-z0-9._-]+$/.test(hostname) ? [origin] : []
}

/**
 * Goes before the handler of a page: each of its answers is a page, errors too, and is neither
 * framed nor stored.
 */
export const page: MiddlewareHandler<Env> = async (c, next) => {
  c.set('isPage', true)
  c.set('cx', bringTexts(c.var.cx))
  pageHeaders(c)
  await next()
  // It says nothing of the place that a redirect leads to, but would cut the opener off already.
  if (c.res.headers.has('location')) c.res.headers.delete('Cross-Origin-Opener-Policy')
}
