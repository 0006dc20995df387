// Walks what a person does on the pages of the account, in a real browser without JavaScript, in
// three languages: another browser is signed out, a name is added, made the first and removed, a text is
// accepted and withdrawn; and what a child sees where a guardian decides.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBrowser, shoot } from './chromium.ts'
import { linkIn, readMailTo } from './operator_mails.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'
const PASSWORD = 'four words nobody knows'
const LOCALES = ['en', 'pl', 'ar'] as const

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
  users: LOCALES.flatMap((locale) => [
    { email: `ann.${locale}@example.com`, email_verified: true, name: 'Ann', password: PASSWORD },
    {
      ...{ email: `kid.${locale}@example.com`, email_verified: true, name: 'Kim' },
      ...{ password: PASSWORD, profile: { birthdate: '2018-05-01' } },
    },
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

async function signInAs(email: string, locale: string): Promise<Page> {
  const page = await (await browser.newContext({ javaScriptEnabled: false, locale })).newPage()
  await page.goto(`${worker.issuer}/login`)
  await page.fill('#username', email)
  await page.fill('#password', PASSWORD)
  await page.click('button[value=login]')
  return page
}

test.each(LOCALES)(
  'a person ends a browser, changes names and decides about texts, in %s',
  async (locale) => {
    const { issuer } = worker
    const email = `ann.${locale}@example.com`
    const other = `ann.new.${locale}@example.com`
    const page = await signInAs(email, locale)
    await page.click('button[value=accept]')
    expect(page.url()).toBe(`${issuer}/account`)

    const elsewhere = await signInAs(email, locale)
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
    await shoot(page, `names_two_${locale}`)
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
    await shoot(page, `consents_accepted_${locale}`)
    await newsletter.locator('button[value=withdraw]').click()
    await newsletter.locator('button[value=accept]').waitFor()
    await page.goto(`${issuer}/account`)
    await page.click('button[value=everywhere]')
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')
    const again = await signInAs(other, locale)
    expect(again.url()).toBe(`${issuer}/account`)
  },
  120_000,
)

test.each(LOCALES)(
  'a child is told that a guardian decides, in %s',
  async (locale) => {
    const page = await signInAs(`kid.${locale}@example.com`, locale)
    expect(page.url()).toContain('/continue')
    expect(await page.locator('button[value=accept]').count()).toBe(0)
    await shoot(page, `guardian_${locale}`)
    await page.click('button[value=logout]')
    expect(page.url()).toContain('/logout')
  },
  60_000,
)
