// Authorizations that hang on browser sessions, by their `sid`. Statements, no rules.
// `authorization.sid` becomes null once the end of the session is handled, so it names only
// sessions that live or have just ended. Looking for the ended ones costs as much as there are live
// ones.
import { type Condition, condition, list, type Statement, sql } from '../../db/sql.ts'

/** An authorization that was given in a browser session. */
export type HangingAuthorization = {
  id: string
  user_id: string
  client_id: string
  sid: string
  offline: number
  revoked_at: number | null
  /** 1: its client wants to hear of the end. */
  is_notified: number
}

/** Most authorizations that one batch handles. */
export const HANGING_MAX = 100

// The newest first: their tokens may still be good. The plus keeps the planner from walking the
// whole table in that order.
const hanging = (which: Condition): Statement<HangingAuthorization> => sql`
  select a.id, a.user_id, a.client_id, a.sid, a.offline, a.revoked_at,
    json_extract(c.members, '$.backchannel_logout_uri') is not null and c.status = 'active'
      as is_notified
  from authorization a left join client c on c.id = a.client_id
  where ${which} order by +a.id desc limit ${HANGING_MAX}`

const isOver = condition`not exists (select 1 from session where session.sid = a.sid)`

/** Authorizations of sessions that are gone: of all users, or of one. */
export const listHanging = (user_id: string | null): Statement<HangingAuthorization> =>
  user_id === null
    ? hanging(condition`a.sid > '' and ${isOver}`)
    : hanging(condition`a.user_id = ${user_id} and a.sid > '' and ${isOver}`)

/** Authorizations of a session that is still there. */
export const listHangingOfSession = (id_hash: string): Statement<HangingAuthorization> =>
  hanging(condition`a.sid = (select sid from session where id_hash = ${id_hash})`)

/** A condition: the session is gone, and its end is not yet handled for this authorization. */
export const isHanging = ({ id, sid }: Pick<HangingAuthorization, 'id' | 'sid'>): Condition =>
  condition`exists (select 1 from authorization where id = ${id} and sid = ${sid})
    and not exists (select 1 from session where sid = ${sid})`

/** Marks the authorizations as handled, where the session is gone. */
export const deleteSid = (ids: readonly string[]): Statement =>
  sql`update authorization set sid = null where id in (${list(ids)})
    and not exists (select 1 from session where session.sid = authorization.sid)`
