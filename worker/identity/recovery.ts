// A person's way back into an account: a one-time link behind which a new password is set. The
// person asks for it (recovery_request.ts), or an operator makes it (POST /v1/users/{id}/reset,
// `allauth user reset`) and passes it on, or has it mailed and never sees it. It is hashed in the
// table, lives an hour and is used up by the new password alone: opening it changes nothing. Second
// factors stay as they are.
import {
  demandPower,
  lackingOver,
  lackingToHandOn,
  lackingWithin,
  nameLacks,
  nothingLacks,
} from '../access/power.ts'
import { z } from '../api.ts'
import { type Actor, ANONYMOUS, as, type Context } from '../context.ts'
import { sha256 } from '../crypto.ts'
import { type Condition, condition, join, type Statement, TRUE } from '../db/sql.ts'
import { appendEvent } from '../events.ts'
import { withdrawMails } from '../mail/mail_store.ts'
import { dropFactors } from './factors/factor_store.ts'
import { addressProof, isAddressTaken } from './login_ids/login_ids.ts'
import { sendMails } from './mail/mails.ts'
import { newOperatorLink, orNoAddress } from './mail/operator_links.ts'
import { noteLinkedPassword } from './mail_codes/mail_code_store.ts'
import { offererHolds } from './mailed_offers/offerer.ts'
import { judgeNewPassword, type PasswordFault } from './new_passwords/new_password.ts'
import { hashPassword } from './passwords.ts'
import { mayBeRenewed } from './place_accounts/place_account_store.ts'
import {
  type AccountLinkRow,
  accountLinkIsMine,
  consumeAccountLink,
  deleteOpenLinks,
  dropAllLinks,
  dropOpenLinks,
  findPasswordLink,
  insertAccountLink,
  type LinkToPassword,
  noteMakerEpoch,
} from './recovery_store.ts'
import { type EndAccess, endSessionsOf, type SessionsEnded } from './sessions.ts'
import { replacePassword } from './store.ts'
import { noSuchUser } from './users.ts'

export type { EndAccess }

/** Lifetime of a link, in seconds. */
export const LINK_TTL = 3600

export const PASSWORD_RESET_PATH = '/recover/password'

export const passwordLinkInput = z
  .strictObject({
    send: z
      .boolean()
      .default(false)
      .describe('whether the link is mailed to the person, and not answered'),
  })
  .openapi('PasswordLinkInput')

export const passwordLinkSchema = z
  .object({
    url: z
      .string()
      .nullable()
      .describe('hand it to the person on a way that nobody else reads; null where it was mailed'),
    mail_id: z.string().nullable().describe('the mail in the outbox; null where none was noted'),
    expires_at: z.int(),
  })
  .openapi('PasswordLink')

/**
 * Makes a link for a user and answers its URL, this once; links from before are dead. The holder
 * becomes that user, so an actor cannot make one for a user that holds more, and neither have one
 * mailed. Throws Problem not_found, forbidden. Round trips: 1 write.
 */
export async function createPasswordLink(
  cx: Context,
  user_id: string,
  { send }: { send: boolean } = { send: false },
): Promise<z.infer<typeof passwordLinkSchema>> {
  const lacking = lackingOver(cx, user_id)
  const purpose = 'password_reset'
  const link = {
    user_id,
    kind: 'recovery',
    path: PASSWORD_RESET_PATH,
    ttl: LINK_TTL,
    send,
  } as const
  const made = await newOperatorLink(cx, link)
  const { hash, expires_at, isStored } = made
  const { found } = await nameLacks(cx, lacking, () =>
    orNoAddress(
      cx.db.write({
        address: made.address,
        power: demandPower(lacking),
        link: insertAccountLink({
          hash,
          user_id,
          purpose,
          created_at: cx.now(),
          expires_at,
          used_by: null,
          used_at: null,
          made_by: storedActor(cx.actor),
          address_key: null,
          address: null,
          browser: null,
          journey: null,
        }),
        maker: noteMakerEpoch(hash),
        older: deleteOpenLinks(user_id, purpose, hash),
        event: appendEvent(
          cx,
          { type: 'user.reset_started', subject_id: user_id, data: made.data },
          isStored,
        ),
        // Their links are dead from now on.
        older_mails: withdrawMails(
          cx,
          condition`user_id = ${user_id} and kind = 'recovery' and secret_of <> ${hash}
            and ${isStored}`,
        ),
        mail: made.mail,
        found: findPasswordLink(cx, hash),
      }),
    ),
  )
  if (found.length === 0) throw noSuchUser()
  if (send) sendMails(cx)
  return made.answer
}

/** The part of a link's maker that is read here; `place`: the owner of that place made it. */
type StoredMaker = { id: string | null; epoch?: number; place?: string }

/** The actor as a link keeps it. */
export const storedActor = ({ kind, id, scopes, acting }: Actor): string =>
  JSON.stringify({ kind, id, scopes: [...scopes], acting })

/**
 * A condition: the maker of a link stands as then, and still holds the scope and what its person
 * does. The person may have got more in the hour since, and the maker may have kept the link.
 */
export function isStillHeld(cx: Context, { made_by, user_id, purpose }: AccountLinkRow): Condition {
  // The person asked for it, and whoever opens the mail is that person.
  if (purpose === 'password_recovery') return TRUE
  if (purpose === 'sign_in' && made_by === null) return TRUE
  if (made_by === null)
    return join(lackingOver(as(cx, ANONYMOUS), user_id).map(nothingLacks), ' and ')
  const { id, epoch = 0, place } = JSON.parse(made_by) as StoredMaker
  const maker = { invited_by: id, inviter: made_by, inviter_epoch: epoch }
  const holds = offererHolds(cx, maker, (then) => [
    ...lackingOver(then, user_id),
    ...(place === undefined
      ? [lackingToHandOn(then, ['users:write'], cx.now())]
      : lackingWithin(then, 'users:write', place, cx.now())),
  ])
  // An owner made it: the account is the place's still.
  return place === undefined
    ? holds
    : join([holds, mayBeRenewed(place, user_id, cx.now())], ' and ')
}

export type LinkState = { state: 'good'; link: LinkToPassword } | { state: DeadState }

type DeadState = 'unknown' | 'used' | 'expired'

/** The state of a link to a new password. Reads only. One round trip. */
export async function passwordLinkState(cx: Context, token: string): Promise<LinkState> {
  const [link] = await cx.db.read(findPasswordLink(cx, sha256(token)))
  if (link === undefined) return { state: 'unknown' }
  // The account has another address by now than the one that the link was sent to.
  if (link.is_current !== 1) return { state: 'unknown' }
  if (link.used_by !== null) return { state: 'used' }
  if (link.expires_at <= cx.now()) return { state: 'expired' }
  // The page speaks the language of the mail.
  cx.parties.locale = link.user_locale
  return { state: 'good', link }
}

/**
 * A mailed link proves the address of the account. Where it was not proven before, the account may
 * have been made by somebody else in the name of its owner: factors and links from before go as
 * well, and so does the address at other accounts that have not proven it either.
 */
const addressProven = (cx: Context, link: LinkToPassword, when: Condition): readonly Statement[] =>
  !provesAddress(link)
    ? []
    : [
        ...dropFactors(link.user_id, when),
        dropAllLinks(link.user_id, when),
        ...addressProof(cx, { ...link, key: link.address_key ?? '' }, when),
      ]

const provesAddress = (link: LinkToPassword): boolean =>
  link.address_key !== null && link.verified_at === null

/** Whether the person has a second factor, or needs one, once the link is used. */
export const hasFactorAfter = (link: LinkToPassword): boolean =>
  link.has_factor === 1 && !provesAddress(link)

export type PasswordReset =
  | { outcome: 'done' }
  | { outcome: 'dead'; state: DeadState }
  | { outcome: 'refused'; fault: PasswordFault; email: string; has_factor: boolean }

/**
 * Sets the password of the link's person and uses the link up. All that was given before ends: the
 * sessions, and every token of every application, lasting ones too, since a thief may have taken
 * them; each application has to ask again. An account that is disabled stays so. One batch: of any
 * number of parallel uses one sets its password, and none once the person holds more than the maker
 * of the link. Round trips: 2, and those of `ended`.
 */
export async function resetPassword(
  cx: Context,
  { token, password }: { token: string; password: string },
  { endAccess, onSessionsEnded }: { endAccess: EndAccess; onSessionsEnded: SessionsEnded },
): Promise<PasswordReset> {
  // Stands before the hash: a caller without a link causes no work.
  const found = await passwordLinkState(cx, token)
  if (found.state !== 'good') return { outcome: 'dead', state: found.state }
  const { link } = found
  const { user_id, email } = link
  const has_factor = hasFactorAfter(link)
  const fault = await judgeNewPassword(cx, password, { email, has_factor })
  if (fault !== null) return { outcome: 'refused', fault, email, has_factor }
  const hash = sha256(token)
  const acting = as(cx, { kind: 'user', id: user_id })
  const mine = accountLinkIsMine(cx, hash)
  const write = cx.db.write({
    used: consumeAccountLink(cx, link, isStillHeld(cx, link)),
    password: replacePassword(user_id, await hashPassword(cx, password), mine),
    // Handed over or mailed: whoever has the mailbox may have set it.
    linked: noteLinkedPassword(cx, user_id, mine),
    proof: addressProven(cx, link, mine),
    access: endAccess(acting, user_id, mine),
    sessions: endSessionsOf(user_id, mine),
    links: dropOpenLinks(user_id, mine),
    mails: withdrawMails(cx, condition`user_id = ${user_id} and kind = 'recovery' and ${mine}`),
    event: appendEvent(acting, { type: 'user.password_reset', subject_id: user_id }, mine),
  })
  const { used } = await write.catch((error: unknown) => {
    // Another account came to have the address meanwhile.
    if (isAddressTaken(error)) return { used: [] }
    throw error
  })
  if (used.length === 0) {
    const { state } = await passwordLinkState(cx, token)
    return { outcome: 'dead', state: state === 'good' ? 'unknown' : state }
  }
  await onSessionsEnded(acting, user_id)
  return { outcome: 'done' }
}
