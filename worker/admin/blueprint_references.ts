// Checks of a blueprint against the database: the names by which its entries refer to others, the
// ids that they claim, and the tree of their groups.
import { findTreeFault } from '../access/groups.ts'
import { emailKeyOf } from '../access/principals.ts'
import { type Blueprint, type Fault, keyOf, type Reference } from './blueprint_document.ts'
import type { Entry } from './blueprint_entries.ts'
import type { Standing } from './blueprint_standing.ts'

/** Names that the entries provide for others: of those that are made or there already. */
export type Provided = {
  ids: ReadonlyMap<string, string>
  emails: ReadonlySet<string>
  roles: ReadonlySet<string>
  types: ReadonlySet<string>
}

const KIND_OF = { groups: 'group', devices: 'device', clients: 'client', users: 'user' } as const

export function providedBy(entries: readonly Entry[]): Provided {
  const keys = (noun: string) =>
    new Set(entries.filter((one) => one.noun === noun).map(({ key }) => key))
  const ids = entries.flatMap(({ noun, id }) => {
    const kind = Object.hasOwn(KIND_OF, noun) ? KIND_OF[noun as keyof typeof KIND_OF] : undefined
    return id === null || kind === undefined ? [] : [[id, kind] as const]
  })
  return {
    ids: new Map(ids),
    emails: keys('users'),
    roles: keys('roles'),
    types: keys('device_types'),
  }
}

/** Why a reference does not hold, or null when it does. `isAbsent`: nothing has the name at all. */
export function faultOf(
  { name, kind, of }: Reference,
  provided: Provided,
  standing: Standing,
): { reason: string; isAbsent: boolean } | null {
  const absent = (noun: string) => ({ reason: `there is no ${noun} "${name}"`, isAbsent: true })
  switch (kind) {
    case 'role':
      return provided.roles.has(name) || standing.roleNames.has(name) ? null : absent('role')
    case 'device_type':
      return provided.types.has(name) || standing.typeNames.has(name) ? null : absent('device type')
    case 'user': {
      const key = emailKeyOf(name) ?? name
      return provided.emails.has(key) || standing.users.has(key) ? null : absent('user')
    }
    case 'principal': {
      const stored = standing.principals.get(name)
      const found =
        provided.ids.get(name) ?? (stored?.deleted_at === null ? stored.kind : undefined)
      if (found === undefined) return absent(of?.join(' or ') ?? 'user, client, device or group')
      if (of === undefined || of.includes(found)) return null
      return { reason: `"${name}" is a ${found}, not a ${of.join(' or ')}`, isAbsent: false }
    }
  }
}

/** Whether something had this name that a reference wants, and has it no more. */
export function wasThere({ name, kind }: Reference, standing: Standing): boolean {
  const isRecorded = (noun: string, key: string) =>
    standing.recorded.has(standing.marks.key(noun, key))
  switch (kind) {
    case 'role':
      return isRecorded('roles', name)
    case 'device_type':
      return isRecorded('device_types', name)
    case 'user':
      return isRecorded('users', emailKeyOf(name) ?? name)
    case 'principal':
      return standing.principals.get(name)?.deleted_at != null
  }
}

/** The id is that of something deleted, of the kind that the entry is. */
export function isTombstone({ noun, id }: Entry, standing: Standing): boolean {
  const stored = id === null ? undefined : standing.principals.get(id)
  const kind = KIND_OF[noun as keyof typeof KIND_OF]
  return stored !== undefined && stored.deleted_at !== null && stored.kind === kind
}

/** Finds ids that two entries claim, or that a new entry cannot have. */
export function findClaimed(
  { groups, devices, clients, users }: Blueprint,
  standing: Standing,
  isNew: (path: string) => boolean,
): Fault[] {
  const faults: Fault[] = []
  // An id belongs to one principal for good, also when that was deleted.
  const ids = new Map<string, string>()
  const claim = (entry: string, member: string, id: string, kind: string) => {
    const path = `${entry}.${member}`
    const before = ids.get(id)
    if (before !== undefined) faults.push({ path, reason: `"${id}" is the id of ${before} too` })
    ids.set(id, entry)
    if (!isNew(entry)) return
    const stored = standing.principals.get(id)
    if (stored === undefined) {
      const reason = `"${id}" is within the MQTT client id of a device`
      if (standing.mqttClientIds.has(id)) faults.push({ path, reason })
      return
    }
    if (stored.deleted_at === null && stored.kind === kind) return
    const state = stored.deleted_at === null ? `is a ${stored.kind}` : 'was deleted'
    faults.push({ path, reason: `"${id}" ${state}; an id is never used again` })
  }
  for (const [i, { id }] of groups.entries()) claim(`groups[${i}]`, 'id', id, 'group')
  for (const [i, { id }] of devices.entries()) claim(`devices[${i}]`, 'id', id, 'device')
  for (const [i, { client_id }] of clients.entries()) {
    claim(`clients[${i}]`, 'client_id', client_id, 'client')
  }
  for (const [i, entry] of users.entries()) {
    const current = standing.users.get(keyOf.users(entry))
    if (entry.id === undefined || entry.id === current?.id) continue
    // An account is found by its address, so this entry would make a new one.
    claim(`users[${i}]`, 'id', entry.id, 'a new user')
  }
  return faults
}

/**
 * The entry of a group that would put the tree of groups out of order, with the reason, or null.
 * `parents` are the places that groups would get: path of the entry, id, place.
 */
export function findMisplaced(
  parents: readonly { path: string; id: string; parent_id: string | null }[],
  standing: Standing,
): { path: string; reason: string } | null {
  const tree = new Map(standing.tree)
  for (const { id, parent_id } of parents) tree.set(id, parent_id)
  const reason = findTreeFault(tree)
  if (reason === null) return null
  // One by one, to find the entry; a file of its own fault never gets further than this.
  const grown = new Map(standing.tree)
  for (const { path, id, parent_id } of parents) {
    grown.set(id, parent_id)
    if (findTreeFault(grown) !== null) return { path, reason }
  }
  return { path: 'groups', reason }
}
