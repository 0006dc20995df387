// A person in a real browser, without JavaScript: adds an authenticator app, signs out and in again
// with it, by a recovery code, and forgets the password.
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { codeAt } from '../identity/authenticator.ts'
import { openBrowser, SCREENSHOTS, shoot } from './chromium.ts'
import { readMails } from './operator_mails.ts'
import { startWorkerOn } from './programs.ts'

const ANN = 'ann@example.com'
const PASSWORD = 'four words nobody knows'
const NEW = 'seven brown horses jump over fences'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

const BLUEPRINT = {
  users: [{ email: ANN, password: PASSWORD, email_verified: true }],
  clients: [
    {
      client_id: 'ops',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'manage',
    },
  ],
}

/** Takes the page in light and dark. */
async function picture(page: Page, name: string): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}_dark.png`), fullPage: true })
  await page.emulateMedia({ colorScheme: 'light' })
  await shoot(page, name)
}

async function passPassword(page: Page, issuer: string, password = PASSWORD): Promise<void> {
  await page.goto(`${issuer}/login`)
  await page.fill('#username', ANN)
  await page.fill('#password', password)
  await page.click('button[value=login]')
}

/** The code that the app shows now, which was not used in the step before. */
async function freshCode(key: string, last: { step: number }): Promise<string> {
  while (Math.floor(Date.now() / 30_000) <= last.step) {
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  last.step = Math.floor(Date.now() / 30_000)
  return codeAt(key, Date.now() / 1000)
}

test('an authenticator app, recovery codes and a forgotten password', {
  timeout: 120_000,
}, async () => {
  const worker = await startWorkerOn('node', BLUEPRINT)
  const browser = await openBrowser()
  try {
    const { issuer } = worker
    const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage()
    await passPassword(page, issuer)
    await page.click('text=Passkeys, authenticator apps and recovery codes')
    await picture(page, 'security_empty')
    await page.click('text=Add an authenticator app')
    await picture(page, 'security_add')
    const key = (await page.textContent('.key')) ?? ''
    await page.fill('#code', '000000')
    await page.click('button[value=add]')
    await picture(page, 'security_add_refused')
    expect(await page.textContent('[role=alert]')).toContain('does not fit')
    await page.fill('#name', 'Phone of Ann')
    await page.fill('#code', await codeAt(key, Date.now() / 1000))
    await page.click('button[value=add]')
    const last = { step: Math.floor(Date.now() / 30_000) }
    await picture(page, 'security_codes')
    const codes = await page.locator('.codes .key').allTextContents()
    expect(codes).toHaveLength(10)
    await page.click('text=I have kept them')
    await picture(page, 'security')
    expect(await page.textContent('main')).toContain('Phone of Ann')

    await page.goto(`${issuer}/logout`)
    await page.click('button[value=logout]')
    await passPassword(page, issuer)
    await picture(page, 'second_factor')
    await page.fill('#code', '123456')
    await page.click('button[value=verify]')
    await picture(page, 'second_factor_refused')
    await page.fill('#code', await freshCode(key, last))
    await page.click('button[value=verify]')
    expect(page.url()).toBe(`${issuer}/account`)

    const other = await (await browser.newContext({ javaScriptEnabled: false })).newPage()
    await passPassword(other, issuer)
    await other.fill('#code', codes[0]?.toUpperCase() ?? '')
    await other.click('button[value=verify]')
    expect(other.url()).toBe(`${issuer}/account`)

    const forgetful = await (await browser.newContext({ javaScriptEnabled: false })).newPage()
    await forgetful.goto(`${issuer}/login`)
    await picture(forgetful, 'login_forgotten')
    await forgetful.click('text=Forgot your password?')
    await picture(forgetful, 'recovery_request')
    await forgetful.fill('#email', ANN)
    await forgetful.click('button[value=send]')
    await picture(forgetful, 'recovery_sent')
    const [mail] = await readMails(issuer, SECRET)
    await forgetful.goto(/http\S+token=[\w-]+/.exec(mail?.text ?? '')?.[0] ?? '')
    await forgetful.fill('#password', NEW)
    await forgetful.click('button[value=save]')
    await passPassword(forgetful, issuer, NEW)
    expect(forgetful.url()).toBe(`${issuer}/login/verify`)
    await forgetful.fill('#code', codes[1] ?? '')
    await forgetful.click('button[value=verify]')
    expect(forgetful.url()).toBe(`${issuer}/account`)
    // The browsers of before are signed out.
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')
  } finally {
    await browser.close()
    await worker.stop()
  }
})
