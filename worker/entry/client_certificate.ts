// A client certificate (RFC 5280) for the rooms, from its DER form. The end of the TLS connection
// has checked the signatures; this file only reads. `node:crypto` is not used: its X509Certificate
// differs between Node, Deno and Bun, workerd lacks it without a compatibility flag, and its
// subject is not RFC 4514.
import type { ClientCertificate } from '../context.ts'
import { decodeBase64, encodeBase64, encodeBase64url, sha256OfBytes } from '../crypto.ts'
import {
  type DerElement,
  derElement,
  derElements,
  derObjectIdentifier,
  MalformedDer,
} from '../keys/der.ts'

/** Longest certificate that is read, in bytes. */
const CERTIFICATE_MAX = 16_384

/** Reads the value of a Client-Cert header (RFC 9440 §2.1); null for any other text. */
export function readClientCert(header: string, verified: boolean): ClientCertificate | null {
  // Exactly one byte sequence: two headers, one of them perhaps from a visitor, come joined by a
  // comma.
  const base64 = /^:([^:]+):$/.exec(header.trim())?.[1] ?? ''
  if (base64.length > (CERTIFICATE_MAX * 4) / 3) return null
  const der = decodeBase64(base64)
  if (der === null) return null
  try {
    return readCertificate(der, verified)
  } catch {
    return null
  }
}

/**
 * The useful parts of the description of a connection by Cloudflare: texts, also where they are "0"
 * or "".
 */
export type TlsClientAuth = {
  certPresented?: string
  certVerified?: string
  certRevoked?: string
  certFingerprintSHA256?: string
  certSubjectDNRFC2253?: string
  /** As in RFC 9440; '' when it is longer than 10 KiB. */
  certRFC9440?: string
}

/** The certificate of `request.cf.tlsClientAuth`; null without one, and for a revoked one. */
export function certificateOfCloudflare(tls: TlsClientAuth | null): ClientCertificate | null {
  if (tls?.certPresented !== '1' || tls.certRevoked === '1') return null
  const verified = tls.certVerified === 'SUCCESS'
  const whole = readClientCert(tls.certRFC9440 ?? '', verified)
  if (whole !== null) return whole
  // Then only the parts outside the certificate are known: no other names than the subject, and no
  // key.
  const fingerprint = tls.certFingerprintSHA256 ?? ''
  if (!/^[0-9a-f]{64}$/i.test(fingerprint)) return null
  const bytes = Uint8Array.from(fingerprint.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  return {
    thumbprint: encodeBase64url(bytes),
    subject_dn: tls.certSubjectDNRFC2253 ?? '',
    san_dns: [],
    san_uri: [],
    san_ip: [],
    san_email: [],
    spki: null,
    issuer: null,
    der: null,
    verified,
  }
}

/** Throws MalformedDer, and RangeError of a view beyond its buffer. */
function readCertificate(der: Uint8Array, verified: boolean): ClientCertificate {
  const [certificate, ...more] = derElements(der)
  if (certificate === undefined || more.length > 0) throw new MalformedDer()
  const [tbs] = derElements(derElement(certificate, 0x30).content)
  const members = derElements(derElement(tbs, 0x30).content)
  // RFC 5280 §4.1: version is [0], and left out in the first one.
  const at = members[0]?.tag === 0xa0 ? 1 : 0
  const issuer = derElement(members[at + 2], 0x30)
  const subject = derElement(members[at + 4], 0x30)
  const spki = derElement(members[at + 5], 0x30)
  const extensions = members.slice(at + 6).find(({ tag }) => tag === 0xa3)
  return {
    thumbprint: sha256OfBytes(der),
    subject_dn: distinguishedName(subject.content),
    ...alternativeNames(extensions?.content ?? null),
    spki: encodeBase64url(spki.whole),
    issuer: sha256OfBytes(issuer.whole),
    der: encodeBase64(der),
    verified,
  }
}

// --- names ------------------------------------------------------------------------------------

/** RFC 4514 §3, and the short names of OpenSSL for other attributes that certificates have. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.15': 'businessCategory',
  '2.5.4.17': 'postalCode',
  '2.5.4.42': 'GN',
  '2.5.4.46': 'dnQualifier',
  '2.5.4.97': 'organizationIdentifier',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
  '1.3.6.1.4.1.311.60.2.1.1': 'jurisdictionL',
  '1.3.6.1.4.1.311.60.2.1.2': 'jurisdictionST',
  '1.3.6.1.4.1.311.60.2.1.3': 'jurisdictionC',
}

/**
 * RFC 4514 §2: the last name comes first, as in OpenSSL, also among the parts of one name; bytes
 * beyond ASCII are hex pairs.
 */
function distinguishedName(content: Uint8Array): string {
  const names = derElements(content).map((set) =>
    derElements(derElement(set, 0x31).content)
      .map((pair) => {
        const [type, value] = derElements(derElement(pair, 0x30).content)
        if (value === undefined) throw new MalformedDer()
        const oid = derObjectIdentifier(derElement(type, 0x06).content)
        const name = ATTRIBUTES[oid]
        const text = name === undefined ? null : readText(value)
        if (text === null) return `${name ?? oid}=#${hex(value.whole)}`
        return `${name}=${escapeText(text)}`
      })
      .reverse()
      .join('+'),
  )
  return names.reverse().join(',')
}

/** Text as UTF-8 bytes; null for a type that is no text. */
function readText({ tag, content }: DerElement): Uint8Array | null {
  // UTF8String, NumericString, PrintableString, IA5String
  if ([0x0c, 0x12, 0x13, 0x16].includes(tag)) return content
  const encode = (text: string) => new TextEncoder().encode(text)
  // T61String, in practice Latin-1
  if (tag === 0x14) return encode(String.fromCharCode(...content))
  if (tag === 0x1e) return encode(new TextDecoder('utf-16be').decode(content)) // BMPString
  return null
}

/** RFC 4514 §2.4 */
function escapeText(bytes: Uint8Array): string {
  let text = ''
  bytes.forEach((byte, i) => {
    const char = String.fromCharCode(byte)
    const isEdge = i === 0 || i === bytes.length - 1
    if (byte < 0x20 || byte > 0x7e) text += `\\${hex([byte])}`
    else if (',+"\\<>;'.includes(char)) text += `\\${char}`
    else if ((char === ' ' && isEdge) || (char === '#' && i === 0)) text += `\\${char}`
    else text += char
  })
  return text
}

const hex = (bytes: Iterable<number>) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join('')

/** RFC 5280 §4.2.1.6 */
function alternativeNames(extensions: Uint8Array | null) {
  const names = { san_dns: [], san_uri: [], san_ip: [], san_email: [] } as Record<
    'san_dns' | 'san_uri' | 'san_ip' | 'san_email',
    string[]
  >
  if (extensions === null) return names
  for (const extension of derElements(derElement(derElements(extensions)[0], 0x30).content)) {
    const parts = derElements(derElement(extension, 0x30).content)
    if (derObjectIdentifier(derElement(parts[0], 0x06).content) !== '2.5.29.17') continue
    const value = derElement(parts.at(-1), 0x04)
    for (const { tag, content } of derElements(
      derElement(derElements(value.content)[0], 0x30).content,
    )) {
      const text = String.fromCharCode(...content)
      if (tag === 0x81) names.san_email.push(text)
      else if (tag === 0x82) names.san_dns.push(text)
      else if (tag === 0x86) names.san_uri.push(text)
      else if (tag === 0x87) names.san_ip.push(ipAddress(content))
    }
  }
  return names
}

function ipAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new MalformedDer()
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  )
  // The one spelling of RFC 5952 is that of URLs (WHATWG URL §3.5).
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
