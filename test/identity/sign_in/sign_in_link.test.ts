// Signing in by a mailed link: in the browser that asked, once, and with the second factor after it.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { signInByLink } from '../../../worker/identity/sign_in/sign_in_link.ts'
import { changeUser, createUser } from '../../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { ANN, PASSWORD } from '../../support/people.ts'
import { addAuthenticator, codeAt } from '../authenticator.ts'
import { Browser, type Page } from '../browser.ts'
import { linkIn, type Mail, mailsOf } from '../mails.ts'
import { comparable, isSignedIn, startWithAnn } from '../people.ts'

async function startOffered() {
  const started = await startWithAnn()
  await changeSettings(started.worker.context(), { sign_in_links: 'on' })
  started.worker.memory.clear()
  return started
}

const ask = async (browser: Browser, email = ANN, query = ''): Promise<Page> =>
  browser.submit(await browser.get(`/login/link${query}`), { email, action: 'send' })

const pathOf = (mail: Mail | undefined) => {
  const link = linkIn(mail as Mail)
  return link.pathname + link.search
}

async function lastMail(worker: TestWorker): Promise<Mail | undefined> {
  const mails = await mailsOf(worker)
  return mails.findLast(({ kind }) => kind === 'sign_in_link')
}

/** Opens the link and presses the button. */
async function open(browser: Browser, mail: Mail | undefined): Promise<Page> {
  const page = await browser.get(pathOf(mail))
  return page.status === 200 ? browser.submit(page, { action: 'login' }) : page
}

describe('a link by mail', () => {
  test('is offered where an operator says so', async () => {
    const { worker, browser } = await startWithAnn()
    expect((await browser.get('/login')).html).not.toContain('/login/link')
    expect((await browser.get('/login/link')).status).toBe(404)
    await changeSettings(worker.context(), { sign_in_links: 'on' })
    worker.memory.clear()
    expect((await browser.get('/login')).html).toContain('href="/login/link"')
  })

  test('signs in, leads back, and says how', async () => {
    const { worker, browser } = await startOffered()
    await ask(browser, ' ANN@example.com', '?return_to=%2Faccount%2Fsecurity')
    const mail = await lastMail(worker)
    expect(mail?.address).toBe(ANN)
    const done = await open(browser, mail)
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account/security'])
    expect(await isSignedIn(browser)).toBe(true)
    const rows = await worker.context().db.read(sql<{ amr: string }>`select amr from session`)
    expect(rows).toEqual([{ amr: '["email"]' }])
    expect((await open(browser, mail)).status).toBe(403)
  })

  test('signs nobody in in another browser, nor by the GET of a mail program', async () => {
    const { worker, browser } = await startOffered()
    await ask(browser)
    const mail = await lastMail(worker)
    await browser.get(pathOf(mail))
    const other = new Browser(worker)
    await other.get('/login')
    const page = await other.get(pathOf(mail))
    expect([page.status, page.html.includes('in which you asked')]).toEqual([403, true])
    // With the form of its own browser as well.
    const form = await browser.get(pathOf(mail))
    const token = new URLSearchParams(pathOf(mail).split('?')[1]).get('token') ?? ''
    const login = await other.get('/login')
    const csrf = /name="csrf" value="([^"]*)"/.exec(login.html)?.[1] ?? ''
    expect((await other.post('/login/link/open', { token, csrf })).status).toBe(403)
    expect(await isSignedIn(other)).toBe(false)
    expect((await browser.submit(form, { action: 'login' })).status).toBe(303)
  })

  test('asks for the second factor, and is no session before it', async () => {
    const { worker, browser } = await startOffered()
    await browser.signIn(ANN, PASSWORD)
    const { key } = await addAuthenticator(worker, browser)
    worker.clock.now += 60
    const asking = new Browser(worker)
    await ask(asking)
    const done = await open(asking, await lastMail(worker))
    expect(done.headers.get('location')).toBe('/login/verify')
    expect(await isSignedIn(asking)).toBe(false)
    const page = await asking.get('/login/verify')
    const code = await codeAt(key, worker.clock.now)
    expect((await asking.submit(page, { code, action: 'verify' })).status).toBe(303)
    const rows = await worker
      .context()
      .db.read(sql<{ amr: string }>`select amr from session order by rowid desc limit 1`)
    expect(rows).toEqual([{ amr: '["email","otp","mfa"]' }])
  })

  test('runs out after ten minutes', async () => {
    const { worker, browser } = await startOffered()
    await ask(browser)
    const mail = await lastMail(worker)
    worker.clock.now += 600
    expect((await open(browser, mail)).status).toBe(403)
  })

  test.each([
    ['is disabled', { status: 'disabled' }],
    ['has another address', { email: 'ann.new@example.com' }],
  ] as const)('is dead where the account %s', async (_, change) => {
    const { worker, browser } = await startOffered()
    await ask(browser)
    const mail = await lastMail(worker)
    const form = await browser.get(pathOf(mail))
    await changeUser(worker.context(), 'ann', change, null)
    expect((await browser.submit(form, { action: 'login' })).status).toBe(403)
    expect(await worker.context().db.read(sql`select * from session`)).toEqual([])
  })

  test('of eight uses at once starts one session', async () => {
    const { worker, browser } = await startOffered()
    await ask(browser)
    const form = await browser.get(pathOf(await lastMail(worker)))
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => {
        const twin = new Browser(worker)
        for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
        return twin.submit(form, { action: 'login' })
      }),
    )
    expect(answers.filter(({ status }) => status === 303)).toHaveLength(1)
    expect(await worker.context().db.read(sql`select * from session`)).toHaveLength(1)
  })

  test('beside the adding of a factor starts no session', async () => {
    const { worker, browser } = await startOffered()
    const owner = new Browser(worker)
    await owner.signIn(ANN, PASSWORD)
    await ask(browser)
    const mail = await lastMail(worker)
    const cx = worker.context()
    const write: typeof cx.db.write = async (batch) => {
      await addAuthenticator(worker, owner)
      return cx.db.write(batch)
    }
    const result = await signInByLink(
      { ...cx, db: { ...cx.db, write } },
      {
        token: linkIn(mail as Mail).searchParams.get('token') ?? '',
        browser: browser.cookies.get('link'),
        user_agent: '',
        replaces: undefined,
        browsers: [],
        abandons: undefined,
      },
      () => [],
    )
    expect(result.outcome).toBe('dead')
  })
})

test('nothing shows whether there is an account', async () => {
  const { worker, browser } = await startOffered()
  await createUser(worker.context(), { email: 'off@example.com', status: 'disabled' })
  await ask(browser, 'warm@example.com')
  const seen = []
  for (const email of [ANN, 'nobody@example.com', 'off@example.com']) {
    const page = await browser.get('/login/link')
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
  expect((await mailsOf(worker)).map(({ kind }) => kind)).toEqual(Array(5).fill('sign_in_link'))
})
