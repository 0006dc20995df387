// The texts of all languages, and what a text of a key is made with. The English ones are the
// contract: a key is theirs, and so are the values that a text takes. A file per language and area;
// each text is one line of ICU MessageFormat, plain and never HTML.
import { enAccount } from './en/account.ts'
import { enConsent } from './en/consent.ts'
import { enMail } from './en/mail.ts'
import { enSecurity } from './en/security.ts'
import { enSignIn } from './en/sign_in.ts'

const en = { ...enSignIn, ...enSecurity, ...enAccount, ...enConsent, ...enMail }

type English = typeof en

/** Name of a text: its area, a point, and the text's own name. */
export type MessageKey = keyof English

/** The texts of an area in another language: the same keys, each with a text. */
export type TextsOf<area> = { readonly [key in keyof area]: string }

/** A language that pages can be in (BCP 47). */
export type Locale = keyof typeof CATALOGUES

export const CATALOGUES = { en } as const satisfies Record<string, TextsOf<English>>

export const MESSAGE_KEYS = Object.keys(en) as readonly MessageKey[]

export const isMessageKey = (text: string): text is MessageKey => Object.hasOwn(en, text)

/** The value that an argument takes, from what stands behind its opening brace. */
type Argument<text> = text extends `${infer name}, ${infer kind}`
  ? name extends `${string} ${string}`
    ? never
    : [
        name,
        kind extends `plural,${string}` | `selectordinal,${string}` | 'number' ? number : string,
      ]
  : text extends '' | `${string} ${string}`
    ? never
    : [text, string]

type ArgumentsOf<text> = text extends `${string}{${infer rest}`
  ? (rest extends `${infer argument}}${string}` ? Argument<argument> : never) | ArgumentsOf<rest>
  : never

/** The values that the text of a key takes: `number` where it counts or shows one. */
export type ValuesOf<key extends MessageKey> = {
  [argument in ArgumentsOf<English[key]> as argument[0]]: argument[1]
}

/** MessageKey of a text that takes no value. */
export type PlainKey = {
  [key in MessageKey]: keyof ValuesOf<key> extends never ? key : never
}[MessageKey]
