// Codes by mail as a second factor, where an operator offers them (`mail_codes`), for people who
// have no other one. Such a code is asked for at /continue where a factor is demanded, is bound to
// the session that it makes stronger, and is good once and for ten minutes. Guesses are counted as
// those at other factors are. The mailbox is one factor: after a mailed link, or with a password
// that came by one, a code proves nothing more and is not offered (mail_code_store.ts).
// Owns the tables `mail_code`, `linked_password`. Leaves the page to continue/, mail to mail/.
import { limit } from '../../attempts.ts'
import { as, type Context } from '../../context.ts'
import { mac, sha256, verifyMac } from '../../crypto.ts'
import { condition, join, sql } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { noteMail } from '../../mail/outbox.ts'
import { loadSettings } from '../../settings.ts'
import { readCode } from '../factors/totp.ts'
import { countedInBrowser, type KnownBrowsers } from '../known_browsers/known_browsers.ts'
import { sendMails } from '../mail/mails.ts'
import type { LiveSession, SessionCookies } from '../sessions.ts'
import { advance, ofSession } from '../sign_in/sign_in.ts'
import { sessionExists, type UserRow } from '../store.ts'
import {
  consumeMailCode,
  type MailCodeRow,
  mailCodeCounts,
  mailCodeExists,
  mailCodeIsMine,
  replaceMailCode,
} from './mail_code_store.ts'

/** Lifetime of a code, in seconds. */
const CODE_TTL = 600
const DIGITS = 6
/** Codes that one person has mailed in a window. */
const MAILS_MAX = 5

/** Whether a code could add anything to the session: it is one of a password alone. */
export function mayAddMailCode({ amr }: Pick<LiveSession, 'amr'>): boolean {
  const methods: readonly string[] = JSON.parse(amr)
  return methods.includes('pwd') && !methods.includes('email')
}

const macOf = (cx: Context, session_hash: string, code: string): string =>
  mac(cx, 'mail code', `${session_hash} ${code}`)

/** `false`: too many were asked for. One write. */
export async function askForMailCode(
  cx: Context,
  { user_id, id_hash, user_locale }: LiveSession,
  locale: string,
): Promise<boolean> {
  const { login_attempts_window: window } = await loadSettings(cx)
  const { take, isWithin, max } = limit(
    cx,
    { purpose: 'mail code', value: user_id },
    { max: MAILS_MAX, window },
  )
  const code = newCode(cx)
  const code_mac = macOf(cx, id_hash, code)
  const expires_at = cx.now() + CODE_TTL
  const secret_of = sha256(`mail code ${code_mac}`)
  const isNew = mailCodeExists(id_hash, code_mac)
  const mail = await noteMail(
    cx,
    {
      kind: 'sign_in_code',
      values: { code: `${code.slice(0, 3)} ${code.slice(3)}`, valid_for: CODE_TTL },
      to: { user_id },
      locale: user_locale ?? locale,
      expires_at,
      secret_of,
    },
    isNew,
  )
  const { count } = await cx.db.write({
    count: take,
    code: replaceMailCode(
      { session_hash: id_hash, user_id, code_mac, expires_at },
      join([isWithin, sessionExists(id_hash), mailCodeCounts(cx, user_id)], ' and '),
    ),
    // The code of before is dead.
    older: withdrawMails(
      cx,
      condition`user_id = ${user_id} and kind = 'sign_in_code' and secret_of <> ${secret_of}
        and ${isNew}`,
    ),
    mail: mail.statements,
    event: appendEvent(
      as(cx, { kind: 'user', id: user_id }),
      { type: 'user.code_asked', subject_id: user_id, data: { mail_id: mail.id } },
      isNew,
    ),
  })
  sendMails(cx)
  return (count[0]?.count ?? Infinity) <= max
}

/** Six digits, each of which is as likely as any other. */
function newCode(cx: Context): string {
  let digits = ''
  while (digits.length < DIGITS) {
    for (const byte of cx.random(16)) if (byte < 250) digits += byte % 10
  }
  return digits.slice(0, DIGITS)
}

export type MailCodeOutcome =
  | { outcome: 'proven'; cookies: SessionCookies }
  | { outcome: 'refused' }
  | { outcome: 'too_many_attempts'; retry_after: number }

/** Makes the session stronger by the code that was mailed for it. One write. */
export async function proveMailCode(
  cx: Context,
  {
    session,
    user,
    mailCode,
  }: { session: LiveSession; user: UserRow; mailCode: MailCodeRow | null },
  input: {
    code: string
    replaces: string | undefined
    user_agent: string
    browsers: KnownBrowsers
  },
): Promise<MailCodeOutcome> {
  const { user_id, id_hash } = session
  const { login_attempts_per_account, login_attempts_window: window } = await loadSettings(cx)
  const { take, isWithin, giveBack, max } = limit(
    cx,
    countedInBrowser(cx, { purpose: 'second factor', value: user_id }, input.browsers, user_id, {
      has_factor: true,
    }),
    { max: login_attempts_per_account, window },
  )
  const typed = readCode(input.code)
  const isRight =
    typed !== null &&
    mailCode !== null &&
    verifyMac(cx, 'mail code', `${id_hash} ${typed}`, mailCode.code_mac)
  const isOver = (counted: readonly { count: number }[]): boolean =>
    (counted[0]?.count ?? Infinity) > max
  if (!isRight) {
    const { counted } = await cx.db.write({
      counted: take,

      event: appendEvent(
        cx,
        {
          type: 'login.failed',
          outcome: 'failure',
          subject_id: user_id,
          data: { reason: 'second_factor' },
        },
        isWithin,
      ),
    })
    return isOver(counted)
      ? { outcome: 'too_many_attempts', retry_after: window }
      : { outcome: 'refused' }
  }
  const isUsed = mailCodeIsMine(cx, id_hash)
  const { replaces, user_agent, browsers } = input
  const next = advance(cx, ofSession(session, user.password), {
    methods: ['email'],
    proven: isUsed,
    replaces,
    user_agent,
    browsers,
  })
  const { counted, started } = await cx.db.write({
    counted: take,
    use: consumeMailCode(cx, mailCode, join([isWithin, mailCodeCounts(cx, user_id)], ' and ')),
    // Conditional, so that a repeated batch does not give back twice.
    back: sql`${giveBack} and ${isUsed} and not ${sessionExists(next.id_hash)}`,
    session: next.statements,
    mails: withdrawMails(
      cx,
      condition`secret_of = ${sha256(`mail code ${mailCode.code_mac}`)} and ${isUsed}`,
    ),
    started: next.started,
  })
  if (started.length === 1) return { outcome: 'proven', cookies: next.cookiesOf(started) }
  return isOver(counted)
    ? { outcome: 'too_many_attempts', retry_after: window }
    : { outcome: 'refused' }
}
