// Sign-up: a person types an address, gets a link there, and chooses name and password behind it.
// The account is made with the proven address, so nobody holds the address of another. Nothing
// shows whether there is an account already: its mailbox alone is told.
// Owns the table `sign_up` (sign_up_store.ts). Leaves the pages to sign_up_routes.ts, the
// texts on its form to consents/, and what an account may do to access/.
import type { Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import type { Condition } from '../../db/sql.ts'
import { noteMail } from '../../mail/outbox.ts'
import { loadSettings } from '../../settings.ts'
import type { OfferedRow } from '../consents/decisions.ts'
import { acceptances, acceptedOnForm, listTextsOfSignUp } from '../consents/sign_up_texts.ts'
import type { KnownBrowsers } from '../known_browsers/known_browsers.ts'
import { isAddressTaken } from '../login_ids/login_ids.ts'
import { countMailRequest } from '../mail/mail_requests.ts'
import { sendMails } from '../mail/mails.ts'
import type { PasswordFault } from '../new_passwords/new_password.ts'
import { readKeptJourney } from '../return_to.ts'
import type { SessionCookies } from '../sessions.ts'
import { isUsable, userCreation } from '../users.ts'
import { type NewAccountInput, newAccount } from './new_account.ts'
import {
  consumeSignUp,
  findSignUp,
  insertSignUp,
  type SignUpRow,
  signUpExists,
  signUpIsMine,
} from './sign_up_store.ts'

export const SIGN_UP_PATH = '/sign-up'
export const SIGN_UP_CONFIRM_PATH = '/sign-up/confirm'

/** Lifetime of a link, in seconds. */
const LINK_TTL = 86_400

export const isSignUpOpen = async (cx: Context): Promise<boolean> =>
  (await loadSettings(cx)).sign_up === 'open'

export type SignUpRequest =
  | { outcome: 'taken' }
  | { outcome: 'too_many_requests'; retry_after: number }

/**
 * Takes a request for an account. `journey` are the fields that lead back to where the person comes
 * from. Database round trips: 2, one for a blocked address.
 */
export async function requestSignUp(
  cx: Context,
  input: {
    email: string
    locale: string
    browsers: KnownBrowsers
    journey: Readonly<Record<string, string>>
  },
): Promise<SignUpRequest> {
  const counted = await countMailRequest(cx, 'sign-up', input)
  if (counted.outcome !== 'counted') return counted
  const { user, isWithin } = counted
  await cx.db.write(
    // An account that has not proven the address keeps its owner from nothing.
    user === undefined || user.login_verified_at === null
      ? await linkTo(cx, input, isWithin)
      : // Of a disabled account nothing is mailed, and the work is the same.
        (
          await noteMail(
            cx,
            {
              kind: 'account_exists',
              values: { link: `${cx.config.issuer}/login` },
              to: { user_id: isUsable(user) ? user.id : '' },
              locale: user.locale ?? input.locale,
              expires_at: null,
              secret_of: null,
            },
            isWithin,
          )
        ).statements,
  )
  sendMails(cx)
  return { outcome: 'taken' }
}

async function linkTo(
  cx: Context,
  {
    email,
    locale,
    journey,
  }: { email: string; locale: string; journey: Readonly<Record<string, string>> },
  isWithin: Condition,
) {
  const token = randomToken(cx)
  const hash = sha256(token)
  const expires_at = cx.now() + LINK_TTL
  const row = {
    hash,
    email,
    journey: JSON.stringify(journey),
    created_at: cx.now(),
    expires_at,
    used_by: null,
  }
  const { statements } = await noteMail(
    cx,
    {
      kind: 'sign_up',
      values: {
        link: `${cx.config.issuer}${SIGN_UP_CONFIRM_PATH}?token=${token}`,
        valid_for: LINK_TTL,
      },
      to: { address: email, name: null },
      locale,
      expires_at,
      secret_of: hash,
    },
    signUpExists(hash),
  )
  return [insertSignUp(row, isWithin), ...statements]
}

/** A sign-up of a link, with the texts that its form asks about. */
export type OpenSignUp = { row: SignUpRow; texts: readonly OfferedRow[] }

/** Undefined when the link is dead. One round trip. */
export async function openSignUp(cx: Context, token: string): Promise<OpenSignUp | undefined> {
  const {
    row: [row],
    texts,
  } = await cx.db.read({ row: findSignUp(cx, sha256(token)), texts: listTextsOfSignUp(cx) })
  return row === undefined ? undefined : { row, texts }
}

export type SignUpOutcome =
  | { outcome: 'done'; cookies: SessionCookies; journey: Readonly<Record<string, string>> }
  | { outcome: 'dead' }
  /** The address got an account in another way meanwhile. */
  | { outcome: 'exists' }
  | { outcome: 'refused'; open: OpenSignUp; fault: PasswordFault | 'unaccepted' }

/**
 * Makes the account of a link and signs the person in. One batch: of any number of parallel forms
 * one makes an account. `fields`: those of the form, with its boxes. Round trips: 2.
 */
export async function signUp(
  cx: Context,
  input: NewAccountInput & { token: string; fields: (name: string) => string | undefined },
): Promise<SignUpOutcome> {
  // Stands before the hash: a caller without a link causes no work.
  const open = await openSignUp(cx, input.token)
  if (open === undefined) return { outcome: 'dead' }
  const { hash, email, journey: kept } = open.row
  const accepted = acceptedOnForm(cx, hash, open.texts, input.fields)
  if (accepted === null) return { outcome: 'refused', open, fault: 'unaccepted' }
  const account = await newAccount(cx, email, input)
  if (account.fault !== null) return { outcome: 'refused', open, fault: account.fault }
  const { row, acting, session } = account
  const journey = JSON.parse(kept)
  const { sender } = readKeptJourney(cx, journey)
  const isMine = signUpIsMine(cx, hash)
  try {
    const { started } = await cx.db.write({
      used: consumeSignUp(cx, hash),
      user: userCreation(acting, row, isMine),
      texts: acceptances(cx, row.id, accepted, sender, isMine),
      session: session.statements,
      started: session.started,
    })
    if (started.length === 0) return { outcome: 'dead' }
    const cookies = session.cookiesOf(started)
    return { outcome: 'done', cookies, journey }
  } catch (error) {
    if (isAddressTaken(error)) {
      return { outcome: 'exists' }
    }
    throw error
  }
}
