// Walks what a person does on the pages of the account, in a real browser, in three
// languages, with JavaScript and without: another browser is signed out, a name is added, made the first and removed, a text is
// accepted and withdrawn; and what a child sees where a guardian decides.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBrowser, shoot } from './chromium.ts'
import { linkIn, readMailTo } from './operator_mails.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'
const PASSWORD = 'four words nobody knows'
const LOCALES = ['en', 'pl', 'ar'] as const
const RUNS = LOCALES.flatMap((locale) => [false, true].map((script) => [locale, script] as const))

const addressOf = (name: string, locale: string, script: boolean) =>
  `${name}.${locale}.${script ? 'script' : 'plain'}@example.com`

const WORDS = {
  terms: { en: 'Terms of use', pl: 'Warunki korzystania', ar: 'شروط الاستخدام' },
  newsletter: { en: 'Newsletter', pl: 'Biuletyn', ar: 'النشرة' },
}

const consent = (key: keyof typeof WORDS, required: boolean) => ({
  key,
  required,
  versions: [
    {
      version: '1',
      texts: Object.fromEntries(
        LOCALES.map((locale) => {
          const title = WORDS[key][locale]
          return [locale, { title, text: title }]
        }),
      ),
    },
  ],
})

const personOf = (name: string, locale: string, script: boolean) => ({
  email: addressOf(name, locale, script),
  email_verified: true,
  password: PASSWORD,
})

const BLUEPRINT = {
  settings: { self_consent_age: { default: 16, countries: {} } },
  consents: [consent('terms', true), consent('newsletter', false)],
  clients: [
    {
      client_id: 'ops',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'manage',
    },
  ],
  users: RUNS.flatMap(([locale, script]) => [
    { ...personOf('ann', locale, script), name: 'Ann' },
    { ...personOf('kid', locale, script), name: 'Kim', profile: { birthdate: '2018-05-01' } },
  ]),
}

let worker: RunningWorker
let browser: Awaited<ReturnType<typeof openBrowser>>

beforeAll(async () => {
  worker = await startWorkerOn('node', BLUEPRINT)
  browser = await openBrowser()
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await worker?.stop()
})

async function signInAs(email: string, locale: string, javaScriptEnabled: boolean): Promise<Page> {
  const page = await (await browser.newContext({ javaScriptEnabled, locale })).newPage()
  await page.goto(`${worker.issuer}/login`)
  await page.fill('#username', email)
  await page.fill('#password', PASSWORD)
  await page.click('button[value=login]')
  return page
}

test.concurrent.each(RUNS)(
  'a person ends a browser, changes names and decides about texts, in %s, with script: %s',
  async (locale, script) => {
    const { issuer } = worker
    const email = addressOf('ann', locale, script)
    const other = addressOf('ann.new', locale, script)
    const page = await signInAs(email, locale, script)
    await page.click('button[value=accept]')
    expect(page.url()).toBe(`${issuer}/account`)

    const elsewhere = await signInAs(email, locale, script)
    expect(elsewhere.url()).toBe(`${issuer}/account`)
    await page.goto(`${issuer}/account`)
    await page.click('.entries > li:not(:has(.badge)) button[value=end]')
    await elsewhere.goto(`${issuer}/account`)
    expect(elsewhere.url()).toContain('/login')

    await page.click('a[href="/account/names"]')
    await page.fill('#email', other)
    await page.click('button[value=send]')
    const mail = await readMailTo(issuer, SECRET, { address: other, kind: 'verify_address' })
    await page.goto(linkIn(mail))
    await page.click('button[value=confirm]')
    await page.goto(`${issuer}/account/names`)
    // Each page is photographed once in each language.
    if (!script) await shoot(page, `names_two_${locale}`)
    await page.click('button[value=primary]')
    const first = page.locator('.entries > li', { hasText: other })
    expect(await first.locator('.badge').count()).toBe(1)
    await page.click('button[value=remove]')
    expect(await page.locator('.entries > li').count()).toBe(1)
    // The only address that is left has no button that removes it.
    expect(await page.locator('button[value=remove]').count()).toBe(0)

    await page.goto(`${issuer}/account/consents`)
    const newsletter = page.locator('.entries > li', { hasText: WORDS.newsletter[locale] })
    await newsletter.locator('button[value=accept]').click()
    if (!script) await shoot(page, `consents_accepted_${locale}`)
    await newsletter.locator('button[value=withdraw]').click()
    await newsletter.locator('button[value=accept]').waitFor()
    await page.goto(`${issuer}/account`)
    await page.click('button[value=everywhere]')
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')
    const again = await signInAs(other, locale, script)
    expect(again.url()).toBe(`${issuer}/account`)
  },
  300_000,
)

test.concurrent.each(RUNS)(
  'a child is told that a guardian decides, in %s, with script: %s',
  async (locale, script) => {
    const page = await signInAs(addressOf('kid', locale, script), locale, script)
    expect(page.url()).toContain('/continue')
    expect(await page.locator('button[value=accept]').count()).toBe(0)
    if (!script) await shoot(page, `guardian_${locale}`)
    await page.click('button[value=logout]')
    expect(page.url()).toContain('/logout')
  },
  300_000,
)
