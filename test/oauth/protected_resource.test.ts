// Protected resource metadata (RFC 9728): from a refused request to where a token can be had, by foreign software.
import * as oauth from 'oauth4webapi'
import { expect, test } from 'vitest'
import { countRoundTrips, ISSUER, type TestWorker } from '../context.ts'
import { API, addClient, basic, startIssuer, token } from './token_fixtures.ts'

const PATH = '/.well-known/oauth-protected-resource/v1'
const CHALLENGE = `resource_metadata="${ISSUER}${PATH}"`
const PATHS = ['/v1/keys', '/v1/nothing', '/access/v1/evaluation']

const through = (worker: TestWorker) => ({
  [oauth.allowInsecureRequests]: true,
  [oauth.customFetch]: async (url: string, init: object) => worker.request(url, init),
})

test('a strict foreign client finds the metadata by the resource, any origin may read them, in 0 round trips', async () => {
  const worker = await startIssuer()
  const { value: answer, roundTrips } = await countRoundTrips(worker, () =>
    oauth.resourceDiscoveryRequest(new URL(API), through(worker)),
  )
  expect(roundTrips).toBe(0)
  expect(answer.url || `${ISSUER}${PATH}`).toBe(`${ISSUER}${PATH}`)
  expect(answer.headers.get('cache-control')).toBe('public, max-age=300')
  expect(answer.headers.get('access-control-allow-origin')).toBe('*')
  const resource = await oauth.processResourceDiscoveryResponse(new URL(API), answer)
  expect(resource).toMatchObject({
    resource: API,
    authorization_servers: [ISSUER],
    bearer_methods_supported: ['header'],
    resource_name: 'AllAuth management API',
  })
  expect(resource.scopes_supported).toEqual(
    expect.arrayContaining(['manage', 'users:read', 'settings:write']),
  )
  expect(resource.scopes_supported).not.toContain('openid')
})

test('a request without a token is told where they are, and from there gets one that works', async () => {
  const worker = await startIssuer()
  const scope = 'keys:read'
  const secret = await addClient(worker, {
    client_id: 'ops',
    grant_types: ['client_credentials'],
    scope,
  })
  const refused = await worker.request('/v1/keys')
  expect(refused.status).toBe(401)
  const header = refused.headers.get('www-authenticate') ?? ''
  const url = /resource_metadata="([^"]+)"/.exec(header)?.[1] ?? ''
  const { resource, authorization_servers } = (await (await worker.request(url)).json()) as {
    resource: string
    authorization_servers: [string]
  }
  const issuer = new URL(authorization_servers[0])
  const found = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { ...through(worker), algorithm: 'oauth2' }),
  )
  const { pathname } = new URL(found.token_endpoint ?? '')
  expect(pathname).toBe('/oauth/token')
  const { body } = await token(
    worker,
    { grant_type: 'client_credentials', scope, resource },
    basic('ops', secret),
  )
  const headers = { Authorization: `Bearer ${body.access_token}` }
  expect((await worker.request('/v1/keys', { headers })).status).toBe(200)
})

const DPOP = 'DPoP algs="ES256 Ed25519 EdDSA RS256 PS256"'

test('every refusal for want of a good token says it, beside its error code', async () => {
  const worker = await startIssuer()
  for (const path of PATHS) {
    const bare = await worker.request(path)
    expect([bare.status, bare.headers.get('www-authenticate')]).toEqual([
      401,
      `Bearer ${CHALLENGE}, ${DPOP}`,
    ])
    const bad = await worker.request(path, { headers: { Authorization: 'Bearer nonsense' } })
    expect([bad.status, bad.headers.get('www-authenticate')]).toEqual([
      401,
      `Bearer error="invalid_token", ${CHALLENGE}`,
    ])
  }
})

test('userinfo is no part of that resource and does not name it', async () => {
  const worker = await startIssuer()
  const bare = await worker.request('/oauth/userinfo')
  expect(bare.headers.get('www-authenticate')).toBe(`Bearer, ${DPOP}`)
  const headers = { Authorization: 'Bearer nonsense' }
  const bad = await worker.request('/oauth/userinfo', { headers })
  expect(bad.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
})

test('neither the Host header nor a path decides what the metadata say', async () => {
  const worker = await startIssuer()
  const answer = await worker.app.request(`https://evil.example${PATH}`)
  expect(await answer.json()).toMatchObject({ resource: API, authorization_servers: [ISSUER] })
  for (const path of ['', '/v2', '/v1/keys', '/access']) {
    const other = await worker.request(`/.well-known/oauth-protected-resource${path}`)
    expect([path, other.status]).toEqual([path, 404])
  }
  expect((await worker.request(PATH, { method: 'POST' })).status).toBe(404)
})
