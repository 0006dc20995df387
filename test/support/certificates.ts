// Certificates and authorities for tests, right ones and odd ones. OpenSSL makes those of the host
// tests; inside workerd there is none.
import { sha256OfBytes } from '../../worker/crypto.ts'
import {
  der,
  derBits,
  derOctets,
  derOid,
  derSequence,
  derText,
  derTime,
  derUnsigned,
} from '../../worker/keys/der_writer.ts'

export const KINDS_OF_SIGNERS = ['P-256', 'P-384', 'RSA', 'Ed25519'] as const
export type KindOfSigner = (typeof KINDS_OF_SIGNERS)[number]

const ALGORITHMS = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  RSA: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
  Ed25519: { name: 'Ed25519' },
} as const

const SIGNATURES: Record<KindOfSigner, Uint8Array> = {
  'P-256': derSequence(derOid('1.2.840.10045.4.3.2')),
  'P-384': derSequence(derOid('1.2.840.10045.4.3.3')),
  RSA: derSequence(derOid('1.2.840.113549.1.1.11'), der(0x05)),
  Ed25519: derSequence(derOid('1.3.101.112')),
}

export type Pair = { kind: KindOfSigner; keys: CryptoKeyPair; spki: Uint8Array }

export async function makePair(kind: KindOfSigner = 'P-256'): Promise<Pair> {
  const made = await crypto.subtle.generateKey(ALGORITHMS[kind], true, ['sign', 'verify'])
  const keys = made as CryptoKeyPair
  const spki = await crypto.subtle.exportKey('spki', keys.publicKey)
  return { kind, keys, spki: new Uint8Array(spki as ArrayBuffer) }
}

export const nameOf = (common_name: string, ...more: readonly string[]): Uint8Array =>
  derSequence(
    ...[common_name, ...more].map((text) =>
      der(0x31, derSequence(derOid('2.5.4.3'), derText(0x0c, text))),
    ),
  )

export const extension = (oid: string, value: Uint8Array, critical = false): Uint8Array =>
  derSequence(derOid(oid), ...(critical ? [der(0x01, Uint8Array.of(0xff))] : []), derOctets(value))

export const asAuthority = extension('2.5.29.19', derSequence(der(0x01, Uint8Array.of(0xff))), true)
export const keyUsage = (bits: number) => extension('2.5.29.15', derBits(Uint8Array.of(bits)), true)
export const extendedUsage = (...oids: readonly string[]) =>
  extension('2.5.29.37', derSequence(...oids.map(derOid)))
export const alternativeNames = (names: { dns?: string[]; uri?: string[]; email?: string[] }) =>
  extension(
    '2.5.29.17',
    derSequence(
      ...(names.dns ?? []).map((one) => derText(0x82, one)),
      ...(names.uri ?? []).map((one) => derText(0x86, one)),
      ...(names.email ?? []).map((one) => derText(0x81, one)),
    ),
  )

export type Making = {
  subject?: Uint8Array
  issuer?: Uint8Array
  serial?: Uint8Array
  not_before?: number
  not_after?: number
  extensions?: readonly Uint8Array[]
  /** The algorithm within the signed part, where it is another than outside. */
  inner?: Uint8Array
  version?: Uint8Array | null
}

/** A certificate for the key of `subject`, signed by that of `signer`. */
export async function makeCertificate(
  subject: Pair,
  signer: Pair,
  given: Making = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = SIGNATURES[signer.kind]
  const { extensions = [], version = Uint8Array.of(2) } = given
  const signed = derSequence(
    ...(version === null ? [] : [der(0xa0, der(0x02, version))]),
    derUnsigned(given.serial ?? crypto.getRandomValues(new Uint8Array(16))),
    given.inner ?? algorithm,
    given.issuer ?? nameOf('Authority'),
    derSequence(derTime(given.not_before ?? 0), derTime(given.not_after ?? 4_000_000_000)),
    given.subject ?? nameOf('dev-1'),
    subject.spki,
    ...(extensions.length === 0 ? [] : [der(0xa3, derSequence(...extensions))]),
  )
  return derSequence(signed, algorithm, derBits(await sign(signer, signed)))
}

async function sign({ kind, keys }: Pair, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const made = await crypto.subtle.sign(ALGORITHMS[kind], keys.privateKey, bytes)
  const signature = new Uint8Array(made)
  if (!kind.startsWith('P-')) return signature
  const half = signature.length / 2
  return derSequence(
    derUnsigned(signature.subarray(0, half)),
    derUnsigned(signature.subarray(half)),
  )
}

const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes))

export const pemOfCertificate = (bytes: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${base64(bytes).replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`

/** A certification request in PEM, signed by its own key or by another one. */
export async function makeRequest(given?: Pair, signer?: Pair): Promise<string> {
  const pair = given ?? (await makePair())
  const info = derSequence(derUnsigned(Uint8Array.of(0)), nameOf('any'), pair.spki, der(0xa0))
  const signature = derBits(await sign(signer ?? pair, info))
  const request = derSequence(info, SIGNATURES[(signer ?? pair).kind], signature)
  return pemOfCertificate(request).replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST')
}

/** The private key of a pair in PEM (PKCS#8). */
export async function pemOfKey({ keys }: Pair): Promise<string> {
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  const pem = pemOfCertificate(new Uint8Array(pkcs8 as ArrayBuffer))
  return pem.replaceAll('CERTIFICATE', 'PRIVATE KEY')
}

/** An authority that signed itself, or was signed by another, and a function to sign others. */
export async function makeAuthority(
  kind: KindOfSigner = 'P-256',
  given: Making = {},
  signer?: Pair,
) {
  const pair = await makePair(kind)
  const name = given.subject ?? nameOf('Authority')
  const der = await makeCertificate(pair, signer ?? pair, {
    subject: name,
    issuer: name,
    extensions: [asAuthority],
    ...given,
  })
  const sign = (subject: Pair, more: Making = {}) =>
    makeCertificate(subject, pair, { issuer: name, ...more })
  return { pair, name, der, pem: pemOfCertificate(der), sign }
}

/** The header by which the tests say which certificate a connection has. `der`: null where unknown. */
export function connectionBy(certificate: Uint8Array, issuer: Uint8Array = nameOf('Authority')) {
  return {
    'x-test-certificate': JSON.stringify({
      thumbprint: sha256OfBytes(certificate),
      subject_dn: '',
      ...{ san_dns: [], san_uri: [], san_ip: [], san_email: [] },
      spki: null,
      issuer: sha256OfBytes(issuer),
      der: base64(certificate),
      verified: false,
    }),
  }
}
