// Credentials that a request presents at an endpoint for clients, by exactly one method. This file
// reads them and believes nothing; client_authentication.ts verifies them.
import { decodeJwt } from 'jose'
import { ID_PATTERN } from '../../access/principals.ts'
import { decodeBase64 } from '../../crypto.ts'
import { badRequest, OAuthError } from '../../errors.ts'
import { type Form, type Http, readForm } from '../../http.ts'
import type { Reason } from '../../refusals.ts'
import { isClientUrl } from '../clients/client_url.ts'

/** Credentials by exactly one method, not yet verified. */
export type PresentedCredentials =
  | { method: 'none'; client_id: string }
  | {
      method: 'client_secret_basic' | 'client_secret_post'
      client_id: string
      client_secret: string
    }
  | { method: 'private_key_jwt'; client_id: string; assertion: string }

/**
 * The one answer to every fault, without a detail. `server_time` goes with each assertion that is
 * refused, so that it tells nothing: a device whose clock is wrong sets it by that.
 */
export const invalidClient = (reason: Reason, server_time?: number) =>
  new OAuthError('invalid_client', {
    description: 'client authentication failed',
    reason,
    server_time,
  })

const utf8 = new TextDecoder('utf-8', { fatal: true })

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Reads the client's credentials from the Authorization header and the form. Throws OAuthError
 * invalid_request when there is more than one method, invalid_client when there is none, it cannot
 * be read, or `client_id` names another client than it.
 */
export function readCredentials(
  authorization: string | undefined,
  form: Form,
): PresentedCredentials {
  const client_id = form.get('client_id')
  const client_secret = form.get('client_secret')
  const assertion = form.get('client_assertion')
  const type = form.get('client_assertion_type')
  // RFC 6749 §2.3: only one method in each request
  const methods = [authorization, client_secret, assertion ?? type]
  if (methods.filter((one) => one !== undefined).length > 1) {
    throw badRequest('use one method of client authentication', 'several_methods')
  }
  const presented = pick()
  if (client_id !== undefined && client_id !== presented.client_id) {
    throw invalidClient('client_id_mismatch')
  }
  const isId = ID_PATTERN.test(presented.client_id) || isClientUrl(presented.client_id)
  if (!isId) throw invalidClient('bad_client_id')
  return presented

  function pick(): PresentedCredentials {
    if (authorization !== undefined) return readBasic(authorization)
    if (assertion !== undefined || type !== undefined) {
      // RFC 7521 §4.2
      if (type !== ASSERTION_TYPE || assertion === undefined)
        throw invalidClient('bad_assertion_type')
      return { method: 'private_key_jwt', client_id: subjectOf(assertion), assertion }
    }
    if (client_id === undefined) throw invalidClient('no_credentials')
    if (client_secret === undefined) return { method: 'none', client_id }
    return { method: 'client_secret_post', client_id, client_secret }
  }
}

function readBasic(authorization: string): PresentedCredentials {
  const match = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)
  if (match === null) throw invalidClient('bad_authorization_header')
  try {
    const bytes = decodeBase64(match[1] ?? '')
    if (bytes === null) throw invalidClient('bad_authorization_header')
    const text = utf8.decode(bytes)
    const colon = text.indexOf(':')
    if (colon < 0) throw invalidClient('bad_authorization_header')
    // RFC 6749 §2.3.1: both parts are form-encoded before they are joined
    const decode = (part: string) => decodeURIComponent(part.replaceAll('+', ' '))
    return {
      method: 'client_secret_basic',
      client_id: decode(text.slice(0, colon)),
      client_secret: decode(text.slice(colon + 1)),
    }
  } catch (cause) {
    throw cause instanceof OAuthError ? cause : invalidClient('bad_authorization_header')
  }
}

/** The subject that an assertion claims, used only to find its keys. */
function subjectOf(assertion: string): string {
  try {
    const { sub } = decodeJwt(assertion)
    if (typeof sub === 'string') return sub
  } catch {}
  throw invalidClient('bad_assertion')
}

/** RFC 6749 §3.2: parameters come in the body, so that no secret is in a URL. */
export async function readClientRequest(
  c: Http,
  repeatable: readonly string[] = [],
): Promise<{ form: Form; presented: PresentedCredentials }> {
  refuseQuery(c)
  const form = await readForm(c, repeatable)
  const { parties } = c.var.cx
  parties.client_id = form.get('client_id') ?? null
  const presented = readCredentials(c.req.header('authorization'), form)
  parties.client_id = presented.client_id
  return { form, presented }
}

export function refuseQuery(c: Http): void {
  if (!/\?./.test(c.req.url)) return
  throw new OAuthError('invalid_request', {
    description: 'parameters belong into the body',
    reason: 'parameters_in_query',
  })
}
