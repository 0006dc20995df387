// Page /invitation: an invitation as an offer by a mailed link.
import type { Hono } from 'hono'
import type { Env } from '../../http.ts'
import { acceptInvitationPage, newInvitedPage } from '../../pages/account/invitation_page.ts'
import { mailedOfferRoutes, type OfferKind } from '../mailed_offers/mailed_offer_routes.ts'
import {
  acceptInvitation,
  type OpenInvitation,
  openInvitation,
  signUpInvited,
} from './acceptance.ts'
import { INVITATION_PATH } from './invitations.ts'

const invitation: OfferKind<OpenInvitation, never> = {
  path: INVITATION_PATH,
  cookie: 'invitation',
  dead: { title: 'invitation.dead_title', text: 'invitation.dead', reason: 'invitation_dead' },
  powerless: { text: 'invitation.powerless', reason: 'inviter_powerless' },
  open: openInvitation,
  accept: acceptInvitation,
  signUp: signUpInvited,
  nameIn: ({ name }) => name ?? '',
  newPage: ({ row, ...shown }, m) => newInvitedPage({ ...shownOf(row), ...shown }, m),
  acceptPage: ({ row, ...shown }, m) => acceptInvitationPage({ ...shownOf(row), ...shown }, m),
  done: (c) => c.redirect('/account', 303),
}

const shownOf = ({ inviter_name: inviter, place, address }: OpenInvitation) => ({
  inviter,
  place,
  address,
})

/** Database round trips: 1 for a GET, 2 for a POST. */
export const acceptanceRoutes = (): Hono<Env> => mailedOfferRoutes(invitation)
