// Failed sign-ins as their person sees them, and as nobody else does.
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { removeUser } from '../../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { ANN, PASSWORD } from '../../support/people.ts'
import { addAuthenticator, codeAt } from '../authenticator.ts'
import { Browser } from '../browser.ts'
import { startWithAnn, WRONG } from '../people.ts'

/** The sentence of the account page, or null. */
async function seenBy(browser: Browser): Promise<string | null> {
  const { html } = await browser.get('/account')
  const [, text = null] = /<p class="beside">([\s\S]*?failed since[\s\S]*?)<\/p>/.exec(html) ?? []
  return text === null ? null : text.replaceAll(/<[^>]*>/g, '')
}

const rows = (worker: TestWorker) =>
  worker.context().db.read(sql<{ user_id: string; count: number }>`
    select user_id, count from failed_sign_in`)

const guess = async (worker: TestWorker, count: number, username = ANN) => {
  const stranger = new Browser(worker, '198.51.100.7')
  for (let i = 0; i < count; i++) await stranger.signIn(username, WRONG)
}

describe('a person', () => {
  test('sees how many failed since the visit before, and when the last did', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    expect(await seenBy(browser)).toBeNull()
    worker.clock.now += 3600
    await guess(worker, 3)
    const { now } = worker.clock
    worker.clock.now += 3600
    const second = new Browser(worker)
    await second.signIn(ANN, PASSWORD)
    const text = await seenBy(second)
    expect(text).toContain('3 attempts')
    const [, minute] = /T(\d\d:\d\d)/.exec(new Date(now * 1000).toISOString()) ?? []
    expect(text).toContain(minute ?? '-')
    // Those of after the sign-in are added.
    worker.clock.now += 60
    await guess(worker, 1)
    expect(await seenBy(second)).toContain('4 attempts')
    // The next visit shows those since this one alone.
    const third = new Browser(worker)
    await third.signIn(ANN, PASSWORD)
    expect(await seenBy(third)).toContain('One attempt')
    const fourth = new Browser(worker)
    await fourth.signIn(ANN, PASSWORD)
    expect(await seenBy(fourth)).toBeNull()
  })

  test('sees attempts beyond the limit, and codes behind a right password', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    await guess(worker, 15)
    expect(await seenBy(browser)).toContain('15 attempts')
    const { key } = await addAuthenticator(worker, browser)
    worker.clock.now += 3600
    const thief = new Browser(worker, '198.51.100.8')
    const sent = await thief.signIn(ANN, PASSWORD)
    const page = await thief.get(sent.headers.get('location') ?? '')
    for (let i = 0; i < 2; i++) await thief.submit(page, { code: '000000', action: 'verify' })
    expect(await seenBy(browser)).toContain('17 attempts')
    await thief.submit(page, { code: await codeAt(key, worker.clock.now), action: 'verify' })
    expect(await seenBy(thief)).toContain('17 attempts')
  })

  test('takes no further round trip, for a failure or for the page', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    await guess(worker, 1)
    const login = await new Browser(worker).get('/login')
    expect(login.status).toBe(200)
    const stranger = new Browser(worker)
    const page = await stranger.get('/login')
    const wrong = await countRoundTrips(worker, () =>
      stranger.submit(page, { username: ANN, password: WRONG, action: 'login' }),
    )
    const seen = await countRoundTrips(worker, () => browser.get('/account'))
    expect([wrong.roundTrips, seen.roundTrips]).toEqual([2, 1])
  })

  test('who is deleted leaves no counter', async () => {
    const { worker } = await startWithAnn()
    await guess(worker, 1)
    expect(await rows(worker)).toEqual([{ user_id: 'ann', count: 1 }])
    await removeUser(worker.context(), 'ann', null)
    expect(await rows(worker)).toEqual([])
  })
})

test('a stranger sees nothing by it, and fills no table with names of nobody', async () => {
  const { worker } = await startWithAnn()
  await guess(worker, 20, 'nobody@example.com')
  expect(await rows(worker)).toEqual([])
  const stranger = new Browser(worker)
  const answers = []
  for (const username of [ANN, 'nobody.else@example.com']) {
    const page = await stranger.get('/login')
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      stranger.submit(page, { username, password: WRONG, action: 'login' }),
    )
    answers.push([value.status, value.html.includes('failed since'), roundTrips])
  }
  expect(answers[0]).toEqual(answers[1])
})
