// Accepting a place, as an offer by a mailed link. One batch ends the rights of everybody else in
// the place, notes in numbers what ended and gives the place to the person. It is undone as a whole
// where the one who offered can no longer give the place, or where it cannot change hands as it is.
import { giveInvitedRights } from '../../access/invited_rights.ts'
import { ownersRights } from '../../access/places/owner_role.ts'
import { endRightsOf } from '../../access/places/place_store.ts'
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import { condition, refuseUnless, type Statement, scalar } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { revokeInvitationsTo } from '../invitations/invitation_store.ts'
import {
  acceptOffer,
  type OfferSignUpInput,
  type OfferUse,
  type OpenedOffer,
  openOffer,
  signUpWithOffer,
} from '../mailed_offers/mailed_offer.ts'
import { demandOfferer } from '../mailed_offers/offerer.ts'
import { forgetPlaceAccounts } from '../place_accounts/place_account_store.ts'
import type { LiveSession } from '../sessions.ts'
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
  type PlaceEnds,
} from './transfers.ts'

/** A transfer with, in numbers, all that would end now. */
export type CountedTransfer = OpenTransfer & { numbers: Numbers }

/** The new owner's choice on the page, beside the one of the offer. */
export type EndChoice = { end_credentials: boolean; end_tokens: boolean }

/** The transfer of a link with the person who opens it; null for a dead one. Two round trips. */
export async function openTransfer(
  cx: Context,
  token: string,
  cookie: string | undefined,
  ends: PlaceEnds,
): Promise<OpenedOffer<CountedTransfer> | null> {
  const hash = sha256(token)
  const key = scalar`(select address_key from place_transfer where hash = ${hash})`
  const rights = {
    grants: scalar`(select json_array(json_object('role', role, 'object', group_id))
      from place_transfer where hash = ${hash})`,
    groups: scalar`(select json_array(group_id) from place_transfer where hash = ${hash})`,
  }
  const offer = await openOffer(cx, findOpenTransfer(cx, hash), key, cookie, rights)
  if (offer === null) return null
  const [numbers] = await cx.db.read(numbersOf(cx, offer.row.group_id, ends))
  return numbers === undefined ? null : { ...offer, row: { ...offer.row, numbers } }
}

/** Demands that its maker can give the place still, and that it can change hands. */
function demands(cx: Context, row: OpenTransfer): readonly Statement[] {
  const open = isOpenTransfer(cx, row.hash)
  return [
    demandOfferer(cx, row, open, (inviter) => lackingToOffer(inviter, row)),
    refuseUnless(condition`not ${open} or (${canChangeHands(row)})`, 'place_state'),
  ]
}

/** The statements after the use of the link, for the account that accepts. */
function effects(
  cx: Context,
  row: OpenTransfer,
  user_id: string,
  choice: EndChoice,
  ends: PlaceEnds,
): readonly Statement[] {
  const { hash, group_id, id } = row
  const mine = transferIsMine(cx, hash)
  const first = transferEnds(cx, hash)
  const chosen = {
    end_credentials: choice.end_credentials || row.end_credentials === 1,
    end_tokens: choice.end_tokens || row.end_tokens === 1,
  }
  const numbers = scalar`(select json_object('people', people, 'grants', grants,
      'memberships', memberships, 'invitations', invitations, 'authorizations', authorizations,
      'claim_tokens', claim_tokens, 'credentials', iif(${chosen.end_credentials}, credentials, 0),
      'tokens', iif(${chosen.end_tokens}, tokens, 0))
    from (${numbersOf(cx, group_id, ends)}))`
  // Events of this second are of the former owner: the new one sees those of the next.
  const next = { ...cx, now: () => cx.now() + 1 }
  return [
    noteEnded(cx, hash, numbers),
    ...ends.end(cx, group_id, chosen, first),
    revokeInvitationsTo(cx, group_id, first),
    withdrawTransfersOf(cx, group_id, first),
    forgetPlaceAccounts(group_id, first),
    ...endRightsOf(cx, row, first),
    markDone(cx, hash),
    ...giveInvitedRights(next, user_id, ownersRights(row.role, row.group_id), mine),
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

const useOf = (
  cx: Context,
  row: OpenTransfer,
  choice: EndChoice,
  ends: PlaceEnds,
): OfferUse<{ ended: string }> => ({
  demands: demands(cx, row),
  consume: (user_id, when) => consumeTransfer(cx, row.hash, user_id, when),
  isMine: transferIsMine(cx, row.hash),
  effects: (acting, user_id) => effects(acting, row, user_id, choice, ends),
  done: [findEnded(cx, row.hash)],
})

/** Accepts with the account of the session. One write. */
export const acceptTransfer = (
  cx: Context,
  row: OpenTransfer,
  session: LiveSession,
  choice: EndChoice,
  ends: PlaceEnds,
) => acceptOffer(cx, row, session, useOf(cx, row, choice, ends))

/** Makes the account of a new owner, gives the place and signs the person in. One write. */
export const signUpAsOwner = (
  cx: Context,
  offer: OpenedOffer<CountedTransfer>,
  input: OfferSignUpInput,
  choice: EndChoice,
  ends: PlaceEnds,
) => signUpWithOffer(cx, offer, input, useOf(cx, offer.row, choice, ends))
