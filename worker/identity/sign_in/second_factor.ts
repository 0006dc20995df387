// The second factor: the code of an authenticator app, a passkey, or a recovery code instead.
// Guesses are counted per person over all sign-ins or, in a browser where the person proved one
// before, per browser; in the batch that uses the code, and given back on success. So whoever has
// the password and guesses does not stop the person there. Nobody guesses a passkey, so it passes
// when codes are blocked. A person who is signed in may prove a factor too, where an application
// demands it (step-up): the session then goes on, stronger.
import { limit } from '../../attempts.ts'
import { as, type Context } from '../../context.ts'
import { type Condition, condition, type Statement, scalar, sql } from '../../db/sql.ts'
import type { NewEvent } from '../../events/event_catalogue.ts'
import { appendEvent } from '../../events.ts'
import { noteMail } from '../../mail/outbox.ts'
import type { Reason } from '../../refusals.ts'
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
import { countedInBrowser, type KnownBrowsers } from '../known_browsers/known_browsers.ts'
import { sendMails } from '../mail/mails.ts'
import { findSpentChallenge, type PasskeyStep } from '../passkeys/challenges.ts'
import { isPasskey } from '../passkeys/passkey_store.ts'
import {
  askForPasskey,
  type PasskeyAnswer,
  type RequestOptions,
  readPasskeyAnswer,
  rollbackEvent,
  usePasskey,
} from '../passkeys/passkey_use.ts'
import { PasskeyFault } from '../passkeys/webauthn.ts'
import {
  findSession,
  type LiveSession,
  noteSession,
  type SessionCookies,
  userOf,
} from '../sessions.ts'
import { countFailedSignIn } from './failed_sign_ins.ts'
import {
  advance,
  complete,
  type Methods,
  ofSession,
  ofSignIn,
  type Provable,
  signInHash,
} from './sign_in.ts'
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
    // The pages from here on are in the language of the account.
    cx.parties.locale = sign_in[0].locale
    return { standing: ofSignIn(cx, sign_in[0]), email: sign_in[0].email }
  }
  if (session[0] === undefined) return null
  const password = person[0]?.password ?? null
  return { standing: ofSession(session[0], password), email: session[0].user_email }
}

export type Proving = {
  email: string
  hasApp: boolean
  /** The question for a passkey of the person; null without one. */
  passkey: RequestOptions | null
}

/** The person who has to prove a factor and can; null: there is nothing to prove. */
export async function whoProves(cx: Context, basis: ProvedBy): Promise<Proving | null> {
  const rows = await cx.db.read(findStanding(cx, basis).reads)
  const found = standingOf(cx, rows)
  if (found === null || rows.factors.length === 0) return null
  if (found.standing.methods.includes('mfa')) return null
  return provingOf(cx, basis, found.email, rows.factors)
}

function provingOf(
  cx: Context,
  basis: ProvedBy,
  email: string,
  factors: readonly FactorRow[],
): Proving {
  const passkeys = factors.filter(isPasskey)
  return {
    email,
    hasApp: factors.some(({ kind }) => kind === 'totp'),
    passkey: passkeys.length === 0 ? null : askForPasskey(cx, stepOfBasis(basis), passkeys),
  }
}

/** The step of the challenge, bound to the sign-in or session that it goes on with. */
const stepOfBasis = ({ kind, cookie }: ProvedBy): PasskeyStep => ({
  purpose: 'second factor',
  bound: `${kind} ${cookie}`,
})

export type SecondFactorOutcome =
  | {
      outcome: 'signed_in'
      cookies: SessionCookies
      displaced: string | null
      /** Recovery codes that are left, where one was used and few are. */
      codes_left: number | null
    }
  /** The account is closed: the person may keep it. */
  | { outcome: 'closed' }
  | { outcome: 'refused'; proving: Proving; reason: Reason }
  | { outcome: 'too_many_attempts'; proving: Proving; retry_after: number }
  /** It took too long, or ended for another reason: the person begins anew. */
  | { outcome: 'ended' }

/** A code as it was typed, or the response of a passkey as JSON. */
export type FactorProof = { code: string } | { passkey: string }

/** Database round trips: 2; 3 for the event of a copied passkey, or of a limit that is reached. */
export async function proveSecondFactor(
  cx: Context,
  basis: ProvedBy,
  input: {
    proof: FactorProof
    user_agent: string
    session: string | undefined
    browsers: KnownBrowsers
  },
): Promise<SecondFactorOutcome> {
  const read = readProof(cx, basis, input.proof)
  const { user, reads } = findStanding(cx, basis)
  const rows = await cx.db.read({
    ...reads,
    recovery: read.recovery === null ? null : findRecoveryCode(user, read.recovery),
    spent: read.answer === null ? null : findSpentChallenge(read.answer.challenge),
  })
  const found = standingOf(cx, rows)
  if (found === null || rows.factors.length === 0) return { outcome: 'ended' }
  const { standing, email } = found
  const { user_id } = standing
  const proving = provingOf(cx, basis, email, rows.factors)
  const settings = await loadSettings(cx)
  const window = settings.login_attempts_window
  const { take, isWithin, giveBack, max } = limit(
    cx,
    countedInBrowser(cx, { purpose: 'second factor', value: user_id }, input.browsers, user_id, {
      has_factor: true,
    }),
    { max: settings.login_attempts_per_account, window },
  )
  const use = await useOf(cx, read, rows, isWithin)
  if ('fault' in use) {
    const { counted } = await cx.db.write({
      counted: take,
      event: appendEvent(cx, failure('login.failed', user_id, 'second_factor'), isWithin),
      failed: basis.kind === 'sign_in' ? countFailedSignIn(cx, user_id) : null,
      copied: use.event,
    })
    const count = counted[0]?.count ?? Infinity
    if (count <= max) return { outcome: 'refused', proving, reason: use.fault }
    // One event per window, so that guessing does not fill the record.
    if (count === max + 1) {
      await cx.db.write(appendEvent(cx, failure('login.blocked', user_id, 'too_many_attempts')))
    }
    return { outcome: 'too_many_attempts', proving, retry_after: window }
  }
  const proof = { methods: use.methods, proven: use.isUsed }
  const { user_agent, session: replaces, browsers } = input
  const session =
    standing.closed === undefined
      ? advance(cx, standing, { ...proof, user_agent, replaces, browsers })
      : complete(standing.closed, standing, proof)
  const { isDone } = session
  const written = await cx.db.write({
    displaced: session.displaced,
    count: take,
    use: use.use,
    event: use.event,
    used: sql<{ yes: 1 }>`select 1 as yes where ${use.isUsed}`,
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
    if (session.cookiesOf === null) return { outcome: 'closed' }
    return {
      outcome: 'signed_in',
      cookies: session.cookiesOf(written.started),
      displaced: written.displaced[0]?.user_id ?? null,
      codes_left: left !== null && left <= RECOVERY_CODES_FEW ? left : null,
    }
  }
  if (use.isLimited && (written.count[0]?.count ?? Infinity) > max) {
    return { outcome: 'too_many_attempts', proving, retry_after: window }
  }
  // The code was used meanwhile, or what the sign-in stood on has ended.
  return written.used.length === 0
    ? { outcome: 'refused', proving, reason: use.outrun }
    : { outcome: 'ended' }
}

type ReadProof = {
  code: string | null
  /** Hash of a recovery code. */
  recovery: string | null
  answer: PasskeyAnswer | null
  fault: Reason
}

function readProof(cx: Context, basis: ProvedBy, proof: FactorProof): ReadProof {
  const none = { code: null, recovery: null, answer: null, fault: 'second_factor_refused' as const }
  if ('code' in proof) {
    const typed = readRecoveryCode(proof.code)
    const recovery = typed === null ? null : recoveryCodeHash(typed)
    return { ...none, code: readCode(proof.code), recovery }
  }
  try {
    return { ...none, answer: readPasskeyAnswer(cx, stepOfBasis(basis), proof.passkey) }
  } catch (error) {
    if (!(error instanceof PasskeyFault)) throw error
    return { ...none, fault: error.reason }
  }
}

type Use = {
  use: Statement | readonly Statement[]
  isUsed: Condition
  methods: Methods
  event: Statement | null
  left: Statement<{ left: number }>
  mail: readonly Statement[]
  isLimited: boolean
  /** Why it does not count where another request was faster. */
  outrun: Reason
}

const NONE_LEFT = sql<{ left: number }>`select null as left where false`

/** The use of the proof: a passkey, a code of the first app that shows it, a recovery code. */
async function useOf(
  cx: Context,
  { code, answer, fault }: ReadProof,
  rows: {
    factors: readonly FactorRow[]
    recovery: readonly { user_id: string; hash: string }[]
    spent: readonly unknown[]
  },
  isWithin: Condition,
): Promise<Use | { fault: Reason; event: Statement | null }> {
  if (answer !== null) return usePasskeyOf(cx, answer, rows)
  const limited = { methods: ['otp'], isLimited: true, outrun: 'second_factor_refused' as const }
  if (code !== null) {
    for (const one of rows.factors) {
      if (one.secret === null) continue
      const secret = await openFactor(cx, one.id, one.secret)
      const step = stepOf(secret, code, cx.now(), one.last_step)
      if (step === null) continue
      return {
        ...limited,
        use: useStep(cx, one, step, isWithin),
        isUsed: factorIsUsed(cx, one.id),
        event: null,
        left: NONE_LEFT,
        mail: [],
      }
    }
  }
  const [recovery] = rows.recovery
  if (recovery === undefined) return { fault, event: null }
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
    ...limited,
    use: consumeRecoveryCode(cx, recovery, isWithin),
    isUsed,
    event: appendEvent(acting, { type: 'recovery_code.used', subject_id: user_id }, isUsed),
    left: sql<{ left: number }>`select count(*) as left from recovery_code
      where user_id = ${user_id} and used_by is null and ${isUsed}`,
    mail: mail.statements,
  }
}

/** A passkey of this person: others are unknown here. */
async function usePasskeyOf(
  cx: Context,
  answer: PasskeyAnswer,
  { factors, spent }: { factors: readonly FactorRow[]; spent: readonly unknown[] },
): Promise<Use | { fault: Reason; event: Statement | null }> {
  const passkey = factors
    .filter(isPasskey)
    .find(({ credential_id }) => credential_id === answer.assertion.credential_id)
  try {
    const { statements, isUsed, methods } = await usePasskey(cx, answer, { passkey, spent })
    return {
      use: statements,
      isUsed,
      methods,
      event: null,
      left: NONE_LEFT,
      mail: [],
      isLimited: false,
      outrun: 'passkey_outrun',
    }
  } catch (error) {
    if (!(error instanceof PasskeyFault)) throw error
    return { fault: error.reason, event: rollbackEvent(cx, passkey, error) }
  }
}

const failure = (
  type: 'login.failed' | 'login.blocked',
  user_id: string,
  reason: string,
): NewEvent => ({ type, outcome: 'failure', subject_id: user_id, data: { reason } })
