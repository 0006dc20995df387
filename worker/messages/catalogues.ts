// The texts of all languages, and what a text of a key is made with. The English ones are the
// contract: a key is theirs, and so are the values that a text takes. There is a file for
// each language and area; a text is one line of ICU MessageFormat, plain and never HTML.
import { arAccount } from './ar/account.ts'
import { arAddress } from './ar/address.ts'
import { arClaim } from './ar/claim.ts'
import { arConsent } from './ar/consent.ts'
import { arInvitation } from './ar/invitation.ts'
import { arLeaving } from './ar/leaving.ts'
import { arMail } from './ar/mail.ts'
import { arPlaces } from './ar/places.ts'
import { arRequirements } from './ar/requirements.ts'
import { arSecurity } from './ar/security.ts'
import { arSignIn } from './ar/sign_in.ts'
import { arTransfer } from './ar/transfer.ts'
import { deAccount } from './de/account.ts'
import { deAddress } from './de/address.ts'
import { deClaim } from './de/claim.ts'
import { deConsent } from './de/consent.ts'
import { deInvitation } from './de/invitation.ts'
import { deLeaving } from './de/leaving.ts'
import { deMail } from './de/mail.ts'
import { dePlaces } from './de/places.ts'
import { deRequirements } from './de/requirements.ts'
import { deSecurity } from './de/security.ts'
import { deSignIn } from './de/sign_in.ts'
import { deTransfer } from './de/transfer.ts'
import { enAccount } from './en/account.ts'
import { enAddress } from './en/address.ts'
import { enClaim } from './en/claim.ts'
import { enConsent } from './en/consent.ts'
import { enInvitation } from './en/invitation.ts'
import { enLeaving } from './en/leaving.ts'
import { enMail } from './en/mail.ts'
import { enPlaces } from './en/places.ts'
import { enRequirements } from './en/requirements.ts'
import { enSecurity } from './en/security.ts'
import { enSignIn } from './en/sign_in.ts'
import { enTransfer } from './en/transfer.ts'
import { esAccount } from './es/account.ts'
import { esAddress } from './es/address.ts'
import { esClaim } from './es/claim.ts'
import { esConsent } from './es/consent.ts'
import { esInvitation } from './es/invitation.ts'
import { esLeaving } from './es/leaving.ts'
import { esMail } from './es/mail.ts'
import { esPlaces } from './es/places.ts'
import { esRequirements } from './es/requirements.ts'
import { esSecurity } from './es/security.ts'
import { esSignIn } from './es/sign_in.ts'
import { esTransfer } from './es/transfer.ts'
import { frAccount } from './fr/account.ts'
import { frAddress } from './fr/address.ts'
import { frClaim } from './fr/claim.ts'
import { frConsent } from './fr/consent.ts'
import { frInvitation } from './fr/invitation.ts'
import { frLeaving } from './fr/leaving.ts'
import { frMail } from './fr/mail.ts'
import { frPlaces } from './fr/places.ts'
import { frRequirements } from './fr/requirements.ts'
import { frSecurity } from './fr/security.ts'
import { frSignIn } from './fr/sign_in.ts'
import { frTransfer } from './fr/transfer.ts'
import { plAccount } from './pl/account.ts'
import { plAddress } from './pl/address.ts'
import { plClaim } from './pl/claim.ts'
import { plConsent } from './pl/consent.ts'
import { plInvitation } from './pl/invitation.ts'
import { plLeaving } from './pl/leaving.ts'
import { plMail } from './pl/mail.ts'
import { plPlaces } from './pl/places.ts'
import { plRequirements } from './pl/requirements.ts'
import { plSecurity } from './pl/security.ts'
import { plSignIn } from './pl/sign_in.ts'
import { plTransfer } from './pl/transfer.ts'
import type { ArgumentsOf, TextsOf } from './text_types.ts'

const en = {
  ...enSignIn,
  ...enSecurity,
  ...enRequirements,
  ...enAddress,
  ...enAccount,
  ...enConsent,
  ...enLeaving,
  ...enInvitation,
  ...enTransfer,
  ...enClaim,
  ...enPlaces,
  ...enMail,
}

type English = typeof en

/** Name of a text: its area, a point, and the text's own name. */
export type MessageKey = keyof English

/** A language that pages can be in (BCP 47). */
export type Locale = keyof typeof CATALOGUES

/** English is first: it is what an installation speaks that chose nothing. */
export const CATALOGUES = {
  en,
  de: {
    ...deSignIn,
    ...deSecurity,
    ...deRequirements,
    ...deAddress,
    ...deAccount,
    ...deConsent,
    ...deLeaving,
    ...deInvitation,
    ...deTransfer,
    ...deClaim,
    ...dePlaces,
    ...deMail,
  },
  es: {
    ...esSignIn,
    ...esSecurity,
    ...esRequirements,
    ...esAddress,
    ...esAccount,
    ...esConsent,
    ...esLeaving,
    ...esInvitation,
    ...esTransfer,
    ...esClaim,
    ...esPlaces,
    ...esMail,
  },
  fr: {
    ...frSignIn,
    ...frSecurity,
    ...frRequirements,
    ...frAddress,
    ...frAccount,
    ...frConsent,
    ...frLeaving,
    ...frInvitation,
    ...frTransfer,
    ...frClaim,
    ...frPlaces,
    ...frMail,
  },
  pl: {
    ...plSignIn,
    ...plSecurity,
    ...plRequirements,
    ...plAddress,
    ...plAccount,
    ...plConsent,
    ...plLeaving,
    ...plInvitation,
    ...plTransfer,
    ...plClaim,
    ...plPlaces,
    ...plMail,
  },
  ar: {
    ...arSignIn,
    ...arSecurity,
    ...arRequirements,
    ...arAddress,
    ...arAccount,
    ...arConsent,
    ...arLeaving,
    ...arInvitation,
    ...arTransfer,
    ...arClaim,
    ...arPlaces,
    ...arMail,
  },
} as const satisfies Record<string, TextsOf<English>>

export const MESSAGE_KEYS = Object.keys(en) as readonly MessageKey[]

export const isMessageKey = (text: string): text is MessageKey => Object.hasOwn(en, text)

/** The values that the text of a key takes: `number` where it counts or shows one. */
export type ValuesOf<key extends MessageKey> = {
  [argument in ArgumentsOf<English[key]> as argument[0]]: argument[1]
}

/** Key of a text that takes no value. */
export type PlainKey = {
  [key in MessageKey]: keyof ValuesOf<key> extends never ? key : never
}[MessageKey]
