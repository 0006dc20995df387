// The key of a device in a file: JWK as `device create` makes it, or PEM as OpenSSL and the tools
// of makers do (PKCS#8, SEC1, PKCS#1). The private part stays in the file.
import { createPrivateKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { CannotStart } from '../cannot_start.ts'

/** RFC 7517: the members of a key that may leave its owner. */
export function publicPart({ kty, crv, x, y, n, e, kid, alg }: JWK) {
  if (kty === undefined) throw new TypeError('a key without kty')
  const all = { crv, x, y, n, e, kid, alg }
  return {
    kty,
    ...Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
  }
}

const ALGORITHMS: Readonly<Record<string, string>> = { OKP: 'EdDSA', EC: 'ES256', RSA: 'RS256' }

/** The algorithm by which a key signs assertions. */
export const algorithmOf = ({ alg, kty = '' }: JWK): string => alg ?? ALGORITHMS[kty] ?? 'EdDSA'

/** Throws CannotStart, also for a file that is there already. */
export function writeKeyFile(file: string, key: JWK): void {
  try {
    writeFileSync(file, `${JSON.stringify(key)}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    const reason = error instanceof Error ? error.message : error
    throw new CannotStart(`The key cannot be written to ${file} (${reason}). Say --key-file F.`)
  }
}

export async function makeDeviceKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  return { ...(await exportJWK(privateKey)), alg: 'EdDSA' }
}

/** The private key in a file. Throws CannotStart. */
export function readKeyFile(file: string): JWK {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new CannotStart(`${file} cannot be read: ${error instanceof Error ? error.message : ''}`)
  }
  const key = text.includes('-----BEGIN ') ? readPrivatePem(file, text) : readPrivateJwk(file, text)
  const isUsable =
    key.kty === 'RSA' || (key.kty === 'OKP' ? key.crv === 'Ed25519' : key.crv === 'P-256')
  if (!isUsable) {
    throw new CannotStart(`${file} has a key that no device signs with: take Ed25519, P-256 or RSA`)
  }
  return key
}

function readPrivateJwk(file: string, text: string): JWK {
  try {
    const key = JSON.parse(text)
    if (typeof key?.kty === 'string' && typeof key.d === 'string') return key
  } catch {}
  throw new CannotStart(`${file} is not a private key in JWK or PEM form`)
}

/** The block of the key alone, since OpenSSL writes the parameters of a curve before a SEC1 key. */
function readPrivatePem(file: string, text: string): JWK {
  const [block, label = ''] =
    /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?-----END \1-----/s.exec(text) ?? []
  if (block === undefined) {
    throw new CannotStart(
      `${file} has no private key, with which the device signs. A public key alone is registered with POST /v1/devices and { "kind": "pem" }.`,
    )
  }
  if (label === 'ENCRYPTED PRIVATE KEY' || block.includes('ENCRYPTED')) {
    throw new CannotStart(
      `${file} is encrypted: openssl pkey -in ${file} -out plain.key makes a file that can be read`,
    )
  }
  try {
    return createPrivateKey(block).export({ format: 'jwk' }) as JWK
  } catch (error) {
    throw new CannotStart(
      `${file} cannot be read as a key: ${error instanceof Error ? error.message : error}`,
    )
  }
}
