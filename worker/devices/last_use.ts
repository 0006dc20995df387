// When credentials of devices were last used: as a token is fetched, once a minute at most.
import type { Context } from '../context.ts'
import { type Condition, type Statement, sql } from '../db/sql.ts'
import type { CredentialRow } from './store.ts'

/** Seconds after which a credential in use is noted again. */
const USED_EVERY = 60

/**
 * The statement that notes the credential, or null when it was noted lately. `when` is the
 * condition of the request's batch.
 */
export const noteUse = (
  cx: Context,
  { id, last_used_at }: CredentialRow,
  when: Condition,
): Statement | null =>
  (last_used_at ?? 0) > cx.now() - USED_EVERY
    ? null
    : sql`update device_credential set last_used_at = ${cx.now()}
        where id = ${id} and coalesce(last_used_at, 0) <= ${cx.now() - USED_EVERY} and ${when}`
