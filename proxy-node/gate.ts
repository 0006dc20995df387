// Every decision about a client, as a value: may it connect, under which MQTT client identifier;
// may this Will, PUBLISH, filter or delivery pass; may this token follow that one. Pure: reads no
// bytes, keeps no state, answers with reason codes of MQTT 5. session/ puts them into packets.

import {
  type Acl,
  mayPublish,
  mayReceive,
  maySubscribe,
  maySubscribeInPart,
  type Qos,
} from '../policy/acl.ts'
import { isPlainText, isTopicName, parseSubscription } from '../policy/topic_filter.ts'
import type { Identity, Verification, VerificationFailure } from './tokens/verifier.ts'
import type { Connect, Will } from './wire/connect_codec.ts'
import {
  BAD_AUTHENTICATION_METHOD,
  BAD_USER_NAME_OR_PASSWORD,
  CLIENT_ID_NOT_VALID,
  MALFORMED,
  NOT_AUTHORIZED,
  QUOTA_EXCEEDED,
  SERVER_UNAVAILABLE,
  SUCCESS,
  TOPIC_FILTER_INVALID,
  TOPIC_NAME_INVALID,
} from './wire/reason_codes.ts'

/** The enhanced authentication method (MQTT 5.0 §4.12) whose data is an access token. */
const TOKEN_METHOD = 'OAUTH2-JWT'

/** A PUBLISH to it hands in the session's next token; it never reaches the broker. */
export const TOKEN_TOPIC = '$allauth/token'
const RESERVED = '$allauth/'

/** A token beyond this is not one; the verifier has its own limit too. */
const TOKEN_MAX = 8192

/** Reasons to refuse a CONNECT. */
export type GateReason =
  | VerificationFailure
  | 'bad_authentication_method'
  | 'no_token'
  | 'user_name'
  | 'unsupported_version'
  | 'client_id'
  /** It is one of the subject's, outside the space of this application. */
  | 'client_id_of_another_application'
  | 'will'
  | 'too_many_sessions'
  | 'too_many_connects'

export type GateRefusal = { ok: false; code: number; reason: GateReason }

/** Finds the token in CONNECT, or the reason to refuse one without it. */
export function findToken(connect: Connect): { ok: true; token: Buffer } | GateRefusal {
  const { authenticationMethod } = connect
  if (authenticationMethod !== undefined && authenticationMethod !== TOKEN_METHOD) {
    // [MQTT-4.12.0-1]
    return { ok: false, code: BAD_AUTHENTICATION_METHOD, reason: 'bad_authentication_method' }
  }
  const token = authenticationMethod ? connect.authenticationData : connect.password
  if (token === undefined || token.length === 0) {
    return { ok: false, code: BAD_USER_NAME_OR_PASSWORD, reason: 'no_token' }
  }
  if (token.length > TOKEN_MAX) {
    return { ok: false, code: BAD_USER_NAME_OR_PASSWORD, reason: 'too_large' }
  }
  return { ok: true, token }
}

/** A token that is bound to a certificate counts on a connection alone that proves it. */
export function judgeBinding(
  verification: Verification,
  thumbprint: string | undefined,
): Verification {
  if (!verification.ok) return verification
  const { bound_to } = verification.identity
  const isProven = bound_to === undefined || bound_to === thumbprint
  return isProven ? verification : { ok: false, reason: 'bound_token' }
}

/**
 * The refusal of a CONNECT whose token was not accepted: "not authorized" where the token is good
 * and does not count here, else bad credentials.
 */
export function refuseToken(reason: VerificationFailure): GateRefusal {
  switch (reason) {
    case 'keys_unavailable':
    case 'key_pending':
    case 'status_unavailable':
    case 'policy_unavailable':
      return { ok: false, code: SERVER_UNAVAILABLE, reason }
    case 'wrong_audience':
    case 'wrong_issuer':
    case 'bound_token':
    case 'bad_acl':
    case 'bad_status':
    case 'revoked':
      return { ok: false, code: NOT_AUTHORIZED, reason }
    default:
      return { ok: false, code: BAD_USER_NAME_OR_PASSWORD, reason }
  }
}

/**
 * The MQTT client identifier that a verified client goes by. `suffix` is for the empty one. No
 * client can so take over the session of another principal.
 */
export function judgeConnect(
  connect: Connect,
  identity: Identity,
  suffix: string,
): { ok: true; clientId: string; isAssigned: boolean } | GateRefusal {
  const { username } = identity
  if (username !== undefined && connect.username !== username) {
    return { ok: false, code: BAD_USER_NAME_OR_PASSWORD, reason: 'user_name' }
  }
  const { clientId } = connect
  const refusal: GateRefusal = {
    ok: false,
    code: CLIENT_ID_NOT_VALID,
    reason: isWithinSpace(identity, clientId) ? 'client_id' : 'client_id_of_another_application',
  }
  if (clientId !== '') {
    return isOwnClientId(identity, clientId) ? { ok: true, clientId, isAssigned: false } : refusal
  }
  // 3.1.1 [MQTT-3.1.3-8]: such a client could never learn its identifier.
  if (connect.version === 4 && !connect.clean) return refusal
  const ownId = `${identity.client_space ?? `${identity.principal}:`}${suffix}`
  return isOwnClientId(identity, ownId) ? { ok: true, clientId: ownId, isAssigned: true } : refusal
}

/** Says whether a token lets its bearer be this MQTT client. */
export function isOwnClientId(identity: Identity, clientId: string): boolean {
  const { principal } = identity
  if (clientId === '' || identity.sub === '') return false
  // `a:b` of a foreign issuer would look like `a` with a suffix; and no registry of devices
  // confirmed its claim about another MQTT client.
  if (identity.foreign && identity.sub.includes(':')) return false
  if (!isWithinSpace(identity, clientId)) return false
  if (clientId === principal) return true
  if (clientId === identity.mqtt_client_id) return !identity.foreign
  const { length } = principal
  if (!clientId.startsWith(principal) || clientId.charCodeAt(length) !== 0x3a) return false
  return isSuffix(clientId, length + 1)
}

const isWithinSpace = ({ client_space }: Identity, clientId: string): boolean =>
  client_space === undefined || clientId === '' || clientId.startsWith(client_space)

/** 1 to 64 characters of the id alphabet `[A-Za-z0-9._~-]`. */
function isSuffix(text: string, from: number): boolean {
  const length = text.length - from
  if (length < 1 || length > 64) return false
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i)
    const isLetterOrDigit =
      (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a)
    if (!isLetterOrDigit && c !== 0x2e && c !== 0x5f && c !== 0x7e && c !== 0x2d) return false
  }
  return true
}

/** Limits on topics and filters that hold whatever the rules say. */
export type TopicLimits = {
  topic_levels_max: number
  /** How the broker reads a topic: `rabbitmq` reads `.` as `/`, and `*` as `+`. */
  upstream_dialect: 'mqtt' | 'rabbitmq'
}

/** Says whether the broker would read this text as another topic than the one that is judged. */
const isRewritten = (text: string, { upstream_dialect }: TopicLimits): boolean =>
  upstream_dialect === 'rabbitmq' && (text.includes('.') || text.includes('*'))

/** Rules, or null: no rule is asked, and all else is judged (shadow mode). */
export type Judged = Acl | null

/** 0, or the reason code that the CONNACK gets. */
export function judgeWill(acl: Judged, will: Will, limits: TopicLimits): number {
  return judgePublish(acl, will.topic, will.qos, will.retain, will.responseTopic, limits)
}

/**
 * 0, or the reason code of the refusal; MALFORMED ends the session. The topic is the one that the
 * message would be delivered by.
 */
export function judgePublish(
  acl: Judged,
  topic: string,
  qos: Qos,
  retain: boolean,
  responseTopic: string | undefined,
  limits: TopicLimits,
): number {
  if (!isTopicName(topic, limits.topic_levels_max)) {
    // [MQTT-3.3.2-2], [MQTT-4.7.3-1]; a deep topic is well formed and yet not accepted.
    return isTopicName(topic, Infinity) ? TOPIC_NAME_INVALID : MALFORMED
  }
  if (!isPlainText(topic) || isRewritten(topic, limits)) return TOPIC_NAME_INVALID
  if (topic.startsWith(RESERVED)) return NOT_AUTHORIZED
  if (acl !== null && !mayPublish(acl, topic, qos, retain)) return NOT_AUTHORIZED
  if (responseTopic === undefined) return SUCCESS
  if (!isTopicName(responseTopic, Infinity)) return MALFORMED // [MQTT-3.3.2-14]
  if (!isPlainText(responseTopic) || isRewritten(responseTopic, limits)) return TOPIC_NAME_INVALID
  // It makes others publish there: only where the sender itself may listen.
  return judgeDelivery(acl, responseTopic) ? SUCCESS : NOT_AUTHORIZED
}

/** Says what becomes of a filter of which a token allows a part alone. */
export type PartialFilters = 'refuse' | 'deliver'

/** `deliver`: its deliveries are judged one by one, as all are. */
const mayHold = (acl: Judged, filter: string, qos: Qos, partial: PartialFilters): boolean =>
  acl === null ||
  maySubscribe(acl, filter, qos) ||
  (partial === 'deliver' && maySubscribeInPart(acl, filter, qos))

/** Says whether a well-formed filter of SUBSCRIBE or UNSUBSCRIBE may reach a broker at all. */
export const isAcceptable = (filter: string, levelsMax: number): boolean =>
  parseSubscription(filter, levelsMax) !== null && isPlainText(filter)

/**
 * Gives for each filter 0 (it goes to the broker) or the reason code of its refusal. Only filters
 * of the places `from` to `to` are judged, since a thousand of them are too many for one turn.
 */
export function judgeSubscribe(
  acl: Judged,
  filters: readonly string[],
  qos: readonly Qos[],
  limits: TopicLimits & { subscriptions_per_packet: number; partial_filters: PartialFilters },
  codes: Uint8Array = new Uint8Array(filters.length),
  from = 0,
  to = filters.length,
): Uint8Array {
  if (filters.length > limits.subscriptions_per_packet) return codes.fill(QUOTA_EXCEEDED)
  for (let i = from; i < to; i++) {
    const filter = filters[i]!
    if (!isAcceptable(filter, limits.topic_levels_max) || isRewritten(filter, limits)) {
      codes[i] = TOPIC_FILTER_INVALID
    } else if (!mayHold(acl, filter, qos[i]!, limits.partial_filters)) {
      codes[i] = NOT_AUTHORIZED
    }
  }
  return codes
}

export function judgeDelivery(acl: Judged, topic: string): boolean {
  return !topic.startsWith(RESERVED) && (acl === null || mayReceive(acl, topic))
}

/** Filters that a narrower token no longer covers. */
export function findLost(
  acl: Judged,
  subscriptions: Iterable<readonly [string, Qos]>,
  { partial_filters }: { partial_filters: PartialFilters },
): string[] {
  const lost: string[] = []
  for (const [filter, qos] of subscriptions) {
    if (!mayHold(acl, filter, qos, partial_filters)) lost.push(filter)
  }
  return lost
}

/** `replace` the token, `ignore` the new one, or `close` the session. */
export type Replacement =
  | { decision: 'replace'; identity: Identity }
  | { decision: 'ignore' }
  | { decision: 'close'; suppressWill: boolean }

/**
 * May this token follow that one? Same issuer and subject, same MQTT client, and the Will that is
 * stored at the broker must be one it allows. `isHandedIn` is for the reserved topic, where an old
 * token that is sent again must neither replace a newer one nor end the session.
 */
export function judgeReplacement(
  current: Identity,
  next: Verification,
  session: { clientId: string; username: string | undefined; will: Will | undefined },
  isHandedIn: boolean,
  limits: TopicLimits & { acl_mode: 'enforce' | 'shadow' },
): Replacement {
  const close: Replacement = { decision: 'close', suppressWill: false }
  if (!next.ok) {
    const harmless =
      next.reason === 'expired' ||
      next.reason === 'not_yet_valid' ||
      next.reason === 'superseded' ||
      next.reason === 'keys_unavailable' ||
      next.reason === 'key_pending' ||
      next.reason === 'status_unavailable' ||
      next.reason === 'policy_unavailable'
    return isHandedIn && harmless ? { decision: 'ignore' } : close
  }
  const { identity } = next
  if (identity.iss !== current.iss || identity.sub !== current.sub) return close
  if (identity.username !== undefined && identity.username !== session.username) return close
  if (!isOwnClientId(identity, session.clientId)) return close
  if (isHandedIn && identity.expires_at <= current.expires_at) return { decision: 'ignore' }
  const acl = limits.acl_mode === 'shadow' ? null : identity.acl
  if (session.will && judgeWill(acl, session.will, limits) !== SUCCESS) {
    return { decision: 'close', suppressWill: true }
  }
  return { decision: 'replace', identity }
}
