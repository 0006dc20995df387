import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { LOCALES } from '../../worker/messages/locales.ts'
import { english, type Messages, messagesIn } from '../../worker/messages/messages.ts'
import { accountPage, describeUserAgent } from '../../worker/pages/account/account_page.ts'
import {
  addressDonePage,
  addressPage,
  confirmAddressPage,
  newPasswordPage,
  undoAddressPage,
} from '../../worker/pages/account/address_page.ts'
import { applicationsPage } from '../../worker/pages/account/applications_page.ts'
import {
  claimCodePage,
  claimedPage,
  claimPage,
  claimSignInPage,
} from '../../worker/pages/account/claim_page.ts'
import { closedPage, closingPage, keepPage } from '../../worker/pages/account/closing_page.ts'
import {
  EXPORT_FIELDS,
  exportDocument,
  exportPage,
} from '../../worker/pages/account/export_page.ts'
import { acceptInvitationPage, newInvitedPage } from '../../worker/pages/account/invitation_page.ts'
import { namesPage } from '../../worker/pages/account/names_page.ts'
import {
  endPage,
  offerPlacePage,
  placePage,
  placesPage,
  wayInPage,
} from '../../worker/pages/account/places_page.ts'
import { profilePage } from '../../worker/pages/account/profile_page.ts'
import {
  factorRestoredPage,
  undoRemovalPage,
} from '../../worker/pages/account/removed_factor_page.ts'
import {
  newAppPage,
  newPasskeyPage,
  recoveryCodesPage,
  securityPage,
} from '../../worker/pages/account/security_page.ts'
import {
  acceptTransferPage,
  newOwnerPage,
  transferredPage,
} from '../../worker/pages/account/transfer_page.ts'
import { consentPage } from '../../worker/pages/consent_page.ts'
import { consentsPage } from '../../worker/pages/consents/consents_page.ts'
import {
  addressQuestionPage,
  passwordQuestionPage,
  profileQuestionPage,
  renewedWayInPage,
  textQuestionPage,
} from '../../worker/pages/consents/continue_page.ts'
import {
  factorQuestionPage,
  mailCodePage,
} from '../../worker/pages/consents/factor_question_page.ts'
import { deviceConsentPage, deviceDonePage, devicePage } from '../../worker/pages/device_page.ts'
import { errorPage } from '../../worker/pages/error_page.ts'
import { languagePage } from '../../worker/pages/language_page.ts'
import { linkingPage } from '../../worker/pages/linking_page.ts'
import { loginPage } from '../../worker/pages/login_page.ts'
import { logoutPage, signedOutPage } from '../../worker/pages/logout_page.ts'
import { PASSKEY_SCRIPT } from '../../worker/pages/passkey_form.ts'
import { recoveryRequestPage, recoverySentPage } from '../../worker/pages/recovery_page.ts'
import type { RightToShow } from '../../worker/pages/rights_in_words.ts'
import { secondFactorPage } from '../../worker/pages/second_factor_page.ts'
import { setupPage } from '../../worker/pages/setup_page.ts'
import {
  linkRequestPage,
  linkSentPage,
  openLinkPage,
} from '../../worker/pages/sign_in_link_page.ts'
import { newAccountPage, signUpPage, signUpSentPage } from '../../worker/pages/sign_up_page.ts'
import { stylesheet } from '../../worker/pages/stylesheet.ts'
import { startWorker } from '../context.ts'

const EVIL = `"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;`

const textsToAccept = (text: string) =>
  [true, false].map((isTicked) => ({
    ...{ box: `${text}.${isTicked}`, shown: text, isTicked, locale: text, title: text },
    text: isTicked ? text : undefined,
    url: isTicked ? undefined : text,
  }))

const rightsWith = (text: string): RightToShow[] => [
  { kind: 'scope', name: text },
  { kind: 'claim', name: text },
  { kind: 'detail', actions: [text], objects: [text] },
  { kind: 'allowed_detail' },
]

const factor = <T extends object>(text: string, more: T) => ({
  ...{ id: text, name: text, created_at: 1_800_000_000 },
  ...more,
})

const words = (text: string) => ({ locale: 'en', title: text, text, url: undefined })
const question = (text: string) => ({
  email: text,
  csrf: text,
  carried: { [text]: text },
  error: text,
})

/** The copy of the data of a person, put together of its pieces. */
async function exported(text: string, m: Messages): Promise<string> {
  const values = { email: text, name: text, service: text, made_at: 1_800_000_000, base: '' }
  const { start, part, end } = await exportDocument(values, m)
  const row = {
    ...Object.fromEntries(EXPORT_FIELDS.map((name) => [name, text])),
    created_at: 1_800_000_000,
    amr: [text],
    data: [text, 1],
    offline: true,
    is_synced: false,
    [text]: text,
  }
  const whole = { isFirst: true, isLast: true }
  return [
    start,
    part({ name: 'account', rows: [row], ...whole }),
    part({ name: 'sessions', rows: [], ...whole }),
    part({ name: 'events', rows: [row], isFirst: true, isLast: false }),
    part({ name: 'events', rows: [row], isFirst: false, isLast: true }),
    end,
  ].join('')
}

const ENDED = {
  ...{ people: 4, grants: 3, memberships: 3, invitations: 1, authorizations: 2, claim_tokens: 1 },
  ...{ credentials: 1, tokens: 1 },
}

const roleWith = (text: string) => ({
  ...{ grant: text, text, object: text, expires_at: 1_800_000_000 },
})

const placeWith = (text: string) => ({
  id: 'p1',
  name: text,
  rooms: [{ id: 'r1', name: text }],
  people: [
    {
      ...{ id: text, label: text, name: text, isSelf: false, canRenew: true },
      memberships: [{ group: text, expires_at: 1_800_000_000 }],
      roles: [roleWith(text)],
    },
    {
      id: 'u2',
      label: text,
      name: null,
      isSelf: true,
      canRenew: false,
      memberships: [],
      roles: [],
    },
  ],
  others: [{ ...roleWith(text), subject: text }],
  cursors: { people: text },
  next: { people: text, others: null, invitations: null, devices: text, rooms: null },
  devices: [
    { id: text, name: text, type: text, status: 'active' as const, last_seen_at: 1_800_000_000 },
    { id: text, name: text, type: text, status: 'unclaimed' as const, last_seen_at: null },
  ],
  invitations: [{ id: text, address: text, expires_at: 1_800_000_000 }],
  roles: [{ name: text, text }],
  transfer: null,
  may: { invite: true, change: true },
  csrf: text,
  error: text,
})

/** Every page with `text` in each place that others decide. */
const pagesWith = (text: string, m: Messages = english) => ({
  login: loginPage(
    {
      names: 'both',
      username: text,
      carried: { [text]: text },
      csrf: text,
      error: text,
      forgotten: '/recover',
      passkey: { challenge: text },
      sign_up: '/sign-up',
      link: '/login/link',
    },
    m,
  ),
  consent: consentPage(
    {
      client_name: text,
      client_id: text,
      email: text,
      rights: rightsWith(text),
      resources: [text],
      request: text,
      csrf: text,
      redirect_host: text,
      switch_account: text,
    },
    m,
  ),
  linking: linkingPage(
    {
      service_name: text,
      vendor: { title: text, app: text, privacy_uri: text },
      email: text,
      rights: rightsWith(text),
      privacy_uri: text,
      request: text,
      csrf: text,
      redirect_host: text,
      switch_account: text,
    },
    m,
  ),
  places: placesPage(
    {
      owned: [{ id: 'p1', name: text }],
      others: [
        {
          id: text,
          name: text,
          parts: [
            { text, expires_at: 1_800_000_000 },
            { text: null, expires_at: null },
          ],
        },
      ],
      csrf: text,
      error: text,
    },
    m,
  ),
  places_none: placesPage({ owned: [], others: [], csrf: text }, m),
  place: placePage(placeWith(text), m),
  place_offered: placePage(
    { ...placeWith(text), transfer: { address: text, expires_at: 1_800_000_000 } },
    m,
  ),
  place_end: endPage(
    {
      ...{ action: 'remove', id: text, seen: text, here: '/places/p1', csrf: text },
      endings: {
        ...{ label: text, ofGroups: true, isPlaceAccount: true },
        grants: [{ text, object: text, expires_at: 1_800_000_000 }],
        memberships: [{ group: text, expires_at: null }],
      },
    },
    m,
  ),
  place_way_in: wayInPage({ id: 'p1', user_name: text, url: text, expires_at: 1_800_000_000 }, m),
  place_offer: offerPlacePage({ id: 'p1', name: text, to: text, numbers: ENDED, csrf: text }, m),
  way_in: renewedWayInPage(
    { ...question(text), renewed_at: 1_800_000_000, renewed_by: text, place: text },
    m,
  ),
  device: devicePage({ code: text, csrf: text, error: text }, m),
  device_consent: deviceConsentPage(
    {
      client_name: text,
      client_id: text,
      email: text,
      rights: rightsWith(text),
      resources: [text],
      code: text,
      request: text,
      csrf: text,
      switch_account: text,
    },
    m,
  ),
  device_done: deviceDonePage({ decision: 'allowed' }, m),
  error: errorPage({ title: text, text, detail: text, request_id: text }, m),
  language: languagePage(
    { carried: { [text]: text }, back: '/login', isSignedIn: true, csrf: text },
    m,
  ),
  setup: setupPage({ token: text, username: text, csrf: text, password_min: 15, error: text }, m),
  logout: logoutPage(
    {
      action: '/logout',
      client_name: text,
      email: text,
      name: text,
      carried: { [text]: text },
      csrf: text,
    },
    m,
  ),
  signed_out: signedOutPage(null, m),
  account: accountPage(
    {
      email: text,
      name: text,
      csrf: text,
      applications: '/account/applications',
      consents: '/account/consents',
      security: '/account/security',
      trusted: [{ id: text, since: 1_800_000_000, address: text, user_agent: text }],
      failed: { count: 3, last_at: 1_800_000_000 },
      profile: '/account/profile',
      sessions: [
        { id: text, is_this: true, since: 1_800_000_000, address: text, user_agent: text },
        { id: text, is_this: false, since: 1_800_000_000, address: '', user_agent: '' },
      ],
    },
    m,
  ),
  recovery_request: recoveryRequestPage(
    { email: text, carried: { [text]: text }, back: '/login', csrf: text, error: text },
    m,
  ),
  address: addressPage({ email: text, typed: text, csrf: text, error: text }, m),
  address_done: addressDonePage({ done: 'undone', email: text }, m),
  names: namesPage(
    {
      names: (['email', 'user_name', 'phone'] as const).map((kind) => ({
        id: text,
        kind,
        value: text,
        is_proven: kind !== 'phone',
        is_primary: false,
      })),
      typed: text,
      csrf: text,
      error: text,
    },
    m,
  ),
  address_confirm: confirmAddressPage(
    { account: text, is_further: false, email: text, token: text, csrf: text, error: text },
    m,
  ),
  address_undo: undoAddressPage(
    { email: text, token: text, csrf: text, password_min: 15, error: text },
    m,
  ),
  new_password: newPasswordPage({ email: text, csrf: text, password_min: 15, error: text }, m),
  sign_up: signUpPage(
    { email: text, carried: { [text]: text }, back: '/login', csrf: text, error: text },
    m,
  ),
  sign_up_sent: signUpSentPage({ email: text, back: '/login' }, m),
  new_account: newAccountPage(
    {
      ...{ email: text, name: text, token: text, csrf: text, password_min: 15, error: text },
      texts: textsToAccept(text),
    },
    m,
  ),
  link_request: linkRequestPage(
    { email: text, carried: { [text]: text }, back: '/login', csrf: text, error: text },
    m,
  ),
  link_sent: linkSentPage({ email: text, back: '/login' }, m),
  link_open: openLinkPage({ email: text, token: text, csrf: text }, m),
  recovery_sent: recoverySentPage({ email: text, back: '/login' }, m),
  second_factor: secondFactorPage(
    {
      email: text,
      carried: { [text]: text },
      other: '/login',
      csrf: text,
      hasApp: true,
      passkey: { challenge: text },
      trust_days: 30,
      error: text,
    },
    m,
  ),
  security: securityPage(
    {
      email: text,
      csrf: text,
      factors: [
        factor(text, { kind: 'totp', is_synced: null, last_used_at: null }),
        factor(text, { kind: 'passkey', is_synced: 1, last_used_at: 1_800_000_100 }),
      ],
      codes_left: 1,
      error: text,
    },
    m,
  ),
  new_passkey: newPasskeyPage({ csrf: text, passkey: { user: { id: text } }, error: text }, m),
  new_app: newAppPage(
    {
      csrf: text,
      setup: text,
      key: text,
      qr: { size: 29, path: 'M0 0h1v1h-1z' },
      name: text,
      error: text,
    },
    m,
  ),
  undo_removal: undoRemovalPage({ email: text, name: text, token: text, csrf: text }, m),
  factor_restored: factorRestoredPage({ name: text }, m),
  invited: newInvitedPage(
    {
      ...{ inviter: text, place: text, address: text, token: text, csrf: text },
      ...{ name: text, password_min: 15, error: text, texts: textsToAccept(text) },
    },
    m,
  ),
  invited_account: acceptInvitationPage(
    {
      ...{ inviter: text, place: text, address: text, token: text, csrf: text },
      account: { email: text, name: text },
    },
    m,
  ),
  invited_sign_in: acceptInvitationPage(
    { inviter: null, place: null, address: text, token: text, csrf: text, account: null },
    m,
  ),
  offered_place: newOwnerPage(
    {
      ...{ inviter: text, place: text, address: text, token: text, csrf: text, numbers: ENDED },
      ...{ name: text, password_min: 15, error: text, texts: textsToAccept(text) },
    },
    m,
  ),
  offered_place_account: acceptTransferPage(
    {
      ...{ inviter: text, place: text, address: text, token: text, csrf: text, numbers: ENDED },
      account: { email: text, name: text },
    },
    m,
  ),
  offered_place_sign_in: acceptTransferPage(
    {
      ...{ inviter: null, place: text, address: text, token: text, csrf: text, numbers: ENDED },
      account: null,
    },
    m,
  ),
  claim_code: claimCodePage({ csrf: text, error: text }, m),
  claim_sign_in: claimSignInPage(
    { type: text, name: text, serial: text, token: text, csrf: text },
    m,
  ),
  claim: claimPage(
    {
      ...{ type: text, name: text, serial: text, token: text, csrf: text },
      account: { email: text, name: text },
      places: [{ id: text, name: text }],
      ...{ newPlace: text, chosen: text, newName: text, error: text },
    },
    m,
  ),
  claim_first_place: claimPage(
    {
      ...{ type: text, name: null, serial: null, token: text, csrf: text },
      account: { email: text, name: null },
      ...{ places: [], newPlace: text, chosen: text, newName: text },
    },
    m,
  ),
  claim_no_place: claimPage(
    {
      ...{ type: text, name: null, serial: null, token: text, csrf: text },
      account: { email: text, name: null },
      ...{ places: [], newPlace: null, chosen: text, newName: text },
    },
    m,
  ),
  claimed: claimedPage({ place: text }, m),
  transferred: transferredPage({ place: text, ended: ENDED }, m),
  export: exportPage({ email: text, name: text, csrf: text }, m),
  exported: exported(text, m),
  closing: closingPage({ email: text, name: text, csrf: text, grace: 30, error: text }, m),
  closed: closedPage({ until: 1_800_000_000 }, m),
  deleted: closedPage({ until: null }, m),
  keep: keepPage(
    { email: text, name: text, csrf: text, carried: { [text]: text }, until: 1_800_000_000 },
    m,
  ),
  recovery_codes: recoveryCodesPage({ codes: [text], onward: text }, m),
  applications: applicationsPage(
    {
      email: text,
      name: text,
      csrf: text,
      applications: [
        {
          client_id: text,
          client_name: text,
          may: rightsWith(text),
          since: 1_800_000_000,
          last_used_at: null,
          offline: true,
        },
      ],
    },
    m,
  ),
  text_question: textQuestionPage(
    { ...question(text), ...words(text), standing: 'outdated', needsGuardian: false },
    m,
  ),
  guardian_question: textQuestionPage(
    { ...question(text), ...words(text), standing: 'none', needsGuardian: true },
    m,
  ),
  profile_question: profileQuestionPage(
    {
      ...question(text),
      fields: [
        { name: 'name', value: text, isFaulty: true },
        { name: 'birthdate', value: text, isFaulty: false },
        { name: 'phone_number', value: text, isFaulty: true },
      ],
    },
    m,
  ),
  profile: profilePage(
    {
      email: text,
      csrf: text,
      fields: [
        { name: 'name', value: text, isFaulty: true, isRequired: true },
        { name: 'phone_number', value: text, isFaulty: false, isRequired: false },
      ],
      saved: text,
      error: text,
    },
    m,
  ),
  address_question: addressQuestionPage({ ...question(text), onward: text }, m),
  factor_question: factorQuestionPage(
    {
      ...question(text),
      app: { setup: text, key: text, qr: { size: 29, path: 'M0 0h1v1h-1z' } },
      passkey: { user: { id: text } },
      byMail: true,
    },
    m,
  ),
  mail_code: mailCodePage({ ...question(text), other: '/continue' }, m),
  password_question: passwordQuestionPage({ ...question(text), password_min: 15 }, m),
  consents: consentsPage(
    {
      email: text,
      name: text,
      csrf: text,
      needsGuardian: false,
      consents: [
        {
          ...words(text),
          key: text,
          required: true,
          standing: 'outdated',
          demanded_from: 1_800_000_000,
          decided_at: 1_700_000_000,
          guardian: text,
          shown: text,
        },
        {
          ...words(text),
          key: text,
          required: false,
          standing: 'none',
          demanded_from: null,
          decided_at: null,
          guardian: null,
          shown: text,
        },
      ],
    },
    m,
  ),
})

/** Tags of a document with the names of their attributes. */
const shapeOf = (html: string) =>
  html
    .replaceAll(/="[^"]*"/g, '=""')
    .match(/<[^>]*>/g)
    ?.map((tag) => tag.replaceAll(/\s+/g, ' '))

const names = Object.keys(pagesWith('')) as (keyof ReturnType<typeof pagesWith>)[]

/** The page without the one script that its policy names. */
async function withoutScript(page: unknown): Promise<string> {
  const html = String(await page)
  const [script, text] = /<script>([^<]*)<\/script>/.exec(html) ?? []
  if (script === undefined || text === undefined) return html
  expect(`'sha256-${createHash('sha256').update(text).digest('base64')}'`).toBe(PASSKEY_SCRIPT)
  return html.replace(script, '')
}

describe.each(names)('the %s page', (name) => {
  test('shows foreign text as text', async () => {
    const html = await withoutScript(pagesWith(EVIL)[name])
    expect(html).not.toMatch(/<script|<img/)
    if (!['signed_out', 'device_done', 'closed', 'deleted', 'places_none'].includes(name))
      expect(html).toContain('&lt;script&gt;')
    // Whatever comes in adds no tag and no attribute.
    expect(shapeOf(html)).toEqual(shapeOf(await withoutScript(pagesWith('word')[name])))
  })

  test('is a whole document without inline style or a script but that of passkeys, in a language, for phones too', async () => {
    const html = await withoutScript(pagesWith('word')[name])
    expect(html).toMatch(/^<!doctype html>\n<html lang="en" dir="ltr">/)
    expect(html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">')
    expect(html).toMatch(/<title>[^<]+<\/title>/)
    expect(html.match(/<h1/g)).toHaveLength(1)
    expect(html.match(/<main/g)).toHaveLength(1)
    expect(html).not.toMatch(/<script|<style|\sstyle=|\son[a-z]+=|javascript:/i)
    expect(html).not.toMatch(/(?:src|href|action)="(?:https?:)?\/\//)
  })

  test('labels every field that is seen, and links fields to what explains them', async () => {
    const html = String(await pagesWith('word')[name])
    const ids = [...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const [tag] of html.matchAll(/<input\b[^>]*>/g)) {
      if (tag.includes('type="hidden"')) continue
      const id = /\sid="([^"]*)"/.exec(tag)?.[1]
      expect(html).toContain(`<label for="${id}">`)
      expect(tag).toMatch(
        /autocomplete="(?:username(?: webauthn)?|current-password|new-password|one-time-code|off|name|bday|tel)"/,
      )
    }
    for (const [, list = ''] of html.matchAll(/aria-describedby="([^"]*)"/g)) {
      for (const id of list.split(' ')) expect(ids).toContain(id)
    }
  })

  test('sends its forms by POST to paths of ours, with a token and a named button', async () => {
    const html = String(await pagesWith('word')[name])
    for (const [form] of html.matchAll(/<form[\s\S]*?<\/form>/g)) {
      expect(form).toContain('<input type="hidden" name="csrf" value="word">')
      // The script sends the form of a passkey.
      if (/^<form method="post" action="\/[a-z/]+" class="passkey" [^>]* hidden>/.test(form))
        continue
      expect(form).toMatch(/^<form method="post" action="\/[a-z0-9/-]+(\?[a-z]+=[a-z]+)?">/)
      expect(form).toMatch(/<button[^>]* type="submit" name="action" value="[a-z]+">/)
    }
  })
})

describe.each(LOCALES)('in %s', (locale) => {
  const m = messagesIn(locale).withSwitch(`/language?return_to=${'x'.repeat(2000)}`)

  test.each(names)('the %s page has the parts of the English one, below 30 KB', async (name) => {
    const html = String(await pagesWith('word', m)[name])
    expect(html).toContain(`<html lang="${locale}" dir="${locale === 'ar' ? 'rtl' : 'ltr'}">`)
    const before = String(await pagesWith('word', english.withSwitch('/language'))[name])
    // Where a value stands in its sentence, and how often one is counted, is up to the language.
    const tags = (text: string) => shapeOf(text)?.sort()
    if (name !== 'language') expect(tags(html)).toEqual(tags(before))
    expect(new TextEncoder().encode(html).length).toBeLessThan(30_000)
    const words = (await withoutScript(html)).replaceAll(/<[^>]*>/g, '')
    expect(words).not.toMatch(/\{|\}|undefined|\[object/)
  })
})

test('the buttons have the values that are promised', async () => {
  const values = async (name: (typeof names)[number]) =>
    [...String(await pagesWith('word')[name]).matchAll(/name="action" value="([a-z]+)"/g)].map(
      ([, value]) => value,
    )
  expect(await values('login')).toEqual(['login'])
  expect(await values('consent')).toEqual(['allow', 'deny'])
  expect(await values('linking')).toEqual(['allow', 'deny'])
  expect(await values('device_consent')).toEqual(['allow', 'deny'])
  expect(await values('logout')).toEqual(['logout', 'cancel'])
  expect(await values('account')).toEqual(['logout', 'end', 'end', 'everywhere', 'forget'])
  expect(await values('export')).toEqual(['view', 'html', 'json'])
  expect(await values('closing')).toEqual(['close'])
  expect(await values('keep')).toEqual(['keep', 'leave'])
  expect(await values('applications')).toEqual(['withdraw'])
  expect(await values('text_question')).toEqual(['accept', 'logout'])
  expect(await values('profile_question')).toEqual(['save', 'logout'])
  expect(await values('consents')).toEqual(['accept', 'withdraw', 'accept'])
})

test.each([
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
    'Edge, Windows',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
    'Safari, iPhone',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox, Linux'],
  [
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
    'Chrome, Android',
  ],
  ['curl/8.0', 'curl/8.0'],
  ['', null],
])('the browser that says %j is called %j', (user_agent, name) => {
  expect(describeUserAgent(user_agent)).toBe(name)
})

test('a text that stands elsewhere is a link, which opens beside the page and tells nothing', async () => {
  const url = 'https://example.com/terms'
  const text = { locale: 'de', title: 'AGB', text: undefined, url }
  const values = { ...question('word'), ...text, standing: 'none' as const, needsGuardian: false }
  const html = String(await textQuestionPage(values, english))
  expect(html).toContain(`<a href="${url}" target="_blank" rel="noreferrer" hreflang="de">`)
  expect(html).toContain('<bdi lang="de">AGB</bdi>')
})

test('a refusal is announced, and marks the fields', async () => {
  const html = String(
    await loginPage(
      {
        names: 'both',
        username: '',
        carried: {},
        csrf: 'c',
        forgotten: '/recover',
        passkey: null,
        sign_up: '/sign-up',
        link: '/login/link',
        error: 'No.',
      },
      english,
    ),
  )
  expect(html).toContain('<p class="alert" role="alert" id="alert">No.</p>')
  expect(html.match(/aria-invalid="true"/g)).toHaveLength(2)
  const calm = String(
    await loginPage(
      {
        names: 'both',
        username: '',
        carried: {},
        csrf: 'c',
        forgotten: '/recover',
        passkey: null,
        sign_up: '/sign-up',
        link: '/login/link',
      },
      english,
    ),
  )
  expect(calm).not.toMatch(/role="alert"|aria-invalid|aria-describedby/)
})

test('the consent page says who asks, for what, where it leads, and as whom', async () => {
  const html = String(
    await consentPage(
      {
        client_name: 'Garden',
        client_id: 'garden-app',
        email: 'ann@example.com',
        rights: [{ kind: 'scope', name: 'mqtt' }],
        resources: ['https://api.example.com'],
        request: 'r1',
        csrf: 'c1',
        redirect_host: 'garden.example',
      },
      english,
    ),
  )
  const text = html.replaceAll(/<[^>]*>/g, '').replaceAll(/\s+/g, ' ')
  expect(text).toContain('Garden asks for access to your account')
  expect(text).toContain('see and control the devices that you may use mqtt')
  expect(text).toContain('https://api.example.com')
  expect(text).toContain('Either way you go back to garden.example.')
  expect(text).toContain('Client: garden-app')
  expect(text).toContain('ann@example.com')
  expect(html).toContain('<input type="hidden" name="request" value="r1">')
  expect(html).not.toContain(english('consent.switch_account'))
})

test('the linking page says with whom an account is linked, for what, and how that ends', async () => {
  const values = {
    service_name: 'Lamps Ltd',
    vendor: {
      title: 'Google',
      app: 'Google Home',
      privacy_uri: 'https://google.example/p',
    },
    email: 'ann@example.com',
    rights: [{ kind: 'scope' as const, name: 'lamps' }],
    privacy_uri: 'https://lamps.example/privacy',
    request: 'r1',
    csrf: 'c1',
    redirect_host: 'oauth-redirect.example',
    switch_account: '/login?again',
  }
  const html = String(await linkingPage(values, english))
  const text = html.replaceAll(/<[^>]*>/g, '').replaceAll(/\s+/g, ' ')
  expect(text).toContain('Your Lamps Ltd account will be linked with Google.')
  expect(text).toContain('you authorize Google to control your devices at Lamps Ltd.')
  expect(text).toContain('use what the application calls lamps')
  expect(text).toContain('keep this access until you unlink the account')
  expect(text).toContain(
    'Go on only if you began this in the Google Home app, where you can unlink',
  )
  expect(text).toContain('Either way you go back to oauth-redirect.example.')
  expect(text).toMatch(/Agree and link\s+Cancel/)
  expect(html).toContain('<a href="https://lamps.example/privacy" rel="noreferrer">')
  expect(html).toContain('<a href="https://google.example/p" rel="noreferrer">')
  expect(html).toContain('<a href="/login?again">Use another account</a>')
  const quiet = { ...values, privacy_uri: null, vendor: { ...values.vendor, privacy_uri: null } }
  expect(String(await linkingPage(quiet, english))).not.toContain('Privacy')
})

test('the stylesheet is served cacheable, fetches nothing, and knows light and dark', async () => {
  const answer = await (await startWorker()).request('/style.css')
  expect(answer.headers.get('content-type')).toBe('text/css; charset=utf-8')
  expect(answer.headers.get('cache-control')).toBe('public, max-age=3600')
  const css = await answer.text()
  expect(css).toBe(stylesheet)
  expect(css).toContain('@media (prefers-color-scheme: dark)')
  expect(css).not.toMatch(/url\(|@import|@font-face/)
})

describe.each(['light', 'dark'])('the %s colours', (scheme) => {
  const blocks = [...stylesheet.matchAll(/:root \{([^}]*)\}/g)].map(([, block]) => block ?? '')
  const colours = new Map(
    [...(blocks[scheme === 'light' ? 0 : 1] ?? '').matchAll(/--([a-z-]+): (#[0-9a-f]{6})/g)].map(
      ([, name, value]) => [name, value] as const,
    ),
  )
  // WCAG 2.2, relative luminance and contrast ratio.
  const luminance = (name: string) => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
      const value = Number.parseInt((colours.get(name) ?? '').slice(at, at + 2), 16) / 255
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (a: string, b: string) => {
    const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x)
    return (high + 0.05) / (low + 0.05)
  }

  test.each([
    ['text', 'card', 4.5],
    ['quiet', 'card', 4.5],
    ['accent', 'card', 4.5],
    ['on-accent', 'accent', 4.5],
    ['on-accent', 'accent-over', 4.5],
    ['accent', 'soft', 4.5],
    ['text', 'over', 4.5],
    ['danger', 'danger-soft', 4.5],
    ['danger', 'card', 3],
    ['field', 'card', 3],
  ])('%s on %s have a contrast of at least %d', (a, b, least) => {
    expect(contrast(a, b)).toBeGreaterThanOrEqual(least)
  })
})
