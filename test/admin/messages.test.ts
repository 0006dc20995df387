// Texts that operators write in the place of the program's.
import { beforeEach, describe, expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { sql } from '../../worker/db/sql.ts'
import { loadTexts } from '../../worker/messages/texts.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'
import { Browser } from '../identity/browser.ts'
import { callApi, clientToken } from '../support/operator.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

let worker: TestWorker
let ops: string
let few: string

beforeEach(async () => {
  worker = await startWorker()
  const client = { client_secret: SECRET, grant_types: ['client_credentials'] }
  const clients = [
    { client_id: 'ops', scope: 'manage', ...client },
    { client_id: 'few', scope: 'settings:read settings:write', ...client },
  ]
  await applyBlueprint(worker.context(), { clients }, {})
  ops = await clientToken(worker, 'ops', SECRET, 'manage')
  few = await clientToken(worker, 'few', SECRET, 'settings:read settings:write')
})

const put = (place: string, text: unknown, token = ops) =>
  callApi(worker, token, 'PUT', `/v1/messages/${place}`, { text })

async function listAll(locale: string) {
  const texts: { key: string; is_default: boolean }[] = []
  let more = ''
  do {
    const list = `/v1/messages?locale=${locale}&limit=100${more}`
    const { body } = await callApi(worker, few, 'GET', list)
    texts.push(...(body['items'] as typeof texts))
    const cursor = body['next_cursor']
    more = typeof cursor === 'string' ? `&cursor=${encodeURIComponent(cursor)}` : ''
  } while (more !== '')
  return texts
}

const login = async (query = '') => (await new Browser(worker).get(`/login${query}`)).html

test('a text stands in the place of the program’s, in its language alone, until it is put back', async () => {
  const written = await put('de/sign_in.title', 'Willkommen', few)
  expect([written.status, written.body]).toEqual([
    200,
    {
      locale: 'de',
      key: 'sign_in.title',
      text: 'Willkommen',
      default_text: 'Anmelden',
      is_default: false,
      needs: 'settings:write',
      updated_at: worker.clock.now,
    },
  ])
  expect(await login('?ui_locales=de')).toContain('<h1>Willkommen</h1>')
  expect(await login()).toContain('<h1>Sign in</h1>')
  const read = await callApi(worker, few, 'GET', '/v1/messages/de/sign_in.title')
  expect(read.body).toEqual(written.body)
  const texts = await listAll('de')
  expect(texts.filter((one) => !one.is_default).map(({ key }) => key)).toEqual(['sign_in.title'])

  const gone = await callApi(worker, few, 'DELETE', '/v1/messages/de/sign_in.title')
  expect(gone.status).toBe(204)
  expect(await login('?ui_locales=de')).toContain('<h1>Anmelden</h1>')
  const again = await callApi(worker, few, 'DELETE', '/v1/messages/de/sign_in.title')
  expect(again.status).toBe(204)
  // One event for each change, and none where nothing changed.
  const events = await worker.context().db.read(sql<{ before: string; after: string }>`
      select before, after from event where type = 'message.updated' order by seq`)
  expect(events.map(({ before, after }) => [JSON.parse(before), JSON.parse(after)])).toEqual([
    [{ text: 'Anmelden' }, { text: 'Willkommen' }],
    [{ text: 'Willkommen' }, { text: 'Anmelden' }],
  ])
})

test('a list goes through all texts of a language, page by page', async () => {
  const keys = (await listAll('ar')).map(({ key }) => key)
  expect(new Set(keys).size).toBe(keys.length)
  expect(keys.length).toBeGreaterThan(150)
  expect([...keys].sort()).toEqual(keys)
})

describe('a text is refused', () => {
  test.each([
    ['that is no ICU message', 'for {client', /is no ICU message/],
    ['that lacks a value', 'go on', /must take client \(text\)/],
    ['that has another value', 'to {client} at {host}', /takes client \(text\), host \(text\)/],
    ['that has a value of another kind', '{client, number}', /client \(number\)/],
    ['with a date', '{client} {at, date, full}', /is no ICU message|dates/],
    ['with a style of numbers', '{client, number, ::currency/EUR}', /styles of numbers/],
    ['with hidden characters', 'to {client}\u202e', /visible text/],
    ['of several lines', 'to\n{client}', /visible text/],
    ['that is empty', '', /./],
    ['that is too long', `{client}${'x'.repeat(2000)}`, /./],
    ['that is no text', 1, /./],
    [
      'that nests without end',
      `${'{client, select, other {'.repeat(70)}x${'}}'.repeat(70)}`,
      /nests/,
    ],
  ])('%s', async (_, text, detail) => {
    const { status, body } = await put('en/sign_in.lead', text)
    expect(status).toBe(400)
    const [error] = body['errors'] as { pointer: string; detail: string }[]
    expect(error?.pointer).toBe('/text')
    expect(error?.detail).toMatch(detail)
    expect(await login()).toContain('<h1>Sign in</h1>')
  })

  test.each([
    'en/sign_in.nothing',
    'en/__proto__',
    'en/constructor',
    '__proto__/sign_in.title',
    'zh/sign_in.title',
    '..%2Fen/sign_in.title',
    `en/${'x'.repeat(5000)}`,
  ])('for %s, which is not there', async (place) => {
    expect((await put(place, 'x')).status).toBe(404)
    expect((await callApi(worker, ops, 'GET', `/v1/messages/${place}`)).status).toBe(404)
  })
})

test('a text injects nothing: it is shown as it is written', async () => {
  const evil = `<script>alert(1)</script> "onload=x {client}`
  expect((await put('en/sign_in.lead', evil)).status).toBe(200)
  expect((await put('en/sign_in.title', `<b>{}'"&`)).status).toBe(400)
  expect((await put('en/sign_in.title', `<b>"&amp;`)).status).toBe(200)
  const html = await login()
  expect(html).toContain('<h1>&lt;b&gt;&quot;&amp;amp;</h1>')
  // The page has one script of its own, for passkeys.
  expect(html).not.toMatch(/<script>alert|<b>/)
})

test('the words to which a person agrees, or by which one is warned, need manage', async () => {
  for (const key of ['consent.allow', 'scope.manage', 'device.warning', 'linking.begun']) {
    const text = key === 'linking.begun' ? 'As in {app}' : 'Go on'
    const refused = await put(`en/${key}`, text, few)
    expect([key, refused.status]).toEqual([key, 403])
    const { body } = await put(`en/${key}`, text)
    expect([body['needs'], body['text']]).toEqual(['manage', text])
    const back = await callApi(worker, few, 'DELETE', `/v1/messages/en/${key}`)
    expect([key, back.status]).toEqual([key, 403])
  }
})

test('a stored text that no longer takes the values of its key does not count', async () => {
  await put('en/sign_in.lead', 'off to {client}')
  const cx = worker.context()
  await cx.db.write([
    sql`update message set text = 'for {nobody}' where key = 'sign_in.lead'`,
    sql`insert into message values ('zz', 'sign_in.title', 'x', 1), ('en', 'gone.key', 'x', 1)`,
  ])
  worker.clock.now += 61
  expect((await loadTexts(cx))('en')('sign_in.lead', { client: 'C' })).toBe('to go on to C')
  expect(await login()).toContain('<h1>Sign in</h1>')
})

test('texts are remembered for a minute, and cost a page no round trip of its own', async () => {
  await put('en/sign_in.title', 'Hello')
  worker.clock.now += 61
  const browser = new Browser(worker)
  await browser.get('/login')
  const warm = await countRoundTrips(worker, () => browser.get('/login'))
  expect([warm.roundTrips, /<h1>(.*)<\/h1>/.exec(warm.value.html)?.[1]]).toEqual([0, 'Hello'])
  // Another process wrote it; a page that reads anyway brings it along.
  await worker.context().db.write(sql`update message set text = 'Hello again'`)
  worker.clock.now += 61
  const cold = await countRoundTrips(worker, () => browser.get('/setup?token=x'))
  expect(cold.roundTrips).toBe(1)
  const after = await countRoundTrips(worker, () => browser.get('/login'))
  expect([after.roundTrips, /<h1>(.*)<\/h1>/.exec(after.value.html)?.[1]]).toEqual([
    0,
    'Hello again',
  ])
})
