import { describe, expect, test } from 'vitest'
import { mac } from '../../worker/crypto.ts'
import { sql } from '../../worker/db/sql.ts'
import { hashPassword } from '../../worker/identity/passwords.ts'
import { changeUser, createUser } from '../../worker/identity/users.ts'
import { PASSKEY_SCRIPT } from '../../worker/pages/passkey_form.ts'
import { countRoundTrips, startWorker } from '../context.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { alertOf, Browser, formFields } from './browser.ts'
import { countHashes } from './hashes.ts'
import { comparable, eventsOf, isSignedIn, startWithAnn, WRONG } from './people.ts'

test('a person signs in, is led on by 303, sees the account, and signs out again', async () => {
  const { browser } = await startWithAnn()
  const done = await browser.signIn(ANN, PASSWORD)
  expect(done.status).toBe(303)
  expect(done.headers.get('location')).toBe('/account')
  const account = await browser.get('/account')
  expect(account.status).toBe(200)
  expect(account.html).toContain(ANN)
  const out = await browser.submit(await browser.get('/logout'), { action: 'logout' })
  expect([out.status, out.headers.get('location')]).toEqual([303, '/logout'])
  expect((await browser.get('/logout')).html).toContain('You are signed out')
  expect(browser.cookies.has('session')).toBe(false)
  expect(await isSignedIn(browser)).toBe(false)
})

test.each([['ANN@EXAMPLE.COM'], ['  ann@example.com '], ['ａｎｎ@example.com']])(
  'the e-mail address is the same however it is written: %j',
  async (written) => {
    const { browser } = await startWithAnn()
    expect((await browser.signIn(written, PASSWORD)).status).toBe(303)
  },
)

test('signing in takes 2 database round trips whether it succeeds or not, and 3 with a cold page', async () => {
  const { worker, browser } = await startWithAnn()
  const page = await browser.get('/login')
  // A process that showed no page yet reads texts and settings first.
  worker.context().memory.clear()
  const cold = await countRoundTrips(worker, () =>
    browser.submit(page, { username: ANN, password: WRONG }),
  )
  const wrong = await countRoundTrips(worker, () =>
    browser.submit(page, { username: ANN, password: WRONG }),
  )
  const unknown = await countRoundTrips(worker, () =>
    browser.submit(page, { username: 'nobody@example.com', password: WRONG }),
  )
  const right = await countRoundTrips(worker, () =>
    browser.submit(page, { username: ANN, password: PASSWORD }),
  )
  const counts = [cold, wrong, unknown, right].map((one) => [one.value.status, one.roundTrips])
  expect(counts).toEqual([
    [403, 3],
    [403, 2],
    [403, 2],
    [303, 2],
  ])
})

describe('an account that does not exist cannot be told from one that does', () => {
  test('by the answer, by the work, or by the database round trips', async () => {
    const { worker, browser } = await startWithAnn()
    const cx = worker.context()
    await createUser(cx, { email: 'unset@example.com' })
    await createUser(cx, { email: 'off@example.com', password: PASSWORD, status: 'disabled' })
    const page = await browser.get('/login')
    await browser.submit(page, { username: ANN, password: WRONG })
    const attempts = [
      [ANN, WRONG],
      ['nobody@example.com', WRONG],
      ['unset@example.com', WRONG],
      ['unset@example.com', ''],
      ['off@example.com', PASSWORD],
      ['off@example.com', WRONG],
      ['not an address', WRONG],
      ['', ''],
    ]
    const seen = []
    for (const [username = '', password = ''] of attempts) {
      const hashes = await countHashes(worker)
      const { value, roundTrips } = await countRoundTrips(worker, () =>
        browser.submit(page, { username, password }),
      )
      const text = comparable(value).replaceAll(username === '' ? '\0' : username, 'NAME')
      seen.push({
        status: value.status,
        alert: alertOf(value),
        headers: [...value.headers].filter(([name]) => name !== 'x-request-id'),
        hashes: [...hashes],
        roundTrips,
        // The cursor stands in the first empty field; that is the visitor's own doing.
        text: text.replace(/ autofocus/g, '').replace(/value="(NAME)?"/, 'value="NAME"'),
      })
    }
    for (const one of seen) expect(one).toEqual(seen[0])
    expect(seen[0]?.hashes).toEqual([{ t: 2, m: 19_456, p: 1 }])
    expect(seen[0]?.alert).toBe('E-mail or password is not right. Check both and try again.')
  })
})

test('a session planted before signing in does not become the session: the id is new', async () => {
  const { worker, browser } = await startWithAnn()
  const planted = 'p'.repeat(43)
  browser.cookies.set('session', planted)
  expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
  const first = browser.cookies.get('session')
  expect(first).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(first).not.toBe(planted)

  expect((await browser.signIn(ANN, PASSWORD, '/login?return_to=/x')).status).toBe(303)
  const second = browser.cookies.get('session')
  expect(second).not.toBe(first)
  expect(await isSignedIn(browser)).toBe(true)
  for (const old of [planted, first ?? '']) {
    const other = new Browser(worker)
    other.cookies.set('session', old)
    expect(await isSignedIn(other)).toBe(false)
  }
})

test('the table holds the hash of the cookie and never the cookie', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const rows = await worker.context().db.read(sql<Record<string, unknown>>`select * from session`)
  expect(rows).toHaveLength(1)
  expect(JSON.stringify(rows)).not.toContain(browser.cookies.get('session'))
})

test('the session cookie is HttpOnly and Lax, and with https Secure and __Host-', async () => {
  const { browser } = await startWithAnn()
  const [plain] = (await browser.signIn(ANN, PASSWORD)).headers.getSetCookie()
  expect(plain).toMatch(/^session=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)

  const secure = await startWithAnn({ ISSUER: 'https://id.example.com' })
  const page = await secure.browser.get('/login')
  expect(page.headers.get('set-cookie')).toMatch(/^__Host-visit=/)
  const done = await secure.browser.submit(page, { username: ANN, password: PASSWORD })
  expect(done.headers.getSetCookie()[0]).toMatch(
    /^__Host-session=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )
  expect(page.headers.get('strict-transport-security')).toContain('max-age=')
})

test('a disabled person is refused, and loses the sessions there are', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  expect(await isSignedIn(browser)).toBe(true)
  await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
  expect(await isSignedIn(browser)).toBe(false)
  const other = new Browser(worker)
  const refused = await other.signIn(ANN, PASSWORD)
  expect([refused.status, other.cookies.has('session')]).toEqual([403, false])
  await changeUser(worker.context(), 'ann', { status: 'active' }, null)
  expect(await isSignedIn(browser)).toBe(false)
  expect((await other.signIn(ANN, PASSWORD)).status).toBe(303)
})

test('where to go on is kept through a wrong password', async () => {
  const { browser } = await startWithAnn()
  const path = '/oauth/authorize?request_uri=urn%3Aexample%3A1&client_id=app'
  const query = new URLSearchParams({ return_to: path, login_hint: ANN })
  const page = await browser.get(`/login?${query}`)
  expect(formFields(page)['username']).toBe(ANN)
  const wrong = await browser.submit(page, { password: WRONG })
  const done = await browser.submit(wrong, { password: PASSWORD })
  expect(done.headers.get('location')).toBe(path)
})

test('the origin where redirects end is allowed by the CSP only if we named it ourselves', async () => {
  const { worker, browser } = await startWithAnn()
  const policy = async (form_target: string, form_target_mac: string) => {
    const query = new URLSearchParams({ return_to: '/x', form_target, form_target_mac })
    const page = await browser.get(`/login?${query}`)
    const again = await browser.submit(page, { username: ANN, password: WRONG })
    return [page, again].map(
      (one) => /form-action ([^;]*)/.exec(one.headers.get('content-security-policy') ?? '')?.[1],
    )
  }
  const app = 'https://app.example.com'
  const good = mac(worker.context(), 'form target', app)
  expect(await policy(app, good)).toEqual([`'self' ${app}`, `'self' ${app}`])
  expect(await policy('https://evil.example', good)).toEqual(["'self'", "'self'"])
  expect(await policy("https://app.example.com; script-src 'unsafe-inline'", good)).toEqual([
    "'self'",
    "'self'",
  ])
})

test('who is signed in and came from nowhere needs no form; who was sent here gets one', async () => {
  const { browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  expect((await browser.get('/login')).headers.get('location')).toBe('/account')
  expect((await browser.get('/login?return_to=/oauth/authorize')).status).toBe(200)
})

test('a hash with weaker parameters is made anew with the password that was just right', async () => {
  const { worker, browser } = await startWithAnn()
  const db = worker.context().db
  const weak =
    '$argon2i$v=19$m=4096,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$EY12I7uGyoBHzuQuFWt3F/Kvu99fJBY2qYsz2KZSrj8'
  await db.write(sql`update user set password = ${weak}`)
  const stored = async () => {
    const [row] = await db.read(sql<{ password: string }>`select password from user`)
    return row?.password ?? ''
  }
  await browser.signIn(ANN, WRONG)
  expect(await stored()).toBe(weak)
  expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
  expect(await stored()).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
})

test('each sign-in, failure and sign-out is an event, without any secret', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn('nobody@example.com', WRONG)
  await browser.signIn(ANN, WRONG)
  await browser.signIn(ANN, PASSWORD)
  const cookie = browser.cookies.get('session') ?? '-'
  await browser.submit(await browser.get('/logout'), { action: 'logout' })
  const events = await eventsOf(worker)
  expect(
    events.map(({ type, outcome, actor_kind, actor_id, subject_id, address }) =>
      [type, outcome, actor_kind, actor_id, subject_id, address].join(' '),
    ),
  ).toEqual([
    'user.created success system  ann 192.0.2.1',
    'login.failed failure anonymous   192.0.2.1',
    'login.failed failure anonymous  ann 192.0.2.1',
    'session.started success user ann ann 192.0.2.1',
    'session.ended success user ann ann 192.0.2.1',
  ])
  expect(JSON.parse(events[1]?.data ?? '')).toEqual({
    reason: 'unknown_account',
    count: 1,
    last_at: worker.clock.now,
  })
  const everything = JSON.stringify([events, worker.log])
  for (const secret of [PASSWORD, WRONG, cookie, '$argon2', 'nobody@example.com']) {
    expect(everything).not.toContain(secret)
  }
})

describe('forms that no page of ours sends are refused', () => {
  const form = (
    body: string | Uint8Array<ArrayBuffer>,
    type = 'application/x-www-form-urlencoded',
  ) => ({
    method: 'POST',
    body,
    headers: { 'content-type': type, accept: 'text/html' },
  })
  test.each([
    ['a field given twice', form('username=a&username=b')],
    ['NUL in a field', form('username=a%00b')],
    ['UTF-8 that is none, percent-encoded', form('username=%ff%fe')],
    ['UTF-8 that is none, as it is', form(new Uint8Array([0x61, 0x3d, 0xff, 0xfe]))],
    ['a body of 64 KiB and more', form(`password=${'x'.repeat(65_600)}`)],
    ['JSON', form('{"username":"a"}', 'application/json')],
    ['multipart', form('--x\r\n', 'multipart/form-data; boundary=x')],
  ])('%s', async (_name, init) => {
    const worker = await startWorker()
    const answer = await worker.request('/login', init)
    expect(answer.status).toBe(400)
    expect(answer.headers.get('content-type')).toContain('text/html')
    expect(answer.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(worker.log.filter((line) => line.level === 'error')).toEqual([])
  })

  test('a button that is not on the page', async () => {
    const { browser } = await startWithAnn()
    const page = await browser.get('/login')
    const answer = await browser.submit(page, {
      username: ANN,
      password: PASSWORD,
      action: 'allow',
    })
    expect([answer.status, browser.cookies.has('session')]).toEqual([400, false])
  })
})

test('every page forbids framing, foreign content and storing', async () => {
  const { browser } = await startWithAnn()
  const before = await Promise.all(['/login', '/logout', '/setup'].map((path) => browser.get(path)))
  const wrong = await browser.signIn(ANN, WRONG)
  await browser.signIn(ANN, PASSWORD)
  const after = await Promise.all(['/account', '/logout'].map((path) => browser.get(path)))
  for (const page of [...before, wrong, ...after]) {
    // The login page has the script of passkeys, by its hash; no other has one.
    const isLogin = page.html.includes('<title>Sign in</title>')
    expect(page.html.includes('<script')).toBe(isLogin)
    expect(page.headers.get('content-security-policy')).toBe(
      `default-src 'none'; ${isLogin ? `script-src ${PASSKEY_SCRIPT}; ` : ''}style-src 'self'; ` +
        "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    )
    expect(page.headers.get('x-frame-options')).toBe('DENY')
    expect(page.headers.get('referrer-policy')).toBe('same-origin')
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
  }
})

test('a password of 64 characters and one of 4096 bytes work, and are compared to the end', async () => {
  const { worker, browser } = await startWithAnn()
  const db = worker.context().db
  for (const password of ['x'.repeat(64), 'ё'.repeat(2048)]) {
    const phc = await hashPassword(worker.context(), password)
    await db.write(sql`update user set password = ${phc}`)
    expect(
      (await browser.signIn(ANN, `${password.slice(0, -1)}y`, '/login?return_to=/x')).status,
    ).toBe(403)
    expect((await browser.signIn(ANN, password, '/login?return_to=/x')).status).toBe(303)
  }
})
