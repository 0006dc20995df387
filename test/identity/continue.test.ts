// /continue: whatever a person lacks is asked one thing at a time, and nothing else is changed.
import { beforeEach, describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { firstRequirement } from '../../worker/identity/requirements.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'
import { signIn } from '../oauth/flow.ts'
import { accept, publishTerms } from '../support/consents.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { alertOf, Browser, formFields } from './browser.ts'
import { linkIn, type Mail, mailsOf } from './mails.ts'
import { eventsOf, isSignedIn } from './people.ts'

const NEXT = 'another horse battery staple'

let worker: TestWorker
let browser: Browser
let call: (method: string, path: string, body?: unknown) => ReturnType<typeof callApi>

beforeEach(async () => {
  worker = await startWorker()
  const token = await newClientToken(worker)
  call = (method, path, body) => callApi(worker, token, method, path, body)
  await createPerson(worker.context(), { id: 'ann', email: ANN, password: PASSWORD })
  browser = new Browser(worker)
  await signIn(worker, browser, 'ann')
})

const ann = async () => (await call('GET', '/v1/users/ann')).body

test('what is missing has one order, whatever that of the rows', () => {
  const rows = [
    { kind: 'profile', name: 'birthdate' },
    { kind: 'consent', name: 'terms' },
    { kind: 'consent', name: 'privacy' },
    { kind: 'password', name: '' },
  ] as const
  expect(firstRequirement(rows)).toEqual({ kind: 'password', names: [''] })
  expect(firstRequirement(rows.slice(0, 3))).toEqual({
    kind: 'consent',
    names: ['privacy', 'terms'],
  })
  expect(firstRequirement([])).toBeNull()
})

test('a person goes through all that is missing, and ends where they wanted to go', async () => {
  await call('PATCH', '/v1/users/ann', { must_change_password: true })
  await changeSettings(worker.context(), { required_profile_fields: ['name', 'birthdate'] })
  await publishTerms(worker)
  const login = await new Browser(worker).get('/account')
  expect(login.headers.get('location')).toBe('/login?return_to=/account')
  const other = new Browser(worker)
  const signedIn = await other.signIn(ANN, PASSWORD, '/login?return_to=%2Faccount%2Fconsents')
  expect(signedIn.headers.get('location')).toBe('/account/consents')
  const door = (await other.get('/account/consents')).headers.get('location') ?? ''
  expect(door).toBe('/continue?return_to=%2Faccount%2Fconsents')
  const password = await other.get(door)
  const typed = { password: PASSWORD, new_password: NEXT, action: 'save' }
  const here = (await other.submit(password, typed)).headers.get('location') ?? ''
  const terms = await other.get(here)
  expect(terms.html).toContain('Terms of use')
  expect((await accept(other, terms)).headers.get('location')).toBe(here)
  const profile = await other.get(here)
  expect(Object.keys(formFields(profile))).toContain('birthdate')
  const fields = { name: 'Ann Example', birthdate: '1990-02-03', action: 'save' }
  expect((await other.submit(profile, fields)).headers.get('location')).toBe(here)
  expect((await other.get(here)).headers.get('location')).toBe('/account/consents')
  expect((await other.get('/account/consents')).status).toBe(200)
})

describe('fields of the profile', () => {
  beforeEach(async () => {
    await changeSettings(worker.context(), {
      required_profile_fields: ['name', 'given_name', 'birthdate', 'phone_number'],
    })
  })

  test('are asked where they are missing, and written as the person', async () => {
    await call('PATCH', '/v1/users/ann', {
      profile: { given_name: 'Ann', website: 'https://a.example/' },
    })
    const page = await browser.get('/continue')
    expect(Object.keys(formFields(page))).not.toContain('given_name')
    const values = { name: 'Ann', birthdate: '1990-02-03', phone_number: '+48 22 123-45-67' }
    const { value: after, roundTrips } = await countRoundTrips(worker, () =>
      browser.submit(page, { ...values, action: 'save' }),
    )
    expect([after.status, roundTrips]).toEqual([303, 2])
    expect(await ann()).toMatchObject({
      name: 'Ann',
      profile: {
        given_name: 'Ann',
        birthdate: '1990-02-03',
        phone_number: '+48221234567',
        website: 'https://a.example/',
      },
    })
    const event = (await eventsOf(worker)).findLast(({ type }) => type === 'user.updated')
    expect([event?.actor_kind, event?.actor_id]).toEqual(['user', 'ann'])
    expect((await browser.get('/account')).status).toBe(200)
  })

  test('that cannot be so are asked again with what was typed', async () => {
    const page = await browser.get('/continue')
    const values = { name: ' ', given_name: 'Ann<b>', birthdate: '2001-02-30', phone_number: '12' }
    const again = await browser.submit(page, { ...values, action: 'save' })
    expect(again.status).toBe(400)
    expect(alertOf(again)).toBe('Check this again: Name, Date of birth, Phone number.')
    expect(formFields(again)['given_name']).toBe('Ann<b>')
    expect(again.html).not.toContain('<b>')
    expect(await ann()).toMatchObject({ name: null, profile: {} })
  })

  test('and nothing that was not asked', async () => {
    await call('PATCH', '/v1/users/ann', { profile: { given_name: 'Ann' } })
    const page = await browser.get('/continue')
    await browser.submit(page, {
      name: 'Ann',
      given_name: 'Eve',
      birthdate: '1990-02-03',
      phone_number: '+48221234567',
      phone_number_verified: 'true',
      email: 'eve@example.com',
      must_change_password: 'false',
      action: 'save',
    })
    const after = await ann()
    expect(after).toMatchObject({ email: ANN, profile: { given_name: 'Ann' } })
    expect(after['profile']).not.toHaveProperty('phone_number_verified')
  })
})

describe('another password', () => {
  beforeEach(async () => {
    await call('PATCH', '/v1/users/ann', { must_change_password: true })
  })

  const send = async (values: Record<string, string>, by = browser) =>
    by.submit(await by.get('/continue'), { ...values, action: 'save' })

  test('is set with the present one; other sessions end, this one goes on', async () => {
    const second = new Browser(worker)
    await signIn(worker, second, 'ann')
    const page = await browser.get('/continue')
    const { value: after, roundTrips } = await countRoundTrips(worker, () =>
      browser.submit(page, { password: PASSWORD, new_password: NEXT, action: 'save' }),
    )
    expect(after.headers.get('location')).toBe('/continue?')
    // Two, and what ends with the other session.
    expect(roundTrips).toBeLessThanOrEqual(4)
    expect([await isSignedIn(browser), await isSignedIn(second)]).toEqual([true, false])
    expect((await ann())['must_change_password']).toBe(false)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(403)
    expect((await new Browser(worker).signIn(ANN, NEXT)).status).toBe(303)
    const events = (await eventsOf(worker)).map(({ type }) => type)
    expect(events.filter((type) => type === 'user.password_changed')).toHaveLength(1)
  })

  test.each([
    ['the wrong present one', { password: 'no', new_password: NEXT }, 403],
    ['the same one again', { password: PASSWORD, new_password: PASSWORD }, 400],
    ['one that is too short', { password: PASSWORD, new_password: 'short' }, 400],
    ['one that is tried first', { password: PASSWORD, new_password: 'a'.repeat(20) }, 400],
  ])('is refused with %s', async (_, values, status) => {
    const page = await send(values)
    expect(page.status).toBe(status)
    expect(alertOf(page)).toBeDefined()
    expect((await ann())['must_change_password']).toBe(true)
    expect((await browser.get('/account')).status).toBe(303)
  })

  test('wrong present ones are counted before the hash, and right ones are not', async () => {
    for (let i = 0; i < 12; i++) {
      const page = await send({ password: PASSWORD, new_password: 'short' })
      expect(page.status).toBe(400)
    }
    const page = await browser.get('/continue')
    const values = { password: 'wrong', new_password: NEXT, action: 'save' }
    const answers = await Promise.all(
      Array.from({ length: 15 }, () => browser.submit(page, values)),
    )
    const limited = answers.filter(({ status }) => status === 429)
    expect(limited).toHaveLength(5)
    expect(limited[0]?.headers.get('retry-after')).toBe('900')
    expect((await send({ password: PASSWORD, new_password: NEXT })).status).toBe(429)
    worker.clock.now += 900
    expect((await send({ password: PASSWORD, new_password: NEXT })).status).toBe(303)
  })

  test('is not set where nothing demands it, nor without a session', async () => {
    const page = await browser.get('/continue')
    await call('PATCH', '/v1/users/ann', { must_change_password: false })
    const values = { password: PASSWORD, new_password: NEXT, action: 'save' }
    expect((await browser.submit(page, values)).status).toBe(303)
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
    browser.cookies.set('session', 'A'.repeat(43))
    expect((await browser.submit(page, values)).status).toBe(403)
    const cx = worker.context()
    expect(await cx.db.read(sql`select * from attempt where key like 'password%'`)).toEqual([])
  })

  test('is not asked of a person who has none', async () => {
    await worker.context().db.write(sql`update user set password = null where id = 'ann'`)
    expect((await browser.get('/account')).status).toBe(200)
  })
})

describe('an address that is not proven', () => {
  beforeEach(() => changeSettings(worker.context(), { require_verified_address: true }))

  test('is proven by the mailed link, and then the person goes on', async () => {
    const door = (await browser.get('/account')).headers.get('location') ?? ''
    expect(door).toBe('/continue?return_to=%2Faccount')
    const sent = await browser.submit(await browser.get(door), { action: 'send' })
    expect(sent.html).toContain('A link is on its way')
    // Nothing is proven by asking, nor by a mail program that opens the link.
    expect((await browser.get('/account')).status).toBe(303)
    const [mail] = await mailsOf(worker)
    const link = linkIn(mail as Mail)
    await new Browser(worker).get(link.pathname + link.search)
    expect((await browser.get('/account')).status).toBe(303)
    // In the browser that is signed in: elsewhere it would be the first proof of somebody else.
    const page = await browser.get(link.pathname + link.search)
    expect((await browser.submit(page, { action: 'confirm' })).status).toBe(200)
    expect((await browser.get(door)).headers.get('location')).toBe('/account')
    expect((await browser.get('/account')).status).toBe(200)
    expect(await ann()).toMatchObject({ email: ANN, email_verified: true })
  })

  test('is asked for five times in a window at most', async () => {
    const page = await browser.get('/continue')
    for (let i = 0; i < 5; i++) {
      expect((await browser.submit(page, { action: 'send' })).status).toBe(200)
    }
    const refused = await browser.submit(page, { action: 'send' })
    expect([refused.status, alertOf(refused)]).toEqual([
      429,
      'Too many mails. Wait some minutes, then try again.',
    ])
    expect(await mailsOf(worker)).toHaveLength(5)
  })

  test('is no question to a person who proved it, nor where the setting is off', async () => {
    await call('PATCH', '/v1/users/ann', { email_verified: true })
    expect((await browser.get('/account')).status).toBe(200)
    await call('PATCH', '/v1/users/ann', { email_verified: false })
    expect((await browser.get('/account')).status).toBe(303)
    await changeSettings(worker.context(), { require_verified_address: false })
    expect((await browser.get('/account')).status).toBe(200)
  })
})
