// Members of a client that contradict each other, and the bounds of the FAPI 2.0 profile. Pure.
import type { FieldError } from '../../errors.ts'
import type { AllMembers } from './members.ts'
import { presetFaults } from './presets.ts'
import { isSameAlgorithm } from './public_jwk.ts'

/**
 * Members for a name in a certificate; `tls_client_auth` needs exactly one of them (RFC 8705
 * §2.1.2).
 */
export const SUBJECT_MEMBERS = [
  'tls_client_auth_subject_dn',
  'tls_client_auth_san_dns',
  'tls_client_auth_san_uri',
  'tls_client_auth_san_ip',
  'tls_client_auth_san_email',
] as const
export type SubjectMember = (typeof SUBJECT_MEMBERS)[number]

/** Whether the client must obey the FAPI 2.0 Security Profile. */
export const isFapi = (client: { profile: AllMembers['profile'] }): boolean =>
  client.profile === 'fapi2'

/** FAPI 2.0 Security Profile §5.4: algorithms of its JWTs. EdDSA is Ed25519 here. */
export const FAPI_ALGORITHMS = ['PS256', 'ES256', 'EdDSA'] as const

/** Members that contradict each other. */
export function memberFaults(client: AllMembers): FieldError[] {
  const faults: FieldError[] = []
  const fault = (name: keyof AllMembers, detail: string) => {
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
  // mProxy reads only JWTs.
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
    const names = SUBJECT_MEMBERS.filter((member) => client[member] !== null)
    if (names.length !== 1) {
      fault(
        'token_endpoint_auth_method',
        `is tls_client_auth, which goes by exactly one of ${SUBJECT_MEMBERS.join(', ')}`,
      )
    }
  }
  // A token has one key, and the content of a request must not decide which.
  if (client.dpop_bound_access_tokens && client.tls_client_certificate_bound_access_tokens) {
    fault('dpop_bound_access_tokens', 'is true beside tls_client_certificate_bound_access_tokens')
  }
  return [...faults, ...presetFaults(client), ...(isFapi(client) ? fapiFaults(client) : [])]
}

/** FAPI 2.0 Security Profile §5.3 and §5.4. */
function fapiFaults(client: AllMembers): FieldError[] {
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
  // Its default is RS256, so a client that gets ID tokens must set it.
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
