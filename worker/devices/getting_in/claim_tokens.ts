// Claim tokens: an operator makes one for a batch of devices of one type, and perhaps for one place
// and a list of numbers. It is shown once. Ending it may end all that came in by it.
import { demandPower, mayAll, nameLacks } from '../../access/power.ts'
import { idSchema } from '../../access/principals.ts'
import { decodeCursor, lineSchema, type PageOf, type PageQuery, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomId, randomToken, sha256 } from '../../crypto.ts'
import { BatchRefused } from '../../db/database.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { findMakerEpoch } from '../../identity/mailed_offers/offerer.ts'
import { typeNameSchema } from '../device_types.ts'
import { withKeys } from '../hardware_ids.ts'
import { missingReferences } from '../refusals.ts'
import { findReferences } from '../store.ts'
import { assertDeviceFits, readsOfWidth } from '../width.ts'
import { lackingForBatch, madeNow } from './claim_makers.ts'
import {
  appendClaimRevocation,
  type ClaimBatchRow,
  countDevicesOfBatch,
  demandPlainDevices,
  findClaimBatch,
  insertClaimBatch,
  listClaimBatchesAfter,
  suspendDevicesOfBatch,
  updateClaimRevocation,
} from './claim_store.ts'

const CURSOR = 'claim tokens'
const DAY = 86_400

export const claimTokenInput = z
  .strictObject({
    name: lineSchema(200).nullish(),
    type: typeNameSchema,
    group: idSchema.nullish().describe('the place into which its devices come'),
    uses: z.int().min(1).max(100_000).default(1).describe('how many devices may come in'),
    expires_in: z
      .int()
      .min(60)
      .max(3660 * DAY)
      .default(30 * DAY)
      .describe('seconds for which it is good'),
    again: z
      .enum(['keep', 'reset'])
      .default('keep')
      .describe(
        'keep: a device that is there stays, and comes again with its key alone; reset: one that was released may come in with another key too',
      ),
    serials: z
      .array(lineSchema(128))
      .min(1)
      .max(10_000)
      .optional()
      .describe('only devices with one of these serial numbers'),
  })
  .openapi('NewClaimToken')

export type ClaimTokenInput = z.input<typeof claimTokenInput>

export const claimTokenSchema = z
  .object({
    id: z.string(),
    name: z.string().nullable(),
    type: z.string(),
    group: z.string().nullable(),
    uses: z.int(),
    used: z.int(),
    again: z.enum(['keep', 'reset']),
    is_listed: z.boolean(),
    created_at: z.int(),
    expires_at: z.int(),
    revoked_at: z.int().nullable(),
  })
  .openapi('ClaimToken')

export const newClaimTokenSchema = claimTokenSchema
  .extend({ claim_token: z.string().openapi({ description: 'In this answer only.' }) })
  .openapi('CreatedClaimToken')

export const describeClaimToken = (row: ClaimBatchRow): z.infer<typeof claimTokenSchema> => ({
  id: row.id,
  name: row.name,
  type: row.type,
  group: row.group_id,
  uses: row.uses,
  used: row.used,
  again: row.again,
  is_listed: row.is_listed === 1,
  created_at: row.created_at,
  expires_at: row.expires_at,
  revoked_at: row.revoked_at,
})

const noToken = () => new Problem('not_found', 'there is no such claim token')

/** Round trips: 1 read, 1 write. Throws Problem. */
export async function createClaimToken(
  cx: Context,
  input: ClaimTokenInput,
): Promise<z.infer<typeof newClaimTokenSchema>> {
  const entry = claimTokenInput.parse(input)
  const { type, serials } = entry
  const group_id = entry.group ?? null
  const groups = group_id === null ? [] : [group_id]
  const read = await cx.db.read({
    references: findReferences('', type, groups, null, null),
    maker: findMakerEpoch(cx),
    width: readsOfWidth(cx, '', type, JSON.stringify(groups)),
  })
  const [found] = read.references
  const { width } = read
  if (found?.type_exists !== 1) {
    throw missingReferences([{ pointer: '/type', detail: 'there is no such device type' }])
  }
  if (found.missing_groups !== '[]') {
    throw missingReferences([{ pointer: '/group', detail: 'there is no such group' }])
  }
  const kinds = found.credential_kinds === null ? null : JSON.parse(found.credential_kinds)
  if (kinds !== null && !kinds.includes('jwk')) {
    throw missingReferences([{ pointer: '/type', detail: 'does not take keys of devices (jwk)' }])
  }
  const one = { id: randomId(cx, 'dev'), type, groups, metadata: '{}', tags: '[]' }
  await assertDeviceFits(cx, { ...one, mqtt_client_id: null }, width, '/group')
  const claim_token = `clt_${randomToken(cx)}`
  const row: ClaimBatchRow = {
    id: randomId(cx, 'clb'),
    hash: sha256(claim_token),
    name: entry.name ?? null,
    type,
    group_id,
    uses: entry.uses,
    used: 0,
    again: entry.again,
    is_listed: serials === undefined ? 0 : 1,
    is_wide: Number(mayAll(cx)),
    ...madeNow(cx, read.maker),
    created_at: cx.now(),
    expires_at: cx.now() + entry.expires_in,
    revoked_at: null,
  }
  const numbers = withKeys((serials ?? []).map((value) => ({ kind: 'serial', value })))
  const lacking = lackingForBatch(cx, row)
  await nameLacks(cx, lacking, () =>
    cx.db.write([
      ...demandPower(lacking),
      ...insertClaimBatch(row, numbers),
      appendEvent(cx, {
        type: 'claim_batch.created',
        subject_id: row.id,
        data: { type, group: group_id, uses: row.uses, expires_at: row.expires_at },
      }),
    ]),
  )
  return { ...describeClaimToken(row), claim_token }
}

/** Round trips: 1 read. Throws Problem. */
export async function getClaimToken(cx: Context, id: string) {
  const [row] = await cx.db.read(findClaimBatch(id))
  if (row === undefined) throw noToken()
  return describeClaimToken(row)
}

/** Round trips: 1 read. */
export async function listClaimTokens(
  cx: Context,
  { cursor, limit }: PageQuery,
): Promise<PageOf<z.infer<typeof claimTokenSchema>>> {
  const rows = await cx.db.read(listClaimBatchesAfter(decodeCursor(cx, CURSOR, cursor), limit))
  return pageOf(cx, CURSOR, rows, limit, (row) => row.id, describeClaimToken)
}

/**
 * Ends a token, and with `devices: suspend` all that came in by it. Answers how many devices that
 * were. Round trips: 1 read, 1 write. Throws Problem.
 */
export async function revokeClaimToken(
  cx: Context,
  id: string,
  devices: 'suspend' | 'keep',
): Promise<z.infer<typeof claimTokenSchema> & { devices_suspended: number }> {
  const [batch] = await cx.db.read(findClaimBatch(id))
  if (batch === undefined) throw noToken()
  const suspends = devices === 'suspend'
  const lacking = lackingForBatch(cx, batch)
  const write = () =>
    cx.db.write({
      power: [
        ...demandPower(lacking),
        ...(suspends && !mayAll(cx) ? [demandPlainDevices(id)] : []),
      ],
      // Devices come in until here.
      count: suspends ? countDevicesOfBatch(id) : null,
      changes: [
        appendClaimRevocation(cx, id, suspends),
        updateClaimRevocation(cx, id),
        ...(suspends ? suspendDevicesOfBatch(cx, id) : []),
      ],
      row: findClaimBatch(id),
    })
  try {
    const {
      row: [row],
      count: [count],
    } = await nameLacks(cx, lacking, write)
    if (row === undefined) throw noToken()
    return { ...describeClaimToken(row), devices_suspended: count?.n ?? 0 }
  } catch (error) {
    if (!(error instanceof BatchRefused)) throw error
    throw new Problem('conflict', 'the devices were changed at the same time; try again')
  }
}
