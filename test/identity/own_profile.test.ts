// /account/profile: a person changes the own profile, within what operators permit.
import { beforeEach, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { changeOwnProfile, readOwnProfile } from '../../worker/identity/own_profile/own_profile.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'
import { signIn } from '../oauth/flow.ts'
import { publishTerms } from '../support/consents.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { alertOf, Browser, formFields } from './browser.ts'
import { eventsOf } from './people.ts'

const PAGE = '/account/profile'

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

test('fields are changed and emptied, and the record says who did it', async () => {
  const { value: page, roundTrips: first } = await countRoundTrips(worker, () => browser.get(PAGE))
  expect([page.status, first]).toEqual([200, 1])
  expect(Object.keys(formFields(page))).toEqual(
    expect.arrayContaining(['name', 'given_name', 'phone_number']),
  )
  const typed = { name: 'Ann <b>Example</b>', nickname: 'Annie', phone_number: '+48 22 123-45-67' }
  const { value: saved, roundTrips } = await countRoundTrips(worker, () =>
    browser.submit(page, typed),
  )
  expect([saved.status, roundTrips]).toEqual([200, 2])
  expect(saved.html).toContain('Saved.')
  expect(saved.html).not.toContain('<b>')
  expect(await ann()).toMatchObject({
    name: 'Ann <b>Example</b>',
    profile: { nickname: 'Annie', phone_number: '+48221234567' },
  })
  const event = (await eventsOf(worker)).findLast(({ type }) => type === 'user.updated')
  expect([event?.actor_kind, event?.actor_id]).toEqual(['user', 'ann'])
  await browser.submit(await browser.get(PAGE), { name: 'Ann', nickname: '' })
  const after = await ann()
  expect(after).toMatchObject({ name: 'Ann', profile: { phone_number: '+48221234567' } })
  expect(after['profile']).not.toHaveProperty('nickname')
})

test('what cannot be so is asked again with what was typed, and nothing is written', async () => {
  const page = await browser.get(PAGE)
  const again = await browser.submit(page, { name: 'Ann', phone_number: '12' })
  expect(again.status).toBe(400)
  expect(alertOf(again)).toBe('Check this again: Phone number.')
  expect(formFields(again)).toMatchObject({ name: 'Ann', phone_number: '12' })
  expect(await ann()).toMatchObject({ name: null, profile: {} })
})

test('no other field than the setting names is shown or changed', async () => {
  await changeSettings(worker.context(), { own_profile_fields: ['nickname'] })
  await call('PATCH', '/v1/users/ann', { profile: { birthdate: '2015-01-01' } })
  const page = await browser.get(PAGE)
  expect(Object.keys(formFields(page))).not.toContain('birthdate')
  await browser.submit(page, {
    nickname: 'Annie',
    name: 'Somebody else',
    birthdate: '1990-01-01',
    email: 'eve@example.com',
    email_verified: 'true',
    phone_number_verified: 'true',
    status: 'active',
  })
  expect(await ann()).toMatchObject({
    name: null,
    email: ANN,
    profile: { nickname: 'Annie', birthdate: '2015-01-01' },
  })
  await changeSettings(worker.context(), { own_profile_fields: [] })
  expect((await browser.get(PAGE)).html).toContain('There is nothing here that you can change.')
})

test('a field that is demanded at each sign-in cannot become empty', async () => {
  await call('PATCH', '/v1/users/ann', { name: 'Ann' })
  await changeSettings(worker.context(), { required_profile_fields: ['name'] })
  const page = await browser.get(PAGE)
  const again = await browser.submit(page, { name: ' ' })
  expect([again.status, alertOf(again)]).toEqual([400, 'Check this again: Name.'])
  expect(await ann()).toMatchObject({ name: 'Ann' })
})

test('it leads to what is missing first, and to the sign-in where nobody is signed in', async () => {
  const stranger = await new Browser(worker).get(PAGE)
  expect(stranger.headers.get('location')).toBe(`/login?return_to=${PAGE}`)
  const page = await browser.get(PAGE)
  await publishTerms(worker)
  for (const answer of [await browser.get(PAGE), await browser.submit(page, { name: 'Eve' })]) {
    expect(answer.headers.get('location')).toMatch(/^\/continue\?return_to=%2Faccount%2Fprofile/)
  }
  expect(await ann()).toMatchObject({ name: null })
})

test('nothing is written of a session that ended, or that was outrun, meanwhile', async () => {
  const cx = worker.context()
  const read = async () => {
    const own = await readOwnProfile(cx, browser.cookies.get('session'))
    if (own === null) throw new Error('nobody is signed in')
    return own
  }
  const outrun = await read()
  await call('PATCH', '/v1/users/ann', { name: 'Ann' })
  expect(await changeOwnProfile(cx, outrun, () => 'Eve')).toMatchObject({ outcome: 'faulty' })
  const values = (name: string) => (name === 'name' ? 'Eve' : '')
  expect(await changeOwnProfile(cx, outrun, values)).toEqual({ outcome: 'outrun' })
  const ended = await read()
  await browser.submit(await browser.get('/logout'), { action: 'logout' })
  expect(await changeOwnProfile(cx, ended, values)).toEqual({ outcome: 'outrun' })
  expect(await ann()).toMatchObject({ name: 'Ann' })
})

test('a form of another browser is refused', async () => {
  const other = new Browser(worker)
  await signIn(worker, other, 'ann')
  const fields = formFields(await other.get(PAGE))
  expect((await browser.post(PAGE, { ...fields, name: 'Eve' })).status).toBe(403)
  expect(await ann()).toMatchObject({ name: null })
})
