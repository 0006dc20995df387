// grant_type=refresh_token (RFC 6749 §6, RFC 9700 §4.14.2). Clients that prove themselves keep
// their token, and so do those whose token is bound to a key; other public ones rotate: a token is
// good if it, or its parent, is the family's head; using it makes it the head; any other genuine
// token of the family revokes the family. So a lost answer strands nobody.
import type { Context } from '../../../context.ts'
import { sha256 } from '../../../crypto.ts'
import type { Answers } from '../../../db/database.ts'
import type { Condition, Statement } from '../../../db/sql.ts'
import { OAuthError } from '../../../errors.ts'
import { appendEvent } from '../../../events.ts'
import type { Form } from '../../../http.ts'
import { isUsable } from '../../../identity/users.ts'
import type { Reason } from '../../../refusals.ts'
import { loadSettings } from '../../../settings.ts'
import { endedEvent, entitleClient, readWish } from '../../authorizations/authorizations.ts'
import {
  findRefreshToken,
  type RefreshTokenRow,
  sourceOfRefreshToken,
  useRefreshToken,
} from '../../authorizations/refresh_token_store.ts'
import { epochOf, findUserOf, isIdle } from '../../authorizations/store.ts'
import {
  type Caller,
  isProven,
  writeAs,
} from '../../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../../client_authentication/presented_credentials.ts'
import { provesBinding } from '../../client_authentication/sender_constraint.ts'
import { isLink } from '../../clients/presets.ts'
import { powersReads } from '../../tokens/powers.ts'
import { rightsClaimsOf } from '../../tokens/rights_claims.ts'
import { answerSignIn, newRefreshToken, type TokenAnswer } from '../../tokens/token_answer.ts'

export const grant_type = 'refresh_token'

/** Throws OAuthError invalid_request when the token is missing. */
export function parameters(cx: Context, form: Form, { client_id }: PresentedCredentials) {
  const presented = form.get('refresh_token')
  if (presented === undefined) {
    throw new OAuthError('invalid_request', {
      description: 'refresh_token is needed',
      reason: 'missing_parameter',
    })
  }
  const hash = sha256(presented)
  const source = sourceOfRefreshToken(hash)
  const wish = readWish(form)
  const reads = {
    token: findRefreshToken(hash),
    user: findUserOf(source.subject),
    powers: powersReads(cx, client_id, wish, source),
    claimRows: rightsClaimsOf(source.subject, source.scope, client_id, cx.now()),
  }
  return { wish, reads }
}

type Parameters = ReturnType<typeof parameters>

const refused = (reason: Reason) =>
  new OAuthError('invalid_grant', {
    description: 'the refresh token is not valid, or no longer',
    reason,
  })

/**
 * Throws OAuthError. One write; what is refused before it (a locked user, too wide a scope) harms
 * no family.
 */
export async function redeem(
  cx: Context,
  caller: Caller,
  { wish }: Parameters,
  rows: Answers<Parameters['reads']>,
): Promise<TokenAnswer> {
  if (caller.kind !== 'client') throw refused('not_a_client')
  const { client } = caller
  const [token] = rows.token
  if (token === undefined) throw refused('unknown_refresh_token')
  if (token.client_id !== client.client_id) throw refused('refresh_token_of_another_client')
  if (!provesBinding(caller, token.cnf)) throw refused('key_of_another')
  cx.parties.sub = token.user_id
  const settings = await loadSettings(cx)
  const now = cx.now()
  const idle_ttl = settings.refresh_token_idle_ttl
  if (token.revoked_at !== null) throw refused('refresh_token_revoked')
  if (token.expires_at === null || token.expires_at <= now) throw refused('refresh_token_expired')
  if (isIdle(token, now, idle_ttl)) throw refused('refresh_token_idle')
  const [user] = rows.user
  if (user === undefined || !isUsable(user)) throw refused('user_not_usable')
  if (token.epoch !== epochOf(user, client)) throw refused('disabled_since')
  const isStray = token.head !== token.token_hash && token.head !== token.parent
  // A stray token goes on to the write, which judges it by the state of that moment.
  const entitled = isStray ? null : await entitleClient(cx, token, wish, caller, settings, rows)

  const successor = caller.method === 'none' && token.cnf === null ? newRefreshToken(cx) : null
  const child = successor === null ? null : sha256(successor)
  const proven = isProven(cx, caller)
  const use = useRefreshToken(token, child, { now, idle_ttl, isProven: proven })
  const answers = await writeAs(cx, caller, {
    advance: use.advance,
    // Before the rest: a token whose child is there is no stray. A client that keeps its token has
    // none.
    insertChild: child === null ? null : use.insertChild,
    child: child === null ? null : use.findChild,
    reuse: endedEvent(cx, token, 'refresh_token_reused', use.isReused),
    revokeStray: use.revokeStray,
    refresh: isLink(client) ? refreshedEvent(cx, token, use.isUsed) : null,
  })
  const uses = child === null ? answers.advance : answers.child
  if (uses.length === 0 || entitled === null) throw refused('refresh_token_stray')

  // OpenID Connect Core §12.2: the first sign-in's times, and no nonce
  return answerSignIn(cx, settings, entitled, token, { user, refresh_token: successor })
}

/** A link has no end of its own, so each use of it is on record. */
const refreshedEvent = (
  cx: Context,
  { id, user_id, client_id }: RefreshTokenRow,
  isUsed: Condition,
): Statement =>
  appendEvent(
    cx,
    {
      type: 'authorization.refreshed',
      subject_id: user_id,
      data: { authorization_id: id, client_id },
    },
    isUsed,
  )
