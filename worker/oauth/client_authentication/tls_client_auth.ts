// Client authentication by certificate (RFC 8705 §2): a name that an authority certifies, or a key
// that the client itself registered. entry/ says which certificate the connection has, and whether
// its chain was verified.

import { importJWK, type JWK } from 'jose'
import type { ClientCertificate, Context } from '../../context.ts'
import { decodeBase64, encodeBase64url, sha256OfBytes } from '../../crypto.ts'
import { OAuthError } from '../../errors.ts'
import type { Reason } from '../../refusals.ts'
import { clientKeys } from '../clients/client_keys.ts'
import type { Client } from '../clients/client_metadata.ts'
import { SUBJECT_MEMBERS, type SubjectMember } from '../clients/member_faults.ts'
import { type Jwk, publicMembers } from '../clients/public_jwk.ts'

export type TlsMethod = 'tls_client_auth' | 'self_signed_tls_client_auth'

export const isTlsMethod = (method: string): method is TlsMethod =>
  method === 'tls_client_auth' || method === 'self_signed_tls_client_auth'

const refused = (reason: Reason) =>
  new OAuthError('invalid_client', { description: 'client authentication failed', reason })

/** Throws OAuthError invalid_client unless the connection's certificate is the client's. */
export async function verifyCertificate(
  cx: Context,
  client: Client,
  method: TlsMethod,
): Promise<void> {
  const certificate = cx.client_certificate
  if (certificate === null) throw refused('no_certificate')
  if (method === 'tls_client_auth') {
    // RFC 8705 §2.1: names count only where a trusted authority signed them
    if (!certificate.verified) throw refused('chain_not_verified')
    if (!isNamed(client, certificate)) throw refused('other_certificate_name')
    return
  }
  // RFC 8705 §2.2
  for (const key of await clientKeys(cx, client)) {
    if (await isKeyOf(key, certificate)) return
  }
  throw refused('certificate_not_registered')
}

/**
 * Whether the certificate has exactly the one name that the client registered (RFC 8705 §2.1.2).
 */
function isNamed(client: Client, certificate: ClientCertificate): boolean {
  const names: Record<SubjectMember, readonly string[]> = {
    tls_client_auth_subject_dn: [certificate.subject_dn],
    tls_client_auth_san_dns: certificate.san_dns,
    tls_client_auth_san_uri: certificate.san_uri,
    tls_client_auth_san_ip: certificate.san_ip,
    tls_client_auth_san_email: certificate.san_email,
  }
  const expected = SUBJECT_MEMBERS.filter((member) => client[member] !== null)
  return (
    expected.length === 1 &&
    expected.every((member) => names[member].some((name) => name === client[member]))
  )
}

/**
 * Compares the certificate itself, where the key names one (RFC 7517 §4.7, §4.9), otherwise its
 * public key.
 */
async function isKeyOf(jwk: Jwk, certificate: ClientCertificate): Promise<boolean> {
  const { 'x5t#S256': thumbprint, x5c } = jwk
  if (thumbprint !== undefined) return thumbprint === certificate.thumbprint
  const first = x5c?.[0]
  if (first !== undefined) {
    const der = decodeBase64(first)
    return der !== null && sha256OfBytes(der) === certificate.thumbprint
  }
  return certificate.spki !== null && (await spkiOf(jwk)) === certificate.spki
}

/** The key's SubjectPublicKeyInfo, base64url; null for a key that cannot be imported. */
async function spkiOf(jwk: Jwk): Promise<string | null> {
  const alg = jwk.kty === 'EC' ? 'ES256' : jwk.kty === 'OKP' ? 'EdDSA' : 'RS256'
  try {
    const key = await importJWK({ ...publicMembers(jwk), ext: true } as JWK, alg)
    if (key instanceof Uint8Array) return null
    const spki = await crypto.subtle.exportKey('spki', key)
    return encodeBase64url(new Uint8Array(spki as ArrayBuffer))
  } catch {
    return null
  }
}
