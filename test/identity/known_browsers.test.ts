// Browsers in which a person signed in before: guesses from elsewhere do not stop the person there,
// and the cookie is good for nothing else.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { createPasswordLink } from '../../worker/identity/recovery.ts'
import { endUserSessions } from '../../worker/identity/user_sessions.ts'
import { changeUser, removeUser } from '../../worker/identity/users.ts'
import { runJobs } from '../../worker/jobs.ts'
import { DEFAULT_SETTINGS } from '../../worker/settings.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { addAuthenticator, codeAt } from './authenticator.ts'
import { Browser, type Page } from './browser.ts'
import { countHashes } from './hashes.ts'
import { mailsOf } from './mails.ts'
import { comparable, isSignedIn, startWithAnn, WRONG } from './people.ts'

const LIMIT = DEFAULT_SETTINGS.login_attempts_per_account
const WINDOW = DEFAULT_SETTINGS.login_attempts_window
const BEN = 'ben@example.com'
const NEW = 'seven brown horses jump over fences'
const DAY = 86_400

/** Forgets the session, as a browser does that was closed. */
function close(browser: Browser): Browser {
  browser.cookies.delete('session')
  return browser
}

/** Ann, and a browser in which she signed in once. */
async function startKnown() {
  const { worker, browser } = await startWithAnn()
  expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
  return { worker, browser: close(browser) }
}

/** A browser elsewhere that has the cookie of another one. */
function thiefOf(worker: TestWorker, browser: Browser, address = '203.0.113.7'): Browser {
  const thief = new Browser(worker, address)
  thief.cookies.set('known_browser', browser.cookies.get('known_browser') ?? '')
  return thief
}

/** `n` wrong passwords for an account, at once, each from an address of its own. */
async function guess(worker: TestWorker, n: number, username = ANN) {
  const statuses = await Promise.all(
    Array.from({ length: n }, async (_, i) => {
      const browser = new Browser(worker, `198.51.${i >> 8}.${i & 255}`)
      const form = await browser.get('/login')
      return (await browser.submit(form, { username, password: WRONG })).status
    }),
  )
  return statuses.filter((status) => status === 403).length
}

const wrongly = async (browser: Browser, times: number, username = ANN) => {
  const page = await browser.get('/login')
  const statuses: number[] = []
  for (let i = 0; i < times; i++) {
    statuses.push((await browser.submit(page, { username, password: WRONG })).status)
  }
  return statuses
}

const known = (worker: TestWorker) =>
  worker
    .context()
    .db.read(
      sql<{ user_id: string; has_factor: number }>`select user_id, has_factor from known_browser`,
    )

describe('a browser in which a person signed in before', () => {
  test('goes on after a thousand wrong guesses from elsewhere; any other one waits', async () => {
    const { worker, browser } = await startKnown()
    expect(await guess(worker, 1000)).toBe(LIMIT)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(429)
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('goes on when its address is blocked, and does not pay back what others spent', async () => {
    const { worker, browser } = await startKnown()
    const address = DEFAULT_SETTINGS.login_attempts_per_address
    const neighbour = new Browser(worker)
    const page = await neighbour.get('/login')
    for (let i = 0; i < address + 1; i++) {
      await neighbour.submit(page, { username: `nobody-${i}@example.com`, password: WRONG })
    }
    for (let i = 0; i < 3; i++) {
      expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
      close(browser)
    }
    expect((await neighbour.signIn(ANN, PASSWORD)).status).toBe(429)
  })

  test('has a count of its own: ten wrong guesses there, and none of them counts elsewhere', async () => {
    const { worker, browser } = await startKnown()
    const hashes = await countHashes(worker)
    const statuses = await wrongly(browser, LIMIT + 2)
    expect(statuses).toEqual([...Array(LIMIT).fill(403), 429, 429])
    expect(hashes).toHaveLength(LIMIT)
    const right = await browser.signIn(ANN, PASSWORD)
    expect([right.status, right.headers.get('retry-after')]).toEqual([429, String(WINDOW)])
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
    worker.clock.now += WINDOW
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
  })

  test('of two hundred parallel guesses there no more than the limit are looked at', async () => {
    const { worker, browser } = await startKnown()
    const hashes = await countHashes(worker)
    const page = await browser.get('/login')
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const twin = thiefOf(worker, browser, `203.0.113.${i}`)
        twin.cookies.set('visit', browser.cookies.get('visit') ?? '')
        return (await twin.submit(page, { username: ANN, password: WRONG })).status
      }),
    )
    expect(statuses.filter((status) => status === 403)).toHaveLength(LIMIT)
    expect(hashes).toHaveLength(LIMIT)
  })

  test('gets its cookie for a year, and keeps it through further sign-ins', async () => {
    const { worker, browser } = await startKnown()
    const cookie = browser.cookies.get('known_browser')
    expect(cookie).toMatch(/^[A-Za-z0-9_-]{43}$/)
    const again = await browser.signIn(ANN, PASSWORD)
    const line = again.headers.getSetCookie().find((one) => one.startsWith('known_browser='))
    expect(line).toBe(`known_browser=${cookie}; Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax`)
    expect(await known(worker)).toHaveLength(1)
    const [row] = await worker
      .context()
      .db.read(sql<{ hash: string }>`select hash from known_browser`)
    expect(row?.hash).not.toContain(cookie)
  })

  test('is known to each of the people who share it, up to five', async () => {
    const { worker, browser } = await startKnown()
    const names = ['ben', 'cleo', 'dan', 'eve', 'finn']
    for (const id of names) {
      const email = `${id}@example.com`
      await createPerson(worker.context(), { id, email, password: PASSWORD })
    }
    for (const id of names.slice(0, 4)) {
      expect((await browser.signIn(`${id}@example.com`, PASSWORD)).status).toBe(303)
      close(browser)
    }
    expect(browser.cookies.get('known_browser')?.split('.')).toHaveLength(5)
    await guess(worker, LIMIT + 1)
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
    close(browser)
    // Ann was the last one, so Ben makes room.
    expect((await browser.signIn('finn@example.com', PASSWORD)).status).toBe(303)
    close(browser)
    expect(browser.cookies.get('known_browser')?.split('.')).toHaveLength(5)
    worker.clock.now += WINDOW
    await guess(worker, LIMIT + 1, BEN)
    expect((await browser.signIn(BEN, PASSWORD)).status).toBe(429)
    await guess(worker, LIMIT + 1)
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
  })

  test('costs no further round trip', async () => {
    const { worker, browser } = await startKnown()
    const page = await browser.get('/login')
    await browser.submit(page, { username: ANN, password: WRONG }) // settings are read again
    const wrong = await countRoundTrips(worker, () =>
      browser.submit(page, { username: ANN, password: WRONG }),
    )
    const right = await countRoundTrips(worker, () =>
      browser.submit(page, { username: ANN, password: PASSWORD }),
    )
    expect([wrong, right].map((one) => [one.value.status, one.roundTrips])).toEqual([
      [403, 2],
      [303, 2],
    ])
  })

  test('of a person only the last twenty are known', async () => {
    const { worker, browser } = await startKnown()
    for (let i = 0; i < 20; i++) {
      worker.clock.now += 1
      await new Browser(worker).signIn(ANN, PASSWORD)
    }
    expect(await known(worker)).toHaveLength(20)
    await guess(worker, LIMIT + 1)
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(429)
  })
})

describe('the cookie of a known browser', () => {
  test('signs nobody in, and is no second factor', async () => {
    const { worker, browser } = await startKnown()
    const thief = thiefOf(worker, browser)
    expect(await isSignedIn(thief)).toBe(false)
    expect((await thief.get('/login/verify')).headers.get('location')).toBe('/login')
    await browser.signIn(ANN, PASSWORD)
    await addAuthenticator(worker, browser)
    const done = await thief.signIn(ANN, PASSWORD)
    expect(done.headers.get('location')).toBe('/login/verify')
  })

  test('that was stolen gives a small count of its own', async () => {
    const { worker, browser } = await startKnown()
    const thief = thiefOf(worker, browser)
    expect((await wrongly(thief, 50)).filter((status) => status === 403)).toHaveLength(LIMIT)
    const elsewhere = new Browser(worker, '203.0.113.8')
    expect((await elsewhere.signIn(ANN, PASSWORD)).status).toBe(303)
  })

  test('of another account gives nothing: the guesses count as those of anybody', async () => {
    const { worker, browser } = await startKnown()
    await createPerson(worker.context(), { id: 'ben', email: BEN, password: PASSWORD })
    const statuses = await wrongly(browser, LIMIT + 1, BEN)
    expect(statuses).toEqual([...Array(LIMIT).fill(403), 429])
    expect((await new Browser(worker).signIn(BEN, PASSWORD)).status).toBe(429)
    await guess(worker, LIMIT + 1)
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
  })

  test('that somebody made up gives nothing, and fills no table', async () => {
    const { worker } = await startKnown()
    await guess(worker, LIMIT)
    for (const value of ['x', 'A'.repeat(43), `${'A'.repeat(43)}.`.repeat(90), "'; --"]) {
      const browser = new Browser(worker)
      browser.cookies.set('known_browser', value)
      expect((await browser.signIn(ANN, PASSWORD)).status, value).toBe(429)
    }
    const rows = await worker.context().db.read(sql<{ n: number }>`select count(*) as n from attempt
      where key like '%browser%'`)
    expect(rows[0]?.n).toBe(0)
  })

  test('that somebody put into the browser before never becomes that of the person', async () => {
    const { worker, browser } = await startKnown()
    await createPerson(worker.context(), {
      id: 'eve',
      email: 'eve@example.com',
      password: PASSWORD,
    })
    const eve = new Browser(worker)
    await eve.signIn('eve@example.com', PASSWORD)
    // Eve left her own cookie at a machine of everybody, where Ann signs in then.
    const shared = thiefOf(worker, eve)
    await shared.signIn(ANN, PASSWORD)
    expect(shared.cookies.get('known_browser')).toMatch(/^[\w-]{43}\.[\w-]{43}$/)
    await guess(worker, LIMIT + 1)
    expect((await wrongly(close(eve), 1))[0]).toBe(429)
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
  })

  test('tells nothing about accounts: known and unknown ones are the same in text, status, work', async () => {
    const { worker, browser } = await startKnown()
    await createPerson(worker.context(), { id: 'ben', email: BEN, password: PASSWORD })
    const hashes = await countHashes(worker)
    const seen: unknown[] = []
    for (const username of [BEN, 'nobody@example.com']) {
      const before = hashes.length
      const form = await browser.get('/login')
      const tries = []
      for (let i = 0; i < LIMIT + 1; i++) {
        tries.push(
          await countRoundTrips(worker, () => browser.submit(form, { username, password: WRONG })),
        )
      }
      const shown = (page: Page) => comparable(page).replaceAll(username, '')
      seen.push([
        hashes.length - before,
        ...tries.map(({ value, roundTrips }) => [value.status, roundTrips, shown(value)]),
      ])
    }
    expect(seen[0]).toEqual(seen[1])
  })

  test.each<[string, (worker: TestWorker) => Promise<string | void>]>([
    [
      'the password was set anew by a link',
      async (worker: TestWorker) => {
        const { url } = await createPasswordLink(worker.context(), 'ann')
        const other = new Browser(worker)
        const page = await other.get(url?.slice(worker.config.issuer.length) ?? '')
        expect((await other.submit(page, { password: NEW, action: 'save' })).status).toBe(303)
        return NEW
      },
    ],
    [
      'all sessions were ended by an operator',
      (worker: TestWorker) => endUserSessions(worker.context(), 'ann', async () => {}),
    ],
    [
      'the person ended all sessions',
      async (worker: TestWorker) => {
        const other = new Browser(worker)
        await other.signIn(ANN, PASSWORD)
        const page = await other.get('/account')
        const csrf = /name="csrf" value="([^"]*)"/.exec(page.html)?.[1] ?? ''
        await other.post('/account/sessions', { csrf, action: 'everywhere' })
      },
    ],
    [
      'the account was disabled',
      async (worker: TestWorker) => {
        await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
        await changeUser(worker.context(), 'ann', { status: 'active' }, null)
      },
    ],
    [
      'the person set another password in another browser',
      async (worker: TestWorker) => {
        const other = new Browser(worker)
        await other.signIn(ANN, PASSWORD)
        const page = await other.get('/account/password')
        const done = await other.submit(page, { present: PASSWORD, password: NEW })
        expect(done.headers.get('location')).toBe('/account')
        await guess(worker, LIMIT + 1)
        close(other)
        expect((await other.signIn(ANN, NEW)).status).toBe(303)
        return NEW
      },
    ],
    [
      'a year went by',
      async (worker: TestWorker) => {
        worker.clock.now += 366 * DAY
      },
    ],
  ])('ends when %s', async (_, end) => {
    const { worker, browser } = await startKnown()
    const password = (await end(worker)) ?? PASSWORD
    await guess(worker, LIMIT + 1)
    expect((await browser.signIn(ANN, password)).status).toBe(429)
  })

  test('ends when the person closes the account, and is unknown to the one who keeps it', async () => {
    const { worker, browser } = await startKnown()
    const owner = new Browser(worker)
    await owner.signIn(ANN, PASSWORD)
    await owner.submit(await owner.get('/account/close'), { action: 'close' })
    expect(await known(worker)).toEqual([])
    const back = await owner.signIn(ANN, PASSWORD)
    const page = await owner.get(back.headers.get('location') ?? '')
    await owner.submit(page, { action: 'keep' })
    expect(await isSignedIn(owner)).toBe(true)
    await guess(worker, LIMIT + 1)
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(429)
    expect((await close(owner).signIn(ANN, PASSWORD)).status).toBe(303)
  })

  test('is forgotten by the timer', async () => {
    const { worker } = await startKnown()
    worker.clock.now += 366 * DAY
    await runJobs(worker.context())
    expect(await known(worker)).toEqual([])
  })

  test('goes with its person', async () => {
    const { worker } = await startKnown()
    await createPerson(worker.context(), { id: 'ben', email: BEN, password: PASSWORD })
    await removeUser(worker.context(), 'ann', null)
    expect(await known(worker)).toEqual([])
  })
})

describe('the other guesses that are counted for an account', () => {
  /** Ann with an app, in a browser in which she proved it. */
  async function startWithApp() {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const { key, codes } = await addAuthenticator(worker, browser)
    worker.clock.now += 60
    const before = browser.cookies.get('known_browser') ?? ''
    return { worker, browser, key, codes, before }
  }

  const verify = async (browser: Browser, code: string) => {
    close(browser)
    await browser.signIn(ANN, PASSWORD)
    return browser.submit(await browser.get('/login/verify'), { code, action: 'verify' })
  }

  const guessCodes = async (worker: TestWorker, n: number) => {
    const thief = new Browser(worker, '203.0.113.7')
    await thief.signIn(ANN, PASSWORD)
    const page = await thief.get('/login/verify')
    for (let i = 0; i < n; i++) await thief.submit(page, { code: '000000', action: 'verify' })
  }

  test('codes: somebody who has the password and guesses does not stop the owner', async () => {
    const { worker, browser, key, codes } = await startWithApp()
    const code = () => codeAt(key, worker.clock.now)
    expect((await verify(browser, await code())).status).toBe(303)
    worker.clock.now += 30
    await guessCodes(worker, 200)
    const other = new Browser(worker)
    expect((await verify(other, await code())).status).toBe(429)
    expect((await verify(browser, await code())).status).toBe(303)
    expect((await verify(browser, codes[0] ?? '')).status).toBe(303)
    // There too: ten.
    const wrong: number[] = []
    for (let i = 0; i < LIMIT + 1; i++) wrong.push((await verify(browser, '000000')).status)
    expect(wrong).toEqual([...Array(LIMIT).fill(403), 429])
  })

  test('codes: a browser in which no factor was proven yet is as any other', async () => {
    const { worker, browser, key, before } = await startWithApp()
    expect(await known(worker)).toEqual([{ user_id: 'ann', has_factor: 0 }])
    // Of somebody who had the password before there was a factor.
    await guessCodes(worker, LIMIT)
    expect((await verify(browser, await codeAt(key, worker.clock.now))).status).toBe(429)
    worker.clock.now += WINDOW
    expect((await verify(browser, await codeAt(key, worker.clock.now))).status).toBe(303)
    expect(browser.cookies.get('known_browser')).toBe(before)
    expect(await known(worker)).toEqual([{ user_id: 'ann', has_factor: 1 }])
  })

  test('a change of the password: guesses from elsewhere do not stop it', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    await guess(worker, LIMIT + 1)
    const page = await browser.get('/account/password')
    const refused = await browser.submit(page, { present: WRONG, password: NEW })
    expect(refused.status).toBe(403)
    // The same count as on the login page of this browser.
    const rest = (await wrongly(thiefOf(worker, browser), LIMIT)).filter((status) => status === 403)
    expect(rest).toHaveLength(LIMIT - 1)
    worker.clock.now += WINDOW
    await guess(worker, LIMIT + 1)
    const done = await browser.submit(page, { present: PASSWORD, password: NEW })
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account'])
  })

  test.each([
    ['a link to a new password', '/recover', 'recovery'],
    ['a link that signs in', '/login/link', 'sign_in_link'],
  ])(
    'mails with %s: those that strangers asked for do not keep the owner from one',
    async (_, path, kind) => {
      const { worker, browser } = await startKnown()
      await changeSettings(worker.context(), { sign_in_links: 'on' })
      worker.memory.clear()
      const ask = async (asking: Browser) =>
        asking.submit(await asking.get(path), { email: ANN, action: 'send' })
      for (let i = 0; i < 8; i++) await ask(new Browser(worker, `203.0.113.${i}`))
      const count = async () => (await mailsOf(worker)).filter((mail) => mail.kind === kind).length
      expect(await count()).toBe(5)
      for (let i = 0; i < 7; i++) expect((await ask(browser)).status).toBe(200)
      expect(await count()).toBe(10)
    },
  )
})
