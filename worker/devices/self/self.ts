// A device as it may see itself: not the notes that operators keep about it in its metadata.
import type { AclRule } from '../../../policy/acl.ts'
import { compileAcl } from '../../access/acl_claim.ts'
import { rightsOf } from '../../access/rights.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { loadSettings } from '../../settings.ts'
import { credentialSchema, credentialsOf, describeCredential, endOf } from '../credentials.ts'
import { deviceSchema, groupsOf } from '../device_schema.ts'
import { noSuchDevice } from '../refusals.ts'
import { findDeviceWithGroups } from '../store.ts'
import { findReport, reportSchema } from './report.ts'

const ruleSchema = z.object({
  permission: z.enum(['allow', 'deny']),
  action: z.enum(['publish', 'subscribe', 'all']),
  topic: z.string(),
  qos: z.array(z.int()).optional(),
  retain: z.boolean().optional(),
})

export const selfSchema = deviceSchema
  .pick({
    id: true,
    type: true,
    name: true,
    status: true,
    mqtt_client_id: true,
    groups: true,
    created_at: true,
  })
  .extend({
    acl: z.array(ruleSchema).openapi({
      description: 'The rules that a token fetched now has; empty where nobody claimed the device.',
    }),
    credentials: z.array(
      credentialSchema.extend({
        ends_at: z.int().nullable().openapi({
          description: 'When it ends, by its own end or since its type demands another key.',
        }),
      }),
    ),
    report: reportSchema.nullable(),
  })
  .openapi('Self')

/** Round trips: 1 read. Throws Problem. */
export async function getSelf(cx: Context, id: string) {
  const { acl_max_rules } = await loadSettings(cx)
  const {
    device: [device],
    credentials,
    rights,
    report: [report],
  } = await cx.db.read({
    device: findDeviceWithGroups(id),
    credentials: credentialsOf(id),
    rights: rightsOf(id, cx.now()),
    report: findReport(id),
  })
  if (device === undefined) throw noSuchDevice()
  const { type, name, status, mqtt_client_id, created_at } = device
  const compiled = status === 'active' ? compileAcl(cx, id, rights, acl_max_rules) : { rules: [] }
  const acl: readonly AclRule[] = 'fault' in compiled ? [] : compiled.rules
  return {
    id,
    type,
    name,
    status,
    mqtt_client_id,
    groups: groupsOf(device),
    created_at,
    acl: acl.map(({ qos, ...rule }) => ({
      ...rule,
      ...(qos === undefined ? {} : { qos: [...qos] }),
    })),
    credentials: credentials.map((row) => ({
      ...describeCredential(cx, row),
      ends_at: endOf(row),
    })),
    report: report ?? null,
  }
}
