// The authorizations of people that name a place or its devices (authorization_details), such as
// links of voice assistants: they end when the place changes hands. Statements, no rules.
import { insidePlace, listPeopleOf } from '../../access/places/place_store.ts'
import type { Context } from '../../context.ts'
import { type Condition, type Scalar, type Statement, scalar, sql } from '../../db/sql.ts'
import { appendEventOfEach } from '../../events.ts'

/** Those of the people who reach the place, as long as they do. */
const linksTo = (group_id: string): Statement<{ id: string }> =>
  sql`select a.id from (${listPeopleOf(group_id)}) person
    cross join authorization a on a.user_id = person.id
    where a.revoked_at is null and a.authorization_details is not null and exists (
      with recursive ${insidePlace(group_id)}
      select 1 from json_each(a.authorization_details) detail,
        json_each(json_array(detail.value -> 'groups', detail.value -> 'devices')) list,
        json_each(list.value) named
      where named.value in (select id from inside))`

export const countLinksTo = (group_id: string): Scalar =>
  scalar`(select count(*) from (${linksTo(group_id)}))`

/** Ends them, with an event about each. Stands before the rights of these people end. */
export const endLinksTo = (
  cx: Context,
  group_id: string,
  when: Condition,
): readonly Statement[] => [
  appendEventOfEach(
    cx,
    {
      ...{ type: 'authorization.revoked', subject_id: null },
      data: { authorization_id: '', client_id: '', reason: '' },
    },
    sql`select 'place_' || a.id as key, a.user_id as subject_id,
        json_object('authorization_id', a.id, 'client_id', a.client_id,
          'reason', 'place_transferred') as data
      from authorization a where a.id in (${linksTo(group_id)}) and ${when}`,
  ),
  sql`update authorization set revoked_at = ${cx.now()}
    where id in (${linksTo(group_id)}) and ${when}`,
]
