// Turns a failure into an answer: the kinds that have one, the challenge that goes with it, and its
// form, which is a page, a problem or the JSON of the protocol. Each is logged here with its
// reason. The routes themselves say that they are pages.
import { problemResponse } from './api.ts'
import { UnsealError } from './crypto.ts'
import { DatabaseUnavailable } from './db/database.ts'
import { OAuthError, Problem } from './errors.ts'
import { type Http, noStore } from './http.ts'
import { faultInWords } from './messages/fault_in_words.ts'
import { CLIENT_ALGORITHMS } from './oauth/clients/members.ts'
import { resourceMetadataUri } from './oauth/server_metadata_routes.ts'
import { errorPage } from './pages/error_page.ts'
import { errorMessages } from './pages/language.ts'
import { pageHeaders } from './pages/page_headers.ts'
import { logRefusal } from './refusal_log.ts'

export const isManagement = (path: string) => path.startsWith('/v1/') || path.startsWith('/access/')

/** The answer for a path without a route. */
export function notFound(c: Http): Response | Promise<Response> {
  if (isManagement(c.req.path)) {
    return problemResponse(c, new Problem('not_found', 'there is nothing at this path'))
  }
  if (c.req.header('accept')?.includes('text/html')) {
    pageHeaders(c)
    const m = errorMessages(c)
    const shown = { title: m('error.not_found_title'), text: m('error.not_found') }
    return c.html(errorPage({ ...shown, request_id: c.var.cx.rid }, m), 404)
  }
  return c.json({ error: 'not_found' }, 404)
}

/** The answer for an error that a handler threw. */
export function answerError(error: Error, c: Http): Response | Promise<Response> {
  const failure = classify(error)
  logRefusal(c.var.cx, failure)
  if (failure instanceof OAuthError) challenge(c, failure)
  const usual = failure.status === 503 ? 2 : undefined
  const retry_after = (failure instanceof OAuthError ? failure.retry_after : undefined) ?? usual
  if (retry_after !== undefined) c.header('Retry-After', String(retry_after))
  if (isManagement(c.req.path)) return problemResponse(c, asProblem(failure))
  if (c.var.isPage) {
    pageHeaders(c)
    const m = errorMessages(c)
    const shown = { title: m('error.title'), ...faultInWords(m, failure) }
    return c.html(errorPage({ ...shown, request_id: c.var.cx.rid }, m), failure.status)
  }
  noStore(c)
  if (failure instanceof Problem) return problemResponse(c, failure)
  const { error: code, description, server_time } = failure
  // A description is optional (RFC 6749 §5.2), and some peers want none.
  const details = description === '' ? {} : { error_description: description }
  if (server_time === undefined) return c.json({ error: code, ...details }, failure.status)
  c.header('Date', new Date(server_time * 1000).toUTCString())
  return c.json({ error: code, ...details, server_time }, failure.status)
}

/** The failure as one of the kinds that have an answer. */
function classify(error: Error): OAuthError | Problem {
  if (error instanceof OAuthError || error instanceof Problem) return error
  if (error instanceof DatabaseUnavailable) {
    return new OAuthError('temporarily_unavailable', {
      description: 'the service is busy or its database cannot be reached; try again',
      reason: 'database_unavailable',
      cause: error,
    })
  }
  if (error instanceof UnsealError) {
    return new OAuthError('server_error', {
      description: 'an error occurred',
      reason: 'sealed_with_another_key',
      cause: error,
    })
  }
  return new OAuthError('server_error', {
    description: 'an error occurred',
    reason: 'bug',
    cause: error,
  })
}

function asProblem(failure: OAuthError | Problem): Problem {
  if (failure instanceof Problem) return failure
  const { status, description } = failure
  if (status === 401) return new Problem('unauthorized', description)
  if (status === 403) return new Problem('forbidden', description)
  if (status === 503) return new Problem('unavailable', description)
  if (status === 500) return new Problem('internal', description)
  return new Problem('invalid_request', description)
}

const DPOP_CHALLENGE = `algs="${CLIENT_ALGORITHMS.join(' ')}"`

/**
 * WWW-Authenticate: RFC 6749 §5.2 for clients, RFC 6750 §3 and RFC 9449 §7.1 for holders of tokens.
 */
function challenge(c: Http, failure: OAuthError): void {
  const { error } = failure
  // RFC 6749 §5.2: for clients that tried the Authorization header. Others would take the challenge
  // for the error itself.
  if (error === 'invalid_client' && c.req.header('authorization') !== undefined) {
    c.header('WWW-Authenticate', 'Basic realm="allauth", charset="UTF-8"')
  } else if (failure.scheme === 'DPoP') {
    c.header('WWW-Authenticate', `DPoP error="${error}", ${DPOP_CHALLENGE}`)
  } else if (error === 'invalid_token' || error === 'insufficient_scope') {
    // RFC 6750 §3.1: a request without any authentication gets no error code.
    const bare = failure.reason === 'no_token'
    const parameters = bare ? [] : [`error="${error}"`]
    if (isManagement(c.req.path)) {
      // RFC 9728 §5.1: shows a caller without a token where to get one
      parameters.push(`resource_metadata="${resourceMetadataUri(c.var.cx)}"`)
    }
    const bearer = `Bearer ${parameters.join(', ')}`.trimEnd()
    // Not for registration, which takes tokens of its own that are bound to nothing.
    const offersDpop = bare && (isManagement(c.req.path) || c.req.path === '/oauth/userinfo')
    c.header('WWW-Authenticate', offersDpop ? `${bearer}, DPoP ${DPOP_CHALLENGE}` : bearer)
  }
}
