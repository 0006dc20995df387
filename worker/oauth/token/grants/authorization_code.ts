// grant_type=authorization_code (RFC 6749 §4.1.3, RFC 7636, OpenID Connect Core §3.1.3): a code
// becomes an authorization with its first tokens, once. The code is consumed before anything is
// signed.
import type { Context } from '../../../context.ts'
import { equalText, sha256 } from '../../../crypto.ts'
import type { Answers } from '../../../db/database.ts'
import { condition } from '../../../db/sql.ts'
import { OAuthError } from '../../../errors.ts'
import type { Form } from '../../../http.ts'
import { isUsable } from '../../../identity/users.ts'
import type { Reason } from '../../../refusals.ts'
import { loadSettings } from '../../../settings.ts'
import { findStatus } from '../../../status/entry_store.ts'
import { tellStatus } from '../../../status/telling.ts'
import {
  endAuthorization,
  entitleClient,
  readWish,
  startAuthorization,
} from '../../authorizations/authorizations.ts'
import {
  type CodeRow,
  consumeCode,
  findCode,
  isCodeMine,
  isCodeReused,
  sourceOfCode,
} from '../../authorizations/code_store.ts'
import { epochOf, findUserOf } from '../../authorizations/store.ts'
import {
  type Caller,
  isProven,
  writeAs,
} from '../../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../../client_authentication/presented_credentials.ts'
import { provesDpopKey } from '../../client_authentication/sender_constraint.ts'
import { powersReads } from '../../tokens/powers.ts'
import { rightsClaimsReads } from '../../tokens/rights_claims.ts'
import { answerSignIn, type TokenAnswer } from '../../tokens/token_answer.ts'

export const grant_type = 'authorization_code'

/** Throws OAuthError invalid_request when a parameter is missing. */
export function parameters(cx: Context, form: Form, presented: PresentedCredentials) {
  const code = form.get('code')
  const redirect_uri = form.get('redirect_uri')
  const code_verifier = form.get('code_verifier')
  if (code === undefined) {
    throw new OAuthError('invalid_request', {
      description: 'code is needed',
      reason: 'missing_parameter',
    })
  }
  const hash = sha256(code)
  const source = sourceOfCode(hash)
  const { client_id } = presented
  // The scope was asked at the authorization endpoint; the rest may be narrowed here (RFC 8707
  // §2.2, RFC 9396 §6).
  const wish = { ...readWish(form), scope: null }
  const reads = {
    code: findCode(cx, hash),
    user: findUserOf(source.subject),
    powers: powersReads(cx, client_id, wish, source),
    claimRows: rightsClaimsReads(cx, client_id, source),
  }
  return { hash, redirect_uri, code_verifier, wish, reads }
}

type Parameters = ReturnType<typeof parameters>

const refused = (reason: Reason) =>
  new OAuthError('invalid_grant', { description: 'the code cannot be redeemed', reason })

/** Throws OAuthError. One write; a code that is refused before it stays as it was. */
export async function redeem(
  cx: Context,
  caller: Caller,
  { hash, redirect_uri, code_verifier, wish }: Parameters,
  rows: Answers<Parameters['reads']>,
): Promise<TokenAnswer> {
  if (caller.kind !== 'client') throw refused('not_a_client')
  const { client } = caller
  const [code] = rows.code
  if (code === undefined) throw refused('unknown_code')
  // RFC 6749 §5.2; Zitadel CVE-2026-55672
  if (code.client_id !== client.client_id) throw refused('code_of_another_client')
  if (!provesPossession(code, code_verifier, caller.method)) throw refused('wrong_code_verifier')
  // RFC 9449 §10
  if (!provesDpopKey(caller, code.dpop_jkt)) throw refused('dpop_jkt')
  cx.parties.sub = code.user_id
  // Only now is a second use a sign of theft: a leaked spent code alone revokes nothing.
  if (code.redeemed_by !== null && code.redeemed_by !== cx.rid) {
    await writeAs(cx, caller, reuse(cx, caller, code))
    throw refused('code_reused')
  }
  // RFC 6749 §4.1.3. Where the client has one address, both requests may leave it out (§3.1.2.3).
  const isOnly = client.redirect_uris.length === 1
  if ((redirect_uri ?? (isOnly ? code.redirect_uri : '')) !== code.redirect_uri) {
    throw refused('other_redirect_uri')
  }
  if (code.expires_at <= cx.now()) throw refused('code_expired')
  if (code.is_in_session !== 1) throw refused('session_ended')
  const [user] = rows.user
  if (user === undefined || !isUsable(user)) throw refused('user_not_usable')
  if (code.epoch !== epochOf(user, client)) throw refused('disabled_since')

  const settings = await loadSettings(cx)
  const covered = { ...code, id: code.authorization_id }
  const entitled = await entitleClient(cx, covered, wish, caller, settings, rows)
  const started = startAuthorization(cx, caller, covered, settings, isCodeMine(cx, hash))
  const answers = await writeAs(cx, caller, {
    code: consumeCode(cx, hash, cx.now(), isProven(cx, caller)),
    authorization: started.statements,
    status: findStatus('authorization', covered.id),
    reuse: reuse(cx, caller, code),
  })
  if (answers.code.length === 0) throw refused('code_not_consumed')

  const { refresh_token } = started
  const { nonce } = code
  const status = await tellStatus(cx, 'authorization', covered.id, answers.status)
  return answerSignIn(cx, settings, entitled, code, { user, refresh_token, status, nonce })
}

/** RFC 6749 §4.1.2: what a code issued ends when it is presented again. */
const reuse = (cx: Context, caller: Caller, code: CodeRow) =>
  endAuthorization(
    cx,
    { id: code.authorization_id, user_id: code.user_id, client_id: code.client_id },
    'code_reused',
    condition`${isCodeReused(cx, code.hash)} and ${isProven(cx, caller)}`,
  )

/**
 * RFC 7636 §4.6, S256 alone. A code without challenge is for clients that prove themselves
 * otherwise.
 */
function provesPossession(
  code: CodeRow,
  code_verifier: string | undefined,
  method: Caller['method'],
): boolean {
  // RFC 9700 §4.8.2: a verifier without challenge means that the challenge was taken away.
  if (code.code_challenge === null) return code_verifier === undefined && method !== 'none'
  if (code_verifier === undefined || !/^[A-Za-z0-9._~-]{43,128}$/.test(code_verifier)) return false
  return equalText(sha256(code_verifier), code.code_challenge)
}
