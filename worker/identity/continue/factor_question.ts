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

/**
 * Adds the first factor; `cookie` is that of the session which takes the place of the present one.
 * One write.
 */
export async function addFirstFactor(
  cx: Context,
  { session, user, lacking }: Continuation,
  input: FirstFactor,
  browser: { cookie: string | undefined; user_agent: string },
): Promise<{ added: AppAdded | PasskeyAdded; cookie: string | null }> {
  const own = factorlessOf(cx, { session, lacking })
  let stronger: { cookie: string } | null = null
  const along: Along = {
    when: condition`not ${hasFactor(session.user_id)}`,
    with(isNew, methods) {
      const next = advance(cx, ofSession(session, user.password), {
        methods,
        proven: isNew,
        user_agent: browser.user_agent,
        replaces: browser.cookie,
      })
      stronger = next
      return next.statements
    },
  }
  const added =
    'setup' in input ? await addApp(cx, own, input, along) : await addPasskey(cx, own, input, along)
  return { added, cookie: added.outcome === 'added' ? cookieOf(stronger) : null }
}

const cookieOf = (session: { cookie: string } | null): string | null => session?.cookie ?? null
