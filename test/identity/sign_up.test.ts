// Sign-up: the address first, then the account behind the mailed link.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { signUp } from '../../worker/identity/sign_up/sign_up.ts'
import { createUser, removeUser } from '../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { alertOf, Browser, type Page } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'
import { comparable, isSignedIn, startWithAnn } from './people.ts'

const BEA = 'bea@example.com'

async function startOpen() {
  const started = await startWithAnn()
  await changeSettings(started.worker.context(), { sign_up: 'open' })
  started.worker.memory.clear()
  return started
}

async function ask(browser: Browser, email: string, query = ''): Promise<Page> {
  return browser.submit(await browser.get(`/sign-up${query}`), { email, action: 'send' })
}

const pathOf = (mail: Mail | undefined) => {
  const link = linkIn(mail as Mail)
  return link.pathname + link.search
}

async function create(worker: TestWorker, mail: Mail | undefined, fields = {}) {
  const browser = new Browser(worker)
  const page = await browser.get(pathOf(mail))
  const typed = { name: 'Bea Example', password: PASSWORD, action: 'create', ...fields }
  return { browser, page: page.status === 200 ? await browser.submit(page, typed) : page }
}

describe('sign-up', () => {
  test('is off unless an operator opens it', async () => {
    const { worker, browser } = await startWithAnn()
    expect((await browser.get('/login')).html).not.toContain('/sign-up')
    expect((await browser.get('/sign-up')).status).toBe(404)
    const login = await browser.get('/login')
    const csrf = /name="csrf" value="([^"]*)"/.exec(login.html)?.[1] ?? ''
    expect((await browser.post('/sign-up', { email: BEA, csrf })).status).toBe(404)
    expect(await mailsOf(worker)).toEqual([])
  })

  test('makes an account with a proven address, signs in, and leads back', async () => {
    const { worker, browser } = await startOpen()
    const login = await browser.get('/login?return_to=%2Faccount%2Fsecurity')
    const [, address = ''] = /href="(\/sign-up[^"]*)"/.exec(login.html) ?? []
    const asked = await browser.submit(await browser.get(address.replaceAll('&amp;', '&')), {
      email: ` ${BEA} `,
      action: 'send',
    })
    expect(asked.html).toContain('Look into your mail')
    const [mail] = await mailsOf(worker)
    expect(mail).toMatchObject({ kind: 'sign_up', address: BEA })
    // A mail program that opens the link changes nothing.
    expect((await new Browser(worker).get(pathOf(mail))).html).toContain(BEA)
    const users = sql<{ name: string; email_verified: number }>`
      select name, email_verified from user where email = ${BEA}`
    expect(await worker.context().db.read(users)).toEqual([])
    const made = await create(worker, mail)
    expect([made.page.status, made.page.headers.get('location')]).toEqual([
      303,
      '/account/security',
    ])
    expect(await isSignedIn(made.browser)).toBe(true)
    expect(await worker.context().db.read(users)).toEqual([
      { name: 'Bea Example', email_verified: 1 },
    ])
    expect((await new Browser(worker).signIn(BEA, PASSWORD)).status).toBe(303)
    expect((await create(worker, mail)).page.status).toBe(403)
  })

  test('keeps what was typed where password or name is refused', async () => {
    const { worker, browser } = await startOpen()
    await ask(browser, BEA)
    const [mail] = await mailsOf(worker)
    const short = await create(worker, mail, { password: 'short' })
    expect(short.page.status).toBe(400)
    expect(short.page.html).toContain('value="Bea Example"')
    const hidden = await create(worker, mail, { name: 'B\u202eea' })
    expect([hidden.page.status, alertOf(hidden.page)?.includes('200')]).toEqual([400, true])
    expect((await create(worker, mail, { name: '' })).page.status).toBe(303)
  })

  test('of eight forms at once makes one account', async () => {
    const { worker, browser } = await startOpen()
    await ask(browser, BEA)
    const [mail] = await mailsOf(worker)
    const made = await Promise.all(Array.from({ length: 8 }, () => create(worker, mail)))
    expect(made.filter(({ page }) => page.status === 303)).toHaveLength(1)
    const cx = worker.context()
    expect(await cx.db.read(sql`select id from user where email = ${BEA}`)).toHaveLength(1)
    expect(await cx.db.read(sql`select id_hash from session`)).toHaveLength(1)
  })

  test('by a link that was used while the form was sent makes no second account', async () => {
    const { worker, browser } = await startOpen()
    await ask(browser, BEA)
    const [mail] = await mailsOf(worker)
    const cx = worker.context()
    // Somebody else was quicker, and that account is gone again.
    const write: typeof cx.db.write = async (batch) => {
      await create(worker, mail)
      const [row] = await cx.db.read(sql<{ id: string }>`select id from user where email = ${BEA}`)
      await removeUser(cx, row?.id ?? '', null)
      return cx.db.write(batch)
    }
    const input = {
      token: linkIn(mail as Mail).searchParams.get('token') ?? '',
      name: null,
      password: PASSWORD,
      locale: 'en',
      user_agent: '',
      replaces: undefined,
      browsers: [],
    }
    const result = await signUp({ ...cx, db: { ...cx.db, write } }, input)
    expect(result.outcome).toBe('dead')
    expect(await cx.db.read(sql`select id from user where email = ${BEA}`)).toEqual([])
  })

  test('runs out after a day, and when sign-up is closed', async () => {
    const { worker, browser } = await startOpen()
    await ask(browser, BEA)
    const [mail] = await mailsOf(worker)
    const form = await browser.get(pathOf(mail))
    await changeSettings(worker.context(), { sign_up: 'off' })
    worker.memory.clear()
    const late = await browser.submit(form, { password: PASSWORD, action: 'create' })
    expect(late.status).toBe(403)
    expect((await create(worker, mail)).page.status).toBe(403)
    await changeSettings(worker.context(), { sign_up: 'open' })
    worker.clock.now += 86_400
    expect((await create(worker, mail)).page.status).toBe(403)
  })

  test('of an address that got an account meanwhile leads to the login page', async () => {
    const { worker, browser } = await startOpen()
    await ask(browser, BEA)
    const [mail] = await mailsOf(worker)
    await createUser(worker.context(), { email: BEA, email_verified: true })
    const { page, browser: other } = await create(worker, mail)
    expect(page.headers.get('location')).toBe('/login')
    expect(await isSignedIn(other)).toBe(false)
  })
})

describe('nothing shows whether there is an account', () => {
  test('neither text nor status, headers nor round trips; its mailbox is told', async () => {
    const { worker, browser } = await startOpen()
    const off = { email: 'off@example.com', email_verified: true } as const
    await createUser(worker.context(), { ...off, status: 'disabled' })
    await ask(browser, 'warm@example.com')
    const seen = []
    for (const email of [ANN, BEA, 'off@example.com']) {
      const page = await browser.get('/sign-up')
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
    const mails = (await mailsOf(worker)).map(({ kind, address }) => `${kind} ${address}`)
    expect(mails).toEqual([
      'sign_up warm@example.com',
      ...Array(5).fill(`account_exists ${ANN}`),
      ...Array(5).fill(`sign_up ${BEA}`),
    ])
  })

  test('one network address that asks for many is stopped, and says so', async () => {
    const { browser } = await startOpen()
    const page = await browser.get('/sign-up')
    let last: Page | undefined
    for (let i = 0; i < 51; i++) {
      last = await browser.submit(page, { email: `nobody${i}@example.com`, action: 'send' })
    }
    expect([last?.status, last?.headers.get('retry-after')]).toEqual([429, '900'])
  })
})
