// Passkeys of the person who is signed in: adding one, after the sign-in that own_factors.ts of
// factors/ demands. Nothing is stored before the browser answers.
import { as, type Context } from '../../context.ts'
import { encodeBase64url, randomId } from '../../crypto.ts'
import { join, sql } from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import type { Reason } from '../../refusals.ts'
import { loadSettings } from '../../settings.ts'
import { factorAddedMail } from '../factors/factor_mail.ts'
import { factorIsNew, hasFewerFactors, insertFactor } from '../factors/factor_store.ts'
import {
  ALONE,
  type Along,
  cookiesAfter,
  FACTORS_MAX,
  type OwnFactors,
} from '../factors/own_factors.ts'
import { makeRecoveryCodes } from '../factors/recovery_codes.ts'
import { sendMails } from '../mail/mails.ts'
import type { SessionCookies } from '../sessions.ts'
import { sessionExists } from '../store.ts'
import {
  challengeIsMine,
  makeChallenge,
  type PasskeyStep,
  readChallenge,
  spendChallenge,
} from './challenges.ts'
import { PASSKEY_ALGORITHMS } from './credential_key.ts'
import { providerName } from './passkey_names.ts'
import { isPasskey } from './passkey_store.ts'
import { CEREMONY_TIMEOUT, describePasskeys } from './passkey_use.ts'
import {
  challengeOf,
  checkRegistration,
  PasskeyFault,
  readPasskeyRegistration,
  relyingParty,
} from './webauthn.ts'

/** Options of `navigator.credentials.create`, with bytes in base64url. */
export type CreationOptions = {
  challenge: string
  rp: { id: string; name: string }
  user: { id: string; name: string; displayName: string }
  pubKeyCredParams: readonly { type: 'public-key'; alg: number }[]
  timeout: number
  excludeCredentials: readonly { type: 'public-key'; id: string; transports: readonly string[] }[]
  authenticatorSelection: {
    residentKey: 'required'
    requireResidentKey: true
    userVerification: 'required'
  }
  attestation: 'none'
}

/** The name of the person that is offered comes back with the form, under the MAC. */
const stepOf = ({ session }: OwnFactors, user_handle: string): PasskeyStep => ({
  purpose: 'add',
  bound: `${user_handle} ${session.id_hash}`,
})

/**
 * A new passkey for the person, or null where there can be none. Those of one person have one
 * random name, which says nothing about who it is. No round trip when warm.
 */
export async function offerPasskey(cx: Context, own: OwnFactors): Promise<CreationOptions | null> {
  const party = relyingParty(cx.config.issuer)
  if (party === null) return null
  const { service_name } = await loadSettings(cx)
  const passkeys = own.factors.filter(isPasskey)
  const user_handle = passkeys[0]?.user_handle ?? encodeBase64url(cx.random(32))
  const { user_email: name, user_name } = own.session
  return {
    challenge: makeChallenge(cx, stepOf(own, user_handle)),
    rp: { id: party.rp_id, name: service_name === '' ? party.rp_id : service_name },
    user: { id: user_handle, name, displayName: user_name ?? name },
    pubKeyCredParams: PASSKEY_ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
    timeout: CEREMONY_TIMEOUT,
    excludeCredentials: describePasskeys(passkeys),
    authenticatorSelection: {
      residentKey: 'required',
      requireResidentKey: true,
      userVerification: 'required',
    },
    attestation: 'none',
  }
}

export type PasskeyAdded =
  /** `codes`: new recovery codes, with the first factor; else null. */
  | { outcome: 'added'; codes: string[] | null; cookies: SessionCookies | null }
  | { outcome: 'refused'; reason: Reason }

/** Adds the passkey that the browser made. `name`: where the provider is not known. One write. */
export async function addPasskey(
  cx: Context,
  own: OwnFactors,
  input: { response: string; user_handle: string; name: string },
  along: Along = ALONE,
): Promise<PasskeyAdded> {
  try {
    return await tryToAdd(cx, own, input, along)
  } catch (error) {
    if (!(error instanceof PasskeyFault)) throw error
    return { outcome: 'refused', reason: error.reason }
  }
}

async function tryToAdd(
  cx: Context,
  own: OwnFactors,
  { response, user_handle, name }: Parameters<typeof addPasskey>[2],
  along: Along,
): Promise<PasskeyAdded> {
  const { user_id, id_hash } = own.session
  const party = relyingParty(cx.config.issuer)
  if (party === null || own.factors.length >= FACTORS_MAX) throw new PasskeyFault('passkey_many')
  const registration = readPasskeyRegistration(response)
  const challenge = readChallenge(cx, stepOf(own, user_handle), challengeOf(registration))
  const made = await checkRegistration(registration, party, { needsVerification: true })
  const id = randomId(cx, 'fac')
  const acting = as(cx, { kind: 'user', id: user_id })
  const isNew = factorIsNew(cx, id)
  const isFirst = own.factors.length === 0
  const { codes, making } = makeRecoveryCodes(acting, user_id, isNew)
  const row = {
    id,
    user_id,
    kind: 'passkey' as const,
    name: providerName(made.aaguid) ?? name,
    secret: null,
    last_step: 0,
    used_by: null,
    made_by: cx.rid,
    created_at: cx.now(),
    last_used_at: null,
    credential_id: made.credential_id,
    public_key: made.public_key,
    user_handle,
    sign_count: made.sign_count,
    transports: JSON.stringify(made.transports),
    aaguid: made.aaguid,
    is_synced: Number(made.is_synced),
    is_backed_up: Number(made.is_backed_up),
  }
  const methods = [made.is_synced ? 'swk' : 'hwk', 'user', 'mfa']
  const next = along.replaceSession?.(isNew, methods) ?? null
  const { stored, started } = await cx.db.write({
    spent: spendChallenge(cx, challenge),
    // The session is looked at again: one that was just ended adds no lasting way in. An id that is
    // taken, by this person or another, stays where it is.
    factor: insertFactor(
      row,
      join(
        [
          hasFewerFactors(user_id, FACTORS_MAX),
          sessionExists(id_hash),
          challengeIsMine(cx, challenge),
          along.when,
        ],
        ' and ',
      ),
    ),
    event: appendEvent(
      acting,
      { type: 'factor.added', subject_id: user_id, data: { factor: id, kind: 'passkey' } },
      isNew,
    ),
    codes: isFirst ? making : [],
    mail: await factorAddedMail(acting, user_id, { how: 'passkey', factor: row.name }, isNew),
    session: next?.statements ?? null,
    started: next?.started ?? null,
    stored: sql<{ id: string }>`select id from factor where id = ${id} and ${isNew}`,
  })
  if (stored.length === 0) throw new PasskeyFault('passkey_taken')
  sendMails(cx)
  return { outcome: 'added', codes: isFirst ? codes : null, cookies: cookiesAfter(next, started) }
}
