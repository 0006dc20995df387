// The outbox: a room notes a mail in the batch that it sends anyway, so that the mail is there
// exactly if its cause is, and costs no round trip. mail_delivery.ts sends it behind the answer,
// and again until it is taken.
import type { Context } from '../context.ts'
import { randomId, seal } from '../crypto.ts'
import type { Condition, Statement } from '../db/sql.ts'
import { insertDelivery } from '../deliveries.ts'
import { emailKey } from '../email_address.ts'
import { type MailContent, partValues } from './mail_kinds.ts'
import { insertMail, insertMailToUser, mailExists } from './mail_store.ts'

/**
 * Recipient: a user, whose stored address (the primary one, or that of the row `login_id`) and
 * language are taken when the batch runs, or an address that has no account. Never an address that
 * somebody typed where there is an account.
 */
export type MailRecipient =
  | { user_id: string; login_id?: string }
  | { address: string; name: string | null }

export type NewMail = MailContent & {
  to: MailRecipient
  /** BCP 47; null: that of the user, else the language of the service. */
  locale: string | null
  /** When link or code runs out: after it the mail is not sent. Null where there is neither. */
  expires_at: number | null
  /** The hash by which the owner of link or code knows it, for `withdrawMails`. */
  secret_of: string | null
}

/** Name of the kind in `delivery`. */
export const MAIL_DELIVERY = 'mail'

/** The place of sealed values, which they are bound to. */
export const contextOfMail = (id: string): string => `mail.secrets:${id}`

/**
 * The statements that note a mail where the condition holds, which may rest on what the batch did
 * before them. `id` names the mail in the outbox. Throws UnsealError where nothing may be sealed.
 */
export async function noteMail(
  cx: Context,
  mail: NewMail,
  when: Condition,
): Promise<{ id: string; statements: readonly Statement[] }> {
  const id = randomId(cx, 'mail')
  const { details, secrets } = partValues(mail)
  const isSealed = Object.keys(secrets).length > 0
  const row = {
    id,
    kind: mail.kind,
    locale: mail.locale,
    details: JSON.stringify(details),
    secrets: isSealed ? await seal(cx, contextOfMail(id), JSON.stringify(secrets)) : null,
    secret_of: mail.secret_of,
    expires_at: mail.expires_at,
    state: 'waiting',
    attempts: 0,
    fault: null,
    created_at: cx.now(),
    settled_at: null,
  } as const
  const { to } = mail
  const user_id = 'user_id' in to ? to.user_id : null
  const address_key = 'address' in to ? emailKey(to.address) : null
  const insert =
    'user_id' in to
      ? insertMailToUser(row, to, when)
      : insertMail(
          {
            ...row,
            user_id,
            address: to.address,
            address_key: emailKey(to.address),
            name: to.name,
          },
          when,
        )
  const delivery = {
    recipient: user_id ?? address_key ?? '',
    about: id,
    payload: { mail_kind: mail.kind, user_id },
  }
  return {
    id,
    statements: [insert, insertDelivery(cx, { name: MAIL_DELIVERY }, delivery, mailExists(id))],
  }
}
