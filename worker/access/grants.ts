// Grants: a subject holds a role on an object, perhaps from a time until a time. The subject is a
// user, client, device or group (then also its members and those of the groups below). The object
// is a device, a group (its devices and those of the groups below) or `*`, everything. Rights come
// from grants alone, except those of a device's own type.
import { decodeCursor, type PageOf, type PageQuery, type Plan, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { randomId } from '../crypto.ts'
import { unlessRefused } from '../db/database.ts'
import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { type FieldError, Problem } from '../errors.ts'
import { appendEvent, changedValues } from '../events.ts'
import { conditionSchema, isOfMoment, readsOf } from './conditions/expression.ts'
import {
  assertNothingLacks,
  changedMeanwhile,
  demandNothingLacks,
  demandOperatorLeft,
  lackingToGrant,
  lastOperator,
  leavesAnOperator,
  NOTHING,
} from './power.ts'
import { listConcerned, oneSubject } from './preview/preview_store.ts'
import {
  assertFits,
  assertHoldersFit,
  demandSameRights,
  EXAMINED_MAX,
  type Mark,
  markRights,
} from './preview/wide_rights.ts'
import { findPrincipal, ID_PATTERN, idSchema, principalReference } from './principals.ts'
import { demandWithinReach, isWithinReach } from './reach/reach.ts'
import type { Supposition } from './rights_store.ts'
import {
  deleteGrant,
  demandGrantBefore,
  demandGrantVersion,
  demandNoSameGrant,
  demandPartiesOfGrant,
  findGrant,
  findRole,
  type GrantRow,
  grantExists,
  grantIs,
  idOfSubject,
  insertGrant,
  listGrantsAfter,
  updateGrant,
} from './store.ts'

export { findGrantsByKeys, type NamedGrantRow } from './store.ts'

/** A device, a group or everything, on which a role may be granted. */
export const grantObjectSchema = z
  .string()
  .refine((text) => text === '*' || ID_PATTERN.test(text), {
    message: 'must be the id of a device or a group, or * for everything',
  })
  .openapi({ example: 'site-12' })

const WINDOW = {
  path: ['expires_at'],
  message: 'expires_at must be later than not_before',
}
const isWindow = (grant: {
  not_before?: number | null | undefined
  expires_at?: number | null | undefined
}): boolean =>
  grant.not_before == null || grant.expires_at == null || grant.not_before < grant.expires_at

/** Epoch seconds. */
export const grantEndSchema = z
  .int()
  .min(0)
  .max(253_402_300_799)
  .openapi({ example: 1_800_000_000 })

export const grantInput = z
  .strictObject({
    subject: principalReference,
    role: idSchema,
    object: grantObjectSchema,
    not_before: grantEndSchema.nullable().optional(),
    expires_at: grantEndSchema.nullable().optional(),
    condition: conditionSchema.nullable().optional(),
  })
  .refine(isWindow, WINDOW)
  .openapi('GrantInput')

export const grantPatch = z
  .strictObject({
    not_before: grantEndSchema.nullable().optional(),
    expires_at: grantEndSchema.nullable().optional(),
    condition: conditionSchema.nullable().optional(),
  })
  .refine(isWindow, WINDOW)
  .openapi('GrantPatch')

export const grantSchema = z
  .object({
    id: z.string().openapi({ example: 'grt_01hzy3v9qk3m2c8d5f7g9h1j2k' }),
    subject: idSchema,
    role: idSchema,
    object: grantObjectSchema,
    not_before: grantEndSchema.nullable(),
    expires_at: grantEndSchema.nullable(),
    condition: z.string().nullable(),
    counts_for: z
      .array(z.enum(['evaluation', 'acl', 'power']))
      .describe(
        'where the grant counts: `evaluation` at /access/v1, `acl` in the allowances of tokens, ' +
          '`power` over /v1. With a condition it gives no power, with one over now or context no ' +
          'allowance in a token. Denials of its role stand in tokens then all the same',
      ),
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('Grant')

type CountsFor = z.infer<typeof grantSchema>['counts_for']

const countsFor = (condition: string | null): CountsFor => {
  if (condition === null) return ['evaluation', 'acl', 'power']
  return isOfMoment(condition) ? ['evaluation'] : ['evaluation', 'acl']
}

export type GrantInput = z.infer<typeof grantInput>
export type GrantPatch = z.infer<typeof grantPatch>

export const describeGrant = (row: GrantRow): z.infer<typeof grantSchema> => ({
  id: row.id,
  subject: row.subject_id,
  role: row.role,
  object: row.object_id,
  not_before: row.not_before,
  expires_at: row.expires_at,
  condition: row.condition,
  counts_for: countsFor(row.condition),
  created_at: row.created_at,
  updated_at: row.updated_at,
})

// --- plans ------------------------------------------------------------------------------------

type NewGrant = Omit<GrantRow, 'subject_id'>

const conditionColumns = (condition: string | null) => ({
  condition,
  condition_reads: condition === null ? null : JSON.stringify(readsOf(condition)),
})

const rowOf = (cx: Context, input: GrantInput): NewGrant => ({
  id: randomId(cx, 'grt'),
  role: input.role,
  object_id: input.object,
  not_before: input.not_before ?? null,
  expires_at: input.expires_at ?? null,
  ...conditionColumns(input.condition ?? null),
  created_at: cx.now(),
  updated_at: cx.now(),
  version: 1,
})

type Subject = { id: string | null; sql: Scalar }

const subjectOf = ({ subject }: GrantInput): Subject => ({
  id: subject.includes('@') ? null : subject,
  sql: idOfSubject(subject),
})

const creation = (cx: Context, row: NewGrant, subject: Subject): Statement[] => [
  insertGrant(row, subject.sql),
  appendEvent(
    cx,
    {
      type: 'grant.created',
      subject_id: subject.id,
      data: { grant: row.id, role: row.role, object: row.object_id },
    },
    grantExists(row.id),
  ),
]

function patched(cx: Context, current: GrantRow, patch: GrantPatch) {
  const fields = (['not_before', 'expires_at', 'condition'] as const).filter(
    (field) => patch[field] !== undefined && patch[field] !== current[field],
  )
  const { not_before, expires_at, condition } = { ...current, ...patch }
  const row: GrantRow = {
    ...current,
    not_before: not_before ?? null,
    expires_at: expires_at ?? null,
    ...(condition === current.condition ? {} : conditionColumns(condition ?? null)),
    updated_at: cx.now(),
    version: current.version + 1,
  }
  return { row, fields }
}

/**
 * Makes the grant if its subject is there when the batch runs, and `when` holds. For batches of
 * single use.
 */
export const grantCreation = (
  cx: Context,
  entry: GrantInput,
  when: Condition = TRUE,
): readonly Statement[] => {
  const { id, sql: subject } = subjectOf(entry)
  return creation(cx, rowOf(cx, entry), {
    id,
    sql: scalar`(select subject.id from (select ${subject} as id) subject where ${when})`,
  })
}

const change = (cx: Context, current: GrantRow, row: GrantRow, fields: string[]): Statement[] => [
  demandGrantBefore(row),
  updateGrant(row),
  appendEvent(cx, {
    type: 'grant.updated',
    subject_id: row.subject_id,
    data: { grant: row.id, fields },
    ...changedValues(describeGrant(current), describeGrant(row), fields),
  }),
]

/**
 * Plans an entry. `current` is the oldest grant of the same subject, role and object. The batch
 * looks the subject up when it runs, so an earlier statement of the batch may make it.
 */
export async function planGrant(
  cx: Context,
  entry: GrantInput,
  current: GrantRow | undefined,
): Promise<Plan> {
  if (current === undefined) {
    const row = rowOf(cx, entry)
    const subject = subjectOf(entry)
    const statements = [demandPartiesOfGrant(row, subject.sql), ...creation(cx, row, subject)]
    return { change: 'created', fields: Object.keys(entry), statements }
  }
  const { row, fields } = patched(cx, current, entry)
  if (fields.length === 0) return { change: 'unchanged', fields, statements: [] }
  return { change: 'updated', fields, statements: change(cx, current, row, fields) }
}

// --- use cases --------------------------------------------------------------------------------

/** The rights of a subject with the grant, whatever its times say. */
const supposing = (row: NewGrant, subject: Scalar): Supposition => ({
  without: JSON.stringify([row.id]),
  grants: [{ ...row, subject, object: row.object_id }],
})

/** The first members of a subject that is a group, and of the groups below it. */
const membersOf = (cx: Context, subject: Scalar): Statement<{ id: string }> =>
  listConcerned(
    sql<{ id: string }>`select id from (${oneSubject(subject)}) one
      where exists (select 1 from "group" g where g.id = one.id)`,
    EXAMINED_MAX,
    cx.now(),
  )

const noGrant = () => new Problem('not_found', 'there is no such grant')
const otherVersion = () => new Problem('precondition_failed', 'the grant is at another version')
/**
 * Throws Problem. Round trips: 1 read, 1 write; again when the subject's rights changed in between,
 * and one more for a group with members.
 */
export async function createGrant(cx: Context, input: GrantInput, tries = 5): Promise<GrantRow> {
  const wanted = rowOf(cx, input)
  const { role, object_id } = wanted
  const lacking = lackingToGrant(cx, role, object_id, wanted.expires_at)
  const subject = idOfSubject(input.subject)
  const {
    subjectRow: [subjectRow],
    roleRow: [roleRow],
    objectRow: [objectRow],
    lacks,
    look,
    members,
  } = await cx.db.read({
    subjectRow: sql<{ id: string; kind: string }>`select id, kind from principal
      where id = ${subject} and ${isWithinReach(cx, subject)}`,
    roleRow: findRole(role),
    objectRow: findPrincipal(object_id, isWithinReach(cx, object_id)),
    lacks: lacking,
    look: markRights(cx, subject, supposing(wanted, subject)),
    members: membersOf(cx, subject),
  })
  const errors: FieldError[] = []
  if (subjectRow === undefined) {
    errors.push({ pointer: '/subject', detail: 'there is no such user, client, device or group' })
  }
  if (roleRow === undefined) errors.push({ pointer: '/role', detail: 'there is no such role' })
  const objectKind = objectRow?.deleted_at === null ? objectRow.kind : null
  const isAll = object_id === '*' && cx.actor.reach === undefined
  if (!isAll && objectKind !== 'device' && objectKind !== 'group') {
    errors.push({ pointer: '/object', detail: 'there is no such device or group' })
  }
  if (subjectRow === undefined || errors.length > 0) {
    throw new Problem('invalid_request', 'the grant names something that is not there', errors)
  }
  assertNothingLacks(lacks)
  const { id } = subjectRow
  const marks: Mark[] = []
  if (roleRow?.acl !== '[]') {
    marks.push(...(await assertFits(cx, id, look, '/object')))
    if (subjectRow.kind === 'group') {
      const supposed = supposing(wanted, scalar`${id}`)
      marks.push(...(await assertHoldersFit(cx, members, supposed, '/object')))
    }
  }
  const write = cx.db.write([
    ...demandWithinReach(cx, grantExists(wanted.id), subject, object_id),
    ...demandSameRights(grantExists(wanted.id), marks),
    demandNoSameGrant(wanted, subject),
    demandPartiesOfGrant(wanted, subject),
    ...demandNothingLacks(grantExists(wanted.id), lacking),
    ...creation(cx, wanted, { id, sql: subject }),
  ])
  const reason = await unlessRefused(
    write.then(() => null),
    (one) => one,
  )
  if (reason === null) return { ...wanted, subject_id: id }
  if (reason === 'grant_exists') throw new Problem('conflict', 'there is the same grant already')
  if (reason === 'rights_changed' && tries > 1) return createGrant(cx, input, tries - 1)
  throw changedMeanwhile()
}

export async function getGrant(cx: Context, id: string): Promise<GrantRow> {
  const [row] = await cx.db.read(findGrant(id, isWithinReach(cx, scalar`object_id`)))
  if (row === undefined) throw noGrant()
  return row
}

/** Throws Problem for a forged cursor. */
export async function listGrants(
  cx: Context,
  { limit, cursor, ...filter }: PageQuery & Parameters<typeof listGrantsAfter>[2],
): Promise<PageOf<z.infer<typeof grantSchema>>> {
  const after = decodeCursor(cx, 'grants', cursor)
  const rows = await cx.db.read(listGrantsAfter(after, limit, filter, cx.actor.reach))
  return pageOf(cx, 'grants', rows, limit, (row) => row.id, describeGrant)
}

const isInForce = (cx: Context, { not_before, expires_at }: GrantRow): boolean =>
  (not_before ?? 0) <= cx.now() && (expires_at === null || expires_at > cx.now())

/**
 * Moves the times. Throws Problem. Round trips: 2 reads, 1 write; again when others write at the
 * same time.
 */
export async function changeGrant(
  cx: Context,
  id: string,
  patch: GrantPatch,
  demanded: number | null,
): Promise<GrantRow> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const current = await getGrant(cx, id)
    if (demanded !== null && demanded !== current.version) throw otherVersion()
    const { row, fields } = patched(cx, current, patch)
    if (fields.length === 0) return current
    if (!isWindow(row)) {
      throw new Problem('invalid_request', 'the grant would never hold', [
        { pointer: '/expires_at', detail: WINDOW.message },
      ])
    }
    // The actor must hold the longer of the two: the old end of the grant or the new one.
    const longest =
      current.expires_at === null || row.expires_at === null
        ? null
        : Math.max(current.expires_at, row.expires_at)
    const lacking = lackingToGrant(cx, row.role, row.object_id, longest)
    const lasts =
      row.expires_at === null && row.condition === null && (row.not_before ?? 0) <= cx.now()
    const remains = lasts ? TRUE : leavesAnOperator(cx.now(), { grant: id })
    // Another end or beginning gives no other rules, but where it brings the grant back.
    const isWider = fields.includes('condition') || (!isInForce(cx, current) && isInForce(cx, row))
    const subject = scalar`${row.subject_id}`
    const supposed = supposing(row, subject)
    const {
      lacks,
      state: [state],
      look,
      members,
    } = await cx.db.read({
      lacks: lacking,
      state: sql<{ remains: number }>`select ${remains} as remains`,
      look: markRights(cx, subject, supposed),
      members: isWider ? membersOf(cx, subject) : null,
    })
    assertNothingLacks(lacks)
    if (state?.remains !== 1) throw lastOperator()
    const marks = isWider
      ? [
          ...(await assertFits(cx, row.subject_id, look, `/${fields[0]}`)),
          ...(await assertHoldersFit(cx, members, supposed, `/${fields[0]}`)),
        ]
      : []
    const done = grantIs(row)
    const write = cx.db.write([
      ...demandWithinReach(cx, done, row.object_id),
      ...demandSameRights(done, marks),
      ...demandNothingLacks(done, lacking),
      demandOperatorLeft(done, remains),
      ...change(cx, current, row, fields),
    ])
    const reason = await unlessRefused(
      write.then(() => null),
      (one) => one,
    )
    if (reason === null) return row
    if (demanded !== null && reason !== 'rights_changed') throw otherVersion()
  }
  throw changedMeanwhile()
}

/** Throws Problem. Round trips: 2 reads, 1 write. */
export async function removeGrant(cx: Context, id: string, demanded: number | null): Promise<void> {
  const row = await getGrant(cx, id)
  if (demanded !== null && demanded !== row.version) throw otherVersion()
  const isOver = row.expires_at !== null && row.expires_at <= cx.now()
  // Nobody loses anything by a grant that has run out.
  const lacking = isOver ? NOTHING : lackingToGrant(cx, row.role, row.object_id, row.expires_at)
  const remains = leavesAnOperator(cx.now(), { grant: id })
  const {
    lacks,
    state: [state],
  } = await cx.db.read({
    lacks: lacking,
    state: sql<{ remains: number }>`select ${remains} as remains`,
  })
  assertNothingLacks(lacks)
  if (state?.remains !== 1) throw lastOperator()
  const isThere = grantExists(id)
  const isGone = condition`not ${isThere}`
  const data = { grant: id, role: row.role, object: row.object_id }
  const write = cx.db.write([
    ...demandWithinReach(cx, isGone, row.object_id),
    demandGrantVersion(id, row.version),
    ...demandNothingLacks(isGone, lacking),
    demandOperatorLeft(isGone, remains),
    appendEvent(cx, { type: 'grant.deleted', subject_id: row.subject_id, data }, isThere),
    deleteGrant(id),
  ])
  await unlessRefused(write, (reason) => {
    if (reason === 'last_operator') throw lastOperator()
    throw reason === 'grant_version' && demanded !== null ? otherVersion() : changedMeanwhile()
  })
}
