// Tokens that an operator mints for a device that cannot speak HTTP: longer-lived, shown once,
// revocable. The table keeps the id that stands in `jti`, never the token.

import { compileAcl } from '../access/acl_claim.ts'
import {
  assertNothingLacks,
  demandPower,
  lackingOver,
  lackingToHandOn,
  lackingWithin,
  nameLacks,
} from '../access/power.ts'
import { demandWithinReach, isWithinReach } from '../access/reach/reach.ts'
import { rightsOf } from '../access/rights.ts'
import { decodeCursor, type PageOf, type PageQuery, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { randomId } from '../crypto.ts'
import { unlessRefused } from '../db/database.ts'
import { condition } from '../db/sql.ts'
import { findDeviceById } from '../devices/devices.ts'
import { makerWithin } from '../devices/made_in_place.ts'
import {
  type DeviceTokenRow,
  demandDeviceOfToken,
  findDeviceToken,
  insertDeviceToken,
  listDeviceTokens,
  revokeDeviceToken,
} from '../devices/minted_token_store.ts'
import { Problem } from '../errors.ts'
import { appendEvent } from '../events.ts'
import { ensureKey } from '../keys/signing_keys.ts'
import { keepKeyUntil } from '../keys/store.ts'
import { accessTokenClaims, signAccessToken } from '../oauth/tokens/access_token.ts'
import { policyReference } from '../oauth/tokens/reference_token.ts'
import { loadSettings } from '../settings.ts'
import { findStatus } from '../status/entry_store.ts'
import { tellStatus } from '../status/telling.ts'

export const mintInput = z
  .strictObject({
    /** Lifetime of the token, in seconds. */
    expires_in: z.int().min(60).max(31_622_400),
  })
  .openapi('MintDeviceToken')

export const mintedTokenSchema = z
  .object({
    id: z.string(),
    device_id: z.string(),
    created_at: z.int(),
    expires_at: z.int(),
    revoked_at: z.int().nullable(),
  })
  .openapi('DeviceToken')

/**
 * Makes a token and answers it, this once. It acts as the device, so an actor cannot make one for a
 * device that holds more. Throws Problem.
 */
export async function mintDeviceToken(
  cx: Context,
  device_id: string,
  { expires_in }: z.infer<typeof mintInput>,
): Promise<DeviceTokenRow & { access_token: string }> {
  const settings = await loadSettings(cx)
  if (expires_in > settings.minted_token_max_ttl) {
    throw new Problem('invalid_request', 'the token would live too long', [
      { pointer: '/expires_in', detail: `at most ${settings.minted_token_max_ttl} seconds` },
    ])
  }
  // The token goes on when the actor's power over devices has ended.
  const lacking = [
    ...lackingOver(cx, device_id),
    ...(cx.actor.reach === undefined
      ? [lackingToHandOn(cx, ['devices:write'], cx.now() + expires_in)]
      : lackingWithin(cx, 'devices:write', device_id, cx.now() + expires_in)),
  ]
  const isWithin = isWithinReach(cx, device_id)
  const { devices, rights, lacks } = await cx.db.read({
    devices: findDeviceById(device_id, isWithin),
    rights: rightsOf(device_id, cx.now()),
    lacks: lacking,
  })
  const [device] = devices
  if (device === undefined) throw new Problem('not_found', 'there is no such device')
  assertNothingLacks(lacks)
  if (device.status !== 'active') {
    throw new Problem('conflict', `the device is ${device.status}, so it gets no token`)
  }
  const compiled = compileAcl(cx, device_id, rights, settings.acl_max_rules)
  if ('fault' in compiled) {
    throw new Problem(
      'conflict',
      `the device's rights come to more than ${settings.acl_max_rules} rules; grant on groups instead`,
    )
  }
  const id = randomId(cx, 'tok')
  const { kid } = await ensureKey(cx, 'ES256')
  const claims = accessTokenClaims(cx, {
    origin: id,
    epoch: device.epoch,
    sub: device_id,
    client_id: device_id,
    audience: [cx.config.mqtt_audience],
    scope: ['mqtt'],
    ttl: expires_in,
    not_after: compiled.expires_at,
    acl: compiled.rules,
    reference: policyReference(rights),
    mqtt_client_id: device.mqtt_client_id,
  })
  const { exp: expires_at } = claims
  const row = {
    id,
    device_id,
    created_at: cx.now(),
    expires_at,
    revoked_at: null,
    revoked_by: null,
    made_by: makerWithin(cx),
  }
  const write = nameLacks(cx, lacking, () =>
    cx.db.write({
      changes: [
        ...demandPower(lacking),
        ...demandWithinReach(cx, condition`false`, device_id),
        demandDeviceOfToken(row, device),
        insertDeviceToken(row),
        keepKeyUntil(kid, expires_at),
        appendEvent(cx, {
          type: 'device_token.minted',
          subject_id: device_id,
          data: { id, expires_at },
        }),
      ],
      status: findStatus('device_token', id),
    }),
  )
  const rows = await unlessRefused(write, () => {
    throw new Problem('conflict', 'the device was suspended in the meantime, so it gets no token')
  })
  // Signed behind the write, which allots its entry of a status list.
  const status = await tellStatus(cx, 'device_token', id, rows.status)
  const minted = await signAccessToken(cx, { ...claims, status })
  // Another key began to sign in this very moment.
  if (minted.kid !== kid) await cx.db.write(keepKeyUntil(minted.kid, expires_at))
  return { ...row, access_token: minted.access_token }
}

/** Revokes a minted token. Throws Problem not_found. */
export async function revokeMintedToken(cx: Context, device_id: string, id: string): Promise<void> {
  const lacking = lackingOver(cx, device_id)
  const {
    row: [row],
    lacks,
  } = await cx.db.read({
    row: findDeviceToken(device_id, id, isWithinReach(cx, device_id)),
    lacks: lacking,
  })
  if (row === undefined) throw new Problem('not_found', 'the device has no such token')
  assertNothingLacks(lacks)
  if (row.revoked_at !== null) return
  await nameLacks(cx, lacking, () =>
    cx.db.write([
      ...demandPower(lacking),
      revokeDeviceToken(cx, id),
      appendEvent(cx, { type: 'device_token.revoked', subject_id: device_id, data: { id } }),
    ]),
  )
}

/** Throws Problem. One round trip. */
export async function listMintedTokens(
  cx: Context,
  device_id: string,
  { limit, cursor }: PageQuery,
): Promise<PageOf<DeviceTokenRow>> {
  const kind = `tokens of ${device_id}`
  const after = decodeCursor(cx, kind, cursor)
  const { devices, tokens } = await cx.db.read({
    devices: findDeviceById(device_id, isWithinReach(cx, device_id)),
    tokens: listDeviceTokens(device_id, after, limit + 1),
  })
  if (devices.length === 0) throw new Problem('not_found', 'there is no such device')
  return pageOf(
    cx,
    kind,
    tokens,
    limit,
    (row) => row.id,
    (row) => row,
  )
}
