// The rights of somebody as far as they come from within a reach: grants on what is there, places
// that are there, and the groups of a device that are there. For whoever may not know the rest.
import type { RightsRows } from '../rights.ts'

type Seen = readonly { id: string; kind: 'group' | 'object' }[]

export function rightsWithin(rows: RightsRows, seen: Seen): RightsRows {
  const groups = new Set(seen.filter(({ kind }) => kind === 'group').map(({ id }) => id))
  const objects = new Set(seen.map(({ id }) => id))
  const isThere = ({ group_id }: { group_id: string | null }) =>
    group_id === null || groups.has(group_id)
  return {
    ...rows,
    grants: rows.grants.filter(({ object_id }) => objects.has(object_id)),
    groupsBelow: rows.groupsBelow.filter(isThere),
    devices: rows.devices.filter(isThere),
    ownGroups: rows.ownGroups.filter(isThere),
  }
}
