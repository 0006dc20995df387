// Authorizations that hang on browser sessions, by their `sid`. Statements, no rules. `authorization.sid` is taken away once the end of the session was dealt with, so it names sessions that
// live or have just ended, and looking for the latter costs as much as there are of the former.
import { type Condition, condition, list, type Statement, sql } from '../../db/sql.ts'

/** An authorization that was given in a browser session. */
export type Hanging = {
  id: string
  user_id: string
  client_id: string
  sid: string
  offline: number
  revoked_at: number | null
  /** 1: its client wants to hear of the end. */
  is_told: number
}

/** How many are dealt with in one batch. */
export const HANGING_MAX = 100

// The newest first: those are the ones whose tokens may still be good. The plus keeps the planner from walking the
// whole table in that order.
const hanging = (which: Condition): Statement<Hanging> => sql`
  select a.id, a.user_id, a.client_id, a.sid, a.offline, a.revoked_at,
    json_extract(c.members, '$.backchannel_logout_uri') is not null and c.status = 'active' as is_told
  from authorization a left join client c on c.id = a.client_id
  where ${which} order by +a.id desc limit ${HANGING_MAX}`

const isOver = condition`not exists (select 1 from session where session.sid = a.sid)`

/** Authorizations of sessions that are no more: of everybody, or of one user. */
export const listHanging = (user_id: string | null): Statement<Hanging> =>
  user_id === null
    ? hanging(condition`a.sid > '' and ${isOver}`)
    : hanging(condition`a.user_id = ${user_id} and a.sid > '' and ${isOver}`)

/** Authorizations of a session that is still there. */
export const listHangingOfSession = (id_hash: string): Statement<Hanging> =>
  hanging(condition`a.sid = (select sid from session where id_hash = ${id_hash})`)

/** A condition: the session is no more, and nobody has dealt with that for this authorization. */
export const isHanging = ({ id, sid }: Pick<Hanging, 'id' | 'sid'>): Condition =>
  condition`exists (select 1 from authorization where id = ${id} and sid = ${sid})
    and not exists (select 1 from session where sid = ${sid})`

/** Marks the authorizations as dealt with, where the session is no more. */
export const deleteSid = (ids: readonly string[]): Statement =>
  sql`update authorization set sid = null where id in (${list(ids)})
    and not exists (select 1 from session where session.sid = authorization.sid)`
