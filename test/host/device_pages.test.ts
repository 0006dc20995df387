import * as client from 'openid-client'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeBlueprint, PASSWORD } from './black_box.ts'
import { openBrowser, shoot } from './chromium.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

let worker: RunningWorker
let browser: Browser
let context: BrowserContext
let page: Page
let config: client.Configuration

beforeAll(async () => {
  const { blueprint } = await makeBlueprint()
  const tv = {
    client_id: 'tv',
    client_name: 'Living Room TV',
    token_endpoint_auth_method: 'none',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    scope: 'openid profile email offline_access mqtt',
  }
  worker = await startWorkerOn('node', {
    ...blueprint,
    clients: [...blueprint.clients, tv],
  } as unknown as Parameters<typeof startWorkerOn>[1])
  browser = await openBrowser()
  context = await browser.newContext()
  page = await context.newPage()
  config = await client.discovery(new URL(worker.issuer), 'tv', undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  })
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await worker?.stop()
})

const press = (action: string) => page.click(`button[name=action][value=${action}]`)

test('a person signs in, compares the code and allows it, and the device has its tokens', async () => {
  const begun = await client.initiateDeviceAuthorization(config, {
    scope: 'openid profile offline_access mqtt',
  })
  await page.goto(begun.verification_uri_complete ?? '')
  expect(page.url()).toContain('/login')
  await page.fill('input[name=username]', 'ann@example.com')
  await page.fill('input[name=password]', PASSWORD)
  await press('login')
  expect(new URL(page.url()).pathname).toBe('/device')
  expect(await page.inputValue('input[name=code]')).toBe(begun.user_code)
  await shoot(page, 'device')

  await page.fill('input[name=code]', 'bbbb bbbb')
  await press('continue')
  expect(await page.textContent('[role=alert]')).toContain('not right')
  await shoot(page, 'device_refused')

  // As people type it.
  await page.fill('input[name=code]', begun.user_code.toLowerCase().replace('-', ''))
  await press('continue')
  const text = (await page.textContent('main')) ?? ''
  for (const part of ['Living Room TV', begun.user_code, 'see your name and language']) {
    expect(text).toContain(part)
  }
  await shoot(page, 'device_consent')
  await press('allow')
  expect(await page.textContent('h1')).toBe('The device is connected')
  await shoot(page, 'device_done')

  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...begun, interval: 0.1 })
  expect(tokens.claims()?.aud).toBe('tv')
  expect(typeof tokens.refresh_token).toBe('string')
})

test('who denies it keeps the device out', async () => {
  const begun = await client.initiateDeviceAuthorization(config, { scope: 'openid' })
  await page.goto(begun.verification_uri)
  await page.fill('input[name=code]', begun.user_code)
  await page.keyboard.press('Enter')
  await press('deny')
  expect(await page.textContent('h1')).toBe('Nothing was connected')
  await expect(
    client.pollDeviceAuthorizationGrant(config, { ...begun, interval: 0.1 }),
  ).rejects.toMatchObject({ error: 'access_denied' })
})
