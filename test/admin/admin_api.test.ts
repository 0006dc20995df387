import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { signingKeys } from '../../worker/keys/signing_keys.ts'
import { startWorker } from '../context.ts'
import { callApi, clientToken } from '../support/operator.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'

/** A worker with an operator's client, and a way to call the API with its token. */
async function startManaged() {
  const worker = await startWorker()
  await applyBlueprint(
    worker.context(),
    {
      clients: [
        {
          client_id: 'ops',
          client_secret: SECRET,
          grant_types: ['client_credentials'],
          scope: 'manage',
        },
        {
          client_id: 'reader',
          client_secret: SECRET,
          grant_types: ['client_credentials'],
          scope: 'events:read settings:read',
        },
      ],
      groups: [{ id: 'site-1', kind: 'site', name: 'One' }],
      device_types: [
        {
          name: 'meter',
          acl: [
            {
              permission: 'allow',
              action: 'publish',
              topic: 'sites/${group.id}/${device.id}/reading',
            },
          ],
        },
      ],
      devices: [{ id: 'meter-1', type: 'meter', groups: ['site-1'] }],
    },
    {},
  )
  const token = (client_id: string, scope: string) => clientToken(worker, client_id, SECRET, scope)
  const manage = await token('ops', 'manage')
  const call = (method: string, path: string, body?: unknown, more: HeadersInit = {}) =>
    callApi(worker, manage, method, path, body, more)
  return { worker, call, token }
}

const claimsOf = (jwt: unknown): Record<string, unknown> =>
  JSON.parse(atob(String(jwt).split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')))

test('settings are read and changed; null puts one back to its default', async () => {
  const { call } = await startManaged()
  expect((await call('GET', '/v1/settings')).body['access_token_ttl']).toBe(600)
  const changed = await call('PATCH', '/v1/settings', { access_token_ttl: 120 })
  expect(changed.body['access_token_ttl']).toBe(120)
  const back = await call('PATCH', '/v1/settings', { access_token_ttl: null })
  expect(back.body['access_token_ttl']).toBe(600)
  const events = await call('GET', '/v1/events?type=settings.updated')
  expect(events.body['items']).toHaveLength(2)
})

test.each([
  [{ access_token_ttl: 1 }, '/access_token_ttl'],
  [{ access_token_ttl: '600' }, '/access_token_ttl'],
  [{ no_such_setting: 1 }, ''],
])('the setting %j is refused with the field that is wrong', async (patch, pointer) => {
  const { call } = await startManaged()
  const { status, headers, body } = await call('PATCH', '/v1/settings', patch)
  expect(status).toBe(400)
  expect(headers.get('content-type')).toContain('application/problem+json')
  expect(body).toMatchObject({ type: 'urn:allauth:problem:invalid_request', errors: [{ pointer }] })
})

test('events come newest first, page by page, and a forged cursor is refused', async () => {
  const { call } = await startManaged()
  const first = await call('GET', '/v1/events?limit=2')
  const ids = (page: typeof first) => (page.body['items'] as { id: string }[]).map(({ id }) => id)
  const seen = [...ids(first)]
  for (let cursor = first.body['next_cursor']; cursor !== null; ) {
    const page = await call('GET', `/v1/events?limit=2&cursor=${cursor}`)
    seen.push(...ids(page))
    cursor = page.body['next_cursor']
  }
  expect(seen).toEqual([...seen].sort().reverse())
  expect(new Set(seen).size).toBe(seen.length)
  const forged = await call('GET', `/v1/events?cursor=${btoa('evt_0')}.AAAA`)
  expect(forged.status).toBe(400)
  const foreign = await call('GET', `/v1/devices?cursor=${first.body['next_cursor']}`)
  expect(foreign.status).toBe(400)
})

test('a minted token carries the rights of its device, is shown once, and can be revoked', async () => {
  const { call, worker } = await startManaged()
  const year = 365 * 86_400
  const minted = await call('POST', '/v1/devices/meter-1/tokens', { expires_in: year })
  expect(minted.status).toBe(201)
  expect(minted.headers.get('cache-control')).toBe('no-store')
  const claims = claimsOf(minted.body['access_token'])
  expect(claims).toMatchObject({
    sub: 'meter-1',
    aud: 'urn:allauth:mqtt',
    acl: [{ permission: 'allow', action: 'publish', topic: 'sites/site-1/meter-1/reading' }],
    exp: worker.clock.now + year,
  })
  expect(String(claims['jti']).startsWith(`${minted.body['id']}.`)).toBe(true)
  const listed = await call('GET', '/v1/devices/meter-1/tokens')
  expect(JSON.stringify(listed.body)).not.toContain(minted.body['access_token'])
  expect(listed.body['items']).toMatchObject([{ id: minted.body['id'], revoked_at: null }])

  // The key that signed it stays published as long as the token lives.
  const kid = JSON.parse(atob(String(minted.body['access_token']).split('.')[0]!)).kid
  const cx = worker.context()
  worker.memory.clear()
  const key = (await signingKeys(cx)).find((one) => one.kid === kid)
  expect(key?.needed_until).toBe(claims['exp'])

  const path = `/v1/devices/meter-1/tokens/${minted.body['id']}`
  expect((await call('DELETE', path)).status).toBe(204)
  expect((await call('GET', '/v1/devices/meter-1/tokens')).body['items']).toMatchObject([
    { revoked_at: worker.clock.now },
  ])
  expect((await call('DELETE', '/v1/devices/meter-1/tokens/tok_none')).status).toBe(404)
})

test('a device ends its minted token itself (RFC 7009), another one cannot', async () => {
  const { call, worker } = await startManaged()
  const minted = await call('POST', '/v1/devices/meter-1/tokens', { expires_in: 3600 })
  const secretOf = async (id: string) => {
    const path = `/v1/devices/${id}/credentials`
    return String((await call('POST', path, { kind: 'secret' })).body['secret'])
  }
  await call('POST', '/v1/devices', { id: 'meter-2', type: 'meter' })
  const revoke = async (id: string) =>
    worker.request('/oauth/revoke', {
      method: 'POST',
      body: new URLSearchParams({ token: String(minted.body['access_token']) }),
      headers: { authorization: `Basic ${btoa(`${id}:${await secretOf(id)}`)}` },
    })
  const revoked = async () => {
    const { body } = await call('GET', '/v1/devices/meter-1/tokens')
    return (body['items'] as { revoked_at: number | null }[])[0]?.revoked_at
  }
  expect((await revoke('meter-2')).status).toBe(200)
  expect(await revoked()).toBeNull()
  expect((await revoke('meter-1')).status).toBe(200)
  expect(await revoked()).toBe(worker.clock.now)
})

test('a token is minted neither for too long, nor for a device that is suspended or not there', async () => {
  const { call } = await startManaged()
  const mint = (id: string, expires_in: number) =>
    call('POST', `/v1/devices/${id}/tokens`, { expires_in })
  expect((await mint('meter-1', 366 * 86_400)).status).toBe(400)
  expect((await mint('meter-2', 3600)).status).toBe(404)
  await call('PATCH', '/v1/devices/meter-1', { status: 'suspended' })
  expect((await mint('meter-1', 3600)).status).toBe(409)
})

test.each([['suspended'], ['retired']])(
  'a device that is %s loses its minted tokens for good, and the answer says how many',
  async (status) => {
    const { call, worker } = await startManaged()
    const mint = (expires_in = 3600) => call('POST', '/v1/devices/meter-1/tokens', { expires_in })
    await mint(60)
    worker.clock.now += 60
    const ids = [(await mint()).body['id'], (await mint()).body['id'], (await mint()).body['id']]
    // In the same second as the change below.
    await call('DELETE', `/v1/devices/meter-1/tokens/${ids[0]}`)
    const change = (body: object) => call('PATCH', '/v1/devices/meter-1', body)
    expect((await change({ name: 'Meter' })).body).not.toHaveProperty('tokens_ended')
    // One has run out and one was revoked before.
    expect((await change({ status })).body).toMatchObject({ status, tokens_ended: 2 })
    const { body } = await call('GET', '/v1/devices/meter-1/tokens')
    const tokens = body['items'] as { revoked_at: number | null }[]
    expect(tokens.map(({ revoked_at }) => revoked_at)).not.toContain(null)
    if (status === 'retired') return
    expect((await change({ status: 'active' })).body).not.toHaveProperty('tokens_ended')
    expect((await change({ status })).body).toMatchObject({ tokens_ended: 0 })
    const { components } = (await (await worker.request('/openapi.json')).json()) as {
      components: { schemas: Record<string, object> }
    }
    const described = JSON.stringify(components.schemas['ChangedDevice'])
    expect(described).toContain('"tokens_ended":{"type":"integer","description":')
    expect(described).toContain('for good')
  },
)

test('a POST repeated with its Idempotency-Key is answered as the first time, and done once', async () => {
  const { call } = await startManaged()
  const post = (body: unknown, key: string) =>
    call('POST', '/v1/devices/meter-1/tokens', body, { 'idempotency-key': key })
  const first = await post({ expires_in: 3600 }, 'k1')
  const second = await post({ expires_in: 3600 }, 'k1')
  expect(second.body).toEqual(first.body)
  expect(second.status).toBe(201)
  expect(second.headers.get('idempotent-replayed')).toBe('true')
  expect((await post({ expires_in: 7200 }, 'k1')).status).toBe(422)
  expect((await post({ expires_in: 3600 }, 'k2')).body['id']).not.toBe(first.body['id'])
  const parallel = await Promise.all(
    Array.from({ length: 20 }, () => post({ expires_in: 3600 }, 'k3')),
  )
  const made = parallel.filter(({ status }) => status === 201)
  expect(new Set(made.map(({ body }) => body['id'])).size).toBe(1)
  expect(parallel.every(({ status }) => status === 201 || status === 409)).toBe(true)
  // A refused request leaves its key free.
  expect((await post({ expires_in: 1 }, 'k4')).status).toBe(400)
  expect((await post({ expires_in: 3600 }, 'k4')).status).toBe(201)
})

test('every route of the API has a scope and refuses a token without it', async () => {
  const { worker, token } = await startManaged()
  const document = (await (await worker.request('/openapi.json')).json()) as {
    openapi: string
    components: {
      securitySchemes: { oauth2: { flows: { clientCredentials: { tokenUrl: string } } } }
    }
    paths: Record<
      string,
      Record<string, { security?: { oauth2: string[] }[]; operationId?: string; summary?: string }>
    >
  }
  expect(document.openapi).toBe('3.1.0')
  expect(document.components.securitySchemes.oauth2.flows.clientCredentials.tokenUrl).toBe(
    'http://localhost:8787/oauth/token',
  )
  const reader = await token('reader', 'events:read')
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
  )
  expect(operations.length).toBeGreaterThan(40)
  expect(operations.filter(({ summary }) => !summary).map(({ path }) => path)).toEqual([])
  // Patterns as JSON Schema has them, without flags behind a slash.
  const text = JSON.stringify(document)
  expect(text).not.toMatch(/"pattern":"[^"]*\/[a-z]+"/)
  const ids = operations.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { path, method, security } of operations) {
    const scope = security?.[0]?.oauth2[0]
    expect(scope, `${method} ${path}`).toMatch(/^(self|mproxy:report|\w+:(read|write))$/)
    const url = path.replaceAll(/\{\w+\}/g, 'x')
    const bare = await worker.request(url, { method: method.toUpperCase() })
    expect(bare.status, `${method} ${path} without a token`).toBe(401)
    if (scope === 'events:read') continue
    const poor = await worker.request(url, {
      method: method.toUpperCase(),
      headers: { authorization: `Bearer ${reader}` },
    })
    expect(poor.status, `${method} ${path} with a token for something else`).toBe(403)
  }
})

test.each([
  ['no JSON', '{"a":', 400],
  ['NUL in a text', '{"expires_in":3600,"x":"a\\u0000b"}', 400],
  ['too large', `{"x":"${'a'.repeat(1_100_000)}"}`, 413],
  ['an array', '[]', 400],
  ['nothing', '', 400],
])('a body with %s is refused as a problem', async (_, body, status) => {
  const { call } = await startManaged()
  const answer = await call('POST', '/v1/devices/meter-1/tokens', body)
  expect(answer.status).toBe(status)
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
})

test('a body of another media type is refused with what to send', async () => {
  const { worker, token } = await startManaged()
  const authorization = `Bearer ${await token('ops', 'manage')}`
  for (const path of ['/v1/users', '/v1/groups', '/v1/devices', '/access/v1/evaluation']) {
    const answer = await worker.request(path, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
      body: '{"email":"ann@example.com"}',
    })
    expect(answer.status, path).toBe(415)
    expect(await answer.text()).toContain('application/json')
  }
})

test('bytes that are no UTF-8, NUL in the path and paths that are not there are problems too', async () => {
  const { worker, call, token } = await startManaged()
  const bytes = await worker.request('/v1/devices/meter-1/tokens', {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await token('ops', 'manage')}`,
      'content-type': 'application/json',
    },
    body: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
  })
  expect(bytes.status).toBe(400)
  expect((await call('GET', '/v1/devices/a%00b')).status).toBe(400)
  const nowhere = await call('GET', '/v1/nowhere')
  expect(nowhere.status).toBe(404)
  expect(nowhere.body['type']).toBe('urn:allauth:problem:not_found')
})
