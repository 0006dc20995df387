// Requests that come as a JWT (RFC 9101, OpenID Connect Core §6), by value or from an address that the client
// registered. Here a request object becomes the parameters that the request has; what those may be is judged in
// request.ts, whatever way they came.

import { decodeProtectedHeader, errors, type JWTPayload, UnsecuredJWT } from 'jose'
import { addressKey, type Limit, limit } from '../../attempts.ts'
import type { Context } from '../../context.ts'
import { OAuthError, type OAuthErrorCode } from '../../errors.ts'
import { type Form, formOf } from '../../http.ts'
import { timeFault } from '../../keys/jwt.ts'
import { OutsideRefused } from '../../outside.ts'
import type { Reason } from '../../refusals.ts'
import { type Judged, verifyWithAny } from '../client_authentication/client_authentication.ts'
import { clientKeys } from '../clients/client_keys.ts'
import type { Client } from '../clients/client_metadata.ts'
import { CLIENT_ALGORITHMS } from '../clients/members.ts'
import { fitsAlgorithm, type Jwk } from '../clients/public_jwk.ts'

/** Longest request object that is fetched, in bytes. */
const OBJECT_MAX = 65_536

/**
 * Request objects that are fetched for one address in an hour, for clients that anybody may have registered; good ones
 * are not counted.
 */
export const FETCHES_MAX = 60

/** How far ahead a client's clock may be, in seconds. */
const CLOCK_TOLERANCE = 30

/** FAPI 2.0 Message Signing §5.3.1: longest life of a request object and greatest age of its `nbf`, in seconds. */
const FAPI_TTL_MAX = 3600

/** OpenID Connect Discovery §3. `none` is for the clients that registered it. */
export const REQUEST_OBJECT_ALGORITHMS = [...CLIENT_ALGORITHMS, 'none'] as const

const EXPLICIT_TYPE = 'oauth-authz-req+jwt'

/** Claims about the JWT itself (RFC 7519 §4.1): no parameters. */
const JWT_CLAIMS = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']

const refuse = (error: OAuthErrorCode, description: string, reason: Reason, cause?: unknown) =>
  new OAuthError(error, { description, reason, cause })

const badObject = (description: string, reason: Reason) =>
  refuse('invalid_request_object', description, reason)

const badUri = (description: string, reason: Reason, cause?: unknown) =>
  refuse('invalid_request_uri', description, reason, cause)

/**
 * The parameters of a request: those of the form, or of the request object in it. `pushed` is for requests that
 * the client itself brings. Two round trips where a client that anybody may have registered names an address, else none.
 * Throws OAuthError; nothing that the form says is checked then.
 */
export async function openRequestObject(
  cx: Context,
  client: Client,
  form: Form,
  { pushed }: { pushed: boolean },
): Promise<Form> {
  const byValue = form.all('request')
  const byReference = form.all('request_uri')
  const [jwt, uri] = [byValue[0], byReference[0]]
  if (jwt === undefined && uri === undefined) {
    if (client.require_signed_request_object) {
      throw refuse('invalid_request', 'a signed request object is needed', 'no_request_object')
    }
    return form
  }
  // OpenID Connect Core §6.1, RFC 9101 §5
  if (byValue.length + byReference.length > 1) {
    throw refuse('invalid_request', 'give one request or request_uri', 'several_request_objects')
  }
  const fetched = jwt === undefined ? await fetchObject(cx, client, uri) : null
  const { claims, typ } = await verifyObject(cx, client, jwt ?? fetched?.text ?? '')
  if (fetched?.attempt) await cx.db.write(fetched.attempt.giveBack)
  const inside = parametersOf(claims)
  // RFC 9101 §6.3, RFC 9126 §3: nothing but the object counts. OpenID Connect Core §6.1: it goes before the rest.
  const isWhole =
    pushed ||
    typ === EXPLICIT_TYPE ||
    client.require_signed_request_object ||
    client.profile === 'fapi2'
  if (claims['client_id'] === undefined ? isWhole : claims['client_id'] !== client.client_id) {
    throw badObject('client_id of the request object is not that of the request', 'object_client')
  }
  if (isWhole) return formOf(inside)
  const response_type = inside.get('response_type')
  const outside = form.all('response_type')
  if (response_type !== undefined && outside.some((one) => one !== response_type[0])) {
    throw badObject('response_type is not the same in the request object', 'object_response_type')
  }
  const names = form.names().filter((name) => name !== 'request' && name !== 'request_uri')
  return formOf(new Map([...names.map((name) => [name, form.all(name)] as const), ...inside]))
}

// --- by reference -----------------------------------------------------------------------------

/** OpenID Connect Core §6.2: the fragment is a hash of what is there, so that it may change. */
const withoutFragment = (uri: string) => uri.split('#')[0] ?? ''

/** Fetched anew for each request: what is kept of it is the request. `attempt` is given back once it is a good one. */
async function fetchObject(
  cx: Context,
  client: Client,
  uri = '',
): Promise<{ text: string; attempt: Limit | null }> {
  const address = withoutFragment(uri)
  // Before anything is sent: else anybody could make us call any address.
  if (!client.request_uris.some((one) => withoutFragment(one) === address)) {
    throw badUri('request_uri is not one that this client registered', 'request_uri_mismatch')
  }
  const attempt = client.anonymous ? await countFetch(cx) : null
  try {
    const headers = { Accept: 'application/oauth-authz-req+jwt, application/jwt' }
    const { status, text } = await cx.fetch(address, { headers, max_bytes: OBJECT_MAX })
    if (status === 200) return { text: text.trim(), attempt }
  } catch (error) {
    if (error instanceof OutsideRefused) {
      throw badUri('nothing usable is at request_uri', 'request_uri_not_fetched', error)
    }
    throw error
  }
  throw badUri('nothing usable is at request_uri', 'request_uri_status')
}

/** Where anybody may register, anybody names what we fetch: from one address of his own he makes us do it so often. */
async function countFetch(cx: Context): Promise<Limit> {
  const key = { purpose: 'request object', value: addressKey(cx.address) ?? '' }
  const attempt = limit(cx, key, { max: FETCHES_MAX, window: 3600 })
  const [counted] = await cx.db.write(attempt.take)
  if ((counted?.count ?? 0) > attempt.max) {
    throw refuse(
      'too_many_requests',
      'too many requests were fetched for this address; try again in an hour',
      'request_objects_per_address',
    )
  }
  return attempt
}

// --- the JWT ----------------------------------------------------------------------------------

type Verified = { claims: JWTPayload; typ: string | undefined }

/** RFC 9101 §6. */
async function verifyObject(cx: Context, client: Client, jwt: string): Promise<Verified> {
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    header = decodeProtectedHeader(jwt)
  } catch {
    throw badObject('the request object is not a JWT', 'object_unreadable')
  }
  const { alg, kid, typ: told } = header
  const typ = told?.toLowerCase().replace(/^application\//, '')
  // RFC 8725 §3.11: some other JWT that the same key signed is no request
  if (typ !== undefined && typ !== 'jwt' && typ !== EXPLICIT_TYPE) {
    throw badObject('the request object has the wrong typ', 'object_typ')
  }
  assertAlgorithm(client, alg)
  const judged =
    alg === 'none' ? readUnsigned(cx, jwt) : await verifySigned(cx, client, jwt, String(alg), kid)
  if ('fault' in judged) {
    throw badObject(
      'the request object is not signed by this client or ran out',
      `object_${judged.fault}`,
    )
  }
  const { claims } = judged
  assertClaims(cx, client, claims)
  return { claims, typ }
}

/** The registered algorithm alone where there is one, `none` nowhere else (RFC 9101 §10.5); FAPI 2.0 §5.4.1. */
function assertAlgorithm(client: Client, alg: string | undefined): void {
  const registered = client.request_object_signing_alg
  const one = (name: string | undefined) => (name === 'Ed25519' ? 'EdDSA' : name)
  const allowed = registered === null ? CLIENT_ALGORITHMS.map(one) : [one(registered)]
  const isWeak =
    (alg === 'none' && client.require_signed_request_object) ||
    ((alg === 'none' || alg === 'RS256') && client.profile === 'fapi2')
  if (!allowed.includes(one(alg)) || isWeak) {
    throw badObject('the request object has an alg that this client may not use', 'object_alg')
  }
}

function readUnsigned(cx: Context, jwt: string): Judged {
  try {
    const { payload } = UnsecuredJWT.decode(jwt, {
      currentDate: new Date(cx.now() * 1000),
      clockTolerance: CLOCK_TOLERANCE,
    })
    return { claims: payload }
  } catch (error) {
    if (error instanceof errors.JOSEError) return { fault: timeFault(error) ?? 'signature' }
    throw error
  }
}

/** Registered keys alone: `jwk`, `jku` and `x5u` are not looked at. */
async function verifySigned(
  cx: Context,
  client: Client,
  jwt: string,
  alg: string,
  kid: string | undefined,
): Promise<Judged> {
  const keys = await signingKeysOf(cx, client, kid)
  const candidates = keys.filter(
    (key) => fitsAlgorithm(key, alg) && (key.use === undefined || key.use === 'sig'),
  )
  return verifyWithAny(cx, jwt, candidates, alg)
}

/** The keys that the client signs with. Throws OAuthError invalid_request_object when they cannot be had. */
async function signingKeysOf(
  cx: Context,
  client: Client,
  kid: string | undefined,
): Promise<readonly Jwk[]> {
  try {
    return await clientKeys(cx, client, kid)
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    throw badObject('the keys of the client cannot be read', error.reason)
  }
}

function assertClaims(cx: Context, client: Client, claims: JWTPayload): void {
  const { iss, sub, aud, exp, nbf } = claims
  const now = cx.now()
  // RFC 9101 §5: an object says who wrote it and for whom, and FAPI wants both said.
  const strict = client.profile === 'fapi2'
  if (iss === undefined ? strict : iss !== client.client_id) {
    throw badObject('iss of the request object is not the client', 'object_iss')
  }
  if (aud === undefined ? strict : ![aud].flat().includes(cx.config.issuer)) {
    throw badObject('aud of the request object is not this issuer', 'object_aud')
  }
  // RFC 9101 §10.8: so that no assertion of the client passes for a request, or the other way round
  if (sub === client.client_id) {
    throw badObject('sub of the request object is the client', 'object_sub')
  }
  if (exp !== undefined && exp <= now)
    throw badObject('the request object ran out', 'object_expired')
  if (strict) {
    const isShort =
      nbf !== undefined &&
      exp !== undefined &&
      exp - nbf <= FAPI_TTL_MAX &&
      now - nbf <= FAPI_TTL_MAX
    if (!isShort) throw badObject('the request object may live an hour', 'object_lives_too_long')
  }
  // RFC 9101 §4
  if (claims['request'] !== undefined || claims['request_uri'] !== undefined) {
    throw badObject('the request object names another one', 'object_nested')
  }
}

// --- its parameters ---------------------------------------------------------------------------

/** Claims as the values that a form would have (RFC 9101 §4): what has members is JSON there. */
function parametersOf(claims: JWTPayload): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  for (const [name, claim] of Object.entries(claims)) {
    if (JWT_CLAIMS.includes(name)) continue
    const values = valuesOf(name, claim)?.filter((one) => one !== '')
    if (!values?.every((one) => one.isWellFormed() && !one.includes('\0'))) {
      throw badObject('the request object has a claim that is no parameter', 'object_claim')
    }
    if (values.length > 0) found.set(name, values)
  }
  return found
}

function valuesOf(name: string, claim: unknown): string[] | null {
  if (typeof claim === 'string') return [claim]
  if (typeof claim === 'number') return [String(claim)]
  if (typeof claim !== 'object' || claim === null) return null
  // RFC 8707 §2: of all parameters this alone may come several times.
  if (name !== 'resource' || !Array.isArray(claim)) return [JSON.stringify(claim)]
  return claim.every((one) => typeof one === 'string') ? claim : null
}
