// A failure in words for people. Some reasons have a text of their own; for the others the text
// says on whose side the fault is, and the English words of the protocol stand beside it, for those
// who build the application.
import { OAuthError, type Problem } from '../errors.ts'
import type { Reason } from '../refusals.ts'
import type { PlainKey } from './catalogues.ts'
import type { Messages } from './messages.ts'

/** Reasons with a text of their own, which says all. */
const WHOLE: { readonly [reason in Reason]?: PlainKey } = {
  csrf_no_cookie: 'form.out_of_date',
  csrf_token: 'form.out_of_date',
  csrf_fetch_site: 'form.out_of_date',
  csrf_origin: 'form.out_of_date',
  unknown_action: 'form.action',
  request_unknown: 'error.ended',
  unknown_client: 'error.unknown_client',
  power_not_held: 'error.not_allowed',
}

function textOf(failure: OAuthError | Problem): PlainKey {
  if (failure.status === 429) return 'error.too_many'
  if (failure.status === 503) return 'error.busy'
  if (failure.status >= 500) return 'error.internal'
  return 'error.refused'
}

export function faultInWords(m: Messages, failure: OAuthError | Problem) {
  const whole = WHOLE[failure.reason]
  if (whole !== undefined) return { text: m(whole) }
  const detail = failure instanceof OAuthError ? failure.description : failure.detail
  return { text: m(textOf(failure)), detail }
}
