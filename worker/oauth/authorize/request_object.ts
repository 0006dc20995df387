// Requests that come as a JWT (RFC 9101, OpenID Connect Core §6), by value or from an address that
// the client registered. Turns a request object into the parameters of the request; request.ts
// checks them, in whichever way they came.

import { errors, type JWTPayload, UnsecuredJWT } from 'jose'
import { addressKey, type Limit, limit } from '../../attempts.ts'
import type { Context } from '../../context.ts'
import { OAuthError, type OAuthErrorCode } from '../../errors.ts'
import { type Form, formOf } from '../../http.ts'
import { timeFault } from '../../keys/jwt.ts'
import { readJwtHeader } from '../../keys/jwt_header.ts'
import { OutsideRefused } from '../../outside.ts'
import type { Reason } from '../../refusals.ts'
import {
  type SignatureVerdict,
  verifyWithAny,
} from '../client_authentication/client_authentication.ts'
import { clientKeys } from '../clients/client_keys.ts'
import type { Client } from '../clients/client_metadata.ts'
import { CLIENT_ALGORITHMS } from '../clients/members.ts'
import { fitsAlgorithm, type Jwk } from '../clients/public_jwk.ts'

/** Longest request object that is fetched, in bytes. */
const OBJECT_MAX = 65_536

/**
 * Most request objects that are fetched for one address in an hour, for clients that anybody may
 * have registered; good ones are not counted.
 */
export const FETCHES_MAX = 60

/** Seconds that a client's clock may be ahead. */
const CLOCK_TOLERANCE = 30

/**
 * FAPI 2.0 Message Signing §5.3.1: longest life of a request object and greatest age of its `nbf`,
 * in seconds.
 */
const FAPI_TTL_MAX = 3600

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
 * The parameters of a request: those of the form, or of the request object in it. `pushed`: the
 * client itself brings the request. Two round trips where a client that anybody may have registered
 * names an address, else none. Throws OAuthError; then no parameter of the form was checked.
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
  const download = jwt === undefined ? await fetchObject(cx, client, uri) : null
  const { claims, typ } = await verifyObject(cx, client, jwt ?? download?.text ?? '')
  if (download?.attempt) await cx.db.write(download.attempt.giveBack)
  const inside = parametersOf(claims)
  // RFC 9101 §6.3, RFC 9126 §3: only the object counts. OpenID Connect Core §6.1: its parameters
  // replace those outside.
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

/**
 * OpenID Connect Core §6.2: the fragment is a hash of the content, so that the content may change.
 */
const withoutFragment = (uri: string) => uri.split('#')[0] ?? ''

/**
 * Fetches an object, anew for each request; only the request is kept. `attempt` is given back once
 * the object is valid.
 */
async function fetchObject(
  cx: Context,
  client: Client,
  uri = '',
): Promise<{ text: string; attempt: Limit | null }> {
  const address = withoutFragment(uri)
  // Checked before anything is sent: otherwise anybody could make us call any address.
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

/**
 * Where anybody may register, anybody can name what we fetch; so this limits how often one address
 * makes us do it.
 */
async function countFetch(cx: Context): Promise<Limit> {
  const key = { purpose: 'request object', value: addressKey(cx.address) ?? '' }
  const attempt = limit(cx, key, { max: FETCHES_MAX, window: 3600 })
  const [row] = await cx.db.write(attempt.take)
  if ((row?.count ?? 0) > attempt.max) {
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
  const header = readJwtHeader(jwt)
  if (header === null) throw badObject('the request object is not a JWT', 'object_unreadable')
  const { alg, kid, typ } = header
  // RFC 8725 §3.11: another JWT that the same key signed is no request
  if (typ !== undefined && typ !== 'jwt' && typ !== EXPLICIT_TYPE) {
    throw badObject('the request object has the wrong typ', 'object_typ')
  }
  assertAlgorithm(client, alg)
  const verdict =
    alg === 'none' ? readUnsigned(cx, jwt) : await verifySigned(cx, client, jwt, alg, kid)
  if ('fault' in verdict) {
    throw badObject(
      'the request object is not signed by this client or ran out',
      `object_${verdict.fault}`,
    )
  }
  const { claims } = verdict
  assertClaims(cx, client, claims)
  return { claims, typ }
}

/**
 * Allows only the registered algorithm where there is one, and `none` only where it is registered
 * (RFC 9101 §10.5); FAPI 2.0 §5.4.1.
 */
function assertAlgorithm(client: Client, alg: string): void {
  const registered = client.request_object_signing_alg
  const one = (name: string) => (name === 'Ed25519' ? 'EdDSA' : name)
  const allowed = registered === null ? CLIENT_ALGORITHMS.map(one) : [one(registered)]
  const isWeak =
    (alg === 'none' && client.require_signed_request_object) ||
    ((alg === 'none' || alg === 'RS256') && client.profile === 'fapi2')
  if (!allowed.includes(one(alg)) || isWeak) {
    throw badObject('the request object has an alg that this client may not use', 'object_alg')
  }
}

function readUnsigned(cx: Context, jwt: string): SignatureVerdict {
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

/** Uses registered keys only: `jwk`, `jku` and `x5u` are ignored. */
async function verifySigned(
  cx: Context,
  client: Client,
  jwt: string,
  alg: string,
  kid: string | undefined,
): Promise<SignatureVerdict> {
  const keys = await signingKeysOf(cx, client, kid)
  const candidates = keys.filter(
    (key) => fitsAlgorithm(key, alg) && (key.use === undefined || key.use === 'sig'),
  )
  return verifyWithAny(cx, jwt, candidates, alg)
}

/**
 * The keys that the client signs with. Throws OAuthError invalid_request_object when they cannot be
 * read.
 */
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
  // RFC 9101 §5: an object names its author and its audience; FAPI demands both.
  const strict = client.profile === 'fapi2'
  if (iss === undefined ? strict : iss !== client.client_id) {
    throw badObject('iss of the request object is not the client', 'object_iss')
  }
  if (aud === undefined ? strict : ![aud].flat().includes(cx.config.issuer)) {
    throw badObject('aud of the request object is not this issuer', 'object_aud')
  }
  // RFC 9101 §10.8: so that no assertion of the client passes for a request, nor a request for an
  // assertion
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

/** Claims as the values that a form would have (RFC 9101 §4): an object or a list becomes JSON. */
function parametersOf(claims: JWTPayload): Map<string, readonly string[]> {
  const parameters = new Map<string, readonly string[]>()
  for (const [name, claim] of Object.entries(claims)) {
    if (JWT_CLAIMS.includes(name)) continue
    const values = valuesOf(name, claim)?.filter((one) => one !== '')
    if (!values?.every((one) => one.isWellFormed() && !one.includes('\0'))) {
      throw badObject('the request object has a claim that is no parameter', 'object_claim')
    }
    if (values.length > 0) parameters.set(name, values)
  }
  return parameters
}

function valuesOf(name: string, claim: unknown): string[] | null {
  if (typeof claim === 'string') return [claim]
  if (typeof claim === 'number') return [String(claim)]
  if (typeof claim !== 'object' || claim === null) return null
  // RFC 8707 §2: only this parameter may come several times.
  if (name !== 'resource' || !Array.isArray(claim)) return [JSON.stringify(claim)]
  return claim.every((one) => typeof one === 'string') ? claim : null
}
