// The epoch that begins with a restore: nothing that was issued before counts any more.
import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { mintDeviceToken } from '../../worker/admin/minted_tokens.ts'
import { beginEpoch } from '../../worker/admin/new_epoch.ts'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { allowed_scope } from '../../worker/db/oauth_schema.ts'
import { insertInto, sql } from '../../worker/db/sql.ts'
import { createSetupLink } from '../../worker/identity/setup.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'
import {
  requestParameters,
  requestPath,
  returnTo,
  signIn as signInBrowser,
  startFlow,
} from '../oauth/flow.ts'
import {
  addApp,
  addClient,
  addCode,
  addDevice,
  addUser,
  asserted,
  assertion,
  basic,
  dpopProof,
  makeSigner,
  post,
  redeem,
  refresh,
  signIn,
  startIssuer,
  token,
  write,
} from '../oauth/token_fixtures.ts'
import { newClientToken } from '../support/operator.ts'

const SECRET = 's'.repeat(40)
const own = { grant_type: 'client_credentials' }

/** Does to the database as a restore: later rows are missing, and an epoch begins. */
async function restore(worker: TestWorker) {
  await write(worker, sql`delete from used_assertion`)
  await beginEpoch(worker.context())
  worker.memory.clear()
}

const status = async (worker: TestWorker, path: string, access_token: string) => {
  const headers = { Authorization: `Bearer ${access_token}` }
  return (await worker.request(path, { headers })).status
}

test('sessions, set-up links and requests on their way are gone', async () => {
  const { worker, browser } = await startFlow()
  await signInBrowser(worker, browser, 'ann')
  const link = await createSetupLink(worker.context())
  expect((await browser.get('/account')).status).toBe(200)
  const pushed = await post(worker, '/oauth/par', [...requestParameters()])
  const { request_uri } = pushed.body as { request_uri: string }
  await restore(worker)
  expect((await browser.get('/account')).status).toBe(303)
  const late = await browser.get(
    `/oauth/authorize?${new URLSearchParams({ client_id: 'app', request_uri })}`,
  )
  expect(late.status).toBe(400)
  expect(returnTo(await browser.get(requestPath()))).not.toBe('')
  const page = await worker.request(new URL(link ?? '').pathname + new URL(link ?? '').search)
  expect(page.status).not.toBe(200)
})

test('codes, refresh tokens and access tokens of people are dead', async () => {
  const worker = await startIssuer()
  await addApp(worker)
  const { access_token, refresh_token } = await signIn(worker)
  const { code } = await addCode(worker)
  expect(await status(worker, '/oauth/userinfo', access_token)).toBe(200)
  await restore(worker)
  expect(await status(worker, '/oauth/userinfo', access_token)).toBe(401)
  expect((await refresh(worker, refresh_token)).body.error).toBe('invalid_grant')
  expect((await redeem(worker, code)).body.error).toBe('invalid_grant')
  const again = await signIn(worker)
  expect(await status(worker, '/oauth/userinfo', again.access_token)).toBe(200)
  expect((await refresh(worker, again.refresh_token)).status).toBe(200)
})

test('a device code that waits, and one that was allowed, are gone', async () => {
  const worker = await startIssuer()
  await addClient(worker, {
    client_id: 'tv',
    token_endpoint_auth_method: 'none',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    scope: 'openid',
  })
  const asked = await post(worker, '/oauth/device_authorization', {
    client_id: 'tv',
    scope: 'openid',
  })
  const device_code = String(asked.body['device_code'])
  await restore(worker)
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
  const polled = await token(worker, { grant_type, client_id: 'tv', device_code })
  expect(polled.body.error).not.toBe('authorization_pending')
  expect(polled.status).toBe(400)
})

test('minted tokens are dead, and new ones count', async () => {
  const worker = await startIssuer()
  await addDevice(worker, 'dim-1', { secret: SECRET })
  const cx = worker.context()
  const introspect = async (access_token: string) => {
    const answer = await post(
      worker,
      '/oauth/introspect',
      { token: access_token },
      basic('dim-1', SECRET),
    )
    return answer.body['active']
  }
  const { access_token } = await mintDeviceToken(cx, 'dim-1', { expires_in: 86_400 })
  expect(await introspect(access_token)).toBe(true)
  await restore(worker)
  expect(await introspect(access_token)).toBe(false)
  const fresh = await mintDeviceToken(worker.context(), 'dim-1', { expires_in: 86_400 })
  expect(await introspect(fresh.access_token)).toBe(true)
})

test('an access token of a client or a device for itself is dead', async () => {
  const worker = await startIssuer()
  const access_token = await newClientToken(worker)
  expect(await status(worker, '/v1/users', access_token)).toBe(200)
  await restore(worker)
  expect(await status(worker, '/v1/users', access_token)).toBe(401)
})

test('assertions and proofs that were issued before are refused, with and without iat', async () => {
  const worker = await startIssuer()
  const signer = await makeSigner('EdDSA')
  const bound = await makeSigner('ES256')
  await addDevice(worker, 'dim-1', { jwk: signer.jwk })
  const secret = await addClient(worker, {
    client_id: 'job',
    grant_types: ['client_credentials'],
    scope: 'orders',
  })
  const plain = asserted(await assertion(worker, signer, 'dim-1'))
  const timeless = asserted(
    await assertion(worker, signer, 'dim-1', {
      claims: { iat: undefined, exp: worker.clock.now + 200 },
    }),
  )
  const DPoP = await dpopProof(worker, bound)
  const uses = [
    () => token(worker, { ...own, ...plain }),
    () => token(worker, { ...own, ...timeless }),
    () => token(worker, own, { ...basic('job', secret), DPoP }),
  ]
  for (const use of uses) expect((await use()).status).toBe(200)
  await restore(worker)
  worker.clock.now += 10
  for (const use of uses) expect((await use()).status).toBeGreaterThanOrEqual(400)
  const fresh = asserted(await assertion(worker, signer, 'dim-1'))
  expect((await token(worker, { ...own, ...fresh })).status).toBe(200)
  expect((await token(worker, { ...own, ...fresh })).status).toBe(401)
  const proof = await dpopProof(worker, bound)
  expect((await token(worker, own, { ...basic('job', secret), DPoP: proof })).status).toBe(200)
})

test('an assertion of another issuer that was issued before is refused', async () => {
  const partner = await makeSigner('ES256', 'k1')
  const worker = await startWorker()
  await addUser(worker, 'ann')
  const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  await addClient(worker, {
    client_id: 'portal',
    client_secret: SECRET,
    grant_types: [grant_type],
    scope: 'openid',
  })
  const issuer = 'https://partner.example'
  await changeSettings(worker.context(), {
    trusted_issuers: [{ issuer, subject: 'email', jwks: { keys: [partner.jwk as never] } }],
  })
  await write(
    worker,
    insertInto(allowed_scope, {
      user_id: 'ann',
      client_id: 'portal',
      resource: '',
      scope: 'openid',
      created_at: 1,
    }),
  )
  const say = (claims: object = { iat: worker.clock.now }) =>
    new SignJWT({
      iss: issuer,
      sub: 'x',
      aud: ISSUER,
      exp: worker.clock.now + 1800,
      jti: crypto.randomUUID(),
      email: 'ann@example.com',
      email_verified: true,
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(partner.privateKey)
  const bring = async (one: string) =>
    (await token(worker, { grant_type, assertion: one, scope: 'openid' }, basic('portal', SECRET)))
      .status
  const used = [await say(), await say({})]
  for (const one of used) expect(await bring(one)).toBe(200)
  await restore(worker)
  worker.clock.now += 10
  for (const one of used) expect(await bring(one)).toBe(400)
  const fresh = await say()
  expect([await bring(fresh), await bring(fresh)]).toEqual([200, 400])
})

test('counters jump ahead, so that a version that was seen once names nothing else', async () => {
  const worker = await startIssuer()
  const access = await newClientToken(worker)
  const before = await worker.request('/v1/users/ann', {
    headers: { Authorization: `Bearer ${access}` },
  })
  const etag = before.headers.get('etag') ?? ''
  await restore(worker)
  const again = await newClientToken(worker)
  const changed = await worker.request('/v1/users/ann', {
    method: 'PATCH',
    headers: {
      Authorization: `Bearer ${again}`,
      'Content-Type': 'application/json',
      'If-Match': etag,
    },
    body: '{"name":"Ann"}',
  })
  expect(changed.status).toBe(412)
  const events = await worker
    .context()
    .db.read(sql`select type from event where type like 'epoch%'`)
  expect(events).toEqual([{ type: 'epoch.begun' }])
})
