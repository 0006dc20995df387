// What a person allowed applications: operators see and end it through the API, the person on a page of ours. Taken
// back means that tokens are dead, codes too, and that the application has to ask again.
import { describe, expect, test } from 'vitest'
import { device_authorization } from '../../../worker/db/oauth_schema.ts'
import { insertInto, sql } from '../../../worker/db/sql.ts'
import { digestOf } from '../../../worker/oauth/authorization_details.ts'
import { createClient } from '../../../worker/oauth/clients/clients.ts'
import { DEFAULT_SETTINGS } from '../../../worker/settings.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { answerOf, giveRole, locationOf, pathOf, rowsOf, VERIFIER } from '../flow.ts'
import {
  BOB,
  callbackOf,
  clientOf,
  eventsOf,
  isGood,
  redeemAt,
  requestOf,
  signInAt,
  startSessions,
  visit,
} from '../session_fixtures.ts'
import { basic, refresh, token } from '../token_fixtures.ts'

type Item = Record<string, unknown> & { id: string }

async function apiOf(worker: TestWorker, scope: string) {
  const client_id = `ops-${crypto.randomUUID()}`
  const { client_secret = '' } = await createClient(worker.context(), {
    client_id,
    grant_types: ['client_credentials'],
    scope,
  })
  const grant = { grant_type: 'client_credentials', scope }
  const { body } = await token(worker, grant, basic(client_id, client_secret))
  return async (method: string, path: string) => {
    const headers = { Authorization: `Bearer ${body.access_token}` }
    const answer = await worker.request(path, { method, headers })
    const text = await answer.text()
    const parsed = (text === '' ? {} : JSON.parse(text)) as {
      items: Item[]
      next_cursor: string | null
      type?: string
    }
    return { status: answer.status, body: parsed }
  }
}

/** Ann allowed `garden` and is signed in to `shop` and, for good, to `bank`; Bob to `shop`. */
async function startAllowed() {
  const { worker, browser } = await startSessions()
  await createClient(worker.context(), clientOf('garden'))
  const shop = await signInAt(worker, browser, 'shop')
  const bank = await visit(worker, browser, 'bank', { scope: 'openid offline_access' })
  const garden = await allow(worker, browser)
  const other = new Browser(worker)
  const bob = await signInAt(worker, other, 'shop', { email: BOB })
  return { worker, browser, shop, bank, garden, bob }
}

/** Answers the question whether `garden` may. */
async function allow(worker: TestWorker, browser: Browser) {
  const asked = await browser.get(requestOf('garden', { scope: 'openid email offline_access' }))
  const page = await browser.get(pathOf(asked))
  return redeemAt(worker, 'garden', await browser.submit(page, { action: 'allow' }))
}

const isAsked = async (browser: Browser) =>
  locationOf(await browser.get(requestOf('garden'))).pathname === '/consent'

describe('an operator', () => {
  test('sees what a user allowed and what is alive of it, page by page, in one round trip', async () => {
    const { worker } = await startAllowed()
    const api = await apiOf(worker, 'users:read')
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      api('GET', '/v1/users/ann/authorizations'),
    )
    // One of them is the guard's.
    expect(roundTrips).toBe(2)
    const now = worker.clock.now
    const stamp = {
      resource: [],
      authorization_details: null,
      created_at: now,
      last_used_at: now,
    }
    expect(value.body.items.map(({ id: _, ...rest }) => rest)).toEqual([
      { client_id: 'shop', client_name: 'The shop', scope: 'openid', offline: false, ...stamp },
      {
        client_id: 'bank',
        client_name: 'The bank',
        scope: 'openid offline_access',
        offline: true,
        ...stamp,
      },
      {
        client_id: 'garden',
        client_name: 'The garden',
        scope: 'openid email offline_access',
        offline: true,
        ...stamp,
      },
    ])
    const first = await api('GET', '/v1/users/ann/authorizations?limit=2')
    expect(first.body.items).toHaveLength(2)
    const cursor = encodeURIComponent(first.body.next_cursor ?? '')
    const second = await api('GET', `/v1/users/ann/authorizations?limit=2&cursor=${cursor}`)
    expect(second.body.items.map(({ client_id }) => client_id)).toEqual(['garden'])
    expect(second.body.next_cursor).toBeNull()
    // The cursor of one person's list is none of another's.
    const foreign = await api('GET', `/v1/users/bob/authorizations?cursor=${cursor}`)
    expect(foreign.status).toBe(400)
    expect((await api('GET', '/v1/users/nobody/authorizations')).status).toBe(404)
    worker.clock.now += DEFAULT_SETTINGS.refresh_token_ttl
    const later = await apiOf(worker, 'users:read')
    const { body } = await later('GET', '/v1/users/ann/authorizations')
    // What ran out is not shown; the first hangs on a session whose end nobody dealt with yet.
    expect(body.items.map(({ client_id }) => client_id)).toEqual(['shop'])
  })

  test('ends one: its tokens are dead, the question is asked again, and nothing else is touched', async () => {
    const { worker, browser, bank, garden, bob } = await startAllowed()
    const api = await apiOf(worker, 'manage')
    const { body } = await api('GET', '/v1/users/ann/authorizations')
    const { id = '' } = body.items.find(({ client_id }) => client_id === 'garden') ?? {}
    expect(await isAsked(browser)).toBe(false)
    const foreign = await api('DELETE', `/v1/users/bob/authorizations/${id}`)
    expect([foreign.status, foreign.body.type]).toEqual([404, 'urn:allauth:problem:not_found'])
    expect(await isGood(worker, garden.access_token)).toBe(true)
    expect((await api('DELETE', `/v1/users/ann/authorizations/${id}`)).status).toBe(204)
    expect((await api('DELETE', `/v1/users/ann/authorizations/${id}`)).status).toBe(404)
    expect(await isGood(worker, garden.access_token)).toBe(false)
    const dead = await refresh(worker, garden.refresh_token, { client_id: 'garden' })
    expect(dead.body.error).toBe('invalid_grant')
    expect(await isAsked(browser)).toBe(true)
    expect(await isGood(worker, bank.access_token)).toBe(true)
    expect(await isGood(worker, bob.access_token)).toBe(true)
    expect(await eventsOf(worker, 'authorization.revoked')).toMatchObject([
      { subject_id: 'ann', data: { authorization_id: id, reason: 'withdrawn' } },
    ])
    expect(await eventsOf(worker, 'authorization.withdrawn')).toMatchObject([
      { actor_kind: 'client', subject_id: 'ann', data: { client_id: 'garden' } },
    ])
  })

  test('ends those for one client, or all, once', async () => {
    const { worker, browser, shop, bank, garden, bob } = await startAllowed()
    const api = await apiOf(worker, 'manage')
    const path = '/v1/users/ann/authorizations'
    for (const misspelt of ['clientid=bank', 'client_id=bank&client_id=shop']) {
      expect((await api('DELETE', `${path}?${misspelt}`)).status, misspelt).toBe(400)
    }
    expect(await isGood(worker, bank.access_token)).toBe(true)
    expect((await api('DELETE', `${path}?client_id=bank`)).status).toBe(204)
    expect(await isGood(worker, bank.access_token)).toBe(false)
    expect(await isGood(worker, shop.access_token)).toBe(true)
    expect(await isAsked(browser)).toBe(false)
    expect((await api('DELETE', path)).status).toBe(204)
    expect((await api('DELETE', path)).status).toBe(204)
    expect((await api('DELETE', `${path}?client_id=nobody`)).status).toBe(204)
    for (const { access_token } of [shop, garden]) {
      expect(await isGood(worker, access_token)).toBe(false)
    }
    expect(await isAsked(browser)).toBe(true)
    expect((await api('GET', path)).body.items).toEqual([])
    expect(await isGood(worker, bob.access_token)).toBe(true)
    expect((await eventsOf(worker, 'authorization.withdrawn')).map(({ data }) => data)).toEqual([
      { client_id: 'bank' },
      { client_id: null },
    ])
    expect((await api('DELETE', '/v1/users/nobody/authorizations')).status).toBe(404)
  })

  test('ends also what a code that waits would have become', async () => {
    const { worker, browser } = await startAllowed()
    const { code = '' } = answerOf(await browser.get(requestOf('garden')), callbackOf('garden'))
    const api = await apiOf(worker, 'manage')
    await api('DELETE', '/v1/users/ann/authorizations?client_id=garden')
    const answer = await token(worker, {
      grant_type: 'authorization_code',
      code,
      client_id: 'garden',
      redirect_uri: callbackOf('garden'),
      code_verifier: VERIFIER,
    })
    expect(answer.body.error).toBe('invalid_grant')
    // A spent code is kept, so that its second use is known.
    expect(await rowsOf(worker, 'authorization_code')).not.toEqual([])
  })

  test('ends also what a device that waits would have got, and no other device’s', async () => {
    const { worker } = await startAllowed()
    const put = (hash: string, user_id: string, redeemed_by: string | null) =>
      insertInto(device_authorization, {
        hash,
        user_code_mac: hash,
        client_id: 'garden',
        scope: 'openid',
        resource: '[]',
        status: 'allowed',
        user_id,
        authorization_id: hash,
        interval: 5,
        created_at: worker.clock.now,
        expires_at: worker.clock.now + 600,
        redeemed_by,
      })
    await worker
      .context()
      .db.write([put('anns', 'ann', null), put('spent', 'ann', 'x'), put('bobs', 'bob', null)])
    const api = await apiOf(worker, 'manage')
    await api('DELETE', '/v1/users/ann/authorizations?client_id=garden')
    const rows = await worker
      .context()
      .db.read(sql<{ hash: string; status: string }>`select hash, status from device_authorization`)
    expect(Object.fromEntries(rows.map(({ hash, status }) => [hash, status]))).toEqual({
      anns: 'denied',
      spent: 'allowed',
      bobs: 'allowed',
    })
  })

  test('may do so with users:write alone, and not to a person who holds more', async () => {
    const { worker, shop } = await startAllowed()
    const reader = await apiOf(worker, 'users:read')
    expect((await reader('DELETE', '/v1/users/ann/authorizations')).status).toBe(403)
    expect((await reader('DELETE', '/v1/users/ann/authorizations/x')).status).toBe(403)
    const other = await apiOf(worker, 'devices:read')
    expect((await other('GET', '/v1/users/ann/authorizations')).status).toBe(403)
    await giveRole(worker, 'ann', 'operator')
    const writer = await apiOf(worker, 'users:read users:write')
    const { body } = await writer('GET', '/v1/users/ann/authorizations')
    const one = `/v1/users/ann/authorizations/${body.items[0]?.id}`
    expect((await writer('DELETE', one)).status).toBe(403)
    expect((await writer('DELETE', '/v1/users/ann/authorizations')).status).toBe(403)
    expect(await isGood(worker, shop.access_token)).toBe(true)
    expect((await writer('DELETE', '/v1/users/bob/authorizations')).status).toBe(204)
  })
})

describe('a person', () => {
  const PATH = '/account/applications'
  const entries = (html: string) =>
    [...html.matchAll(/class="entry-name"[^>]*>([^<]*)</g)].map(([, name]) => name)
  const csrfOf = (html: string) => /name="csrf" value="([^"]*)"/.exec(html)?.[1] ?? ''

  test('sees the applications with access, what they may, and which keep it, in one round trip', async () => {
    const { worker, browser } = await startAllowed()
    const { value: page, roundTrips } = await countRoundTrips(worker, () => browser.get(PATH))
    expect([page.status, roundTrips]).toEqual([200, 1])
    expect(page.headers.get('x-frame-options')).toBe('DENY')
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(entries(page.html)).toEqual(['The bank', 'The garden', 'The shop'])
    expect(page.html).toContain('see your e-mail address')
    expect(page.html.match(/Also while you are away/g)).toHaveLength(2)
    expect((await browser.get('/account')).html).toContain(`href="${PATH}"`)
    const nobody = new Browser(worker)
    expect(pathOf(await nobody.get(PATH))).toBe(`/login?return_to=${PATH}`)
    const bob = new Browser(worker)
    await bob.signIn(BOB, 'correct horse battery staple')
    expect(entries((await bob.get(PATH)).html)).toEqual(['The shop'])
  })

  test('sees what an application asked in detail as what it is, and so does an operator', async () => {
    const { worker, browser } = await startAllowed()
    const details = [
      { type: 'device', actions: ['device:read'], devices: ['lamp-1'], groups: [] },
    ] as never
    await worker.context().db.write([
      sql`update authorization set authorization_details = ${JSON.stringify(details)}
        where client_id = 'garden'`,
      sql`insert into allowed_scope (user_id, client_id, resource, scope, created_at)
        values ('ann', 'garden', '', ${digestOf(details)}, ${worker.clock.now}),
          ('ann', 'garden', '', 'claims"birthdate', ${worker.clock.now})`,
    ])
    const { html } = await browser.get(PATH)
    expect(html).toContain('use devices and groups that it named when it asked you')
    expect(html).toMatch(/see your (?:date of birth|birthdate|birthday)/)
    expect(html).not.toContain('use what the application calls')
    const api = await apiOf(worker, 'users:read')
    const { body } = await api('GET', '/v1/users/ann/authorizations')
    expect(body.items.map((item) => item['authorization_details'])).toEqual([null, null, details])
  })

  test('takes access away from one of them, in two round trips', async () => {
    const { worker, browser, garden, bank, bob } = await startAllowed()
    const csrf = csrfOf((await browser.get(PATH)).html)
    const form = { csrf, client_id: 'garden', action: 'withdraw' }
    const { value, roundTrips } = await countRoundTrips(worker, () => browser.post(PATH, form))
    expect([pathOf(value), roundTrips]).toEqual([PATH, 2])
    expect(entries((await browser.get(PATH)).html)).toEqual(['The bank', 'The shop'])
    expect(await isGood(worker, garden.access_token)).toBe(false)
    expect(await isAsked(browser)).toBe(true)
    for (const { access_token } of [bank, bob])
      expect(await isGood(worker, access_token)).toBe(true)
    expect(await eventsOf(worker, 'authorization.withdrawn')).toMatchObject([
      { actor_kind: 'user', actor_id: 'ann', subject_id: 'ann', data: { client_id: 'garden' } },
    ])
  })

  test('does so only with a form of ours', async () => {
    const { worker, browser, garden } = await startAllowed()
    const csrf = csrfOf((await browser.get(PATH)).html)
    const form = { csrf, client_id: 'garden', action: 'withdraw' }
    const thief = new Browser(worker)
    await thief.signIn(BOB, 'correct horse battery staple')
    const theirs = csrfOf((await thief.get(PATH)).html)
    const refused = [
      await browser.post(PATH, { ...form, csrf: '' }),
      await browser.post(PATH, { ...form, csrf: theirs }),
      await browser.post(PATH, form, { origin: 'https://evil.example' }),
      await browser.post(PATH, form, { 'sec-fetch-site': 'cross-site' }),
      await browser.post(PATH, { ...form, action: 'other' }),
      await browser.post(PATH, { csrf, action: 'withdraw' }),
    ]
    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403, 400, 400])
    expect(refused[0]?.html).toContain('This did not work')
    expect(await isGood(worker, garden.access_token)).toBe(true)
  })

  test('sees an application no longer that only had access while a session lasted', async () => {
    const { worker, browser } = await startSessions()
    await signInAt(worker, browser, 'shop')
    await browser.submit(await browser.get('/logout'), { action: 'logout' })
    await signInAt(worker, browser, 'bank')
    expect(entries((await browser.get(PATH)).html)).toEqual(['The bank'])
  })
})
