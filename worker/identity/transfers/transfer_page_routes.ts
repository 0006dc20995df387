// Page /transfer: a place that gets a new owner as an offer by a mailed link; it shows in numbers
// what would end, and what ended.
import type { Hono } from 'hono'
import type { Env, Form } from '../../http.ts'
import {
  acceptTransferPage,
  newOwnerPage,
  transferredPage,
} from '../../pages/account/transfer_page.ts'
import { pageMessages } from '../../pages/language.ts'
import { mailedOfferRoutes, type OfferKind } from '../mailed_offers/mailed_offer_routes.ts'
import {
  acceptTransfer,
  type CountedTransfer,
  type EndChoice,
  openTransfer,
  signUpAsOwner,
} from './transfer_acceptance.ts'
import { type Numbers, type PlaceEnds, TRANSFER_PATH } from './transfers.ts'

const choiceOf = (form: Form): EndChoice => ({
  end_credentials: form.get('end_credentials') === '1',
  end_tokens: form.get('end_tokens') === '1',
})

const shownOf = ({ inviter_name: inviter, place, address, numbers }: CountedTransfer) => ({
  inviter,
  place,
  address,
  numbers,
})

/** Database round trips: 2 for a GET, 3 for a POST. */
export function transferPages(ends: PlaceEnds): Hono<Env> {
  const transfer: OfferKind<CountedTransfer, { ended: string }> = {
    path: TRANSFER_PATH,
    cookie: 'transfer',
    dead: { title: 'transfer.dead_title', text: 'transfer.dead', reason: 'transfer_dead' },
    powerless: { text: 'transfer.powerless', reason: 'transfer_powerless' },
    open: (cx, token, session) => openTransfer(cx, token, session, ends),
    accept: (cx, row, session, form) => acceptTransfer(cx, row, session, choiceOf(form), ends),
    signUp: (cx, offer, input, form) => signUpAsOwner(cx, offer, input, choiceOf(form), ends),
    nameIn: () => '',
    newPage: ({ row, ...shown }, m) => newOwnerPage({ ...shownOf(row), ...shown }, m),
    acceptPage: ({ row, ...shown }, m) => acceptTransferPage({ ...shownOf(row), ...shown }, m),
    async done(c, { place }, [row]) {
      const numbers = JSON.parse(row?.ended ?? '{}') as Numbers
      return c.html(
        transferredPage({ place, ended: numbers }, await pageMessages(c, { path: null })),
        200,
      )
    },
  }
  return mailedOfferRoutes(transfer)
}
