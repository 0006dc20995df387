// Members of groups: users, clients and devices. To let one enter or leave is judged by power.ts.
import { decodeCursor, type PageOf, type PageQuery, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { unlessRefused } from '../db/database.ts'
import { condition, type Scalar, type Statement, scalar, sql } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { appendEvent } from '../events.ts'
import { noGroup } from './groups.ts'
import {
  assertMayMove,
  assertNothingLacks,
  changedMeanwhile,
  demandNothingLacks,
  demandOperatorLeft,
  lackingToMoveMember,
  lastOperator,
  leavesAnOperator,
  mayMove,
} from './power.ts'
import { listHoldersAround } from './preview/preview_store.ts'
import {
  assertFits,
  assertHoldersFit,
  demandSameRights,
  EXAMINED_MAX,
  lookAtRights,
} from './preview/wide_rights.ts'
import { idSchema, type PrincipalKind, principalReference } from './principals.ts'
import { demandWithinReach, isWithinReach } from './reach/reach.ts'
import {
  deleteMembership,
  demandMayBeMember,
  findGroup,
  findMember,
  idOfSubject,
  insertMembership,
  isMember,
  listMembersAfter,
  type MemberRow,
} from './store.ts'

export const memberInput = z.strictObject({ id: principalReference }).openapi('GroupMemberInput')

export const memberSchema = z
  .object({ id: idSchema, kind: z.enum(['user', 'client', 'device']), created_at: z.int() })
  .openapi('GroupMember')

type Candidate = { id: string; kind: PrincipalKind; is_member: number; may_move: number }

/**
 * Within a reach, one that is a member there: nobody else is known, and nobody gets to see others
 * by making them members. A person comes in by an invitation.
 */
const findCandidate = (cx: Context, group_id: string, member: Scalar): Statement<Candidate> =>
  sql`select p.id, p.kind, exists (
      select 1 from membership m where m.group_id = ${group_id} and m.member_id = p.id) as is_member,
      ${mayMove(cx, member)} as may_move
    from principal p where p.id = ${member} and p.deleted_at is null
      and ${isWithinReach(cx, member)}`

/** The direct members. Throws Problem. */
export async function listMembers(
  cx: Context,
  id: string,
  { limit, cursor, kind }: PageQuery & { kind?: MemberRow['kind'] | undefined },
): Promise<PageOf<MemberRow>> {
  const list = `members ${id}`
  const after = decodeCursor(cx, list, cursor)
  const {
    group: [group],
    rows,
  } = await cx.db.read({
    group: findGroup(id, isWithinReach(cx, id)),
    rows: listMembersAfter(id, after, limit, kind),
  })
  if (group === undefined) throw noGroup()
  return pageOf(
    cx,
    list,
    rows,
    limit,
    (row) => row.id,
    (row) => row,
  )
}

/** Makes a user, client or device a member. Throws Problem. Round trips: 1 read, 1 write. */
export async function addMember(
  cx: Context,
  group_id: string,
  reference: string,
): Promise<{ member: MemberRow; added: boolean }> {
  const member = idOfSubject(reference)
  const lacking = lackingToMoveMember(cx, group_id, reference, member)
  const groups = JSON.stringify([group_id])
  const {
    group: [group],
    candidate: [candidate],
    lacks,
    look,
    thing: [thing],
    holders,
  } = await cx.db.read({
    group: findGroup(group_id, isWithinReach(cx, group_id)),
    candidate: findCandidate(cx, group_id, member),
    lacks: lacking,
    look: lookAtRights(cx, member, { joins: groups }),
    thing: sql<{ type: string; tags: string; metadata: string; groups: string }>`
      select type, tags, metadata, (select json_group_array(group_id) from membership
        where member_id = device.id and group_id <> ${group_id}) as groups
      from device where id = ${member}`,
    holders: listHoldersAround(scalar`${groups}`, 'devices', cx.now(), EXAMINED_MAX),
  })
  if (group === undefined) throw noGroup()
  const wrong = (detail: string) =>
    new Problem('invalid_request', 'this cannot be a member', [{ pointer: '/id', detail }])
  if (candidate === undefined) throw wrong('there is no such user, client or device')
  if (candidate.kind === 'group') {
    throw wrong('a group is not a member: set parent_id of the group to put it below this one')
  }
  const { id, kind } = candidate
  assertMayMove(candidate)
  assertNothingLacks(lacks)
  const marks = candidate.is_member === 0 ? await assertFits(cx, id, look, '/id') : []
  if (candidate.is_member === 0 && thing !== undefined) {
    const placed = { ...thing, id, groups: [...JSON.parse(thing.groups), group_id] }
    const supposed = { devices: JSON.stringify([placed]) }
    marks.push(...(await assertHoldersFit(cx, holders, supposed, '/id')))
  }
  const isThere = isMember(group_id, id)
  const event = { type: 'group.member_added', subject_id: id, data: { group_id, kind } } as const
  const {
    row: [row],
  } = await unlessRefused(
    cx.db.write({
      changes: [
        ...demandWithinReach(cx, isThere, group_id, id),
        ...demandSameRights(isThere, marks),
        demandMayBeMember(group_id, id),
        ...demandNothingLacks(isThere, ...lackingToMoveMember(cx, group_id, id)),
        appendEvent(cx, event, condition`not ${isThere}`),
        insertMembership(cx, group_id, id),
      ],
      row: findMember(group_id, id),
    }),
    () => {
      throw changedMeanwhile()
    },
  )
  if (row === undefined) throw changedMeanwhile()
  return { member: row, added: candidate.is_member === 0 }
}

/** Throws Problem. Round trips: 1 read, 1 write. */
export async function removeMember(cx: Context, group_id: string, id: string): Promise<void> {
  const lacking = lackingToMoveMember(cx, group_id, id)
  const remains = leavesAnOperator(cx.now(), { member: id, group: group_id })
  const {
    group: [group],
    candidate: [candidate],
    lacks,
    state: [state],
  } = await cx.db.read({
    group: findGroup(group_id, isWithinReach(cx, group_id)),
    candidate: findCandidate(cx, group_id, scalar`${id}`),
    lacks: lacking,
    state: sql<{ remains: number }>`select ${remains} as remains`,
  })
  if (group === undefined) throw noGroup()
  if (candidate?.is_member !== 1) throw new Problem('not_found', 'there is no such member')
  assertMayMove(candidate)
  assertNothingLacks(lacks)
  if (state?.remains !== 1) throw lastOperator()
  const isThere = isMember(group_id, id)
  const isGone = condition`not ${isThere}`
  const event = { type: 'group.member_removed', subject_id: id, data: { group_id } } as const
  const write = cx.db.write([
    ...demandWithinReach(cx, isGone, group_id),
    ...demandNothingLacks(isGone, ...lacking),
    demandOperatorLeft(isGone, remains),
    appendEvent(cx, event, isThere),
    deleteMembership(group_id, id),
  ])
  await unlessRefused(write, () => {
    throw changedMeanwhile()
  })
}
