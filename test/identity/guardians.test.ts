// People who are too young to decide about texts alone, and the guardians who decide for them.
import { beforeEach, describe, expect, test } from 'vitest'
import { createGrant } from '../../worker/access/grants.ts'
import { changeSettings, type SettingsPatch } from '../../worker/admin/settings_change.ts'
import { sql } from '../../worker/db/sql.ts'
import { ageOf, decidesAlone } from '../../worker/identity/consents/guardians.ts'
import { changeUser } from '../../worker/identity/users.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { accept, publishTerms, publishVersion } from '../support/consents.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { Browser, formFields } from './browser.ts'
import { eventsOf } from './people.ts'

const at = (date: string) => Date.parse(`${date}T12:00:00Z`) / 1000
const HERE = '/continue?return_to=%2Faccount'

test.each([
  ['2010-03-01', '2026-02-28', 15],
  ['2010-03-01', '2026-03-01', 16],
  ['2012-02-29', '2026-02-28', 13],
  ['2012-02-29', '2026-03-01', 14],
  // The year alone: at its least.
  ['2010', '2026-12-30', 15],
  ['2010', '2026-12-31', 16],
  ['0000-03-01', '2026-03-01', null],
  ['2030-01-01', '2026-03-01', -4],
])('who was born on %s is on %s %j years old', (birthdate, today, age) => {
  expect(ageOf(birthdate, at(today))).toBe(age)
})

test.each([
  [{ birthdate: '2011-01-01' }, null, 16, {}, false],
  [{ birthdate: '2010-01-01' }, null, 16, {}, true],
  [{ birthdate: '2011-01-01' }, null, 0, {}, true],
  [{}, null, 16, {}, true],
  [{ birthdate: '0000-01-01' }, null, 16, {}, true],
  [{ birthdate: '2011-01-01' }, 'de-AT', 16, { AT: 14 }, true],
  [{ birthdate: '2011-01-01' }, 'de', 16, { AT: 14 }, false],
  [{ birthdate: '2011-01-01', address: { country: 'at' } }, 'de-DE', 16, { AT: 14 }, true],
  [{ birthdate: '2011-01-01', address: { country: 'DE' } }, 'de-AT', 16, { AT: 14 }, false],
  [
    { birthdate: '2011-01-01', address: { country: 'Austria' } },
    'zh-Hant-AT',
    16,
    { AT: 14 },
    true,
  ],
  [{ birthdate: '2011-01-01' }, 'pl-PL', 0, { PL: 16 }, false],
  [{ birthdate: '2011-01-01' }, 'xx-__', 16, { toString: 1 }, false],
])(
  'a person with %j and the language %j, from %i on, or %j, decides alone: %j',
  (profile, locale, years, countries, alone) => {
    const setting = { self_consent_age: { default: years, countries } }
    const person = { profile: JSON.stringify(profile), locale }
    expect(decidesAlone(setting, person, at('2026-06-01'))).toBe(alone)
  },
)

describe('a person who is too young', () => {
  let worker: TestWorker
  let browser: Browser
  let call: (method: string, path: string, body?: unknown) => ReturnType<typeof callApi>

  const set = async (patch: SettingsPatch) => {
    await changeSettings(worker.context(), patch)
    worker.memory.clear()
  }

  /** A birthdate `years` ago today. */
  const bornBefore = (years: number) => {
    const today = new Date(worker.clock.now * 1000).toISOString()
    return `${Number(today.slice(0, 4)) - years}${today.slice(4, 10)}`
  }

  beforeEach(async () => {
    worker = await startWorker()
    const token = await newClientToken(worker)
    call = (method, path, body) => callApi(worker, token, method, path, body)
    await createPerson(worker.context(), { id: 'ann', email: ANN, password: PASSWORD })
    await changeUser(worker.context(), 'ann', { profile: { birthdate: bornBefore(12) } }, null)
    await set({ self_consent_age: { default: 16, countries: {} } })
    browser = new Browser(worker)
    await browser.signIn(ANN, PASSWORD)
  })

  const decide = (body: object = {}) =>
    call('POST', '/v1/users/ann/consents', {
      key: 'terms',
      version: '1',
      decision: 'accepted',
      by: 'Maria Example',
      ...body,
    })

  test('reads the text and who decides, without a button to accept it', async () => {
    await publishTerms(worker)
    const page = await browser.get(HERE)
    expect(page.status).toBe(200)
    expect(page.html).toContain('A parent or guardian decides for you')
    expect(page.html).toContain('The terms, version 1.')
    expect(page.html).not.toContain('value="accept"')
    expect(page.html).toContain('Sign out')
    expect((await browser.get('/account')).headers.get('location')).toBe(HERE)
  })

  test('accepts nothing, whatever form is sent', async () => {
    await set({ self_consent_age: { default: 0, countries: {} } })
    await publishTerms(worker)
    const page = await browser.get(HERE)
    const account = { ...formFields(page), key: 'terms' }
    await set({ self_consent_age: { default: 16, countries: {} } })
    await accept(browser, page)
    await browser.post('/account/consents', { ...account, action: 'accept' })
    expect(await worker.context().db.read(sql`select * from consent_decision`)).toEqual([])
    await changeUser(worker.context(), 'ann', { profile: { birthdate: bornBefore(16) } }, null)
    await accept(browser, page)
    expect(await worker.context().db.read(sql`select guardian from consent_decision`)).toEqual([
      { guardian: null },
    ])
  })

  test('goes on once a guardian decided; what is kept says who, and who noted it', async () => {
    await publishTerms(worker)
    const made = await decide({ locale: 'de' })
    expect(made.status).toBe(201)
    expect((await browser.get('/account')).status).toBe(200)
    const { body } = await call('GET', '/v1/users/ann/consents')
    expect(body['items']).toMatchObject([
      {
        id: made.body['id'],
        key: 'terms',
        version: '1',
        locale: 'de',
        decision: 'accepted',
        by: 'Maria Example',
        noted_by: { kind: 'client', id: expect.any(String) },
        counts: true,
      },
    ])
    const page = await browser.get('/account/consents')
    expect(page.html.replaceAll(/<[^>]*>/g, '')).toContain('Decided by Maria Example.')
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'consent.accepted')
    expect(events).toMatchObject([{ subject_id: 'ann', actor_kind: 'client' }])
    expect(events[0]?.data).not.toContain('Maria')
  })

  test('is asked again for a newer version, which the guardian has to have read', async () => {
    await publishTerms(worker)
    await decide()
    await publishVersion(worker, '2')
    expect((await browser.get('/account')).headers.get('location')).toBe(HERE)
    expect((await decide()).status).toBe(409)
    expect((await decide({ version: '2' })).status).toBe(201)
    expect((await browser.get('/account')).status).toBe(200)
  })

  test('may take an acceptance back, and so may the guardian: every session ends', async () => {
    await publishTerms(worker)
    expect((await decide({ decision: 'withdrawn' })).status).toBe(409)
    await decide()
    expect((await decide({ decision: 'withdrawn' })).status).toBe(201)
    expect((await browser.get('/account')).headers.get('location')).toBe(
      '/login?return_to=/account',
    )
    const again = new Browser(worker)
    await again.signIn(ANN, PASSWORD)
    await decide()
    const page = await again.get('/account/consents')
    expect(page.html).toContain('You are too young to accept a text alone.')
    expect(page.html).not.toContain('value="accept"')
    const done = await again.submit(page, { action: 'withdraw' })
    expect(done.headers.get('location')).toBe('/logout')
  })

  test('does not become older by a form', async () => {
    await set({ own_profile_fields: ['name', 'birthdate'] })
    const page = await browser.get('/account/profile')
    await browser.submit(page, { name: 'Ann', birthdate: bornBefore(40), action: 'save' })
    const { body } = await call('GET', '/v1/users/ann')
    expect(body).toMatchObject({ name: 'Ann', profile: { birthdate: bornBefore(12) } })
  })

  test('is asked for the date of birth before any text, where it is demanded', async () => {
    await changeUser(worker.context(), 'ann', { profile: { birthdate: null } }, null)
    await set({ required_profile_fields: ['name', 'birthdate'] })
    await publishTerms(worker)
    const first = await browser.get(HERE)
    expect(first.html).toContain('name="birthdate"')
    expect(first.html).not.toContain('name="name"')
    await browser.submit(first, { birthdate: bornBefore(12), action: 'save' })
    expect((await browser.get(HERE)).html).toContain('A parent or guardian decides for you')
    // Where nobody is too young, the texts come first, as before.
    await changeUser(worker.context(), 'ann', { profile: { birthdate: null } }, null)
    await set({ self_consent_age: { default: 0, countries: {} } })
    expect((await browser.get(HERE)).html).toContain('value="accept"')
  })
})

describe('an operator', () => {
  async function startWith(years: number) {
    const worker = await startWorker()
    await createPerson(worker.context(), {
      id: 'ann',
      email: ANN,
      password: PASSWORD,
      profile: { birthdate: `${2027 - years}-01-01` },
    })
    worker.clock.now = at('2027-06-01')
    await changeSettings(worker.context(), { self_consent_age: { default: 16, countries: {} } })
    worker.memory.clear()
    await publishTerms(worker)
    const token = await newClientToken(worker, 'users:write', 'helper')
    const body = { key: 'terms', version: '1', decision: 'accepted', by: 'Maria Example' }
    const decide = (more: object = {}, id = 'ann') =>
      callApi(worker, token, 'POST', `/v1/users/${id}/consents`, { ...body, ...more })
    return { worker, decide }
  }

  test('decides for nobody who is old enough', async () => {
    const { worker, decide } = await startWith(16)
    const refused = await decide()
    expect([refused.status, refused.body['detail']]).toEqual([
      409,
      'this person decides alone: nobody else can',
    ])
    expect(await worker.context().db.read(sql`select * from consent_decision`)).toEqual([])
  })

  test('decides for nobody who holds more power, nor about what is not there', async () => {
    const { worker, decide } = await startWith(15)
    expect((await decide({}, 'nobody')).status).toBe(404)
    expect((await decide({ key: 'nothing' })).status).toBe(404)
    expect((await decide({ by: '' })).status).toBe(400)
    expect((await decide({ by: undefined })).status).toBe(400)
    await createGrant(worker.context(), { subject: 'ann', role: 'operator', object: '*' })
    expect((await decide()).status).toBe(403)
    expect(await worker.context().db.read(sql`select * from consent_decision`)).toEqual([])
  })
})
