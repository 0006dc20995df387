// Addresses of people: proving one, changing it, and undoing the change. A new address counts once
// a link that was mailed to it is confirmed; the old one then gets a link that undoes the change
// for seven days, since whoever took an account over changes the address first. Nothing shows
// whether another account has the address: the form answers alike, and the link says it.
// Owns no table: links are `account_link` (../recovery_store.ts). Leaves the pages to
// address_routes.ts, and passwords to ../recovery.ts.
import { limit } from '../../attempts.ts'
import { as, type Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { type Condition, condition, join, type Statement } from '../../db/sql.ts'
import { emailKey } from '../../email_address.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { noteMail } from '../../mail/outbox.ts'
import { loadSettings } from '../../settings.ts'
import { dropFactorsSince } from '../factors/factor_store.ts'
import { dropNamesSince, repeatPrimaryAddress } from '../login_ids/login_id_store.ts'
import { furtherAddress, isAddressTaken, primaryAddress } from '../login_ids/login_ids.ts'
import { dropAllSetBefore } from '../login_ids/set_before.ts'
import { sendMails } from '../mail/mails.ts'
import { noteLinkedPassword } from '../mail_codes/mail_code_store.ts'
import { judgeNewPassword, type PasswordFault } from '../new_passwords/new_password.ts'
import { hashPassword } from '../passwords.ts'
import type { EndAccess } from '../recovery.ts'
import {
  type AccountLinkRow,
  type AddressPurpose,
  accountLinkExists,
  accountLinkIsMine,
  consumeAccountLink,
  dropLaterUndoLinks,
  dropOpenLinks,
  findAddressLink,
  insertAccountLink,
} from '../recovery_store.ts'
import { endSessionsOf, findSession, type LiveSession, type SessionsEnded } from '../sessions.ts'
import { replacePassword, sessionExists, touchUser } from '../store.ts'

export const ADDRESS_PATH = '/account/email'
export const CONFIRM_PATH = '/account/email/confirm'
export const UNDO_PATH = '/account/email/undo'

/** Seconds for which a new address waits to be confirmed. */
const CONFIRM_TTL = 86_400
/** Seconds for which a change can be undone. */
const UNDO_TTL = 7 * 86_400
/** Mails that one person may send to new addresses in a window. */
const MAILS_MAX = 5

/** `false`: too many were asked for. One write. */
export async function askForAddress(
  cx: Context,
  session: LiveSession,
  input: { email: string; locale: string; isFurther?: boolean },
): Promise<boolean> {
  const { user_id } = session
  const settings = await loadSettings(cx)
  const acting = as(cx, { kind: 'user', id: user_id })
  const { take, isWithin, max } = limit(
    cx,
    { purpose: 'new address', value: user_id },
    { max: MAILS_MAX, window: settings.login_attempts_window },
  )
  const token = randomToken(cx)
  const hash = sha256(token)
  const expires_at = cx.now() + CONFIRM_TTL
  const mail = await noteMail(
    cx,
    {
      kind: 'verify_address',
      values: { link: `${cx.config.issuer}${CONFIRM_PATH}?token=${token}`, valid_for: CONFIRM_TTL },
      to: { address: input.email, name: null },
      locale: session.user_locale ?? input.locale,
      expires_at,
      secret_of: hash,
    },
    accountLinkExists(hash),
  )
  const { count } = await cx.db.write({
    count: take,
    link: insertAccountLink(
      {
        hash,
        user_id,
        purpose: input.isFurther === true ? 'further_address' : 'new_address',
        created_at: cx.now(),
        expires_at,
        used_by: null,
        used_at: null,
        made_by: null,
        address_key: null,
        address: input.email,
        browser: null,
        journey: null,
      },
      join([isWithin, sessionExists(session.id_hash)], ' and '),
    ),
    mail: mail.statements,
    event: appendEvent(
      acting,
      { type: 'user.address_asked', subject_id: user_id, data: { mail_id: mail.id } },
      accountLinkExists(hash),
    ),
  })
  sendMails(cx)
  return (count[0]?.count ?? Infinity) <= max
}

type AddressLink = AccountLinkRow & {
  /** The primary address of the account now. */
  email: string
  email_verified: number
  address: string
  /** 0 or 1: a second factor is older than the link. */
  has_factor: number
}

/** A link that can be used; null for any other. One round trip. */
export async function findOpenLink(
  cx: Context,
  token: string,
  purpose: AddressPurpose,
): Promise<AddressLink | null> {
  const [link] = await cx.db.read(findAddressLink(sha256(token), purpose))
  return openLink(cx, link)
}

function openLink(
  cx: Context,
  link: (Omit<AddressLink, 'address'> & AccountLinkRow) | undefined,
): AddressLink | null {
  if (link === undefined || link.used_by !== null || link.expires_at <= cx.now()) return null
  return link.address === null ? null : { ...link, address: link.address }
}

/** Whether the link adds its address to the one that the account has. */
export const isAdded = ({ purpose, email, address }: AddressLink): boolean =>
  purpose === 'further_address' && email !== '' && emailKey(address) !== emailKey(email)

export type AddressOutcome =
  | { outcome: 'done'; email: string; is_further: boolean }
  | { outcome: 'dead' }
  /** Another account has the address. */
  | { outcome: 'taken' }

/**
 * Gives the account its new address, and tells the old one. An account that had proven none may
 * have been made in the name of the person who opens the mail: unless the browser is signed in to
 * it, all that was set before goes. Round trips: 2, and those of `onSessionsEnded`.
 */
export async function confirmAddress(
  cx: Context,
  { token, cookie }: { token: string; cookie: string | undefined },
  { endAccess, onSessionsEnded }: { endAccess: EndAccess; onSessionsEnded: SessionsEnded },
): Promise<AddressOutcome> {
  const {
    link: [found],
    session: [session],
  } = await cx.db.read({
    link: findAddressLink(sha256(token), 'confirm'),
    session: cookie === undefined ? null : findSession(cx, cookie),
  })
  const link = openLink(cx, found)
  if (link === null) return { outcome: 'dead' }
  const { hash, user_id, address: email } = link
  const acting = as(cx, { kind: 'user', id: user_id })
  const mine = accountLinkIsMine(cx, hash)
  const isOther = link.email !== '' && emailKey(email) !== emailKey(link.email)
  const isFurther = isAdded(link)
  const isFirstProof = link.email_verified !== 1 && session?.user_id !== user_id
  const how = isFurther ? 'added' : 'changed'
  const undo = await undoLink(cx, link, condition`${mine} and ${isOther}`, how)
  const write = cx.db.write({
    // The address that the link was made for is still the one of the account.
    used: consumeAccountLink(cx, link, isStill(link)),
    // Before the address changes: the mail goes to the old one.
    undo,
    before: isFirstProof ? dropAllSetBefore(acting, user_id, endAccess, mine) : [],
    user: isFurther
      ? furtherAddress(acting, { user_id, email }, mine)
      : [
          ...newPrimary(cx, { id: user_id, email }, mine),
          appendEvent(
            acting,
            {
              type: 'user.updated',
              subject_id: user_id,
              data: { fields: ['email', 'email_verified'] },
              before: { email: link.email },
              after: { email, email_verified: true },
            },
            mine,
          ),
        ],
  })
  const done = await settle(cx, write, { email, is_further: isFurther })
  if (done.outcome === 'done' && isFirstProof) await onSessionsEnded(acting, user_id)
  return done
}

/** Gives the user this address as the primary one, which is proven, where the condition holds. */
const newPrimary = (
  cx: Context,
  { id, email }: { id: string; email: string },
  when: Condition,
): readonly Statement[] => {
  const user = { id, email, email_verified: 1 }
  return [
    ...primaryAddress(cx, user, when),
    repeatPrimaryAddress(user, when),
    touchUser(id, cx.now(), when),
  ]
}

/**
 * A condition: the account has the address that it had when this was looked at, and may be used.
 */
const isStill = ({ user_id, email }: AddressLink): Condition =>
  condition`exists (select 1 from user where id = ${user_id} and status = 'active'
    and email = ${email})`

/** The link that puts the present address back, mailed to it. */
export async function undoLink(
  cx: Context,
  { user_id, email, address: new_address }: Pick<AddressLink, 'user_id' | 'email' | 'address'>,
  when: Condition,
  how: 'changed' | 'added' | 'primary',
) {
  const token = randomToken(cx)
  const hash = sha256(token)
  const expires_at = cx.now() + UNDO_TTL
  const isNew = accountLinkExists(hash)
  const values = {
    link: `${cx.config.issuer}${UNDO_PATH}?token=${token}`,
    valid_for: UNDO_TTL,
  }
  return [
    insertAccountLink(
      {
        hash,
        user_id,
        purpose: 'undo_address',
        created_at: cx.now(),
        expires_at,
        used_by: null,
        used_at: null,
        made_by: null,
        address_key: null,
        address: email,
        browser: null,
        journey: null,
      },
      condition`${when} and exists (select 1 from user
        where id = ${user_id} and email = ${email})`,
    ),
    ...(
      await noteMail(
        cx,
        {
          ...(how === 'changed'
            ? { kind: 'address_changed', values: { ...values, new_address } }
            : { kind: 'addresses_changed', values: { ...values, how, new_address } }),
          to: { user_id },
          locale: null,
          expires_at,
          secret_of: hash,
        },
        isNew,
      )
    ).statements,
  ]
}

async function settle(
  cx: Context,
  write: Promise<{ used: readonly unknown[] }>,
  done: { email: string; is_further: boolean },
): Promise<AddressOutcome> {
  try {
    const { used } = await write
    if (used.length === 0) return { outcome: 'dead' }
  } catch (error) {
    // The batch is undone as a whole, so the link can still be used.
    if (isAddressTaken(error)) return { outcome: 'taken' }
    throw error
  }
  sendMails(cx)
  return { outcome: 'done', ...done }
}

export type UndoOutcome =
  | AddressOutcome
  | { outcome: 'refused'; fault: PasswordFault; email: string; has_factor: boolean }

/**
 * Puts the address back that the link carries, and sets a new password. All that whoever changed it
 * may have made since ends: sessions, access of applications, factors, links. Round trips: 2, and
 * those of `onSessionsEnded`.
 */
export async function undoAddress(
  cx: Context,
  { token, password }: { token: string; password: string },
  { endAccess, onSessionsEnded }: { endAccess: EndAccess; onSessionsEnded: SessionsEnded },
): Promise<UndoOutcome> {
  const link = await findOpenLink(cx, token, 'undo_address')
  if (link === null) return { outcome: 'dead' }
  const { hash, user_id, address: email } = link
  // Factors of since then go.
  const has_factor = link.has_factor === 1
  const fault = await judgeNewPassword(cx, password, { email, has_factor })
  if (fault !== null) return { outcome: 'refused', fault, email, has_factor }
  const acting = as(cx, { kind: 'user', id: user_id })
  const mine = accountLinkIsMine(cx, hash)
  const write = cx.db.write({
    used: consumeAccountLink(cx, link),
    user: newPrimary(cx, { id: user_id, email }, mine),
    names: dropNamesSince(user_id, link.created_at, mine),
    password: replacePassword(user_id, await hashPassword(cx, password), mine),
    linked: noteLinkedPassword(cx, user_id, mine),
    factors: dropFactorsSince(user_id, link.created_at, mine),
    access: endAccess(acting, user_id, mine),
    sessions: endSessionsOf(user_id, mine),
    links: [dropOpenLinks(user_id, mine), dropLaterUndoLinks(link, mine)],
    mails: withdrawMails(cx, condition`(user_id = ${user_id} or secret_of = ${hash}) and ${mine}`),
    event: appendEvent(
      acting,
      {
        type: 'user.address_restored',
        subject_id: user_id,
        before: { email: link.email },
        after: { email },
      },
      mine,
    ),
  })
  const done = await settle(cx, write, { email, is_further: false })
  if (done.outcome === 'done') await onSessionsEnded(acting, user_id)
  return done
}
