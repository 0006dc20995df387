// Pages in English, Polish and Arabic as people see them: Chromium without script, on a phone and a
// desktop, in light and dark; and the way to another language from the foot of a page.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { messagesIn } from '../../worker/messages/messages.ts'
import { PASSWORD } from './black_box.ts'
import { openBrowser, shoot } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

let worker: RunningWorker
let browser: Browser

beforeAll(async () => {
  worker = await startWorkerOn('node', {
    clients: [
      {
        client_id: 'home',
        client_name: 'Home app',
        redirect_uris: ['https://home.example/callback'],
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
        scope: 'openid profile email phone mqtt',
      },
    ],
    users: [{ email: 'ann@example.com', name: 'Ann Example', password: PASSWORD }],
  })
  browser = await openBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
})

const request = (ui_locales: string) =>
  `${worker.issuer}/oauth/authorize?${new URLSearchParams({
    ...{ client_id: 'home', redirect_uri: 'https://home.example/callback', state: 's' },
    ...{ response_type: 'code', scope: 'openid profile email phone mqtt', ui_locales },
    ...{ code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' },
  })}`

async function userCode(): Promise<string> {
  const answer = await fetch(`${worker.issuer}/oauth/device_authorization`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'home', scope: 'openid mqtt' }),
  })
  return ((await answer.json()) as { user_code: string }).user_code
}

test.concurrent.each(['en', 'pl', 'ar'] as const)(
  'the pages in %s are whole on each screen',
  async (locale) => {
    const m = messagesIn(locale)
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext({
        javaScriptEnabled: false,
        locale: 'zh',
        colorScheme,
      })
      const page = await context.newPage()
      const look = async (name: string, title: string) => {
        expect(await page.title()).toBe(title)
        const html = page.locator('html')
        expect(await html.getAttribute('lang')).toBe(locale)
        expect(await html.getAttribute('dir')).toBe(m.direction)
        await shoot(page, `${name}_${locale}_${colorScheme}`)
      }
      await page.goto(`${worker.issuer}/login`)
      await choose(page, locale)
      expect(page.url()).toBe(`${worker.issuer}/login`)
      await page.goto(request(''))
      await page.fill('input[name=username]', 'ann@example.com')
      await page.fill('input[name=password]', 'wrong')
      await page.click('button[name=action][value=login]')
      await look('login', m('sign_in.title'))
      await page.fill('input[name=password]', PASSWORD)
      await page.click('button[name=action][value=login]')
      await look('consent', m('consent.title', { client: 'Home app' }))
      await page.goto(`${worker.issuer}/account`)
      await look('account', m('account.title'))
      await page.goto(`${worker.issuer}/device?user_code=${await userCode()}`)
      await page.click('button[name=action][value=continue]')
      await look('device', m('device.ask_title', { client: 'Home app' }))
      await page.goto(`${worker.issuer}/oauth/authorize?client_id=nobody`)
      await look('error', m('error.title'))
      await page.goto(`${worker.issuer}/language?return_to=/account`)
      await look('language', m('language.title'))
      await context.close()
    }
  },
  300_000,
)

/** Chooses a language by the foot of the page. */
async function choose(page: Page, locale: string) {
  await page.click('footer a')
  await page.click(`button[value=${locale}]`)
}

test('a language that is chosen in the middle of a journey goes on with it', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false })
  await context.route('https://home.example/**', (route) => route.fulfill({ body: 'back' }))
  const page = await context.newPage()
  await page.goto(request('de'))
  expect(await page.locator('html').getAttribute('lang')).toBe('de')
  await choose(page, 'ar')
  expect(await page.locator('html').getAttribute('lang')).toBe('ar')
  await page.fill('input[name=username]', 'ann@example.com')
  await page.fill('input[name=password]', PASSWORD)
  await page.click('button[name=action][value=login]')
  expect(await page.title()).toBe(messagesIn('ar')('consent.title', { client: 'Home app' }))
  await choose(page, 'fr')
  expect(await page.title()).toBe(messagesIn('fr')('consent.title', { client: 'Home app' }))
  await page.click('button[name=action][value=deny]')
  await page.waitForURL((url) => url.searchParams.get('error') === 'access_denied')
  await context.close()
})
