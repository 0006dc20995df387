// Tokens bound to a key: by a DPoP proof (RFC 9449) or by the certificate of the connection (RFC
// 8705 §3). At the token endpoint, a caller gets the key that its tokens are bound to; where a
// token is presented, its holder proves that it has the key.

import type { Context } from '../../context.ts'
import type { Answers, Batch } from '../../db/database.ts'
import { OAuthError } from '../../errors.ts'
import type { Reason } from '../../refusals.ts'
import type { Client } from '../clients/client_metadata.ts'
import { FAPI_ALGORITHMS, isFapi } from '../clients/member_faults.ts'
import { isSameAlgorithm } from '../clients/public_jwk.ts'
import type { Confirmation } from '../tokens/access_token.ts'
import type { Caller } from './client_authentication.ts'
import { checkProof, type Proof, type ProofRequest } from './dpop.ts'
import { consumeProofs } from './used_assertion_store.ts'

// --- where tokens are made --------------------------------------------------------------------

/** The proof of a token request, or null without one. Needs no database. Throws OAuthError. */
export const readProof = async (cx: Context, request: ProofRequest): Promise<Proof | null> =>
  request.header === undefined ? null : checkProof(cx, request)

const badProof = (reason: Reason, description: string) =>
  new OAuthError('invalid_dpop_proof', { description, reason })

/** Whether the profile of a client forbids proofs by an algorithm (FAPI 2.0 §5.4). */
const isForbidden = (client: Client, alg: string): boolean =>
  isFapi(client) && !FAPI_ALGORITHMS.some((one) => isSameAlgorithm(one, alg))

/**
 * The caller with one more proof to consume, and the key that it proves. Throws OAuthError when the
 * profile of the client forbids the algorithm (FAPI 2.0 §5.4).
 */
export function withProof(caller: Caller, { use, jkt, alg }: Proof): Caller {
  if (caller.kind === 'client' && isForbidden(caller.client, alg)) {
    throw badProof('proof_alg', 'the DPoP proof is not valid')
  }
  return { ...caller, proofs: [...caller.proofs, use], cnf: { jkt } }
}

/**
 * The caller with the key that its tokens will be bound to, by its proof or by its registration.
 * The proof is consumed with the caller's others. Throws OAuthError when a client lacks the binding
 * that it is registered for.
 */
export function bindCaller(cx: Context, caller: Caller, proof: Proof | null): Caller {
  const client = caller.kind === 'client' ? caller.client : null
  if (client?.tls_client_certificate_bound_access_tokens) {
    if (proof !== null) throw badProof('bound_otherwise', 'tokens of this client are bound by TLS')
    if (cx.client_certificate === null) {
      throw new OAuthError('invalid_request', {
        description: 'tokens of this client are bound to its certificate, and none was presented',
        reason: 'no_certificate',
      })
    }
    return { ...caller, cnf: { 'x5t#S256': cx.client_certificate.thumbprint } }
  }
  if (proof === null) {
    // RFC 9449 §5.2; FAPI 2.0 §5.3.2.1: only sender-constrained tokens
    if (client?.dpop_bound_access_tokens || (client !== null && isFapi(client))) {
      throw badProof('no_proof', 'this client has to send a DPoP proof')
    }
    return caller
  }
  return withProof(caller, proof)
}

/**
 * The binding of a refresh token, for the column `authorization.cnf`: the key, where nothing else
 * proves the client (RFC 9449 §5, RFC 8705 §4).
 */
export const refreshTokenBinding = ({
  method,
  cnf,
}: Pick<Caller, 'method' | 'cnf'>): string | null =>
  method === 'none' && cnf !== null ? JSON.stringify(cnf) : null

/**
 * Whether the caller proved the key that a refresh token is bound to; true for a token that is
 * bound to none.
 */
export const provesBinding = (caller: Caller, bound: string | null): boolean =>
  bound === null || JSON.stringify(caller.cnf) === bound

/** Whether the caller proved the key that the authorization request named (RFC 9449 §10). */
export const provesDpopKey = ({ cnf }: Caller, dpop_jkt: string | null): boolean =>
  dpop_jkt === null || (cnf !== null && 'jkt' in cnf && cnf.jkt === dpop_jkt)

// --- where tokens are used --------------------------------------------------------------------

/** An access token as it was presented, with the request's proof of its key. */
export type Credential = { scheme: 'Bearer' | 'DPoP'; token: string; proof: ProofRequest }

/**
 * Checks that the holder of a token proves the key that the token is bound to. Answers the proofs
 * that `readOnce` has to consume. Throws OAuthError.
 */
export async function proveHolder(
  cx: Context,
  { scheme, token, proof }: Credential,
  { cnf }: { cnf: Confirmation | null },
): Promise<readonly Proof[]> {
  const refused = (reason: Reason, challenge: 'Bearer' | 'DPoP' = scheme) =>
    new OAuthError('invalid_token', {
      description: 'the access token is not valid',
      reason,
      scheme: challenge,
    })
  const isDpop = cnf !== null && 'jkt' in cnf
  // RFC 9449 §7.2: never as a mere bearer token; §7.1: the scheme is only for bound tokens
  if (isDpop && scheme !== 'DPoP') throw refused('bound_token_as_bearer', 'DPoP')
  if (!isDpop && scheme === 'DPoP') throw refused('unbound_token_as_dpop')
  if (cnf === null) return []
  if (!('jkt' in cnf)) {
    // RFC 8705 §3
    if (cx.client_certificate?.thumbprint !== cnf['x5t#S256']) throw refused('other_certificate')
    return []
  }
  const verified = await checkProof(cx, proof, token)
  if (verified.jkt !== cnf.jkt) throw refused('key_of_another')
  return [verified]
}

/**
 * The profile of the client whose token it is binds its proofs here as well. `proofs` are those of
 * `proveHolder`. Throws OAuthError invalid_dpop_proof.
 */
export function assertProofsOfProfile(client: Client, proofs: readonly Proof[]): void {
  if (!proofs.some(({ alg }) => isForbidden(client, alg))) return
  throw new OAuthError('invalid_dpop_proof', {
    description: 'the DPoP proof is not valid',
    reason: 'proof_alg',
    scheme: 'DPoP',
  })
}

/**
 * Reads the batch, and consumes the proofs in the same round trip. Throws OAuthError
 * invalid_dpop_proof when one was used before.
 */
export async function readOnce<const B extends Batch>(
  cx: Context,
  proofs: readonly Proof[],
  batch: B,
): Promise<Answers<B>> {
  if (proofs.length === 0) return cx.db.read(batch)
  const uses = proofs.map(({ use }) => use)
  const { proofs: consumption, answers } = await cx.db.write({
    proofs: consumeProofs(cx, uses),
    answers: batch,
  })
  if (consumption.mine.length !== proofs.length) {
    throw new OAuthError('invalid_dpop_proof', {
      description: 'the DPoP proof is not valid',
      reason: 'proof_replayed',
      scheme: 'DPoP',
    })
  }
  return answers
}
