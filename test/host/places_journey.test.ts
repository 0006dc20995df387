// The pages of places in a real browser, in three languages, with JavaScript and without: an owner
// adds a member without an address and a room, and offers the place; a guest sees until when.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBrowser, shoot } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const PASSWORD = 'four words nobody knows'
const LOCALES = ['en', 'pl', 'ar'] as const
const RUNS = LOCALES.flatMap((locale) => [false, true].map((script) => [locale, script] as const))

const nameOf = (name: string, locale: string, script: boolean) =>
  `${name}-${locale}-${script ? 'script' : 'plain'}`
const SUNDAY = Math.floor(Date.now() / 1000) + 5 * 86_400

const BLUEPRINT = {
  settings: { sign_up: 'by_invitation' },
  roles: [
    {
      name: 'owner',
      description: 'Owner',
      permissions: [
        ...['devices:read', 'devices:write', 'access:read', 'access:write', 'users:read'],
        ...['users:write', 'device:read'],
      ],
    },
    { name: 'guest', description: 'Guest', permissions: ['device:read'] },
  ],
  device_types: [{ name: 'dimmer' }],
  groups: RUNS.flatMap(([locale, script]) => [
    { id: nameOf('site', locale, script), kind: 'site', name: '12 Garden Street' },
    {
      id: nameOf('room', locale, script),
      kind: 'room',
      name: 'Kitchen',
      parent_id: nameOf('site', locale, script),
    },
  ]),
  users: RUNS.flatMap(([locale, script]) =>
    ['ann', 'gus'].map((name) => ({
      id: nameOf(name, locale, script),
      email: `${nameOf(name, locale, script)}@example.com`,
      email_verified: true,
      password: PASSWORD,
      locale,
      groups: [nameOf('site', locale, script)],
    })),
  ),
  devices: RUNS.map(([locale, script]) => ({
    id: nameOf('lamp', locale, script),
    type: 'dimmer',
    name: 'Lamp over the table',
    groups: [nameOf('room', locale, script)],
  })),
  grants: RUNS.flatMap(([locale, script]) => [
    {
      subject: nameOf('ann', locale, script),
      role: 'owner',
      object: nameOf('site', locale, script),
    },
    {
      subject: nameOf('gus', locale, script),
      role: 'guest',
      object: nameOf('site', locale, script),
      expires_at: SUNDAY,
    },
  ]),
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

async function signInAs(name: string, locale: string, script: boolean): Promise<Page> {
  const context = await browser.newContext({ javaScriptEnabled: script, locale })
  const page = await context.newPage()
  await page.goto(`${worker.issuer}/login`)
  await page.fill('#username', `${nameOf(name, locale, script)}@example.com`)
  await page.fill('#password', PASSWORD)
  await page.click('button[value=login]')
  await page.goto(`${worker.issuer}/places`)
  return page
}

test.concurrent.each(RUNS)(
  'an owner runs a place, in %s, with script: %s',
  async (locale, script) => {
    const page = await signInAs('ann', locale, script)
    const look = async (name: string) => {
      if (script) await shoot(page, `places_${name}_${locale}`)
    }
    await look('all')
    await page.click(`a[href="/places/${nameOf('site', locale, script)}"]`)
    const before = await page.textContent('main')
    for (const one of ['12 Garden Street', 'Kitchen', 'Lamp over the table', 'Guest']) {
      expect(before).toContain(one)
    }
    await look('one')
    await page.fill('#account-name', 'Kim')
    await page.fill('#user_name', 'kim')
    await page.selectOption('#account-role', 'guest')
    await page.fill('#account-until', '2100-01-01')
    await page.click('button[value=account]')
    expect(await page.textContent('dl')).toMatch(/kim\.\d{5}[\s\S]*recover\/password\?token=/)
    await look('way_in')
    await page.click('.beside a')
    await page.fill('#room', 'Attic')
    await page.click('button[value=room]')
    expect(await page.textContent('main')).toMatch(/Kim[\s\S]*Attic/)
    await page.click('li:has-text("Kim") button[value=remove]')
    const ends = await page.textContent('main')
    for (const one of ['kim.', 'Guest', '12 Garden Street']) expect(ends).toContain(one)
    await look('remove')
    await page.click('button.danger')
    expect(await page.textContent('main')).not.toContain('Kim')
    await page.fill('#to', 'bea@example.com')
    await page.click('button[value=ask]')
    await look('offer')
    await page.click('button[value=offer]')
    expect(await page.textContent('main')).toContain('bea@example.com')
    await page.click('button[value=keep]')
    expect(await page.textContent('main')).not.toContain('bea@example.com')
    await page.context().close()
  },
  120_000,
)

test.concurrent.each(RUNS)(
  'a guest sees until when, and leaves, in %s, with script: %s',
  async (locale, script) => {
    const page = await signInAs('gus', locale, script)
    expect(await page.textContent('main')).toMatch(/12 Garden Street[\s\S]*Guest/)
    expect(await page.locator('main time').count()).toBe(1)
    if (script) await shoot(page, `places_guest_${locale}`)
    await page.click('button[value=leave]')
    expect(await page.textContent('main')).not.toContain('12 Garden Street')
    await page.context().close()
  },
  120_000,
)
