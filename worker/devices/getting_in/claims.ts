// A device claims its place: with the token of its batch and a proof that it signed with its own
// key, in which its hardware ids stand. The token is one secret in many firmwares and the number is
// printed on the box, so a device that is there is never taken over by both: it comes again with a
// key that is registered, or after it was released. claim_store.ts has the statements.
import { compactVerify, importJWK, type JWK } from 'jose'
import { insertMembership } from '../../access/groups.ts'
import { as, type Context } from '../../context.ts'
import { randomId, sha256 } from '../../crypto.ts'
import { type Answers, BatchRefused } from '../../db/database.ts'
import { type Statement, scalar } from '../../db/sql.ts'
import { OAuthError } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { parseJsonObject } from '../../http.ts'
import { readJwtHeader } from '../../keys/jwt_header.ts'
import { isKeyKind, KEY_KINDS } from '../../keys/public_key.ts'
import type { Reason } from '../../refusals.ts'
import { findGuesses, judgeSecret } from '../../secret_guesses.ts'
import { credentialAddition, newCredential } from '../credentials.ts'
import { planCreation } from '../devices.ts'
import type { KeyedHardwareId } from '../hardware_id_store.ts'
import { type HardwareId, hardwareIdsSchema, withKeys } from '../hardware_ids.ts'
import { type DeviceJwk, deviceJwkSchema, type JwkInput, keptJwk, thumbprintOf } from '../jwk.ts'
import { refusalOf } from '../refusals.ts'
import { deviceExists, findDeviceById, groupIsThere } from '../store.ts'
import { deviceFits, readsOfWidth, type WidthRows } from '../width.ts'
import { demandMaker, noteMaker } from './claim_makers.ts'
import {
  activateClaimed,
  type ClaimBatchRow,
  type ClaimedRow,
  countListed,
  demandNewNumbers,
  demandUnclaimed,
  findClaimBatchByHash,
  findClaimedDevices,
  listKeysOf,
  takesKeys,
  useClaimProof,
  useClaimToken,
} from './claim_store.ts'

/** RFC 8725 §3.11: of no other JWT. */
const TYPE = 'device-claim+jwt'

/** Longest life that a proof may have left, and how far its `iat` may be ahead, in seconds. */
const PROOF_TTL_MAX = 300
const IAT_AHEAD_MAX = 60

/** Name under which wrong tokens are counted, for each address and in all. */
const GUESSES = 'claim tokens'

const refused = (
  error: 'invalid_grant' | 'invalid_request' | 'access_denied',
  reason: Reason,
  description: string,
) => new OAuthError(error, { reason, description })

const badToken = (reason: 'claim_token' | 'claim_over' | 'claim_powerless') =>
  refused('invalid_grant', reason, 'the claim token is not good, or not any more')

const badProof = () => refused('invalid_request', 'claim_proof', 'the proof cannot be used')

const again = () =>
  refused('access_denied', 'claim_again', 'the device is registered, and this proof is not its own')

const notListed = () =>
  refused('access_denied', 'claim_not_listed', 'the claim token is for other devices')

type Claim = {
  token: string
  jwk: JwkInput
  ids: readonly HardwareId[]
  numbers: readonly KeyedHardwareId[]
  proof: string
  expires_at: number
}

export type Claimed = { device_id: string; type: string; kid: string; is_new: boolean }

/**
 * Registers the device that asks, or finds that it is registered with this key. Round trips: 1
 * read, 1 write. Throws OAuthError; for a clock that is wrong with the reason `claim_clock`.
 */
export async function claimDevice(cx: Context, body: Record<string, unknown>): Promise<Claimed> {
  const { claim_token, proof } = body
  if (typeof claim_token !== 'string' || typeof proof !== 'string') {
    throw refused('invalid_request', 'missing_parameter', 'claim_token and proof are needed')
  }
  const claim = await readClaim(cx, claim_token, proof)
  const hash = sha256(claim.token)
  const rows = await cx.db.read({
    guesses: findGuesses(cx, GUESSES),
    batch: findClaimBatchByHash(hash),
    listed: countListed(hash, claim.numbers),
    claimed: findClaimedDevices(hash, claim.numbers),
    keys: listKeysOf(claim.numbers),
    takesKeys: takesKeys(hash),
    width: readsOfWidth(
      cx,
      '',
      scalar`(select type from claim_batch where hash = ${hash})`,
      scalar`(select json_group_array(group_id) from claim_batch
        where hash = ${hash} and group_id is not null)`,
    ),
  })
  const [batch] = rows.batch
  if (!(await judgeSecret(cx, GUESSES, rows.guesses, () => batch !== undefined))) {
    throw badToken('claim_token')
  }
  if (batch === undefined || batch.revoked_at !== null || batch.expires_at <= cx.now()) {
    throw badToken('claim_over')
  }
  const serials = claim.numbers.filter(({ kind }) => kind === 'serial').length
  if (batch.is_listed === 1 && (serials === 0 || rows.listed[0]?.n !== serials)) {
    throw notListed()
  }
  if (rows.takesKeys.length === 0) throw badToken('claim_over')
  const { id, is_new, statements } = planClaim(cx, claim, batch, rows)
  if (is_new) await assertClaimedFits(cx, id, batch, rows.width)
  const demands = is_new ? [demandMaker(cx, batch)] : []
  try {
    const { device } = await cx.db.write({
      demands,
      proof: useClaimProof(
        cx,
        sha256(`${thumbprintOf(claim.jwk)} ${claim.proof}`),
        claim.expires_at,
      ),
      changes: is_new ? [...statements, ...noteMaker(batch, id)] : statements,
      device: findDeviceById(id),
    })
    const type = device[0]?.type ?? batch.type
    return { device_id: id, type, kid: keptJwk(claim.jwk).kid, is_new }
  } catch (error) {
    throw refusalOfClaim(error) ?? error
  }
}

/** Places and roles may have changed since the claim token was made. */
async function assertClaimedFits(
  cx: Context,
  id: string,
  { type, group_id }: ClaimBatchRow,
  width: WidthRows,
): Promise<void> {
  const groups = group_id === null ? [] : [group_id]
  const device = { id, type, groups, metadata: '{}', tags: '[]', mqtt_client_id: null }
  if (!(await deviceFits(cx, device, width))) {
    throw refused('access_denied', 'too_many_rules', 'the rules there do not fit into a token')
  }
}

function refusalOfClaim(error: unknown): OAuthError | null {
  if (error instanceof BatchRefused && error.reason === 'claim_proof_used') {
    return refused('invalid_request', 'claim_proof_used', 'the proof was used before')
  }
  if (error instanceof BatchRefused && error.reason === 'claim_over') return badToken('claim_over')
  if (error instanceof BatchRefused && error.reason === 'claim_again') return again()
  if (error instanceof BatchRefused && error.reason === 'inviter_powerless') {
    return badToken('claim_powerless')
  }
  // Another request was first with one of the numbers, or the type is gone.
  return refusalOf(error) === null ? null : again()
}

type Rows = Pick<Answers<{ claimed: Statement<ClaimedRow> }>, 'claimed'> & {
  keys: {
    id: string
    device_id: string
    jwk: string | null
    not_before: number | null
    expires_at: number | null
  }[]
}

/** Throws OAuthError for a device that may not come in so. */
function planClaim(
  cx: Context,
  { jwk, ids, numbers }: Claim,
  batch: ClaimBatchRow,
  { claimed, keys }: Rows,
): { id: string; is_new: boolean; statements: Statement[] } {
  const [present] = claimed
  if (present === undefined) {
    const id = randomId(cx, 'dev')
    const acting = as(cx, { kind: 'device', id })
    const groups = batch.group_id === null ? [] : [batch.group_id]
    const credentials = [{ kind: 'jwk' as const, jwk }]
    const entry = { id, type: batch.type, groups, hardware_ids: [...ids], credentials }
    return {
      id,
      is_new: true,
      statements: [
        demandNewNumbers(cx, numbers),
        ...useClaimToken(cx, batch.id, id),
        // The power of the actor who made the token is demanded beside.
        ...planCreation(acting, entry, []).plan.statements,
        claimedEvent(acting, batch, id),
      ],
    }
  }
  const { device_id: id, status } = present
  // Numbers of two devices are of none; those of a device that is gone wait for an operator.
  if (claimed.length > 1 || status === null || status === 'suspended' || status === 'retired') {
    throw again()
  }
  const now = cx.now()
  const live = keys.filter(
    ({ not_before, expires_at }) => (not_before ?? 0) <= now && (expires_at ?? Infinity) > now,
  )
  const isOwn = live.some(
    (one) =>
      one.jwk !== null && thumbprintOf(JSON.parse(one.jwk) as DeviceJwk) === thumbprintOf(jwk),
  )
  if (status === 'active') {
    if (!isOwn) throw again()
    return { id, is_new: false, statements: [] }
  }
  // Also where its key is over: time alone opens no device to the first that comes.
  if (keys.length > 0 && !isOwn) throw again()
  // A listed number beside that of another device opens that one no more than its own would.
  if (batch.is_listed === 1 && present.is_unlisted === 1) throw notListed()
  if (present.released_at !== null && batch.again !== 'reset') throw again()
  // More than the token was made for would need another comparison of power.
  if (present.type !== batch.type || (batch.is_wide === 0 && present.metadata !== '{}')) {
    throw refused('access_denied', 'claim_other_type', 'the claim token is for other devices')
  }
  const acting = as(cx, { kind: 'device', id })
  return {
    id,
    is_new: true,
    statements: [
      demandUnclaimed(cx, id, { version: present.version, keys: keys.map((one) => one.id) }),
      ...useClaimToken(cx, batch.id, id),
      activateClaimed(cx, id),
      ...(batch.group_id === null
        ? []
        : [
            insertMembership(
              cx,
              batch.group_id,
              id,
              groupIsThere(batch.group_id, deviceExists(id)),
            ),
          ]),
      ...(isOwn ? [] : credentialAddition(acting, newCredential(cx, id, { kind: 'jwk', jwk }))),
      claimedEvent(acting, batch, id),
    ],
  }
}

const claimedEvent = (cx: Context, batch: ClaimBatchRow, id: string): Statement =>
  appendEvent(cx, { type: 'device.claimed', subject_id: id, data: { batch: batch.id } })

// --- the proof --------------------------------------------------------------------------------

/** Reads the proof and verifies that its own key signed it. Throws OAuthError. */
async function readClaim(cx: Context, token: string, jwt: string): Promise<Claim> {
  const header = readJwtHeader(jwt)
  const key = deviceJwkSchema.safeParse(header?.jwk)
  if (header === null || header.typ !== TYPE || !key.success) throw badProof()
  const jwk = key.data
  const { kty } = jwk
  const algorithms: readonly string[] = isKeyKind(kty) ? KEY_KINDS[kty].algorithms : []
  if (!algorithms.includes(header.alg)) throw badProof()
  let payload: Uint8Array
  try {
    const { kid: _, alg: __, ...plain } = keptJwk(jwk)
    const verified = await compactVerify(jwt, await importJWK(plain as JWK, header.alg), {
      algorithms: [header.alg],
    })
    payload = verified.payload
  } catch {
    throw badProof()
  }
  const claims = parseJsonObject(payload)
  const { aud, exp, iat, jti } = claims ?? {}
  const ids = hardwareIdsSchema.min(1).safeParse(claims?.['hardware_ids'])
  const { issuer } = cx.config
  const isOurs = aud === issuer || aud === `${issuer}/devices/claim`
  if (!isOurs || !ids.success || typeof jti !== 'string' || jti === '' || jti.length > 255) {
    throw badProof()
  }
  const now = cx.now()
  const isInTime =
    typeof exp === 'number' &&
    exp > now &&
    exp <= now + PROOF_TTL_MAX &&
    (iat === undefined || (typeof iat === 'number' && iat <= now + IAT_AHEAD_MAX))
  if (!isInTime) {
    const words = `exp must be within the next ${PROOF_TTL_MAX} seconds, and iat not ahead`
    throw refused('invalid_request', 'claim_clock', words)
  }
  return {
    token,
    jwk,
    ids: ids.data,
    numbers: withKeys(ids.data),
    proof: jti,
    expires_at: Math.ceil(exp),
  }
}
