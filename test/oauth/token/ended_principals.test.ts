// A person, a client or a device that is disabled (or closed) and enabled again: whatever was issued before stays dead, in each
// form and at each endpoint, while keys and secrets are good as before.
import { describe, expect, test } from 'vitest'
import { mintDeviceToken } from '../../../worker/admin/minted_tokens.ts'
import { sql } from '../../../worker/db/sql.ts'
import { changeDevice } from '../../../worker/devices/devices.ts'
import { changeUser } from '../../../worker/identity/users.ts'
import { runJobs } from '../../../worker/jobs.ts'
import { findLiveOrigin } from '../../../worker/oauth/authorizations/origin_store.ts'
import { withdraw } from '../../../worker/oauth/authorizations/user_authorizations.ts'
import { changeClient } from '../../../worker/oauth/clients/clients.ts'
import { DEFAULT_SETTINGS } from '../../../worker/settings.ts'
import { SYSTEM, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import { overtakenOnce } from '../../support/repeated_writes.ts'
import { signIn as startSession } from '../flow.ts'
import { isGood, isSignedIn } from '../session_fixtures.ts'
import {
  addApp,
  addClient,
  addCode,
  addDevice,
  addGrant,
  addUser,
  asserted,
  assertion,
  basic,
  claimsOf,
  count,
  makeSigner,
  overtaken,
  post,
  redeem,
  refresh,
  signIn,
  startIssuer,
  token,
} from '../token_fixtures.ts'

const SECRET = 'a-secret-of-more-than-thirty-characters'

type Off = (worker: TestWorker) => Promise<unknown>

/** Disables somebody, and enables the same again. */
const personOff: Off = async (worker) => {
  await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
  await changeUser(worker.context(), 'ann', { status: 'active' }, null)
}
const personClosed: Off = async (worker) => {
  await changeUser(worker.context(), 'ann', { status: 'closed' }, null)
  await changeUser(worker.context(), 'ann', { status: 'active' }, null)
}
const clientOff =
  (client_id: string): Off =>
  async (worker) => {
    await changeClient(worker.context(), client_id, { status: 'disabled' }, null)
    await changeClient(worker.context(), client_id, { status: 'active' }, null)
  }
const deviceOff: Off = async (worker) => {
  await changeDevice(worker.context(), 'dim-1', { status: 'suspended' }, null)
  await changeDevice(worker.context(), 'dim-1', { status: 'active' }, null)
}

/** The client `job`, which acts for itself. */
const addJob = (worker: TestWorker, more: object = {}) =>
  addClient(worker, {
    client_id: 'job',
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    scope: 'users:read',
    ...more,
  })

const ownToken = async (worker: TestWorker) => {
  const { body } = await token(
    worker,
    { grant_type: 'client_credentials', scope: 'users:read' },
    basic('job', SECRET),
  )
  return body.access_token ?? ''
}

const users = async (worker: TestWorker, access_token: string) =>
  (await worker.request('/v1/users', { headers: { Authorization: `Bearer ${access_token}` } }))
    .status

/** Whether introspection by the client or device says that a token is good. */
const isActive = async (worker: TestWorker, text: string, id: string, secret = SECRET) =>
  (await post(worker, '/oauth/introspect', { token: text }, basic(id, secret))).body['active']

const OFF: [string, Off][] = [
  ['person', personOff],
  ['person, this time closed,', personClosed],
  ['client', clientOff('app')],
]

describe.each(OFF)('when the %s of a sign-in was disabled and enabled', (_, off) => {
  test.each(['jwt', 'opaque', 'paseto'] as const)('its %s tokens stay dead', async (format) => {
    const worker = await startIssuer()
    await addApp(worker, { access_token_format: format, scope: 'openid offline_access' })
    const before = await signIn(worker)
    expect(await isGood(worker, before.access_token)).toBe(true)
    await off(worker)
    expect(await isGood(worker, before.access_token)).toBe(false)
    const again = await refresh(worker, before.refresh_token)
    expect([again.status, again.body.error]).toEqual([400, 'invalid_grant'])
    // A new sign-in is as good as ever.
    const after = await signIn(worker)
    expect(await isGood(worker, after.access_token)).toBe(true)
    expect((await refresh(worker, after.refresh_token)).status).toBe(200)
  })

  test('introspection, /v1 and the list of live authorizations know them no more', async () => {
    const worker = await startIssuer()
    await addUser(worker, 'bob')
    await addGrant(worker, 'ann', { name: 'operator' })
    await addGrant(worker, 'bob', { name: 'operator' })
    const more = {
      token_endpoint_auth_method: 'client_secret_basic',
      client_secret: SECRET,
    } as const
    await addApp(worker, { ...more, scope: 'users:read offline_access' })
    const { code } = await addCode(worker, { scope: 'users:read offline_access' })
    const { body } = await redeem(worker, code, {}, basic('app', SECRET))
    const { access_token = '', refresh_token = '' } = body
    expect(await users(worker, access_token)).toBe(200)
    expect(await isActive(worker, access_token, 'app')).toBe(true)
    expect(await isActive(worker, refresh_token, 'app')).toBe(true)
    await addJob(worker)
    await off(worker)
    expect(await users(worker, access_token)).toBe(401)
    expect(await isActive(worker, access_token, 'app')).toBe(false)
    expect(await isActive(worker, refresh_token, 'app')).toBe(false)
    const list = await worker.request('/v1/users/ann/authorizations', {
      headers: { Authorization: `Bearer ${await ownToken(worker)}` },
    })
    expect(await list.json()).toMatchObject({ items: [] })
  })

  test('a code of before is refused', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker)
    await off(worker)
    expect((await redeem(worker, code)).body.error).toBe('invalid_grant')
    expect(await count(worker, sql`from authorization`)).toBe(0)
  })

  test('a code or a refresh token in whose redemption it happens gives nothing', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { code } = await addCode(worker)
    const late = overtaken(worker, () => off(worker))
    expect((await redeem(late, code)).body.error).toBe('invalid_grant')
    // The refusal is noted behind the answer, which this worker takes for another late write.
    await worker.settled()
    const { refresh_token } = await signIn(worker)
    expect((await refresh(late, refresh_token)).body.error).toBe('invalid_grant')
    expect(await count(worker, sql`from authorization where revoked_at is not null`)).toBe(0)
  })

  test('what was ended so is deleted in time', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    await signIn(worker)
    await off(worker)
    await signIn(worker)
    worker.clock.now += 60
    await runJobs(worker.context(SYSTEM, ''))
    expect(await count(worker, sql`from authorization`)).toBe(1)
  })
})

describe('a person who was disabled and enabled', () => {
  test('has no session any more', async () => {
    const worker = await startIssuer()
    const browser = new Browser(worker)
    await startSession(worker, browser, 'ann')
    expect(await isSignedIn(browser)).toBe(true)
    await personOff(worker)
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('keeps everything when only a change of name was made', async () => {
    const worker = await startIssuer()
    await addApp(worker)
    const { access_token, refresh_token } = await signIn(worker)
    await changeUser(worker.context(), 'ann', { name: 'Ann Other', status: 'active' }, null)
    await changeClient(worker.context(), 'app', { client_name: 'App', status: 'active' }, null)
    expect(await isGood(worker, access_token)).toBe(true)
    expect((await refresh(worker, refresh_token)).status).toBe(200)
  })
})

test.each(OFF)(
  'tokens that tell no status, of the version before, stay dead after the %s',
  async (_, off) => {
    const worker = await startIssuer()
    await addApp(worker)
    const { access_token } = await signIn(worker)
    const [origin = ''] = claimsOf(access_token).jti.split('.')
    const ofSignIn = { origin, epoch: 0, sub: 'ann', client_id: 'app' }
    const live = async () =>
      (await worker.context().db.read(findLiveOrigin(ofSignIn, worker.clock.now))).length
    expect(await live()).toBe(1)
    await off(worker)
    expect(await live()).toBe(0)
  },
)

test('own tokens that tell no status stay dead when the client was disabled and enabled', async () => {
  const worker = await startIssuer()
  await addJob(worker)
  const own = { origin: 'job', epoch: 0, sub: 'job', client_id: 'job' }
  const live = async () =>
    (await worker.context().db.read(findLiveOrigin(own, worker.clock.now))).length
  expect(await live()).toBe(1)
  await clientOff('job')(worker)
  expect(await live()).toBe(0)
})

test('a person who is locked out by wrong guesses keeps what there is', async () => {
  const worker = await startIssuer()
  await addApp(worker)
  const { access_token, refresh_token } = await signIn(worker)
  const browser = new Browser(worker)
  await startSession(worker, browser, 'ann')
  const { login_attempts_per_account } = DEFAULT_SETTINGS
  for (let i = 0; i <= login_attempts_per_account; i++) {
    await new Browser(worker).signIn('ann@example.com', 'a wrong guess')
  }
  expect((await new Browser(worker).signIn('ann@example.com', 'x')).status).toBe(429)
  expect([await isGood(worker, access_token), await isSignedIn(browser)]).toEqual([true, true])
  expect((await refresh(worker, refresh_token)).status).toBe(200)
})

test('tokens of a consent that was withdrawn stay dead when it is given again', async () => {
  const worker = await startIssuer()
  await addApp(worker)
  const before = await signIn(worker)
  await worker.context().db.write(withdraw(worker.context(), 'ann', 'app'))
  const after = await signIn(worker)
  expect([
    await isGood(worker, before.access_token),
    await isGood(worker, after.access_token),
  ]).toEqual([false, true])
  expect((await refresh(worker, before.refresh_token)).body.error).toBe('invalid_grant')
  expect((await refresh(worker, after.refresh_token)).status).toBe(200)
})

describe('a client that was disabled and enabled', () => {
  test.each(['jwt', 'opaque', 'paseto'] as const)(
    'has none of its own %s tokens, and its secret',
    async (format) => {
      const worker = await startIssuer()
      await addJob(worker, { access_token_format: format })
      const before = await ownToken(worker)
      expect(await users(worker, before)).toBe(200)
      await clientOff('job')(worker)
      expect(await users(worker, before)).toBe(401)
      expect(await isActive(worker, before, 'job')).toBe(false)
      const after = await ownToken(worker)
      expect([await users(worker, after), await isActive(worker, after, 'job')]).toEqual([
        200,
        true,
      ])
      // Once more: each time counts.
      await clientOff('job')(worker)
      expect([await users(worker, before), await users(worker, after)]).toEqual([401, 401])
    },
  )

  test('gets nothing good from a request in which that happened', async () => {
    const worker = await startIssuer()
    const signer = await makeSigner('ES256')
    await addJob(worker, {
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [signer.jwk] },
    })
    const form = { grant_type: 'client_credentials', scope: 'users:read' }
    const proof = asserted(await assertion(worker, signer, 'job'))
    const { body } = await token(
      overtaken(worker, () => clientOff('job')(worker)),
      { ...form, ...proof },
    )
    expect(await users(worker, body.access_token ?? '')).toBe(401)
  })
})

describe('a device that was suspended and activated', () => {
  const SECRET_OF_DEVICE = 'ads_x'
  const start = async () => {
    const worker = await startIssuer()
    await addDevice(worker, 'dim-1', { secret: SECRET_OF_DEVICE })
    return worker
  }
  const fetched = async (worker: TestWorker) => {
    const { body } = await token(
      worker,
      { grant_type: 'client_credentials' },
      basic('dim-1', SECRET_OF_DEVICE),
    )
    return body.access_token ?? ''
  }
  const isGoodFor = (worker: TestWorker, text: string) =>
    isActive(worker, text, 'dim-1', SECRET_OF_DEVICE)

  test('has none of its tokens, fetched or minted, and its secret', async () => {
    const worker = await start()
    const own = await fetched(worker)
    const mint = () => mintDeviceToken(worker.context(), 'dim-1', { expires_in: 86_400 })
    const minted = await mint()
    expect([await isGoodFor(worker, own), await isGoodFor(worker, minted.access_token)]).toEqual([
      true,
      true,
    ])
    await deviceOff(worker)
    expect([await isGoodFor(worker, own), await isGoodFor(worker, minted.access_token)]).toEqual([
      false,
      false,
    ])
    const [next, another] = [await fetched(worker), await mint()]
    expect([await isGoodFor(worker, next), await isGoodFor(worker, another.access_token)]).toEqual([
      true,
      true,
    ])
  })

  test('gets no minted token from a request in which that happened', async () => {
    const worker = await start()
    const late = overtakenOnce(worker.context(), () => deviceOff(worker))
    await expect(mintDeviceToken(late, 'dim-1', { expires_in: 60 })).rejects.toMatchObject({
      type: 'conflict',
    })
    expect(await count(worker, sql`from device_token`)).toBe(0)
  })
})
