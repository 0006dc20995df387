// Statements that a request leaves out because its token cannot use them, by the request and by the client as it was
// read lately: fewer reads, and never a right more or less than with all of them.
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { changeClient, removeClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import {
  API,
  addApp,
  addClient,
  addCode,
  addDevice,
  addGrant,
  asserted,
  assertion,
  basic,
  claimsOf,
  countingReads,
  MQTT,
  makeSigner,
  redeem,
  refresh,
  row,
  signIn,
  startIssuer,
  token,
} from '../token_fixtures.ts'

const ALLOW = { permission: 'allow', action: 'subscribe', topic: 'plant/#' }

const scopeOf = async (worker: TestWorker, id: string, scope: string) => {
  await changeClient(worker.context(), id, { scope }, null)
}

describe('a client that may have no powerful scope', () => {
  test('reads no rights for a code once it is known', async () => {
    const worker = await startIssuer()
    await addApp(worker, { scope: 'openid offline_access' })
    const through = countingReads(worker)
    const seen: number[] = []
    for (let i = 0; i < 2; i++) {
      const { code } = await addCode(worker)
      expect((await redeem(through, code)).status).toBe(200)
      seen.push(through.statements())
    }
    console.log('statements of the read batch of a code, cold and warm', seen)
    // Cold: client, device, code, user, claims, and eight about rights.
    expect(seen).toEqual([14, 3])
  })

  test.each([
    [
      'a code',
      async (worker: TestWorker) => {
        const { code } = await addCode(worker, { scope: 'mqtt users:read', resource: [MQTT] })
        return redeem(worker, code)
      },
    ],
    [
      'a refresh token',
      async (worker: TestWorker, refresh_token: string) => refresh(worker, refresh_token),
    ],
  ])('gets rules by %s as soon as it is given the scope again', async (_, ask) => {
    const worker = await startIssuer()
    await addApp(worker, { scope: 'mqtt openid offline_access' })
    await addGrant(worker, 'ann', { name: 'reader', acl: [ALLOW] })
    const { refresh_token } = await signIn(worker, { scope: 'mqtt', resource: [MQTT] })
    await scopeOf(worker, 'app', 'openid offline_access')
    expect((await ask(worker, refresh_token)).status).toBe(400)
    await scopeOf(worker, 'app', 'mqtt openid offline_access')
    const { body } = await ask(worker, refresh_token)
    expect(claimsOf(body.access_token)).toMatchObject({ aud: MQTT, acl: [ALLOW] })
  })

  test('gets management scopes by the roles of the moment as soon as it is given them', async () => {
    const worker = await startIssuer()
    await addApp(worker, { scope: 'users:read offline_access' })
    await addGrant(worker, 'ann', { name: 'clerk', permissions: ['users:read'] })
    const { refresh_token } = await signIn(worker, { scope: 'users:read' })
    await scopeOf(worker, 'app', 'openid offline_access')
    expect((await refresh(worker, refresh_token)).body.error).toBe('invalid_scope')
    await scopeOf(worker, 'app', 'users:read offline_access')
    const { body } = await refresh(worker, refresh_token)
    expect(claimsOf(body.access_token)).toMatchObject({ aud: API, scope: 'users:read' })
    await scopeOf(worker, 'app', 'openid offline_access')
    expect((await refresh(worker, refresh_token)).status).toBe(400)
    await addGrant(worker, 'ann', { name: 'nobody', permissions: [] })
    await worker.context().db.write(sql`delete from "grant" where role = 'clerk'`)
    await scopeOf(worker, 'app', 'users:read offline_access')
    const last = body.refresh_token ?? ''
    expect((await refresh(worker, last)).body.error).toBe('invalid_scope')
  })

  test('tells roles and groups as soon as it is given the scope', async () => {
    const worker = await startIssuer()
    await addApp(worker, { scope: 'openid roles offline_access' })
    await addGrant(worker, 'ann', { name: 'clerk', permissions: ['users:read'] })
    const { refresh_token } = await signIn(worker, { scope: 'openid roles offline_access' })
    await scopeOf(worker, 'app', 'openid offline_access')
    const without = await refresh(worker, refresh_token)
    expect(claimsOf(without.body.access_token).roles).toBeUndefined()
    await scopeOf(worker, 'app', 'openid roles offline_access')
    const { body } = await refresh(worker, without.body.refresh_token ?? '')
    expect(claimsOf(body.access_token).roles).toEqual(['clerk'])
  })

  test('acts for itself with rules as soon as it is given the scope', async () => {
    const worker = await startIssuer()
    const grant_types = ['client_credentials'] as const
    const secret = await addClient(worker, {
      client_id: 'job',
      grant_types: [...grant_types],
      scope: 'orders',
    })
    await addGrant(worker, 'job', { name: 'reader', acl: [ALLOW] })
    const ask = (scope?: string) =>
      token(worker, { grant_type: 'client_credentials', scope }, basic('job', secret))
    expect(claimsOf((await ask()).body.access_token).acl).toBeUndefined()
    await scopeOf(worker, 'job', 'orders mqtt')
    const { value, roundTrips } = await countRoundTrips(worker, () => ask('mqtt'))
    expect(claimsOf(value.body.access_token)).toMatchObject({ aud: MQTT, acl: [ALLOW] })
    // Once, since it was known without the scope.
    expect(roundTrips).toBe(2)
    expect((await countRoundTrips(worker, () => ask('mqtt'))).roundTrips).toBe(1)
  })
})

test('a code with powerful scopes reads rights, and one without them finds none to read', async () => {
  const worker = await startIssuer()
  await addApp(worker)
  await addGrant(worker, 'ann', { name: 'reader', acl: [ALLOW], permissions: ['users:read'] })
  for (const [scope, acl] of [
    ['openid offline_access', undefined],
    ['mqtt', [ALLOW]],
    ['openid mqtt', [ALLOW]],
    ['users:read', undefined],
  ] as const) {
    const { code } = await addCode(worker, { scope })
    const { status, body } = await redeem(worker, code)
    expect([scope, status, claimsOf(body.access_token).acl]).toEqual([scope, 200, acl])
  }
})

describe('credentials of a caller', () => {
  test('are looked up where they can be, for clients and for devices', async () => {
    const worker = await startIssuer()
    const signer = await makeSigner('ES256')
    await addDevice(worker, 'dim-1', { secret: 'ads_secret' })
    await addDevice(worker, 'dim-2', { jwk: signer.jwk })
    const secret = await addClient(worker, {
      client_id: 'job',
      grant_types: ['client_credentials'],
      scope: 'orders',
    })
    const ask = async (more: object, headers = {}) => {
      const parameters = { grant_type: 'client_credentials', ...more }
      return (await token(worker, parameters, headers)).status
    }
    for (let i = 0; i < 2; i++) {
      expect(await ask({}, basic('job', secret))).toBe(200)
      expect(await ask({}, basic('job', 'wrong'))).toBe(401)
      expect(await ask({}, basic('dim-1', 'ads_secret'))).toBe(200)
      expect(await ask({}, basic('dim-1', 'ads_other'))).toBe(401)
      expect(await ask({ client_id: 'dim-1' })).toBe(401)
      const proof = asserted(await assertion(worker, signer, 'dim-2'))
      expect(await ask(proof)).toBe(200)
      expect(await ask(asserted(await assertion(worker, signer, 'dim-1')))).toBe(401)
    }
  })

  test('of a client that was deleted are good for nothing, however lately it was read', async () => {
    const worker = await startIssuer()
    const secret = await addClient(worker, {
      client_id: 'job',
      grant_types: ['client_credentials'],
      scope: 'orders',
    })
    const ask = () => token(worker, { grant_type: 'client_credentials' }, basic('job', secret))
    expect((await ask()).status).toBe(200)
    await removeClient(worker.context(), 'job', null)
    expect((await ask()).body.error).toBe('invalid_client')
    const { kind } = await row(
      worker,
      sql<{ kind: string }>`select kind from principal where id = 'job'`,
    )
    expect(kind).toBe('client')
  })
})
