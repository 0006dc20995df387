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
import { findStatus } from '../../../status/entry_store.ts'
import { tellStatus } from '../../../status/telling.ts'
import {
  type Entitled,
  endedEvent,
  entitleClient,
  readWish,
} from '../../authorizations/authorizations.ts'
import {
  findRefreshToken,
  idOfFamily,
  isOfPlainFamily,
  type RefreshTokenRow,
  sourceOfRefreshToken,
  useRefreshToken,
  useUnreadToken,
} from '../../authorizations/refresh_token_store.ts'
import { epochOf, findUserOf, isIdle } from '../../authorizations/store.ts'
import {
  type Caller,
  isProven,
  writeAs,
} from '../../client_authentication/client_authentication.ts'
import type { Proof } from '../../client_authentication/dpop.ts'
import type { PresentedCredentials } from '../../client_authentication/presented_credentials.ts'
import { provesBinding } from '../../client_authentication/sender_constraint.ts'
import { ownResources } from '../../clients/client_metadata.ts'
import { isClientUrl } from '../../clients/client_url.ts'
import { isLink } from '../../clients/presets.ts'
import { recentClient } from '../../clients/recent_clients.ts'
import { RIGHTS_SCOPES } from '../../scopes.ts'
import { POWERFUL_SCOPES, powersReads } from '../../tokens/powers.ts'
import { rightsClaimsReads } from '../../tokens/rights_claims.ts'
import { answerSignIn, newRefreshToken, type TokenAnswer } from '../../tokens/token_answer.ts'

export const grant_type = 'refresh_token'

/**
 * Throws OAuthError invalid_request when the token is missing. `ahead` uses the token up in the
 * batch that reads it, where its answer is as good as certain; all other requests read first.
 */
export async function parameters(
  cx: Context,
  form: Form,
  credentials: PresentedCredentials,
  proof: Proof | null,
) {
  const { client_id } = credentials
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
    status: findStatus('authorization', idOfFamily(hash)),
    powers: powersReads(cx, client_id, wish, source),
    claimRows: rightsClaimsReads(cx, client_id, source),
  }
  const isPlain = proof === null && asksForNothing(form) ? isPlainOf(cx, credentials) : null
  const successor = isPlain === null ? null : newRefreshToken(cx)
  const { refresh_token_idle_ttl: idle_ttl } = await loadSettings(cx)
  const ahead =
    isPlain === null || successor === null
      ? null
      : useUnreadToken(hash, sha256(successor), { now: cx.now(), idle_ttl, isPlain })
  return { wish, successor, isWritten: ahead !== null, reads: { ...reads, ahead } }
}

type Parameters = Awaited<ReturnType<typeof parameters>>

const asksForNothing = (form: Form): boolean =>
  ['scope', 'resource', 'authorization_details'].every((name) => form.get(name) === undefined)

/** Scopes of which a token may be refused for more than the state of its family. */
const UNCERTAIN_SCOPES = [...POWERFUL_SCOPES, ...RIGHTS_SCOPES]

/**
 * A condition on the row of `authorization`: with the client as it was read lately, and if it is so
 * still, nothing but the state of the family can speak against a token. Null where the client does
 * not rotate its tokens, or has to prove something that the code judges.
 */
function isPlainOf(cx: Context, { method, client_id }: PresentedCredentials): Condition | null {
  const client = recentClient(cx, client_id)
  if (
    client === undefined ||
    method !== 'none' ||
    client.token_endpoint_auth_method !== 'none' ||
    !client.grant_types.includes(grant_type) ||
    client.dpop_bound_access_tokens ||
    client.tls_client_certificate_bound_access_tokens ||
    // A PASETO has one audience. A document may have run out, and a vendor hears words of its own.
    client.access_token_format === 'paseto' ||
    client.profile !== null ||
    isClientUrl(client_id) ||
    isLink(client)
  ) {
    return null
  }
  const scope = client.scope.filter((one) => !UNCERTAIN_SCOPES.includes(one))
  const own = ownResources(cx)
  const foreign = client.resources.filter((one) => !own.includes(one))
  const resources = [cx.config.issuer, ...foreign]
  return isOfPlainFamily({ ...client, scope }, resources, UNCERTAIN_SCOPES)
}

const refused = (reason: Reason) =>
  new OAuthError('invalid_grant', {
    description: 'the refresh token is not valid, or no longer',
    reason,
  })

/**
 * Throws OAuthError. One write, or none where the token is used up already or is kept and was used
 * lately; what is refused before it (a locked user, too wide a scope) harms no family.
 */
export async function redeem(
  cx: Context,
  caller: Caller,
  { wish, successor: rotated }: Parameters,
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
  // A batch that is repeated reads what came after it was done; its own successor is its answer.
  const isUsed = !Array.isArray(rows.ahead) && rows.ahead.child.length > 0
  if (!isUsed) assertInForce(token, now, idle_ttl)
  const [user] = rows.user
  if (user === undefined || !isUsable(user)) throw refused('user_not_usable')
  if (token.epoch !== epochOf(user, client)) throw refused('disabled_since')
  const isStray = !isUsed && token.head !== token.token_hash && token.head !== token.parent
  // A stray token goes on to the write, which judges it by the state of that moment.
  const entitled = isStray ? null : await entitleClient(cx, token, wish, caller, settings, rows)

  const successor =
    caller.method === 'none' && token.cnf === null ? (rotated ?? newRefreshToken(cx)) : null
  // OpenID Connect Core §12.2: the first sign-in's times, and no nonce
  const answer = async (one: Entitled) =>
    answerSignIn(cx, settings, one, token, {
      user,
      refresh_token: successor,
      status: await tellStatus(cx, 'authorization', token.id, rows.status),
    })
  const isLate = now - token.last_used_at >= Math.min(NOTED_EVERY_MAX, idle_ttl / NOTED_IN_IDLE)
  const isKept = successor === null && token.head === token.token_hash && !isLate
  const isNoted = caller.proofs.length > 0 || isLink(client)
  if (entitled !== null && (isUsed || (isKept && !isNoted))) return answer(entitled)

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

  return answer(entitled)
}

/**
 * The use of a token that is kept is noted when the last note is so old, in seconds or as a part
 * of the time after which it is idle.
 */
const NOTED_EVERY_MAX = 3600
const NOTED_IN_IDLE = 24

function assertInForce(token: RefreshTokenRow, now: number, idle_ttl: number): void {
  if (token.revoked_at !== null) throw refused('refresh_token_revoked')
  if (token.expires_at === null || token.expires_at <= now) throw refused('refresh_token_expired')
  if (isIdle(token, now, idle_ttl)) throw refused('refresh_token_idle')
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
