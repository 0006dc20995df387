// Rights of a principal: its grants, the places they hold at, and a device's own type, read in one
// round trip. acl_claim.ts compiles them into rules. The caller asks whether the principal may act
// at all (disabled, suspended).
import type { Answers } from '../db/database.ts'
import { type Scalar, type Statement, scalar } from '../db/sql.ts'
import {
  findComingDenial,
  findOwnDevice,
  listGroupsBelow,
  listHeldGrants,
  listObjectDevices,
  listOwnGroups,
  type Supposition,
} from './rights_store.ts'

/**
 * The statements of a principal's rights, a group for a read batch. `RightsRows` are the rows that
 * answer them. `subject` is an id, or SQL that gives one. `supposed`: as they would be.
 */
export function rightsOf(
  subject: string | Scalar | Statement<unknown>,
  now: number,
  supposed?: Supposition,
) {
  const who = typeof subject === 'string' ? scalar`${subject}` : scalar`(${subject})`
  return {
    grants: listHeldGrants(who, now, supposed),
    groupsBelow: listGroupsBelow(who, now, supposed),
    devices: listObjectDevices(who, now, supposed),
    ownDevice: findOwnDevice(who),
    ownGroups: listOwnGroups(who, supposed),
    comingDenial: findComingDenial(who, now, supposed),
  }
}

export type RightsRows = Answers<ReturnType<typeof rightsOf>>

/** Permissions with the time at which each ends, in epoch seconds; Infinity: never. */
export type HeldPermissions = ReadonlyMap<string, number>

/**
 * The permissions of roles held without a condition, on `*` or on any group, and until when. A
 * permission named like a scope of the management API gives that scope there; the guard says how
 * far a token with it reaches.
 */
export function permissionsSomewhere({ grants }: Pick<RightsRows, 'grants'>): HeldPermissions {
  const until = new Map<string, number>()
  for (const { object_id, object_kind, condition, permissions, expires_at } of grants) {
    if ((object_id !== '*' && object_kind !== 'group') || condition !== null) continue
    for (const one of JSON.parse(permissions) as string[]) {
      until.set(one, Math.max(until.get(one) ?? 0, expires_at ?? Infinity))
    }
  }
  return until
}
