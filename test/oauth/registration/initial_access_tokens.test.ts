// Initial access tokens (RFC 7591 §3): how many clients one makes, until when, with which scopes and members, and
// that nobody hands out by one what he does not hold.
import { beforeAll, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { JOBS } from '../../../worker/jobs.ts'
import { createClient } from '../../../worker/oauth/clients/clients.ts'
import { startWorker, type TestWorker } from '../../context.ts'
import { addInitialAccessToken, register, send } from '../registration_fixtures.ts'
import { basic, count, losingAnswers, overtaken, token } from '../token_fixtures.ts'

const PATH = '/v1/initial-access-tokens'
let worker: TestWorker
let operator: string

beforeAll(async () => {
  worker = await startWorker()
  operator = await bearer('ops', 'manage')
})

/** A token of a new client with this scope. */
async function bearer(client_id: string, scope: string): Promise<string> {
  const input = { client_id, grant_types: ['client_credentials'] as 'client_credentials'[], scope }
  const { client_secret = '' } = await createClient(worker.context(), input)
  const { body } = await token(
    worker,
    { grant_type: 'client_credentials' },
    basic(client_id, client_secret),
  )
  return body.access_token ?? ''
}

const clientsMadeWith = (id: string) =>
  count(worker, sql`from client where initial_access_token_id = ${id}`)

test('an operator makes one, sees it without the token, and deletes it; its clients stay', async () => {
  const input = {
    description: 'certification',
    max_uses: 2,
    expires_at: worker.clock.now + 60,
    scope: 'openid mqtt',
    defaults: { require_pkce: false },
  }
  const created = await send(worker, 'POST', PATH, input, operator)
  expect(created.status).toBe(201)
  expect(created.headers.get('cache-control')).toBe('no-store')
  const { initial_access_token, ...shown } = created.body
  expect(initial_access_token).toMatch(/^[\w-]{43}$/)
  expect(shown).toEqual({ ...input, id: shown['id'], uses: 0, created_at: worker.clock.now })

  const registered = await register(worker, {}, initial_access_token)
  expect(registered.status).toBe(201)
  const path = created.headers.get('location') ?? ''
  expect((await send(worker, 'GET', path, undefined, operator)).body).toEqual({ ...shown, uses: 1 })
  const list = await send(worker, 'GET', `${PATH}?limit=200`, undefined, operator)
  expect(list.body['items']).toContainEqual({ ...shown, uses: 1 })
  expect(JSON.stringify(list.body)).not.toContain(initial_access_token)

  expect((await send(worker, 'DELETE', path, undefined, operator)).status).toBe(204)
  expect((await send(worker, 'GET', path, undefined, operator)).status).toBe(404)
  expect((await send(worker, 'DELETE', path, undefined, operator)).status).toBe(404)
  expect(await register(worker, {}, initial_access_token)).toMatchObject({
    status: 401,
    body: { error: 'invalid_token' },
  })
  expect(await clientsMadeWith(shown['id'])).toBe(1)
  expect(
    await count(worker, sql`from initial_access_token_use where token_id = ${shown['id']}`),
  ).toBe(0)
  const events = sql`from event where subject_id = ${shown['id']} and data not like ${`%${initial_access_token}%`}`
  expect(await count(worker, events)).toBe(2)
})

test.each([
  ['what is unknown', { uses: 3 }, '/'],
  ['no uses', { max_uses: 0 }, '/max_uses'],
  ['an end that is past', { expires_at: 1_700_000_000 }, '/expires_at'],
  ['a scope that is none', { scope: 'a"b' }, '/scope'],
  ['first_party for its clients', { defaults: { first_party: true } }, '/defaults'],
  ['a status for its clients', { defaults: { status: 'disabled' } }, '/defaults'],
  ['an id for its clients', { defaults: { client_id: 'mine' } }, '/defaults'],
  [
    'our own API as a resource',
    { defaults: { resources: ['http://localhost:8787/v1'] } },
    '/resources/0',
  ],
])('one with %s is refused', async (_, input, pointer) => {
  const answer = await send(worker, 'POST', PATH, input, operator)
  expect([answer.status, answer.body['type']]).toEqual([400, 'urn:allauth:problem:invalid_request'])
  expect(answer.body.errors[0]?.pointer).toContain(pointer === '/' ? '' : pointer)
})

test('without clients:read nobody sees them, and without clients:write nobody makes or deletes one', async () => {
  const { id } = await addInitialAccessToken(worker)
  const stranger = await bearer('stranger', 'users:write')
  const reader = await bearer('reader', 'clients:read')
  for (const [method, path, body] of [
    ['GET', PATH],
    ['GET', `${PATH}/${id}`],
    ['POST', PATH, {}],
    ['DELETE', `${PATH}/${id}`],
  ] as const) {
    expect((await send(worker, method, path, body, stranger)).status).toBe(403)
    expect((await send(worker, method, path, body)).status).toBe(401)
    const status = method === 'GET' ? 200 : 403
    expect((await send(worker, method, path, body, reader)).status).toBe(status)
  }
})

test('nobody makes or deletes one that hands out scopes of the management API beyond his own', async () => {
  const registrar = await bearer('registrar', 'clients:write')
  for (const scope of ['manage', 'openid users:read', 'clients:read']) {
    const answer = await send(worker, 'POST', PATH, { scope }, registrar)
    expect([answer.status, answer.body.errors[0]?.pointer]).toEqual([403, '/scope'])
  }
  const { id } = await addInitialAccessToken(worker, { scope: 'manage' })
  expect((await send(worker, 'DELETE', `${PATH}/${id}`, undefined, registrar)).status).toBe(403)
  for (const scope of ['openid mqtt reports', 'clients:write']) {
    const made = await send(worker, 'POST', PATH, { scope }, registrar)
    expect(made.status).toBe(201)
    const path = `${PATH}/${made.body['id']}`
    expect((await send(worker, 'DELETE', path, undefined, registrar)).status).toBe(204)
  }
})

test('one that has run out is refused, and the timer forgets it', async () => {
  const { initial_access_token, id } = await addInitialAccessToken(worker, {
    expires_at: worker.clock.now + 10,
  })
  expect((await register(worker, {}, initial_access_token)).status).toBe(201)
  worker.clock.now += 10
  expect((await register(worker, {}, initial_access_token)).status).toBe(401)
  for (const job of JOBS) await job.run(worker.context())
  expect(await count(worker, sql`from initial_access_token where id = ${id}`)).toBe(0)
  expect(await count(worker, sql`from initial_access_token_use where token_id = ${id}`)).toBe(0)
  expect(await clientsMadeWith(id)).toBe(1)
})

test('two hundred parallel registrations with three uses make exactly three clients', async () => {
  const { initial_access_token, id } = await addInitialAccessToken(worker, { max_uses: 3 })
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => register(worker, {}, initial_access_token)),
  )
  const made = answers.filter(({ status }) => status === 201)
  expect(made).toHaveLength(3)
  for (const { status, body } of answers) {
    if (status !== 201) expect([status, body['error']]).toEqual([401, 'invalid_token'])
  }
  expect(await clientsMadeWith(id)).toBe(3)
  const [one = '', two = '', three = ''] = made.map(({ body }) => body.client_id)
  expect(await count(worker, sql`from principal where id in (${one}, ${two}, ${three})`)).toBe(3)
})

test('one that is used up or deleted at the last moment makes no client', async () => {
  for (const [what, change] of [
    ['deleted', (id: string) => sql`delete from initial_access_token where id = ${id}`],
    [
      'used up',
      (id: string) =>
        sql`insert into initial_access_token_use (rid, token_id, created_at) values (${`of ${id}`}, ${id}, 1)`,
    ],
    [
      'out of time',
      (id: string) =>
        sql`update initial_access_token set expires_at = ${worker.clock.now} where id = ${id}`,
    ],
  ] as const) {
    const { initial_access_token, id } = await addInitialAccessToken(worker, { max_uses: 1 })
    const late = overtaken(worker, () => worker.context().db.write(change(id)))
    expect((await register(late, {}, initial_access_token)).status, what).toBe(401)
    expect(await clientsMadeWith(id), what).toBe(0)
  }
})

test('a registration whose answer the database lost counts once and makes one client', async () => {
  const { initial_access_token, id } = await addInitialAccessToken(worker, { max_uses: 1 })
  expect((await register(losingAnswers(worker), {}, initial_access_token)).status).toBe(201)
  expect(await clientsMadeWith(id)).toBe(1)
  expect(
    await count(
      worker,
      sql`from event where type = 'client.created' and subject_id in
    (select id from client where initial_access_token_id = ${id})`,
    ),
  ).toBe(1)
})

test('its clients get its members, and cannot say otherwise where only an operator decides', async () => {
  const { initial_access_token } = await addInitialAccessToken(worker, {
    defaults: {
      require_pkce: false,
      access_token_format: 'opaque',
      access_token_ttl: 120,
      resources: ['https://api.example'],
      client_name: 'Test suite',
      grant_types: ['authorization_code', 'refresh_token'],
    },
  })
  const { body } = await register(
    worker,
    {
      require_pkce: true,
      access_token_format: 'jwt',
      access_token_ttl: 3600,
      resources: [],
      client_name: 'Mine',
    },
    initial_access_token,
  )
  expect(body).toMatchObject({
    require_pkce: false,
    access_token_format: 'opaque',
    access_token_ttl: 120,
    resources: ['https://api.example'],
    client_name: 'Mine',
    grant_types: ['authorization_code', 'refresh_token'],
    first_party: false,
  })
  // A public client has nothing but PKCE that binds a code to it.
  const open = await register(worker, { token_endpoint_auth_method: 'none' }, initial_access_token)
  expect([open.status, open.body['require_pkce']]).toEqual([201, true])
})

test('scopes are at most its own, and those of the management API only where they are asked for', async () => {
  const { initial_access_token } = await addInitialAccessToken(worker, {
    scope: 'openid email mqtt users:read',
  })
  const scopeOf = async (scope?: string) =>
    (await register(worker, { scope }, initial_access_token)).body['scope']
  expect(await scopeOf()).toBe('openid email mqtt')
  expect(await scopeOf('openid profile users:write')).toBe('openid')
  expect(await scopeOf('openid users:read')).toBe('openid users:read')
  const none = await register(worker, { scope: 'manage reports' }, initial_access_token)
  expect([none.status, none.body]).toEqual([
    400,
    {
      error: 'invalid_client_metadata',
      error_description: 'scope: has none that this client may have',
    },
  ])
})
