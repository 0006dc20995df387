// A key that takes the place of another: by the device itself, which signs the new key with the old
// one, or demanded by an operator, of one device or of all of a type.
import { importJWK, type JWTPayload, jwtVerify } from 'jose'
import { isWithinReach } from '../../access/reach/reach.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { type Condition, condition, type Statement, TRUE } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { readJwtHeader } from '../../keys/jwt_header.ts'
import { isKeyKind, KEY_KINDS } from '../../keys/public_key.ts'
import { loadSettings } from '../../settings.ts'
import {
  assertSoundCredentials,
  type CredentialInput,
  credentialInput,
  credentialSchema,
  type LiveCredentialRow,
  liveCredentials,
  newCredential,
} from '../credentials.ts'
import { type DeviceJwk, requiredMembers, thumbprintOf } from '../jwk.ts'
import { demandDevicePower, guarded, lacking, noSuchDevice } from '../refusals.ts'
import {
  credentialExists,
  credentialsOf,
  deviceExists,
  findCredential,
  findDeviceById,
  insertCredential,
} from '../store.ts'
import {
  endReplaced,
  findTypeRotation,
  listEveryKeyOf,
  mayReplace,
  replaceCredential,
  rotateAll,
  upsertTypeRotation,
} from './rotation_store.ts'

const PROOF_TYPE = 'device-rotation+jwt'
const PROOF_TTL_MAX = 300
const CLOCK_TOLERANCE = 30

export const rotationInput = z
  .strictObject({
    credential: credentialInput.openapi({
      description: 'The new key, `jwk` or `pem`, without times.',
    }),
    proof: z.string().max(4096).openapi({
      description:
        'A JWT (typ device-rotation+jwt) that the present key signs: iss and sub are the device, aud is the address of this operation, jkt is the thumbprint of the new key (RFC 7638), exp at most 300 seconds ahead.',
    }),
  })
  .openapi('Rotation')

export const rotatedSchema = z
  .object({
    credential: credentialSchema,
    replaces: z.string(),
    replaced_until: z.int().openapi({ description: 'When the key before ends.' }),
  })
  .openapi('RotatedCredential')

/**
 * Takes the new key in the place of the one that signed the proof, which still counts for a while.
 * The new key ends when the one before was to end. Round trips: 2 reads, 1 write. Throws Problem.
 */
export async function rotateCredential(
  cx: Context,
  device_id: string,
  { credential, proof }: z.output<typeof rotationInput>,
) {
  const jwk = jwkOf(credential)
  await assertSoundCredentials([credential], () => '/credential')
  const settings = await loadSettings(cx)
  const { rows, keys } = await cx.db.read({
    rows: credentialsOf(device_id),
    keys: listEveryKeyOf(device_id),
  })
  const address = `${cx.config.issuer}/v1/self/rotate`
  const live = liveCredentials(cx, rows)
  const signer = await provesRotation(cx, device_id, live, { proof, jwk, address })
  if (signer === null) {
    throw new Problem(
      'forbidden',
      'the proof is not that of a key of this device for the new key',
      [{ pointer: '/proof', detail: 'is not right in signature, type, audience, jkt or time' }],
      'rotation_not_proven',
    )
  }
  const thumbprint = thumbprintOf(jwk)
  const known = keys.find(({ jwk: text }) => thumbprintOf(JSON.parse(text)) === thumbprint)
  // The answer to the first request may have been lost.
  if (known !== undefined && known.id === signer.replaced_by && known.revoked_at === null) {
    return answer(known.id)
  }
  if (known !== undefined) throw hasKey()
  const ends = signer.rotate_by === null ? signer.expires_at : signer.renews_until
  if (ends !== null && ends <= cx.now()) {
    throw new Problem('conflict', 'the key before has an end that the next one cannot pass')
  }
  const made = newCredential(cx, device_id, { kind: 'jwk', jwk })
  // The maker of the key before may know this one too.
  const row = { ...made.row, expires_at: ends, made_by: signer.made_by }
  const until = cx.now() + settings.rotation_grace_ttl
  await cx.db.write([
    insertCredential(row, mayReplace(cx, signer)),
    endReplaced(cx, device_id, signer.id, row.id),
    replaceCredential(signer.id, row.id, until),
    appendEvent(
      cx,
      {
        type: 'device_credential.rotated',
        subject_id: device_id,
        data: {
          credential_id: row.id,
          replaces: signer.id,
          kid: (JSON.parse(row.jwk ?? '{}') as DeviceJwk).kid,
        },
      },
      credentialExists(row.id),
    ),
  ])
  return answer(row.id)

  async function answer(id: string) {
    const {
      created: [created],
      replaced: [replaced],
    } = await cx.db.read({
      created: findCredential(device_id, id),
      replaced: findCredential(device_id, signer?.id ?? ''),
    })
    if (created === undefined || replaced === undefined) throw hasKey()
    return { created, replaced }
  }
}

const hasKey = () =>
  new Problem('conflict', 'the device has or had this key, or changed keys at the same time', [
    { pointer: '/credential', detail: 'make a new key' },
  ])

function jwkOf(credential: CredentialInput) {
  const isPlain =
    credential.kind === 'jwk' &&
    credential.not_before === undefined &&
    credential.expires_at === undefined
  if (isPlain) return credential.jwk
  throw new Problem('invalid_request', 'this is not a new key', [
    { pointer: '/credential', detail: 'must be a key, jwk or pem, without times' },
  ])
}

/** The live credential whose key signed the proof for the new key at this address, or null. */
export async function provesRotation(
  cx: Context,
  device_id: string,
  live: readonly LiveCredentialRow[],
  {
    proof,
    jwk,
    address,
  }: { proof: string; jwk: Parameters<typeof thumbprintOf>[0]; address: string },
): Promise<LiveCredentialRow | null> {
  const header = readJwtHeader(proof)
  if (header === null || header.typ !== PROOF_TYPE) return null
  for (const row of live) {
    const key = row.jwk === null ? null : (JSON.parse(row.jwk) as DeviceJwk)
    if (key === null || !isForAlgorithm(key, header.alg)) continue
    const claims = await claimsOf(cx, proof, key, header.alg)
    if (claims === null) continue
    const { iss, sub, aud, exp } = claims
    const isRight =
      iss === device_id &&
      sub === device_id &&
      aud === address &&
      typeof exp === 'number' &&
      exp > cx.now() &&
      exp <= cx.now() + PROOF_TTL_MAX &&
      claims['jkt'] === thumbprintOf(jwk)
    return isRight ? row : null
  }
  return null
}

const isForAlgorithm = (key: DeviceJwk, alg: string): boolean =>
  isKeyKind(key.kty) &&
  KEY_KINDS[key.kty].algorithms.some((one) => one === alg) &&
  (key.alg === undefined || key.alg === alg || key.kty === 'OKP')

async function claimsOf(
  cx: Context,
  jwt: string,
  key: DeviceJwk,
  alg: string,
): Promise<JWTPayload | null> {
  try {
    const { payload } = await jwtVerify(jwt, await importJWK(requiredMembers(key), alg), {
      algorithms: [alg],
      currentDate: new Date(cx.now() * 1000),
      clockTolerance: CLOCK_TOLERANCE,
    })
    return payload
  } catch {
    return null
  }
}

// --- demanded ---------------------------------------------------------------------------------

/** The time by which other keys are demanded. */
export const rotateBySchema = z.int().min(0).max(253_402_300_799).openapi({
  description: 'When the keys end that are there now (epoch seconds).',
})

export const demandInput = z.strictObject({ rotate_by: rotateBySchema }).openapi('RotationDemand')

/** Throws Problem. */
export function assertAhead(cx: Context, rotate_by: number, pointer = '/rotate_by'): void {
  if (rotate_by > cx.now()) return
  throw new Problem('invalid_request', 'the time is in the past', [
    { pointer, detail: 'is in the past; revoke a credential to end it at once' },
  ])
}

/** Statements around those of a demand, in its batch, and a condition for it. */
type Around = { first: readonly Statement[]; when: Condition; last: readonly Statement[] }

const ALONE: Around = { first: [], when: TRUE, last: [] }

/**
 * Demands other keys of a device: those that it has end then, unless they end before. Round trips:
 * 1 write. Throws Problem.
 */
export async function demandRotation(
  cx: Context,
  device_id: string,
  { rotate_by }: z.output<typeof demandInput>,
  { first, when, last }: Around = ALONE,
): Promise<readonly LiveCredentialRow[]> {
  assertAhead(cx, rotate_by)
  const lacks = lacking(cx, device_id, { moves: [] })
  const isThere = condition`${deviceExists(device_id)} and ${isWithinReach(cx, device_id)}`
  const isDemanded = condition`${isThere} and ${when}`
  const { device, rows } = await guarded(cx, lacks, () =>
    cx.db.write({
      power: demandDevicePower(device_id, lacks, isThere),
      changes: [
        ...first,
        rotateAll(cx, device_id, rotate_by, isDemanded),
        ...last,
        appendEvent(
          cx,
          { type: 'device.rotation_demanded', subject_id: device_id, data: { rotate_by } },
          isDemanded,
        ),
      ] satisfies Statement[],
      device: findDeviceById(device_id, isThere),
      rows: credentialsOf(device_id),
    }),
  )
  if (device.length === 0) throw noSuchDevice()
  return rows
}

/**
 * Demands other keys of all devices of a type: a key that is there now ends then. It needs
 * `manage`, since devices of every power may be among them. Round trips: 1 write. Throws Problem.
 */
export async function demandRotationOfType(
  cx: Context,
  type: string,
  { rotate_by }: z.output<typeof demandInput>,
): Promise<{ type: string; demanded_at: number; rotate_by: number }> {
  assertAhead(cx, rotate_by)
  if (!cx.actor.scopes.has('manage')) {
    throw new Problem(
      'forbidden',
      'this needs the scope manage: devices of every power may be of the type',
      [{ pointer: '/rotate_by', detail: 'needs the scope manage' }],
      'power_not_held',
    )
  }
  const exists = condition`exists (select 1 from device_type where name = ${type})`
  const {
    found: [found],
  } = await cx.db.write({
    changes: [
      upsertTypeRotation(cx, type, rotate_by),
      appendEvent(
        cx,
        { type: 'device_type.rotation_demanded', subject_id: type, data: { rotate_by } },
        exists,
      ),
    ] satisfies Statement[],
    found: findTypeRotation(type),
  })
  if (found === undefined) throw new Problem('not_found', 'there is no such device type')
  return found
}
