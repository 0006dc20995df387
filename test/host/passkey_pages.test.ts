// Passkeys as people use them: Chromium with a virtual authenticator, which signs as one in hardware
// or in a phone would; and the same pages without script.
import type { Browser, CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD } from './black_box.ts'
import { openBrowser, shoot } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

let worker: RunningWorker
let browser: Browser

const PEOPLE = ['ann', 'bob', 'cleo', 'dora'] as const
type Person = (typeof PEOPLE)[number]
const emailOf = (who: Person) => `${who}@example.com`

beforeAll(async () => {
  worker = await startWorkerOn('node', {
    users: PEOPLE.map((who) => ({ email: emailOf(who), password: PASSWORD })),
  })
  browser = await openBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
})

/** A page with an authenticator of its own, which answers when `isPresent`. */
async function openPage({ isPresent = true, isSynced = false } = {}) {
  const context = await browser.newContext()
  const page = await context.newPage()
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable', { enableUI: false })
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: isPresent,
      defaultBackupEligibility: isSynced,
      defaultBackupState: isSynced,
    },
  })
  const failures: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') failures.push(message.text())
  })
  page.on('pageerror', (error) => failures.push(error.message))
  return { page, cdp, authenticatorId, failures, close: () => context.close() }
}

const go = (page: Page, path: string) => page.goto(worker.issuer + path)
const pathOf = (page: Page) => new URL(page.url()).pathname

async function typePassword(page: Page, who: Person) {
  await page.fill('input[name=username]', emailOf(who))
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[name=action][value=login]')
}

/** Presence is simulated from now on, or no more. */
const setPresence = (cdp: CDPSession, authenticatorId: string, enabled: boolean) =>
  cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled })

async function shootInBoth(page: Page, name: string) {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await shoot(page, `${name}_${colorScheme}`)
  }
  await page.emulateMedia({ colorScheme: 'light' })
}

test('a person adds a passkey, names it, signs in by it alone, and steps up with it', async () => {
  const { page, cdp, authenticatorId, failures, close } = await openPage({ isSynced: true })
  await go(page, '/login')
  await typePassword(page, 'ann')
  await go(page, '/account/security')
  await shootInBoth(page, 'security_empty')
  await page.click('a[href="/account/security/passkey"]')
  await shootInBoth(page, 'passkey_new')
  await page.click('form.passkey button')
  await page.waitForSelector('h1:has-text("Your recovery codes")')
  expect(await page.locator('.codes li').count()).toBe(10)
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId })
  expect(credentials).toMatchObject([{ isResidentCredential: true, rpId: 'localhost' }])
  await page.click('a[href="/account/security"]')

  // The session is of the password alone, so it is to be made stronger before changes.
  await setPresence(cdp, authenticatorId, false)
  await go(page, '/login?step_up=1&return_to=%2Faccount%2Fsecurity')
  expect(pathOf(page)).toBe('/login/verify')
  await shootInBoth(page, 'passkey_step_up')
  await setPresence(cdp, authenticatorId, true)
  await page.click('form.passkey button')
  await page.waitForURL('**/account/security')
  await page.click('.rename summary')
  await page.fill('.rename input[name=name]', 'Ann’s phone')
  await shootInBoth(page, 'security_rename')
  await page.click('.rename button')
  expect(await page.textContent('.entry-name')).toBe('Ann’s phone')
  expect(await page.textContent('.badge')).toBe('synced')
  await shootInBoth(page, 'security_passkey')

  await go(page, '/logout')
  await page.click('button[name=action][value=logout]')
  await setPresence(cdp, authenticatorId, false)
  await go(page, '/login')
  await shootInBoth(page, 'login_passkey')
  // The button takes the place of the offer in the field.
  await setPresence(cdp, authenticatorId, true)
  await page.click('form.passkey button')
  await page.waitForURL('**/account')
  expect(await page.textContent('.person-email')).toBe(emailOf('ann'))
  await setPresence(cdp, authenticatorId, false)
  for (const locale of ['pl', 'ar']) {
    const ask = `ui_locales=${locale}`
    await go(page, `/account/security?${ask}`)
    await shoot(page, `security_${locale}`)
    await go(page, `/account/security/passkey?${ask}`)
    await shoot(page, `passkey_new_${locale}`)
    await go(page, `/login?return_to=%2Faccount&${ask}`)
    await shoot(page, `login_passkey_${locale}`)
  }
  expect(failures).toEqual([])
  await close()
}, 180_000)

test('a person with a passkey is offered it in the field of the e-mail address', async () => {
  const { page, cdp, authenticatorId, failures, close } = await openPage()
  await go(page, '/login')
  await typePassword(page, 'bob')
  await go(page, '/account/security/passkey')
  await page.click('form.passkey button')
  await page.waitForSelector('h1:has-text("Your recovery codes")')
  await page.context().clearCookies()
  // The virtual authenticator chooses at once, as a person would from the list.
  await setPresence(cdp, authenticatorId, true)
  await go(page, '/login')
  await page.waitForURL('**/account')
  expect(await page.textContent('.person-email')).toBe(emailOf('bob'))
  expect(failures).toEqual([])
  await close()
}, 60_000)

test('a passkey is the second factor beside the password, and faults are sentences', async () => {
  const { page, cdp, authenticatorId, failures, close } = await openPage()
  await go(page, '/login')
  await typePassword(page, 'cleo')
  await go(page, '/account/security/passkey')
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  await page.click('form.passkey button')
  const alert = page.locator('form.passkey .alert')
  await alert.filter({ hasText: 'No passkey was made.' }).waitFor()
  await shootInBoth(page, 'passkey_not_made')
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true })
  await page.click('form.passkey button')
  await page.waitForSelector('h1:has-text("Your recovery codes")')

  await setPresence(cdp, authenticatorId, false)
  await page.context().clearCookies()
  await go(page, '/login')
  await typePassword(page, 'cleo')
  expect(pathOf(page)).toBe('/login/verify')
  await shootInBoth(page, 'passkey_verify')
  await setPresence(cdp, authenticatorId, true)
  await page.click('form.passkey button')
  await page.waitForURL('**/account')

  // The same device again.
  await go(page, '/account/security/passkey')
  await page.click('form.passkey button')
  await alert.filter({ hasText: 'This device has a passkey for your account already.' }).waitFor()

  // One that was removed is still offered, and refused; then it is not offered again by itself.
  await go(page, '/account/security')
  await page.click('.entries button[value=remove]')
  await page.context().clearCookies()
  await go(page, '/login')
  await page.waitForSelector('#alert')
  expect(await page.textContent('#alert')).toContain('This passkey did not work.')
  await setPresence(cdp, authenticatorId, false)
  await shootInBoth(page, 'login_passkey_refused')
  expect(failures.filter((text) => !text.includes('403'))).toEqual([])
  await close()
}, 90_000)

test('without script nothing shows of passkeys but a sentence where one is added', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  await go(page, '/login?return_to=%2Faccount%2Fsecurity%2Fpasskey')
  expect(await page.isVisible('form.passkey')).toBe(false)
  await typePassword(page, 'dora')
  expect(pathOf(page)).toBe('/account/security/passkey')
  expect(await page.isVisible('form.passkey')).toBe(false)
  expect(await page.textContent('noscript')).toContain('Passkeys need JavaScript')
  await shoot(page, 'passkey_new_no_script')
  await context.clearCookies()
  await go(page, '/login')
  await typePassword(page, 'bob')
  // A recovery code still goes.
  expect(pathOf(page)).toBe('/login/verify')
  expect(await page.isVisible('form.passkey')).toBe(false)
  expect(await page.isVisible('input[name=code]')).toBe(true)
  await shoot(page, 'passkey_verify_no_script')
  await context.close()
}, 60_000)
