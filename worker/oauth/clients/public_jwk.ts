// Public keys of others (RFC 7517): their schema, the algorithm that a key is for, and its members.
import { z } from '../../api.ts'

export type Jwk = {
  kty: string
  kid?: string
  alg?: string
  use?: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
  'x5t#S256'?: string
  x5c?: string[]
}

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/, 'must be base64url')

/** Members of a public key (RFC 7517, RFC 7518 §6) that are kept; any others are ignored. */
export const clientJwkSchema = z
  .looseObject({
    kty: z.enum(['OKP', 'EC', 'RSA']),
    crv: z.enum(['Ed25519', 'P-256']).optional(),
    x: base64url.length(43).optional(),
    y: base64url.length(43).optional(),
    n: base64url.min(342, 'must have 2048 bits or more').max(1366).optional(),
    e: base64url.max(8).optional(),
    kid: z.string().min(1).max(200).optional(),
    alg: z.string().max(20).optional(),
    use: z.literal('sig').optional(),
    // RFC 7517 §4.7 and §4.9: the certificate, for self_signed_tls_client_auth
    'x5t#S256': base64url.length(43).optional(),
    x5c: z
      .array(
        z
          .string()
          .max(16_384)
          .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64'),
      )
      .min(1)
      .max(5)
      .optional(),
  })
  .refine((key) => !('d' in key || 'k' in key || 'p' in key), 'must be a public key')
  .refine(isWholeKey, 'lacks members of its kty, or mixes those of another')
  .transform(({ kty, crv, x, y, n, e, kid, alg, use, 'x5t#S256': thumbprint, x5c }) => ({
    ...{ kty, crv, x, y, n, e, kid, alg, use, 'x5t#S256': thumbprint, x5c: x5c?.slice(0, 1) },
  }))

function isWholeKey(key: {
  kty: string
  crv?: unknown
  x?: unknown
  y?: unknown
  n?: unknown
  e?: unknown
}) {
  if (key.kty === 'OKP') return key.crv === 'Ed25519' && key.x !== undefined
  if (key.kty === 'EC') return key.crv === 'P-256' && key.x !== undefined && key.y !== undefined
  return key.n !== undefined && key.e !== undefined
}

/** The members that make a supported key; everything else in a JWK only describes it. */
export type PublicJwk = {
  kty?: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
}

/** Only the members that make the key. */
export function publicMembers({ kty, crv, x, y, n, e }: PublicJwk): PublicJwk {
  const members = Object.entries({ kty, crv, x, y, n, e })
  return Object.fromEntries(members.filter(([, value]) => value !== undefined))
}

/** RFC 9864 gives the name Ed25519 to the algorithm that is EdDSA here. */
export const isSameAlgorithm = (one: string, other: string): boolean =>
  one === other || [one, other].every((name) => name === 'EdDSA' || name === 'Ed25519')

/**
 * Whether a key may verify signatures of an algorithm: it is of that kind, and not reserved for
 * another.
 */
export function fitsAlgorithm(key: PublicJwk & { alg?: string | undefined }, alg: string): boolean {
  if (key.alg !== undefined && !isSameAlgorithm(key.alg, alg)) return false
  if (alg === 'ES256') return key.kty === 'EC' && key.crv === 'P-256'
  if (isSameAlgorithm(alg, 'EdDSA')) return key.kty === 'OKP' && key.crv === 'Ed25519'
  return key.kty === 'RSA'
}
