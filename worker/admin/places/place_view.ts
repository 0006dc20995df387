// One place as its owner sees it: people with their roles and ends, rooms, devices, invitations on
// their way, the offer to a new owner, and the roles that the owner may give. Each list has its own
// pages, whose cursors stand in the address.

import { lasts } from '../../access/places/membership_ends.ts'
import { listOwnParts } from '../../access/places/own_places.ts'
import { listPlacesOf } from '../../access/places/owner_role.ts'
import { insidePlace } from '../../access/places/place_store.ts'
import { lackingToGrant } from '../../access/power.ts'
import { listRoles } from '../../access/roles.ts'
import { decodeCursor, pageOf } from '../../api.ts'
import type { Context } from '../../context.ts'
import { type Condition, condition, type Statement, sql } from '../../db/sql.ts'
import { devicesQuery, listDevices } from '../../devices/listing/device_list.ts'
import { Problem } from '../../errors.ts'
import { listOpenInvitations } from '../../identity/invitations/invitations.ts'
import { listAccountsAfter } from '../../identity/place_accounts/place_accounts.ts'
import { findTransferOf } from '../../identity/transfers/transfer_store.ts'
import type { PlaceVisitor } from './place_visitor.ts'

/** Most entries of a list on the page. */
const SHOWN_MAX = 50

/** Most memberships, or roles, of the people on the page. */
const PARTS_MAX = 2000

/** The lists of the page, as the address names their cursors. */
export const PLACE_LISTS = ['people', 'others', 'invitations', 'devices', 'rooms'] as const

export type PlaceList = (typeof PLACE_LISTS)[number]

export type PlaceCursors = Partial<Record<PlaceList, string>>

type RoomRow = { id: string; name: string }
type PersonRow = { id: string; label: string; name: string | null }
type MembershipRow = { id: string; group_name: string; expires_at: number | null }
type GrantRow = {
  id: string
  subject_id: string
  role: string
  description: string
  object_id: string
  object_name: string | null
  of_device: 0 | 1
  expires_at: number | null
}

/** A condition: the principal is a person who is a member in the place. Needs the CTE `below`. */
const isPerson = (now: number): Condition => condition`exists (select 1 from user u
  where u.id = g.subject_id and exists (select 1 from membership m
    where m.member_id = u.id and ${lasts(now)} and m.group_id in (select id from below)))`

/** People of the place behind an id. Needs the CTE `below`. */
const peopleAfter = (after: string, now: number, limit: number): Statement<{ id: string }> =>
  sql`select distinct u.id from below cross join membership m on m.group_id = below.id
      and ${lasts(now)} and m.member_id > ${after} cross join user u on u.id = m.member_id
    order by u.id limit ${limit}`

/** The columns of a grant `g` in the place. */
const GRANT = sql`g.id, g.subject_id, g.role, r.description, g.object_id,
  coalesce(o.name, d.name) as object_name, d.id is not null as of_device, g.expires_at`

const NAMES = sql`join role r on r.name = g.role
  left join "group" o on o.id = g.object_id left join device d on d.id = g.object_id`

/** The pair of texts behind which a page begins. */
const pairOf = (last: string): [string, string] => (last === '' ? ['', ''] : JSON.parse(last))

const readsOf = (
  cx: Context,
  group_id: string,
  after: { people: string; others: string; rooms: string },
) => {
  const now = cx.now()
  const people = sql`shown(id) as materialized (${peopleAfter(after.people, now, SHOWN_MAX + 1)})`
  const [subject, grant] = pairOf(after.others)
  const [name, id] = pairOf(after.rooms)
  const isInForce = condition`(g.expires_at is null or g.expires_at > ${now})`
  return {
    place: sql<{ name: string }>`select name from "group" where id = ${group_id}`,
    rooms: sql<RoomRow>`with recursive ${insidePlace(group_id)}
      select g.id, g.name from below cross join "group" g on g.id = below.id
      where g.id <> ${group_id} and (g.name, g.id) > (${name}, ${id})
      order by g.name, g.id limit ${SHOWN_MAX + 1}`,
    people: sql<PersonRow>`with recursive ${insidePlace(group_id)}, ${people}
      select u.id, coalesce(nullif(u.email, ''), u.user_name, u.id) as label, u.name
      from shown cross join user u on u.id = shown.id order by u.id`,
    memberships: sql<MembershipRow>`with recursive ${insidePlace(group_id)}, ${people}
      select m.member_id as id, g.name as group_name, m.expires_at
      from shown cross join membership m on m.member_id = shown.id and ${lasts(now)}
        cross join below on below.id = m.group_id cross join "group" g on g.id = m.group_id
      order by m.member_id, g.name limit ${PARTS_MAX}`,
    grants: sql<GrantRow>`with recursive ${insidePlace(group_id)}, ${people}
      select ${GRANT} from shown cross join "grant" g on g.subject_id = shown.id
        cross join inside on inside.id = g.object_id ${NAMES}
      where ${isInForce} order by g.subject_id, g.id limit ${PARTS_MAX}`,
    others: sql<GrantRow>`with recursive ${insidePlace(group_id)}
      select ${GRANT} from inside cross join "grant" g on g.object_id = inside.id ${NAMES}
      where ${isInForce} and (g.subject_id, g.id) > (${subject}, ${grant})
        and not ${isPerson(now)}
      order by g.subject_id, g.id limit ${SHOWN_MAX + 1}`,
    transfer: findTransferOf(group_id),
  }
}

/** The query of a page of devices. Throws Problem. */
function devicesIn(group_id: string, cursor: string | undefined) {
  const page = cursor === undefined ? {} : { cursor }
  const query = { ...page, limit: SHOWN_MAX, group: group_id, below: 'true' }
  const read = devicesQuery.safeParse(query)
  if (read.success) return read.data
  throw new Problem('invalid_request', 'the cursor is not one that this list gave out')
}

export type PlaceView = Awaited<ReturnType<typeof viewPlace>>

/**
 * Throws Problem, for a cursor too that its list did not give out. Round trips: 1 read, and 1 for
 * each list of a room that the person may see.
 */
export async function viewPlace(
  cx: Context,
  visitor: PlaceVisitor,
  group_id: string,
  cursors: PlaceCursors = {},
) {
  const kindOf = (list: PlaceList) => `${list} of ${group_id}`
  const afterIn = (list: PlaceList) => decodeCursor(cx, kindOf(list), cursors[list])
  const after = { people: afterIn('people'), others: afterIn('others'), rooms: afterIn('rooms') }
  const read = await cx.db.read(readsOf(cx, group_id, after))
  const pageIn = <Row>(list: PlaceList, rows: readonly Row[], key: (row: Row) => string) =>
    pageOf(cx, kindOf(list), rows, SHOWN_MAX, key, (row) => row)
  const maySee = visitor.holds('users:read')
  const [devices, invitations, accounts, roles] = await Promise.all([
    visitor.holds('devices:read')
      ? listDevices(visitor.to('devices:read'), devicesIn(group_id, cursors.devices))
      : null,
    maySee
      ? listOpenInvitations(visitor.to('users:read'), kindOf('invitations'), {
          limit: SHOWN_MAX,
          cursor: cursors.invitations,
        })
      : null,
    // In the order of the people, so that the accounts among those of the page are among the first.
    maySee ? listAccountsAfter(visitor.to('users:read'), group_id, after.people, SHOWN_MAX) : [],
    visitor.holds('access:write') ? rolesToGive(visitor, group_id) : [],
  ])
  const [transfer] = read.transfer
  const isOpen =
    transfer !== undefined &&
    transfer.accepted_at === null &&
    transfer.withdrawn_at === null &&
    transfer.expires_at > cx.now()
  // Names of devices are for those who may see these.
  const named = (one: GrantRow) =>
    devices !== null || one.of_device === 0 ? one : { ...one, object_name: null }
  const others = pageIn('others', read.others, (one) => JSON.stringify([one.subject_id, one.id]))
  const people = pageIn('people', read.people, ({ id }) => id)
  const rooms = pageIn('rooms', read.rooms, (one) => JSON.stringify([one.name, one.id]))
  return {
    id: group_id,
    name: read.place[0]?.name ?? group_id,
    rooms: rooms.items,
    // Names of people are for those who may see people.
    people: people.items.map((one) => (maySee ? one : { ...one, label: one.id, name: null })),
    memberships: read.memberships,
    grants: read.grants.map(named),
    others: others.items.map(named),
    devices: devices?.items ?? [],
    invitations: invitations?.items ?? [],
    accounts,
    /** Where each list goes on; null: at its end. */
    next: {
      people: people.next_cursor,
      others: others.next_cursor,
      rooms: rooms.next_cursor,
      devices: devices?.next_cursor ?? null,
      invitations: invitations?.next_cursor ?? null,
    } satisfies Record<PlaceList, string | null>,
    roles,
    transfer: isOpen ? { address: transfer.address, expires_at: transfer.expires_at } : null,
    may: {
      invite: visitor.holds('users:write') && visitor.holds('access:write'),
      change: visitor.holds('access:write'),
    },
  }
}

export async function nameOfPlace(cx: Context, id: string): Promise<string> {
  const [row] = await cx.db.read(sql<{ name: string }>`select name from "group" where id = ${id}`)
  return row?.name ?? id
}

/** The roles of which the person holds all on the place now. Two reads. */
async function rolesToGive(visitor: PlaceVisitor, group_id: string) {
  const cx = visitor.to('access:write')
  const { items } = await listRoles(cx, { limit: 50 })
  const named = items.filter(({ builtin }) => !builtin)
  const lacks = await cx.db.read(
    Object.fromEntries(
      named.map(({ name }) => [name, lackingToGrant(cx, name, group_id, cx.now())]),
    ),
  )
  return named
    .filter(({ name }) => lacks[name]?.length === 0)
    .map(({ name, description }) => ({ name, description }))
}

/** Part of a person in a place: a role in words, or a membership where `text` is null. */
type PartInWords = { text: string | null; expires_at: number | null }

/** The places that a person runs, and what the person has in others. One read. */
export async function viewPlaces(cx: Context, user_id: string) {
  const { owned, parts } = await cx.db.read({
    owned: listPlacesOf(user_id, 'access:read', cx.now(), { limit: 200 }),
    parts: listOwnParts(user_id, cx.now()),
  })
  const others = new Map<string, { id: string; name: string; parts: PartInWords[] }>()
  for (const { place_id, place, role, description, expires_at } of parts) {
    if (owned.some(({ id }) => id === place_id)) continue
    const other = others.get(place_id) ?? { id: place_id, name: place, parts: [] }
    other.parts.push({ text: role === null ? null : description || role, expires_at })
    others.set(place_id, other)
  }
  return { owned, others: [...others.values()] }
}
