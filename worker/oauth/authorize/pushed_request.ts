// Requests that a client itself pushes, before any browser comes (RFC 9126). Such a request is
// checked and stored like one from a browser, under a reference that lives for seconds until a
// browser opens it. From then on it is a request like any other, and is consumed with the code; so
// a page that is loaded again does not end it.
import { as, type Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { join, TRUE } from '../../db/sql.ts'
import type { Form } from '../../http.ts'
import { signingKeys } from '../../keys/signing_keys.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import {
  authenticate,
  type Caller,
  callerReads,
  isProven,
  usingUp,
  writeAs,
} from '../client_authentication/client_authentication.ts'
import type { Proof, ProofRequest } from '../client_authentication/dpop.ts'
import type { PresentedCredentials } from '../client_authentication/presented_credentials.ts'
import { readProof, withProof } from '../client_authentication/sender_constraint.ts'
import type { Client } from '../clients/client_metadata.ts'
import { isLink } from '../clients/presets.ts'
import {
  checkRequest,
  type KeptRequest,
  REQUEST_URI_PREFIX,
  readTarget,
  refuse,
} from './request.ts'
import { openRequestObject } from './request_object.ts'
import { findRequest, insertRequestWhere, updatePushedRequest } from './request_store.ts'
import { storedText, tooManyUnfinished, unfinishedRequests } from './unfinished_requests.ts'

/** RFC 9126 §2.2. */
export type PushedRequestAnswer = { request_uri: string; expires_in: number }

/** POST /oauth/par. Two round trips. Throws OAuthError. */
export async function pushRequest(
  cx: Context,
  form: Form,
  presented: PresentedCredentials,
  proofRequest: ProofRequest,
): Promise<PushedRequestAnswer> {
  const proof = await readProof(cx, proofRequest)
  // Keys and settings in one round trip when cold, none when warm.
  await signingKeys(cx)
  const settings = await loadSettings(cx)
  const proven = await authenticate(cx, presented, await cx.db.read(callerReads(cx, presented)))
  const proofs = proof === null ? proven.proofs : [...proven.proofs, proof.use]
  return usingUp(cx, { ...proven, proofs }, async () => {
    const caller = proof === null ? proven : withProof(proven, proof)
    return keepRequest(cx, caller, form, proof, settings)
  })
}

async function keepRequest(
  cx: Context,
  caller: Caller,
  form: Form,
  proof: Proof | null,
  settings: Settings,
): Promise<PushedRequestAnswer> {
  if (caller.kind !== 'client') {
    throw refuse('unauthorized_client', 'a device has nobody to ask', 'push_by_device')
  }
  const { client } = caller
  // RFC 9126 §2.1
  if (form.get('request_uri') !== undefined) {
    throw refuse('invalid_request', 'request_uri cannot be pushed', 'pushed_request_uri')
  }
  const parameters = await openRequestObject(cx, client, form, { pushed: true })
  const request = await checkRequest(cx, client, readTarget(client, parameters), parameters)

  const reference = randomToken(cx)
  const kept: KeptRequest = { ...request, ...boundTo(proof, request.dpop_jkt), session_hash: null }
  const created_at = cx.now()
  const row = {
    id_hash: sha256(reference),
    client_id: client.client_id,
    parameters: storedText(kept),
    created_at,
    expires_at: created_at + settings.par_ttl,
    pushed: 1,
  }
  const unfinished = caller.method === 'none' ? unfinishedRequests(cx, settings) : null
  const within = join([isProven(cx, caller), unfinished?.isWithin ?? TRUE], ' and ')
  const { count } = await writeAs(as(cx, caller), caller, {
    count: unfinished?.take ?? null,
    insert: insertRequestWhere(row, within),
  })
  if ((count[0]?.count ?? 0) > (unfinished?.max ?? 0)) throw tooManyUnfinished(settings)
  return { request_uri: `${REQUEST_URI_PREFIX}${reference}`, expires_in: settings.par_ttl }
}

/**
 * RFC 9449 §10.1: a proof binds the code to its key, as `dpop_jkt` does; where both are present
 * they must agree.
 */
function boundTo(proof: Proof | null, dpop_jkt: string | undefined): { dpop_jkt?: string } {
  if (proof === null) return {}
  if (dpop_jkt !== undefined && dpop_jkt !== proof.jkt) {
    throw refuse('invalid_dpop_proof', 'dpop_jkt is another key than that of the proof', 'dpop_jkt')
  }
  return { dpop_jkt: proof.jkt }
}

/**
 * Turns a pushed request into one that a browser opened; the browser's session is in `kept`. False
 * when the request has ended. Of two browsers, the second finds it open already. One round trip.
 */
export async function openPushedRequest(
  cx: Context,
  id_hash: string,
  kept: KeptRequest,
  settings: Settings,
): Promise<boolean> {
  const expires_at = cx.now() + settings.request_ttl
  const { requests } = await cx.db.write({
    open: updatePushedRequest(cx, id_hash, JSON.stringify(kept), expires_at),
    requests: findRequest(cx, id_hash),
  })
  return requests.length === 1
}

/** RFC 9126 §5 and §6, FAPI 2.0 §5.3.2.2. Throws OAuthError where a request has to be pushed. */
export function assertMayComeDirectly(client: Client, settings: Settings): void {
  // No vendor of a voice assistant can push, and a preset marks such a client.
  if (isLink(client)) return
  if (
    settings.require_pushed_authorization_requests ||
    client.require_pushed_authorization_requests ||
    client.profile === 'fapi2'
  ) {
    throw refuse('invalid_request', 'the request has to be pushed first', 'not_pushed')
  }
}
