// The origin of an access token: the authorization, minted token, client or device from which it
// comes. Each use of the token reads whether origin and principals may act, so that revocation
// counts at once. The token tells the sum of the epochs of those that it rests on, beyond its
// authorization, which has a sum of its own: an epoch only rises, so the sum is the same while none
// of them was disabled, and enabling somebody brings no token back.
import { type Condition, condition, type Statement, sql } from '../../db/sql.ts'
import type { Act, ReadToken } from '../tokens/access_token.ts'

/**
 * The state of a token's origin at this moment. Answers one row, with its kind, only while the
 * origin is not revoked and user, client or device may act. A token with `act` was exchanged by
 * another client than that of its origin (RFC 8693): then that client, and each party that acted
 * before it, must be active too. The token of a pairwise client does not name the person.
 */
export const findLiveOrigin = (
  token: Pick<ReadToken, 'origin' | 'epoch' | 'sub' | 'client_id'> & { act?: Act | null },
  now: number,
): Statement<{ kind: 'authorization' | 'device_token' | 'client' | 'device' }> => {
  const { origin, epoch, sub, client_id, act = null } = token
  const self = origin === sub && sub === client_id
  const isExchanged = act !== null
  const parties = partiesOf({ client_id, act })
  return sql`
    select kind from (
      select 'authorization' as kind, 0 as epoch from authorization a
        join user u on u.id = a.user_id join client c on c.id = a.client_id
        where a.id = ${origin} and (${isExchanged} or a.client_id = ${client_id})
          and (a.user_id = ${sub} or json_extract(c.members, '$.subject_type') = 'pairwise')
          and a.revoked_at is null and u.status = 'active' and c.status = 'active'
          and a.epoch = u.epoch + c.epoch
      union all
      select 'device_token', d.epoch from device_token t join device d on d.id = t.device_id
        where t.id = ${origin} and d.id = ${sub} and d.id = ${client_id} and not ${isExchanged}
          and t.revoked_at is null and t.expires_at > ${now} and d.status = 'active'
      union all
      select 'client', epoch from client
        where ${self || (isExchanged && origin === sub)} and id = ${sub} and status = 'active'
      union all
      select 'device', epoch from device
        where ${self && !isExchanged} and id = ${sub} and status = 'active')
    where ${isExchanged ? areUsable(parties, epoch) : condition`epoch = ${epoch}`}`
}

/**
 * A condition on the origin of an exchanged token: all parties may act, and their epochs and that
 * of the origin come to this sum.
 */
const areUsable = (parties: readonly string[], epoch: number): Condition =>
  condition`epoch + (select sum(party.epoch) from (${listEpochs(parties)}) party
    having sum(party.status = 'active') = ${parties.length}) = ${epoch}`

/**
 * Status and epoch of clients and users: a row for each id that is named, however often it is.
 */
const listEpochs = (ids: readonly string[]): Statement<{ status: string; epoch: number }> =>
  sql`select coalesce(c.status, u.status) as status, coalesce(c.epoch, u.epoch) as epoch
    from json_each(${JSON.stringify(ids)}) named
      left join client c on c.id = named.value left join user u on u.id = named.value`

/**
 * The epoch of a token that is made by exchange: the sum of the epochs of its origin, where that is
 * a client, and of its parties, at this moment.
 */
export const sumEpochs = (
  origin: string,
  token: { client_id: string; act: Act | null },
): Statement<{ epoch: number }> =>
  sql`select coalesce(sum(epoch), 0) as epoch from (
    ${listEpochs([origin, ...partiesOf(token)])})`

/** Placeholder that matches no row. */
export const NO_TOKEN = { origin: '', epoch: 0, sub: '', client_id: '' }

/** The parties of an exchanged token beside its origin; none where the origin's client has it. */
const partiesOf = ({ client_id, act }: { client_id: string; act: Act | null }): string[] =>
  act === null ? [] : [client_id, ...actorsOf(act)]

/** The party that acts for the subject of a token, and those that acted before it. */
export const actorsOf = (act: Act | null | undefined): string[] =>
  act == null ? [] : [act.sub, ...actorsOf(act.act)]
