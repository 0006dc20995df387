// Types of devices: the topics to which every device of a type may publish and subscribe, as
// templates of acl rules; what may be asked of its devices, by which credentials they prove
// themselves, for how long a token counts, and which metadata they have.
import { unreferenced } from '../../policy/templates.ts'
import { aclSchema, storedAcl } from '../access/acl_templates.ts'
import { demandPower, type Lack, lackingToDefine, nameLacks } from '../access/power.ts'
import { devicesOfType } from '../access/preview/preview_store.ts'
import { assertHoldersFit, EXAMINED_MAX } from '../access/preview/wide_rights.ts'
import { ID_PATTERN } from '../access/principals.ts'
import type { OwnDeviceRow } from '../access/rights_store.ts'
import { permissionSchema } from '../access/roles.ts'
import { decodeCursor, lineSchema, type Plan, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { BatchRefused, ConstraintViolation } from '../db/database.ts'
import { CREDENTIAL_KINDS } from '../db/schema.ts'
import { condition, type Scalar, type Statement, scalar, sql } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { appendEvent, changedValues } from '../events.ts'
import { loadSettings } from '../settings.ts'
import { assertFields, fieldsSchema } from './device_metadata.ts'
import { insertPolicyDocument } from './policies/policy_store.ts'
import {
  type DeviceTypeChange,
  type DeviceTypeRow,
  deleteDeviceType,
  demandDeviceTypeVersion,
  deviceTypeExists,
  deviceTypeIsUnused,
  findDeviceTypesByNames,
  insertDeviceType,
  listDeviceTypesAfter,
  TYPE_MEMBERS,
  updateDeviceType,
} from './store.ts'

export { type DeviceTypeRow, findDeviceTypesByNames } from './store.ts'

const CURSOR = 'device types'

export const typeNameSchema = z
  .string()
  .regex(ID_PATTERN, 'must be 1 to 64 characters of A-Z a-z 0-9 . _ ~ -, and not . or ..')
  .openapi({ example: 'dimmer' })

const localeSchema = z.string().regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language tag')

const credentialKind = z.enum(CREDENTIAL_KINDS)

const tokenTtlSchema = z
  .int()
  .min(60)
  .max(86_400)
  .describe('seconds for which a token of such a device counts; null: as the setting says')

const members = {
  description: lineSchema(500).or(z.literal('')),
  acl: aclSchema,
  names: z
    .record(localeSchema, lineSchema(100))
    .refine((names) => Object.keys(names).length <= 50, 'at most 50 languages')
    .describe('the name of the type for people, by language'),
  permissions: z
    .array(permissionSchema)
    .max(200)
    .describe('what may be asked of such devices, for searches'),
  token_ttl: tokenTtlSchema.nullable(),
  credential_kinds: z
    .array(credentialKind)
    .min(1)
    .max(10)
    .nullable()
    .describe('kinds of credentials that such a device may get; null: each'),
  claim: z
    .enum(['never', 'once', 'again'])
    .describe('whether people claim such devices: never, once, or again after a release'),
  fields: fieldsSchema.nullable(),
  acl_by_reference: z
    .boolean()
    .describe(
      'whether tokens of such devices name these rules by reference, which makes them small; ' +
        'not for a broker that reads the claim acl itself',
    ),
}

export const deviceTypeInput = z
  .strictObject({
    name: typeNameSchema,
    description: members.description.optional(),
    acl: members.acl.optional(),
    names: members.names.optional(),
    permissions: members.permissions.optional(),
    token_ttl: members.token_ttl.optional(),
    credential_kinds: members.credential_kinds.optional(),
    claim: members.claim.optional(),
    fields: members.fields.optional(),
    acl_by_reference: members.acl_by_reference.optional(),
  })
  .superRefine(({ acl, acl_by_reference }, context) => {
    if (acl_by_reference !== true) return
    for (const { pointer, detail } of referenceFaults(acl ?? [])) {
      context.addIssue({ code: 'custom', path: pointer.split('/').slice(1), message: detail })
    }
  })
  .openapi('NewDeviceType')

export type DeviceTypeInput = z.infer<typeof deviceTypeInput>

/** A merge patch; the name is the identity and stays. */
export const deviceTypePatch = z
  .strictObject({
    description: members.description.nullish(),
    acl: members.acl.nullish(),
    names: members.names.nullish(),
    permissions: members.permissions.nullish(),
    token_ttl: members.token_ttl.optional(),
    credential_kinds: members.credential_kinds.optional(),
    claim: members.claim.nullish(),
    fields: members.fields.optional(),
    acl_by_reference: members.acl_by_reference.nullish(),
  })
  .openapi('DeviceTypePatch')

export type DeviceTypePatch = z.infer<typeof deviceTypePatch>

export const deviceTypeSchema = z
  .object({
    name: z.string(),
    description: z.string(),
    acl: aclSchema,
    names: z.record(z.string(), z.string()),
    permissions: z.array(z.string()),
    token_ttl: z.int().nullable(),
    credential_kinds: z.array(credentialKind).nullable(),
    claim: members.claim,
    fields: z.record(z.string(), z.unknown()).nullable(),
    acl_by_reference: z.boolean(),
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('DeviceType')

export function describeDeviceType(row: DeviceTypeRow): z.infer<typeof deviceTypeSchema> {
  const { name, description, token_ttl, claim, created_at, updated_at } = row
  return {
    name,
    description,
    acl: JSON.parse(row.acl),
    names: JSON.parse(row.names),
    permissions: JSON.parse(row.permissions),
    token_ttl,
    credential_kinds: orNull(row.credential_kinds),
    claim,
    fields: orNull(row.fields),
    acl_by_reference: row.acl_by_reference === 1,
    created_at,
    updated_at,
  }
}

const orNull = (text: string | null) => (text === null ? null : JSON.parse(text))

/** Plans an entry: the changes from the stored type (undefined: there is none) to the entry. */
export async function planDeviceType(
  cx: Context,
  entry: DeviceTypeInput,
  current: DeviceTypeRow | undefined,
): Promise<Plan> {
  await assertFields(entry.fields)
  return current === undefined
    ? planCreation(cx, newRow(cx, entry), Object.keys(entry))
    : planChange(cx, current, entry, null)
}

const newRow = (cx: Context, input: DeviceTypeInput): DeviceTypeRow => ({
  name: input.name,
  ...EMPTY,
  ...storedMembers(input),
  created_at: cx.now(),
  updated_at: cx.now(),
  version: 1,
})

const EMPTY = {
  description: '',
  acl: '[]',
  names: '{}',
  permissions: '[]',
  token_ttl: null,
  credential_kinds: null,
  claim: 'never',
  fields: null,
  acl_by_reference: 0,
} as const

/** The members that are there, as they are stored; null for one that is as if never set. */
function storedMembers(wanted: DeviceTypePatch): DeviceTypeChange {
  const { description, acl, names, permissions, token_ttl, credential_kinds, claim, fields } =
    wanted
  const { acl_by_reference } = wanted
  const set = <T>(list: readonly T[] | null) =>
    list === null ? null : JSON.stringify([...new Set(list)].sort())
  const inOrder = (value: object) =>
    JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))))
  return {
    ...(description === undefined ? {} : { description: description ?? EMPTY.description }),
    ...(acl === undefined ? {} : { acl: storedAcl(acl ?? []) }),
    ...(names === undefined ? {} : { names: inOrder(names ?? {}) }),
    ...(permissions === undefined ? {} : { permissions: set(permissions ?? []) ?? '[]' }),
    ...(token_ttl === undefined ? {} : { token_ttl }),
    ...(credential_kinds === undefined ? {} : { credential_kinds: set(credential_kinds) }),
    ...(claim === undefined ? {} : { claim: claim ?? EMPTY.claim }),
    ...(fields === undefined ? {} : { fields: fields === null ? null : JSON.stringify(fields) }),
    ...(acl_by_reference === undefined ? {} : { acl_by_reference: acl_by_reference ? 1 : 0 }),
  }
}

/** Rules that no token can name by reference, since its claims have no value for a variable. */
const referenceFaults = (acl: readonly { topic: string }[]) =>
  acl.flatMap(({ topic }, i) => {
    const variable = unreferenced(topic)
    if (variable === null) return []
    const detail =
      `acl[${i}].topic has the variable ${variable}, for which a token by reference has no value; ` +
      'use device.id, group.id, site.id and clientid alone, or leave acl_by_reference out'
    return [{ pointer: `/acl/${i}/topic`, detail }]
  })

/** Statements that keep the rules of a type for the tokens that name them. Throws Problem. */
function keepPolicy(cx: Context, { acl, acl_by_reference }: DeviceTypeRow): Statement[] {
  if (acl_by_reference === 0) return []
  const faults = referenceFaults(JSON.parse(acl))
  if (faults.length > 0) {
    throw new Problem('invalid_request', 'the rules cannot be named by reference', faults)
  }
  return [insertPolicyDocument(cx, acl)]
}

function planCreation(cx: Context, row: DeviceTypeRow, fields: readonly string[]): Plan {
  const created = { type: 'device_type.created', subject_id: row.name } as const
  return {
    change: 'created',
    fields,
    statements: [
      appendEvent(cx, created, condition`not ${deviceTypeExists(row.name)}`),
      insertDeviceType(row, sql`on conflict (name) do nothing`),
      ...keepPolicy(cx, row),
    ],
  }
}

function planChange(
  cx: Context,
  current: DeviceTypeRow,
  wanted: DeviceTypePatch,
  version: number | null,
): Plan {
  const stored = storedMembers(wanted)
  const fields = TYPE_MEMBERS.filter(
    (name) => stored[name] !== undefined && stored[name] !== current[name],
  )
  const change: DeviceTypeChange = Object.fromEntries(fields.map((name) => [name, stored[name]]))
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
      ...keepPolicy(cx, next),
      appendEvent(cx, updated, deviceTypeExists(name)),
    ],
  }
}

/** The rules of a type about its devices, once an entry was written over it. */
export function typeRulesAfter(current: DeviceTypeRow | undefined, entry: DeviceTypeInput) {
  const { fields = null, credential_kinds = null } = { ...current, ...storedMembers(entry) }
  return { fields, credential_kinds }
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

/**
 * Throws Problem for a token that would count longer than the setting says: only the scope that
 * changes the setting may say so.
 */
async function assertMayProlong(cx: Context, token_ttl: number | null | undefined): Promise<void> {
  if (token_ttl === null || token_ttl === undefined || cx.actor.scopes.has('manage')) return
  const { device_access_token_ttl } = await loadSettings(cx)
  if (token_ttl <= device_access_token_ttl) return
  const detail = `only manage lets a token count longer than ${device_access_token_ttl} seconds`
  throw new Problem(
    'forbidden',
    'this would hand on or take away more than the actor holds',
    [{ pointer: '/token_ttl', detail }],
    'power_not_held',
  )
}

/** Round trips: 1 write. Throws Problem conflict when there is one of this name. */
export async function createDeviceType(
  cx: Context,
  input: DeviceTypeInput,
): Promise<DeviceTypeRow> {
  await assertFields(input.fields)
  await assertMayProlong(cx, input.token_ttl)
  const row = newRow(cx, input)
  const lacking = lackingToWrite(cx, row.name, row.acl)
  try {
    await guarded(cx, lacking, () =>
      cx.db.write([
        ...demandPower(lacking),
        insertDeviceType(row),
        ...keepPolicy(cx, row),
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

/**
 * Round trips: 1 read, one more for other rules of a type that devices have, 1 write. `version` is
 * the one that If-Match demands.
 */
export async function changeDeviceType(
  cx: Context,
  name: string,
  patch: DeviceTypePatch,
  version: number | null,
): Promise<DeviceTypeRow> {
  const {
    current: [current],
    devices,
  } = await cx.db.read({
    current: findDeviceTypesByNames([name]),
    devices: patch.acl === undefined ? null : devicesOfType(name, EXAMINED_MAX),
  })
  if (current === undefined) throw noType()
  if (version !== null && version !== current.version) throw otherVersion()
  await assertFields(patch.fields)
  await assertMayProlong(cx, patch.token_ttl)
  const plan = planChange(cx, current, patch, version)
  if (plan.change === 'unchanged') return current
  if (plan.fields.includes('acl')) {
    const type_acl = storedAcl(patch.acl ?? [])
    const by_reference = (patch.acl_by_reference ?? current.acl_by_reference === 1) ? 1 : 0
    const own = (row: OwnDeviceRow): OwnDeviceRow => ({ ...row, type_acl, by_reference })
    await assertHoldersFit(cx, devices, {}, '/acl', own)
  }
  const lacking = plan.fields.includes('acl')
    ? lackingToWrite(cx, name, storedRules(name), storedAcl(patch.acl ?? []))
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
        ...deleteDeviceType(name),
      ],
      left: findDeviceTypesByNames([name]),
    }),
  )
  if (left.length > 0)
    throw new Problem('conflict', 'there are devices of this type, or an authority for them')
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
