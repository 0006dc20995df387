// Each kind of credential, by each way in which a device gets one and everywhere where it ends. A
// new kind does not compile until it is here.
import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { CREDENTIAL_KINDS } from '../../worker/db/schema.ts'
import { sql } from '../../worker/db/sql.ts'
import { credentialSchema } from '../../worker/devices/credentials.ts'
import { deviceTypeSchema } from '../../worker/devices/device_types.ts'
import { importDevices } from '../../worker/devices/getting_in/device_import.ts'
import { listKeysMadeIn } from '../../worker/devices/made_in_place.ts'
import { demandRotation, demandRotationOfType } from '../../worker/devices/self/rotation.ts'
import type { TestWorker } from '../context.ts'
import { asserted, assertion, makeSigner } from '../oauth/token_fixtures.ts'
import { statusOf } from '../status/status_reader.ts'
import { connectionBy, makeCertificate, makePair, nameOf } from '../support/certificates.ts'
import { addGroup, addMember, eventsOf } from './device_api.ts'
import { ask, startWithDevice } from './x509_device.ts'

type Kind = (typeof CREDENTIAL_KINDS)[number]

type Sample = {
  /** As the API takes it. */
  credential: Record<string, unknown>
  /** The cell of its column in CSV. */
  cell: string
  /** The request for a token with it: headers and form. */
  proof(worker: TestWorker, id: string): Promise<[Record<string, string>, Record<string, string>]>
}

let count = 0

const SAMPLES: Record<Kind, () => Promise<Sample>> = {
  async jwk() {
    const signer = await makeSigner('ES256')
    const { kty, crv, x, y } = signer.jwk as Record<string, string>
    const jwk = { kty, crv, x, y }
    return {
      credential: { kind: 'jwk', jwk },
      cell: JSON.stringify(jwk),
      proof: async (worker, id) => [{}, asserted(await assertion(worker, signer, id))],
    }
  },
  async secret() {
    count += 1
    const secret = `kQ7x-Zp2m_Rw9v.Tn4b~Ls6y+Hd8c/Gf${count}`
    return {
      credential: { kind: 'secret', secret },
      cell: secret,
      proof: async () => [{}, { client_secret: secret }],
    }
  },
  async x509() {
    const pair = await makePair()
    const der = await makeCertificate(pair, pair, { issuer: nameOf('dev-1') })
    const headers = connectionBy(der, nameOf('dev-1'))
    const { thumbprint } = JSON.parse(headers['x-test-certificate'])
    return {
      credential: { kind: 'x509', thumbprint },
      cell: thumbprint,
      proof: async () => [headers, {}],
    }
  },
}

async function tokenBy(worker: TestWorker, { proof }: Sample, id: string) {
  const [headers, form] = await proof(worker, id)
  return ask(worker, headers, { client_id: id, ...form })
}

async function imported(
  worker: TestWorker,
  text: string,
  format: 'text/csv' | 'application/x-ndjson',
) {
  const body = new Blob([text]).stream() as unknown as AsyncIterable<Uint8Array>
  const lines = await importDevices(worker.context(), body, {
    format,
    dry_run: false,
    resume: undefined,
  })
  return new Response(lines).text()
}

test.each(CREDENTIAL_KINDS)('%s: taken by each way in', async (kind) => {
  const { worker, api } = await startWithDevice()
  const samples = await Promise.all(Array.from({ length: 5 }, SAMPLES[kind]))
  const [added, born, listed, row, planned] = samples
  if (!added || !born || !listed || !row || !planned) throw new Error('too few')
  expect((await api('POST', '/v1/devices/dev-1/credentials', added.credential)).status).toBe(201)
  await api('POST', '/v1/devices', { id: 'born', type: 'meter', credentials: [born.credential] })
  const line = { id: 'line', type: 'meter', credentials: [listed.credential] }
  await imported(worker, `${JSON.stringify(line)}\n`, 'application/x-ndjson')
  const cell = `"${row.cell.replaceAll('"', '""')}"`
  await imported(worker, `id,type,${kind}\nrow,meter,${cell}\n`, 'text/csv')
  const entry = { id: 'planned', type: 'meter', credentials: [planned.credential] }
  await applyBlueprint(worker.context(), { devices: [entry] }, {})
  const ids = ['dev-1', 'born', 'line', 'row', 'planned']
  for (const [i, id] of ids.entries()) {
    const sample = samples[i]
    if (sample === undefined) throw new Error(id)
    expect([id, (await tokenBy(worker, sample, id)).status]).toEqual([id, 200])
  }
})

test.each(CREDENTIAL_KINDS)('%s: kept to its type, its times and its device', async (kind) => {
  const { worker, api } = await startWithDevice()
  const list = '/v1/devices/dev-1/credentials'
  const [own, other] = [await SAMPLES[kind](), await SAMPLES[kind]()]
  const others = CREDENTIAL_KINDS.filter((one) => one !== kind)
  await api('PATCH', '/v1/device-types/meter', { credential_kinds: others })
  expect((await api('POST', list, own.credential)).status).toBe(409)
  await api('PATCH', '/v1/device-types/meter', { credential_kinds: [kind] })
  const expires_at = worker.clock.now + 1000
  const made = await api('POST', list, { ...own.credential, expires_at })
  expect(made.body).toMatchObject({ kind, expires_at, last_used_at: null })

  await api('POST', '/v1/devices', { id: 'dev-2', type: 'meter', credentials: [other.credential] })
  expect((await tokenBy(worker, other, 'dev-1')).status).toBe(401)
  const { body } = await tokenBy(worker, own, 'dev-1')
  expect(body.credential_expires_in).toBe(1000)
  await worker.settled()
  const [listed] = (await api('GET', list)).body.items
  expect(listed.last_used_at).toBe(worker.clock.now)
  const ending = await api('GET', `/v1/devices?key_ends_before=${expires_at + 1}`)
  expect(ending.body.items).toEqual([expect.objectContaining({ id: 'dev-1' })])

  const token = body.access_token ?? ''
  expect((await api('DELETE', `${list}/${made.body.id}`)).status).toBe(204)
  expect(await statusOf(worker, token)).toBe(1)
  expect((await tokenBy(worker, own, 'dev-1')).status).toBe(401)
  const events = (await eventsOf(worker, 'dev-1')).filter((one) => one.startsWith('device_cred'))
  expect(events).toEqual(['device_credential.created', 'device_credential.revoked'])
})

test.each(CREDENTIAL_KINDS)(
  '%s: gone with a release, and listed to who takes a home',
  async (kind) => {
    const { worker, api } = await startWithDevice()
    await addGroup(worker, 'home')
    await addMember(worker, 'home', 'dev-1')
    const own = await SAMPLES[kind]()
    const { body } = await api('POST', '/v1/devices/dev-1/credentials', own.credential)
    const cx = worker.context()
    await cx.db.write(sql`update device_credential set made_by = 'ann'`)
    const made = await cx.db.read(listKeysMadeIn(cx, 'home'))
    expect(made).toEqual([expect.objectContaining({ id: body.id, made_by: 'ann' })])
    expect((await api('POST', '/v1/devices/dev-1/release')).status).toBe(200)
    expect((await tokenBy(worker, own, 'dev-1')).status).toBe(401)
  },
)

/** A secret does not rotate: an operator adds another one. */
test.each(CREDENTIAL_KINDS.filter((kind) => kind !== 'secret'))(
  '%s: ended by the demand for other keys, of a device and of a type',
  async (kind) => {
    const { worker, api } = await startWithDevice()
    const list = '/v1/devices/dev-1/credentials'
    const cx = worker.context()
    const rotate_by = worker.clock.now + 1000
    await api('POST', list, (await SAMPLES[kind]()).credential)
    await demandRotation(cx, 'dev-1', { rotate_by })
    const [first] = (await api('GET', list)).body.items
    expect(first).toMatchObject({ rotate_by, expires_at: rotate_by })
    await api('POST', '/v1/devices', {
      id: 'dev-2',
      type: 'meter',
      credentials: [(await SAMPLES[kind]()).credential],
    })
    await demandRotationOfType(cx, 'meter', { rotate_by: rotate_by + 1 })
    const [second] = (await api('GET', '/v1/devices/dev-2/credentials')).body.items
    expect(second).toMatchObject({ rotate_by: rotate_by + 1, expires_at: rotate_by + 1 })
    const ending = await api('GET', `/v1/devices?key_ends_before=${rotate_by + 2}`)
    expect(ending.body.items.map(({ id }: { id: string }) => id)).toEqual(['dev-1', 'dev-2'])
  },
)

test('the kinds of the API are those of the table', () => {
  const kinds = [...CREDENTIAL_KINDS].sort()
  expect([...credentialSchema.shape.kind.options].sort()).toEqual(kinds)
  const ofTypes = deviceTypeSchema.shape.credential_kinds.unwrap().element.options
  expect([...ofTypes].sort()).toEqual(kinds)
})
