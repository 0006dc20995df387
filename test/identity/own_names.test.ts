// The page /account/names: a person adds addresses, chooses where mails go, and removes one.
import { describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { addUserLoginId } from '../../worker/identity/login_ids/user_login_ids.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { alertOf, Browser } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'
import { eventsOf, isSignedIn, startWithAnn } from './people.ts'

const WORK = 'ann@work.example'
const NEW_PASSWORD = 'seven brown horses jump over fences'

async function startSignedIn() {
  const started = await startWithAnn()
  await started.browser.signIn(ANN, PASSWORD)
  return started
}

async function mailTo(worker: TestWorker, address: string, kind: string) {
  const mails = await mailsOf(worker)
  return mails.findLast((one) => one.kind === kind && one.address === address)
}

async function open(browser: Browser, mail: Mail | undefined, fields: Record<string, string>) {
  const link = linkIn(mail as Mail)
  const page = await browser.get(link.pathname + link.search)
  return page.status === 200 ? browser.submit(page, fields) : page
}

const ask = async (browser: Browser, email: string) =>
  browser.submit(await browser.get('/account/names'), { email, action: 'send' })

/** Ann with a second address, which she proved. */
async function startWithTwo() {
  const started = await startSignedIn()
  await ask(started.browser, WORK)
  const mail = await mailTo(started.worker, WORK, 'verify_address')
  const done = await open(started.browser, mail, { action: 'confirm' })
  expect([done.status, done.html.includes(' too now.')]).toEqual([200, true])
  return { ...started, told: await mailTo(started.worker, ANN, 'addresses_changed') }
}

const namesOf = (worker: TestWorker) =>
  worker.context().db.read(sql<{ id: string; value: string; is_primary: number }>`
    select id, value, is_primary from login_id where user_id = 'ann'
    order by is_primary desc, value`)

const idOf = async (worker: TestWorker, address: string) =>
  (await namesOf(worker)).find(({ value }) => value === address)?.id ?? ''

async function press(browser: Browser, action: string, name: string) {
  const page = await browser.get('/account/names')
  const csrf = /name="csrf" value="([^"]*)"/.exec(page.html)?.[1] ?? ''
  return browser.post('/account/names', { csrf, name, action })
}

describe('a further address', () => {
  test('signs in once it is proven by mail; the primary one is told and stays', async () => {
    const { worker, told } = await startWithTwo()
    expect(told?.text).toContain(WORK)
    expect(await namesOf(worker)).toMatchObject([
      { value: ANN, is_primary: 1 },
      { value: WORK, is_primary: 0 },
    ])
    for (const email of [ANN, WORK]) {
      expect((await new Browser(worker).signIn(email, PASSWORD)).status).toBe(303)
    }
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types).toContain('user.login_id_added')
  })

  test('of another account is taken, which only its own mailbox says', async () => {
    const { worker, browser } = await startSignedIn()
    const bob = { email: WORK, email_verified: true, password: PASSWORD }
    await createPerson(worker.context(), bob)
    expect((await ask(browser, WORK)).status).toBe(200)
    const mail = await mailTo(worker, WORK, 'verify_address')
    expect((await open(browser, mail, { action: 'confirm' })).status).toBe(409)
    expect(await namesOf(worker)).toHaveLength(1)
  })

  test('becomes the one that mails go to; the old one is told and can undo it', async () => {
    const { worker, browser } = await startWithTwo()
    expect((await press(browser, 'primary', await idOf(worker, WORK))).status).toBe(303)
    expect(await namesOf(worker)).toMatchObject([
      { value: WORK, is_primary: 1 },
      { value: ANN, is_primary: 0 },
    ])
    const told = await mailTo(worker, ANN, 'addresses_changed')
    expect(told?.text).toContain('from now on')
    const owner = new Browser(worker)
    expect((await open(owner, told, { password: NEW_PASSWORD, action: 'undo' })).status).toBe(200)
    expect(await namesOf(worker)).toMatchObject([{ value: ANN, is_primary: 1 }])
    expect(await isSignedIn(browser)).toBe(false)
    expect((await new Browser(worker).signIn(WORK, NEW_PASSWORD)).status).toBe(403)
    expect((await new Browser(worker).signIn(ANN, NEW_PASSWORD)).status).toBe(303)
  })

  test('that somebody else added goes when the owner undoes it', async () => {
    const { worker, told } = await startWithTwo()
    const owner = new Browser(worker)
    expect((await open(owner, told, { password: NEW_PASSWORD, action: 'undo' })).status).toBe(200)
    expect(await namesOf(worker)).toMatchObject([{ value: ANN }])
  })

  test('is removed; the one that mails go to is not, in words', async () => {
    const { worker, browser } = await startWithTwo()
    const refused = await press(browser, 'remove', await idOf(worker, ANN))
    expect([refused.status, alertOf(refused)]).toEqual([
      409,
      'Mails go to this address. Let them go to another one first.',
    ])
    expect((await press(browser, 'remove', await idOf(worker, WORK))).status).toBe(303)
    expect(await namesOf(worker)).toMatchObject([{ value: ANN }])
    expect((await new Browser(worker).signIn(WORK, PASSWORD)).status).toBe(403)
  })

  test('that is not proven takes no mails', async () => {
    const { worker, browser } = await startSignedIn()
    await addUserLoginId(worker.context(), 'ann', { kind: 'email', value: WORK })
    const refused = await press(browser, 'primary', await idOf(worker, WORK))
    expect(refused.status).toBe(409)
    expect(await namesOf(worker)).toMatchObject([{ value: ANN, is_primary: 1 }, {}])
  })
})

test('a name of somebody else is left alone', async () => {
  const { worker, browser } = await startWithTwo()
  const bob = { id: 'bob', email: 'bob@example.com', email_verified: true, password: PASSWORD }
  await createPerson(worker.context(), bob)
  const [theirs] = await worker
    .context()
    .db.read(sql<{ id: string }>`select id from login_id where user_id = 'bob'`)
  for (const action of ['primary', 'remove']) await press(browser, action, theirs?.id ?? '')
  expect(
    await worker.context().db.read(sql`select user_id from login_id where value = ${bob.email}`),
  ).toEqual([{ user_id: 'bob' }])
})

test('names are changed after a sign-in of the last minutes alone, in few round trips', async () => {
  const { worker, browser } = await startWithTwo()
  const page = await countRoundTrips(worker, () => browser.get('/account/names'))
  expect([page.value.status, page.roundTrips]).toEqual([200, 2])
  const id = await idOf(worker, WORK)
  worker.clock.now += 601
  expect((await browser.get('/account/names')).status).toBe(303)
  const csrf = /name="csrf" value="([^"]*)"/.exec(page.value.html)?.[1] ?? ''
  await browser.post('/account/names', { csrf, name: id, action: 'remove' })
  expect(await namesOf(worker)).toHaveLength(2)
})

test('parallel changes leave one primary address', async () => {
  const { worker, browser } = await startWithTwo()
  const ids = await Promise.all([idOf(worker, WORK), idOf(worker, ANN)])
  const page = await browser.get('/account/names')
  const csrf = /name="csrf" value="([^"]*)"/.exec(page.html)?.[1] ?? ''
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => {
      const action = i % 3 === 0 ? 'remove' : 'primary'
      return browser.post('/account/names', { csrf, name: ids[i % 2] ?? '', action })
    }),
  )
  const names = await namesOf(worker)
  expect(names.filter(({ is_primary }) => is_primary === 1)).toHaveLength(1)
  const [user] = await worker
    .context()
    .db.read(sql<{ email: string }>`select email from user where id = 'ann'`)
  expect(user?.email).toBe(names[0]?.value)
})
