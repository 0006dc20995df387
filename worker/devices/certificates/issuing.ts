// Certificates that this server makes for devices (RFC 5280), upon a request that the key of the
// device signed (RFC 2986), and those of an authority that it makes for itself. Read with the first
// request that needs it.
import type { Context } from '../../context.ts'
import { type Bytes, decodeBase64, encodeBase64 } from '../../crypto.ts'
import { Problem } from '../../errors.ts'
import {
  type Certificate,
  CLIENT_AUTH,
  isSignedBy,
  KEY_USAGE,
  keyAlgorithmOf,
  readCertificate,
} from '../../keys/certificate.ts'
import {
  der,
  derBits,
  derOctets,
  derOid,
  derSequence,
  derText,
  derTime,
  derUnsigned,
} from '../../keys/der_writer.ts'
import { assertSoundKey, deviceJwkSchema, type JwkInput, requiredMembers } from '../jwk.ts'
import { isSelfSigned, readPem } from '../pem.ts'
import { deviceUrn } from './presented_certificate.ts'

/** An authority that this server signs with. */
export type Issuer = {
  /** PKCS#8, base64. */
  pkcs8: string
  /** DER forms in base64: that of the issuer, then those above it. */
  chain: readonly string[]
}

/** Seconds that a new certificate begins before now, for devices whose clocks are behind. */
const BACKDATED = 300

type Signing = { how: { name: string; namedCurve?: string; hash?: string }; algorithm: Bytes }

/** RFC 5758 §3.2, RFC 8410 §3, RFC 4055 §5. */
function signingOf(spki: Uint8Array): Signing {
  const kind = keyAlgorithmOf(spki)
  if (kind === null) throw new TypeError('a key that signs no certificate')
  if (kind.name === 'Ed25519') return { how: kind, algorithm: derSequence(derOid('1.3.101.112')) }
  if (kind.name === 'RSASSA-PKCS1-v1_5') {
    const algorithm = derSequence(derOid('1.2.840.113549.1.1.11'), der(0x05))
    return { how: { ...kind, hash: 'SHA-256' }, algorithm }
  }
  return kind.namedCurve === 'P-384'
    ? {
        how: { ...kind, hash: 'SHA-384' },
        algorithm: derSequence(derOid('1.2.840.10045.4.3.3')),
      }
    : {
        how: { ...kind, hash: 'SHA-256' },
        algorithm: derSequence(derOid('1.2.840.10045.4.3.2')),
      }
}

async function sign(key: CryptoKey, { how, algorithm }: Signing, signed: Bytes): Promise<Bytes> {
  const made = new Uint8Array(await crypto.subtle.sign(how, key, signed))
  const half = made.length / 2
  const signature =
    how.name === 'ECDSA'
      ? derSequence(derUnsigned(made.subarray(0, half)), derUnsigned(made.subarray(half)))
      : made
  return derSequence(signed, algorithm, derBits(signature))
}

const extension = (oid: string, value: Uint8Array, critical = false): Bytes =>
  derSequence(derOid(oid), ...(critical ? [der(0x01, Uint8Array.of(0xff))] : []), derOctets(value))

/** RFC 5280 §4.1.2.4, with the one attribute. */
const nameOf = (common_name: string): Bytes =>
  derSequence(der(0x31, derSequence(derOid('2.5.4.3'), derText(0x0c, common_name))))

/** RFC 7093 §2 (1): of the key alone, without its algorithm. */
async function keyIdOf(spki: Bytes): Promise<Uint8Array> {
  const hash = await crypto.subtle.digest('SHA-256', spki)
  return new Uint8Array(hash).subarray(0, 20)
}

const version = der(0xa0, derUnsigned(Uint8Array.of(2)))

// --- the issuer -------------------------------------------------------------------------------

/** Makes an authority: a key that never leaves this server, and its own certificate. */
export async function makeIssuer(cx: Context, name: string, ttl: number): Promise<Issuer> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const pair = (await crypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as CryptoKeyPair
  const exported = async (form: 'spki' | 'pkcs8', key: CryptoKey) =>
    new Uint8Array((await crypto.subtle.exportKey(form, key)) as ArrayBuffer)
  const spki = await exported('spki', pair.publicKey)
  const signing = signingOf(spki)
  const now = cx.now()
  const signed = derSequence(
    version,
    derUnsigned(cx.random(16)),
    signing.algorithm,
    nameOf(name),
    derSequence(derTime(now - BACKDATED), derTime(now + ttl)),
    nameOf(name),
    spki,
    der(
      0xa3,
      derSequence(
        // It signs devices, and no other authority.
        extension(
          '2.5.29.19',
          derSequence(der(0x01, Uint8Array.of(0xff)), derUnsigned(Uint8Array.of(0))),
          true,
        ),
        extension('2.5.29.15', derBits(Uint8Array.of(KEY_USAGE.keyCertSign), 2), true),
        extension('2.5.29.14', derOctets(await keyIdOf(spki))),
      ),
    ),
  )
  const certificate = await sign(pair.privateKey, signing, signed)
  const pkcs8 = encodeBase64(await exported('pkcs8', pair.privateKey))
  return { pkcs8, chain: [encodeBase64(certificate)] }
}

/** The authority with a key that operators bring (PKCS#8 in PEM). Throws Problem. */
export async function issuerWithKey(
  chain: readonly Certificate[],
  private_key: string,
): Promise<Issuer> {
  const refuse = (pointer: string, detail: string) =>
    new Problem('invalid_request', 'this is no issuer', [{ pointer, detail }])
  const [own] = chain
  if (own === undefined) throw refuse('/certificate', 'holds no certificate')
  const [, body = ''] =
    /-----BEGIN PRIVATE KEY-----([^-]*)-----END PRIVATE KEY-----/.exec(private_key) ?? []
  const pkcs8 = decodeBase64(body.replaceAll(/\s/g, ''))
  if (pkcs8 === null) throw refuse('/private_key', 'is no PKCS#8 in PEM (PRIVATE KEY)')
  const { how } = signingOf(own.spki)
  try {
    const key = await crypto.subtle.importKey('pkcs8', pkcs8, how, false, ['sign'])
    const bytes = new Uint8Array(await crypto.subtle.sign(how, key, own.signed))
    const mine = await crypto.subtle.importKey('spki', own.spki, how, false, ['verify'])
    if (!(await crypto.subtle.verify(how, mine, bytes, own.signed))) throw new Error('another key')
  } catch {
    throw refuse('/private_key', 'is not the key of the first certificate')
  }
  for (const [n, one] of chain.entries()) {
    const above = chain[n + 1]
    if (
      above !== undefined &&
      !(one.issuer === above.subject && (await isSignedBy(one, above.spki)))
    ) {
      throw refuse('/certificate', `certificate ${n + 1} is not signed by the one behind it`)
    }
  }
  return { pkcs8: encodeBase64(pkcs8), chain: chain.map((one) => encodeBase64(one.der)) }
}

export const certificateOf = ({ chain }: Issuer): Certificate =>
  readCertificate(decodeBase64(chain[0] ?? '') ?? new Uint8Array())

// --- requests ---------------------------------------------------------------------------------

/** The key of a request that it signed itself (RFC 2986 §3). Throws Problem. */
export async function readRequestKey(csr: string): Promise<JwkInput> {
  const refuse = (detail: string) =>
    new Problem('invalid_request', 'this is no request for a certificate', [
      { pointer: '/csr', detail },
    ])
  const read = readPem(csr)
  if ('fault' in read) throw refuse(read.fault)
  if (read.request === null) throw refuse('is no CERTIFICATE REQUEST')
  const judged = deviceJwkSchema.safeParse(read.jwk)
  if (!judged.success) throw refuse(judged.error.issues.map(({ message }) => message).join('; '))
  await assertSoundKey(judged.data, '/csr')
  if (!(await isSelfSigned(requiredMembers(judged.data), read.request))) {
    throw refuse('has a signature that its own key did not make')
  }
  return judged.data
}

/**
 * A certificate for the key, that ends by `not_after`, and before the issuer does. Names and
 * extensions of a request are not looked at: all that it says is made here.
 */
export async function makeCertificate(
  cx: Context,
  issuer: Issuer,
  { device_id, jwk, not_after }: { device_id: string; jwk: JwkInput; not_after: number },
): Promise<Certificate> {
  const own = certificateOf(issuer)
  const ends = Math.min(not_after, own.not_after)
  if (own.not_before > cx.now() || ends <= cx.now()) {
    throw new Problem('conflict', 'the issuer that is set has run out, or does not count yet')
  }
  const signing = signingOf(own.spki)
  const spki = await spkiOf(jwk)
  const signed = derSequence(
    version,
    derUnsigned(cx.random(16)),
    signing.algorithm,
    own.subject_name,
    derSequence(derTime(Math.max(own.not_before, cx.now() - BACKDATED)), derTime(ends)),
    nameOf(device_id),
    spki,
    der(
      0xa3,
      derSequence(
        extension('2.5.29.19', derSequence(), true),
        extension('2.5.29.15', derBits(Uint8Array.of(KEY_USAGE.digitalSignature), 7), true),
        extension('2.5.29.37', derSequence(derOid(CLIENT_AUTH))),
        extension('2.5.29.17', derSequence(derText(0x86, deviceUrn('id', device_id)))),
        extension('2.5.29.14', derOctets(await keyIdOf(spki))),
        ...(own.subject_key_id === undefined
          ? []
          : [extension('2.5.29.35', derSequence(der(0x80, own.subject_key_id)))]),
      ),
    ),
  )
  const pkcs8 = decodeBase64(issuer.pkcs8) ?? new Uint8Array()
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, signing.how, false, ['sign'])
  return readCertificate(await sign(key, signing, signed))
}

async function spkiOf(jwk: JwkInput): Promise<Bytes> {
  const algorithm =
    jwk.kty === 'OKP'
      ? { name: 'Ed25519' }
      : jwk.kty === 'EC'
        ? { name: 'ECDSA', namedCurve: 'P-256' }
        : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('jwk', requiredMembers(jwk), algorithm, true, [
    'verify',
  ])
  return new Uint8Array((await crypto.subtle.exportKey('spki', key)) as ArrayBuffer)
}
