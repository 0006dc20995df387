// The public key in a PEM text (RFC 7468): a key (SubjectPublicKeyInfo), a certificate (RFC 5280)
// or a certification request (RFC 2986), whose own signature shows that its maker has the key.
// jwk.ts judges the key that comes out. A private key is never read.
import { decodeBase64, encodeBase64url } from '../crypto.ts'
import { derElement, derElements, derObjectIdentifier, MalformedDer } from '../keys/der.ts'

/** Longest text that is read; also that of a certificate with its description in words. */
export const PEM_MAX = 20_000

/** A certification request, to be verified with the key in it. */
export type SelfSigned = {
  signed: Uint8Array<ArrayBuffer>
  signature: Uint8Array<ArrayBuffer>
  /** Dotted identifier of the signature algorithm. */
  algorithm: string
}

export type ReadPem =
  | { jwk: Record<string, string>; request: SelfSigned | null }
  /** The fault, in words for the caller. */
  | { fault: string }

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g

const DISCLOSED =
  'holds a private key, which must now be regarded as disclosed: make a new pair where it is ' +
  'used and send the public key alone (openssl pkey -pubout)'

/** Reads the one key of a text. */
export function readPem(text: string): ReadPem {
  // Before all else, and also where the block is broken: its owner has to learn of it.
  if (/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)) return { fault: DISCLOSED }
  const blocks = [...text.matchAll(BLOCK)]
  const [block] = blocks
  if (block === undefined) {
    return { fault: 'holds no PEM block: -----BEGIN PUBLIC KEY----- or a certificate or request' }
  }
  if (blocks.length > 1) return { fault: 'holds several blocks: send that of the device alone' }
  const [, label = '', body = ''] = block
  const der = decodeBase64(body.replaceAll(/\s/g, ''))
  const read = Object.hasOwn(READERS, label) ? READERS[label] : undefined
  if (read === undefined) {
    return { fault: `is ${label}: take PUBLIC KEY, CERTIFICATE or CERTIFICATE REQUEST` }
  }
  try {
    if (der === null) throw new MalformedDer()
    return read(der)
  } catch (error) {
    if (error instanceof MalformedDer) return { fault: `is no well-formed ${label}` }
    throw error
  }
}

const READERS: Readonly<Record<string, (der: Uint8Array) => ReadPem>> = {
  'PUBLIC KEY': (der) => keyOnly(readSpki(theOne(der))),
  'RSA PUBLIC KEY': (der) => keyOnly(readRsa(der)),
  CERTIFICATE: readCertificateKey,
  'CERTIFICATE REQUEST': readRequest,
  'NEW CERTIFICATE REQUEST': readRequest,
}

type Key = Record<string, string> | { unknown: string }

const keyOnly = (key: Key, request: SelfSigned | null = null): ReadPem =>
  isKey(key)
    ? { jwk: key, request }
    : { fault: `has a key of a kind (${key['unknown']}) that verifies nothing here: ${KINDS}` }

const isKey = (key: Key): key is Record<string, string> => !Object.hasOwn(key, 'unknown')

const KINDS = 'take Ed25519, P-256 or RSA'

/** The content of the sequence that is all of `der`. */
function theOne(der: Uint8Array) {
  const [one, ...more] = derElements(der)
  if (more.length > 0) throw new MalformedDer()
  return derElement(one, 0x30)
}

/** RFC 5280 §4.1: version is [0], and left out in the first one. */
function readCertificateKey(der: Uint8Array): ReadPem {
  const [tbs] = derElements(theOne(der).content)
  const members = derElements(derElement(tbs, 0x30).content)
  const at = members[0]?.tag === 0xa0 ? 6 : 5
  return keyOnly(readSpki(derElement(members[at], 0x30)))
}

/** RFC 2986 §4.1, §4.2. */
function readRequest(der: Uint8Array): ReadPem {
  const [info, algorithm, signature] = derElements(theOne(der).content)
  const { content, whole } = derElement(info, 0x30)
  const key = readSpki(derElement(derElements(content)[2], 0x30))
  const [oid] = derElements(derElement(algorithm, 0x30).content)
  return keyOnly(key, {
    signed: new Uint8Array(whole),
    signature: bitString(derElement(signature, 0x03).content),
    algorithm: derObjectIdentifier(derElement(oid, 0x06).content),
  })
}

/** Whole bytes alone: keys and signatures have no others. */
function bitString(content: Uint8Array): Uint8Array<ArrayBuffer> {
  if (content[0] !== 0) throw new MalformedDer()
  return new Uint8Array(content.subarray(1))
}

/** RFC 5280 §4.1.2.7, with RFC 5480 §2.1.1, RFC 8410 §4 and RFC 3279 §2.3.1. */
function readSpki({ content }: { content: Uint8Array }): Key {
  const [algorithm, key] = derElements(content)
  const [oid, parameters] = derElements(derElement(algorithm, 0x30).content)
  const bytes = bitString(derElement(key, 0x03).content)
  const kind = derObjectIdentifier(derElement(oid, 0x06).content)
  if (kind === '1.3.101.112') {
    return { kty: 'OKP', crv: 'Ed25519', x: encodeBase64url(bytes) }
  }
  if (kind === '1.2.840.113549.1.1.1') return readRsa(bytes)
  if (kind !== '1.2.840.10045.2.1') return { unknown: kind }
  // Named curves alone: with parameters of its own a curve can be chosen so that keys are forged.
  const curve = derObjectIdentifier(derElement(parameters, 0x06).content)
  if (curve !== '1.2.840.10045.3.1.7') return { unknown: `curve ${curve}` }
  if (bytes.length !== 65 || bytes[0] !== 4) return { unknown: 'a compressed point' }
  return {
    kty: 'EC',
    crv: 'P-256',
    x: encodeBase64url(bytes.subarray(1, 33)),
    y: encodeBase64url(bytes.subarray(33)),
  }
}

/** RFC 8017 §A.1.1. */
function readRsa(der: Uint8Array): Key {
  const [n, e] = derElements(theOne(der).content)
  return { kty: 'RSA', n: encodeBase64url(unsigned(n)), e: encodeBase64url(unsigned(e)) }
}

/** A positive integer without the octet that keeps it so. */
function unsigned(element: ReturnType<typeof derElements>[number] | undefined): Uint8Array {
  const { content } = derElement(element, 0x02)
  return content[0] === 0 && content.length > 1 ? content.subarray(1) : content
}

// --- requests ---------------------------------------------------------------------------------

/** Algorithms of the signatures of requests: the kind of key, and the hash. */
const SIGNATURES: Readonly<Record<string, { kty: string; hash?: string }>> = {
  '1.2.840.10045.4.3.2': { kty: 'EC', hash: 'SHA-256' },
  '1.3.101.112': { kty: 'OKP' },
  '1.2.840.113549.1.1.11': { kty: 'RSA', hash: 'SHA-256' },
  '1.2.840.113549.1.1.12': { kty: 'RSA', hash: 'SHA-384' },
  '1.2.840.113549.1.1.13': { kty: 'RSA', hash: 'SHA-512' },
}

/** Whether the key in a request signed it: its maker has the private key (RFC 2986 §3). */
export async function isSelfSigned(
  jwk: Readonly<Record<string, unknown>>,
  { signed, signature, algorithm }: SelfSigned,
): Promise<boolean> {
  const known = Object.hasOwn(SIGNATURES, algorithm) ? SIGNATURES[algorithm] : undefined
  if (known === undefined || known.kty !== jwk['kty']) return false
  const { hash = 'SHA-256' } = known
  const key =
    known.kty === 'EC'
      ? { name: 'ECDSA', namedCurve: 'P-256', hash }
      : known.kty === 'OKP'
        ? { name: 'Ed25519' }
        : { name: 'RSASSA-PKCS1-v1_5', hash }
  try {
    const imported = await crypto.subtle.importKey('jwk', jwk, key, false, ['verify'])
    const bytes = known.kty === 'EC' ? rawSignature(signature) : signature
    return await crypto.subtle.verify(key, imported, bytes, signed)
  } catch {
    return false
  }
}

/** RFC 3279 §2.2.3: r and s as integers; WebCrypto takes 32 bytes of each. */
function rawSignature(signature: Uint8Array): Uint8Array<ArrayBuffer> {
  const raw = new Uint8Array(64)
  const parts = derElements(theOne(signature).content)
  for (const [n, part] of [parts[0], parts[1]].entries()) {
    const bytes = unsigned(part)
    if (bytes.length > 32) throw new MalformedDer()
    raw.set(bytes, n * 32 + 32 - bytes.length)
  }
  return raw
}
