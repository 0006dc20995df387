// A person in a real browser: adds an authenticator app, signs out and in again with it, makes new
// recovery codes, signs in by one, forgets the password, and removes the app; in three languages, with
// JavaScript and without.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { messagesIn } from '../../worker/messages/messages.ts'
import { appCodes } from './app_codes.ts'
import { openBrowser, shootInBoth } from './chromium.ts'
import { linkIn, readMailTo } from './operator_mails.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const PASSWORD = 'four words nobody knows'
const NEW = 'seven brown horses jump over fences'
const SECRET = 'ops-secret-of-at-least-32-characters-0001'

const LOCALES = ['en', 'pl', 'ar'] as const
const RUNS = LOCALES.flatMap((locale) => [false, true].map((script) => [locale, script] as const))

const emailOf = (locale: string, script: boolean) =>
  `ann.${locale}.${script ? 'script' : 'plain'}@example.com`

let worker: RunningWorker
let browser: Browser

beforeAll(async () => {
  worker = await startWorkerOn('node', {
    users: RUNS.map(([locale, script]) => ({
      email: emailOf(locale, script),
      password: PASSWORD,
      email_verified: true,
    })),
    clients: [
      {
        client_id: 'ops',
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        scope: 'manage',
      },
    ],
  })
  browser = await openBrowser()
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await worker?.stop()
})

const open = async (locale: string, javaScriptEnabled: boolean): Promise<Page> =>
  (await browser.newContext({ javaScriptEnabled, locale })).newPage()

async function passPassword(page: Page, email: string, password = PASSWORD): Promise<void> {
  await page.goto(`${worker.issuer}/login`)
  await page.fill('#username', email)
  await page.fill('#password', password)
  await page.click('button[value=login]')
}

async function answer(page: Page, code: string): Promise<void> {
  await page.fill('#code', code)
  await page.click('button[value=verify]')
}

test.concurrent.each(RUNS)(
  'an authenticator app, recovery codes and a forgotten password, in %s, with script: %s',
  async (locale, script) => {
    const { issuer } = worker
    const m = messagesIn(locale)
    const email = emailOf(locale, script)
    // Each page is photographed once in each language.
    const look = async (page: Page, name: string) => {
      if (!script) await shootInBoth(page, `${name}_${locale}`)
    }
    const page = await open(locale, script)
    await passPassword(page, email)
    await page.click('a[href="/account/security"]')
    await look(page, 'security_empty')
    await page.click('a[href="/account/security/add"]')
    await look(page, 'security_add')
    const codes = appCodes((await page.textContent('.key')) ?? '')
    await page.fill('#code', '000000')
    await page.click('button[value=add]')
    await look(page, 'security_add_refused')
    expect(await page.textContent('[role=alert]')).toBe(m('security.refused'))
    await page.fill('#name', 'Phone of Ann')
    await page.fill('#code', await codes.next())
    await page.click('button[value=add]')
    await look(page, 'security_codes')
    const shown = page.locator('.codes .key')
    const before = await shown.allTextContents()
    expect(before).toHaveLength(10)
    await page.click('main a.button[href="/account/security"]')
    await look(page, 'security')
    expect(await page.textContent('main')).toContain('Phone of Ann')

    await page.goto(`${issuer}/account`)
    await page.click('button[value=logout]')
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')
    await passPassword(page, email)
    await look(page, 'second_factor')
    await answer(page, '123456')
    await look(page, 'second_factor_refused')
    await answer(page, await codes.next())
    expect(page.url()).toBe(`${issuer}/account`)
    await page.goto(`${issuer}/account/security`)
    await page.click('button[value=codes]')
    const [first = '', second = ''] = await shown.allTextContents()
    expect(await shown.count()).toBe(10)

    const other = await open(locale, script)
    await passPassword(other, email)
    // The codes of before have no use.
    await answer(other, before[0] ?? '')
    expect(await other.textContent('[role=alert]')).toBe(m('second_factor.refused'))
    await answer(other, first.toUpperCase())
    expect(other.url()).toBe(`${issuer}/account`)

    const forgetful = await open(locale, script)
    await forgetful.goto(`${issuer}/login`)
    await look(forgetful, 'login_forgotten')
    await forgetful.click('a[href^="/recover"]')
    await look(forgetful, 'recovery_request')
    await forgetful.fill('#email', email)
    await forgetful.click('button[value=send]')
    await look(forgetful, 'recovery_sent')
    const mail = await readMailTo(issuer, SECRET, { address: email, kind: 'recovery' })
    await forgetful.goto(linkIn(mail))
    await forgetful.fill('#password', NEW)
    await forgetful.click('button[value=save]')
    await passPassword(forgetful, email, NEW)
    expect(forgetful.url()).toBe(`${issuer}/login/verify`)
    await answer(forgetful, second)
    expect(forgetful.url()).toBe(`${issuer}/account`)
    // The browsers of before are signed out.
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')

    await forgetful.goto(`${issuer}/account/security`)
    await forgetful.click('.entries button[value=remove]')
    expect(await forgetful.locator('.entries > li').count()).toBe(0)
    const third = await open(locale, script)
    await passPassword(third, email, NEW)
    expect(third.url()).toBe(`${issuer}/account`)
  },
  300_000,
)
