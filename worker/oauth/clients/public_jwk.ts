// Public keys of others (RFC 7517): which algorithm a key is for, and the members that make it one.

/** What makes a key of ours; everything else in a JWK only describes it. */
export type PublicJwk = {
  kty?: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
}

/** The members that make the key, and those alone. */
export function publicMembers({ kty, crv, x, y, n, e }: PublicJwk): PublicJwk {
  const members = Object.entries({ kty, crv, x, y, n, e })
  return Object.fromEntries(members.filter(([, value]) => value !== undefined))
}

/** RFC 9864 names Ed25519 what EdDSA is here. */
export const isSameAlgorithm = (one: string, other: string): boolean =>
  one === other || [one, other].every((name) => name === 'EdDSA' || name === 'Ed25519')

/** Whether a key may verify signatures of an algorithm: of its kind, and not set apart for another. */
export function fitsAlgorithm(key: PublicJwk & { alg?: string | undefined }, alg: string): boolean {
  if (key.alg !== undefined && !isSameAlgorithm(key.alg, alg)) return false
  if (alg === 'ES256') return key.kty === 'EC' && key.crv === 'P-256'
  if (isSameAlgorithm(alg, 'EdDSA')) return key.kty === 'OKP' && key.crv === 'Ed25519'
  return key.kty === 'RSA'
}
