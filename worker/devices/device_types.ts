// Types of devices: the topics to which every device of a type may publish and subscribe, as
// templates of acl rules.
import { aclSchema, storedAcl } from '../access/acl_templates.ts'
import { demandPower, type Lack, lackingToDefine, nameLacks } from '../access/power.ts'
import { ID_PATTERN } from '../access/principals.ts'
import { decodeCursor, lineSchema, type Plan, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { BatchRefused, ConstraintViolation } from '../db/database.ts'
import { condition, type Scalar, type Statement, scalar, sql } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { appendEvent, changedValues } from '../events.ts'
import {
  type DeviceTypeRow,
  deleteDeviceType,
  demandDeviceTypeVersion,
  deviceTypeExists,
  deviceTypeIsUnused,
  findDeviceTypesByNames,
  insertDeviceType,
  listDeviceTypesAfter,
  updateDeviceType,
} from './store.ts'

export { type DeviceTypeRow, findDeviceTypesByNames } from './store.ts'

const CURSOR = 'device types'

export const typeNameSchema = z
  .string()
  .regex(ID_PATTERN, 'must be 1 to 64 characters of A-Z a-z 0-9 . _ ~ -, and not . or ..')
  .openapi({ example: 'dimmer' })

export const deviceTypeInput = z
  .strictObject({
    name: typeNameSchema,
    description: lineSchema(500).or(z.literal('')).optional(),
    acl: aclSchema.optional(),
  })
  .openapi('NewDeviceType')

export type DeviceTypeInput = z.infer<typeof deviceTypeInput>

/** A merge patch; the name is the identity and stays. */
export const deviceTypePatch = z
  .strictObject({
    description: deviceTypeInput.shape.description.nullable(),
    acl: deviceTypeInput.shape.acl.nullable(),
  })
  .openapi('DeviceTypePatch')

export type DeviceTypePatch = z.infer<typeof deviceTypePatch>

export const deviceTypeSchema = z
  .object({
    name: z.string(),
    description: z.string(),
    acl: aclSchema,
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('DeviceType')

export function describeDeviceType(row: DeviceTypeRow) {
  const { name, description, created_at, updated_at } = row
  const acl = JSON.parse(row.acl) as z.infer<typeof aclSchema>
  return { name, description, acl, created_at, updated_at }
}

/** Plans an entry: the changes from the stored type (undefined: there is none) to the entry. */
export async function planDeviceType(
  cx: Context,
  entry: DeviceTypeInput,
  current: DeviceTypeRow | undefined,
): Promise<Plan> {
  return current === undefined
    ? planCreation(cx, newRow(cx, entry), Object.keys(entry))
    : planChange(cx, current, entry, null)
}

const newRow = (cx: Context, { name, description, acl }: DeviceTypeInput): DeviceTypeRow => ({
  name,
  description: description ?? '',
  acl: storedAcl(acl ?? []),
  created_at: cx.now(),
  updated_at: cx.now(),
  version: 1,
})

function planCreation(cx: Context, row: DeviceTypeRow, fields: readonly string[]): Plan {
  const created = { type: 'device_type.created', subject_id: row.name } as const
  return {
    change: 'created',
    fields,
    statements: [
      appendEvent(cx, created, condition`not ${deviceTypeExists(row.name)}`),
      insertDeviceType(row, sql`on conflict (name) do nothing`),
    ],
  }
}

function planChange(
  cx: Context,
  current: DeviceTypeRow,
  wanted: Omit<DeviceTypeInput, 'name'>,
  version: number | null,
): Plan {
  const change: { description?: string; acl?: string } = {}
  if (wanted.description !== undefined && wanted.description !== current.description) {
    change.description = wanted.description
  }
  const acl = wanted.acl === undefined ? undefined : storedAcl(wanted.acl)
  if (acl !== undefined && acl !== current.acl) change.acl = acl
  const fields = Object.keys(change)
  if (fields.length === 0) return { change: 'unchanged', fields, statements: [] }
  const { name } = current
  const next = { ...current, ...change }
  const updated = {
    type: 'device_type.updated',
    subject_id: name,
    data: { fields },
    ...changedValues(describeDeviceType(current), describeDeviceType(next), fields),
  } as const
  return {
    change: 'updated',
    fields,
    statements: [
      ...(version === null ? [] : [demandDeviceTypeVersion(name, version)]),
      updateDeviceType(cx, name, change),
      appendEvent(cx, updated, deviceTypeExists(name)),
    ],
  }
}

// --- use cases --------------------------------------------------------------------------------

const noType = () => new Problem('not_found', 'there is no such device type')
const otherVersion = () => new Problem('precondition_failed', 'the device type was changed')

/**
 * Lists what the actor lacks to write these rules of a type, as for a role (power.ts): they are
 * rights of every device of the type, and may name any topic.
 */
const lackingToWrite = (cx: Context, name: string, ...acls: (string | Scalar)[]) =>
  acls.map((acl) => lackingToDefine(cx, name, '[]', acl))

/** The rules of a type as they are stored. */
const storedRules = (name: string): Scalar =>
  scalar`(select acl from device_type where name = ${name})`

function assertMayWrite(lacks: readonly Lack[]): void {
  if (lacks.length === 0) return
  const detail =
    'the actor holds these rules in no role on *, nor manage; one that denies needs manage'
  throw new Problem(
    'forbidden',
    'this would hand on or take away more than the actor holds',
    [{ pointer: '/acl', detail }],
    'power_not_held',
  )
}

/** Round trips: 1 write. Throws Problem conflict when there is one of this name. */
export async function createDeviceType(
  cx: Context,
  input: DeviceTypeInput,
): Promise<DeviceTypeRow> {
  const row = newRow(cx, input)
  const lacking = lackingToWrite(cx, row.name, row.acl)
  try {
    await guarded(cx, lacking, () =>
      cx.db.write([
        ...demandPower(lacking),
        insertDeviceType(row),
        appendEvent(cx, { type: 'device_type.created', subject_id: row.name }),
      ]),
    )
  } catch (error) {
    const isTaken = error instanceof ConstraintViolation && error.constraint === 'device_type.name'
    if (!isTaken) throw error
    throw new Problem('conflict', 'there is a device type of this name', [
      { pointer: '/name', detail: 'is taken' },
    ])
  }
  return row
}

/** Round trips: 1 read. */
export async function getDeviceType(cx: Context, name: string): Promise<DeviceTypeRow> {
  const [row] = await cx.db.read(findDeviceTypesByNames([name]))
  if (row === undefined) throw noType()
  return row
}

/** Round trips: 1 read. */
export async function listDeviceTypes(
  cx: Context,
  query: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(cx, CURSOR, query.cursor)
  const rows = await cx.db.read(listDeviceTypesAfter(after, query.limit))
  return pageOf(cx, CURSOR, rows, query.limit, (row) => row.name, describeDeviceType)
}

/** Round trips: 1 read, 1 write. `version` is the one that If-Match demands. */
export async function changeDeviceType(
  cx: Context,
  name: string,
  patch: DeviceTypePatch,
  version: number | null,
): Promise<DeviceTypeRow> {
  const current = await getDeviceType(cx, name)
  if (version !== null && version !== current.version) throw otherVersion()
  const wanted: Omit<DeviceTypeInput, 'name'> = {}
  if (patch.description !== undefined) wanted.description = patch.description ?? ''
  if (patch.acl !== undefined) wanted.acl = patch.acl ?? []
  const plan = planChange(cx, current, wanted, version)
  if (plan.change === 'unchanged') return current
  const lacking = plan.fields.includes('acl')
    ? lackingToWrite(cx, name, storedRules(name), storedAcl(wanted.acl ?? []))
    : []
  const {
    row: [row],
  } = await guarded(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      changes: plan.statements,
      row: findDeviceTypesByNames([name]),
    }),
  )
  if (row === undefined) throw noType()
  return row
}

/** Round trips: 1 read, 1 write. Throws Problem conflict while a device is of this type. */
export async function removeDeviceType(
  cx: Context,
  name: string,
  version: number | null,
): Promise<void> {
  const current = await getDeviceType(cx, name)
  if (version !== null && version !== current.version) throw otherVersion()
  const deleted = { type: 'device_type.deleted', subject_id: name } as const
  const lacking = lackingToWrite(cx, name, storedRules(name))
  const { left } = await guarded(cx, lacking, () =>
    cx.db.write({
      changes: [
        ...demandPower(lacking),
        ...(version === null ? [] : [demandDeviceTypeVersion(name, version)]),
        appendEvent(cx, deleted, deviceTypeIsUnused(name)),
        deleteDeviceType(name),
      ],
      left: findDeviceTypesByNames([name]),
    }),
  )
  if (left.length > 0) throw new Problem('conflict', 'there are devices of this type')
}

/** Runs a write. If it was undone, throws the Problem, which names the rules that lack. */
async function guarded<T>(
  cx: Context,
  lacking: readonly Statement<Lack>[],
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await nameLacks(cx, lacking, write, assertMayWrite)
  } catch (error) {
    if (error instanceof BatchRefused && error.reason === 'device_type_version')
      throw otherVersion()
    throw error
  }
}
