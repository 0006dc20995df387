// Decisions of people about texts: which text a person is shown, acceptance, withdrawal, and the
// list of them. A form has a MAC over the person and the text as it was shown, in its language: an
// answer counts for this text alone, and only while it is still the newest of its key.
import { decodeCursor, type PageOf, type PageQuery, pageOf, z } from '../../api.ts'
import { as, type Context } from '../../context.ts'
import { mac, randomId, verifyMac } from '../../crypto.ts'
import { type Condition, condition, join, type Statement, sql } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import type { EndAccess } from '../recovery.ts'
import { endSessionsOf, isSessionLive, type LiveSession, type SessionsEnded } from '../sessions.ts'
import { findUserById, type UserRow } from '../store.ts'
import { noSuchUser } from '../users.ts'
import {
  decisionExists,
  hasAccepted,
  insertDecision,
  isOfferedAs,
  isRequired,
  type ListedDecision,
  listDecisionsAfter,
  listDemanded,
  listLackingConsents,
  listOffered,
  markDecided,
  type OfferedRow,
} from './consent_store.ts'
import { type ConsentTexts, textFor } from './consent_texts.ts'
import { isAsOld, isOldEnough } from './guardians.ts'

export type { OfferedRow }
export { listDemanded, listLackingConsents, listOffered }

/** A text as a person reads it. */
export type Offer = {
  key: string
  required: boolean
  locale: string
  title: string
  /** One of the two. */
  text: string | undefined
  url: string | undefined
  /** The person's last word; `outdated`: about an older version, or of an earlier round. */
  standing: 'none' | 'accepted' | 'outdated' | 'withdrawn'
  decided_at: number | null
  /** The guardian who decided; null: the person, or nobody. */
  guardian: string | null
  /** From when the newest version is demanded. */
  demanded_from: number
  /** The field `shown` of the form: it names the text as it is read here. */
  shown: string
}

const standingOf = (row: OfferedRow): Offer['standing'] => {
  if (row.decision === null) return 'none'
  if (row.decision === 'withdrawn') return 'withdrawn'
  const isNewest = row.decided_version === row.version && row.decided_round === row.round
  return isNewest ? 'accepted' : 'outdated'
}

const PURPOSE = 'consent text'

const boundTo = (reader: string, row: OfferedRow, locale: string): string =>
  JSON.stringify([reader, row.key, row.version, row.revision, row.round, locale])

/** The text in a language that the reader (a user, or whom a mailed link leads) understands. */
export function offerTo(
  cx: Context,
  reader: string,
  row: OfferedRow,
  wished: readonly string[],
): Offer {
  const { locale, title, text, url } = textFor(JSON.parse(row.texts) as ConsentTexts, wished)
  return {
    key: row.key,
    required: row.required === 1,
    locale,
    title,
    text,
    url,
    standing: standingOf(row),
    decided_at: row.decided_at,
    guardian: row.guardian,
    demanded_from: row.demanded_from,
    shown: `${locale}.${mac(cx, PURPOSE, boundTo(reader, row, locale))}`,
  }
}

/**
 * The language in which the text was shown, when the field `shown` is about this very text; null
 * for another version, another person, or a value that was made up.
 */
export function shownLocale(
  cx: Context,
  reader: string,
  row: OfferedRow,
  shown: string | undefined,
): string | null {
  const [locale = '', tag = ''] = (shown ?? '').split('.')
  return verifyMac(cx, PURPOSE, boundTo(reader, row, locale), tag) ? locale : null
}

/** Statements of an acceptance; they do nothing where `when` does not hold. */
export function acceptance(
  cx: Context,
  user_id: string,
  row: OfferedRow,
  { locale, client_id }: { locale: string; client_id: string | null },
  when: Condition,
): readonly Statement[] {
  const { key, version, round } = row
  const id = randomId(cx, 'cns')
  const decision = {
    id,
    user_id,
    key,
    version,
    round,
    locale,
    decision: 'accepted' as const,
    decided_at: cx.now(),
    address: cx.address,
    client_id,
    guardian: null,
    noted_by: null,
  }
  const isMine = decisionExists(id)
  return [
    insertDecision(decision, when),
    markDecided(row, isMine),
    appendEvent(
      as(cx, { kind: 'user', id: user_id }),
      {
        type: 'consent.accepted',
        subject_id: user_id,
        data: { consent: key, version, locale, at_client: client_id },
      },
      isMine,
    ),
  ]
}

/**
 * Notes that the person of the session accepted a text, once however often it is sent. False, and
 * nothing is written, for an answer about another text than the one that is offered now, and for a
 * person who is too young to decide alone. One write.
 */
export async function acceptText(
  cx: Context,
  { session, user }: { session: LiveSession; user: UserRow },
  row: OfferedRow,
  answer: { shown: string | undefined; client_id: string | null },
): Promise<boolean> {
  const { user_id } = session
  const locale = shownLocale(cx, user_id, row, answer.shown)
  if (locale === null || !(await isOldEnough(cx, user))) return false
  const { client_id } = answer
  const when = join(
    [isSessionLive(cx, session), isAsOld(user), isOfferedAs(row), not(hasAccepted(user_id, row))],
    ' and ',
  )
  await cx.db.write(acceptance(cx, user_id, row, { locale, client_id }, when))
  return true
}

const not = (one: Condition): Condition => condition`not (${one})`

/**
 * Takes the person's acceptance of a text back. Without a required one nobody goes on: it ends
 * every session, and every access of applications and assistants; the next sign-in asks for it.
 * True where that is so. One write, and those of `onSessionsEnded`.
 */
export async function withdrawConsent(
  cx: Context,
  session: LiveSession,
  row: OfferedRow,
  { endAccess, onSessionsEnded }: { endAccess: EndAccess; onSessionsEnded: SessionsEnded },
): Promise<boolean> {
  const { user_id } = session
  const { key, decided_version: version, decided_round: round } = row
  if (row.decision !== 'accepted' || version === null || round === null) return false
  const id = randomId(cx, 'cns')
  const acting = as(cx, { kind: 'user', id: user_id })
  const decision = {
    id,
    user_id,
    key,
    version,
    round,
    locale: row.decided_locale ?? '',
    decision: 'withdrawn' as const,
    decided_at: cx.now(),
    address: cx.address,
    client_id: null,
    guardian: null,
    noted_by: null,
  }
  const isMine = decisionExists(id)
  const endsAll = join([isMine, isRequired(key)], ' and ')
  const { signedIn } = await cx.db.write({
    decision: insertDecision(
      decision,
      join([isSessionLive(cx, session), hasAccepted(user_id, { key, version, round })], ' and '),
    ),
    event: appendEvent(
      acting,
      { type: 'consent.withdrawn', subject_id: user_id, data: { consent: key, version } },
      isMine,
    ),
    access: endAccess(acting, user_id, endsAll),
    sessions: endSessionsOf(user_id, endsAll),
    signedIn: sql<{
      sid: string
    }>`select ${session.sid} as sid where ${isSessionLive(cx, session)}`,
  })
  if (signedIn.length > 0) return false
  await onSessionsEnded(acting, user_id)
  return true
}

// --- for operators ----------------------------------------------------------------------------

export const decisionSchema = z
  .object({
    id: z.string(),
    key: z.string(),
    version: z.string(),
    locale: z.string().describe('the language in which it was shown'),
    decision: z.enum(['accepted', 'withdrawn']),
    decided_at: z.int(),
    address: z.string(),
    client_id: z.string().nullable().describe('the application that had sent the person'),
    by: z
      .string()
      .nullable()
      .describe('the guardian who decided for a person who is too young; null: the person'),
    noted_by: z
      .object({ kind: z.string(), id: z.string().nullable() })
      .nullable()
      .describe("the operator who noted a guardian's decision"),
    counts: z
      .boolean()
      .describe('whether it is an acceptance that was neither withdrawn nor asked again'),
  })
  .openapi('ConsentDecision')

const describeDecision = ({ counts, ...row }: ListedDecision): z.infer<typeof decisionSchema> => ({
  id: row.id,
  key: row.key,
  version: row.version,
  locale: row.locale,
  decision: row.decision,
  decided_at: row.decided_at,
  address: row.address,
  client_id: row.client_id,
  by: row.guardian,
  noted_by: row.noted_by === null ? null : JSON.parse(row.noted_by),
  counts: counts === 1,
})

/** The decisions of a user, oldest first. Throws Problem. One round trip. */
export async function listUserDecisions(
  cx: Context,
  user_id: string,
  { limit, cursor }: PageQuery,
): Promise<PageOf<z.infer<typeof decisionSchema>>> {
  const kind = `consents of ${user_id}`
  const after = decodeCursor(cx, kind, cursor)
  const { users, rows } = await cx.db.read({
    users: findUserById(user_id),
    rows: listDecisionsAfter(user_id, after, limit),
  })
  if (users.length === 0) throw noSuchUser()
  return pageOf(cx, kind, rows, limit, (row) => row.id, describeDecision)
}
