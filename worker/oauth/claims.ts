// Claims about a person: which there are, which scope brings which (OpenID Connect Core §5.1,
// §5.4), and the `claims` parameter, which asks for single ones (§5.5). Pure.
import { badRequest } from '../errors.ts'
import { isObject } from '../http.ts'
import { readProfile } from '../identity/profile.ts'
import type { UserRow } from '../identity/users.ts'

/** OpenID Connect Core §5.4. */
const SCOPE_CLAIMS: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'profile',
    [
      'name',
      'given_name',
      'family_name',
      'middle_name',
      'nickname',
      'preferred_username',
      'profile',
      'picture',
      'website',
      'gender',
      'birthdate',
      'zoneinfo',
      'locale',
      'updated_at',
    ],
  ],
  ['email', ['email', 'email_verified']],
  ['address', ['address']],
  ['phone', ['phone_number', 'phone_number_verified']],
])

/** Claims about the person that can be asked for one by one. */
export const PERSON_CLAIMS: readonly string[] = [...SCOPE_CLAIMS.values()].flat()

/** Claims about what a person may do and belongs to, by the scopes of the same names alone. */
export const RIGHTS_CLAIMS: readonly string[] = ['roles', 'groups']

/** Claims that a client wants in a token: all that scopes bring, or some of them by name. */
export type WantedClaims = 'scopes' | readonly string[]

export const isWantedClaim = (wanted: WantedClaims, claim: string): boolean =>
  wanted === 'scopes' || wanted.includes(claim)

/** Claims about the sign-in: always in the token; a client asks for one to demand a value. */
const SIGN_IN_CLAIMS: readonly string[] = ['sub', 'acr', 'auth_time', 'amr']

/** Claims that the metadata name. */
export const CLAIMS_SUPPORTED: readonly string[] = [
  ...['iss', 'sub', 'aud', 'exp', 'iat', 'auth_time', 'acr', 'amr', 'nonce', 'at_hash', 'sid'],
  ...PERSON_CLAIMS,
  ...RIGHTS_CLAIMS,
]

/**
 * The way in which one claim is asked for (OpenID Connect Core §5.5.1); `values` also holds a
 * single `value`.
 */
export type ClaimRequest = { essential: boolean; values?: unknown[] }

/** Requests for single claims; only claims that this server has. */
export type ClaimsRequest = {
  userinfo: Record<string, ClaimRequest>
  id_token: Record<string, ClaimRequest>
}

/** Longest `claims` parameter, in characters. */
export const CLAIMS_MAX = 4096

/**
 * Reads the `claims` parameter. Unknown members are ignored (§5.5). Throws OAuthError
 * invalid_request.
 */
export function readClaimsParameter(text: string): ClaimsRequest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw badRequest('claims is not JSON', 'claims_not_json')
  }
  if (!isObject(value)) throw badRequest('claims is not a JSON object', 'claims_no_object')
  return { userinfo: readMember(value, 'userinfo'), id_token: readMember(value, 'id_token') }
}

function readMember(
  claims: Record<string, unknown>,
  name: keyof ClaimsRequest,
): Record<string, ClaimRequest> {
  const member = claims[name]
  if (member === undefined) return {}
  if (!isObject(member)) throw badRequest(`${name} in claims is not an object`, 'claims_member')
  const names = [...SIGN_IN_CLAIMS, ...PERSON_CLAIMS].filter((claim) =>
    Object.hasOwn(member, claim),
  )
  return Object.fromEntries(names.map((claim) => [claim, readOne(claim, member[claim])]))
}

function readOne(claim: string, request: unknown): ClaimRequest {
  if (request === null) return { essential: false }
  const fault = () =>
    badRequest(`claims asks for ${claim} in a form that it may not have`, 'claim_form')
  if (!isObject(request)) throw fault()
  const { essential = false, value, values } = request
  if (typeof essential !== 'boolean') throw fault()
  if (values !== undefined && (!Array.isArray(values) || values.length === 0)) throw fault()
  if (value !== undefined && values !== undefined) throw fault()
  if (value !== undefined) return { essential, values: [value] }
  return values === undefined ? { essential } : { essential, values }
}

const texts = (request: ClaimRequest | undefined): string[] | null =>
  request?.values?.filter((value) => typeof value === 'string') ?? null

/**
 * The authentication context classes that the client wishes or demands for the ID token; null: any.
 */
export function acrRequest(claims: ClaimsRequest | undefined) {
  const request = claims?.id_token['acr']
  const values = texts(request)
  return values === null ? null : { values, essential: request?.essential === true }
}

/**
 * The subjects that the answer may be about, from `sub` with a value; null: anybody (§5.5.1,
 * §3.1.2.2).
 */
export function subjectRequest(claims: ClaimsRequest | undefined): string[] | null {
  const demands = [texts(claims?.id_token['sub']), texts(claims?.userinfo['sub'])]
  const [first, ...others] = demands.filter((one) => one !== null)
  if (first === undefined) return null
  return first.filter((sub) => others.every((other) => other.includes(sub)))
}

/** The claims about the person that are asked for one by one and that none of the scopes brings. */
export function claimsBeyond(
  claims: ClaimsRequest | undefined,
  scope: readonly string[],
): string[] {
  if (claims === undefined || !scope.includes('openid')) return []
  const fromScopes = scope.flatMap((one) => SCOPE_CLAIMS.get(one) ?? [])
  return PERSON_CLAIMS.filter(
    (claim) =>
      (Object.hasOwn(claims.userinfo, claim) || Object.hasOwn(claims.id_token, claim)) &&
      !fromScopes.includes(claim),
  )
}

/** All claims about a person that have a value. */
function claimsOf(user: UserRow): Record<string, unknown> {
  const { name, user_name, locale, updated_at, email, email_verified } = user
  const profile = readProfile(user.profile)
  return {
    ...(user_name === null ? {} : { preferred_username: user_name }),
    ...profile,
    ...(name === null ? {} : { name }),
    ...(locale === null ? {} : { locale }),
    ...(profile.phone_number === undefined
      ? {}
      : { phone_number_verified: profile.phone_number_verified === true }),
    updated_at,
    ...(email === '' ? {} : { email, email_verified: email_verified === 1 }),
  }
}

/**
 * The claims that scopes bring, as far as they are wanted, and those that single requests bring. A
 * claim that is asked for with a value which the person does not have is left out, unless a scope
 * brings it.
 */
export function claimsAbout(
  user: UserRow,
  scope: readonly string[],
  requests: Readonly<Record<string, ClaimRequest>>,
  wanted: WantedClaims = 'scopes',
): Record<string, unknown> {
  const person = claimsOf(user)
  const fromScopes = scope.flatMap((one) => SCOPE_CLAIMS.get(one) ?? [])
  const names = PERSON_CLAIMS.filter((claim) => {
    if (person[claim] === undefined) return false
    if (fromScopes.includes(claim) && isWantedClaim(wanted, claim)) return true
    if (!Object.hasOwn(requests, claim)) return false
    const { values } = requests[claim] as ClaimRequest
    return values === undefined || values.some((value) => value === person[claim])
  })
  return Object.fromEntries(names.map((claim) => [claim, person[claim]]))
}

/**
 * Leaves out claims about the person that no registered scope of the client brings. A scope that an
 * operator kept from the client cannot be had claim by claim; this matters most where the person is
 * not asked (`first_party`).
 */
export function withinRegistered(claims: ClaimsRequest, registered: readonly string[]) {
  const fromScopes = registered.flatMap((one) => SCOPE_CLAIMS.get(one) ?? [])
  const within = (requests: Record<string, ClaimRequest>) =>
    Object.fromEntries(
      Object.entries(requests).filter(
        ([claim]) => SIGN_IN_CLAIMS.includes(claim) || fromScopes.includes(claim),
      ),
    )
  return { userinfo: within(claims.userinfo), id_token: within(claims.id_token) }
}

/**
 * Reads the column `claims` of a code or an authorization; `registered` are the scopes of the
 * client now.
 */
export const readClaims = (stored: string | null, registered: readonly string[]): ClaimsRequest =>
  stored === null
    ? { userinfo: {}, id_token: {} }
    : withinRegistered(JSON.parse(stored), registered)

/**
 * The name under which a single claim is kept beside scopes. No scope can have a quotation mark
 * (RFC 6749 §3.3).
 */
export const claimAsScope = (claim: string): string => `claims"${claim}`

/** The claim that an allowed entry stands for; null where it stands for a scope. */
export const claimAllowed = (allowed: string): string | null =>
  allowed.startsWith('claims"') ? allowed.slice('claims"'.length) : null
