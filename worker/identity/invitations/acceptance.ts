// Accepting an invitation: what it demands and gives, as an offer by a mailed link.
import { giveInvitedRights, lackingToInvite, partiesAreThere } from '../../access/invited_rights.ts'
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { condition, refuseUnless, type Statement, scalar } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import {
  acceptOffer,
  type OfferSignUpInput,
  type OfferUse,
  type OpenedOffer,
  openOffer,
  signUpWithOffer,
} from '../mailed_offers/mailed_offer.ts'
import { demandOfferer, readInviter } from '../mailed_offers/offerer.ts'
import type { LiveSession } from '../sessions.ts'
import {
  consumeInvitation,
  findOpenInvitation,
  invitationIsMine,
  isOpenInvitation,
  type OpenInvitation,
} from './invitation_store.ts'
import { invitedRightsOf, lackingScopes } from './invitations.ts'

export type { OpenInvitation } from './invitation_store.ts'

/** The invitation of a link with the person who opens it; null for a dead one. One round trip. */
export function openInvitation(cx: Context, token: string, cookie: string | undefined) {
  const hash = sha256(token)
  const key = scalar`(select address_key from invitation where hash = ${hash})`
  const rights = {
    grants: scalar`(select grants from invitation where hash = ${hash})`,
    groups: scalar`(select groups from invitation where hash = ${hash})`,
  }
  return openOffer(cx, findOpenInvitation(cx, hash), key, cookie, rights)
}

/** Demands that its maker holds all that it gives, and that all that it names is there. */
function demands(cx: Context, row: OpenInvitation): readonly Statement[] {
  const open = isOpenInvitation(cx, row.hash)
  const rights = invitedRightsOf(row)
  const then = { ...cx, actor: readInviter(row) }
  return [
    demandOfferer(cx, row, open, (inviter) => [
      ...lackingToInvite(inviter, rights),
      lackingScopes(inviter, rights),
    ]),
    refuseUnless(condition`not ${open} or ${partiesAreThere(then, rights)}`, 'invited_rights_gone'),
  ]
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

const useOf = (cx: Context, row: OpenInvitation): OfferUse<never> => ({
  demands: demands(cx, row),
  consume: (user_id, when) => consumeInvitation(cx, row.hash, user_id, when),
  isMine: invitationIsMine(cx, row.hash),
  effects: (acting, user_id) => effects(acting, row, user_id),
  done: [],
})

/** Accepts with the account of the session. One write. */
export const acceptInvitation = (cx: Context, row: OpenInvitation, session: LiveSession) =>
  acceptOffer(cx, row, session, useOf(cx, row))

/** Makes the account of an invitation, gives its rights and signs the person in. One write. */
export const signUpInvited = (
  cx: Context,
  offer: OpenedOffer<OpenInvitation>,
  input: OfferSignUpInput,
) => signUpWithOffer(cx, offer, input, useOf(cx, offer.row))
