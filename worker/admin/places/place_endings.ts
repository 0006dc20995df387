// Removals on the page of a place: all that a removal would end is read and shown first, and the
// form behind it carries a mark of that. Where something else would end by then, the question is
// asked anew. Each grant and membership ends by the use case of /v1, as alone.
import { removeGrant } from '../../access/grants.ts'
import { removeMember } from '../../access/group_members.ts'
import { lasts } from '../../access/places/membership_ends.ts'
import { insidePlace } from '../../access/places/place_store.ts'
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { type Statement, sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'

/** Most grants, or memberships, that one removal ends; with more, the question comes again. */
const ENDED_MAX = 100

export type EndingGrant = { id: string; text: string; object: string; expires_at: number | null }
export type EndingMembership = { id: string; group: string; expires_at: number | null }

/** All that a removal ends, with the words for whom it is about. */
export type Endings = {
  /** Of the person or principal that holds the rights. */
  label: string
  grants: readonly EndingGrant[]
  memberships: readonly EndingMembership[]
  /** Rights of the groups end with the memberships. */
  ofGroups: boolean
  /** It was made in this place, and stays without a right. */
  isPlaceAccount: boolean
}

/** Names of people and of devices are for those who may see these; others see ids. */
export type Sight = { people: boolean; devices: boolean }

const grantIn = ({ devices }: Sight): Statement => sql`g.id,
  coalesce(nullif(r.description, ''), r.name) as text,
  coalesce(o.name, iif(${devices}, d.name, null), g.object_id) as object, g.expires_at`

const NAMES = sql`join role r on r.name = g.role
  left join "group" o on o.id = g.object_id left join device d on d.id = g.object_id`

const findLabel = (id: Statement, { people }: Sight): Statement<{ label: string }> =>
  sql`select coalesce(iif(${people}, coalesce(nullif(u.email, ''), u.user_name), null), p.id)
      as label
    from (${id}) one cross join principal p on p.id = one.id
      left join user u on u.id = p.id`

/** The end of a single grant in the place. Throws Problem. One read. */
export async function endingsOfGrant(
  cx: Context,
  sight: Sight,
  group_id: string,
  id: string,
): Promise<Endings> {
  const holder = sql`select g.subject_id as id from "grant" g where g.id = ${id}
    and g.object_id in (with recursive ${insidePlace(group_id)} select id from inside)`
  const { grants, label } = await cx.db.read({
    grants: sql<EndingGrant>`with recursive ${insidePlace(group_id)}
      select ${grantIn(sight)} from "grant" g ${NAMES}
      where g.id = ${id} and g.object_id in (select id from inside)`,
    label: findLabel(holder, sight),
  })
  if (grants.length === 0) throw new Problem('not_found', 'there is no such grant in the place')
  return {
    label: label[0]?.label ?? id,
    grants,
    memberships: [],
    ofGroups: false,
    isPlaceAccount: false,
  }
}

/** The end of all that a person itself holds in the place. Throws Problem. One read. */
export async function endingsOfPerson(
  cx: Context,
  sight: Sight,
  group_id: string,
  id: string,
): Promise<Endings> {
  const { grants, memberships, groups, account, label } = await cx.db.read({
    grants: sql<EndingGrant>`with recursive ${insidePlace(group_id)}
      select ${grantIn(sight)} from inside cross join "grant" g on g.object_id = inside.id
        and g.subject_id = ${id} ${NAMES} order by g.id limit ${ENDED_MAX + 1}`,
    memberships: sql<EndingMembership>`with recursive ${insidePlace(group_id)}
      select m.group_id as id, o.name as "group", m.expires_at
      from below cross join membership m on m.group_id = below.id and m.member_id = ${id}
        and ${lasts(cx.now())} cross join "group" o on o.id = m.group_id
      order by m.group_id limit ${ENDED_MAX + 1}`,
    groups: sql<{ yes: 1 }>`with recursive ${insidePlace(group_id)}, up(id) as (
        select m.group_id from below cross join membership m on m.group_id = below.id
          and m.member_id = ${id} and ${lasts(cx.now())}
        union select g.parent_id from up cross join "group" g on g.id = up.id
          where g.parent_id is not null)
      select 1 as yes from up cross join "grant" g on g.subject_id = up.id limit 1`,
    account: sql<{ yes: 1 }>`select 1 as yes from place_account
      where user_id = ${id} and group_id = ${group_id}`,
    label: findLabel(sql`select ${id} as id`, sight),
  })
  if (grants.length + memberships.length === 0) {
    throw new Problem('not_found', 'there is no such person in the place')
  }
  return {
    label: label[0]?.label ?? id,
    grants,
    memberships,
    ofGroups: groups.length > 0,
    isPlaceAccount: account.length > 0,
  }
}

/** Stands for exactly these grants and memberships. */
export const markOfEndings = ({ grants, memberships }: Endings): string =>
  sha256(JSON.stringify([grants.map(({ id }) => id), memberships.map(({ id }) => id)]))

/** Ends them. Answers false where there are more, which stay. Throws Problem. */
export async function end(
  cx: Context,
  person: string | null,
  { grants, memberships }: Endings,
): Promise<boolean> {
  for (const grant of grants.slice(0, ENDED_MAX)) await removeGrant(cx, grant.id, null)
  if (grants.length > ENDED_MAX) return false
  // Memberships last: without the last one the person is out of reach.
  for (const group of memberships.slice(0, ENDED_MAX)) {
    if (person !== null) await removeMember(cx, group.id, person)
  }
  return memberships.length <= ENDED_MAX
}
