// Name, logo and links to policy and terms that a client shows to the people whom it asks (OpenID
// Connect Registration §2). A client that anybody may have registered shows nothing: it could
// imitate another.
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import type { Introduction } from '../../pages/shell.ts'
import { type Client, parseClient } from '../clients/clients.ts'
import { REQUEST_URI_PREFIX } from './request.ts'
import { findClientOfRequest } from './request_store.ts'

export function introduce(client: Client): Introduction | null {
  if (client.anonymous) return null
  const { client_id, client_name, logo_uri, policy_uri, tos_uri } = client
  return { client_name: client_name ?? client_id, logo_uri, policy_uri, tos_uri }
}

/**
 * The introduction of the client whose request continues at `return_to`, a path of this server;
 * null where there is none. One round trip, none for other paths.
 */
export async function introduceSender(
  cx: Context,
  return_to: string,
): Promise<Introduction | null> {
  const { pathname, searchParams } = new URL(return_to, cx.config.issuer)
  const request_uri = searchParams.get('request_uri')
  if (pathname !== '/oauth/authorize' || !request_uri?.startsWith(REQUEST_URI_PREFIX)) return null
  const reference = request_uri.slice(REQUEST_URI_PREFIX.length)
  const [row] = await cx.db.read(findClientOfRequest(sha256(reference)))
  return row?.status === 'active' ? introduce(parseClient(row)) : null
}
