// The tables `consent`, `consent_version` and `consent_decision`. Statements, no rules.
import type { Context } from '../../context.ts'
import { consent, consent_decision, consent_version } from '../../db/schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  list,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'

export type ConsentRow = typeof consent.$inferSelect
export type ConsentVersionRow = typeof consent_version.$inferSelect
export type DecisionRow = typeof consent_decision.$inferSelect

// --- consent ----------------------------------------------------------------------------------

export const findConsent = (key: string): Statement<ConsentRow> =>
  sql`select * from consent where key = ${key}`

export const listConsentsByKeys = (keys: readonly string[]): Statement<ConsentRow> =>
  sql`select * from consent where key in (${list(keys)})`

/** The versions of these keys, oldest first. */
export const listVersionsByKeys = (keys: readonly string[]): Statement<ConsentVersionRow> =>
  sql`select * from consent_version where key in (${list(keys)}) order by key, position`

/** A page of keys behind `after`, and one more. */
export const listConsentsAfter = (after: string, limit: number): Statement<ConsentRow> =>
  sql`select * from consent where key > ${after} order by key limit ${limit + 1}`

/** The versions of the consents of such a page. */
export const listVersionsAfter = (after: string, limit: number): Statement<ConsentVersionRow> =>
  sql`select * from consent_version where key in
    (select key from consent where key > ${after} order by key limit ${limit + 1})
    order by key, position`

/** Demands that no consent has the key, or that this request made it. */
export const demandFreeKey = (cx: Context, key: string): Statement =>
  refuseUnless(
    condition`not exists (select 1 from consent where key = ${key} and rid <> ${cx.rid})`,
    'consent_exists',
  )

/** Demands that the consent stands as it was read, or as this request wrote it. */
export const demandConsentAt = (cx: Context, key: string, version: number): Statement =>
  refuseUnless(
    condition`exists (select 1 from consent where key = ${key}
      and (version = ${version} or (version = ${version + 1} and rid = ${cx.rid})))`,
    'consent_version',
  )

/** Demands that nobody decided about the version: then its texts may still change. */
export const demandUndecided = (cx: Context, key: string, version: string): Statement =>
  refuseUnless(
    condition`not exists (select 1 from consent_version v join consent c on c.key = v.key
      where v.key = ${key} and v.version = ${version} and v.is_decided = 1 and c.rid <> ${cx.rid})`,
    'consent_decided',
  )

export const insertConsent = (row: ConsentRow): Statement =>
  insertWhere(consent, row, condition`true`, sql<never>`on conflict (key) do nothing`)

/** Writes the row over the one before it. A repeated batch writes the same. */
export const updateConsent = (row: ConsentRow): Statement =>
  sql`update consent set required = ${row.required}, round = ${row.round},
      updated_at = ${row.updated_at}, version = ${row.version}, rid = ${row.rid}
    where key = ${row.key}`

export const insertVersion = (row: ConsentVersionRow): Statement =>
  insertWhere(
    consent_version,
    row,
    condition`true`,
    sql<never>`on conflict (key, version) do nothing`,
  )

export const updateVersion = (row: ConsentVersionRow): Statement =>
  sql`update consent_version set texts = ${row.texts}, demanded_from = ${row.demanded_from},
      revision = ${row.revision}
    where key = ${row.key} and version = ${row.version}`

/** How many people stand at each version, by their last decision; `stands` is 0 for withdrawn. */
export const countDecisions = (
  key: string,
): Statement<{
  version: string
  decision: DecisionRow['decision']
  is_in_round: 0 | 1
  people: number
}> =>
  sql`select d.version, d.decision, d.round = c.round as is_in_round, count(*) as people
    from consent_decision d join consent c on c.key = d.key
    where d.key = ${key} and d.seq = ${latestDecision(scalar`d.user_id`, scalar`d.key`)}
    group by d.version, d.decision, is_in_round`

export const countPeople = (): Statement<{ people: number }> =>
  sql`select count(*) as people from user`

// --- decisions --------------------------------------------------------------------------------

const latestDecision = (user_id: string | Scalar, key: string | Scalar): Scalar =>
  scalar`(select max(seq) from consent_decision where user_id = ${user_id} and key = ${key})`

/** The position of the version that is demanded by now; null while none is. */
const demandedPosition = (cx: Context, key: Scalar): Scalar =>
  scalar`(select max(position) from consent_version
    where key = ${key} and demanded_from <= ${cx.now()})`

/**
 * The required consents that a user (a scalar) has not given: neither to the version that is
 * demanded by now nor to a later one, in the present round.
 */
export const listLackingConsents = (
  cx: Context,
  user_id: string | Scalar,
): Statement<{ name: string }> =>
  sql`select c.key as name ${lackedBy(cx, user_id)} and c.required = 1`

/** A condition: the user (a scalar) has not given the consent as it is demanded by now. */
export const lacksConsent = (cx: Context, user_id: Scalar, key: string): Condition =>
  condition`exists (select 1 ${lackedBy(cx, user_id)} and c.key = ${key})`

const lackedBy = (cx: Context, user_id: string | Scalar): Statement<never> =>
  sql`from consent c join consent_version demanded on demanded.key = c.key
      and demanded.position = ${demandedPosition(cx, scalar`c.key`)}
    where not exists (
      select 1 from consent_decision d
      join consent_version v on v.key = d.key and v.version = d.version
      where d.seq = ${latestDecision(user_id, scalar`c.key`)} and d.decision = 'accepted'
        and d.round = c.round and v.position >= demanded.position)`

/** The required consents as they are demanded by now. */
export const listDemanded = (
  cx: Context,
): Statement<{ key: string; round: number; position: number | null }> =>
  sql`select key, round, ${demandedPosition(cx, scalar`consent.key`)} as position
    from consent where required = 1 order by key`

/** A text as it is offered to a person, with the person's last decision. */
export type OfferedRow = {
  key: string
  required: 0 | 1
  round: number
  version: string
  revision: number
  texts: string
  demanded_from: number
  /** Null: the person never decided. */
  decision: DecisionRow['decision'] | null
  decided_version: string | null
  decided_round: number | null
  decided_locale: string | null
  decided_at: number | null
  /** The guardian who decided it. */
  guardian: string | null
}

/** The newest version of each consent, with the last decision of a user (a scalar). */
export const listOffered = (user_id: string | Scalar): Statement<OfferedRow> =>
  sql`select c.key, c.required, c.round, v.version, v.revision, v.texts, v.demanded_from,
      d.decision, d.version as decided_version, d.round as decided_round,
      d.locale as decided_locale, d.decided_at, d.guardian
    from consent c join consent_version v on v.key = c.key
      and v.position = (select max(position) from consent_version where key = c.key)
    left join consent_decision d on d.seq = ${latestDecision(user_id, scalar`c.key`)}
    order by c.key`

/** A text exactly as it was shown to a person. */
export type ShownVersion = { key: string; version: string; revision: number; round: number }

/** A condition: the text is still offered as it was shown. */
export const isOfferedAs = ({ key, version, revision, round }: ShownVersion): Condition =>
  condition`exists (select 1 from consent c join consent_version v on v.key = c.key
    where c.key = ${key} and c.round = ${round} and v.version = ${version}
      and v.revision = ${revision}
      and v.position = (select max(position) from consent_version where key = ${key}))`

/** A condition: the last decision of the user is to accept the version, in this round. */
export const hasAccepted = (
  user_id: string,
  { key, version, round }: Omit<ShownVersion, 'revision'>,
): Condition =>
  condition`exists (select 1 from consent_decision where version = ${version}
    and round = ${round} and decision = 'accepted' and seq = ${latestDecision(user_id, key)})`

export const insertDecision = (row: Omit<DecisionRow, 'seq'>, when: Condition): Statement =>
  insertWhere(consent_decision, row, when, sql<never>`on conflict (id) do nothing`)

/** A condition: the decision is stored. */
export const decisionExists = (id: string): Condition =>
  condition`exists (select 1 from consent_decision where id = ${id})`

/** Marks the version as one about which somebody decided. */
export const markDecided = ({ key, version }: { key: string; version: string }, when: Condition) =>
  sql<never>`update consent_version set is_decided = 1
    where key = ${key} and version = ${version} and is_decided = 0 and (${when})`

/** A condition: the consent is one without which nobody goes on. */
export const isRequired = (key: string): Condition =>
  condition`exists (select 1 from consent where key = ${key} and required = 1)`

/** A decision with whether it counts at present: the last one, to accept, in the present round. */
export type ListedDecision = DecisionRow & { counts: 0 | 1 }

/** A page of a user's decisions behind the id `after`, and one more. */
export const listDecisionsAfter = (
  user_id: string,
  after: string,
  limit: number,
): Statement<ListedDecision> =>
  sql`select d.*, d.decision = 'accepted' and d.round = c.round
      and d.seq = ${latestDecision(scalar`d.user_id`, scalar`d.key`)} as counts
    from consent_decision d join consent c on c.key = d.key
    where d.user_id = ${user_id} and d.id > ${after} order by d.id limit ${limit + 1}`

export const deleteDecisionsOf = (user_id: string): Statement =>
  sql`delete from consent_decision where user_id = ${user_id}`
