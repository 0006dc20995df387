// Members of groups: users, clients and devices. To let one enter or leave is judged by power.ts.
import { decodeCursor, type PageOf, type PageQuery, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { unlessRefused } from '../db/database.ts'
import { condition, type Scalar, type Statement, scalar, sql } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { appendEvent } from '../events.ts'
import { grantEndSchema } from './grants.ts'
import { noGroup } from './groups.ts'
import { lasts, laterEnd } from './places/membership_ends.ts'
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
  markRights,
} from './preview/wide_rights.ts'
import { idSchema, type PrincipalKind, principalReference } from './principals.ts'
import { demandWithinReach, isWithinReach } from './reach/reach.ts'
import {
  deleteMembership,
  demandMayBeMember,
  endOfMembership,
  findGroup,
  findMember,
  idOfSubject,
  insertMembership,
  isMember,
  isMemberUntil,
  listMembersAfter,
  type MemberRow,
  updateMembershipEnd,
} from './store.ts'

export const memberInput = z
  .strictObject({
    id: principalReference,
    expires_at: grantEndSchema
      .nullable()
      .optional()
      .describe('until when a person is a member; null: for good; absent: as it is, else for good'),
  })
  .openapi('GroupMemberInput')

export const memberSchema = z
  .object({
    id: idSchema,
    kind: z.enum(['user', 'client', 'device']),
    created_at: z.int(),
    expires_at: grantEndSchema.nullable().describe('until when; null: for good'),
  })
  .openapi('GroupMember')

type Candidate = {
  id: string
  kind: PrincipalKind
  is_member: number
  ends_at: number | null
  may_move: number
}

/**
 * Within a reach, one that is a member there: nobody else is known, and nobody gets to see others
 * by making them members. A person comes in by an invitation.
 */
const findCandidate = (cx: Context, group_id: string, member: Scalar): Statement<Candidate> =>
  sql`select p.id, p.kind, exists (
      select 1 from membership m where m.group_id = ${group_id} and m.member_id = p.id
        and ${lasts(cx.now())}) as is_member, ${endOfMembership(group_id, scalar`p.id`)} as ends_at,
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
    rows: listMembersAfter(id, after, limit, kind, cx.now()),
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

/**
 * Makes a user, client or device a member, or gives a membership of a person another end. To move
 * an end needs the power for the longer of the two. Throws Problem. Round trips: 1 read, 1 write.
 */
export async function addMember(
  cx: Context,
  group_id: string,
  reference: string,
  expires_at?: number | null,
): Promise<{ member: MemberRow; added: boolean }> {
  const now = cx.now()
  const member = idOfSubject(reference)
  const groups = JSON.stringify([group_id])
  const longest = (id: string | Scalar) =>
    scalar`case when ${isMember(group_id, id, now)}
      then ${laterEnd(scalar`${expires_at ?? null}`, endOfMembership(group_id, id))}
      else ${expires_at ?? null} end`
  const lacking = lackingToMoveMember(cx, group_id, reference, member, longest(member))
  const remains = leavesAnOperator(now, { member, group: group_id })
  const {
    group: [group],
    candidate: [candidate],
    lacks,
    look,
    thing: [thing],
    holders,
    state: [state],
  } = await cx.db.read({
    group: findGroup(group_id, isWithinReach(cx, group_id)),
    candidate: findCandidate(cx, group_id, member),
    lacks: lacking,
    look: markRights(cx, member, { joins: groups }),
    thing: sql<{ type: string; tags: string; metadata: string; groups: string }>`
      select type, tags, metadata, (select json_group_array(group_id) from membership
        where member_id = device.id and group_id <> ${group_id}) as groups
      from device where id = ${member}`,
    holders: listHoldersAround(scalar`${groups}`, 'devices', cx.now(), EXAMINED_MAX),
    state: expires_at == null ? null : sql<{ remains: number }>`select ${remains} as remains`,
  })
  if (group === undefined) throw noGroup()
  const wrong = (detail: string, pointer = '/id') =>
    new Problem('invalid_request', 'this cannot be a member', [{ pointer, detail }])
  if (candidate === undefined) throw wrong('there is no such user, client or device')
  if (candidate.kind === 'group') {
    throw wrong('a group is not a member: set parent_id of the group to put it below this one')
  }
  const { id, kind } = candidate
  if (expires_at != null && kind !== 'user') {
    throw wrong('only people are members until a time', '/expires_at')
  }
  if (expires_at != null && expires_at <= now) throw wrong('has passed', '/expires_at')
  assertMayMove(candidate)
  assertNothingLacks(lacks)
  const marks = candidate.is_member === 0 ? await assertFits(cx, id, look, '/id') : []
  if (candidate.is_member === 0 && thing !== undefined) {
    const placed = { ...thing, id, groups: [...JSON.parse(thing.groups), group_id] }
    const supposed = { devices: JSON.stringify([placed]) }
    marks.push(...(await assertHoldersFit(cx, holders, supposed, '/id')))
  }
  const end = expires_at === undefined && candidate.is_member === 1 ? candidate.ends_at : expires_at
  const wanted = end ?? null
  const ends = candidate.is_member === 1 && wanted !== null && candidate.ends_at === null
  if (ends && state?.remains !== 1) throw lastOperator()
  const isThere = isMember(group_id, id, now)
  const isDone = isMemberUntil(group_id, id, wanted)
  const event = { type: 'group.member_added', subject_id: id, data: { group_id, kind } } as const
  const changed = {
    type: 'group.member_end_changed',
    subject_id: id,
    data: { group_id, expires_at: wanted },
  } as const
  const {
    row: [row],
  } = await unlessRefused(
    cx.db.write({
      changes: [
        ...demandWithinReach(cx, isDone, group_id, id),
        ...demandSameRights(isDone, marks),
        demandMayBeMember(group_id, id),
        ...demandNothingLacks(isDone, ...lackingToMoveMember(cx, group_id, id, id, longest(id))),
        ...(ends ? [demandOperatorLeft(isDone, remains)] : []),
        appendEvent(cx, event, condition`not ${isThere}`),
        appendEvent(cx, changed, condition`${isThere} and not ${isDone}`),
        insertMembership(cx, group_id, id),
        updateMembershipEnd(group_id, id, wanted),
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
  const end = endOfMembership(group_id, id)
  const lacking = lackingToMoveMember(cx, group_id, id, id, end)
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
  const isThere = isMember(group_id, id, cx.now())
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
