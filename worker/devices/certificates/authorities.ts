// Authorities that operators register: a certificate that one of them signed proves a device of the
// type, and in the place, to which it is limited. It must have signed the certificate itself: of a
// chain the last authority is registered, and none above it is asked for.
// Such an authority can be any of its devices, so all about it needs `manage`, held for good.
import { demandPower, type Lack, lackingToHandOn, nameLacks } from '../../access/power.ts'
import { idSchema } from '../../access/principals.ts'
import { decodeCursor, lineSchema, type PageQuery, type Plan, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { decodeBase64, encodeBase64, randomId } from '../../crypto.ts'
import { BatchRefused, ConstraintViolation } from '../../db/database.ts'
import { condition, type Statement, sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent, changedValues } from '../../events.ts'
import {
  type Certificate,
  certificatesOfPem,
  isSignedBy,
  KEY_USAGE,
  keyAlgorithmOf,
  pemOf,
} from '../../keys/certificate.ts'
import { faultsOfKey } from '../../keys/public_key.ts'
import { typeNameSchema } from '../device_types.ts'
import { PEM_MAX, readPem } from '../pem.ts'
import { missingReferences } from '../refusals.ts'
import {
  type AuthorityChange,
  type AuthorityRow,
  authorityExists,
  deleteAuthority,
  demandAuthorityVersion,
  demandBounds,
  findAuthority,
  insertAuthority,
  listAuthoritiesAfter,
  updateAuthority,
} from './certificate_store.ts'

const CURSOR = 'device authorities'

const members = {
  name: lineSchema(100),
  certificate: z
    .string()
    .max(PEM_MAX)
    .describe('its certificate in PEM: of the authority that signs devices itself'),
  names: z
    .enum(['id', 'serial'])
    .describe('by which its certificates name devices: their ids, or their serial numbers'),
  device_type: typeNameSchema.nullable().describe('devices of this type alone; null: of each'),
  group: idSchema.nullable().describe('devices in this group or below it alone; null: all'),
  enabled: z.boolean(),
}

export const authorityInput = z
  .strictObject({
    name: members.name,
    certificate: members.certificate,
    names: members.names.optional(),
    device_type: members.device_type.optional(),
    group: members.group.optional(),
    enabled: members.enabled.optional(),
  })
  .openapi('NewDeviceAuthority')

export type AuthorityInput = z.infer<typeof authorityInput>

/** A merge patch. Whom it vouches for stays: another authority is registered for others. */
export const authorityPatch = z
  .strictObject({ name: members.name.optional(), enabled: members.enabled.optional() })
  .openapi('DeviceAuthorityPatch')

export type AuthorityPatch = z.infer<typeof authorityPatch>

export const authoritySchema = z
  .object({
    id: z.string(),
    ...members,
    thumbprint: z.string().describe('SHA-256 of its DER form, base64url'),
    not_before: z.int(),
    not_after: z.int(),
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('DeviceAuthority')

export function describeAuthority(row: AuthorityRow): z.infer<typeof authoritySchema> {
  const { id, name, names, device_type, thumbprint, not_before, not_after } = row
  return {
    ...{ id, name, names, device_type, group: row.group_id, enabled: row.enabled === 1 },
    certificate: pemOf(decodeBase64(row.certificate) ?? new Uint8Array()),
    ...{ thumbprint, not_before, not_after },
    created_at: row.created_at,
    updated_at: row.updated_at,
  }
}

// --- what may be registered -------------------------------------------------------------------

/** The one certificate of a text, which may sign others. Throws Problem. */
export function readAuthority(pem: string): Certificate {
  const [one, ...more] = readAuthorities(pem)
  if (one !== undefined && more.length === 0) return one
  const detail = 'holds several certificates: send that of the authority that signs devices'
  throw new Problem('invalid_request', 'this is no authority', [
    { pointer: '/certificate', detail },
  ])
}

/** The certificates of a text; the first one may sign others. Throws Problem. */
export function readAuthorities(pem: string): Certificate[] {
  const refuse = (detail: string) =>
    new Problem('invalid_request', 'this is no authority', [{ pointer: '/certificate', detail }])
  const found = certificatesOfPem(pem)
  if ('fault' in found) throw refuse(found.fault)
  const [one] = found
  if (one === undefined) throw refuse('holds no certificate')
  if (!one.is_ca) throw refuse('may sign no others: its basic constraints are not those of a CA')
  if (one.key_usage !== undefined && (one.key_usage & KEY_USAGE.keyCertSign) === 0) {
    throw refuse('may sign no others: its key usage lacks keyCertSign')
  }
  if (keyAlgorithmOf(one.spki) === null) {
    throw refuse('has a key of a kind that is not known here: take P-256, P-384, RSA or Ed25519')
  }
  const read = readPem(pemOf(one.der))
  const faults = 'jwk' in read ? faultsOfKey(read.jwk) : []
  const [fault] = faults
  if (fault !== undefined) throw refuse(`has a key that ${fault.message}`)
  return found
}

/** A root shows by its own signature that its file is whole. Throws Problem. */
async function assertWhole(one: Certificate): Promise<void> {
  if (one.issuer !== one.subject || (await isSignedBy(one, one.spki))) return
  throw new Problem('invalid_request', 'this is no authority', [
    { pointer: '/certificate', detail: 'has its own name as issuer, and did not sign itself' },
  ])
}

async function newRow(cx: Context, input: AuthorityInput): Promise<AuthorityRow> {
  const one = readAuthority(input.certificate)
  await assertWhole(one)
  return {
    id: randomId(cx, 'dca'),
    name: input.name,
    certificate: encodeBase64(one.der),
    thumbprint: one.thumbprint,
    subject: one.subject,
    names: input.names ?? 'id',
    device_type: input.device_type ?? null,
    group_id: input.group ?? null,
    enabled: input.enabled === false ? 0 : 1,
    not_before: one.not_before,
    not_after: one.not_after,
    created_by: cx.actor.id,
    created_at: cx.now(),
    updated_at: cx.now(),
    version: 1,
  }
}

// --- plans ------------------------------------------------------------------------------------

/** Plans an entry: the changes from the stored authority of this name to the entry. */
export async function planAuthority(
  cx: Context,
  entry: AuthorityInput,
  current: AuthorityRow | undefined,
): Promise<Plan> {
  if (current === undefined) {
    const row = await newRow(cx, entry)
    const isNew = condition`not exists (select 1 from device_ca where name = ${row.name})`
    return {
      change: 'created',
      fields: Object.keys(entry),
      statements: [
        ...demandBounds(row),
        appendEvent(cx, eventOf('device_ca.created', row), isNew),
        insertAuthority(row, sql`on conflict (name) do nothing`),
      ],
    }
  }
  assertSameDevices(entry, current)
  return planChange(cx, current, entry.enabled === undefined ? {} : { enabled: entry.enabled })
}

/** Throws Problem for an entry of the same name that vouches for others. */
function assertSameDevices(entry: Partial<AuthorityInput>, current: AuthorityRow): void {
  const { certificate, names, device_type, group } = entry
  const isOther = {
    certificate:
      certificate !== undefined && readAuthority(certificate).thumbprint !== current.thumbprint,
    names: names !== undefined && names !== current.names,
    device_type: device_type !== undefined && device_type !== current.device_type,
    group: group !== undefined && group !== current.group_id,
  }
  const errors = Object.entries(isOther).flatMap(([name, is]) =>
    is ? [{ pointer: `/${name}`, detail: 'stays as it is: register another authority' }] : [],
  )
  if (errors.length > 0) throw new Problem('conflict', 'an authority stays what it is', errors)
}

function planChange(cx: Context, current: AuthorityRow, patch: AuthorityPatch): Plan {
  const enabled = patch.enabled === undefined ? current.enabled : patch.enabled ? 1 : 0
  const next: AuthorityRow = { ...current, name: patch.name ?? current.name, enabled }
  const change: AuthorityChange = {
    ...(next.name === current.name ? {} : { name: next.name }),
    ...(next.enabled === current.enabled ? {} : { enabled: next.enabled }),
  }
  const fields = Object.keys(change)
  if (fields.length === 0) return { change: 'unchanged', fields, statements: [] }
  const values = changedValues(describeAuthority(current), describeAuthority(next), fields)
  return {
    change: 'updated',
    fields,
    statements: [
      updateAuthority(cx, current.id, change),
      appendEvent(
        cx,
        { type: 'device_ca.updated', subject_id: current.id, data: { fields }, ...values },
        authorityExists(current.id),
      ),
    ],
  }
}

const eventOf = <T extends 'device_ca.created' | 'device_ca.deleted'>(
  type: T,
  { id, name, thumbprint, device_type, group_id }: AuthorityRow,
) => ({
  type,
  subject_id: id,
  data: { name, thumbprint, device_type, group: group_id },
})

// --- use cases --------------------------------------------------------------------------------

const noAuthority = () => new Problem('not_found', 'there is no such authority')
const otherVersion = () => new Problem('precondition_failed', 'the authority was changed')

export function needsManage(lacks: readonly Lack[]): void {
  if (lacks.length === 0) return
  throw new Problem(
    'forbidden',
    'this needs the scope manage, held without an end: an authority can be each of its devices',
    [{ pointer: '', detail: 'needs the scope manage' }],
    'power_not_held',
  )
}

/** Runs a write with the demand of `manage`. Throws Problem. */
async function withManage<T>(cx: Context, write: (demands: Statement[]) => Promise<T>): Promise<T> {
  const lacking = [lackingToHandOn(cx, ['manage'])]
  try {
    return await nameLacks(cx, lacking, () => write(demandPower(lacking)), needsManage)
  } catch (error) {
    throw refusalOfAuthority(error) ?? error
  }
}

/** The Problem for which a batch with statements of this file was undone, or null. */
function refusalOfAuthority(error: unknown): Problem | null {
  if (error instanceof ConstraintViolation && error.constraint === 'device_ca.name') {
    return new Problem('conflict', 'there is an authority of this name', [
      { pointer: '/name', detail: 'is taken' },
    ])
  }
  if (!(error instanceof BatchRefused)) return null
  switch (error.reason) {
    case 'device_ca_version':
      return otherVersion()
    case 'device_ca_type':
      return missingReferences([
        { pointer: '/device_type', detail: 'there is no such device type' },
      ])
    case 'device_ca_group':
      return missingReferences([{ pointer: '/group', detail: 'there is no such group' }])
    default:
      return null
  }
}

/** Round trips: 1 write. Throws Problem. */
export async function createAuthority(cx: Context, input: AuthorityInput): Promise<AuthorityRow> {
  const row = await newRow(cx, input)
  if (row.not_after <= cx.now()) {
    throw new Problem('invalid_request', 'the authority has run out', [
      { pointer: '/certificate', detail: 'has run out' },
    ])
  }
  await withManage(cx, (demands) =>
    cx.db.write([
      ...demands,
      ...demandBounds(row),
      insertAuthority(row),
      appendEvent(cx, eventOf('device_ca.created', row)),
    ]),
  )
  return row
}

/** Round trips: 1 read. Throws Problem. */
export async function getAuthority(cx: Context, id: string): Promise<AuthorityRow> {
  const [row] = await cx.db.read(findAuthority(id))
  if (row === undefined) throw noAuthority()
  return row
}

/** Round trips: 1 read. */
export async function listAuthorities(cx: Context, { cursor, limit }: PageQuery) {
  const rows = await cx.db.read(listAuthoritiesAfter(decodeCursor(cx, CURSOR, cursor), limit))
  return pageOf(cx, CURSOR, rows, limit, (row) => row.id, describeAuthority)
}

/**
 * Renames an authority, disables or enables it. Disabled, it ends what its devices got by it for
 * good; enabled, it vouches for them again. Round trips: 1 read, 1 write. Throws Problem.
 */
export async function changeAuthority(
  cx: Context,
  id: string,
  patch: AuthorityPatch,
  version: number | null,
): Promise<AuthorityRow> {
  const current = await getAuthority(cx, id)
  if (version !== null && version !== current.version) throw otherVersion()
  const plan = planChange(cx, current, patch)
  if (plan.change === 'unchanged') return current
  const {
    row: [row],
  } = await withManage(cx, (demands) =>
    cx.db.write({
      demands,
      version: version === null ? null : demandAuthorityVersion(id, version),
      changes: plan.statements,
      row: findAuthority(id),
    }),
  )
  if (row === undefined) throw noAuthority()
  return row
}

/**
 * Forgets an authority: its certificates prove nothing any more, and what its devices got by it
 * ends. Round trips: 1 read, 1 write. Throws Problem.
 */
export async function removeAuthority(
  cx: Context,
  id: string,
  version: number | null,
): Promise<void> {
  const current = await getAuthority(cx, id)
  if (version !== null && version !== current.version) throw otherVersion()
  await withManage(cx, (demands) =>
    cx.db.write([
      ...demands,
      ...(version === null ? [] : [demandAuthorityVersion(id, version)]),
      appendEvent(cx, eventOf('device_ca.deleted', current), authorityExists(id)),
      deleteAuthority(id),
    ]),
  )
}
