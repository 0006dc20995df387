// The client as a person's consent stands on it: the places that answers go to, and the means by
// which the client proves itself. A consent is remembered with the digest of these, so that it
// counts for no other form of the client. Names, paths, scopes and secrets are not in it. A change
// of what goes into the digest asks every person anew.
import { sha256 } from '../../crypto.ts'
import type { Description } from './client_metadata.ts'
import { SUBJECT_MEMBERS } from './member_faults.ts'
import { type Jwk, publicMembers } from './public_jwk.ts'
import { originOrScheme } from './redirect_uris.ts'

/** Base64url of a SHA-256. */
export function clientDigest(client: Description): string {
  const places = client.redirect_uris.map(originOrScheme)
  // Of a key only what makes it: kid and alg may change without it. Of `jwks_uri` the address: its
  // owner exchanges the keys there.
  const keys = client.jwks?.keys.map((key) => keyText(client, key)) ?? []
  return sha256(
    JSON.stringify([
      asSet(places),
      client.token_endpoint_auth_method,
      asSet(keys),
      client.jwks_uri,
      SUBJECT_MEMBERS.map((member) => client[member]),
    ]),
  )
}

/** A certificate that is named with the key stands for it where certificates prove the client. */
function keyText({ token_endpoint_auth_method: method }: Description, key: Jwk): string {
  const { 'x5t#S256': thumbprint, x5c } = key
  const isNamed = thumbprint !== undefined || x5c !== undefined
  const certificate =
    isNamed && method === 'self_signed_tls_client_auth' ? [thumbprint ?? null, x5c ?? null] : null
  const members = publicMembers(key)
  return JSON.stringify(certificate === null ? members : [members, certificate])
}

const asSet = (texts: readonly string[]): string[] => [...new Set(texts)].sort()

/** The rows that were allowed to this form of the client. */
export function allowedTo<Row extends { client_digest: string | null }>(
  client: Description,
  rows: readonly Row[],
): Row[] {
  const digest = clientDigest(client)
  // A row of before the digest was kept counts: `changeOf` binds it when the client changes.
  return rows.filter((row) => row.client_digest === null || row.client_digest === digest)
}
