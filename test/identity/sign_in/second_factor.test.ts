import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { signIn } from '../../../worker/identity/login.ts'
import { endUserSessions } from '../../../worker/identity/user_sessions.ts'
import { changeUser, removeUser } from '../../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { ANN, createPerson, PASSWORD } from '../../support/people.ts'
import { addAuthenticator, CODES, codeAt, KEY } from '../authenticator.ts'
import { alertOf, Browser, type Page } from '../browser.ts'
import { eventsOf, isSignedIn, startWithAnn, WRONG } from '../people.ts'

/** Ann with an authenticator app and recovery codes; later than its first code. */
async function startWithApp() {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const { key, codes } = await addAuthenticator(worker, browser)
  worker.clock.now += 60
  const code = () => codeAt(key, worker.clock.now)
  return { worker, owner: browser, key, codes, code, browser: new Browser(worker) }
}

/** The page of the second factor, after the password. */
async function passPassword(browser: Browser, path = '/login'): Promise<Page> {
  const done = await browser.signIn(ANN, PASSWORD, path)
  expect(done.status).toBe(303)
  const to = done.headers.get('location') ?? ''
  expect(to).toMatch(/^\/login\/verify/)
  return browser.get(to)
}

const verify = (browser: Browser, page: Page, code: string) =>
  browser.submit(page, { code, action: 'verify' })

describe('a person with an authenticator app', () => {
  test('signs in with password and code, and the session says both', async () => {
    const { worker, browser, code } = await startWithApp()
    const page = await passPassword(browser, '/login?return_to=%2Faccount%2Fsecurity')
    expect(page.html).toContain(ANN)
    expect(browser.cookies.has('session')).toBe(false)
    const done = await verify(browser, page, await code())
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account/security'])
    expect(await isSignedIn(browser)).toBe(true)
    expect(browser.cookies.has('sign_in')).toBe(false)
    const sessions = await worker
      .context()
      .db.read(sql<{ amr: string }>`select amr from session order by rowid desc limit 1`)
    expect(JSON.parse(sessions[0]?.amr ?? '')).toEqual(['pwd', 'otp', 'mfa'])
    expect(await worker.context().db.read(sql`select * from sign_in`)).toEqual([])
  })

  test('takes 2 round trips for each step', async () => {
    const { worker, browser, code } = await startWithApp()
    const login = await browser.get('/login')
    await browser.submit(login, { username: ANN, password: WRONG }) // settings are read again
    const first = await countRoundTrips(worker, () =>
      browser.submit(login, { username: ANN, password: PASSWORD }),
    )
    const shown = await countRoundTrips(worker, () => browser.get('/login/verify'))
    const wrong = await countRoundTrips(worker, () => verify(browser, shown.value, '000000'))
    const right = await countRoundTrips(worker, async () =>
      verify(browser, shown.value, await code()),
    )
    expect([first, shown, wrong, right].map((one) => [one.value.status, one.roundTrips])).toEqual([
      [303, 2],
      [200, 1],
      [403, 2],
      [303, 2],
    ])
  })

  test('gets in with a recovery code, however it is typed, and once', async () => {
    const { worker, browser, codes } = await startWithApp()
    expect(codes).toHaveLength(10)
    const typed = ` ${codes[3]?.toUpperCase().replaceAll('-', ' ').replaceAll('0', 'O')} `
    expect((await verify(browser, await passPassword(browser), typed)).status).toBe(303)
    expect(await isSignedIn(browser)).toBe(true)
    const again = new Browser(worker)
    expect((await verify(again, await passPassword(again), codes[3] ?? '')).status).toBe(403)
    expect(await isSignedIn(again)).toBe(false)
    const used = (await eventsOf(worker)).filter(({ type }) => type === 'recovery_code.used')
    expect(used).toMatchObject([{ subject_id: 'ann', actor_id: 'ann' }])
  })

  test('hears by mail, once, that three recovery codes are left', async () => {
    const { worker, codes } = await startWithApp()
    const low = () => worker.post.sent.filter(({ text }) => text.includes('codes are left'))
    for (const [i, one] of codes.slice(0, 8).entries()) {
      const browser = new Browser(worker)
      const page = await passPassword(browser)
      expect((await verify(browser, page, one)).status).toBe(303)
      await worker.settled()
      expect(low(), `after ${i + 1}`).toHaveLength(i < 6 ? 0 : 1)
    }
    expect(low()[0]).toMatchObject({
      to: { address: ANN },
      text: expect.stringContaining('3 recovery codes are left for your account'),
    })
    const rows = await worker.context().db.read(sql`select kind, user_id from mail
      where kind <> 'factor_added'`)
    expect(rows).toEqual([{ kind: 'recovery_codes_low', user_id: 'ann' }])
  })

  test('reads the page in the language of the account, also after a wrong code', async () => {
    const { worker, browser } = await startWithApp()
    await changeUser(worker.context(), 'ann', { locale: 'pl-PL' }, null)
    const page = await passPassword(browser)
    expect(page.html).toContain('lang="pl"')
    const wrong = await verify(browser, page, '000000')
    expect(wrong.html).toContain('lang="pl"')
    // And can choose another one from there.
    const [, address = ''] = /href="(\/language[^"]*)"/.exec(wrong.html) ?? []
    expect(decodeURIComponent(address)).toContain('return_to=/login/verify')
  })

  test('sees the app, removes it, and the recovery codes go with the last one', async () => {
    const { worker, owner } = await startWithApp()
    const page = await owner.get('/account/security')
    expect(page.html).toContain('Phone')
    expect(page.html).toContain('10 codes are left.')
    // Signed in with the password alone, before the app was there.
    const refused = await owner.submit(page, { action: 'remove' })
    expect(refused.headers.get('location')).toMatch(/^\/login\?return_to=/)
    expect((await owner.get('/account/security')).html).toContain('Phone')
    await worker.context().db.write(sql`update session set amr = '["pwd","otp","mfa"]'`)
    await owner.submit(page, { action: 'remove' })
    expect((await owner.get('/account/security')).html).toContain('You have none yet.')
    expect(await worker.context().db.read(sql`select * from recovery_code`)).toEqual([])
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types).toEqual(
      expect.arrayContaining(['factor.added', 'recovery_codes.made', 'factor.removed']),
    )
    const browser = new Browser(worker)
    expect((await browser.signIn(ANN, PASSWORD)).headers.get('location')).toBe('/account')
  })

  test('makes new recovery codes, and the old ones are dead', async () => {
    const { worker, browser, codes, code } = await startWithApp()
    await verify(browser, await passPassword(browser), await code())
    const page = await browser.get('/account/security')
    const made = await browser.submit(page, { action: 'codes' })
    const fresh = [...made.html.matchAll(CODES)].map(([, one]) => one ?? '')
    expect(fresh).toHaveLength(10)
    expect(fresh.some((one) => codes.includes(one))).toBe(false)
    const other = new Browser(worker)
    expect((await verify(other, await passPassword(other), codes[0] ?? '')).status).toBe(403)
    expect((await verify(other, await passPassword(other), fresh[0] ?? '')).status).toBe(303)
  })
})

describe('a sign-in that lacks its second factor', () => {
  test('is no session at any page, and its cookie none in the place of the session', async () => {
    const { browser } = await startWithApp()
    await passPassword(browser)
    expect(await isSignedIn(browser)).toBe(false)
    browser.cookies.set('session', browser.cookies.get('sign_in') ?? '')
    expect(await isSignedIn(browser)).toBe(false)
    for (const path of ['/account', '/account/security', '/account/applications']) {
      expect((await browser.get(path)).headers.get('location')).toMatch(/^\/login/)
    }
  })

  test('is bound to the browser in which it began', async () => {
    const { worker, browser, code } = await startWithApp()
    await passPassword(browser)
    const other = new Browser(worker)
    const page = await other.get('/login')
    const values = { code: await code(), csrf: /name="csrf" value="([^"]*)"/.exec(page.html)?.[1] }
    const taken = await other.post('/login/verify', { ...values, csrf: values.csrf ?? '' })
    expect(taken.status).toBe(403)
    expect(await isSignedIn(other)).toBe(false)
  })

  test('runs out after ten minutes', async () => {
    const { worker, browser, key } = await startWithApp()
    const page = await passPassword(browser)
    worker.clock.now += 599
    expect((await browser.get('/login/verify')).status).toBe(200)
    worker.clock.now += 1
    const late = await verify(browser, page, await codeAt(key, worker.clock.now))
    expect(late.status).toBe(403)
    expect(late.html).toContain('Sign in again')
    expect((await browser.get('/login/verify')).headers.get('location')).toBe('/login')
  })

  test.each([
    [
      'a disabled account',
      (worker: TestWorker) => changeUser(worker.context(), 'ann', { status: 'disabled' }, null),
    ],
    ['a deleted account', (worker: TestWorker) => removeUser(worker.context(), 'ann', null)],
    [
      'another password',
      (worker: TestWorker) =>
        worker.context().db.write(sql`update user set password = 'x' where id = 'ann'`),
    ],
    [
      'an account that was disabled and enabled again',
      async (worker: TestWorker) => {
        await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
        await changeUser(worker.context(), 'ann', { status: 'active' }, null)
      },
    ],
    [
      'an end of all that was issued',
      (worker: TestWorker) =>
        worker.context().db.write(sql`update user set epoch = epoch + 1 where id = 'ann'`),
    ],
    [
      'all sessions that ended',
      (worker: TestWorker) => endUserSessions(worker.context(), 'ann', async () => {}),
    ],
  ])('ends with %s', async (_, end) => {
    const { worker, browser, code } = await startWithApp()
    const page = await passPassword(browser)
    await end(worker)
    expect((await verify(browser, page, await code())).status).toBe(403)
    expect(await isSignedIn(browser)).toBe(false)
    expect(
      await worker.context().db.read(sql`select * from session where user_id = 'ann' and
      amr like '%otp%'`),
    ).toEqual([])
  })

  test('goes on where its password was hashed anew', async () => {
    const { worker, browser, code } = await startWithApp()
    const weak =
      '$argon2i$v=19$m=4096,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$EY12I7uGyoBHzuQuFWt3F/Kvu99fJBY2qYsz2KZSrj8'
    await worker.context().db.write(sql`update user set password = ${weak}`)
    const page = await passPassword(browser)
    const rows = await worker
      .context()
      .db.read(sql<{ password: string }>`select password from user where id = 'ann'`)
    expect(rows[0]?.password).toMatch(/^\$argon2id/)
    expect((await verify(browser, page, await code())).status).toBe(303)
  })

  test('takes no code of another person', async () => {
    const { worker, browser } = await startWithApp()
    await createPerson(worker.context(), {
      id: 'eve',
      email: 'eve@example.com',
      password: PASSWORD,
    })
    const eve = new Browser(worker)
    await eve.signIn('eve@example.com', PASSWORD)
    const { key, codes } = await addAuthenticator(worker, eve)
    worker.clock.now += 60
    const page = await passPassword(browser)
    for (const code of [await codeAt(key, worker.clock.now), codes[0] ?? '']) {
      expect((await verify(browser, page, code)).status).toBe(403)
    }
    expect(await isSignedIn(browser)).toBe(false)
  })
})

describe('a code', () => {
  test('is good once, and none from before it', async () => {
    const { worker, browser, key } = await startWithApp()
    const present = await codeAt(key, worker.clock.now)
    const before = await codeAt(key, worker.clock.now - 30)
    expect((await verify(browser, await passPassword(browser), present)).status).toBe(303)
    const thief = new Browser(worker)
    const page = await passPassword(thief)
    expect((await verify(thief, page, present)).status).toBe(403)
    expect((await verify(thief, page, before)).status).toBe(403)
    const next = await codeAt(key, worker.clock.now + 30)
    expect((await verify(thief, page, next)).status).toBe(303)
  })

  test('with which the app was added signs nobody in', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const { key } = await addAuthenticator(worker, browser)
    const thief = new Browser(worker)
    const code = await codeAt(key, worker.clock.now)
    expect((await verify(thief, await passPassword(thief), code)).status).toBe(403)
  })

  test.each([
    ['a code of an app', 0],
    ['a recovery code', 1],
  ])('two hundred parallel uses of %s give exactly one session', async (_, which) => {
    const { worker, code, codes } = await startWithApp()
    await worker.context().db.write(sql`insert into setting (name, value, updated_at)
      values ('login_attempts_per_account', '1000', 1)`)
    worker.memory.clear()
    // Each sign-in is good once as well, so there are several.
    const signIns: { browser: Browser; page: Page }[] = []
    for (let i = 0; i < 8; i++) {
      const browser = new Browser(worker)
      signIns.push({ browser, page: await passPassword(browser) })
    }
    const one = which === 0 ? await code() : (codes[0] ?? '')
    const before = await worker.context().db.read(sql`select * from session`)
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const { browser, page } = signIns[i % 8] ?? { browser: new Browser(worker), page: null }
        const twin = new Browser(worker)
        for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
        return page === null ? 0 : (await verify(twin, page, one)).status
      }),
    )
    expect(answers.filter((status) => status === 303)).toHaveLength(1)
    const after = await worker.context().db.read(sql`select * from session`)
    expect(after.length - before.length).toBe(1)
  })

  test('is guessed ten times over all sign-ins; then even the right one waits', async () => {
    const { worker, browser, code, key } = await startWithApp()
    const statuses: number[] = []
    for (let i = 0; i < 11; i++) {
      const guesser = new Browser(worker)
      statuses.push((await verify(guesser, await passPassword(guesser), '000000')).status)
    }
    expect(statuses).toEqual([...Array(10).fill(403), 429])
    const page = await passPassword(browser)
    const blocked = await verify(browser, page, await code())
    expect(blocked.status).toBe(429)
    expect(blocked.headers.get('retry-after')).toBe('900')
    expect(alertOf(blocked)).toContain('Too many wrong codes')
    expect(await isSignedIn(browser)).toBe(false)
    const events = (await eventsOf(worker)).filter(({ data }) => data.includes('too_many_attempts'))
    expect(events).toHaveLength(1)
    worker.clock.now += 901
    const later = await codeAt(key, worker.clock.now)
    expect((await verify(browser, await passPassword(browser), later)).status).toBe(303)
  })

  test('two hundred parallel guesses are counted one by one', async () => {
    const { worker, browser, code } = await startWithApp()
    const page = await passPassword(browser)
    const right = await code()
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const twin = new Browser(worker)
        for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
        return (await verify(twin, page, String(i).padStart(6, '0'))).status
      }),
    )
    expect(answers.filter((status) => status === 403)).toHaveLength(10)
    expect((await verify(browser, page, right)).status).toBe(429)
  })

  test('right ones are given back: signing in often is never limited', async () => {
    const { worker, key } = await startWithApp()
    for (let i = 0; i < 12; i++) {
      worker.clock.now += 30
      const browser = new Browser(worker)
      const done = await verify(
        browser,
        await passPassword(browser),
        await codeAt(key, worker.clock.now),
      )
      expect(done.status).toBe(303)
    }
  })
})

describe('adding an app', () => {
  test('needs a sign-in of the last minutes', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const offered = await browser.get('/account/security/add')
    expect(offered.status).toBe(200)
    worker.clock.now += 601
    const key = KEY.exec(offered.html)?.[1] ?? ''
    const code = await codeAt(key, worker.clock.now)
    const late = await browser.submit(offered, { code, action: 'add' })
    expect(late.headers.get('location')).toBe('/login?return_to=%2Faccount%2Fsecurity%2Fadd')
    expect((await browser.get('/account/security/add')).status).toBe(303)
    expect(await worker.context().db.read(sql`select * from factor`)).toEqual([])
  })

  test('stores nothing before its first code is right, and keeps the key and the name', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const offered = await browser.get('/account/security/add')
    const wrong = await browser.submit(offered, { code: '000000', name: 'Tablet', action: 'add' })
    expect(wrong.status).toBe(400)
    expect(alertOf(wrong)).toContain('does not fit')
    expect(KEY.exec(wrong.html)?.[1]).toBe(KEY.exec(offered.html)?.[1])
    expect(wrong.html).toContain('value="Tablet"')
    expect(await worker.context().db.read(sql`select * from factor`)).toEqual([])
    const code = await codeAt(KEY.exec(wrong.html)?.[1] ?? '', worker.clock.now)
    expect((await browser.submit(wrong, { code, action: 'add' })).status).toBe(200)
    // Sent again, it adds nothing and shows no codes.
    const again = await browser.submit(wrong, { code, action: 'add' })
    expect(again.headers.get('location') ?? '').toMatch(/^\/login/)
    const rows = await worker
      .context()
      .db.read(sql<{ secret: string }>`select secret from factor where user_id = 'ann'`)
    expect(rows).toHaveLength(1)
    expect(rows[0]?.secret).not.toContain((KEY.exec(offered.html)?.[1] ?? '').slice(0, 4))
  })

  test('takes no key that was offered to another person', async () => {
    const { worker, browser } = await startWithAnn()
    await createPerson(worker.context(), {
      id: 'eve',
      email: 'eve@example.com',
      password: PASSWORD,
    })
    const eve = new Browser(worker)
    await eve.signIn('eve@example.com', PASSWORD)
    const hers = await eve.get('/account/security/add')
    const key = KEY.exec(hers.html)?.[1] ?? ''
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get('/account/security/add')
    const setup = /name="setup" value="([^"]*)"/.exec(hers.html)?.[1] ?? ''
    const code = await codeAt(key, worker.clock.now)
    const answer = await browser.submit(page, { setup, code, action: 'add' })
    expect(answer.status).toBe(400)
    expect(await worker.context().db.read(sql`select * from factor`)).toEqual([])
  })

  test('takes no name that cannot be seen', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get('/account/security/add')
    const code = await codeAt(KEY.exec(page.html)?.[1] ?? '', worker.clock.now)
    const answer = await browser.submit(page, { code, name: 'a\u202eb', action: 'add' })
    expect(answer.status).toBe(400)
    expect(await worker.context().db.read(sql`select * from factor`)).toEqual([])
  })

  test('beside a sign-in with the password alone leaves that one without a session', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const cx = worker.context()
    let writes = 0
    const write: typeof cx.db.write = async (batch) => {
      if (++writes === 2) await addAuthenticator(worker, browser)
      return cx.db.write(batch)
    }
    const thief = {
      username: ANN,
      password: PASSWORD,
      user_agent: '',
      replaces: undefined,
      browsers: [],
      trust: { browser: undefined, days: null },
      abandons: undefined,
    }
    const result = await signIn({ ...cx, db: { ...cx.db, write } }, thief)
    expect([writes, result]).toEqual([2, { outcome: 'refused' }])
  })
})

test('a wrong password says nothing about factors', async () => {
  const { worker, browser } = await startWithApp()
  await createPerson(worker.context(), { id: 'bob', email: 'bob@example.com', password: PASSWORD })
  const withFactor = await browser.signIn(ANN, WRONG)
  const without = await browser.signIn('bob@example.com', WRONG)
  expect([withFactor.status, alertOf(withFactor)]).toEqual([without.status, alertOf(without)])
})
