// Groups: a tree of sites, fleets and teams, with their members. A group can be moved, but never
// below itself. Only an empty group that no grant names can be deleted.
import {
  decodeCursor,
  lineSchema,
  type PageOf,
  type PageQuery,
  type Plan,
  pageOf,
  z,
} from '../api.ts'
import type { Context } from '../context.ts'
import { randomId } from '../crypto.ts'
import { unlessRefused } from '../db/database.ts'
import { type Condition, condition, type Statement, scalar, sql, TRUE } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { appendEvent, changedValues } from '../events.ts'
import {
  assertNothingLacks,
  changedMeanwhile,
  demandNothingLacks,
  demandOperatorLeft,
  lackingOverGroup,
  lackingToMove,
  lackingToRehouse,
  lastOperator,
  leavesAnOperator,
  NOTHING,
} from './power.ts'
import { listHoldersAround, listMovedMembers } from './preview/preview_store.ts'
import { assertHoldersFit, demandSameRights, EXAMINED_MAX } from './preview/wide_rights.ts'
import { buryPrincipal, demandFreeId, idSchema, insertPrincipal } from './principals.ts'
import { assertEverywhere, demandWithinReach, isWithinReach } from './reach/reach.ts'
import {
  DEPTH_MAX,
  deleteGroup,
  deleteMembership,
  demandGroupBefore,
  demandGroupUnused,
  demandGroupVersion,
  demandPlace,
  demandPlaceOfNew,
  findGroup,
  findPlace,
  type GroupRow,
  groupExists,
  groupIs,
  groupIsUnused,
  insertGroup,
  insertMembership,
  listGroupsAfter,
  type PlaceRow,
  updateGroup,
} from './store.ts'

export {
  deleteMembership,
  findGroupsByIds,
  insertManyMemberships,
  insertMembership,
} from './store.ts'

const kindSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,63}$/, 'must be a word in lower case, such as site, fleet or team')
  .openapi({ example: 'site' })

const requireFactorSchema = z
  .boolean()
  .describe('whether people who are members of it, or of a group below, need a second factor')

export const groupInput = z
  .strictObject({
    id: idSchema.optional(),
    kind: kindSchema.default('group'),
    name: lineSchema(200).optional(),
    parent_id: idSchema.nullable().optional(),
    require_factor: requireFactorSchema.default(false),
  })
  .openapi('GroupInput')

export const groupPatch = z
  .strictObject({
    kind: kindSchema.optional(),
    name: lineSchema(200).optional(),
    parent_id: idSchema.nullable().optional(),
    require_factor: requireFactorSchema.optional(),
  })
  .openapi('GroupPatch')

export const groupSchema = z
  .object({
    id: idSchema,
    kind: kindSchema,
    name: lineSchema(200),
    parent_id: idSchema.nullable(),
    require_factor: requireFactorSchema,
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('Group')

export type GroupInput = z.input<typeof groupInput>
export type GroupPatch = z.infer<typeof groupPatch>
type Group = z.infer<typeof groupSchema>

export const describeGroup = ({
  version: _,
  placed_at: _placed,
  require_factor,
  ...group
}: GroupRow): Group => ({
  ...group,
  require_factor: require_factor === 1,
})

/** The group as its caller sees it: the parent of a root of a reach is outside. */
export const showGroup = ({ actor: { reach } }: Context, row: GroupRow): Group => {
  const isRoot = (id: string | null) => reach?.some(({ group_id }) => group_id === id) === true
  const hidesParent = isRoot(row.id) && !isRoot(row.parent_id)
  return { ...describeGroup(row), ...(hidesParent ? { parent_id: null } : {}) }
}

export const noGroup = () => new Problem('not_found', 'there is no such group')

function assertPlace(place: PlaceRow | undefined): void {
  const fault = (type: 'invalid_request' | 'conflict', detail: string) =>
    new Problem(type, 'the group cannot be there', [{ pointer: '/parent_id', detail }])
  if (place?.parent_exists !== 1) throw fault('invalid_request', 'there is no such group')
  if (place.makes_circle === 1) throw fault('conflict', 'a group cannot be below itself')
  if (place.depth > DEPTH_MAX) {
    throw fault('conflict', `groups can be ${DEPTH_MAX} deep; hang it higher up`)
  }
}

/** Fault of a whole tree (id -> parent_id), or null. For callers that write many groups at once. */
export function findTreeFault(parents: ReadonlyMap<string, string | null>): string | null {
  for (const id of parents.keys()) {
    const path = [id]
    for (let up = parents.get(id) ?? null; up !== null; up = parents.get(up) ?? null) {
      if (path.includes(up)) return `the group ${id} would be below itself`
      path.push(up)
      if (path.length > DEPTH_MAX) return `the group ${id} is more than ${DEPTH_MAX} deep`
    }
  }
  return null
}

function rowOf(cx: Context, entry: GroupInput, id: string): GroupRow {
  const now = cx.now()
  return {
    id,
    kind: entry.kind ?? 'group',
    name: entry.name ?? id,
    parent_id: entry.parent_id ?? null,
    require_factor: Number(entry.require_factor ?? false),
    created_at: now,
    updated_at: now,
    placed_at: now,
    version: 1,
  }
}

function creation(cx: Context, row: GroupRow): Statement[] {
  const { id, kind, parent_id } = row
  return [
    demandFreeId(cx, id),
    insertPrincipal(cx, id, 'group'),
    insertGroup(row),
    appendEvent(cx, { type: 'group.created', subject_id: id, data: { kind, parent_id } }),
  ]
}

/** The row after the patch, and the fields that differ. */
function patched(cx: Context, current: GroupRow, { require_factor, ...patch }: GroupPatch) {
  const wanted: Partial<GroupRow> = {
    ...Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)),
    ...(require_factor === undefined ? {} : { require_factor: Number(require_factor) }),
  }
  const fields = (['kind', 'name', 'parent_id', 'require_factor'] as const).filter(
    (field) => wanted[field] !== undefined && wanted[field] !== current[field],
  )
  const row: GroupRow = { ...current, updated_at: cx.now(), version: current.version + 1 }
  for (const field of fields) Object.assign(row, { [field]: wanted[field] })
  if (fields.includes('parent_id')) row.placed_at = cx.now()
  return { row, fields }
}

const change = (cx: Context, current: GroupRow, row: GroupRow, fields: string[]): Statement[] => [
  demandGroupBefore(row),
  updateGroup(row),
  appendEvent(cx, {
    type: 'group.updated',
    subject_id: row.id,
    data: { fields },
    ...changedValues(describeGroup(current), describeGroup(row), fields),
  }),
]

/**
 * Plans an entry. Checks neither its parent nor the tree: see findTreeFault. An entry without an id
 * is always a new group.
 */
export async function planGroup(
  cx: Context,
  entry: GroupInput,
  current: GroupRow | undefined,
): Promise<Plan> {
  if (current === undefined) {
    const fields = Object.keys(entry)
    return {
      change: 'created',
      fields,
      statements: creation(cx, rowOf(cx, entry, entry.id ?? randomId(cx, 'grp'))),
    }
  }
  const { id: _, ...patch } = entry
  const { row, fields } = patched(cx, current, patch)
  if (fields.length === 0) return { change: 'unchanged', fields, statements: [] }
  return { change: 'updated', fields, statements: change(cx, current, row, fields) }
}

/**
 * Makes `groups` the groups of the member. `when` is the condition of the batch that these
 * statements join.
 */
export async function planMemberships(
  cx: Context,
  member_id: string,
  groups: readonly string[],
  current: readonly string[],
  when: Condition = TRUE,
): Promise<Plan> {
  const added = groups.filter((group) => !current.includes(group))
  const removed = current.filter((group) => !groups.includes(group))
  if (added.length === 0 && removed.length === 0) {
    return { change: 'unchanged', fields: [], statements: [] }
  }
  return {
    change: 'updated',
    fields: ['groups'],
    statements: [
      ...added.map((group) => insertMembership(cx, group, member_id, when)),
      ...removed.map((group) => deleteMembership(group, member_id, when)),
      appendEvent(
        cx,
        { type: 'groups.changed', subject_id: member_id, data: { added, removed } },
        when,
      ),
    ],
  }
}

/** The place of a group, which nobody sees below one that is out of reach. */
const findPlaceWithin = (cx: Context, id: string, parent_id: string) =>
  sql<PlaceRow>`select * from (${findPlace(id, parent_id)}) where ${isWithinReach(cx, parent_id)}`

/** Lists those whose rules name what is in the group one by one. */
const holdersAround = (cx: Context, id: string, named: Parameters<typeof listHoldersAround>[1]) =>
  listHoldersAround(scalar`${JSON.stringify([id])}`, named, cx.now(), EXAMINED_MAX)

/**
 * Throws Problem. Round trips: 1 write, and 1 read for a group below another; one more where rules
 * of somebody name each group there.
 */
export async function createGroup(cx: Context, input: GroupInput): Promise<GroupRow> {
  if (input.id !== undefined) {
    // The answer would tell whether somebody else has it.
    assertEverywhere(cx, '/id', 'is chosen by the server for who reaches some places alone')
  }
  if (input.parent_id == null) {
    assertEverywhere(cx, '/parent_id', 'must be one of the groups that the actor reaches')
  }
  const id = input.id ?? randomId(cx, 'grp')
  const parent_id = input.parent_id ?? null
  const demands: Statement[] = []
  if (parent_id !== null) {
    // Roles on the groups above reach a new group as if it were its parent.
    const lacking = lackingToMove(cx, parent_id, parent_id)
    const {
      place: [place],
      lacks,
      holders,
    } = await cx.db.read({
      place: findPlaceWithin(cx, id, parent_id),
      lacks: lacking,
      holders: holdersAround(cx, parent_id, 'rooms'),
    })
    assertPlace(place)
    assertNothingLacks(lacks)
    const groups = JSON.stringify([{ id, parent_id, kind: input.kind ?? 'group' }])
    const marks = await assertHoldersFit(cx, holders, { groups }, '/parent_id')
    demands.push(
      ...demandSameRights(groupExists(id), marks),
      ...demandWithinReach(cx, groupExists(id), parent_id),
      demandPlaceOfNew(id, parent_id),
      ...demandNothingLacks(groupExists(id), lacking),
    )
  }
  const row = rowOf(cx, input, id)
  await unlessRefused(cx.db.write([...demands, ...creation(cx, row)]), (reason) => {
    if (reason !== 'id_taken') throw changedMeanwhile()
    throw new Problem('conflict', 'this id is taken, or was', [
      { pointer: '/id', detail: 'choose another id: ids are never given twice' },
    ])
  })
  return row
}

export async function getGroup(cx: Context, id: string): Promise<GroupRow> {
  const [row] = await cx.db.read(findGroup(id, isWithinReach(cx, id)))
  if (row === undefined) throw noGroup()
  return row
}

/** Throws Problem for a forged cursor. */
export async function listGroups(
  cx: Context,
  { limit, cursor, ...filter }: PageQuery & Parameters<typeof listGroupsAfter>[2],
): Promise<PageOf<Group>> {
  const after = decodeCursor(cx, 'groups', cursor)
  const rows = await cx.db.read(listGroupsAfter(after, limit, filter, cx.actor.reach))
  return pageOf(
    cx,
    'groups',
    rows,
    limit,
    (row) => row.id,
    (row) => showGroup(cx, row),
  )
}

/**
 * The actor needs power over the group, and over the place that it leaves and the one that it
 * enters. Throws Problem. Round trips: 1 read, 1 write; again when others write at the same time.
 */
export async function changeGroup(
  cx: Context,
  id: string,
  patch: GroupPatch,
  demanded: number | null,
): Promise<GroupRow> {
  const parent_id = patch.parent_id ?? null
  const former = scalar`(select parent_id from "group" where id = ${id})`
  const leaving = patch.parent_id === undefined ? NOTHING : lackingToMove(cx, former, id)
  const entering = parent_id === null ? NOTHING : lackingToMove(cx, parent_id, id)
  const over = lackingOverGroup(cx, id)
  const rehousing = lackingToRehouse(
    cx,
    id,
    patch.kind === undefined
      ? scalar`(select kind from "group" where id = ${id})`
      : scalar`${patch.kind}`,
    patch.parent_id === undefined ? former : scalar`${parent_id}`,
  )
  const remains =
    patch.parent_id === undefined ? TRUE : leavesAnOperator(cx.now(), { moved: id, parent_id })
  for (let attempt = 0; attempt < 5; attempt++) {
    const {
      current: [current],
      place: [place],
      lacks,
      lacksHouse,
      lacksThere,
      lacksHere,
      state: [state],
      holders,
      members,
      housed,
    } = await cx.db.read({
      holders: parent_id === null ? [] : [holdersAround(cx, parent_id, 'rooms')],
      members:
        parent_id === null
          ? []
          : [listMovedMembers(id, scalar`${parent_id}`, EXAMINED_MAX, cx.now())],
      housed: patch.kind === undefined ? [] : [holdersAround(cx, id, 'houses')],
      current: findGroup(id, isWithinReach(cx, id)),
      place: findPlaceWithin(cx, id, parent_id ?? ''),
      lacks: over,
      lacksHouse: rehousing,
      lacksThere: leaving,
      lacksHere: entering,
      state: sql<{ remains: number; leaves: number }>`select ${remains} as remains,
        ${isWithinReach(cx, former)} as leaves`,
    })
    if (current === undefined) throw noGroup()
    if (demanded !== null && demanded !== current.version) throw otherVersion()
    const { row, fields } = patched(cx, current, patch)
    if (fields.length === 0) return current
    for (const field of fields) {
      // Topics of rules follow from kinds, and a factor may be a demand of whoever runs the place.
      if (field === 'kind' || field === 'require_factor') {
        assertEverywhere(cx, `/${field}`, 'is changed by who reaches everything')
      }
    }
    assertNothingLacks([...lacks, ...lacksHouse])
    const done = groupIs(row)
    const demands = [
      ...demandWithinReach(cx, done, id),
      ...demandNothingLacks(done, over, ...rehousing),
    ]
    if (fields.includes('parent_id')) {
      if (parent_id === null || state?.leaves !== 1) {
        assertEverywhere(cx, '/parent_id', 'a group stays within the groups that the actor reaches')
      }
      if (parent_id !== null) assertPlace(place)
      assertNothingLacks([...lacksThere, ...lacksHere])
      if (state?.remains !== 1) throw lastOperator()
      demands.push(
        ...demandWithinReach(cx, done, former, scalar`${parent_id}`),
        // Judged again here, so that two moves at once cannot close a circle.
        demandPlace(row),
        ...demandNothingLacks(done, leaving, entering),
        demandOperatorLeft(done, remains),
      )
    }
    if (fields.includes('parent_id') || fields.includes('kind')) {
      const groups = JSON.stringify([{ id, parent_id: row.parent_id, kind: row.kind }])
      const concerned = [...holders, ...members, ...housed]
      const pointer = fields.includes('parent_id') ? '/parent_id' : '/kind'
      const marks = await assertHoldersFit(cx, concerned, { groups }, pointer)
      demands.push(...demandSameRights(done, marks))
    }
    const write = cx.db.write([...demands, ...change(cx, current, row, fields)])
    const reason = await unlessRefused(
      write.then(() => null),
      (one) => one,
    )
    if (reason === null) return row
    if (demanded !== null && reason !== 'rights_changed') throw otherVersion()
  }
  throw changedMeanwhile()
}

const otherVersion = () => new Problem('precondition_failed', 'the group is at another version')

/**
 * Deletes an empty group that no grant names. The groups above may confer roles on it. Throws
 * Problem. Round trips: 1 read, 1 write.
 */
export async function removeGroup(cx: Context, id: string, demanded: number | null): Promise<void> {
  const lacking = lackingOverGroup(cx, id)
  const {
    row: [row],
    lacks,
    use: [use],
  } = await cx.db.read({
    row: findGroup(id, isWithinReach(cx, id)),
    lacks: lacking,
    use: sql<{ unused: number }>`select ${groupIsUnused(id)} as unused`,
  })
  if (row === undefined) throw noGroup()
  if (demanded !== null && demanded !== row.version) throw otherVersion()
  assertNothingLacks(lacks)
  const inUse = () =>
    new Problem(
      'conflict',
      'the group is in use: take away its members, the groups below it and the grants to it or on it first',
    )
  if (use?.unused !== 1) throw inUse()
  const event = { type: 'group.deleted', subject_id: id, data: { kind: row.kind } } as const
  const write = cx.db.write([
    ...demandWithinReach(cx, condition`not ${groupExists(id)}`, id),
    ...(demanded === null ? [] : [demandGroupVersion(id, demanded)]),
    ...demandNothingLacks(condition`not ${groupExists(id)}`, lacking),
    demandGroupUnused(id),
    appendEvent(cx, event, groupExists(id)),
    deleteGroup(id),
    buryPrincipal(cx, id),
  ])
  await unlessRefused(write, (reason) => {
    if (reason === 'power_not_held' || reason === 'out_of_reach') throw changedMeanwhile()
    throw reason === 'group_version' ? otherVersion() : inUse()
  })
}
