// A one-time link to a new password: who may make one, each state of its page, and what ends when
// it is used.
import { expect, test } from 'vitest'
import { createGrant } from '../../worker/access/grants.ts'
import { beginEpoch } from '../../worker/admin/new_epoch.ts'
import { ANONYMOUS, type Context } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { signIn as signInWith } from '../../worker/identity/login.ts'
import { createPasswordLink } from '../../worker/identity/recovery.ts'
import { consumeAccountLink } from '../../worker/identity/recovery_store.ts'
import { changeUser } from '../../worker/identity/users.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import {
  answerOf,
  CALLBACK,
  follow,
  requestPath,
  signIn,
  startFlow,
  VERIFIER,
} from '../oauth/flow.ts'
import { isGood, runTimer, signInAt, startSessions } from '../oauth/session_fixtures.ts'
import { token } from '../oauth/token_fixtures.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { alertOf, Browser, formFields, type Page } from './browser.ts'
import { countHashes } from './hashes.ts'
import { eventsOf, isSignedIn, startWithAnn } from './people.ts'

const NEW = 'seven brown horses jump over fences'

const pathIn = (url: string): string => {
  const { pathname, search } = new URL(url)
  return pathname + search
}

async function linkFor(worker: TestWorker, user_id = 'ann'): Promise<string> {
  const { url } = await createPasswordLink(worker.context(), user_id)
  if (url === null) throw new Error('the link was mailed')
  expect(new URL(url).origin).toBe(worker.config.issuer)
  return pathIn(url)
}

async function setPassword(worker: TestWorker, path: string, password = NEW) {
  const browser = new Browser(worker)
  const page = await browser.get(path)
  if (page.status !== 200) return page
  return browser.submit(page, { password, action: 'save' })
}

const signsIn = async (worker: TestWorker, password: string): Promise<boolean> =>
  (await new Browser(worker).signIn(ANN, password)).status === 303

const titleOf = (page: Page) => /<h1>([^<]*)/.exec(page.html)?.[1]

test('an operator gets a link, and behind it the person sets a password that signs in', async () => {
  const { worker } = await startWithAnn()
  const operator = await newClientToken(worker)
  const made = await callApi(worker, operator, 'POST', '/v1/users/ann/reset')
  expect(made.status).toBe(201)
  expect(made.headers.get('cache-control')).toBe('no-store')
  expect(made.body['expires_at']).toBe(worker.clock.now + 3600)
  const path = pathIn(String(made.body['url']))
  expect(path).toMatch(/^\/recover\/password\?token=[A-Za-z0-9_-]{43}$/)
  const page = await new Browser(worker).get(path)
  expect(page.html).toContain(ANN)
  const saved = await setPassword(worker, path)
  expect([saved.status, saved.headers.get('location')]).toEqual([303, '/recover/done'])
  expect(titleOf(await new Browser(worker).get('/recover/done'))).toBe('Your password is changed')
  expect(await signsIn(worker, PASSWORD)).toBe(false)
  expect(await signsIn(worker, NEW)).toBe(true)
})

test('a user who has no password yet, or is disabled, can be given one; disabled stays disabled', async () => {
  const { worker } = await startWithAnn()
  const cx = worker.context()
  await cx.db.write(sql`update user set password = null where id = 'ann'`)
  await setPassword(worker, await linkFor(worker))
  expect(await signsIn(worker, NEW)).toBe(true)
  await changeUser(cx, 'ann', { status: 'disabled' }, null)
  const other = `${NEW} again`
  expect((await setPassword(worker, await linkFor(worker), other)).status).toBe(303)
  expect(await signsIn(worker, other)).toBe(false)
  await changeUser(cx, 'ann', { status: 'active' }, null)
  expect(await signsIn(worker, other)).toBe(true)
})

test('opening a link changes nothing, however often', async () => {
  const { worker, browser } = await startWithAnn()
  await browser.signIn(ANN, PASSWORD)
  const path = await linkFor(worker)
  for (let i = 0; i < 3; i++) expect((await new Browser(worker).get(path)).status).toBe(200)
  await worker.request(path, { method: 'HEAD' })
  expect(await isSignedIn(browser)).toBe(true)
  expect(await signsIn(worker, PASSWORD)).toBe(true)
  expect((await setPassword(worker, path)).status).toBe(303)
})

test('a link is hashed at rest, and neither link nor password is in an event or the log', async () => {
  const { worker } = await startWithAnn()
  const path = await linkFor(worker)
  const secret = path.split('token=')[1] ?? ''
  await setPassword(worker, path)
  const cx = worker.context()
  const stored = await cx.db.read({
    links: sql`select * from account_link`,
    events: sql`select * from event`,
  })
  const text = JSON.stringify([stored, worker.log])
  expect(text).not.toContain(secret)
  expect(text).not.toContain(NEW)
  const events = (await eventsOf(worker)).filter(({ type }) => /reset/.test(type))
  expect(events).toMatchObject([
    { type: 'user.reset_started', actor_kind: 'system', subject_id: 'ann' },
    { type: 'user.password_reset', actor_kind: 'user', actor_id: 'ann', subject_id: 'ann' },
  ])
})

const DEAD: readonly [string, RegExp, string, (worker: TestWorker, path: string) => unknown][] = [
  ['that was used', /set with it already/, 'password_link_used', setPassword],
  [
    'that is older than an hour',
    /older than an hour/,
    'password_link_expired',
    (worker) => {
      worker.clock.now += 3600
    },
  ],
  [
    'of before the database was put back',
    /not whole/,
    'password_link_unknown',
    (worker) => beginEpoch(worker.context()),
  ],
  ['after a newer one', /newer link/, 'password_link_unknown', (worker) => linkFor(worker)],
  [
    'of a user who was deleted',
    /not whole/,
    'password_link_unknown',
    async (worker) => {
      const operator = await newClientToken(worker)
      await callApi(worker, operator, 'DELETE', '/v1/users/ann')
    },
  ],
]

test.each(DEAD)('a link %s is dead, and its page says so', async (_, text, reason, happen) => {
  const { worker } = await startWithAnn()
  const path = await linkFor(worker)
  const browser = new Browser(worker)
  const form = await browser.get(path)
  expect(form.status).toBe(200)
  await happen(worker, path)
  const work = await countHashes(worker)
  // The form that was opened before, and the link opened now.
  const answers = [
    await browser.submit(form, { password: `${NEW} of somebody else`, action: 'save' }),
    await new Browser(worker).get(path),
  ]
  for (const page of answers) {
    expect(page.status).toBe(403)
    expect(titleOf(page)).toBe('This link does not work')
    expect(page.html).toMatch(text)
  }
  expect(worker.log.filter(({ fields }) => fields['reason'] === reason)).toHaveLength(2)
  expect(work).toHaveLength(0)
  expect(await signsIn(worker, `${NEW} of somebody else`)).toBe(false)
})

test.each(['', '?token=', '?token=nonsense', `?token=${'A'.repeat(43)}`, '?token=a&token=b'])(
  'the page at %j has no form',
  async (query) => {
    const { worker } = await startWithAnn()
    const page = await new Browser(worker).get(`/recover/password${query}`)
    expect([400, 403]).toContain(page.status)
    expect(page.html).not.toContain('<form')
  },
)

test.each([
  ['too short', 'short', /at least 15 characters/],
  ['guessable', 'passwordpassword', /tried first/],
  ['made of the address', 'Ann-12345678901234', /tried first/],
  ['empty', '', /at least 15 characters/],
])(
  'a password that is %s is refused with the rule, and the link stays good',
  async (_, bad, rule) => {
    const { worker } = await startWithAnn()
    const path = await linkFor(worker)
    const browser = new Browser(worker)
    const again = await browser.submit(await browser.get(path), { password: bad, action: 'save' })
    expect(again.status).toBe(400)
    expect(alertOf(again)).toMatch(rule)
    expect(formFields(again)['password']).toBe('')
    expect((await browser.submit(again, { password: NEW, action: 'save' })).status).toBe(303)
    expect(await signsIn(worker, NEW)).toBe(true)
  },
)

test('a form from elsewhere, or with another button, sets nothing', async () => {
  const { worker } = await startWithAnn()
  const path = await linkFor(worker)
  const browser = new Browser(worker)
  const form = formFields(await browser.get(path))
  const values = { ...form, password: NEW, action: 'save' }
  const elsewhere = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  expect((await browser.post('/recover/password', values, elsewhere)).status).toBe(403)
  expect((await browser.post('/recover/password', { ...values, csrf: 'x' })).status).toBe(403)
  expect((await browser.post('/recover/password', { ...values, action: 'no' })).status).toBe(400)
  expect(await signsIn(worker, PASSWORD)).toBe(true)
})

test('of 8 uses at once one sets its password', async () => {
  const { worker } = await startWithAnn()
  const path = await linkFor(worker)
  const browsers = Array.from({ length: 8 }, () => new Browser(worker))
  const forms = await Promise.all(browsers.map((browser) => browser.get(path)))
  const passwords = browsers.map((_, i) => `${NEW} number ${i}`)
  const answers = await Promise.all(
    browsers.map((browser, i) =>
      browser.submit(forms[i] as Page, { password: passwords[i] ?? '', action: 'save' }),
    ),
  )
  const done = answers.flatMap(({ status }, i) => (status === 303 ? [passwords[i] ?? ''] : []))
  expect(done).toHaveLength(1)
  expect(answers.filter(({ status }) => status === 403)).toHaveLength(7)
  expect(await signsIn(worker, done[0] ?? '')).toBe(true)
  const events = (await eventsOf(worker)).filter(({ type }) => type === 'user.password_reset')
  expect(events).toHaveLength(1)
})

test('a link that ran out while its form was read is not consumed', async () => {
  const { worker } = await startWithAnn()
  await linkFor(worker)
  const cx = worker.context()
  const [row] = await cx.db.read(sql<{ hash: string }>`select hash from account_link`)
  worker.clock.now += 3600
  const consumed = await cx.db.write(
    consumeAccountLink(cx, { hash: row?.hash ?? '', purpose: 'password_reset' }),
  )
  expect(consumed).toEqual([])
})

test('a sign-in with the old password that runs beside the reset starts no session', async () => {
  const { worker } = await startWithAnn()
  const path = await linkFor(worker)
  const cx = worker.context(ANONYMOUS)
  let writes = 0
  const write: Context['db']['write'] = async (batch) => {
    // The password was compared; the session is about to be stored.
    if (++writes === 2) expect((await setPassword(worker, path)).status).toBe(303)
    return cx.db.write(batch)
  }
  const thief = {
    username: ANN,
    password: PASSWORD,
    user_agent: '',
    replaces: undefined,
    browsers: [],
    trust: { browser: undefined, days: null },
    abandons: undefined,
  }
  const answer = await signInWith({ ...cx, db: { ...cx.db, write } }, thief)
  expect([writes, answer]).toEqual([2, { outcome: 'refused' }])
  expect(await cx.db.read(sql`select id_hash from session`)).toEqual([])
})

test('a used link ends all sessions and all tokens, lasting ones too, and clients are told', async () => {
  const { worker, receivers, browser } = await startSessions()
  const thief = new Browser(worker)
  const own = await signInAt(worker, browser, 'shop', { scope: 'openid email' })
  const lasting = await signInAt(worker, thief, 'bank', { scope: 'openid offline_access' })
  expect(lasting.refresh_token).not.toBe('')
  expect(await isGood(worker, lasting.access_token)).toBe(true)
  expect((await setPassword(worker, await linkFor(worker))).status).toBe(303)
  await worker.settled()
  for (const one of [browser, thief]) expect(await isSignedIn(one)).toBe(false)
  for (const { access_token } of [own, lasting]) {
    expect(await isGood(worker, access_token)).toBe(false)
  }
  const { refresh_token } = lasting
  const refreshed = await token(worker, {
    grant_type: 'refresh_token',
    client_id: 'bank',
    refresh_token,
  })
  expect(refreshed.body.error).toBe('invalid_grant')
  await runTimer(worker)
  expect(receivers.got.map(({ client_id }) => client_id).sort()).toEqual(['bank', 'shop'])
})

test('a code that waits, and what applications were allowed, end too: they have to ask again', async () => {
  const { worker, browser } = await startFlow()
  await signIn(worker, browser, 'ann')
  const asked = await follow(browser, await browser.get(requestPath()))
  const { code = '' } = answerOf(await browser.submit(asked, { action: 'allow' }))
  expect(code).not.toBe('')
  await setPassword(worker, await linkFor(worker))
  const redeemed = await token(worker, {
    grant_type: 'authorization_code',
    client_id: 'app',
    code,
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
  })
  expect(redeemed.status).toBe(400)
  const allowed = await worker.context().db.read(sql`select * from allowed_scope`)
  expect(allowed).toEqual([])
})

test('nobody makes a link for somebody who holds more', async () => {
  const { worker } = await startWithAnn()
  const helper = await newClientToken(worker, 'users:write')
  expect((await callApi(worker, helper, 'POST', '/v1/users/ann/reset')).status).toBe(201)
  await createGrant(worker.context(), { subject: 'ann', role: 'operator', object: '*' })
  const refused = await callApi(worker, helper, 'POST', '/v1/users/ann/reset')
  expect(refused.status).toBe(403)
  const links = await worker.context().db.read(sql`select hash from account_link`)
  expect(links).toHaveLength(1)
  const reader = await newClientToken(worker, 'users:read')
  expect((await callApi(worker, reader, 'POST', '/v1/users/ann/reset')).status).toBe(403)
  const operator = await newClientToken(worker)
  expect((await callApi(worker, operator, 'POST', '/v1/users/ann/reset')).status).toBe(201)
  expect((await callApi(worker, operator, 'POST', '/v1/users/nobody/reset')).status).toBe(404)
})

test('a link is dead once its person holds more than its maker', async () => {
  const { worker } = await startWithAnn()
  const helper = await newClientToken(worker, 'users:write')
  const made = await callApi(worker, helper, 'POST', '/v1/users/ann/reset')
  const path = pathIn(String(made.body['url']))
  await createGrant(worker.context(), { subject: 'ann', role: 'operator', object: '*' })
  const refused = await setPassword(worker, path)
  expect([refused.status, titleOf(refused)]).toEqual([403, 'This link does not work'])
  expect(await signsIn(worker, PASSWORD)).toBe(true)
  // A link of the system, and of an operator, is good for an operator.
  expect((await setPassword(worker, await linkFor(worker), `${NEW} one`)).status).toBe(303)
  const operator = await newClientToken(worker)
  const other = await callApi(worker, operator, 'POST', '/v1/users/ann/reset')
  const saved = await setPassword(worker, pathIn(String(other.body['url'])), `${NEW} two`)
  expect(saved.status).toBe(303)
})

test('a page costs one round trip, a dead link one; old links are deleted a week after their end', async () => {
  const { worker } = await startWithAnn()
  const path = await linkFor(worker)
  const browser = new Browser(worker)
  const open = await countRoundTrips(worker, () => browser.get(path))
  expect(open.roundTrips).toBe(1)
  const weak = await countRoundTrips(worker, () =>
    browser.submit(open.value, { password: 'short', action: 'save' }),
  )
  expect(weak.roundTrips).toBe(1)
  const links = () => worker.context().db.read(sql`select hash from account_link`)
  await runTimer(worker, 3600 + 6 * 86_400)
  expect(await links()).toHaveLength(1)
  await runTimer(worker, 86_400)
  expect(await links()).toHaveLength(0)
})
