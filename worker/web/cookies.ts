// Cookies: their prefix and their attributes. The session's own cookie is identity/sessions.ts's,
// the one against forged forms identity/csrf.ts's.
import { getCookie, setCookie } from 'hono/cookie'
import type { Context } from '../context.ts'
import { sha256 } from '../crypto.ts'
import { type Http, secure } from '../http.ts'
import { issuerPath } from './issuer_path.ts'

/**
 * `__Host-name` on https; the plain name on a loopback issuer, where browsers refuse the prefix.
 * It needs `Path=/`, so the name of a cookie says which one of several issuers of a host it is of.
 */
function cookieName(cx: Context, name: string): string {
  const base = issuerPath(cx.config.issuer)
  const own = base === '' ? name : `${name}-${sha256(base).slice(0, 8)}`
  return secure(cx) ? `__Host-${own}` : own
}

export function readCookie(c: Http, name: string): string | undefined {
  return getCookie(c, cookieName(c.var.cx, name))
}

/** Sets an HttpOnly, SameSite=Lax cookie for the whole origin; `maxAge` 0 deletes it. */
export function writeCookie(c: Http, name: string, value: string, maxAge?: number): void {
  const cx = c.var.cx
  setCookie(c, cookieName(cx, name), value, {
    path: '/',
    httpOnly: true,
    secure: secure(cx),
    sameSite: 'Lax',
    ...(maxAge === undefined ? {} : { maxAge }),
  })
}
