// People who are too young to decide about texts alone (GDPR Article 8), and the decisions of their
// guardians, which an operator notes: somebody else than the child knows who the guardian is. What
// is kept names the guardian and the operator. Only a birthdate that is in the profile counts, and
// whoever is too young does not change it.
import { assertNothingLacks, demandPower, lackingOver, nameLacks } from '../../access/power.ts'
import { idSchema } from '../../access/principals.ts'
import { lineSchema, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomId } from '../../crypto.ts'
import { type Condition, condition, join, refuseUnless, sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import { readProfile } from '../profile.ts'
import type { EndAccess } from '../recovery.ts'
import { endSessionsOf, type SessionsEnded } from '../sessions.ts'
import { findUserById, type UserRow } from '../store.ts'
import { noSuchUser } from '../users.ts'
import {
  decisionExists,
  hasAccepted,
  insertDecision,
  isOfferedAs,
  isRequired,
  listOffered,
  markDecided,
} from './consent_store.ts'
import { type ConsentTexts, textFor } from './consent_texts.ts'

type Person = Pick<UserRow, 'profile' | 'locale'>

/** The age in years that a birthdate says, at its least; null where it has no year. Pure. */
export function ageOf(birthdate: string, now: number): number | null {
  const [, year = '', day = '12-31'] = /^(\d{4})(?:-(\d{2}-\d{2}))?$/.exec(birthdate) ?? []
  if (year === '' || year === '0000') return null
  const today = new Date(now * 1000).toISOString()
  const isBefore = today.slice(5, 10) < day
  return Number(today.slice(0, 4)) - Number(year) - (isBefore ? 1 : 0)
}

/** The country of a person as a code of ISO 3166-1; null where nothing says it. Pure. */
function countryOf({ profile, locale }: Person): string | null {
  const written = readProfile(profile).address?.country?.trim().toUpperCase() ?? ''
  if (/^[A-Z]{2}$/.test(written)) return written
  return /-([A-Z]{2})(?:-|$)/i.exec(locale ?? '')?.[1]?.toUpperCase() ?? null
}

/** Whether the person decides about texts without a guardian. Pure. */
export function decidesAlone(
  { self_consent_age }: Pick<Settings, 'self_consent_age'>,
  person: Person,
  now: number,
): boolean {
  const { birthdate } = readProfile(person.profile)
  const age = birthdate === undefined ? null : ageOf(birthdate, now)
  if (age === null) return true
  const country = countryOf(person)
  const countries = new Map(Object.entries(self_consent_age.countries))
  return age >= (countries.get(country ?? '') ?? self_consent_age.default)
}

/** The same, by the settings of now. No round trip when warm. */
export const isOldEnough = async (cx: Context, person: Person): Promise<boolean> =>
  decidesAlone(await loadSettings(cx), person, cx.now())

/** A condition: whatever says how old the person is stands as it was read. */
export const isAsOld = ({ id, profile, locale }: Person & { id: string }): Condition =>
  condition`exists (select 1 from user
    where id = ${id} and profile = ${profile} and locale is ${locale})`

// --- for operators ----------------------------------------------------------------------------

export const guardianDecisionInput = z
  .strictObject({
    key: idSchema,
    version: idSchema.describe('the newest version: the one that the guardian read'),
    decision: z.enum(['accepted', 'withdrawn']),
    by: lineSchema(200).describe('the guardian who decided, as the record shall name them'),
    locale: z.string().max(35).optional().describe('the language in which it was read'),
  })
  .openapi('GuardianDecision')

/**
 * Notes what a guardian decided for a person who is too young to decide alone. Answers the id of
 * the decision. Throws Problem not_found, forbidden, conflict. Round trips: 1 read, 1 write, and
 * those of `onSessionsEnded`.
 */
export async function decideForUser(
  cx: Context,
  user_id: string,
  input: z.infer<typeof guardianDecisionInput>,
  { endAccess, onSessionsEnded }: { endAccess: EndAccess; onSessionsEnded: SessionsEnded },
): Promise<string> {
  const lacking = lackingOver(cx, user_id)
  const {
    user: [user],
    offered,
    lacks,
  } = await cx.db.read({
    user: findUserById(user_id),
    offered: listOffered(user_id),
    lacks: lacking,
  })
  assertNothingLacks(lacks)
  if (user === undefined) throw noSuchUser()
  if (await isOldEnough(cx, user)) {
    throw new Problem('conflict', 'this person decides alone: nobody else can', [
      {
        pointer: '/by',
        detail: 'see the birthdate of the person and the setting self_consent_age',
      },
    ])
  }
  const { key, version, decision, by } = input
  const row = offered.find((one) => one.key === key)
  if (row === undefined) throw new Problem('not_found', 'there is no such consent')
  const withdraws = decision === 'withdrawn'
  const stands = { key, version, round: row.round }
  if (row.version !== version && !withdraws) throw anotherVersion()
  const { locale } = textFor(JSON.parse(row.texts) as ConsentTexts, [
    input.locale ?? user.locale ?? '',
  ])
  const id = randomId(cx, 'cns')
  const isMine = decisionExists(id)
  const endsAll = join([isMine, isRequired(key), condition`${withdraws}`], ' and ')
  const may = withdraws ? hasAccepted(user_id, stands) : isOfferedAs(row)
  const { made } = await nameLacks(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      // A batch that is repeated finds its own decision.
      same: refuseUnless(condition`${isMine} or ${isAsOld(user)}`, 'user_version'),
      decision: insertDecision(
        {
          id,
          user_id,
          key,
          version,
          round: row.round,
          locale,
          decision,
          decided_at: cx.now(),
          address: cx.address,
          client_id: null,
          guardian: by,
          noted_by: JSON.stringify({ kind: cx.actor.kind, id: cx.actor.id }),
        },
        may,
      ),
      mark: withdraws ? null : markDecided(row, isMine),
      event: appendEvent(
        cx,
        withdraws
          ? { type: 'consent.withdrawn', subject_id: user_id, data: { consent: key, version } }
          : {
              type: 'consent.accepted',
              subject_id: user_id,
              data: { consent: key, version, locale, at_client: null },
            },
        isMine,
      ),
      access: endAccess(cx, user_id, endsAll),
      sessions: endSessionsOf(user_id, endsAll),
      made: sql<{ id: string }>`select id from consent_decision where id = ${id}`,
    }),
  )
  if (made.length === 0) throw withdraws ? notAccepted() : anotherVersion()
  if (withdraws) await onSessionsEnded(cx, user_id)
  return id
}

const anotherVersion = () =>
  new Problem('conflict', 'another version is offered by now', [
    { pointer: '/version', detail: 'let the guardian read the newest one' },
  ])

const notAccepted = () =>
  new Problem('conflict', 'this version is not accepted, so it cannot be withdrawn')
