// A person changes the address or the password, and undoes a change that somebody else made.
import { describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { changeUser } from '../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { addAuthenticator } from './authenticator.ts'
import { alertOf, Browser, type Page } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'
import { comparable, eventsOf, isSignedIn, startWithAnn, WRONG } from './people.ts'

const NEW = 'ann.new@example.com'
const NEW_PASSWORD = 'seven brown horses jump over fences'

async function startSignedIn() {
  const started = await startWithAnn()
  await started.browser.signIn(ANN, PASSWORD)
  return started
}

async function ask(browser: Browser, email: string): Promise<Page> {
  return browser.submit(await browser.get('/account/email'), { email, action: 'send' })
}

const pathOf = (link: URL) => link.pathname + link.search

async function follow(worker: TestWorker, mail: Mail | undefined, fields = {}): Promise<Page> {
  const browser = new Browser(worker)
  const page = await browser.get(pathOf(linkIn(mail as Mail)))
  return page.status === 200 ? browser.submit(page, { action: 'confirm', ...fields }) : page
}

const undo = (worker: TestWorker, mail: Mail | undefined, password = NEW_PASSWORD) =>
  follow(worker, mail, { password, action: 'undo' })

/** The mail of a kind that came last to an address. */
async function mailTo(worker: TestWorker, address: string, kind: string) {
  const mails = await mailsOf(worker)
  return mails.findLast((one) => one.kind === kind && one.address === address)
}

/** Ann's account after her address was changed to NEW; the mail to the old one. */
async function startChanged() {
  const started = await startSignedIn()
  await ask(started.browser, NEW)
  const asked = await mailTo(started.worker, NEW, 'verify_address')
  expect((await follow(started.worker, asked)).status).toBe(200)
  return { ...started, told: await mailTo(started.worker, ANN, 'address_changed') }
}

describe('a new address', () => {
  test('counts once its link is followed; the old one is told', async () => {
    const { worker, browser, told } = await startChanged()
    expect(told?.text).toContain(NEW)
    expect((await browser.get('/account')).html).toContain(NEW)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(403)
    expect((await new Browser(worker).signIn(NEW, PASSWORD)).status).toBe(303)
    const changed = (await eventsOf(worker)).filter(({ type }) => type === 'user.updated')
    expect(changed).toMatchObject([{ subject_id: 'ann', actor_id: 'ann' }])
  })

  test('changes nothing before, nor by the GET of a mail program, and runs out after a day', async () => {
    const { worker, browser } = await startSignedIn()
    await ask(browser, NEW)
    const mail = await mailTo(worker, NEW, 'verify_address')
    const page = await new Browser(worker).get(pathOf(linkIn(mail as Mail)))
    expect(page.html).toContain(ANN)
    expect(page.html).toContain(NEW)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
    worker.clock.now += 86_400
    expect((await follow(worker, mail)).status).toBe(403)
  })

  test('is confirmed once, also in eight parallel forms', async () => {
    const { worker, browser } = await startSignedIn()
    await ask(browser, NEW)
    const mail = await mailTo(worker, NEW, 'verify_address')
    const answers = await Promise.all(Array.from({ length: 8 }, () => follow(worker, mail)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    const told = (await mailsOf(worker)).filter(({ kind }) => kind === 'address_changed')
    expect(told).toHaveLength(1)
  })

  test('that is the present one proves it, and nobody is told', async () => {
    const { worker, browser } = await startSignedIn()
    await changeUser(worker.context(), 'ann', { email_verified: false }, null)
    await ask(browser, ANN)
    await follow(worker, await mailTo(worker, ANN, 'verify_address'))
    const cx = worker.context()
    expect(await cx.db.read(sql`select email_verified from user where id = 'ann'`)).toEqual([
      { email_verified: 1 },
    ])
    expect(await mailTo(worker, ANN, 'address_changed')).toBeUndefined()
  })

  test('of another account is taken, which only its own mailbox says', async () => {
    const { worker, browser } = await startSignedIn()
    const bob = { email: 'bob@example.com', email_verified: true, password: PASSWORD }
    await createPerson(worker.context(), bob)
    const page = await browser.get('/account/email')
    const seen = []
    for (const email of ['bob@example.com', 'free@example.com']) {
      const { value, roundTrips } = await countRoundTrips(worker, () =>
        browser.submit(page, { email, action: 'send' }),
      )
      seen.push([value.status, comparable(value).replaceAll(email, 'ADDRESS'), roundTrips])
    }
    expect(seen[0]).toEqual(seen[1])
    const taken = await follow(worker, await mailTo(worker, 'bob@example.com', 'verify_address'))
    expect([taken.status, taken.html.includes('Another account')]).toEqual([409, true])
    expect((await browser.get('/account')).html).toContain(ANN)
  })

  test('is refused where the account got another one meanwhile', async () => {
    const { worker, browser } = await startSignedIn()
    await ask(browser, NEW)
    const mail = await mailTo(worker, NEW, 'verify_address')
    await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
    expect((await follow(worker, mail)).status).toBe(403)
  })

  test('needs a sign-in of the last minutes, and five mails are enough', async () => {
    const { worker, browser } = await startSignedIn()
    for (let i = 0; i < 5; i++) expect((await ask(browser, `n${i}@example.com`)).status).toBe(200)
    expect((await ask(browser, NEW)).status).toBe(429)
    expect(await mailTo(worker, NEW, 'verify_address')).toBeUndefined()
    worker.clock.now += 601
    const late = await browser.get('/account/email')
    expect(late.headers.get('location')).toBe('/login?return_to=%2Faccount%2Femail')
  })
})

describe('a change that somebody else made', () => {
  test('is undone: the old address, a new password, and nothing of the other is left', async () => {
    const { worker, browser, told } = await startChanged()
    const thief = browser
    await ask(thief, 'third@example.com')
    await addAuthenticator(worker, thief)
    const back = await undo(worker, told)
    expect(back.html).toContain(ANN)
    expect(await isSignedIn(thief)).toBe(false)
    const owner = new Browser(worker)
    expect((await owner.signIn(ANN, NEW_PASSWORD)).headers.get('location')).toBe('/account')
    expect((await new Browser(worker).signIn(NEW, PASSWORD)).status).toBe(403)
    // A link of the thief that was on its way is dead, and so is this one now.
    const waiting = await mailTo(worker, 'third@example.com', 'verify_address')
    expect((await follow(worker, waiting)).status).toBe(403)
    expect((await undo(worker, told)).status).toBe(403)
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types).toContain('user.address_restored')
  })

  test('keeps factors of before it', async () => {
    const { worker, browser } = await startSignedIn()
    await addAuthenticator(worker, browser)
    worker.clock.now += 60
    await worker.context().db.write(sql`update session set amr = '["pwd","otp","mfa"]'`)
    await ask(browser, NEW)
    await follow(worker, await mailTo(worker, NEW, 'verify_address'))
    await undo(worker, await mailTo(worker, ANN, 'address_changed'))
    const done = await new Browser(worker).signIn(ANN, NEW_PASSWORD)
    expect(done.headers.get('location')).toBe('/login/verify')
  })

  test('cannot be hidden: neither by a further change, nor its undoing, nor a new password', async () => {
    const { worker, browser, told } = await startChanged()
    worker.clock.now += 10
    await ask(browser, 'third@example.com')
    await follow(worker, await mailTo(worker, 'third@example.com', 'verify_address'))
    const theirs = await mailTo(worker, NEW, 'address_changed')
    expect((await undo(worker, theirs, 'a password of the thief')).status).toBe(200)
    const forgetful = new Browser(worker)
    await forgetful.submit(await forgetful.get('/recover'), { email: NEW, action: 'send' })
    const link = await mailTo(worker, NEW, 'recovery')
    const set = await follow(worker, link, { password: 'another one of the thief', action: 'save' })
    expect(set.headers.get('location')).toBe('/recover/done')
    expect((await undo(worker, told)).status).toBe(200)
    expect((await new Browser(worker).signIn(ANN, NEW_PASSWORD)).status).toBe(303)
  })

  test('of several, the undoing of the first ends that of the later ones', async () => {
    const { worker, browser, told } = await startChanged()
    worker.clock.now += 10
    await ask(browser, 'third@example.com')
    await follow(worker, await mailTo(worker, 'third@example.com', 'verify_address'))
    const theirs = await mailTo(worker, NEW, 'address_changed')
    expect((await undo(worker, told)).status).toBe(200)
    expect((await undo(worker, theirs, 'a password of the thief')).status).toBe(403)
    expect((await new Browser(worker).signIn(ANN, NEW_PASSWORD)).status).toBe(303)
  })

  test('takes no weak password, and runs out after a week', async () => {
    const { worker, told } = await startChanged()
    const weak = await undo(worker, told, 'short')
    expect([weak.status, weak.html.includes('name="token"')]).toEqual([400, true])
    worker.clock.now += 7 * 86_400
    expect((await undo(worker, told)).status).toBe(403)
  })
})

describe('another password', () => {
  const change = async (browser: Browser, present: string, password = NEW_PASSWORD) =>
    browser.submit(await browser.get('/account/password'), { present, password, action: 'save' })

  test('needs the present one, and signs the other browsers out', async () => {
    const { worker, browser } = await startSignedIn()
    const other = new Browser(worker)
    await other.signIn(ANN, PASSWORD)
    const wrong = await change(browser, WRONG)
    expect([wrong.status, alertOf(wrong)]).toEqual([
      403,
      'The present password is not right. Check it and try again.',
    ])
    expect((await change(browser, PASSWORD, 'short')).status).toBe(400)
    expect(await isSignedIn(other)).toBe(true)
    expect((await change(browser, PASSWORD)).headers.get('location')).toBe('/account')
    expect(await isSignedIn(browser)).toBe(true)
    expect(await isSignedIn(other)).toBe(false)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(403)
    expect((await new Browser(worker).signIn(ANN, NEW_PASSWORD)).status).toBe(303)
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types).toContain('user.password_changed')
  })

  test('is guessed ten times, together with the login page of the browser', async () => {
    const { worker, browser } = await startSignedIn()
    const closed = new Browser(worker)
    closed.cookies.set('known_browser', browser.cookies.get('known_browser') ?? '')
    for (let i = 0; i < 5; i++) await change(browser, WRONG)
    for (let i = 0; i < 5; i++) await closed.signIn(ANN, WRONG)
    const blocked = await change(browser, PASSWORD)
    expect([blocked.status, blocked.headers.get('retry-after')]).toEqual([429, '900'])
    expect(await isSignedIn(browser)).toBe(true)
  })
})
