// Doors: places that take the session of a browser, or a person whom somebody names, for "may go
// on". Each of them asks what the person lacks (identity/requirements.ts), or stands here with the
// reason why not. A new place without a decision fails.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from './support/tree.ts'

/** Ways in which a file comes by a person or a session. */
const WAYS =
  /\b(?:findSession|findLiveSession|liveSession|liveStanding|listSessionsOf|readAccount|readContinuation|readOwnFactors|userOf|findUserOf|startSession|isSessionLive|lookAt)\(/g

/** `uses`: how many calls of these the file has, so that one more is noticed too. */
type Decision = { uses: number } & (
  | { asks: string }
  /** The reason why nothing is asked. */
  | { never: string }
)

const DOORS: Readonly<Record<string, Decision>> = {
  'admin/places/routes.ts': { uses: 1, asks: '/places and each of its forms' },
  'identity/sessions.ts': { uses: 4, never: 'statements; their callers decide' },
  'identity/requirements.ts': { uses: 1, never: 'the statement that doors ask by' },
  'identity/account.ts': {
    uses: 11,
    asks: 'its readers answer what lacks; liveSession is for sign-out and the language',
  },
  'identity/login.ts': { uses: 1, never: 'a sign-in ends at the door that the person came from' },
  'identity/sign_up/new_account.ts': {
    uses: 1,
    never: 'leads to the door that the person came from, or /account',
  },
  'identity/setup.ts': { uses: 1, never: 'the first operator; leads to /account' },
  'identity/login_ids/own_names_routes.ts': { uses: 1, asks: '/account/names' },
  'identity/login_routes.ts': {
    uses: 5,
    asks: '/account; sign-out, here and everywhere, is excepted',
  },
  'identity/continue/continuation.ts': { uses: 6, asks: '/continue itself, and /account/consents' },
  'identity/continue/continue_routes.ts': {
    uses: 5,
    asks: '/account/consents; a consent may be withdrawn whatever else is missing',
  },
  'identity/own_profile/own_profile.ts': { uses: 3, asks: '/account/profile, its change too' },
  'identity/address/address_change.ts': {
    uses: 1,
    never: 'confirms by a mailed link; the session says only who sent it',
  },
  'identity/address/address_routes.ts': {
    uses: 4,
    asks: '/account/email, /account/password; links in mails are no session',
  },
  'identity/export/export_routes.ts': {
    uses: 2,
    never: 'the data are those of the person, whatever was agreed to',
  },
  'identity/mailed_offers/mailed_offer.ts': {
    uses: 2,
    asks: 'the page, and the use of the link; a new account has accepted what is asked',
  },
  'devices/claiming/person_claims.ts': { uses: 5, asks: 'the page, and the use of the code' },
  'identity/factors/own_factors.ts': { uses: 3, asks: 'readOwnFactors answers what lacks' },
  'identity/factors/own_factors_routes.ts': { uses: 4, asks: '/account/security' },
  'identity/passkeys/own_passkeys_routes.ts': { uses: 2, asks: '/account/security/passkey' },
  'identity/sign_in/sign_in.ts': { uses: 1, never: 'a sign-in ends at the door it came from' },
  'identity/sign_in/sign_in_link.ts': { uses: 1, never: 'the same, by a mailed link' },
  'identity/sign_in/second_factor.ts': { uses: 2, never: 'the same, with the second factor' },
  'identity/closing/closing_routes.ts': {
    uses: 2,
    never: 'nobody has to agree to anything in order to leave',
  },
  'identity/consents/decisions.ts': { uses: 3, never: 'the answer to what is asked' },
  'oauth/authorize/authorize.ts': { uses: 8, asks: 'each look, and the insert of the code' },
  'oauth/authorize/consent.ts': { uses: 2, asks: 'through lookAt and decide; linking pages too' },
  'oauth/device_flow/approval.ts': { uses: 2, asks: 'page, code and answer' },
  'oauth/device_flow/store.ts': { uses: 1, asks: 'the decision itself' },
  'oauth/authorizations/user_authorizations.ts': { uses: 2, asks: '/account/applications' },
  'oauth/authorizations/account_applications_routes.ts': {
    uses: 1,
    asks: 'the page; access may be taken away whatever else is missing',
  },
  'oauth/authorizations/code_store.ts': {
    uses: 1,
    never: 'a code stands on the look at its insert',
  },
  'oauth/logout/end_session.ts': { uses: 1, never: 'sign-out' },
  'oauth/token/grants/jwt_bearer.ts': {
    uses: 1,
    asks: 'before the authorization, and in its insert',
  },
  'oauth/token/grants/authorization_code.ts': {
    uses: 1,
    never: 'a code stands on the look at its insert',
  },
  'oauth/token/grants/device_code.ts': { uses: 1, never: 'stands on the look at the decision' },
  'oauth/token/grants/refresh_token.ts': {
    uses: 1,
    never: 'access goes on; lapsed_consents.ts ends it where the setting says so',
  },
  'oauth/token/grants/token_exchange.ts': {
    uses: 1,
    never: 'nobody signs in by it: a token comes of one that goes on, and dies with its origin',
  },
  'oauth/token/userinfo.ts': { uses: 1, never: 'access goes on' },
}

const worker = join(ROOT, 'worker')
const files = readdirSync(worker, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.startsWith('entry/'),
)
const codeOf = (file: string): string =>
  readFileSync(join(worker, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')

test('every place that takes somebody for signed in has a decision about what the person lacks', () => {
  const found = files.flatMap((file) => {
    const uses = codeOf(file).match(WAYS)?.length ?? 0
    return uses === 0 ? [] : [[file, uses]]
  })
  const decided = Object.entries(DOORS).map(([file, { uses }]) => [file, uses])
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(decided))
})

/** A file that asks does so by itself, or by the one that it calls. */
const ASKED_BY =
  /\b(?:requirementsOf|meetsRequirements|firstRequirement|readContinuation|lookAt|decide)\b/

test('a door that asks does ask', () => {
  const silent = Object.entries(DOORS).filter(
    ([file, decision]) => 'asks' in decision && !ASKED_BY.test(codeOf(file)),
  )
  expect(silent).toEqual([])
})
