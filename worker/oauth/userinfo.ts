// The UserInfo endpoint (OpenID Connect Core §5.3): what a person's token with `openid` may learn, by scope.
import type { Context } from '../context.ts'
import { sql } from '../db/sql.ts'
import { OAuthError } from '../errors.ts'
import { signingKeys } from '../keys/signing_keys.ts'
import { findLiveOrigin, findUserOf } from './authorization_store.ts'
import { type Credential, proveHolder, readOnce } from './sender_constraint.ts'
import { readAccessToken } from './tokens.ts'

/** OpenID Connect Core §5.1. */
export type UserInfo = {
  sub: string
  name?: string
  locale?: string
  updated_at?: number
  email?: string
  email_verified?: boolean
}

/** Database round trips, warm: 1. Throws OAuthError invalid_token or insufficient_scope. */
export async function readUserInfo(cx: Context, credential: Credential): Promise<UserInfo> {
  await signingKeys(cx)
  const { scheme, token } = credential
  const refused = (reason: string) =>
    new OAuthError('invalid_token', {
      description: 'the access token is not valid',
      reason,
      scheme,
    })
  const read = await readAccessToken(cx, token, cx.config.issuer)
  if (read === null) throw refused('not_our_token')
  const proofs = await proveHolder(cx, credential, read)
  if (!read.scope.includes('openid')) {
    throw new OAuthError('insufficient_scope', {
      description: 'this needs the scope openid',
      reason: 'no_openid',
      scheme,
    })
  }
  const [[origin], [user]] = await readOnce(
    cx,
    proofs,
    findLiveOrigin(read, cx.now()),
    findUserOf(sql`${read.sub}`),
  )
  if (origin?.kind !== 'authorization' || user === undefined) throw refused('origin_ended')
  const { name, locale, updated_at, email, email_verified } = user
  return {
    sub: user.id,
    ...(read.scope.includes('profile')
      ? {
          ...(name === null ? {} : { name }),
          ...(locale === null ? {} : { locale }),
          updated_at,
        }
      : {}),
    ...(read.scope.includes('email') ? { email, email_verified: email_verified === 1 } : {}),
  }
}
