// Rights that somebody gets by an invitation: roles on objects, and places in groups. They are
// judged like grants and members: by the power of the one who invites when the invitation is made,
// and once more when it is accepted. Statements for the batch of the room that invites.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { type Condition, condition, join, type Statement, scalar, sql } from '../db/sql.ts'
import { appendEvent } from '../events.ts'
import { conditionSchema } from './conditions/expression.ts'
import { grantCreation, grantEndSchema, grantObjectSchema } from './grants.ts'
import { type Lack, lackingToGrant, lackingToMove, lackingWithin } from './power.ts'
import { lookAtRights } from './preview/wide_rights.ts'
import { idSchema } from './principals.ts'
import { isWithinReach } from './reach/reach.ts'
import { idOfSubject, insertMembership, isMember } from './store.ts'

const MAX = 20

export const invitedRightsSchema = {
  grants: z
    .array(
      z.strictObject({
        role: idSchema,
        object: grantObjectSchema,
        expires_at: grantEndSchema.nullable().default(null),
        condition: conditionSchema.nullable().default(null),
      }),
    )
    .max(MAX)
    .default([])
    .describe('roles that the person gets, each on an object and perhaps until a time'),
  groups: z
    .array(idSchema)
    .max(MAX)
    .default([])
    .describe('groups of which the person becomes a member'),
  groups_expire_at: grantEndSchema
    .nullable()
    .default(null)
    .describe('until when the person is a member of them; null: for good'),
}

export type InvitedRights = {
  grants: readonly {
    role: string
    object: string
    expires_at: number | null
    condition: string | null
  }[]
  groups: readonly string[]
  groups_expire_at: number | null
}

/** Lists what the actor lacks to give these rights to somebody who may not be there yet. */
export const lackingToInvite = (
  cx: Context,
  { grants, groups, groups_expire_at }: InvitedRights,
): readonly Statement<Lack>[] => [
  // A scope on everything is asked for where the actor is one of these.
  ...[...groups, ...grants.map(({ object }) => object)].flatMap((id) =>
    (['users:write', 'access:write'] as const).flatMap((scope) =>
      lackingWithin(cx, scope, id, cx.now()),
    ),
  ),
  ...grants.map(({ role, object, expires_at }) => lackingToGrant(cx, role, object, expires_at)),
  // A person is no object, so nothing that others hold on the group comes with it.
  ...groups.map((id) => lackingToMove(cx, id, scalar`null`, scalar`${groups_expire_at}`)),
]

/**
 * The rights of who is invited, as they would be. Of an actor that reaches some places alone
 * nobody is known: then these rights are looked at alone.
 */
export const lookAtInvited = (cx: Context, to: string, { grants, groups }: InvitedRights) => {
  const known = cx.actor.reach === undefined ? idOfSubject(to) : scalar`null`
  const supposed = { given: JSON.stringify(grants), joins: JSON.stringify(groups) }
  return lookAtRights(cx, scalar`coalesce(${known}, '')`, supposed)
}

/** Roles, objects and groups that these rights name and that are not there. */
export const listMissingParties = (
  cx: Context,
  { grants, groups }: InvitedRights,
): Statement<{ pointer: string }> =>
  sql`select '/grants/' || key || '/role' as pointer from json_each(${JSON.stringify(grants)})
      where value ->> 'role' not in (select name from role)
    union all
    select '/grants/' || key || '/object' from json_each(${JSON.stringify(grants)})
      where (value ->> 'object' <> '*' and not exists (select 1 from principal p
          where p.id = value ->> 'object' and p.kind in ('device', 'group') and p.deleted_at is null))
        or not ${isWithinReach(cx, scalar`value ->> 'object'`)}
    union all
    select '/groups/' || key from json_each(${JSON.stringify(groups)})
      where not exists (select 1 from "group" where id = value)
        or not ${isWithinReach(cx, scalar`value`)}`

/** A condition: all of them are there. */
export const partiesAreThere = (cx: Context, rights: InvitedRights): Condition =>
  condition`not exists (${listMissingParties(cx, rights)})`

/** Gives the rights to a user where the condition holds. */
export const giveInvitedRights = (
  cx: Context,
  user_id: string,
  { grants, groups, groups_expire_at }: InvitedRights,
  when: Condition,
): readonly Statement[] => [
  ...grants.flatMap((grant) => grantCreation(cx, { subject: user_id, ...grant }, when)),
  ...(groups_expire_at !== null && groups_expire_at <= cx.now() ? [] : groups).flatMap(
    (group_id) => [
      appendEvent(
        cx,
        { type: 'group.member_added', subject_id: user_id, data: { group_id, kind: 'user' } },
        join([when, condition`not ${isMember(group_id, user_id, cx.now())}`], ' and '),
      ),
      insertMembership(cx, group_id, user_id, when, groups_expire_at),
    ],
  ),
]
