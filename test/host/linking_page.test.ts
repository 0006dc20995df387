import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBrowser, shoot } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const PASSWORD = 'correct horse battery staple'

let worker: RunningWorker
let browser: Browser
beforeAll(async () => {
  const linked = {
    client_secret: 'linking-secret-of-at-least-32-characters',
    scope: 'openid email',
  }
  const blueprint = {
    settings: { service_name: 'Lamps Ltd', privacy_uri: 'https://lamps.example/privacy' },
    users: [{ email: 'ann@example.com', password: PASSWORD }],
    clients: [
      {
        ...linked,
        client_id: 'google',
        preset: { name: 'google-home', project_id: 'lamps-12345' },
      },
      { ...linked, client_id: 'alexa', preset: { name: 'alexa', vendor_id: 'M2AB3CD4EF5GH' } },
    ],
  }
  ;[worker, browser] = await Promise.all([startWorkerOn('node', blueprint), openBrowser()])
}, 60_000)
afterAll(async () => {
  await browser.close()
  await worker.stop()
})

test.each([
  [
    'google',
    'https://oauth-redirect.googleusercontent.com/r/lamps-12345',
    'Ihr Konto mit Google verknüpfen',
  ],
  [
    'alexa',
    'https://alexa.amazon.co.jp/api/skill/link/M2AB3CD4EF5GH',
    'Link your account with Amazon Alexa',
  ],
])(
  'a person links with %s without script, and goes back with a code',
  async (client_id, redirect_uri, title) => {
    const context = await browser.newContext({ javaScriptEnabled: false })
    const page = await context.newPage()
    await context.route(`${redirect_uri}*`, (route) => route.fulfill({ body: 'linked' }))
    const parameters = new URLSearchParams({
      client_id,
      redirect_uri,
      response_type: 'code',
      state: 's1',
      scope: 'openid email',
      user_locale: 'de-DE',
    })
    await page.goto(`${worker.issuer}/oauth/authorize?${parameters}`)
    await page.fill('input[name=username]', 'ann@example.com')
    await page.fill('input[name=password]', PASSWORD)
    await page.click('button[name=action][value=login]')
    expect(await page.title()).toBe(title)
    await shoot(page, `linking_${client_id}`)
    await page.click('button[name=action][value=allow]')
    await page.waitForURL((url) => url.href.startsWith(redirect_uri))
    const answer = new URL(page.url()).searchParams
    expect(answer.get('state')).toBe('s1')
    expect(answer.get('code')).toMatch(/^\S{43}$/)
    // The next link is asked for again, though the browser is signed in.
    await page.goto(`${worker.issuer}/oauth/authorize?${parameters}`)
    await page.click('button[name=action][value=deny]')
    await page.waitForURL((url) => url.searchParams.get('error') === 'access_denied')
    await context.close()
  },
)
