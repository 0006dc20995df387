// Delivery of an answer to the client: as parameters in its address, as a form that the browser
// posts, or as one signed JWT in either (JARM). The client chooses the way; authorize.ts decides
// what the answer says.
import type { Context } from '../../context.ts'
import { signJwt } from '../../keys/jwt.ts'
import type { Client } from '../clients/client_metadata.ts'

/**
 * OAuth Multiple Response Types §2.1, Form Post Response Mode, JARM §2.3. Fragments are not for
 * codes.
 */
export const RESPONSE_MODES = ['query', 'form_post', 'query.jwt', 'form_post.jwt', 'jwt'] as const
type ResponseMode = (typeof RESPONSE_MODES)[number]

/** Longest life of a signed answer, in seconds (JARM §2.1). */
const JWT_TTL = 600

/** Address of the answer, and the way to it. Without a `response_mode` it is query. */
export type Target = { redirect_uri: string; state?: string; response_mode?: ResponseMode }

/** The next address of the browser. */
export type Outcome =
  | {
      to: 'client'
      by: 'query' | 'form_post'
      redirect_uri: string
      answer: Record<string, string>
    }
  | { to: 'page'; path: string }

/** The response mode of that name, or undefined where it is not one that answers can go by. */
export function usableResponseMode(
  name: string | undefined,
  redirect_uri: string,
): ResponseMode | undefined {
  const mode = RESPONSE_MODES.find((one) => one === name)
  // A form can be posted only to an address of HTTP.
  if (mode?.startsWith('form_post') && !/^https?:/.test(redirect_uri)) return undefined
  return mode
}

/**
 * The answer to the client, with its `state` and our `iss` (RFC 9207 §2). At most one round trip,
 * once per key.
 */
export async function toClient(
  cx: Context,
  client: Client,
  { redirect_uri, state, response_mode = 'query' }: Target,
  answer: Record<string, string>,
): Promise<Outcome> {
  const by = response_mode.startsWith('form_post') ? 'form_post' : 'query'
  const whole = { ...answer, ...(state === undefined ? {} : { state }), iss: cx.config.issuer }
  if (!response_mode.endsWith('jwt')) return { to: 'client', by, redirect_uri, answer: whole }
  // JARM §2.1. It has no `sub`, so that it cannot pass for an ID token (RFC 8725 §3.12).
  const claims = { ...whole, aud: client.client_id, exp: cx.now() + JWT_TTL }
  const alg = client.authorization_signed_response_alg ?? 'RS256'
  const { jwt } = await signJwt(cx, alg, 'JWT', claims)
  return { to: 'client', by, redirect_uri, answer: { response: jwt } }
}
