// The rule for a new password, at every place that sets one: its length by the settings (NIST SP
// 800-63B-4 §3.1.1.1), the list of those that are tried first, and, where an operator names a
// service, those that are known from leaks. Passwords that are there already go on.
// Owns no table. Leaves hashing to ../passwords.ts, and what a person lacks to ../requirements.ts.
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { Problem } from '../../errors.ts'
import type { Messages } from '../../messages/messages.ts'
import { loadSettings, type Settings } from '../../settings.ts'
import { isPasswordUsable, PASSWORD_MAX_BYTES, passwordBytes } from '../passwords.ts'
import { isBreached } from './breached_passwords.ts'
import { isGuessable } from './guessable_passwords.ts'

/** Shortest password that a setting can permit. NIST SP 800-63B-4 §3.1.1.1. */
export const PASSWORD_FLOOR = 8

/** The rule that a password breaks; `min` where it is too short. */
export type PasswordFault =
  | { rule: 'control' | 'too_long' | 'guessable' | 'breached' }
  | { rule: 'too_short'; min: number }

/** The account for which a password is chosen; `email` is its name, whatever that is. */
export type PasswordOwner = {
  email: string
  /** The password is not the only thing that a sign-in needs. */
  has_factor: boolean
}

/** Least number of characters for a person who has or needs a second factor, or without one. */
export const passwordMin = (settings: Settings, has_factor: boolean): number =>
  has_factor || settings.require_factor === 'everybody'
    ? settings.password_min_length_with_factor
    : settings.password_min_length

/** The same, by the settings of now. No round trip when warm. */
export const passwordMinFor = async (cx: Context, has_factor: boolean): Promise<number> =>
  passwordMin(await loadSettings(cx), has_factor)

/** The fault that can be seen without asking anybody, or null. Pure. */
export function findPasswordFault(
  password: string,
  email: string,
  min: number,
): PasswordFault | null {
  if (!isPasswordUsable(password)) return { rule: 'control' }
  const bytes = passwordBytes(password)
  if (bytes.byteLength > PASSWORD_MAX_BYTES) return { rule: 'too_long' }
  if ([...new TextDecoder().decode(bytes)].length < min) return { rule: 'too_short', min }
  return isGuessable(password, email) ? { rule: 'guessable' } : null
}

/**
 * The fault of a new password, or null. No round trip when the settings are remembered; it may ask
 * the service for leaked passwords, for a second at most. `coming`: settings that count soon.
 */
export async function judgeNewPassword(
  cx: Context,
  password: string,
  { email, has_factor }: PasswordOwner,
  coming?: Settings,
): Promise<PasswordFault | null> {
  const settings = coming ?? (await loadSettings(cx))
  const fault = findPasswordFault(password, email, passwordMin(settings, has_factor))
  if (fault !== null) return fault
  const isKnown = await isBreached(cx, settings.breached_passwords_url, passwordBytes(password))
  return isKnown ? { rule: 'breached' } : null
}

/** A password in the body of a request. How long it must be is a setting: `assertGoodPassword`. */
export const passwordInput = z
  .string()
  .superRefine((password, refinement) => {
    const fault = findPasswordFault(password, '', 0)
    if (fault !== null) refinement.addIssue({ code: 'custom', message: passwordFaultText(fault) })
  })
  .openapi({ type: 'string', format: 'password', minLength: PASSWORD_FLOOR, writeOnly: true })

/** Throws Problem for a password that a new user may not have. */
export async function assertGoodPassword(
  cx: Context,
  user: {
    password?: string | undefined
    email?: string | undefined
    user_name?: string | undefined
  },
  coming?: Settings,
): Promise<void> {
  const { password } = user
  if (password === undefined) return
  const owner = { email: user.email ?? user.user_name ?? '', has_factor: false }
  const fault = await judgeNewPassword(cx, password, owner, coming)
  if (fault === null) return
  const errors = [{ pointer: '/password', detail: passwordFaultText(fault) }]
  throw new Problem('invalid_request', 'the password is not acceptable', errors)
}

/** The fault in words of the API. */
export function passwordFaultText(fault: PasswordFault): string {
  switch (fault.rule) {
    case 'control':
      return 'must not contain control characters'
    case 'too_long':
      return `must not exceed ${PASSWORD_MAX_BYTES} bytes`
    case 'too_short':
      return `must have at least ${fault.min} characters`
    case 'guessable':
      return 'is one of those that are tried first; choose four or five random words'
    case 'breached':
      return 'is known from a leak; choose four or five random words'
  }
}

/** The fault in words for a person. */
export function passwordFaultInWords(m: Messages, fault: PasswordFault): string {
  if (fault.rule === 'too_long') return m('password.too_long', { max: PASSWORD_MAX_BYTES })
  if (fault.rule === 'too_short') return m('password.too_short', { min: fault.min })
  return m(`password.${fault.rule}`)
}
