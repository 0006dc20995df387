// Credentials of a device: its own public key (`jwk`), a secret that was generated here and shown
// once (`secret`, kept as a hash), or a certificate (`x509`, known by its thumbprint). The token
// endpoint judges assertions and requests; certificates/ has what is special about certificates.
import { lackingWithin } from '../access/power.ts'
import { isWithinReach } from '../access/reach/reach.ts'
import { decodeCursor, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { equalText, looksRandom, randomId, randomToken, sha256 } from '../crypto.ts'
import { CREDENTIAL_KINDS } from '../db/schema.ts'
import { type Condition, condition, type Statement, TRUE } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { appendEvent } from '../events.ts'
import { isKeyKind, KEY_KINDS } from '../keys/public_key.ts'
import { asCertificate, certificateMembers } from './certificates/certificate_input.ts'
import {
  assertSoundKey,
  type DeviceJwk,
  deviceJwkSchema,
  keptJwk,
  keyText,
  requiredMembers,
  thumbprintOf,
} from './jwk.ts'
import { makerWithin } from './made_in_place.ts'
import { isSelfSigned, PEM_MAX, readPem } from './pem.ts'
import {
  demandDevicePower,
  guarded,
  kindNotAllowed,
  lacking,
  noSuchDevice,
  retiredTakesNone,
} from './refusals.ts'
import {
  type CredentialRow,
  credentialExists,
  credentialIsUnrevoked,
  credentialsOf,
  deviceExists,
  findCredential,
  findDeviceById,
  hasRoomForCredential,
  insertCredential,
  type LiveCredentialRow,
  listCredentialsAfter,
  typeTakes,
  updateCredentialRevocation,
} from './store.ts'

export { type CredentialRow, credentialsOf, type LiveCredentialRow } from './store.ts'

/** Most credentials of one device that were neither revoked nor have run out. */
export const MAX_CREDENTIALS = 5

const CURSOR = 'credentials'
const time = z.int().min(0).max(253_402_300_799)
const times = { not_before: time.optional(), expires_at: time.optional() }

/** A credential in PEM as the `jwk` credential that it stands for. */
function asJwk({ pem, not_before, expires_at }: PemCredential, refinement: z.RefinementCtx) {
  const read = readPem(pem)
  const judged = 'fault' in read ? null : deviceJwkSchema.safeParse(read.jwk)
  if ('fault' in read || judged?.data === undefined) {
    const messages =
      'fault' in read ? [read.fault] : (judged?.error?.issues ?? []).map(({ message }) => message)
    for (const message of messages) {
      refinement.addIssue({ code: 'custom', path: ['pem'], message })
    }
    return z.NEVER
  }
  return {
    kind: 'jwk' as const,
    jwk: judged.data,
    request: read.request,
    ...(not_before === undefined ? {} : { not_before }),
    ...(expires_at === undefined ? {} : { expires_at }),
  }
}

type PemCredential = {
  pem: string
  not_before?: number | undefined
  expires_at?: number | undefined
}

export const credentialInput = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('jwk'), jwk: deviceJwkSchema, ...times }),
    z
      .strictObject({ kind: z.literal('pem'), pem: z.string().max(PEM_MAX), ...times })
      .transform(asJwk),
    z
      .strictObject({ kind: z.literal('x509'), ...certificateMembers, ...times })
      .transform(asCertificate),
    z.strictObject({
      kind: z.literal('secret'),
      /** Generated, and answered once, when it is left out. */
      secret: z
        .string()
        .regex(/^[\x21-\x7e]{32,200}$/, 'must be 32 to 200 visible ASCII characters')
        .refine(looksRandom, 'must look random: take openssl rand -base64 32')
        .optional(),
      ...times,
    }),
  ])
  .superRefine(({ not_before, expires_at }, refinement) => {
    if (expires_at !== undefined && expires_at <= (not_before ?? 0)) {
      const message = 'must be after not_before'
      refinement.addIssue({ code: 'custom', path: ['expires_at'], message })
    }
  })
  .openapi('NewCredential')

export type CredentialInput = z.infer<typeof credentialInput>

export const credentialSchema = z
  .object({
    id: z.string(),
    kind: z.enum(CREDENTIAL_KINDS),
    jwk: z.record(z.string(), z.string()).optional(),
    secret: z.string().optional().openapi({ description: 'In the answer that made it, only.' }),
    thumbprint: z
      .string()
      .optional()
      .describe('of a certificate: SHA-256 of its DER form, base64url'),
    serial: z.string().optional().describe('of a certificate, where it is known: its number'),
    ca: z
      .string()
      .nullable()
      .optional()
      .describe('of a certificate: the registered authority with which it ends'),
    not_before: z.int().nullable(),
    expires_at: z.int().nullable(),
    revoked_at: z.int().nullable(),
    created_at: z.int(),
    last_used_at: z
      .int()
      .nullable()
      .describe('when a token was last fetched with it, to the minute'),
    replaced_by: z.string().nullable().describe('the credential that took its place'),
    rotate_by: z
      .int()
      .nullable()
      .describe('by when the device has to take another key in its place; then this one ends'),
    unusable: z
      .literal(true)
      .optional()
      .describe('nobody can fetch a token with it as things are; `unusable_because` says why'),
    unusable_because: z.string().optional().describe('the reason in words, and what helps'),
  })
  .openapi('Credential')

/** A credential as the API shows it, with `secret` when it was generated in this request. */
export function describeCredential(cx: Context, row: LiveCredentialRow, secret?: string) {
  const { id, kind, not_before, revoked_at, created_at, type_rotate_by } = row
  const unusable_because = whyUnusable(cx, row)
  const jwk = row.jwk === null ? null : (JSON.parse(row.jwk) as Record<string, string>)
  return {
    id,
    kind,
    ...(jwk === null ? {} : { jwk }),
    ...(secret === undefined ? {} : { secret }),
    ...(row.thumbprint === null ? {} : { thumbprint: row.thumbprint, ca: row.ca_id }),
    ...(row.serial === null ? {} : { serial: row.serial }),
    not_before,
    expires_at: endOf(row),
    revoked_at,
    created_at,
    last_used_at: row.last_used_at,
    replaced_by: row.replaced_by,
    rotate_by:
      type_rotate_by == null ? row.rotate_by : Math.min(row.rotate_by ?? Infinity, type_rotate_by),
    ...(unusable_because === null ? {} : { unusable: true as const, unusable_because }),
  }
}

/** Why nobody can fetch a token with the credential as things are; null: for no such reason. */
function whyUnusable({ config }: Context, row: LiveCredentialRow): string | null {
  if (!isVouchedFor(row)) return 'the authority of the certificate is disabled or gone'
  if (row.jwk !== null && !isUsableAlgorithm(JSON.parse(row.jwk))) {
    return 'the key is reserved for an algorithm by which no device authenticates: register another'
  }
  // An internal surface does not know how the public one, where devices come, is set.
  if (row.kind === 'x509' && config.mtls === null && config.surface !== 'internal') {
    return 'this server learns of no client certificates: set MTLS or CLIENT_CERTIFICATE_HEADER'
  }
  return null
}

/** Whether the authority with which the credential ends, if there is one, still counts. */
const isVouchedFor = ({ ca_state }: LiveCredentialRow): boolean =>
  ca_state !== 'off' && ca_state !== 'gone'

/** A key that was registered before this was looked at may be for an algorithm that none is. */
const isUsableAlgorithm = ({ kty, alg }: Record<string, string>): boolean =>
  alg === undefined || (isKeyKind(kty) && KEY_KINDS[kty].algorithms.some((one) => one === alg))

/** When a credential ends, by its own end or by that of its type; null: never. */
export const endOf = ({ expires_at, type_rotate_by }: LiveCredentialRow): number | null =>
  type_rotate_by == null ? expires_at : Math.min(expires_at ?? Infinity, type_rotate_by)

/** The credentials that count at this moment. */
export function liveCredentials(
  cx: Context,
  rows: readonly LiveCredentialRow[],
): LiveCredentialRow[] {
  const now = cx.now()
  return rows.filter(
    (row) =>
      row.revoked_at === null &&
      isVouchedFor(row) &&
      (row.not_before === null || row.not_before <= now) &&
      (endOf(row) ?? Infinity) > now,
  )
}

/**
 * The (live) credential whose secret this is. Compares with each of them, in constant time.
 */
export function findDeviceSecret<Row extends CredentialRow>(
  rows: readonly Row[],
  secret: string,
): Row | undefined {
  const hash = sha256(secret)
  let found: Row | undefined
  for (const row of rows) {
    if (row.secret_hash !== null && equalText(row.secret_hash, hash)) found = row
  }
  return found
}

// --- making -----------------------------------------------------------------------------------

export type NewCredential = {
  row: CredentialRow
  /** Clear text of a secret that was generated here. */
  secret: string | undefined
}

export function newCredential(
  cx: Context,
  device_id: string,
  input: CredentialInput,
): NewCredential {
  const row = {
    id: randomId(cx, 'cred'),
    device_id,
    not_before: input.not_before ?? null,
    expires_at: input.expires_at ?? null,
    revoked_at: null,
    created_at: cx.now(),
    made_by: makerWithin(cx),
    last_used_at: null,
    replaced_by: null,
    rotate_by: null,
    renews_until: null,
    thumbprint: null,
    issuer: null,
    serial: null,
    not_after: null,
    ca_id: null,
  }
  if (input.kind === 'x509') {
    const { thumbprint, issuer, serial, not_after } = input
    const certificate = { thumbprint, issuer, serial, not_after }
    return {
      row: { ...row, ...certificate, kind: 'x509', jwk: null, secret_hash: null },
      secret: undefined,
    }
  }
  if (input.kind === 'jwk') {
    const jwk = JSON.stringify(keptJwk(input.jwk))
    return { row: { ...row, kind: 'jwk', jwk, secret_hash: null }, secret: undefined }
  }
  // 256 random bits need no slow hash.
  const generated = input.secret === undefined ? `ads_${randomToken(cx)}` : undefined
  const secret_hash = sha256(generated ?? input.secret ?? '')
  return { row: { ...row, kind: 'secret', jwk: null, secret_hash }, secret: generated }
}

/**
 * Throws Problem for a key that cannot verify anything, and for a device with the same key or `kid`
 * twice. `pointer` gives the place of the nth credential.
 */
export async function assertSoundCredentials(
  inputs: readonly CredentialInput[],
  pointer: (n: number) => string,
): Promise<void> {
  const seen = new Set<string>()
  for (const [n, input] of inputs.entries()) {
    if (input.kind === 'x509') {
      if (input.jwk !== null) await assertSoundKey(input.jwk, `${pointer(n)}/certificate`)
      if (seen.has(input.thumbprint)) {
        throw new Problem('invalid_request', 'a certificate is given twice', [
          { pointer: pointer(n), detail: 'another credential is this certificate' },
        ])
      }
      seen.add(input.thumbprint)
    }
    if (input.kind !== 'jwk') continue
    await assertSoundKey(input.jwk, `${pointer(n)}/jwk`)
    const request = 'request' in input ? input.request : null
    if (request !== null && !(await isSelfSigned(requiredMembers(input.jwk), request))) {
      throw new Problem('invalid_request', 'the request is not signed with its own key', [
        { pointer: `${pointer(n)}/pem`, detail: 'has a signature that its own key did not make' },
      ])
    }
    const names = [`key ${thumbprintOf(input.jwk)}`, `kid ${keptJwk(input.jwk).kid}`]
    if (names.some((name) => seen.has(name))) {
      throw new Problem('invalid_request', 'a key or kid is given twice', [
        { pointer: `${pointer(n)}/jwk`, detail: 'another credential has this key or this kid' },
      ])
    }
    for (const name of names) seen.add(name)
  }
}

/**
 * Throws Problem for credentials that have run out before they begin. A blueprint is not checked
 * for it, since it stays the same while time passes.
 */
export function assertNotOver(
  cx: Context,
  inputs: readonly CredentialInput[],
  pointer: (n: number) => string,
): void {
  const errors = inputs.flatMap(({ expires_at }, n) =>
    expires_at !== undefined && expires_at <= cx.now()
      ? [{ pointer: `${pointer(n)}/expires_at`, detail: 'is in the past (epoch seconds)' }]
      : [],
  )
  if (errors.length > 0) throw new Problem('invalid_request', 'a credential has run out', errors)
}

/** The thumbprint of a key or certificate. */
export const markOf = (input: Exclude<CredentialInput, { kind: 'secret' }>): string =>
  input.kind === 'jwk' ? thumbprintOf(input.jwk) : input.thumbprint

/** The rules of a type about its devices, as they are stored. */
export type TypeRules = { fields: string | null; credential_kinds: string | null }

/** Throws Problem for a credential of a kind that the type does not allow. */
export function assertKinds(
  inputs: readonly Pick<CredentialRow, 'kind'>[],
  rules: TypeRules | undefined,
): void {
  const kinds = rules?.credential_kinds ?? null
  const allowed = kinds === null ? null : (JSON.parse(kinds) as string[])
  const n = inputs.findIndex(({ kind }) => allowed?.includes(kind) === false)
  if (n >= 0) throw kindNotAllowed(`/credentials/${n}/kind`)
}

/** Adds a credential to a device that exists, unless there is no room for it; and its event. */
export function credentialAddition(
  cx: Context,
  { row }: NewCredential,
  when: Condition = TRUE,
): Statement[] {
  const key = row.jwk === null ? null : (JSON.parse(row.jwk) as DeviceJwk)
  const named =
    key === null ? { thumbprint: row.thumbprint } : { kid: key.kid, key_text: keyText(key) }
  return [
    insertCredential(
      row,
      condition`${hasRoomForCredential(cx, row.device_id, MAX_CREDENTIALS, named, row.kind)} and ${when}`,
    ),
    appendEvent(
      cx,
      {
        type: 'device_credential.created',
        subject_id: row.device_id,
        data: { credential_id: row.id, kind: row.kind, kid: key?.kid ?? null },
      },
      credentialExists(row.id),
    ),
  ]
}

// --- use cases --------------------------------------------------------------------------------

/** Adds a credential. Round trips: 1 write. Throws Problem. */
export async function createCredential(
  cx: Context,
  device_id: string,
  input: CredentialInput,
): Promise<NewCredential> {
  assertNotOver(cx, [input], () => '')
  await assertSoundCredentials([input], () => '')
  const made = newCredential(cx, device_id, input)
  const isWithin = isWithinReach(cx, device_id)
  const isHere = condition`${deviceExists(device_id)} and ${isWithin}`
  // A credential goes on when the reach of who added it has ended.
  const lacks = [
    ...lacking(cx, device_id, { moves: [] }),
    ...lackingWithin(cx, 'devices:write', device_id, made.row.expires_at),
  ]
  const {
    device: [device],
    stored,
    present,
    taken,
  } = await guarded(cx, lacks, () =>
    cx.db.write({
      power: demandDevicePower(device_id, lacks, isHere),
      changes: credentialAddition(cx, made, isWithin),
      device: findDeviceById(device_id, isWithin),
      stored: findCredential(device_id, made.row.id),
      present: credentialsOf(device_id),
      taken: typeTakes(device_id, made.row.kind),
    }),
  )
  if (stored.length === 1) return made
  if (device === undefined) throw noSuchDevice()
  if (device.status === 'retired') throw retiredTakesNone()
  if (taken.length === 0) throw kindNotAllowed('/kind')
  const count = present.filter((row) => (row.expires_at ?? Infinity) > cx.now()).length
  throw new Problem(
    'conflict',
    count >= MAX_CREDENTIALS
      ? `a device has at most ${MAX_CREDENTIALS} credentials: revoke one first`
      : 'the device has a credential with this key or this kid, or this certificate',
  )
}

/** A page of all credentials, revoked ones included, oldest first. Round trips: 1 read. */
export async function listCredentials(
  cx: Context,
  device_id: string,
  query: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(cx, CURSOR, query.cursor)
  const {
    device: [device],
    rows,
  } = await cx.db.read({
    device: findDeviceById(device_id, isWithinReach(cx, device_id)),
    rows: listCredentialsAfter(device_id, after, query.limit),
  })
  if (device === undefined) throw noSuchDevice()
  return pageOf(
    cx,
    CURSOR,
    rows,
    query.limit,
    (row) => row.id,
    (row) => describeCredential(cx, row),
  )
}

/**
 * Revokes a credential: from now on it proves nothing. The row stays, so that a blueprint does not
 * bring the key back. Round trips: 1 write. Throws Problem.
 */
export async function revokeCredential(cx: Context, device_id: string, id: string): Promise<void> {
  const lacks = lacking(cx, device_id, { moves: [] })
  const isWithin = isWithinReach(cx, device_id)
  const isUnrevoked = condition`${credentialIsUnrevoked(device_id, id)} and ${isWithin}`
  const revoked = {
    type: 'device_credential.revoked',
    subject_id: device_id,
    data: { credential_id: id },
  } as const
  const { after } = await guarded(cx, lacks, () =>
    cx.db.write({
      power: demandDevicePower(
        device_id,
        lacks,
        condition`${deviceExists(device_id)} and ${isWithin}`,
      ),
      changes: [
        appendEvent(cx, revoked, isUnrevoked),
        updateCredentialRevocation(cx, device_id, id, isWithin),
      ],
      after: findCredential(device_id, id, isWithin),
    }),
  )
  if (after.length === 0) throw new Problem('not_found', 'there is no such credential')
}
