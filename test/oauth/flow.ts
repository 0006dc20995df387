// What the tests of the authorization endpoint share: people with sessions, clients, requests, and the answer
// that a client finds in its address.
import { randomId } from '../../worker/crypto.ts'
import { grant } from '../../worker/db/schema.ts'
import { insertInto, sql } from '../../worker/db/sql.ts'
import { startSession } from '../../worker/identity/sessions.ts'
import { findUserById } from '../../worker/identity/store.ts'
import { createUser } from '../../worker/identity/users.ts'
import { type ClientInput, createClient } from '../../worker/oauth/clients/clients.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'
import { Browser, type Page } from '../identity/browser.ts'

export const CALLBACK = 'https://app.example/callback'
/** S256 of 43 times `v`. */
export const VERIFIER = 'v'.repeat(43)
export const CHALLENGE = '7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM'

export const APP: ClientInput = {
  client_id: 'app',
  token_endpoint_auth_method: 'none',
  redirect_uris: [CALLBACK],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'openid profile email offline_access mqtt',
}

/** A worker with Ann, the client `app`, and a browser that knows nobody. */
export async function startFlow(app: Partial<ClientInput> = {}, env: Record<string, string> = {}) {
  const worker = await startWorker(env)
  const cx = worker.context()
  const user = await createUser(cx, { id: 'ann', email: 'ann@example.com' })
  const { client } = await createClient(cx, { ...APP, ...app })
  return { worker, user, client, browser: new Browser(worker) }
}

/** Gives the browser a new session, as a login does. */
export async function signIn(
  worker: TestWorker,
  browser: Browser,
  user_id: string,
  amr: readonly string[] = ['pwd'],
) {
  const cx = worker.context()
  const [stored] = await cx.db.read(findUserById(user_id))
  const { statements, started, cookiesOf } = startSession(cx, {
    user_id,
    password: stored?.password ?? null,
    amr,
    user_agent: 'test',
    replaces: browser.cookies.get('session'),
    browsers: [],
  })
  const answers = await cx.db.write({ statements, started })
  if (answers.started.length !== 1) throw new Error(`${user_id} got no session`)
  browser.cookies.set('session', cookiesOf(answers.started).session)
}

/** Gives somebody a role everywhere. */
export async function giveRole(worker: TestWorker, subject_id: string, role: string) {
  const cx = worker.context()
  const now = cx.now()
  await cx.db.write(
    insertInto(grant, {
      id: randomId(cx, 'gra'),
      subject_id,
      role,
      object_id: '*',
      created_at: now,
      updated_at: now,
      version: 1,
    }),
  )
}

type Parameters = Record<string, string | readonly string[] | undefined>

/** The parameters of a good request, changed by `changes`; undefined leaves one out, an array repeats it. */
export function requestParameters(changes: Parameters = {}): URLSearchParams {
  const all: Parameters = {
    response_type: 'code',
    client_id: 'app',
    redirect_uri: CALLBACK,
    scope: 'openid',
    state: 'state-1',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...changes,
  }
  const pairs = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => [name, one]),
  )
  return new URLSearchParams(pairs)
}

export const requestPath = (changes: Parameters = {}): string =>
  `/oauth/authorize?${requestParameters(changes)}`

/** Where a redirect leads. */
export function locationOf(page: Page): URL {
  const location = page.headers.get('location')
  if (page.status !== 303 || location === null) {
    throw new Error(`not a redirect but ${page.status}: ${page.html}`)
  }
  return new URL(location, ISSUER)
}

/** The members of the answer that went to `callback`. Throws when it went elsewhere. */
export function answerOf(page: Page, callback = CALLBACK): Record<string, string> {
  const url = locationOf(page)
  const query = url.search
  url.search = ''
  if (url.href !== callback) throw new Error(`the answer went to ${url.href}`)
  return Object.fromEntries(new URLSearchParams(query))
}

/** The path of a redirect of our own. Throws when it leads to another origin. */
export function pathOf(page: Page): string {
  const url = locationOf(page)
  if (url.origin !== ISSUER) throw new Error(`the browser was sent to ${url.origin}`)
  return url.pathname + url.search
}

/** The path that the login page was told to go on to. */
export const returnTo = (page: Page): string =>
  new URLSearchParams(pathOf(page).split('?')[1]).get('return_to') ?? ''

/** Follows our own redirects with GET until a page or another origin comes. */
export async function follow(browser: Browser, page: Page): Promise<Page> {
  let at = page
  for (let i = 0; i < 5 && at.status === 303 && locationOf(at).origin === ISSUER; i++) {
    if (pathOf(at).startsWith('/login')) break
    at = await browser.get(pathOf(at))
  }
  return at
}

const TABLES = {
  authorization_code: sql`select * from authorization_code`,
  authorization_request: sql`select * from authorization_request`,
  allowed_scope: sql`select * from allowed_scope order by resource, scope`,
  authorization: sql`select * from authorization`,
  client_secret: sql`select * from client_secret`,
  event: sql`select * from event order by seq`,
} as const

/** What a table holds. */
export async function rowsOf(
  worker: TestWorker,
  table: keyof typeof TABLES,
): Promise<Record<string, unknown>[]> {
  const rows = await worker.context().db.read(TABLES[table])
  return rows as Record<string, unknown>[]
}
