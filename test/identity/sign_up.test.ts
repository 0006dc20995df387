// Sign-up: the address first, then the account behind the mailed link.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import type { Context } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { senderParameters } from '../../worker/identity/return_to.ts'
import { signUp } from '../../worker/identity/sign_up/sign_up.ts'
import { createUser, removeUser } from '../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { publishTerms, publishVersion } from '../support/consents.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { alertOf, Browser, formFields, type Page } from './browser.ts'
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

type Decided = { key: string; version: string; locale: string; client_id: string | null }

/** Sends the form as it stands, without the boxes that are not ticked. */
function send(browser: Browser, page: Page, fields: object, unticked: readonly string[] = []) {
  const all = { ...formFields(page), password: PASSWORD, action: 'create', ...fields }
  const kept = Object.entries(all).filter(([name]) => !unticked.includes(name))
  return browser.post('/sign-up/confirm', Object.fromEntries(kept))
}

describe('required texts at a sign-up', () => {
  const decisions = sql<Decided>`select key, version, locale, client_id from consent_decision
    order by key`

  async function startAsking(wayOf: (cx: Context) => Record<string, string> = () => ({})) {
    const started = await startOpen()
    const { worker } = started
    await publishTerms(worker)
    await publishTerms(worker, { key: 'privacy' })
    await publishTerms(worker, { key: 'newsletter', required: false })
    const browser = new Browser(worker).inEnglish()
    await ask(browser, BEA, `?${new URLSearchParams(wayOf(worker.context()))}`)
    const [mail] = await mailsOf(worker)
    return { ...started, worker, browser, mail, page: await browser.get(pathOf(mail)) }
  }

  test('each has a box, and is decided with the account, at the application that sent', async () => {
    const return_to = '/account/profile'
    const { worker, browser, page } = await startAsking((cx) => ({
      return_to,
      ...senderParameters(cx, return_to, 'shop'),
    }))
    expect(page.html).toContain('The terms, version 1.')
    expect(Object.keys(formFields(page)).filter((name) => name.startsWith('accept.'))).toEqual([
      'accept.privacy',
      'accept.terms',
    ])
    const made = await send(browser, page, {})
    expect(made.headers.get('location')).toBe(return_to)
    const decided = { version: '1', locale: 'en', client_id: 'shop' }
    expect(await worker.context().db.read(decisions)).toEqual([
      { key: 'privacy', ...decided },
      { key: 'terms', ...decided },
    ])
    const events = sql<{ type: string }>`select type from event where type = 'consent.accepted'`
    expect(await worker.context().db.read(events)).toHaveLength(2)
    expect((await browser.get(return_to)).status).toBe(200)
  })

  test('without a box that is ticked no account is made, and the rest is kept', async () => {
    const { worker, browser, page } = await startAsking()
    const refused = await send(browser, page, { name: 'Bea Example' }, ['accept.terms'])
    expect([refused.status, alertOf(refused)]).toEqual([
      400,
      'Accept each text to go on. Without that there is no account.',
    ])
    expect(refused.html).toContain('value="Bea Example"')
    const ticked = [...refused.html.matchAll(/<input id="(accept[^"]*)"[^>]* checked>/g)]
    expect(ticked.map(([, name]) => name)).toEqual(['accept.privacy'])
    expect(await worker.context().db.read(decisions)).toEqual([])
    expect(await worker.context().db.read(sql`select id from user where email = ${BEA}`)).toEqual(
      [],
    )
    const short = await send(browser, page, { password: 'short' })
    expect([short.status, short.html.match(/ checked>/g)?.length]).toEqual([400, 2])
    expect((await send(browser, refused, {})).status).toBe(303)
  })

  test('a box of another link, or of a version of before, is not ticked', async () => {
    const { worker, browser, page } = await startAsking()
    await ask(browser, 'eve@example.com')
    const other = (await mailsOf(worker)).find(({ address }) => address === 'eve@example.com')
    const { 'accept.terms': swapped = '' } = formFields(await browser.get(pathOf(other)))
    expect((await send(browser, page, { 'accept.terms': swapped })).status).toBe(400)
    await publishVersion(worker, '2')
    const late = await send(browser, page, {})
    expect([late.status, late.html.includes('The terms, version 2.')]).toEqual([400, true])
    expect((await send(browser, late, {})).status).toBe(303)
    expect(await worker.context().db.read(decisions)).toMatchObject([{}, { version: '2' }])
  })

  test('a version that comes between look and batch is asked for at the first door', async () => {
    const { worker, browser, mail, page } = await startAsking()
    const cx = worker.context()
    const write: typeof cx.db.write = async (batch) => {
      await publishVersion(worker, '2')
      return cx.db.write(batch)
    }
    const fields = formFields(page)
    const result = await signUp(
      { ...cx, db: { ...cx.db, write } },
      {
        token: linkIn(mail as Mail).searchParams.get('token') ?? '',
        ...{ name: null, password: PASSWORD, locale: 'en', user_agent: '', replaces: undefined },
        ...{ browsers: [], fields: (name) => fields[name] },
      },
    )
    expect(result.outcome).toBe('done')
    expect(await cx.db.read(decisions)).toMatchObject([{ key: 'privacy' }])
    const signedIn = await browser.signIn(BEA, PASSWORD)
    expect(signedIn.headers.get('location')).toContain('/account')
    expect((await browser.get('/account')).headers.get('location')).toMatch(/^\/continue/)
  })

  test('where the age is asked before them, they wait for it', async () => {
    const { worker, browser, mail } = await startAsking()
    await changeSettings(worker.context(), {
      required_profile_fields: ['birthdate'],
      self_consent_age: { default: 16, countries: {} },
    })
    worker.memory.clear()
    const page = await browser.get(pathOf(mail))
    expect(page.html).not.toContain('accept.')
    expect((await send(browser, page, {})).status).toBe(303)
    expect(await worker.context().db.read(decisions)).toEqual([])
  })

  test('costs no round trip more', async () => {
    const { worker, browser, mail } = await startAsking()
    const page = await countRoundTrips(worker, () => browser.get(pathOf(mail)))
    const made = await countRoundTrips(worker, () => send(browser, page.value, {}))
    expect([page.roundTrips, made.roundTrips, made.value.status]).toEqual([1, 2, 303])
  })
})

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
      fields: () => undefined,
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
