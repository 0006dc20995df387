// OpenID Connect Back-Channel Logout 1.0: this server, not the browser, tells clients that a
// session ended. This file makes and sends the logout token. tokens_of_ended_sessions.ts notes
// which clients are to hear of it; deliveries.ts sends it, and sends it again for about a day. A
// client that gets it twice takes no harm: a session ends once.
import type { Context } from '../../context.ts'
import { randomToken } from '../../crypto.ts'
import type { Delivery, DeliveryKind, DeliveryOutcome } from '../../deliveries.ts'
import { signJwt } from '../../keys/jwt.ts'
import { OutsideRefused } from '../../outside.ts'
import { type Client, findClientsByIds, parseClient } from '../clients/clients.ts'
import { subjectFor } from '../clients/subject_identifier.ts'

const LOGOUT_TOKEN_TTL = 120
const TIMEOUT_MS = 5000
const ANSWER_MAX = 16_384

/**
 * The recipient is the client, `about` the `sid` of the session, `user_id` the person who was
 * signed in.
 */
export const logoutTokens: DeliveryKind = {
  name: 'logout_token',
  backoff: [60, 300, 1800, 7200, 21_600, 43_200, 60],
  async prepare(cx, deliveries) {
    const clients = await cx.db.read(findClientsByIds(deliveries.map((one) => one.recipient)))
    const byId = new Map(clients.map((row) => [row.id, parseClient(row)]))
    return (one) => sendLogoutToken(cx, one, byId.get(one.recipient))
  },
  delivered: ({ recipient, payload, attempts }) => ({
    type: 'logout_token.delivered',
    subject_id: String(payload['user_id']),
    data: { client_id: recipient, attempts },
  }),
  abandoned: ({ recipient, payload, attempts }, reason) => ({
    type: 'logout_token.abandoned',
    outcome: 'failure',
    subject_id: String(payload['user_id']),
    data: { client_id: recipient, attempts, reason },
  }),
}

async function sendLogoutToken(
  cx: Context,
  one: Delivery,
  client: Client | undefined,
): Promise<DeliveryOutcome> {
  const uri = client?.backchannel_logout_uri ?? null
  // The client is gone, or no longer wants to hear of it.
  if (client === undefined || client.status !== 'active' || uri === null) {
    return { outcome: 'unwanted' }
  }
  const reason = await post(cx, uri, await mintLogoutToken(cx, one, client))
  if (reason === null) return { outcome: 'done' }
  const { recipient: client_id, attempts } = one
  cx.log('warn', 'a logout token was not taken', { client_id, attempts, reason })
  return { outcome: 'again', reason }
}

/** Null when the client took it, else the reason, as a literal. */
async function post(cx: Context, uri: string, logout_token: string): Promise<string | null> {
  try {
    // §2.5
    const { status } = await cx.fetch(uri, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ logout_token }).toString(),
      timeout_ms: TIMEOUT_MS,
      max_bytes: ANSWER_MAX,
    })
    // §2.8; some frameworks answer an empty body with 204.
    return status === 200 || status === 204 ? null : `status_${status}`
  } catch (error) {
    if (error instanceof OutsideRefused) return error.reason
    throw error
  }
}

/** §2.4. A `nonce` is prohibited there, and `typ` keeps it from being taken for an ID token. */
async function mintLogoutToken(cx: Context, one: Delivery, client: Client): Promise<string> {
  const iat = cx.now()
  const { jwt } = await signJwt(cx, client.id_token_signed_response_alg, 'logout+jwt', {
    sub: await subjectFor(cx, client, String(one.payload['user_id'])),
    aud: one.recipient,
    iat,
    exp: iat + LOGOUT_TOKEN_TTL,
    jti: randomToken(cx, 16),
    sid: one.about,
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  })
  return jwt
}
