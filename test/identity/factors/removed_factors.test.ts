// A factor that an operator removed: its person is told by mail, and can undo it for a day.
import { beforeEach, describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { changeUser, removeUser } from '../../../worker/identity/users.ts'
import type { TestWorker } from '../../context.ts'
import { pathOf } from '../../oauth/flow.ts'
import { callApi, newClientToken } from '../../support/operator.ts'
import { ANN, PASSWORD } from '../../support/people.ts'
import { addAuthenticator, codeAt } from '../authenticator.ts'
import { Browser, type Page } from '../browser.ts'
import { linkIn, type Mail, mailsOf } from '../mails.ts'
import { addPasskey, reasonsOf, signInByIt } from '../passkeys/passkey_people.ts'
import { SoftwareAuthenticator } from '../passkeys/software_authenticator.ts'
import { eventsOf, isSignedIn, startWithAnn } from '../people.ts'

let worker: TestWorker
let owner: Browser
let key: string
let codes: string[]
let call: (method: string, path: string) => ReturnType<typeof callApi>

beforeEach(async () => {
  const started = await startWithAnn()
  worker = started.worker
  owner = started.browser
  await owner.signIn(ANN, PASSWORD)
  const app = await addAuthenticator(worker, owner)
  key = app.key
  codes = app.codes
  worker.clock.now += 60
  call = async (method, path) => callApi(worker, await newClientToken(worker), method, path)
})

const factorsOf = async () =>
  ((await call('GET', '/v1/users/ann/factors')).body['items'] ?? []) as Record<string, unknown>[]

async function remove() {
  const [factor] = await factorsOf()
  const path = `/v1/users/ann/factors/${factor?.['id']}`
  expect((await call('DELETE', path)).status).toBe(204)
  return factor
}

async function linkOf(): Promise<string> {
  const mail = (await mailsOf(worker)).findLast(({ kind }) => kind === 'factor_removed')
  const link = linkIn(mail as Mail)
  return link.pathname + link.search
}

async function undo(link: string): Promise<Page> {
  const browser = new Browser(worker)
  const page = await browser.get(link)
  return page.status === 200 ? browser.submit(page, { action: 'undo' }) : page
}

test('the person hears of it, and puts it back as it was', async () => {
  const factor = await remove()
  const mail = (await mailsOf(worker)).find(({ kind }) => kind === 'factor_removed')
  expect(mail).toMatchObject({ address: ANN })
  expect(mail?.text).toContain('“Phone” no longer protects your account')
  const link = await linkOf()
  // A mail program that opens the link changes nothing.
  const page = await new Browser(worker).get(link)
  expect(page.html).toContain('Phone')
  expect(await factorsOf()).toEqual([])
  const done = await undo(link)
  expect([done.status, done.html.includes('The factor is back')]).toEqual([200, true])
  expect(await factorsOf()).toEqual([factor])
  const browser = new Browser(worker)
  const to = pathOf(await browser.signIn(ANN, PASSWORD))
  expect(to).toBe('/login/verify')
  worker.clock.now += 60
  const code = await codeAt(key, worker.clock.now)
  expect((await browser.submit(await browser.get(to), { code, action: 'verify' })).status).toBe(303)
  const other = new Browser(worker)
  const form = await other.get(pathOf(await other.signIn(ANN, PASSWORD)))
  expect((await other.submit(form, { code: codes[0] ?? '', action: 'verify' })).status).toBe(303)
  const events = (await eventsOf(worker)).filter(({ type }) => type === 'factor.restored')
  expect(events).toMatchObject([{ subject_id: 'ann', actor_id: 'ann' }])
})

test('a passkey comes back as well', async () => {
  const [app] = await factorsOf()
  await call('DELETE', `/v1/users/ann/factors/${app?.['id']}`)
  const authenticator = await SoftwareAuthenticator.make()
  owner.cookies.clear()
  await owner.signIn(ANN, PASSWORD)
  await addPasskey(owner, authenticator)
  worker.clock.now += 60
  await remove()
  expect((await undo(await linkOf())).status).toBe(200)
  const browser = new Browser(worker)
  expect((await signInByIt(browser, authenticator)).status).toBe(303)
  expect(await isSignedIn(browser)).toBe(true)
})

test('it ends what began since: sessions, factors, sign-ins on their way', async () => {
  await remove()
  const link = await linkOf()
  worker.clock.now += 60
  const thief = new Browser(worker)
  await thief.signIn(ANN, PASSWORD)
  const theirs = await addAuthenticator(worker, thief)
  const half = new Browser(worker)
  expect(pathOf(await half.signIn(ANN, PASSWORD))).toBe('/login/verify')
  expect((await undo(link)).status).toBe(200)
  expect(await isSignedIn(thief)).toBe(false)
  // The session of before goes on.
  expect(await isSignedIn(owner)).toBe(true)
  expect(await factorsOf()).toMatchObject([{ name: 'Phone' }])
  worker.clock.now += 60
  const code = await codeAt(theirs.key, worker.clock.now)
  const page = await half.get('/login/verify')
  expect(page.status).toBe(303)
  const again = await thief.get(pathOf(await thief.signIn(ANN, PASSWORD)))
  expect((await thief.submit(again, { code, action: 'verify' })).status).toBe(403)
  const old = await thief.submit(again, { code: theirs.codes[0] ?? '', action: 'verify' })
  expect(old.status).toBe(403)
})

test('a code of the app that was shown before counts no more', async () => {
  const before = await codeAt(key, worker.clock.now)
  await remove()
  await undo(await linkOf())
  const thief = new Browser(worker)
  const page = await thief.get(pathOf(await thief.signIn(ANN, PASSWORD)))
  expect((await thief.submit(page, { code: before, action: 'verify' })).status).toBe(403)
})

describe('the link', () => {
  test('is good once, and for a day', async () => {
    await remove()
    const link = await linkOf()
    worker.clock.now += 86_399
    expect((await undo(link)).status).toBe(200)
    expect((await undo(link)).status).toBe(403)
    expect(reasonsOf(worker)).toContain('factor_link_dead')
    await remove()
    const second = await linkOf()
    worker.clock.now += 86_400
    expect((await undo(second)).status).toBe(403)
    expect(await factorsOf()).toEqual([])
  })

  test('used by two hundred at the same time puts back one', async () => {
    await remove()
    const link = await linkOf()
    const browser = new Browser(worker)
    const page = await browser.get(link)
    await Promise.all(Array.from({ length: 200 }, () => browser.submit(page, { action: 'undo' })))
    expect(await factorsOf()).toHaveLength(1)
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'factor.restored')
    expect(events).toHaveLength(1)
  })

  test('and what it puts back are kept sealed, and go with the person', async () => {
    await remove()
    const link = await linkOf()
    const [row] = await worker.context().db.read(sql`select * from removed_factor`)
    const text = JSON.stringify(row)
    expect(text).not.toContain(new URLSearchParams(link.split('?')[1]).get('token'))
    expect(text).not.toContain('Phone')
    await removeUser(worker.context(), 'ann', null)
    expect(await worker.context().db.read(sql`select * from removed_factor`)).toEqual([])
    expect((await undo(link)).status).toBe(403)
  })

  test('is not made where a person removes a factor', async () => {
    await worker.context().db.write(sql`update session set amr = '["pwd","otp","mfa"]'`)
    await owner.signIn(ANN, PASSWORD).catch(() => null)
    const page = await owner.get('/account/security')
    await owner.submit(page, { action: 'remove' })
    expect((await mailsOf(worker)).filter(({ kind }) => kind === 'factor_removed')).toEqual([])
  })
})

test('nobody is told of a factor that was not there, or whose removal was refused', async () => {
  expect(
    (await call('DELETE', '/v1/users/ann/factors/fac_0000000000000000000000000x')).status,
  ).toBe(404)
  await changeUser(worker.context(), 'ann', { name: 'Ann' }, null)
  const removals = (await mailsOf(worker)).filter(({ kind }) => kind === 'factor_removed')
  expect(removals).toEqual([])
})
