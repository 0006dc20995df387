// Metadata of this issuer: OpenID Connect Discovery 1.0 and RFC 8414, from one function, so that
// they cannot differ. It names only what this server offers. Metadata of clients are
// clients/client_metadata.ts's. Pure.
import type { Context } from '../context.ts'
import { LOCALES } from '../messages/locales.ts'
import type { Settings } from '../settings.ts'
import { STATUS_LISTS } from '../status/routes.ts'
import { ACR_VALUES } from './acr.ts'
import { PROMPTS } from './authorize/request.ts'
import { RESPONSE_MODES } from './authorize/response.ts'
import { CLAIMS_SUPPORTED } from './claims.ts'
import { SIGNING_ALGORITHMS } from './client_authentication/client_authentication.ts'
import { authMethods } from './clients/client_metadata.ts'
import { CLIENT_ALGORITHMS, DETAILS_TYPES, OUR_ALGORITHMS } from './clients/members.ts'
import { GRANT_TYPE_NAMES } from './grant_types.ts'
import { MANAGEMENT_SCOPES, managementAudience, OUR_SCOPES } from './scopes.ts'

/** RFC 8414 §2, OpenID Connect Discovery §3. */
export function serverMetadata(cx: Context, settings: Settings) {
  const { issuer } = cx.config
  const methods = authMethods(cx.config)
  const confidential = methods.filter((method) => method !== 'none')
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    pushed_authorization_request_endpoint: `${issuer}/oauth/par`,
    token_endpoint: `${issuer}/oauth/token`,
    device_authorization_endpoint: `${issuer}/oauth/device_authorization`,
    userinfo_endpoint: `${issuer}/oauth/userinfo`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    end_session_endpoint: `${issuer}/oauth/logout`,
    ...(settings.registration === 'off'
      ? {}
      : { registration_endpoint: `${issuer}/oauth/register` }),
    ...(settings.client_id_metadata_documents
      ? { client_id_metadata_document_supported: true }
      : {}),
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    // No standard has a name for where the keys of PASETOs are.
    paserk_uri: `${issuer}/.well-known/paserk.json`,
    status_list_aggregation_endpoint: `${issuer}${STATUS_LISTS}`,
    scopes_supported: OUR_SCOPES,
    response_types_supported: ['code'],
    response_modes_supported: RESPONSE_MODES,
    authorization_signing_alg_values_supported: OUR_ALGORITHMS,
    grant_types_supported: GRANT_TYPE_NAMES,
    subject_types_supported: ['public', 'pairwise'],
    id_token_signing_alg_values_supported: OUR_ALGORITHMS,
    userinfo_signing_alg_values_supported: OUR_ALGORITHMS,
    acr_values_supported: ACR_VALUES,
    display_values_supported: ['page'],
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: SIGNING_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: SIGNING_ALGORITHMS,
    introspection_endpoint_auth_methods_supported: confidential,
    introspection_endpoint_auth_signing_alg_values_supported: SIGNING_ALGORITHMS,
    introspection_signing_alg_values_supported: OUR_ALGORITHMS,
    dpop_signing_alg_values_supported: CLIENT_ALGORITHMS,
    // RFC 8705 §3.3
    ...(cx.config.mtls === null ? {} : { tls_client_certificate_bound_access_tokens: true }),
    code_challenge_methods_supported: ['S256'],
    prompt_values_supported: PROMPTS,
    claims_supported: CLAIMS_SUPPORTED,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    claim_types_supported: ['normal'],
    claims_parameter_supported: true,
    request_parameter_supported: true,
    request_uri_parameter_supported: true,
    require_request_uri_registration: true,
    // Those that a client may use which registered none (RFC 9101 §10.5).
    request_object_signing_alg_values_supported: CLIENT_ALGORITHMS,
    require_pushed_authorization_requests: settings.require_pushed_authorization_requests,
    ui_locales_supported: LOCALES,
    authorization_details_types_supported: DETAILS_TYPES, // RFC 9396 §10
    authorization_response_iss_parameter_supported: true,
  }
}

/**
 * Metadata of the management API as a resource (RFC 9728 §2). Access decisions take the same
 * tokens.
 */
export function resourceMetadata(cx: Context) {
  return {
    resource: managementAudience(cx),
    authorization_servers: [cx.config.issuer],
    scopes_supported: MANAGEMENT_SCOPES,
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: CLIENT_ALGORITHMS,
    ...(cx.config.mtls === null ? {} : { tls_client_certificate_bound_access_tokens: true }),
    resource_name: 'AllAuth management API',
  }
}
