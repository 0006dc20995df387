// Closing an account and keeping it: what ends at once, every way back in, and the deletion.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { closeOwnAccount } from '../../worker/identity/closing/closing.ts'
import { findLiveSession } from '../../worker/identity/store.ts'
import { changeUser } from '../../worker/identity/users.ts'
import { runJobs } from '../../worker/jobs.ts'
import { countRoundTrips, SYSTEM, type TestWorker } from '../context.ts'
import { publishTerms } from '../support/consents.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { addAuthenticator, codeAt } from './authenticator.ts'
import { alertOf, Browser, type Page } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'
import { signInByIt, startWithPasskey } from './passkeys/passkey_people.ts'
import { eventsOf, isSignedIn, startWithAnn } from './people.ts'

const DAY = 86_400

const close = async (browser: Browser): Promise<Page> =>
  browser.submit(await browser.get('/account/close'), { action: 'close' })

async function startClosed() {
  const started = await startWithAnn()
  await started.browser.signIn(ANN, PASSWORD)
  const page = await close(started.browser)
  expect(page.status).toBe(200)
  return { ...started, page }
}

const standing = async (worker: TestWorker) => {
  const [row] = await worker.context().db.read(
    sql<{ status: string; closes_at: number | null; epoch: number }>`
        select status, closes_at, epoch from user where id = 'ann'`,
  )
  return row
}

/** Follows the sign-in to the page that offers to keep the account, and answers it. */
async function keep(browser: Browser, done: Page, action = 'keep'): Promise<Page> {
  const to = done.headers.get('location') ?? ''
  expect(to).toMatch(/^\/account\/closed/)
  expect(browser.cookies.has('session')).toBe(false)
  expect(await isSignedIn(browser)).toBe(false)
  return browser.submit(await browser.get(to), { action })
}

async function setGrace(worker: TestWorker, closing_grace: number) {
  await changeSettings(worker.context(), { closing_grace })
  worker.memory.clear()
}

async function runTimer(worker: TestWorker) {
  worker.clock.now += 600
  await runJobs(worker.context(SYSTEM, ''))
}

describe('a person who closes the account', () => {
  test('is asked for a fresh sign-in, and told when it is deleted', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    worker.clock.now += 601
    const late = await browser.get('/account/close')
    expect(late.headers.get('location')).toBe('/login?return_to=%2Faccount%2Fclose')
    const back = await browser.signIn(ANN, PASSWORD, late.headers.get('location') ?? '')
    expect(back.headers.get('location')).toBe('/account/close')
    const page = await browser.get('/account/close')
    expect(page.html).toContain('For 30 days')
    const done = await browser.submit(page, { action: 'close' })
    expect([done.status, done.html.includes('Your account is closed')]).toEqual([200, true])
    expect(browser.cookies.has('session')).toBe(false)
    expect(await standing(worker)).toEqual({
      status: 'closed',
      closes_at: worker.clock.now + 30 * DAY,
      epoch: 1,
    })
  })

  test('cannot do it with a form that was opened while the sign-in was fresh', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get('/account/close')
    worker.clock.now += 601
    const late = await browser.submit(page, { action: 'close' })
    expect(late.headers.get('location')).toBe('/login?return_to=%2Faccount%2Fclose')
    expect((await standing(worker))?.status).toBe('active')
  })

  test('ends every session, sign-in and mailed link at once, and one event says it', async () => {
    const { worker, browser } = await startWithAnn()
    await changeSettings(worker.context(), { sign_in_links: 'on' })
    worker.memory.clear()
    const other = new Browser(worker)
    await other.signIn(ANN, PASSWORD)
    await other.submit(await other.get('/login/link?return_to=%2Faccount'), {
      email: ANN,
      action: 'send',
    })
    await other.submit(await other.get('/recover'), { email: ANN, action: 'send' })
    await other.submit(await other.get('/account/email'), {
      email: 'ann.new@example.com',
      action: 'send',
    })
    const mails = await mailsOf(worker)
    expect(mails.map(({ text }) => text.includes('token='))).toEqual([true, true, true])
    await browser.signIn(ANN, PASSWORD)
    await close(browser)
    expect([await isSignedIn(browser), await isSignedIn(other)]).toEqual([false, false])
    const cx = worker.context()
    expect(await cx.db.read(sql`select * from session`)).toEqual([])
    expect(await cx.db.read(sql`select * from sign_in`)).toEqual([])
    expect(await cx.db.read(sql`select * from account_link`)).toEqual([])
    for (const mail of mails) {
      const { pathname, search } = linkIn(mail)
      expect((await other.get(pathname + search)).status, pathname).toBe(403)
    }
    // No link of before is in the outbox any more; the mail about the closing has none that is power.
    const after = await mailsOf(worker)
    expect(after.filter(({ text }) => text.includes('token='))).toEqual([])
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'user.closed')
    expect(events).toMatchObject([{ actor_id: 'ann', subject_id: 'ann' }])
  })

  test('gets a mail in the own language that says until when, and how', async () => {
    const { worker } = await startClosed()
    const [mail] = await mailsOf(worker)
    expect(mail).toMatchObject({ kind: 'account_closed', address: ANN })
    const day = new Date((worker.clock.now + 30 * DAY) * 1000)
    expect(mail?.text).toContain(String(day.getUTCFullYear()))
    expect(mail?.text).toContain(`${worker.config.issuer}/login`)
    expect(mail?.text).toContain('choose to keep the account')
  })

  test('of two forms at once is told once', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get('/account/close')
    await Promise.all([1, 2, 3].map(() => browser.submit(page, { action: 'close' })))
    expect((await mailsOf(worker)).map(({ kind }) => kind)).toEqual(['account_closed'])
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'user.closed')
    expect(events).toHaveLength(1)
    expect((await standing(worker))?.epoch).toBe(1)
  })

  test('by a session that was ended meanwhile changes nothing', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const cx = worker.context()
    const [row] = await cx.db.read(sql<{ id_hash: string }>`select id_hash from session`)
    const [session] = await cx.db.read(findLiveSession(cx, row?.id_hash ?? ''))
    if (session === undefined) throw new Error('no session')
    await cx.db.write(sql`delete from session`)
    const effects = { endAccess: () => [], onSessionsEnded: async () => {} }
    expect(await closeOwnAccount(cx, session, 'en', effects)).toEqual({ outcome: 'ended' })
    expect((await standing(worker))?.status).toBe('active')
  })

  test('is refused with words where nobody could run the system any more', async () => {
    const { worker, browser } = await startWithAnn()
    const api = await newClientToken(worker)
    await callApi(worker, api, 'POST', '/v1/grants', {
      subject: 'ann',
      role: 'operator',
      object: '*',
    })
    await browser.signIn(ANN, PASSWORD)
    const refused = await close(browser)
    expect([refused.status, alertOf(refused)?.includes('the last operator')]).toEqual([409, true])
    expect(await isSignedIn(browser)).toBe(true)
    await setGrace(worker, 0)
    expect((await close(browser)).status).toBe(409)
    const patched = await callApi(worker, api, 'PATCH', '/v1/users/ann', { status: 'closed' })
    expect(patched.status).toBe(409)
    await createPerson(worker.context(), { id: 'bob', email: 'b@example.com', password: PASSWORD })
    await callApi(worker, api, 'POST', '/v1/grants', {
      subject: 'bob',
      role: 'operator',
      object: '*',
    })
    expect((await close(browser)).status).toBe(200)
  })

  test('need not agree to anything before', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    await publishTerms(worker)
    const asked = await browser.get('/account')
    const page = await browser.get(asked.headers.get('location') ?? '')
    expect(page.html).toContain('href="/account/close"')
    expect((await close(browser)).status).toBe(200)
  })

  test('takes a round trip for the page, and two with the answer', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await countRoundTrips(worker, () => browser.get('/account/close'))
    const done = await countRoundTrips(worker, () =>
      browser.submit(page.value, { action: 'close' }),
    )
    expect(page.roundTrips).toBe(1)
    // And what ended with the sessions, and the sending behind the answer.
    expect(done.roundTrips).toBeLessThanOrEqual(6)
  })

  test('with no days of grace is gone at once', async () => {
    const { worker, browser } = await startWithAnn()
    await setGrace(worker, 0)
    await browser.signIn(ANN, PASSWORD)
    expect((await browser.get('/account/close')).html).toContain('deleted at once')
    expect((await close(browser)).html).toContain('Your account is deleted')
    expect(await standing(worker)).toBeUndefined()
    expect(await mailsOf(worker)).toEqual([])
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'user.deleted')
    expect(events).toMatchObject([{ actor_id: 'ann', subject_id: 'ann', address: '' }])
  })
})

describe('a sign-in to a closed account', () => {
  test('starts no session before the account is kept, and then leads back', async () => {
    const { worker, browser } = await startClosed()
    const done = await browser.signIn(ANN, PASSWORD, '/login?return_to=%2Faccount%2Fsecurity')
    for (const path of ['/account/email', '/account/security', '/continue', '/device']) {
      expect((await browser.get(path)).headers.get('location'), path).toMatch(/^\/login/)
    }
    const kept = await keep(browser, done)
    expect([kept.status, kept.headers.get('location')]).toEqual([303, '/account/security'])
    expect(await isSignedIn(browser)).toBe(true)
    expect(await standing(worker)).toEqual({ status: 'active', closes_at: null, epoch: 1 })
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'user.kept')
    expect(events).toMatchObject([{ actor_id: 'ann', subject_id: 'ann' }])
    expect(browser.cookies.has('sign_in')).toBe(false)
    expect(await worker.context().db.read(sql`select * from sign_in`)).toEqual([])
  })

  test('takes two round trips for each step', async () => {
    const { worker, browser } = await startClosed()
    const login = await browser.get('/login')
    await browser.submit(login, { username: ANN, password: 'wrong' }) // settings are read again
    const signed = await countRoundTrips(worker, () =>
      browser.submit(login, { username: ANN, password: PASSWORD, action: 'login' }),
    )
    const page = await countRoundTrips(worker, () => browser.get('/account/closed'))
    const kept = await countRoundTrips(worker, () => browser.submit(page.value, { action: 'keep' }))
    expect([signed, page, kept].map((one) => one.roundTrips)).toEqual([2, 1, 2])
  })

  test('of a person who leaves it closed changes nothing', async () => {
    const { worker, browser } = await startClosed()
    const left = await keep(browser, await browser.signIn(ANN, PASSWORD), 'leave')
    expect(left.headers.get('location')).toBe('/login')
    expect((await standing(worker))?.status).toBe('closed')
    expect((await browser.get('/account/closed')).headers.get('location')).toBe('/login')
  })

  test('of eight forms at once keeps it once', async () => {
    const { worker, browser } = await startClosed()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get('/account/closed')
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const twin = new Browser(worker)
        for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
        return twin.submit(page, { action: 'keep' })
      }),
    )
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'user.kept')
    expect(events).toHaveLength(1)
    expect(await worker.context().db.read(sql`select * from session`)).toHaveLength(1)
  })

  test('asks for the second factor first', async () => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const { key } = await addAuthenticator(worker, browser)
    worker.clock.now += 60
    const again = await browser.signIn(ANN, PASSWORD, '/login?return_to=%2Faccount%2Fclose')
    const code = await codeAt(key, worker.clock.now)
    await browser.submit(await browser.get(again.headers.get('location') ?? ''), {
      code,
      action: 'verify',
    })
    expect((await close(browser)).status).toBe(200)
    worker.clock.now += 60
    const first = await browser.signIn(ANN, PASSWORD)
    expect(first.headers.get('location')).toMatch(/^\/login\/verify/)
    // The password alone opens nothing, and keeps nothing.
    expect((await browser.get('/account/closed')).headers.get('location')).toBe('/login')
    const verify = await browser.get('/login/verify')
    const csrf = /name="csrf" value="([^"]*)"/.exec(verify.html)?.[1] ?? ''
    const past = await browser.post('/account/closed', { csrf, action: 'keep' })
    expect(past.headers.get('location')).toBe('/login')
    expect((await standing(worker))?.status).toBe('closed')
    const next = await codeAt(key, worker.clock.now)
    const done = await browser.submit(verify, { code: next, action: 'verify' })
    expect((await keep(browser, done)).status).toBe(303)
    const [session] = await worker.context().db.read(sql<{ amr: string }>`select amr from session`)
    expect(JSON.parse(session?.amr ?? '')).toEqual(['pwd', 'otp', 'mfa'])
  })

  test('may be one by a passkey alone', async () => {
    const { worker, owner, browser, authenticator } = await startWithPasskey()
    await signInByIt(owner, authenticator)
    expect((await close(owner)).status).toBe(200)
    const kept = await keep(browser, await signInByIt(browser, authenticator))
    expect(kept.status).toBe(303)
    expect([await isSignedIn(browser), (await standing(worker))?.status]).toEqual([true, 'active'])
  })

  test('may be one by a mailed link', async () => {
    const { worker, browser } = await startClosed()
    await changeSettings(worker.context(), { sign_in_links: 'on' })
    worker.memory.clear()
    await browser.submit(await browser.get('/login/link'), { email: ANN, action: 'send' })
    const mail = (await mailsOf(worker)).find(({ kind }) => kind === 'sign_in_link') as Mail
    const { pathname, search } = linkIn(mail)
    const done = await browser.submit(await browser.get(pathname + search), { action: 'login' })
    expect((await keep(browser, done)).status).toBe(303)
    expect((await standing(worker))?.status).toBe('active')
  })

  test('is possible for a person who forgot the password', async () => {
    const { worker, browser } = await startClosed()
    await browser.submit(await browser.get('/recover'), { email: ANN, action: 'send' })
    const mail = (await mailsOf(worker)).find(({ kind }) => kind === 'recovery') as Mail
    const { pathname, search } = linkIn(mail)
    const password = 'another one of four words'
    await browser.submit(await browser.get(pathname + search), { password, action: 'save' })
    expect((await standing(worker))?.status).toBe('closed')
    expect((await keep(browser, await browser.signIn(ANN, password))).status).toBe(303)
  })

  test('is refused like any other once the time is over, before the job has run', async () => {
    const { worker, browser } = await startClosed()
    const early = new Browser(worker)
    worker.clock.now += 30 * DAY - 60
    await early.signIn(ANN, PASSWORD)
    const page = await early.get('/account/closed')
    worker.clock.now += 60
    expect((await early.submit(page, { action: 'keep' })).headers.get('location')).toBe('/login')
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(403)
    expect((await standing(worker))?.status).toBe('closed')
  })
})

describe('the timer', () => {
  test('deletes what is due, as an operator would, and nothing else', async () => {
    const { worker } = await startClosed()
    const cx = worker.context()
    await createPerson(cx, { id: 'bob', email: 'bob@example.com', password: PASSWORD })
    await changeUser(cx, 'bob', { status: 'disabled' }, null)
    worker.clock.now += 29 * DAY
    await runTimer(worker)
    expect((await standing(worker))?.status).toBe('closed')
    worker.clock.now += DAY
    await runTimer(worker)
    expect(await standing(worker)).toBeUndefined()
    const principal = sql<{ id: string; deleted_at: number | null }>`
      select id, deleted_at from principal where kind = 'user' order by id`
    expect(await cx.db.read(principal)).toEqual([
      { id: 'ann', deleted_at: expect.any(Number) },
      { id: 'bob', deleted_at: null },
    ])
    expect(await cx.db.read(sql`select * from mail`)).toEqual([])
    const events = (await eventsOf(worker)).filter(({ subject_id }) => subject_id === 'ann')
    expect(events.at(-1)).toMatchObject({ type: 'user.deleted', actor_kind: 'system' })
    const own = events.filter(({ actor_kind }) => actor_kind !== 'system')
    expect(own.filter(({ address }) => address !== '')).toEqual([])
  })

  test('of several instances at once deletes each once, and goes on where one stopped', async () => {
    const { worker } = await startWithAnn()
    const cx = worker.context()
    for (let i = 0; i < 60; i++) {
      await createPerson(cx, { id: `u${i}`, email: `u${i}@example.com`, password: PASSWORD })
    }
    await cx.db.write(sql`update user set status = 'closed', closes_at = ${cx.now()}
      where id <> 'ann'`)
    const { deleteDueAccounts } = await import('../../worker/identity/closing/closing.ts')
    // One instance is stopped in the middle.
    let writes = 0
    const write: typeof cx.db.write = (batch) => {
      writes++
      if (writes > 7) throw new Error('stopped')
      return cx.db.write(batch)
    }
    await expect(deleteDueAccounts({ ...cx, db: { ...cx.db, write } }, () => [])).rejects.toThrow(
      'stopped',
    )
    await Promise.all([1, 2].map(() => deleteDueAccounts(worker.context(SYSTEM, ''), () => [])))
    expect(await cx.db.read(sql<{ id: string }>`select id from user`)).toEqual([{ id: 'ann' }])
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'user.deleted')
    expect(events).toHaveLength(60)
  })

  test('leaves an account that was kept between its look and its deletion', async () => {
    const { worker } = await startClosed()
    worker.clock.now += 31 * DAY
    const cx = worker.context(SYSTEM, '')
    const { deleteDueAccounts } = await import('../../worker/identity/closing/closing.ts')
    const write: typeof cx.db.write = async (batch) => {
      await changeUser(worker.context(), 'ann', { status: 'active' }, null)
      return cx.db.write(batch)
    }
    await deleteDueAccounts({ ...cx, db: { ...cx.db, write } }, () => [])
    expect((await standing(worker))?.status).toBe('active')
  })
})

describe('operators', () => {
  test('see, close and open accounts, and never one of more power', async () => {
    const { worker, browser } = await startWithAnn()
    const token = await newClientToken(worker, 'users:read users:write')
    await browser.signIn(ANN, PASSWORD)
    const closed = await callApi(worker, token, 'PATCH', '/v1/users/ann', { status: 'closed' })
    expect(closed.body).toMatchObject({
      status: 'closed',
      closes_at: worker.clock.now + 30 * DAY,
    })
    expect(await isSignedIn(browser)).toBe(false)
    expect((await mailsOf(worker)).map(({ kind }) => kind)).toEqual(['account_closed'])
    const listed = await callApi(worker, token, 'GET', '/v1/users?status=closed')
    expect(listed.body['items']).toMatchObject([{ id: 'ann' }])
    const opened = await callApi(worker, token, 'PATCH', '/v1/users/ann', { status: 'active' })
    expect(opened.body).toMatchObject({ status: 'active', closes_at: null })
    expect((await browser.signIn(ANN, PASSWORD)).headers.get('location')).toBe('/account')
  })

  test('close no disabled account, which its person could keep; disabling a closed one stays', async () => {
    const { worker, browser } = await startWithAnn()
    const token = await newClientToken(worker, 'users:write')
    const patch = (status: string) => callApi(worker, token, 'PATCH', '/v1/users/ann', { status })
    await patch('closed')
    expect((await patch('disabled')).body).toMatchObject({ status: 'disabled', closes_at: null })
    expect((await browser.signIn(ANN, PASSWORD)).status).toBe(403)
    expect((await patch('closed')).status).toBe(409)
    worker.clock.now += 40 * DAY
    await runTimer(worker)
    expect((await standing(worker))?.status).toBe('disabled')
  })
})

test('whoever took an account over and closed it does not keep its owner from the old address', async () => {
  const { worker, browser: thief } = await startWithAnn()
  await thief.signIn(ANN, PASSWORD)
  const email = 'thief@example.com'
  await thief.submit(await thief.get('/account/email'), { email, action: 'send' })
  const follow = async (kind: string, values: Record<string, string>, by: Browser) => {
    const mail = (await mailsOf(worker)).find((one) => one.kind === kind) as Mail
    const { pathname, search } = linkIn(mail)
    return by.submit(await by.get(pathname + search), values)
  }
  await follow('verify_address', { action: 'confirm' }, thief)
  await close(thief)
  const owner = new Browser(worker)
  const password = 'another one of four words'
  expect((await follow('address_changed', { password, action: 'undo' }, owner)).status).toBe(200)
  expect((await keep(owner, await owner.signIn(ANN, password))).status).toBe(303)
  expect(await isSignedIn(owner)).toBe(true)
})
