// A link that an operator makes for a person: handed over, or mailed. The table of links is
// recovery_store.ts's; which link it is, and what its use does, is said by who asks for one.
import type { Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { Problem } from '../../errors.ts'
import { noteMail } from '../../mail/outbox.ts'
import { demandAddress } from '../login_ids/login_id_store.ts'
import { isAddressLacking } from '../login_ids/login_ids.ts'
import { accountLinkExists } from '../recovery_store.ts'

/** A link that is not stored yet, and its mail where it is `send`. `ttl` in seconds. */
export async function newOperatorLink(
  cx: Context,
  {
    user_id,
    kind,
    path,
    ttl,
    send,
  }: {
    user_id: string
    kind: 'recovery' | 'sign_in_link'
    path: string
    ttl: number
    send: boolean
  },
) {
  const token = randomToken(cx)
  const hash = sha256(token)
  const expires_at = cx.now() + ttl
  const url = `${cx.config.issuer}${path}?token=${token}`
  const isStored = accountLinkExists(hash)
  const mail = send
    ? await noteMail(
        cx,
        {
          kind,
          values: { link: url, valid_for: ttl },
          to: { user_id },
          locale: null,
          expires_at,
          secret_of: hash,
        },
        isStored,
      )
    : null
  const mail_id = mail?.id ?? null
  return {
    hash,
    expires_at,
    isStored,
    /** Goes before the others: a mail needs an address. */
    address: send ? demandAddress(user_id) : null,
    mail: mail?.statements ?? null,
    /** Members of the event. */
    data: { expires_at, ...(mail_id === null ? {} : { mail_id }) },
    answer: { url: send ? null : url, mail_id, expires_at },
  }
}

/** Throws Problem conflict where the person has no address to which the link could go. */
export const orNoAddress = <T>(write: Promise<T>): Promise<T> =>
  write.catch((error: unknown) => {
    if (!isAddressLacking(error)) throw error
    throw new Problem('conflict', 'the user has no e-mail address')
  })
