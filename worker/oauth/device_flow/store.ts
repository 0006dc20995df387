// The table `device_authorization`: statements, no rules. One person decides a row once, and the
// client redeems it once, each by one conditional UPDATE that reads the state of its moment.
import type { Context } from '../../context.ts'
import { device_authorization } from '../../db/oauth_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  list,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { meetsRequirements, standingIn } from '../../identity/requirements.ts'
import { isSessionLive } from '../../identity/sessions.ts'
import { isSignInUsable } from '../authorizations/store.ts'
import { clientDemandsFactor } from '../clients/factor_demand.ts'
import type { ClientRow } from '../clients/store.ts'
import type { Source } from '../tokens/powers.ts'

export type DeviceAuthorizationRow = typeof device_authorization.$inferSelect

/** Inserts nothing where the user code is taken already: the caller looks for the hash. */
export const insertDeviceAuthorization = (
  row: DeviceAuthorizationRow,
  condition: Condition,
): Statement =>
  insertWhere(device_authorization, row, condition, sql<never>`on conflict do nothing`)

export const findDeviceAuthorization = (hash: string): Statement<DeviceAuthorizationRow> =>
  sql`select * from device_authorization where hash = ${hash}`

/** The same, and whether the session in which it was allowed goes on. */
export const findAllowedDevice = (
  cx: Context,
  hash: string,
): Statement<DeviceAuthorizationRow & { is_in_session: 0 | 1 }> =>
  sql`select *, ${isInSession(cx)} as is_in_session from device_authorization where hash = ${hash}`

/** A condition on a row: the session of the person who decided goes on. */
const isInSession = (cx: Context): Condition =>
  isSessionLive(cx, {
    sid: scalar`device_authorization.sid`,
    user_id: scalar`device_authorization.user_id`,
  })

/** Parts of the row as SQL; the subject is the person who allowed it. */
export const sourceOfDeviceAuthorization = (hash: string): Source => ({
  subject: scalar`(select user_id from device_authorization where hash = ${hash})`,
  scope: scalar`(select scope from device_authorization where hash = ${hash})`,
  resource: scalar`(select resource from device_authorization where hash = ${hash})`,
  details: scalar`(select authorization_details from device_authorization where hash = ${hash})`,
})

// --- the person's side ------------------------------------------------------------------------

const isPending = (cx: Context, user_code_macs: readonly string[]): Condition =>
  condition`user_code_mac in (${list(user_code_macs)}) and status = 'pending' and expires_at > ${cx.now()}`

/** The row that waits for a person who has its user code. */
export const findWaitingDeviceAuthorization = (
  cx: Context,
  user_code_macs: readonly string[],
): Statement<DeviceAuthorizationRow> =>
  sql`select * from device_authorization where ${isPending(cx, user_code_macs)}`

export const isWaiting = (cx: Context, user_code_macs: readonly string[]): Condition =>
  condition`exists (select 1 from device_authorization where ${isPending(cx, user_code_macs)})`

export const findClientOfUserCode = (user_code_macs: readonly string[]): Statement<ClientRow> =>
  sql`select * from client
    where id = (select client_id from device_authorization where user_code_mac in (${list(user_code_macs)}))`

export const detailsOfUserCode = (user_code_macs: readonly string[]): Scalar =>
  scalar`(select authorization_details from device_authorization
    where user_code_mac in (${list(user_code_macs)}))`

/** The person who decides, and their browser session. */
export type Decider = {
  id_hash: string
  user_id: string
  sid: string
  auth_time: number
  amr: string
}

/**
 * A condition: the row still waits, for this person, who lacks nothing, in this session, and for a
 * client that may ask.
 */
export const isDecidable = (cx: Context, hash: string, decider: Decider): Condition =>
  condition`exists (
    select 1 from device_authorization d join client c on c.id = d.client_id
      join session s on s.id_hash = ${decider.id_hash}
        and s.user_id = ${decider.user_id}
      join user u on u.id = s.user_id
    where d.hash = ${hash} and d.status = 'pending' and d.expires_at > ${cx.now()}
      and c.status = 'active' and u.status = 'active'
      and ${meetsRequirements(cx, standingIn(decider), clientDemandsFactor(scalar`d.client_id`))})`

export const decideDeviceAuthorization = (
  cx: Context,
  hash: string,
  decider: Decider,
  decision: {
    status: 'allowed' | 'denied'
    scope: string
    authorization_details: string | null
    epoch: number
  },
): Statement =>
  sql`update device_authorization set status = ${decision.status}, scope = ${decision.scope},
      authorization_details = ${decision.authorization_details},
      user_id = ${decider.user_id}, auth_time = ${decider.auth_time}, amr = ${decider.amr},
      sid = ${decider.sid}, epoch = ${decision.epoch}
    where hash = ${hash} and ${isDecidable(cx, hash, decider)}`

/** Answers a row when this person decided so in this session, however often the batch is sent. */
export const findDeviceDecision = (
  hash: string,
  { user_id, sid }: Decider,
  status: 'allowed' | 'denied',
): Statement<{ hash: string }> =>
  sql`select hash from device_authorization
    where hash = ${hash} and user_id = ${user_id} and sid = ${sid} and status = ${status}`

// --- the device's side ------------------------------------------------------------------------

/**
 * Notes a poll of a row that waits, and answers the interval from now on. It is longer than before
 * when the poll came too soon (RFC 8628 §3.5).
 */
export const updatePoll = (
  cx: Context,
  hash: string,
  isProven: Condition,
): Statement<{ interval: number }> =>
  sql`update device_authorization set
      interval = case when polled_at + interval > ${cx.now()} then interval + 5 else interval end,
      polled_at = ${cx.now()}
    where hash = ${hash} and status = 'pending' and ${isProven} returning interval`

const isApprovalUsable = isSignInUsable({
  user_id: scalar`device_authorization.user_id`,
  client_id: scalar`device_authorization.client_id`,
  epoch: scalar`device_authorization.epoch`,
})

/**
 * Answers the row exactly when this request is the one that redeems it, while the session goes on
 * in which it was allowed.
 */
export const consumeDeviceAuthorization = (
  cx: Context,
  hash: string,
  isProven: Condition,
): Statement<DeviceAuthorizationRow> => sql`
  update device_authorization set redeemed_by = ${cx.rid}
  where hash = ${hash} and status = 'allowed' and expires_at > ${cx.now()}
    and (redeemed_by is null or redeemed_by = ${cx.rid})
    and ${isInSession(cx)} and ${isApprovalUsable} and ${isProven}
  returning *`

/** Whether this request redeemed it. */
export const isDeviceAuthorizationMine = (cx: Context, hash: string): Condition =>
  condition`exists (select 1 from device_authorization
    where hash = ${hash} and redeemed_by = ${cx.rid})`

/** Seconds for which a code that ran out is kept, so that the device learns that it did. */
const KEPT_TTL = 3600

export const deleteAllDeviceAuthorizations = (): Statement => sql`delete from device_authorization`

/** For the timer. */
export const deleteOldDeviceAuthorizations = (cx: Context): Statement =>
  sql`delete from device_authorization where expires_at <= ${cx.now() - KEPT_TTL}`
