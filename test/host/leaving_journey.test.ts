// The end and the beginning of an account in a real browser: a copy of the data, closing, keeping,
// and an invitation from its mail to the account; in three languages, with JavaScript and without.
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBrowser, shoot } from './chromium.ts'
import { linkIn, readMailTo } from './operator_mails.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'
const PASSWORD = 'four words nobody knows'

const LOCALES = ['en', 'pl', 'ar'] as const
const RUNS = LOCALES.flatMap((locale) => [false, true].map((script) => [locale, script] as const))

const addressOf = (name: string, locale: string, script: boolean) =>
  `${name}.${locale}.${script ? 'script' : 'plain'}@example.com`

const BLUEPRINT = {
  settings: { sign_up: 'by_invitation' },
  clients: [
    {
      client_id: 'ops',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'manage',
    },
  ],
  groups: [{ id: 'home', name: '12 Garden Street' }],
  roles: [{ name: 'resident', permissions: ['device:read'] }],
  users: RUNS.map(([locale, script]) => ({
    email: addressOf('ann', locale, script),
    name: 'Ann Example',
    locale,
    password: PASSWORD,
  })),
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

async function open(locale: string, javaScriptEnabled: boolean): Promise<Page> {
  const context = await browser.newContext({ javaScriptEnabled, locale, acceptDownloads: true })
  return context.newPage()
}

async function signIn(page: Page, email: string): Promise<void> {
  await page.goto(`${worker.issuer}/login`)
  await page.fill('#username', email)
  await page.fill('#password', PASSWORD)
  await page.click('button[value=login]')
}

const mailTo = (address: string, kind: string): Promise<string> =>
  readMailTo(worker.issuer, SECRET, { address, kind })

/** Presses a button, and reads the file that it downloads. */
async function download(page: Page, value: string): Promise<{ name: string; text: string }> {
  const waiting = page.waitForEvent('download')
  await page.click(`button[value=${value}]`)
  const file = await waiting
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') }
}

/** Invites by the API, and answers the link in the mail. */
async function invite(address: string, locale: string): Promise<string> {
  const answered = await fetch(`${worker.issuer}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`ops:${SECRET}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
  })
  const { access_token } = (await answered.json()) as { access_token: string }
  const made = await fetch(`${worker.issuer}/v1/invitations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ address, locale, grants: [{ role: 'resident', object: 'home' }] }),
  })
  expect(made.status).toBe(201)
  return linkIn(await mailTo(address, 'invitation'))
}

test.concurrent.each(RUNS)(
  'an account is copied, closed and kept in %s, with script: %s',
  async (locale, script) => {
    const { issuer } = worker
    const email = addressOf('ann', locale, script)
    // Each page is photographed once in each language.
    const look = async (page: Page, name: string) => {
      if (!script) await shoot(page, `${name}_${locale}`)
    }
    const page = await open(locale, script)
    await page.goto(`${issuer}/login`)
    await page.fill('#username', email)
    await page.fill('#password', 'a wrong one of four words')
    await page.click('button[value=login]')
    await signIn(page, email)
    expect(page.url()).toBe(`${issuer}/account`)
    expect(await page.getAttribute('html', 'lang')).toBe(locale)
    await look(page, 'account_failed')

    await page.click('a[href="/account/export"]')
    await look(page, 'export')
    const json = await download(page, 'json')
    expect(json.name).toBe('my-data.json')
    const data = JSON.parse(json.text) as { account: object[]; sessions: object[] }
    expect(data.account).toMatchObject([{ email, name: 'Ann Example' }])
    const html = await download(page, 'html')
    expect([html.name, html.text.includes(email)]).toEqual(['my-data.html', true])
    await page.click('button[value=view]')
    // The page comes part by part.
    await page.waitForLoadState('load')
    expect(await page.locator('h2').count()).toBe(Object.keys(data).length - 2)
    expect(await page.locator('dd', { hasText: email }).count()).toBeGreaterThan(0)
    await look(page, 'exported')

    await page.goto(`${issuer}/account`)
    await page.click('a[href="/account/close"]')
    await look(page, 'close')
    await page.click('button[value=close]')
    await look(page, 'closed')
    const mail = await mailTo(email, 'account_closed')
    expect(mail).toContain(`${issuer}/login`)
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')

    await signIn(page, email)
    expect(page.url()).toContain('/account/closed')
    await look(page, 'keep')
    await page.goto(`${issuer}/account`)
    expect(page.url()).toContain('/login')
    await page.goto(`${issuer}/account/closed`)
    await page.click('button[value=keep]')
    expect(page.url()).toBe(`${issuer}/account`)
    expect(await page.locator('main').textContent()).toContain(email)
  },
  300_000,
)

test.concurrent.each(RUNS)(
  'an invitation leads from its mail to an account in %s, with script: %s',
  async (locale, script) => {
    const { issuer } = worker
    const look = async (page: Page, name: string) => {
      if (!script) await shoot(page, `${name}_${locale}`)
    }
    const email = addressOf('bea', locale, script)
    const link = await invite(email, locale)
    expect(await mailTo(email, 'invitation')).toContain('12 Garden Street')
    // The language of the mail goes before that of the browser only where nothing else is wished.
    const page = await open(locale, script)
    await page.goto(`${issuer}/sign-up`)
    await look(page, 'sign_up_by_invitation')
    await page.goto(link)
    expect(await page.getAttribute('html', 'lang')).toBe(locale)
    await look(page, 'invitation')
    await page.fill('#name', 'Bea Example')
    await page.fill('#password', '123456789012345')
    await page.click('button[value=create]')
    await look(page, 'invitation_refused')
    await page.fill('#password', PASSWORD)
    await page.click('button[value=create]')
    expect(page.url()).toBe(`${issuer}/account`)
    await page.goto(link)
    await look(page, 'invitation_dead')

    // Ann has an account: she signs in on the way, and comes back.
    const ann = addressOf('ann', locale, script)
    const second = await invite(ann, locale)
    const other = await open(locale, script)
    await other.goto(second)
    await look(other, 'invitation_sign_in')
    await other.click('button[value=login]')
    expect(other.url()).not.toContain('token')
    await other.fill('#username', ann)
    await other.fill('#password', PASSWORD)
    await other.click('button[value=login]')
    expect(other.url()).toBe(`${issuer}/invitation`)
    await look(other, 'invitation_accept')
    await other.click('button[value=accept]')
    expect(other.url()).toBe(`${issuer}/account`)
    await other.goto(second)
    expect(await other.locator('button[value=accept]').count()).toBe(0)
  },
  300_000,
)
