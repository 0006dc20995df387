// One request to the issuer's server: under a deadline, without redirects, with a limit on the
// bytes of the answer. The meaning of the bytes is left to the callers: keys, status lists,
// policies.

const REQUEST_TIMEOUT_MS = 5_000

/** Reasons why a request gave no document. */
export type FetchFault =
  | 'unreachable'
  | 'timeout'
  | 'redirect'
  | 'status'
  | 'too_large'
  | 'malformed'

export class FetchError extends Error {
  readonly outcome: FetchFault
  constructor(outcome: FetchFault) {
    super(outcome)
    this.outcome = outcome
  }
}

/** Rewrites an address below the issuer's to where mProxy reaches it. */
export type Readdress = (uri: string) => string

/** Leaves an address that is elsewhere, and all of them where `address` says nothing. */
export function reachAt(issuer: string, address: string | undefined): Readdress {
  if (address === undefined) return (uri) => uri
  const from = issuer.replace(/\/$/, '')
  const to = address.replace(/\/$/, '')
  return (uri) =>
    uri === from || uri.startsWith(`${from}/`) ? `${to}${uri.slice(from.length)}` : uri
}

export type FetchOptions = {
  accept: string
  /** Most bytes of the answer, counted after its transfer was decompressed. */
  bytes_max: number
  /** Ends the request when mProxy stops. */
  closing: AbortSignal
  timeout_ms?: number
  /** Of the answer that is in memory: the server may say that it still holds. */
  etag?: string | undefined
}

/** `text` is undefined where the server said that the answer in memory still holds. */
export type IssuerAnswer = { text: string | undefined; headers: Headers }

export async function fetchFromIssuer(uri: string, options: FetchOptions): Promise<IssuerAnswer> {
  const { accept, bytes_max, closing, etag, timeout_ms = REQUEST_TIMEOUT_MS } = options
  const signal = AbortSignal.any([closing, AbortSignal.timeout(timeout_ms)])
  try {
    // A redirect would let the answering server choose who is believed.
    const response = await fetch(uri, {
      redirect: 'manual',
      signal,
      headers: { accept, ...(etag === undefined ? {} : { 'if-none-match': etag }) },
    })
    const { status, headers } = response
    if (status === 200) return { text: await readBounded(response, bytes_max), headers }
    await response.body?.cancel()
    if (status === 304 && etag !== undefined) return { text: undefined, headers }
    throw new FetchError(status >= 300 && status < 400 ? 'redirect' : 'status')
  } catch (error) {
    if (error instanceof FetchError) throw error
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    throw new FetchError(isLate ? 'timeout' : 'unreachable')
  }
}

async function readBounded(response: Response, bytes_max: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Counts bytes after decompression, so a small answer cannot grow without limit.
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > bytes_max) throw new FetchError('too_large')
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new FetchError('malformed')
  }
}
