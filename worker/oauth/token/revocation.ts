// Token revocation (RFC 7009). Revoking a refresh token, or an access token that came from an
// authorization, ends the authorization with all its tokens. A token that an operator minted for
// the device that presents it ends alone, a small one too. An access token that a client or device
// got for itself comes from nothing that could end: it runs out, or its holder is disabled. A token
// that is unknown, or another client's, changes nothing and gets the same answer.
import { as, type Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import type { Statement } from '../../db/sql.ts'
import {
  findDeviceToken,
  findDeviceTokenOfEntry,
  revokeDeviceToken,
} from '../../devices/minted_token_store.ts'
import { OAuthError } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import type { Form } from '../../http.ts'
import { signingKeys } from '../../keys/signing_keys.ts'
import { endAuthorization } from '../authorizations/authorizations.ts'
import { mayBeMinted, mayBeOfPerson } from '../authorizations/origin_store.ts'
import { findRefreshToken } from '../authorizations/refresh_token_store.ts'
import { findAuthorization } from '../authorizations/store.ts'
import {
  authenticate,
  callerReads,
  isProven,
  writeAs,
} from '../client_authentication/client_authentication.ts'
import type { PresentedCredentials } from '../client_authentication/presented_credentials.ts'
import { readAccessToken } from '../tokens/access_token.ts'
import { readReferenceToken } from '../tokens/reference_token.ts'

/** Database round trips, warm: 2; 1 when there is nothing to end. Throws OAuthError. */
export async function revokeToken(
  cx: Context,
  form: Form,
  presented: PresentedCredentials,
): Promise<void> {
  const token = form.get('token')
  if (token === undefined) {
    throw new OAuthError('invalid_request', {
      description: 'token is needed',
      reason: 'missing_parameter',
    })
  }
  await signingKeys(cx)
  const read = await readAccessToken(cx, token)
  const small = read === null ? await readReferenceToken(cx, token) : null
  const rows = await cx.db.read({
    // Each kind of token is looked up where it can be.
    authorization: read !== null && mayBeOfPerson(read) ? findAuthorization(read.origin) : null,
    mintedToken: read !== null && mayBeMinted(read) ? findDeviceToken(read.sub, read.origin) : null,
    smallToken: small?.status == null ? null : findDeviceTokenOfEntry(small.sub, small.status),
    refreshToken: read === null && small === null ? findRefreshToken(sha256(token)) : null,
    caller: callerReads(cx, presented),
  })
  const caller = await authenticate(cx, presented, rows.caller)
  const acting = as(cx, caller)
  const proven = isProven(cx, caller)
  const statements: Statement[] = []
  for (const authorization of [...rows.authorization, ...rows.refreshToken]) {
    if (authorization.client_id === caller.id && authorization.revoked_at === null) {
      statements.push(...endAuthorization(acting, authorization, 'token_revoked', proven))
    }
  }
  if ((read ?? small)?.sub === caller.id) {
    const [minted] = [...rows.mintedToken, ...rows.smallToken]
    if (minted !== undefined && minted.revoked_at === null) {
      statements.push(
        revokeDeviceToken(cx, minted.id, proven),
        appendEvent(
          acting,
          { type: 'device_token.revoked', subject_id: caller.id, data: { id: minted.id } },
          proven,
        ),
      )
    }
  }
  await writeAs(cx, caller, statements)
}
