// Signing in with a passkey alone. It verified its person and is kept by the device, so it is two
// factors and a whole sign-in. The response says whose it is; before that, nothing is known of the
// person, and a page that asks names nobody's passkeys.
import type { Context } from '../../context.ts'
import { appendEvent } from '../../events.ts'
import type { Reason } from '../../refusals.ts'
import type { KnownBrowsers } from '../known_browsers/known_browsers.ts'
import type { SessionCookies } from '../sessions.ts'
import { advance, ofPerson } from '../sign_in/sign_in.ts'
import { findSpentChallenge, type PasskeyStep } from './challenges.ts'
import { findPasskey } from './passkey_store.ts'
import {
  askForPasskey,
  type RequestOptions,
  readPasskeyAnswer,
  rollbackEvent,
  usePasskey,
} from './passkey_use.ts'
import { PasskeyFault } from './webauthn.ts'

export type PasskeySignIn =
  | { outcome: 'signed_in'; cookies: SessionCookies; displaced: string | null }
  | { outcome: 'refused'; reason: Reason }

const stepOfBrowser = (browser: string): PasskeyStep => ({ purpose: 'sign in', bound: browser })

/** The question of the login page, for whoever uses this browser. No round trip. */
export const askToSignIn = (cx: Context, browser: string): RequestOptions | null =>
  askForPasskey(cx, stepOfBrowser(browser))

/** Database round trips: 2; less when the response is none. */
export async function signInByPasskey(
  cx: Context,
  input: {
    /** Response of the browser, as JSON. */
    response: string
    browser: string
    user_agent: string
    /** The session cookie that the browser has now: its session ends. */
    replaces: string | undefined
    browsers: KnownBrowsers
  },
): Promise<PasskeySignIn> {
  try {
    return await tryToSignIn(cx, input)
  } catch (error) {
    if (!(error instanceof PasskeyFault)) throw error
    return { outcome: 'refused', reason: error.reason }
  }
}

async function tryToSignIn(
  cx: Context,
  input: Parameters<typeof signInByPasskey>[1],
): Promise<PasskeySignIn> {
  const answer = readPasskeyAnswer(cx, stepOfBrowser(input.browser), input.response)
  const {
    passkey: [passkey],
    spent,
  } = await cx.db.read({
    passkey: findPasskey(answer.assertion.credential_id),
    spent: findSpentChallenge(answer.challenge),
  })
  const use = await usePasskey(cx, answer, { passkey, spent }).catch(async (error: unknown) => {
    const event = error instanceof PasskeyFault ? rollbackEvent(cx, passkey, error) : null
    if (event !== null) await cx.db.write(event)
    throw error
  })
  if (passkey === undefined) throw new PasskeyFault('passkey_unknown')
  if (passkey.user_status !== 'active') {
    await cx.db.write(
      appendEvent(cx, {
        type: 'login.failed',
        outcome: 'failure',
        subject_id: passkey.user_id,
        data: { reason: 'disabled' },
      }),
    )
    throw new PasskeyFault('passkey_disabled')
  }
  const person = {
    id: passkey.user_id,
    password: passkey.user_password,
    epoch: passkey.user_epoch,
  }
  const session = advance(cx, ofPerson(person), {
    methods: use.methods,
    proven: use.isUsed,
    user_agent: input.user_agent,
    replaces: input.replaces,
    browsers: input.browsers,
  })
  const {
    displaced: [displaced],
    started,
  } = await cx.db.write({
    displaced: session.displaced,
    used: use.statements,
    session: session.statements,
    started: session.started,
  })
  // Another request has used the response, or the passkey, the account or its password changed.
  if (started.length !== 1) throw new PasskeyFault('passkey_outrun')
  return {
    outcome: 'signed_in',
    cookies: session.cookiesOf(started),
    displaced: displaced?.user_id ?? null,
  }
}
