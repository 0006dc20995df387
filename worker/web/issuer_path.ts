// Web: manners towards browsers that belong to no page: cookies.ts writes cookies, public_files.ts
// sends files, this file owns the path of the issuer (`https://example.com/auth`), and where
// metadata are then. Routes, pages and stored paths know nothing of that path: it is taken off a
// request before it is routed, and put before the addresses of an answer that stay on this server.
// Owns no table, and leaves headers of pages to http.ts and pages/.

/** The path of an issuer, without a slash at its end: '' for an origin alone, else like `/auth`. */
export const issuerPath = (issuer: string): string => new URL(issuer).pathname.replace(/\/$/, '')

/** Paths at the root of the host too, where a proxy in front asks for them. */
const HEALTH = ['/healthz', '/readyz']

/** A path that no route has. */
const ELSEWHERE = '/.elsewhere'

/**
 * Reader of the path of a request; `getPath` reads it where the issuer has none. Metadata stand
 * below the path, and between the host and the path (RFC 8414 §3.1, RFC 9728 §3.1).
 */
export function pathReader(
  base: string,
  getPath: (request: Request) => string,
): (request: Request) => string {
  if (base === '') return getPath
  const inserted = new RegExp(`^(/\\.well-known/[a-z-]+)${base.replaceAll('.', '\\.')}(/.*)?$`)
  return (request) => {
    const path = getPath(request)
    if (path === base) return '/'
    if (path.startsWith(`${base}/`)) return path.slice(base.length)
    if (HEALTH.includes(path)) return path
    const [, name, rest = ''] = inserted.exec(path) ?? []
    return name === undefined ? ELSEWHERE : name + rest
  }
}

/** A well-known address of the issuer, or of a resource below it: between host and path. */
export function wellKnown(issuer: string, name: string, resource = ''): string {
  const { origin } = new URL(issuer)
  return `${origin}/.well-known/${name}${issuerPath(issuer)}${resource}`
}

/** The answer with the base before each address of a page, and of a redirect, on this server. */
export async function below(base: string, answer: Response): Promise<Response> {
  const location = answer.headers.get('location')
  // A file is sent as it is, since it may be long; its maker has put the base there.
  const isFile = answer.headers.has('content-disposition')
  const isPage = !isFile && answer.headers.get('content-type')?.startsWith('text/html') === true
  if (location === null && !isPage) return answer
  // In text of others `"` is written as an entity, so such an attribute is one of the page.
  const body = isPage
    ? (await answer.text()).replaceAll(/ (href|action|src)="\/(?!\/)/g, ` $1="${base}/`)
    : answer.body
  const moved = new Response(body, answer)
  if (location?.startsWith('/') && !location.startsWith('//')) {
    moved.headers.set('location', base + location)
  }
  return moved
}
