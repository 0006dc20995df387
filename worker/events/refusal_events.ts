// Events of refusals: which principal was refused what, and how often. One event for each
// principal, reason and minute, with a count. A process counts in memory and writes behind the
// answer: the first three at once, then one write for ten times as many, and the rest when the
// minute is over. Strangers, that is names of nobody, never write: anybody may use any name.
import { limit } from '../attempts.ts'
import { type Actor, type Context, type Parties, recall, remember } from '../context.ts'
import { type Condition, join, list, type Statement, sql } from '../db/sql.ts'
import { OAuthError, type OAuthErrorCode, type Problem } from '../errors.ts'
import { countEvent } from '../events.ts'

type RefusalType = 'token.refused' | 'client_authentication.failed' | 'escalation.refused'

/** Writes in an hour, about one principal and about all. */
const WRITES_PER_PRINCIPAL = 600
const WRITES_MAX = 6000
const HOUR = 3600

/**
 * Kinds of refusals that a process counts at once; the surplus is not counted. Actors whose token
 * was good have as much room again.
 */
const WAITING_MAX = 500

/**
 * Whether the principal is no mere name: its token was good. Strangers, who may use the names of
 * others, leave such refusals their room, their look-ups and their writes.
 */
const isProven = ({ type }: { type: RefusalType }): boolean => type === 'escalation.refused'

/** Look-ups in a minute of names that are nobody's; after those only known names are written. */
const STRANGERS_MAX = 60

/** Counted together: refusals of one principal for one reason in one minute. */
type Waiting = {
  type: RefusalType
  principal: string
  sub: string | null
  reason: string
  error: string
  minute: number
  first_at: number
  last_at: number
  /** Counted by this process in this minute, and those of them that are not written yet. */
  total: number
  unwritten: number
  /** The last of these requests. */
  request: { actor: Actor; address: string; rid: string; parties: Parties }
}

/** The form of every id of a principal; other names are nobody's. */
const NAME = /^[\x21-\x7e]{1,2048}$/

type State = { waiting: Map<string, Waiting>; strangers: number; strangers_since: number }

const stateOf = (cx: Context): State =>
  recall<State>(cx, 'refusals') ??
  remember<State>(
    cx,
    'refusals',
    { waiting: new Map(), strangers: 0, strangers_since: cx.now() },
    Number.MAX_SAFE_INTEGER / 2,
  )

/** Answers that are a step of the protocol, a word of the person, or a fault of this server. */
const NO_REFUSAL: readonly OAuthErrorCode[] = [
  'access_denied',
  'account_selection_required',
  'authorization_pending',
  'consent_required',
  'interaction_required',
  'login_required',
  'server_error',
  'slow_down',
  'temporarily_unavailable',
  'too_many_requests',
  'unmet_authentication_requirements',
  'use_dpop_nonce',
]

/** The kind of the refusal and its principal; null where there is nobody, or nothing to note. */
function refusedOf(
  { actor, parties }: Context,
  failure: OAuthError | Problem,
): Pick<Waiting, 'type' | 'principal' | 'sub' | 'error'> | null {
  if (!(failure instanceof OAuthError)) {
    if (failure.type !== 'forbidden' || actor.id === null) return null
    return { type: 'escalation.refused', principal: actor.id, sub: null, error: failure.type }
  }
  const { error } = failure
  const { client_id, sub } = parties
  if (NO_REFUSAL.includes(error) || failure.reason === 'unknown_client') return null
  if (error === 'invalid_client') {
    if (client_id === null) return null
    return { type: 'client_authentication.failed', principal: client_id, sub: null, error }
  }
  const principal = client_id ?? sub
  // Without a client, a malformed request of a page is no request for a token.
  if (principal === null || (client_id === null && error === 'invalid_request')) return null
  return { type: 'token.refused', principal, sub: sub === principal ? null : sub, error }
}

/** Counts a refusal; the event is written behind the answer. */
export function noteRefusal(cx: Context, failure: OAuthError | Problem): void {
  const refused = refusedOf(cx, failure)
  if (refused === null || !NAME.test(refused.principal)) return
  const { waiting } = stateOf(cx)
  const now = cx.now()
  const minute = now - (now % 60)
  const key = JSON.stringify([refused.type, refused.principal, failure.reason, minute])
  const before = waiting.get(key)
  const room = isProven(refused) ? 2 * WAITING_MAX : WAITING_MAX
  if (before === undefined && waiting.size >= room) return
  const { actor, address, rid, parties } = cx
  waiting.set(key, {
    ...refused,
    reason: failure.reason,
    minute,
    first_at: before?.first_at ?? now,
    last_at: now,
    total: (before?.total ?? 0) + 1,
    unwritten: (before?.unwritten ?? 0) + 1,
    request: { actor, address, rid, parties: { ...parties } },
  })
  if ([...waiting.values()].some((one) => isDue(one, minute))) cx.background(writeRefusals(cx))
}

/** The first three, each power of ten, and all of a minute that is over. */
const isDue = ({ total, unwritten, minute }: Waiting, present: number): boolean =>
  unwritten > 0 && (minute < present || total <= 3 || /^10+$/.test(String(total)))

/**
 * Writes the events of refusals that are due. One round trip for a principal that is known, else
 * two. Never throws: without its event a refusal still is in the log.
 */
export async function writeRefusals(cx: Context): Promise<void> {
  const { waiting } = stateOf(cx)
  const present = cx.now() - (cx.now() % 60)
  const due: Waiting[] = []
  for (const [key, one] of waiting) {
    if (isDue(one, present)) due.push({ ...one })
    if (one.minute < present) waiting.delete(key)
    else if (isDue(one, present)) one.unwritten = 0
  }
  if (due.length === 0) return
  try {
    const names = due.flatMap((one) => (isProven(one) ? [] : one.principal))
    const known = await knownOf(cx, [...new Set(names)])
    const written = due.filter((one) => isProven(one) || known.has(one.principal))
    await cx.db.write(written.flatMap((one) => refusalEvent(cx, one)))
  } catch (error) {
    cx.log('warn', 'events of refusals were not written', { error: String(error) })
  }
}

/** The names of principals that are there. */
async function knownOf(cx: Context, names: readonly string[]): Promise<ReadonlySet<string>> {
  const keyOf = (name: string) => `principal ${name}`
  const known = new Set(names.filter((name) => recall(cx, keyOf(name)) === true))
  const state = stateOf(cx)
  if (state.strangers_since + 60 <= cx.now()) {
    state.strangers = 0
    state.strangers_since = cx.now()
  }
  const open = names.filter((name) => !known.has(name))
  if (open.length === 0 || state.strangers >= STRANGERS_MAX) return known
  // Counted before the answer, so that a burst does not slip through.
  state.strangers += open.length
  const rows = await cx.db.read(
    sql<{
      id: string
    }>`select id from principal where id in (${list(open)}) and deleted_at is null`,
  )
  state.strangers -= rows.length
  for (const { id } of rows) {
    remember(cx, keyOf(id), true, 60)
    known.add(id)
  }
  return known
}

/** Inserts the event, or adds to the count of the one that is there. */
function refusalEvent(cx: Context, one: Waiting): readonly Statement[] {
  const { type, principal, sub, reason, error, minute, first_at, last_at, request } = one
  const counts = { reason, error, count: one.unwritten, last_at }
  const entry =
    type === 'token.refused'
      ? ({ type, outcome: 'failure', subject_id: principal, data: { ...counts, sub } } as const)
      : ({ type, outcome: 'failure', subject_id: principal, data: counts } as const)
  const apart = isProven(one) ? 'proven ' : ''
  const limits = [
    [{ purpose: `${apart}refusal events`, value: principal }, WRITES_PER_PRINCIPAL],
    [{ purpose: `all ${apart}refusal events`, value: '' }, WRITES_MAX],
  ] as const
  const counted = limits.map(([key, max]) => limit(cx, key, { max, window: HOUR }))
  const within = join(
    counted.map(({ isWithin }): Condition => isWithin),
    ' and ',
  )
  const of = { ...cx, ...request, now: () => first_at }
  const addition = countEvent(of, entry, { count: one.unwritten, last_at, minute }, within)
  return [...counted.map(({ take }) => take), addition]
}
