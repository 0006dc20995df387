// The token endpoint's way: parse once, one read batch, authenticate the caller, let the grant
// redeem. Client authentication comes before every grant and cannot be left out by one.

import { as, type Context } from '../../context.ts'
import type { Answers, Batch } from '../../db/database.ts'
import { OAuthError } from '../../errors.ts'
import type { Form } from '../../http.ts'
import { signingKeys } from '../../keys/signing_keys.ts'
import {
  authenticate,
  type Caller,
  callerReads,
  usingUp,
} from '../client_authentication/client_authentication.ts'
import type { Proof, ProofRequest } from '../client_authentication/dpop.ts'
import {
  invalidClient,
  type PresentedCredentials,
} from '../client_authentication/presented_credentials.ts'
import { bindCaller, readProof } from '../client_authentication/sender_constraint.ts'
import { type ClientRow, findClientById, parseClient } from '../clients/clients.ts'
import { inVendorsWords } from '../clients/presets.ts'
import {
  DEVICE_CODE,
  GRANT_TYPES,
  type GrantTypeName,
  isGrantType,
  JWT_BEARER,
  REPEATABLE_PARAMETERS,
  TOKEN_EXCHANGE,
} from '../grant_types.ts'
import type { TokenAnswer } from '../tokens/token_answer.ts'
import * as authorization_code from './grants/authorization_code.ts'
import * as client_credentials from './grants/client_credentials.ts'
import * as device_code from './grants/device_code.ts'
import * as jwt_bearer from './grants/jwt_bearer.ts'
import * as refresh_token from './grants/refresh_token.ts'
import * as token_exchange from './grants/token_exchange.ts'

/** Where `isWritten`, the batch of `reads` changes something as well. */
type Readable = { readonly reads: Batch; readonly isWritten?: boolean }

/** The exports of a file in grants/. `reads` goes into the one read batch; `rows` is its answer. */
type Grant<P extends Readable> = {
  grant_type: GrantTypeName
  parameters(
    cx: Context,
    form: Form,
    presented: PresentedCredentials,
    proof: Proof | null,
  ): P | Promise<P>
  redeem(
    cx: Context,
    caller: Caller,
    parameters: P,
    rows: Answers<P['reads']>,
  ): Promise<TokenAnswer>
}

type Exchange = (
  cx: Context,
  form: Form,
  presented: PresentedCredentials,
  proof: Proof | null,
  /** Hears of the client as soon as it was looked up. */
  found: (client: ClientRow | undefined) => void,
) => Promise<TokenAnswer>

const exchange =
  <P extends Readable>(grant: Grant<P>): Exchange =>
  async (cx, form, presented, proof, found) => {
    const parameters = await grant.parameters(cx, form, presented, proof)
    const reads: P['reads'] = parameters.reads
    const batch = { caller: callerReads(cx, presented), grant: reads }
    const rows = await (parameters.isWritten ? cx.db.write(batch) : cx.db.read(batch))
    found(rows.caller.client[0])
    const proven = await authenticate(cx, presented, rows.caller)
    const proofs = proof === null ? proven.proofs : [...proven.proofs, proof.use]
    return usingUp(cx, { ...proven, proofs }, async () => {
      const caller = bindCaller(cx, proven, proof)
      if (!mayUse(caller, grant.grant_type)) {
        throw new OAuthError('unauthorized_client', {
          description: 'the client is not registered for this grant type',
          reason: 'grant_type_not_registered',
        })
      }
      return grant.redeem(as(cx, caller), caller, parameters, rows.grant)
    })
  }

const mayUse = (caller: Caller, grant_type: GrantTypeName): boolean =>
  caller.kind === 'client'
    ? caller.client.grant_types.includes(grant_type)
    : GRANT_TYPES[grant_type].for_devices

/** How each grant type redeems; all else that is true of one is its entry in grant_types.ts. */
const EXCHANGES: { readonly [Name in GrantTypeName]: Exchange } = {
  authorization_code: exchange(authorization_code),
  refresh_token: exchange(refresh_token),
  client_credentials: exchange(client_credentials),
  [DEVICE_CODE]: exchange(device_code),
  [TOKEN_EXCHANGE]: exchange(token_exchange),
  [JWT_BEARER]: exchange(jwt_bearer),
}

/**
 * RFC 6749 §3.2. Database round trips, warm: 2; without a proof to consume, client_credentials with
 * a secret 1, and refresh 1 where it is plain or the token is kept. A cold process adds 1 for keys
 * and settings. Throws OAuthError.
 */
export async function exchangeToken(
  cx: Context,
  form: Form,
  presented: PresentedCredentials,
  request: ProofRequest,
): Promise<TokenAnswer> {
  let client: ClientRow | undefined | null = null
  const found = (row: ClientRow | undefined) => {
    client = row
  }
  try {
    return await exchangeAny(cx, form, presented, request, found)
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    // No vendor sends proofs, and a client that has yet to learn the nonce costs no round trip.
    if (error.error === 'use_dpop_nonce') throw error
    const row = client ?? (client === null ? await findClient(cx, presented) : undefined)
    const worded = row === undefined ? error : inVendorsWords(parseClient(row), error)
    const isAssertion = 'assertion' in presented && worded.error === 'invalid_client'
    throw isAssertion ? invalidClient(worded.reason, cx.now()) : worded
  }
}

/** For a request that was refused before anybody was looked up. */
async function findClient(
  cx: Context,
  { client_id }: PresentedCredentials,
): Promise<ClientRow | undefined> {
  const [row] = await cx.db.read(findClientById(client_id))
  return row
}

async function exchangeAny(
  cx: Context,
  form: Form,
  presented: PresentedCredentials,
  request: ProofRequest,
  found: (client: ClientRow | undefined) => void,
): Promise<TokenAnswer> {
  const grant_type = form.get('grant_type')
  if (grant_type === undefined) {
    throw new OAuthError('invalid_request', {
      description: 'grant_type is needed',
      reason: 'missing_parameter',
    })
  }
  if (!isGrantType(grant_type)) {
    throw new OAuthError('unsupported_grant_type', {
      description: 'this grant type is not offered',
      reason: 'unknown_grant_type',
    })
  }
  const { repeatable } = GRANT_TYPES[grant_type]
  const repeats = REPEATABLE_PARAMETERS.filter((name) => form.all(name).length > 1)
  if (repeats.some((name) => !repeatable.includes(name))) {
    throw new OAuthError('invalid_request', {
      description: 'a parameter is given more than once',
      reason: 'duplicate_parameter',
    })
  }
  // Before anything is read: a client that has yet to learn the nonce costs no round trip.
  const proof = await readProof(cx, request)
  // Keys and settings in one round trip when cold, none when warm.
  await signingKeys(cx)
  return EXCHANGES[grant_type](cx, form, presented, proof, found)
}
