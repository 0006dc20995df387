// A passkey as the second factor: beside a password in a sign-in on its way, and in a session that
// an application wants stronger.
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { changeUser, removeUser } from '../../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { ANN, PASSWORD } from '../../support/people.ts'
import { CODES } from '../authenticator.ts'
import { alertOf, Browser, type Page } from '../browser.ts'
import {
  addEve,
  addPasskey,
  answer,
  newestAmr,
  reasonsOf,
  startWithPasskey,
} from '../passkeys/passkey_people.ts'
import { FLAGS, optionsOf, SoftwareAuthenticator } from '../passkeys/software_authenticator.ts'
import { eventsOf, isSignedIn, startWithAnn } from '../people.ts'

/** The page of the second factor, after the password. */
async function passPassword(browser: Browser, username = ANN): Promise<Page> {
  const done = await browser.signIn(username, PASSWORD)
  expect([done.status, done.headers.get('location')]).toEqual([303, '/login/verify'])
  return browser.get('/login/verify')
}

describe('a person with a password and a passkey', () => {
  test.each([
    [false, 0, ['pwd', 'hwk', 'user', 'mfa']],
    [true, FLAGS.UV, ['pwd', 'swk', 'mfa']],
  ])('signs in with both: synced %s, without flags %i, is %j', async (isSynced, without, amr) => {
    const { worker, browser, authenticator } = await startWithPasskey({ isSynced })
    const page = await passPassword(browser)
    expect(page.html).toContain('Use your passkey, or type a recovery code.')
    expect(optionsOf(page)).toMatchObject({
      rpId: 'localhost',
      userVerification: 'preferred',
      allowCredentials: [{ type: 'public-key', id: authenticator.id }],
    })
    expect(browser.cookies.has('session')).toBe(false)
    const response = await authenticator.get(optionsOf(page), { without })
    expect((await answer(browser, page, response)).status).toBe(303)
    expect(await isSignedIn(browser)).toBe(true)
    expect((await newestAmr(worker)).sort()).toEqual([...amr].sort())
    expect(await worker.context().db.read(sql`select * from sign_in`)).toEqual([])
  })

  test('takes 1 round trip for the page, and 2 for the step, right or wrong', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    await passPassword(browser)
    const shown = await countRoundTrips(worker, () => browser.get('/login/verify'))
    const options = optionsOf(shown.value)
    const bad = await authenticator.get(options, { origin: 'https://evil.example' })
    const wrong = await countRoundTrips(worker, () => answer(browser, shown.value, bad))
    const good = await authenticator.get(options)
    const right = await countRoundTrips(worker, () => answer(browser, shown.value, good))
    expect([shown, wrong, right].map((one) => [one.value.status, one.roundTrips])).toEqual([
      [200, 1],
      [403, 2],
      [303, 2],
    ])
  })

  test('gets in with a recovery code when the passkey is lost', async () => {
    const { added, browser } = await startWithPasskey()
    const [, code = ''] = [...added.html.matchAll(CODES)][0] ?? []
    const page = await passPassword(browser)
    expect((await browser.submit(page, { code, action: 'verify' })).status).toBe(303)
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('gets in by the passkey though others have guessed codes until those are blocked', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    for (let i = 0; i < 12; i++) {
      const guesser = new Browser(worker)
      await guesser.submit(await passPassword(guesser), { code: '000000', action: 'verify' })
    }
    const page = await passPassword(browser)
    const done = await answer(browser, page, await authenticator.get(optionsOf(page)))
    expect(done.status).toBe(303)
  })
})

describe('a passkey beside a password is refused', () => {
  test.each([
    ['of another origin', { origin: 'https://evil.example' }, 'passkey_origin'],
    ['for another host', { rpId: 'evil.example' }, 'passkey_rp_id'],
    ['without the person', { without: FLAGS.UP }, 'passkey_unverified'],
    ['with the name of another person', { userHandle: 'AAAA' }, 'passkey_unknown'],
    ['whose count went back', { count: 0 }, 'passkey_rolled_back'],
  ])('%s', async (_, wrong, reason) => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const page = await passPassword(browser)
    const refused = await answer(browser, page, await authenticator.get(optionsOf(page), wrong))
    expect(refused.status).toBe(403)
    expect(alertOf(refused)).toBe('This passkey did not work. Try again, or sign in another way.')
    expect(await isSignedIn(browser)).toBe(false)
    expect(reasonsOf(worker)).toEqual([reason])
    const events = (await eventsOf(worker)).filter(({ outcome }) => outcome === 'failure')
    expect(events.map(({ type }) => type)).toEqual(
      reason === 'passkey_rolled_back' ? ['login.failed', 'factor.rolled_back'] : ['login.failed'],
    )
    // The page that says so asks anew.
    const again = await answer(browser, refused, await authenticator.get(optionsOf(refused)))
    expect(again.status).toBe(303)
  })

  test('that is the passkey of another person', async () => {
    const { worker, browser } = await startWithPasskey()
    const { authenticator: hers } = await addEve(worker)
    const page = await passPassword(browser)
    for (const wrong of [{}, { userHandle: null }]) {
      const response = await hers.get(optionsOf(page), wrong)
      expect((await answer(browser, page, response)).status).toBe(403)
    }
    expect(await isSignedIn(browser)).toBe(false)
    expect(reasonsOf(worker)).toEqual(['passkey_unknown', 'passkey_unknown'])
  })

  test('that answers the question of another sign-in, browser or page', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const page = await passPassword(browser)
    const other = new Browser(worker)
    const otherPage = await passPassword(other)
    const login = await new Browser(worker).get('/login')
    for (const { challenge } of [optionsOf(otherPage), optionsOf(login)]) {
      const response = await authenticator.get({ ...optionsOf(page), challenge })
      const refused = await answer(browser, page, response)
      expect([refused.status, alertOf(refused)]).toEqual([
        403,
        'This page was open for too long. Try again.',
      ])
    }
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('whose answer is five minutes late, or was given before', async () => {
    const { worker, browser, authenticator } = await startWithPasskey({ count: null })
    const page = await passPassword(browser)
    const response = await authenticator.get(optionsOf(page))
    worker.clock.now += 300
    expect((await answer(browser, page, response)).status).toBe(403)
    const fresh = await browser.get('/login/verify')
    const good = await authenticator.get(optionsOf(fresh))
    const cookies = new Map(browser.cookies)
    expect((await answer(browser, fresh, good)).status).toBe(303)
    const thief = new Browser(worker)
    for (const [name, value] of cookies) thief.cookies.set(name, value)
    expect((await answer(thief, fresh, good)).status).toBe(403)
    expect(await isSignedIn(thief)).toBe(false)
  })

  test('two hundred times, when it is used two hundred and one times at once', async () => {
    const { worker, browser, authenticator } = await startWithPasskey({ count: null })
    const page = await passPassword(browser)
    const response = await authenticator.get(optionsOf(page))
    const before = await worker.context().db.read(sql`select * from session`)
    const answers = await Promise.all(
      Array.from({ length: 201 }, async () => {
        const twin = new Browser(worker)
        for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
        return (await answer(twin, page, response)).status
      }),
    )
    expect(answers.filter((status) => status === 303)).toHaveLength(1)
    const after = await worker.context().db.read(sql`select * from session`)
    expect(after.length - before.length).toBe(1)
  })

  test.each<[string, (worker: TestWorker) => Promise<unknown>]>([
    ['that was removed', (worker) => worker.context().db.write(sql`delete from factor`)],
    [
      'of a disabled account',
      (worker) => changeUser(worker.context(), 'ann', { status: 'disabled' }, null),
    ],
    ['of a deleted account', (worker) => removeUser(worker.context(), 'ann', null)],
    [
      'of an account whose issued things have all ended',
      (worker) =>
        worker.context().db.write(sql`update user set epoch = epoch + 1 where id = 'ann'`),
    ],
  ])('%s', async (_, end) => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const page = await passPassword(browser)
    const response = await authenticator.get(optionsOf(page))
    await end(worker)
    expect((await answer(browser, page, response)).status).toBe(403)
    expect(await isSignedIn(browser)).toBe(false)
  })
})

describe('a person who is signed in with the password alone', () => {
  test('proves a passkey where an application wants more, and keeps the time of the sign-in', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const authenticator = await SoftwareAuthenticator.make()
    await addPasskey(browser, authenticator)
    const [before] = await worker.context().db.read(sql`select auth_time, sid from session`)
    worker.clock.now += 60
    const to = await browser.get('/login?step_up=1&return_to=%2Faccount')
    expect(to.headers.get('location')).toContain('/login/verify')
    const page = await browser.get(to.headers.get('location') ?? '')
    const done = await answer(browser, page, await authenticator.get(optionsOf(page)))
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account'])
    expect(await newestAmr(worker)).toEqual(['pwd', 'hwk', 'user', 'mfa'])
    expect(await worker.context().db.read(sql`select auth_time, sid from session`)).toEqual([
      before,
    ])
  })

  test('proves none of another person, and none that another session was asked for', async () => {
    const { worker, owner, authenticator } = await startWithPasskey()
    const { browser: eve, authenticator: hers } = await addEve(worker)
    const path = '/login/verify?step_up=1'
    const page = await owner.get(path)
    const foreign = await hers.get(optionsOf(page))
    expect((await answer(owner, page, foreign)).status).toBe(403)
    const { challenge } = optionsOf(await eve.get(path))
    const moved = await authenticator.get({ ...optionsOf(page), challenge })
    expect((await answer(owner, page, moved)).status).toBe(403)
    expect(await newestAmr(worker)).toEqual(['pwd'])
  })
})
