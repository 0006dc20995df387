// The kinds of failure, by the side that is at fault, and the log of a refusal. A protocol peer
// gets OAuthError, a caller of the API gets Problem. Every other failure is a fault of this
// program: it is logged, and answered as server_error or 500 without detail.
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Reason } from './refusals.ts'

/**
 * RFC 6749 §4.1.2.1 and §5.2, 6750 §3.1, 7591 §3.2.2, 8707 §2, 8628 §3.5, 9101 §7, 9449 §12.2,
 * OpenID Connect Core §3.1.2.6 and its extension "Unmet Authentication Requirements" 1.0 §2.
 */
export const OAUTH_STATUS = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unauthorized_client: 400,
  unsupported_grant_type: 400,
  unsupported_response_type: 400,
  invalid_scope: 400,
  invalid_target: 400,
  invalid_authorization_details: 400, // RFC 9396 §5
  access_denied: 403,
  authorization_pending: 400,
  slow_down: 400,
  expired_token: 400,
  invalid_token: 401,
  insufficient_scope: 403,
  invalid_dpop_proof: 400,
  use_dpop_nonce: 400,
  login_required: 400,
  consent_required: 400,
  interaction_required: 400,
  account_selection_required: 400,
  invalid_request_object: 400,
  invalid_request_uri: 400,
  unmet_authentication_requirements: 400,
  request_not_supported: 400,
  request_uri_not_supported: 400,
  registration_not_supported: 400,
  invalid_redirect_uri: 400,
  invalid_client_metadata: 400,
  too_many_requests: 429, // our own: no RFC has a code for it
  server_error: 500,
  temporarily_unavailable: 503,
} as const satisfies Record<string, ContentfulStatusCode>

export type OAuthErrorCode = keyof typeof OAUTH_STATUS

/**
 * A fault of a protocol peer. `description` goes on the wire and is dull; `reason` is for the log
 * and for tests and is never sent.
 */
export class OAuthError extends Error {
  readonly error: OAuthErrorCode
  readonly description: string
  readonly reason: Reason
  readonly status: ContentfulStatusCode
  /** Scheme of the challenge, when the way in which an access token was presented is the fault. */
  readonly scheme: 'Bearer' | 'DPoP' | undefined
  /** The time here, for a peer whose clock may be the fault. */
  readonly server_time: number | undefined
  /** Seconds after which another attempt may succeed, where that is known. */
  readonly retry_after: number | undefined

  constructor(
    error: OAuthErrorCode,
    /** `status`: for an endpoint that has another one than is usual for the code. */
    options: {
      description: string
      reason: Reason
      cause?: unknown
      status?: ContentfulStatusCode
      scheme?: 'Bearer' | 'DPoP'
      retry_after?: number
      server_time?: number | undefined
    },
  ) {
    super(`${error}: ${options.reason}`, { cause: options.cause })
    this.error = error
    // RFC 9449 §7.1, §9: a fault of the proof beside an access token is a fault of authentication.
    const usual =
      options.scheme === 'DPoP' && OAUTH_STATUS[error] === 400 ? 401 : OAUTH_STATUS[error]
    this.status = options.status ?? usual
    this.description = options.description
    this.reason = options.reason
    this.scheme = options.scheme
    this.retry_after = options.retry_after
    this.server_time = options.server_time
  }
}

/** A request without the form that it must have, whatever its purpose. */
export const badRequest = (description: string, reason: Reason) =>
  new OAuthError('invalid_request', { description, reason })

/** Types of problem (RFC 9457): stable names, sent as `urn:allauth:problem:<name>`. */
export const PROBLEM_STATUS = {
  invalid_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  idempotency_mismatch: 422,
  too_many_requests: 429,
  internal: 500,
  unavailable: 503,
} as const satisfies Record<string, ContentfulStatusCode>

export type ProblemType = keyof typeof PROBLEM_STATUS

/** A wrong field: a JSON pointer into the body (or the name of a parameter) and the remedy. */
export type FieldError = { pointer: string; detail: string }

/** A fault of a caller of the management API, the blueprint or the command line. */
export class Problem extends Error {
  readonly type: ProblemType
  readonly detail: string
  readonly errors: readonly FieldError[]
  readonly reason: Reason

  constructor(
    type: ProblemType,
    detail: string,
    errors: readonly FieldError[] = [],
    reason: Reason = type,
  ) {
    super(`${type}: ${detail}`)
    this.reason = reason
    this.type = type
    this.detail = detail
    this.errors = errors
  }

  get status(): ContentfulStatusCode {
    return PROBLEM_STATUS[this.type]
  }
}
