// The origin of an access token: the authorization, minted token, client or device from which it
// comes. Each use of the token reads whether origin and principals may act, so that revocation
// counts at once. The token tells the sum of the epochs of those that it rests on, beyond its
// authorization, which has a sum of its own: an epoch only rises, so the sum is the same while none
// of them was disabled, and enabling somebody brings no token back.
import { type Condition, condition, join, type Statement, scalar, sql, TRUE } from '../../db/sql.ts'
import { isStatusPresent, type StatusKind, type StatusPlace } from '../../status/entry_store.ts'
import type { Act, ReadToken } from '../tokens/access_token.ts'

type OfToken = Pick<ReadToken, 'origin' | 'epoch' | 'sub' | 'client_id'> & {
  act?: Act | null
  status?: ReadToken['status']
}

/**
 * The kinds of origin that a token can have, by its own word. Clients and devices are the origin of
 * tokens that they get for themselves, and a person is never the client of one.
 */
function kindsOf({ origin, sub, client_id, act = null }: OfToken): readonly StatusKind[] {
  if (act !== null) return origin === sub ? ['client'] : ['authorization']
  if (sub !== client_id) return ['authorization']
  return origin === sub ? ['client', 'device'] : ['device_token']
}

/** Whether an authorization can be its origin: it is of no use to look for one elsewhere. */
export const mayBeOfPerson = (token: OfToken): boolean => kindsOf(token).includes('authorization')

/** Whether it can be one that an operator minted for a device. */
export const mayBeMinted = (token: OfToken): boolean => kindsOf(token).includes('device_token')

/**
 * The state of a token's origin at this moment. Answers one row, with its kind, only while the
 * origin is not revoked and user, client or device may act. A token with `act` was exchanged by
 * another client than that of its origin (RFC 8693): then that client, and each party that acted
 * before it, must be active too. The token of a pairwise client does not name the person. The entry
 * of a status list that the token tells is the one that its origin still has.
 */
export const findLiveOrigin = (token: OfToken, now: number): Statement<{ kind: StatusKind }> => {
  const { origin, epoch, sub, client_id, status = null, act = null } = token
  const isExchanged = act !== null
  const isOfClient = isExchanged ? TRUE : condition`a.client_id = ${client_id}`
  const statements: Record<StatusKind, Statement> = {
    authorization: sql`
      select 'authorization' as kind, 0 as epoch from authorization a
        join user u on u.id = a.user_id join client c on c.id = a.client_id
        where a.id = ${origin} and ${isOfClient}
          and (a.user_id = ${sub} or json_extract(c.members, '$.subject_type') = 'pairwise')
          and a.revoked_at is null and u.status = 'active' and c.status = 'active'
          and a.epoch = u.epoch + c.epoch`,
    device_token: sql`
      select 'device_token' as kind, d.epoch from device_token t join device d on d.id = t.device_id
        where t.id = ${origin} and d.id = ${sub}
          and t.revoked_at is null and t.expires_at > ${now} and d.status = 'active'`,
    client: sql`
      select 'client' as kind, epoch from client where id = ${sub} and status = 'active'`,
    device: sql`
      select 'device' as kind, epoch from device where id = ${sub}
        and status in ('active', 'unclaimed')`,
  }
  const found = join(
    kindsOf(token).map((kind) => statements[kind]),
    ' union all ',
  )
  const parties = partiesOf({ client_id, act })
  return sql`select kind from (${found}) found
    where ${isExchanged ? areUsable(parties, epoch) : condition`epoch = ${epoch}`}
      and ${isStatusPresent(scalar`found.kind`, origin, status)}`
}

/**
 * The same of a small token, which names the device and its entry alone: one row while the device
 * may act, and the entry is that of the device or of a token that was minted for it.
 */
export const findLiveReference = (
  device_id: string,
  status: StatusPlace | null,
  now: number,
): Statement<{ kind: StatusKind }> =>
  sql`select found.kind from device d cross join (
      select 'device' as kind, ${device_id} as id
      union all select 'device_token', id from device_token
        where device_id = ${device_id} and revoked_at is null and expires_at > ${now}) found
    where d.id = ${device_id} and d.status = 'active' and ${status !== null}
      and ${isStatusPresent(scalar`found.kind`, scalar`found.id`, status)}
    limit 1`

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

/** The parties of an exchanged token beside its origin; none where the origin's client has it. */
export const partiesOf = ({ client_id, act }: { client_id: string; act: Act | null }): string[] =>
  act === null ? [] : [client_id, ...actorsOf(act)]

/** The party that acts for the subject of a token, and those that acted before it. */
export const actorsOf = (act: Act | null | undefined): string[] =>
  act == null ? [] : [act.sub, ...actorsOf(act.act)]
