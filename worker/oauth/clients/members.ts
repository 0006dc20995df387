// The members of a client beyond the first ones (RFC 7591 §2, OpenID Connect Registration §2 and the standards
// named beside each), kept as one JSON object with those at their default left out. What each may be, its default,
// and which do not go together. What a member does is told where it is obeyed.
import { z } from '../../api.ts'
import type { FieldError } from '../../errors.ts'
import { presetFaults, presetSchema } from './presets.ts'
import { isSameAlgorithm } from './public_jwk.ts'

/** Types of RFC 9396 that a client may register for. */
export const DETAILS_TYPES = ['device'] as const

/** Algorithms with which we sign what a client asks to be signed. */
export const OUR_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const
export type OurAlgorithm = (typeof OUR_ALGORITHMS)[number]

/** Algorithms that clients may sign with. `Ed25519` is RFC 9864's name for what EdDSA is here. */
export const CLIENT_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'] as const

const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Bidi_C}]*$/u, 'must not have control characters')

/** An address that people or we ourselves go to: https, or http on a loopback host. */
const webUri = z
  .string()
  .max(2048)
  .refine(isWebUri, 'must be an absolute https URL without fragment, user and password')

function isWebUri(uri: string): boolean {
  if (!/^[\x21-\x7e]+$/.test(uri) || uri.includes('#') || !URL.canParse(uri)) return false
  const { protocol, hostname, username, password } = new URL(uri)
  if (username !== '' || password !== '') return false
  const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

/** OpenID Connect Core §6.2: the fragment may be a hash of what is there. */
const requestUri = z
  .string()
  .max(512)
  .refine((uri) => isWebUri(uri.split('#')[0] ?? ''), 'must be an absolute https URL')

/** The names in a certificate of which `tls_client_auth` goes by exactly one (RFC 8705 §2.1.2). */
export const SUBJECT_MEMBERS = [
  'tls_client_auth_subject_dn',
  'tls_client_auth_san_dns',
  'tls_client_auth_san_uri',
  'tls_client_auth_san_ip',
  'tls_client_auth_san_email',
] as const
export type SubjectMember = (typeof SUBJECT_MEMBERS)[number]

/** Each member without its default; null stands for "not registered". */
export const memberFields = {
  // RFC 7591 §2
  client_uri: webUri.nullable(),
  logo_uri: webUri.nullable(),
  policy_uri: webUri.nullable(),
  tos_uri: webUri.nullable(),
  contacts: z.array(text(320)).max(10),
  software_id: text(200).nullable(),
  software_version: text(100).nullable(),
  jwks_uri: webUri.nullable(),
  // OpenID Connect Registration §2
  subject_type: z.enum(['public', 'pairwise']),
  sector_identifier_uri: webUri.nullable(),
  id_token_signed_response_alg: z.enum(OUR_ALGORITHMS),
  userinfo_signed_response_alg: z.enum(OUR_ALGORITHMS).nullable(),
  request_object_signing_alg: z.enum(['none', ...CLIENT_ALGORITHMS]).nullable(),
  request_uris: z.array(requestUri).max(20),
  token_endpoint_auth_signing_alg: z.enum(CLIENT_ALGORITHMS).nullable(),
  default_max_age: z.int().min(0).max(999_999_999).nullable(),
  require_auth_time: z.boolean(),
  default_acr_values: z.array(text(200)).max(10),
  initiate_login_uri: webUri.nullable(),
  // OpenID Connect Back-Channel Logout §2.2
  backchannel_logout_uri: webUri.nullable(),
  backchannel_logout_session_required: z.boolean(),
  // RFC 9126 §6, RFC 9101 §10.5, RFC 9449 §5.2, RFC 8705 §2.1.2 and §3.4, RFC 9396 §10
  require_pushed_authorization_requests: z.boolean(),
  require_signed_request_object: z.boolean(),
  dpop_bound_access_tokens: z.boolean(),
  tls_client_certificate_bound_access_tokens: z.boolean(),
  tls_client_auth_subject_dn: text(1000).nullable(),
  tls_client_auth_san_dns: text(253).nullable(),
  tls_client_auth_san_uri: text(2048).nullable(),
  tls_client_auth_san_ip: text(45).nullable(),
  tls_client_auth_san_email: text(320).nullable(),
  authorization_details_types: z.array(z.enum(DETAILS_TYPES)).max(1),
  // JARM §3, RFC 9701 §6
  authorization_signed_response_alg: z.enum(OUR_ALGORITHMS).nullable(),
  introspection_signed_response_alg: z.enum(OUR_ALGORITHMS).nullable(),
  // our own
  require_pkce: z.boolean(),
  access_token_format: z.enum(['jwt', 'opaque', 'paseto']),
  profile: z.enum(['fapi2']).nullable(),
  preset: presetSchema.nullable(),
}

export type ClientMembers = {
  [K in keyof typeof memberFields]: z.infer<(typeof memberFields)[K]>
}

/** What each member is when nothing is said. */
export const MEMBER_DEFAULTS: ClientMembers = {
  client_uri: null,
  logo_uri: null,
  policy_uri: null,
  tos_uri: null,
  contacts: [],
  software_id: null,
  software_version: null,
  jwks_uri: null,
  subject_type: 'public',
  sector_identifier_uri: null,
  id_token_signed_response_alg: 'RS256',
  userinfo_signed_response_alg: null,
  request_object_signing_alg: null,
  request_uris: [],
  token_endpoint_auth_signing_alg: null,
  default_max_age: null,
  require_auth_time: false,
  default_acr_values: [],
  initiate_login_uri: null,
  backchannel_logout_uri: null,
  backchannel_logout_session_required: false,
  require_pushed_authorization_requests: false,
  require_signed_request_object: false,
  dpop_bound_access_tokens: false,
  tls_client_certificate_bound_access_tokens: false,
  tls_client_auth_subject_dn: null,
  tls_client_auth_san_dns: null,
  tls_client_auth_san_uri: null,
  tls_client_auth_san_ip: null,
  tls_client_auth_san_email: null,
  authorization_details_types: [],
  authorization_signed_response_alg: null,
  introspection_signed_response_alg: null,
  require_pkce: true,
  access_token_format: 'jwt',
  profile: null,
  preset: null,
}

const NAMES = Object.keys(MEMBER_DEFAULTS) as (keyof ClientMembers)[]

/** The members of a stored JSON object, defaults filled in. */
export const readMembers = (stored: string): ClientMembers =>
  stored === '{}' ? MEMBER_DEFAULTS : { ...MEMBER_DEFAULTS, ...JSON.parse(stored) }

/** The JSON object that holds them, in one order, so that equal members are equal text. */
export function writeMembers(client: ClientMembers): string {
  const told = NAMES.filter(
    (name) => JSON.stringify(client[name]) !== JSON.stringify(MEMBER_DEFAULTS[name]),
  )
  return JSON.stringify(Object.fromEntries(told.map((name) => [name, client[name]])))
}

/** Whether the client is held to the FAPI 2.0 Security Profile. */
export const isFapi = (client: { profile: ClientMembers['profile'] }): boolean =>
  client.profile === 'fapi2'

/** FAPI 2.0 Security Profile §5.4: what its JWTs are signed with. EdDSA is Ed25519 here. */
export const FAPI_ALGORITHMS = ['PS256', 'ES256', 'EdDSA'] as const

/** Names of the members in which two clients differ. */
export const changedMembers = (before: ClientMembers, after: ClientMembers): string[] =>
  NAMES.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))

/** What of a client decides which members go together. */
export type Whole = ClientMembers & {
  token_endpoint_auth_method: string
  application_type: string
  redirect_uris: readonly string[]
  grant_types: readonly string[]
  access_token_ttl: number | null
  first_party: boolean
  scope: readonly string[]
  jwks: object | null
}

/** Members that contradict each other. */
export function memberFaults(client: Whole): FieldError[] {
  const faults: FieldError[] = []
  const fault = (name: keyof Whole, detail: string) => {
    faults.push({ pointer: `/${name}`, detail })
  }
  const isPublic = client.token_endpoint_auth_method === 'none'
  if (client.jwks !== null && client.jwks_uri !== null) {
    fault('jwks_uri', 'is given beside jwks: one of the two') // RFC 7591 §2
  }
  // A public client has nothing else that binds the code to it (RFC 9700 §2.1.1).
  if (!client.require_pkce && isPublic) {
    fault('require_pkce', 'is false, which only a client that proves itself may be')
  }
  // mProxy reads JWTs alone.
  if (client.access_token_format !== 'jwt' && client.scope.includes('mqtt')) {
    fault(
      'access_token_format',
      `is ${client.access_token_format}, but the scope mqtt is for tokens that are JWTs`,
    )
  }
  if (client.backchannel_logout_session_required && client.backchannel_logout_uri === null) {
    fault('backchannel_logout_session_required', 'has no backchannel_logout_uri to be of use at')
  }
  if (client.token_endpoint_auth_method === 'tls_client_auth') {
    const named = SUBJECT_MEMBERS.filter((member) => client[member] !== null)
    if (named.length !== 1) {
      fault(
        'token_endpoint_auth_method',
        `is tls_client_auth, which goes by exactly one of ${SUBJECT_MEMBERS.join(', ')}`,
      )
    }
  }
  // A token has one key, and which one must not hang on what a request happens to send.
  if (client.dpop_bound_access_tokens && client.tls_client_certificate_bound_access_tokens) {
    fault('dpop_bound_access_tokens', 'is true beside tls_client_certificate_bound_access_tokens')
  }
  return [...faults, ...presetFaults(client), ...(isFapi(client) ? fapiFaults(client) : [])]
}

/** FAPI 2.0 Security Profile §5.3 and §5.4. */
function fapiFaults(client: Whole): FieldError[] {
  const faults: FieldError[] = []
  const fault = (name: string, detail: string) => {
    faults.push({ pointer: `/${name}`, detail: `${detail} (profile fapi2)` })
  }
  const method = client.token_endpoint_auth_method
  if (!FAPI_METHODS.some((one) => one === method)) {
    fault('token_endpoint_auth_method', `must be one of ${FAPI_METHODS.join(', ')}`)
  }
  if (!client.dpop_bound_access_tokens && !client.tls_client_certificate_bound_access_tokens) {
    fault(
      'dpop_bound_access_tokens',
      'must be true, or tls_client_certificate_bound_access_tokens: tokens are bound to a key',
    )
  }
  if (!client.require_pkce) fault('require_pkce', 'must be true')
  for (const [i, uri] of client.redirect_uris.entries()) {
    if (!uri.startsWith('https://')) fault(`redirect_uris/${i}`, 'must be an https address')
  }
  const isWeak = (alg: string | null) =>
    alg !== null && !FAPI_ALGORITHMS.some((one) => isSameAlgorithm(one, alg))
  for (const name of SIGNED_MEMBERS) {
    if (isWeak(client[name])) fault(name, `must be one of ${FAPI_ALGORITHMS.join(', ')}`)
  }
  // Its default is RS256, so that it has to be said, by whoever gets ID tokens at all.
  if (client.scope.includes('openid') && isWeak(client.id_token_signed_response_alg)) {
    fault('id_token_signed_response_alg', 'must be ES256 or EdDSA')
  }
  return faults
}

const FAPI_METHODS = ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'] as const

const SIGNED_MEMBERS = [
  'token_endpoint_auth_signing_alg',
  'request_object_signing_alg',
  'userinfo_signed_response_alg',
  'authorization_signed_response_alg',
  'introspection_signed_response_alg',
] as const
