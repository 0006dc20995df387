// Statements for the list of devices. One filter leads: it walks an index in its order. The others
// are judged for each device that it finds, of which there are at most `EXAMINED_MAX` for a page.
import { isBelow, membersBelow } from '../../access/reach/reach_store.ts'
import type { Reach } from '../../context.ts'
import { type Condition, condition, join, type Statement, scalar, sql } from '../../db/sql.ts'
import { type DeviceRow, type DeviceWithGroups, withGroups } from '../store.ts'
import { endingKeys, hasKeyEnding, isFirstEnd } from './ending_keys_store.ts'

export type DeviceFilter = {
  status: DeviceRow['status'] | undefined
  type: string | undefined
  group?: string | undefined
  /** A group: its members, and those of the groups below it. */
  below?: string | undefined
  tags: readonly string[] | undefined
  anyTags: readonly string[] | undefined
  hardware: { kind: string; key: string } | undefined
  parent: string | undefined
  silent_since: number | undefined
  key_ends_before: number | undefined
  /** A query of FTS5. */
  words: string | undefined
  values: readonly { name: string; value: string }[]
  /** More devices than `MEMBERS_MAX` are in the groups of `below`. */
  isWide: boolean
  /** Where the actor reaches; absent: everywhere. */
  reach?: Reach | undefined
}

/** A device with its place in the order of the list. */
export type ListedRow = DeviceWithGroups & { place: string | number; place_id: string }
type Place = Pick<ListedRow, 'place' | 'place_id'>

/** Most devices that one page examines. */
const EXAMINED_MAX = 5000

/** Most devices below a group that are sorted for a page; else all devices are walked. */
export const MEMBERS_MAX = 10_000

/** Names of the filters that can lead, the narrowest first. */
type Lead =
  | 'hardware'
  | 'words'
  | 'parent'
  | 'values'
  | 'tags'
  | 'anyTags'
  | 'group'
  | 'below'
  | 'reach'
  | 'key_ends_before'
  | 'silent_since'
  | 'type'
  | 'status'
  | 'id'

export function leadOf(filter: DeviceFilter): Lead {
  // A cursor names the last device that was looked at, and its absence tells of the next.
  if (filter.reach !== undefined) return 'reach'
  const { status, isWide, values } = filter
  const order: readonly Lead[] =
    // Most devices are active.
    status === undefined || status === 'active' ? ['type', 'status'] : ['status', 'type']
  const leads: readonly Lead[] = [
    'hardware',
    'words',
    'parent',
    'values',
    'tags',
    'anyTags',
    'group',
    'below',
    'reach',
    'key_ends_before',
    'silent_since',
    ...order,
  ]
  const found = leads.find((lead) => {
    if (lead === 'values') return values.length > 0
    if (lead === 'below') return filter.below !== undefined && !isWide
    return lead !== 'id' && filter[lead] !== undefined
  })
  return found ?? 'id'
}

/** The groups at and below one, as a table `below`: bounded, since trees are large. */
const groupsBelow = (id: string): Statement<never> =>
  sql`below(id) as (select id from "group" where id = ${id}
    union select g.id from below join "group" g on g.parent_id = below.id
    limit ${MEMBERS_MAX + 1})`

/** How many groups and devices are at and below a group, as far as `MEMBERS_MAX`. */
export const findReach = (id: string): Statement<{ groups: number; members: number }> =>
  sql`with recursive ${groupsBelow(id)}
    select (select count(*) from below) as groups, (select count(*) from (
      select 1 from below cross join membership m on m.group_id = below.id
      limit ${MEMBERS_MAX + 1})) as members`

/** The ids that the lead finds after a place, in its order, with the place of each. */
function candidates(filter: DeviceFilter, lead: Lead, after: Place | null): Statement<never> {
  const from = typeof after?.place === 'string' ? after.place : ''
  const at = typeof after?.place === 'number' ? after.place : -1
  const id = after?.place_id ?? ''
  const byId = (found: Statement<unknown>) =>
    sql<never>`select id, id as place, id as place_id from (${found})`
  switch (lead) {
    case 'hardware':
      return byId(sql`select device_id as id from hardware_id
        where kind = ${filter.hardware?.kind ?? ''} and key = ${filter.hardware?.key ?? ''}
          and device_id > ${from}`)
    case 'words':
      return sql`select t.device_id as id, s.rowid as place, '' as place_id
        from device_search s cross join device_text t on t.id = s.rowid
        where s.device_search match ${filter.words ?? ''} and s.rowid > ${at} order by s.rowid`
    case 'parent':
      return byId(sql`select id from device
        where parent_id = ${filter.parent ?? ''} and id > ${from} order by id`)
    case 'values': {
      const [first] = filter.values
      return byId(sql`select device_id as id from device_value where name = ${first?.name ?? ''}
        and value = ${first?.value ?? ''} and device_id > ${from} order by device_id`)
    }
    case 'tags':
      return byId(sql`select device_id as id from device_tag
        where tag = ${filter.tags?.[0] ?? ''} and device_id > ${from} order by device_id`)
    case 'anyTags':
      return byId(
        sql`select distinct id from (${join(
          (filter.anyTags ?? []).map(
            (tag) => sql`select id from (select device_id as id from device_tag where tag = ${tag}
            and device_id > ${from} order by device_id limit ${EXAMINED_MAX})`,
          ),
          ' union all ',
        )}) order by id`,
      )
    case 'group':
      return byId(sql`select member_id as id from membership
        where group_id = ${filter.group ?? ''} and member_id > ${from} order by member_id`)
    case 'below':
      return byId(sql`select distinct member_id as id from (
        with recursive ${groupsBelow(filter.below ?? '')}
        select m.member_id from below cross join membership m
          on m.group_id = below.id and m.member_id > ${from}) order by member_id`)
    case 'reach':
      return byId(sql`select id from (with recursive ${membersBelow(filter.reach ?? [], 0)}
        select id from reached) where id > ${from} order by id`)
    case 'key_ends_before':
      return endingKeys(filter.key_ends_before ?? 0, after)
    case 'silent_since':
      return sql`select id, last_seen_at as place, id as place_id from device
        where last_seen_at < ${filter.silent_since ?? 0} and (last_seen_at, id) > (${at}, ${id})
        order by last_seen_at, id`
    case 'type':
      return byId(sql`select id from device
        where type = ${filter.type ?? ''} and id > ${from} order by id`)
    case 'status':
      return byId(sql`select id from device
        where status = ${filter.status ?? ''} and id > ${from} order by id`)
    case 'id':
      return byId(sql`select id from device where id > ${from} order by id`)
  }
}

/** Conditions about `device` that the lead does not hold by itself. */
function residualsOf(filter: DeviceFilter, lead: Lead): Condition[] {
  const { status, type, group, below, tags = [], anyTags, hardware, parent, words } = filter
  const { silent_since, key_ends_before, values } = filter
  const found: Condition[] = []
  const add = (own: Lead, value: unknown, make: () => Condition) => {
    if (own !== lead && value !== undefined) found.push(make())
  }
  add('status', status, () => condition`device.status = ${status ?? ''}`)
  add('type', type, () => condition`device.type = ${type ?? ''}`)
  add('parent', parent, () => condition`device.parent_id = ${parent ?? ''}`)
  add(
    'group',
    group,
    () => condition`exists (select 1 from membership m
      where m.group_id = ${group ?? ''} and m.member_id = device.id)`,
  )
  add('below', below, () => isMemberBelow(below ?? ''))
  const { reach } = filter
  add('reach', reach, () => isBelow(reach ?? [], scalar`device.id`))
  // A group or gateway that is not within the reach tells nothing of its devices.
  if (reach !== undefined) {
    for (const one of [group, below, parent]) {
      if (one !== undefined) found.push(isBelow(reach, scalar`${one}`))
    }
  }
  for (const tag of lead === 'tags' ? tags.slice(1) : tags) {
    found.push(condition`exists (select 1 from device_tag t
      where t.tag = ${tag} and t.device_id = device.id)`)
  }
  add(
    'anyTags',
    anyTags,
    () => condition`exists (select 1 from device_tag t where t.device_id = device.id
      and t.tag in (select value from json_each(${JSON.stringify(anyTags)})))`,
  )
  for (const { name, value } of lead === 'values' ? values.slice(1) : values) {
    found.push(condition`exists (select 1 from device_value v
      where v.name = ${name} and v.value = ${value} and v.device_id = device.id)`)
  }
  add(
    'hardware',
    hardware,
    () => condition`exists (select 1 from hardware_id h where h.device_id = device.id
      and h.kind = ${hardware?.kind ?? ''} and h.key = ${hardware?.key ?? ''})`,
  )
  add(
    'words',
    words,
    () => condition`exists (select 1 from device_text t where t.device_id = device.id
      and t.id in (select s.rowid from device_search s
        where s.device_search match ${words ?? ''} and s.rowid = t.id))`,
  )
  add('silent_since', silent_since, () => condition`device.last_seen_at < ${silent_since ?? 0}`)
  add('key_ends_before', key_ends_before, () => hasKeyEnding(key_ends_before ?? 0))
  if (lead === 'key_ends_before') found.push(isFirstEnd)
  return found
}

const isMemberBelow = (group: string): Condition => condition`exists (
  with recursive upward(id) as (
    select group_id from membership where member_id = device.id
    union select g.parent_id from upward join "group" g on g.id = upward.id
      where g.parent_id is not null)
  select 1 from upward where id = ${group})`

/** Whether a page may find less than the lead does: members of a group are people too. */
export const isNarrowed = (filter: DeviceFilter, lead: Lead): boolean =>
  ['group', 'below', 'reach'].includes(lead) || residualsOf(filter, lead).length > 0

/**
 * A page and one device more. The order is that of the lead: it is the outer loop of the join, and
 * to sort again would examine all candidates for each page.
 */
export function listCandidates(
  filter: DeviceFilter,
  lead: Lead,
  after: Place | null,
  limit: number,
): Statement<ListedRow> {
  const residuals = residualsOf(filter, lead)
  const examined = isNarrowed(filter, lead) ? EXAMINED_MAX : limit + 1
  return sql`select device.*, ${withGroups(filter.reach)}, candidate.place, candidate.place_id
    from (${candidates(filter, lead, after)} limit ${examined}) candidate
      cross join device on device.id = candidate.id
    where ${join(residuals, ' and ')} limit ${limit + 1}`
}

/** The place of the last device that a page examines, where it may leave others behind. */
export const lastExamined = (
  filter: DeviceFilter,
  lead: Lead,
  after: Place | null,
): Statement<Place> =>
  sql`select place, place_id from (${candidates(filter, lead, after)}
    limit 1 offset ${EXAMINED_MAX - 1})`
