// Passkeys as people use them: Chromium with a virtual authenticator, which signs as one in hardware
// or in a phone would; and the same pages without script.
import type { Browser, CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { messagesIn } from '../../worker/messages/messages.ts'
import { PASSWORD } from './black_box.ts'
import { openBrowser, shoot, shootInBoth } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

let worker: RunningWorker
let browser: Browser

const LOCALES = ['en', 'pl', 'ar'] as const
const PEOPLE = ['ann_en', 'ann_pl', 'ann_ar', 'bob', 'cleo', 'dora'] as const
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
async function openPage({ isPresent = true, isSynced = false, locale = 'en' } = {}) {
  const context = await browser.newContext({ locale })
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
const title = (page: Page) => page.textContent('h1')
const pathOf = (page: Page) => new URL(page.url()).pathname

async function typePassword(page: Page, who: Person) {
  await page.fill('input[name=username]', emailOf(who))
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[name=action][value=login]')
}

/** Presence is simulated from now on, or no more. */
const setPresence = (cdp: CDPSession, authenticatorId: string, enabled: boolean) =>
  cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled })

test.concurrent.each(LOCALES)(
  'a person adds a passkey, names it, signs in by it alone, and steps up with it, in %s',
  async (locale) => {
    const m = messagesIn(locale)
    const who = `ann_${locale}` as const
    const { page, cdp, authenticatorId, failures, close } = await openPage({
      isSynced: true,
      locale,
    })
    const look = (name: string) => shootInBoth(page, `${name}_${locale}`)
    await go(page, '/login')
    expect(await page.getAttribute('html', 'lang')).toBe(locale)
    await typePassword(page, who)
    await go(page, '/account/security')
    await look('security_no_passkey')
    await page.click('a[href="/account/security/passkey"]')
    await look('passkey_new')
    await page.click('form.passkey button')
    await page.waitForSelector('.codes li')
    expect(await title(page)).toBe(m('security.codes_title'))
    expect(await page.locator('.codes li').count()).toBe(10)
    const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId })
    expect(credentials).toMatchObject([{ isResidentCredential: true, rpId: 'localhost' }])
    await page.click('a[href="/account/security"]')

    // The session is of the password alone, so it is to be made stronger before changes.
    await setPresence(cdp, authenticatorId, false)
    await go(page, '/login?step_up=1&return_to=%2Faccount%2Fsecurity')
    expect(pathOf(page)).toBe('/login/verify')
    await look('passkey_step_up')
    await setPresence(cdp, authenticatorId, true)
    await page.click('form.passkey button')
    await page.waitForURL('**/account/security')
    await page.click('.rename summary')
    await page.fill('.rename input[name=name]', 'Ann’s phone')
    await look('security_rename')
    await page.click('.rename button')
    expect(await page.textContent('.entry-name')).toBe('Ann’s phone')
    expect(await page.textContent('.badge')).toBe(m('security.synced'))
    await look('security_passkey')

    await go(page, '/logout')
    await page.click('button[name=action][value=logout]')
    await setPresence(cdp, authenticatorId, false)
    await go(page, '/login')
    await look('login_passkey')
    // The button takes the place of the offer in the field.
    await setPresence(cdp, authenticatorId, true)
    await page.click('form.passkey button')
    await page.waitForURL('**/account')
    expect(await page.textContent('.person-email')).toBe(emailOf(who))
    // It is proven, so it may be removed, and then the password is enough.
    await go(page, '/account/security')
    await page.click('.entries button[value=remove]')
    expect(await page.locator('.entries > li').count()).toBe(0)
    await setPresence(cdp, authenticatorId, false)
    await page.context().clearCookies()
    await go(page, '/login')
    await typePassword(page, who)
    expect(pathOf(page)).toBe('/account')
    expect(failures).toEqual([])
    await close()
  },
  300_000,
)

test.concurrent('a person with a passkey is offered it in the field of the e-mail address', async () => {
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

test.concurrent('a passkey is the second factor beside the password, and faults are sentences', async () => {
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

// Behind the others: a person of theirs has a passkey.
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
