// Public clients at addresses that any program of the person's machine can take (RFC 8252 §8.6): they are asked
// each time, by every way in, and cannot be first-party.
import { beforeEach, describe, expect, test } from 'vitest'
import { applyBlueprint } from '../../../worker/admin/blueprint.ts'
import { sql } from '../../../worker/db/sql.ts'
import {
  type ClientInput,
  changeClient,
  createClient,
} from '../../../worker/oauth/clients/clients.ts'
import { ISSUER, type TestWorker } from '../../context.ts'
import type { Browser, Page } from '../../identity/browser.ts'
import { callApi, newClientToken } from '../../support/operator.ts'
import {
  APP,
  answerOf,
  CALLBACK,
  follow,
  pathOf,
  requestParameters,
  requestPath,
  signIn,
  startFlow,
} from '../flow.ts'
import { post } from '../token_fixtures.ts'

const SECRET = 'Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA'

let worker: TestWorker
let browser: Browser
beforeEach(async () => {
  ;({ worker, browser } = await startFlow())
  await signIn(worker, browser, 'ann')
})

const tool = (redirect_uri: string, changes: Partial<ClientInput> = {}) =>
  createClient(worker.context(), {
    ...APP,
    client_id: 'tool',
    application_type: 'native',
    redirect_uris: [redirect_uri],
    ...changes,
  })

const ask = (redirect_uri: string, more: Parameters<typeof requestPath>[0] = {}) =>
  browser.get(requestPath({ client_id: 'tool', redirect_uri, ...more }))

const isAsked = (page: Page) => expect(pathOf(page)).toMatch(/^\/consent\?request=/)

/** Asks and allows; the answer at the address. */
async function allow(redirect_uri: string) {
  const question = await follow(browser, await ask(redirect_uri))
  const done = await browser.submit(question, { action: 'allow' })
  return answerOf(done, redirect_uri)
}

/** Addresses that prove nothing, as registered, and as another program may ask. */
const UNPROVEN: [string, string][] = [
  ['http://127.0.0.1/cb', 'http://127.0.0.1:53211/cb'],
  ['http://[::1]/cb', 'http://[::1]:53211/cb'],
  ['http://localhost:4000/cb', 'http://localhost:53211/cb'],
  ['com.example.app:/cb', 'com.example.app:/cb'],
  ['com.example.app://cb/x', 'com.example.app://cb/x'],
  // No authority certifies these names, so the certificate is one that a program may have too.
  ['https://localhost:4000/cb', 'https://localhost:4000/cb'],
  ['https://app.localhost/cb', 'https://app.localhost/cb'],
  ['https://127.0.0.2/cb', 'https://127.0.0.2/cb'],
]

describe.each(UNPROVEN)('a public client at %s', (registered, requested) => {
  test.each([
    ['not first-party', 0],
    ['first-party of old', 1],
  ])('is asked each time, and with prompt=none told so (%s)', async (_, first_party) => {
    await tool(registered)
    await worker.context().db.write(sql`update client set first_party = ${first_party}`)
    expect(await allow(registered)).toHaveProperty('code')
    isAsked(await ask(registered))
    isAsked(await ask(requested))
    const silent = await ask(requested, { prompt: 'none' })
    expect(answerOf(silent, requested)).toMatchObject({ error: 'consent_required' })
    // Asked, it gets its code as before.
    expect(await allow(requested)).toHaveProperty('code')
  })
})

describe('the question comes by every way in:', () => {
  const AT = 'http://127.0.0.1:53211/cb'
  beforeEach(async () => {
    await tool('http://127.0.0.1/cb')
    await allow(AT)
  })
  const parameters = (more: Record<string, string> = {}) =>
    requestParameters({ client_id: 'tool', redirect_uri: AT, ...more })

  const WAYS: [string, (more?: Record<string, string>) => Promise<Page>][] = [
    ['GET', (more) => browser.get(`/oauth/authorize?${parameters(more)}`)],
    ['the path of one vendor', (more) => browser.get(`/authorize?${parameters(more)}`)],
    [
      'POST',
      async (more) => {
        return browser.post('/oauth/authorize', Object.fromEntries(parameters(more)))
      },
    ],
    [
      'a pushed request',
      async (more) => {
        const { body } = await post(worker, '/oauth/par', [...parameters(more)], {})
        const request_uri = String(body['request_uri'])
        return browser.get(
          `/oauth/authorize?${new URLSearchParams({ client_id: 'tool', request_uri })}`,
        )
      },
    ],
    [
      'a request object',
      async (more) => {
        await changeClient(worker.context(), 'tool', { request_object_signing_alg: 'none' }, null)
        const part = (value: unknown) =>
          btoa(JSON.stringify(value)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
        const claims = { ...Object.fromEntries(parameters(more)), iss: 'tool', aud: ISSUER }
        const request = `${part({ alg: 'none' })}.${part(claims)}.`
        return browser.get(
          `/oauth/authorize?${new URLSearchParams({ client_id: 'tool', request })}`,
        )
      },
    ],
  ]
  const end = async (page: Page) => {
    let at = page
    while (at.status === 303 && (at.headers.get('location') ?? '').match(/^(?:\/|[^?]*:8787\/)/)) {
      const path = pathOf(at)
      if (path.startsWith('/consent')) break
      at = await browser.get(path)
    }
    return at
  }
  test.each(WAYS)('%s', async (_, send) => {
    isAsked(await end(await send()))
    const silent = answerOf(await end(await send({ prompt: 'none' })), AT)
    expect(silent).toMatchObject({ error: 'consent_required' })
  })
})

describe('is asked once, as ever:', () => {
  test('a claimed https address', async () => {
    await tool(CALLBACK)
    await allow(CALLBACK)
    expect(answerOf(await ask(CALLBACK, { prompt: 'none' }))).toHaveProperty('code')
  })

  test('a client that proves itself, at a loopback address', async () => {
    const uri = 'http://127.0.0.1:4000/cb'
    await tool(uri, { token_endpoint_auth_method: 'client_secret_basic', client_secret: SECRET })
    await allow(uri)
    expect(answerOf(await ask(uri, { prompt: 'none' }), uri)).toHaveProperty('code')
  })

  test('a client on the issuer’s own origin, but not at another port', async () => {
    const uri = `${ISSUER}/console/callback`
    await tool(uri)
    await allow(uri)
    expect(answerOf(await ask(uri, { prompt: 'none' }), uri)).toHaveProperty('code')
    const other = 'http://localhost:53211/console/callback'
    isAsked(await ask(other))
    const silent = answerOf(await ask(other, { prompt: 'none' }), other)
    expect(silent).toMatchObject({ error: 'consent_required' })
  })
})

describe('first_party', () => {
  let operator: string
  beforeEach(async () => {
    operator = await newClientToken(worker, 'manage', 'ops')
  })
  const call = (method: string, path: string, body: unknown) =>
    callApi(worker, operator, method, path, body)
  const entry = {
    client_id: 'tool',
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    redirect_uris: [CALLBACK, 'http://127.0.0.1/cb'],
    scope: 'openid',
  } as const
  const refusedAt = (body: Record<string, unknown>) =>
    ((body['errors'] ?? []) as { pointer: string; detail: string }[]).map((one) => one.pointer)

  test.each(UNPROVEN)('at %s is refused when a client is made', async (uri) => {
    const { status, body } = await call('POST', '/v1/clients', {
      ...entry,
      redirect_uris: [CALLBACK, uri],
      first_party: true,
    })
    expect([status, refusedAt(body)]).toEqual([400, ['/first_party']])
    expect(JSON.stringify(body)).toContain(uri)
  })

  test.each([
    ['it is set', {}, { first_party: true }],
    [
      'an address is added under it',
      { redirect_uris: [CALLBACK], first_party: true },
      { redirect_uris: [CALLBACK, 'com.example.app:/cb'] },
    ],
    [
      'the client ceases to prove itself under it',
      { token_endpoint_auth_method: 'client_secret_basic', first_party: true },
      { token_endpoint_auth_method: 'none' },
    ],
  ] as const)('is refused when %s', async (_, before, patch) => {
    expect((await call('POST', '/v1/clients', { ...entry, ...before })).status).toBe(201)
    const { status, body } = await call('PATCH', '/v1/clients/tool', patch)
    expect([status, refusedAt(body)]).toEqual([400, ['/first_party']])
  })

  test('is refused in a blueprint, with its place', async () => {
    await expect(
      applyBlueprint(worker.context(), { clients: [{ ...entry, first_party: true }] }, {}),
    ).rejects.toMatchObject({ faults: [{ path: 'clients[0].first_party' }] })
  })

  test('that is stored goes on: other members change, a blueprint says it again, it can be dropped', async () => {
    await tool('http://127.0.0.1/cb')
    await worker.context().db.write(sql`update client set first_party = 1 where id = 'tool'`)
    expect((await call('PATCH', '/v1/clients/tool', { client_name: 'Tool' })).status).toBe(200)
    const again = {
      ...APP,
      client_id: 'tool',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/cb'],
      client_name: 'Tool',
      first_party: true,
    }
    expect(await applyBlueprint(worker.context(), { clients: [again] }, {})).toEqual({
      changes: [],
      left: [],
    })
    const moved = { redirect_uris: ['http://127.0.0.1/other'] }
    const { status, body } = await call('PATCH', '/v1/clients/tool', moved)
    expect([status, refusedAt(body)]).toEqual([400, ['/first_party']])
    const dropped = { ...moved, first_party: false }
    expect((await call('PATCH', '/v1/clients/tool', dropped)).status).toBe(200)
  })

  test.each([
    ['a claimed https address', { redirect_uris: [CALLBACK] }],
    ['the issuer’s own origin', { redirect_uris: [`${ISSUER}/console/callback`] }],
    ['a client that proves itself', { token_endpoint_auth_method: 'client_secret_basic' }],
  ] as const)('is for %s', async (_, changes) => {
    const made = await call('POST', '/v1/clients', { ...entry, ...changes, first_party: true })
    expect(made.status).toBe(201)
  })
})
