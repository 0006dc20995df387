// The second factor: the code of an authenticator app, or a recovery code in its place. Guesses are
// counted per person over all sign-ins, in the batch that uses the code, and given back on success;
// only whoever has the password can guess. A person who is signed in may prove it too, where an
// application demands it (step-up): the session then goes on, stronger.
import { limit } from '../../attempts.ts'
import { as, type Context } from '../../context.ts'
import { condition, type Statement, scalar, sql } from '../../db/sql.ts'
import type { NewEvent } from '../../events/event_catalogue.ts'
import { appendEvent } from '../../events.ts'
import { noteMail } from '../../mail/outbox.ts'
import { loadSettings } from '../../settings.ts'
import {
  consumeRecoveryCode,
  countRecoveryCodes,
  type FactorRow,
  factorIsUsed,
  findRecoveryCode,
  listFactors,
  recoveryCodeIsMine,
  useStep,
} from '../factors/factor_store.ts'
import { readRecoveryCode, recoveryCodeHash } from '../factors/recovery_codes.ts'
import { openFactor } from '../factors/sealed_factors.ts'
import { readCode, stepOf } from '../factors/totp.ts'
import { sendMails } from '../mail/mails.ts'
import { findSession, type LiveSession, noteSession, userOf } from '../sessions.ts'
import { sessionExists } from '../store.ts'
import { advance, ofSession, ofSignIn, type Provable, signInHash } from './sign_in.ts'
import { findSignIn, type OpenSignIn } from './sign_in_store.ts'

/** The cookie of what the factor is added to. */
export type ProvedBy = { kind: 'sign_in' | 'session'; cookie: string | undefined }

const RECOVERY_CODES_FEW = 3

/** The person, by the sign-in that is on its way or by the session; one round trip. */
function findStanding(cx: Context, { kind, cookie }: ProvedBy) {
  const isSession = kind === 'session'
  const sign_in = cookie === undefined || isSession ? null : findSignIn(cx, signInHash(cookie))
  const session = cookie === undefined || !isSession ? null : findSession(cx, cookie)
  const user = isSession
    ? userOf(cx, cookie)
    : sign_in === null
      ? scalar`null`
      : scalar`(select user_id from (${sign_in}))`
  return {
    user,
    reads: {
      sign_in,
      session,
      factors: listFactors(user),
      person: sql<{ password: string | null }>`select password from user where id = ${user}`,
    },
  }
}

type Rows = {
  sign_in: readonly OpenSignIn[]
  session: readonly LiveSession[]
  person: readonly { password: string | null }[]
}

function standingOf(
  cx: Context,
  { sign_in, session, person }: Rows,
): { standing: Provable; email: string } | null {
  noteSession(cx, session[0])
  if (sign_in[0] !== undefined) {
    return { standing: ofSignIn(cx, sign_in[0]), email: sign_in[0].email }
  }
  if (session[0] === undefined) return null
  const password = person[0]?.password ?? null
  return { standing: ofSession(session[0], password), email: session[0].user_email }
}

/** The address of the person who has to prove a factor and can; null: there is nothing to prove. */
export async function whoProves(cx: Context, basis: ProvedBy): Promise<{ email: string } | null> {
  const rows = await cx.db.read(findStanding(cx, basis).reads)
  const found = standingOf(cx, rows)
  if (found === null || rows.factors.length === 0) return null
  if (found.standing.methods.includes('mfa')) return null
  return { email: found.email }
}

export type SecondFactorOutcome =
  | {
      outcome: 'signed_in'
      cookie: string
      displaced: string | null
      /** Recovery codes that are left, where one was used and few are. */
      codes_left: number | null
    }
  | { outcome: 'refused'; email: string }
  | { outcome: 'too_many_attempts'; email: string; retry_after: number }
  /** It took too long, or ended for another reason: the person begins anew. */
  | { outcome: 'ended' }

/** Database round trips: 2. */
export async function proveSecondFactor(
  cx: Context,
  basis: ProvedBy,
  input: { code: string; user_agent: string; session: string | undefined },
): Promise<SecondFactorOutcome> {
  const typed = readRecoveryCode(input.code)
  const hash = typed === null ? null : recoveryCodeHash(typed)
  const { user, reads } = findStanding(cx, basis)
  const rows = await cx.db.read({
    ...reads,
    recovery: hash === null ? null : findRecoveryCode(user, hash),
  })
  const found = standingOf(cx, rows)
  if (found === null || rows.factors.length === 0) return { outcome: 'ended' }
  const { standing, email } = found
  const { user_id } = standing
  const settings = await loadSettings(cx)
  const window = settings.login_attempts_window
  const { take, isWithin, giveBack, max } = limit(
    cx,
    { purpose: 'second factor', value: user_id },
    { max: settings.login_attempts_per_account, window },
  )
  const use = await useOf(cx, input.code, rows.factors, rows.recovery[0], isWithin)
  if (use === null) {
    const { counted } = await cx.db.write({
      counted: take,
      event: appendEvent(cx, failure('login.failed', user_id, 'second_factor'), isWithin),
    })
    const count = counted[0]?.count ?? Infinity
    if (count <= max) return { outcome: 'refused', email }
    // One event per window, so that guessing does not fill the record.
    if (count === max + 1) {
      await cx.db.write(appendEvent(cx, failure('login.blocked', user_id, 'too_many_attempts')))
    }
    return { outcome: 'too_many_attempts', email, retry_after: window }
  }
  const session = advance(cx, standing, {
    method: 'otp',
    proven: use.isUsed,
    user_agent: input.user_agent,
    replaces: input.session,
  })
  const isDone = sessionExists(session.id_hash)
  const written = await cx.db.write({
    displaced: session.displaced,
    count: take,
    used: use.use,
    event: use.event,
    // Conditional, so that a repeated batch does not give back twice.
    back: sql`${giveBack} and ${use.isUsed} and not ${isDone}`,
    session: session.statements,
    started: session.started,
    left: use.left,
    mail: use.mail,
  })
  if (written.started.length === 1) {
    const left = written.left[0]?.left ?? null
    if (left === RECOVERY_CODES_FEW) sendMails(cx)
    return {
      outcome: 'signed_in',
      cookie: session.cookie,
      displaced: written.displaced[0]?.user_id ?? null,
      codes_left: left !== null && left <= RECOVERY_CODES_FEW ? left : null,
    }
  }
  if ((written.count[0]?.count ?? Infinity) > max) {
    return { outcome: 'too_many_attempts', email, retry_after: window }
  }
  // The code was used meanwhile, or what the sign-in stood on has ended.
  return written.used.length === 0 ? { outcome: 'refused', email } : { outcome: 'ended' }
}

/** The use of a code that is right: of the first app that shows it, or of a recovery code. */
async function useOf(
  cx: Context,
  text: string,
  factors: readonly FactorRow[],
  recovery: { user_id: string; hash: string } | undefined,
  isWithin: ReturnType<typeof limit>['isWithin'],
) {
  const left = sql<{ left: number }>`select null as left where false`
  const code = readCode(text)
  if (code !== null) {
    for (const one of factors) {
      if (one.secret === null) continue
      const secret = await openFactor(cx, one.id, one.secret)
      const step = stepOf(secret, code, cx.now(), one.last_step)
      if (step === null) continue
      return {
        use: useStep(cx, one, step, isWithin) as Statement<{ id: string }>,
        isUsed: factorIsUsed(cx, one.id),
        event: null,
        left,
        mail: [],
      }
    }
  }
  if (recovery === undefined) return null
  const { user_id, hash } = recovery
  const isUsed = recoveryCodeIsMine(cx, hash)
  const acting = as(cx, { kind: 'user', id: user_id })
  // At this number alone, so that it is told once.
  const mail = await noteMail(
    cx,
    {
      kind: 'recovery_codes_low',
      values: { left: RECOVERY_CODES_FEW },
      to: { user_id },
      locale: null,
      expires_at: null,
      secret_of: null,
    },
    condition`${isUsed} and (${countRecoveryCodes(user_id)}) = ${RECOVERY_CODES_FEW}`,
  )
  return {
    use: consumeRecoveryCode(cx, recovery, isWithin),
    isUsed,
    event: appendEvent(acting, { type: 'recovery_code.used', subject_id: user_id }, isUsed),
    left: sql<{ left: number }>`select count(*) as left from recovery_code
      where user_id = ${user_id} and used_by is null and ${isUsed}`,
    mail: mail.statements,
  }
}

const failure = (
  type: 'login.failed' | 'login.blocked',
  user_id: string,
  reason: string,
): NewEvent => ({ type, outcome: 'failure', subject_id: user_id, data: { reason } })
