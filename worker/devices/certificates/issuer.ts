// The authority with which this server makes certificates of devices, where operators set one, and
// the use cases that ask for one. Its key is kept sealed, as a stored secret, and never shown.
import { demandPower, lackingToHandOn, nameLacks } from '../../access/power.ts'
import { lineSchema, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { decodeBase64 } from '../../crypto.ts'
import { condition } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { type Certificate, pemOf } from '../../keys/certificate.ts'
import { loadSettings } from '../../settings.ts'
import {
  deleteStoredSecret,
  findStoredSecret,
  keepStoredSecret,
  openStoredSecret,
  type StoredSecretRow,
} from '../../stored_secrets.ts'
import {
  type CredentialInput,
  createCredential,
  credentialSchema,
  credentialsOf,
  describeCredential,
  type LiveCredentialRow,
  liveCredentials,
  newCredential,
} from '../credentials.ts'
import type { JwkInput } from '../jwk.ts'
import { PEM_MAX } from '../pem.ts'
import { provesRotation } from '../self/rotation.ts'
import { endReplaced, mayReplace, replaceCredential } from '../self/rotation_store.ts'
import {
  credentialExists,
  findCredential,
  insertCredential,
  typeTakesCredential,
} from '../store.ts'
import { needsManage, readAuthorities } from './authorities.ts'
import { endEnrolled } from './certificate_store.ts'
import type { Issuer } from './issuing.ts'

/** Name of the stored secret. */
const ISSUER = 'device_issuer'

/** Years that an issuer lasts which is made here. */
const YEARS = 10

export const issuerInput = z
  .union([
    z.strictObject({ name: lineSchema(64).describe('of a new authority, which is made here') }),
    z.strictObject({
      certificate: z
        .string()
        .max(4 * PEM_MAX)
        .describe('of the issuer in PEM; behind it those above it'),
      private_key: z.string().max(PEM_MAX).describe('its key, PKCS#8 in PEM; it is kept sealed'),
    }),
  ])
  .openapi('NewDeviceIssuer')

export const issuerSchema = z
  .object({
    certificate: z.string().describe('of the issuer in PEM; behind it those above it'),
    thumbprint: z.string(),
    not_before: z.int(),
    not_after: z.int(),
  })
  .openapi('DeviceIssuer')

const csr = z.string().max(PEM_MAX).describe('the request in PEM (RFC 2986), signed by its own key')

export const requestInput = z.strictObject({ csr }).openapi('CertificateRequest')

export const ownRequestInput = z
  .strictObject({
    csr,
    proof: z
      .string()
      .max(4096)
      .optional()
      .describe(
        'as at /v1/self/rotate, with aud of this operation and the thumbprint of the new key; not needed over TLS with a certificate of the device',
      ),
  })
  .openapi('OwnCertificateRequest')

export const issuedSchema = z
  .object({
    credential: credentialSchema,
    certificate: z.string().describe('in PEM'),
    chain: z.string().describe('of the issuer in PEM; behind it those above it'),
  })
  .openapi('IssuedCertificate')

const chainOf = ({ chain }: Issuer): string =>
  chain.map((one) => pemOf(decodeBase64(one) ?? new Uint8Array())).join('')

async function describeIssuer(issuer: Issuer): Promise<z.infer<typeof issuerSchema>> {
  const { certificateOf } = await import('./issuing.ts')
  const { thumbprint, not_before, not_after } = certificateOf(issuer)
  return { certificate: chainOf(issuer), thumbprint, not_before, not_after }
}

const noIssuer = () =>
  new Problem('not_found', 'no issuer is set: this server makes no certificates')

async function openIssuer(cx: Context, [row]: readonly StoredSecretRow[]): Promise<Issuer> {
  if (row === undefined) throw noIssuer()
  return JSON.parse(await openStoredSecret(cx, row)) as Issuer
}

/** Round trips: 1 read. Throws Problem. */
export const getIssuer = async (cx: Context) =>
  describeIssuer(await openIssuer(cx, await cx.db.read(findStoredSecret(ISSUER))))

/**
 * Sets the issuer, in the place of another one, whose certificates go on. Round trips: 1 write.
 * Throws Problem.
 */
export async function setIssuer(cx: Context, input: z.infer<typeof issuerInput>) {
  const { makeIssuer, issuerWithKey } = await import('./issuing.ts')
  const issuer =
    'name' in input
      ? await makeIssuer(cx, input.name, YEARS * 31_536_000)
      : await issuerWithKey(readAuthorities(input.certificate), input.private_key)
  const described = await describeIssuer(issuer)
  const lacking = [lackingToHandOn(cx, ['manage'])]
  const kept = await keepStoredSecret(cx, ISSUER, JSON.stringify(issuer))
  const { thumbprint } = described
  const event = { type: 'device_issuer.set', subject_id: null, data: { thumbprint } } as const
  const write = () => cx.db.write([...demandPower(lacking), kept, appendEvent(cx, event)])
  await nameLacks(cx, lacking, write, needsManage)
  return described
}

/** From now on no certificates are made; those that were go on. Round trips: 1 write. */
export async function removeIssuer(cx: Context): Promise<void> {
  const lacking = [lackingToHandOn(cx, ['manage'])]
  const isThere = condition`exists (select 1 from stored_secret where name = ${ISSUER})`
  const write = () =>
    cx.db.write([
      ...demandPower(lacking),
      appendEvent(cx, { type: 'device_issuer.removed', subject_id: null }, isThere),
      deleteStoredSecret(ISSUER),
    ])
  await nameLacks(cx, lacking, write, needsManage)
}

// --- certificates of devices ------------------------------------------------------------------

/** As a credential that an operator could register as well. */
const inputOf = (made: Certificate, jwk: JwkInput): CredentialInput & { kind: 'x509' } => ({
  kind: 'x509',
  thumbprint: made.thumbprint,
  issuer: made.issuer,
  serial: made.serial,
  not_after: made.not_after,
  jwk,
  not_before: made.not_before,
  expires_at: made.not_after,
})

const answer = (cx: Context, row: LiveCredentialRow, made: Certificate, issuer: Issuer) => ({
  credential: describeCredential(cx, row),
  certificate: pemOf(made.der),
  chain: chainOf(issuer),
})

/** Answers a request of a device that an operator brings. Round trips: 1 read, 1 write. */
export async function issueCertificate(
  cx: Context,
  device_id: string,
  { csr }: z.infer<typeof requestInput>,
) {
  const { makeCertificate, readRequestKey } = await import('./issuing.ts')
  const jwk = await readRequestKey(csr)
  const { device_certificate_ttl } = await loadSettings(cx)
  const issuer = await openIssuer(cx, await cx.db.read(findStoredSecret(ISSUER)))
  const not_after = cx.now() + device_certificate_ttl
  const made = await makeCertificate(cx, issuer, { device_id, jwk, not_after })
  const { row } = await createCredential(cx, device_id, inputOf(made, jwk))
  return answer(cx, row, made, issuer)
}

/**
 * Answers a request of a device itself, which proves one of its present keys: by the certificate of
 * the connection, or by a JWT as for a rotation. The certificate takes the place of that key, as in
 * a rotation; one of a registered authority stays beside it, and with that authority the new one
 * ends. Round trips: 2 reads, 1 write. Throws Problem.
 */
export async function issueOwnCertificate(
  cx: Context,
  device_id: string,
  { csr, proof }: z.infer<typeof ownRequestInput>,
) {
  const { makeCertificate, readRequestKey } = await import('./issuing.ts')
  const jwk = await readRequestKey(csr)
  const { device_certificate_ttl, rotation_grace_ttl } = await loadSettings(cx)
  const { rows, secret } = await cx.db.read({
    rows: credentialsOf(device_id),
    secret: findStoredSecret(ISSUER),
  })
  const issuer = await openIssuer(cx, secret)
  const live = liveCredentials(cx, rows)
  const address = `${cx.config.issuer}/v1/self/certificate`
  const signer =
    proof === undefined
      ? live.find(({ thumbprint }) => thumbprint === cx.client_certificate?.thumbprint)
      : await provesRotation(cx, device_id, live, { proof, jwk, address })
  if (signer == null) {
    throw new Problem(
      'forbidden',
      'neither the connection nor a proof shows a key that the device has',
      [{ pointer: '/proof', detail: 'is not there or not right, and neither is a certificate' }],
      'rotation_not_proven',
    )
  }
  const ends = endToInherit(signer)
  const not_after = Math.min(cx.now() + device_certificate_ttl, ends ?? Infinity)
  if (not_after <= cx.now()) {
    throw new Problem('conflict', 'the key before has an end that the next one cannot pass')
  }
  const made = await makeCertificate(cx, issuer, { device_id, jwk, not_after })
  // The maker of the key before may know this one too.
  const row = {
    ...newCredential(cx, device_id, inputOf(made, jwk)).row,
    made_by: signer.made_by,
    ca_id: signer.ca_id,
  }
  const until = cx.now() + rotation_grace_ttl
  const { created } = await cx.db.write({
    changes: [
      insertCredential(
        row,
        condition`${mayReplace(cx, signer)} and ${typeTakesCredential(device_id, 'x509')}`,
      ),
      ...(signer.ca_state === 'issuer'
        ? [endEnrolled(cx, { device_id, ca_id: signer.ca_id, by: row.id, until })]
        : [
            endReplaced(cx, device_id, signer.id, row.id),
            replaceCredential(signer.id, row.id, until),
          ]),
      appendEvent(
        cx,
        {
          type: 'device_credential.rotated',
          subject_id: device_id,
          data: { credential_id: row.id, replaces: signer.id, kid: '' },
        },
        credentialExists(row.id),
      ),
    ],
    created: findCredential(device_id, row.id),
  })
  if (created.length === 0) {
    throw new Problem(
      'conflict',
      'the type of the device takes no certificates, or the key was replaced before',
    )
  }
  return answer(cx, row, made, issuer)
}

/** The end that somebody set to a credential; that of a certificate itself is none. */
function endToInherit({ rotate_by, renews_until, expires_at, not_after }: LiveCredentialRow) {
  const end = rotate_by === null ? expires_at : renews_until
  return end !== null && not_after !== null && end >= not_after ? null : end
}
