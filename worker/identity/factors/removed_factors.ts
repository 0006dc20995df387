// A factor that an operator removed: the person is told by mail, and can undo it for a day, since
// whoever has the password may have talked the operator into it. Undoing puts the factor back, with
// the recovery codes that went with it, and ends what began since: sessions, factors, browsers that
// are trusted. Until then the factor is kept sealed.
import { as, type Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { type Condition, condition, join, type Statement, sql } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { noteMail } from '../../mail/outbox.ts'
import type { SessionsEnded } from '../sessions.ts'
import { deleteSignInsOf } from '../sign_in/sign_in_store.ts'
import { deleteTrustedBrowsersOf } from '../trusted_browsers/trusted_browser_store.ts'
import {
  dropFactorsSince,
  type FactorRow,
  insertRecoveryCode,
  type RecoveryCodeRow,
} from './factor_store.ts'
import {
  consumeRemovedFactor,
  findRemovedFactor,
  insertRemovedFactor,
  removalIsUndone,
  restoreFactor,
} from './removed_factor_store.ts'
import { openRemoved, sealRemoved } from './sealed_factors.ts'
import { presentStep } from './totp.ts'

export const UNDO_FACTOR_PATH = '/account/security/undo'
/** Seconds for which the removal can be undone. */
const UNDO_TTL = 86_400

type Removed = { factor: FactorRow; codes: readonly RecoveryCodeRow[] }

/**
 * The statements that keep a factor which is about to be removed, and tell its person, where the
 * condition holds.
 */
export async function keepRemoved(
  cx: Context,
  { factor, codes }: Removed,
  when: Condition,
): Promise<readonly Statement[]> {
  const { user_id } = factor
  const token = randomToken(cx)
  const hash = sha256(token)
  const expires_at = cx.now() + UNDO_TTL
  const mail = await noteMail(
    cx,
    {
      kind: 'factor_removed',
      values: {
        factor: factor.name,
        link: `${cx.config.issuer}${UNDO_FACTOR_PATH}?token=${token}`,
        valid_for: UNDO_TTL,
      },
      to: { user_id },
      locale: null,
      expires_at,
      secret_of: hash,
    },
    condition`exists (select 1 from removed_factor where hash = ${hash})`,
  )
  const sealed = await sealRemoved(cx, hash, JSON.stringify({ factor, codes } satisfies Removed))
  return [
    insertRemovedFactor(
      { hash, user_id, sealed, removed_at: cx.now(), expires_at, used_by: null },
      when,
    ),
    ...mail.statements,
  ]
}

export type OpenRemoval = Removed & { hash: string; user_id: string; email: string; since: number }

/** The removal that a link undoes; null where it is dead. One round trip. */
export async function findRemoval(cx: Context, token: string): Promise<OpenRemoval | null> {
  const hash = sha256(token)
  const [row] = await cx.db.read(findRemovedFactor(hash))
  if (row === undefined || row.used_by !== null || row.expires_at <= cx.now()) return null
  const removed: Removed = JSON.parse(await openRemoved(cx, hash, row.sealed))
  const { user_id, email, removed_at: since } = row
  return { ...removed, hash, user_id, email, since }
}

/** Puts the factor back; null where the link is dead. Round trips: 2, and those of sessions. */
export async function undoRemoval(
  cx: Context,
  token: string,
  onSessionsEnded: SessionsEnded,
): Promise<OpenRemoval | null> {
  const found = await findRemoval(cx, token)
  if (found === null) return null
  const { hash, user_id, factor, codes, since } = found
  const acting = as(cx, { kind: 'user', id: user_id })
  const mine = removalIsUndone(cx, hash)
  const hasNoCodes = condition`not exists (select 1 from recovery_code where user_id = ${user_id}
    and made_by <> ${codes[0]?.made_by ?? ''})`
  const { used } = await cx.db.write({
    used: consumeRemovedFactor(cx, hash),
    since: dropFactorsSince(user_id, since, mine),
    // Of an app only codes count that it shows from now on.
    factor: restoreFactor(
      { ...factor, last_step: factor.kind === 'totp' ? presentStep(cx.now()) : factor.last_step },
      mine,
    ),
    codes: codes.map((code) => insertRecoveryCode(code, join([mine, hasNoCodes], ' and '))),
    sessions: sql`delete from session
      where user_id = ${user_id} and created_at >= ${since} and ${mine}`,
    signIns: deleteSignInsOf(user_id, mine),
    trusted: deleteTrustedBrowsersOf(user_id, mine),
    mails: withdrawMails(cx, condition`secret_of = ${hash} and ${mine}`),
    event: appendEvent(
      acting,
      {
        type: 'factor.restored',
        subject_id: user_id,
        data: { factor: factor.id, kind: factor.kind },
      },
      mine,
    ),
  })
  if (used.length === 0) return null
  await onSessionsEnded(acting, user_id)
  return found
}
