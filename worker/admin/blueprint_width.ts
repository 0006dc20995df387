// Rights that a blueprint makes and that fit into no token. They follow from all its entries
// together, so they are read by the batch that writes it, after its changes. A written batch stays,
// so this warns and refuses nothing. Looked at are those whose rights the changes can make wider,
// in the order of `listsOfConcerned`: the first `EXAMINED_MAX` of them.
import { userWithAddress } from '../access/named_users.ts'
import { type NamedRights, readRights, rightsOfEach } from '../access/preview/many_rights.ts'
import { listConcerned, listHoldersAround } from '../access/preview/preview_store.ts'
import { EXAMINED_MAX, warnOfWidth } from '../access/preview/wide_rights.ts'
import type { Plan } from '../api.ts'
import type { Context } from '../context.ts'
import { join, type Scalar, type Statement, scalar, sql } from '../db/sql.ts'
import { emailKey, formerEmailKey } from '../email_address.ts'
import { userNameKey } from '../identity/login_ids/user_names.ts'
import { type Blueprint, keyOf, type Noun } from './blueprint_document.ts'
import type { Standing } from './blueprint_standing.ts'

/**
 * The read for the end of the batch that makes these plans, which stand under the path of their
 * entry. Null where nobody's rights can get wider.
 */
export function readOfWidth(
  cx: Context,
  blueprint: Blueprint,
  plans: ReadonlyMap<string, Plan>,
  standing: Standing,
): Statement<NamedRights> | null {
  const lists = listsOfConcerned(cx, blueprint, plans, standing)
  if (lists.length === 0) return null
  return rightsOfEach(
    cx,
    sql`select distinct id from (${join(lists, ' union all ')}) limit ${EXAMINED_MAX}`,
  )
}

/** One line for each who gets no token. */
export const warningsOf = (
  cx: Context,
  looked: readonly NamedRights[],
  acl_max_rules: number,
): string[] => looked.flatMap((one) => warnOfWidth(cx, one, readRights(one), acl_max_rules) ?? [])

/** Lists of ids: those that the file names, the holders of what it changes, and devices last. */
function listsOfConcerned(
  cx: Context,
  blueprint: Blueprint,
  plans: ReadonlyMap<string, Plan>,
  standing: Standing,
): Statement<{ id: string }>[] {
  /** The entries that are made, or changed in one of these members; in any, where none is named. */
  const changed = <N extends Noun>(noun: N, ...members: string[]) => {
    const entries: readonly Blueprint[N][number][] = blueprint[noun]
    return entries.filter((_, i) => {
      const { change = 'unchanged', fields = [] } = plans.get(`${noun}[${i}]`) ?? {}
      if (change !== 'updated' || members.length === 0) return change !== 'unchanged'
      return members.some((name) => fields.includes(name))
    })
  }
  const joining = changed('users', 'groups').filter(({ groups = [] }) => groups.length > 0)
  const subjects = first(changed('grants').map(({ subject }) => subject))
  const people = first(
    joining.map(
      (user) =>
        standing.users.get(keyOf.users(user))?.id ?? user.id ?? user.email ?? user.user_name ?? '',
    ),
  )
  const roles = first(changed('roles', 'acl').map(({ name }) => name))
  const moved = first(changed('groups', 'parent_id').map(({ id }) => id))
  const housed = first(changed('groups', 'kind').map(({ id }) => id))
  const things = changed('devices', 'type', 'groups', 'metadata', 'mqtt_client_id', 'tags')
  const devices = first(things.map(({ id }) => id))
  const types = first(changed('device_types', 'acl', 'acl_by_reference').map(({ name }) => name))
  const around = (groups: Scalar, named: Parameters<typeof listHoldersAround>[1]) =>
    listHoldersAround(groups, named, cx.now(), EXAMINED_MAX)
  const within = (top: Statement<{ id: string }>) => listConcerned(top, EXAMINED_MAX, cx.now())
  const lists: readonly [readonly string[], Statement<{ id: string }>][] = [
    [subjects, within(idsNamed(subjects))],
    [people, within(idsNamed(people))],
    [roles, within(subjectsOfRoles(roles))],
    [moved, around(scalar`${JSON.stringify(moved)}`, 'rooms')],
    [housed, around(scalar`${JSON.stringify(housed)}`, 'houses')],
    [devices, around(groupsOfDevices(devices), 'devices')],
    [moved, within(idsNamed(moved))],
    [types, devicesOfTypes(types)],
    [devices, within(idsNamed(devices))],
  ]
  return lists.flatMap(([names, list]) => (names.length === 0 ? [] : sql`select id from (${list})`))
}

/** Most names of one kind that are looked up. Bounds the work while the database is locked. */
const NAMES_MAX = EXAMINED_MAX * 10

const first = (names: readonly string[]): string[] => [...new Set(names)].slice(0, NAMES_MAX)

/** Ids of principals that are named by an id, an address or a user name. */
function idsNamed(names: readonly string[]): Statement<{ id: string }> {
  const forms = names
    .filter((name) => name.includes('@'))
    .map((email) => [emailKey(email), formerEmailKey(email)])
  const one = { key: scalar`k.value ->> 0`, former: scalar`k.value ->> 1` }
  return sql`select value as id from json_each(${JSON.stringify(names)})
    union select ${userWithAddress(one)} from json_each(${JSON.stringify(forms)}) k
    union select user_id from json_each(${JSON.stringify(names.map(userNameKey))}) k
      cross join login_id named on named.kind = 'user_name' and named.key = k.value`
}

const subjectsOfRoles = (names: readonly string[]): Statement<{ id: string }> =>
  sql`select distinct subject_id as id from (
    select g.subject_id from json_each(${JSON.stringify(names)}) k
      cross join "grant" g on g.role = k.value limit ${NAMES_MAX})`

const groupsOfDevices = (ids: readonly string[]): Scalar => scalar`(
  select json_group_array(distinct m.group_id) from json_each(${JSON.stringify(ids)}) k
    cross join membership m on m.member_id = k.value)`

const devicesOfTypes = (names: readonly string[]): Statement<{ id: string }> =>
  sql`select d.id from json_each(${JSON.stringify(names)}) k
    cross join device d on d.type = k.value limit ${EXAMINED_MAX}`
