// A fleet of any size for the benchmark of the registry: groups, people and grants written straight
// into the file, since they only have to be there, and devices as lines of an import, which is
// measured itself.
import { generateKeyPairSync } from 'node:crypto'
import { openEmbeddedDatabase } from '../../worker/entry/embedded/database.ts'

/** Depth of the tree of groups below its root. */
const DEPTH = 6

/** Sound keys that the devices share, since making one for each would be measured too. */
const KEYS = 1000

export type Fleet = { devices: number; groups: number; users: number; grants: number }

/** As many grants as devices, and a tenth of them groups and people: ten grants for each. */
export const fleetOf = (devices: number): Fleet => ({
  devices,
  groups: Math.ceil(devices / 10),
  users: Math.ceil(devices / 10),
  grants: devices,
})

export const deviceId = (i: number): string => `device-${i}`
export const groupId = (i: number): string => `group-${i}`
export const userId = (i: number): string => `user-${i}`

/** Spreads numbers over a range, so that neighbours in one table are none in the other. */
const spread = (i: number, over: number): number => (i * 7919) % over

export const groupOfDevice = (i: number, { groups }: Fleet): string => groupId(spread(i, groups))

/** Homes at the leaves of the tree, of which each has ten devices in a fleet of any size. */
export const homesOf = ({ groups }: Fleet): string[] =>
  Array.from({ length: 20 }, (_, n) => groupId(groups - 1 - n))

/** A device near the middle of the fleet that lies in the last home. */
export function deviceOfHome(fleet: Fleet): number {
  const [home] = homesOf(fleet)
  let i = Math.floor(fleet.devices / 2)
  while (groupOfDevice(i, fleet) !== home) i++
  return i
}

/** The `n`th of the people who hold a grant on the group of a device. */
export function holderOver(i: number, fleet: Fleet): string {
  return userId(spread(i, fleet.groups) % fleet.users)
}

/**
 * The rows of groups, people and grants. Group `n` lies below group `(n - 1) / branches`, so that
 * the tree has six levels. Grant `n` gives person `n % users` the role `resident` on a group.
 */
export async function fillPlaces(databaseUrl: string, fleet: Fleet): Promise<void> {
  const { groups, users, grants } = fleet
  const branches = Math.max(2, Math.round(groups ** (1 / DEPTH)))
  const numbers = (count: number) =>
    `with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ${count})`
  const db = await openEmbeddedDatabase(databaseUrl, { lockTimeout: 5000 })
  try {
    await db.runScript(`
      insert into principal (id, kind, rid, created_at)
        ${numbers(groups)} select 'group-' || i, 'group', 'bench', 0 from n;
      insert into "group" (id, kind, name, parent_id, created_at, updated_at, version)
        ${numbers(groups)} select 'group-' || i, iif(i % 10 = 0, 'site', 'room'), 'Group ' || i,
          iif(i = 0, null, 'group-' || ((i - 1) / ${branches})), 0, 0, 1 from n;
      insert into principal (id, kind, rid, created_at)
        ${numbers(users)} select 'user-' || i, 'user', 'bench', 0 from n;
      insert into "user" (id, email, email_key, email_verified, status, metadata, created_at,
          updated_at, version)
        ${numbers(users)} select 'user-' || i, 'person-' || i || '@example.com',
          'person-' || i || '@example.com', 1, 'active', '{}', 0, 0, 1 from n;
      insert into "grant" (id, subject_id, role, object_id, created_at, updated_at, version)
        ${numbers(grants)} select 'grant-' || i, 'user-' || (i % ${users}), 'resident',
          'group-' || ((i % ${users} + i / ${users} * 7919) % ${groups}), 0, 0, 1 from n;
    `)
  } finally {
    await db.close()
  }
}

/** The lines of an import (NDJSON), in pieces of a thousand. */
export function* deviceLines(from: number, to: number, fleet: Fleet): Generator<string> {
  const keys = Array.from({ length: Math.min(KEYS, to - from) }, () =>
    generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }),
  )
  let piece: string[] = []
  for (let i = from; i < to; i++) {
    const line = {
      id: deviceId(i),
      type: 'dimmer',
      name: `Dimmer ${i}`,
      hardware_ids: [{ kind: 'serial', value: `SN-${i}` }],
      groups: [groupOfDevice(i, fleet)],
      credentials: [{ kind: 'jwk', jwk: keys[i % keys.length] }],
    }
    piece.push(JSON.stringify(line))
    if (piece.length === 1000 || i === to - 1) {
      yield `${piece.join('\n')}\n`
      piece = []
    }
  }
}
