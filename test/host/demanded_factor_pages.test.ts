// A client that demands a second factor, in a real browser: the app is added on the spot, and later
// asked for; with and without JavaScript, in three languages, light and dark, phone and desktop.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { appCodes } from './app_codes.ts'
import { PASSWORD } from './black_box.ts'
import { openBrowser, shoot, shootInBoth } from './chromium.ts'
import { linkIn, readMailTo } from './operator_mails.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'
const CHALLENGE = '7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM'
const LOCALES = ['en', 'pl', 'ar'] as const
type Way = 'script' | 'plain'

let application: Server
let callback: string
let worker: RunningWorker
let browser: Browser

const emailOf = (locale: string, way: string) => `ann.${locale}.${way}@example.com`

beforeAll(async () => {
  application = createServer((_request, answer) => answer.end('back at the application'))
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve))
  const { port } = application.address() as AddressInfo
  callback = `http://localhost:${port}/callback`
  worker = await startWorkerOn('node', {
    settings: { remember_browser_days: 30, mail_codes: 'on' },
    clients: [
      {
        client_id: 'ops',
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        scope: 'manage',
      },
      {
        client_id: 'bank',
        client_name: 'Bank',
        client_secret: SECRET,
        redirect_uris: [callback],
        scope: 'openid',
        first_party: true,
        require_acr: 'urn:allauth:acr:mfa',
      },
    ],
    users: [
      ...LOCALES.flatMap((locale) => [emailOf(locale, 'script'), emailOf(locale, 'plain')]),
      ...LOCALES.map((locale) => emailOf(locale, 'mail')),
    ].map((email) => ({ email, password: PASSWORD, email_verified: true })),
  })
  browser = await openBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
  application?.close()
})

const open = async (locale: string, way: Way): Promise<Page> =>
  (await browser.newContext({ javaScriptEnabled: way === 'script', locale })).newPage()

const request = () =>
  `${worker.issuer}/oauth/authorize?${new URLSearchParams({
    response_type: 'code',
    client_id: 'bank',
    redirect_uri: callback,
    scope: 'openid',
    state: 's',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
  })}`

async function typePassword(page: Page, email: string): Promise<void> {
  await page.fill('#username', email)
  await page.fill('#password', PASSWORD)
  await page.click('button[value=login]')
}

/** Removes all factors of a person, as an operator. */
async function removeFactors(email: string): Promise<void> {
  const { issuer } = worker
  const answered = await fetch(`${issuer}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`ops:${SECRET}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
  })
  const { access_token } = (await answered.json()) as { access_token: string }
  const call = (path: string, method = 'GET') =>
    fetch(issuer + path, { method, headers: { authorization: `Bearer ${access_token}` } })
  type List = { items: { id: string }[] }
  const [person] = ((await (await call(`/v1/users?email=${email}`)).json()) as List).items
  const { items } = (await (await call(`/v1/users/${person?.id}/factors`)).json()) as List
  for (const { id } of items) await call(`/v1/users/${person?.id}/factors/${id}`, 'DELETE')
}

const isBack = (page: Page) => expect(page.url()).toMatch(new RegExp(`^${callback}\\?code=`))

const runs = LOCALES.flatMap((locale) => [
  { locale, way: 'plain' as const },
  { locale, way: 'script' as const },
])

test.concurrent.each(runs)(
  'an app is added for the client, and proven the next time, in $locale, $way',
  async ({ locale, way }) => {
    const email = emailOf(locale, way)
    const named = (name: string) => `demanded_${name}_${locale}_${way}`
    const page = await open(locale, way)
    await page.goto(request())
    await typePassword(page, email)
    expect(page.url()).toContain('/continue?')
    expect(await page.getAttribute('html', 'lang')).toBe(locale)
    await shootInBoth(page, named('add'))
    const key = (await page.textContent('.key')) ?? ''
    if (way === 'plain') {
      await page.fill('#code', '000000')
      await page.click('button[value=save]')
      await shoot(page, named('add_refused'))
    }
    const codes = appCodes(key)
    await page.fill('#code', await codes.next())
    await page.click('button[value=save]')
    expect(await page.locator('.codes .key').count()).toBe(10)
    if (way === 'plain') await shootInBoth(page, named('codes'))
    await page.click('main a.button')
    isBack(page)

    // In another browser the app is there.
    const other = await open(locale, way)
    await other.goto(request())
    await typePassword(other, email)
    expect(other.url()).toContain('/login/verify')
    if (way === 'plain') await shootInBoth(other, named('verify'))
    if (way === 'plain') {
      await other.fill('#code', '000000')
      await other.click('button[value=verify]')
      await shoot(other, named('verify_refused'))
    }
    await other.fill('#code', await codes.next())
    await other.click('button[value=verify]')
    isBack(other)

    if (way === 'script') return
    // Where nothing demands it, the person may trust a browser.
    const third = await open(locale, way)
    await third.goto(`${worker.issuer}/login`)
    await typePassword(third, email)
    await shootInBoth(third, named('trust'))
    await third.check('#trust')
    await third.fill('#code', await codes.next())
    await third.click('button[value=verify]')
    expect(third.url()).toBe(`${worker.issuer}/account`)
    await shootInBoth(third, named('account'))
    await third.click('button[value=forget]')
    expect(await third.locator('button[value=forget]').count()).toBe(0)

    // An operator removes the app, and the person puts it back.
    await removeFactors(email)
    const mail = { address: email, kind: 'factor_removed' }
    await third.goto(linkIn(await readMailTo(worker.issuer, SECRET, mail)))
    await shootInBoth(third, named('removed'))
    await third.click('button[value=undo]')
    await shoot(third, named('restored'))
  },
  300_000,
)

test.concurrent.each(LOCALES)(
  'a person without an app types a mailed code, in %s',
  async (locale) => {
    const email = emailOf(locale, 'mail')
    const page = await open(locale, 'plain')
    await page.goto(request())
    await typePassword(page, email)
    await page.click('button[value=send]')
    await shootInBoth(page, `demanded_mail_${locale}`)
    await page.fill('#mail_code', '000000')
    await page.click('button[value=save]')
    await shoot(page, `demanded_mail_refused_${locale}`)
    const wanted = { address: email, kind: 'sign_in_code' }
    const mail = await readMailTo(worker.issuer, SECRET, wanted)
    await page.fill('#mail_code', /\b\d{3} \d{3}\b/.exec(mail)?.[0] ?? '')
    await page.click('button[value=save]')
    isBack(page)
  },
  300_000,
)
