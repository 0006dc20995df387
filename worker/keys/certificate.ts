// A certificate (RFC 5280) from its DER form, as far as it says whose it is, and whether the key of
// an authority signed it. No chain is built: an authority that is known has signed the certificate
// itself. All that decides is read from the signed part.
import {
  type Bytes,
  decodeBase64,
  encodeBase64,
  encodeBase64url,
  sha256OfBytes,
} from '../crypto.ts'
import {
  type DerElement,
  derElement,
  derElements,
  derObjectIdentifier,
  MalformedDer,
} from './der.ts'

/** Longest certificate that is read, in bytes. */
const DER_MAX = 16_384

export type Certificate = {
  der: Uint8Array
  /** Base64url of SHA-256 of `der`. */
  thumbprint: string
  /** SHA-256 of the DER form of the names, base64url. */
  issuer: string
  subject: string
  /** The DER form of the name itself. */
  subject_name: Bytes
  /** Hexadecimal, without leading zeros: one text for one number. */
  serial: string
  not_before: number
  not_after: number
  /** The one common name of the subject; null without one, or with several. */
  common_name: string | null
  san_dns: readonly string[]
  san_uri: readonly string[]
  /** Whether it has other names or none: then a common name says nothing. */
  has_names: boolean
  /** DER form of its SubjectPublicKeyInfo. */
  spki: Bytes
  is_ca: boolean
  /** Absent: it has no such extension, which allows everything. */
  key_usage: number | undefined
  extended_usage: readonly string[] | undefined
  subject_key_id: Uint8Array | undefined
  signed: Bytes
  algorithm: string
  signature: Bytes
}

/** RFC 5280 §4.2.1.3: bits of keyUsage, the first one highest. */
export const KEY_USAGE = { digitalSignature: 0x80, keyCertSign: 0x04 } as const

/** RFC 5280 §4.2.1.12. */
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const ANY_USAGE = '2.5.29.37.0'

/** Reads it. Throws MalformedDer, with the fault in words. */
export function readCertificate(der: Uint8Array): Certificate {
  if (der.length > DER_MAX) throw new MalformedDer('is longer than a certificate may be')
  const [whole, ...more] = derElements(der)
  if (more.length > 0) throw new MalformedDer()
  const [tbs, outer, signature, ...rest] = derElements(derElement(whole, 0x30).content)
  if (rest.length > 0) throw new MalformedDer()
  const members = derElements(derElement(tbs, 0x30).content)
  // RFC 5280 §4.1.2.1: version is [0], and left out in the first one.
  const version = members[0]?.tag === 0xa0 ? derElements(members[0].content)[0] : undefined
  const at = version === undefined ? 0 : 1
  const part = (n: number, tag: number) => derElement(members[at + n], tag)
  const extensions = members.slice(at + 6).find(({ tag }) => tag === 0xa3)
  if (extensions !== undefined && derElement(version, 0x02).content[0] !== 2) {
    throw new MalformedDer('has extensions, which its version does not know')
  }
  // RFC 5280 §4.1.1.2: what is signed says by which algorithm.
  const algorithm = derElement(outer, 0x30)
  if (!isSame(part(1, 0x30).whole, algorithm.whole)) {
    throw new MalformedDer('names two algorithms of its signature')
  }
  const [not_before, not_after] = derElements(part(3, 0x30).content).map(timeOf)
  if (not_before === undefined || not_after === undefined) throw new MalformedDer()
  const subject = part(4, 0x30)
  return {
    der,
    thumbprint: sha256OfBytes(der),
    issuer: sha256OfBytes(part(2, 0x30).whole),
    subject: sha256OfBytes(subject.whole),
    subject_name: new Uint8Array(subject.whole),
    serial: serialOf(part(0, 0x02).content),
    not_before,
    not_after,
    common_name: commonNameOf(subject.content),
    spki: new Uint8Array(part(5, 0x30).whole),
    ...readExtensions(extensions),
    signed: new Uint8Array(derElement(tbs, 0x30).whole),
    algorithm: oidOf(derElements(algorithm.content)[0]),
    signature: bitsOf(signature),
  }
}

/** The certificates of a PEM text (RFC 7468), or the fault in words. */
export function certificatesOfPem(text: string): Certificate[] | { fault: string } {
  if (/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)) {
    return { fault: 'holds a private key, which must now be regarded as disclosed' }
  }
  const blocks = [...text.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g)]
  if (blocks.length === 0) return { fault: 'holds no PEM block -----BEGIN CERTIFICATE-----' }
  try {
    return blocks.map(([, body = '']) => {
      const der = decodeBase64(body.replaceAll(/\s/g, ''))
      if (der === null) throw new MalformedDer()
      return readCertificate(der)
    })
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error
    return { fault: error.message === '' ? 'is no well-formed certificate' : error.message }
  }
}

const isSame = (a: Uint8Array, b: Uint8Array) =>
  a.length === b.length && a.every((byte, i) => byte === b[i])

const oidOf = (element: DerElement | undefined) =>
  derObjectIdentifier(derElement(element, 0x06).content)

function serialOf(content: Uint8Array): string {
  if (content.length === 0 || content.length > 32) throw new MalformedDer()
  const hex = Array.from(content, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^0+(?=.)/, '')
}

/** Whole bytes alone: keys and signatures have no others. */
function bitsOf(element: DerElement | undefined): Bytes {
  const { content } = derElement(element, 0x03)
  if (content[0] !== 0) throw new MalformedDer()
  return new Uint8Array(content.subarray(1))
}

const ascii = (bytes: Uint8Array) => String.fromCharCode(...bytes)

/** RFC 5280 §4.1.2.5: in both forms to the second, in UTC. */
function timeOf({ tag, content }: DerElement): number {
  const text = ascii(content)
  const [, year = '', rest = ''] =
    (tag === 0x17 ? /^(\d\d)(\d{10})Z$/ : /^(\d{4})(\d{10})Z$/).exec(text) ?? []
  if (tag !== 0x17 && tag !== 0x18) throw new MalformedDer()
  const full = tag === 0x17 ? `${Number(year) < 50 ? '20' : '19'}${year}` : year
  const [month, day, hour, minute, second] = rest.match(/../g) ?? []
  const written = `${full}-${month}-${day}T${hour}:${minute}:${second}`
  const milliseconds = Date.parse(`${written}Z`)
  // The 30th of February is none.
  const isReal =
    Number.isFinite(milliseconds) && new Date(milliseconds).toISOString().startsWith(written)
  if (!isReal) throw new MalformedDer('has a time that is none')
  return milliseconds / 1000
}

function commonNameOf(content: Uint8Array): string | null {
  const found: string[] = []
  for (const set of derElements(content)) {
    for (const pair of derElements(derElement(set, 0x31).content)) {
      const [type, value] = derElements(derElement(pair, 0x30).content)
      if (value === undefined) throw new MalformedDer()
      // UTF8String, PrintableString, IA5String
      if (oidOf(type) !== '2.5.4.3') continue
      found.push([0x0c, 0x13, 0x16].includes(value.tag) ? utf8(value.content) : '')
    }
  }
  return found.length === 1 && found[0] !== '' ? (found[0] ?? null) : null
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new MalformedDer()
  }
}

// --- extensions -------------------------------------------------------------------------------

type Extensions = Pick<
  Certificate,
  'is_ca' | 'key_usage' | 'extended_usage' | 'subject_key_id' | 'san_dns' | 'san_uri' | 'has_names'
>

/** RFC 5280 §4.2. Refuses one that is critical and not known here, and one that is there twice. */
function readExtensions(element: DerElement | undefined): Extensions {
  const found: Extensions = {
    is_ca: false,
    key_usage: undefined,
    extended_usage: undefined,
    subject_key_id: undefined,
    san_dns: [],
    san_uri: [],
    has_names: false,
  }
  if (element === undefined) return found
  const [list, ...more] = derElements(element.content)
  if (more.length > 0) throw new MalformedDer()
  const seen = new Set<string>()
  for (const extension of derElements(derElement(list, 0x30).content)) {
    const parts = derElements(derElement(extension, 0x30).content)
    const oid = oidOf(parts[0])
    if (seen.has(oid)) throw new MalformedDer('has an extension twice')
    seen.add(oid)
    const critical = parts.length === 3 ? derElement(parts[1], 0x01).content[0] !== 0 : false
    const { content } = derElement(parts[parts.length === 3 ? 2 : 1], 0x04)
    const read = Object.hasOwn(EXTENSIONS, oid) ? EXTENSIONS[oid] : undefined
    if (read !== undefined) Object.assign(found, read(content))
    // Constraints bound whom an authority may name, and bind although nothing else here reads them.
    else if (critical || oid === NAME_CONSTRAINTS) {
      throw new MalformedDer(`has an extension (${oid}) that is critical and not known here`)
    }
  }
  return found
}

const NAME_CONSTRAINTS = '2.5.29.30'

/** The one element that `content` is. */
function single(content: Uint8Array): DerElement | undefined {
  const [one, ...more] = derElements(content)
  if (more.length > 0) throw new MalformedDer()
  return one
}

const EXTENSIONS: Readonly<Record<string, (content: Uint8Array) => Partial<Extensions>>> = {
  '2.5.29.19': (content) => {
    const [first] = derElements(derElement(single(content), 0x30).content)
    return { is_ca: first?.tag === 0x01 && first.content[0] !== 0 }
  },
  '2.5.29.15': (content) => ({ key_usage: derElement(single(content), 0x03).content[1] ?? 0 }),
  '2.5.29.37': (content) => ({
    extended_usage: derElements(derElement(single(content), 0x30).content).map(oidOf),
  }),
  '2.5.29.14': (content) => ({ subject_key_id: derElement(single(content), 0x04).content }),
  '2.5.29.35': () => ({}),
  '2.5.29.17': (content) => {
    const names = derElements(derElement(single(content), 0x30).content)
    const of = (wanted: number) =>
      names.flatMap((one) => (one.tag === wanted ? ascii(one.content) : []))
    return { san_dns: of(0x82), san_uri: of(0x86), has_names: true }
  },
}

// --- signatures -------------------------------------------------------------------------------

type KeyAlgorithm = { name: string; namedCurve?: string; hash?: string }

/** The kind of a key: null for one that signs no certificate here. */
export function keyAlgorithmOf(spki: Uint8Array): KeyAlgorithm | null {
  const [algorithm] = derElements(derElement(derElements(spki)[0], 0x30).content)
  const [oid, parameters] = derElements(derElement(algorithm, 0x30).content)
  const kind = oidOf(oid)
  if (kind === '1.3.101.112') return { name: 'Ed25519' }
  if (kind === '1.2.840.113549.1.1.1') return { name: 'RSASSA-PKCS1-v1_5' }
  if (kind !== '1.2.840.10045.2.1' || parameters?.tag !== 0x06) return null
  const curve = oidOf(parameters)
  if (curve === '1.2.840.10045.3.1.7') return { name: 'ECDSA', namedCurve: 'P-256' }
  return curve === '1.3.132.0.34' ? { name: 'ECDSA', namedCurve: 'P-384' } : null
}

/** Algorithms of signatures: the kind of key, and the hash. SHA-1 is none of them. */
const SIGNATURES: Readonly<Record<string, { name: string; hash?: string }>> = {
  '1.2.840.10045.4.3.2': { name: 'ECDSA', hash: 'SHA-256' },
  '1.2.840.10045.4.3.3': { name: 'ECDSA', hash: 'SHA-384' },
  '1.2.840.113549.1.1.11': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  '1.2.840.113549.1.1.12': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' },
  '1.2.840.113549.1.1.13': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' },
  '1.3.101.112': { name: 'Ed25519' },
}

/** Whether the key (SubjectPublicKeyInfo) signed the certificate (RFC 5280 §6.1.3 (a) (1)). */
export async function isSignedBy(
  { signed, signature, algorithm }: Pick<Certificate, 'signed' | 'signature' | 'algorithm'>,
  spki: Bytes,
): Promise<boolean> {
  const known = Object.hasOwn(SIGNATURES, algorithm) ? SIGNATURES[algorithm] : undefined
  try {
    const kind = keyAlgorithmOf(spki)
    if (known === undefined || kind?.name !== known.name) return false
    const how = { ...kind, ...known }
    const key = await crypto.subtle.importKey('spki', spki, how, false, ['verify'])
    const bytes = known.name === 'ECDSA' ? rawSignature(signature, kind.namedCurve) : signature
    return await crypto.subtle.verify(how, key, bytes, signed)
  } catch {
    return false
  }
}

/** RFC 3279 §2.2.3: r and s as integers; WebCrypto takes the bytes of each. */
function rawSignature(signature: Uint8Array, curve: string | undefined): Bytes {
  const length = curve === 'P-384' ? 48 : 32
  const raw = new Uint8Array(2 * length)
  const parts = derElements(derElement(single(signature), 0x30).content)
  if (parts.length !== 2) throw new MalformedDer()
  for (const [n, part] of parts.entries()) {
    const { content } = derElement(part, 0x02)
    const bytes = content[0] === 0 ? content.subarray(1) : content
    if (bytes.length > length) throw new MalformedDer()
    raw.set(bytes, (n + 1) * length - bytes.length)
  }
  return raw
}

/** PEM (RFC 7468 §5.1). */
export function pemOf(der: Uint8Array): string {
  const lines = encodeBase64(der).match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** A thumbprint of 32 bytes, in hexadecimal (with colons, as OpenSSL writes it) or base64url. */
export function thumbprintOfText(text: string): string | null {
  const hex = text.replaceAll(':', '')
  if (/^[0-9a-fA-F]{64}$/.test(hex)) {
    const bytes = hex.match(/../g) ?? []
    return encodeBase64url(Uint8Array.from(bytes, (pair) => Number.parseInt(pair, 16)))
  }
  return /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(text) ? text : null
}
