// What may make a write of this room be undone as a whole, and the Problem that the caller is told. A batch goes
// on after a statement that matched nothing, so what must not happen in part gives NULL to a NOT NULL column.
import { assertNothingLacks, lackingFor, lackingToMove, nothingLacks } from '../access/power.ts'
import { type Lack, listNeededForPrincipal } from '../access/rights_store.ts'
import type { Context } from '../context.ts'
import { ConstraintViolation } from '../db/database.ts'
import { join, type Statement } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { demandOfDevice } from './store.ts'

export const noSuchDevice = () => new Problem('not_found', 'there is no such device')

export const otherVersion = () =>
  new Problem('precondition_failed', 'the device was changed since this version')

export const staysRetired = () =>
  new Problem('conflict', 'a retired device stays retired', [
    { pointer: '/status', detail: 'register the thing again under a new id' },
  ])

export const retiredTakesNone = () =>
  new Problem('conflict', 'a retired device takes no credentials')

export const missingReferences = (errors: readonly { pointer: string; detail: string }[]) =>
  new Problem('invalid_request', 'the device refers to what is not there', errors)

export const clientIdTaken = () =>
  new Problem('conflict', 'an MQTT client id would belong to two principals', [
    {
      pointer: '/mqtt_client_id',
      detail: 'must not be the id of another principal, nor begin with one and a colon',
    },
  ])

/** Why a batch with statements of this room was undone, or null when it was for another reason. */
export function refusalOf(error: unknown): Problem | null {
  if (!(error instanceof ConstraintViolation)) return null
  switch (error.constraint) {
    case 'device.id':
      return new Problem('conflict', 'the id of the device is taken, or was', [
        { pointer: '/id', detail: 'is that of another principal; ids are never given twice' },
      ])
    case 'device.type':
      return missingReferences([{ pointer: '/type', detail: 'there is no such device type' }])
    case 'device.status':
      return staysRetired()
    case 'device.version':
      return otherVersion()
    case 'device.created_at':
      return new Problem('forbidden', 'this would hand on or take away more than the actor holds')
    case 'device.mqtt_client_id':
    case 'device.updated_at':
      return clientIdTaken()
    default:
      return null
  }
}

/** What the actor lacks to change a device, and to let it enter or leave groups. Empty for one with `manage`. */
export function lacking(cx: Context, id: string, groups: readonly string[]): Statement<Lack>[] {
  if (cx.actor.scopes.has('manage')) return []
  return [
    lackingFor(cx, listNeededForPrincipal(id, cx.now())),
    ...groups.map((group) => lackingToMove(cx, group, id)),
  ]
}

/** What the actor lacks to let a new device begin in groups: what a role on each gives there is judged on the group. */
export function lackingToRegister(cx: Context, groups: readonly string[]): Statement<Lack>[] {
  return cx.actor.scopes.has('manage') ? [] : groups.map((group) => lackingToMove(cx, group, group))
}

/** Undoes the batch (`device.created_at`) when anything lacks. Stands where the device is as it is judged. */
export const demandPower = (id: string, lacks: readonly Statement<Lack>[]): Statement[] =>
  lacks.length === 0 ? [] : [demandOfDevice(id, join(lacks.map(nothingLacks), ' and '))]

/** Runs a write; if it was undone, throws the Problem. What lacks is then asked for, to be named. */
export async function guarded<T>(
  cx: Context,
  lacks: readonly Statement<Lack>[],
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal?.type === 'forbidden' && lacks.length > 0) {
      assertNothingLacks(await cx.db.read(lacks))
    }
    throw refusal ?? error
  }
}
