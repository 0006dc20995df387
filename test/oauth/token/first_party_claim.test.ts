// The claim `first_party` of tokens of people for mProxy, and the prefix of MQTT client ids that an app learns with its
// token: one application of a person is kept from taking the sessions of another.
import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { signJwt } from '../../../worker/keys/jwt.ts'
import { changeClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { signIn as signInBrowser } from '../flow.ts'
import {
  type Answer,
  addApp,
  addClient,
  addCode,
  addDevice,
  basic,
  claimsOf,
  post,
  REDIRECT,
  redeem,
  refresh,
  startIssuer,
  token,
  VERIFIER,
  write,
} from '../token_fixtures.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
const ACCESS = 'urn:ietf:params:oauth:token-type:access_token'
const SECRET = 'secret-of-the-service'.padEnd(40, 'x')

const spaceOf = (client_id: string) =>
  createHash('sha256').update(client_id).digest('base64url').slice(0, 10)

let worker: TestWorker
beforeEach(async () => {
  worker = await startIssuer()
})

const setFirstParty = (client_id: string, is: boolean) =>
  write(worker, sql`update client set first_party = ${is} where id = ${client_id}`)

/** The claim, and the prefix beside the token. */
const told = ({ body }: Answer) => [
  claimsOf(body.access_token)['first_party'],
  body['mqtt_client_id_prefix'],
]

async function codeFor(client_id: string, more: Record<string, string> = {}) {
  const { code } = await addCode(worker, { client_id, scope: 'openid mqtt offline_access' })
  return redeem(worker, code, { client_id, ...more })
}

/** The token of a client that proves itself. */
async function webToken() {
  const { code } = await addCode(worker, { client_id: 'web', scope: 'mqtt' })
  const form = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT }
  return token(worker, { ...form, code_verifier: VERIFIER }, basic('web', SECRET))
}

describe('a person’s token for mProxy', () => {
  test('says whether its client is first party, at the code and at each refresh', async () => {
    await addApp(worker)
    const first = await codeFor('app')
    expect(told(first)).toEqual([false, `ann:${spaceOf('app')}`])
    await setFirstParty('app', true)
    const second = await refresh(worker, first.body.refresh_token!)
    expect(told(second)).toEqual([true, 'ann:'])
    await setFirstParty('app', false)
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      refresh(worker, second.body.refresh_token!),
    )
    expect(told(value)).toEqual([false, `ann:${spaceOf('app')}`])
    expect(roundTrips).toBeLessThanOrEqual(2)
  })

  test('says nothing of it where mProxy is no audience', async () => {
    await addApp(worker)
    const { code } = await addCode(worker, { client_id: 'app', scope: 'openid offline_access' })
    expect(told(await redeem(worker, code))).toEqual([undefined, undefined])
  })

  test('says it to introspection too', async () => {
    await addClient(worker, {
      client_id: 'web',
      client_secret: SECRET,
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code'],
      scope: 'mqtt',
    })
    const { body } = await webToken()
    const { body: seen } = await post(
      worker,
      '/oauth/introspect',
      { token: body.access_token! },
      basic('web', SECRET),
    )
    expect(seen).toMatchObject({ active: true, first_party: false })
  })

  test('has it from the device flow', async () => {
    await addClient(worker, {
      client_id: 'tv',
      token_endpoint_auth_method: 'none',
      grant_types: [DEVICE_CODE],
      scope: 'mqtt',
    })
    const browser = new Browser(worker)
    await signInBrowser(worker, browser, 'ann')
    const { body } = await post(worker, '/oauth/device_authorization', {
      client_id: 'tv',
      scope: 'mqtt',
    })
    const page = await browser.submit(await browser.get('/device'), {
      code: String(body['user_code']),
      action: 'continue',
    })
    await browser.submit(page, { action: 'allow' })
    const device_code = String(body['device_code'])
    const answer = await token(worker, { grant_type: DEVICE_CODE, device_code, client_id: 'tv' })
    expect(told(answer)).toEqual([false, `ann:${spaceOf('tv')}`])
  })
})

describe('an exchanged token', () => {
  beforeEach(async () => {
    await addClient(worker, {
      client_id: 'web',
      client_secret: SECRET,
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code', 'client_credentials', EXCHANGE],
      scope: 'mqtt',
    })
  })

  const exchange = (subject_token: string, by: string) =>
    token(
      worker,
      { grant_type: EXCHANGE, subject_token, subject_token_type: ACCESS, scope: 'mqtt' },
      basic(by, SECRET),
    )

  const subjectToken = async () => (await webToken()).body.access_token!

  test.each([
    [true, true],
    [false, false],
  ])('is first party (%s) where all its clients are', async (is, expected) => {
    await setFirstParty('web', is)
    const answer = await exchange(await subjectToken(), 'web')
    expect(told(answer)[0]).toBe(expected)
  })

  test('is none where the token was none that it stands on, nor where a client is none', async () => {
    const subject = await subjectToken()
    await setFirstParty('web', true)
    expect(told(await exchange(subject, 'web'))).toEqual([false, `ann:${spaceOf('web')}`])
    const later = await subjectToken()
    await setFirstParty('web', false)
    expect(told(await exchange(later, 'web'))[0]).toBe(false)
    // One of the version before says nothing: then the clients of today decide.
    const { jwt } = await signJwt(worker.context(), 'ES256', 'at+jwt', {
      ...claimsOf(later),
      first_party: undefined,
    })
    expect(told(await exchange(jwt, 'web'))[0]).toBe(false)
  })
})

test('a device and a client that speak for themselves have no such claim', async () => {
  await addDevice(worker, 'dim-1', { secret: 'ads_secret' })
  const client_credentials = { grant_type: 'client_credentials', scope: 'mqtt' }
  const device = await token(worker, client_credentials, basic('dim-1', 'ads_secret'))
  expect(told(device)).toEqual([undefined, undefined])
  await addClient(worker, {
    client_id: 'job',
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    scope: 'mqtt',
  })
  expect(told(await token(worker, client_credentials, basic('job', SECRET)))).toEqual([
    undefined,
    undefined,
  ])
})

test('a client that loses first_party loses the tokens of before', async () => {
  await addApp(worker, { first_party: true, redirect_uris: [REDIRECT] })
  const { body } = await codeFor('app')
  await changeClient(worker.context(), 'app', { first_party: false }, null)
  expect((await refresh(worker, body.refresh_token!)).body).toMatchObject({
    error: 'invalid_grant',
  })
})
