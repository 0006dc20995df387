// A device as the API takes and shows it: the schemas, and a row in their form. Pure.
import { idSchema } from '../access/principals.ts'
import { lineSchema, z } from '../api.ts'
import type { Context } from '../context.ts'
import {
  credentialInput,
  credentialSchema,
  describeCredential,
  MAX_CREDENTIALS,
  type NewCredential,
} from './credentials.ts'
import {
  deviceMetadataSchema,
  type Metadata,
  metadataKey,
  metadataValue,
} from './device_metadata.ts'
import { typeNameSchema } from './device_types.ts'
import { type HardwareId, hardwareIdsSchema } from './hardware_ids.ts'
import type { DeviceRow, DeviceWithGroups } from './store.ts'

const MAX_GROUPS = 100

const statusSchema = z.enum(['active', 'suspended', 'retired'])

/** Unclaimed: it was registered ahead, or released, and gets no token for topics. */
export const anyStatusSchema = z.enum(['unclaimed', ...statusSchema.options])

const clientIdSchema = lineSchema(128).openapi({
  description: 'The one MQTT client id that the device may use beside its own id.',
})

const groupsSchema = z
  .array(idSchema)
  .max(MAX_GROUPS)
  .refine((ids) => new Set(ids).size === ids.length, 'must not name a group twice')

export const tagSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/, 'must be a word of A-Z a-z 0-9 . _ : -')

const tagsSchema = z
  .array(tagSchema)
  .max(32)
  .refine((tags) => new Set(tags).size === tags.length, 'must not name a tag twice')

const parentSchema = idSchema.openapi({ description: 'The gateway by which it is connected.' })

/** The body of a create request, and an entry of the blueprint. */
export const deviceInput = z
  .strictObject({
    id: idSchema.optional(),
    type: typeNameSchema,
    name: lineSchema(200).nullish(),
    status: anyStatusSchema.optional(),
    mqtt_client_id: clientIdSchema.nullish(),
    metadata: deviceMetadataSchema.optional(),
    groups: groupsSchema.optional(),
    hardware_ids: hardwareIdsSchema.optional(),
    tags: tagsSchema.optional(),
    parent: parentSchema.nullish(),
    credentials: z.array(credentialInput).max(MAX_CREDENTIALS).optional(),
  })
  .openapi('NewDevice')

export type DeviceInput = z.infer<typeof deviceInput>

/** A merge patch. Credentials have routes of their own. */
export const devicePatch = z
  .strictObject({
    type: typeNameSchema.optional(),
    name: lineSchema(200).nullish(),
    status: statusSchema.optional(),
    mqtt_client_id: clientIdSchema.nullish(),
    metadata: z.record(metadataKey, metadataValue.nullable()).nullish(),
    groups: groupsSchema.nullish(),
    hardware_ids: hardwareIdsSchema.nullish(),
    tags: tagsSchema.nullish(),
    parent: parentSchema.nullish(),
  })
  .openapi('DevicePatch')

export type DevicePatch = z.infer<typeof devicePatch>

export const deviceSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    name: z.string().nullable(),
    status: anyStatusSchema,
    mqtt_client_id: z.string().nullable(),
    metadata: z.record(z.string(), z.unknown()),
    groups: z.array(z.string()),
    hardware_ids: z.array(z.object({ kind: z.string(), value: z.string() })),
    tags: z.array(z.string()),
    parent: z.string().nullable(),
    first_seen_at: z.int().nullable().describe('when it first got a token'),
    last_seen_at: z.int().nullable().describe('when it last got a token, to the minute'),
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('Device')

export const createdDeviceSchema = deviceSchema
  .extend({ credentials: z.array(credentialSchema) })
  .openapi('CreatedDevice')

export const changedDeviceSchema = deviceSchema
  .extend({
    tokens_ended: z.int().optional().openapi({
      description:
        'Only in the answer to a change that suspends or retires the device: how many tokens minted for it ended by that, for good. Activating the device brings none of them back; one that cannot fetch tokens itself needs new ones.',
    }),
  })
  .openapi('ChangedDevice')

/** The answer to a change. */
export const describeChangedDevice = ({
  tokens_ended,
  ...row
}: DeviceWithGroups & { tokens_ended?: number }): z.infer<typeof changedDeviceSchema> => ({
  ...describeDevice(row),
  ...(tokens_ended === undefined ? {} : { tokens_ended }),
})

export function describeDevice(row: DeviceWithGroups): z.infer<typeof deviceSchema> {
  const { id, type, name, status, mqtt_client_id, created_at, updated_at } = row
  return {
    id,
    type,
    name,
    status,
    mqtt_client_id,
    metadata: metadataOf(row),
    groups: groupsOf(row),
    hardware_ids: hardwareIdsOf(row),
    tags: JSON.parse(row.tags),
    parent: row.parent_seen === 0 ? null : row.parent_id,
    first_seen_at: row.first_seen_at === 0 ? null : row.first_seen_at,
    last_seen_at: row.last_seen_at === 0 ? null : row.last_seen_at,
    created_at,
    updated_at,
  }
}

export const metadataOf = (row: DeviceRow) => JSON.parse(row.metadata) as Metadata

export const hardwareIdsOf = ({ hardware_ids }: DeviceWithGroups) =>
  JSON.parse(hardware_ids) as HardwareId[]

/** The form in which tags are stored. */
export const storedTags = (tags: readonly string[]): string => JSON.stringify([...tags].sort())

export const groupsOf = (row: DeviceWithGroups) => (JSON.parse(row.groups) as string[]).sort()

/** The answer to a creation: generated secrets in clear, once. */
export const describeCreatedDevice = (
  cx: Context,
  device: DeviceWithGroups,
  made: readonly NewCredential[],
): z.infer<typeof createdDeviceSchema> => ({
  ...describeDevice(device),
  credentials: made.map(({ row, secret }) => describeCredential(cx, row, secret)),
})
