// The origin of an access token: the authorization, minted token, client or device from which it
// comes. Each use of the token reads whether origin and principals may act, so that revocation
// counts at once.
import { type Statement, sql } from '../../db/sql.ts'
import type { Act, ReadToken } from '../tokens/access_token.ts'

/**
 * The state of a token's origin at this moment. Answers one row, with its kind, only while the
 * origin is not revoked and user, client or device may act. A token with `act` was exchanged by
 * another client than that of its origin (RFC 8693): then that client, and each party that acted
 * before it, must be active too. The token of a pairwise client does not name the person.
 */
export const findLiveOrigin = (
  token: Pick<ReadToken, 'origin' | 'sub' | 'client_id'> & { act?: Act | null },
  now: number,
): Statement<{ kind: 'authorization' | 'device_token' | 'client' | 'device' }> => {
  const { origin, sub, client_id, act = null } = token
  const self = origin === sub && sub === client_id
  const isExchanged = act !== null
  const parties = JSON.stringify(isExchanged ? [client_id, ...actorsOf(act)] : [])
  return sql`
    select kind from (
      select 'authorization' as kind from authorization a
        join user u on u.id = a.user_id join client c on c.id = a.client_id
        where a.id = ${origin} and (${isExchanged} or a.client_id = ${client_id})
          and (a.user_id = ${sub} or json_extract(c.members, '$.subject_type') = 'pairwise')
          and a.revoked_at is null and u.status = 'active' and c.status = 'active'
      union all
      select 'device_token' from device_token t join device d on d.id = t.device_id
        where t.id = ${origin} and d.id = ${sub} and d.id = ${client_id} and not ${isExchanged}
          and t.revoked_at is null and t.expires_at > ${now} and d.status = 'active'
      union all
      select 'client' from client
        where ${self || (isExchanged && origin === sub)} and id = ${sub} and status = 'active'
      union all
      select 'device' from device
        where ${self && !isExchanged} and id = ${sub} and status = 'active')
    where not exists (select 1 from json_each(${parties}) party
      where not exists (select 1 from client where id = party.value and status = 'active')
        and not exists (select 1 from user where id = party.value and status = 'active'))`
}

/** Placeholder that matches no row. */
export const NO_TOKEN = { origin: '', sub: '', client_id: '' }

/** The party that acts for the subject of a token, and those that acted before it. */
export const actorsOf = (act: Act | null | undefined): string[] =>
  act == null ? [] : [act.sub, ...actorsOf(act.act)]
