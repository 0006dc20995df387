// The folder `public/`, whose files entry reads: applications of the system itself, such as the
// console. Owns which path is a file, how long its answer is kept, and the headers of it. app.ts
// asks here last, so that no file stands before a route.
import type { Config } from '../environment.ts'
import type { Http } from '../http.ts'

export type PublicFile = {
  body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>
  /** An entity tag with its quotes, of the bytes alone; null where there is none. */
  etag: string | null
}

/**
 * Reads a file by its name in the folder, such as `console/index.html`; null where there is none.
 * `host` is the value that the runtime passes with a request.
 */
export type ReadPublicFile = (host: unknown, name: string) => Promise<PublicFile | null>

/** The place of the console: its files, and the places within it. */
export const isConsole = (path: string): boolean =>
  path === '/console' || path.startsWith('/console/')

const TYPES = new Map(
  Object.entries({
    avif: 'image/avif',
    css: 'text/css; charset=utf-8',
    gif: 'image/gif',
    html: 'text/html; charset=utf-8',
    ico: 'image/x-icon',
    jpeg: 'image/jpeg',
    jpg: 'image/jpeg',
    js: 'text/javascript; charset=utf-8',
    json: 'application/json',
    map: 'application/json',
    mjs: 'text/javascript; charset=utf-8',
    png: 'image/png',
    svg: 'image/svg+xml',
    txt: 'text/plain; charset=utf-8',
    wasm: 'application/wasm',
    webmanifest: 'application/manifest+json',
    webp: 'image/webp',
    woff: 'font/woff',
    woff2: 'font/woff2',
    xml: 'application/xml',
  }),
)

const extensionOf = (name: string): string => /\.([^./]+)$/.exec(name)?.[1]?.toLowerCase() ?? ''

/** A part of a file's name: no percent sign, backslash or control character, and no dot first. */
const PART = /^[A-Za-z0-9_~@+-][A-Za-z0-9._~@+-]*$/

/** The name in the folder that a path stands for, or null where it can stand for none. */
function nameOf(path: string): string | null {
  const parts = path.slice(1).split('/')
  return parts.every((part) => PART.test(part)) ? parts.join('/') : null
}

/**
 * Whether a path below /console/ is a place in the application, which reads it itself. Names of
 * files are none, so that a missing script is not answered with a page.
 */
function isPlaceInConsole(path: string): boolean {
  if (!path.startsWith('/console/') || path.includes('//')) return false
  let text: string
  try {
    text = decodeURIComponent(path)
  } catch {
    return false
  }
  if (/[\p{Cc}\\%]/u.test(text) || text.split('/').some((part) => part.startsWith('.')))
    return false
  const last = path.slice(path.lastIndexOf('/') + 1)
  return !(PART.test(last) && TYPES.has(extensionOf(last)))
}

/**
 * Whether a name carries a hash of the content: before the extension, behind a dash or a dot, 8 to
 * 64 hexadecimal digits, or 8 characters of base64url. An ordinary word is none: the former have a
 * digit and a letter, the latter a digit and a capital.
 */
function hasHash(name: string): boolean {
  const [, hash = ''] =
    /[.-]([0-9a-f]{8,64}|[A-Za-z0-9_-]{8})(?:\.[A-Za-z0-9]{1,12}){1,2}$/.exec(name) ?? []
  return /\d/.test(hash) && (/[A-Z]/.test(hash) || /^(?=.*[a-f])[0-9a-f]+$/.test(hash))
}

/**
 * Scripts, styles and calls of this origin alone, nothing inline, no frame. On the internal surface
 * the issuer is another origin, where a console gets its token.
 */
function contentSecurityPolicy({ surface, issuer }: Config): string {
  const calls = surface === 'internal' ? `'self' ${new URL(issuer).origin}` : "'self'"
  return (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
    `connect-src ${calls}; manifest-src 'self'; worker-src 'self'; form-action 'self'; ` +
    "frame-ancestors 'none'; base-uri 'none'"
  )
}

/** RFC 9110 §13.1.2: compared weakly, since a proxy that compresses weakens a tag. */
function isUnchanged(c: Http, etag: string | null): boolean {
  const known = c.req.header('if-none-match')
  if (known === undefined || etag === null) return false
  const plain = (tag: string) => tag.trim().replace(/^W\//, '')
  return known.trim() === '*' || known.split(',').some((tag) => plain(tag) === plain(etag))
}

const INDEX = 'console/index.html'

/** Answers GET and HEAD with a file; where there is none, the next handler answers. */
export function publicFiles(read: ReadPublicFile) {
  return async (c: Http, next: () => Promise<void>): Promise<Response | undefined> => {
    const { path } = c.req
    if (path === '/console') return c.redirect('/console/', 308)
    let name = nameOf(path)
    let file = name === null ? null : await read(c.env, name)
    if (file === null && isPlaceInConsole(path)) {
      name = INDEX
      file = await read(c.env, name)
    }
    if (name === null || file === null) {
      await next()
      return undefined
    }
    const { body, etag } = file
    c.header('Content-Security-Policy', contentSecurityPolicy(c.var.cx.config))
    c.header('X-Frame-Options', 'DENY')
    c.header('Cross-Origin-Opener-Policy', 'same-origin')
    c.header('Referrer-Policy', 'same-origin')
    c.header('Cache-Control', hasHash(name) ? 'public, max-age=31536000, immutable' : 'no-cache')
    if (etag !== null) c.header('ETag', etag)
    const unchanged = isUnchanged(c, etag)
    if (unchanged || c.req.method === 'HEAD') {
      if (body instanceof ReadableStream) await body.cancel()
      if (unchanged) return c.body(null, 304)
    }
    c.header('Content-Type', TYPES.get(extensionOf(name)) ?? 'application/octet-stream')
    return c.req.method === 'HEAD' ? c.body(null) : c.body(body)
  }
}
