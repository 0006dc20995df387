// grant_type=urn:ietf:params:oauth:grant-type:token-exchange (RFC 8693): a client acts for the
// subject of a token of this issuer. Delegation alone: the new token names in `act` who acts. It
// never holds more than both hold, the subject by the token and the one who acts by registration
// and grants, and ends with the subject token. It hangs on the same origin, so it dies with it.
// Nothing is written to issue it, and there is no refresh token.
import type { AclRule } from '../../../../policy/acl.ts'
import { narrowedRightsOf } from '../../../access/narrowed_rights.ts'
import { type HeldPermissions, permissionsSomewhere, rightsOf } from '../../../access/rights.ts'
import type { Context } from '../../../context.ts'
import type { Answers } from '../../../db/database.ts'
import { scalar } from '../../../db/sql.ts'
import { badRequest } from '../../../errors.ts'
import type { Form } from '../../../http.ts'
import type { Reason } from '../../../refusals.ts'
import { loadSettings } from '../../../settings.ts'
import { statusClaimOf } from '../../../status/entry_store.ts'
import { readWish } from '../../authorizations/authorizations.ts'
import { findExchange, noteExchange } from '../../authorizations/exchange_store.ts'
import { findLiveOrigin, partiesOf, sumEpochs } from '../../authorizations/origin_store.ts'
import {
  findAuthorization,
  findUserOf,
  subjectOfAuthorization,
} from '../../authorizations/store.ts'
import {
  assertConfidential,
  type Caller,
  isProven,
  writeAs,
} from '../../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../../client_authentication/presented_credentials.ts'
import { isServedBy } from '../../clients/client_metadata.ts'
import { findClientById } from '../../clients/clients.ts'
import { clientOf } from '../../clients/recent_clients.ts'
import { TOKEN_EXCHANGE } from '../../grant_types.ts'
import {
  type Act,
  accessTokenClaims,
  type Confirmation,
  type ReadToken,
  readAccessToken,
} from '../../tokens/access_token.ts'
import {
  assertEntitled,
  type EntitlementFault,
  earliest,
  entitlement,
  type FaultWords,
  type Party,
} from '../../tokens/entitlement.ts'
import { isPowerfulScope } from '../../tokens/powers.ts'
import { readReferenceToken } from '../../tokens/reference_token.ts'
import {
  accessTokenRights,
  accessTokenRightsEnd,
  hasRightsScope,
  rightsClaimsOf,
} from '../../tokens/rights_claims.ts'
import { answerToken, type TokenAnswer } from '../../tokens/token_answer.ts'

export const grant_type = TOKEN_EXCHANGE

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

/** RFC 8693 §2.2.2: one dull answer for a token that does not serve, whatever is wrong with it. */
const unfit = (whose: 'subject' | 'actor', reason: Reason) =>
  badRequest(`the ${whose} token cannot be used`, reason)

/** Throws OAuthError. */
export async function parameters(cx: Context, form: Form, presented: PresentedCredentials) {
  const subject = await readToken(cx, form, 'subject')
  if (subject === null) throw badRequest('subject_token is needed', 'missing_parameter')
  const actor = await readToken(cx, form, 'actor')
  const requested = form.get('requested_token_type')
  if (requested !== undefined && requested !== ACCESS_TOKEN) {
    throw badRequest('requested_token_type can be that of access tokens alone', 'requested_type')
  }
  const wish = readWish(form)
  const now = cx.now()
  const details = scalar`${JSON.stringify(subject.authorization_details ?? null)}`
  // The new token holds no more than the subject token: where that one leads elsewhere, nobody's
  // rights are of use.
  const isPowerful =
    subject.scope.some(isPowerfulScope) ||
    subject.authorization_details !== undefined ||
    subject.audience.includes(cx.config.mqtt_audience)
  const powersFor = (sub: string) =>
    isPowerful
      ? { rights: rightsOf(sub, now), narrowed: narrowedRightsOf(scalar`${sub}`, details, now) }
      : null
  // §4.1: the party that acted before stands within.
  const act: Act = {
    sub: actor?.sub ?? presented.client_id,
    ...(subject.act === null ? {} : { act: subject.act }),
  }
  const reads = {
    origins: {
      subject: findLiveOrigin(subject, now),
      actor: actor === null ? null : findLiveOrigin(actor, now),
    },
    noted: findExchange(subject.origin, partiesOnce(presented.client_id, act)),
    epochs: sumEpochs(subject.origin, { client_id: presented.client_id, act }),
    subjectClient: findClientById(subject.client_id),
    authorization:
      subject.client_id === presented.client_id ? findAuthorization(subject.origin) : null,
    subject: powersFor(subject.sub),
    person: findUserOf(subjectOfAuthorization(subject.origin)),
    // The subject of a pairwise client's token is no user's id, so it is found by the origin.
    claimRows: hasRightsScope(subject.scope)
      ? rightsClaimsOf(
          subjectOfAuthorization(subject.origin),
          scalar`${subject.scope.join(' ')}`,
          presented.client_id,
          now,
        )
      : null,
    client: powersFor(presented.client_id),
    actor: actor === null || actor.sub === presented.client_id ? null : powersFor(actor.sub),
  }
  // §2.1: `audience` is a name where `resource` is an address; of both only what is registered
  // serves.
  const resource = [...new Set([...wish.resource, ...form.all('audience')])]
  return { subject, actor, act, wish: { ...wish, resource }, reads }
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
  if (read !== null) return read
  const isSmall = (await readReferenceToken(cx, token)) !== null
  throw unfit(whose, isSmall ? `${whose}_is_device` : `${whose}_token_invalid`)
}

type Parameters = Awaited<ReturnType<typeof parameters>>

/** Throws OAuthError. No write but for a client's proofs, and for an actor that is new. */
export async function redeem(
  cx: Context,
  caller: Caller,
  { subject, actor, act, wish }: Parameters,
  rows: Answers<Parameters['reads']>,
): Promise<TokenAnswer> {
  assertConfidential(caller)
  const { client } = caller
  const { origin, subjectClient } = assertSubject(cx, caller, subject, rows)
  // For the record of events, which knows a person by the id alone.
  cx.parties.sub = rows.person[0]?.id ?? subject.sub
  if (actor !== null) assertActor(caller, actor, rows)
  const acting = act.sub
  // RFC 8693 §4.4
  if (subject.may_act !== null && subject.may_act.sub !== acting) throw unfit('subject', 'may_act')

  const settings = await loadSettings(cx)
  // The third party, where it is a person and not the client once more.
  const third = actor === null || acting === client.client_id ? null : rows.actor

  const found = entitlement(cx, {
    covered: {
      scope: lasting(subject.scope),
      resource: allowedResource(caller, subject, rows),
      authorization_details: subject.authorization_details,
    },
    wish: { ...wish, scope: wish.scope && lastingOf(subject, wish.scope) },
    clients: [client, subjectClient],
    parties: [
      {
        id: subject.sub,
        // Of a client that got the token for itself the registration would be all; nobody acts for
        // it there.
        ...powersOfParty(rows.subject),
        ...(origin.kind === 'client' ? { permissions: NONE } : {}),
        token: subject,
      },
      { id: client.client_id, ...powersOfParty(rows.client), permissions: null },
      ...(third === null || actor === null
        ? []
        : [
            {
              id: acting,
              ...powersOfParty(third),
              token: actor,
            },
          ]),
    ],
    acl_max_rules: settings.acl_max_rules,
    isStrict: true,
    mayLackScope: true,
    // The principals that acted before took something away: how much, the token alone says.
    within: subject.act === null ? undefined : rulesIn(subject),
  })
  const { not_after, granted: _, ...content } = assertEntitled(found, WORDS)
  const claimedRights = accessTokenRights(cx, client, content, rows.claimRows)
  const claims = accessTokenClaims(cx, {
    origin: subject.origin,
    epoch: rows.epochs[0]?.epoch,
    sub: subject.sub,
    client_id: client.client_id,
    ttl: client.access_token_ttl ?? settings.access_token_ttl,
    format: client.access_token_format,
    cnf: caller.cnf,
    first_party: [client, subjectClient].every((one) => one.first_party) && isFirstParty(subject),
    ...content,
    rights_claims: claimedRights,
    // The new token ends with the tokens that it rests on.
    not_after: earliest(
      not_after,
      subject.exp,
      actor?.exp ?? null,
      caller.until,
      accessTokenRightsEnd(claimedRights, rows.claimRows),
    ),
    act,
  })
  const parties = partiesOnce(client.client_id, act)
  const areNoted = ([found]: readonly { n: number }[]) => found?.n === parties.length
  if (areNoted(rows.noted)) {
    await writeAs(cx, caller, null)
  } else {
    const { noted } = await writeAs(cx, caller, {
      note: noteExchange(subject.origin, parties, isProven(cx, caller)),
      noted: findExchange(subject.origin, parties),
    })
    // One of them has ended since it was read.
    if (!areNoted(noted)) throw unfit('subject', 'subject_ended')
  }
  // The entry is that of the origin, which the subject token still has. Without one it is of before
  // there were lists, and the new token does not outlive it.
  const status = subject.status === null ? null : statusClaimOf(cx, subject.status)
  return { ...(await answerToken(cx, claims, status)), issued_token_type: ACCESS_TOKEN }
}

/** One of the version before says nothing: its clients alone decide. */
const isFirstParty = ({ claims }: ReadToken): boolean => claims['first_party'] !== false

const partiesOnce = (client_id: string, act: Act): string[] => [
  ...new Set(partiesOf({ client_id, act })),
]

/** The powers of a party, as they were read. */
const powersOfParty = (
  powers: Answers<Parameters['reads']>['subject'],
): Pick<Party, 'permissions' | 'rights' | 'narrowed'> =>
  Array.isArray(powers)
    ? { permissions: 'not_read' }
    : { ...powers, permissions: permissionsSomewhere(powers.rights) }

type Exchanging = Extract<Caller, { kind: 'client' }>

/**
 * Throws OAuthError where the subject token does not serve this client, or its origin has ended.
 */
function assertSubject(
  cx: Context,
  { client, cnf }: Exchanging,
  subject: ReadToken,
  rows: Answers<Parameters['reads']>,
) {
  const [origin] = rows.origins.subject
  const [row] = rows.subjectClient
  if (origin === undefined) throw unfit('subject', 'subject_ended')
  // Things speak for themselves alone.
  if (origin.kind !== 'authorization' && origin.kind !== 'client') {
    throw unfit('subject', 'subject_is_device')
  }
  if (row === undefined) throw unfit('subject', 'subject_ended')
  // A token is exchanged by those that it was made for: the service that it is sent to, and the
  // client that got it. A token that somebody else let slip is of no use here.
  if (!isServedBy(client, subject.audience) && subject.client_id !== client.client_id) {
    throw unfit('subject', 'subject_token_of_others')
  }
  if (!isProvenKey(subject.cnf, cnf)) throw unfit('subject', 'subject_token_bound')
  return { origin, subjectClient: clientOf(cx, row) }
}

/** Throws OAuthError where the actor token does not serve this client, or its origin has ended. */
function assertActor(
  { client, cnf }: Exchanging,
  actor: ReadToken,
  rows: Answers<Parameters['reads']>,
): void {
  const [origin] = rows.origins.actor
  if (origin === undefined) throw unfit('actor', 'actor_ended')
  if (origin.kind !== 'authorization' && origin.kind !== 'client') {
    throw unfit('actor', 'actor_is_device')
  }
  // Its own token, or that of a person who signed in to it; not one that acts for somebody already.
  if (actor.client_id !== client.client_id || actor.act !== null) {
    throw unfit('actor', 'actor_token_of_others')
  }
  if (!isProvenKey(actor.cnf, cnf)) throw unfit('actor', 'actor_token_bound')
  // It would bound the new one by less than all that the person may do, which nothing here weighs.
  if (actor.authorization_details !== undefined) throw unfit('actor', 'actor_token_detailed')
}

/**
 * The resources to which the exchange may lead. A service goes on to those that it is registered
 * for (null): its caller's person cannot know of them. A client that got the token itself goes only
 * where the person let it go, as by a refresh token, or it would leave out the question.
 */
function allowedResource(
  { client }: Exchanging,
  subject: ReadToken,
  rows: Answers<Parameters['reads']>,
): readonly string[] | null {
  if (isServedBy(client, subject.audience)) return null
  const [own] = rows.authorization
  return own?.client_id === client.client_id ? JSON.parse(own.resource) : null
}

/** A token bound to a key is of use only to whoever proves that key in this request (RFC 7800). */
const isProvenKey = (bound: Confirmation | null, proven: Confirmation | null): boolean =>
  bound === null || JSON.stringify(bound) === JSON.stringify(proven)

/** There is nothing to refresh. */
const lasting = (scope: readonly string[]) => scope.filter((one) => one !== 'offline_access')

/**
 * The wish without `offline_access`, where the subject token has that; a scope that it lacks is
 * refused.
 */
const lastingOf = (subject: ReadToken, scope: readonly string[]) =>
  subject.scope.includes('offline_access') ? lasting(scope) : scope

const NONE: HeldPermissions = new Map()

const BAD_TARGET = 'a token for this resource or audience cannot be had so'

const WORDS: Partial<Record<EntitlementFault, FaultWords>> = {
  scope_not_covered: {
    description: 'the subject token does not have this scope',
    reason: 'scope_not_covered',
  },
  scope_not_registered: {
    description: 'one of the parties is not registered for this scope',
    reason: 'scope_not_registered',
  },
  no_scope: {
    description: 'there is no scope that both parties have',
    reason: 'no_common_scope',
  },
  resource_not_registered: { description: BAD_TARGET, reason: 'resource_not_registered' },
  resource_not_covered: { description: BAD_TARGET, reason: 'resource_not_covered' },
}

/** The rules that an access token carries. */
const rulesIn = ({ claims }: ReadToken): AclRule[] => (claims['acl'] as AclRule[] | undefined) ?? []
