// Public keys of others (RFC 7517): their schema, the algorithm that a key is for, and its members.
import { z } from '../../api.ts'
import { judgeKeySet } from '../../keys/public_key.ts'

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
const clientJwkSchema = z.object({
  kty: z.string(),
  crv: z.string().optional(),
  x: base64url.optional(),
  y: base64url.optional(),
  n: base64url.optional(),
  e: base64url.optional(),
  kid: z.string().min(1).max(200).optional(),
  alg: z.string().optional(),
  use: z.string().optional(),
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
    .transform((chain) => chain.slice(0, 1))
    .optional(),
})

/** Most keys of a client that are kept, and most that may stand in the set that it gives. */
const KEYS_MAX = { kept: 10, given: 50 } as const

/**
 * A set of keys that a client registers. Members of the set and keys that are not for this server
 * are left out (RFC 7517 §5). A key with a fault is refused, and so is a set without a key of use.
 */
export const clientJwksSchema = z
  .object({ keys: z.array(z.record(z.string(), z.unknown())).max(KEYS_MAX.given) })
  .transform(({ keys }, refinement): { keys: Jwk[] } => {
    const { usable, faults } = judgeKeySet(keys)
    for (const { place, member, message } of faults) {
      const path = ['keys', place, ...(member === '' ? [] : [member])]
      refinement.addIssue({ code: 'custom', path, message })
    }
    const kept = usable.map((key) => clientJwkSchema.safeParse(key))
    for (const { error } of kept) {
      for (const { path, message } of error?.issues ?? []) {
        refinement.addIssue({ code: 'custom', path: ['keys', ...path], message })
      }
    }
    if (faults.length === 0 && usable.length === 0) {
      const message = 'has no key that can verify a signature here: Ed25519, P-256 or RSA'
      refinement.addIssue({ code: 'custom', path: ['keys'], message })
    }
    if (usable.length > KEYS_MAX.kept) {
      const message = `has more than ${KEYS_MAX.kept} keys`
      refinement.addIssue({ code: 'custom', path: ['keys'], message })
    }
    return { keys: kept.flatMap(({ data }) => (data === undefined ? [] : [data as Jwk])) }
  })

/** The keys of a fetched set that are of use; all others are passed over (RFC 7517 §5). */
export const usableClientKeys = (keys: readonly unknown[]): Jwk[] =>
  judgeKeySet(keys).usable.flatMap((key) => {
    const { data } = clientJwkSchema.safeParse(key)
    return data === undefined ? [] : [data as Jwk]
  })

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
  return Object.fromEntries(members.filter(([, value]) => typeof value === 'string'))
}

/** RFC 9864 gives the name Ed25519 to the algorithm that is EdDSA here. */
export const isSameAlgorithm = (one: string, other: string): boolean =>
  one === other || [one, other].every((name) => name === 'EdDSA' || name === 'Ed25519')

/**
 * Whether a key may verify signatures of an algorithm: it is of that kind, and not reserved for
 * another.
 */
export function fitsAlgorithm(key: PublicJwk & { alg?: unknown }, alg: string): boolean {
  if (key.alg !== undefined && !isSameAlgorithm(String(key.alg), alg)) return false
  if (alg === 'ES256') return key.kty === 'EC' && key.crv === 'P-256'
  if (isSameAlgorithm(alg, 'EdDSA')) return key.kty === 'OKP' && key.crv === 'Ed25519'
  return key.kty === 'RSA'
}
