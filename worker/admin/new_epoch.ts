// The epoch that begins when the database was put back to an earlier moment. Nobody knows any more
// what was used, revoked or ended since, so nothing counts that was issued before. Accounts, keys
// and secrets stay as they were then.
import { jumpAccess } from '../access/store.ts'
import type { Context } from '../context.ts'
import { COUNTER_JUMP, sql } from '../db/sql.ts'
import { withdrawAllClaimCodes } from '../devices/claiming/claim_code_store.ts'
import { revokeAllDeviceTokens } from '../devices/minted_token_store.ts'
import { jumpDevices } from '../devices/store.ts'
import { appendEvent } from '../events.ts'
import { deleteAllRecoveryCodes } from '../identity/factors/factor_store.ts'
import { deleteAllRemovedFactors } from '../identity/factors/removed_factor_store.ts'
import { revokeAllInvitations } from '../identity/invitations/invitation_store.ts'
import { deleteAllKnownBrowsers } from '../identity/known_browsers/known_browser_store.ts'
import { deleteAllMailCodes } from '../identity/mail_codes/mail_code_store.ts'
import { deleteAllAccountLinks } from '../identity/recovery_store.ts'
import { deleteAllSignIns } from '../identity/sign_in/sign_in_store.ts'
import { deleteAllSignUps } from '../identity/sign_up/sign_up_store.ts'
import { deleteAllSessions, jumpUsers } from '../identity/store.ts'
import { withdrawAllTransfers } from '../identity/transfers/transfer_store.ts'
import { deleteAllTrustedBrowsers } from '../identity/trusted_browsers/trusted_browser_store.ts'
import { withdrawAllMails } from '../mail/mail_store.ts'
import { endAllAuthorizations } from '../oauth/authorizations/store.ts'
import { deleteAllRequests } from '../oauth/authorize/request_store.ts'
import { consumeAllIssuedBefore } from '../oauth/client_authentication/used_assertion_store.ts'
import { jumpClients } from '../oauth/clients/store.ts'
import { deleteAllDeviceAuthorizations } from '../oauth/device_flow/store.ts'
import { endAllEntries } from '../status/list_store.ts'
import { endedList } from '../status/status_list.ts'

/**
 * Ends every session, sign-in, invitation, recovery code, code, request, refresh token, access
 * token and minted token, refuses assertions and proofs that were issued before now, and moves all
 * counters ahead. Round trips: 1 read, 1 write.
 */
export async function beginEpoch(cx: Context): Promise<void> {
  const sequences = await cx.db.read(
    sql<{ name: string }>`select name from sqlite_schema where name = 'sqlite_sequence'`,
  )
  await cx.db.write([
    // First, so that entries of status lists that are allotted below are beyond all that were.
    ...sequences.map(() => sql`update sqlite_sequence set seq = seq + ${COUNTER_JUMP}`),
    ...endAllEntries(await endedList()),
    ...deleteAllSessions(),
    deleteAllSignIns(),
    deleteAllKnownBrowsers(),
    deleteAllTrustedBrowsers(),
    deleteAllMailCodes(),
    deleteAllRemovedFactors(),
    deleteAllSignUps(),
    revokeAllInvitations(cx),
    withdrawAllTransfers(cx),
    withdrawAllClaimCodes(cx),
    deleteAllAccountLinks(),
    deleteAllRecoveryCodes(),
    withdrawAllMails(cx),
    ...endAllAuthorizations(cx),
    deleteAllRequests(),
    deleteAllDeviceAuthorizations(),
    revokeAllDeviceTokens(cx),
    consumeAllIssuedBefore(cx),
    jumpUsers(),
    jumpClients(),
    ...jumpDevices(),
    ...jumpAccess(),
    appendEvent(cx, { type: 'epoch.begun' }),
  ])
}
