// Small tokens (`typ: atr+jwt`) wherever an access token is taken: known as the long form is, or
// refused in the same words.
import { beforeEach, expect, test } from 'vitest'
import { mintDeviceToken } from '../../../worker/admin/minted_tokens.ts'
import { changeDeviceType } from '../../../worker/devices/device_types.ts'
import { listUri } from '../../../worker/status/entry_store.ts'
import { valueAt } from '../../../worker/status/status_list.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { readList } from '../../status/status_reader.ts'
import {
  addApp,
  addClient,
  addDevice,
  basic,
  claimsOf,
  headerOf,
  post,
  signIn,
  startIssuer,
  token,
} from '../token_fixtures.ts'

const SMALL = 'atr+jwt'
const LONG = 'at+jwt'
const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS = 'urn:ietf:params:oauth:token-type:access_token'

let worker: TestWorker

beforeEach(async () => {
  worker = await startIssuer()
  await addDevice(worker, 'dim-1', { secret: 's', acl: [] })
  await addDevice(worker, 'dim-2', { secret: 't', acl: [] })
})

/** A token that the device got for itself, and two that an operator minted, in one of both forms. */
async function tokensOf(typ: string) {
  const cx = worker.context()
  await changeDeviceType(cx, 'type-of-dim-1', { acl_by_reference: typ === SMALL }, null)
  const { body } = await token(worker, { grant_type: 'client_credentials' }, basic('dim-1', 's'))
  const own = body.access_token ?? ''
  const minted = (await mintDeviceToken(cx, 'dim-1', { expires_in: 7200 })).access_token
  const other = (await mintDeviceToken(cx, 'dim-1', { expires_in: 7200 })).access_token
  for (const one of [own, minted, other]) expect(headerOf(one).typ).toBe(typ)
  return { own, minted, other }
}

const isActive = async (of: string) =>
  (await post(worker, '/oauth/introspect', { token: of }, basic('dim-1', 's'))).body['active']

const revoke = async (of: string, headers = basic('dim-1', 's')) =>
  (await post(worker, '/oauth/revoke', { token: of }, headers)).status

test.each([LONG, SMALL])(
  'a minted token (%s) is revoked by its device alone, and ends alone',
  async (typ) => {
    const { own, minted, other } = await tokensOf(typ)
    const secret = await addClient(worker, {
      client_id: 'job',
      grant_types: ['client_credentials'],
      scope: 'orders',
    })
    expect(await revoke(minted, basic('dim-2', 't'))).toBe(200)
    expect(await revoke(minted, basic('job', secret))).toBe(200)
    expect(await isActive(minted)).toBe(true)

    const { value, roundTrips } = await countRoundTrips(worker, () => revoke(minted))
    expect([value, roundTrips]).toEqual([200, 2])
    expect(await isActive(minted)).toBe(false)
    expect([await isActive(own), await isActive(other)]).toEqual([true, true])
    // Tokens that the device got for itself come from nothing that could end.
    expect(await revoke(own)).toBe(200)
    expect([await isActive(own), await isActive(other)]).toEqual([true, true])
    // Again, it changes nothing.
    expect(await revoke(minted)).toBe(200)
  },
)

test('the list says of a small token that was revoked that it has ended', async () => {
  const { minted, other } = await tokensOf(SMALL)
  await revoke(minted)
  const told = await Promise.all(
    [minted, other].map(async (one) => {
      const [list, idx] = claimsOf(one)['entry'] as [number, number]
      const { places } = await readList(worker, listUri(worker.context(), list))
      return valueAt(places, idx)
    }),
  )
  expect(told).toEqual([1, 0])
})

const reasons = () =>
  worker.log.map(({ fields }) => fields['reason']).filter((one) => one !== undefined)

test.each([LONG, SMALL])('%s: endpoints that are no audience of it say so', async (typ) => {
  const { own, minted } = await tokensOf(typ)
  for (const one of [own, minted]) {
    for (const path of ['/oauth/userinfo', '/v1/devices', '/v1/self', '/access/v1/evaluation']) {
      worker.log.length = 0
      const method = path.startsWith('/access') ? 'POST' : 'GET'
      const headers = { Authorization: `Bearer ${one}` }
      const answer = await worker.request(path, { method, headers })
      expect([path, answer.status, reasons()]).toEqual([path, 401, ['token_for_others']])
    }
  }
})

test.each([LONG, SMALL])(
  '%s: nobody exchanges it, as a thing speaks for itself alone',
  async (typ) => {
    const { own, minted } = await tokensOf(typ)
    const ORDERS = 'https://orders.example/'
    await addApp(worker, { scope: 'openid offline_access orders', resources: [ORDERS] })
    const secret = 'of-the-service'.padEnd(40, 'x')
    await addClient(worker, {
      client_id: 'service',
      client_secret: secret,
      grant_types: [GRANT],
      scope: 'orders',
      resources: ['https://next.example/'],
      serves: [ORDERS, 'https://service.example/'],
    })
    const { access_token: ofPerson } = await signIn(worker, {
      scope: 'openid orders',
      resource: [ORDERS],
    })
    const exchange = async (parameters: Record<string, string>) => {
      worker.log.length = 0
      const headers = basic('service', secret)
      const { status, body } = await token(worker, { grant_type: GRANT, ...parameters }, headers)
      return [status, body.error, ...reasons()]
    }
    for (const one of [own, minted]) {
      const subject = { subject_token: one, subject_token_type: ACCESS }
      expect(await exchange(subject)).toEqual([400, 'invalid_request', 'subject_is_device'])
      const acting = {
        subject_token: ofPerson,
        subject_token_type: ACCESS,
        actor_token: one,
        actor_token_type: ACCESS,
      }
      expect(await exchange(acting)).toEqual([400, 'invalid_request', 'actor_is_device'])
    }
  },
)
