// "Forgot your password?": a link goes by mail to the stored address, and nothing shows whether
// there is one.
import { describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { changeUser, createUser } from '../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { addAuthenticator, codeAt } from './authenticator.ts'
import { alertOf, Browser, type Page } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'
import { comparable, eventsOf, isSignedIn, startWithAnn } from './people.ts'

const NEW = 'seven brown horses jump over fences'

async function ask(browser: Browser, email: string, headers: Record<string, string> = {}) {
  const page = await browser.get('/recover')
  return browser.submit(page, { email, action: 'send' }, headers)
}

async function setPassword(worker: TestWorker, link: URL): Promise<Page> {
  const browser = new Browser(worker)
  const page = await browser.get(link.pathname + link.search)
  return page.status === 200 ? browser.submit(page, { password: NEW, action: 'save' }) : page
}

describe('a person who forgot the password', () => {
  test('gets a link at the stored address, sets a new password, and signs in with it', async () => {
    const { worker, browser } = await startWithAnn()
    const login = await browser.get('/login')
    expect(login.html).toContain('href="/recover"')
    const sent = await ask(browser, '  Ann@Example.COM ')
    expect(sent.status).toBe(200)
    expect(sent.html).toContain('Look into your mail')
    const [mail] = await mailsOf(worker)
    expect(mail).toMatchObject({ kind: 'recovery', address: ANN })
    const link = linkIn(mail as Mail)
    expect(link.origin).toBe(worker.config.issuer)
    // A mail program that opens links changes nothing.
    await browser.get(link.pathname + link.search)
    expect((await setPassword(worker, link)).headers.get('location')).toBe('/recover/done')
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(403)
    expect((await browser.signIn(ANN, NEW)).status).toBe(303)
    expect((await setPassword(worker, link)).status).toBe(403)
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types).toEqual(
      expect.arrayContaining(['user.recovery_requested', 'user.password_reset']),
    )
  })

  test('comes back to the application: the login page carries the target to the form', async () => {
    const { browser } = await startWithAnn()
    const login = await browser.get('/login?return_to=%2Foauth%2Fauthorize%3Fx%3D1')
    const [, address = ''] = /href="(\/recover[^"]*)"/.exec(login.html) ?? []
    const page = await browser.get(address.replaceAll('&amp;', '&'))
    const sent = await browser.submit(page, { email: ANN, action: 'send' })
    expect(sent.html).toContain('href="/login?return_to=%2Foauth%2Fauthorize%3Fx%3D1"')
  })

  test('still needs the second factor afterwards', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const { key } = await addAuthenticator(worker, browser)
    await ask(new Browser(worker), ANN)
    const mail = (await mailsOf(worker)).find(({ kind }) => kind === 'recovery')
    await setPassword(worker, linkIn(mail as Mail))
    const again = new Browser(worker)
    const done = await again.signIn(ANN, NEW)
    expect(done.headers.get('location')).toBe('/login/verify')
    expect(await isSignedIn(again)).toBe(false)
    worker.clock.now += 60
    const page = await again.get('/login/verify')
    const code = await codeAt(key, worker.clock.now)
    expect((await again.submit(page, { code, action: 'verify' })).status).toBe(303)
  })

  test('at an address that was never proven is its owner: factors of before go', async () => {
    const { worker, browser } = await startWithAnn()
    await changeUser(worker.context(), 'ann', { email_verified: false }, null)
    // Somebody else made the account in her name, and protected it with a phone of their own.
    await browser.signIn(ANN, PASSWORD)
    await addAuthenticator(worker, browser)
    await ask(new Browser(worker), ANN)
    const mail = (await mailsOf(worker)).find(({ kind }) => kind === 'recovery')
    await setPassword(worker, linkIn(mail as Mail))
    expect(await isSignedIn(browser)).toBe(false)
    const owner = new Browser(worker)
    expect((await owner.signIn(ANN, NEW)).headers.get('location')).toBe('/account')
    const cx = worker.context()
    expect(await cx.db.read(sql`select * from factor`)).toEqual([])
    expect(await cx.db.read(sql`select * from recovery_code`)).toEqual([])
    expect(await cx.db.read(sql`select email_verified from user where id = 'ann'`)).toEqual([
      { email_verified: 1 },
    ])
  })
})

describe('nothing shows whether there is an account', () => {
  test('neither text nor status, headers, round trips nor count', async () => {
    const { worker, browser } = await startWithAnn()
    await createUser(worker.context(), { email: 'off@example.com', status: 'disabled' })
    await ask(browser, 'warm@example.com')
    const seen = []
    for (const email of [ANN, 'nobody@example.com', 'off@example.com']) {
      const page = await browser.get('/recover')
      for (let i = 0; i < 7; i++) {
        const { value, roundTrips } = await countRoundTrips(worker, () =>
          browser.submit(page, { email, action: 'send' }),
        )
        seen.push({
          status: value.status,
          text: comparable(value).replaceAll(email, 'ADDRESS'),
          headers: [...value.headers].filter(([name]) => name !== 'x-request-id'),
          // Two, and the sending behind the answer, which may have gone on by the time of the count.
          roundTrips: Math.min(roundTrips, 3),
        })
      }
    }
    for (const one of seen) expect(one).toEqual(seen[0])
    expect(seen[0]?.roundTrips).toBe(3)
    expect((await mailsOf(worker)).map(({ kind }) => kind)).toEqual(Array(5).fill('recovery'))
    const refused = (await eventsOf(worker)).filter(({ type }) => type === 'user.recovery_refused')
    // Of nobody one event, which counts; so strangers fill no table.
    expect(refused.map(({ subject_id }) => subject_id).filter((id) => id === null)).toHaveLength(1)
  })

  test('a text that is no address is told so, and keeps what was typed', async () => {
    const { browser } = await startWithAnn()
    const page = await ask(browser, 'ann at example')
    expect([page.status, alertOf(page)]).toEqual([
      400,
      'Enter an e-mail address such as ann@example.com.',
    ])
    expect(page.html).toContain('value="ann at example"')
  })

  test('one address that asks for many is stopped, and says so', async () => {
    const { worker, browser } = await startWithAnn()
    let last: Page | undefined
    const page = await browser.get('/recover')
    for (let i = 0; i < 51; i++) {
      last = await browser.submit(page, { email: `nobody${i}@example.com`, action: 'send' })
    }
    expect([last?.status, last?.headers.get('retry-after')]).toEqual([429, '900'])
    const other = new Browser(worker, '198.51.100.7')
    expect((await ask(other, ANN)).status).toBe(200)
  })
})

describe('a link', () => {
  test('is made with the address of the issuer, whatever host the request names', async () => {
    const { worker, browser } = await startWithAnn()
    await ask(browser, ANN, { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' })
    const [mail] = await mailsOf(worker)
    expect(mail?.text).not.toContain('evil.example')
    expect(linkIn(mail as Mail).origin).toBe(worker.config.issuer)
  })

  test('of before is not killed by somebody who asks again and again', async () => {
    const { worker, browser } = await startWithAnn()
    await ask(browser, ANN)
    for (let i = 0; i < 9; i++) await ask(new Browser(worker, `198.51.100.${i}`), ANN)
    const mails = await mailsOf(worker)
    expect(mails).toHaveLength(5)
    expect((await setPassword(worker, linkIn(mails[0] as Mail))).status).toBe(303)
    // With the new password the others are dead.
    for (const mail of mails.slice(1)) {
      expect((await setPassword(worker, linkIn(mail))).status).toBe(403)
    }
  })

  test('is dead once the account has another address than the one it went to', async () => {
    const { worker, browser } = await startWithAnn()
    await ask(browser, ANN)
    const [mail] = await mailsOf(worker)
    await changeUser(worker.context(), 'ann', { email: 'ann.new@example.com' }, null)
    expect((await setPassword(worker, linkIn(mail as Mail))).status).toBe(403)
    expect((await browser.signIn('ann.new@example.com', PASSWORD)).status).toBe(303)
  })

  test('of which the address changes while the form is sent sets no password', async () => {
    const { worker, browser } = await startWithAnn()
    await ask(browser, ANN)
    const [mail] = await mailsOf(worker)
    const { resetPassword } = await import('../../worker/identity/recovery.ts')
    const cx = worker.context()
    const write: typeof cx.db.write = async (batch) => {
      await changeUser(worker.context(), 'ann', { email: 'ann.new@example.com' }, null)
      return cx.db.write(batch)
    }
    const token = linkIn(mail as Mail).searchParams.get('token') ?? ''
    const outcome = await resetPassword(
      { ...cx, db: { ...cx.db, write } },
      { token, password: NEW },
      { endAccess: () => [], onSessionsEnded: async () => {} },
    )
    expect(outcome).toMatchObject({ outcome: 'dead' })
    expect((await browser.signIn('ann.new@example.com', PASSWORD)).status).toBe(303)
  })

  test('is not mailed to a disabled account', async () => {
    const { worker, browser } = await startWithAnn()
    await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
    await ask(browser, ANN)
    expect(await mailsOf(worker)).toEqual([])
  })
})
