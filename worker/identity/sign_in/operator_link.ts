// A link that an operator makes and with which a person signs in: handed over, or mailed to the
// person. Nobody asked for it in a browser, so it is good in each, once, and also where people may
// not ask for links themselves. Its holder becomes that person, as with a link to a new password:
// so the same power is needed, when it is made and when it is used.
import { demandPower, lackingOver, nameLacks } from '../../access/power.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { condition } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { sendMails } from '../mail/mails.ts'
import { newOperatorLink, orNoAddress } from '../mail/operator_links.ts'
import { LINK_TTL, type passwordLinkSchema, storedActor } from '../recovery.ts'
import {
  deleteOpenLinksOfOperators,
  insertOperatorLink,
  noteMakerEpoch,
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
  const link = { user_id, kind: 'sign_in_link', path: LINK_PATH, ttl: LINK_TTL, send } as const
  const made = await newOperatorLink(cx, link)
  const { hash, expires_at, isStored } = made
  const {
    user: [user],
  } = await nameLacks(cx, lacking, () =>
    orNoAddress(
      cx.db.write({
        address: made.address,
        power: demandPower(lacking),
        link: insertOperatorLink(
          {
            hash,
            user_id,
            purpose: 'sign_in',
            created_at: cx.now(),
            expires_at,
            made_by: storedActor(cx.actor),
          },
          { isMailed: send },
        ),
        maker: noteMakerEpoch(hash),
        older_mails: withdrawMails(
          cx,
          condition`${isStored} and secret_of in (select hash from account_link
            where user_id = ${user_id} and purpose = 'sign_in' and used_by is null
              and made_by is not null and hash <> ${hash})`,
        ),
        older: deleteOpenLinksOfOperators(user_id, 'sign_in', hash),
        event: appendEvent(
          cx,
          { type: 'user.sign_in_link_made', subject_id: user_id, data: made.data },
          isStored,
        ),
        mail: made.mail,
        user: findUserById(user_id),
      }),
    ),
  )
  if (user === undefined) throw noSuchUser()
  if (!isUsable(user)) {
    throw new Problem(
      'conflict',
      'the user is disabled, so no link signs in; enable the user first',
    )
  }
  if (send) sendMails(cx)
  return made.answer
}
