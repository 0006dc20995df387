// What the tests of sessions across clients share: people who sign in with a password in browsers, clients that
// sign them in and hear of their logout, and receivers that keep what was sent to them.
import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { ANONYMOUS } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { runJobs } from '../../worker/jobs.ts'
import { type ClientInput, createClient } from '../../worker/oauth/clients/clients.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'
import { Browser, type Page } from '../identity/browser.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { answerOf, pathOf, requestPath, VERIFIER } from './flow.ts'
import { claimsOf, token } from './token_fixtures.ts'

export { ANN, PASSWORD }
export const BOB = 'bob@example.com'

export const callbackOf = (client_id: string) => `https://${client_id}.example/callback`
export const byeOf = (client_id: string) => `https://${client_id}.example/bye`
export const receiverOf = (client_id: string) => `https://${client_id}.example/backchannel`

/** What the receiver of each client got, and what it is to answer. */
export type Receivers = {
  got: { client_id: string; logout_token: string }[]
  answer: (client_id: string) => Response | Promise<Response>
}

export const clientOf = (client_id: string): ClientInput => ({
  client_id,
  client_name: `The ${client_id}`,
  token_endpoint_auth_method: 'none',
  redirect_uris: [callbackOf(client_id)],
  post_logout_redirect_uris: [byeOf(client_id)],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'openid email offline_access',
  backchannel_logout_uri: receiverOf(client_id),
})

/** Ann and Bob, and clients `shop` and `bank` that people need not allow. */
export async function startSessions(
  changes: Partial<ClientInput> = {},
  env: Record<string, string> = {},
) {
  const receivers: Receivers = { got: [], answer: () => new Response(null, { status: 200 }) }
  const receive = (client_id: string) => async (request: Request) => {
    const type = request.headers.get('content-type')
    if (request.method !== 'POST' || type !== 'application/x-www-form-urlencoded') {
      return new Response(null, { status: 400 })
    }
    const form = new URLSearchParams(await request.text())
    receivers.got.push({ client_id, logout_token: form.get('logout_token') ?? '' })
    return receivers.answer(client_id)
  }
  const outside = Object.fromEntries(
    ['shop', 'bank'].map((client_id) => [receiverOf(client_id), receive(client_id)]),
  )
  const worker = await startWorker(env, { outside })
  const cx = worker.context()
  await createPerson(cx, { id: 'ann', email: ANN, password: PASSWORD, name: 'Ann' })
  await createPerson(cx, { id: 'bob', email: BOB, password: PASSWORD })
  for (const client_id of ['shop', 'bank']) {
    await createClient(cx, { ...clientOf(client_id), first_party: true, ...changes })
  }
  return { worker, receivers, browser: new Browser(worker) }
}

/** Redeems the code that a page sent to the client. */
export async function redeemAt(worker: TestWorker, client_id: string, page: Page) {
  const { code = '', error } = answerOf(page, callbackOf(client_id))
  if (error !== undefined) throw new Error(error)
  const { status, body } = await token(worker, {
    grant_type: 'authorization_code',
    code,
    client_id,
    redirect_uri: callbackOf(client_id),
    code_verifier: VERIFIER,
  })
  if (status !== 200) throw new Error(JSON.stringify(body))
  const { access_token = '', refresh_token = '', id_token = '' } = body
  return { access_token, refresh_token, id_token, claims: claimsOf(id_token) }
}

type Changes = Parameters<typeof requestPath>[0]

export const requestOf = (client_id: string, changes: Changes = {}) =>
  requestPath({ client_id, redirect_uri: callbackOf(client_id), ...changes })

/** A browser that knows the person signs in to a client, or the page that is shown instead fails the test. */
export const visit = async (
  worker: TestWorker,
  browser: Browser,
  client_id: string,
  changes: Changes = {},
) => redeemAt(worker, client_id, await browser.get(requestOf(client_id, changes)))

/** Goes to a client, is led to the login page, signs in there and comes back with tokens. */
export async function signInAt(
  worker: TestWorker,
  browser: Browser,
  client_id: string,
  { email = ANN, ...changes }: Changes & { email?: string } = {},
) {
  const asked = await browser.get(requestOf(client_id, changes))
  const back = await browser.signIn(email, PASSWORD, pathOf(asked))
  return redeemAt(worker, client_id, await browser.get(pathOf(back)))
}

/** A logout token as a client checks it (Back-Channel Logout §2.6), by the keys that we publish. */
export async function verifyLogoutToken(
  worker: TestWorker,
  client_id: string,
  logout_token: string,
): Promise<JWTPayload> {
  const answer = await worker.request('/.well-known/jwks.json')
  const { payload } = await jwtVerify(
    logout_token,
    createLocalJWKSet((await answer.json()) as never),
    {
      typ: 'logout+jwt',
      issuer: ISSUER,
      audience: client_id,
      currentDate: new Date(worker.clock.now * 1000),
      requiredClaims: ['iss', 'aud', 'iat', 'exp', 'jti', 'sub', 'sid', 'events'],
    },
  )
  return payload
}

/** Runs the timer as often as a minute goes by. */
export async function runTimer(worker: TestWorker, seconds = 60): Promise<void> {
  worker.clock.now += seconds
  await runJobs(worker.context({ kind: 'system', id: null, scopes: new Set(['manage']) }, ''))
  await worker.settled()
}

/** Whether an access token still opens userinfo. */
export async function isGood(worker: TestWorker, access_token: string): Promise<boolean> {
  const answer = await worker.request('/oauth/userinfo', {
    headers: { Authorization: `Bearer ${access_token}` },
  })
  return answer.status === 200
}

export async function isSignedIn(browser: Browser): Promise<boolean> {
  return (await browser.get('/account')).status === 200
}

/** The events of a type, their data read. */
export async function eventsOf(worker: TestWorker, type: string) {
  const rows = await worker.context(ANONYMOUS).db.read(sql<{
    outcome: string
    actor_kind: string
    actor_id: string | null
    subject_id: string | null
    data: string
  }>`select outcome, actor_kind, actor_id, subject_id, data from event
    where type = ${type} order by rowid`)
  return rows.map((row) => ({ ...row, data: JSON.parse(row.data) as Record<string, unknown> }))
}

export async function deliveriesOf(worker: TestWorker) {
  const rows = await worker.context().db.read(
    sql<{ client_id: string; attempts: number; next_at: number }>`
        select recipient as client_id, attempts, next_at from delivery order by client_id`,
  )
  return rows
}
