// Requests of strangers for a mail: a new password, an account, a link that signs in. Each is
// counted per network address and per mailbox before anything is looked at, and in the same way
// whether or not there is an account. In a browser that the owner of the mailbox signed in with
// before, it is counted per browser, so that requests from elsewhere do not stop the owner.
import { addressForms, userWithAddress } from '../../access/named_users.ts'
import { addressKey, limit } from '../../attempts.ts'
import type { Context } from '../../context.ts'
import { type Condition, condition } from '../../db/sql.ts'
import { emailKey } from '../../email_address.ts'
import { loadSettings } from '../../settings.ts'
import {
  countedInBrowser,
  isKnownTo,
  type KnownBrowsers,
} from '../known_browsers/known_browsers.ts'
import { findUserToMail, type NamedUser } from '../login_ids/login_id_store.ts'

/** Mails of a kind to one mailbox in a window. */
const MAILS_MAX = 5

export type CountedRequest =
  /**
   * `isWithin`: for what notes the mail. Beyond the limit the answer is the same without a mail.
   */
  | { outcome: 'counted'; user: NamedUser | undefined; isWithin: Condition }
  /** `retry_after`: seconds after which the count is certain to begin anew. */
  | { outcome: 'too_many_requests'; retry_after: number }

/** Counts a request and looks up whose address it is. One write. */
export async function countMailRequest(
  cx: Context,
  what: 'recovery' | 'sign-up' | 'link',
  { email, browsers }: { email: string; browsers: KnownBrowsers },
): Promise<CountedRequest> {
  const settings = await loadSettings(cx)
  const key = emailKey(email)
  const window = settings.login_attempts_window
  const byAddress = limit(
    cx,
    { purpose: `${what} address`, value: addressKey(cx.address) ?? `of ${key}` },
    { max: settings.login_attempts_per_address, window },
  )
  const owner = userWithAddress(addressForms(email))
  const isKnown = isKnownTo(cx, browsers, owner)
  const byMailbox = limit(
    cx,
    countedInBrowser(cx, { purpose: `${what} mailbox`, value: key }, browsers, owner),
    { max: MAILS_MAX, window },
  )
  const {
    address: [address],
    user: [user],
  } = await cx.db.write({
    address: byAddress.takeWhen(condition`not ${isKnown}`),
    // Names are made up at will: an address that is blocked fills the table with none.
    mailbox: byMailbox.takeWhen(condition`${isKnown} or ${byAddress.isWithin}`),
    user: findUserToMail(email),
  })
  if ((address?.count ?? 0) > byAddress.max) {
    return { outcome: 'too_many_requests', retry_after: window }
  }
  return { outcome: 'counted', user, isWithin: byMailbox.isWithin }
}
