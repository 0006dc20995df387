// Factors of the person who is signed in: adding an authenticator app, removing a factor, and
// recovery codes; passkeys/ adds its own. All of it needs a sign-in of the last minutes, with the
// second factor where there is one: an open browser alone takes nothing away and adds nothing. The
// key of an app is stored when its first code was right; until then it travels sealed in the form.
// Owns the tables `factor` and `recovery_code` (factor_store.ts). Leaves signing in to sign_in/.
import { as, type Context } from '../../context.ts'
import {
  decodeBase64url,
  encodeBase64url,
  randomId,
  seal,
  UnsealError,
  unseal,
} from '../../crypto.ts'
import { factor } from '../../db/schema.ts'
import { type Condition, condition, join, scalar, sql, TRUE } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { parseJsonObject } from '../../http.ts'
import { loadSettings } from '../../settings.ts'
import { sendMails } from '../mail/mails.ts'
import { type Requirement, requirementsOf, standingOf } from '../requirements.ts'
import {
  findSession,
  type LiveSession,
  noteSession,
  type SessionCookies,
  userOf,
} from '../sessions.ts'
import type { advance, Methods } from '../sign_in/sign_in.ts'
import { sessionExists } from '../store.ts'
import { deleteTrustedBrowsersOf } from '../trusted_browsers/trusted_browser_store.ts'
import { factorAddedMail } from './factor_mail.ts'
import {
  countRecoveryCodes,
  deleteFactor,
  deleteRecoveryCodes,
  type FactorRow,
  factorIsDemanded,
  factorIsNew,
  factorIsOfKind,
  hasFactor,
  insertFactor,
  isLastFactor,
  isLastWayIn,
  listFactors,
  recoveryCodesAreNew,
  updateFactorName,
} from './factor_store.ts'
import { makeRecoveryCodes } from './recovery_codes.ts'
import { sealFactor } from './sealed_factors.ts'
import { keyUri, qrMatrix, readCode, SECRET_BYTES, stepOf, typedSecret } from './totp.ts'

/** Seconds after a sign-in in which factors may be changed. */
const FRESH = 600
/** Seconds for which a key waits for its first code. */
const SETUP_TTL = 900
/** Factors of one person, apps and passkeys together. */
export const FACTORS_MAX = 10

/** The person to whom a key was offered, which its sealed form is bound to. */
const contextOfSetup = (user_id: string): string => `authenticator app:${user_id}`

export type OwnFactors = {
  session: LiveSession
  factors: readonly FactorRow[]
  codes_left: number
  lacking: readonly Requirement[]
  /** The person proved the password, and the second factor if there is one, just now. */
  isFresh: boolean
}

/**
 * The person's factors, and what the person lacks; null for a browser that is not signed in. One
 * round trip.
 */
export async function readOwnFactors(
  cx: Context,
  cookie: string | undefined,
): Promise<OwnFactors | null> {
  if (cookie === undefined) return null
  const user = userOf(cx, cookie)
  const {
    session: [session],
    factors,
    codes: [codes],
    lacking,
  } = await cx.db.read({
    session: findSession(cx, cookie),
    factors: listFactors(user),
    codes: countRecoveryCodes(user),
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
  })
  noteSession(cx, session)
  if (session === undefined) return null
  const amr: string[] = JSON.parse(session.amr)
  const isFresh = isJustSignedIn(cx, session) && (factors.length === 0 || amr.includes('mfa'))
  return { session, factors, codes_left: codes?.left ?? 0, lacking, isFresh }
}

/** The sign-in is one of the last minutes. */
export const isJustSignedIn = (cx: Context, { auth_time }: LiveSession): boolean =>
  auth_time > cx.now() - FRESH

export type NewApp = { setup: string; key: string; qr: ReturnType<typeof qrMatrix> }

/** A new key for an app, which counts once its first code is right. No round trip when warm. */
export async function offerApp(cx: Context, { user_id, user_email }: LiveSession): Promise<NewApp> {
  const secret = cx.random(SECRET_BYTES)
  const offer = {
    id: randomId(cx, 'fac'),
    secret: encodeBase64url(secret),
    expires_at: cx.now() + SETUP_TTL,
  }
  const setup = await seal(cx, contextOfSetup(user_id), JSON.stringify(offer), 'seal tokens')
  return show(cx, user_email, secret, setup)
}

async function show(cx: Context, email: string, secret: Uint8Array, setup: string) {
  const { service_name } = await loadSettings(cx)
  const service = service_name === '' ? new URL(cx.config.issuer).host : service_name
  return { setup, key: typedSecret(secret), qr: qrMatrix(keyUri(service, email, secret)) }
}

export type AppAdded =
  /** `codes`: new recovery codes, with the first factor; else null. */
  | { outcome: 'added'; codes: string[] | null; cookies: SessionCookies | null }
  | { outcome: 'refused'; app: NewApp }
  | { outcome: 'expired' }

/** Goes with the adding of a factor, in its batch. */
export type Along = {
  /** The factor is added only where this holds. */
  when: Condition
  /** Puts a session in the place of the present one, with the methods that the factor proved. */
  replaceSession: ((isNew: Condition, methods: Methods) => ReturnType<typeof advance>) | null
}

/** Nothing goes with it. */
export const ALONE: Along = { when: TRUE, replaceSession: null }

/** Adds the app whose key was offered, by its first code. One write. */
export async function addApp(
  cx: Context,
  { session, factors }: OwnFactors,
  input: { setup: string; code: string; name: string },
  along: Along = ALONE,
): Promise<AppAdded> {
  const { user_id, user_email } = session
  const offer = await openSetup(cx, user_id, input.setup)
  if (offer === null || factors.length >= FACTORS_MAX) return { outcome: 'expired' }
  const { id, secret } = offer
  const code = readCode(input.code)
  const step = code === null ? null : stepOf(secret, code, cx.now(), 0)
  if (step === null) {
    return { outcome: 'refused', app: await show(cx, user_email, secret, input.setup) }
  }
  const acting = as(cx, { kind: 'user', id: user_id })
  const isNew = factorIsNew(cx, id)
  const isFirst = factors.length === 0
  const { codes, making } = makeRecoveryCodes(acting, user_id, isNew)
  const next = along.replaceSession?.(isNew, ['otp']) ?? null
  const { made, started } = await cx.db.write({
    // The session is looked at again: one that was just ended adds no lasting way in.
    factor: insertFactor(
      {
        id,
        user_id,
        kind: 'totp',
        name: input.name,
        secret: await sealFactor(cx, id, secret),
        last_step: step,
        used_by: null,
        made_by: cx.rid,
        created_at: cx.now(),
        last_used_at: null,
      },
      join([sessionExists(session.id_hash), along.when], ' and '),
    ),
    event: appendEvent(
      acting,
      { type: 'factor.added', subject_id: user_id, data: { factor: id, kind: 'totp' } },
      isNew,
    ),
    codes: isFirst ? making : [],
    mail: await factorAddedMail(acting, user_id, { how: 'app', factor: input.name }, isNew),
    session: next?.statements ?? null,
    started: next?.started ?? null,
    made: sql<{ id: string }>`select id from factor where id = ${id} and ${isNew}`,
  })
  if (made.length === 0) return { outcome: 'expired' }
  sendMails(cx)
  return { outcome: 'added', codes: isFirst ? codes : null, cookies: cookiesAfter(next, started) }
}

/** The cookies of the session that took the place of the present one; null where none did. */
export const cookiesAfter = (
  next: ReturnType<typeof advance> | null,
  started: Parameters<ReturnType<typeof advance>['cookiesOf']>[0],
): SessionCookies | null => (next === null || started.length === 0 ? null : next.cookiesOf(started))

async function openSetup(cx: Context, user_id: string, setup: string) {
  let text: string
  try {
    text = await unseal(cx, contextOfSetup(user_id), setup, 'seal tokens')
  } catch (error) {
    if (error instanceof UnsealError) return null
    throw error
  }
  const offer = parseJsonObject(text)
  const secret = decodeBase64url(String(offer?.['secret']))
  if (offer === null || secret === null || Number(offer['expires_at']) <= cx.now()) return null
  return { id: String(offer['id']), secret }
}

/**
 * Removes one of the person's factors; with the last one the recovery codes go. The last way in
 * stays, and so does the last factor where one is demanded. One write.
 */
export async function removeOwnFactor(
  cx: Context,
  { session }: OwnFactors,
  id: string,
): Promise<'removed' | 'last_way_in' | 'factor_demanded'> {
  const { user_id } = session
  const isLast = isLastWayIn(user_id, id)
  const isDemanded = condition`${isLastFactor(user_id, id)}
    and ${factorIsDemanded(cx, scalar`${user_id}`)}`
  const {
    kept: [kept],
  } = await cx.db.write({
    kept: sql<{ last: 0 | 1 }>`select (${isLast}) as last from factor
      where user_id = ${user_id} and id = ${id} and ((${isLast}) or (${isDemanded}))`,
    removal: factorRemoval(
      as(cx, { kind: 'user', id: user_id }),
      { user_id, id },
      condition`not (${isLast}) and not (${isDemanded})`,
    ),
  })
  if (kept === undefined) return 'removed'
  return kept.last === 1 ? 'last_way_in' : 'factor_demanded'
}

const KINDS = factor.kind.enumValues

/** The statements that remove a factor where the condition holds, with its event. */
export const factorRemoval = (
  cx: Context,
  { user_id, id }: { user_id: string; id: string },
  when: Condition = TRUE,
) => [
  ...KINDS.map((kind) =>
    appendEvent(
      cx,
      { type: 'factor.removed', subject_id: user_id, data: { factor: id, kind } },
      join([factorIsOfKind(user_id, id, kind), when], ' and '),
    ),
  ),
  deleteTrustedBrowsersOf(
    user_id,
    condition`exists (select 1 from factor where user_id = ${user_id} and id = ${id})
      and (${when})`,
  ),
  deleteFactor(user_id, id, when),
  deleteRecoveryCodes(cx, user_id, condition`not ${hasFactor(user_id)}`),
]

/** Names one of the person's passkeys anew. One write. */
export async function renameOwnPasskey(
  cx: Context,
  { session }: OwnFactors,
  { id, name }: { id: string; name: string },
): Promise<void> {
  const { user_id, id_hash } = session
  const when = sessionExists(id_hash)
  await cx.db.write([
    appendEvent(
      as(cx, { kind: 'user', id: user_id }),
      { type: 'factor.renamed', subject_id: user_id, data: { factor: id } },
      join([factorIsOfKind(user_id, id, 'passkey'), when], ' and '),
    ),
    updateFactorName({ user_id, id, kind: 'passkey' }, name, when),
  ])
}

/** New recovery codes in the place of all others. One write. */
export async function renewRecoveryCodes(
  cx: Context,
  { session }: OwnFactors,
): Promise<string[] | null> {
  const { user_id } = session
  const acting = as(cx, { kind: 'user', id: user_id })
  const when = join([hasFactor(user_id), sessionExists(session.id_hash)], ' and ')
  const { codes, making } = makeRecoveryCodes(acting, user_id, when)
  const isMade = recoveryCodesAreNew(acting, user_id)
  const { made } = await cx.db.write({
    making,
    mail: await factorAddedMail(acting, user_id, { how: 'codes' }, isMade),
    made: sql<{ n: number }>`select count(*) as n from recovery_code
      where user_id = ${user_id} and made_by = ${cx.rid}`,
  })
  if (made[0]?.n !== codes.length) return null
  sendMails(cx)
  return codes
}
