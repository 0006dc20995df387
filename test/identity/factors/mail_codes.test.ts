// Codes by mail as a second factor: for people who have no other one, bound to the session, good
// once, bounded, and nothing beside what the same mailbox proved.
import { beforeEach, describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { changeUser } from '../../../worker/identity/users.ts'
import { createClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { APP, answerOf, pathOf, requestPath, rowsOf } from '../../oauth/flow.ts'
import { overtaken } from '../../oauth/token_fixtures.ts'
import { ANN, PASSWORD } from '../../support/people.ts'
import { addAuthenticator, codeAt, KEY } from '../authenticator.ts'
import { alertOf, Browser, type Page } from '../browser.ts'
import { linkIn, type Mail, mailsOf } from '../mails.ts'
import { newestAmr } from '../passkeys/passkey_people.ts'
import { isSignedIn, startWithAnn } from '../people.ts'

const HERE = '/continue?return_to=%2Faccount'
const NEXT = 'seven brown horses jump over fences'
const MFA = 'urn:allauth:acr:mfa'

let worker: TestWorker
let browser: Browser

beforeEach(async () => {
  const started = await startWithAnn()
  worker = started.worker
  browser = started.browser
  await changeUser(worker.context(), 'ann', { email_verified: true }, null)
  await changeSettings(worker.context(), { mail_codes: 'on', require_factor: 'everybody' })
})

/** The page that asks for the code which was mailed. */
async function ask(by = browser, password = PASSWORD): Promise<Page> {
  await by.signIn(ANN, password)
  return send(by, await by.get(HERE))
}

const send = (by: Browser, page: Page): Promise<Page> =>
  by.post('/continue', { ...fieldsOf(page), action: 'send' })

/** The fields that all forms of the page share. */
function fieldsOf(page: Page): Record<string, string> {
  const [form = ''] =
    /<form method="post" action="\/continue">[\s\S]*?<\/form>/.exec(page.html) ?? []
  return Object.fromEntries(
    [...form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(([, k, v]) => [
      k ?? '',
      (v ?? '').replaceAll('&amp;', '&'),
    ]),
  )
}

const codesOf = async () =>
  (await mailsOf(worker))
    .filter(({ kind }) => kind === 'sign_in_code')
    .map(({ text }) => /\b(\d{3} \d{3})\b/.exec(text)?.[1] ?? '')

const latest = async () => (await codesOf()).at(-1) ?? ''

const type = (by: Browser, page: Page, mail_code: string) =>
  by.post('/continue', { ...fieldsOf(page), mail_code, action: 'save' })

const offers = (page: Page) => page.html.includes('Send a code')

test('a code is mailed, proves the mailbox, and the session says what was proven', async () => {
  const page = await ask()
  expect(page.html).toContain('A code is on its way')
  const code = await latest()
  expect(code).toMatch(/^\d{3} \d{3}$/)
  const before = browser.cookies.get('session')
  const { value: done, roundTrips } = await countRoundTrips(worker, () => type(browser, page, code))
  expect([done.status, roundTrips]).toEqual([303, 2])
  expect(browser.cookies.get('session')).not.toBe(before)
  expect(await newestAmr(worker)).toEqual(['pwd', 'email', 'mfa'])
  expect(await isSignedIn(browser)).toBe(true)
  // Erased from the outbox once it was used.
  expect(await codesOf()).toEqual([''])
})

test('a client that demands two factors gets a person who proved password and mailbox', async () => {
  await changeSettings(worker.context(), { require_factor: 'nobody' })
  await createClient(worker.context(), { ...APP, first_party: true, require_acr: MFA })
  await browser.signIn(ANN, PASSWORD)
  const page = await browser.get(pathOf(await browser.get(requestPath())))
  const done = await type(browser, await send(browser, page), await latest())
  const onward = await browser.get(pathOf(done))
  expect(answerOf(await browser.get(pathOf(onward)))).toHaveProperty('code')
  const [row] = await rowsOf(worker, 'authorization_code')
  expect(row).toMatchObject({ acr: MFA, amr: '["pwd","email","mfa"]' })
})

describe('a code', () => {
  test('is good once, for ten minutes, and in the session that asked for it', async () => {
    const page = await ask()
    const code = await latest()
    const other = new Browser(worker)
    const theirs = await ask(other)
    expect((await type(other, theirs, code)).status).toBe(403)
    const twin = new Browser(worker)
    for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
    worker.clock.now += 599
    expect((await type(browser, page, code)).status).toBe(303)
    expect((await type(twin, page, code)).status).not.toBe(200)
    expect(await isSignedIn(twin)).toBe(false)
    browser.cookies.clear()
    const late = await ask()
    const old = await latest()
    worker.clock.now += 600
    expect((await type(browser, late, old)).status).toBe(403)
  })

  test('is dead once another one was asked for', async () => {
    const page = await ask()
    const first = await latest()
    const again = await send(browser, page)
    const second = await latest()
    expect((await type(browser, again, first)).status).toBe(first === second ? 303 : 403)
    expect((await type(browser, again, second)).status).toBe(303)
  })

  test('is used once by two hundred at the same time', async () => {
    await changeSettings(worker.context(), { login_attempts_per_account: 1000 })
    const page = await ask()
    const code = await latest()
    const before = await worker.context().db.read(sql`select * from session`)
    await Promise.all(
      Array.from({ length: 200 }, async () => {
        const twin = new Browser(worker)
        for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
        await type(twin, page, code)
      }),
    )
    const sessions = await worker
      .context()
      .db.read(sql`select amr from session where amr like '%email%'`)
    expect(sessions).toHaveLength(1)
    expect(await worker.context().db.read(sql`select * from session`)).toHaveLength(before.length)
  })

  test('is guessed ten times over all sessions; then the right one waits too', async () => {
    const page = await ask()
    const code = await latest()
    const statuses: number[] = []
    for (let i = 0; i < 11; i++) {
      const guess = code === `00000${i % 10}` ? '111111' : `00000${i % 10}`
      statuses.push((await type(browser, page, guess)).status)
    }
    expect(statuses).toEqual([...Array(10).fill(403), 429])
    const blocked = await type(browser, page, code)
    expect([blocked.status, blocked.headers.get('retry-after')]).toEqual([429, '900'])
    expect(alertOf(blocked)).toContain('Too many wrong codes')
  })

  test('is mailed five times in a window at most', async () => {
    const page = await ask()
    for (let i = 0; i < 4; i++) await send(browser, page)
    const refused = await send(browser, page)
    expect(refused.status).toBe(429)
    expect(await codesOf()).toHaveLength(5)
  })

  test('is kept as a MAC alone, and sealed in the outbox', async () => {
    await ask()
    const code = (await latest()).replace(' ', '')
    const rows = await worker.context().db.read(sql`select * from mail_code`)
    const mails = await worker.context().db.read(sql`select * from mail`)
    expect(JSON.stringify([rows, mails])).not.toContain(code)
    expect(JSON.stringify(mails)).not.toContain(`${code.slice(0, 3)} ${code.slice(3)}`)
  })
})

describe('it is not offered, and a form that asks for it sends nothing', () => {
  const offersNothing = async () => {
    const page = await browser.get(HERE)
    expect([page.status, offers(page)]).toEqual([200, false])
    await send(browser, page)
    expect(await codesOf()).toEqual([])
  }

  test('where the setting is off, which it is by default', async () => {
    await changeSettings(worker.context(), { mail_codes: null })
    await browser.signIn(ANN, PASSWORD)
    await offersNothing()
  })

  test('where the address is not proven', async () => {
    await changeUser(worker.context(), 'ann', { email_verified: false }, null)
    await browser.signIn(ANN, PASSWORD)
    await offersNothing()
  })

  test('after a sign-in by a mailed link', async () => {
    await changeSettings(worker.context(), { sign_in_links: 'on' })
    const form = await browser.get('/login/link')
    await browser.submit(form, { email: ANN, action: 'send' })
    const mail = (await mailsOf(worker)).find(({ kind }) => kind === 'sign_in_link')
    const link = linkIn(mail as Mail)
    await browser.submit(await browser.get(link.pathname + link.search), {})
    expect(await newestAmr(worker)).toEqual(['email'])
    await offersNothing()
  })

  test('with a password that came by a mailed link', async () => {
    await browser.submit(await browser.get('/recover'), { email: ANN, action: 'send' })
    const mail = (await mailsOf(worker)).find(({ kind }) => kind === 'recovery')
    const link = linkIn(mail as Mail)
    const page = await browser.get(link.pathname + link.search)
    expect((await browser.submit(page, { password: NEXT, action: 'save' })).status).toBe(303)
    await browser.signIn(ANN, NEXT)
    await offersNothing()
    // Nor when the same person sets another one, with nothing but that password.
    await changeSettings(worker.context(), { require_factor: 'nobody' })
    const form = await browser.get('/account/password')
    await browser.submit(form, { present: NEXT, password: PASSWORD, action: 'save' })
    await changeSettings(worker.context(), { require_factor: 'everybody' })
    await offersNothing()
  })

  test('but again where a factor that is no mailbox stood behind the new password', async () => {
    await worker
      .context()
      .db.write(sql`insert into linked_password (user_id, set_at) values ('ann', 1)`)
    await browser.signIn(ANN, PASSWORD)
    await offersNothing()
    await worker.context().db.write(sql`update session set amr = '["pwd","otp","mfa"]'`)
    const form = await browser.get('/account/password')
    await browser.submit(form, { present: PASSWORD, password: NEXT, action: 'save' })
    const other = new Browser(worker)
    await other.signIn(ANN, NEXT)
    expect(offers(await other.get(HERE))).toBe(true)
  })

  test('where the address was changed, as long as that can be undone', async () => {
    await changeSettings(worker.context(), { require_factor: 'nobody' })
    await browser.signIn(ANN, PASSWORD)
    const form = await browser.get('/account/email')
    await browser.submit(form, { email: 'thief@example.com', action: 'send' })
    const mail = (await mailsOf(worker)).find(({ kind }) => kind === 'verify_address')
    const link = linkIn(mail as Mail)
    await browser.submit(await browser.get(link.pathname + link.search), { action: 'confirm' })
    await changeSettings(worker.context(), { require_factor: 'everybody' })
    browser.cookies.clear()
    await browser.signIn('thief@example.com', PASSWORD)
    await offersNothing()
  })

  test('where there is another factor, also one that was added since the code was mailed', async () => {
    const page = await ask()
    const code = await latest()
    await changeSettings(worker.context(), { require_factor: 'nobody' })
    const owner = new Browser(worker)
    await owner.signIn(ANN, PASSWORD)
    await addAuthenticator(worker, owner)
    await changeSettings(worker.context(), { require_factor: 'everybody' })
    const refused = await type(browser, page, code)
    expect(pathOf(refused)).toBe(HERE)
    expect(pathOf(await browser.get(HERE))).toMatch(/^\/login\/verify/)
    expect(await isSignedIn(browser)).toBe(false)
  })
})

test('a code counts for nothing where the owner adds another factor in the same moment', async () => {
  const page = await ask()
  const code = await latest()
  const racing = new Browser({
    ...worker,
    ...overtaken(worker, () =>
      worker.context().db.write(
        sql`insert into factor (id, user_id, kind, name, last_step, made_by, created_at)
          values ('fac_owner', 'ann', 'totp', 'Owner', 0, 'other', 1) on conflict do nothing`,
      ),
    ),
  })
  for (const [name, value] of browser.cookies) racing.cookies.set(name, value)
  expect((await type(racing, page, code)).status).toBe(403)
  expect(await newestAmr(worker)).toEqual(['pwd'])
})

test('a person may add an app instead, on the same page', async () => {
  await browser.signIn(ANN, PASSWORD)
  const page = await browser.get(HERE)
  expect(offers(page)).toBe(true)
  const key = KEY.exec(page.html)?.[1] ?? ''
  const code = await codeAt(key, worker.clock.now)
  expect((await browser.submit(page, { code, action: 'save' })).status).toBe(200)
  expect(await newestAmr(worker)).toEqual(['pwd', 'otp', 'mfa'])
})
