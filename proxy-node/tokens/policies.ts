// Policy documents of the issuer: the rules of a type of devices, which small tokens name by their
// hash. Owns how they are fetched, and that they are kept: for good in memory, since a document
// never changes; on disk for a day from when the issuer was heard last.
//
// Those of today are read ahead. A missing one is the only thing for which a CONNECT waits: once
// for all that come meanwhile, and under the deadline of a request.

import { createHash } from 'node:crypto'
import type { AclRule } from '../../policy/acl.ts'
import { parsePolicy } from '../../policy/templates.ts'
import { FetchError, type FetchFault, fetchFromIssuer, reachAt } from './issuer_fetch.ts'
import { type Clock, type Jwks, systemClock } from './jwks.ts'
import { findSigner, parseObject, readJws } from './jws.ts'
import type { Keeper } from './state_folder.ts'

const DOCUMENT_MAX = 256 * 1024
/** Beyond, the one that came first is forgotten. */
const POLICIES_MAX = 512
/** For how long a document that was not there is not asked for again. */
const COOL_DOWN_MS = 10_000
const READ_AHEAD_MS = 300_000
/** Documents on disk are confirmed as often while the issuer answers. */
const CONFIRM_MS = 3600_000

const HASH = /^[A-Za-z0-9_-]{43}$/

export type PolicyOutcome =
  | 'ok'
  | FetchFault
  | 'wrong_type'
  | 'bad_signature'
  | 'unknown_key'
  | 'keys_unavailable'
  | 'wrong_subject'
  /** It is not the one that was asked for. */
  | 'wrong_hash'

export type PolicyFetch = { policy: string; outcome: PolicyOutcome }

export type Policies = {
  /** Reads those that the issuer lists, and again in time. */
  start(): Promise<void>
  find(hash: string): readonly AclRule[] | undefined
  /** Fetches a missing one, or waits for whoever does; says whether it is there then. */
  fetch(hash: string): Promise<boolean>
  count(): number
  /** Seconds since the issuer gave or listed documents; undefined while there are none. */
  age(): number | undefined
  close(): void
}

export type PoliciesOptions = {
  issuer: string
  /** Where the issuer is reached, if not under its name. */
  address?: string | undefined
  jwks: Jwks
  /** Keeps documents over a restart. */
  keeper?: Keeper | undefined
  clock?: Clock
  timeout_ms?: number
  onFetch?: (fetch: PolicyFetch) => void
}

class PolicyError extends Error {
  readonly outcome: PolicyOutcome
  constructor(outcome: PolicyOutcome) {
    super(outcome)
    this.outcome = outcome
  }
}

const hashOf = (content: string): string => createHash('sha256').update(content).digest('base64url')

export function openPolicies(options: PoliciesOptions): Policies {
  const { issuer, address, jwks, keeper, clock = systemClock, timeout_ms, onFetch } = options
  const reach = reachAt(issuer, address)
  const base = `${issuer.replace(/\/$/, '')}/policies`
  const policies = new Map<string, readonly AclRule[]>()
  const underWay = new Map<string, Promise<boolean>>()
  const missed = new Map<string, number>()
  const closing = new AbortController()
  let cancelNext: () => void = () => {}
  let heard_at = Number.NEGATIVE_INFINITY
  let confirmed_at = clock.now()

  function keep(hash: string, templates: readonly AclRule[]): void {
    const [first] = policies.keys()
    if (policies.size >= POLICIES_MAX && first !== undefined) policies.delete(first)
    policies.set(hash, templates)
    missed.delete(hash)
  }

  const ask = (uri: string, accept: string) =>
    fetchFromIssuer(reach(uri), {
      accept,
      bytes_max: DOCUMENT_MAX,
      closing: closing.signal,
      ...(timeout_ms === undefined ? {} : { timeout_ms }),
    })

  /** The content of the document; throws PolicyError and FetchError. */
  async function read(hash: string): Promise<string> {
    const uri = `${base}/${hash}`
    const { text = '' } = await ask(uri, 'application/policy+jwt')
    const jws = readJws(text.trim(), ['policy+jwt'], DOCUMENT_MAX)
    if (typeof jws === 'string') throw new PolicyError(jws)
    let signer = findSigner(jwks, jws)
    if (signer === 'unknown_key' && (await jwks.refreshForUnknownKey())) {
      signer = findSigner(jwks, jws)
    }
    if (typeof signer === 'string') throw new PolicyError(signer)
    const { sub, policy } = parseObject(jws.payload) ?? {}
    if (typeof policy !== 'string') throw new PolicyError('malformed')
    if (sub !== uri) throw new PolicyError('wrong_subject')
    if (hashOf(policy) !== hash) throw new PolicyError('wrong_hash')
    return policy
  }

  async function attempt(hash: string): Promise<boolean> {
    let outcome: PolicyOutcome = 'ok'
    try {
      const content = await read(hash)
      const templates = parsePolicy(content)
      if (templates === null) throw new PolicyError('malformed')
      keep(hash, templates)
      heard_at = clock.now()
      keeper?.keep('policy', { name: hash, text: content, fetched_at: heard_at })
    } catch (error) {
      if (!(error instanceof FetchError) && !(error instanceof PolicyError)) throw error
      outcome = error.outcome
      if (missed.size >= POLICIES_MAX) missed.clear()
      missed.set(hash, clock.now())
    }
    if (!closing.signal.aborted) onFetch?.({ policy: hash, outcome })
    return outcome === 'ok'
  }

  async function fetchOne(hash: string): Promise<boolean> {
    const running = underWay.get(hash)
    if (running !== undefined) return running
    const since = clock.now() - (missed.get(hash) ?? Number.NEGATIVE_INFINITY)
    if (closing.signal.aborted || (since >= 0 && since < COOL_DOWN_MS)) return false
    const promise = attempt(hash).finally(() => underWay.delete(hash))
    underWay.set(hash, promise)
    return promise
  }

  /** The token names the hash, so a text on disk is believed by it alone. */
  function takeKept(): void {
    for (const { name, text, fetched_at } of keeper?.take('policy') ?? []) {
      const templates = hashOf(text) === name ? parsePolicy(text) : null
      if (templates === null) keeper?.passOver('policy', name, 'wrong_hash')
      else keep(name, templates)
      heard_at = Math.max(heard_at, fetched_at)
    }
  }

  /** The issuer is there, and documents never change: those in memory are as good as new. */
  function confirmAll(): void {
    heard_at = clock.now()
    if (heard_at - confirmed_at < CONFIRM_MS) return
    confirmed_at = heard_at
    for (const hash of policies.keys()) keeper?.confirm('policy', hash, heard_at)
  }

  async function readAhead(): Promise<void> {
    cancelNext()
    const listed = await ask(base, 'application/json').then(
      ({ text = '' }) => parseObject(Buffer.from(text))?.['policies'],
      () => [], // an issuer of before has none
    )
    if (Array.isArray(listed)) confirmAll()
    const hashes = Array.isArray(listed) ? listed.slice(0, POLICIES_MAX) : []
    for (const hash of hashes) {
      if (typeof hash !== 'string' || !HASH.test(hash) || policies.has(hash)) continue
      await fetchOne(hash)
    }
    if (closing.signal.aborted) return
    cancelNext = clock.schedule(READ_AHEAD_MS * (1 - Math.random() / 10), () => void readAhead())
  }

  takeKept()
  return {
    start: readAhead,
    find: (hash) => policies.get(hash),
    fetch: fetchOne,
    count: () => policies.size,
    age: () => (policies.size === 0 ? undefined : (clock.now() - heard_at) / 1000),
    close() {
      closing.abort()
      cancelNext()
    },
  }
}
