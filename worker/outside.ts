// The one way to fetch an address that others name: keys, sector identifiers, request objects,
// metadata documents, and the addresses that hear of a logout. Anybody who registers a client
// chooses such addresses, so they must not reach what only this program can reach: https alone, no
// private or loopback addresses, no redirects, bounds on size and time. The runtime (entry) sends
// the request, and checks and pins the answers of DNS where it can.

export type OutsideRequest = {
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: string
  /** Longest answer, in bytes. */
  max_bytes?: number
  /** Milliseconds for all of it: name, connection, answer. */
  timeout_ms?: number
}

export type OutsideAnswer = { status: number; headers: Headers; text: string }

/** Throws OutsideRefused. */
export type OutsideFetch = (url: string, request?: OutsideRequest) => Promise<OutsideAnswer>

export type OutsideReason =
  | 'bad_url'
  | 'private_address'
  | 'redirect'
  | 'too_large'
  | 'not_text'
  | 'timeout'
  | 'unreachable'

/**
 * Thrown when no usable answer came back. `reason` is for logs and tests: a stranger who named the
 * address would learn from it what is inside.
 */
export class OutsideRefused extends Error {
  override readonly name = 'OutsideRefused'
  readonly reason: OutsideReason

  constructor(reason: OutsideReason, options?: ErrorOptions) {
    super(`an address outside was not fetched: ${reason}`, options)
    this.reason = reason
  }
}

/**
 * Sends one request and follows no redirect. Throws OutsideRefused, or any error for a connection
 * that failed.
 */
export type Send = (
  url: URL,
  init: {
    method: string
    headers: Record<string, string>
    body: string | undefined
    signal: AbortSignal
  },
) => Promise<Response>

const MAX_BYTES = 65_536
const TIMEOUT_MS = 5000

/**
 * The guards around `send`. `allowPrivate` (ALLOW_PRIVATE_ADDRESSES) lets http and private
 * addresses through.
 */
export const guardFetch =
  (send: Send, allowPrivate: boolean): OutsideFetch =>
  async (
    text,
    { method = 'GET', headers = {}, body, max_bytes = MAX_BYTES, timeout_ms = TIMEOUT_MS } = {},
  ) => {
    const url = judgeUrl(text, allowPrivate)
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(), timeout_ms)
    try {
      const { signal } = controller
      const sent = send(url, { method, headers, body, signal })
      // Looking up a name cannot be broken off, and the caller must not wait for the name server of
      // a stranger.
      const answer = await Promise.race([sent, aborted(signal)])
      // Redirects would lead around every check above. `opaqueredirect` has status 0.
      if (answer.type === 'opaqueredirect' || (answer.status >= 300 && answer.status < 400)) {
        throw new OutsideRefused('redirect')
      }
      return {
        status: answer.status,
        headers: answer.headers,
        text: await readText(answer, max_bytes, signal),
      }
    } catch (cause) {
      if (cause instanceof OutsideRefused) throw cause
      throw new OutsideRefused(controller.signal.aborted ? 'timeout' : 'unreachable', { cause })
    } finally {
      clearTimeout(timer)
      controller.abort()
    }
  }

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new OutsideRefused('timeout')), { once: true })
  })

function judgeUrl(text: string, allowPrivate: boolean): URL {
  if (!/^[\x21-\x7e]{1,2048}$/.test(text) || !URL.canParse(text))
    throw new OutsideRefused('bad_url')
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || url.hostname === '') {
    throw new OutsideRefused('bad_url')
  }
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) {
    throw new OutsideRefused('bad_url')
  }
  if (!allowPrivate && !isPublicHost(url.hostname)) throw new OutsideRefused('private_address')
  return url
}

async function readText(answer: Response, max: number, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = answer.body?.getReader()
  const cancel = () => void reader?.cancel().catch(() => {})
  signal.addEventListener('abort', cancel)
  while (reader !== undefined) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.byteLength
    if (size > max) {
      cancel()
      throw new OutsideRefused('too_large')
    }
    chunks.push(value)
  }
  // A cancelled reader ends as if everything had come.
  if (signal.aborted) throw new OutsideRefused('timeout')
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(whole)
  } catch (cause) {
    throw new OutsideRefused('not_text', { cause })
  }
}

// --- which hosts are public -------------------------------------------------------------------

/**
 * True for a host of a URL that may be of the public internet: an address by its range, a name by
 * its ending.
 */
export function isPublicHost(hostname: string): boolean {
  if (hostname.startsWith('[')) return isPublicAddress(hostname.slice(1, -1))
  // URL turns every way to write an IPv4 address into plain dotted decimal.
  if (/^\d+\.\d+\.\d+\.\d+$/.test(hostname)) return isPublicAddress(hostname)
  const name = hostname.replace(/\.$/, '').toLowerCase()
  const labels = name.split('.')
  const last = labels.at(-1) ?? ''
  return (
    labels.length > 1 && !['localhost', 'local', 'internal', 'lan', 'home', 'arpa'].includes(last)
  )
}

/**
 * IPv4 ranges that are not of the public internet (IANA special-purpose registry), as [network,
 * bits].
 */
const NOT_PUBLIC: readonly [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]

/** True for an IPv4 or IPv6 address (without brackets) of the public internet. */
export function isPublicAddress(address: string): boolean {
  const v4 = readIpv4(address)
  if (v4 !== null) {
    return !NOT_PUBLIC.some(([network, bits]) => {
      const shift = 32 - bits
      return v4 >>> shift === (readIpv4(network) ?? 0) >>> shift
    })
  }
  const groups = readIpv6(address)
  if (groups === null) return false
  const [first = 0, second = 0, third = 0] = groups
  // Mapped and translated addresses, loopback, unique local, link-local and multicast are all
  // outside 2000::/3.
  if (first >>> 13 !== 1) return false
  if (first === 0x2001 && (second < 0x0200 || second === 0x0db8)) return false // Teredo, ORCHID, documentation
  if (first === 0x3fff) return false
  if (first === 0x2002) {
    // 6to4 has an IPv4 address in it.
    return isPublicAddress([second >>> 8, second & 255, third >>> 8, third & 255].join('.'))
  }
  return true
}

function readIpv4(text: string): number | null {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    return null
  }
  return parts.reduce((sum, part) => ((sum << 8) | Number(part)) >>> 0, 0)
}

function readIpv6(text: string): number[] | null {
  // URL normalises every spelling, the mixed one with dots included.
  if (!/^[0-9a-f:.]+$/i.test(text) || !URL.canParse(`http://[${text}]/`)) return null
  const [head = '', tail] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split('::')
  const read = (part: string) =>
    part === '' ? [] : part.split(':').map((one) => parseInt(one, 16))
  const [left, right] = [read(head), read(tail ?? '')]
  return [...left, ...Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0), ...right]
}
