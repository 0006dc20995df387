// Getting back into an account without an operator: a person types an address, and a link to a new
// password goes to the stored address of the account, if there is one. Nothing shows whether there
// is: neither the answer, nor its work, nor the count. A request kills no link from before, since
// anybody can ask for anybody.
import { as, type Context } from '../context.ts'
import { randomToken, sha256 } from '../crypto.ts'
import { condition, join } from '../db/sql.ts'
import { appendEvent, countEvent } from '../events.ts'
import { noteMail } from '../mail/outbox.ts'
import { canBeKept } from './closing/closing_store.ts'
import type { KnownBrowsers } from './known_browsers/known_browsers.ts'
import { countMailRequest } from './mail/mail_requests.ts'
import { sendMails } from './mail/mails.ts'
import { LINK_TTL, PASSWORD_RESET_PATH } from './recovery.ts'
import { accountLinkExists, insertAccountLink } from './recovery_store.ts'
import { maySignIn } from './sign_in/sign_in_store.ts'
import { isUsable } from './users.ts'

export type RecoveryRequest =
  | { outcome: 'taken' }
  /** `retry_after`: seconds after which the count is certain to begin anew. */
  | { outcome: 'too_many_requests'; retry_after: number }

/**
 * Takes a request for a link to a new password. `locale`: the language of the page, for who has
 * chosen none. Database round trips: 2, one for a blocked address.
 */
export async function requestRecovery(
  cx: Context,
  input: { email: string; locale: string; browsers: KnownBrowsers },
): Promise<RecoveryRequest> {
  const counted = await countMailRequest(cx, 'recovery', input)
  if (counted.outcome !== 'counted') return counted
  const { user, isWithin } = counted
  // Made for everybody, so that the work is the same.
  const token = randomToken(cx)
  const hash = sha256(token)
  const mail = await noteMail(
    cx,
    {
      kind: 'recovery',
      values: {
        link: `${cx.config.issuer}${PASSWORD_RESET_PATH}?token=${token}`,
        valid_for: LINK_TTL,
      },
      // Never to the address that was typed: it may only look like the stored one.
      to: { user_id: user?.id ?? '', login_id: user?.login_id ?? '' },
      locale: user?.locale ?? input.locale,
      expires_at: cx.now() + LINK_TTL,
      secret_of: hash,
    },
    accountLinkExists(hash),
  )
  // Somebody who forgot the password may want to keep an account that was closed.
  if (user === undefined || !(isUsable(user) || canBeKept(cx, user))) {
    const event = {
      type: 'user.recovery_refused',
      outcome: 'failure',
      subject_id: user?.id ?? null,
      data: { reason: user === undefined ? 'unknown_account' : 'disabled' },
    } as const
    const minute = cx.now() - (cx.now() % 60)
    // Strangers fill no table with names that nobody has.
    const failure = countEvent(cx, event, { count: 1, last_at: cx.now(), minute })
    // The statements of the mail find no link and note none: their time is that of a mail.
    await cx.db.write([...mail.statements, failure])
    sendMails(cx) // there is none, but the work behind the answer begins in the same way
    return { outcome: 'taken' }
  }
  const { id: user_id } = user
  const when = join(
    [
      isWithin,
      condition`exists (select 1 from user where id = ${user_id} and ${maySignIn(cx.now())})`,
    ],
    ' and ',
  )
  const expires_at = cx.now() + LINK_TTL
  await cx.db.write({
    link: insertAccountLink(
      {
        hash,
        user_id,
        purpose: 'password_recovery',
        created_at: cx.now(),
        expires_at,
        used_by: null,
        used_at: null,
        made_by: null,
        address_key: user.login_key,
        address: null,
        browser: null,
        journey: null,
      },
      when,
    ),
    mail: mail.statements,
    event: appendEvent(
      as(cx, { kind: 'user', id: user_id }),
      {
        type: 'user.recovery_requested',
        subject_id: user_id,
        data: { expires_at, mail_id: mail.id },
      },
      accountLinkExists(hash),
    ),
  })
  sendMails(cx)
  return { outcome: 'taken' }
}
