// A person whose account is closed or disabled goes on at no door: neither with what was issued before,
// nor with what others say of the person. The status is written by hand, so that it alone refuses.
import { SignJWT } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { allowed_scope } from '../../worker/db/oauth_schema.ts'
import { insertInto, sql } from '../../worker/db/sql.ts'
import { changeUser } from '../../worker/identity/users.ts'
import { runJobs } from '../../worker/jobs.ts'
import { ISSUER, SYSTEM, type TestWorker } from '../context.ts'
import { Browser } from '../identity/browser.ts'
import { newClientToken } from '../support/operator.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { pathOf, requestPath, signIn as startSession } from './flow.ts'
import { GOOGLE_URI, google, startLinking } from './linking.ts'
import { isGood, isSignedIn } from './session_fixtures.ts'
import {
  addApp,
  addClient,
  addCode,
  addGrant,
  basic,
  count,
  makeSigner,
  post,
  REDIRECT,
  redeem,
  refresh,
  signIn,
  startIssuer,
  token,
  write,
} from './token_fixtures.ts'

const SECRET = 'a-secret-of-more-than-thirty-characters'
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const PARTNER = 'https://partner.example'

/** Writes the status alone: the epoch stays, so nothing else refuses. */
const setState = (worker: TestWorker, status: string) =>
  write(
    worker,
    sql`update user set status = ${status},
      closes_at = ${status === 'closed' ? worker.clock.now + 86_400 : null} where id = 'ann'`,
  )

describe.each(['disabled', 'closed'])('a person whose account is %s', (status) => {
  let worker: TestWorker

  beforeEach(async () => {
    worker = await startIssuer()
    await addApp(worker, {
      token_endpoint_auth_method: 'client_secret_basic',
      client_secret: SECRET,
      grant_types: ['authorization_code', 'refresh_token', DEVICE_CODE, JWT_BEARER, EXCHANGE],
      redirect_uris: [REDIRECT],
      resources: ['https://other.example/', 'https://app.example/'],
      serves: ['https://app.example/'],
    })
  })

  const auth = basic('app', SECRET)

  test('has no good access token: userinfo, /v1, introspection', async () => {
    await addGrant(worker, 'ann', { name: 'operator' })
    const { code } = await addCode(worker, { scope: 'users:read offline_access' })
    const { body } = await redeem(worker, code, {}, auth)
    const { access_token = '', refresh_token = '' } = body
    const { code: other } = await addCode(worker)
    const { access_token: ofPerson = '' } = (await redeem(worker, other, {}, auth)).body
    const users = async () =>
      (await worker.request('/v1/users', { headers: { authorization: `Bearer ${access_token}` } }))
        .status
    const introspected = async (one: string) =>
      (await post(worker, '/oauth/introspect', { token: one }, auth)).body['active']
    expect([await users(), await introspected(access_token), await introspected(refresh_token)])
      // The person is good so far.
      .toEqual([200, true, true])
    expect(await isGood(worker, ofPerson)).toBe(true)
    await setState(worker, status)
    expect([
      await users(),
      await introspected(access_token),
      await introspected(refresh_token),
    ]).toEqual([401, false, false])
    expect(await isGood(worker, ofPerson)).toBe(false)
  })

  test('gets nothing for a refresh token, a code, or a token to exchange', async () => {
    const { code } = await addCode(worker, { resource: ['https://app.example/'] })
    const first = await redeem(worker, code, {}, auth)
    const { refresh_token = '', access_token = '' } = first.body
    const { code: waiting } = await addCode(worker)
    const exchange = () =>
      token(
        worker,
        {
          grant_type: EXCHANGE,
          subject_token: access_token,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          resource: 'https://other.example/',
        },
        auth,
      )
    expect((await exchange()).body).toHaveProperty('access_token')
    await setState(worker, status)
    const refreshed = await refresh(worker, refresh_token, {}, auth)
    const redeemed = await redeem(worker, waiting, {}, auth)
    const exchanged = await exchange()
    expect([refreshed, redeemed].map(({ body }) => body.error)).toEqual([
      'invalid_grant',
      'invalid_grant',
    ])
    expect(exchanged.status).toBe(400)
    expect(exchanged.body).not.toHaveProperty('access_token')
  })

  test('is nobody of whom another issuer can speak', async () => {
    const partner = await makeSigner('ES256', 'k1')
    await changeSettings(worker.context(), {
      trusted_issuers: [
        { issuer: PARTNER, subject: 'email', jwks: { keys: [partner.jwk as never] } },
      ],
    })
    await write(
      worker,
      insertInto(allowed_scope, {
        ...{ user_id: 'ann', client_id: 'app', resource: '', scope: 'openid', created_at: 1 },
      }),
    )
    const bring = async () => {
      const { now } = worker.clock
      const claims = { iss: PARTNER, sub: 'p', aud: ISSUER, iat: now, exp: now + 300 }
      const assertion = await new SignJWT({
        ...claims,
        jti: crypto.randomUUID(),
        email: ANN,
        email_verified: true,
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .sign(partner.privateKey)
      return token(worker, { grant_type: JWT_BEARER, assertion, scope: 'openid' }, auth)
    }
    expect((await bring()).status).toBe(200)
    await setState(worker, status)
    expect((await bring()).body.error).toBe('invalid_grant')
  })

  test('allows no device, and what was allowed gives nothing', async () => {
    const begin = async () => {
      const { body } = await post(worker, '/oauth/device_authorization', { scope: 'openid' }, auth)
      return body as { user_code: string; device_code: string }
    }
    const browser = new Browser(worker)
    await startSession(worker, browser, 'ann')
    const { user_code, device_code } = await begin()
    const typed = await browser.submit(await browser.get('/device'), {
      code: user_code,
      action: 'continue',
    })
    await browser.submit(typed, { action: 'allow' })
    const second = await begin()
    const question = await browser.submit(await browser.get('/device'), {
      code: second.user_code,
      action: 'continue',
    })
    await setState(worker, status)
    worker.clock.now += 10
    const polled = await token(worker, { grant_type: DEVICE_CODE, device_code }, auth)
    expect(polled.body.error).toBe('invalid_grant')
    expect(pathOf(await browser.submit(question, { action: 'allow' }))).toMatch(/^\/login/)
    const rows = sql`from device_authorization where status = 'allowed' and redeemed_by is null`
    expect(await count(worker, sql`${rows} and user_code_mac <> ''`)).toBe(1)
  })

  test('has no session: authorize, consent, the account', async () => {
    const browser = new Browser(worker)
    await startSession(worker, browser, 'ann')
    expect(await isSignedIn(browser)).toBe(true)
    await setState(worker, status)
    expect(await isSignedIn(browser)).toBe(false)
    const sent = await browser.get(
      requestPath({ client_id: 'app', redirect_uri: REDIRECT, scope: 'openid' }),
    )
    expect(pathOf(sent)).toMatch(/^\/login/)
    for (const path of ['/account', '/account/export', '/account/close', '/continue', '/device']) {
      expect(pathOf(await browser.get(path)), path).toMatch(/^\/login/)
    }
    expect(await count(worker, sql`from authorization_code`)).toBe(0)
  })

  test('keeps a public client out too', async () => {
    await addApp(worker, { client_id: 'phone' })
    const { refresh_token } = await signIn(worker, { client_id: 'phone' })
    await setState(worker, status)
    const again = await refresh(worker, refresh_token, { client_id: 'phone' })
    expect(again.body.error).toBe('invalid_grant')
  })
})

test('an assistant is not linked to a closed account before its person keeps it', async () => {
  const { worker, browser } = await startLinking(google)
  await setState(worker, 'closed')
  const parameters = {
    client_id: google.client_id,
    redirect_uri: GOOGLE_URI,
    response_type: 'code',
    state: 's',
    ...google.asks,
  }
  const path = `/oauth/authorize?${new URLSearchParams(parameters)}`
  const login = await browser.get(pathOf(await browser.get(path)))
  const done = await browser.submit(login, { username: ANN, password: PASSWORD, action: 'login' })
  expect(pathOf(done)).toMatch(/^\/account\/closed/)
  expect(pathOf(await browser.get(path))).toMatch(/^\/login/)
  expect(await count(worker, sql`from authorization_code`)).toBe(0)
  const kept = await browser.submit(await browser.get(pathOf(done)), { action: 'keep' })
  expect(pathOf(kept)).toMatch(/^\/oauth\/authorize/)
})

test('a closing withdraws what applications and assistants have, for good', async () => {
  const worker = await startIssuer()
  await addApp(worker)
  const person = await createPerson(worker.context(), {
    id: 'bea',
    email: 'bea@example.com',
    password: PASSWORD,
  })
  await addClient(worker, { client_id: 'job', grant_types: ['client_credentials'] })
  const { refresh_token, access_token } = await signIn(worker, { user_id: person.id })
  const browser = new Browser(worker)
  await browser.signIn('bea@example.com', PASSWORD)
  await browser.submit(await browser.get('/account/close'), { action: 'close' })
  await browser.submit(
    await browser.get(pathOf(await browser.signIn('bea@example.com', PASSWORD))),
    { action: 'keep' },
  )
  expect(await isSignedIn(browser)).toBe(true)
  expect((await refresh(worker, refresh_token)).body.error).toBe('invalid_grant')
  expect(await isGood(worker, access_token)).toBe(false)
  expect(await count(worker, sql`from allowed_scope`)).toBe(0)
  expect(await count(worker, sql`from authorization where revoked_at is null`)).toBe(0)
})

test.each<[string, (worker: TestWorker) => Promise<unknown>]>([
  [
    'by an operator',
    async (worker) => {
      const headers = { authorization: `Bearer ${await newClientToken(worker)}` }
      return worker.request('/v1/users/ann', { method: 'DELETE', headers })
    },
  ],
  [
    'by the timer, once it was closed',
    async (worker) => {
      await changeUser(worker.context(), 'ann', { status: 'closed' }, null)
      worker.clock.now += 31 * 86_400
      await runJobs(worker.context(SYSTEM, ''))
    },
  ],
])('a person who is deleted %s leaves nothing that applications were allowed', async (_, end) => {
  const worker = await startIssuer()
  await addApp(worker)
  await signIn(worker)
  await write(
    worker,
    insertInto(allowed_scope, {
      ...{ user_id: 'ann', client_id: 'app', resource: '', scope: 'openid', created_at: 1 },
    }),
  )
  await end(worker)
  expect(await count(worker, sql`from user where id = 'ann'`)).toBe(0)
  expect(await count(worker, sql`from allowed_scope`)).toBe(0)
  expect(await count(worker, sql`from authorization where revoked_at is null`)).toBe(0)
})
