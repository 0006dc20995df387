// What the issuer says about itself is the same at both addresses, cacheable, free of the database, and true.
import * as oauth from 'oauth4webapi'
import { expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { countRoundTrips, ISSUER, startWorker } from '../context.ts'

const PATHS = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']
const worker = await startWorker()
// A cold process reads keys and settings once.
await worker.request('/.well-known/jwks.json')

async function read(path: string) {
  const answer = await worker.request(path, { headers: { origin: 'https://app.example' } })
  return { answer, body: (await answer.json()) as Record<string, unknown> }
}

test('both documents are equal, cacheable, readable from any origin, and take 0 round trips when warm', async () => {
  const { value, roundTrips } = await countRoundTrips(worker, () => Promise.all(PATHS.map(read)))
  console.log('round trips of metadata', { documents: value.length, roundTrips })
  expect(roundTrips).toBe(0)
  for (const { answer } of value) {
    expect(answer.status).toBe(200)
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
    expect(answer.headers.get('cache-control')).toBe('public, max-age=300')
    expect(answer.headers.get('content-type')).toContain('application/json')
  }
  expect(value[0]?.body).toEqual(value[1]?.body)
})

test('a foreign client accepts them, and the issuer is exact', async () => {
  for (const algorithm of ['oidc', 'oauth2'] as const) {
    const answer = await oauth.discoveryRequest(new URL(ISSUER), {
      algorithm,
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: async (url, init) => worker.app.request(url, init as RequestInit),
    })
    const server = await oauth.processDiscoveryResponse(new URL(ISSUER), answer)
    expect(server.issuer).toBe(ISSUER)
    expect(server.authorization_response_iss_parameter_supported).toBe(true)
    expect(server.code_challenge_methods_supported).toEqual(['S256'])
  }
})

test('every endpoint that is named exists', async () => {
  const { body } = await read(PATHS[0] ?? '')
  const named = Object.entries(body).filter(
    ([name]) => name.endsWith('_endpoint') || name === 'jwks_uri',
  )
  expect(named.map(([name]) => name).sort()).toEqual([
    'authorization_endpoint',
    'device_authorization_endpoint',
    'end_session_endpoint',
    'introspection_endpoint',
    'jwks_uri',
    'pushed_authorization_request_endpoint',
    'registration_endpoint',
    'revocation_endpoint',
    'status_list_aggregation_endpoint',
    'token_endpoint',
    'userinfo_endpoint',
  ])
  for (const [name, url] of named) {
    expect(String(url).startsWith(`${ISSUER}/`)).toBe(true)
    const answer = await worker.app.request(String(url))
    expect([name, answer.status]).not.toEqual([name, 404])
  }
})

test('what can be asked about a person is said', async () => {
  const { body } = await read(PATHS[0] ?? '')
  const algorithms = ['RS256', 'ES256', 'EdDSA']
  expect(body).toMatchObject({
    claims_parameter_supported: true,
    claims_supported: expect.arrayContaining([
      'sub',
      'acr',
      'birthdate',
      'address',
      'phone_number',
    ]),
    scopes_supported: expect.arrayContaining(['openid', 'profile', 'email', 'address', 'phone']),
    acr_values_supported: ['urn:allauth:acr:mfa', 'urn:allauth:acr:pwd'],
    subject_types_supported: ['public', 'pairwise'],
    id_token_signing_alg_values_supported: algorithms,
    userinfo_signing_alg_values_supported: algorithms,
    display_values_supported: ['page'],
    ui_locales_supported: ['en', 'de', 'es', 'fr', 'pl', 'ar'],
  })
})

test('logout by the browser and behind it is announced', async () => {
  const { body } = await read(PATHS[0] ?? '')
  expect(body).toMatchObject({
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
  })
  expect(body['claims_supported']).toContain('sid')
  expect(body).not.toHaveProperty('frontchannel_logout_supported')
})

test('what is not built is said not to be there', async () => {
  const { body } = await read(PATHS[0] ?? '')
  expect(body).toMatchObject({
    response_types_supported: ['code'],
    grant_types_supported: [
      'authorization_code',
      'refresh_token',
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:device_code',
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
    ],
    authorization_details_types_supported: ['device'],
  })
  expect(body['introspection_endpoint_auth_methods_supported']).not.toContain('none')
})

test('how requests may come and answers may go is said as it is', async () => {
  const said = async () => (await read(PATHS[0] ?? '')).body
  expect(await said()).toMatchObject({
    response_modes_supported: ['query', 'form_post', 'query.jwt', 'form_post.jwt', 'jwt'],
    authorization_signing_alg_values_supported: ['RS256', 'ES256', 'EdDSA'],
    request_parameter_supported: true,
    request_uri_parameter_supported: true,
    require_request_uri_registration: true,
    // `none` is for clients that registered it (RFC 9101 §10.5), so it is not said to everybody.
    request_object_signing_alg_values_supported: ['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'],
    require_pushed_authorization_requests: false,
    ui_locales_supported: ['en', 'de', 'es', 'fr', 'pl', 'ar'],
  })
  const cx = worker.context()
  await changeSettings(cx, { require_pushed_authorization_requests: true })
  expect(await said()).toMatchObject({ require_pushed_authorization_requests: true })
  await changeSettings(cx, { require_pushed_authorization_requests: null })
})

test('neither scripts nor strangers can change them', async () => {
  for (const path of PATHS) {
    expect((await worker.request(path, { method: 'POST' })).status).toBe(404)
    expect((await worker.request(`${path}?issuer=https://evil.example`)).status).toBe(200)
    const { body } = await read(`${path}?issuer=https://evil.example`)
    expect(body['issuer']).toBe(ISSUER)
  }
  // The Host header is not believed.
  const answer = await worker.app.request(`https://evil.example${PATHS[0]}`)
  expect(((await answer.json()) as Record<string, unknown>)['issuer']).toBe(ISSUER)
})
