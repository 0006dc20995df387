// Codes of authenticator apps (TOTP, RFC 6238): SHA-1, six digits, thirty seconds, which is all
// that the common apps know. A code counts in its step and in the one before and after (§5.2).
// Pure.
import { encodeBase32UpperCaseNoPadding } from '@oslojs/encoding'
import { createTOTPKeyURI, generateHOTP } from '@oslojs/otp'
import { encode } from 'uqr'
import { equalText } from '../../crypto.ts'

const STEP = 30
const DIGITS = 6
/** Bytes of a secret: as long as the hash (RFC 4226 §4). */
export const SECRET_BYTES = 20

/** The step of a time in epoch seconds. */
export const presentStep = (now: number): number => Math.floor(now / STEP)

/**
 * The step whose code this is, later than `after`, or null. `now` in epoch seconds. All steps are
 * computed whichever matches.
 */
export function stepOf(
  secret: Uint8Array,
  code: string,
  now: number,
  after: number,
): number | null {
  const present = presentStep(now)
  const matching = [present - 1, present, present + 1].filter((step) =>
    equalText(generateHOTP(secret, BigInt(step), DIGITS), code),
  )
  return matching.find((step) => step > after) ?? null
}

/** The digits of a code as people type it, or null when it is none. */
export function readCode(text: string): string | null {
  const digits = text.replaceAll(/[\s-]/g, '')
  return /^[0-9]{6}$/.test(digits) ? digits : null
}

/** The secret in the form that people type into an app, in groups of four. */
export const typedSecret = (secret: Uint8Array): string =>
  (encodeBase32UpperCaseNoPadding(secret).match(/.{1,4}/g) ?? []).join(' ')

/** The address that an app reads from the image (the Key URI Format of Google Authenticator). */
export const keyUri = (service: string, account: string, secret: Uint8Array): string =>
  createTOTPKeyURI(service, account, secret, STEP, DIGITS)

export type Matrix = { size: number; path: string }

/** A QR code as the path of an SVG image, one unit for each module, with its quiet zone. */
export function qrMatrix(text: string): Matrix {
  const { size, data } = encode(text, { ecc: 'M', border: 4 })
  const rows = data.map((row, y) =>
    row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : '')).join(''),
  )
  return { size, path: rows.join('') }
}
