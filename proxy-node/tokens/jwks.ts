// Public keys of the issuer: found through its metadata or JWKS_URI, kept in memory, read again in
// time. Owns which algorithm goes with which key, and every limit on an answer of the issuer's
// server. Knows nothing of tokens: that is verifier.ts.
//
// Keys stay usable for 24 hours when the issuer is gone; a key that a successful refresh no longer
// lists is gone at once, and an answer that lists it again soon after comes from an outdated cache,
// which counts for nothing. Neither does an answer without a key that can be used. At most one
// request is under way; an unknown key id causes at most one refresh per cool-down, however many
// tokens name it.
//
// With a place to keep them the keys of the last good answer are there after a restart too, for
// what is left of the 24 hours; so are the marks of those that were withdrawn.

import { constants, createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { isSecureUrl } from '../addresses.ts'
import {
  FetchError,
  type FetchFault,
  fetchFromIssuer,
  type Readdress,
  reachAt,
} from './issuer_fetch.ts'
import type { Keeper } from './state_folder.ts'

const BODY_MAX = 256 * 1024
const KEYS_MAX = 64
const USABLE_MS = 24 * 3600_000
const COOL_DOWN_MS = 10_000
const METADATA_MS = 3600_000
/** For how long a cache may still give out a key that was withdrawn. */
const OUTDATED_MS = 360_000
const RETRY_MS = { first: 1_000, most: 60_000 }
/** Part of its age after which a set is read again: a new one is here before it runs out. */
const AHEAD = 0.9
const MAX_AGE = { least: 30, most: 3600, unsaid: 300 } // seconds

type Algorithm = {
  kty: 'EC' | 'OKP' | 'RSA'
  crv?: string
  signatureBytes?: number
  check(input: Buffer, key: KeyObject, signature: Buffer): boolean
}

const ecdsa = (crv: string, hash: string, signatureBytes: number): Algorithm => ({
  kty: 'EC',
  crv,
  signatureBytes,
  // RFC 7518 §3.4: R and S side by side, not DER
  check: (input, key, signature) =>
    verify(hash, input, { key, dsaEncoding: 'ieee-p1363' }, signature),
})

const ed25519: Algorithm = {
  kty: 'OKP',
  crv: 'Ed25519',
  signatureBytes: 64,
  check: (input, key, signature) => verify(null, input, key, signature), // RFC 8037 §3.1
}

// All there is. Neither `none` nor a secret-key algorithm can be named (RFC 8725 §3.1, §3.2).
const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map([
  ['ES256', ecdsa('P-256', 'sha256', 64)],
  ['ES384', ecdsa('P-384', 'sha384', 96)],
  ['EdDSA', ed25519],
  ['Ed25519', ed25519], // RFC 9864 §2.2
  [
    'RS256',
    { kty: 'RSA', check: (input, key, signature) => verify('sha256', input, key, signature) },
  ],
  [
    'PS256',
    {
      kty: 'RSA',
      // RFC 7518 §3.5: the salt is as long as the hash
      check: (input, key, signature) =>
        verify(
          'sha256',
          input,
          {
            key,
            padding: constants.RSA_PKCS1_PSS_PADDING,
            saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
          },
          signature,
        ),
    },
  ],
])

export const isKnownAlgorithm = (alg: string): boolean => ALGORITHMS.has(alg)

export type VerificationKey = {
  kid: string | undefined
  kty: string
  crv: string | undefined
  alg: string | undefined
  key: KeyObject
  /** Says which key it is, whatever its key id: a hash of the public key. */
  thumbprint: string
}

const canVerify = (key: VerificationKey, alg: string): boolean => {
  const algorithm = ALGORITHMS.get(alg)
  if (algorithm === undefined || algorithm.kty !== key.kty) return false
  if (algorithm.crv !== undefined && algorithm.crv !== key.crv) return false
  return (
    key.alg === undefined || key.alg === alg || (key.crv === 'Ed25519' && isEdDSA(key.alg, alg))
  )
}
const isEdDSA = (a: string, b: string) =>
  ALGORITHMS.get(a) === ed25519 && ALGORITHMS.get(b) === ed25519

export function isSignatureGood(
  key: VerificationKey,
  alg: string,
  input: Buffer,
  signature: Buffer,
): boolean {
  const algorithm = ALGORITHMS.get(alg)
  if (algorithm === undefined || !canVerify(key, alg)) return false
  if (algorithm.signatureBytes !== undefined && signature.length !== algorithm.signatureBytes) {
    return false
  }
  return algorithm.check(input, key.key, signature)
}

/** The outcome of a refresh; a literal for logs and counters. */
export type RefreshOutcome =
  | 'ok'
  | FetchFault
  | 'issuer_mismatch'
  | 'insecure_uri'
  /** It is a set, and none of its keys can be used: a fault of the answer rather than news. */
  | 'no_keys'
  /** It lists a key that an earlier answer had withdrawn. */
  | 'outdated'

export type Refresh = {
  outcome: RefreshOutcome
  /** usable keys in memory */
  keys: number
  /** seconds until the next one is due */
  next: number
}

/** Milliseconds, and a timer that can be taken back. Tests set their own. */
export type Clock = {
  now(): number
  schedule(ms: number, run: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  schedule(ms, run) {
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

export type Jwks = {
  /** Reads the keys now, and from here on by itself. */
  start(): Promise<void>
  /** Those that may have signed. Several keys may have one key id, and no more is meant by it. */
  find(kid: string | undefined, alg: string): readonly VerificationKey[]
  /** Says whether a key is among those that the issuer published last. */
  lists(thumbprint: string): boolean
  /** Says whether a good answer lately took away a key of this id. */
  isWithdrawn(kid: string | undefined): boolean
  /** Keys are there, and the issuer confirmed them within 24 hours. */
  isUsable(): boolean
  /** Says whether the last attempt to read the keys worked. */
  isCurrent(): boolean
  /** Grows with each change of the keys. */
  version(): number
  count(): number
  /** Seconds since the issuer confirmed the keys; undefined while there are none. */
  age(): number | undefined
  /**
   * Starts or joins a refresh for an unknown key id; false at once within the cool-down. An answer
   * that others had asked for may be older than the key.
   */
  refreshForUnknownKey(): Promise<'started' | 'joined' | false>
  close(): void
}

export type JwksOptions = {
  issuer: string
  /** Where the issuer is reached, if not under its name. */
  address?: string | undefined
  jwksUri?: string | undefined
  /** Keeps the keys over a restart. */
  keeper?: Keeper | undefined
  clock?: Clock
  onRefresh?: (refresh: Refresh) => void
}

class RefreshError extends Error {
  readonly outcome: RefreshOutcome
  constructor(outcome: RefreshOutcome) {
    super(outcome)
    this.outcome = outcome
  }
}

const isAmong = (keys: readonly VerificationKey[], thumbprint: string): boolean =>
  keys.some((key) => key.thumbprint === thumbprint)

/** All that says which token a key verifies. */
const nameAll = (keys: readonly VerificationKey[]): string =>
  JSON.stringify(keys.map(({ kid, alg, thumbprint }) => [kid, alg, thumbprint]))

export function openJwks(options: JwksOptions): Jwks {
  const { issuer, address, jwksUri, keeper, clock = systemClock, onRefresh } = options
  const reach = reachAt(issuer, address)
  let keys: VerificationKey[] = []
  /** By thumbprint: withdrawn keys, and when an answer may list each of them again. */
  const withdrawn = new Map<string, { kid: string | undefined; until: number }>()
  let version = 0
  let confirmedAt = Number.NEGATIVE_INFINITY
  let isLastGood = false
  let unknownAskedAt = Number.NEGATIVE_INFINITY
  let failures = 0
  let discovered: { uri: string; at: number } | undefined
  let underWay: Promise<void> | undefined
  let cancelNext: () => void = () => {}
  const closing = new AbortController()

  async function locate(): Promise<string> {
    if (jwksUri !== undefined) return jwksUri
    if (discovered !== undefined && clock.now() - discovered.at < METADATA_MS) return discovered.uri
    const uri = await discoverJwksUri(issuer, reach, closing.signal)
    discovered = { uri, at: clock.now() }
    return uri
  }

  function accept(published: VerificationKey[]): void {
    for (const [thumbprint, { until }] of withdrawn) {
      if (until <= clock.now()) withdrawn.delete(thumbprint)
    }
    if (published.some(({ thumbprint }) => withdrawn.has(thumbprint))) {
      throw new RefreshError('outdated')
    }
    const until = clock.now() + OUTDATED_MS
    for (const { thumbprint, kid } of keys) {
      if (!isAmong(published, thumbprint)) withdrawn.set(thumbprint, { kid, until })
    }
    if (nameAll(keys) !== nameAll(published)) version++
    keys = published
  }

  /** The keys of the last good answer of before. They are not current: a newer one may be there. */
  function takeKept(): void {
    const [kept] = keeper?.take('keys') ?? []
    if (kept === undefined) return
    try {
      const body = parseJson(kept.text)
      keys = readKeys(body)
      for (const mark of readMarks(body)) withdrawn.set(mark.thumbprint, mark)
      confirmedAt = kept.fetched_at
    } catch (error) {
      if (!(error instanceof RefreshError)) throw error
      keeper?.passOver('keys', issuer, error.outcome)
    }
  }

  async function attempt(): Promise<void> {
    cancelNext()
    let outcome: RefreshOutcome = 'ok'
    let next: number
    try {
      const { body, age } = await fetchJson(await locate(), closing.signal)
      accept(readKeys(body))
      confirmedAt = clock.now()
      const marks = [...withdrawn].map(([thumbprint, mark]) => ({ thumbprint, ...mark }))
      const text = JSON.stringify({ ...(body as object), withdrawn: marks })
      keeper?.keep('keys', { name: issuer, text, fetched_at: confirmedAt })
      failures = 0
      next = age * 1000 * AHEAD
    } catch (error) {
      if (!(error instanceof RefreshError)) throw error
      outcome = error.outcome
      discovered = undefined // the keys may have moved
      next = Math.min(RETRY_MS.first * 2 ** failures++, RETRY_MS.most)
    }
    if (closing.signal.aborted) return
    isLastGood = outcome === 'ok'
    // Many proxies of one issuer shall not come in step: up to a tenth earlier.
    next *= 1 - Math.random() / 10
    cancelNext = clock.schedule(next, () => void refresh())
    onRefresh?.({ outcome, keys: keys.length, next: next / 1000 })
  }

  function refresh(): Promise<void> {
    underWay ??= attempt().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  takeKept()
  return {
    start: refresh,
    find(kid, alg) {
      const fitting = keys.filter(
        (key) => (kid === undefined || key.kid === kid) && canVerify(key, alg),
      )
      // Without a key id only a sole fitting key is meant without doubt.
      return kid === undefined && fitting.length !== 1 ? [] : fitting
    },
    lists: (thumbprint) => isAmong(keys, thumbprint),
    isWithdrawn: (kid) => [...withdrawn.values()].some((one) => one.kid === kid),
    isUsable: () => keys.length > 0 && clock.now() - confirmedAt < USABLE_MS,
    isCurrent: () => isLastGood,
    version: () => version,
    count: () => keys.length,
    age: () => (keys.length === 0 ? undefined : (clock.now() - confirmedAt) / 1000),
    async refreshForUnknownKey() {
      if (underWay !== undefined) {
        await underWay
        return 'joined'
      }
      const since = clock.now() - unknownAskedAt // negative where the clock was set back
      if (closing.signal.aborted || (since >= 0 && since < COOL_DOWN_MS)) return false
      unknownAskedAt = clock.now()
      await refresh()
      return 'started'
    },
    close() {
      closing.abort()
      cancelNext()
    },
  }
}

async function discoverJwksUri(
  issuer: string,
  reach: Readdress,
  signal: AbortSignal,
): Promise<string> {
  const { origin, pathname } = new URL(reach(issuer))
  const path = pathname.replace(/\/$/, '')
  const places = [
    `${origin}/.well-known/oauth-authorization-server${path}`, // RFC 8414 §3.1
    `${origin}${path}/.well-known/openid-configuration`, // OpenID Connect Discovery 1.0 §4.1
  ]
  let body: unknown
  for (const [index, place] of places.entries()) {
    try {
      body = (await fetchJson(place, signal)).body
      break
    } catch (error) {
      const isElsewhere = error instanceof RefreshError && error.outcome === 'status'
      if (!isElsewhere || index === places.length - 1) throw error
    }
  }
  if (!isJsonObject(body)) throw new RefreshError('malformed')
  if (body['issuer'] !== issuer) throw new RefreshError('issuer_mismatch') // RFC 8414 §3.3
  const uri = body['jwks_uri']
  if (typeof uri !== 'string' || !URL.canParse(uri)) throw new RefreshError('malformed')
  const reached = reach(uri)
  if (!isSecureUrl(new URL(reached))) throw new RefreshError('insecure_uri')
  return reached
}

async function fetchJson(
  uri: string,
  closing: AbortSignal,
): Promise<{ body: unknown; age: number }> {
  const options = { accept: 'application/json', bytes_max: BODY_MAX, closing }
  try {
    const { text, headers } = await fetchFromIssuer(uri, options)
    return { body: parseJson(text ?? ''), age: readAge(headers) }
  } catch (error) {
    throw error instanceof FetchError ? new RefreshError(error.outcome) : error
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new RefreshError('malformed')
  }
}

/** Seconds the answer may be used for, RFC 9111 §5.2.2, within the bounds of MAX_AGE. */
function readAge(headers: Headers): number {
  const directives = (headers.get('cache-control') ?? '').toLowerCase().split(',')
  let seconds: number = MAX_AGE.unsaid
  for (const directive of directives) {
    const [name = '', value = ''] = directive.trim().split('=')
    if (name === 'no-store' || name === 'no-cache') return MAX_AGE.least
    if (name === 'max-age') seconds = Number.parseInt(value.replaceAll('"', ''), 10)
  }
  const age = Number.parseInt(headers.get('age') ?? '0', 10)
  const left = seconds - Math.max(age, 0)
  if (Number.isNaN(left)) return MAX_AGE.least
  return Math.min(Math.max(left, MAX_AGE.least), MAX_AGE.most)
}

/** RFC 7517 §5: keys that are not understood, or not for signatures, are passed over. */
function readKeys(body: unknown): VerificationKey[] {
  if (!isJsonObject(body) || !Array.isArray(body['keys'])) throw new RefreshError('malformed')
  const keys: VerificationKey[] = []
  for (const jwk of body['keys'].slice(0, KEYS_MAX)) {
    const key = readKey(jwk)
    if (key !== undefined) keys.push(key)
  }
  if (keys.length === 0) throw new RefreshError('no_keys')
  return keys
}

type Mark = { thumbprint: string; kid: string | undefined; until: number }

/** Marks of withdrawn keys, in a set that mProxy kept itself. */
function* readMarks(body: unknown): Generator<Mark> {
  const marks = isJsonObject(body) ? body['withdrawn'] : undefined
  for (const mark of Array.isArray(marks) ? (marks as unknown[]) : []) {
    if (!isJsonObject(mark)) continue
    const { thumbprint, kid, until } = mark
    if (typeof thumbprint !== 'string' || typeof until !== 'number') continue
    yield { thumbprint, until, kid: typeof kid === 'string' ? kid : undefined }
  }
}

function readKey(jwk: unknown): VerificationKey | undefined {
  if (!isJsonObject(jwk)) return undefined
  const { kty, crv, kid, alg, use, key_ops, d } = jwk
  if (d !== undefined) return undefined // a published private key vouches for nobody
  if (use !== undefined && use !== 'sig') return undefined
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.includes('verify'))) {
    return undefined
  }
  if (kid !== undefined && typeof kid !== 'string') return undefined
  if (alg !== undefined && (typeof alg !== 'string' || !ALGORITHMS.has(alg))) return undefined
  if (kty !== 'EC' && kty !== 'OKP' && kty !== 'RSA') return undefined
  if (crv !== undefined && typeof crv !== 'string') return undefined
  let key: KeyObject
  try {
    key = createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    return undefined
  }
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (kty === 'RSA' && (bits === undefined || bits < 2048 || bits > 8192)) return undefined
  const spki = key.export({ type: 'spki', format: 'der' })
  const thumbprint = createHash('sha256').update(spki).digest('base64url')
  const read = { kid, kty, crv, alg, key, thumbprint }
  return [...ALGORITHMS.keys()].some((name) => canVerify(read, name)) ? read : undefined
}

export const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
