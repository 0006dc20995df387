// Consents: what operators publish, what people decide, and what is kept of it.
import { beforeEach, describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { changeVersion } from '../../worker/identity/consents/consents.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'
import { signIn } from '../oauth/flow.ts'
import { overtaken } from '../oauth/token_fixtures.ts'
import { accept, publishTerms, publishVersion, textsOf } from '../support/consents.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { overtakenOnce } from '../support/repeated_writes.ts'
import { Browser, formFields } from './browser.ts'
import { eventsOf, isSignedIn } from './people.ts'

let worker: TestWorker
let browser: Browser
let call: (
  method: string,
  path: string,
  body?: unknown,
  headers?: HeadersInit,
) => ReturnType<typeof callApi>

beforeEach(async () => {
  worker = await startWorker()
  const token = await newClientToken(worker)
  call = (method, path, body, headers) => callApi(worker, token, method, path, body, headers)
  await createPerson(worker.context(), { id: 'ann', email: ANN, password: PASSWORD })
  browser = new Browser(worker)
  await signIn(worker, browser, 'ann')
})

const decisions = () =>
  worker.context().db.read(
    sql<Record<string, unknown>>`select user_id, key, version, round, locale, decision, decided_at,
      address, client_id from consent_decision order by seq`,
  )

const NEW = {
  key: 'terms',
  required: true,
  versions: [{ version: '2027-01', texts: textsOf('Version of January.') }],
}

describe('operators', () => {
  test('make a consent, read it, and add a version', async () => {
    const made = await call('POST', '/v1/consents', NEW)
    expect(made.status).toBe(201)
    expect(made.body).toEqual({
      key: 'terms',
      required: true,
      round: 1,
      versions: [
        {
          version: '2027-01',
          texts: NEW.versions[0]?.texts,
          demanded_from: worker.clock.now,
          decided: false,
          created_at: worker.clock.now,
        },
      ],
      created_at: worker.clock.now,
      updated_at: worker.clock.now,
    })
    expect((await call('POST', '/v1/consents', NEW)).status).toBe(409)
    const next = { version: '2027-02', texts: textsOf('Of February.'), demanded_from: 4e9 }
    const added = await call('POST', '/v1/consents/terms/versions', next)
    expect(added.status).toBe(201)
    expect((await call('POST', '/v1/consents/terms/versions', next)).status).toBe(409)
    const read = await call('GET', '/v1/consents/terms')
    expect(read.headers.get('etag')).toBe('"2"')
    expect(read.body).toEqual(added.body)
    const list = await call('GET', '/v1/consents?limit=1')
    expect(list.body.items).toEqual([added.body])
    const stale = { 'if-match': '"1"' }
    const refused = await call('PATCH', '/v1/consents/terms', { required: false }, stale)
    expect(refused.status).toBe(412)
    const optional = await call('PATCH', '/v1/consents/terms', { required: false })
    expect(optional.body['required']).toBe(false)
    expect((await call('GET', '/v1/consents/other')).status).toBe(404)
    expect((await call('POST', '/v1/consents/other/versions', next)).status).toBe(404)
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types.filter((type) => type.startsWith('consent.'))).toEqual([
      'consent.created',
      'consent.version_added',
      'consent.updated',
    ])
  })

  test.each([
    ['no language', {}],
    ['neither text nor url', { en: { title: 'Terms' } }],
    ['text and url', { en: { title: 'Terms', text: 'a', url: 'https://example.com/' } }],
    ['a script as url', { en: { title: 'Terms', url: 'javascript:alert(1)' } }],
    ['an invisible title', { en: { title: '\u200b', text: 'a' } }],
    ['no language tag', { 'e n': { title: 'Terms', text: 'a' } }],
  ])('cannot publish texts with %s', async (_, texts) => {
    const answer = await call('POST', '/v1/consents', {
      ...NEW,
      versions: [{ version: '1', texts }],
    })
    expect(answer.status).toBe(400)
  })

  test('change the texts of a version until somebody decided about it, and its time always', async () => {
    await call('POST', '/v1/consents', NEW)
    const path = '/v1/consents/terms/versions/2027-01'
    const corrected = await call('PATCH', path, { texts: textsOf('Without the slip.') })
    expect(corrected.status).toBe(200)
    await accept(browser, await browser.get('/continue'))
    const refused = await call('PATCH', path, { texts: textsOf('Something else altogether.') })
    expect(refused.status).toBe(409)
    const { body } = await call('GET', '/v1/consents/terms')
    expect(body['versions']).toMatchObject([{ texts: textsOf('Without the slip.'), decided: true }])
    expect((await call('PATCH', path, { demanded_from: 4e9 })).status).toBe(200)
    expect((await call('PATCH', `${path}x`, { demanded_from: 4e9 })).status).toBe(404)
  })

  test('do not change a text that somebody accepts in the same moment', async () => {
    await publishTerms(worker)
    const page = await browser.get('/continue')
    const cx = overtakenOnce(worker.context(), () => accept(browser, page))
    const patch = { texts: textsOf('Something else altogether.') }
    await expect(changeVersion(cx, 'terms', '1', patch, null)).rejects.toThrow('somebody decided')
    expect(await decisions()).toHaveLength(1)
  })

  test('cannot accept for somebody who decides alone', async () => {
    await publishTerms(worker)
    const body = { key: 'terms', version: '1' }
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const answer = await call(method, '/v1/users/ann/consents', body)
      expect(answer.status, method).toBe(404)
    }
    const guardian = { ...body, decision: 'accepted', by: 'Somebody Else' }
    expect((await call('POST', '/v1/users/ann/consents', guardian)).status).toBe(409)
    expect(await decisions()).toEqual([])
  })

  test('read the decisions of a person, and how many accepted which version', async () => {
    await publishTerms(worker)
    await createPerson(worker.context(), {
      id: 'bob',
      email: 'bob@example.com',
      password: PASSWORD,
    })
    await accept(browser, await browser.get('/continue'))
    await publishVersion(worker, '2')
    const both = await call('GET', '/v1/consents/terms/coverage')
    expect(both.body).toEqual({
      people: 2,
      accepted: [
        { version: '1', people: 1 },
        { version: '2', people: 0 },
      ],
      withdrawn: 0,
      undecided: 1,
    })
    await accept(browser, await browser.get('/continue'))
    const list = await call('GET', '/v1/users/ann/consents')
    expect(list.body.items).toMatchObject([
      { key: 'terms', version: '1', decision: 'accepted', counts: false },
      { key: 'terms', version: '2', decision: 'accepted', counts: true },
    ])
    const again = await call('POST', '/v1/consents/terms/ask-again')
    expect(again.body['round']).toBe(2)
    const asked = await call('GET', '/v1/consents/terms/coverage')
    expect(asked.body).toMatchObject({ withdrawn: 0, undecided: 2 })
    expect((await call('GET', '/v1/users/nobody/consents')).status).toBe(404)
    expect((await call('GET', '/v1/consents/nothing/coverage')).status).toBe(404)
  })
})

describe('a person', () => {
  test('is asked in a language of theirs, and what is kept says so', async () => {
    await publishTerms(worker)
    const page = await browser.get('/continue', { 'accept-language': 'pl, de-AT;q=0.8, en;q=0.5' })
    expect(page.html).toContain('Auf Deutsch: The terms, version 1.')
    const { value: after, roundTrips } = await countRoundTrips(worker, () => accept(browser, page))
    expect([after.status, after.headers.get('location'), roundTrips]).toEqual([
      303,
      '/continue?',
      2,
    ])
    const onward = await browser.get('/continue')
    expect([onward.status, onward.headers.get('location')]).toEqual([303, '/account'])
    expect(await decisions()).toEqual([
      {
        user_id: 'ann',
        key: 'terms',
        version: '1',
        round: 1,
        locale: 'de',
        decision: 'accepted',
        decided_at: worker.clock.now,
        address: '192.0.2.1',
        client_id: null,
      },
    ])
    const event = (await eventsOf(worker)).find(({ type }) => type === 'consent.accepted')
    expect([event?.actor_kind, event?.actor_id, event?.subject_id]).toEqual(['user', 'ann', 'ann'])
    expect(JSON.parse(event?.data ?? '')).toEqual({
      consent: 'terms',
      version: '1',
      locale: 'de',
      at_client: null,
    })
  })

  test('is asked in one round trip, and without a session sent to sign in', async () => {
    await publishTerms(worker)
    const { value, roundTrips } = await countRoundTrips(worker, () => browser.get('/continue'))
    expect([value.status, roundTrips]).toEqual([200, 1])
    const nobody = new Browser(worker)
    const sent = await nobody.get('/continue?return_to=%2Fdevice')
    expect(sent.headers.get('location')).toBe('/login?return_to=%2Fdevice')
  })

  test('is never led to another origin', async () => {
    for (const target of ['https://evil.example/', '//evil.example', '/\\evil.example']) {
      const page = await browser.get(`/continue?${new URLSearchParams({ return_to: target })}`)
      expect([page.status, page.headers.get('location')], target).toEqual([303, '/account'])
    }
  })

  test('is not asked before the time of transition, and then for the new version', async () => {
    await publishTerms(worker)
    await accept(browser, await browser.get('/continue'))
    await publishVersion(worker, '2', { demanded_from: worker.clock.now + 100 })
    expect((await browser.get('/account')).status).toBe(200)
    worker.clock.now += 100
    const sent = await browser.get('/account')
    expect(sent.headers.get('location')).toBe('/continue?return_to=%2Faccount')
    const page = await browser.get('/continue')
    expect(page.html).toContain('The terms, version 2.')
    expect(page.html).toContain('needed again')
  })

  test('accepts the new version early, on the account page', async () => {
    await publishTerms(worker)
    await accept(browser, await browser.get('/continue'))
    await publishVersion(worker, '2', { demanded_from: worker.clock.now + 100 })
    const page = await browser.get('/account/consents')
    expect(page.html).toContain('The new version is needed from')
    await browser.submit(page, { action: 'accept' })
    worker.clock.now += 100
    expect((await browser.get('/account')).status).toBe(200)
  })

  test('is asked again when an operator says so', async () => {
    await publishTerms(worker)
    await accept(browser, await browser.get('/continue'))
    await call('POST', '/v1/consents/terms/ask-again')
    expect((await browser.get('/account')).headers.get('location')).toContain('/continue')
    await accept(browser, await browser.get('/continue'))
    expect((await browser.get('/account')).status).toBe(200)
  })

  test('decides about nothing but the version that was shown', async () => {
    await publishTerms(worker)
    const first = await browser.get('/continue')
    await publishVersion(worker, '2')
    const late = await accept(browser, first)
    expect(late.headers.get('location')).toBe('/continue?')
    expect(await decisions()).toEqual([])
    expect((await browser.get('/continue')).html).toContain('The terms, version 2.')
  })

  test('decides about nothing with a field of another version, language, person or key', async () => {
    await publishTerms(worker)
    await publishTerms(worker, { key: 'other', required: false })
    const other = new Browser(worker)
    await createPerson(worker.context(), {
      id: 'bob',
      email: 'bob@example.com',
      password: PASSWORD,
    })
    await signIn(worker, other, 'bob')
    const fields = formFields(await browser.get('/continue'))
    const { shown: ofBob = '' } = formFields(await other.get('/continue'))
    const [, tag] = (fields['shown'] ?? '').split('.')
    const tries: Record<string, string>[] = [
      { shown: ofBob },
      { shown: `de.${tag}` },
      { shown: '' },
      { key: 'other', kind: 'other' },
      { version: '2', shown: 'en.2' },
    ]
    for (const one of tries) {
      await browser.post('/continue', { ...fields, ...one, action: 'accept' })
      expect(await decisions(), JSON.stringify(one)).toEqual([])
    }
    await browser.post('/continue', { ...fields, version: '2', action: 'accept' })
    expect(await decisions()).toMatchObject([{ user_id: 'ann', key: 'terms', version: '1' }])
  })

  test('a text that is corrected while somebody reads it is shown anew', async () => {
    await publishTerms(worker)
    const page = await browser.get('/continue')
    await call('PATCH', '/v1/consents/terms/versions/1', { texts: textsOf('Corrected.') })
    await accept(browser, page)
    expect(await decisions()).toEqual([])
  })

  test('and one that is corrected while the answer is judged is not accepted', async () => {
    await publishTerms(worker)
    const page = await browser.get('/continue')
    const path = '/v1/consents/terms/versions/1'
    const correct = async () => {
      const { status } = await call('PATCH', path, { texts: textsOf('Corrected.') })
      if (status !== 200) throw new Error(`it was not corrected: ${status}`)
    }
    const other = new Browser({ ...worker, ...overtaken(worker, correct) })
    for (const [name, value] of browser.cookies) other.cookies.set(name, value)
    await accept(other, page)
    expect(await decisions()).toEqual([])
  })

  test('a form of another person, or of another site, is refused', async () => {
    await publishTerms(worker)
    const other = new Browser(worker)
    await createPerson(worker.context(), {
      id: 'bob',
      email: 'bob@example.com',
      password: PASSWORD,
    })
    await signIn(worker, other, 'bob')
    const fields: Record<string, string> = {
      ...formFields(await browser.get('/continue')),
      action: 'accept',
    }
    expect((await other.post('/continue', fields)).status).toBe(403)
    const elsewhere = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    expect((await browser.post('/continue', fields, elsewhere)).status).toBe(403)
    const { csrf: _, ...bare } = fields
    expect((await browser.post('/continue', bare)).status).toBe(403)
    const account = { key: 'terms', action: 'withdraw', csrf: fields['csrf'] ?? '' }
    expect((await other.post('/account/consents', account)).status).toBe(403)
    expect(await decisions()).toEqual([])
  })

  test('two hundred parallel acceptances are one decision and one event', async () => {
    await publishTerms(worker)
    const page = await browser.get('/continue')
    const answers = await Promise.all(Array.from({ length: 200 }, () => accept(browser, page)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([303]))
    expect(await decisions()).toHaveLength(1)
    const events = await eventsOf(worker)
    expect(events.filter(({ type }) => type === 'consent.accepted')).toHaveLength(1)
  })

  test('withdraws an optional consent, and stays signed in', async () => {
    await publishTerms(worker, { key: 'newsletter', required: false })
    expect((await browser.get('/account')).status).toBe(200)
    await browser.submit(await browser.get('/account/consents'), { action: 'accept' })
    const page = await browser.get('/account/consents')
    expect(page.html).toContain('Accepted on')
    const { value: after, roundTrips } = await countRoundTrips(worker, () =>
      browser.submit(page, { action: 'withdraw' }),
    )
    expect([after.headers.get('location'), roundTrips]).toEqual(['/account/consents', 2])
    expect(await isSignedIn(browser)).toBe(true)
    expect((await decisions()).map(({ decision }) => decision)).toEqual(['accepted', 'withdrawn'])
    await browser.submit(page, { action: 'withdraw' })
    expect(await decisions()).toHaveLength(2)
  })

  test('who withdraws a required consent is signed out everywhere and asked at the next sign-in', async () => {
    await publishTerms(worker)
    const second = new Browser(worker)
    await signIn(worker, second, 'ann')
    await accept(browser, await browser.get('/continue'))
    const page = await browser.get('/account/consents')
    expect(page.html).toContain('signs you out everywhere')
    const after = await browser.submit(page, { action: 'withdraw' })
    expect(after.headers.get('location')).toBe('/logout')
    expect([await isSignedIn(browser), await isSignedIn(second)]).toEqual([false, false])
    const signedIn = await browser.signIn(ANN, PASSWORD)
    expect(signedIn.headers.get('location')).toBe('/account')
    expect((await browser.get('/account')).headers.get('location')).toContain('/continue')
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'consent.withdrawn')
    expect(events).toHaveLength(1)
    const coverage = await call('GET', '/v1/consents/terms/coverage')
    expect(coverage.body['withdrawn']).toBe(1)
  })

  test('what somebody decided goes with the account', async () => {
    await publishTerms(worker)
    await accept(browser, await browser.get('/continue'))
    expect((await call('DELETE', '/v1/users/ann')).status).toBe(204)
    expect(await decisions()).toEqual([])
    const coverage = await call('GET', '/v1/consents/terms/coverage')
    expect(coverage.body).toMatchObject({ people: 0, undecided: 0 })
    // The version stays one about which somebody decided.
    const path = '/v1/consents/terms/versions/1'
    expect((await call('PATCH', path, { texts: textsOf('Other.') })).status).toBe(409)
  })

  test('markup in a text stays text', async () => {
    const texts = { en: { title: '<b>Terms</b>', text: '<script>alert(1)</script>' } }
    await call('POST', '/v1/consents', { ...NEW, versions: [{ version: '1', texts }] })
    const page = await browser.get('/continue')
    expect(page.html).toContain('&lt;script&gt;')
    expect(page.html).not.toContain('<b>')
    expect(page.html).not.toContain('<script')
  })
})
