// Admission of a CONNECT, before any broker is dialled: its token verified in bounded time, the
// client id and the Will judged, and the CONNACK for a client that is refused. Decisions are
// gate.ts's, the connection itself is session.ts's.

import type { SessionLimits } from '../config.ts'
import {
  findToken,
  type GateRefusal,
  judgeBinding,
  judgeConnect,
  judgeWill,
  refuseToken,
} from '../gate.ts'
import type { Visit } from '../shares/reception.ts'
import type { Identity, Verification, Verifier } from '../tokens/verifier.ts'
import type { Arrival } from '../transport/byte_stream.ts'
import { type Connect, writeRefusal } from '../wire/connect_codec.ts'
import {
  BAD_USER_NAME_OR_PASSWORD,
  CLIENT_ID_NOT_VALID,
  NOT_AUTHORIZED,
  SERVER_UNAVAILABLE,
  SUCCESS,
  UNSUPPORTED_VERSION,
} from '../wire/reason_codes.ts'
import { type ShadowEvents, willInShadow } from './shadow.ts'
import { stampWill } from './stamp.ts'

/** Parts that the admission of a CONNECT needs. */
export type AdmissionParts = {
  verifier: Verifier
  limits: SessionLimits
  events: ShadowEvents
  /** Random bytes, for the ids that mProxy assigns. */
  random: (bytes: number) => Uint8Array
  /** Absent: everybody comes in at once. */
  visit?: Visit
  arrival?: Pick<Arrival, 'thumbprint'>
}

const ID_BYTES = 9

/** The MQTT client identifier that a client goes by, and whether it was chosen here. */
export type ClientName = { clientId: string; isAssigned: boolean }

/** `identity` is there from when the token was good, for the log of a refusal too. */
export type Admission =
  | ({ ok: true; identity: Identity } & ClientName)
  | (GateRefusal & { identity?: Identity })

export async function admit(connect: Connect, parts: AdmissionParts): Promise<Admission> {
  if (connect.version === 5 && parts.limits.upstream_versions === '3.1.1') {
    return { ok: false, reason: 'unsupported_version', code: UNSUPPORTED_VERSION }
  }
  const { visit } = parts
  if (visit === undefined) return judge(connect, parts)
  // Nobody hears of a refusal whose connection is gone.
  if (!(await visit.wait())) return refuseToken('keys_unavailable')
  const admission = await judge(connect, parts)
  if (!admission.ok) {
    // A flood of made-up key ids is one of bad tokens, also while nobody can say so.
    const isOurs = admission.code === SERVER_UNAVAILABLE && admission.reason !== 'key_pending'
    if (!isOurs) visit.noteRefusal()
    return admission
  }
  const { identity, clientId } = admission
  const refusal = visit.enter(identity, clientId)
  return refusal === null ? admission : { ...refusal, identity }
}

async function judge(connect: Connect, parts: AdmissionParts): Promise<Admission> {
  const token = findToken(connect)
  if (!token.ok) return token
  const verification = await verifyInTime(parts, token.token)
  if (!verification.ok) return refuseToken(verification.reason)
  const { identity } = verification
  const isNameless = connect.clientId === ''
  const suffix = isNameless ? Buffer.from(parts.random(ID_BYTES)).toString('base64url') : ''
  const judgement = judgeConnect(connect, identity, suffix)
  if (judgement.ok && connect.will) {
    const { limits } = parts
    let code = judgeWill(identity.acl, connect.will, limits)
    if (limits.acl_mode === 'shadow') {
      code = willInShadow(connect.will, { ...parts, ...judgement, identity }, code)
    }
    if (code !== SUCCESS) return { ok: false, reason: 'will', code, identity }
  }
  if (judgement.ok) stampWill(connect, identity, parts.limits)
  return { ...judgement, identity }
}

/** Answers in bounded time, however long the verifier fetches keys. */
export function verifyInTime(parts: AdmissionParts, token: Uint8Array): Promise<Verification> {
  const { verifier, arrival, limits } = parts
  const unavailable: Verification = { ok: false, reason: 'keys_unavailable' }
  let verification: Verification | Promise<Verification>
  try {
    verification = verifier.verify(token)
  } catch {
    return Promise.resolve(unavailable)
  }
  // As a rule all that it takes is in memory, and nothing is waited for.
  const judgeProof = (of: Verification) => judgeBinding(of, arrival?.thumbprint)
  if (!(verification instanceof Promise)) return Promise.resolve(judgeProof(verification))
  const late = verification
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(unavailable), limits.connect_timeout_ms)
    const settle = (settled: Verification) => {
      clearTimeout(timer)
      resolve(judgeProof(settled))
    }
    late.then(settle, () => settle(unavailable))
  })
}

/** Public and dull: they say no more than the code does. */
const REASON_STRINGS: Record<number, string> = {
  [BAD_USER_NAME_OR_PASSWORD]: 'token not accepted',
  [NOT_AUTHORIZED]: 'not authorized',
  [CLIENT_ID_NOT_VALID]: 'client identifier not allowed for this token',
  [SERVER_UNAVAILABLE]: 'service not available',
  [UNSUPPORTED_VERSION]: 'protocol version not supported: use MQTT 3.1.1',
}

/** The CONNACK for a refusal with `code`, or null where there is only a close. */
export function answerRefusal(
  version: number,
  code: number,
  connect: Connect | null,
): Buffer | null {
  return writeRefusal(version, code, REASON_STRINGS[code], connect?.maximumPacketSize)
}
