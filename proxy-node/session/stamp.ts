// The name of a client on its messages (MQTT_IDENTITY_PROPERTIES): the user property `allauth-sub`,
// which those who receive them may believe, since mProxy takes away every property of a client that
// begins like it. MQTT 3.1.1 has no properties, so messages of such clients have none.

import type { SessionLimits } from '../config.ts'
import type { Identity } from '../tokens/verifier.ts'
import type { Connect, Will } from '../wire/connect_codec.ts'
import { Properties, WILL, writeSection, writeUserProperty } from '../wire/properties.ts'

/** Keys of user properties that mProxy alone writes. */
export const STAMP_PREFIX = Buffer.from('allauth-')

/** The property for the messages of a client; null where none is written. */
export function stampFor(
  { principal }: Identity,
  version: number,
  { identity_properties }: Pick<SessionLimits, 'identity_properties'>,
): Buffer | null {
  return version === 5 && identity_properties === 'on'
    ? writeUserProperty('allauth-sub', principal)
    : null
}

/** Puts the stamp on the Will of a CONNECT. */
export function stampWill(connect: Connect, identity: Identity, limits: SessionLimits): void {
  const stamp = stampFor(identity, connect.version, limits)
  if (connect.will === undefined || stamp === null) return
  connect.will = { ...connect.will, bytes: stamped(connect.will, stamp) }
}

function stamped({ bytes }: Will, stamp: Buffer): Buffer {
  const properties = new Properties()
  properties.read(bytes, 0, bytes.length, WILL)
  const section = writeSection([properties.withoutUserKeys(STAMP_PREFIX), stamp])
  return Buffer.concat([section, bytes.subarray(properties.end)])
}
