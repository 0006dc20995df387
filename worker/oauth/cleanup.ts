// Deletion on the timer: rows of each sub-room that have run out.
import type { Context } from '../context.ts'
import type { Statement } from '../db/sql.ts'
import { deleteEnded } from './authorizations/store.ts'
import { deleteOldRequests } from './authorize/request_store.ts'
import { deleteExpiredSecrets } from './clients/store.ts'
import { deleteOldDeviceAuthorizations } from './device_flow/store.ts'
import { deleteOldInitialAccessTokens } from './registration/store.ts'

/**
 * For the timer. Deletes requests that nobody answered, secrets that ran out, and authorizations
 * that ended so long ago that no token of theirs can be shown.
 */
export const deleteOldProtocolState = (cx: Context): readonly Statement[] => [
  deleteOldRequests(cx),
  deleteOldDeviceAuthorizations(cx),
  deleteExpiredSecrets(cx.now()),
  ...deleteOldInitialAccessTokens(cx.now()),
  ...deleteEnded(cx),
]
