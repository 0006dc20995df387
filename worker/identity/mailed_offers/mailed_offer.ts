// Offers that a mailed link makes to an address: an invitation, or a place that gets a new owner.
// They are accepted with a new account, whose address the link has proven, or with the account that
// is signed in. A link is used once, by one batch, which is undone as a whole where the one who
// made the offer can no longer give it.
// Tables: none. Leaves to each kind (invitations/, transfers/) its rows, what it gives and what its
// page says.
import { addressForms, isAddress, userWithAddress } from '../../access/named_users.ts'
import { fits, lookAtRights } from '../../access/preview/wide_rights.ts'
import { as, type Context } from '../../context.ts'
import { unlessRefused } from '../../db/database.ts'
import {
  type Condition,
  condition,
  join,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../../db/sql.ts'
import type { OfferedRow } from '../consents/decisions.ts'
import { acceptances, acceptedOnForm, listTextsOfSignUp } from '../consents/sign_up_texts.ts'
import { ADDRESS_TAKEN } from '../login_ids/login_id_store.ts'
import { addressProof, isAddressTaken } from '../login_ids/login_ids.ts'
import type { PasswordFault } from '../new_passwords/new_password.ts'
import {
  meetsRequirements,
  type Requirement,
  requirementsOf,
  standingIn,
  standingOf,
} from '../requirements.ts'
import {
  findSession,
  isSessionLive,
  type LiveSession,
  noteSession,
  type SessionCookies,
} from '../sessions.ts'
import { type NewAccountInput, newAccount } from '../sign_up/new_account.ts'
import { userCreation } from '../users.ts'
import type { Offerer } from './offerer.ts'

/** Columns that the row of each kind has. */
export type OfferRow = Offerer & {
  hash: string
  address: string
  address_key: string
  locale: string | null
  inviter_name: string | null
}

export type OpenedOffer<Row extends OfferRow> = {
  row: Row
  /** There is an account with the address. */
  hasAccount: boolean
  session: LiveSession | null
  /** All that the person who is signed in lacks. */
  lacking: readonly Requirement[]
  /** The texts that the form of a new account asks about. */
  texts: readonly OfferedRow[]
  /** The account that accepts would get no token any more. */
  isTooWide: boolean
}

/** How a kind is used: its statements, of which all but the first stand behind the use. */
export type OfferUse<Done> = {
  /** At the head of the batch: the one who made the offer can still give all of it. */
  demands: readonly Statement[]
  consume(user_id: string, when: Condition): Statement<{ id: string }>
  /** This request used the link. */
  isMine: Condition
  effects(acting: Context, user_id: string): readonly Statement[]
  /** Answers what was done, for the page. */
  done: readonly Statement<Done>[]
}

export type OfferRefusal =
  | { outcome: 'dead' }
  /** The one who made it can no longer give it, or it is about something that is gone. */
  | { outcome: 'powerless' }

export type OfferAccepted<Done> = OfferRefusal | { outcome: 'done'; done: readonly Done[] }

/** `fields` are those of the form, for the texts. */
export type OfferSignUpInput = NewAccountInput & { fields: (name: string) => string | undefined }

export type OfferSignUp<Done> =
  | OfferRefusal
  | { outcome: 'done'; done: readonly Done[]; cookies: SessionCookies }
  /** The address got an account meanwhile. */
  | { outcome: 'exists' }
  | { outcome: 'refused'; fault: PasswordFault | 'unaccepted' }

/**
 * The offer of a link with the person who opens it; null for a dead one. `key` gives the key of its
 * address. One round trip.
 */
export async function openOffer<Row extends OfferRow>(
  cx: Context,
  found: Statement<Row>,
  key: Scalar,
  cookie: string | undefined,
  given: { grants: Scalar; groups: Scalar },
): Promise<OpenedOffer<Row> | null> {
  const session = findSession(cx, cookie)
  const account = sql<{
    id: string
  }>`select id from user where id = ${userWithAddress({ key, former: key })}`
  const accepting = scalar`coalesce((select user_id from (${session})), (${account}), '')`
  const read = await cx.db.read({
    row: found,
    session,
    account,
    width: lookAtRights(cx, accepting, { given: given.grants, joins: given.groups }),
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
    texts: listTextsOfSignUp(cx),
  })
  const [row] = read.row
  const [current] = read.session
  noteSession(cx, current)
  if (row === undefined) return null
  // The page speaks the language of the mail.
  if (current === undefined) cx.parties.locale = row.locale
  const { lacking, texts, width } = read
  return {
    row,
    hasAccount: read.account.length > 0,
    session: current ?? null,
    lacking,
    texts,
    isTooWide: !(await fits(cx, width)),
  }
}

/** Accepts with the account of the session. One write. */
export async function acceptOffer<Done>(
  cx: Context,
  { address: email, address_key: key }: OfferRow,
  session: LiveSession,
  use: OfferUse<Done>,
): Promise<OfferAccepted<Done>> {
  const { user_id } = session
  const acting = as(cx, { kind: 'user', id: user_id })
  const isOwn = condition`${use.isMine} and exists (select 1 from login_id
    where user_id = ${user_id} and ${isAddress(addressForms(email))})`
  const mayAccept = join(
    [isSessionLive(cx, session), meetsRequirements(cx, standingIn(session))],
    ' and ',
  )
  const write = cx.db.write({
    demands: use.demands,
    used: use.consume(user_id, mayAccept),
    address: addressProof(cx, { user_id, email, key }, isOwn),
    effects: use.effects(acting, user_id),
    done: use.done,
  })
  const written = await unlessRefused(write, (reason) => reason)
  // Another account has proven the address meanwhile: the link is nobody's any more.
  if (written === ADDRESS_TAKEN) return { outcome: 'dead' }
  if (typeof written === 'string') return { outcome: 'powerless' }
  return written.used.length === 0 ? { outcome: 'dead' } : { outcome: 'done', done: written.done }
}

/** Makes the account of the address, accepts with it and signs the person in. One write. */
export async function signUpWithOffer<Row extends OfferRow, Done>(
  cx: Context,
  { row: { hash, address: email }, texts }: OpenedOffer<Row>,
  input: OfferSignUpInput,
  use: OfferUse<Done>,
): Promise<OfferSignUp<Done>> {
  const accepted = acceptedOnForm(cx, hash, texts, input.fields)
  if (accepted === null) return { outcome: 'refused', fault: 'unaccepted' }
  const account = await newAccount(cx, email, input)
  if (account.fault !== null) return { outcome: 'refused', fault: account.fault }
  const { row, acting, session } = account
  try {
    const write = cx.db.write({
      demands: use.demands,
      used: use.consume(row.id, TRUE),
      user: userCreation(acting, row, use.isMine),
      texts: acceptances(cx, row.id, accepted, null, use.isMine),
      effects: use.effects(acting, row.id),
      session: session.statements,
      started: session.started,
      done: use.done,
    })
    const written = await unlessRefused(write, (reason) => reason)
    if (written === ADDRESS_TAKEN) return { outcome: 'exists' }
    if (typeof written === 'string') return { outcome: 'powerless' }
    if (written.started.length === 0) return { outcome: 'dead' }
    const { done, started } = written
    return { outcome: 'done', done, cookies: session.cookiesOf(started) }
  } catch (error) {
    if (isAddressTaken(error)) return { outcome: 'exists' }
    throw error
  }
}
