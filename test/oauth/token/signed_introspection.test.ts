// Introspection answers as JWTs (RFC 9701): who gets one, by which algorithm, and that it is for nobody else.
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { expect, test } from 'vitest'
import { verifyJwt } from '../../../worker/keys/jwt.ts'
import { readAccessToken } from '../../../worker/oauth/tokens/access_token.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import {
  AS,
  addClient,
  addDevice,
  basic,
  claimsOf,
  foreign,
  foreignClient,
  headerOf,
  makeSigner,
  startIssuer,
  token,
} from '../token_fixtures.ts'

const API_OF_SHOP = 'https://shop.example/'
const SIGNED = 'application/token-introspection+jwt'
const CREDENTIALS = { grant_types: ['client_credentials' as const], scope: 'orders' }
/** Anew for each test: the foreign client remembers the keys by it. */
const metadata = () => ({
  ...AS,
  introspection_signing_alg_values_supported: ['RS256', 'ES256', 'EdDSA'],
})

async function startShop(alg?: 'RS256' | 'ES256' | 'EdDSA') {
  const worker = await startIssuer()
  const resources = [API_OF_SHOP]
  const job = await addClient(worker, { client_id: 'job', ...CREDENTIALS, resources })
  const shop = await addClient(worker, {
    client_id: 'shop',
    ...CREDENTIALS,
    serves: resources,
    ...(alg === undefined ? {} : { introspection_signed_response_alg: alg }),
  })
  const stranger = await addClient(worker, { client_id: 'stranger', ...CREDENTIALS })
  const own = { grant_type: 'client_credentials', resource: API_OF_SHOP }
  const { body } = await token(worker, own, basic('job', job))
  return { worker, shop, stranger, access_token: body.access_token ?? '' }
}

const ask = (
  worker: TestWorker,
  parameters: Record<string, string>,
  headers: Record<string, string>,
) =>
  worker.request('/oauth/introspect', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(parameters).toString(),
  })

test.each([
  [undefined, 'RS256'],
  ['RS256', 'RS256'],
  ['ES256', 'ES256'],
  ['EdDSA', 'EdDSA'],
] as const)(
  'a strict foreign resource server registered for %s gets an answer signed with %s',
  async (registered, alg) => {
    const { worker, shop, access_token } = await startShop(registered)
    const server = metadata()
    const request = (requestJwtResponse: boolean) =>
      oauth.introspectionRequest(
        server,
        foreignClient(worker, 'shop'),
        oauth.ClientSecretBasic(shop),
        access_token,
        { ...foreign(worker), requestJwtResponse },
      )
    await request(true) // makes the first key of the algorithm
    const { value: answer, roundTrips } = await countRoundTrips(worker, () => request(true))
    expect(roundTrips).toBe(1)
    expect(answer.headers.get('content-type')).toBe(SIGNED)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const jwt = await answer.clone().text()
    expect(headerOf(jwt)).toMatchObject({ alg, typ: 'token-introspection+jwt' })
    const as_client = {
      ...foreignClient(worker, 'shop'),
      ...(registered === undefined ? {} : { introspection_signed_response_alg: registered }),
    }
    const result = await oauth.processIntrospectionResponse(server, as_client, answer)
    await oauth.validateApplicationLevelSignature(server, answer, foreign(worker))
    const plain = await oauth.processIntrospectionResponse(server, as_client, await request(false))
    expect(plain).toMatchObject({ active: true, sub: 'job', aud: API_OF_SHOP })
    expect(result).toEqual(plain)
    // RFC 9701 §5: and nothing that would make it look like a token
    const { token_introspection, ...outer } = claimsOf(jwt)
    expect(token_introspection).toEqual(plain)
    expect(outer).toEqual({ iss: ISSUER, aud: 'shop', iat: worker.clock.now })
  },
)

test('openid-client reads plain and signed answers with what discovery tells it', async () => {
  const { worker, shop, access_token } = await startShop('ES256')
  const config = await client.discovery(
    new URL(ISSUER),
    'shop',
    shop,
    client.ClientSecretBasic(shop),
    {
      execute: [client.allowInsecureRequests],
      [client.customFetch]: async (url, init) => worker.request(url, init as RequestInit),
    },
  )
  const plain = await client.tokenIntrospection(config, access_token)
  expect(plain).toMatchObject({ active: true, client_id: 'job', scope: 'orders' })

  const members = {
    client_secret: shop,
    introspection_signed_response_alg: 'ES256',
    [client.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000),
  }
  const signing = new client.Configuration(
    config.serverMetadata(),
    'shop',
    members,
    client.ClientSecretBasic(shop),
  )
  client.allowInsecureRequests(signing)
  const seen: (string | null)[] = []
  signing[client.customFetch] = async (url, init) => {
    const answer = await worker.request(url, init as RequestInit)
    seen.push(answer.headers.get('content-type'))
    return answer
  }
  client.enableNonRepudiationChecks(signing)
  expect(await client.tokenIntrospection(signing, access_token)).toEqual(plain)
  expect(seen[0]).toBe(SIGNED)
})

test('a token that the caller may not look at is inactive in a signed answer too, and nothing more', async () => {
  const { worker, shop, stranger, access_token } = await startShop()
  const inactive = { token_introspection: { active: false } }
  const signed = async (text: string, id: string, secret: string) => {
    const answer = await ask(worker, { token: text }, { ...basic(id, secret), Accept: SIGNED })
    return claimsOf(await answer.text())
  }
  const common = { iss: ISSUER, iat: worker.clock.now }
  expect(await signed(access_token, 'stranger', stranger)).toEqual({
    ...common,
    aud: 'stranger',
    ...inactive,
  })
  for (const text of ['nonsense', 'x'.repeat(20_000)]) {
    expect(await signed(text, 'shop', shop)).toEqual({ ...common, aud: 'shop', ...inactive })
  }
})

test.each([
  [undefined, 'application/json'],
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['application/*', 'application/json'],
  ['text/html', 'application/json'],
  [`application/json, ${SIGNED}`, 'application/json'],
  [`${SIGNED};q=0`, 'application/json'],
  [`application/json, ${SIGNED};q=0.5`, 'application/json'],
  ['application/token-introspection', 'application/json'],
  [SIGNED, SIGNED],
  [SIGNED.toUpperCase(), SIGNED],
  [`${SIGNED}, application/json`, SIGNED],
  [`application/json;q=0.5, ${SIGNED}`, SIGNED],
  [`${SIGNED}, */*;q=0.1`, SIGNED],
])('Accept: %s is answered with %s', async (accept, type) => {
  const { worker, shop, access_token } = await shared
  const headers: Record<string, string> = accept === undefined ? {} : { Accept: accept }
  const answer = await ask(worker, { token: access_token }, { ...basic('shop', shop), ...headers })
  expect([answer.status, answer.headers.get('content-type')?.split(';')[0]]).toEqual([200, type])
})
const shared = startShop()

test('an error is JSON whatever is accepted, and nobody gets a signature without authentication', async () => {
  const { worker, shop, access_token } = await startShop()
  for (const [parameters, headers, status] of [
    [{ token: access_token }, {}, 401],
    [{ token: access_token }, basic('shop', 'wrong'), 401],
    [{ token: access_token, client_id: 'shop' }, {}, 401],
    [{}, basic('shop', shop), 400],
  ] as const) {
    const answer = await ask(worker, { ...parameters }, { ...headers, Accept: SIGNED })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toContain('application/json')
    expect(await answer.json()).toHaveProperty('error')
  }
})

test('a device gets one as well, and a signed answer is no token of any kind', async () => {
  const worker = await startIssuer()
  const { jwk } = await makeSigner('EdDSA')
  await addDevice(worker, 'dim-0', { jwk })
  await addDevice(worker, 'dim-1', { secret: 'ads_x' })
  const by = basic('dim-1', 'ads_x')
  const { body } = await token(worker, { grant_type: 'client_credentials' }, by)
  const answer = await ask(worker, { token: body.access_token ?? '' }, { ...by, Accept: SIGNED })
  const jwt = await answer.text()
  expect(headerOf(jwt)).toMatchObject({ alg: 'RS256', typ: 'token-introspection+jwt' })
  expect(claimsOf(jwt)).toMatchObject({ aud: 'dim-1', token_introspection: { active: true } })
  expect(await readAccessToken(worker.context(), jwt)).toBeNull()
  for (const typ of ['JWT', 'at+jwt']) {
    expect(await verifyJwt(worker.context(), jwt, { typ })).toBeNull()
  }
})
