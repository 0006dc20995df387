// The public keys of a client: those that it registered, or those at its `jwks_uri`. Every check of
// a client's signature (assertions, request objects) takes them from here.
import type { Context } from '../../context.ts'
import { OAuthError } from '../../errors.ts'
import { type KeySetReader, keysNamed, remoteKeys } from '../../keys/remote_jwks.ts'
import type { Client } from './client_metadata.ts'
import { type Jwk, usableClientKeys } from './public_jwk.ts'

const READER: KeySetReader<Jwk> = {
  name: 'client keys',
  read: usableClientKeys,
  // Anybody may present an assertion in the name of a client, and so cause a request to its
  // address.
  remembersFaults: true,
}

/**
 * The keys of a client; with `kid`, those that it may mean. No database. Throws OAuthError
 * invalid_client when the document at `jwks_uri` cannot be fetched or is no key set; its reason
 * says which.
 */
export async function clientKeys(
  cx: Context,
  { jwks, jwks_uri }: Pick<Client, 'jwks' | 'jwks_uri'>,
  kid?: string,
): Promise<readonly Jwk[]> {
  if (jwks_uri === null) return keysNamed(jwks?.keys ?? [], kid)
  const keySet = await remoteKeys(cx, READER, jwks_uri, kid)
  if ('fault' in keySet) {
    throw new OAuthError('invalid_client', {
      description: 'client authentication failed',
      reason: `jwks_uri_${keySet.fault}`,
      ...(keySet.words === undefined ? {} : { cause: new Error(keySet.words) }),
    })
  }
  return keysNamed(keySet.keys, kid)
}
