// The space of MQTT client ids that one application of a person may use, so that none takes the
// session of another, with the messages that wait in it. Which ids a token may have at all is said
// by gate.ts.

import { createHash } from 'node:crypto'

/** MQTT_CLIENT_ID_RULE. `subject`: whoever has a token of a person may have each of its ids. */
export type ClientIdRule = 'subject' | 'application'

/** 60 bits of SHA-256: another client id with the same ones is out of reach. */
const SPACE_LENGTH = 10

/**
 * The beginning of the ids of an application that is not first party. Undefined: all ids of the
 * subject. So it is for devices and clients that speak for themselves, for applications of the
 * operator, and for tokens of a version before, which do not say. `client_id`: null where it is the
 * subject's own.
 */
export function clientSpaceOf(
  rule: ClientIdRule,
  principal: string,
  client_id: string | undefined | null,
  first_party: unknown,
): string | undefined | 'malformed' {
  if (first_party !== undefined && typeof first_party !== 'boolean') return 'malformed'
  if (rule === 'subject' || first_party !== false || client_id === null) return undefined
  if (client_id === undefined) return 'malformed'
  const hash = createHash('sha256').update(client_id).digest('base64url')
  return `${principal}:${hash.slice(0, SPACE_LENGTH)}`
}
