// The reasons of refusals: private words for the log and for tests, which never go on the wire.
// Each has a sentence for operators in entry/refusal_sentences.ts, which stays out of the bundle of
// the worker; docs/refusals.md is made from those.
import type { OutsideReason } from './outside.ts'

/** Reading of requests of every kind. */
type OfRequests =
  | 'bad_encoding'
  | 'body_too_large'
  | 'duplicate_parameter'
  | 'missing_parameter'
  | 'no_json_object'
  | 'nul_in_parameter'
  | 'parameter_too_long'
  | 'parameters_in_query'
  | 'query_too_large'
  | 'request_too_long'
  | 'unsupported_content_type'
  | 'wrong_method'

/** The pages that people see. */
type OfPages =
  | 'csrf_fetch_site'
  | 'csrf_no_cookie'
  | 'csrf_origin'
  | 'csrf_token'
  | 'setup_link_dead'
  | 'sign_in_limited'
  | 'sign_in_refused'
  | 'unknown_action'
  | 'user_code_limited'
  | 'user_code_refused'

/** Authentication of clients and devices. */
type OfClientAuthentication =
  | 'assertion_alg'
  | 'assertion_audience'
  | 'assertion_expired'
  | 'assertion_issued_ahead'
  | 'assertion_issuer'
  | 'assertion_jti'
  | 'assertion_lives_too_long'
  | 'assertion_not_yet_valid'
  | 'assertion_replayed'
  | 'assertion_typ'
  | 'bad_assertion'
  | 'bad_assertion_type'
  | 'bad_authorization_header'
  | 'bad_client_id'
  | 'bad_signature'
  | 'certificate_not_registered'
  | 'chain_not_verified'
  | 'client_disabled'
  | 'client_id_mismatch'
  | 'device_not_active'
  | 'device_without_proof'
  | 'jwks_uri_no_jwk_set'
  | 'jwks_uri_status'
  | `jwks_uri_${OutsideReason}`
  | 'method_of_profile'
  | 'no_certificate'
  | 'no_credentials'
  | 'no_such_key'
  | 'other_certificate_name'
  | 'other_method_registered'
  | 'public_client'
  | 'several_methods'
  | 'unknown_client'
  | 'wrong_secret'

/** Proofs of possession (DPoP) and tokens bound to a key. */
type OfProofs =
  | 'bound_otherwise'
  | 'bound_token_as_bearer'
  | 'dpop_jkt'
  | 'key_of_another'
  | 'no_jwt'
  | 'no_nonce'
  | 'no_proof'
  | 'old_nonce'
  | 'other_certificate'
  | 'proof_alg'
  | 'proof_ath'
  | 'proof_expired'
  | 'proof_htm'
  | 'proof_htu'
  | 'proof_iat'
  | 'proof_issued_ahead'
  | 'proof_jti'
  | 'proof_key'
  | 'proof_not_yet_valid'
  | 'proof_replayed'
  | 'proof_too_long'
  | 'proof_too_old'
  | 'unbound_token_as_dpop'

/** Requests for authorization, and the answers of people to them. */
type OfAuthorization =
  | 'acr_not_met'
  | 'bad_code_challenge'
  | 'bad_dpop_jkt'
  | 'bad_id_token_hint'
  | 'bad_max_age'
  | 'challenge_method'
  | 'claim_form'
  | 'claims_member'
  | 'claims_no_object'
  | 'claims_not_json'
  | 'foreign_resource'
  | 'no_client_id'
  | 'no_code_challenge'
  | 'no_redirect_uri'
  | 'no_response_type'
  | 'not_pushed'
  | 'other_than_hinted'
  | 'prompt_none_mixed'
  | 'push_by_device'
  | 'pushed_request_uri'
  | 'redirect_uri_mismatch'
  | 'request_unknown'
  | 'response_mode'
  | 'response_type'
  | 'silent_acr'
  | 'silent_consent'
  | 'silent_login'
  | 'too_many_resources'
  | 'unknown_prompt'

/** Request objects (RFC 9101). */
type OfRequestObjects =
  | 'no_request_object'
  | 'object_alg'
  | 'object_aud'
  | 'object_claim'
  | 'object_client'
  | 'object_expired'
  | 'object_iss'
  | 'object_lives_too_long'
  | 'object_nested'
  | 'object_not_yet_valid'
  | 'object_response_type'
  | 'object_signature'
  | 'object_sub'
  | 'object_typ'
  | 'object_unreadable'
  | 'request_objects_per_address'
  | 'request_uri_mismatch'
  | 'request_uri_not_fetched'
  | 'request_uri_status'
  | 'several_request_objects'

/** The rights that a token would have. */
type OfEntitlement =
  | 'bad_resource'
  | 'bad_scope_syntax'
  | 'details_form'
  | 'details_no_json'
  | 'details_not_covered'
  | 'details_not_offered'
  | 'details_type_not_registered'
  | 'device_scope'
  | 'format_without_mqtt'
  | 'identity_scope'
  | 'management_scope_mixed'
  | 'mqtt_not_covered'
  | 'no_common_scope'
  | 'no_management_role'
  | 'no_scope'
  | 'no_scope_left'
  | 'power_not_held'
  | 'resource_not_covered'
  | 'resource_not_registered'
  | 'scope_not_covered'
  | 'scope_not_held'
  | 'scope_not_registered'
  | 'several_audiences'
  | 'shared_audience'
  | 'token_too_large'
  | 'too_many_rules'

/** The grants of the token endpoint. */
type OfGrants =
  | 'actor_ended'
  | 'actor_token_bound'
  | 'actor_token_detailed'
  | 'actor_token_invalid'
  | 'actor_token_of_others'
  | 'actor_type'
  | 'assertion_not_consumed'
  | 'assertion_subject'
  | 'assertion_too_long'
  | 'bad_key'
  | 'code_expired'
  | 'code_not_consumed'
  | 'code_of_another_client'
  | 'code_reused'
  | 'device_code_denied'
  | 'device_code_expired'
  | 'device_code_not_consumed'
  | 'disabled_since'
  | 'device_code_not_decided'
  | 'device_code_of_another_client'
  | 'device_code_pending'
  | 'device_code_reused'
  | 'grant_type_not_registered'
  | 'issuer_keys'
  | 'issuer_not_for_client'
  | 'may_act'
  | 'not_a_client'
  | 'not_allowed_before'
  | 'other_redirect_uri'
  | 'polled_too_soon'
  | 'refresh_token_expired'
  | 'refresh_token_idle'
  | 'refresh_token_of_another_client'
  | 'refresh_token_revoked'
  | 'refresh_token_stray'
  | 'requested_type'
  | 'subject_ended'
  | 'subject_is_device'
  | 'subject_token_bound'
  | 'subject_token_invalid'
  | 'subject_token_of_others'
  | 'subject_type'
  | 'unknown_code'
  | 'unknown_device_code'
  | 'unknown_grant_type'
  | 'unknown_issuer'
  | 'unknown_person'
  | 'unknown_refresh_token'
  | 'user_not_usable'
  | 'wrong_code_verifier'

/** Access tokens where they are used: userinfo, `/v1`, `/access`. */
type OfAccessTokens =
  | 'bad_header'
  | 'client_for_client'
  | 'no_openid'
  | 'no_token'
  | 'not_our_token'
  | 'origin_ended'
  | 'several_tokens'
  | 'token_expired'
  | 'token_for_others'
  | 'token_of_device'

/** Clients that register themselves, or that a document describes. */
type OfRegistration =
  | 'bad_client_metadata'
  | 'changed_meanwhile'
  | 'document_content_type'
  | 'document_no_json_object'
  | 'document_other_client_id'
  | 'document_status'
  | 'document_with_secret'
  | `document_${OutsideReason}`
  | 'documents_per_address'
  | 'first_party_client'
  | 'initial_access_token_expired'
  | 'initial_access_token_used_up'
  | 'not_registered_by_itself'
  | 'other_registration_token'
  | 'registration_off'
  | 'registrations_per_address'
  | 'unknown_initial_access_token'

/** Logout that a client asks for. */
type OfLogout = 'hint_of_another_client' | 'redirect_without_client'

/** Faults of the service itself. */
type OfService = 'bug' | 'database_unavailable' | 'sealed_with_another_key'

/**
 * The types of problems (RFC 9457): a problem without a reason of its own has its type, and tells
 * its caller the rest.
 */
type OfProblems =
  | 'conflict'
  | 'forbidden'
  | 'idempotency_mismatch'
  | 'internal'
  | 'invalid_request'
  | 'not_found'
  | 'precondition_failed'
  | 'too_large'
  | 'too_many_requests'
  | 'unauthorized'
  | 'unavailable'
  | 'unsupported_media_type'

export type Reason =
  | OfRequests
  | OfPages
  | OfClientAuthentication
  | OfProofs
  | OfAuthorization
  | OfRequestObjects
  | OfEntitlement
  | OfGrants
  | OfAccessTokens
  | OfRegistration
  | OfLogout
  | OfService
  | OfProblems
