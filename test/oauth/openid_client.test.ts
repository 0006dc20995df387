// openid-client through what the other tests show with oauth4webapi or by hand: keys and certificates as proof, rich
// requests, claims one by one, step-up, each token format, refresh, introspection and revocation.
import * as openid from 'openid-client'
import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { type ClientInput, createClient } from '../../worker/oauth/clients/clients.ts'
import { ISSUER, type TestWorker } from '../context.ts'
import { CALLBACK, follow, locationOf, signIn, startFlow } from './flow.ts'
import { makeSigner } from './token_fixtures.ts'

const SECRET = 'a secret of more than thirty characters'

const discover = (
  worker: TestWorker,
  id: string,
  auth: openid.ClientAuth,
  headers: Record<string, string> = {},
) =>
  openid.discovery(
    new URL(ISSUER),
    id,
    { [openid.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000) },
    auth,
    {
      execute: [openid.allowInsecureRequests],
      [openid.customFetch]: (url, init) =>
        worker.request(url, { ...init, headers: { ...init.headers, ...headers } } as RequestInit),
    },
  )

async function start(client: ClientInput, settings: Record<string, string> = {}) {
  const flow = await startFlow({}, settings)
  const cx = flow.worker.context()
  await createClient(cx, {
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code', 'refresh_token'],
    ...client,
  })
  await flow.worker.request('/.well-known/jwks.json')
  await signIn(flow.worker, flow.browser, 'ann')
  return flow
}

type Flow = Awaited<ReturnType<typeof start>>

/** A pushed request, allowed by the person; the tokens of its code. */
async function obtain({ browser }: Flow, config: openid.Configuration, more: object) {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier()
  const url = await openid.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: CALLBACK,
    scope: 'openid offline_access',
    state: 's',
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...more,
  })
  const question = await follow(browser, await browser.get(url.pathname + url.search))
  const done = await browser.submit(question, { action: 'allow' })
  const checks = { pkceCodeVerifier, expectedState: 's' }
  return openid.authorizationCodeGrant(config, locationOf(done), checks)
}

test('openid-client with a key asks for a device and single claims, and refreshes', async () => {
  const signer = await makeSigner('ES256', 'k1')
  const flow = await start({
    client_id: 'keyed',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [signer.jwk as never] },
    authorization_details_types: ['device'],
    scope: 'openid offline_access email mqtt',
  })
  await applyBlueprint(
    flow.worker.context(),
    {
      groups: [{ id: 'home', kind: 'site', name: 'Garden Street' }],
      device_types: [{ name: 'lamp', acl: [] }],
      devices: [{ id: 'lamp-1', type: 'lamp', groups: ['home'] }],
      roles: [{ name: 'resident', permissions: ['device:read'], acl: [] }],
      grants: [{ subject: 'ann@example.com', role: 'resident', object: 'home' }],
    },
    {},
  )
  const auth = openid.PrivateKeyJwt({ key: signer.privateKey, kid: 'k1' })
  const config = await discover(flow.worker, 'keyed', auth)
  const details = [{ type: 'device', actions: ['device:read'], devices: ['lamp-1'] }]
  const tokens = await obtain(flow, config, {
    authorization_details: JSON.stringify(details),
    claims: JSON.stringify({ id_token: { email: null } }),
  })
  expect(tokens.authorization_details).toMatchObject(details)
  expect(tokens.claims()).toMatchObject({ sub: 'ann', email: 'ann@example.com' })
  const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
  expect(fresh.authorization_details).toMatchObject(details)
})

test.each(['jwt', 'opaque', 'paseto'] as const)(
  'openid-client with a secret asks about a token of the format %s and revokes its sign-in',
  async (access_token_format) => {
    const flow = await start({
      client_id: 'web',
      client_secret: SECRET,
      token_endpoint_auth_method: 'client_secret_post',
      access_token_format,
      scope: 'openid offline_access',
    })
    const config = await discover(flow.worker, 'web', openid.ClientSecretPost(SECRET))
    const tokens = await obtain(flow, config, { max_age: '3600' })
    expect(tokens.claims()?.auth_time).toBeTypeOf('number')
    const { access_token, refresh_token = '' } = tokens
    const info = await openid.fetchUserInfo(config, access_token, 'ann')
    expect(info.sub).toBe('ann')
    const { active, sub } = await openid.tokenIntrospection(config, access_token)
    expect([active, sub]).toEqual([true, 'ann'])
    await openid.tokenRevocation(config, refresh_token)
    expect((await openid.tokenIntrospection(config, access_token)).active).toBe(false)
  },
)

test('openid-client proves itself by a certificate, and its token is bound to it', async () => {
  const thumbprint = 'A'.repeat(43)
  const flow = await start(
    {
      client_id: 'job',
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: 'job.example',
      tls_client_certificate_bound_access_tokens: true,
      redirect_uris: [],
      grant_types: ['client_credentials'],
      scope: 'orders',
    },
    { MTLS: 'cloudflare' },
  )
  const certificate = {
    thumbprint,
    subject_dn: 'CN=job',
    san_dns: ['job.example'],
    san_uri: [],
    san_ip: [],
    san_email: [],
    spki: null,
    verified: true,
  }
  const headers = { 'x-test-certificate': JSON.stringify(certificate) }
  const config = await discover(flow.worker, 'job', openid.TlsClientAuth(), headers)
  const { access_token } = await openid.clientCredentialsGrant(config, { scope: 'orders' })
  const told = await openid.tokenIntrospection(config, access_token)
  expect(told.cnf).toEqual({ 'x5t#S256': thumbprint })
  const bare = await discover(flow.worker, 'job', openid.TlsClientAuth())
  await expect(openid.clientCredentialsGrant(bare)).rejects.toMatchObject({
    error: 'invalid_client',
  })
})
