// The words of a consent in several languages: their form, and the choice for a reader. Pure.
import { lineSchema, z } from '../../api.ts'

/** A language tag (BCP 47), as the members of `texts` are called. */
export const localeSchema = z
  .string()
  .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$/, 'must be a language tag')

const TEXT_MAX = 60_000

const textSchema = z
  .strictObject({
    title: lineSchema(200),
    text: z
      .string()
      .min(1)
      .max(TEXT_MAX)
      .regex(/^(?:[^\p{Cc}\p{Cs}]|\r?\n)*$/u, 'must not contain control characters but line ends')
      .optional(),
    url: z
      .string()
      .max(2048)
      .regex(/^https:\/\/[\x21-\x7e]+$/, 'must be an https URL')
      .refine((url) => URL.canParse(url), 'must be an https URL')
      .optional(),
  })
  .refine((one) => (one.text === undefined) !== (one.url === undefined), {
    error: 'needs text or url, one of the two',
  })
  .openapi('ConsentText')

export const textsSchema = z
  .record(localeSchema, textSchema)
  .refine((texts) => Object.keys(texts).length > 0, 'must have at least one language')
  .refine((texts) => Object.keys(texts).length <= 50, 'must have at most 50 languages')

export type ConsentTexts = z.infer<typeof textsSchema>
type Text = ConsentTexts[string]

/** The stored form: languages in order, so that equal texts are equal. */
export const storedTexts = (texts: ConsentTexts): string =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(texts)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([locale, { title, text, url }]) => [
          locale,
          text === undefined ? { title, url } : { title, text },
        ]),
    ),
  )

const languageOf = (locale: string): string => locale.split('-')[0]?.toLowerCase() ?? ''

/**
 * The text in the first wished locale that there is, for a region in its language; else in English,
 * else in the first one.
 */
export function textFor(texts: ConsentTexts, wished: readonly string[]): Text & { locale: string } {
  const locales = Object.keys(texts)
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()
  const found = [...wished, 'en'].flatMap((wish) => [
    ...locales.filter((one) => same(one, wish)),
    ...locales.filter((one) => languageOf(one) === languageOf(wish)),
  ])
  const locale = found[0] ?? locales[0] ?? ''
  const text = texts[locale]
  if (text === undefined) throw new TypeError('a consent without a text')
  return { ...text, locale }
}
