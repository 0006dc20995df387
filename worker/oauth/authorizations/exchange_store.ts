// The table `token_exchange`: who acts for others by exchanged tokens, and on which origins these
// hang. A token names one entry of a status list, that of its origin; by these rows triggers move
// the origin to another entry when somebody who acts ends or loses rights.
import { type Condition, type Statement, sql } from '../../db/sql.ts'

/** Whether each of the actors is noted with the origin. */
export const findExchange = (origin: string, actors: readonly string[]): Statement<{ n: number }> =>
  sql`select count(*) as n from json_each(${JSON.stringify(actors)}) one
    cross join token_exchange x on x.origin_id = ${origin} and x.actor_id = one.value`

/** Notes them, as far as they may act at this moment. */
export const noteExchange = (
  origin: string,
  actors: readonly string[],
  when: Condition,
): Statement =>
  sql`insert into token_exchange (origin_id, actor_id)
    select ${origin}, one.value from json_each(${JSON.stringify(actors)}) one
    where ${when} and (exists (select 1 from client where id = one.value and status = 'active')
      or exists (select 1 from user where id = one.value and status = 'active'))
    on conflict do nothing`
