// Operators: active people who can sign in and hold `operator` on `*`. One statement with two
// questions. The set-up link and ADMIN_EMAIL ask for those who hold it now, the guard of the last
// operator for those who hold it for good.
import { type Condition, condition, type Scalar, type Statement, sql } from '../db/sql.ts'

/**
 * The loss by a change: a grant, a user who can sign in, a membership, or the place of a group in
 * the tree.
 */
export type Loss =
  | { grant: string }
  | { user: string }
  | { member: string | Scalar; group: string }
  | { moved: string; parent_id: string | null }

/** A condition on the row `u` of a user: an active person with a way to sign in. */
const canSignIn = condition`u.status = 'active' and u.password is not null`

/**
 * The grants of `operator` on `*` that have begun, last as long as is asked and, without `loss`,
 * reach a person who can sign in.
 */
const operatorGrants = (now: number, lasts: 'now' | 'for good', loss?: Loss): Statement => {
  const lost = { grant: '', user: '', member: '', group: '', ...loss }
  const parent =
    loss !== undefined && 'moved' in loss
      ? sql`case c.id when ${loss.moved} then ${loss.parent_id} else c.parent_id end`
      : sql`c.parent_id`
  const isInForce =
    lasts === 'now'
      ? condition`(g.expires_at is null or g.expires_at > ${now})`
      : condition`g.expires_at is null`
  const isMember =
    lasts === 'now'
      ? condition`(m.expires_at is null or m.expires_at > ${now})`
      : condition`m.expires_at is null`
  return sql`
  select g.id from "grant" g where g.role = 'operator' and g.object_id = '*' and g.id <> ${lost.grant}
    and g.condition is null
    and ${isInForce} and (g.not_before is null or g.not_before <= ${now})
    and (exists (select 1 from user u
        where u.id = g.subject_id and ${canSignIn} and u.id <> ${lost.user}) or exists (
      with recursive reached(id) as (
        select g.subject_id
        union select c.id from reached join "group" c on ${parent} = reached.id)
      select 1 from reached cross join membership m on m.group_id = reached.id
        and ${isMember} cross join user u on u.id = m.member_id
      where ${canSignIn} and u.id <> ${lost.user}
        and not (m.group_id = ${lost.group} and m.member_id = ${lost.member})))`
}

/** A condition: there is an operator at this moment, also one whose power ends. */
export const operatorExists = (now: number): Condition =>
  condition`exists (${operatorGrants(now, 'now')})`

/**
 * A condition: an operator for good remains after the loss, or there is none already.
 */
export const leavesAnOperator = (now: number, loss: Loss): Condition =>
  condition`(exists (${operatorGrants(now, 'for good', loss)})
    or not exists (${operatorGrants(now, 'for good')}))`
