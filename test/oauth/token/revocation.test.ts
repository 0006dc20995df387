// Revocation: what it ends, at once and for all tokens of the authorization, and what it leaves alone.
import * as oauth from 'oauth4webapi'
import { expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { countRoundTrips } from '../../context.ts'
import {
  AS,
  addApp,
  addClient,
  asserted,
  assertion,
  basic,
  count,
  foreign,
  foreignClient,
  losingAnswers,
  makeSigner,
  post,
  refresh,
  signIn,
  startIssuer,
  token,
} from '../token_fixtures.ts'

async function startApp() {
  const worker = await startIssuer()
  await addApp(worker)
  await addApp(worker, { client_id: 'other' })
  const revoke = (text: string, client_id = 'app') =>
    post(worker, '/oauth/revoke', { token: text, client_id })
  const isGood = async (refresh_token: string) =>
    (await refresh(worker, refresh_token)).status === 200
  return { worker, revoke, isGood }
}

test('a strict foreign client revokes its refresh token in two round trips, and all is over', async () => {
  const { worker, isGood } = await startApp()
  const { access_token, refresh_token } = await signIn(worker)
  const userinfo = () =>
    worker.request('/oauth/userinfo', { headers: { Authorization: `Bearer ${access_token}` } })
  expect((await userinfo()).status).toBe(200)
  const { value, roundTrips } = await countRoundTrips(worker, () =>
    oauth.revocationRequest(
      AS,
      foreignClient(worker, 'app'),
      oauth.None(),
      refresh_token,
      foreign(worker),
    ),
  )
  await oauth.processRevocationResponse(value)
  expect(roundTrips).toBe(2)
  expect(value.headers.get('cache-control')).toBe('no-store')
  expect(await isGood(refresh_token)).toBe(false)
  expect((await userinfo()).status).toBe(401)
  const events = sql`from event where type = 'authorization.revoked' and actor_id = 'app'
    and subject_id = 'ann' and data like '%token_revoked%'`
  expect(await count(worker, events)).toBe(1)
})

test('revoking an access token, or an old refresh token of the family, ends the authorization', async () => {
  const { worker, revoke, isGood } = await startApp()
  const first = await signIn(worker)
  await revoke(first.access_token)
  expect(await isGood(first.refresh_token)).toBe(false)
  const second = await signIn(worker)
  const { body } = await refresh(worker, second.refresh_token)
  await revoke(second.refresh_token)
  expect(await isGood(body.refresh_token!)).toBe(false)
})

test('it answers 200 to what is unknown, was revoked before or is another client’s, without effect', async () => {
  const { worker, revoke, isGood } = await startApp()
  const { access_token, refresh_token, id_token = '' } = await signIn(worker)
  for (const text of ['nonsense', 'a.b.c', id_token]) {
    expect((await revoke(text)).status).toBe(200)
  }
  for (const text of [access_token, refresh_token]) {
    const answer = await revoke(text, 'other')
    expect([answer.status, answer.body]).toEqual([200, {}])
  }
  const { roundTrips } = await countRoundTrips(worker, () => revoke('nonsense'))
  expect(roundTrips).toBe(1)
  expect(await isGood(refresh_token)).toBe(true)
  await revoke(refresh_token)
  expect((await revoke(refresh_token)).status).toBe(200)
  expect(await count(worker, sql`from event where type = 'authorization.revoked'`)).toBe(1)
})

test('a revocation whose answer the database lost is one revocation', async () => {
  const { worker, isGood } = await startApp()
  const { refresh_token } = await signIn(worker)
  const parameters = { token: refresh_token, client_id: 'app' }
  expect((await post(losingAnswers(worker), '/oauth/revoke', parameters)).status).toBe(200)
  expect(await isGood(refresh_token)).toBe(false)
  expect(await count(worker, sql`from event where type = 'authorization.revoked'`)).toBe(1)
})

test('a client has to authenticate as registered, and a replayed assertion revokes nothing', async () => {
  const { worker, isGood } = await startApp()
  const signer = await makeSigner('ES256')
  await addClient(worker, {
    client_id: 'keyed',
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['client_credentials'],
    scope: 'orders',
    jwks: { keys: [signer.jwk as never] },
  })
  const { refresh_token } = await signIn(worker)
  for (const parameters of [
    { token: refresh_token },
    { token: refresh_token, client_id: 'keyed' },
    { token: refresh_token, client_id: 'nobody' },
    { token: refresh_token, client_id: 'app', client_secret: 'x' },
  ]) {
    const answer = await post(worker, '/oauth/revoke', parameters)
    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client'])
  }
  const missing = await post(worker, '/oauth/revoke', { client_id: 'app' })
  expect(missing.body.error).toBe('invalid_request')
  const proof = asserted(await assertion(worker, signer, 'keyed'))
  expect((await post(worker, '/oauth/revoke', { token: 'x', ...proof })).status).toBe(200)
  expect((await post(worker, '/oauth/revoke', { token: 'x', ...proof })).status).toBe(401)
  expect(await isGood(refresh_token)).toBe(true)
})

test('a token that a client got for itself hangs on nothing and lives on', async () => {
  const { worker } = await startApp()
  const secret = await addClient(worker, {
    client_id: 'job',
    grant_types: ['client_credentials'],
    scope: 'orders',
  })
  const headers = basic('job', secret)
  const { body } = await token(worker, { grant_type: 'client_credentials' }, headers)
  const parameters = { token: body.access_token! }
  expect((await post(worker, '/oauth/revoke', parameters, headers)).status).toBe(200)
  const answer = await post(worker, '/oauth/introspect', parameters, headers)
  expect(answer.body['active']).toBe(true)
})
