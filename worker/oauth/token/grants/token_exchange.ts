// grant_type=urn:ietf:params:oauth:grant-type:token-exchange (RFC 8693): a client acts for whoever a token of ours is
// about. Delegation alone: the new token names in `act` who acts. It never holds more than both hold, the subject by
// the token and the one who acts by registration and grants, and ends with the subject token. It hangs on the same
// origin, so it dies with it. Nothing is written to issue it, and there is no refresh token.
import type { AclRule } from '../../../../policy/acl.ts'
import {
  compileNarrowedAcl,
  heldNarrowings,
  narrowedRightsOf,
} from '../../../access/narrowed_rights.ts'
import {
  type CompiledAcl,
  compileAcl,
  intersectAcl,
  permissionsEverywhere,
  rightsOf,
} from '../../../access/rights.ts'
import type { Context } from '../../../context.ts'
import type { Answers } from '../../../db/database.ts'
import { scalar } from '../../../db/sql.ts'
import { badRequest, OAuthError } from '../../../errors.ts'
import type { Form } from '../../../http.ts'
import type { Reason } from '../../../refusals.ts'
import { loadSettings } from '../../../settings.ts'
import { narrowDetails } from '../../authorization_details.ts'
import {
  aclClaim,
  holdsScope,
  isRegisteredScope,
  mayNameResource,
  readAsked,
} from '../../authorizations/authorizations.ts'
import { findLiveOrigin, NO_TOKEN } from '../../authorizations/origin_store.ts'
import {
  assertConfidential,
  type Caller,
  writeAs,
} from '../../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../../client_authentication/presented_credentials.ts'
import { type Client, findClientById, parseClient } from '../../clients/clients.ts'
import { isManagementScope, managementAudience, resolveAudience } from '../../scopes.ts'
import {
  accessTokenClaims,
  type Confirmation,
  type ReadToken,
  readAccessToken,
} from '../../tokens/access_token.ts'
import { answerToken, type TokenAnswer } from '../../tokens/token_answer.ts'

export const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange'

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

/** RFC 8693 §2.2.2: one dull answer for a token that does not serve, whatever is wrong with it. */
const unfit = (whose: 'subject' | 'actor', reason: Reason) =>
  badRequest(`the ${whose} token cannot be used`, reason)

const badScope = (description: string, reason: Reason) =>
  new OAuthError('invalid_scope', { description, reason })

const badTarget = (reason: Reason) =>
  new OAuthError('invalid_target', {
    description: 'a token for this resource or audience cannot be had so',
    reason,
  })

/** Throws OAuthError. */
export async function parameters(cx: Context, form: Form, presented: PresentedCredentials) {
  const subject = await readToken(cx, form, 'subject')
  if (subject === null) throw badRequest('subject_token is needed', 'missing_parameter')
  const actor = await readToken(cx, form, 'actor')
  const requested = form.get('requested_token_type')
  if (requested !== undefined && requested !== ACCESS_TOKEN) {
    throw badRequest('requested_token_type can be that of access tokens alone', 'requested_type')
  }
  const asked = readAsked(form)
  const now = cx.now()
  const details = scalar`${JSON.stringify(subject.authorization_details ?? null)}`
  const powersOf = (sub: string) => ({
    rights: rightsOf(sub, now),
    narrowed: narrowedRightsOf(scalar`${sub}`, details, now),
  })
  const reads = {
    origins: {
      subject: findLiveOrigin(subject, now),
      actor: findLiveOrigin(actor ?? NO_TOKEN, now),
    },
    subjectClient: findClientById(subject.client_id),
    subject: powersOf(subject.sub),
    client: powersOf(presented.client_id),
    actor: powersOf(actor?.sub ?? ''),
  }
  // §2.1: `audience` is a name where `resource` is an address; of both only what is registered serves.
  const target = [...new Set([...asked.resource, ...form.all('audience')])]
  return { subject, actor, asked, target, reads }
}

/** RFC 8693 §2.1: a token comes with its type, and a type with its token. */
async function readToken(
  cx: Context,
  form: Form,
  whose: 'subject' | 'actor',
): Promise<ReadToken | null> {
  const token = form.get(`${whose}_token`)
  const type = form.get(`${whose}_token_type`)
  if (token === undefined && type === undefined) return null
  if (token === undefined || type === undefined) {
    throw badRequest(`${whose}_token and ${whose}_token_type go together`, 'missing_parameter')
  }
  if (type !== ACCESS_TOKEN) {
    throw badRequest(`${whose}_token_type can be that of access tokens alone`, `${whose}_type`)
  }
  const read = await readAccessToken(cx, token)
  if (read === null) throw unfit(whose, `${whose}_token_invalid`)
  return read
}

type Parameters = Awaited<ReturnType<typeof parameters>>

/** Throws OAuthError. No write but for a client's proofs. */
export async function redeem(
  cx: Context,
  caller: Caller,
  { subject, actor, asked, target }: Parameters,
  rows: Answers<Parameters['reads']>,
): Promise<TokenAnswer> {
  assertConfidential(caller)
  const { client } = caller
  const [origin] = rows.origins.subject
  const [actorOrigin] = rows.origins.actor
  const [origClient] = rows.subjectClient
  if (origin === undefined || origClient === undefined) throw unfit('subject', 'subject_ended')
  // Things speak for themselves alone.
  if (origin.kind !== 'authorization' && origin.kind !== 'client') {
    throw unfit('subject', 'subject_is_device')
  }
  if (!mayExchange(cx, client, subject)) throw unfit('subject', 'subject_token_of_others')
  if (!isProvenKey(subject.cnf, caller.cnf)) throw unfit('subject', 'subject_token_bound')
  cx.parties.sub = subject.sub
  if (actor !== null) {
    if (actorOrigin?.kind !== 'authorization' && actorOrigin?.kind !== 'client') {
      throw unfit('actor', 'actor_ended')
    }
    // Its own token, or that of a person who signed in to it; not one that acts for somebody already.
    if (actor.client_id !== client.client_id || actor.act !== null) {
      throw unfit('actor', 'actor_token_of_others')
    }
    if (!isProvenKey(actor.cnf, caller.cnf)) throw unfit('actor', 'actor_token_bound')
    // It would bound the new one by less than all that the person may do, which nothing here weighs.
    if (actor.authorization_details !== undefined) throw unfit('actor', 'actor_token_detailed')
  }
  const acting = actor?.sub ?? client.client_id
  // RFC 8693 §4.4
  if (subject.may_act !== null && subject.may_act.sub !== acting) throw unfit('subject', 'may_act')

  const settings = await loadSettings(cx)
  // The third party, where it is a person and not the client once more.
  const third = actor === null || acting === client.client_id ? null : rows.actor

  const wanted = wantedScope(subject, asked.scope, [
    (one) => isRegisteredScope(client, one),
    (one) => isRegisteredScope(parseClient(origClient), one),
    (one) => third === null || actor?.scope.includes(one) === true,
  ])
  const covered = narrowDetails(subject.authorization_details, asked.authorization_details)
  const details =
    covered === undefined
      ? undefined
      : [rows.subject, rows.client, ...(third === null ? [] : [third])].reduce(
          (left, { narrowed }) => heldNarrowings(left, narrowed),
          covered,
        )

  const { mqtt_audience } = cx.config
  const reaches = ({ scope, audience }: ReadToken) =>
    scope.includes('mqtt') || audience.includes(mqtt_audience)
  const reachesMqtt = reaches(subject) && (third === null || (actor !== null && reaches(actor)))
  const leading =
    details !== undefined && target.length === 0 && reachesMqtt ? [...wanted, 'mqtt'] : wanted
  const resolved = resolveAudience(cx, [...new Set(leading)], target)
  const { audience } = resolved
  let scope = resolved.scope.filter((one) => wanted.includes(one))
  if (!audience.every((one) => mayNameResource(cx, client, one, details !== undefined))) {
    throw badTarget('resource_not_registered')
  }
  if (scope.length === 0 && target.length === 0 && details === undefined) {
    throw badScope('there is no scope that both parties have', 'no_common_scope')
  }
  const isMqtt = audience.includes(mqtt_audience)
  if (isMqtt && !reachesMqtt) throw badTarget('mqtt_not_covered')
  if (audience.includes(managementAudience(cx))) {
    const permissions = [rows.subject, ...(third === null ? [] : [third])].map(({ rights }) =>
      permissionsEverywhere(rights),
    )
    scope = scope.filter(
      (one) => isManagementScope(one) && permissions.every((has) => holdsScope(has, one)),
    )
    if (scope.length === 0 || origin.kind !== 'authorization') {
      throw badScope('the subject holds none of the management scopes', 'no_management_role')
    }
  }

  const ends = [subject.exp, ...(actor === null ? [] : [actor.exp])]
  const rules = (max: number): CompiledAcl => {
    const compiled = [
      details === undefined
        ? compileAcl(cx, subject.sub, rows.subject.rights, max)
        : compileNarrowedAcl(
            cx,
            subject.sub,
            details,
            rows.subject.rights,
            rows.subject.narrowed,
            max,
          ),
      compileAcl(cx, client.client_id, rows.client.rights, max),
      ...(third === null ? [] : [compileAcl(cx, acting, third.rights, max)]),
      // Whoever acted before took something away: what that was, the token alone says.
      ...(subject.act === null ? [] : [{ rules: rulesIn(subject), expires_at: null }]),
    ]
    return compiled.reduce((a, b) => intersect(a, b, max))
  }
  const { acl, not_after } = isMqtt
    ? aclClaim(settings, rules)
    : { acl: undefined, not_after: null }
  const claims = accessTokenClaims(cx, {
    origin: subject.origin,
    sub: subject.sub,
    client_id: client.client_id,
    audience,
    scope,
    ttl: client.access_token_ttl ?? settings.access_token_ttl,
    format: client.access_token_format,
    not_after: Math.min(...ends, not_after ?? Number.MAX_SAFE_INTEGER),
    acl,
    cnf: caller.cnf,
    authorization_details: details,
    // §4.1: who acted before stands within
    act: { sub: acting, ...(subject.act === null ? {} : { act: subject.act }) },
  })
  await writeAs(cx, caller, null)
  return { ...(await answerToken(cx, claims)), issued_token_type: ACCESS_TOKEN }
}

/**
 * Whoever a token was made for may go on with it: its audience, and the client that got it for one of our own
 * endpoints. A token that somebody else let slip is of no use here.
 */
function mayExchange(cx: Context, client: Client, { audience, client_id }: ReadToken): boolean {
  const { issuer, mqtt_audience } = cx.config
  const isOurs = (one: string) => [issuer, mqtt_audience, managementAudience(cx)].includes(one)
  const isMine = (one: string) => one === client.client_id || client.resources.includes(one)
  return audience.some(isMine) || (client_id === client.client_id && audience.some(isOurs))
}

/** A token bound to a key is of use only to whoever proves that key in this request (RFC 7800). */
const isProvenKey = (bound: Confirmation | null, proven: Confirmation | null): boolean =>
  bound === null || JSON.stringify(bound) === JSON.stringify(proven)

/** The scope that is asked, which the subject token must have, as far as all `limits` let it through. */
function wantedScope(
  subject: ReadToken,
  asked: readonly string[] | null,
  limits: readonly ((scope: string) => boolean)[],
): string[] {
  if (asked?.some((one) => !subject.scope.includes(one))) {
    throw badScope('the subject token does not have this scope', 'scope_not_covered')
  }
  // There is nothing to refresh.
  const wanted = (asked ?? subject.scope).filter(
    (one) => one !== 'offline_access' && limits.every((lets) => lets(one)),
  )
  if (asked?.some((one) => one !== 'offline_access' && !wanted.includes(one))) {
    throw badScope('one of the parties is not registered for this scope', 'scope_not_registered')
  }
  return wanted
}

/** The rules that a token of ours carries. */
const rulesIn = ({ claims }: ReadToken): AclRule[] => (claims['acl'] as AclRule[] | undefined) ?? []

function intersect(a: CompiledAcl, b: CompiledAcl, max: number): CompiledAcl {
  if ('fault' in a) return a
  if ('fault' in b) return b
  const rules = intersectAcl(a.rules, b.rules)
  if (rules.length > max) return { fault: 'too_many_rules' }
  const ends = [a.expires_at, b.expires_at].filter((one) => one !== null)
  return { rules, expires_at: ends.length === 0 ? null : Math.min(...ends) }
}
