// Addresses that an answer may be sent to: which a client may register, and whether a requested one
// is one of them. The refusal of a wrong redirect_uri is authorize/request.ts's. Pure. Compares
// whole texts, never prefixes, patterns or parsed parts.

/** Longest address, in characters. */
const MAX = 2048

/** Parameters of our own answers: an address that already has one could pass for another answer. */
const ANSWER_PARAMETERS = ['code', 'state', 'iss', 'error', 'error_description', 'response']

/** The fault of an address that a client wants to register, or null. */
export function redirectUriFault(uri: string, application_type: 'web' | 'native'): string | null {
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
    return isLoopback(url.hostname) ? null : 'must use https, unless its host is a loopback one'
  }
  // RFC 8252 §7.1: a private-use scheme is a reversed domain name, so it has a dot; javascript: has
  // none.
  if (!url.protocol.includes('.')) return 'must use https'
  return application_type === 'native' ? null : 'has a private-use scheme: for native clients only'
}

const isLoopback = (hostname: string) =>
  hostname === '127.0.0.1' || hostname === '[::1]' || hostname === 'localhost'

/** Whether `requested` is one of the registered addresses. */
export function matchesRedirectUri(
  client: { redirect_uris: readonly string[]; application_type: 'web' | 'native' },
  requested: string,
): boolean {
  // RFC 9700 §2.1: exact string comparison
  if (client.redirect_uris.includes(requested)) return true
  if (client.application_type !== 'native') return false
  const address = portless(requested)
  return address !== null && client.redirect_uris.some((uri) => portless(uri) === address)
}

/**
 * RFC 8252 §7.3: the port of a loopback address does not count; for the name localhost it does
 * (§8.3).
 */
function portless(uri: string): string | null {
  const match = /^http:\/\/(127\.0\.0\.1|\[::1\])(?::(\d{1,5}))?([/?].*)?$/.exec(uri)
  if (match === null) return null
  const [, host = '', port, rest = ''] = match
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65535)) return null
  return `${host} ${rest}`
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
