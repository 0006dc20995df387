import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import {
  deleteOldSessions,
  endSessionsOf,
  findSession,
  sessionHash,
  startSession,
  touchSession,
} from '../../worker/identity/sessions.ts'
import { changeUser, createUser, removeUser } from '../../worker/identity/users.ts'
import { DEFAULT_SETTINGS } from '../../worker/settings.ts'
import { countRoundTrips } from '../context.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { Browser } from './browser.ts'
import { isSignedIn, startWithAnn } from './people.ts'

const IDLE = DEFAULT_SETTINGS.session_idle_ttl
const LONGEST = DEFAULT_SETTINGS.session_ttl

test('a session ends when it was idle for too long', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  worker.clock.now += IDLE - 1
  expect(await isSignedIn(browser)).toBe(true)
  worker.clock.now += IDLE - 1
  expect(await isSignedIn(browser)).toBe(true)
  worker.clock.now += IDLE
  expect(await isSignedIn(browser)).toBe(false)
  worker.clock.now -= 1
  expect(await isSignedIn(browser)).toBe(true)
})

test('a session ends at its absolute age, however busy it is', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const started = worker.clock.now
  while (worker.clock.now < started + LONGEST - IDLE) {
    worker.clock.now += IDLE - 60
    expect(await isSignedIn(browser)).toBe(true)
  }
  worker.clock.now = started + LONGEST - 1
  expect(await isSignedIn(browser)).toBe(true)
  worker.clock.now = started + LONGEST
  expect(await isSignedIn(browser)).toBe(false)
})

test('shorter times in the settings hold for the sessions there are', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  worker.clock.now += 600
  await worker.context().db.write(sql`insert into setting (name, value, updated_at)
    values ('session_idle_ttl', '300', 0)`)
  expect(await isSignedIn(browser)).toBe(false)
})

test('that a session is used is written at most once a minute', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const look = async () => (await countRoundTrips(worker, () => browser.get('/account'))).roundTrips
  expect(await look()).toBe(1)
  worker.clock.now += 59
  expect(await look()).toBe(1)
  worker.clock.now += 1
  expect(await look()).toBe(2)
  expect(await look()).toBe(1)
  const cx = worker.context()
  const [row] = await cx.db.read(findSession(cx, browser.cookies.get('session')))
  expect(row?.last_seen_at).toBe(worker.clock.now)
  expect(touchSession(cx, row!)).toBeNull()
})

test('the session tells who it is, how and when that was proved, and from where', async () => {
  const { worker, browser } = await startWithAnn()
  const page = await browser.get('/login')
  await browser.submit(
    page,
    { username: ANN, password: PASSWORD },
    { 'user-agent': `Browser/1 ${'x'.repeat(1000)}` },
  )
  const cx = worker.context()
  const [row] = await cx.db.read(findSession(cx, browser.cookies.get('session')))
  expect(row).toMatchObject({
    id_hash: sessionHash(browser.cookies.get('session') ?? ''),
    user_id: 'ann',
    auth_time: worker.clock.now,
    amr: '["pwd"]',
    address: '192.0.2.1',
    user_email: ANN,
    user_email_verified: 1,
    user_name: null,
    user_status: 'active',
  })
  expect(row?.user_agent).toHaveLength(300)
  expect(JSON.stringify(row)).not.toContain('argon2')
})

test.each([undefined, '', 'x', 'x'.repeat(43), '"><script>', '-'.repeat(10_000)])(
  'a cookie that was never given out is no session: %#',
  async (cookie) => {
    const { worker, browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const cx = worker.context()
    expect(await cx.db.read(findSession(cx, cookie))).toEqual([])
    const other = new Browser(worker)
    if (cookie !== undefined) other.cookies.set('session', cookie)
    expect(await isSignedIn(other)).toBe(false)
    expect((await other.signIn(ANN, PASSWORD)).status).toBe(303)
  },
)

test('a user who is disabled or gone at that moment gets no session', async () => {
  const { worker } = await startWithAnn()
  const cx = worker.context()
  await createUser(cx, { id: 'off', email: 'off@example.com', status: 'disabled' })
  for (const user_id of ['off', 'nobody']) {
    const given = { user_id, password: null, amr: ['pwd'], user_agent: '', browsers: [] }
    const { statements, started } = startSession(cx, given)
    expect((await cx.db.write({ statements, started })).started).toEqual([])
  }
  const events = await cx.db.read(sql`select 1 from event where type = 'session.started'`)
  expect(events).toEqual([])
})

test('all sessions of a user end at once, those of others stay', async () => {
  const { worker } = await startWithAnn()
  const cx = worker.context()
  await createUser(cx, { id: 'bob', email: 'bob@example.com', password: PASSWORD })
  const [ann1, ann2, bob] = [new Browser(worker), new Browser(worker), new Browser(worker)]
  await ann1.signIn(ANN, PASSWORD)
  await ann2.signIn(ANN, PASSWORD)
  await bob.signIn('bob@example.com', PASSWORD)
  await cx.db.write(endSessionsOf('ann'))
  const left = [await isSignedIn(ann1), await isSignedIn(ann2), await isSignedIn(bob)]
  expect(left).toEqual([false, false, true])
  await changeUser(cx, 'bob', { status: 'disabled' }, null)
  expect(await isSignedIn(bob)).toBe(false)
})

test('the sessions of a deleted user are gone, and the id does not come back to life', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const cx = worker.context()
  await removeUser(cx, 'ann', null)
  expect(await cx.db.read(sql`select * from session`)).toEqual([])
  await createUser(worker.context(), { email: ANN, password: PASSWORD })
  expect(await isSignedIn(browser)).toBe(false)
})

test('the timer forgets sessions that ended by themselves, and no other', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  worker.clock.now += IDLE - 100
  const other = new Browser(worker)
  await other.signIn(ANN, PASSWORD)
  worker.clock.now += 100
  const cx = worker.context()
  await cx.db.write(deleteOldSessions(cx))
  const rows = await cx.db.read(sql<{ id_hash: string }>`select id_hash from session`)
  expect(rows.map((row) => row.id_hash)).toEqual([sessionHash(other.cookies.get('session') ?? '')])
})
