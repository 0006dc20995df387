// Token status lists of the issuer that sessions and lately verified tokens use: fetched, kept, and
// asked for again each `ttl`. Owns when a list is believed, and who hears that an index changed.
//
// No CONNECT waits for a list. A token whose list is not here is let in, the list is fetched behind
// it, and the session ends as soon as the list says so. A list that is here is judged by at once. A
// good list stays in force while the issuer is away or answers badly: until its `exp`, and for the
// longest age that the settings give it. One that never came leaves tokens in force for as long.
// After that no token of it is let in, unless the settings say so; an old list still says who
// ended. Lists that were kept on disk are judged again when they are read.

import { FetchError, type FetchFault, fetchFromIssuer, reachAt } from './issuer_fetch.ts'
import { type Clock, type Jwks, systemClock } from './jwks.ts'
import { findSigner, type Jws, parseObject, readJws } from './jws.ts'
import type { Keeper } from './state_folder.ts'
import {
  changedIndices,
  type ListFault,
  readStatusList,
  type StatusList,
  type StatusReference,
  statusAt,
} from './status_list.ts'

/** A list of a million entries, half of them set at random, is 450 KB in this form. */
const ANSWER_MAX = 4 * 1024 * 1024
/** Beyond, the list that was unused for the longest is forgotten. */
const LISTS_MAX = 256
/** A list is asked for as long as a session hangs on it, and so long after its last CONNECT. */
const LATELY_MS = 600_000
const AGE_MAX_MS = 24 * 3600_000
/** A list on disk is confirmed as often while the issuer says that it still holds. */
const CONFIRM_MS = 600_000
const RETRY_MS = { first: 1_000, most: 30_000 }
/** A list confirmed this long before a token was made may lack its index. */
const LEEWAY_MS = 30_000

/** TokenStanding of a token, from memory. `unknown`: no list of this moment says anything yet. */
export type TokenStanding = 'valid' | 'ended' | 'superseded' | 'unknown' | 'unavailable'

/** TokenStanding that ends a session. */
export type Withdrawal = 'ended' | 'superseded'

export type ListOutcome =
  | 'ok'
  | 'unchanged'
  | FetchFault
  | ListFault
  | 'wrong_type'
  | 'bad_signature'
  | 'unknown_key'
  | 'keys_unavailable'
  /** It was issued before the one that is in force. */
  | 'outdated'

export type ListRefresh = {
  uri: string
  outcome: ListOutcome
  /** Entries of the list in force. */
  entries: number
  /** Seconds until the next attempt. */
  next: number
}

export type StatusLists = {
  /** Judges from memory, and asks for a list that is not here. */
  judge(reference: StatusReference): TokenStanding
  /** Calls `withdraw` once when the list says so; the answer takes the watch back. */
  watch(reference: StatusReference, withdraw: (why: Withdrawal) => void): () => void
  /** Grows with each list that is read anew. */
  version(): number
  /** For metrics: lists in use, and the seconds since the oldest of them was confirmed. */
  count(): number
  age(): number
  close(): void
}

type Watch = { reference: StatusReference; withdraw: (why: Withdrawal) => void }

type Entry = {
  readonly uri: string
  readonly askedFirst_at: number
  list: StatusList | undefined
  etag: string | undefined
  /** When the request began whose answer was good last. */
  confirmed_at: number | undefined
  /** The same of the list on disk. */
  kept_at: number
  used_at: number
  failures: number
  isUnderWay: boolean
  isWaiting: boolean
  cancelNext: () => void
  /** By index, so that a poll looks only at what changed. */
  readonly watches: Map<number, Set<Watch>>
  /** Indices beyond the end of the list: judged again with each answer. */
  readonly beyond: Set<number>
}

export type StatusListsOptions = {
  issuer: string
  /** Where the issuer is reached, if not under its name. */
  address?: string | undefined
  jwks: Jwks
  /** Keeps the lists over a restart. */
  keeper?: Keeper | undefined
  /** For how long a list counts that the issuer did not confirm. */
  age_max_ms?: number | undefined
  /** Lets tokens in whose list is too old, unless it says that they ended. */
  isFailOpen?: boolean | undefined
  clock?: Clock
  timeout_ms?: number
  onRefresh?: (refresh: ListRefresh) => void
}

class ListError extends Error {
  readonly outcome: ListOutcome
  constructor(outcome: ListOutcome) {
    super(outcome)
    this.outcome = outcome
  }
}

export function openStatusLists(options: StatusListsOptions): StatusLists {
  const { issuer, address, jwks, keeper, clock = systemClock, timeout_ms, onRefresh } = options
  const { age_max_ms = AGE_MAX_MS, isFailOpen = false } = options
  const confirm_ms = Math.min(CONFIRM_MS, age_max_ms / 4)
  const reach = reachAt(issuer, address)
  const entries = new Map<string, Entry>()
  const closing = new AbortController()
  let version = 0

  /** The entry of a list, from now on in use. */
  function use(uri: string): Entry {
    const entry = entries.get(uri) ?? addEntry(uri)
    entry.used_at = clock.now()
    if (!entry.isUnderWay && !entry.isWaiting) void refresh(entry)
    return entry
  }

  function addEntry(uri: string, kept?: { list: StatusList; fetched_at: number }): Entry {
    if (entries.size >= LISTS_MAX) forgetOne()
    const entry: Entry = {
      uri,
      askedFirst_at: clock.now(),
      list: kept?.list,
      etag: undefined,
      confirmed_at: kept?.fetched_at,
      kept_at: kept?.fetched_at ?? Number.NEGATIVE_INFINITY,
      used_at: clock.now(),
      failures: 0,
      isUnderWay: false,
      isWaiting: false,
      cancelNext: () => {},
      watches: new Map(),
      beyond: new Set(),
    }
    entries.set(uri, entry)
    return entry
  }

  /** Lists of before the restart, signed by a key that counts today. The first use asks again. */
  function takeKept(): void {
    for (const { name, text, fetched_at } of keeper?.take('list') ?? []) {
      try {
        const jws = readListJws(text)
        // Read as of when it came: one that has run out since still says who ended.
        const list = readList(jws, findSigner(jwks, jws), name, fetched_at)
        addEntry(name, { list, fetched_at })
      } catch (error) {
        if (!(error instanceof ListError)) throw error
        keeper?.passOver('list', name, error.outcome)
      }
    }
  }

  function forgetOne(): void {
    let longest: Entry | undefined
    for (const entry of entries.values()) {
      if (entry.watches.size > 0) continue
      if (longest === undefined || entry.used_at < longest.used_at) longest = entry
    }
    if (longest === undefined) return
    longest.cancelNext()
    entries.delete(longest.uri)
  }

  function judgeIn(entry: Entry, { idx, iat }: StatusReference): TokenStanding {
    const { list, confirmed_at, askedFirst_at } = entry
    const now = clock.now()
    if (list === undefined || confirmed_at === undefined) {
      return isFailOpen || now - askedFirst_at < age_max_ms ? 'unknown' : 'unavailable'
    }
    const value = statusAt(list, idx)
    // An end is for good, so an old list is right about it.
    if (value === 'ended' || value === 'superseded') return value
    const isInForce = list.exp * 1000 > now && now - confirmed_at < age_max_ms
    if (!isInForce && !isFailOpen) return 'unavailable'
    if (value === 'valid') return value
    // §8.3 of the draft: no statement can be made, so the token does not count. The index may be
    // newer than the list.
    return iat * 1000 > confirmed_at - LEEWAY_MS ? 'unknown' : 'superseded'
  }

  async function fetchList(entry: Entry): Promise<{ list?: StatusList; text?: string }> {
    const { uri, etag } = entry
    const { text, headers } = await fetchFromIssuer(reach(uri), {
      accept: 'application/statuslist+jwt',
      bytes_max: ANSWER_MAX,
      closing: closing.signal,
      etag,
      ...(timeout_ms === undefined ? {} : { timeout_ms }),
    })
    if (text === undefined) return {}
    const jws = readListJws(text)
    let signer = findSigner(jwks, jws)
    if (signer === 'unknown_key' && (await jwks.refreshForUnknownKey())) {
      signer = findSigner(jwks, jws)
    }
    const list = readList(jws, signer, uri, clock.now())
    // A cache on the way, or somebody with an old copy, must not undo an end. Processes of the
    // issuer have clocks of their own.
    if (entry.list !== undefined && list.iat < entry.list.iat - LEEWAY_MS / 1000) {
      throw new ListError('outdated')
    }
    entry.etag = headers.get('etag') ?? undefined
    return { list, text }
  }

  function readListJws(text: string): Jws {
    const jws = readJws(text.trim(), ['statuslist+jwt'], ANSWER_MAX)
    if (typeof jws === 'string') throw new ListError(jws)
    return jws
  }

  /** `at` is in epoch milliseconds. */
  function readList(
    jws: Jws,
    signer: ReturnType<typeof findSigner>,
    uri: string,
    at: number,
  ): StatusList {
    if (typeof signer === 'string') throw new ListError(signer)
    const claims = parseObject(jws.payload)
    if (claims === undefined) throw new ListError('malformed')
    const list = readStatusList(claims, uri, issuer, at / 1000)
    if (typeof list === 'string') throw new ListError(list)
    return list
  }

  function keep({ uri, kept_at }: Entry, text: string | undefined, fetched_at: number): number {
    if (text !== undefined) keeper?.keep('list', { name: uri, text, fetched_at })
    else if (fetched_at - kept_at < confirm_ms) return kept_at
    else keeper?.confirm('list', uri, fetched_at)
    return fetched_at
  }

  async function refresh(entry: Entry): Promise<void> {
    entry.cancelNext()
    entry.isWaiting = false
    entry.isUnderWay = true
    let outcome: ListOutcome
    let next: number
    try {
      const begun_at = clock.now()
      const { list, text } = await fetchList(entry)
      outcome = list === undefined ? 'unchanged' : 'ok'
      const { list: before } = entry
      if (list !== undefined) {
        entry.list = list
        version++
      } else if (before !== undefined && before.exp * 1000 <= clock.now()) {
        entry.etag = undefined // the server confirms a list that has run out: ask for a whole one
        throw new ListError('expired')
      }
      entry.confirmed_at = begun_at
      entry.kept_at = keep(entry, text, begun_at)
      entry.failures = 0
      tellWatches(entry, before, list)
      next = (entry.list?.ttl ?? 1) * 1000
    } catch (error) {
      if (!(error instanceof FetchError) && !(error instanceof ListError)) throw error
      outcome = error.outcome
      next = Math.min(RETRY_MS.first * 2 ** Math.min(entry.failures++, 16), RETRY_MS.most)
    } finally {
      entry.isUnderWay = false
    }
    if (closing.signal.aborted) return
    // Many proxies of one issuer shall not come in step: up to a tenth earlier.
    next *= 1 - Math.random() / 10
    onRefresh?.({ uri: entry.uri, outcome, entries: countEntries(entry), next: next / 1000 })
    const isLate = clock.now() - entry.used_at >= LATELY_MS
    if (entry.watches.size === 0 && isLate) return // the next token of it asks again
    entry.isWaiting = true
    entry.cancelNext = clock.schedule(next, () => void refresh(entry))
  }

  function tellWatches(
    entry: Entry,
    before: StatusList | undefined,
    after: StatusList | undefined,
  ): void {
    const again = [...entry.beyond]
    entry.beyond.clear()
    for (const idx of again) tell(entry, idx)
    if (after === undefined) return
    for (const idx of changedIndices(before, after, [...entry.watches.keys()])) tell(entry, idx)
  }

  function tell(entry: Entry, idx: number): void {
    for (const watch of [...(entry.watches.get(idx) ?? [])]) {
      const standing = judgeIn(entry, watch.reference)
      if (standing === 'unknown' && entry.list !== undefined) entry.beyond.add(idx)
      if (standing !== 'ended' && standing !== 'superseded') continue
      unwatch(entry, watch)
      watch.withdraw(standing)
    }
  }

  function unwatch(entry: Entry, watch: Watch): void {
    const { idx } = watch.reference
    const same = entry.watches.get(idx)
    if (same === undefined || !same.delete(watch) || same.size > 0) return
    entry.watches.delete(idx)
    entry.beyond.delete(idx)
    // A list that was watched for a day was in use until now.
    entry.used_at = clock.now()
  }

  takeKept()
  return {
    judge: (reference) => judgeIn(use(reference.uri), reference),
    watch(reference, withdraw) {
      const entry = use(reference.uri)
      const watch = { reference, withdraw }
      const same = entry.watches.get(reference.idx)
      if (same === undefined) entry.watches.set(reference.idx, new Set([watch]))
      else same.add(watch)
      // The list may have changed between the verification and now.
      setImmediate(() => tell(entry, reference.idx))
      return () => unwatch(entry, watch)
    },
    version: () => version,
    count: () => entries.size,
    age() {
      let oldest = 0
      for (const { confirmed_at, askedFirst_at, watches } of entries.values()) {
        if (watches.size === 0) continue
        oldest = Math.max(oldest, clock.now() - (confirmed_at ?? askedFirst_at))
      }
      return oldest / 1000
    },
    close() {
      closing.abort()
      for (const { cancelNext } of entries.values()) cancelNext()
    },
  }
}

const countEntries = ({ list }: Entry): number =>
  list === undefined ? 0 : list.bytes.length * (8 / list.bits)
