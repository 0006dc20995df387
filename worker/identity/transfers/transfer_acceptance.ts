// Accepting a place: with a new account, whose address the link has proven, or with the account of
// the person who is signed in. One batch ends the rights of everybody else in the place, notes in
// numbers what ended and gives the place to the person. It is undone as a whole where the one who
// offered can no longer give the place, or where the place cannot change hands as it is.
import { giveInvitedRights } from '../../access/invited_rights.ts'
import { addressForms, isAddress, userWithAddress } from '../../access/named_users.ts'
import { endRightsOf } from '../../access/places/place_store.ts'
import { nothingLacks } from '../../access/power.ts'
import { as, type Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { unlessRefused } from '../../db/database.ts'
import {
  type Condition,
  condition,
  join,
  refuseUnless,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import type { OfferedRow } from '../consents/decisions.ts'
import { acceptances, acceptedOnForm, listTextsOfSignUp } from '../consents/sign_up_texts.ts'
import { readInviter, stands } from '../invitations/acceptance.ts'
import { revokeInvitationsTo } from '../invitations/invitation_store.ts'
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
import {
  consumeTransfer,
  findEnded,
  findOpenTransfer,
  isOpenTransfer,
  markDone,
  noteEnded,
  type OpenTransfer,
  transferEnds,
  transferIsMine,
  withdrawTransfersOf,
} from './transfer_store.ts'
import {
  canChangeHands,
  lackingToOffer,
  type Numbers,
  numbersOf,
  ownersRights,
  type PlaceEnds,
} from './transfers.ts'

export type Offered = {
  transfer: OpenTransfer
  /** There is an account with the address. */
  hasAccount: boolean
  session: LiveSession | null
  /** All that the person who is signed in lacks. */
  lacking: readonly Requirement[]
  /** The texts that the form of a new account asks about. */
  texts: readonly OfferedRow[]
  /** What would end now. */
  numbers: Numbers
}

/** The new owner's choice on the page, beside the one of the offer. */
export type Choice = { end_credentials: boolean; end_tokens: boolean }

/** The transfer of a link with the person who opens it; null for a dead one. Two round trips. */
export async function openTransfer(
  cx: Context,
  token: string,
  cookie: string | undefined,
  ends: PlaceEnds,
): Promise<Offered | null> {
  const hash = sha256(token)
  const key = scalar`(select address_key from place_transfer where hash = ${hash})`
  const read = await cx.db.read({
    transfer: findOpenTransfer(cx, hash),
    session: findSession(cx, cookie),
    account: sql<{
      id: string
    }>`select id from user where id = ${userWithAddress({ key, former: key })}`,
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
    texts: listTextsOfSignUp(cx),
  })
  const [transfer] = read.transfer
  const [session] = read.session
  noteSession(cx, session)
  if (transfer === undefined) return null
  const [numbers] = await cx.db.read(numbersOf(cx, transfer.group_id, ends))
  if (numbers === undefined) return null
  // The page speaks the language of the mail.
  if (session === undefined) cx.parties.locale = transfer.locale
  return {
    transfer,
    hasAccount: read.account.length > 0,
    session: session ?? null,
    lacking: read.lacking,
    texts: read.texts,
    numbers,
  }
}

export type Acceptance =
  | { outcome: 'dead' }
  /** The one who offered can no longer give it, or the place cannot change hands as it is. */
  | { outcome: 'powerless' }

/** The statements at the head of the batch, as those of an invitation. */
function demands(cx: Context, row: OpenTransfer): readonly Statement[] {
  const open = isOpenTransfer(cx, row.hash)
  const inviter = readInviter(row)
  const then = { ...cx, actor: inviter }
  const holds = join(
    [
      ...[inviter.id, ...(inviter.acting ?? [])].map((id) => stands(inviter, id, row)),
      ...lackingToOffer(then, row).map(nothingLacks),
    ],
    ' and ',
  )
  return [
    refuseUnless(condition`not ${open} or (${holds})`, 'inviter_powerless'),
    refuseUnless(condition`not ${open} or (${canChangeHands(row)})`, 'place_state'),
  ]
}

/** The statements after the use of the link, for the account that accepts. */
function effects(
  cx: Context,
  row: OpenTransfer,
  user_id: string,
  choice: Choice,
  ends: PlaceEnds,
): readonly Statement[] {
  const { hash, group_id, id } = row
  const mine = transferIsMine(cx, hash)
  const first = transferEnds(cx, hash)
  const chosen = {
    end_credentials: choice.end_credentials || row.end_credentials === 1,
    end_tokens: choice.end_tokens || row.end_tokens === 1,
  }
  const ended = scalar`(select json_object('people', people, 'grants', grants,
      'memberships', memberships, 'invitations', invitations, 'authorizations', authorizations,
      'credentials', iif(${chosen.end_credentials}, credentials, 0),
      'tokens', iif(${chosen.end_tokens}, tokens, 0))
    from (${numbersOf(cx, group_id, ends)}))`
  // Events of this second are of the former owner: the new one sees those of the next.
  const next = { ...cx, now: () => cx.now() + 1 }
  return [
    noteEnded(cx, hash, ended),
    ...ends.end(cx, group_id, chosen, first),
    revokeInvitationsTo(cx, group_id, first),
    withdrawTransfersOf(cx, group_id, first),
    ...endRightsOf(cx, row, first),
    markDone(cx, hash),
    ...giveInvitedRights(next, user_id, ownersRights(row), mine),
    withdrawMails(cx, condition`secret_of = ${hash} and ${mine}`),
    appendEvent(
      next,
      {
        type: 'place.transferred',
        subject_id: group_id,
        data: { transfer: id, owner: user_id, offered_by: row.invited_by },
      },
      mine,
    ),
  ]
}

const readEnded = (rows: readonly { ended: string }[]): Numbers | null => {
  const [row] = rows
  return row === undefined ? null : JSON.parse(row.ended)
}

/** Accepts with the account of the session. One write. */
export async function acceptTransfer(
  cx: Context,
  { transfer }: Offered,
  session: LiveSession,
  choice: Choice,
  ends: PlaceEnds,
): Promise<Acceptance | { outcome: 'done'; ended: Numbers }> {
  const { user_id } = session
  const { hash, address: email, address_key: key } = transfer
  const acting = as(cx, { kind: 'user', id: user_id })
  const mine = transferIsMine(cx, hash)
  const isOwn = condition`${mine} and exists (select 1 from login_id
    where user_id = ${user_id} and ${isAddress(addressForms(email))})`
  const write = cx.db.write({
    demands: demands(cx, transfer),
    used: consumeTransfer(cx, hash, user_id, mayAccept(cx, session)),
    address: addressProof(cx, { user_id, email, key }, isOwn),
    effects: effects(acting, transfer, user_id, choice, ends),
    ended: findEnded(cx, hash),
  })
  const written = await unlessRefused(write, (reason) => reason)
  // Another account has proven the address meanwhile: the link is nobody's any more.
  if (written === ADDRESS_TAKEN) return { outcome: 'dead' }
  if (typeof written === 'string') return { outcome: 'powerless' }
  const ended = readEnded(written.ended)
  return ended === null ? { outcome: 'dead' } : { outcome: 'done', ended }
}

const mayAccept = (cx: Context, session: LiveSession): Condition =>
  join([isSessionLive(cx, session), meetsRequirements(cx, standingIn(session))], ' and ')

/** Makes the account of a new owner, gives the place and signs the person in. One write. */
export async function signUpAsOwner(
  cx: Context,
  { transfer, texts }: Offered,
  input: NewAccountInput & { fields: (name: string) => string | undefined },
  choice: Choice,
  ends: PlaceEnds,
): Promise<
  | Acceptance
  | { outcome: 'done'; cookies: SessionCookies; ended: Numbers }
  /** The address got an account meanwhile. */
  | { outcome: 'exists' }
  | { outcome: 'refused'; fault: PasswordFault | 'unaccepted' }
> {
  const { hash, address: email } = transfer
  const accepted = acceptedOnForm(cx, hash, texts, input.fields)
  if (accepted === null) return { outcome: 'refused', fault: 'unaccepted' }
  const account = await newAccount(cx, email, input)
  if (account.fault !== null) return { outcome: 'refused', fault: account.fault }
  const { row, acting, session } = account
  const isMine = transferIsMine(cx, hash)
  try {
    const write = cx.db.write({
      demands: demands(cx, transfer),
      used: consumeTransfer(cx, hash, row.id, condition`true`),
      user: userCreation(acting, row, isMine),
      texts: acceptances(cx, row.id, accepted, null, isMine),
      effects: effects(acting, transfer, row.id, choice, ends),
      session: session.statements,
      started: session.started,
      ended: findEnded(cx, hash),
    })
    const written = await unlessRefused(write, (reason) => reason)
    if (written === ADDRESS_TAKEN) return { outcome: 'exists' }
    if (typeof written === 'string') return { outcome: 'powerless' }
    const ended = readEnded(written.ended)
    if (written.started.length === 0 || ended === null) return { outcome: 'dead' }
    return { outcome: 'done', cookies: session.cookiesOf(written.started), ended }
  } catch (error) {
    if (isAddressTaken(error)) return { outcome: 'exists' }
    throw error
  }
}
