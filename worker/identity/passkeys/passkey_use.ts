// Passkeys (WebAuthn Level 3): the question that a page puts to the browser, and the use of its
// answer, once.
// Files: webauthn.ts has the checks, credential_key.ts keys and signatures, challenges.ts the
// questions, passkey_sign_in.ts the sign-in by a passkey alone, own_passkeys.ts adds one.
// Owns the table `passkey_challenge`, and of `factor` the columns of passkeys. Leaves second
// factors to sign_in/, and listing, naming and removing to factors/.
import type { Context } from '../../context.ts'
import { type Condition, join, type Statement } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { factorIsUsed } from '../factors/factor_store.ts'
import {
  type Challenge,
  challengeIsMine,
  makeChallenge,
  type PasskeyStep,
  readChallenge,
  spendChallenge,
} from './challenges.ts'
import { type PasskeyRow, updatePasskeyUse } from './passkey_store.ts'
import {
  challengeOf,
  checkAssertion,
  type PasskeyAssertion,
  PasskeyFault,
  readPasskeyAssertion,
  relyingParty,
} from './webauthn.ts'

/** Options of `navigator.credentials.get`, with bytes in base64url. */
export type RequestOptions = {
  challenge: string
  rpId: string
  timeout: number
  userVerification: 'required' | 'preferred'
  allowCredentials: readonly { type: 'public-key'; id: string; transports: readonly string[] }[]
}

export const CEREMONY_TIMEOUT = 300_000

/**
 * A question for a passkey, or null where there can be none. Without `passkeys` it is for anybody,
 * names nobody's, and the passkey has to verify its person, since nothing else is proven.
 */
export function askForPasskey(
  cx: Context,
  step: PasskeyStep,
  passkeys: readonly PasskeyRow[] = [],
): RequestOptions | null {
  const party = relyingParty(cx.config.issuer)
  if (party === null) return null
  return {
    challenge: makeChallenge(cx, step),
    rpId: party.rp_id,
    timeout: CEREMONY_TIMEOUT,
    userVerification: passkeys.length === 0 ? 'required' : 'preferred',
    allowCredentials: describePasskeys(passkeys),
  }
}

export const describePasskeys = (passkeys: readonly PasskeyRow[]) =>
  passkeys.map(({ credential_id, transports }) => ({
    type: 'public-key' as const,
    id: credential_id,
    transports: JSON.parse(transports) as string[],
  }))

/** The answer to a question, of which the use is still to be checked. */
export type PasskeyAnswer = { assertion: PasskeyAssertion; challenge: Challenge; isAlone: boolean }

/** Reads the answer to the question of this step. Throws PasskeyFault. */
export function readPasskeyAnswer(cx: Context, step: PasskeyStep, text: string): PasskeyAnswer {
  const assertion = readPasskeyAssertion(text)
  const challenge = readChallenge(cx, step, challengeOf(assertion))
  return { assertion, challenge, isAlone: step.purpose === 'sign in' }
}

export type PasskeyUse = {
  statements: readonly Statement[]
  isUsed: Condition
  /** RFC 8176: how the key is kept, whether it verified the person, and that these are two. */
  methods: readonly string[]
}

/** `spent`: the challenge, if it was answered before. Throws PasskeyFault. No round trip. */
export async function usePasskey(
  cx: Context,
  { assertion, challenge, isAlone }: PasskeyAnswer,
  { passkey, spent }: { passkey: PasskeyRow | undefined; spent: readonly unknown[] },
): Promise<PasskeyUse> {
  const party = relyingParty(cx.config.issuer)
  if (party === null || passkey === undefined) throw new PasskeyFault('passkey_unknown')
  // Before the counter: a form that was sent twice is no sign of a copy.
  if (spent.length > 0) throw new PasskeyFault('passkey_challenge')
  const needs = { needsVerification: isAlone, needsHandle: isAlone }
  const use = await checkAssertion(assertion, passkey, party, needs)
  const isMine = challengeIsMine(cx, challenge)
  return {
    statements: [spendChallenge(cx, challenge), updatePasskeyUse(cx, passkey, use, isMine)],
    isUsed: join([isMine, factorIsUsed(cx, passkey.id)], ' and '),
    methods: [passkey.is_synced === 1 ? 'swk' : 'hwk', ...(use.isVerified ? ['user', 'mfa'] : [])],
  }
}

/** The event of a passkey that may have been copied; null for another fault. */
export const rollbackEvent = (
  cx: Context,
  passkey: PasskeyRow | undefined,
  { reason }: PasskeyFault,
): Statement | null =>
  reason !== 'passkey_rolled_back' || passkey === undefined
    ? null
    : appendEvent(cx, {
        type: 'factor.rolled_back',
        outcome: 'failure',
        subject_id: passkey.user_id,
        data: { factor: passkey.id },
      })
