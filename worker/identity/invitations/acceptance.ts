// Accepting an invitation: with a new account, whose address the link has proven, or with the
// account of the person who is signed in. Used once, by one batch, which is undone as a whole where
// the one who invited can no longer give what it promises.
import { giveInvitedRights, lackingToInvite, partiesAreThere } from '../../access/invited_rights.ts'
import { addressForms, isAddress, userWithAddress } from '../../access/named_users.ts'
import { nothingLacks } from '../../access/power.ts'
import { type Actor, as, type Context } from '../../context.ts'
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
  consumeInvitation,
  findOpenInvitation,
  invitationIsMine,
  isOpenInvitation,
  type OpenInvitation,
} from './invitation_store.ts'
import { invitedRightsOf, lackingScopes } from './invitations.ts'

export type Invited = {
  invitation: OpenInvitation
  /** There is an account with the address. */
  hasAccount: boolean
  session: LiveSession | null
  /** All that the person who is signed in lacks. */
  lacking: readonly Requirement[]
  /** The texts that the form of a new account asks about. */
  texts: readonly OfferedRow[]
}

/** The invitation of a link with the person who opens it; null for a dead one. One round trip. */
export async function openInvitation(
  cx: Context,
  token: string,
  cookie: string | undefined,
): Promise<Invited | null> {
  const hash = sha256(token)
  const key = scalar`(select address_key from invitation where hash = ${hash})`
  const {
    invitation: [invitation],
    session: [session],
    account,
    lacking,
    texts,
  } = await cx.db.read({
    invitation: findOpenInvitation(cx, hash),
    session: findSession(cx, cookie),
    account: sql<{
      id: string
    }>`select id from user where id = ${userWithAddress({ key, former: key })}`,
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
    texts: listTextsOfSignUp(cx),
  })
  noteSession(cx, session)
  if (invitation === undefined) return null
  // The page speaks the language of the mail.
  if (session === undefined) cx.parties.locale = invitation.locale
  return { invitation, hasAccount: account.length > 0, session: session ?? null, lacking, texts }
}

export type Acceptance =
  | { outcome: 'dead' }
  /** The one who invited can no longer give it, or it is about something that is gone. */
  | { outcome: 'powerless' }

/**
 * The statements at the head of the batch: whoever invited still stands as then and holds what the
 * invitation gives, and all that it names is there. Nothing is demanded of a link that is dead
 * already, or that this request used.
 */
function demands(cx: Context, row: OpenInvitation): readonly Statement[] {
  const open = isOpenInvitation(cx, row.hash)
  const rights = invitedRightsOf(row)
  const inviter = readInviter(row)
  const then = { ...cx, actor: inviter }
  const holds = join(
    [
      ...[inviter.id, ...(inviter.acting ?? [])].map((id) => stands(inviter, id, row)),
      ...[...lackingToInvite(then, rights), lackingScopes(then, rights)].map(nothingLacks),
    ],
    ' and ',
  )
  return [
    refuseUnless(condition`not ${open} or (${holds})`, 'inviter_powerless'),
    refuseUnless(condition`not ${open} or ${partiesAreThere(then, rights)}`, 'invited_rights_gone'),
  ]
}

/** The actor that invited, or offered a place, as it was then. */
export function readInviter({ inviter }: { inviter: string }): Actor {
  const { places, ...actor } = JSON.parse(inviter)
  return {
    ...actor,
    scopes: new Set(actor.scopes),
    ...(places === undefined ? {} : { places: new Map(places) }),
  }
}

/**
 * A condition: the person or client acts still, and was neither disabled nor recovered since; a
 * client is registered for the scopes that its token had.
 */
export function stands(
  { kind, scopes }: Actor,
  id: string | null,
  { invited_by, inviter_epoch }: Pick<OpenInvitation, 'invited_by' | 'inviter_epoch'>,
): Condition {
  if (kind === 'system') return condition`true`
  const epoch = condition`(epoch = ${inviter_epoch} or ${id} is not ${invited_by})`
  return condition`(exists (select 1 from user
      where id = ${id} and status = 'active' and ${epoch})
    or exists (select 1 from client where id = ${id} and status = 'active' and ${epoch}
      and (${id} is not ${invited_by} or not exists (
        select 1 from json_each(${JSON.stringify([...scopes])}) s
        where instr(' ' || client.scope || ' ', ' ' || s.value || ' ') = 0))))`
}

/** The statements after the use of the link, for the account that accepts. */
const effects = (cx: Context, row: OpenInvitation, user_id: string): readonly Statement[] => {
  const mine = invitationIsMine(cx, row.hash)
  return [
    ...giveInvitedRights(cx, user_id, invitedRightsOf(row), mine),
    withdrawMails(cx, condition`secret_of = ${row.hash} and ${mine}`),
    appendEvent(
      cx,
      {
        type: 'invitation.accepted',
        subject_id: user_id,
        data: { invitation: row.id, invited_by: row.invited_by },
      },
      mine,
    ),
  ]
}

/** Accepts with the account of the session. One write. */
export async function acceptInvitation(
  cx: Context,
  { invitation }: Invited,
  session: LiveSession,
): Promise<Acceptance | { outcome: 'done' }> {
  const { user_id } = session
  const { hash, address: email, address_key: key } = invitation
  const acting = as(cx, { kind: 'user', id: user_id })
  const mine = invitationIsMine(cx, hash)
  const isOwn = condition`${mine} and exists (select 1 from login_id
    where user_id = ${user_id} and ${isAddress(addressForms(email))})`
  const write = cx.db.write({
    demands: demands(cx, invitation),
    used: consumeInvitation(
      cx,
      hash,
      user_id,
      join([isSessionLive(cx, session), meetsRequirements(cx, standingIn(session))], ' and '),
    ),
    address: addressProof(cx, { user_id, email, key }, isOwn),
    effects: effects(acting, invitation, user_id),
  })
  const written = await unlessRefused(write, (reason) => reason)
  // Another account has proven the address meanwhile: the link is nobody's any more.
  if (written === ADDRESS_TAKEN) return { outcome: 'dead' }
  if (typeof written === 'string') return { outcome: 'powerless' }
  return { outcome: written.used.length === 0 ? 'dead' : 'done' }
}

/** Makes the account of an invitation, gives its rights and signs the person in. One write. */
export async function signUpInvited(
  cx: Context,
  { invitation, texts }: Invited,
  input: NewAccountInput & { fields: (name: string) => string | undefined },
): Promise<
  | Acceptance
  | { outcome: 'done'; cookies: SessionCookies }
  /** The address got an account meanwhile. */
  | { outcome: 'exists' }
  | { outcome: 'refused'; fault: PasswordFault | 'unaccepted' }
> {
  const { hash, address: email } = invitation
  const accepted = acceptedOnForm(cx, hash, texts, input.fields)
  if (accepted === null) return { outcome: 'refused', fault: 'unaccepted' }
  const account = await newAccount(cx, email, input)
  if (account.fault !== null) return { outcome: 'refused', fault: account.fault }
  const { row, acting, session } = account
  const isMine = invitationIsMine(cx, hash)
  try {
    const write = cx.db.write({
      demands: demands(cx, invitation),
      used: consumeInvitation(cx, hash, row.id, condition`true`),
      user: userCreation(acting, row, isMine),
      texts: acceptances(cx, row.id, accepted, null, isMine),
      effects: effects(acting, invitation, row.id),
      session: session.statements,
      started: session.started,
    })
    const written = await unlessRefused(write, (reason) => reason)
    if (written === ADDRESS_TAKEN) return { outcome: 'exists' }
    if (typeof written === 'string') return { outcome: 'powerless' }
    if (written.started.length === 0) return { outcome: 'dead' }
    return { outcome: 'done', cookies: session.cookiesOf(written.started) }
  } catch (error) {
    if (isAddressTaken(error)) return { outcome: 'exists' }
    throw error
  }
}
