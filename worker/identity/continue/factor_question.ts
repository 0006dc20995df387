// The first factor of a person of whom one is demanded: an authenticator app or a passkey, added
// between the sign-in and the place where the person wanted to go. The session goes on under a new
// cookie, stronger by what was proven. A person who has a factor proves it instead, and so does one
// who got it meanwhile: a stolen password adds none beside it. As in the account, it takes a
// sign-in of the last minutes, so that an open browser alone adds nothing.
import type { Context } from '../../context.ts'
import { condition } from '../../db/sql.ts'
import { hasFactor } from '../factors/factor_store.ts'
import {
  type Along,
  type AppAdded,
  addApp,
  isJustSignedIn,
  type NewApp,
  type OwnFactors,
  offerApp,
} from '../factors/own_factors.ts'
import type { KnownBrowsers } from '../known_browsers/known_browsers.ts'
import {
  addPasskey,
  type CreationOptions,
  offerPasskey,
  type PasskeyAdded,
} from '../passkeys/own_passkeys.ts'
import { advance, ofSession } from '../sign_in/sign_in.ts'
import type { Continuation } from './continuation.ts'

/** A person who has no factor yet, as the pages of factors know one. */
export const factorlessOf = (
  cx: Context,
  { session, lacking }: Pick<Continuation, 'session' | 'lacking'>,
): OwnFactors => ({
  session,
  factors: [],
  codes_left: 0,
  lacking,
  isFresh: isJustSignedIn(cx, session),
})

export type FactorOffer = { app: NewApp; passkey: CreationOptions | null }

/** Both ways to add one. No round trip when warm. */
export async function offerFactor(cx: Context, own: OwnFactors, app?: NewApp) {
  return { app: app ?? (await offerApp(cx, own.session)), passkey: await offerPasskey(cx, own) }
}

export type FirstFactor =
  | { setup: string; code: string; name: string }
  | { response: string; user_handle: string; name: string }

/** Adds the first factor, with the session that takes the place of the present one. One write. */
export async function addFirstFactor(
  cx: Context,
  { session, user, lacking }: Continuation,
  input: FirstFactor,
  browser: { replaces: string | undefined; user_agent: string; browsers: KnownBrowsers },
): Promise<AppAdded | PasskeyAdded> {
  const own = factorlessOf(cx, { session, lacking })
  const along: Along = {
    when: condition`not ${hasFactor(session.user_id)}`,
    replaceSession: (isNew, methods) =>
      advance(cx, ofSession(session, user.password), { ...browser, methods, proven: isNew }),
  }
  return 'setup' in input ? addApp(cx, own, input, along) : addPasskey(cx, own, input, along)
}
