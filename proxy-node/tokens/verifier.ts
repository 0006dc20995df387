// Access tokens (RFC 9068): who is connecting, with which rules, until when.
//   verifier.ts: every check on the token itself; jws.ts: its form; client_space.ts: MQTT client
//   ids of one application; issuer_fetch.ts: one request to the issuer; jwks.ts: its keys
//   reference_token.ts and policies.ts: small tokens, and the rules that they name
//   trust.ts: all of one issuer; state_folder.ts: what is on disk; verified_tokens.ts: seen ones
//   status_list.ts: reading a token status list; status_lists.ts: which are kept, for how long
// Leaves the rule of client identifiers and the judging of packets to gate.ts.
//
// The signature comes first: no claim is believed before it holds. `iss` says whose keys it is held
// against, and never the key id; a token of no issuer that counts is held against the main one's.

import { hash } from 'node:crypto'
import { type Acl, parseAcl } from '../../policy/acl.ts'
import { boundRules } from '../../policy/bounded_rules.ts'
import { type ClientIdRule, clientSpaceOf } from './client_space.ts'
import type { Jwks } from './jwks.ts'
import { findSigner, isTime, isTimeOrAbsent, type Jws, parseObject, readJws } from './jws.ts'
import type { Policies } from './policies.ts'
import { expandClaims, policyOf } from './reference_token.ts'
import { readStatusClaim, type StatusReference } from './status_list.ts'
import type { StatusLists } from './status_lists.ts'
import type { Bound, Trust } from './trust.ts'
import { type VerifiedToken, VerifiedTokens } from './verified_tokens.ts'

const TOKEN_MAX = 8 * 1024
const NAME_MAX = 255
/** Seconds, for `nbf` and `iat`. `exp` is exact: the session ends at that second too. */
const LEEWAY = 30
const ACCESS_TOKEN = 'at+jwt' // RFC 9068 §4
/** A small one, which names its rules by reference. */
const REFERENCE_TOKEN = 'atr+jwt'
export const TOKEN_TYPES = [ACCESS_TOKEN, REFERENCE_TOKEN]

/** In whose name a token speaks, and what it permits until when. */
export type Identity = {
  sub: string
  /** Name among all issuers: `sub`, and with another issuer than the main one `PREFIX::SUB`. */
  principal: string
  client_id: string
  username?: string
  mqtt_client_id?: string
  /** Beginning of all MQTT client ids of its application, where that may have no others. */
  client_space?: string
  acl: Acl
  /** Epoch seconds. */
  expires_at: number
  jti: string
  iss: string
  /** Thumbprint of the key that signed: the session ends when the issuer withdraws that key. */
  signed_by: string
  /** Thumbprint of the client's certificate, which its connection must prove (RFC 8705 §3.1). */
  bound_to?: string
  /** Place in a token status list of the issuer; the session ends when the list says so. */
  status?: StatusReference
  /** Another issuer than the main one signed it. */
  foreign: boolean
}

export type VerificationFailure =
  | 'malformed'
  | 'expired'
  | 'not_yet_valid'
  | 'bad_signature'
  | 'unknown_key'
  /** Unknown too, and the keys were not read since: they are read again for it in a while. */
  | 'key_pending'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'wrong_type'
  | 'bound_token'
  | 'bad_acl'
  /** `status` is there and cannot be understood, or names a list that is not the issuer's. */
  | 'bad_status'
  /** Ended for good, or replaced: its list says so. */
  | 'revoked'
  | 'superseded'
  | 'keys_unavailable'
  /** The document with its rules is not here and could not be fetched. */
  | 'policy_unavailable'
  /** The issuer's word on it is too old to count. */
  | 'status_unavailable'
  | 'too_large'

export type Verification =
  | { ok: true; identity: Identity }
  | { ok: false; reason: VerificationFailure }

export type Verifier = {
  /** Says nothing yet of the connection: see `bound_to` of the identity. */
  verify(token: string | Uint8Array): Verification | Promise<Verification>
}

export type VerifierOptions = {
  issuer: string
  audience: string
  jwks: Jwks
  statusLists: StatusLists
  policies: Policies
  /** Absent: `subject`. */
  clientIdRule?: ClientIdRule
  /** Issuers beside this one, each with its bound. */
  others?: readonly Trust[]
  /** Epoch milliseconds. */
  now: () => number
}

export function createVerifier(options: VerifierOptions): Verifier {
  const { others = [], clientIdRule = 'subject', now, ...parts } = options
  const main: Trust = { ...parts, bound: undefined }
  const terms = { prefixes: others.map(({ bound }) => prefixOf(bound)), clientIdRule }
  const all = [main, ...others]
  const trusts = new Map(all.map((trust) => [trust.issuer, trust]))
  const verified = new VerifiedTokens<Identity>()
  let versions = -1

  /** A token that counted before, unless keys or lists are others since. */
  function recall(key: string): VerifiedToken<Identity> | undefined {
    let current = 0
    for (const { jwks, statusLists } of all) current += jwks.version() + statusLists.version()
    if (current !== versions) verified.clear()
    versions = current
    return verified.find(key)
  }

  /** Looks at all that time may have changed; undefined where it is to be judged anew. */
  function judgeAgain({ identity, not_before }: VerifiedToken<Identity>): Verification | undefined {
    const trust = trusts.get(identity.iss)
    if (trust === undefined || !trust.jwks.isUsable()) return undefined
    const at = now() / 1000
    if (identity.expires_at <= at) return refuse('expired')
    if (not_before > at + LEEWAY) return refuse('not_yet_valid')
    return judgeStatus(trust, identity)
  }

  function judgeStatus({ statusLists }: Trust, identity: Identity): Verification {
    if (identity.status === undefined) return { ok: true, identity }
    const refusal = STATUS_REFUSALS[statusLists.judge(identity.status)]
    return refusal ? refuse(refusal) : { ok: true, identity }
  }

  /** The issuer that the token says it is of, which its signature must then prove. */
  function trustFor(jws: Jws): Trust {
    if (others.length === 0) return main
    const iss = parseObject(jws.payload)?.['iss']
    return others.find(({ issuer }) => issuer === iss) ?? main
  }

  /** With the keys of this moment; 'unknown_key' and 'keys_unavailable' may pass. */
  function judge(trust: Trust, jws: Jws, hashed: string): Verification {
    const key = findSigner(trust.jwks, jws)
    if (typeof key === 'string') return refuse(key)
    const claims = parseObject(jws.payload)
    if (claims === undefined) return refuse('malformed')
    const verification = judgeContent(jws.typ, claims, trust, terms, now(), key.thumbprint)
    if (!verification.ok) return verification
    // Last, so that only a token that counts in all else makes mProxy ask for a list.
    const judged = judgeStatus(trust, verification.identity)
    if (judged.ok) {
      const not_before = Math.max(timeOf(claims['nbf']), timeOf(claims['iat']))
      verified.add(hashed, { identity: judged.identity, not_before })
    }
    return judged
  }

  /** Once more, when the document that the token names is here. */
  async function judgeWithPolicy(trust: Trust, jws: Jws, hashed: string): Promise<Verification> {
    const { policies } = trust
    const named = policyOf(parseObject(jws.payload) ?? {})
    const isHere =
      named !== null && (policies.find(named) !== undefined || (await policies.fetch(named)))
    return isHere ? judge(trust, jws, hashed) : refuse('policy_unavailable')
  }

  return {
    verify(token) {
      if (token.length > TOKEN_MAX) return refuse('too_large')
      const hashed = hash('sha256', token, 'base64')
      const known = recall(hashed)
      const again = known && judgeAgain(known)
      if (again !== undefined) return again
      const jws = readJws(token, TOKEN_TYPES, TOKEN_MAX)
      if (typeof jws === 'string') return refuse(jws)
      const trust = trustFor(jws)
      const { jwks } = trust
      const verification = judge(trust, jws, hashed)
      if (verification.ok) return verification
      if (verification.reason === 'policy_unavailable') return judgeWithPolicy(trust, jws, hashed)
      if (verification.reason !== 'unknown_key' && verification.reason !== 'keys_unavailable') {
        return verification
      }
      return jwks
        .refreshForUnknownKey()
        .then((refreshed) => {
          const later = refreshed === false ? verification : judge(trust, jws, hashed)
          if (later.ok || later.reason !== 'unknown_key' || refreshed === 'started') return later
          // The issuer may have the key by now, so nobody can say yet that the token is bad.
          return jwks.isWithdrawn(jws.kid) ? later : refuse('key_pending')
        })
        .then((late) =>
          !late.ok && late.reason === 'policy_unavailable'
            ? judgeWithPolicy(trust, jws, hashed)
            : late,
        )
    },
  }
}

/** Refusals of a token by its standing in a status list. */
const STATUS_REFUSALS = {
  valid: undefined,
  /** The list is not here yet. Its word is heard soon, and then ends the session. */
  unknown: undefined,
  ended: 'revoked',
  superseded: 'superseded',
  unavailable: 'status_unavailable',
} as const

/** No `sub` has a colon, and no suffix: so no id of the main issuer begins with it. */
const prefixOf = (bound: Bound | undefined): string =>
  bound === undefined ? '' : `${bound.client_id_prefix}::`

const timeOf = (claim: unknown): number => (isTime(claim) ? claim : 0)

const refuse = (reason: VerificationFailure): Verification => ({ ok: false, reason })

/** The parts of a trust that the content of a token is judged by. */
export type ContentTrust = Pick<Trust, 'issuer' | 'audience' | 'bound'> & {
  policies: Pick<Policies, 'find'>
}

/**
 * Judges all that a token says, once its signature is good. `explain.ts` asks it too, about tokens
 * that it holds against no key. `at` is in epoch milliseconds.
 */
export function judgeContent(
  typ: string,
  claims: Record<string, unknown>,
  trust: ContentTrust,
  terms: NameTerms,
  at: number,
  by: string,
): Verification {
  const { policies, bound } = trust
  if (typ === ACCESS_TOKEN) {
    const rules = bound === undefined ? claims['acl'] : boundRules(claims['acl'], bound.topics)
    const reading = parseAcl(rules)
    const acl = 'fault' in reading ? null : reading.acl
    return judgeClaims(claims, acl, trust, terms, at / 1000, by)
  }
  const named = policyOf(claims)
  if (named === null) return refuse('malformed')
  if (policies.find(named) === undefined) return refuse('policy_unavailable')
  const whole = expandClaims(claims, policies, bound?.topics)
  return whole === null
    ? refuse('bad_acl')
    : judgeClaims(whole.claims, whole.acl, trust, terms, at / 1000, by)
}

/** Terms about MQTT client ids: prefixes of other issuers, and the rule for applications. */
export type NameTerms = { prefixes: readonly string[]; clientIdRule: ClientIdRule }

/** RFC 9068 §4, and the demands of mProxy beyond it. `at` is in epoch seconds. */
function judgeClaims(
  claims: Record<string, unknown>,
  acl: Acl | null,
  { issuer, audience, bound }: Omit<ContentTrust, 'policies'>,
  { prefixes, clientIdRule }: NameTerms,
  at: number,
  signed_by: string,
): Verification {
  const { iss, aud, exp, nbf, iat, sub, client_id, jti, username, mqtt_client_id } = claims
  const { first_party } = claims
  if (iss !== issuer) return refuse('wrong_issuer')
  if (!(aud === audience || (Array.isArray(aud) && aud.includes(audience)))) {
    return refuse('wrong_audience')
  }
  if (!isTime(exp) || !isTimeOrAbsent(nbf) || !isTimeOrAbsent(iat)) return refuse('malformed')
  if (exp <= at) return refuse('expired')
  if ((nbf ?? 0) > at + LEEWAY || (iat ?? 0) > at + LEEWAY) return refuse('not_yet_valid')
  // A colon separates the suffix of an MQTT client id: `a:b` would stand in the space of `a`.
  if (!isName(sub) || sub.includes(':')) return refuse('malformed')
  if (!isNameOrAbsent(client_id) || !isNameOrAbsent(jti)) return refuse('malformed')
  if (!isNameOrAbsent(username) || !isNameOrAbsent(mqtt_client_id)) return refuse('malformed')
  const principal = prefixOf(bound) + sub
  const isItself = client_id === sub
  const space = clientSpaceOf(clientIdRule, principal, isItself ? null : client_id, first_party)
  if (space === 'malformed') return refuse('malformed')
  const bound_to = readBinding(claims['cnf'])
  if (bound_to === null) return refuse('bound_token')
  if (acl === null) return refuse('bad_acl')
  const status = readStatusClaim(claims['status'], issuer, iat ?? 0)
  if (status === 'malformed') return refuse('bad_status')
  // A device of the main issuer has no client id in the space of another one.
  const isTaken = prefixes.some((prefix) => mqtt_client_id?.startsWith(prefix))
  return {
    ok: true,
    identity: {
      sub,
      principal,
      client_id: client_id ?? '',
      ...(username === undefined ? {} : { username }),
      ...(mqtt_client_id === undefined || isTaken ? {} : { mqtt_client_id }),
      ...(space === undefined ? {} : { client_space: space }),
      acl,
      expires_at: exp,
      jti: jti ?? '',
      iss: issuer,
      signed_by,
      ...(bound_to === undefined ? {} : { bound_to }),
      ...(status === undefined ? {} : { status }),
      foreign: bound !== undefined,
    },
  }
}

/** The thumbprint in `cnf`; null where it names a key that nothing here proves (RFC 7800 §3). */
function readBinding(cnf: unknown): string | undefined | null {
  if (cnf === undefined) return undefined
  if (typeof cnf !== 'object' || cnf === null || Object.keys(cnf).length !== 1) return null
  const thumbprint: unknown = Reflect.get(cnf, 'x5t#S256')
  return typeof thumbprint === 'string' && /^[A-Za-z0-9_-]{43}$/.test(thumbprint)
    ? thumbprint
    : null
}

/** A string fit for MQTT and for a log line: [MQTT-1.5.4-1], [MQTT-1.5.4-2]. */
const isName = (value: unknown): value is string =>
  typeof value === 'string' &&
  value !== '' &&
  value.isWellFormed() &&
  Buffer.byteLength(value) <= NAME_MAX &&
  !/[\u0000-\u001f\u007f-\u009f]/.test(value)
const isNameOrAbsent = (value: unknown): value is string | undefined =>
  value === undefined || isName(value)
