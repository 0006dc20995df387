import { describe, expect, test } from 'vitest'
import { createSetupLink } from '../../worker/identity/setup.ts'
import { ISSUER } from '../context.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { Browser, formFields } from './browser.ts'
import { isSignedIn, startWithAnn } from './people.ts'

const credentials = { username: ANN, password: PASSWORD, action: 'login' }

describe('a login form of another site signs nobody in', () => {
  test('without a token', async () => {
    const { browser } = await startWithAnn()
    await browser.get('/login')
    expect((await browser.post('/login', credentials)).status).toBe(403)
    expect(browser.cookies.has('session')).toBe(false)
  })

  test('with a token that the attacker got for another visit', async () => {
    const { worker, browser } = await startWithAnn()
    const { csrf = '' } = formFields(await new Browser(worker).get('/login'))
    await browser.get('/login')
    expect((await browser.post('/login', { ...credentials, csrf })).status).toBe(403)
    expect(browser.cookies.has('session')).toBe(false)
  })

  test('with a token and no cookie', async () => {
    const { worker, browser } = await startWithAnn()
    const { csrf = '' } = formFields(await browser.get('/login'))
    const other = new Browser(worker)
    expect((await other.post('/login', { ...credentials, csrf })).status).toBe(403)
  })

  test.each([
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }],
    [{ origin: 'http://localhost:8788' }],
    [{ origin: 'https://localhost:8787' }],
    [{ origin: `${ISSUER}.evil.example` }],
    [{ origin: 'null' }],
  ])('with a good token but sent from elsewhere: %j', async (headers) => {
    const { browser } = await startWithAnn()
    const page = await browser.get('/login')
    expect((await browser.submit(page, credentials, headers)).status).toBe(403)
    expect(browser.cookies.has('session')).toBe(false)
  })

  test('while our own form works with the origin named, or unsaid', async () => {
    const { worker } = await startWithAnn()
    const named = new Browser(worker)
    const page = await named.get('/login')
    expect((await named.submit(page, credentials, { origin: ISSUER })).status).toBe(303)
    const browser = new Browser(worker)
    const fields = formFields(await browser.get('/login'))
    const bare = await worker.request('/login', {
      method: 'POST',
      body: new URLSearchParams({ ...fields, ...credentials }),
      headers: { cookie: `visit=${browser.cookies.get('visit')}` },
    })
    expect(bare.status).toBe(303)
  })
})

test('a token of the time before signing in is worth nothing afterwards', async () => {
  const { browser } = await startWithAnn()
  const { csrf = '' } = formFields(await browser.get('/login'))
  await browser.signIn(ANN, PASSWORD)
  const answer = await browser.post('/logout', { csrf, action: 'logout' })
  expect(answer.status).toBe(403)
  expect(answer.html).toContain('out of date')
  expect(await isSignedIn(browser)).toBe(true)
})

test('nobody is signed out by a link, by a foreign form, or by changing his mind', async () => {
  const { browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const page = await browser.get('/logout')
  expect(page.status).toBe(200)
  expect((await browser.post('/logout', { action: 'logout' })).status).toBe(403)
  const foreign = await browser.submit(
    page,
    { action: 'logout' },
    { 'sec-fetch-site': 'cross-site' },
  )
  expect(foreign.status).toBe(403)
  expect((await browser.submit(page, {})).status).toBe(400)
  const stayed = await browser.submit(page, { action: 'cancel' })
  expect([stayed.status, stayed.headers.get('location')]).toEqual([303, '/account'])
  expect(await isSignedIn(browser)).toBe(true)
})

test('a foreign form cannot redeem the set-up link', async () => {
  const { worker, browser } = await startWithAnn()
  const link = new URL((await createSetupLink(worker.context())) ?? '')
  const token = link.searchParams.get('token') ?? ''
  await browser.get(link.pathname + link.search)
  const given = { token, username: 'boss@example.com', password: PASSWORD, action: 'create' }
  expect((await browser.post('/setup', given)).status).toBe(403)
  expect((await browser.get(link.pathname + link.search)).status).toBe(200)
})

test('tokens differ on every page, and altered ones are refused', async () => {
  const { browser } = await startWithAnn()
  const page = await browser.get('/login')
  const { csrf = '' } = formFields(page)
  expect(formFields(await browser.get('/login'))['csrf']).not.toBe(csrf)
  const flipped = csrf.slice(0, -2) + (csrf.at(-2) === 'A' ? 'B' : 'A') + csrf.slice(-1)
  for (const bad of [flipped, `x${csrf}`, csrf.split('.')[1] ?? '', '.', 'x'.repeat(10_000)]) {
    expect((await browser.submit(page, { ...credentials, csrf: bad })).status).toBe(403)
  }
  expect((await browser.submit(page, credentials)).status).toBe(303)
})
