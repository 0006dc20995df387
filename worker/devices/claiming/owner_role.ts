// Seam for the role of owners: it goes when access/places/owner_role.ts is there.
import { planGroup } from '../../access/groups.ts'
import { giveInvitedRights } from '../../access/invited_rights.ts'
import { grantsHeld, within } from '../../access/rights_store.ts'
import type { Context } from '../../context.ts'
import {
  type Condition,
  condition,
  refuseUnless,
  type Scalar,
  type Statement,
  sql,
} from '../../db/sql.ts'

export const ownerRole = async (_cx: Context): Promise<string | null> => 'owner'

export async function placeCreation(
  cx: Context,
  { id, name, role }: { id: string; name: string; role: string },
  user_id: string,
  when: Condition,
): Promise<readonly Statement[]> {
  const plan = await planGroup(cx, { id, name, kind: 'site' }, undefined)
  return [
    refuseUnless(
      condition`not (${when}) or exists (select 1 from role where name = ${role})`,
      'no_owner_role',
    ),
    ...plan.statements,
    ...giveInvitedRights(
      cx,
      user_id,
      { grants: [{ role, object: id, expires_at: null, condition: null }], groups: [id] },
      when,
    ),
  ]
}

export const listPlacesOf = (
  who: Scalar,
  scope: string,
  now: number,
): Statement<{ id: string; name: string }> =>
  sql`with recursive ${within(who)}, ${grantsHeld(who, now)}, below(id) as (
      select held.object_id from held cross join role r on r.name = held.role
      where held.object_kind = 'group' and exists (
        select 1 from json_each(r.permissions) p where p.value in (${scope}, 'manage'))
      union
      select g.id from below cross join "group" g on g.parent_id = below.id)
    select g.id, g.name from below cross join "group" g on g.id = below.id
    where g.kind = 'site' order by g.id limit 50`
