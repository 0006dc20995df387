// The first argument of everything below `entry`: the one way of a request to the world outside.
// `open` of entry makes one per request. Time, randomness, the database and the log are reached
// through it alone.

import type { Database } from './db/database.ts'
import type { Config } from './environment.ts'
import type { SendMail } from './mail/outgoing.ts'
import type { OutsideFetch } from './outside.ts'

/**
 * The actor of a request. Set by the bearer guard, a session, or the command line; its permissions
 * decide what it may hand on.
 */
export type Actor = {
  kind: 'user' | 'client' | 'device' | 'system' | 'anonymous'
  id: string | null
  /**
   * Scopes of the access token that are held on everything, or everything for the system. A check
   * that looks here alone demands power over the whole installation.
   */
  scopes: ReadonlySet<string>
  /** Scopes of the token that a person holds on some groups alone, each with these groups. */
  places?: ReadonlyMap<string, Reach>
  /** The part of the tree within which this request acts; absent: everywhere. */
  reach?: Reach
  /** People who act for the actor (RFC 8693), by id: only power that they hold too counts. */
  acting?: readonly string[]
  /** The token of the request: the origin of it, and the epoch under which it was made. */
  token?: { origin: string; epoch: number }
}

/**
 * Groups with all that is in them and below, each with the time (epoch seconds) since which the
 * scope is held there.
 */
export type Reach = readonly { group_id: string; since: number }[]

/** The groups on which an actor holds the scope, as far as it does not hold it on everything. */
export function placesOf({ places }: Actor, scope: string): Reach {
  const own = places?.get(scope) ?? []
  const managed = scope === 'manage' ? [] : (places?.get('manage') ?? [])
  const also = managed.filter((one) => own.every(({ group_id }) => group_id !== one.group_id))
  return [...own, ...also]
}

/** All scopes of the token of an actor, wherever they are held. */
export const carriedScopes = ({ scopes, places }: Actor): string[] => [
  ...scopes,
  ...(places?.keys() ?? []),
]

export const ANONYMOUS: Actor = { kind: 'anonymous', id: null, scopes: new Set() }

export type LogFields = Record<string, string | number | boolean | null | undefined>
export type Log = (level: 'info' | 'warn' | 'error', message: string, fields?: LogFields) => void

/**
 * Values remembered by the process or isolate, one map per issuer. Never promises, clients or
 * sockets.
 */
export type Memory = Map<string, { value: unknown; expires_at: number }>

/**
 * The certificate for which the peer of this connection proved that it has the key (TLS client
 * authentication).
 */
export type ClientCertificate = {
  /** Base64url of SHA-256 of its DER form (RFC 8705 §3.1). */
  thumbprint: string
  /** RFC 4514, in the form of `openssl x509 -noout -subject -nameopt RFC2253`. */
  subject_dn: string
  san_dns: readonly string[]
  san_uri: readonly string[]
  /** Textual form: dotted IPv4, or IPv6 as RFC 5952 writes it. */
  san_ip: readonly string[]
  san_email: readonly string[]
  /**
   * Base64url of the DER form of its SubjectPublicKeyInfo; null where only the thumbprint is known.
   */
  spki: string | null
  /** Base64url of SHA-256 of the DER form of the name of its issuer; null as for `spki`. */
  issuer: string | null
  /** Base64 of its DER form; null as for `spki`. */
  der: string | null
  /**
   * True when the end of the TLS connection verified the chain up to an authority that it trusts.
   */
  verified: boolean
}

/**
 * The client, subject and session of a request, for its log, its events and the language of its
 * pages alone: no decision reads them. Noted while the request is read, on one record that all
 * contexts of the request share.
 */
export type Parties = {
  /** The client as the request names it, which proves nothing. */
  client_id: string | null
  /** The subject, once a session, a token or a code has proven it. */
  sub: string | null
  /** The session of the browser, by its hash, once it was found alive. */
  session_id: string | null
  /** The language that the account of that session names. */
  locale: string | null
}

export const noParties = (): Parties => ({
  client_id: null,
  sub: null,
  session_id: null,
  locale: null,
})

export type Context = {
  config: Config
  db: Database
  /** Epoch seconds, whole. */
  now(): number
  /** `n` random bytes. */
  random(n: number): Uint8Array<ArrayBuffer>
  log: Log
  /** The one way to fetch an address that others name: guarded, see outside.ts. */
  fetch: OutsideFetch
  /** The one way in which a mail leaves; rooms note theirs in the outbox, see mail/outbox.ts. */
  mail: SendMail
  /** Waits. Seconds, a few at most: a request waits with it. */
  pause(seconds: number): Promise<void>
  /** Work that may outlive the answer (waitUntil on Workers). */
  background(promise: Promise<unknown>): void
  /** Address of the peer, as far as it can be trusted; '' when unknown. */
  address: string
  /** Null without one, and where mutual TLS is not set up. */
  client_certificate: ClientCertificate | null
  actor: Actor
  parties: Parties
  memory: Memory
  /** The compiled argon2 module; entry supplies it, since each runtime loads it in another way. */
  argon2: WebAssembly.Module
  /**
   * Random per request, and never taken from it: statements of one request are conditional on it
   * (single use, repeatable batches). Answers and the log carry it as the id of the request.
   */
  rid: string
}

/**
 * The context of one request; each line of its log has its id, its path and the address of the
 * peer.
 */
export const ofRequest = (cx: Context, path: string): Context => {
  const { rid, address } = cx
  return {
    ...cx,
    log: (level, message, fields) =>
      cx.log(level, message, { rid, address, path: legible(path), ...fields }),
  }
}

/** Longest text of a stranger in the log. */
const LEGIBLE_MAX = 200

/**
 * A text of a stranger for the log: cut, and without characters that control a terminal or a reader
 * of lines.
 */
export const legible = (text: string, max = LEGIBLE_MAX): string =>
  text.slice(0, max).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')

/** The same context, in which `actor` acts. */
export const as = (cx: Context, actor: Pick<Actor, 'kind' | 'id'>): Context => ({
  ...cx,
  actor: { kind: actor.kind, id: actor.id, scopes: new Set() },
})

/** The value of `memory` under `key`, or undefined when it is absent or too old. */
export function recall<T>(cx: Context, key: string): T | undefined {
  const entry = cx.memory.get(key)
  if (entry === undefined) return undefined
  if (entry.expires_at <= cx.now()) {
    cx.memory.delete(key)
    return undefined
  }
  return entry.value as T
}

/** Most values that are remembered at once. */
const MEMORY_MAX = 1000

/**
 * Remembers a value for at most `ttl` seconds (60 is the longest for which state may be stale), or
 * until there is no room.
 */
export function remember<T>(cx: Context, key: string, value: T, ttl: number): T {
  if (cx.memory.size >= MEMORY_MAX && !cx.memory.has(key)) makeRoom(cx)
  cx.memory.set(key, { value, expires_at: cx.now() + ttl })
  return value
}

/**
 * Forgets the values that are too old; without any, the one with the least time left. Some keys are
 * addresses that clients chose, and clients can name new ones without end.
 */
function makeRoom({ memory, now }: Context): void {
  let next: { key: string; expires_at: number } | undefined
  for (const [key, { expires_at }] of memory) {
    if (expires_at <= now()) memory.delete(key)
    else if (next === undefined || expires_at < next.expires_at) next = { key, expires_at }
  }
  if (memory.size >= MEMORY_MAX && next !== undefined) memory.delete(next.key)
}
