// A link that an operator makes: whoever opens it is that person, so it needs the power of a reset.
import { describe, expect, test } from 'vitest'
import { createGrant } from '../../../worker/access/grants.ts'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { changeUser } from '../../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { callApi, newClientToken } from '../../support/operator.ts'
import { ANN, PASSWORD } from '../../support/people.ts'
import { addAuthenticator, codeAt } from '../authenticator.ts'
import { Browser, type Page } from '../browser.ts'
import { linkIn, type Mail, mailsOf } from '../mails.ts'
import { eventsOf, isSignedIn, startWithAnn } from '../people.ts'

const PATH = '/v1/users/ann/sign_in_link'

async function startWithOperator(scope = 'users:write') {
  const started = await startWithAnn()
  const token = await newClientToken(started.worker, scope)
  const make = (body?: object, path = PATH) => callApi(started.worker, token, 'POST', path, body)
  return { ...started, token, make }
}

const pathIn = (url: unknown): string => {
  const { pathname, search } = new URL(String(url))
  return pathname + search
}

/** Opens the link and presses the button. */
async function open(browser: Browser, path: string): Promise<Page> {
  const page = await browser.get(path)
  return page.status === 200 ? browser.submit(page, { action: 'login' }) : page
}

const amrOf = async (worker: TestWorker) => {
  const rows = await worker.context().db.read(sql<{ amr: string }>`select amr from session`)
  return rows.map(({ amr }) => JSON.parse(amr))
}

describe('a link of an operator', () => {
  test('signs the person in, in any browser and once, also where people ask for none', async () => {
    const { worker, browser, make } = await startWithOperator()
    const made = await make()
    expect(made.status).toBe(201)
    expect(made.headers.get('cache-control')).toBe('no-store')
    expect(made.body).toMatchObject({ mail_id: null, expires_at: worker.clock.now + 3600 })
    const path = pathIn(made.body['url'])
    expect((await new Browser(worker).get(path)).status).toBe(200)
    const done = await open(browser, path)
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account'])
    expect(await isSignedIn(browser)).toBe(true)
    expect(await amrOf(worker)).toEqual([['link']])
    expect((await open(new Browser(worker), path)).status).toBe(404)
    await changeSettings(worker.context(), { sign_in_links: 'on' })
    worker.memory.clear()
    expect((await open(new Browser(worker), path)).status).toBe(403)
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types).toContain('user.sign_in_link_made')
  })

  test('is mailed, and then not answered; it proves the mailbox', async () => {
    const { worker, browser, make } = await startWithOperator()
    const made = await make({ send: true })
    expect(made.body).toMatchObject({ url: null, mail_id: expect.stringMatching(/^mail_/) })
    const [mail] = await mailsOf(worker)
    expect(mail).toMatchObject({ kind: 'sign_in_link', address: ANN })
    const link = linkIn(mail as Mail)
    expect((await open(browser, link.pathname + link.search)).status).toBe(303)
    expect(await amrOf(worker)).toEqual([['email']])
  })

  test('that was mailed is dead once the account has another address', async () => {
    const { worker, make } = await startWithOperator()
    await make({ send: true })
    const [mail] = await mailsOf(worker)
    await changeUser(worker.context(), 'ann', { email: 'ann.new@example.com' }, null)
    const link = linkIn(mail as Mail)
    expect((await open(new Browser(worker), link.pathname + link.search)).status).toBe(404)
  })

  test('skips no second factor', async () => {
    const { worker, browser, make } = await startWithOperator()
    await browser.signIn(ANN, PASSWORD)
    const { key } = await addAuthenticator(worker, browser)
    worker.clock.now += 60
    const other = new Browser(worker)
    const done = await open(other, pathIn((await make()).body['url']))
    expect(done.headers.get('location')).toBe('/login/verify')
    expect(await isSignedIn(other)).toBe(false)
    const code = await codeAt(key, worker.clock.now)
    await other.submit(await other.get('/login/verify'), { code, action: 'verify' })
    expect(await isSignedIn(other)).toBe(true)
    expect((await amrOf(worker)).at(-1)).toEqual(['link', 'otp', 'mfa'])
  })

  test('takes the place of those before, and leaves those that the person asked for', async () => {
    const { worker, browser, make } = await startWithOperator()
    await changeSettings(worker.context(), { sign_in_links: 'on' })
    worker.memory.clear()
    await browser.submit(await browser.get('/login/link'), { email: ANN, action: 'send' })
    const first = pathIn((await make()).body['url'])
    await make({ send: true })
    await make()
    expect((await open(new Browser(worker), first)).status).toBe(403)
    const mails = (await mailsOf(worker)).filter(({ kind }) => kind === 'sign_in_link')
    const own = linkIn(mails[0] as Mail)
    expect((await open(browser, own.pathname + own.search)).status).toBe(303)
    // The one that was mailed is of no use any more, and its text is gone.
    expect(mails[1]?.text).not.toContain('token=')
  })

  test('is good for an hour: a GET changes nothing, and of eight uses at once one signs in', async () => {
    const { worker, make } = await startWithOperator()
    const path = pathIn((await make()).body['url'])
    worker.clock.now += 3599
    const pages = await Promise.all(
      Array.from({ length: 8 }, async () => open(new Browser(worker), path)),
    )
    expect(pages.filter(({ status }) => status === 303)).toHaveLength(1)
  })

  test('runs out after an hour', async () => {
    const { worker, make } = await startWithOperator()
    const path = pathIn((await make()).body['url'])
    worker.clock.now += 3600
    expect((await open(new Browser(worker), path)).status).toBe(404)
  })

  test('is made for nobody who holds more, and is dead once the person does', async () => {
    const { worker, make } = await startWithOperator()
    const path = pathIn((await make()).body['url'])
    await createGrant(worker.context(), { subject: 'ann', role: 'operator', object: '*' })
    for (const body of [undefined, { send: true }]) {
      expect((await make(body)).status).toBe(403)
    }
    expect(await mailsOf(worker)).toEqual([])
    expect((await open(new Browser(worker), path)).status).toBe(404)
    expect(await amrOf(worker)).toEqual([])
    const reader = await newClientToken(worker, 'users:read', 'reader')
    expect((await callApi(worker, reader, 'POST', PATH)).status).toBe(403)
  })

  test('is made for nobody who is not there or disabled', async () => {
    const { worker, make } = await startWithOperator()
    expect((await make(undefined, '/v1/users/nobody/sign_in_link')).status).toBe(404)
    const path = pathIn((await make()).body['url'])
    await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
    expect((await make()).status).toBe(409)
    expect((await make({ send: true })).status).toBe(409)
    expect(await mailsOf(worker)).toEqual([])
    expect((await open(new Browser(worker), path)).status).toBe(404)
    expect((await make({ sent: true })).status).toBe(400)
  })

  test('takes one write', async () => {
    const { worker, make } = await startWithOperator('manage')
    await make()
    const { roundTrips } = await countRoundTrips(worker, () => make())
    expect(roundTrips).toBe(2) // with the guard
  })
})
