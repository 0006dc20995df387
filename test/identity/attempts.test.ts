import { expect, test } from 'vitest'
import { addressKey } from '../../worker/attempts.ts'
import { sql } from '../../worker/db/sql.ts'
import { createUser } from '../../worker/identity/users.ts'
import { DEFAULT_SETTINGS } from '../../worker/settings.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { Browser, type Page } from './browser.ts'
import { countHashes } from './hashes.ts'
import { comparable, eventsOf, startWithAnn, WRONG } from './people.ts'

const LIMIT = DEFAULT_SETTINGS.login_attempts_per_account
const ADDRESS_LIMIT = DEFAULT_SETTINGS.login_attempts_per_address
const WINDOW = DEFAULT_SETTINGS.login_attempts_window

/** `n` attempts at once, each with an address of its own unless one is given. */
async function guess(worker: TestWorker, n: number, username: string, address?: string) {
  const pages: Page[] = await Promise.all(
    Array.from({ length: n }, async (_, i) => {
      const browser = new Browser(worker, address ?? `198.51.100.${i}`)
      return browser.submit(await browser.get('/login'), { username, password: WRONG })
    }),
  )
  const count = (status: number) => pages.filter((page) => page.status === status).length
  return { pages, refused: count(403), blocked: count(429) }
}

test('of 40 wrong guesses at once no more than the limit are looked at, then even the right password is not', async () => {
  const { worker, browser } = await startWithAnn()
  const hashes = await countHashes(worker)
  const { refused, blocked } = await guess(worker, 40, ANN)
  console.log(
    `guesses at once: 40, limit: ${LIMIT}; told wrong: ${refused}, blocked: ${blocked}, hashes: ${hashes.length}`,
  )
  expect([refused, blocked, hashes.length]).toEqual([LIMIT, 40 - LIMIT, LIMIT])

  const page = await browser.get('/login')
  const right = await countRoundTrips(worker, () =>
    browser.submit(page, { username: ANN, password: PASSWORD }),
  )
  expect([right.value.status, right.roundTrips]).toEqual([429, 1])
  expect(right.value.headers.get('retry-after')).toBe(String(WINDOW))
  expect(hashes.length).toBe(LIMIT)

  worker.clock.now += WINDOW - 1
  expect((await browser.submit(page, { username: ANN, password: PASSWORD })).status).toBe(429)
  worker.clock.now += 1
  expect((await browser.submit(page, { username: ANN, password: PASSWORD })).status).toBe(303)
})

test('an account that does not exist is limited just the same', async () => {
  const { worker } = await startWithAnn()
  const hashes = await countHashes(worker)
  const known = await guess(worker, LIMIT + 5, ANN)
  const unknown = await guess(worker, LIMIT + 5, 'nobody@example.com')
  expect([unknown.refused, unknown.blocked]).toEqual([known.refused, known.blocked])
  expect(hashes.length).toBe(2 * LIMIT)
  const texts = [known, unknown].map(({ pages }) =>
    comparable(pages.find((page) => page.status === 429)!).replace(/value="[^"]*@[^"]*"/, ''),
  )
  expect(texts[0]).toBe(texts[1])
})

test('success gives the attempt back: signing in often is never limited, and forgives no failure', async () => {
  const { worker } = await startWithAnn()
  for (let i = 0; i < LIMIT + 5; i++) {
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
  }
  const counters = await worker.context().db.read(sql<{ count: number }>`select count from attempt`)
  expect(counters.map((row) => row.count)).toEqual([0, 0])

  await guess(worker, LIMIT - 1, ANN)
  expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
  expect((await new Browser(worker).signIn(ANN, WRONG)).status).toBe(403)
  expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(429)
})

test('one address that tries many accounts is stopped; another address goes on', async () => {
  const { worker } = await startWithAnn()
  await createUser(worker.context(), { email: 'bob@example.com', password: PASSWORD })
  await worker.context().db.write(sql`insert into setting (name, value, updated_at)
    values ('login_attempts_per_address', '5', 0)`)
  worker.memory.clear()
  const hashes = await countHashes(worker)
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, i) => guess(worker, 1, `u${i}@example.com`, '203.0.113.9')),
  )
  expect(answers.filter((one) => one.refused === 1)).toHaveLength(5)
  expect(hashes.length).toBe(5)
  const blocked = await new Browser(worker, '203.0.113.9').signIn('bob@example.com', PASSWORD)
  expect(blocked.status).toBe(429)
  const free = await new Browser(worker, '203.0.113.10').signIn('bob@example.com', PASSWORD)
  expect(free.status).toBe(303)
  expect(ADDRESS_LIMIT).toBeGreaterThan(5)
})

test('one address that makes up names fills no table, and locks nobody out once it is blocked', async () => {
  const { worker, browser } = await startWithAnn()
  const stranger = new Browser(worker, '203.0.113.5')
  const page = await stranger.get('/login')
  const tryAs = (username: string) => stranger.submit(page, { username, password: WRONG })
  for (let i = 0; i < ADDRESS_LIMIT + 20; i++) await tryAs(`nobody-${i}@example.com`)
  const rows = await worker.context().db.read(sql<{ n: number }>`select count(*) as n from attempt`)
  // One for each name that was looked at, and one for the address.
  expect(rows[0]?.n).toBe(ADDRESS_LIMIT + 1)
  for (let i = 0; i < 2 * LIMIT; i++) expect((await tryAs(ANN)).status).toBe(429)
  expect((await browser.signIn(ANN, PASSWORD)).status).toBe(303)
})

test('a block is one event per limit and window, however many guesses follow', async () => {
  const { worker } = await startWithAnn()
  await guess(worker, LIMIT + 10, ANN)
  const types = (await eventsOf(worker)).map((event) => event.type)
  expect(types.filter((type) => type === 'login.failed')).toHaveLength(LIMIT)
  expect(types.filter((type) => type === 'login.blocked')).toHaveLength(1)
})

test('neither addresses nor account names are kept by the counters', async () => {
  const { worker } = await startWithAnn()
  await guess(worker, 2, ANN)
  const rows = await worker.context().db.read(sql<{ key: string }>`select key from attempt`)
  expect(rows).toHaveLength(3)
  // The id of the account counts for all its names, and is neither.
  for (const { key } of rows) expect(key).toMatch(/^([A-Za-z0-9_-]{43}|login account of ann)$/)
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:0DB8:0001:0002::1', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::1', '0:0:0:0'],
  ['', null],
])('the address %j is counted as %j', (address, key) => {
  expect(addressKey(address)).toBe(key)
})

test('failed sign-ins with names of nobody are one event in a minute, those of a person one each', async () => {
  const { worker } = await startWithAnn()
  worker.clock.now -= worker.clock.now % 60
  for (let i = 0; i < 6; i++) {
    await new Browser(worker, `198.51.100.${i}`).signIn(`nobody-${i}@example.com`, WRONG)
  }
  for (let i = 0; i < 2; i++) await new Browser(worker).signIn(ANN, WRONG)
  worker.clock.now += 60
  await new Browser(worker, '203.0.113.1').signIn('nobody@example.com', WRONG)
  const failed = (await eventsOf(worker)).filter(({ type }) => type === 'login.failed')
  const nobody = { reason: 'unknown_account', last_at: worker.clock.now - 60 }
  expect(
    failed.map(({ subject_id, address, data }) => [subject_id, address, JSON.parse(data)]),
  ).toEqual([
    [null, '198.51.100.5', { ...nobody, count: 6 }],
    ...Array.from({ length: 2 }, () => ['ann', '192.0.2.1', { reason: 'password' }]),
    [null, '203.0.113.1', { ...nobody, count: 1, last_at: worker.clock.now }],
  ])
})
