// The certificate of a connection as proof of a device: one that was registered for it, by its
// thumbprint, or one that a registered authority signed for it. The end of TLS has proven that the
// device has the key; all else is verified here, whatever that end says of the chain.

import type { Context } from '../../context.ts'
import { decodeBase64, randomId } from '../../crypto.ts'
import type { Answers } from '../../db/database.ts'
import type { Statement } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import {
  ANY_USAGE,
  type Certificate,
  CLIENT_AUTH,
  isSignedBy,
  KEY_USAGE,
  readCertificate,
} from '../../keys/certificate.ts'
import { MalformedDer } from '../../keys/der.ts'
import type { Reason } from '../../refusals.ts'
import { endOf, type LiveCredentialRow, liveCredentials } from '../credentials.ts'
import { hardwareKey } from '../hardware_ids.ts'
import { credentialExists, type DeviceRow, insertCredential } from '../store.ts'
import {
  type AuthorityRow,
  demandArrival,
  forgetOutdated,
  isFirst,
  listRefused,
  listSerials,
  listVouching,
} from './certificate_store.ts'

/** Reads for a certificate that is presented, beside the credentials of the device; null: none. */
export function certificateReads({ client_certificate: presented }: Context, device_id: string) {
  if (presented === null) return null
  return {
    refused: listRefused(device_id),
    authorities: presented.issuer === null ? null : listVouching(device_id, presented.issuer),
    serials: presented.issuer === null ? null : listSerials(device_id),
  }
}

type Read = Answers<NonNullable<ReturnType<typeof certificateReads>>>

export type ProvenCertificate = {
  credential: LiveCredentialRow
  by: 'thumbprint' | 'authority'
  /** Statements that store a certificate that is seen for the first time. */
  arrival: readonly Statement[] | null
}

/** Most certificates of one authority that a device has at a time. */
const CERTIFICATES_MAX = 20

/** The credential that the certificate of this connection is, or the reason why it is none. */
export async function proveCertificate(
  cx: Context,
  device: DeviceRow,
  credentials: readonly LiveCredentialRow[],
  { refused, authorities, serials }: Read,
): Promise<ProvenCertificate | { reason: Reason }> {
  const presented = cx.client_certificate
  if (presented === null) return { reason: 'no_certificate' }
  const whole = presented.der === null ? null : readPresented(presented.der)
  if (whole === 'unreadable') return { reason: 'certificate_unreadable' }
  if (whole !== null && !isWithinTimes(cx, whole)) return { reason: 'certificate_over' }
  const { thumbprint } = presented
  // Also where it was revoked before: an operator has registered it again.
  const registered = liveCredentials(cx, credentials).find(
    (one) => one.thumbprint === thumbprint && one.ca_state !== 'issuer',
  )
  if (registered !== undefined) {
    const ends = Math.min(registered.expires_at ?? Infinity, whole?.not_after ?? Infinity)
    const expires_at = ends === Infinity ? null : ends
    return { credential: { ...registered, expires_at }, by: 'thumbprint', arrival: null }
  }
  // By its number too: the form of a certificate can be changed without its key, and then it has
  // another thumbprint and the same signature.
  const isRefused = refused.some(
    (one) =>
      one.thumbprint === thumbprint ||
      (one.serial !== null && one.serial === whole?.serial && one.issuer === whole.issuer),
  )
  if (isRefused) return { reason: 'certificate_revoked' }
  if (whole === null || !Array.isArray(authorities) || authorities.length === 0) {
    return { reason: 'certificate_not_registered' }
  }
  if (!isForClients(whole)) return { reason: 'certificate_usage' }
  const numbers = Array.isArray(serials) ? serials.map(({ key }) => key) : []
  const named = authorities.filter((one) => isNamed(whole, one, device.id, numbers))
  if (named.length === 0) return { reason: 'certificate_of_another' }
  const authority = await findIssuer(cx, whole, named)
  if (authority === null) return { reason: 'certificate_not_signed' }
  return arrive(cx, device.id, credentials, whole, authority)
}

function readPresented(der: string): Certificate | 'unreadable' {
  try {
    return readCertificate(decodeBase64(der) ?? new Uint8Array())
  } catch (error) {
    if (error instanceof MalformedDer) return 'unreadable'
    throw error
  }
}

/** RFC 5280 §4.1.2.5: both times are within. */
const isWithinTimes = (
  cx: Context,
  { not_before, not_after }: { not_before: number; not_after: number },
): boolean => not_before <= cx.now() && cx.now() <= not_after

/** RFC 5280 §4.2.1.3, §4.2.1.12; one that signs others is none of a device. */
const isForClients = ({ is_ca, key_usage, extended_usage }: Certificate): boolean =>
  !is_ca &&
  (key_usage === undefined || (key_usage & KEY_USAGE.digitalSignature) !== 0) &&
  (extended_usage === undefined ||
    extended_usage.some((one) => one === CLIENT_AUTH || one === ANY_USAGE))

/** The name of a device in the URI of a certificate. */
export const deviceUrn = (name: 'id' | 'serial', value: string): string =>
  `urn:allauth:${name === 'id' ? 'device' : 'serial'}:${value}`

/**
 * Whether the certificate names the device, in the one way in which its authority names devices:
 * else the serial number of one device could be the id of another. RFC 6125 §6.4.4: where there are
 * alternative names, a common name says nothing.
 */
function isNamed(
  { common_name, san_dns, san_uri, has_names }: Certificate,
  { names }: AuthorityRow,
  id: string,
  serials: readonly string[],
): boolean {
  const prefix = deviceUrn(names, '')
  const said = has_names
    ? [
        ...san_dns,
        ...san_uri.flatMap((uri) => (uri.startsWith(prefix) ? uri.slice(prefix.length) : [])),
      ]
    : [common_name ?? '']
  if (names === 'id') return said.includes(id)
  return said.some(
    (value) => value !== '' && serials.includes(hardwareKey({ kind: 'serial', value }) ?? ''),
  )
}

async function findIssuer(
  cx: Context,
  certificate: Certificate,
  authorities: readonly AuthorityRow[],
): Promise<AuthorityRow | null> {
  for (const one of authorities) {
    if (!isWithinTimes(cx, one)) continue
    const { spki } = readCertificate(decodeBase64(one.certificate) ?? new Uint8Array())
    if (await isSignedBy(certificate, spki)) return one
  }
  return null
}

/** The credential of a certificate that an authority signed: the one of before, or a new one. */
function arrive(
  cx: Context,
  device_id: string,
  credentials: readonly LiveCredentialRow[],
  { thumbprint, issuer, serial, not_before, ...certificate }: Certificate,
  authority: AuthorityRow,
): ProvenCertificate | { reason: Reason } {
  const ofAuthority = credentials.filter((one) => one.ca_id === authority.id)
  const known = ofAuthority.find((one) => one.serial === serial && one.issuer === issuer)
  if (known !== undefined) {
    // Somebody has set an end to it, or to all of its type.
    if (!liveCredentials(cx, [known]).includes(known)) return { reason: 'certificate_over' }
    return { credential: known, by: 'authority', arrival: null }
  }
  const live = ofAuthority.filter((one) => (endOf(one) ?? Infinity) > cx.now())
  if (live.length >= CERTIFICATES_MAX) return { reason: 'certificates_many' }
  const not_after = Math.min(certificate.not_after, authority.not_after)
  const credential: LiveCredentialRow = {
    id: randomId(cx, 'cred'),
    device_id,
    kind: 'x509',
    jwk: null,
    secret_hash: null,
    not_before,
    expires_at: not_after,
    revoked_at: null,
    created_at: cx.now(),
    made_by: null,
    last_used_at: null,
    replaced_by: null,
    rotate_by: null,
    renews_until: null,
    thumbprint,
    issuer,
    serial,
    not_after,
    ca_id: authority.id,
  }
  const arriving = { device_id, ca_id: authority.id, issuer, serial }
  const { id, kind } = credential
  return {
    credential,
    by: 'authority',
    arrival: [
      demandArrival(arriving),
      forgetOutdated(cx, device_id, authority.id),
      insertCredential(credential, isFirst(arriving)),
      appendEvent(
        cx,
        {
          type: 'device_credential.created',
          subject_id: device_id,
          data: { credential_id: id, kind, kid: null },
        },
        credentialExists(id),
      ),
    ],
  }
}
