// Rights that are too wide for a token. A change after which somebody has more rules than a token
// may have is refused when it is made: else it would be taken, and the next token refused. Looked
// at are those whose rights the change makes: the first `EXAMINED_MAX` of them, where there are
// more. Somebody whose rights were too wide before the change hinders nobody.
// Two changes at once could each fit and not both. So what was read is a demand of the write: a
// mark of the grants, roles and groups of each who was looked at (`demandSameRights`). Rules
// themselves are compiled from conditions and templates, which SQL cannot do, so the write cannot
// count them. Groups and devices that come at the same moment are in no mark: then the token is
// refused, in words that say so.
import type { Context } from '../../context.ts'
import {
  type Condition,
  condition,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { loadSettings } from '../../settings.ts'
import { type CompiledAcl, compileAcl, placesByReference } from '../acl_claim.ts'
import { type RightsRows, rightsOf } from '../rights.ts'
import type { OwnDeviceRow, Supposition } from '../rights_store.ts'
import { rightsMark } from './preview_store.ts'

/** Most people, clients and devices that are looked at for one change. */
export const EXAMINED_MAX = 20

/** The reason for an actor that reaches some places alone: numbers would tell of other places. */
export const TOO_WIDE = 'more rules than a token can hold (setting acl_max_rules)'

/** Characters of rules that fit into a token beside its other claims. */
const RULES_MAX_CHARS = 5_400

/** The rights of somebody as they are and as they would be: a group for a read batch. */
export const lookAtRights = (cx: Context, subject: string | Scalar, supposed: Supposition) => ({
  before: rightsOf(subject, cx.now()),
  after: rightsOf(subject, cx.now(), supposed),
})

/** The same with a mark for the write. */
export const markRights = (cx: Context, subject: string | Scalar, supposed: Supposition) => ({
  ...lookAtRights(cx, subject, supposed),
  mark: markOf(subject, cx.now()),
})

const markOf = (subject: string | Scalar, now: number): Statement<{ mark: string; at: number }> =>
  sql`select ${rightsMark(typeof subject === 'string' ? scalar`${subject}` : subject, now)} as mark,
    ${now} as at`

type Look = {
  before: RightsRows
  after: RightsRows
  mark?: readonly { mark: string; at: number }[]
}

/** The state of somebody's rights when they were read. */
export type Mark = { id: string; mark: string; at: number }

/** Why no token could have these rules, in words; or null. */
export function widthFault(compiled: CompiledAcl, acl_max_rules: number): string | null {
  if ('fault' in compiled) return `more than ${acl_max_rules} rules (setting acl_max_rules)`
  const size = JSON.stringify(compiled.rules).length
  return size <= RULES_MAX_CHARS
    ? null
    : `${size} characters of rules, of which ${RULES_MAX_CHARS} fit, whatever acl_max_rules says`
}

/** The same of rows; a token by reference has no rules. */
function faultUnder(
  cx: Context,
  id: string,
  rows: RightsRows,
  acl_max_rules: number,
): string | null {
  if (placesByReference(rows) !== null) return null
  const silent = { ...cx, log: () => {} }
  return widthFault(compileAcl(silent, id, rows, acl_max_rules), acl_max_rules)
}

/** The same under the setting, which is read where there is more than one rule: one always fits. */
async function faultOf(cx: Context, id: string, rows: RightsRows): Promise<string | null> {
  if (faultUnder(cx, id, rows, 1) === null) return null
  const { acl_max_rules } = await loadSettings(cx)
  return faultUnder(cx, id, rows, acl_max_rules)
}

const wordsOf = (who: string, fault: string) => `${who} would get no token any more: ${fault}`

const WAY_OUT =
  'name the house in the rules of the role or type with ${site.id}, so that one rule ' +
  'stands for all its rooms and devices; or grant on fewer places; or raise acl_max_rules'

const tooWide = (who: string, fault: string, pointer: string) =>
  new Problem('conflict', wordsOf(who, fault), [{ pointer, detail: WAY_OUT }], 'too_many_rules')

/** A line that warns of rights as they stand, where they fit into no token; or null. */
export function warnOfWidth(
  cx: Context,
  who: { id: string; name: string },
  rows: RightsRows,
  acl_max_rules: number,
): string | null {
  const fault = faultUnder(cx, who.id, rows, acl_max_rules)
  return fault === null ? null : `${wordsOf(who.name, fault)}; ${WAY_OUT}`
}

/**
 * Throws Problem where somebody would have more rules than a token may. `pointer` is the member of
 * the request that gives them. Answers the mark for the write.
 */
export async function assertFits(
  cx: Context,
  id: string,
  { before, after, mark = [] }: Look,
  pointer: string,
): Promise<Mark[]> {
  const fault = await faultOf(cx, id, after)
  if (fault !== null && (await faultOf(cx, id, before)) === null) {
    throw tooWide(id, cx.actor.reach === undefined ? fault : TOO_WIDE, pointer)
  }
  return mark.map((one) => ({ id, ...one }))
}

/** Whether somebody's rights, as they would be, fit into a token, or did not before either. */
export async function fits(cx: Context, { before, after }: Look): Promise<boolean> {
  return (await faultOf(cx, '', after)) === null || (await faultOf(cx, '', before)) !== null
}

/**
 * The same for the first of many who hold rights that a change makes wider. `own`: the devices
 * among them, as they would be. One round trip, and none where there is nobody.
 */
export async function assertHoldersFit(
  cx: Context,
  concerned: readonly { id: string }[],
  supposed: Supposition,
  pointer: string,
  own: (row: OwnDeviceRow) => OwnDeviceRow = (row) => row,
): Promise<Mark[]> {
  const ids = [...new Set(concerned.map(({ id }) => id))].slice(0, EXAMINED_MAX)
  if (ids.length === 0) return []
  const looks = await cx.db.read(
    Object.fromEntries(ids.map((id, i) => [i, markRights(cx, id, supposed)])),
  )
  const marks: Mark[] = []
  for (const [i, id] of ids.entries()) {
    const look = looks[i]
    if (look === undefined) continue
    const after = { ...look.after, ownDevice: look.after.ownDevice.map(own) }
    // An actor that reaches some places alone may not know who else has rights there.
    const isKnown = cx.actor.reach === undefined || id === cx.actor.id
    try {
      marks.push(...(await assertFits(cx, id, { ...look, after }, pointer)))
    } catch (error) {
      if (isKnown || !(error instanceof Problem)) throw error
      throw tooWide('somebody who has rights there', TOO_WIDE, pointer)
    }
  }
  return marks
}

/**
 * Demands that the rights which were looked at are the same still. `done` holds when this very
 * request has made its change already.
 */
export const demandSameRights = (done: Condition, marks: readonly Mark[]): Statement[] => {
  const [first] = marks
  if (first === undefined) return []
  return [
    refuseUnless(
      condition`${done} or not exists (select 1 from json_each(${JSON.stringify(marks)}) seen
        where seen.value ->> 'mark'
          is not ${rightsMark(scalar`seen.value ->> 'id'`, first.at)})`,
      'rights_changed',
    ),
  ]
}
