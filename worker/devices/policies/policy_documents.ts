// A policy document as it is served: the rules of a type, signed.
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { Problem } from '../../errors.ts'
import { signJwt } from '../../keys/jwt.ts'
import { findPolicyDocument, listPolicyDocuments } from './policy_store.ts'

/** Place of the list, below which the documents are. */
export const POLICIES = '/policies'

/** The `typ` of a document, which is a JWT; its media type without `application/`. */
export const POLICY_TYPE = 'policy+jwt'

/** The hashes of the documents that devices of today may name. Round trips: 1 read. */
export async function listPolicies(cx: Context): Promise<string[]> {
  const rows = await cx.db.read(listPolicyDocuments())
  return rows.map(({ content }) => sha256(content))
}

/** The document of this hash, signed now. Round trips: 1 read. Throws Problem not_found. */
export async function signedPolicy(cx: Context, hash: string): Promise<string> {
  const rows = /^[\w-]{43}$/.test(hash) ? await cx.db.read(findPolicyDocument(hash)) : []
  const [row] = rows
  if (row === undefined) throw new Problem('not_found', 'there is no policy of this hash')
  const { jwt } = await signJwt(cx, 'ES256', POLICY_TYPE, {
    sub: `${cx.config.issuer}${POLICIES}/${hash}`,
    policy: row.content,
  })
  return jwt
}
