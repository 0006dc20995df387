// A link that an operator makes and with which a person signs in: handed over, or mailed to the
// person. Nobody asked for it in a browser, so it is good in each, once, and also where people may
// not ask for links themselves. Its holder becomes that person, as with a link to a new password:
// so the same power is needed, when it is made and when it is used.
import { demandPower, lackingOver, nameLacks } from '../../access/power.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { condition } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { noteMail } from '../../mail/outbox.ts'
import { demandAddress } from '../login_ids/login_id_store.ts'
import { isAddressLacking } from '../login_ids/login_ids.ts'
import { sendMails } from '../mail/mails.ts'
import { LINK_TTL, type passwordLinkSchema, storedActor } from '../recovery.ts'
import {
  accountLinkExists,
  deleteOpenLinksOfOperators,
  insertOperatorLink,
} from '../recovery_store.ts'
import { findUserById } from '../store.ts'
import { isUsable, noSuchUser } from '../users.ts'
import { LINK_PATH } from './sign_in_link.ts'

export const signInLinkInput = z
  .strictObject({
    send: z
      .boolean()
      .default(false)
      .describe('whether the link is mailed to the person, and not answered'),
  })
  .openapi('SignInLinkInput')

/**
 * Makes a link and answers its URL, this once; links that operators made before are dead. Throws
 * Problem not_found, forbidden, conflict. Round trips: 1 write.
 */
export async function createSignInLink(
  cx: Context,
  user_id: string,
  { send }: { send: boolean },
): Promise<z.infer<typeof passwordLinkSchema>> {
  const lacking = lackingOver(cx, user_id)
  const token = randomToken(cx)
  const hash = sha256(token)
  const created_at = cx.now()
  const expires_at = created_at + LINK_TTL
  const url = `${cx.config.issuer}${LINK_PATH}?token=${token}`
  const isStored = accountLinkExists(hash)
  const mail = send
    ? await noteMail(
        cx,
        {
          kind: 'sign_in_link',
          values: { link: url, valid_for: LINK_TTL },
          to: { user_id },
          locale: null,
          expires_at,
          secret_of: hash,
        },
        isStored,
      )
    : null
  const mail_id = mail?.id ?? null
  const {
    user: [user],
  } = await nameLacks(cx, lacking, () => {
    const write = cx.db.write({
      address: send ? demandAddress(user_id) : null,
      power: demandPower(lacking),
      link: insertOperatorLink(
        {
          hash,
          user_id,
          purpose: 'sign_in',
          created_at,
          expires_at,
          made_by: storedActor(cx.actor),
        },
        { isMailed: send },
      ),
      older_mails: withdrawMails(
        cx,
        condition`${isStored} and secret_of in (select hash from account_link
          where user_id = ${user_id} and purpose = 'sign_in' and used_by is null
            and made_by is not null and hash <> ${hash})`,
      ),
      older: deleteOpenLinksOfOperators(user_id, 'sign_in', hash),
      event: appendEvent(
        cx,
        {
          type: 'user.sign_in_link_made',
          subject_id: user_id,
          data: { expires_at, ...(mail_id === null ? {} : { mail_id }) },
        },
        isStored,
      ),
      mail: mail?.statements ?? null,
      user: findUserById(user_id),
    })
    return write.catch((error: unknown) => {
      if (!isAddressLacking(error)) throw error
      throw new Problem('conflict', 'the user has no e-mail address')
    })
  })
  if (user === undefined) throw noSuchUser()
  if (!isUsable(user)) {
    throw new Problem(
      'conflict',
      'the user is disabled, so no link signs in; enable the user first',
    )
  }
  if (send) sendMails(cx)
  return { url: send ? null : url, mail_id, expires_at }
}
