// The pages of whatever is missing, and of consents, as people see them: Chromium with and without
// script, on a phone and a desktop, light and dark.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CATALOGUES } from '../../worker/messages/catalogues.ts'
import { PASSWORD } from './black_box.ts'
import { openBrowser, shootInBoth } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const CALLBACK = 'https://app.example/callback'
const NEW = 'seven brown horses jump over fences'

const paragraph =
  'You may use the service for your own home. We keep it running as well as we can, and tell you ahead of time when we cannot. '
const words = Array.from({ length: 8 }, (_, i) => `${i + 1}. ${paragraph.repeat(2)}`).join('\n\n')

let worker: RunningWorker
let browser: Browser

beforeAll(async () => {
  const person = (id: string) => ({
    id,
    email: `${id}@example.com`,
    password: PASSWORD,
    must_change_password: true,
  })
  worker = await startWorkerOn('node', {
    settings: { required_profile_fields: ['name', 'birthdate', 'phone_number'] },
    clients: [
      {
        client_id: 'app',
        client_name: 'Lamps',
        redirect_uris: [CALLBACK],
        token_endpoint_auth_method: 'none',
        scope: 'openid',
      },
    ],
    users: [person('ann'), person('bob')],
    consents: [
      {
        key: 'terms',
        required: true,
        versions: [{ version: '1', texts: { en: { title: 'Terms of use', text: words } } }],
      },
      {
        key: 'privacy',
        required: true,
        versions: [
          {
            version: '1',
            texts: {
              en: { title: 'Privacy', url: 'https://lamps.example/privacy' },
              ar: { title: 'الخصوصية', text: 'نحن نحمي بياناتك.\n\nيمكنك سحب موافقتك في أي وقت.' },
            },
          },
        ],
      },
      {
        key: 'newsletter',
        required: false,
        versions: [
          { version: '1', texts: { en: { title: 'Newsletter', text: 'Once a month, by mail.' } } },
        ],
      },
    ],
  })
  browser = await openBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
})

const title = (page: Page) => page.locator('h1').textContent()

const look = (page: Page, name: string) => shootInBoth(page, name, false)

test.concurrent.each([
  ['ann', false],
  ['bob', true],
])(
  'a person, %s, goes through all that is missing to the application, and withdraws (script: %s)',
  async (id, javaScriptEnabled) => {
    const context = await browser.newContext({
      javaScriptEnabled,
      locale: javaScriptEnabled ? 'ar' : 'en',
    })
    const page = await context.newPage()
    const texts = CATALOGUES[javaScriptEnabled ? 'ar' : 'en']
    await context.route(`${CALLBACK}*`, (route) => route.fulfill({ body: 'signed in' }))
    const press = (action: string) => page.click(`button[name=action][value=${action}]`)
    const parameters = new URLSearchParams({
      client_id: 'app',
      redirect_uri: CALLBACK,
      response_type: 'code',
      state: 's1',
      scope: 'openid',
      code_challenge: '7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM',
      code_challenge_method: 'S256',
    })
    const signIn = async (password: string) => {
      await page.fill('input[name=username]', `${id}@example.com`)
      await page.fill('input[name=password]', password)
      await press('login')
    }
    await page.goto(`${worker.issuer}/oauth/authorize?${parameters}`)
    await signIn(PASSWORD)
    expect(await title(page)).toBe(texts['missing.password_title'])
    await look(page, `continue_password_${id}`)
    await page.fill('input[name=password]', 'not the password at all')
    await page.fill('input[name=new_password]', NEW)
    await press('save')
    expect(await page.locator('[role=alert]').textContent()).toBe(texts['missing.wrong_password'])
    await page.fill('input[name=password]', PASSWORD)
    await page.fill('input[name=new_password]', NEW)
    await press('save')

    expect(await title(page)).toBe(javaScriptEnabled ? 'الخصوصية' : 'Privacy')
    await look(page, `continue_privacy_${id}`)
    await press('accept')
    expect(await title(page)).toBe('Terms of use')
    await look(page, `continue_terms_${id}`)
    await press('accept')

    expect(await title(page)).toBe(texts['missing.profile_title'])
    await page.fill('input[name=name]', 'Ann Example')
    await page.fill('input[name=birthdate]', '1990-02-03')
    await page.fill('input[name=phone_number]', '12')
    await press('save')
    expect(await page.locator('[role=alert]').textContent()).toContain(texts['field.phone_number'])
    await look(page, `continue_profile_${id}`)
    await page.fill('input[name=phone_number]', '+48 22 123 45 67')
    await press('save')

    expect(page.url()).toContain('/consent?')
    await press('allow')
    await page.waitForURL((url) => url.href.startsWith(CALLBACK))
    expect(new URL(page.url()).searchParams.get('code')).not.toBeNull()

    await page.goto(`${worker.issuer}/account`)
    await look(page, `account_${id}`)
    await page.click('a[href="/account/consents"]')
    expect(await title(page)).toBe(texts['consents.title'])
    await press('accept')
    await look(page, `consents_${id}`)
    await page.click('li:last-child button[value=withdraw]')
    expect(await title(page)).toBe(texts['signed_out.title'])
    await page.goto(`${worker.issuer}/login`)
    await signIn(NEW)
    expect(await title(page)).toBe('Terms of use')
    await press('logout')
    expect(await title(page)).toBe(texts['signed_out.title'])
    await context.close()
  },
  300_000,
)
