// Pages about places as people see them: Chromium at two sizes, in three languages, with script and
// without. A device that is claimed with the code of its box, and a place that is offered.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { messagesIn } from '../../worker/messages/messages.ts'
import { OPS_SECRET, PASSWORD } from './black_box.ts'
import { openBrowser, shoot } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

let worker: RunningWorker
let browser: Browser
let token: string

const LOCALES = ['en', 'pl', 'ar'] as const
const RUNS = LOCALES.flatMap((locale) => [false, true].map((script) => [locale, script] as const))

const nameOf = (locale: string, script: boolean) => `${locale}-${script ? 'script' : 'plain'}`
const emailOf = (name: string) => `ann.${name}@example.com`
const NAMES = RUNS.map(([locale, script]) => nameOf(locale, script))

beforeAll(async () => {
  worker = await startWorkerOn('node', {
    clients: [
      {
        client_id: 'ops',
        client_secret: OPS_SECRET,
        grant_types: ['client_credentials'],
        scope: 'manage',
      },
    ],
    roles: [
      {
        name: 'owner',
        permissions: ['devices:read', 'devices:write', 'access:write', 'users:write'],
      },
      { name: 'guest', permissions: ['device:read'] },
    ],
    groups: NAMES.flatMap((name) => [
      { id: `home-${name}`, kind: 'site', name: 'Garden Street 12, the house behind the old mill' },
      { id: `lake-${name}`, kind: 'site', name: 'دار البحيرة' },
    ]),
    users: [
      { id: 'bob', email: 'bob@example.com' },
      ...NAMES.map((name) => ({
        ...{ id: `ann-${name}`, email: emailOf(name), email_verified: true },
        ...{ name: 'Ann Example', password: PASSWORD },
      })),
    ],
    device_types: [
      { name: 'plug', claim: 'once', names: { en: 'Smart plug', pl: 'Wtyczka', ar: 'مقبس ذكي' } },
    ],
    devices: NAMES.map((name) => ({
      ...{ id: `plug-${name}`, type: 'plug', status: 'unclaimed' },
      hardware_ids: [{ kind: 'serial', value: `SN-2026-${name}` }],
    })),
    grants: NAMES.flatMap((name) => [
      { subject: emailOf(name), role: 'owner', object: `home-${name}` },
      { subject: 'bob@example.com', role: 'guest', object: `lake-${name}` },
    ]),
  } as unknown as Parameters<typeof startWorkerOn>[1])
  browser = await openBrowser()
  const answer = await fetch(`${worker.issuer}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`ops:${OPS_SECRET}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
  })
  token = ((await answer.json()) as { access_token: string }).access_token
}, 120_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
})

async function api(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const answer = await fetch(worker.issuer + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const read = (await answer.json()) as Record<string, unknown>
  if (!answer.ok) throw new Error(JSON.stringify(read))
  return read
}

async function login(page: Page, email: string) {
  await page.fill('input[name=username]', email)
  await page.fill('input[name=password]', PASSWORD)
  await press(page, 'login')
}

const press = (page: Page, action: string) => page.click(`button[name=action][value=${action}]`)

/** The page of a person in a browser of its own; each picture is taken once in each language. */
async function open(locale: string, javaScriptEnabled: boolean) {
  const page = await (await browser.newContext({ locale, javaScriptEnabled })).newPage()
  const look = async (name: string) => {
    if (!javaScriptEnabled) await shoot(page, `${name}_${locale}`)
  }
  return { page, look }
}

test.concurrent.each(RUNS)(
  'a person types the code of a box, signs in, and puts the device into a place, in %s, with script: %s',
  async (locale, script) => {
    const m = messagesIn(locale)
    const name = nameOf(locale, script)
    const made = await api('POST', `/v1/devices/plug-${name}/claim-code`, {})
    const { page, look } = await open(locale, script)
    await page.goto(`${worker.issuer}/claim`)
    await look('claim_code')
    await page.fill('input[name=code]', '0000 0000 0000 0000 0000')
    await press(page, 'look')
    expect(await page.textContent('[role=alert]')).toBe(m('claim.dead'))
    await look('claim_refused')
    await page.fill('input[name=code]', String(made['claim_code']).toLowerCase())
    await press(page, 'look')
    expect(await page.textContent('main')).toContain(`SN-2026-${name}`)
    await look('claim_sign_in')
    await press(page, 'login')
    expect(page.url()).not.toContain(String(made['claim_code']))
    await login(page, emailOf(name))
    expect(page.url()).toBe(`${worker.issuer}/claim`)
    await look('claim')
    await page.check('#place-new')
    await press(page, 'claim')
    expect(await page.textContent('[role=alert]')).toBe(m('claim.place_needed'))
    await look('claim_no_name')
    await page.check('#place-0')
    await press(page, 'claim')
    expect(await page.textContent('h1')).toBe(m('claim.done_title'))
    await look('claimed')
    const device = await api('GET', `/v1/devices/plug-${name}`)
    expect(device).toMatchObject({ status: 'active', groups: [`home-${name}`] })
    await page.context().close()
  },
  300_000,
)

test.concurrent.each(RUNS)(
  'a person opens the offer of a place and accepts it, in %s, with script: %s',
  async (locale, script) => {
    const m = messagesIn(locale)
    const name = nameOf(locale, script)
    const address = emailOf(name)
    await api('POST', `/v1/groups/lake-${name}/transfer`, { to: address })
    const { items } = (await api('GET', '/v1/outbox')) as unknown as {
      items: { id: string; kind: string; address: string }[]
    }
    const mail = items.find((one) => one.kind === 'transfer' && one.address === address)
    const { content } = await api('GET', `/v1/outbox/${mail?.id}`)
    const [link = ''] = /http\S+token=\S+/.exec((content as { text: string }).text) ?? []
    const { page, look } = await open(locale, script)
    await page.goto(link)
    await look('transfer_sign_in')
    await press(page, 'login')
    await login(page, address)
    expect(await page.textContent('h1')).toBe(m('transfer.title'))
    await look('transfer')
    await press(page, 'accept')
    expect(await page.textContent('h1')).toBe(m('transfer.done_title'))
    await look('transferred')
    await page.context().close()
  },
  300_000,
)
