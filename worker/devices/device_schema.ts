// A device as the API takes and shows it: the schemas, and a row in their form. Pure.
import { idSchema } from '../access/principals.ts'
import { lineSchema, z } from '../api.ts'
import {
  credentialInput,
  credentialSchema,
  describeCredential,
  MAX_CREDENTIALS,
  type NewCredential,
} from './credentials.ts'
import { typeNameSchema } from './device_types.ts'
import type { DeviceRow, DeviceWithGroups } from './store.ts'

export const MAX_METADATA = 50

const MAX_GROUPS = 100

const statusSchema = z.enum(['active', 'suspended', 'retired'])

const clientIdSchema = lineSchema(128).openapi({
  description: 'The one MQTT client id that the device may use beside its own id.',
})

const groupsSchema = z
  .array(idSchema)
  .max(MAX_GROUPS)
  .refine((ids) => new Set(ids).size === ids.length, 'must not name a group twice')

const metadataKey = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . - after a letter')

const metadataValue = lineSchema(500).or(z.literal(''))

/** The body of a create request, and an entry of the blueprint. */
export const deviceInput = z
  .strictObject({
    id: idSchema.optional(),
    type: typeNameSchema,
    name: lineSchema(200).nullish(),
    status: statusSchema.optional(),
    mqtt_client_id: clientIdSchema.nullish(),
    metadata: z
      .record(metadataKey, metadataValue)
      .refine((all) => Object.keys(all).length <= MAX_METADATA, `at most ${MAX_METADATA} members`)
      .optional(),
    groups: groupsSchema.optional(),
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
  })
  .openapi('DevicePatch')

export type DevicePatch = z.infer<typeof devicePatch>

export const deviceSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    name: z.string().nullable(),
    status: statusSchema,
    mqtt_client_id: z.string().nullable(),
    metadata: z.record(z.string(), z.string()),
    groups: z.array(z.string()),
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
  const metadata = metadataOf(row)
  return {
    id,
    type,
    name,
    status,
    mqtt_client_id,
    metadata,
    groups: groupsOf(row),
    created_at,
    updated_at,
  }
}

export const metadataOf = (row: DeviceRow) => JSON.parse(row.metadata) as Record<string, string>

export const groupsOf = (row: DeviceWithGroups) => (JSON.parse(row.groups) as string[]).sort()

/** The answer to a creation: generated secrets in clear, once. */
export const describeCreatedDevice = (
  device: DeviceWithGroups,
  made: readonly NewCredential[],
): z.infer<typeof createdDeviceSchema> => ({
  ...describeDevice(device),
  credentials: made.map(({ row, secret }) => describeCredential(row, secret)),
})
