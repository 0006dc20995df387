// The account page: every browser in which the person is signed in, each to be signed out from
// here, or all.
import { expect, test } from 'vitest'
import { createUser } from '../../worker/identity/users.ts'
import { countRoundTrips } from '../context.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { Browser, type Page } from './browser.ts'
import { eventsOf, isSignedIn, startWithAnn } from './people.ts'

const PATH = '/account/sessions'
const csrfOf = (page: Page) => /name="csrf" value="([^"]*)"/.exec(page.html)?.[1] ?? ''
const sessionsOf = (page: Page) =>
  [...page.html.matchAll(/name="session" value="([^"]*)"/g)].map(([, id = '']) => id)

/** Ann in two browsers at different addresses, Bob in a third. */
async function startSignedIn() {
  const { worker, browser } = await startWithAnn()
  await createUser(worker.context(), { id: 'bob', email: 'bob@example.com', password: PASSWORD })
  await browser.signIn(ANN, PASSWORD)
  worker.clock.now += 60
  const phone = new Browser(worker, '198.51.100.7')
  const page = await phone.get('/login')
  await phone.submit(
    page,
    { username: ANN, password: PASSWORD, action: 'login' },
    { 'user-agent': 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) Version/18.0 Safari/604.1' },
  )
  const bob = new Browser(worker)
  await bob.signIn('bob@example.com', PASSWORD)
  return { worker, browser, phone, bob }
}

test('it lists the browsers of this person alone, newest first, in one round trip', async () => {
  const { worker, browser } = await startSignedIn()
  await browser.get('/account')
  const { value: page, roundTrips } = await countRoundTrips(worker, () => browser.get('/account'))
  expect(roundTrips).toBe(1)
  expect(sessionsOf(page)).toHaveLength(2)
  const text = page.html.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
  expect(text).toMatch(
    /Safari, iPhone 198\.51\.100\.7 , since 15 January 2027 at 08:01 UTC .*This browser 192\.0\.2\.1 , since 15 January 2027 at 08:00 UTC/,
  )
  expect(page.html.match(/This browser/g)).toHaveLength(1)
})

test('a browser is signed out from another one', async () => {
  const { worker, browser, phone, bob } = await startSignedIn()
  const page = await browser.get('/account')
  const [phones = ''] = sessionsOf(page)
  const answer = await browser.post(PATH, { csrf: csrfOf(page), session: phones, action: 'end' })
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/account'])
  expect(await isSignedIn(phone)).toBe(false)
  expect(await isSignedIn(browser)).toBe(true)
  expect(await isSignedIn(bob)).toBe(true)
  expect((await eventsOf(worker)).at(-1)).toMatchObject({
    type: 'session.ended',
    actor_id: 'ann',
    subject_id: 'ann',
  })
})

test('signing out the browser itself is signing out', async () => {
  const { browser, phone } = await startSignedIn()
  const page = await browser.get('/account')
  const [, own = ''] = sessionsOf(page)
  const answer = await browser.post(PATH, { csrf: csrfOf(page), session: own, action: 'end' })
  expect(answer.headers.get('location')).toBe('/logout')
  expect(browser.cookies.has('session')).toBe(false)
  expect(await isSignedIn(browser)).toBe(false)
  expect(await isSignedIn(phone)).toBe(true)
})

test('a session of somebody else, or none, is left alone', async () => {
  const { worker, browser, bob } = await startSignedIn()
  const [bobs = ''] = sessionsOf(await bob.get('/account'))
  const page = await browser.get('/account')
  for (const session of [bobs, 'nonsense', '']) {
    const answer = await browser.post(PATH, { csrf: csrfOf(page), session, action: 'end' })
    expect(answer.headers.get('location')).toBe('/account')
  }
  expect(await isSignedIn(bob)).toBe(true)
  expect(await isSignedIn(browser)).toBe(true)
  expect((await eventsOf(worker)).map(({ type }) => type)).not.toContain('session.ended')
})

test('sign out everywhere ends all of this person’s, and nobody else’s', async () => {
  const { worker, browser, phone, bob } = await startSignedIn()
  const page = await browser.get('/account')
  const answer = await browser.post(PATH, { csrf: csrfOf(page), action: 'everywhere' })
  expect(answer.headers.get('location')).toBe('/logout')
  expect((await browser.get('/logout')).html).toContain('You are signed out')
  expect(await isSignedIn(browser)).toBe(false)
  expect(await isSignedIn(phone)).toBe(false)
  expect(await isSignedIn(bob)).toBe(true)
  expect((await eventsOf(worker)).at(-1)).toMatchObject({
    type: 'user.sessions_ended',
    actor_kind: 'user',
    actor_id: 'ann',
    subject_id: 'ann',
  })
})

test('only forms of ours end sessions', async () => {
  const { browser, phone, bob } = await startSignedIn()
  const page = await browser.get('/account')
  const form = { csrf: csrfOf(page), action: 'everywhere' }
  const refused = [
    await browser.post(PATH, { ...form, csrf: '' }),
    await browser.post(PATH, { ...form, csrf: csrfOf(await bob.get('/account')) }),
    await browser.post(PATH, form, { origin: 'https://evil.example' }),
    await browser.post(PATH, form, { 'sec-fetch-site': 'cross-site' }),
    await browser.post(PATH, { ...form, action: 'other' }),
  ]
  expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403, 400])
  expect(refused[0]?.headers.get('x-frame-options')).toBe('DENY')
  expect(await isSignedIn(browser)).toBe(true)
  expect(await isSignedIn(phone)).toBe(true)
  browser.cookies.delete('session')
  const late = await browser.post(PATH, form)
  expect(late.status).toBe(403)
})
