// One place as its owner sees it: people with their roles and ends, rooms, devices, invitations on
// their way, accounts made there, the offer to a new owner, and the roles that the owner may give.

import { lasts } from '../../access/places/membership_ends.ts'
import { listOwnParts } from '../../access/places/own_places.ts'
import { listPlacesOf } from '../../access/places/owner_role.ts'
import { insidePlace } from '../../access/places/place_store.ts'
import { lackingToGrant } from '../../access/power.ts'
import { listRoles } from '../../access/roles.ts'
import type { Context } from '../../context.ts'
import { sql } from '../../db/sql.ts'
import { devicesQuery, listDevices } from '../../devices/listing/device_list.ts'
import { listInvitations } from '../../identity/invitations/invitations.ts'
import { listAccountsOf } from '../../identity/place_accounts/place_accounts.ts'
import { findTransferOf } from '../../identity/transfers/transfer_store.ts'
import type { PlaceVisitor } from './place_visitor.ts'

/** Most entries of a list on the page. */
const SHOWN_MAX = 100

type GroupRow = { id: string; name: string; kind: string }
type MemberRow = {
  id: string
  label: string
  name: string | null
  group_id: string
  group_name: string
  expires_at: number | null
}
type GrantRow = {
  id: string
  subject_id: string
  subject_kind: string
  role: string
  description: string
  object_id: string
  object_name: string | null
  not_before: number | null
  expires_at: number | null
}

const readsOf = (cx: Context, group_id: string) => {
  const now = cx.now()
  return {
    groups: sql<GroupRow>`with recursive ${insidePlace(group_id)}
      select g.id, g.name, g.kind from below cross join "group" g on g.id = below.id
      order by g.id <> ${group_id}, g.name, g.id limit ${SHOWN_MAX}`,
    members: sql<MemberRow>`with recursive ${insidePlace(group_id)}
      select u.id, coalesce(nullif(u.email, ''), u.user_name, u.id) as label, u.name, m.group_id,
        g.name as group_name, m.expires_at
      from below cross join membership m on m.group_id = below.id and ${lasts(now)}
        cross join user u on u.id = m.member_id cross join "group" g on g.id = m.group_id
      order by u.id limit ${SHOWN_MAX}`,
    grants: sql<GrantRow>`with recursive ${insidePlace(group_id)}
      select g.id, g.subject_id, coalesce(p.kind, '') as subject_kind, g.role, r.description,
        g.object_id, coalesce(o.name, d.name) as object_name, g.not_before, g.expires_at
      from inside cross join "grant" g on g.object_id = inside.id
        join role r on r.name = g.role left join principal p on p.id = g.subject_id
        left join "group" o on o.id = g.object_id left join device d on d.id = g.object_id
      where g.expires_at is null or g.expires_at > ${now}
      order by g.subject_id, g.id limit ${SHOWN_MAX}`,
    transfer: findTransferOf(group_id),
  }
}

export type PlaceView = Awaited<ReturnType<typeof viewPlace>>

/** Throws Problem. Round trips: 1 read, and 1 for each list of a room that the person may see. */
export async function viewPlace(cx: Context, visitor: PlaceVisitor, group_id: string) {
  const read = await cx.db.read(readsOf(cx, group_id))
  const page = { limit: SHOWN_MAX }
  const maySee = visitor.holds('users:read')
  const [devices, invitations, accounts, roles] = await Promise.all([
    visitor.holds('devices:read')
      ? listDevices(
          visitor.to('devices:read'),
          devicesQuery.parse({ ...page, group: group_id, below: 'true' }),
        )
      : null,
    maySee ? listInvitations(visitor.to('users:read'), page) : null,
    maySee ? listAccountsOf(visitor.to('users:read'), group_id, page) : null,
    visitor.holds('access:write') ? rolesToGive(visitor, group_id) : [],
  ])
  const inside = new Set(read.groups.map(({ id }) => id))
  const [transfer] = read.transfer
  const isOpen =
    transfer !== undefined &&
    transfer.accepted_at === null &&
    transfer.withdrawn_at === null &&
    transfer.expires_at > cx.now()
  return {
    id: group_id,
    name: read.groups.find(({ id }) => id === group_id)?.name ?? group_id,
    rooms: read.groups.filter(({ id }) => id !== group_id),
    // Names of people are for those who may see people.
    members: read.members.map((one) => (maySee ? one : { ...one, label: one.id, name: null })),
    // So are those of devices for those who may see these.
    grants: read.grants.map((one) =>
      devices !== null || inside.has(one.object_id) ? one : { ...one, object_name: null },
    ),
    devices: devices?.items ?? null,
    invitations: (invitations?.items ?? []).filter(
      ({ state, groups, grants }) =>
        state === 'open' &&
        (groups.some((id) => inside.has(id)) || grants.some(({ object }) => inside.has(object))),
    ),
    accounts: accounts?.items ?? [],
    roles,
    transfer: isOpen ? { address: transfer.address, expires_at: transfer.expires_at } : null,
    may: {
      invite: visitor.holds('users:write') && visitor.holds('access:write'),
      change: visitor.holds('access:write'),
    },
  }
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
