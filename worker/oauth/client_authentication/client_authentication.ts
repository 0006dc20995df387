// Client authentication: a client or a device at the token, introspection, revocation and other
// endpoints of clients. Owns the table used_assertion (used_assertion_store.ts).
// presented_credentials.ts reads the credentials of a request; this file verifies them against the
// rows, by the one registered method. tls_client_auth.ts has certificates, dpop.ts proofs of
// possession, sender_constraint.ts the key that tokens are bound to.
// Leaves the rights of a caller to the grants.

import { importJWK, type JWK, type JWTPayload, jwtVerify } from 'jose'
import type { Limit } from '../../attempts.ts'
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import type { Answers, Batch } from '../../db/database.ts'
import type { Condition, Statement } from '../../db/sql.ts'
import {
  certificateReads,
  proveCertificate,
} from '../../devices/certificates/presented_certificate.ts'
import {
  credentialsOf,
  endOf,
  findDeviceSecret,
  type LiveCredentialRow,
  liveCredentials,
} from '../../devices/credentials.ts'
import { type DeviceRow, findDeviceById } from '../../devices/devices.ts'
import { OAuthError } from '../../errors.ts'
import { timeFault } from '../../keys/jwt.ts'
import { readJwtHeader } from '../../keys/jwt_header.ts'
import { findGuesses, judgeSecret } from '../../secret_guesses.ts'
import { clientKeys } from '../clients/client_keys.ts'
import { type Client, findClientById, listSecretsOf } from '../clients/clients.ts'
import { FAPI_ALGORITHMS, isFapi } from '../clients/member_faults.ts'
import { CLIENT_ALGORITHMS } from '../clients/members.ts'
import { mayAlsoUse } from '../clients/presets.ts'
import { fitsAlgorithm, isSameAlgorithm, type Jwk, publicMembers } from '../clients/public_jwk.ts'
import { clientOf, recentClient } from '../clients/recent_clients.ts'
import { findLiveSecret } from '../clients/secret_rules.ts'
import { currentClient } from '../registration/client_id_metadata_document.ts'
import type { Confirmation } from '../tokens/access_token.ts'
import { invalidClient, type PresentedCredentials } from './presented_credentials.ts'
import { isTlsMethod, type TlsMethod, verifyCertificate } from './tls_client_auth.ts'
import { type Assertion, areMine, consumeProofs } from './used_assertion_store.ts'

/** A client or device that proved its identity; a public client only claims it (`method` none). */
export type Caller = {
  id: string
  method: PresentedCredentials['method'] | TlsMethod
  /**
   * Single-use values that were presented (assertions, DPoP proofs): the request's write batch
   * consumes them, in `writeAs`.
   */
  proofs: readonly Assertion[]
  /**
   * The key that the request proved to have (RFC 7800); its tokens are bound to it. Null: bearer
   * tokens.
   */
  cnf: Confirmation | null
  /**
   * When the secret or key ends that it proved itself by, which no token outlives: it may be in
   * other hands until then. Null: never.
   */
  until: number | null
} & (
  | { kind: 'client'; client: Client }
  /**
   * With the credential that it proved itself by. `arrival`: statements that store it, where it is
   * a certificate that was never seen; no token is given before they are written.
   */
  | {
      kind: 'device'
      device: DeviceRow
      credential: LiveCredentialRow
      arrival: readonly Statement[] | null
    }
)

/**
 * For grants that no device and no public client may use. Throws OAuthError unauthorized_client.
 */
export function assertConfidential(
  caller: Caller,
): asserts caller is Extract<Caller, { kind: 'client' }> {
  if (caller.kind === 'client' && caller.method !== 'none') return
  throw new OAuthError('unauthorized_client', {
    description: 'this grant needs a client that authenticates',
    reason: 'public_client',
  })
}

/** Algorithms of assertions. */
export const SIGNING_ALGORITHMS: readonly string[] = CLIENT_ALGORITHMS

/** Longest life that an assertion may have left, in seconds; its id is kept as long. */
const ASSERTION_TTL_MAX = 300

/** Seconds that a caller's clock may be ahead where this is harmless (`nbf`). */
const CLOCK_TOLERANCE = 30

/** Seconds that FAPI 2.0 lets `iat` be ahead. */
const IAT_AHEAD_MAX = 60

// --- identity of the caller -------------------------------------------------------------------

/**
 * Reads that `authenticate` needs, for the request's one read batch: of the caller's secrets and
 * keys those that the presented credentials can meet. No device has the id that a client had, since
 * no id is given twice: where one was read lately, there is none to look for.
 */
export function callerReads(cx: Context, { client_id, method }: PresentedCredentials) {
  const isClient = recentClient(cx, client_id) !== undefined
  const hasSecret = method === 'client_secret_basic' || method === 'client_secret_post'
  // A public client may have a certificate as well, which then proves nothing.
  const mayBeBare = method !== 'none' || cx.client_certificate !== null
  return {
    client: findClientById(client_id),
    secrets: hasSecret ? listSecretsOf(client_id) : null,
    device: isClient ? null : findDeviceById(client_id),
    credentials: isClient || !mayBeBare ? null : credentialsOf(client_id),
    certificate: isClient || method !== 'none' ? null : certificateReads(cx, client_id),
    guesses: hasSecret ? findGuesses(cx, client_id) : null,
  }
}

export type CallerRows = Answers<ReturnType<typeof callerReads>>

/**
 * Verifies the presented credentials. Consumes nothing: `writeAs` consumes an assertion with the
 * rest. Throws OAuthError invalid_client, with the same words for an unknown, disabled or wrong
 * client, and too_many_requests. One round trip for a wrong secret.
 */
export async function authenticate(
  cx: Context,
  presented: PresentedCredentials,
  rows: CallerRows,
): Promise<Caller> {
  const { method, client_id: id } = presented
  const row = await currentClient(cx, id, rows.client[0])
  const [device] = rows.device
  if (row !== undefined) {
    const client = clientOf(cx, row)
    if (client.status !== 'active') throw invalidClient('client_disabled')
    const registered = client.token_endpoint_auth_method
    // RFC 8705 §2: the request has only the client's id, the connection has the proof.
    if (method === 'none' && isTlsMethod(registered)) {
      await verifyCertificate(cx, client, registered)
      return { kind: 'client', id, method: registered, client, proofs: [], cnf: null, until: null }
    }
    // Only the registered method: otherwise a leaked public id, or a secret beside a key, would
    // suffice.
    if (registered !== method && !mayAlsoUse(client, method)) {
      throw invalidClient('other_method_registered')
    }
    // FAPI 2.0 §5.3.2.1; registration refuses such a client now, but an older one may be stored
    if (isFapi(client) && method !== 'private_key_jwt') throw invalidClient('method_of_profile')
    let until: number | null = null
    if ('client_secret' in presented) {
      const { client_secret } = presented
      const compare = () => findLiveSecret(cx, rows.secrets, client_secret)
      const secret = await judgeSecret(cx, id, rows.guesses, compare)
      if (!secret) throw invalidClient('wrong_secret')
      until = secret.expires_at
    }
    const proofs =
      'assertion' in presented ? [(await verifyAssertion(cx, presented, client)).assertion] : []
    return { kind: 'client', id, method, client, proofs, cnf: null, until }
  }
  if (device === undefined) throw invalidClient('unknown_client')
  // One that nobody claimed proves who it is too; the grant says how little it gets.
  if (device.status !== 'active' && device.status !== 'unclaimed') {
    throw invalidClient('device_not_active')
  }
  const live = liveCredentials(cx, rows.credentials)
  if ('assertion' in presented) {
    const byKey = new Map(
      live.flatMap((one) => (one.jwk === null ? [] : [[JSON.parse(one.jwk) as Jwk, one] as const])),
    )
    const { assertion, key } = await verifyAssertion(cx, presented, null, [...byKey.keys()])
    const credential = key === undefined ? undefined : byKey.get(key)
    if (credential === undefined) throw new TypeError('a key of no credential')
    return deviceCaller(device, method, credential, [assertion])
  }
  if (method === 'none') return proveByCertificate(cx, device, rows)
  if (!('client_secret' in presented)) throw invalidClient('device_without_proof')
  const { client_secret } = presented
  const compare = () => findDeviceSecret(live, client_secret)
  const credential = await judgeSecret(cx, id, rows.guesses, compare)
  if (!credential) throw invalidClient('wrong_secret')
  return deviceCaller(device, method, credential, [])
}

const deviceCaller = (
  device: DeviceRow,
  method: Caller['method'],
  credential: LiveCredentialRow,
  proofs: readonly Assertion[],
): Caller & { kind: 'device' } => ({
  kind: 'device',
  id: device.id,
  ...{ method, device, credential, proofs },
  ...{ arrival: null, cnf: null, until: endOf(credential) },
})

/**
 * A device by the certificate of the connection (RFC 8705 §2), to which its tokens are bound (§3).
 */
async function proveByCertificate(
  cx: Context,
  device: DeviceRow,
  { credentials, certificate }: CallerRows,
): Promise<Caller> {
  if (cx.client_certificate === null || Array.isArray(certificate)) {
    throw invalidClient('device_without_proof')
  }
  const proven = await proveCertificate(cx, device, credentials, certificate)
  if ('reason' in proven) throw invalidClient(proven.reason)
  const { credential, arrival, by } = proven
  const method = by === 'authority' ? 'tls_client_auth' : 'self_signed_tls_client_auth'
  const cnf = { 'x5t#S256': cx.client_certificate.thumbprint }
  return { ...deviceCaller(device, method, credential, []), arrival, cnf }
}

/** RFC 7523 §3. Keys of a device come in `own`; a client has keys and further rules of its own. */
async function verifyAssertion(
  cx: Context,
  { client_id, assertion }: { client_id: string; assertion: string },
  client: Client | null,
  own: readonly Jwk[] = [],
): Promise<{ assertion: Assertion; key: Jwk | undefined }> {
  const header = readJwtHeader(assertion)
  if (header === null) throw invalidClient('bad_assertion')
  const { alg, kid, typ } = header
  if (!mayUseAlgorithm(client, alg)) throw invalidClient('assertion_alg')
  // RFC 8725 §3.11: another JWT that the same key signed is not an assertion
  const types = ['jwt', 'client-authentication+jwt']
  if (typ !== undefined && !types.includes(typ)) throw invalidClient('assertion_typ')
  // Only registered keys, and each only for its own algorithm: `jwk`, `jku` and `x5u` are ignored.
  const keys = client === null ? own : await clientKeys(cx, client, kid)
  const candidates = keys.filter(
    (key) =>
      fitsAlgorithm(key, alg) &&
      (kid === undefined || key.kid === undefined || key.kid === kid) &&
      (key.use === undefined || key.use === 'sig'),
  )
  const verdict = await verifyWithAny(cx, assertion, candidates, alg)
  if ('claims' in verdict) {
    const { claims, key } = verdict
    return {
      assertion: acceptClaims(cx, client_id, claims, client !== null && isFapi(client)),
      key,
    }
  }
  if (candidates.length === 0) throw invalidClient('no_such_key')
  throw invalidClient(
    verdict.fault === 'signature' ? 'bad_signature' : `assertion_${verdict.fault}`,
  )
}

/**
 * OpenID Connect Registration §2: the registered algorithm alone; FAPI 2.0 §5.4: those of the
 * profile.
 */
function mayUseAlgorithm(client: Client | null, alg: string): boolean {
  if (!SIGNING_ALGORITHMS.includes(alg)) return false
  const registered = client?.token_endpoint_auth_signing_alg ?? null
  if (registered !== null && !isSameAlgorithm(registered, alg)) return false
  if (client === null || !isFapi(client)) return true
  return FAPI_ALGORITHMS.some((one) => isSameAlgorithm(one, alg))
}

/** With the key that signed; absent where nothing had to. */
type Verified = { claims: JWTPayload; key?: Jwk }

/**
 * A `fault` in time means that the signature is right, so that a wrong clock differs from a wrong
 * key.
 */
export type SignatureVerdict = Verified | { fault: 'signature' | 'expired' | 'not_yet_valid' }

/**
 * The claims when one of the keys signed and the time is about right. The caller judges all else.
 */
export async function verifyWithAny(
  cx: Context,
  jwt: string,
  keys: readonly Jwk[],
  alg: string,
): Promise<SignatureVerdict> {
  for (const key of keys) {
    const verdict = await verifyWith(cx, jwt, key, alg)
    if ('claims' in verdict || verdict.fault !== 'signature') return verdict
  }
  return { fault: 'signature' }
}

async function verifyWith(
  cx: Context,
  assertion: string,
  key: Jwk,
  alg: string,
): Promise<SignatureVerdict> {
  try {
    const imported = await importJWK(publicMembers(key) as JWK, alg)
    // jose judges `nbf`, and `exp` with a tolerance; acceptClaims judges `exp` again without it.
    const { payload } = await jwtVerify(assertion, imported, {
      algorithms: [alg],
      currentDate: new Date(cx.now() * 1000),
      clockTolerance: CLOCK_TOLERANCE,
    })
    return { claims: payload, key }
  } catch (error) {
    return { fault: timeFault(error) ?? 'signature' }
  }
}

function acceptClaims(
  cx: Context,
  client_id: string,
  claims: JWTPayload,
  isFapi: boolean,
): Assertion {
  const { iss, sub, aud, exp, iat, jti }: Record<string, unknown> = claims
  if (iss !== client_id || sub !== client_id) throw invalidClient('assertion_issuer')
  // Every audience must be this server: if it also names another server, that server could replay
  // it.
  const { issuer } = cx.config
  const audiences = Array.isArray(aud) ? aud : [aud]
  // RFC 9126 §2: the issuer, the token endpoint and the PAR endpoint are all accepted
  const ours = [issuer, `${issuer}/oauth/token`, `${issuer}/oauth/par`]
  if (audiences.length === 0 || !audiences.every((one) => ours.some((our) => our === one))) {
    throw invalidClient('assertion_audience')
  }
  // FAPI 2.0 §5.3.2.1: the issuer as a string, since a token endpoint can be another server's as
  // well
  if (isFapi && aud !== issuer) throw invalidClient('assertion_audience')
  const now = cx.now()
  if (isFapi && typeof iat === 'number' && iat > now + IAT_AHEAD_MAX) {
    throw invalidClient('assertion_issued_ahead')
  }
  if (typeof exp !== 'number' || exp <= now) throw invalidClient('assertion_expired')
  if (exp > now + ASSERTION_TTL_MAX) throw invalidClient('assertion_lives_too_long')
  if (typeof jti !== 'string' || jti === '' || jti.length > 255)
    throw invalidClient('assertion_jti')
  return {
    hash: sha256(`${client_id}\n${jti}`),
    issued_at: typeof iat === 'number' ? Math.floor(iat) : Math.floor(exp) - ASSERTION_TTL_MAX,
    expires_at: Math.ceil(exp),
  }
}

// --- writing as the caller --------------------------------------------------------------------

/** A condition for every consuming statement: the caller's proofs are consumed by this request. */
export const isProven = (cx: Context, caller: Caller): Condition => areMine(cx, caller.proofs)

/**
 * Does `work` for a caller that is authenticated. Its proofs are used up by this request, also when
 * it is refused: else whoever comes by one tries it again elsewhere. Not for a public client, which
 * anybody can claim to be, and not where the server failed. `proofs` are all that came with the
 * request. One write more for such a refusal, unless one was sent before it. Throws OAuthError.
 */
export async function usingUp<T>(
  cx: Context,
  caller: Pick<Caller, 'method' | 'proofs'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    // With the nonce the same request is right.
    const isRefusal =
      error instanceof OAuthError && error.status < 500 && error.error !== 'use_dpop_nonce'
    const isLeft = caller.proofs.some(({ isSent }) => isSent !== true)
    if (isRefusal && isLeft && caller.method !== 'none') await writeAs(cx, caller, null)
    throw error
  }
}

/**
 * The request's write batch: consumes the caller's proofs, if there are any, and sends `batch`,
 * which must be conditional on `isProven`. Without either, nothing is sent. `counted` is a limit
 * that counts the request first: beyond it nothing is stored, no proof either, since anybody can
 * make DPoP proofs and name a public client. Throws its refusal, and OAuthError when a proof was
 * used before: invalid_client, invalid_dpop_proof or invalid_grant.
 */
export async function writeAs<const B extends Batch>(
  cx: Context,
  { proofs }: Pick<Caller, 'proofs'>,
  batch: B,
  counted: { limit: Limit; refusal: () => OAuthError } | null = null,
): Promise<Answers<B>> {
  if (proofs.length === 0 && counted === null) return cx.db.write(batch)
  for (const proof of proofs) proof.isSent = true
  const {
    count,
    proofs: consumption,
    answers,
  } = await cx.db.write({
    count: counted?.limit.take ?? null,
    proofs: consumeProofs(cx, proofs, counted?.limit.isWithin),
    answers: batch,
  })
  if (counted !== null && (count[0]?.count ?? 0) > counted.limit.max) throw counted.refusal()
  // Not the count of affected rows: the rows themselves say which request they belong to (Fosite
  // CVE-2020-15222).
  const mine = consumption.mine.map(({ hash }) => hash)
  const replayed = proofs.find(({ hash }) => !mine.includes(hash))
  if (replayed?.kind === 'dpop') {
    throw new OAuthError('invalid_dpop_proof', {
      description: 'the DPoP proof is not valid',
      reason: 'proof_replayed',
    })
  }
  if (replayed?.kind === 'grant') {
    throw new OAuthError('invalid_grant', {
      description: 'the assertion cannot be used',
      reason: 'assertion_replayed',
    })
  }
  if (replayed !== undefined) throw invalidClient('assertion_replayed')
  return answers
}
