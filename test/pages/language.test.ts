// The language of a page: whose wish counts before whose, and the page on which a person chooses.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { createPasswordLink } from '../../worker/identity/recovery.ts'
import { chooseLocale } from '../../worker/messages/locales.ts'
import { readAcceptLanguage } from '../../worker/pages/language.ts'
import { countRoundTrips, startWorker } from '../context.ts'
import { Browser, formFields, type Page } from '../identity/browser.ts'
import { requestPath, startFlow } from '../oauth/flow.ts'
import { createPerson } from '../support/people.ts'

const PASSWORD = 'a password of some length'

const languageOf = ({ html, headers }: Page) => {
  const [, lang, dir] = /<html lang="([^"]*)" dir="([^"]*)">/.exec(html) ?? []
  expect(headers.get('content-language')).toBe(lang)
  return `${lang} ${dir}`
}

/** The address of the page of languages in the foot of a page. */
const switchOf = ({ html }: Page) =>
  (/href="(\/language\?[^"]*)"/.exec(html)?.[1] ?? '').replaceAll('&amp;', '&')

/** Chooses a language on the page to which the foot leads; answers where that leads. */
async function choose(browser: Browser, page: Page, locale: string) {
  const done = await browser.submit(await browser.get(switchOf(page)), { action: locale })
  expect(done.status).toBe(303)
  return done.headers.get('location') ?? ''
}

async function start() {
  const worker = await startWorker()
  await createPerson(worker.context(), {
    email: 'ann@example.com',
    password: PASSWORD,
    locale: 'fr-CA',
  })
  return { worker, browser: new Browser(worker) }
}

test('a tag that is there is chosen whole or by its language, any other text chooses nothing', () => {
  expect(chooseLocale(['de-AT'])).toBe('de')
  expect(chooseLocale(['zh-Hant-TW', 'PL', 'de'])).toBe('pl')
  expect(chooseLocale(['ar_EG'])).toBe('ar')
  const none = [
    '../../etc/passwd',
    '../de',
    'de/../..',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '*',
    '',
    '-de',
    'zh',
    'd',
    '\0de',
    'x'.repeat(10_240),
  ]
  for (const text of none) expect(chooseLocale([text]), text.slice(0, 20)).toBeNull()
  // Wishes without end are not read to the end.
  expect(chooseLocale([...Array.from({ length: 10_000 }, () => 'zh'), 'de'])).toBeNull()
})

test.each([
  ['de', ['de']],
  ['zh, pl;q=0.3, fr;q=0.9', ['zh', 'fr', 'pl']],
  ['de;q=0, en;q=0.1', ['en']],
  ['*, de;q=x, es', ['*', 'es']],
  ['', []],
])('Accept-Language %j wishes for %j', (header, wishes) => {
  expect(readAcceptLanguage(header).filter((one) => one !== '')).toEqual(wishes)
})

describe('a page speaks the language', () => {
  test('of the request, else of the person’s choice, the account, the browser, the service', async () => {
    const { worker, browser } = await start()
    const spanish = { 'accept-language': 'zh, es-MX;q=0.8, en;q=0.5' }
    expect(languageOf(await browser.get('/login'))).toBe('en ltr')
    await changeSettings(worker.context(), { default_locale: 'ar' })
    expect(languageOf(await browser.get('/login'))).toBe('ar rtl')
    expect(languageOf(await browser.get('/login', { 'accept-language': 'zh' }))).toBe('ar rtl')
    expect(languageOf(await browser.get('/login', spanish))).toBe('es ltr')
    await browser.signIn('ann@example.com', PASSWORD)
    expect(languageOf(await browser.get('/account', spanish))).toBe('fr ltr')
    await choose(browser, await browser.get('/account', spanish), 'pl')
    expect(languageOf(await browser.get('/account', spanish))).toBe('pl ltr')
    expect(languageOf(await browser.get('/account?ui_locales=zh+de-CH', spanish))).toBe('de ltr')
    expect(languageOf(await browser.get('/account?ui_locales=zh', spanish))).toBe('pl ltr')
  })

  test('that comes with it through a journey, until the person chooses another there', async () => {
    const { worker, browser } = await startFlow()
    await createPerson(worker.context(), { email: 'bob@example.com', password: PASSWORD })
    const begin = (ui_locales: string) =>
      browser.get(requestPath({ ui_locales, scope: 'openid email', prompt: 'login consent' }))
    const path = new URL((await begin('de-CH fr')).headers.get('location') ?? '', 'http://x')
    const login = await browser.get(path.pathname + path.search)
    expect(languageOf(login)).toBe('de ltr')
    // Nothing of the journey is lost on the way over the page of languages.
    const back = await choose(browser, login, 'pl')
    const again = await browser.get(back)
    expect(languageOf(again)).toBe('pl ltr')
    const { csrf: _, ...fields } = formFields(again)
    const { csrf: __, ...before } = formFields(login)
    expect(fields).toEqual(before)
    // The wish of the application comes again with each request, and was overruled.
    const inside = await browser.submit(again, {
      username: 'bob@example.com',
      password: PASSWORD,
      action: 'login',
    })
    const step = await browser.get(inside.headers.get('location') ?? '')
    const consent = await browser.get(step.headers.get('location') ?? '')
    expect(languageOf(consent)).toBe('pl ltr')
    expect(consent.html).toContain('Aplikacja <bdi>app</bdi> prosi o dostęp do Twojego konta')
    // Another wish is a new one.
    const other = (await begin('es')).headers.get('location') ?? ''
    expect(languageOf(await browser.get(other))).toBe('es ltr')
  })

  test('also when it says an error, whose address stands in no link', async () => {
    const { browser } = await startFlow()
    const german = { 'accept-language': 'de' }
    // A reason with a text of its own, and one of the many for those who build applications.
    const unknown = await browser.get('/oauth/authorize?client_id=evil', german)
    expect(languageOf(unknown)).toBe('de ltr')
    expect(unknown.html).toContain('Das hat nicht funktioniert')
    expect(unknown.html).toContain('ist hier nicht bekannt')
    expect(unknown.html).not.toMatch(/lang="en"|evil/)
    const path = requestPath({ redirect_uri: 'https://evil.example/' })
    const wrong = await browser.get(path, german)
    expect(wrong.html).toContain('kann nicht beantwortet werden')
    expect(wrong.html).toMatch(/<p class="quiet" lang="en" dir="ltr">redirect_uri is not/)
    expect(wrong.html).not.toContain('evil')
    const none = await browser.get('/nothing', { accept: 'text/html', 'accept-language': 'ar' })
    expect([none.status, languageOf(none)]).toEqual([404, 'ar rtl'])
  })

  test('of the account behind a one-time link, whose address stands in no other', async () => {
    const { worker, browser } = await start()
    const [ann] = await worker.context().db.read(sql<{ id: string }>`select id from user`)
    const { url } = await createPasswordLink(worker.context(), ann?.id ?? '')
    const link = new URL(url ?? '')
    const page = await browser.get(link.pathname + link.search, { 'accept-language': 'de' })
    expect(languageOf(page)).toBe('fr ltr')
    expect(switchOf(page)).toBe('')
    const weak = await browser.submit(page, { password: 'short', action: 'save' })
    expect(weak.html).toContain('doit comporter au moins')
    for (const { html } of [page, weak, await browser.get('/setup?token=x')]) {
      expect(html).not.toMatch(/(?:href|action)="[^"]*token/)
    }
  })

  test('and says by what it was chosen; it is stored nowhere', async () => {
    const { browser } = await start()
    const { headers } = await browser.get('/login')
    expect(headers.get('vary')).toBe('Accept-Language, Cookie')
    expect(headers.get('cache-control')).toBe('no-store')
  })

  test('whatever text asks for it', async () => {
    const { browser } = await start()
    for (const text of ['../../en', '__proto__', '%00', 'x'.repeat(10_240), '%FF', '💡']) {
      const page = await browser.get(`/setup?token=x&ui_locales=${encodeURIComponent(text)}`)
      expect(languageOf(page), text.slice(0, 10)).toBe('en ltr')
      const header = await browser.get('/setup', { 'accept-language': encodeURIComponent(text) })
      expect(languageOf(header)).toBe('en ltr')
      browser.cookies.set('locale', encodeURIComponent(text))
      expect(languageOf(await browser.get('/setup'))).toBe('en ltr')
      browser.cookies.delete('locale')
    }
  })
})

describe('the page of languages', () => {
  test('names each in its own words, and leads back without a change', async () => {
    const { browser } = await start()
    const page = await browser.get('/language?return_to=%2Flogin%3Fx%3D1&ui_locales=de')
    const names = [
      ...page.html.matchAll(/<button lang="([a-z]+)" dir="(...)"[^>]* value="\1">([^<]+)</g),
    ]
    expect(names.map(([, locale, dir, name]) => `${locale} ${dir} ${name}`)).toEqual([
      'en ltr English',
      'de ltr Deutsch',
      'es ltr Español',
      'fr ltr Français',
      'pl ltr Polski',
      'ar rtl العربية',
    ])
    expect(page.html).toContain('<a href="/login?x=1">Zurück ohne Änderung</a>')
    expect(languageOf(page)).toBe('de ltr')
  })

  test.each([
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/%2fevil.example',
    'javascript:alert(1)',
    ' /login',
    `/login?${'x'.repeat(9000)}`,
  ])('never leads to %s', async (return_to) => {
    const { browser } = await start()
    const query = new URLSearchParams({ return_to })
    const page = await browser.get(`/language?${query}`)
    expect(page.html).not.toContain('evil')
    expect(page.html).not.toContain('javascript')
    const done = await browser.submit(page, { action: 'de', return_to })
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account'])
  })

  test('takes a choice from its own form alone, and no text that is no language', async () => {
    const { browser } = await start()
    const page = await browser.get('/language')
    const foreign = await browser.submit(
      page,
      { action: 'de' },
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    )
    expect([foreign.status, browser.cookies.has('locale')]).toEqual([403, false])
    const bare = await browser.post('/language', { action: 'de' })
    expect([bare.status, browser.cookies.has('locale')]).toEqual([403, false])
    // A GET changes nothing.
    await browser.get('/language?action=de')
    expect(browser.cookies.has('locale')).toBe(false)
    for (const action of ['../de', '__proto__', 'zh', 'de; path=/x', 'de.', 'x'.repeat(10_240)]) {
      const odd = await browser.submit(page, { action })
      expect([odd.status, browser.cookies.has('locale')], action.slice(0, 10)).toEqual([400, false])
    }
    const done = await browser.submit(page, { action: 'de', overrules: 'x; Domain=evil.example' })
    expect(done.headers.getSetCookie().at(-1)).toMatch(
      /^locale=de; Max-Age=31536000; Path=\/; HttpOnly; SameSite=Lax$/,
    )
  })

  test('sets the language of the account that is signed in, once, with an event', async () => {
    const { worker, browser } = await start()
    await browser.signIn('ann@example.com', PASSWORD)
    const page = await browser.get('/language?return_to=/account')
    expect(page.html).toContain('Mails to you come in this language too.')
    const locales = async () => {
      const cx = worker.context()
      const { users, events } = await cx.db.read({
        users: sql<{ locale: string; version: number }>`select locale, version from user`,
        events: sql<{ before: string; after: string; actor_id: string }>`
          select before, after, actor_id from event where type = 'user.updated'`,
      })
      return { users, events }
    }
    const { users } = await locales()
    const [ann] = users
    // A region of the same language stays.
    await browser.submit(page, { action: 'fr' })
    expect((await locales()).users).toEqual(users)
    for (let i = 0; i < 2; i++) await browser.submit(page, { action: 'pl' })
    const after = await locales()
    expect(after.users).toEqual([{ locale: 'pl', version: (ann?.version ?? 0) + 1 }])
    expect(after.events.map(({ before, after }) => [before, after])).toEqual([
      ['{"locale":"fr-CA"}', '{"locale":"pl"}'],
    ])
    const stranger = new Browser(worker)
    const other = await stranger.get('/language')
    expect(other.html).not.toContain('Mails to you')
    await stranger.submit(other, { action: 'de' })
    expect((await locales()).users).toEqual(after.users)
  })

  test('costs no round trip', async () => {
    const { worker, browser } = await start()
    const page = await browser.get('/language')
    const { roundTrips } = await countRoundTrips(worker, async () => {
      await browser.get('/language')
      await browser.submit(page, { action: 'de' })
    })
    expect(roundTrips).toBe(0)
  })
})
