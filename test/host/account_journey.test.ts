// A person's way through an account in a real browser: sign-up with texts to agree to, sign-out,
// sign-in by password and by a mailed link, profile, names, another address and its undoing, another
// password and a forgotten one; in three languages, with JavaScript and without.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBrowser, shoot } from './chromium.ts'
import { linkIn, readMailTo } from './operator_mails.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'
const PASSWORD = 'four words nobody knows'
const NEW = 'seven brown horses jump over fences'

const TERMS = {
  en: { title: 'Terms of use', text: 'You may use this service.' },
  pl: { title: 'Warunki korzystania', text: 'Możesz korzystać z tej usługi.' },
  ar: { title: 'شروط الاستخدام', text: 'يمكنك استخدام هذه الخدمة.' },
}

const BLUEPRINT = {
  settings: { sign_up: 'open', sign_in_links: 'on' },
  consents: [{ key: 'terms', required: true, versions: [{ version: '1', texts: TERMS }] }],
  clients: [
    {
      client_id: 'ops',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'manage',
    },
  ],
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

const open = async (locale: string, javaScriptEnabled: boolean): Promise<Page> =>
  (await browser.newContext({ javaScriptEnabled, locale })).newPage()

/** The link in the newest mail of a kind to an address. */
const linkTo = async (address: string, kind: string): Promise<string> =>
  linkIn(await readMailTo(worker.issuer, SECRET, { address, kind }))

const RUNS = (['en', 'pl', 'ar'] as const).flatMap((locale) =>
  [false, true].map((script) => [locale, script] as const),
)

test.concurrent.each(RUNS)(
  'an account from its first mail to its last, in %s, with script: %s',
  async (locale, script) => {
    const { issuer } = worker
    const way = script ? 'script' : 'plain'
    const email = `bea.${locale}.${way}@example.com`
    const other = `bea.new.${locale}.${way}@example.com`
    // Each page is photographed once in each language.
    const look = async (page: Page, name: string) => {
      if (!script) await shoot(page, `${name}_${locale}`)
    }

    const page = await open(locale, script)
    await page.goto(`${issuer}/login`)
    expect(await page.getAttribute('html', 'lang')).toBe(locale)
    await look(page, 'login_all')
    await page.click('a[href^="/sign-up"]')
    await look(page, 'sign_up')
    await page.fill('#email', email)
    await page.click('button[value=send]')
    await look(page, 'sign_up_sent')
    await page.goto(await linkTo(email, 'sign_up'))
    await page.fill('#name', 'Bea')
    await page.fill('#password', '123456789012345')
    await page.click('summary')
    expect(await page.textContent('.words')).toBe(TERMS[locale].text)
    await look(page, 'new_account')
    await page.click('button[value=create]')
    // The box is not ticked, so the browser sends nothing.
    expect(page.url()).toContain('/sign-up/confirm?')
    await page.check('[id="accept.terms"]')
    await page.click('button[value=create]')
    expect(await page.isChecked('[id="accept.terms"]')).toBe(true)
    await look(page, 'new_account_refused')
    await page.fill('#password', PASSWORD)
    await page.click('button[value=create]')
    expect(page.url()).toBe(`${issuer}/account`)
    await look(page, 'account_all')
    await page.click('button[value=logout]')
    await look(page, 'signed_out')
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')
    await page.fill('#username', email)
    await page.fill('#password', PASSWORD)
    await page.click('button[value=login]')
    expect(page.url()).toBe(`${issuer}/account`)

    await page.click('a[href="/account/profile"]')
    await page.fill('#name', 'Bea Example')
    await page.fill('#phone_number', '12')
    await page.click('button[value=save]')
    await look(page, 'profile_refused')
    await page.fill('#phone_number', '+48 22 123 45 67')
    await page.click('button[value=save]')
    await look(page, 'profile_saved')
    await page.click('a[href="/account"]')
    await page.click('a[href="/account/names"]')
    await look(page, 'names')

    const byLink = await open(locale, script)
    await byLink.goto(`${issuer}/login`)
    await byLink.click('a[href^="/login/link"]')
    await look(byLink, 'link')
    await byLink.fill('#email', email)
    await byLink.click('button[value=send]')
    await look(byLink, 'link_sent')
    const link = await linkTo(email, 'sign_in_link')
    const elsewhere = await open(locale, script)
    await elsewhere.goto(link)
    await look(elsewhere, 'link_elsewhere')
    await byLink.goto(link)
    await look(byLink, 'link_open')
    await byLink.click('button[value=login]')
    expect(byLink.url()).toBe(`${issuer}/account`)

    await page.goto(`${issuer}/account/email`)
    await look(page, 'address')
    await page.fill('#email', other)
    await page.click('button[value=send]')
    await page.goto(await linkTo(other, 'verify_address'))
    await look(page, 'address_confirm')
    await page.click('button[value=confirm]')
    await look(page, 'address_done')

    await page.goto(`${issuer}/account/password`)
    await page.fill('#present', 'a wrong one of four words')
    await page.fill('#password', NEW)
    await page.click('button[value=save]')
    await look(page, 'new_password_refused')
    await page.fill('#present', PASSWORD)
    await page.fill('#password', NEW)
    await page.click('button[value=save]')
    expect(page.url()).toBe(`${issuer}/account`)

    const owner = await open(locale, script)
    await owner.goto(await linkTo(email, 'address_changed'))
    await look(owner, 'address_undo')
    await owner.fill('#password', PASSWORD)
    await owner.click('button[value=undo]')
    await look(owner, 'address_undone')
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')
    await owner.goto(`${issuer}/login`)
    await owner.fill('#username', email)
    await owner.fill('#password', PASSWORD)
    await owner.click('button[value=login]')
    expect(owner.url()).toBe(`${issuer}/account`)

    const forgetful = await open(locale, script)
    await forgetful.goto(`${issuer}/login`)
    await forgetful.click('a[href^="/recover"]')
    await look(forgetful, 'recover')
    await forgetful.fill('#email', email)
    await forgetful.click('button[value=send]')
    await look(forgetful, 'recover_sent')
    await forgetful.goto(await linkTo(email, 'recovery'))
    await look(forgetful, 'recover_password')
    await forgetful.fill('#password', NEW)
    await forgetful.click('button[value=save]')
    await look(forgetful, 'recover_done')
    await owner.goto(`${issuer}/account`)
    expect(owner.url()).toContain('/login')
    await forgetful.goto(`${issuer}/login`)
    await forgetful.fill('#username', email)
    await forgetful.fill('#password', NEW)
    await forgetful.click('button[value=login]')
    expect(forgetful.url()).toBe(`${issuer}/account`)
  },
  300_000,
)
