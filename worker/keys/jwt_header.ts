// The header of a JWT from elsewhere, as it is before any signature was verified: the one place
// that checks the types of its members. Each reader says which values it accepts.
import { decodeBase64url } from '../crypto.ts'
import { isObject, parseJsonObject } from '../http.ts'

/** Members of a JOSE header (RFC 7515 §4.1) that some reader looks at. */
export type JwtHeader = {
  alg: string
  kid: string | undefined
  /** In lower case, without `application/` (RFC 7515 §4.1.9). */
  typ: string | undefined
  jwk: Readonly<Record<string, unknown>> | undefined
}

/**
 * The header of a JWT in compact form, or null where it is none, a member has the wrong type, or it
 * demands an extension: none is understood here (RFC 7515 §4.1.11).
 */
export function readJwtHeader(jwt: string): JwtHeader | null {
  const bytes = decodeBase64url(jwt.split('.', 1)[0] ?? '')
  const header = bytes === null ? null : parseJsonObject(bytes)
  if (header === null || Object.hasOwn(header, 'crit')) return null
  const { alg, kid, typ, jwk } = header
  if (typeof alg !== 'string' || alg === '') return null
  if (!isTextOrAbsent(kid) || !isTextOrAbsent(typ)) return null
  if (jwk !== undefined && !isObject(jwk)) return null
  return { alg, kid, typ: typ?.toLowerCase().replace(/^application\//, ''), jwk }
}

const isTextOrAbsent = (value: unknown): value is string | undefined =>
  value === undefined || typeof value === 'string'
