// Which path is served on which surface (SURFACE of the environment): one table, read from the top.
// A path that no row names is of the public surface.

export type Surface = 'public' | 'internal' | 'all'

/** `limited`: public too where the setting `public_api` is on, for tokens with a limited reach. */
type Served = 'public' | 'internal' | 'both' | 'limited'

/** A path ends with `/` where all below it is meant. */
const PATHS: readonly [path: string, served: Served][] = [
  // JWKS and metadata are needed on both sides.
  ['/.well-known/', 'both'],
  // A device about itself, and the time for one that has no clock.
  ['/v1/self', 'both'],
  ['/v1/self/', 'both'],
  ['/v1/time', 'both'],
  // mProxy stands where devices come in, or beside the broker.
  ['/v1/reports', 'both'],
  ['/v1/', 'limited'],
  ['/access/', 'internal'],
  ['/openapi.json', 'internal'],
  ['/console', 'internal'],
  ['/console/', 'internal'],
  // Read by all that check tokens, the door to the broker first of all.
  ['/status-lists', 'both'],
  ['/status-lists/', 'both'],
  ['/policies', 'both'],
  ['/policies/', 'both'],
]

const servedOf = (path: string): Served =>
  PATHS.find(([one]) => (one.endsWith('/') ? path.startsWith(one) : path === one))?.[1] ?? 'public'

/** Whether the surface serves the path; `limited` as above. */
export function isServed(surface: Surface, path: string): boolean | 'limited' {
  if (surface === 'all') return true
  const served = servedOf(path)
  if (served === 'limited') return surface === 'internal' ? true : 'limited'
  return served === 'both' || served === surface
}
