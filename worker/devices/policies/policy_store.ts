// The table `policy_document`: templates of types as they were when a token could name them. A row
// is written once and stays, since a minted token may name it for a year.
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { type Statement, sql } from '../../db/sql.ts'

/** Keeps the stored templates of a type under their hash. */
export const insertPolicyDocument = (cx: Context, content: string): Statement =>
  sql`insert into policy_document (sha256, content, created_at)
    values (${sha256(content)}, ${content}, ${cx.now()}) on conflict do nothing`

export const findPolicyDocument = (hash: string): Statement<{ content: string }> =>
  sql`select content from policy_document where sha256 = ${hash}`

/** Documents that devices of today may name; as many as there are types that do so. */
export const listPolicyDocuments = (): Statement<{ content: string }> =>
  sql`select distinct acl as content from device_type where acl_by_reference = 1 limit 256`
