// The public key of a device as a JWK (RFC 7517): its stored form, and the thumbprint that tells
// keys apart (RFC 7638). keys/public_key.ts judges the key itself.
import { z } from '../api.ts'
import { sha256 } from '../crypto.ts'
import { Problem } from '../errors.ts'
import { faultsOfKey, isKeyKind, KEY_KINDS, type KeyFault } from '../keys/public_key.ts'

/**
 * The stored form: the members of RFC 7638 in their order, then `kid` and, when the key is bound to
 * one, `alg`.
 */
export type DeviceJwk = (
  | { crv: 'Ed25519'; kty: 'OKP'; x: string }
  | { crv: 'P-256'; kty: 'EC'; x: string; y: string }
  | { e: string; kty: 'RSA'; n: string }
) & { kid: string; alg?: string }

/** Members that demand nothing from this program. */
const IGNORED_MEMBERS = ['ext', 'key_ops', 'x5c', 'x5t', 'x5t#S256', 'x5u']

/** A public key, checked as far as that needs no cryptography; `assertSoundKey` does the rest. */
export const deviceJwkSchema = z
  .looseObject({
    kty: z.string(),
    crv: z.string().optional(),
    x: z.string().optional(),
    y: z.string().optional(),
    n: z.string().optional(),
    e: z.string().optional(),
    kid: z
      .string()
      .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 visible ASCII characters')
      .optional(),
    alg: z.string().optional(),
    use: z.string().optional(),
  })
  .superRefine((jwk, refinement) => {
    for (const { member, message } of faultsOf(jwk)) {
      refinement.addIssue({ code: 'custom', path: member === '' ? [] : [member], message })
    }
  })
  .openapi('DeviceJwk', {
    description: 'Public key: Ed25519, P-256 or RSA of at least 2048 bits. `kid` may be left out.',
    example: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
  })

export type JwkInput = z.infer<typeof deviceJwkSchema>

function faultsOf(jwk: Record<string, unknown>): KeyFault[] {
  const faults = faultsOfKey(jwk)
  // A private key has further members, which are not worth a word beside that.
  return faults.some(({ member }) => member === '') ? faults : [...faults, ...strangeMembers(jwk)]
}

/** A single key has no members but its own: a misspelt one must not go unnoticed. */
function strangeMembers(jwk: Record<string, unknown>): KeyFault[] {
  const { kty } = jwk
  if (!isKeyKind(kty)) return []
  const known: readonly string[] = [
    ...KEY_KINDS[kty].members,
    ...['kid', 'alg', 'use'],
    ...IGNORED_MEMBERS,
  ]
  return Object.keys(jwk)
    .filter((member) => !known.includes(member))
    .map((member) => ({ member, message: `is not a member of a public ${kty} key` }))
}

/** The stored form of the key. `kid` is its thumbprint unless it came with one. */
export function keptJwk(jwk: JwkInput): DeviceJwk {
  const { kid, alg } = jwk
  return {
    ...requiredMembers(jwk),
    kid: kid ?? thumbprintOf(jwk),
    ...(alg === undefined ? {} : { alg }),
  }
}

/** The members that make the key (RFC 7638 §3.2). */
export function requiredMembers(jwk: Readonly<Record<string, unknown>>): DeviceJwk {
  const { members } = KEY_KINDS[jwk['kty'] as keyof typeof KEY_KINDS]
  return Object.fromEntries(members.map((member) => [member, jwk[member]])) as DeviceJwk
}

/** The required members as JSON without spaces: the text of a thumbprint. */
export const keyText = (jwk: JwkInput | DeviceJwk): string => JSON.stringify(requiredMembers(jwk))

/** RFC 7638 §3, SHA-256. */
export const thumbprintOf = (jwk: JwkInput | DeviceJwk): string => sha256(keyText(jwk))

/**
 * Throws Problem when the cryptography of the runtime refuses the key, such as a point that is not
 * on its curve.
 */
export async function assertSoundKey(jwk: JwkInput, pointer: string): Promise<void> {
  const algorithm =
    jwk.kty === 'OKP'
      ? { name: 'Ed25519' }
      : jwk.kty === 'EC'
        ? { name: 'ECDSA', namedCurve: 'P-256' }
        : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  try {
    await crypto.subtle.importKey('jwk', requiredMembers(jwk), algorithm, true, ['verify'])
  } catch {
    throw new Problem('invalid_request', 'a credential holds what is not a public key', [
      { pointer, detail: 'is not a public key: no signature could ever be verified with it' },
    ])
  }
}
