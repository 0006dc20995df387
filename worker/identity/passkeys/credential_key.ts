// Public keys of passkeys: read from COSE (RFC 9052 §7) when one is added, kept as JWK, and used by
// WebCrypto when it signs. Everything about an algorithm stands in one entry.
import { decodePKIXECDSASignature, p256 } from '@oslojs/crypto/ecdsa'
import {
  COSEKeyType,
  type COSEPublicKey,
  coseAlgorithmEdDSA,
  coseAlgorithmES256,
  coseAlgorithmRS256,
  coseEllipticCurveEd25519,
  coseEllipticCurveP256,
} from '@oslojs/webauthn'
import { type Bytes, encodeBase64url } from '../../crypto.ts'

type Algorithm = {
  /** COSE number of it (RFC 9053). */
  id: number
  alg: string
  parameters: { name: string; namedCurve?: string; hash?: string }
  /** Throws for a key of another kind. */
  toJwk(key: COSEPublicKey): JsonWebKey
  /** The signature as WebCrypto takes it. Throws for another form. */
  plain?(signature: Uint8Array): Uint8Array
}

const ALGORITHMS: readonly Algorithm[] = [
  {
    id: coseAlgorithmES256,
    alg: 'ES256',
    parameters: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
    toJwk(key) {
      const { curve, x, y } = key.ec2()
      if (curve !== coseEllipticCurveP256) throw new Error('another curve')
      return { kty: 'EC', crv: 'P-256', x: unsigned(x, 32), y: unsigned(y, 32) }
    },
    // WebAuthn §6.5.5: ASN.1, where WebCrypto has r and s beside each other.
    plain: (signature) => decodePKIXECDSASignature(signature).encodeIEEEP1363(p256),
  },
  {
    id: coseAlgorithmEdDSA,
    alg: 'EdDSA',
    parameters: { name: 'Ed25519' },
    toJwk(key) {
      const { curve, x } = key.okp()
      if (curve !== coseEllipticCurveEd25519) throw new Error('another curve')
      return { kty: 'OKP', crv: 'Ed25519', x: encodeBase64url(x) }
    },
  },
  {
    id: coseAlgorithmRS256,
    alg: 'RS256',
    parameters: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    toJwk(key) {
      if (key.type() !== COSEKeyType.RSA) throw new Error('another kind of key')
      return { kty: 'RSA', n: rsaPart(key, -1, 256, 512), e: rsaPart(key, -2, 3, 3) }
    },
  },
]

/** COSE numbers of the algorithms that are taken, the most wanted first. */
export const PASSKEY_ALGORITHMS: readonly number[] = ALGORITHMS.map(({ id }) => id)

const unsigned = (value: bigint, size: number): string => {
  const digits = value.toString(16).padStart(size * 2, '0')
  return encodeBase64url(Uint8Array.from(digits.match(/../g) ?? [], (two) => Number(`0x${two}`)))
}

/** A number of an RSA key (RFC 8230 §4). The reader of COSE knows keys of 2048 bits alone. */
function rsaPart(key: COSEPublicKey, label: number, min: number, max: number): string {
  const bytes: unknown = Reflect.get(key.decoded, label)
  if (!(bytes instanceof Uint8Array) || bytes.length < min || bytes.length > max) {
    throw new Error('an RSA key of another length')
  }
  return encodeBase64url(bytes)
}

const importKey = ({ parameters }: Algorithm, jwk: JsonWebKey): Promise<CryptoKey> =>
  crypto.subtle.importKey('jwk', jwk, parameters, false, ['verify'])

/** The key in the form that is stored, or null for one of another algorithm or of no point. */
export async function storedKey(key: COSEPublicKey): Promise<string | null> {
  try {
    const algorithm = ALGORITHMS.find(({ id }) => id === key.algorithm())
    if (algorithm === undefined) return null
    const jwk = algorithm.toJwk(key)
    await importKey(algorithm, jwk)
    return JSON.stringify({ alg: algorithm.alg, ...jwk })
  } catch {
    return null
  }
}

export async function verifySignature(
  stored: string,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const { alg, ...jwk }: JsonWebKey = JSON.parse(stored)
  const algorithm = ALGORITHMS.find((one) => one.alg === alg)
  if (algorithm === undefined) throw new Error(`a passkey has the algorithm ${alg}`)
  const key = await importKey(algorithm, jwk)
  let plain: Uint8Array
  try {
    plain = algorithm.plain?.(signature) ?? signature
  } catch {
    return false
  }
  return crypto.subtle.verify(algorithm.parameters, key, plain as Bytes, message as Bytes)
}
