// What clients show of themselves where people sign in and are asked.
import { expect, test } from 'vitest'
import type { ClientInput } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips } from '../../context.ts'
import type { Page } from '../../identity/browser.ts'
import { follow, pathOf, requestPath, signIn, startFlow } from '../flow.ts'
import { register, setRegistration } from '../registration_fixtures.ts'

const SHOWN: Partial<ClientInput> = {
  client_name: 'The shop',
  logo_uri: 'https://cdn.shop.example/logo.png?a=1&b=2',
  policy_uri: 'https://shop.example/privacy',
  tos_uri: 'https://shop.example/terms',
}

const imagesOf = (page: Page) =>
  /img-src ([^;]*);/.exec(page.headers.get('content-security-policy') ?? '')?.[1]

function expectShown(page: Page) {
  expect(page.html).toContain('src="https://cdn.shop.example/logo.png?a=1&amp;b=2"')
  expect(page.html).toContain('referrerpolicy="no-referrer"')
  expect(page.html).toContain('<bdi>The shop</bdi>')
  expect(page.html).toContain('href="https://shop.example/privacy"')
  expect(page.html).toContain('href="https://shop.example/terms"')
  expect(imagesOf(page)).toBe("'self' data: https://cdn.shop.example")
}

test('name, logo, privacy and terms stand on the login page, after a refusal too, and on the question', async () => {
  const { worker, browser } = await startFlow(SHOWN)
  const login = pathOf(await browser.get(requestPath()))
  const { value: page, roundTrips } = await countRoundTrips(worker, () => browser.get(login))
  expectShown(page)
  expect(roundTrips).toBe(1)
  const refused = await browser.submit(page, { username: 'ann@example.com', password: 'x' })
  expect(refused.status).toBe(403)
  expectShown(refused)
  await signIn(worker, browser, 'ann')
  expectShown(await follow(browser, await browser.get(requestPath())))
})

test('a client without a logo widens no policy, and no path but that of a request introduces anybody', async () => {
  const { worker, browser } = await startFlow({ client_name: 'The shop' })
  const login = pathOf(await browser.get(requestPath()))
  const page = await browser.get(login)
  expect(page.html).toContain('to go on to <bdi>The shop</bdi>')
  expect(page.html).not.toContain('<img')
  expect(imagesOf(page)).toBe("'self' data:")
  const urn = 'urn:ietf:params:oauth:request_uri:unknown'
  for (const [path, expected] of [
    ['/account', 0],
    ['/oauth/authorize?client_id=app', 0],
    ['/oauth/authorize?client_id=app&request_uri=https://app.example/r', 0],
    [`/oauth/authorize?client_id=app&request_uri=${urn}`, 1],
    [`/account?request_uri=${urn}`, 0],
  ] as const) {
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      browser.get(`/login?${new URLSearchParams({ return_to: path })}`),
    )
    expect([path, value.status, roundTrips]).toEqual([path, 200, expected])
    expect(value.html).not.toContain('to go on to')
  }
})

test('a host that would end the policy is not put into it', async () => {
  const { browser } = await startFlow({ logo_uri: 'https://cdn.example;form-action/logo.png' })
  const page = await browser.get(pathOf(await browser.get(requestPath())))
  expect(imagesOf(page)).toBe("'self' data:")
  expect(page.headers.get('content-security-policy')).toContain("form-action 'self' https://app")
})

test('a client that anybody may have made shows nothing: it could dress up as another', async () => {
  const { worker, browser } = await startFlow()
  await setRegistration(worker, 'open')
  const { body } = await register(worker, { ...SHOWN, token_endpoint_auth_method: 'none' })
  const path = requestPath({ client_id: body.client_id })
  const login = await browser.get(pathOf(await browser.get(path)))
  await signIn(worker, browser, 'ann')
  const question = await follow(browser, await browser.get(path))
  expect(question.html).toContain('value="allow"')
  for (const page of [login, question]) {
    expect(page.html).not.toMatch(/<img|shop\.example/)
    expect(imagesOf(page)).toBe("'self' data:")
  }
  expect(login.html).not.toContain('The shop')
})
