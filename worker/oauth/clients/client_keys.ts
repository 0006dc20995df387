// The public keys of a client: those it is registered with, or those at its `jwks_uri`. All that verifies what a client
// signed (assertions, request objects) asks here and nowhere else.
import type { Context } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { type KeySetReader, keysNamed, remoteKeys } from '../../keys/remote_jwks.ts'
import type { Client } from './client_metadata.ts'
import { clientJwkSchema, type Jwk } from './public_jwk.ts'

const READER: KeySetReader<Jwk> = {
  name: 'client keys',
  // Keys of no use are passed over (RFC 7517 §5).
  read: (keys) =>
    keys.flatMap((key) => {
      const { data } = clientJwkSchema.safeParse(key)
      return data === undefined ? [] : [data as Jwk]
    }),
  // Anybody may bring an assertion in the name of a client, and so have its address asked.
  remembersFaults: true,
}

/**
 * The keys of a client; with `kid` those that may be meant by it. No database. Throws OAuthError invalid_client when
 * the document at `jwks_uri` cannot be had or is none; why is its reason.
 */
export async function clientKeys(
  cx: Context,
  { jwks, jwks_uri }: Pick<Client, 'jwks' | 'jwks_uri'>,
  kid?: string,
): Promise<readonly Jwk[]> {
  if (jwks_uri === null) return keysNamed(jwks?.keys ?? [], kid)
  const found = await remoteKeys(cx, READER, jwks_uri, kid)
  if ('fault' in found) {
    throw new OAuthError('invalid_client', {
      description: 'client authentication failed',
      reason: `jwks_uri_${found.fault}`,
      ...(found.words === undefined ? {} : { cause: new Error(found.words) }),
    })
  }
  return keysNamed(found.keys, kid)
}
