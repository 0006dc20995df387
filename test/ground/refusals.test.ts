// Refusals that explain themselves: the id of a request, what a refusal leaves in the log, and
// which clock is wrong.
import { describe, expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { createApp } from '../../worker/app.ts'
import { ANONYMOUS } from '../../worker/context.ts'
import { DatabaseUnavailable } from '../../worker/db/database.ts'
import { openRemoteDatabase } from '../../worker/entry/remote_database.ts'
import { createClient } from '../../worker/oauth/clients/clients.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'
import { Browser } from '../identity/browser.ts'
import { APP, CALLBACK, requestPath } from '../oauth/flow.ts'
import {
  addApp,
  addClient,
  addCode,
  addDevice,
  asserted,
  assertion,
  basic,
  dpopProof,
  makeSigner,
  post,
  redeem,
  refresh,
  type Signer,
  setStatus,
  signIn,
  startIssuer,
  token,
} from '../oauth/token_fixtures.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const SECRET = 's'.repeat(40)

const lastOf = (worker: TestWorker) => worker.log.at(-1)
const reasonOf = (worker: TestWorker) => lastOf(worker)?.fields['reason']

describe('the id of a request', () => {
  test('is in every answer and new each time, whatever the request says', async () => {
    const worker = await startWorker()
    const ids = new Set<string>()
    const paths = ['/healthz', '/login', '/consent', '/nowhere', '/v1/users', '/oauth/userinfo']
    for (const path of [...paths, '/oauth/token', '/openapi.json', '/style.css', '/', '/device']) {
      const headers = { 'x-request-id': 'mine', 'x-correlation-id': 'mine', 'request-id': 'mine' }
      const answer = await worker.request(path, { headers })
      const id = answer.headers.get('x-request-id') ?? ''
      expect(id, path).toMatch(UUID)
      ids.add(id)
    }
    expect(ids.size).toBe(11)
  })

  test('of an earlier request does not make a spent code good again', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker)
    const first = await redeem(worker, code)
    expect(first.status).toBe(200)
    const id = first.headers.get('x-request-id') ?? ''
    const again = await redeem(worker, code, {}, { 'X-Request-Id': id })
    expect([again.status, again.body.error]).toEqual([400, 'invalid_grant'])
    expect(again.headers.get('x-request-id')).toMatch(UUID)
    expect(again.headers.get('x-request-id')).not.toBe(id)
    expect(reasonOf(worker)).toBe('code_reused')
  })

  test('may be read by pages of other origins, where they may read headers at all', async () => {
    const worker = await startIssuer()
    const headers = { origin: 'https://spa.example' }
    const answer = await worker.request('/oauth/userinfo', { headers })
    expect(answer.headers.get('access-control-expose-headers')).toContain('X-Request-Id')
  })

  test('is on pages that say an error, and leads to the line in the log', async () => {
    const worker = await startWorker()
    const browser = new Browser(worker)
    const refused = await browser.get(requestPath({ client_id: 'nobody' }))
    const id = refused.headers.get('x-request-id') ?? ''
    expect(refused.html).toContain(`Request ${id}`)
    expect(lastOf(worker)?.fields).toMatchObject({ rid: id, reason: 'unknown_client' })
    const nowhere = await browser.get('/nowhere', { accept: 'text/html' })
    expect(nowhere.html).toContain(`Request ${nowhere.headers.get('x-request-id')}`)
    const dead = await browser.get('/setup?token=guess')
    const deadId = dead.headers.get('x-request-id') ?? ''
    expect([dead.status, dead.html]).toEqual([403, expect.stringContaining(`Request ${deadId}`)])
    expect(lastOf(worker)?.fields).toMatchObject({ rid: deadId, reason: 'setup_link_dead' })
  })
})

describe('the log of a refusal', () => {
  test('says request, address, path, reason, and the client as it calls itself', async () => {
    const worker = await startIssuer()
    await addClient(worker, {
      client_id: 'job',
      client_secret: SECRET,
      grant_types: ['client_credentials'],
      scope: 'mqtt',
    })
    const parameters = { grant_type: 'client_credentials' }
    const headers = { ...basic('job', 'w'.repeat(40)), 'x-test-address': '198.51.100.7' }
    const answer = await token(worker, parameters, headers)
    expect(lastOf(worker)).toEqual({
      level: 'info',
      message: 'a request was refused',
      fields: {
        rid: answer.headers.get('x-request-id'),
        address: '198.51.100.7',
        path: '/oauth/token',
        status: 401,
        error: 'invalid_client',
        reason: 'wrong_secret',
        client_id: 'job',
      },
    })
  })

  test('has the path without its query, and cuts what a stranger says', async () => {
    const worker = await startWorker()
    const evil = `${'a'.repeat(50)}\n\u001b[31m\u0085\u2028\u202e${'b'.repeat(500)}`
    await worker.request(`/oauth/authorize?${new URLSearchParams({ client_id: evil })}`)
    const { path, client_id } = lastOf(worker)?.fields ?? {}
    expect(path).toBe('/oauth/authorize')
    expect(client_id).toBe(`${'a'.repeat(50)}??[31m???${'b'.repeat(141)}`)
    await post(worker, '/oauth/token', { grant_type: 'x', client_id: evil, client_secret: 'x' })
    expect(lastOf(worker)?.fields['client_id']).toBe(client_id)
    await worker.request(`/v1/users/%0a%1b${'x'.repeat(500)}?limit=1`)
    const said = String(lastOf(worker)?.fields['path'])
    expect(said).toHaveLength(200)
    expect(said).not.toMatch(/[\n\u001b]|limit/)
  })

  test('names the subject once it is proven, and not before', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { access_token, refresh_token } = await signIn(worker, { scope: 'openid offline_access' })
    await refresh(worker, refresh_token, { client_id: 'app', scope: 'email' })
    expect(lastOf(worker)?.fields).toMatchObject({ reason: 'scope_not_covered', sub: 'ann' })
    const { code } = await addCode(worker)
    await redeem(worker, code, { code_verifier: 'x'.repeat(43) })
    expect(reasonOf(worker)).toBe('wrong_code_verifier')
    expect(lastOf(worker)?.fields).not.toHaveProperty('sub')
    await setStatus(worker, 'user', 'ann', 'disabled')
    await redeem(worker, code)
    expect(lastOf(worker)?.fields).toMatchObject({ reason: 'user_not_usable', sub: 'ann' })
    const headers = { Authorization: `Bearer ${access_token}` }
    await worker.request('/oauth/userinfo', { headers })
    const told = { reason: 'origin_ended', sub: 'ann', client_id: 'app' }
    expect(lastOf(worker)?.fields).toMatchObject(told)
  })

  test('tells a token that ran out from one for others and one of nobody', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { access_token } = await signIn(worker, { scope: 'openid' })
    const userinfo = async (path: string, value: string) => {
      const headers = { Authorization: `Bearer ${value}` }
      const { status } = await worker.request(path, { headers })
      return [status, reasonOf(worker)]
    }
    expect(await userinfo('/v1/users', access_token)).toEqual([401, 'token_for_others'])
    expect(await userinfo('/oauth/userinfo', 'x.y.z')).toEqual([401, 'not_our_token'])
    worker.clock.now += 86_400
    expect(await userinfo('/oauth/userinfo', access_token)).toEqual([401, 'token_expired'])
    const [header, payload] = access_token.split('.')
    const forged = `${header}.${payload}.${'A'.repeat(86)}`
    expect(await userinfo('/oauth/userinfo', forged)).toEqual([401, 'not_our_token'])
  })

  test('is there for refusals that are told to the client, and for forms that come again', async () => {
    const worker = await startWorker()
    const browser = new Browser(worker)
    await createClient(worker.context(), APP)
    const told = await browser.get(requestPath({ response_type: 'token' }))
    expect(told.headers.get('location')).toContain('error=unsupported_response_type')
    expect(lastOf(worker)?.fields).toMatchObject({ reason: 'response_type', client_id: 'app' })
    expect((await browser.signIn('ann@example.com', 'wrong')).status).toBe(403)
    expect(reasonOf(worker)).toBe('sign_in_refused')
    expect((await worker.request('/oauth/token')).status).toBe(405)
    expect(lastOf(worker)?.fields).toMatchObject({ reason: 'wrong_method', status: 405 })
    expect((await worker.request('/v1/users')).status).toBe(401)
    expect(lastOf(worker)?.fields).toMatchObject({ reason: 'no_token', path: '/v1/users' })
  })
})

describe('the words of the database', () => {
  /** The log line for such an answer of the database. */
  async function loggedFor(answer: () => Response) {
    const worker = await startWorker()
    const app = createApp(() => ({
      ...worker.context(ANONYMOUS),
      memory: new Map(),
      db: openRemoteDatabase({
        url: 'https://db.example',
        authToken: 'marked-token',
        fetch: async () => answer(),
      }),
    }))
    const { status, headers } = await app.request(`${ISSUER}/.well-known/jwks.json`)
    expect([status, headers.get('retry-after')]).toEqual([503, '2'])
    const { level, fields } = lastOf(worker) ?? {}
    expect([level, fields?.['reason']]).toEqual(['warn', 'database_unavailable'])
    expect(JSON.stringify(worker.log)).not.toContain('marked-token')
    return String(fields?.['cause'])
  }

  const EXPIRED = 'the JWT has expired'
  const BLOCKED = 'reads are blocked, do you need to upgrade your plan?'

  test.each<[string, () => Response, string]>([
    ['a word', () => Response.json({ error: EXPIRED }, { status: 401 }), EXPIRED],
    ['a message', () => Response.json({ message: EXPIRED }, { status: 401 }), EXPIRED],
    ['a plain text', () => new Response(EXPIRED, { status: 401 }), EXPIRED],
    [
      'a code',
      () => Response.json({ message: BLOCKED, code: 'BLOCKED' }, { status: 403 }),
      BLOCKED,
    ],
    [
      'a fault of its own',
      () => Response.json({ error: 'no leader' }, { status: 502 }),
      'no leader',
    ],
    ['a page', () => new Response(`<html>${'x'.repeat(9999)}`, { status: 404 }), '<html>'],
  ])('that come as %s are in the log', async (_, answer, words) => {
    const cause = await loggedFor(answer)
    expect(cause).toContain(words)
    expect(cause.length).toBeLessThanOrEqual(1000)
  })

  test('are in the log in their chain, each once', async () => {
    const worker = await startWorker()
    const failing = () => {
      const cause = new Error('disk I/O error', { cause: new Error('no space left') })
      return Promise.reject(new DatabaseUnavailable('cannot work: disk I/O error', { cause }))
    }
    const app = createApp(() => ({
      ...worker.context(ANONYMOUS),
      memory: new Map(),
      db: { read: failing, write: failing },
    }))
    expect((await app.request(`${ISSUER}/readyz`)).status).toBe(503)
    expect(lastOf(worker)?.fields['cause']).toBe('cannot work: disk I/O error: no space left')
  })

  test('end where a chain of causes leads back to its beginning', async () => {
    const worker = await startWorker()
    const first = new Error('the first', { cause: new Error('the second') })
    Object.assign(first.cause ?? {}, { cause: first })
    const failing = () => Promise.reject(first)
    const app = createApp(() => ({
      ...worker.context(ANONYMOUS),
      memory: new Map(),
      db: { read: failing, write: failing },
    }))
    expect((await app.request(`${ISSUER}/readyz`)).status).toBe(500)
    expect(lastOf(worker)?.fields['cause']).toBe('the first: the second')
  })
})

describe('a right signature with a wrong time is told from a wrong signature', () => {
  type Times = { iat?: number; nbf?: number; exp?: number }
  const NOW = 1_800_000_000

  const CLOCKS: [Times, string][] = [
    [{ exp: NOW - 1 }, 'expired'],
    [{ iat: NOW - 3660, exp: NOW - 3600 }, 'expired'],
    [{ nbf: NOW + 60 }, 'not_yet_valid'],
  ]

  test.each(CLOCKS)('in assertions of clients and devices: %j is assertion_%s', async (...row) => {
    const [claims, fault] = row
    const worker = await startIssuer()
    const [signer, stranger] = [await makeSigner('ES256'), await makeSigner('ES256')]
    await addClient(worker, {
      client_id: 'job',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [(await makeSigner('ES256')).jwk as never, signer.jwk as never] },
      grant_types: ['client_credentials'],
      scope: 'mqtt',
    })
    await addDevice(worker, 'dim-1', { jwk: signer.jwk })
    const ask = async (id: string, by: Signer) => {
      const proof = asserted(await assertion(worker, by, id, { claims }))
      const { status, body } = await token(worker, { grant_type: 'client_credentials', ...proof })
      expect([status, body]).toEqual([
        401,
        {
          error: 'invalid_client',
          error_description: 'client authentication failed',
          server_time: worker.clock.now,
        },
      ])
      return reasonOf(worker)
    }
    for (const id of ['job', 'dim-1']) {
      expect(await ask(id, signer)).toBe(`assertion_${fault}`)
      expect(await ask(id, stranger)).toBe('bad_signature')
    }
  })

  test.each(CLOCKS)('in the assertion of a trusted issuer: %j is assertion_%s', async (...row) => {
    const [claims, fault] = row
    const worker = await startIssuer()
    const [signer, second] = [await makeSigner('ES256'), await makeSigner('ES256')]
    const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
    await addClient(worker, {
      client_id: 'portal',
      client_secret: SECRET,
      grant_types: [GRANT],
      scope: 'openid',
    })
    const issuer = 'https://partner.example'
    await changeSettings(worker.context(), {
      // Without kid both keys may be meant.
      trusted_issuers: [
        {
          issuer,
          subject: 'email',
          jwks: { keys: [second.jwk as never, signer.jwk as never] },
        },
      ],
    })
    const person = { email: 'ann@example.com', email_verified: true, sub: 'x', iss: issuer }
    const ask = async (by: Signer) => {
      const about = await assertion(worker, by, issuer, { claims: { ...person, ...claims } })
      const parameters = { grant_type: GRANT, assertion: about, scope: 'openid' }
      const { body } = await token(worker, parameters, basic('portal', SECRET))
      expect(body.error).toBe('invalid_grant')
      return reasonOf(worker)
    }
    expect(await ask(signer)).toBe(`assertion_${fault}`)
    expect(await ask(second)).toBe(`assertion_${fault}`)
    expect(await ask(await makeSigner('ES256'))).toBe('bad_signature')
  })

  test.each(CLOCKS)('in request objects: %j is object_%s', async (...row) => {
    const [claims, fault] = row
    const worker = await startIssuer()
    const signer = await makeSigner('ES256')
    await addClient(worker, {
      ...APP,
      jwks: { keys: [signer.jwk as never] },
      redirect_uris: [CALLBACK],
    })
    const inside = { sub: undefined, client_id: 'app', redirect_uri: CALLBACK, scope: 'openid' }
    const ask = async (by: Signer) => {
      const request = await assertion(worker, by, 'app', { claims: { ...inside, ...claims } })
      const query = new URLSearchParams({ client_id: 'app', response_type: 'code', request })
      expect((await worker.request(`/oauth/authorize?${query}`)).status).toBe(400)
      return reasonOf(worker)
    }
    expect(await ask(signer)).toBe(`object_${fault}`)
    expect(await ask(await makeSigner('ES256'))).toBe('object_signature')
  })

  test('in DPoP proofs, and a clock that is ahead or behind', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const signer = await makeSigner('ES256')
    const ask = async (claims: Times) => {
      const { code } = await addCode(worker)
      const proof = await dpopProof(worker, signer, { claims })
      const { body } = await redeem(worker, code, {}, { DPoP: proof })
      expect(body.error).toBe('invalid_dpop_proof')
      return reasonOf(worker)
    }
    expect(await ask({ exp: NOW })).toBe('proof_expired')
    expect(await ask({ nbf: NOW + 60 })).toBe('proof_not_yet_valid')
    expect(await ask({ iat: NOW + 61 })).toBe('proof_issued_ahead')
    expect(await ask({ iat: NOW - 301 })).toBe('proof_too_old')
  })
})
