// User names: for people without an address, such as a child or a grandparent. Operators give them,
// so that nothing tells who has one. No two may look alike: one script, no hidden characters, and
// none that is made of letters which look like Latin ones. Pure.
import { isLegible } from '../../api/legible_text.ts'
import { z } from '../../api.ts'

const MAX = 64

/** The form for comparing. */
export const userNameKey = (name: string): string =>
  name.normalize('NFKC').toLowerCase().normalize('NFKC').trim()

/** Scripts in which a name may be written; those of one line may stand beside each other. */
const SCRIPTS = [
  ...['Latin', 'Cyrillic', 'Greek', 'Arabic', 'Hebrew', 'Armenian', 'Georgian', 'Devanagari'],
  ...['Bengali', 'Gurmukhi', 'Gujarati', 'Tamil', 'Telugu', 'Kannada', 'Malayalam', 'Sinhala'],
  ...['Thai', 'Lao', 'Khmer', 'Myanmar', 'Ethiopic', 'Hangul'],
].map((script) => new RegExp(String.raw`^(?:\p{Script_Extensions=${script}}|[0-9._-])+$`, 'u'))
const JAPANESE_OR_CHINESE =
  /^(?:\p{Script_Extensions=Han}|\p{Script_Extensions=Hiragana}|\p{Script_Extensions=Katakana}|[0-9._-])+$/u

/** Cyrillic, Greek and Armenian letters that look like Latin ones. */
const LATIN_LOOKING = /^[асԁеһіјӏорԛѕԝхуѵгοανικρτυυχյոսօցհզ0-9._-]+$/u

/** Fault of a user name in words for people, or null. */
export function userNameFault(name: string): string | null {
  const key = userNameKey(name)
  if ([...key].length < 2 || [...key].length > MAX) return `must have 2 to ${MAX} characters`
  for (const text of [name, key]) {
    if (!isLegible(text) || !/^[\p{L}\p{M}0-9._-]+$/u.test(text)) {
      return 'must consist of letters, the digits 0 to 9, and . _ -'
    }
  }
  if (!/^[\p{L}0-9]/u.test(key) || !/\p{L}/u.test(key)) {
    return 'must begin with a letter or a digit, and have a letter'
  }
  if (![...SCRIPTS, JAPANESE_OR_CHINESE].some((script) => script.test(key))) {
    return 'must have letters of one script'
  }
  if (!/[a-z]/.test(key) && LATIN_LOOKING.test(key)) return 'looks like a name in Latin letters'
  return null
}

export const userNameSchema = z
  .string()
  .trim()
  .superRefine((name, refinement) => {
    const fault = userNameFault(name)
    if (fault !== null) refinement.addIssue({ code: 'custom', message: fault })
  })
  .openapi({ type: 'string', minLength: 2, maxLength: MAX, example: 'grandma.liz' })
