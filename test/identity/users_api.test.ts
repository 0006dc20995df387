// The users of the management API, with tokens that a client got as clients do.
import { describe, expect, test } from 'vitest'
import { createGrant } from '../../worker/access/grants.ts'
import { createGroup } from '../../worker/access/groups.ts'
import { sql } from '../../worker/db/sql.ts'
import { findUserByAddress } from '../../worker/identity/login_ids/login_id_store.ts'
import { createUser, planUser, userInput } from '../../worker/identity/users.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { type ApiAnswer, callApi, newClientToken } from '../support/operator.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { Browser } from './browser.ts'
import { eventsOf, isSignedIn, startWithAnn } from './people.ts'

type Json = Record<string, unknown>

/** Calls the API with a token of a new client that has `scope`. */
async function startApi(worker: TestWorker, scope = 'manage') {
  const client_id = `ops-${crypto.randomUUID()}`
  const access_token = await newClientToken(worker, scope, client_id)
  const api = (method: string, path: string, body?: unknown, headers: HeadersInit = {}) =>
    callApi(worker, access_token, method, path, body, headers)
  return Object.assign(api, { client_id })
}

const problem = (answer: ApiAnswer) => ({
  status: answer.status,
  type: String(answer.body['type']).replace('urn:allauth:problem:', ''),
  at: ((answer.body['errors'] ?? []) as { pointer: string }[]).map((error) => error.pointer),
})

test('a user is created, read, changed and deleted', async () => {
  const worker = await startWorker()
  const api = await startApi(worker)
  const created = await api('POST', '/v1/users', {
    email: ' Ann@Example.com',
    email_verified: true,
    name: 'Ann Gärtner',
    locale: 'de-AT',
    password: PASSWORD,
    metadata: { crm: { id: 17, tags: ['a'] } },
  })
  expect(created.status).toBe(201)
  const id = String(created.body['id'])
  expect(id).toMatch(/^usr_[0-9a-z]{26}$/)
  expect(created.headers.get('location')).toBe(`/v1/users/${id}`)
  expect(created.headers.get('etag')).toBe('"1"')
  const user = {
    id,
    email: 'Ann@Example.com',
    email_verified: true,
    name: 'Ann Gärtner',
    locale: 'de-AT',
    status: 'active',
    closes_at: null,
    must_change_password: false,
    metadata: { crm: { id: 17, tags: ['a'] } },
    profile: {},
    user_name: null,
    created_at: worker.clock.now,
    updated_at: worker.clock.now,
  }
  expect(created.body).toEqual(user)
  const read = await api('GET', `/v1/users/${id}`)
  expect([read.body, read.headers.get('etag')]).toEqual([user, '"1"'])
  expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)

  worker.clock.now += 10
  const patched = await api('PATCH', `/v1/users/${id}`, {
    name: null,
    metadata: { crm: { id: null, vip: true } },
  })
  expect(patched.headers.get('etag')).toBe('"2"')
  expect(patched.body).toEqual({
    ...user,
    name: null,
    metadata: { crm: { tags: ['a'], vip: true } },
    updated_at: worker.clock.now,
  })
  const same = await api('PATCH', `/v1/users/${id}`, { name: null, status: 'active' })
  expect(same.headers.get('etag')).toBe('"2"')

  expect((await api('DELETE', `/v1/users/${id}`)).status).toBe(204)
  expect(problem(await api('GET', `/v1/users/${id}`)).type).toBe('not_found')
  expect(problem(await api('DELETE', `/v1/users/${id}`)).type).toBe('not_found')
  expect(problem(await api('PATCH', `/v1/users/${id}`, { name: 'x' })).type).toBe('not_found')
  const types = (await eventsOf(worker)).map((event) => event.type)
  expect(types.filter((type) => type.startsWith('user.'))).toEqual([
    'user.created',
    'user.updated',
    'user.deleted',
  ])
})

test('no answer and no event holds a password or its hash', async () => {
  const worker = await startWorker()
  const api = await startApi(worker)
  const answers = [
    await api('POST', '/v1/users', {
      id: 'ann',
      email: ANN,
      email_verified: true,
      password: PASSWORD,
    }),
    await api('GET', '/v1/users/ann'),
    await api('GET', '/v1/users'),
    await api('PATCH', '/v1/users/ann', { name: 'Ann' }),
    await api('POST', '/v1/users', { email: ANN, password: PASSWORD }),
    await api('POST', '/v1/users', { email: 'b@example.com', password: 'S3cret!' }),
    await api('PATCH', '/v1/users/ann', { password: PASSWORD }),
  ]
  const everything = JSON.stringify([answers, await eventsOf(worker), worker.log])
  for (const secret of ['argon2', PASSWORD, 'S3cret!']) expect(everything).not.toContain(secret)
  expect(answers.map((answer) => answer.status)).toEqual([201, 200, 200, 200, 409, 400, 400])
})

test('a password cannot be set by a change: operators start a reset', async () => {
  const { worker } = await startWithAnn()
  const api = await startApi(worker)
  const answer = await api('PATCH', '/v1/users/ann', { password: 'another password of mine' })
  expect(problem(answer)).toMatchObject({ status: 400, type: 'invalid_request' })
  expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
})

describe('what is refused, with every field that is wrong', () => {
  const long = 'x'.repeat(300)
  const faults: readonly [string, unknown, string[]][] = [
    ['no e-mail address', {}, ['/email']],
    ['no address', { email: 'ann' }, ['/email']],
    ['two @', { email: 'a@b@c' }, ['/email']],
    ['a space', { email: 'an n@example.com' }, ['/email']],
    ['a control character', { email: 'ann\x07@example.com' }, ['/email']],
    ['a zero-width space', { email: 'ann\u200b@example.com' }, ['/email']],
    ['a soft hyphen', { email: 'ann\u00ad@example.com' }, ['/email']],
    ['a right-to-left override', { email: 'ann\u202e@example.com' }, ['/email']],
    ['a Hangul filler', { email: 'ann\u3164@example.com' }, ['/email']],
    ['a variation selector', { email: 'ann\ufe0f@example.com' }, ['/email']],
    ['a combining grapheme joiner', { email: 'ann\u034f@example.com' }, ['/email']],
    ['half a surrogate pair', { email: 'ann\ud800@example.com' }, ['/email']],
    ['an @ that only normalising shows', { email: 'ann\uff20evil@example.com' }, ['/email']],
    ['a space that only normalising shows', { email: 'ann\u2009x@example.com' }, ['/email']],
    ['a long address', { email: `${long}@example.com` }, ['/email']],
    [
      'one that normalising makes long',
      { email: `${'\ufdfa'.repeat(20)}@example.com` },
      ['/email'],
    ],
    ['a short password', { email: ANN, password: 'fourteen chars' }, ['/password']],
    ['a huge password', { email: ANN, password: 'x'.repeat(4097) }, ['/password']],
    ['an unknown field', { email: ANN, admin: true }, ['']],
    ['an id with a colon', { email: ANN, id: 'a:b' }, ['/id']],
    ['a control character in the name', { email: ANN, name: 'a\x1bb' }, ['/name']],
    ['an empty name', { email: ANN, name: '' }, ['/name']],
    ['a name of 201 characters', { email: ANN, name: 'x'.repeat(201) }, ['/name']],
    ['a locale that is none', { email: ANN, locale: 'German!' }, ['/locale']],
    ['an unknown status', { email: ANN, status: 'gone' }, ['/status']],
    ['metadata that is a list', { email: ANN, metadata: [] }, ['/metadata']],
    ['large metadata', { email: ANN, metadata: { a: 'x'.repeat(17_000) } }, ['/metadata']],
    ['several at once', { email: 'x', name: '', status: 1 }, ['/email', '/name', '/status']],
  ]

  test('a body that is not what a user may be', async () => {
    const worker = await startWorker()
    const api = await startApi(worker)
    for (const [name, body, at] of faults) {
      const answer = await api('POST', '/v1/users', body)
      const expected = { name, status: 400, type: 'invalid_request', at }
      expect({ name, ...problem(answer) }).toEqual(expected)
    }
    console.log(`bodies refused: ${faults.length}`)
    const rows = await worker.context().db.read(sql`select 1 from user`)
    expect(rows).toEqual([])
  })

  test('deeply nested metadata', async () => {
    const api = await startApi(await startWorker())
    const shallow = JSON.parse('{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":1}}}}}}}}') as Json
    expect((await api('POST', '/v1/users', { email: ANN, metadata: shallow })).status).toBe(201)
    const deep = { a: shallow }
    const answer = await api('POST', '/v1/users', { email: 'b@example.com', metadata: deep })
    expect(problem(answer).at).toEqual(['/metadata'])
    const depth = 50_000
    const deepest = `{"email":"c@example.com","metadata":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}`
    expect(problem(await api('POST', '/v1/users', deepest)).status).toBe(400)
  })

  test('NUL anywhere', async () => {
    const worker = await startWorker()
    const api = await startApi(worker)
    for (const body of [
      { email: 'ann\0@example.com' },
      { email: ANN, name: 'a\0b' },
      { email: ANN, password: `${PASSWORD}\0` },
      { email: ANN, metadata: { a: ['b\0'] } },
      { email: ANN, metadata: { 'a\0': 1 } },
    ]) {
      const { status, type } = problem(await api('POST', '/v1/users', body))
      expect([status, type]).toEqual([400, 'invalid_request'])
    }
    expect((await api('GET', '/v1/users/a%00b')).status).toBe(400)
    expect(worker.log.filter((line) => line.level === 'error')).toEqual([])
  })

  test('an e-mail address that another user has proven, in any spelling', async () => {
    const { worker } = await startWithAnn()
    const api = await startApi(worker)
    for (const email of [
      'ann@example.com',
      'ANN@Example.COM',
      'ａnn@example.com',
      'ann@example.com ',
    ]) {
      const answer = await api('POST', '/v1/users', { email })
      expect(problem(answer)).toEqual({ status: 409, type: 'conflict', at: ['/email'] })
    }
    await createUser(worker.context(), { id: 'bob', email: 'bob@example.com' })
    const moved = await api('PATCH', '/v1/users/bob', { email: ANN })
    expect(problem(moved)).toEqual({ status: 409, type: 'conflict', at: ['/email'] })
    // U+212A, the Kelvin sign, is a k.
    await createUser(worker.context(), { email: 'kim@example.com', email_verified: true })
    expect((await api('POST', '/v1/users', { email: '\u212aim@example.com' })).status).toBe(409)
  })

  test('an id that is taken, by whatever it is, now or before', async () => {
    const { worker } = await startWithAnn()
    const api = await startApi(worker)
    const create = async (id: string) =>
      problem(await api('POST', '/v1/users', { id, email: 'x@example.com' }))
    const taken = { status: 409, type: 'conflict', at: ['/id'] }
    expect(await create('ann')).toEqual(taken)
    expect(await create(api.client_id)).toEqual(taken)
    await api('DELETE', '/v1/users/ann')
    expect(await create('ann')).toEqual(taken)
    expect((await api('GET', '/v1/users')).body.items).toEqual([])
  })

  test('of ten parallel creations with one proven address one succeeds', async () => {
    const worker = await startWorker()
    const api = await startApi(worker)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        api('POST', '/v1/users', { email: ANN, email_verified: true }),
      ),
    )
    const count = (status: number) => answers.filter((one) => one.status === status).length
    expect([count(201), count(409)]).toEqual([1, 9])
    const rows = await worker.context().db.read(sql`select 1 from principal where kind = 'user'`)
    expect(rows).toHaveLength(1)
  })
})

test('an e-mail address that changes is no longer verified, unless that is said too', async () => {
  const worker = await startWorker()
  const api = await startApi(worker)
  await api('POST', '/v1/users', { id: 'ann', email: ANN, email_verified: true })
  const verified = async (patch: Json) =>
    (await api('PATCH', '/v1/users/ann', patch)).body['email_verified']
  expect(await verified({ email: 'ANN@example.com' })).toBe(true)
  expect(await verified({ email: 'ann@example.org' })).toBe(false)
  expect(await verified({ email: 'ann@example.net', email_verified: true })).toBe(true)
})

describe('If-Match', () => {
  test('lets a change pass only at the version that was seen', async () => {
    const { worker } = await startWithAnn()
    const api = await startApi(worker)
    const at = (version: string) => ({ 'if-match': version })
    expect((await api('PATCH', '/v1/users/ann', { name: 'A' }, at('"1"'))).status).toBe(200)
    const stale = await api('PATCH', '/v1/users/ann', { name: 'B' }, at('"1"'))
    expect(problem(stale)).toEqual({ status: 412, type: 'precondition_failed', at: [] })
    expect((await api('DELETE', '/v1/users/ann', undefined, at('"1"'))).status).toBe(412)
    expect((await api('PATCH', '/v1/users/ann', { name: 'B' }, at('W/"1"'))).status).toBe(412)
    expect((await api('PATCH', '/v1/users/ann', { name: 'B' }, at('*'))).status).toBe(200)
    expect((await api('DELETE', '/v1/users/ann', undefined, at('"3"'))).status).toBe(204)
  })

  test('of ten parallel changes from one version one passes; without it none is lost', async () => {
    const { worker } = await startWithAnn()
    const api = await startApi(worker)
    const names = Array.from({ length: 10 }, (_, i) => `name ${i}`)
    const answers = await Promise.all(
      names.map((name) => api('PATCH', '/v1/users/ann', { name }, { 'if-match': '"1"' })),
    )
    expect(answers.filter((one) => one.status === 200)).toHaveLength(1)
    expect(answers.filter((one) => one.status === 412)).toHaveLength(9)

    const both = await Promise.all([
      api('PATCH', '/v1/users/ann', { locale: 'de' }),
      api('PATCH', '/v1/users/ann', { metadata: { a: 1 } }),
    ])
    expect(both.map((one) => one.status)).toEqual([200, 200])
    expect((await api('GET', '/v1/users/ann')).body).toMatchObject({
      locale: 'de',
      metadata: { a: 1 },
    })
    const updates = (await eventsOf(worker)).filter((event) => event.type === 'user.updated')
    expect(updates.map((event) => JSON.parse(event.data).fields)).toHaveLength(3)
  })
})

test('lists go page by page, and are narrowed by e-mail address and status', async () => {
  const worker = await startWorker()
  const api = await startApi(worker)
  for (let i = 0; i < 7; i++) {
    await createUser(worker.context(), {
      id: `u${i}`,
      email: `u${i}@example.com`,
      status: i === 3 ? 'disabled' : 'active',
    })
  }
  const seen: unknown[] = []
  let next: string | null = '/v1/users?limit=3'
  const sizes: number[] = []
  while (next !== null) {
    const { body }: ApiAnswer = await api('GET', next)
    seen.push(...body.items.map((user) => user['id']))
    sizes.push(body.items.length)
    const cursor = body['next_cursor'] as string | null
    next = cursor === null ? null : `/v1/users?limit=3&cursor=${encodeURIComponent(cursor)}`
  }
  expect([seen, sizes]).toEqual([
    ['u0', 'u1', 'u2', 'u3', 'u4', 'u5', 'u6'],
    [3, 3, 1],
  ])
  const ids = async (query: string) =>
    (await api('GET', `/v1/users?${query}`)).body.items.map((user) => user['id'])
  expect(await ids('email=U5@example.com')).toEqual(['u5'])
  expect(await ids('email=nobody@example.com')).toEqual([])
  expect(await ids('status=disabled')).toEqual(['u3'])
  for (const bad of ['cursor=forged', 'limit=0', 'limit=201', 'status=gone', 'email=a%00@b']) {
    expect((await api('GET', `/v1/users?${bad}`)).status).toBe(400)
  }
})

test('sessions are listed and ended, one and all', async () => {
  const { worker } = await startWithAnn()
  const api = await startApi(worker)
  await createUser(worker.context(), { id: 'bob', email: 'bob@example.com', password: PASSWORD })
  const [ann1, ann2, bob] = [new Browser(worker), new Browser(worker), new Browser(worker)]
  await ann1.signIn(ANN, PASSWORD)
  worker.clock.now += 5
  await ann2.signIn(ANN, PASSWORD)
  await bob.signIn('bob@example.com', PASSWORD)

  const { body } = await api('GET', '/v1/users/ann/sessions')
  expect(body.items).toHaveLength(2)
  expect(body.items[0]).toMatchObject({
    auth_time: worker.clock.now,
    amr: ['pwd'],
    address: '192.0.2.1',
  })
  expect(JSON.stringify(body)).not.toContain(ann2.cookies.get('session'))
  const newest = String(body.items[0]?.['id'])
  expect((await api('DELETE', `/v1/users/bob/sessions/${newest}`)).status).toBe(404)
  expect(await isSignedIn(ann2)).toBe(true)
  expect((await api('DELETE', `/v1/users/ann/sessions/${newest}`)).status).toBe(204)
  expect([await isSignedIn(ann1), await isSignedIn(ann2)]).toEqual([true, false])
  expect((await api('DELETE', `/v1/users/ann/sessions/${newest}`)).status).toBe(404)

  expect((await api('DELETE', '/v1/users/ann/sessions')).status).toBe(204)
  expect([await isSignedIn(ann1), await isSignedIn(bob)]).toEqual([false, true])
  expect((await api('GET', '/v1/users/nobody/sessions')).status).toBe(404)
  expect((await api('DELETE', '/v1/users/nobody/sessions')).status).toBe(404)
})

test('deleting a user takes memberships and grants along, and the id stays taken', async () => {
  const { worker } = await startWithAnn()
  const api = await startApi(worker)
  await createGroup(worker.context(), { id: 'site-12', kind: 'site', name: '12 Garden Street' })
  await worker
    .context()
    .db.write(
      sql`insert into membership (group_id, member_id, created_at) values ('site-12', 'ann', 0)`,
    )
  await createGrant(worker.context(), { subject: 'ann', role: 'operator', object: 'site-12' })
  expect((await api('DELETE', '/v1/users/ann')).status).toBe(204)
  const { members, grants, principals } = await worker.context().db.read({
    members: sql`select 1 from membership`,
    grants: sql`select 1 from "grant"`,
    principals: sql<{ deleted_at: number }>`select deleted_at from principal where id = 'ann'`,
  })
  expect([members, grants]).toEqual([[], []])
  expect(principals).toEqual([{ deleted_at: worker.clock.now }])
})

describe('power', () => {
  test('a route needs its scope', async () => {
    const { worker } = await startWithAnn()
    const reader = await startApi(worker, 'users:read')
    expect((await reader('GET', '/v1/users/ann')).status).toBe(200)
    for (const [method, path, body] of [
      ['POST', '/v1/users', { email: 'x@example.com' }],
      ['PATCH', '/v1/users/ann', { name: 'x' }],
      ['DELETE', '/v1/users/ann', undefined],
      ['DELETE', '/v1/users/ann/sessions', undefined],
    ] as const) {
      expect([method, path, (await reader(method, path, body)).status]).toEqual([method, path, 403])
    }
    const other = await startApi(worker, 'devices:write')
    expect((await other('GET', '/v1/users')).status).toBe(403)
    expect((await worker.request('/v1/users')).status).toBe(401)
  })

  test('nobody changes a user who holds more than himself', async () => {
    const { worker, browser } = await startWithAnn()
    await createGrant(worker.context(), { subject: 'ann', role: 'operator', object: '*' })
    await createUser(worker.context(), { id: 'bob', email: 'bob@example.com' })
    await browser.signIn(ANN, PASSWORD)
    const api = await startApi(worker, 'users:read users:write')
    const session = String((await api('GET', '/v1/users/ann/sessions')).body.items[0]?.['id'])
    for (const [method, path, body] of [
      ['PATCH', '/v1/users/ann', { email: 'thief@example.com' }],
      ['PATCH', '/v1/users/ann', { status: 'disabled' }],
      ['DELETE', '/v1/users/ann', undefined],
      ['DELETE', '/v1/users/ann/sessions', undefined],
      ['DELETE', `/v1/users/ann/sessions/${session}`, undefined],
    ] as const) {
      const answer = await api(method, path, body)
      expect([method, path, problem(answer).type]).toEqual([method, path, 'forbidden'])
    }
    expect(await isSignedIn(browser)).toBe(true)
    expect((await api('PATCH', '/v1/users/bob', { name: 'Bob' })).status).toBe(200)
  })
})

describe('an entry of a blueprint', () => {
  const entry = userInput.parse({ email: ANN, password: PASSWORD, email_verified: true })

  async function apply(worker: TestWorker, given: typeof entry) {
    const cx = worker.context()
    const [current] = await cx.db.read(findUserByAddress(given.email))
    const plan = await planUser(cx, given, current)
    if (plan.statements.length > 0) await cx.db.write(plan.statements)
    return plan
  }

  test('creates once, changes nothing the second time, and never a password', async () => {
    const worker = await startWorker()
    expect((await apply(worker, entry)).change).toBe('created')
    const other = { ...entry, password: 'quite another password' }
    for (const given of [entry, other]) {
      expect(await apply(worker, given)).toEqual({
        change: 'unchanged',
        fields: [],
        statements: [],
      })
    }
    expect((await new Browser(worker).signIn(ANN, PASSWORD)).status).toBe(303)
    const renamed = await apply(worker, { ...entry, name: 'Ann', email: 'ANN@example.com' })
    expect([renamed.change, renamed.fields]).toEqual(['updated', ['email', 'name']])
    expect((await eventsOf(worker)).map((event) => event.type)).toEqual([
      'user.created',
      'session.started',
      'user.updated',
    ])
  })

  test('leaves alone what it does not name', async () => {
    const worker = await startWorker()
    await apply(worker, entry)
    const api = await startApi(worker)
    const [user] = (await api('GET', '/v1/users')).body.items
    await api('PATCH', `/v1/users/${user?.['id']}`, { status: 'disabled', metadata: { a: 1 } })
    expect((await apply(worker, entry)).change).toBe('unchanged')
  })

  test('cannot give a user another id', async () => {
    const worker = await startWorker()
    await apply(worker, entry)
    await expect(apply(worker, { ...entry, id: 'ann' })).rejects.toMatchObject({ type: 'conflict' })
  })
})
