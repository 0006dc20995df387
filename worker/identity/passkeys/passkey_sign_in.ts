// Signing in with a passkey alone. It verified its person and is kept by the device, so it is two
// factors and a whole sign-in. The response says whose it is; before that, nothing is known of the
// person, and a page that asks names nobody's passkeys.
import type { Context } from '../../context.ts'
import { join } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import type { Reason } from '../../refusals.ts'
import { canBeKept } from '../closing/closing_store.ts'
import type { KnownBrowsers } from '../known_browsers/known_browsers.ts'
import type { SessionCookies } from '../sessions.ts'
import { advance, beginSignIn, ofPerson } from '../sign_in/sign_in.ts'
import { epochIs } from '../store.ts'
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
  /** The account is closed: the person may keep it. The cookie is that of the sign-in. */
  | { outcome: 'closed'; cookie: string }
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
  const { user_status: status, user_closes_at: closes_at } = passkey
  const isClosed = canBeKept(cx, { status, closes_at })
  if (status !== 'active' && !isClosed) {
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
  if (isClosed) {
    const { cookie, statements, begun } = beginSignIn(cx, {
      user_id: person.id,
      password: person.password,
      methods: use.methods,
      when: join([use.isUsed, epochIs(person.id, person.epoch)], ' and '),
    })
    const made = await cx.db.write({ used: use.statements, statements, begun })
    if (made.begun.length !== 1) throw new PasskeyFault('passkey_outrun')
    return { outcome: 'closed', cookie }
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
