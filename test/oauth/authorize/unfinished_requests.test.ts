// Anybody can begin a sign-in. Nobody can fill the database by it, nor keep others behind the same
// address from signing in.
import { expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { sql } from '../../../worker/db/sql.ts'
import { createUser } from '../../../worker/identity/users.ts'
import { STORED_MAX, storedText } from '../../../worker/oauth/authorize/unfinished_requests.ts'
import { createClient } from '../../../worker/oauth/clients/clients.ts'
import { startWorker, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { reasonOf } from '../../support/log.ts'
import { APP, answerOf, CALLBACK, CHALLENGE, requestPath, signIn } from '../flow.ts'
import { addClient, basic, count, post } from '../token_fixtures.ts'

const MAX = 10
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code' as const

async function startFew() {
  const worker = await startWorker()
  const cx = worker.context()
  await createClient(cx, {
    ...APP,
    grant_types: ['authorization_code', DEVICE_CODE],
    token_endpoint_auth_method: 'none',
    first_party: true,
  })
  const secret = await addClient(worker, {
    client_id: 'bank',
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code', DEVICE_CODE],
    scope: 'openid',
  })
  await createUser(cx, { id: 'ann', email: 'ann@example.com' })
  await changeSettings(cx, { unfinished_requests_per_address: MAX })
  return { worker, secret }
}

const REQUEST = {
  response_type: 'code',
  redirect_uri: CALLBACK,
  scope: 'openid',
  code_challenge: CHALLENGE,
  code_challenge_method: 'S256',
}

type Begin = (
  worker: TestWorker,
  address: string,
) => Promise<{ status: number; error: unknown; retry: string | null }>

const told = (answer: Awaited<ReturnType<typeof post>>) => ({
  status: answer.status,
  error: answer.body.error,
  retry: answer.headers.get('retry-after'),
})

/** Ways to begin without proving anything. */
const WAYS: Record<string, { begin: Begin; table: string; refused: object }> = {
  authorize: {
    table: 'authorization_request',
    refused: { status: 303, error: 'temporarily_unavailable' },
    begin: async (worker, address) => {
      const answer = await worker.request(requestPath(), { headers: { 'x-test-address': address } })
      const location = new URL(answer.headers.get('location') ?? '', 'http://localhost:8787')
      return { status: answer.status, error: location.searchParams.get('error'), retry: null }
    },
  },
  'a pushed request': {
    table: 'authorization_request',
    refused: { status: 429, error: 'temporarily_unavailable', retry: '1800' },
    begin: async (worker, address) => {
      const form = { ...REQUEST, client_id: 'app' }
      return told(await post(worker, '/oauth/par', form, { 'x-test-address': address }))
    },
  },
  'a device code': {
    table: 'device_authorization',
    refused: { status: 429, error: 'temporarily_unavailable', retry: '1800' },
    begin: async (worker, address) => {
      const form = { client_id: 'app', scope: 'openid' }
      const headers = { 'x-test-address': address }
      return told(await post(worker, '/oauth/device_authorization', form, headers))
    },
  },
}

const HERE = '198.51.100.7'
const rowsOf = (worker: TestWorker) =>
  Promise.all([
    count(worker, sql`from authorization_request`),
    count(worker, sql`from device_authorization`),
  ]).then(([requests, codes]) => requests + codes)

test.each(Object.keys(WAYS))(
  '%s: of a hundred at once from one address few are kept',
  async (name) => {
    const { worker } = await startFew()
    const { begin, refused } = WAYS[name] as (typeof WAYS)[string]
    await Promise.all(Array.from({ length: 100 }, () => begin(worker, HERE)))
    expect(await rowsOf(worker)).toBe(MAX)
    expect(await begin(worker, HERE)).toMatchObject(refused)
    expect(reasonOf(worker)).toBe('unfinished_requests_per_address')
    await begin(worker, '198.51.100.8')
    expect(await rowsOf(worker)).toBe(MAX + 1)
    worker.clock.now += 1800
    await begin(worker, HERE)
    expect(await rowsOf(worker)).toBe(MAX + 2)
  },
)

test('whoever finishes is not counted, and is refused nothing that others do not fill', async () => {
  const { worker } = await startFew()
  for (let i = 0; i < 3 * MAX; i++) {
    const browser = new Browser(worker)
    const login = await browser.get(requestPath())
    await signIn(worker, browser, 'ann')
    const back = new URL(login.headers.get('location') ?? '', 'http://localhost:8787')
    const answer = await browser.get(back.searchParams.get('return_to') ?? '')
    expect([i, answerOf(answer)]).toEqual([
      i,
      expect.objectContaining({ code: expect.any(String) }),
    ])
  }
})

test('people who are signed in and clients that authenticate are not counted', async () => {
  const { worker, secret } = await startFew()
  const browser = new Browser(worker)
  await signIn(worker, browser, 'ann')
  for (let i = 0; i < 2 * MAX; i++) {
    const consent = await browser.get(requestPath({ client_id: 'bank', scope: 'openid' }))
    expect(consent.headers.get('location')).toMatch(/^\/consent/)
    const pushed = await post(worker, '/oauth/par', REQUEST, basic('bank', secret))
    expect(pushed.status).toBe(201)
    const form = { scope: 'openid' }
    const codes = await post(worker, '/oauth/device_authorization', form, basic('bank', secret))
    expect(codes.status).toBe(200)
  }
  expect(await count(worker, sql`from attempt`)).toBe(0)
})

test('only checked and short members are kept', async () => {
  const { worker } = await startFew()
  const long = { state: 's'.repeat(4096), nonce: 'n'.repeat(1024), acr_values: 'x '.repeat(400) }
  await worker.request(requestPath({ ...long, unknown: 'u'.repeat(900) }))
  const [row] = await worker
    .context()
    .db.read(sql<{ parameters: string }>`select parameters from authorization_request`)
  const kept = JSON.parse(row?.parameters ?? '{}')
  expect(kept).toMatchObject({ state: long.state, nonce: long.nonce, acr_values: [] })
  expect(kept).not.toHaveProperty('unknown')
  expect((row?.parameters ?? '').length).toBeLessThan(STORED_MAX)
  expect(storedText({ a: 'x'.repeat(STORED_MAX - 8) })).toHaveLength(STORED_MAX)
  expect(() => storedText({ a: 'x'.repeat(STORED_MAX - 7) })).toThrow('request_too_long')
})
