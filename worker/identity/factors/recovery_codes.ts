// Recovery codes: written down by a person, each stands in for a second factor once. 80 random
// bits, so a plain hash keeps them. Owns `recovery_code` together with factor_store.ts.
import type { Context } from '../../context.ts'
import { sha256 } from '../../crypto.ts'
import type { Condition, Statement } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { deleteRecoveryCodes, insertRecoveryCode } from './factor_store.ts'

const COUNT = 10
const LENGTH = 16
// Without letters that are read as digits (Crockford's base32).
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

export const recoveryCodeHash = (code: string): string => sha256(`recovery code ${code}`)

/** The code as it is stored, or null for a text that is none. */
export function readRecoveryCode(text: string): string | null {
  const code = text
    .toLowerCase()
    .replaceAll(/[\s-]/g, '')
    .replaceAll('o', '0')
    .replaceAll(/[il]/g, '1')
  return code.length === LENGTH && [...code].every((one) => ALPHABET.includes(one)) ? code : null
}

/**
 * New codes for a person, in the form in which they are shown this once, and the statements that
 * put them in the place of all others where the condition holds.
 */
export function makeRecoveryCodes(
  cx: Context,
  user_id: string,
  when: Condition,
): { codes: string[]; making: readonly Statement[] } {
  const codes = Array.from({ length: COUNT }, () => {
    const code = Array.from(cx.random(LENGTH), (byte) => ALPHABET[byte % 32]).join('')
    return code
  })
  const rows = codes.map((code) => ({
    hash: recoveryCodeHash(code),
    user_id,
    made_by: cx.rid,
    created_at: cx.now(),
    used_by: null,
    used_at: null,
  }))
  return {
    codes: codes.map((code) => code.match(/.{4}/g)?.join('-') ?? code),
    making: [
      deleteRecoveryCodes(cx, user_id, when),
      ...rows.map((row) => insertRecoveryCode(row, when)),
      appendEvent(cx, { type: 'recovery_codes.made', subject_id: user_id }, when),
    ],
  }
}
