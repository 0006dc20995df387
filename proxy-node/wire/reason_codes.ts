// Reason codes of MQTT 5 (§2.4) that mProxy writes or must recognize, their counterparts in MQTT
// 3.1.1, and which codes a client may use in which packet. Decisions about them are gate.ts's.

export const SUCCESS = 0x00
export const DISCONNECT_WITH_WILL = 0x04
export const REAUTHENTICATE = 0x19
export const UNSPECIFIED = 0x80
export const MALFORMED = 0x81
export const PROTOCOL_ERROR = 0x82
export const UNSUPPORTED_VERSION = 0x84
export const CLIENT_ID_NOT_VALID = 0x85
export const BAD_USER_NAME_OR_PASSWORD = 0x86
export const NOT_AUTHORIZED = 0x87
export const SERVER_UNAVAILABLE = 0x88
export const BANNED = 0x8a
export const SERVER_SHUTTING_DOWN = 0x8b
export const BAD_AUTHENTICATION_METHOD = 0x8c
export const KEEP_ALIVE_TIMEOUT = 0x8d
export const TOPIC_FILTER_INVALID = 0x8f
export const TOPIC_NAME_INVALID = 0x90
export const PACKET_ID_NOT_FOUND = 0x92
export const TOPIC_ALIAS_INVALID = 0x94
export const PACKET_TOO_LARGE = 0x95
export const QUOTA_EXCEEDED = 0x97
export const ADMINISTRATIVE_ACTION = 0x98
export const USE_ANOTHER_SERVER = 0x9c
export const SERVER_MOVED = 0x9d
export const CONNECTION_RATE_EXCEEDED = 0x9f
export const MAXIMUM_CONNECT_TIME = 0xa0

/** MQTT 3.1.1 §3.9.3: the only failure a SUBACK knows. */
export const SUBACK_FAILURE_3 = 0x80

/** MQTT 3.1.1 §3.2.2.3 for a CONNACK that an MQTT 5 client would get with `code`; 0 where a bare
 *  close is the answer. */
export function connackReturnCode(code: number): number {
  switch (code) {
    case UNSUPPORTED_VERSION:
      return 1
    case CLIENT_ID_NOT_VALID:
      return 2
    case SERVER_UNAVAILABLE:
    case SERVER_SHUTTING_DOWN:
    case QUOTA_EXCEEDED: // of a principal; a client tries again later, as for the two above
    case CONNECTION_RATE_EXCEEDED:
      return 3
    case BAD_USER_NAME_OR_PASSWORD:
      return 4
    case NOT_AUTHORIZED:
    case TOPIC_NAME_INVALID: // of a Will
      return 5
    default:
      return 0
  }
}

/**
 * The code for the client when the broker refused the CONNECT that mProxy wrote. Codes about
 * credentials are about those of *mProxy*, and a broker that points elsewhere points past mProxy:
 * to the client both are a server that is not available.
 */
export function connackFromBroker(code: number, version: number): number {
  if (version === 4 || code < 0x80) {
    // 0: to an MQTT 5 client a broker that goes on in 3.1.1 is of no use.
    if (code <= 1) return UNSUPPORTED_VERSION
    if (code === 2) return CLIENT_ID_NOT_VALID
    return SERVER_UNAVAILABLE
  }
  switch (code) {
    case BAD_USER_NAME_OR_PASSWORD:
    case NOT_AUTHORIZED:
    case BANNED:
    case BAD_AUTHENTICATION_METHOD:
    case USE_ANOTHER_SERVER:
    case SERVER_MOVED:
      return SERVER_UNAVAILABLE
    default:
      return CONNACK_CODES.has(code) ? code : UNSPECIFIED
  }
}

/** The code for the client when the broker disconnects it. Elsewhere is past mProxy. */
export function disconnectFromBroker(code: number): number {
  const isElsewhere = code === USE_ANOTHER_SERVER || code === SERVER_MOVED
  return SERVER_DISCONNECT_CODES.has(code) && !isElsewhere ? code : UNSPECIFIED
}

// [MQTT-3.2.2-8], [MQTT-3.14.2-1]: mProxy answers for the codes that it tells, whoever chose them.
const CONNACK_CODES = new Set([
  0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
  0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
])
const SERVER_DISCONNECT_CODES = new Set([
  0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97,
  0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
])
const ACK_CODES = new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
const RELEASE_CODES = new Set([SUCCESS, PACKET_ID_NOT_FOUND])
// MQTT 5 §3.14.2.1, those a client may send.
const CLIENT_DISCONNECT_CODES = new Set([
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
])

/** Says whether a PUBACK or PUBREC (MQTT 5 §3.4.2.1, §3.5.2.1) may carry `code`. */
export function isAckCode(code: number): boolean {
  return ACK_CODES.has(code)
}

/** Says whether a PUBREL or PUBCOMP (MQTT 5 §3.6.2.1, §3.7.2.1) may carry `code`. */
export function isReleaseCode(code: number): boolean {
  return RELEASE_CODES.has(code)
}

export function isClientDisconnectCode(code: number): boolean {
  return CLIENT_DISCONNECT_CODES.has(code)
}
