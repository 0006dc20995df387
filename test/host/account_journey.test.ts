// A person's way through an account in a real browser, without JavaScript: sign-up, sign-in by a
// mailed link, texts to agree to, profile, names, another address and its undoing, another
// password and a forgotten one; in three languages.
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

const open = async (locale: string): Promise<Page> =>
  (await browser.newContext({ javaScriptEnabled: false, locale })).newPage()

/** The link in the newest mail of a kind to an address. */
const linkTo = async (address: string, kind: string): Promise<string> =>
  linkIn(await readMailTo(worker.issuer, SECRET, { address, kind }))

test.each(['en', 'pl', 'ar'] as const)(
  'an account from its first mail to its last, in %s',
  async (locale) => {
    const { issuer } = worker
    const email = `bea.${locale}@example.com`
    const other = `bea.new.${locale}@example.com`
    const named = (name: string) => `${name}_${locale}`

    const page = await open(locale)
    await page.goto(`${issuer}/login`)
    expect(await page.getAttribute('html', 'lang')).toBe(locale)
    await shoot(page, named('login_all'))
    await page.click('a[href^="/sign-up"]')
    await shoot(page, named('sign_up'))
    await page.fill('#email', email)
    await page.click('button[value=send]')
    await shoot(page, named('sign_up_sent'))
    await page.goto(await linkTo(email, 'sign_up'))
    await page.fill('#name', 'Bea')
    await page.fill('#password', '123456789012345')
    await page.click('button[value=create]')
    await shoot(page, named('new_account_refused'))
    await page.fill('#password', PASSWORD)
    await page.click('button[value=create]')
    expect(page.url()).toContain('/continue')
    expect(await page.textContent('h1')).toBe(TERMS[locale].title)
    await shoot(page, named('terms'))
    await page.click('button[value=accept]')
    expect(page.url()).toBe(`${issuer}/account`)
    await shoot(page, named('account_all'))

    await page.click('a[href="/account/profile"]')
    await page.fill('#name', 'Bea Example')
    await page.fill('#phone_number', '12')
    await page.click('button[value=save]')
    await shoot(page, named('profile_refused'))
    await page.fill('#phone_number', '+48 22 123 45 67')
    await page.click('button[value=save]')
    await shoot(page, named('profile_saved'))
    await page.click('a[href="/account"]')
    await page.click('a[href="/account/names"]')
    await shoot(page, named('names'))

    const byLink = await open(locale)
    await byLink.goto(`${issuer}/login`)
    await byLink.click('a[href^="/login/link"]')
    await shoot(byLink, named('link'))
    await byLink.fill('#email', email)
    await byLink.click('button[value=send]')
    await shoot(byLink, named('link_sent'))
    const link = await linkTo(email, 'sign_in_link')
    const elsewhere = await open(locale)
    await elsewhere.goto(link)
    await shoot(elsewhere, named('link_elsewhere'))
    await byLink.goto(link)
    await shoot(byLink, named('link_open'))
    await byLink.click('button[value=login]')
    expect(byLink.url()).toBe(`${issuer}/account`)

    await page.goto(`${issuer}/account/email`)
    await shoot(page, named('address'))
    await page.fill('#email', other)
    await page.click('button[value=send]')
    await page.goto(await linkTo(other, 'verify_address'))
    await shoot(page, named('address_confirm'))
    await page.click('button[value=confirm]')
    await shoot(page, named('address_done'))

    await page.goto(`${issuer}/account/password`)
    await page.fill('#present', 'a wrong one of four words')
    await page.fill('#password', NEW)
    await page.click('button[value=save]')
    await shoot(page, named('new_password_refused'))
    await page.fill('#present', PASSWORD)
    await page.fill('#password', NEW)
    await page.click('button[value=save]')
    expect(page.url()).toBe(`${issuer}/account`)

    const owner = await open(locale)
    await owner.goto(await linkTo(email, 'address_changed'))
    await shoot(owner, named('address_undo'))
    await owner.fill('#password', PASSWORD)
    await owner.click('button[value=undo]')
    await shoot(owner, named('address_undone'))
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')
    await owner.goto(`${issuer}/login`)
    await owner.fill('#username', email)
    await owner.fill('#password', PASSWORD)
    await owner.click('button[value=login]')
    expect(owner.url()).toBe(`${issuer}/account`)

    const forgetful = await open(locale)
    await forgetful.goto(`${issuer}/login`)
    await forgetful.click('a[href^="/recover"]')
    await shoot(forgetful, named('recover'))
    await forgetful.fill('#email', email)
    await forgetful.click('button[value=send]')
    await shoot(forgetful, named('recover_sent'))
    await forgetful.goto(await linkTo(email, 'recovery'))
    await shoot(forgetful, named('recover_password'))
    await forgetful.fill('#password', NEW)
    await forgetful.click('button[value=save]')
    await shoot(forgetful, named('recover_done'))
    await owner.goto(`${issuer}/account`)
    expect(owner.url()).toContain('/login')
    await forgetful.goto(`${issuer}/login`)
    await forgetful.fill('#username', email)
    await forgetful.fill('#password', NEW)
    await forgetful.click('button[value=login]')
    expect(forgetful.url()).toBe(`${issuer}/account`)
  },
  180_000,
)
