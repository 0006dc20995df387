// Names that people read, wherever one is given.
import { beforeAll, expect, test } from 'vitest'
import { isLegible } from '../../worker/api/legible_text.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'

const ILLEGIBLE: readonly [string, string][] = [
  ['a space', ' '],
  ['no-break spaces', '\u00a0\u00a0'],
  ['a zero width space', 'Acme\u200b'],
  ['only a joiner', '\u200d'],
  ['a joiner between Latin letters', 'Ac\u200dme'],
  ['a non-joiner at the end', 'Acme\u200c'],
  ['two joiners', 'क\u200d\u200dष'],
  ['a soft hyphen', 'Ac\u00adme'],
  ['a word joiner', 'Ac\u2060me'],
  ['a byte order mark', '\ufeffAcme'],
  ['a Hangul filler', '\u3164'],
  ['a blank of Braille', '\u2800'],
  ['a variation selector behind a letter', 'A\ufe0fcme'],
  ['tags', 'Acme\u{e0061}\u{e0062}'],
  ['an override of direction', 'Acme\u202egro.elpmaxe'],
  ['an isolate', '\u2066Acme\u2069'],
  ['a mark of direction', 'Acme\u200f'],
  ['an Arabic letter mark', 'Acme\u061c'],
  ['a control character', 'Ac\u001bme'],
  ['a line separator', 'Ac\u2028me'],
  ['a lone surrogate', 'Ac\ud800me'],
]

const LEGIBLE = [
  'Acme',
  'Ann Ex-Müller, geb. O’Neil (Köln)',
  'می\u200cخواهم',
  'نامه\u200cای',
  'क\u200dष',
  'ক্\u200dষ',
  'ශ්\u200dරී',
  '👩\u200d👩\u200d👧\u200d👦',
  '👩🏽\u200d🚀',
  '❤\ufe0f',
  '1\ufe0f\u20e3',
  '🏳\ufe0f\u200d🌈',
  '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
  '葛\u{e0100}城',
  'ᠠ\u180bᠨ',
  'שלום',
  'مرحبا',
  '株式会社テスト',
]

test.each(ILLEGIBLE)('%s is no name', (_, name) => expect(isLegible(name)).toBe(false))
test.each(LEGIBLE)('%s is a name', (name) => expect(isLegible(name)).toBe(true))

let worker: TestWorker
let operator: string
beforeAll(async () => {
  worker = await startWorker()
  operator = await newClientToken(worker)
  await callApi(worker, operator, 'POST', '/v1/device-types', { name: 'lamp' })
  await callApi(worker, operator, 'POST', '/v1/groups', { id: 'g', name: 'Site' })
})

/** A call that gives a name. */
const PLACES: readonly [string, string, (name: string) => Record<string, unknown>][] = [
  [
    'POST',
    '/v1/clients',
    (client_name) => ({ client_name, redirect_uris: ['https://a.example/cb'] }),
  ],
  ['POST', '/v1/users', (name) => ({ name, email: `${crypto.randomUUID()}@example.com` })],
  ['POST', '/v1/groups', (name) => ({ name })],
  ['PATCH', '/v1/groups/g', (name) => ({ name })],
  ['POST', '/v1/devices', (name) => ({ name, type: 'lamp' })],
  ['POST', '/v1/device-types', (name) => ({ name })],
  ['POST', '/v1/roles', (name) => ({ name })],
  ['PATCH', '/v1/settings', (service_name) => ({ service_name })],
]

test.each(PLACES)('%s %s refuses what cannot be seen', async (method, path, input) => {
  for (const [name, text] of ILLEGIBLE) {
    // JSON has no lone surrogate that UTF-8 could carry.
    if (!text.isWellFormed()) continue
    const { status } = await callApi(worker, operator, method, path, input(text))
    expect([name, status]).toEqual([name, 400])
  }
  const isId = path.endsWith('types') || path.endsWith('roles')
  const good = isId ? ['Acme'] : ['Acme', 'می\u200cخواهم', '👩🏽\u200d🚀']
  for (const text of good) {
    const { status } = await callApi(worker, operator, method, path, input(text))
    expect([text, status < 300]).toEqual([text, true])
  }
})

test('names that were stored before stay, also when something else is changed', async () => {
  const { sql } = await import('../../worker/db/sql.ts')
  await worker.context().db.write(sql`update "group" set name = ${'Si\u200bte'} where id = 'g'`)
  const { status, body } = await callApi(worker, operator, 'PATCH', '/v1/groups/g', {
    kind: 'team',
  })
  expect([status, body['name']]).toEqual([200, 'Si\u200bte'])
})
