// The pages of a link to a new password as people see them: Chromium without script, on a phone and
// a desktop, in each state.
import Libsql from 'libsql'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD } from './black_box.ts'
import { openBrowser, shoot } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const ANN = 'ann@example.com'
const SECRET = 'ops-secret-of-at-least-32-characters-0001'
const NEW = 'seven brown horses jump over fences'

let worker: RunningWorker
let browser: Browser

beforeAll(async () => {
  worker = await startWorkerOn('node', {
    clients: [
      {
        client_id: 'ops',
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        scope: 'users:read users:write',
      },
    ],
    users: [{ id: 'ann', email: ANN, name: 'Ann Example', password: PASSWORD }],
  })
  browser = await openBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
})

const open = async (): Promise<Page> =>
  (await browser.newContext({ javaScriptEnabled: false })).newPage()

async function post(path: string, body: URLSearchParams | null, authorization: string) {
  const answer = await fetch(`${worker.issuer}${path}`, {
    method: 'POST',
    headers: { authorization },
    body,
  })
  return (await answer.json()) as Record<string, string>
}

async function makeLink(): Promise<string> {
  const form = new URLSearchParams({ grant_type: 'client_credentials', scope: 'users:write' })
  const basic = `Basic ${Buffer.from(`ops:${SECRET}`).toString('base64')}`
  const { access_token } = await post('/oauth/token', form, basic)
  const { url = '' } = await post('/v1/users/ann/reset', null, `Bearer ${access_token}`)
  return url
}

async function signIn(page: Page, password: string) {
  await page.goto(`${worker.issuer}/login`)
  await page.fill('input[name=username]', ANN)
  await page.fill('input[name=password]', password)
  await page.click('button[name=action][value=login]')
}

const title = (page: Page) => page.locator('h1').textContent()

test('a person sets a new password behind a link, and is signed out everywhere', async () => {
  const elsewhere = await open()
  await signIn(elsewhere, PASSWORD)
  expect(elsewhere.url()).toContain('/account')

  const older = await makeLink()
  const link = await makeLink()
  const page = await open()
  await page.goto(link)
  expect(await title(page)).toBe('Set a new password')
  expect(await page.locator('.person-email').textContent()).toBe(ANN)
  expect(await page.locator('input:focus').getAttribute('name')).toBe('password')
  await shoot(page, 'recovery')

  await page.fill('input[name=password]', 'passwordpassword')
  await page.click('button[name=action][value=save]')
  expect(await page.locator('[role=alert]').textContent()).toContain('tried first')
  await shoot(page, 'recovery_refused')

  await page.fill('input[name=password]', NEW)
  await page.click('button[name=action][value=save]')
  expect(await title(page)).toBe('Your password is changed')
  // The address in the bar holds no link any more.
  expect(page.url()).toBe(`${worker.issuer}/recover/done`)
  await shoot(page, 'recovery_done')
  await page.click('a[href="/login"]')
  await page.waitForURL(/\/login$/)

  await elsewhere.goto(`${worker.issuer}/account`)
  expect(elsewhere.url()).toContain('/login')
  await signIn(elsewhere, PASSWORD)
  expect(await elsewhere.locator('#alert').count()).toBe(1)
  await signIn(elsewhere, NEW)
  expect(elsewhere.url()).toContain('/account')

  const late = await makeLink()
  const database = new Libsql(worker.databaseUrl.slice('file:'.length), {})
  database.exec('update account_link set expires_at = created_at where used_by is null')
  database.close()
  for (const [name, url, words] of [
    ['expired', late, 'older than an hour'],
    ['used', link, 'set with it already'],
    ['replaced', older, 'a newer link took its place'],
    ['cut', link.slice(0, -1), 'It is not whole'],
  ] as const) {
    const answer = await page.goto(url)
    expect(answer?.status(), name).toBe(403)
    expect(await page.locator('.lead').textContent(), name).toContain(words)
    await shoot(page, `recovery_${name}`)
  }
  await page.context().close()
  await elsewhere.context().close()
})
