// The timer's part of the protocol: deletes whatever has run out, of each sub-room.
import type { Context } from '../context.ts'
import type { Statement } from '../db/sql.ts'
import { deleteEnded } from './authorizations/store.ts'
import { deleteOldRequests } from './authorize/request_store.ts'
import { deleteExpiredSecrets } from './clients/store.ts'
import { deleteOldDeviceAuthorizations } from './device_flow/store.ts'
import { deleteOldInitialAccessTokens } from './registration/store.ts'

/** For the timer: requests nobody answered, secrets that ran out, and what ended so long ago that nobody asks about it. */
export const deleteOldProtocolState = (cx: Context): readonly Statement[] => [
  deleteOldRequests(cx),
  deleteOldDeviceAuthorizations(cx),
  deleteExpiredSecrets(cx.now()),
  ...deleteOldInitialAccessTokens(cx.now()),
  ...deleteEnded(cx),
]
