// When a person has to sign in (again), when not, what that means for codes, and how power narrows them.
import { beforeEach, describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { createUser } from '../../../worker/identity/users.ts'
import { signJwt } from '../../../worker/keys/jwt.ts'
import { changeClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import {
  answerOf,
  CALLBACK,
  giveRole,
  pathOf,
  requestPath,
  returnTo,
  rowsOf,
  signIn,
  startFlow,
  VERIFIER,
} from '../flow.ts'

let worker: TestWorker
let browser: Browser
beforeEach(async () => {
  const flow = await startFlow({
    first_party: true,
    scope: 'openid email mqtt offline_access manage',
  })
  ;({ worker, browser } = flow)
})

const isLogin = (path: string) => path.startsWith('/login?')

async function outcome(path: string): Promise<string> {
  const page = await browser.get(path)
  const location = page.headers.get('location') ?? ''
  if (page.status !== 303) return `page ${page.status}`
  if (location.startsWith('/login?')) return 'login'
  if (location.startsWith('/consent?')) return 'consent'
  const answer = answerOf(page)
  expect(answer['iss']).toBe(ISSUER)
  expect(answer['state']).toBe('state-1')
  return answer['error'] ?? (answer['code'] === undefined ? 'nothing' : 'code')
}

describe('who is signed in for 100 seconds gets', () => {
  const cases: [string, Parameters<typeof requestPath>[0], string][] = [
    ['a code', {}, 'code'],
    ['a code with prompt=none', { prompt: 'none' }, 'code'],
    ['a login with prompt=login', { prompt: 'login' }, 'login'],
    ['a login with prompt=select_account', { prompt: 'select_account' }, 'login'],
    ['a login with prompt=login consent', { prompt: 'login consent' }, 'login'],
    ['the question with prompt=consent', { prompt: 'consent' }, 'consent'],
    ['a code with max_age=1000', { max_age: '1000' }, 'code'],
    ['a code with max_age=100', { max_age: '100' }, 'code'],
    ['a login with max_age=99', { max_age: '99' }, 'login'],
    ['a login with max_age=0', { max_age: '0' }, 'login'],
    [
      'login_required with prompt=none and max_age=99',
      { prompt: 'none', max_age: '99' },
      'login_required',
    ],
    [
      'login_required with prompt=none and max_age=0',
      { prompt: 'none', max_age: '0' },
      'login_required',
    ],
  ]
  test.each(cases)('%s', async (_, changes, expected) => {
    await signIn(worker, browser, 'ann')
    worker.clock.now += 100
    expect(await outcome(requestPath(changes))).toBe(expected)
  })
})

describe('who is not signed in gets', () => {
  const strangers: [string, (worker: TestWorker) => Promise<void>][] = [
    ['without a cookie', async () => {}],
    [
      'with a cookie of nobody',
      async () => {
        browser.cookies.set('session', 'A'.repeat(43))
      },
    ],
    [
      'with a cookie that is no handle',
      async () => {
        browser.cookies.set('session', "' or 1=1")
      },
    ],
    [
      'with a session that idled out',
      async () => {
        await signIn(worker, browser, 'ann')
        worker.clock.now += 12 * 3600
      },
    ],
    [
      'with a session of a disabled user',
      async () => {
        await signIn(worker, browser, 'ann')
        await worker.context().db.write(sql`update user set status = 'disabled' where id = 'ann'`)
      },
    ],
  ]
  test.each(strangers)('%s a login, and login_required with prompt=none', async (_, become) => {
    await become(worker)
    expect(await outcome(requestPath())).toBe('login')
    expect(await outcome(requestPath({ prompt: 'none' }))).toBe('login_required')
  })
})

test('prompt=login is satisfied by a sign-in after the request and by no other', async () => {
  await signIn(worker, browser, 'ann')
  const path = returnTo(await browser.get(requestPath({ prompt: 'login' })))
  // The same second: the old session does not count, however often the handle is tried.
  expect(await outcome(path)).toBe('login')
  worker.clock.now += 10
  expect(await outcome(path)).toBe('login')
  await signIn(worker, browser, 'ann')
  expect(await outcome(path)).toBe('code')
  const [code] = await rowsOf(worker, 'authorization_code')
  expect(code?.['auth_time']).toBe(worker.clock.now)
})

test('a sign-in before the request does not satisfy prompt=login, from another browser neither', async () => {
  const earlier = new Browser(worker)
  await signIn(worker, earlier, 'ann')
  worker.clock.now += 10
  const path = returnTo(await browser.get(requestPath({ prompt: 'login' })))
  browser.cookies.set('session', earlier.cookies.get('session') ?? '')
  expect(await outcome(path)).toBe('login')
})

test('max_age=0 is prompt=login in other words, in the very second of a sign-in too', async () => {
  await signIn(worker, browser, 'ann')
  expect(await outcome(requestPath({ max_age: '1' }))).toBe('code')
  const path = returnTo(await browser.get(requestPath({ max_age: '0' })))
  expect(await outcome(path)).toBe('login')
  await signIn(worker, browser, 'ann')
  expect(await outcome(path)).toBe('code')
})

test('max_age is satisfied after the sign-in, even when that takes longer than max_age', async () => {
  const path = returnTo(await browser.get(requestPath({ max_age: '5' })))
  await signIn(worker, browser, 'ann')
  worker.clock.now += 60
  expect(await outcome(path)).toBe('code')
})

test('a handle gives one code: afterwards, and when it ran out, there is a page', async () => {
  const first = returnTo(await browser.get(requestPath()))
  const second = returnTo(await browser.get(requestPath()))
  await signIn(worker, browser, 'ann')
  expect(await outcome(first)).toBe('code')
  expect(await outcome(first)).toBe('page 400')
  worker.clock.now += 1799
  expect((await rowsOf(worker, 'authorization_request')).length).toBe(1)
  expect(isLogin(pathOf(await new Browser(worker).get(second)))).toBe(true)
  worker.clock.now += 1
  expect((await new Browser(worker).get(second)).status).toBe(400)
  expect(await outcome(second)).toBe('page 400')
})

test('of 20 parallel looks at one handle, one gets a code', async () => {
  const path = returnTo(await browser.get(requestPath()))
  await signIn(worker, browser, 'ann')
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcome(path)))
  const codes = outcomes.filter((one) => one === 'code').length
  console.log('parallel looks', { parallel: outcomes.length, codes })
  expect(codes).toBe(1)
  expect(outcomes.filter((one) => one === 'page 400').length).toBe(19)
  expect((await rowsOf(worker, 'authorization_code')).length).toBe(1)
})

test('what changed at the client meanwhile counts', async () => {
  const paths: string[] = []
  for (let i = 0; i < 3; i++)
    paths.push(returnTo(await browser.get(requestPath({ scope: 'openid email' }))))
  await signIn(worker, browser, 'ann')
  const [less = '', moved = '', stopped = ''] = paths
  const cx = () => worker.context()
  await changeClient(cx(), 'app', { scope: 'openid' }, null)
  expect(await outcome(less)).toBe('code')
  expect((await rowsOf(worker, 'authorization_code'))[0]?.['scope']).toBe('openid')
  await changeClient(cx(), 'app', { redirect_uris: ['https://app.example/new'] }, null)
  expect(await outcome(moved)).toBe('page 400')
  await changeClient(cx(), 'app', { redirect_uris: [CALLBACK], status: 'disabled' }, null)
  expect(await outcome(stopped)).toBe('page 400')
})

test('a resource that the client lost meanwhile is invalid_target, and no code is given', async () => {
  const cx = () => worker.context()
  const resource = 'https://shop.example/'
  await changeClient(cx(), 'app', { resources: [resource] }, null)
  const path = returnTo(await browser.get(requestPath({ resource })))
  await changeClient(cx(), 'app', { resources: [] }, null)
  await signIn(worker, browser, 'ann')
  expect(await outcome(path)).toBe('invalid_target')
  expect(await rowsOf(worker, 'authorization_code')).toEqual([])
})

describe('id_token_hint', () => {
  beforeEach(async () => {
    await createUser(worker.context(), { id: 'bob', email: 'bob@example.com' })
  })

  /** An ID token as the token endpoint gives it; `claims` change it. */
  const hint = async (sub: string, claims: object = {}, typ = 'JWT') => {
    const now = worker.clock.now
    const all = { sub, aud: 'app', iat: now, exp: now + 300, ...claims }
    return (await signJwt(worker.context(), 'RS256', typ, all)).jwt
  }

  test('of who is signed in gives a code, silently too, also when it has run out', async () => {
    await signIn(worker, browser, 'ann')
    const id_token_hint = await hint('ann')
    worker.clock.now += 3600
    expect(await outcome(requestPath({ id_token_hint }))).toBe('code')
    expect(await outcome(requestPath({ id_token_hint, prompt: 'none' }))).toBe('code')
  })

  test('of another person is login_required silently, and no code is about who is signed in', async () => {
    await signIn(worker, browser, 'ann')
    const id_token_hint = await hint('bob')
    expect(await outcome(requestPath({ id_token_hint, prompt: 'none' }))).toBe('login_required')
    const path = returnTo(await browser.get(requestPath({ id_token_hint })))
    expect(await outcome(path)).toBe('login')
    expect(await rowsOf(worker, 'authorization_code')).toEqual([])

    // Whoever signs in instead is told to the client, and not sent around in a circle.
    worker.clock.now += 10
    await signIn(worker, browser, 'ann')
    expect(await outcome(path)).toBe('login_required')
    await signIn(worker, browser, 'bob')
    expect(await outcome(path)).toBe('code')
    expect((await rowsOf(worker, 'authorization_code'))[0]?.['user_id']).toBe('bob')
  })

  test('that is no ID token of this client is invalid_request', async () => {
    await signIn(worker, browser, 'ann')
    const good = await hint('ann')
    const [header, , signature] = good.split('.')
    const [, others] = (await hint('bob')).split('.')
    for (const id_token_hint of [
      'nonsense',
      `${header}.${others}.${signature}`,
      await hint('ann', { aud: 'another' }),
      await hint('ann', { iss: 'https://evil.example' }),
      await hint('ann', {}, 'at+jwt'),
      [good, good],
    ]) {
      expect(await outcome(requestPath({ id_token_hint }))).toBe('invalid_request')
    }
  })
})

test('the code is kept as a hash, with everything that its redemption needs', async () => {
  await signIn(worker, browser, 'ann')
  worker.clock.now += 7
  const page = await browser.get(
    requestPath({ nonce: 'n-1', scope: 'openid mqtt', resource: ISSUER }),
  )
  const { code } = answerOf(page)
  expect(code).toMatch(/^[A-Za-z0-9_-]{43}$/)
  const [row] = await rowsOf(worker, 'authorization_code')
  expect(row).toMatchObject({
    client_id: 'app',
    user_id: 'ann',
    redirect_uri: CALLBACK,
    scope: 'openid mqtt',
    resource: JSON.stringify([ISSUER]),
    nonce: 'n-1',
    auth_time: worker.clock.now - 7,
    amr: '["pwd"]',
    authorization_id: expect.stringMatching(/^azn_/),
    expires_at: worker.clock.now + 60,
    redeemed_by: null,
  })
  expect(JSON.stringify(row)).not.toContain(code)
  expect(JSON.stringify(worker.log)).not.toContain(code)
})

test('the code is good at the token endpoint, once, with its verifier', async () => {
  await signIn(worker, browser, 'ann')
  const { code = '' } = answerOf(await browser.get(requestPath({ nonce: 'n-1' })))
  const redeem = (code_verifier: string) =>
    worker.request('/oauth/token', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: 'app',
        redirect_uri: CALLBACK,
        code,
        code_verifier,
      }).toString(),
    })
  expect((await redeem('w'.repeat(43))).status).toBe(400)
  const answer = await redeem(VERIFIER)
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ token_type: 'Bearer', scope: 'openid' })
  expect((await redeem(VERIFIER)).status).toBe(400)
})

describe('management scopes', () => {
  const scopeOf = async (scope: string) => {
    const result = await outcome(requestPath({ scope }))
    const rows = await rowsOf(worker, 'authorization_code')
    return result === 'code' ? rows.at(-1)?.['scope'] : result
  }

  test('are refused to a person who holds none of them', async () => {
    await signIn(worker, browser, 'ann')
    expect(await scopeOf('manage')).toBe('invalid_scope')
    expect(await scopeOf('openid users:read users:write')).toBe('invalid_scope')
    expect(await scopeOf('openid')).toBe('openid')
  })

  test('are given as far as a role on everything gives them', async () => {
    const at = worker.clock.now
    await worker.context().db.write(sql`
      insert into role (name, description, permissions, acl, builtin, created_at, updated_at, version)
      values ('helper', '', '["users:read"]', '[]', 0, ${at}, ${at}, 1)`)
    await giveRole(worker, 'ann', 'helper')
    await signIn(worker, browser, 'ann')
    expect(await scopeOf('users:read users:write')).toBe('users:read')
    expect(await scopeOf('manage')).toBe('invalid_scope')
  })

  test('are given in full to an operator', async () => {
    await giveRole(worker, 'ann', 'operator')
    await signIn(worker, browser, 'ann')
    expect(await scopeOf('manage')).toBe('manage')
    expect(await scopeOf('users:read devices:write')).toBe('users:read devices:write')
  })
})

test('a scope that nobody knows is left out, and a known one that the client may not have is named', async () => {
  await signIn(worker, browser, 'ann')
  await changeClient(worker.context(), 'app', { scope: 'openid email' }, null)
  expect(await outcome(requestPath({ scope: 'openid frobnicate' }))).toBe('code')
  expect((await rowsOf(worker, 'authorization_code')).at(-1)?.['scope']).toBe('openid')
  const refused = answerOf(
    await browser.get(requestPath({ scope: 'openid mqtt users:read frobnicate' })),
  )
  expect(refused).toMatchObject({
    error: 'invalid_scope',
    error_description: expect.stringMatching(/: mqtt users:read$/),
  })
  expect(await outcome(requestPath({ scope: 'frobnicate' }))).toBe('invalid_scope')
})

test('authorize takes 2 round trips to a code, by handle too', async () => {
  const handles = [
    returnTo(await browser.get(requestPath())),
    returnTo(await browser.get(requestPath())),
  ]
  await signIn(worker, browser, 'ann')
  const [warm = '', counted = ''] = handles
  expect(await outcome(warm)).toBe('code')
  const byHandle = await countRoundTrips(worker, () => outcome(counted))
  const direct = await countRoundTrips(worker, () => outcome(requestPath()))
  // The session is touched with the code, not beside it; the settings are younger than a minute.
  worker.clock.now += 30
  worker.memory.clear()
  await outcome(requestPath())
  worker.clock.now += 45
  const touching = await countRoundTrips(worker, () => outcome(requestPath()))
  const [seen] = await worker
    .context()
    .db.read(sql<{ at: number }>`select last_seen_at as at from session`)
  expect(seen?.at).toBe(worker.clock.now)
  const counts = {
    byHandle: byHandle.roundTrips,
    direct: direct.roundTrips,
    touching: touching.roundTrips,
  }
  console.log('round trips to a code', counts)
  expect([byHandle.value, direct.value, touching.value]).toEqual(['code', 'code', 'code'])
  expect(counts).toEqual({ byHandle: 2, direct: 2, touching: 2 })
})
