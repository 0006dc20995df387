// Addresses that an answer may be sent to: which a client may register, and whether a requested one
// is one of them. The refusal of a wrong redirect_uri is authorize/request.ts's. Pure. Compares
// whole texts, never prefixes, patterns or parsed parts.

/** Longest address, in characters. */
const MAX = 2048

/** Parameters of our own answers: an address that already has one could pass for another answer. */
const ANSWER_PARAMETERS = ['code', 'state', 'iss', 'error', 'error_description', 'response']

/** Parts of a client on which it depends whether it may have an address. */
type Registrant = { application_type: 'web' | 'native'; token_endpoint_auth_method: string }

/**
 * The fault of an address that a client wants to register, or null. `isPlainPermitted`: in a
 * private network it may be of plain http.
 */
export function redirectUriFault(
  uri: string,
  client: Registrant,
  { isPlainPermitted }: { isPlainPermitted: boolean },
): string | null {
  if (uri.length > MAX) return `has more than ${MAX} characters`
  if (!/^[\x21-\x7e]+$/.test(uri)) return 'has characters other than visible ASCII'
  if (!URL.canParse(uri)) return 'is not an absolute URI'
  if (uri.includes('#')) return 'has a fragment' // RFC 6749 §3.1.2
  if (uri.includes('*')) return 'has a wildcard: each address is registered for itself'
  const url = new URL(uri)
  if (url.username !== '' || url.password !== '' || /^[^/]*:\/\/[^/?]*@/.test(uri)) {
    return 'has a user or password'
  }
  // Parsers read these differently: upper case in the host, dot segments, default ports,
  // backslashes.
  if (url.href !== uri && url.href !== `${uri}/`) return `is not in its normal form: ${url.href}`
  // URL accepts `;` and `,` in a host; these would end a source in our Content-Security-Policy.
  if (!/^(?:[a-z0-9._-]*|\[[0-9a-f:]+\])$/.test(url.hostname)) return 'has a host that is no name'
  if (ANSWER_PARAMETERS.some((name) => url.searchParams.has(name))) {
    return 'has a query parameter that answers use themselves'
  }
  if (url.protocol === 'https:') return null
  if (url.protocol === 'http:') {
    if (isLoopback(url.hostname)) return null
    if (!isPrivateHost(url.hostname)) return 'must use https, unless its host is a loopback one'
    // A code that is read on the way is of no use without the client's secret or key.
    if (client.token_endpoint_auth_method === 'none') {
      return 'must use https: plain http in a private network is for clients that prove themselves'
    }
    if (isPlainPermitted) return null
    return 'must use https: plain http in a private network needs the setting private_network_redirects'
  }
  // RFC 8252 §7.1: a private-use scheme is a reversed domain name, so it has a dot; javascript: has
  // none.
  if (!url.protocol.includes('.')) return dotlessFault(url.protocol)
  if (client.application_type === 'native') return null
  return "has a scheme of one's own, for which application_type must be native"
}

/** Schemes that have a meaning of their own, so that no application can have made them up. */
const KNOWN_SCHEMES = [
  'javascript',
  'vbscript',
  'data',
  'blob',
  'file',
  'about',
  'ftp',
  'ws',
  'wss',
]

const dotlessFault = (protocol: string): string =>
  KNOWN_SCHEMES.includes(protocol.slice(0, -1))
    ? 'must use https'
    : `has the scheme ${protocol} but a scheme of one's own needs a dot, as com.example.app: has`

const isLoopback = (hostname: string) =>
  hostname === '127.0.0.1' || hostname === '[::1]' || hostname === 'localhost'

/** RFC 1918, RFC 3927, RFC 4193, RFC 4291 §2.5.6; URL has one way to write each address. */
const PRIVATE_ADDRESS =
  /^(?:(?:10|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d+)+|\[f(?:[cd][0-9a-f]|e[89ab])[0-9a-f]:.*\])$/

/** A name that no public DNS has: RFC 6762, RFC 8375, and those that networks at home use. */
const PRIVATE_NAME = /^(?:[a-z0-9_-]+|.+\.(?:local|lan|home\.arpa|internal))$/

const isPrivateHost = (hostname: string) =>
  PRIVATE_ADDRESS.test(hostname) || PRIVATE_NAME.test(hostname)

/**
 * Whether `requested` is one of the registered addresses. The port of a loopback address does not
 * count for a public client, since its program takes a free one (RFC 8252 §7.3).
 */
export function matchesRedirectUri(
  client: { redirect_uris: readonly string[]; token_endpoint_auth_method: string },
  requested: string,
): boolean {
  // RFC 9700 §2.1: exact string comparison
  if (client.redirect_uris.includes(requested)) return true
  if (client.token_endpoint_auth_method !== 'none') return false
  const address = portless(requested)
  return address !== null && client.redirect_uris.some((uri) => portless(uri) === address)
}

/** A loopback address without its port; null for any other. */
function portless(uri: string): string | null {
  const match = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::(\d{1,5}))?([/?].*)?$/.exec(uri)
  if (match === null) return null
  const [, host = '', port, rest = ''] = match
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65535)) return null
  return `${host} ${rest}`
}

/** Hosts that are the person's own machine: no authority certifies them for one program. */
const OWN_MACHINE = /^(?:(?:.+\.)?localhost\.?|127(?:\.\d+){3}|\[::1\])$/

/**
 * Whether any program of the person's machine may be the one that is answered at `redirect_uri`
 * (RFC 8252 §8.6): a public client at a loopback address or a scheme of one's own has nothing that
 * tells it from another. This server's own origin is excepted.
 */
export function mayBeImpersonated(
  issuer: string,
  client: { token_endpoint_auth_method: string },
  redirect_uri: string,
): boolean {
  if (client.token_endpoint_auth_method !== 'none') return false
  const { protocol, hostname, origin } = new URL(redirect_uri)
  if (origin === new URL(issuer).origin) return false
  return !/^https?:$/.test(protocol) || OWN_MACHINE.test(hostname)
}

/**
 * The place that an address leads to, as people read it: host and port, or a scheme of one's own.
 */
export function placeOf(uri: string): string {
  const { protocol, host } = new URL(uri)
  return /^https?:$/.test(protocol) ? host : protocol
}

/** The place with its scheme: an origin, or a scheme of one's own. */
export function originOrScheme(uri: string): string {
  // Addresses that were stored under earlier rules may be none.
  if (!URL.canParse(uri)) return uri
  const { protocol, origin } = new URL(uri)
  return /^https?:$/.test(protocol) ? origin : protocol
}

/** The address with the parameters of an answer in its query; its own query stays as it was. */
export function withAnswer(uri: string, answer: Readonly<Record<string, string>>): string {
  return `${uri}${uri.includes('?') ? '&' : '?'}${new URLSearchParams(answer)}`
}

/**
 * The CSP source that covers an address: its origin, or the scheme where CSP cannot name the host.
 */
export function formTargetOf(uri: string): string {
  const { protocol, origin, hostname } = new URL(uri)
  // CSP Level 3 §2.3.1: a host-source can be neither an IPv6 address nor empty.
  const hasSource = (protocol === 'https:' || protocol === 'http:') && !hostname.startsWith('[')
  return hasSource ? origin : protocol
}
