// A code, or an approved device code, stands on the browser session and the consent that it came from: when these
// have ended it is good for nothing, however close together the two come.
import { beforeEach, describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { endOwnSession } from '../../../worker/identity/account.ts'
import { endUserSession, endUserSessions } from '../../../worker/identity/user_sessions.ts'
import { createUser } from '../../../worker/identity/users.ts'
import { withdraw } from '../../../worker/oauth/authorizations/user_authorizations.ts'
import { createClient } from '../../../worker/oauth/clients/clients.ts'
import { afterSessionsEnded } from '../../../worker/oauth/logout/tokens_of_ended_sessions.ts'
import type { TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import {
  APP,
  answerOf,
  CALLBACK,
  follow,
  requestPath,
  rowsOf,
  signIn,
  startFlow,
  VERIFIER,
} from '../flow.ts'
import { isGood, runTimer } from '../session_fixtures.ts'
import { type Answer, count, overtaken, post, token, write } from '../token_fixtures.ts'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

let worker: TestWorker
let browser: Browser

beforeEach(async () => {
  ;({ worker, browser } = await startFlow({ first_party: true }))
  await worker.request('/.well-known/jwks.json')
  const cx = worker.context()
  await createUser(cx, { id: 'bob', email: 'bob@example.com' })
  // One that people allow.
  await createClient(cx, { ...APP, client_id: 'asking' })
  await createClient(cx, {
    client_id: 'tv',
    token_endpoint_auth_method: 'none',
    grant_types: [DEVICE_GRANT, 'refresh_token'],
    scope: 'openid offline_access',
  })
  await signIn(worker, browser, 'ann')
})

type Ends = [string, () => Promise<unknown>]

const sessionOfAnn = async () =>
  (await worker.context().db.read(sql<{ id_hash: string }>`select id_hash from session`))[0]
    ?.id_hash ?? ''

/** How a session ends. */
const ENDS: Ends[] = [
  ['signs out everywhere', () => endOwnSession(worker.context(), 'ann', null, afterSessionsEnded)],
  [
    'signs out in this browser',
    async () => browser.submit(await browser.get('/logout'), { action: 'logout' }),
  ],
  [
    'is signed out by an operator',
    () => endUserSessions(worker.context(), 'ann', afterSessionsEnded),
  ],
  [
    'is signed out by an operator in this browser',
    async () => endUserSession(worker.context(), 'ann', await sessionOfAnn(), afterSessionsEnded),
  ],
  ['is no more the one who is signed in', () => signIn(worker, browser, 'bob')],
  [
    'was signed in for too long',
    () => write(worker, sql`update session set expires_at = ${worker.clock.now}`),
  ],
]

const codeOf = async (changes: Parameters<typeof requestPath>[0] = {}) => {
  const page = await follow(browser, await browser.get(requestPath(changes)))
  const answer = page.status === 200 ? await browser.submit(page, { action: 'allow' }) : page
  return answerOf(answer)['code'] ?? ''
}

const redeem = (at: Pick<TestWorker, 'request'>, code: string, client_id = 'app') =>
  token(at, {
    grant_type: 'authorization_code',
    code,
    client_id,
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
  })

/** A device code that Ann has allowed in her browser. */
async function allowedDevice() {
  const begun = await post(worker, '/oauth/device_authorization', {
    client_id: 'tv',
    scope: 'openid offline_access',
  })
  const { device_code, user_code } = begun.body as { device_code: string; user_code: string }
  const typed = await browser.submit(await browser.get('/device'), {
    code: user_code,
    action: 'continue',
  })
  expect((await browser.submit(typed, { action: 'allow' })).html).toContain(
    'The device is connected',
  )
  return device_code
}

const poll = (device_code: string, at: Pick<TestWorker, 'request'> = worker) =>
  token(at, { grant_type: DEVICE_GRANT, device_code, client_id: 'tv' })

const expectNothing = async ({ status, body }: Answer, error = 'invalid_grant') => {
  expect([status, body.error]).toEqual([400, error])
  expect(await count(worker, sql`from authorization`)).toBe(0)
  expect(await count(worker, sql`from refresh_token`)).toBe(0)
}

describe.each([['openid'], ['openid offline_access']])('a code for %s', (scope) => {
  test.each(ENDS)('is refused when the person %s', async (_, end) => {
    const code = await codeOf({ scope })
    await end()
    await expectNothing(await redeem(worker, code))
    expect(worker.log.at(-1)?.fields).toMatchObject({ reason: 'session_ended' })
  })

  test.each(ENDS)('is refused when in that moment the person %s', async (_, end) => {
    const code = await codeOf({ scope })
    await expectNothing(await redeem(overtaken(worker, end), code))
  })
})

describe('a code', () => {
  test('goes on when the same person signs in again in this browser', async () => {
    const code = await codeOf()
    worker.clock.now += 5
    await signIn(worker, browser, 'ann')
    const { status, body } = await redeem(worker, code)
    expect(status).toBe(200)
    expect(await isGood(worker, body.access_token ?? '')).toBe(true)
    await runTimer(worker)
    expect(await isGood(worker, body.access_token ?? '')).toBe(true)
  })

  test('goes on when the person signs out elsewhere', async () => {
    const code = await codeOf()
    const other = new Browser(worker)
    await signIn(worker, other, 'ann')
    await other.submit(await other.get('/logout'), { action: 'logout' })
    expect((await redeem(worker, code)).status).toBe(200)
  })

  test('of a consent that was withdrawn is refused, in the same moment too', async () => {
    const first = await codeOf({ client_id: 'asking' })
    const second = await codeOf({ client_id: 'asking' })
    const end = () => worker.context().db.write(withdraw(worker.context(), 'ann', 'asking'))
    await expectNothing(await redeem(overtaken(worker, end), first, 'asking'))
    await expectNothing(await redeem(worker, second, 'asking'))
  })
})

test('of many sign-outs, each beside a redemption, none leaves a token that is good', async () => {
  const given: string[] = []
  for (let i = 0; i < 40; i++) {
    const code = await codeOf()
    const signOut = async () => {
      // A little later each time, so that now one is first and now the other.
      for (let n = 0; n < i % 5; n++) await worker.context().db.read(sql`select 1`)
      await endOwnSession(worker.context(), 'ann', null, afterSessionsEnded)
    }
    const [{ body }] = await Promise.all([redeem(worker, code), signOut()])
    if (body.access_token !== undefined) given.push(body.access_token)
    await signIn(worker, browser, 'ann')
  }
  const good = await Promise.all(given.map((one) => isGood(worker, one)))
  console.log(`sign-outs beside redemptions: 40, redeemed before: ${given.length}`)
  expect(good).not.toContain(true)
})

describe('a device code', () => {
  test.each(ENDS)('is refused when the person who allowed it %s', async (_, end) => {
    const device_code = await allowedDevice()
    await end()
    await expectNothing(await poll(device_code))
    expect(worker.log.at(-1)?.fields).toMatchObject({ reason: 'session_ended' })
  })

  test.each(ENDS)('is refused when in that moment the person %s', async (_, end) => {
    const device_code = await allowedDevice()
    await expectNothing(await poll(device_code, overtaken(worker, end)))
  })

  test('once redeemed has no part in the session', async () => {
    const { body } = await poll(await allowedDevice())
    await endOwnSession(worker.context(), 'ann', null, afterSessionsEnded)
    await runTimer(worker)
    expect(await isGood(worker, body.access_token ?? '')).toBe(true)
  })

  test('of a consent that was withdrawn is refused, in the same moment too', async () => {
    const [first, second] = [await allowedDevice(), await allowedDevice()]
    const end = () => worker.context().db.write(withdraw(worker.context(), 'ann', 'tv'))
    await expectNothing(await poll(first, overtaken(worker, end)))
    await expectNothing(await poll(second), 'access_denied')
  })
})

describe('a request for authorization', () => {
  /** The same browser, of which something is quicker than each write of its requests. */
  const lateBrowser = (before: () => Promise<unknown>) => {
    const late = new Browser({ ...worker, ...overtaken(worker, before) })
    for (const [name, value] of browser.cookies) late.cookies.set(name, value)
    return late
  }
  const expectNoCode = async () => {
    expect(await rowsOf(worker, 'authorization_code')).toEqual([])
    expect(await rowsOf(worker, 'allowed_scope')).toEqual([])
  }

  test.each(ENDS)('gives no code when in that moment the person %s', async (_, end) => {
    const page = await lateBrowser(end).get(requestPath())
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
    await expectNoCode()
  })

  test.each(ENDS)('is answered too late when in that moment the person %s', async (_, end) => {
    const asked = await follow(browser, await browser.get(requestPath({ client_id: 'asking' })))
    expect(asked.status).toBe(200)
    const page = await lateBrowser(end).submit(asked, { action: 'allow' })
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
    await expectNoCode()
    expect(await rowsOf(worker, 'authorization_request')).toHaveLength(1)
  })

  test('gives no code when in that moment the consent is given for another form of the client', async () => {
    await codeOf({ client_id: 'asking' })
    await write(worker, sql`delete from authorization_code`)
    const end = () => write(worker, sql`update allowed_scope set client_digest = 'another'`)
    const page = await lateBrowser(end).get(requestPath({ client_id: 'asking' }))
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
    expect(await rowsOf(worker, 'authorization_code')).toEqual([])
  })

  test('gives no code when in that moment the consent is withdrawn', async () => {
    await codeOf({ client_id: 'asking' })
    await write(worker, sql`delete from authorization_code`)
    const end = () => worker.context().db.write(withdraw(worker.context(), 'ann', 'asking'))
    const page = await lateBrowser(end).get(requestPath({ client_id: 'asking' }))
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
    await expectNoCode()
  })
})
