// OpenID Connect Back-Channel Logout 1.0: clients hear from us, not from the browser, that a session ended. Who is to
// hear of what is noted by after_session.ts; here the logout token is made, sent, and sent again for about a day.
// Every delivery is taken before it is sent, so that of several instances one sends it; after a crash it may be sent
// twice, which is harmless: a session ends once.
import type { Context } from '../../context.ts'
import { randomToken } from '../../crypto.ts'
import type { Statement } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { signJwt } from '../../keys/jwt.ts'
import { OutsideRefused } from '../../outside.ts'
import { type Client, findClientsByIds, parseClient } from '../clients/clients.ts'
import { subjectFor } from '../clients/subject_identifier.ts'
import { type DeliveryRow, deleteDelivery, isTaken, takeDeliveries } from './store.ts'

/** Seconds between one attempt and the next; the last is how long the final attempt may take. */
export const BACKOFF = [60, 300, 1800, 7200, 21_600, 43_200, 60] as const
const LOGOUT_TOKEN_TTL = 120
const TIMEOUT_MS = 5000
const ANSWER_MAX = 16_384
/** Sent at once, and in one run: what is left waits for the next. */
const AT_ONCE = 10
const RUN_MAX = 200

/** Sends what is due. Three round trips for each ten. Failures are kept for later and not thrown. */
export async function deliverLogoutTokens(given: Context): Promise<void> {
  // Behind a sign-out it is still the system that tells clients, not the person.
  const actor = { kind: 'system', id: null, scopes: new Set<string>() } as const
  const cx: Context = { ...given, actor, address: '' }
  for (let sent = 0; sent < RUN_MAX; sent += AT_ONCE) {
    const lease = randomToken(cx, 16)
    const taken = await cx.db.write(takeDeliveries(cx, lease, BACKOFF, AT_ONCE))
    if (taken.length === 0) return
    const clients = await cx.db.read(findClientsByIds(taken.map((row) => row.client_id)))
    const known = new Map(clients.map((row) => [row.id, parseClient(row)]))
    const settled = await Promise.all(
      taken.map((row) => deliver(cx, row, known.get(row.client_id))),
    )
    await cx.db.write(settled.flat())
    if (taken.length < AT_ONCE) return
  }
}

/** Sends one, and answers what to write down about it: nothing when it is to be tried again. */
async function deliver(
  cx: Context,
  row: DeliveryRow,
  client: Client | undefined,
): Promise<readonly Statement[]> {
  const uri = client?.backchannel_logout_uri ?? null
  // The client went, or does not want to hear any more.
  if (client === undefined || client.status !== 'active' || uri === null) {
    return [deleteDelivery(row)]
  }
  const failure = await send(cx, row, client, uri)
  const { client_id, attempts, user_id } = row
  if (failure === null) {
    const data = { client_id, attempts }
    const event = { type: 'logout_token.delivered', subject_id: user_id, data } as const
    return [appendEvent(cx, event, isTaken(row)), deleteDelivery(row)]
  }
  cx.log('warn', 'a logout token was not taken', { client_id, attempts, reason: failure })
  if (attempts < BACKOFF.length) return []
  const data = { client_id, attempts, reason: failure }
  const event = {
    type: 'logout_token.abandoned',
    outcome: 'failure',
    subject_id: user_id,
    data,
  } as const
  return [appendEvent(cx, event, isTaken(row)), deleteDelivery(row)]
}

/** Null when the client took it, else why not, as a literal. */
async function send(
  cx: Context,
  row: DeliveryRow,
  client: Client,
  uri: string,
): Promise<string | null> {
  try {
    const logout_token = await mintLogoutToken(cx, row, client)
    // §2.5
    const { status } = await cx.fetch(uri, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ logout_token }).toString(),
      timeout_ms: TIMEOUT_MS,
      max_bytes: ANSWER_MAX,
    })
    // §2.8; 204 is what some frameworks make of an empty answer.
    return status === 200 || status === 204 ? null : `status_${status}`
  } catch (error) {
    if (error instanceof OutsideRefused) return error.reason
    cx.log('error', 'a logout token was not sent', { error: String(error) })
    return 'bug'
  }
}

/** §2.4. A `nonce` is prohibited there, and `typ` keeps it from being taken for an ID token. */
async function mintLogoutToken(cx: Context, row: DeliveryRow, client: Client): Promise<string> {
  const iat = cx.now()
  const { jwt } = await signJwt(cx, client.id_token_signed_response_alg, 'logout+jwt', {
    sub: await subjectFor(cx, client, row.user_id),
    aud: row.client_id,
    iat,
    exp: iat + LOGOUT_TOKEN_TTL,
    jti: randomToken(cx, 16),
    sid: row.sid,
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  })
  return jwt
}
