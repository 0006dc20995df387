// Signing in by a mailed link, where an operator offers it. The link is good once, for ten minutes,
// and in the browser that asked for it alone: a link that is forwarded, or opened by a mail
// program, signs nobody in. It proves the mailbox, which is one factor; a second one is asked for
// as after a password. Nothing shows whether there is an account.
import { as, type Context } from '../../context.ts'
import { randomToken, sha256 } from '../../crypto.ts'
import { condition, join } from '../../db/sql.ts'
import { appendEvent, countEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { noteMail } from '../../mail/outbox.ts'
import { loadSettings } from '../../settings.ts'
import { canBeKept } from '../closing/closing_store.ts'
import { hasFactor } from '../factors/factor_store.ts'
import type { KnownBrowsers } from '../known_browsers/known_browsers.ts'
import { addressProof, isAddressTaken } from '../login_ids/login_ids.ts'
import { dropAllSetBefore } from '../login_ids/set_before.ts'
import { countMailRequest } from '../mail/mail_requests.ts'
import { sendMails } from '../mail/mails.ts'
import { type EndAccess, isStillHeld } from '../recovery.ts'
import {
  type AccountLinkRow,
  accountLinkExists,
  accountLinkIsMine,
  consumeAccountLink,
  findSignInLink,
  insertAccountLink,
} from '../recovery_store.ts'
import { type SessionCookies, startSession } from '../sessions.ts'
import { isUsable } from '../users.ts'
import { beginSignIn, lacksFactor, type Methods } from './sign_in.ts'

export const LINK_PATH = '/login/link'

/** Lifetime of a link, in seconds. */
const LINK_TTL = 600
/**
 * The mailbox, or a link that an operator handed over, which proves none. RFC 8176 has no names for
 * them.
 */
const methodsOf = ({ made_by, address_key }: AccountLinkRow): Methods =>
  made_by !== null && address_key === null ? ['link'] : ['email']

export async function isLinkOffered(cx: Context): Promise<boolean> {
  const { sign_in_links, sign_in_names } = await loadSettings(cx)
  return sign_in_links === 'on' && sign_in_names.includes('email')
}

export type LinkRequest =
  | { outcome: 'taken' }
  | { outcome: 'too_many_requests'; retry_after: number }

const browserHash = (browser: string): string => sha256(`browser of a link ${browser}`)

/** Database round trips: 2, one for a blocked address. */
export async function requestSignInLink(
  cx: Context,
  input: {
    email: string
    locale: string
    /** The cookie of the browser that asks. */
    browser: string
    browsers: KnownBrowsers
    journey: Readonly<Record<string, string>>
  },
): Promise<LinkRequest> {
  const counted = await countMailRequest(cx, 'link', input)
  if (counted.outcome !== 'counted') return counted
  const { user, isWithin } = counted
  // Made for everybody, so that the work is the same.
  const token = randomToken(cx)
  const hash = sha256(token)
  const expires_at = cx.now() + LINK_TTL
  const isNew = accountLinkExists(hash)
  const mail = await noteMail(
    cx,
    {
      kind: 'sign_in_link',
      values: { link: `${cx.config.issuer}${LINK_PATH}?token=${token}`, valid_for: LINK_TTL },
      // Never to the address that was typed: it may only look like the stored one.
      to: { user_id: user?.id ?? '', login_id: user?.login_id ?? '' },
      locale: user?.locale ?? input.locale,
      expires_at,
      secret_of: hash,
    },
    isNew,
  )
  if (user === undefined || !(isUsable(user) || canBeKept(cx, user))) {
    const event = {
      type: 'login.failed',
      outcome: 'failure',
      subject_id: user?.id ?? null,
      data: { reason: user === undefined ? 'unknown_account' : 'disabled' },
    } as const
    const minute = cx.now() - (cx.now() % 60)
    // Strangers fill no table with names that nobody has.
    const failure = countEvent(cx, event, { count: 1, last_at: cx.now(), minute })
    // The statements of the mail find no link and note none: their time is that of a mail.
    await cx.db.write([...mail.statements, failure])
  } else {
    const { id: user_id, login_key } = user
    await cx.db.write({
      link: insertAccountLink(
        {
          hash,
          user_id,
          purpose: 'sign_in',
          created_at: cx.now(),
          expires_at,
          used_by: null,
          used_at: null,
          made_by: null,
          address_key: login_key,
          address: null,
          browser: browserHash(input.browser),
          journey: JSON.stringify(input.journey),
        },
        isWithin,
      ),
      mail: mail.statements,
      event: appendEvent(
        as(cx, { kind: 'user', id: user_id }),
        { type: 'user.link_asked', subject_id: user_id, data: { mail_id: mail.id } },
        isNew,
      ),
    })
  }
  sendMails(cx)
  return { outcome: 'taken' }
}

/** `elsewhere`: it was asked for in another browser. */
export type SignInLinkState =
  | { state: 'good'; email: string; journey: Readonly<Record<string, string>> }
  | { state: 'dead' }
  | { state: 'elsewhere' }

async function lookUp(cx: Context, token: string, browser: string | undefined) {
  const [link] = await cx.db.read(findSignInLink(cx, sha256(token)))
  if (link === undefined) return 'dead'
  // Nobody asked for it in a browser (operator_link.ts).
  if (link.made_by !== null && link.browser === null) return link
  if (!(await isLinkOffered(cx))) return 'dead'
  if (browser === undefined || link.browser !== browserHash(browser)) return 'elsewhere'
  return link
}

/** Reads only: mail programs open links by themselves. One round trip. */
export async function signInLinkState(
  cx: Context,
  token: string,
  browser: string | undefined,
): Promise<SignInLinkState> {
  const link = await lookUp(cx, token, browser)
  if (typeof link === 'string') return { state: link }
  return { state: 'good', email: link.email, journey: JSON.parse(link.journey ?? '{}') }
}

export type LinkSignIn =
  /** `displaced`: a person whose sessions ended by it. */
  | { outcome: 'signed_in'; cookies: SessionCookies; displaced: string | null }
  | { outcome: 'second_factor'; cookie: string }
  /** The account is closed: the person may keep it. */
  | { outcome: 'closed'; cookie: string }
  | { outcome: 'dead' | 'elsewhere' }

/**
 * Uses the link up. It proves the address; where that was not proven before, all that was set
 * before goes. Database round trips: 2.
 */
export async function signInByLink(
  cx: Context,
  input: {
    token: string
    browser: string | undefined
    user_agent: string
    replaces: string | undefined
    abandons: string | undefined
    browsers: KnownBrowsers
  },
  endAccess: EndAccess,
): Promise<LinkSignIn & { journey: Readonly<Record<string, string>> }> {
  const link = await lookUp(cx, input.token, input.browser)
  if (typeof link === 'string') return { outcome: link, journey: {} }
  const journey: Readonly<Record<string, string>> = JSON.parse(link.journey ?? '{}')
  const { hash, user_id } = link
  const isFirstProof = link.address_key !== null && link.verified_at === null
  const isMine = accountLinkIsMine(cx, hash)
  const used = consumeAccountLink(cx, link, isStillHeld(cx, link))
  const methods = methodsOf(link)
  const mails = withdrawMails(cx, condition`secret_of = ${hash} and ${isMine}`)
  const lacks = !isFirstProof && lacksFactor(methods, link.has_factor === 1)
  const password = isFirstProof ? null : link.password
  const proof = isFirstProof
    ? [
        ...dropAllSetBefore(as(cx, { kind: 'user', id: user_id }), user_id, endAccess, isMine),
        ...addressProof(cx, { user_id, email: link.email, key: link.address_key ?? '' }, isMine),
      ]
    : []
  // Another account came to have the address meanwhile.
  const taken = (error: unknown) => {
    if (isAddressTaken(error)) return null
    throw error
  }
  if (lacks || link.status === 'closed') {
    const { cookie, statements, begun } = beginSignIn(cx, {
      user_id,
      password,
      methods,
      replaces: input.abandons,
      when: isMine,
    })
    const made = await cx.db.write({ used, mails, proof, statements, begun }).catch(taken)
    if (made === null || made.begun.length === 0) return { outcome: 'dead', journey }
    return { outcome: lacks ? 'second_factor' : 'closed', cookie, journey }
  }
  const session = startSession(cx, {
    user_id,
    password,
    amr: methods,
    user_agent: input.user_agent,
    replaces: input.replaces,
    browsers: input.browsers,
    // A factor that was added since the first round trip is not passed by.
    when: join([isMine, condition`not ${hasFactor(user_id)}`], ' and '),
  })
  const write = cx.db.write({
    used,
    mails,
    proof,
    displaced: session.displaced,
    session: session.statements,
    started: session.started,
  })
  const written = await write.catch(taken)
  if (written === null || written.started.length === 0) return { outcome: 'dead', journey }
  const { displaced, started } = written
  const cookies = session.cookiesOf(started)
  const signed_out = displaced[0]?.user_id ?? (isFirstProof ? user_id : null)
  return { outcome: 'signed_in', cookies, displaced: signed_out, journey }
}
