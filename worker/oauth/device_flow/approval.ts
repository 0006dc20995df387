// The person's side of the device grant (RFC 8628 §3.3): typing a code, seeing which device asks
// for what, deciding. A typed code is a guess until a row answers to it, so it is counted before it
// is looked up. The decision is that of the person and browser session to which the question was
// shown: nobody approves a question that they have not seen (better-auth CVE-2026-45337). The pages
// are pages/device_page.ts.
import { narrowedRightsOf } from '../../access/narrowed_rights.ts'
import { permissionsSomewhere, rightsOf } from '../../access/rights.ts'
import { addressKey, limit } from '../../attempts.ts'
import { as, type Context } from '../../context.ts'
import { mac, verifyMac } from '../../crypto.ts'
import type { Answers } from '../../db/database.ts'
import { type Scalar, scalar, sql } from '../../db/sql.ts'
import { OAuthError } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import {
  countedInBrowser,
  type KnownBrowsers,
} from '../../identity/known_browsers/known_browsers.ts'
import {
  continuePath,
  firstRequirement,
  type Requirement,
  requirementsOf,
  standingIn,
  standingOf,
} from '../../identity/requirements.ts'
import {
  findSession,
  type LiveSession,
  noteSession,
  touchSession,
  userOf,
} from '../../identity/sessions.ts'
import type { DeviceConsentValues } from '../../pages/device_page.ts'
import type { RightToShow } from '../../pages/rights_in_words.ts'
import { loadSettings } from '../../settings.ts'
import { type Detail, digestOf, storedDetails } from '../authorization_details.ts'
import { epochOf } from '../authorizations/store.ts'
import { describeDetails, toldScopes } from '../authorize/consent.ts'
import { clientDigest } from '../clients/client_digest.ts'
import { type Client, parseClient } from '../clients/clients.ts'
import { clientDemandsFactor, isTooWeakFor } from '../clients/factor_demand.ts'
import { DEVICE_CODE } from '../grant_types.ts'
import { parseScope } from '../scopes.ts'
import { entitlement } from '../tokens/entitlement.ts'
import { readUserCode, userCodeMacs } from './device_authorization.ts'
import {
  type DeviceAuthorizationRow,
  decideDeviceAuthorization,
  detailsOfUserCode,
  findClientOfUserCode,
  findDeviceDecision,
  findWaitingDeviceAuthorization,
  isDecidable,
  isWaiting,
} from './store.ts'

/** The next page for the person. */
export type Step =
  | { step: 'login' }
  /** The person lacks something; `demandsFactor`: the client demands a second factor. */
  | { step: 'requirement'; demandsFactor: boolean }
  | { step: 'enter' }
  | { step: 'refused' }
  | { step: 'too_many_attempts'; retry_after: number }
  | { step: 'confirm'; values: Omit<DeviceConsentValues, 'csrf'> }
  | { step: 'done'; decision: 'allowed' | 'denied' }

/** The login page, which leads back here with the code, if there is one. */
export function deviceLoginPath(code: string): string {
  return `/login?${new URLSearchParams({ return_to: devicePath(code) })}`
}

/** The page that asks for what is missing, which leads back here too. */
export const deviceContinuePath = (
  cx: Context,
  code: string,
  { demandsFactor }: { demandsFactor: boolean },
): string => continuePath(cx, devicePath(code), { demandsFactor })

const devicePath = (code: string): string =>
  code === '' ? '/device' : `/device?${new URLSearchParams({ user_code: code })}`

/** The step before any code. Database round trips: 1; 0 without a cookie. */
export async function firstStep(cx: Context, cookie: string | undefined): Promise<Step> {
  if (cookie === undefined) return { step: 'login' }
  const rows = await cx.db.read(deciderReads(cx, cookie))
  return mayDecide(cx, rows) ?? { step: 'enter' }
}

const deciderReads = (cx: Context, cookie: string | undefined) => ({
  session: findSession(cx, cookie),
  lacking: requirementsOf(cx, standingOf(cx, cookie)),
})

/** The step that goes before a decision, or null: a person who is signed in and lacks nothing. */
function mayDecide(
  cx: Context,
  rows: { session: readonly LiveSession[]; lacking: readonly Requirement[] },
): Step | null {
  const [session] = rows.session
  noteSession(cx, session)
  if (session === undefined) return { step: 'login' }
  return firstRequirement(rows.lacking) === null
    ? null
    : { step: 'requirement', demandsFactor: false }
}

/**
 * Takes a code that was typed. Database round trips, warm: 2, and 1 for authorization_details.
 * Throws OAuthError, which is shown here, when the person has nothing of what the device asks for.
 */
export async function enterUserCode(
  cx: Context,
  typed: string | undefined,
  cookie: string | undefined,
  browsers: KnownBrowsers,
): Promise<Step> {
  const decider = await cx.db.read(deciderReads(cx, cookie))
  const before = mayDecide(cx, decider)
  const [session] = decider.session
  if (before !== null || session === undefined) return before ?? { step: 'login' }
  const code = readUserCode(typed)
  // No guess, for nothing answers to it.
  if (code === null) return { step: 'refused' }

  const { login_attempts_per_account, login_attempts_per_address, login_attempts_window } =
    await loadSettings(cx)
  const window = login_attempts_window
  const { user_id } = session
  const byPerson = limit(
    cx,
    countedInBrowser(cx, { purpose: 'user code person', value: user_id }, browsers, user_id),
    { max: login_attempts_per_account, window },
  )
  const byAddress = limit(
    cx,
    { purpose: 'user code address', value: addressKey(cx.address) ?? `of ${user_id}` },
    { max: login_attempts_per_address, window },
  )
  const tags = userCodeMacs(cx, code)
  const right = isWaiting(cx, tags)
  const { attempts, question: rows } = await cx.db.write({
    attempts: { person: byPerson.take, address: byAddress.take },
    // Only failures count. Whoever is blocked gets nothing back, so the right code does not show.
    giveBack: [
      sql`${byPerson.giveBack} and count <= ${byPerson.max} and ${right}`,
      sql`${byAddress.giveBack} and count <= ${byAddress.max} and ${right}`,
    ],
    question: questionReads(cx, tags, scalar`${user_id}`),
  })
  const person = attempts.person[0]?.count ?? Infinity
  const address = attempts.address[0]?.count ?? Infinity
  if (person > byPerson.max || address > byAddress.max) {
    // Noted once per window, so that guessing does not fill the record.
    if (person === byPerson.max + 1 || address === byAddress.max + 1) {
      await cx.db.write(
        appendEvent(as(cx, { kind: 'user', id: user_id }), {
          type: 'device_authorization.blocked',
          outcome: 'failure',
          subject_id: user_id,
          data: { reason: 'too_many_attempts' },
        }),
      )
    }
    return { step: 'too_many_attempts', retry_after: window }
  }
  const question = questionOf(cx, code, session, rows)
  if (question === null) return { step: 'refused' }
  if (isTooWeakFor(question.client, JSON.parse(session.amr))) {
    return { step: 'requirement', demandsFactor: true }
  }
  const details = await describeDetails(cx, question.details ?? [])
  if (question.scope.length === 0 && details.length === 0) {
    throw new OAuthError('invalid_scope', {
      description: 'the account does not hold what is asked for',
      reason: 'power_not_held',
    })
  }
  return { step: 'confirm', values: valuesOf(cx, question, details) }
}

/** Takes the answer. Database round trips: 2. Throws OAuthError, which is shown here. */
export async function answerDevice(
  cx: Context,
  answer: { code: string | undefined; request: string | undefined; action: 'allow' | 'deny' },
  cookie: string | undefined,
): Promise<Step> {
  const code = readUserCode(answer.code)
  const tags = userCodeMacs(cx, code ?? '')
  const rows = await cx.db.read({
    ...deciderReads(cx, cookie),
    question: questionReads(cx, tags, userOf(cx, cookie)),
  })
  const before = mayDecide(cx, rows)
  const [session] = rows.session
  if (before !== null || session === undefined) return before ?? { step: 'login' }
  const question = questionOf(cx, code ?? '', session, rows.question)
  // One answer for a code that nobody has and for a question that was not asked so: the form, to
  // begin with again.
  if (question === null || !verifyMac(cx, PURPOSE, boundTo(cx, question), answer.request ?? '')) {
    return { step: 'enter' }
  }
  const { row, client, scope, details } = question
  if (isTooWeakFor(client, JSON.parse(session.amr))) {
    return { step: 'requirement', demandsFactor: true }
  }
  const decision = answer.action === 'allow' ? ('allowed' as const) : ('denied' as const)
  const touch = touchSession(cx, session)
  const answers = await cx.db.write({
    // The event first: its condition ends with the decision.
    event: appendEvent(
      as(cx, { kind: 'user', id: session.user_id }),
      {
        type: `authorization.${decision}`,
        subject_id: session.user_id,
        data: { client_id: client.client_id, scope, authorization_id: row.authorization_id },
      },
      isDecidable(cx, row.hash, session),
    ),
    decide: decideDeviceAuthorization(cx, row.hash, session, {
      status: decision,
      scope: scope.join(' '),
      authorization_details: details === undefined ? null : JSON.stringify(details),
      epoch: epochOf({ epoch: session.user_epoch }, client),
    }),
    decision: findDeviceDecision(row.hash, session, decision),
    touch,
    lacking: requirementsOf(cx, standingIn(session), clientDemandsFactor(client.client_id)),
  })
  if (answers.decision.length > 0) return { step: 'done', decision }
  // Something was published since the look.
  const first = firstRequirement(answers.lacking)
  if (first === null) return { step: 'refused' }
  return { step: 'requirement', demandsFactor: first.kind === 'factor' }
}

// --- the question -----------------------------------------------------------------------------

const PURPOSE = 'device consent'

type Question = {
  code: string
  session: LiveSession
  row: DeviceAuthorizationRow
  client: Client
  /** Scopes that can be granted; empty when the person holds nothing of the request. */
  scope: readonly string[]
  /** The part of `authorization_details` that the person holds: the question is about no more. */
  details: readonly Detail[] | undefined
}

/**
 * All that the question to a user is made from, for a batch. Of the rights the grants are enough.
 */
const questionReads = (cx: Context, tags: readonly string[], user_id: Scalar) => ({
  waiting: findWaitingDeviceAuthorization(cx, tags),
  client: findClientOfUserCode(tags),
  rights: { grants: rightsOf(user_id, cx.now()).grants },
  narrowed: { grants: narrowedRightsOf(user_id, detailsOfUserCode(tags), cx.now()).grants },
})

function questionOf(
  cx: Context,
  code: string,
  session: LiveSession,
  rows: Answers<ReturnType<typeof questionReads>>,
): Question | null {
  const [row] = rows.waiting
  const [clientRow] = rows.client
  if (row === undefined || clientRow === undefined || clientRow.status !== 'active') return null
  const client = parseClient(clientRow)
  if (!client.grant_types.includes(DEVICE_CODE)) return null
  const details = storedDetails(row.authorization_details)
  const grantable = (scope: readonly string[]) =>
    entitlement(cx, {
      covered: { scope, resource: JSON.parse(row.resource), authorization_details: details },
      wish: { scope: null, resource: [] },
      clients: [client],
      parties: [
        {
          id: session.user_id,
          permissions: permissionsSomewhere(rows.rights),
          narrowed: rows.narrowed,
        },
      ],
      acl_max_rules: 0,
      isQuestion: true,
    })
  const whole = grantable(parseScope(row.scope))
  // Where the scopes cannot be had, such as those of the management API, the details still may be.
  const found = 'fault' in whole ? grantable([]) : whole
  const nothing = { scope: [], authorization_details: details && [] }
  const { scope, authorization_details } = 'fault' in found ? nothing : found
  return { code, session, row, client, scope, details: authorization_details }
}

/** Code, person, session, client and what was shown: an answer to anything else is none. */
const boundTo = (cx: Context, question: Question): string => {
  const { session, row, client, details = [] } = question
  const shown = [clientDigest(client), digestOf(details), ...scopesToTell(cx, question)]
  return [row.hash, session.user_id, session.id_hash, ...shown].join('\n')
}

const scopesToTell = (cx: Context, { row, client, scope }: Question): readonly string[] =>
  toldScopes(cx, client, JSON.parse(row.resource), scope)

function valuesOf(
  cx: Context,
  question: Question,
  details: readonly RightToShow[],
): Omit<DeviceConsentValues, 'csrf'> {
  const { code, session, row, client } = question
  const resources = JSON.parse(row.resource) as string[]
  const shown = scopesToTell(cx, question).map((name) => ({ kind: 'scope' as const, name }))
  return {
    client_name: client.client_name ?? client.client_id,
    client_id: client.client_id,
    email: session.user_email,
    rights: [...shown, ...details],
    resources,
    code,
    request: mac(cx, PURPOSE, boundTo(cx, question)),
    switch_account: deviceLoginPath(code),
  }
}
