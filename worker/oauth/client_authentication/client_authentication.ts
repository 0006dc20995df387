// Who speaks at the token, introspection and revocation endpoints: a client or a device, by the one method that
// is registered for it. Reads what was presented, verifies it against the rows, and keeps assertions single-use.
// What the caller may then have is decided by the grants.
import {
  decodeJwt,
  decodeProtectedHeader,
  importJWK,
  type JWK,
  type JWTPayload,
  jwtVerify,
} from 'jose'
import { ID_PATTERN } from '../../access/principals.ts'
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import type { Rows } from '../../db/database.ts'
import { join, type Statement } from '../../db/sql.ts'
import { credentialsOf, liveCredentials, verifyDeviceSecret } from '../../devices/credentials.ts'
import { type DeviceRow, findDeviceById } from '../../devices/devices.ts'
import { OAuthError } from '../../errors.ts'
import type { Form } from '../../http.ts'
import { type Assertion, consumeProofs, isAssertionMine } from '../authorizations/store.ts'
import { type Client, findClientById, parseClient, secretsOf } from '../clients/clients.ts'
import { clientKeys } from '../clients/keys.ts'
import { CLIENT_ALGORITHMS, FAPI_ALGORITHMS, isFapi } from '../clients/members.ts'
import type { Jwk } from '../clients/metadata.ts'
import { mayAlsoUse } from '../clients/presets.ts'
import { fitsAlgorithm, isSameAlgorithm, publicMembers } from '../clients/public_jwk.ts'
import { verifyClientSecret } from '../clients/secrets.ts'
import { currentClient, isClientUrl } from '../registration/client_id_metadata.ts'
import type { Confirmation } from '../tokens/tokens.ts'
import { isTlsMethod, type TlsMethod, verifyCertificate } from './tls_client_auth.ts'

/** What a request presents, by exactly one method. Nothing of it is believed yet. */
export type Presented =
  | { method: 'none'; client_id: string }
  | {
      method: 'client_secret_basic' | 'client_secret_post'
      client_id: string
      client_secret: string
    }
  | { method: 'private_key_jwt'; client_id: string; assertion: string }

/** A client or device that proved who it is; a public client only said so (`method` none). */
export type Caller = {
  id: string
  method: Presented['method'] | TlsMethod
  /** What was presented and is good once (assertions, DPoP proofs): consumed by the request's write batch, in `writeAs`. */
  proofs: readonly Assertion[]
  /** The key that the request proved to hold (RFC 7800), to which its tokens are bound; null: bearer tokens. */
  cnf: Confirmation | null
} & ({ kind: 'client'; client: Client } | { kind: 'device'; device: DeviceRow })

/** For grants that no device and no public client has. Throws OAuthError unauthorized_client. */
export function assertConfidential(
  caller: Caller,
): asserts caller is Extract<Caller, { kind: 'client' }> {
  if (caller.kind === 'client' && caller.method !== 'none') return
  throw new OAuthError('unauthorized_client', {
    description: 'this grant needs a client that authenticates',
    reason: 'public_client',
  })
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Algorithms of assertions. */
export const SIGNING_ALGORITHMS: readonly string[] = CLIENT_ALGORITHMS

/** Longest an assertion may have to live, in seconds; its id is remembered as long. */
const ASSERTION_TTL_MAX = 300

/** How far ahead a caller's clock may be where that opens nothing (`nbf`), in seconds. */
const CLOCK_TOLERANCE = 30

/** How far ahead FAPI 2.0 lets `iat` be, in seconds. */
const IAT_AHEAD_MAX = 60

/** One dull answer, whatever was wrong. */
const refused = (reason: string) =>
  new OAuthError('invalid_client', { description: 'client authentication failed', reason })

const badRequest = (description: string, reason: string) =>
  new OAuthError('invalid_request', { description, reason })

// --- what was presented -----------------------------------------------------------------------

/**
 * Reads the client's credentials from the Authorization header and the form. Throws OAuthError invalid_request
 * when there is more than one method, invalid_client when there is none or it cannot be read.
 */
export function readPresented(authorization: string | undefined, form: Form): Presented {
  const client_id = form.get('client_id')
  const client_secret = form.get('client_secret')
  const assertion = form.get('client_assertion')
  const type = form.get('client_assertion_type')
  // RFC 6749 §2.3: not more than one method in each request
  const methods = [authorization, client_secret, assertion ?? type]
  if (methods.filter((one) => one !== undefined).length > 1) {
    throw badRequest('use one method of client authentication', 'several_methods')
  }
  const presented = pick()
  if (client_id !== undefined && client_id !== presented.client_id) {
    throw badRequest('client_id is not that of the client authentication', 'client_id_mismatch')
  }
  const known = ID_PATTERN.test(presented.client_id) || isClientUrl(presented.client_id)
  if (!known) throw refused('bad_client_id')
  return presented

  function pick(): Presented {
    if (authorization !== undefined) return readBasic(authorization)
    if (assertion !== undefined || type !== undefined) {
      // RFC 7521 §4.2
      if (type !== ASSERTION_TYPE || assertion === undefined) throw refused('bad_assertion_type')
      return { method: 'private_key_jwt', client_id: subjectOf(assertion), assertion }
    }
    if (client_id === undefined) throw refused('no_credentials')
    if (client_secret === undefined) return { method: 'none', client_id }
    return { method: 'client_secret_post', client_id, client_secret }
  }
}

function readBasic(authorization: string): Presented {
  const match = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)
  if (match === null) throw refused('bad_authorization_header')
  try {
    const bytes = Uint8Array.from(atob(match[1] ?? ''), (ch) => ch.charCodeAt(0))
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const colon = text.indexOf(':')
    if (colon < 0) throw refused('bad_authorization_header')
    // RFC 6749 §2.3.1: both parts are form-encoded before they are joined
    const decode = (part: string) => decodeURIComponent(part.replaceAll('+', ' '))
    return {
      method: 'client_secret_basic',
      client_id: decode(text.slice(0, colon)),
      client_secret: decode(text.slice(colon + 1)),
    }
  } catch (cause) {
    throw cause instanceof OAuthError ? cause : refused('bad_authorization_header')
  }
}

/** The subject that an assertion claims, only to know whose keys to look up. */
function subjectOf(assertion: string): string {
  try {
    const { sub } = decodeJwt(assertion)
    if (typeof sub === 'string') return sub
  } catch {}
  throw refused('bad_assertion')
}

// --- who it is --------------------------------------------------------------------------------

/** What `authenticate` needs, for the request's one read batch. */
export const callerReads = (client_id: string) =>
  [
    findClientById(client_id),
    secretsOf(client_id),
    findDeviceById(client_id),
    credentialsOf(client_id),
  ] as const

export type CallerRows = Rows<ReturnType<typeof callerReads>>

/** How many statements `callerReads` has: what a batch reads besides comes after them. */
export const CALLER_READS = 4

/**
 * Verifies what was presented. Consumes nothing: an assertion is consumed with the rest, by `writeAs`.
 * Throws OAuthError invalid_client, with the same words for an unknown, disabled or wrong client.
 */
export async function authenticate(
  cx: Context,
  presented: Presented,
  [clients, secrets, devices, credentials]: CallerRows,
): Promise<Caller> {
  const { method, client_id: id } = presented
  const row = await currentClient(cx, id, clients[0])
  const [device] = devices
  if (row !== undefined) {
    const client = parseClient(row)
    if (client.status !== 'active') throw refused('client_disabled')
    const registered = client.token_endpoint_auth_method
    // RFC 8705 §2: the request has the client's id alone, the connection has the proof.
    if (method === 'none' && isTlsMethod(registered)) {
      await verifyCertificate(cx, client, registered)
      return { kind: 'client', id, method: registered, client, proofs: [], cnf: null }
    }
    // The registered method only: else a leaked public id, or a secret beside a key, would do.
    if (registered !== method && !mayAlsoUse(client, method)) {
      throw refused('other_method_registered')
    }
    // FAPI 2.0 §5.3.2.1; no such client is registered, but one may have been
    if (isFapi(client) && method !== 'private_key_jwt') throw refused('method_of_profile')
    if ('client_secret' in presented) {
      if (!verifyClientSecret(cx, secrets, presented.client_secret)) throw refused('wrong_secret')
    }
    const assertion = 'assertion' in presented ? await verifyAssertion(cx, presented, client) : null
    return { kind: 'client', id, method, client, proofs: some(assertion), cnf: null }
  }
  if (device === undefined) throw refused('unknown_client')
  if (device.status !== 'active') throw refused('device_not_active')
  const live = liveCredentials(cx, credentials)
  if ('assertion' in presented) {
    const keys = live.flatMap(({ jwk }) => (jwk === null ? [] : [JSON.parse(jwk) as Jwk]))
    const assertion = await verifyAssertion(cx, presented, null, keys)
    return { kind: 'device', id, method, device, proofs: some(assertion), cnf: null }
  }
  if (!('client_secret' in presented)) throw refused('device_without_proof')
  if (!verifyDeviceSecret(live, presented.client_secret)) throw refused('wrong_secret')
  return { kind: 'device', id, method, device, proofs: [], cnf: null }
}

const some = (assertion: Assertion | null) => (assertion === null ? [] : [assertion])

/** RFC 7523 §3. A device comes with its keys, a client has more to be obeyed. */
async function verifyAssertion(
  cx: Context,
  { client_id, assertion }: { client_id: string; assertion: string },
  client: Client | null,
  own: readonly Jwk[] = [],
): Promise<Assertion> {
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    header = decodeProtectedHeader(assertion)
  } catch {
    throw refused('bad_assertion')
  }
  const { alg, kid, typ } = header
  if (alg === undefined || !mayUseAlgorithm(client, alg)) throw refused('assertion_alg')
  // RFC 8725 §3.11: some other JWT that the same key signed is not an assertion
  const types = ['undefined', 'jwt', 'client-authentication+jwt']
  if (!types.includes(String(typ).toLowerCase())) throw refused('assertion_typ')
  // Only registered keys, and each only for its own algorithm: `jwk`, `jku` and `x5u` are not looked at.
  const keys = client === null ? own : await clientKeys(cx, client, kid)
  const candidates = keys.filter(
    (key) =>
      fitsAlgorithm(key, alg) &&
      (kid === undefined || key.kid === undefined || key.kid === kid) &&
      (key.use === undefined || key.use === 'sig'),
  )
  for (const key of candidates) {
    const claims = await verifyWith(cx, assertion, key, alg)
    if (claims !== null)
      return acceptClaims(cx, client_id, claims, client !== null && isFapi(client))
  }
  throw refused(candidates.length === 0 ? 'no_such_key' : 'bad_signature')
}

/** OpenID Connect Registration §2: the registered algorithm alone; FAPI 2.0 §5.4: those of the profile. */
function mayUseAlgorithm(client: Client | null, alg: string): boolean {
  if (!SIGNING_ALGORITHMS.includes(alg)) return false
  const registered = client?.token_endpoint_auth_signing_alg ?? null
  if (registered !== null && !isSameAlgorithm(registered, alg)) return false
  if (client === null || !isFapi(client)) return true
  return FAPI_ALGORITHMS.some((one) => isSameAlgorithm(one, alg))
}

/** The claims when the signature is this key's and the time is about right, otherwise null. All else is to be judged. */
export async function verifyWith(cx: Context, assertion: string, key: Jwk, alg: string) {
  try {
    const imported = await importJWK(publicMembers(key) as JWK, alg)
    // jose judges `nbf`, and `exp` with a tolerance that acceptClaims takes back.
    const { payload } = await jwtVerify(assertion, imported, {
      algorithms: [alg],
      currentDate: new Date(cx.now() * 1000),
      clockTolerance: CLOCK_TOLERANCE,
    })
    return payload
  } catch {
    return null
  }
}

function acceptClaims(
  cx: Context,
  client_id: string,
  claims: JWTPayload,
  isFapi: boolean,
): Assertion {
  const { iss, sub, aud, exp, iat, jti }: Record<string, unknown> = claims
  if (iss !== client_id || sub !== client_id) throw refused('assertion_issuer')
  // Every audience must be us: one that names another server as well could be replayed by that server.
  const { issuer } = cx.config
  const audiences = Array.isArray(aud) ? aud : [aud]
  // RFC 9126 §2: the issuer, the token endpoint and the PAR endpoint are all accepted
  const ours = [issuer, `${issuer}/oauth/token`, `${issuer}/oauth/par`]
  if (audiences.length === 0 || !audiences.every((one) => ours.some((our) => our === one))) {
    throw refused('assertion_audience')
  }
  // FAPI 2.0 §5.3.2.1: the issuer as a string, since a token endpoint can be another server's as well
  if (isFapi && aud !== issuer) throw refused('assertion_audience')
  const now = cx.now()
  if (isFapi && typeof iat === 'number' && iat > now + IAT_AHEAD_MAX) {
    throw refused('assertion_issued_ahead')
  }
  if (typeof exp !== 'number' || exp <= now) throw refused('assertion_expired')
  if (exp > now + ASSERTION_TTL_MAX) throw refused('assertion_lives_too_long')
  if (typeof jti !== 'string' || jti === '' || jti.length > 255) throw refused('assertion_jti')
  return { hash: sha256(`${client_id}\n${jti}`), expires_at: Math.ceil(exp) }
}

// --- acting -----------------------------------------------------------------------------------

/** The context in which the caller is the one who acts. */
export const actingAs = (cx: Context, caller: Caller): Context => ({
  ...cx,
  actor: { kind: caller.kind, id: caller.id, scopes: new Set() },
})

/** A condition for every consuming statement: the caller's proofs are consumed by this request. */
export const isProven = (cx: Context, caller: Caller): Statement =>
  join(
    caller.proofs.map((proof) => isAssertionMine(cx, proof)),
    ' and ',
  )

/**
 * The request's write batch: consumes the caller's proofs, if there are any, and sends `statements`, which
 * must be conditional on `isProven`. Without either, nothing is sent.
 * Throws OAuthError when one was used before: invalid_client, or invalid_dpop_proof.
 */
export async function writeAs<const S extends readonly Statement<unknown>[]>(
  cx: Context,
  caller: Caller,
  ...statements: S
): Promise<Rows<S>> {
  const { proofs } = caller
  if (proofs.length === 0) {
    return statements.length === 0 ? ([] as unknown as Rows<S>) : cx.db.write(...statements)
  }
  const consume = consumeProofs(cx, proofs)
  const answers = await cx.db.write(...consume, ...statements)
  // Not "rows affected": the rows themselves say whose they are (Fosite CVE-2020-15222).
  const mine = (answers[consume.length - 1] as { hash: string }[]).map(({ hash }) => hash)
  const used = proofs.find(({ hash }) => !mine.includes(hash))
  if (used?.kind === 'dpop') {
    throw new OAuthError('invalid_dpop_proof', {
      description: 'the DPoP proof is not valid',
      reason: 'proof_replayed',
    })
  }
  if (used !== undefined) throw refused('assertion_replayed')
  return answers.slice(consume.length) as unknown as Rows<S>
}
