// Jobs that run on a timer. Each job has a lease in the database, so that of many instances one
// runs it. A job that fails is logged and tried again when its lease has run out.

import { removeEndedMemberships } from './access/places/membership_ends.ts'
import { deleteOldIdempotencyKeys } from './api/idempotency.ts'
import { deleteOldAttempts } from './attempts.ts'
import type { Context } from './context.ts'
import { sql } from './db/sql.ts'
import { type DeliveryKind, deliver } from './deliveries.ts'
import { deleteOldDeviceJobs } from './devices/bulk/job_store.ts'
import { workOnJobs } from './devices/bulk/job_work.ts'
import { deleteOldClaimCodes } from './devices/claiming/claim_code_store.ts'
import { deleteOldReports } from './devices/connections/connection_store.ts'
import { deleteOldClaimProofs } from './devices/getting_in/claim_store.ts'
import { deleteOldDeviceTokens } from './devices/minted_token_store.ts'
import { writeRefusals } from './events/refusal_events.ts'
import { deleteOldEvents } from './events.ts'
import { deleteDueAccounts } from './identity/closing/closing.ts'
import { deleteOldRemovedFactors } from './identity/factors/removed_factor_store.ts'
import { deleteOldInvitations } from './identity/invitations/invitation_store.ts'
import { deleteOldBrowsers } from './identity/known_browsers/known_browser_store.ts'
import { rewriteAddressKeys } from './identity/login_ids/address_keys.ts'
import { mails } from './identity/mail/mails.ts'
import { deleteOldMailCodes } from './identity/mail_codes/mail_code_store.ts'
import { deleteOldChallenges } from './identity/passkeys/challenges.ts'
import { deleteOldAccountLinks } from './identity/recovery_store.ts'
import { deleteOldSessions } from './identity/sessions.ts'
import { deleteOldSignIns } from './identity/sign_in/sign_in_store.ts'
import { deleteOldSignUps } from './identity/sign_up/sign_up_store.ts'
import { deleteOldTransfers } from './identity/transfers/transfer_store.ts'
import { deleteOldTrustedBrowsers } from './identity/trusted_browsers/trusted_browser_store.ts'
import { resealWhenDue } from './keys/resealing.ts'
import { forgetOldMails } from './mail/mail_store.ts'
import { endLapsedAccess } from './oauth/authorizations/lapsed_consents.ts'
import { endAllAccess } from './oauth/authorizations/user_authorizations.ts'
import { deleteOldProtocolState } from './oauth/cleanup.ts'
import { logoutTokens } from './oauth/logout/logout_tokens.ts'
import { sweepSessions } from './oauth/logout/tokens_of_ended_sessions.ts'
import { loadSettings } from './settings.ts'
import { spreadStatus } from './status/spreading.ts'

export type Job = {
  name: string
  /** Seconds between two runs. */
  every: number
  run(cx: Context): Promise<void>
}

/** Kinds of deliveries: messages that are sent again until they arrive. */
const DELIVERY_KINDS: readonly DeliveryKind[] = [logoutTokens, mails]

export const JOBS: readonly Job[] = [
  {
    name: 'forget',
    every: 300,
    async run(cx) {
      const settings = await loadSettings(cx)
      await cx.db.write([
        ...deleteOldEvents(cx, settings),
        deleteOldAttempts(cx),
        deleteOldIdempotencyKeys(cx),
        deleteOldSessions(cx),
        deleteOldSignIns(cx),
        deleteOldBrowsers(cx),
        deleteOldChallenges(cx),
        deleteOldMailCodes(cx),
        deleteOldRemovedFactors(cx),
        deleteOldTrustedBrowsers(cx),
        deleteOldSignUps(cx),
        deleteOldInvitations(cx),
        deleteOldTransfers(cx),
        deleteOldAccountLinks(cx),
        ...forgetOldMails(cx, settings.mail_ttl),
        ...deleteOldDeviceTokens(cx),
        deleteOldClaimProofs(cx),
        deleteOldClaimCodes(cx),
        ...deleteOldDeviceJobs(cx),
        ...deleteOldReports(cx),
        ...deleteOldProtocolState(cx),
      ])
    },
  },
  { name: 'reseal', every: 300, run: resealWhenDue },
  { name: 'address_keys', every: 300, run: rewriteAddressKeys },
  {
    name: 'sessions',
    // Each minute; a little less, so that the timer does not meet its own lease.
    every: 50,
    async run(cx) {
      await sweepSessions(cx, null)
    },
  },
  { name: 'closed_accounts', every: 300, run: (cx) => deleteDueAccounts(cx, endAllAccess) },
  { name: 'ended_memberships', every: 50, run: removeEndedMemberships },
  { name: 'status', every: 50, run: spreadStatus },
  { name: 'bulk', every: 50, run: workOnJobs },
  { name: 'lapsed_consents', every: 50, run: endLapsedAccess },
  // After the jobs that note deliveries, so that these go out in the same minute.
  { name: 'deliveries', every: 50, run: (cx) => deliver(cx, DELIVERY_KINDS) },
]

/** Runs every job that is due and that no other instance has taken. Never throws. */
export async function runJobs(cx: Context): Promise<void> {
  // Of each instance, since each counts for itself.
  await writeRefusals(cx)
  for (const job of JOBS) {
    try {
      // The lease is not given back: it keeps the distance between the runs.
      const mine = await cx.db.write(sql<{ holder: string }>`
        insert into lease (name, holder, expires_at) values (${job.name}, ${cx.rid}, ${cx.now() + job.every})
        on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
          where lease.expires_at <= ${cx.now()} or lease.holder = excluded.holder
        returning holder`)
      if (mine.length > 0) await job.run(cx)
    } catch (error) {
      cx.log('error', 'a job failed', {
        job: job.name,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
    }
  }
}
