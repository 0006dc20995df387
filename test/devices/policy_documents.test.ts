// Types whose tokens name their rules by reference: which rules may be named, and where they are.
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { parsePolicy } from '../../policy/templates.ts'
import { storedAcl } from '../../worker/access/acl_templates.ts'
import { mintDeviceToken, revokeMintedToken } from '../../worker/admin/minted_tokens.ts'
import { sha256 } from '../../worker/crypto.ts'
import { sql } from '../../worker/db/sql.ts'
import {
  changeDeviceType,
  createDeviceType,
  getDeviceType,
} from '../../worker/devices/device_types.ts'
import { ISSUER } from '../context.ts'
import {
  addDevice,
  basic,
  claimsOf,
  headerOf,
  MQTT,
  post,
  startIssuer,
  token,
  write,
} from '../oauth/token_fixtures.ts'
import { startDevices } from './device_api.ts'

const rule = (topic: string) => ({ permission: 'allow', action: 'publish', topic }) as const
const named = [rule('${site.id}/${group.id}/${device.id}'), rule('c/${clientid}')]

test('a type opts in, and out again', async () => {
  const { api } = await startDevices()
  const made = await api('POST', '/v1/device-types', { name: 'a', acl: named })
  expect(made.body.acl_by_reference).toBe(false)
  const on = await api('PATCH', '/v1/device-types/a', { acl_by_reference: true })
  expect(on.body.acl_by_reference).toBe(true)
  const off = await api('PATCH', '/v1/device-types/a', { acl_by_reference: null })
  expect(off.body.acl_by_reference).toBe(false)
})

test.each(['device.metadata.room', 'subject.id'])(
  'rules with ${%s} cannot be named by reference, however they come together',
  async (variable) => {
    const { api } = await startDevices()
    const acl = [rule('x'), rule(`d/\${${variable}}`)]
    const acl_by_reference = true
    const faults = [{ pointer: '/acl/1/topic' }]
    const refused = await api('POST', '/v1/device-types', { name: 'a', acl, acl_by_reference })
    expect([refused.status, refused.body.errors]).toMatchObject([400, faults])
    expect(refused.body.errors[0].detail).toContain(`the variable ${variable}`)
    expect((await api('POST', '/v1/device-types', { name: 'a', acl })).status).toBe(201)
    const later = await api('PATCH', '/v1/device-types/a', { acl_by_reference })
    expect([later.status, later.body.errors]).toMatchObject([400, faults])
    await api('POST', '/v1/device-types', { name: 'b', acl: named, acl_by_reference })
    const wider = await api('PATCH', '/v1/device-types/b', { acl })
    expect([wider.status, wider.body.errors]).toMatchObject([400, faults])
  },
)

test('a document is signed, is of its hash, and stays when the rules have changed', async () => {
  const worker = await startIssuer()
  const cx = worker.context()
  await createDeviceType(cx, { name: 'a', acl: named, acl_by_reference: true })
  await createDeviceType(cx, { name: 'b', acl: [rule('other')] })
  const hash = sha256((await getDeviceType(cx, 'a')).acl)
  expect(hash).toBe(sha256(storedAcl(named)))
  const get = (path: string) => worker.request(path)
  const list = await get('/policies')
  expect(await list.json()).toEqual({ policies: [hash] })
  const document = await get(`/policies/${hash}`)
  expect(document.headers.get('content-type')).toBe('application/policy+jwt')
  expect(document.headers.get('cache-control')).toBe('public, max-age=86400')
  const { sub, iss, policy } = decodeJwt(await document.text())
  expect([iss, sub]).toEqual([ISSUER, `${ISSUER}/policies/${hash}`])
  expect(sha256(String(policy))).toBe(hash)
  expect(parsePolicy(String(policy))).toEqual(named)
  for (const missing of ['x', sha256('[]'), `${hash}x`, '..%2Fkeys']) {
    expect((await get(`/policies/${missing}`)).status, missing).toBe(404)
  }
})

test('the token endpoint gives a device of such a type a small token, and of any other one with acl', async () => {
  const worker = await startIssuer()
  await addDevice(worker, 'dim-1', { secret: 's', acl: named, mqtt_client_id: 'plc' })
  const own = async () =>
    (await token(worker, { grant_type: 'client_credentials' }, basic('dim-1', 's'))).body
      .access_token
  expect(headerOf(await own()).typ).toBe('at+jwt')
  const type = await changeDeviceType(
    worker.context(),
    'type-of-dim-1',
    { acl_by_reference: true },
    null,
  )
  const small = await own()
  expect(headerOf(small)).toMatchObject({ alg: 'ES256', typ: 'atr+jwt' })
  expect(claimsOf(small)).toEqual({
    iss: ISSUER,
    sub: 'dim-1',
    exp: worker.clock.now + 3600,
    mqtt_client_id: 'plc',
    entry: [expect.any(Number), expect.any(Number)],
    acl_ref: sha256(type.acl),
  })
})

test('introspection says of a small token what it is, while its device and its entry are good', async () => {
  const worker = await startIssuer()
  await addDevice(worker, 'dim-1', { secret: 's', acl: named })
  await addDevice(worker, 'dim-2', { secret: 't', acl: named })
  const cx = worker.context()
  const type = await changeDeviceType(cx, 'type-of-dim-1', { acl_by_reference: true }, null)
  const own = (await token(worker, { grant_type: 'client_credentials' }, basic('dim-1', 's'))).body
  const { access_token: minted, id } = await mintDeviceToken(cx, 'dim-1', { expires_in: 7200 })
  const look = async (of: string | undefined, by = 'dim-1', secret = 's') =>
    (await post(worker, '/oauth/introspect', { token: of }, basic(by, secret))).body
  expect(headerOf(minted).typ).toBe('atr+jwt')
  expect(await look(own.access_token)).toEqual({
    active: true,
    iss: ISSUER,
    sub: 'dim-1',
    client_id: 'dim-1',
    aud: MQTT,
    scope: 'mqtt',
    exp: worker.clock.now + 3600,
    token_type: 'Bearer',
    typ: 'atr+jwt',
    acl_ref: sha256(type.acl),
    entry: [expect.any(Number), expect.any(Number)],
  })
  expect(await look(own.access_token, 'dim-2', 't')).toEqual({ active: false })
  expect(await look(minted)).toMatchObject({ active: true })
  await revokeMintedToken(cx, 'dim-1', id)
  expect(await look(minted)).toEqual({ active: false })
  expect(await look(own.access_token)).toMatchObject({ active: true })
  await write(worker, sql`update device set epoch = epoch + 1 where id = 'dim-1'`)
  expect(await look(own.access_token)).toEqual({ active: false })
  worker.clock.now += 3600
  expect(await look(own.access_token)).toEqual({ active: false })
})
