// DPoP proofs of possession (RFC 9449): the rules for a proof, and the nonces that make it fresh.
// Nonces are stateless: a MAC of the time. A proof is good once: the request's write batch consumes
// its id, with all else that is consumed there.
import { calculateJwkThumbprint, importJWK, type JWK, jwtVerify } from 'jose'
import type { Context } from '../../context.ts'
import { mac, sha256, verifyMac } from '../../crypto.ts'
import { OAuthError } from '../../errors.ts'
import type { Http } from '../../http.ts'
import { timeFault } from '../../keys/jwt.ts'
import { readJwtHeader } from '../../keys/jwt_header.ts'
import { faultsOfKey } from '../../keys/public_key.ts'
import type { Reason } from '../../refusals.ts'
import { CLIENT_ALGORITHMS } from '../clients/members.ts'
import { fitsAlgorithm, type PublicJwk, publicMembers } from '../clients/public_jwk.ts'
import type { Assertion } from './used_assertion_store.ts'

/** The parts of an HTTP request that a proof is about. */
export type ProofRequest = {
  /** The DPoP header; undefined when there is none. */
  header: string | undefined
  method: string
  /** Without query. */
  path: string
}

/** An accepted proof that is not yet consumed. */
export type Proof = {
  /** RFC 7638 thumbprint of the proof's key. */
  jkt: string
  alg: string
  use: Assertion
}

const PROOF_MAX = 8192
const NONCE = 'dpop nonce'

/** A nonce is good in its window and the next, so 3 to 6 minutes. */
const NONCE_WINDOW = 180

/**
 * Seconds that a proof may be old, and that its clock may be ahead. The nonce proves how fresh it
 * really is.
 */
const PROOF_AGE_MAX = 300
const PROOF_AHEAD_MAX = 60

const windowOf = (cx: Context) => Math.floor(cx.now() / NONCE_WINDOW)

/** The nonce for proofs from now on. */
export const dpopNonce = (cx: Context): string => mac(cx, NONCE, String(windowOf(cx)))

function isOurNonce(cx: Context, nonce: string): boolean {
  const now = windowOf(cx)
  // The next one too: another instance, whose clock is a little ahead, may have issued it.
  return [now, now - 1, now + 1].some((window) => verifyMac(cx, NONCE, String(window), nonce))
}

/**
 * Checks a proof by the list of RFC 9449 §4.3. With `access_token` it must be for that token.
 * Consumes nothing, and needs no database. Throws OAuthError invalid_dpop_proof or use_dpop_nonce,
 * with the challenge of a resource when there is an access token.
 */
export async function checkProof(
  cx: Context,
  request: ProofRequest,
  access_token?: string,
): Promise<Proof> {
  const fail = (error: 'invalid_dpop_proof' | 'use_dpop_nonce', reason: Reason) =>
    new OAuthError(error, {
      description:
        error === 'use_dpop_nonce'
          ? 'the DPoP proof needs the nonce of the DPoP-Nonce header'
          : 'the DPoP proof is not valid',
      reason,
      ...(access_token === undefined ? {} : { scheme: 'DPoP' }),
    })
  const refused = (reason: Reason) => fail('invalid_dpop_proof', reason)

  const { header: proof, method, path } = request
  if (proof === undefined) throw refused('no_proof')
  if (proof.length > PROOF_MAX) throw refused('proof_too_long')
  const read = readJwtHeader(proof)
  if (read === null) throw refused('no_jwt')
  const { alg, jwk } = read
  if (!CLIENT_ALGORITHMS.some((one) => one === alg)) throw refused('proof_alg')
  const key = readPublicKey(jwk, alg)
  if (key === null) throw refused('proof_key')
  // Several headers of one name arrive joined by commas; that is no JWT (§4.3, step 1).
  const { jti, htm, htu, iat, nonce, ath } = await verifyWith(cx, proof, key, alg).catch(
    (error) => {
      const fault = timeFault(error)
      throw refused(fault === null ? 'bad_signature' : `proof_${fault}`)
    },
  )
  if (typeof jti !== 'string' || jti === '' || jti.length > 255) throw refused('proof_jti')
  if (htm !== method) throw refused('proof_htm')
  if (typeof htu !== 'string' || normalise(htu) !== normalise(`${cx.config.issuer}${path}`)) {
    throw refused('proof_htu')
  }
  const now = cx.now()
  if (typeof iat !== 'number') throw refused('proof_iat')
  if (iat < now - PROOF_AGE_MAX) throw refused('proof_too_old')
  if (iat > now + PROOF_AHEAD_MAX) throw refused('proof_issued_ahead')
  if (access_token !== undefined && ath !== sha256(access_token)) throw refused('proof_ath')
  if (nonce === undefined) throw fail('use_dpop_nonce', 'no_nonce')
  if (typeof nonce !== 'string' || !isOurNonce(cx, nonce)) throw fail('use_dpop_nonce', 'old_nonce')
  const jkt = await calculateJwkThumbprint(key as JWK, 'sha256')
  // No client id has a space, so this never equals the stored id of an assertion (`client_id`, line
  // feed, `jti`).
  const hash = sha256(`dpop proof\n${jkt}\n${jti}`)
  const issued_at = Math.floor(iat)
  const expires_at = Math.ceil(iat) + PROOF_AGE_MAX + 1
  return { jkt, alg, use: { hash, issued_at, expires_at, kind: 'dpop' } }
}

/**
 * The key in a proof's header: a public key of the algorithm's kind, with nothing more (RFC 9449
 * §4.3, steps 5 and 7).
 */
function readPublicKey(
  jwk: Readonly<Record<string, unknown>> | undefined,
  alg: string,
): PublicJwk | null {
  if (jwk === undefined) return null
  if (faultsOfKey(jwk).length > 0) return null
  const key = publicMembers(jwk as JWK)
  // RFC 7517 §4.4: a key that is reserved for another algorithm proves nothing here.
  return fitsAlgorithm({ ...key, alg: jwk['alg'] }, alg) ? key : null
}

async function verifyWith(cx: Context, proof: string, key: PublicJwk, alg: string) {
  const { payload } = await jwtVerify(proof, await importJWK(key as JWK, alg), {
    algorithms: [alg],
    typ: 'dpop+jwt',
    currentDate: new Date(cx.now() * 1000),
  })
  return payload
}

/**
 * An address without query and fragment, in one spelling (RFC 9449 §4.3, RFC 3986 §6.2.2 and
 * §6.2.3).
 */
function normalise(uri: string): string | null {
  if (!URL.canParse(uri)) return null
  const { origin, pathname, username, password } = new URL(uri)
  if (username !== '' || password !== '') return null
  const path = pathname.replace(/%[0-9a-f]{2}/gi, (octet) => {
    const char = String.fromCharCode(Number.parseInt(octet.slice(1), 16))
    return /[A-Za-z0-9._~-]/.test(char) ? char : octet.toUpperCase()
  })
  return origin + path
}

/**
 * The parts of this request that a DPoP proof is about. A caller that uses proofs gets the nonce
 * for the next one (RFC 9449 §8.2).
 */
export function readProofRequest(c: Http): ProofRequest {
  const header = c.req.header('dpop')
  if (header !== undefined || /^DPoP /i.test(c.req.header('authorization') ?? '')) {
    c.header('DPoP-Nonce', dpopNonce(c.var.cx))
  }
  return { header, method: c.req.method, path: c.req.path }
}
