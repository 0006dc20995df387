// Authorities whose certificates prove devices: RFC 5280 as far as one signature goes, whom they
// vouch for, and what ends with them.
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { changeAuthority, removeAuthority } from '../../worker/devices/certificates/authorities.ts'
import {
  certificateReads,
  proveCertificate,
} from '../../worker/devices/certificates/presented_certificate.ts'
import { findDeviceById } from '../../worker/devices/devices.ts'
import { demandRotation, demandRotationOfType } from '../../worker/devices/self/rotation.ts'
import { readCertificate } from '../../worker/keys/certificate.ts'
import { MalformedDer } from '../../worker/keys/der.ts'
import { der, derBits, derOid, derSequence } from '../../worker/keys/der_writer.ts'
import { spreadStatus } from '../../worker/status/spreading.ts'
import { countRoundTrips, SYSTEM, type TestWorker } from '../context.ts'
import { write } from '../oauth/token_fixtures.ts'
import { claimsOf, statusOf } from '../status/status_reader.ts'
import {
  alternativeNames,
  asAuthority,
  connectionBy,
  extendedUsage,
  extension,
  KINDS_OF_SIGNERS,
  keyUsage,
  type Making,
  makeAuthority,
  makeCertificate,
  makePair,
  nameOf,
  pemOfCertificate,
} from '../support/certificates.ts'
import { overtakenOnce } from '../support/repeated_writes.ts'
import { addGroup, addMember, eventsOf } from './device_api.ts'
import { ask, refusalOf, startWithDevice } from './x509_device.ts'

const CAS = '/v1/device-cas'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

type Api = Awaited<ReturnType<typeof startWithDevice>>['api']

/** Registers a new authority; `issue` makes a certificate of it, as the header of a connection. */
async function register(api: Api, members: object = {}, given: Making = {}) {
  const authority = await makeAuthority('P-256', given)
  const made = await api('POST', CAS, { name: 'works', certificate: authority.pem, ...members })
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  const pair = await makePair()
  const issue = async (more: Making = {}) =>
    connectionBy(await authority.sign(pair, more), authority.name)
  return { ...authority, id: made.body.id as string, made, pair, issue }
}

const accessToken = async (worker: TestWorker, by: Record<string, string>) => {
  const { body } = await ask(worker, by)
  if (body.access_token === undefined) throw new Error(JSON.stringify(body))
  return body.access_token
}

/** The reason of the refusal. */
const reason = async (worker: TestWorker, by: Record<string, string>) =>
  (await refusalOf(worker, by))[2]

test('a change and an end are of the version that was seen, also where another came between', async () => {
  const { worker, api } = await startWithDevice()
  const { id } = await register(api)
  const other = () => changeAuthority(worker.context(), id, { name: 'other' }, null)
  const cx = overtakenOnce(worker.context(), other)
  await expect(changeAuthority(cx, id, { enabled: false }, 1)).rejects.toMatchObject({
    type: 'precondition_failed',
  })
  const later = overtakenOnce(worker.context(), () =>
    changeAuthority(worker.context(), id, { name: 'third' }, null),
  )
  await expect(removeAuthority(later, id, 2)).rejects.toMatchObject({ type: 'precondition_failed' })
  expect((await api('GET', `${CAS}/${id}`)).body).toMatchObject({ name: 'third', enabled: true })
  await changeAuthority(worker.context(), id, { enabled: false }, 3)
  await removeAuthority(worker.context(), id, 4)
  expect((await api('GET', `${CAS}/${id}`)).status).toBe(404)
})

describe('a certificate that a registered authority signed', () => {
  test.each(KINDS_OF_SIGNERS)('proves the device that it names, with a %s key', async (kind) => {
    const { worker, api } = await startWithDevice()
    const [authority, thief] = [await makeAuthority(kind), await makeAuthority(kind)]
    await api('POST', CAS, { name: 'works', certificate: authority.pem })
    const pair = await makePair()
    const by = connectionBy(await authority.sign(pair))
    expect(decodeJwt(await accessToken(worker, by)).sub).toBe('dev-1')
    const forged = connectionBy(await thief.sign(pair))
    expect(await reason(worker, forged)).toBe('certificate_not_signed')
  })

  test('is a credential from its first token on: listed, with its number and its end', async () => {
    const { worker, api } = await startWithDevice()
    const { id, issue } = await register(api)
    const now = worker.clock.now
    const by = await issue({ serial: Uint8Array.of(0x0a, 0xbc), not_after: now + 900 })
    const first = await countRoundTrips(worker, () => ask(worker, by))
    expect([first.value.status, first.roundTrips]).toEqual([200, 2])
    expect(first.value.body.credential_expires_in).toBe(900)
    worker.clock.now += 100
    await ask(worker, by)
    await worker.settled()
    expect((await countRoundTrips(worker, () => ask(worker, by))).roundTrips).toBe(1)
    const { items } = (await api('GET', '/v1/devices/dev-1/credentials')).body
    expect(items).toEqual([
      expect.objectContaining({ kind: 'x509', ca: id, serial: 'abc', last_used_at: now + 100 }),
    ])
    const events = await eventsOf(worker, 'dev-1')
    expect(events.filter((one) => one === 'device_credential.created')).toHaveLength(1)
    const many = await Promise.all(
      Array.from({ length: 5 }, async () => ask(worker, await issue())),
    )
    expect(many.map(({ status }) => status)).toEqual(Array(5).fill(200))
    // Operators add their own beside them.
    const secret = { kind: 'secret' }
    expect((await api('POST', '/v1/devices/dev-1/credentials', secret)).status).toBe(201)
  })

  test('of first tokens at once one stores it', async () => {
    const { worker, api } = await startWithDevice()
    const { issue } = await register(api)
    const by = await issue()
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(worker, by)))
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    expect((await api('GET', '/v1/devices/dev-1/credentials')).body.items).toHaveLength(1)
  })

  test('is refused in whatever form once it was revoked, and the others of the authority are not', async () => {
    const { worker, api } = await startWithDevice()
    const { issue, name } = await register(api)
    const [lost, other] = [await issue(), await issue()]
    const before = await accessToken(worker, lost)
    const [credential] = (await api('GET', '/v1/devices/dev-1/credentials')).body.items
    await api('DELETE', `/v1/devices/dev-1/credentials/${credential.id}`)
    expect(await statusOf(worker, before)).toBe(1)
    expect(await reason(worker, lost)).toBe('certificate_revoked')
    expect((await ask(worker, other)).status).toBe(200)
    // (r, n - s) is a signature as well as (r, s): another file, of which nobody has the key anew.
    const told = JSON.parse(lost['x-test-certificate'])
    const bytes = Uint8Array.from(atob(told.der), (one) => one.charCodeAt(0))
    const twin = connectionBy(otherForm(bytes), name)
    expect(JSON.parse(twin['x-test-certificate']).thumbprint).not.toBe(told.thumbprint)
    expect(await reason(worker, twin)).toBe('certificate_revoked')
  })

  test('that an operator revokes before it was ever shown is refused', async () => {
    const { worker, api } = await startWithDevice()
    const { sign, name } = await register(api)
    const certificate = await sign(await makePair())
    const list = '/v1/devices/dev-1/credentials'
    const { body } = await api('POST', list, {
      kind: 'x509',
      certificate: pemOfCertificate(certificate),
    })
    await api('DELETE', `${list}/${body.id}`)
    expect(await reason(worker, connectionBy(certificate, name))).toBe('certificate_revoked')
  })

  test('is one of twenty at most that a device has of an authority at a time', async () => {
    const { worker, api } = await startWithDevice()
    const { issue } = await register(api)
    const end = worker.clock.now + 100
    for (let n = 0; n < 20; n++) await accessToken(worker, await issue({ not_after: end }))
    const next = await issue()
    expect(await reason(worker, next)).toBe('certificates_many')
    worker.clock.now = end + 1
    expect((await ask(worker, next)).status).toBe(200)
    expect((await api('GET', '/v1/devices/dev-1/credentials')).body.items).toHaveLength(1)
  })
})

/** The certificate with the other of the two signatures that ECDSA has for it. */
function otherForm(certificate: Uint8Array): Uint8Array {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  // SEQUENCE { signed, algorithm, BIT STRING { SEQUENCE { r, s } } }
  const lengthAt = (at: number): [content: number, end: number] => {
    const first = certificate[at + 1] ?? 0
    const octets = first > 0x80 ? first & 0x7f : 0
    let length = octets === 0 ? first : 0
    for (let i = 0; i < octets; i++) length = length * 256 + (certificate[at + 2 + i] ?? 0)
    return [at + 2 + octets, at + 2 + octets + length]
  }
  const [signed] = lengthAt(0)
  const [, algorithm] = lengthAt(signed)
  const [, bits] = lengthAt(algorithm)
  const [inBits] = lengthAt(bits)
  const [r] = lengthAt(inBits + 1)
  const [, s] = lengthAt(r)
  const [from, to] = lengthAt(s)
  let value = 0n
  for (const byte of certificate.subarray(from, to)) value = value * 256n + BigInt(byte)
  const hex = (order - value).toString(16).padStart(64, '0')
  const plain = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  const whole = (plain[0] ?? 0) < 0x80 ? plain : Uint8Array.of(0, ...plain)
  const signature = derSequence(certificate.subarray(r, s), der(0x02, whole))
  return derSequence(certificate.subarray(signed, bits), derBits(signature))
}

describe('the name of the device', () => {
  test('is the common name, or an alternative name where there are any', async () => {
    const { worker, api } = await startWithDevice()
    const { issue } = await register(api)
    const right: Making[] = [
      {},
      { subject: nameOf('x'), extensions: [alternativeNames({ dns: ['dev-1'] })] },
      {
        subject: derSequence(),
        extensions: [alternativeNames({ uri: ['urn:allauth:device:dev-1'] })],
      },
    ]
    for (const making of right) expect((await ask(worker, await issue(making))).status).toBe(200)
    const wrong: Making[] = [
      { subject: nameOf('dev-2') },
      { subject: nameOf('DEV-1') },
      { subject: nameOf('dev-1', 'dev-2') },
      { subject: nameOf('dev-2', 'dev-1') },
      { subject: derSequence() },
      { extensions: [alternativeNames({ dns: ['dev-2'] })] },
      { extensions: [alternativeNames({ email: ['dev-1@example.com'] })] },
      {
        subject: nameOf('x'),
        extensions: [alternativeNames({ uri: ['urn:allauth:serial:dev-1', 'dev-1'] })],
      },
    ]
    for (const making of wrong) {
      expect(await reason(worker, await issue(making))).toBe('certificate_of_another')
    }
  })

  test('is its serial number where the authority says so, and then never an id', async () => {
    const { worker, api } = await startWithDevice()
    const { issue } = await register(api, { names: 'serial' })
    expect(await reason(worker, await issue())).toBe('certificate_of_another')
    await api('PATCH', '/v1/devices/dev-1', {
      hardware_ids: [
        { kind: 'serial', value: 'SN 0042' },
        { kind: 'mac', value: '00:1b:44:11:3a:b7' },
      ],
    })
    for (const name of ['SN0042', 'sn0042']) {
      expect((await ask(worker, await issue({ subject: nameOf(name) }))).status).toBe(200)
    }
    const urn = alternativeNames({ uri: ['urn:allauth:serial:SN0042'] })
    expect((await ask(worker, await issue({ extensions: [urn] }))).status).toBe(200)
    for (const name of ['SN0043', '001b44113ab7', '', 'dev-1']) {
      const by = await issue({ subject: nameOf(name) })
      expect(await reason(worker, by), name).toBe('certificate_of_another')
    }
  })

  test('with ids: the serial number of one device that is the id of another opens neither', async () => {
    const { worker, api } = await startWithDevice()
    const { issue } = await register(api)
    await api('POST', '/v1/devices', {
      id: 'other',
      type: 'meter',
      hardware_ids: [{ kind: 'serial', value: 'dev-1' }],
    })
    const { status } = await ask(worker, await issue(), { client_id: 'other' })
    expect(status).toBe(401)
  })
})

describe('RFC 5280', () => {
  test('a certificate is judged by its times, its use and its extensions', async () => {
    const { worker, api } = await startWithDevice()
    const { issue } = await register(api)
    const now = worker.clock.now
    const refused: [Making, string][] = [
      [{ not_before: now + 1 }, 'certificate_over'],
      [{ not_after: now - 1 }, 'certificate_over'],
      [{ extensions: [asAuthority] }, 'certificate_usage'],
      [{ extensions: [keyUsage(0x20)] }, 'certificate_usage'],
      [{ extensions: [extendedUsage(SERVER_AUTH)] }, 'certificate_usage'],
      [{ extensions: [extension('1.2.3.4', der(0x05), true)] }, 'certificate_unreadable'],
      [{ extensions: [extension('2.5.29.30', derSequence())] }, 'certificate_unreadable'],
      [{ extensions: [keyUsage(0x80), keyUsage(0x80)] }, 'certificate_unreadable'],
      [{ inner: derSequence(derOid('1.2.840.10045.4.3.3')) }, 'certificate_unreadable'],
      [{ version: Uint8Array.of(0), extensions: [keyUsage(0x80)] }, 'certificate_unreadable'],
    ]
    for (const [making, why] of refused) {
      expect(await reason(worker, await issue(making))).toBe(why)
    }
    const taken: Making[] = [
      { not_before: now, not_after: now },
      { version: null },
      { extensions: [keyUsage(0x80), extendedUsage(SERVER_AUTH, CLIENT_AUTH)] },
      { extensions: [extension('1.2.3.4', der(0x05))] },
    ]
    for (const making of taken) expect((await ask(worker, await issue(making))).status).toBe(200)
  })

  test('whatever the bytes are, the answer is a refusal', async () => {
    const { worker, api } = await startWithDevice()
    const { sign, name } = await register(api)
    const bytes = await sign(await makePair(), {
      extensions: [
        keyUsage(0x80),
        extendedUsage(CLIENT_AUTH),
        alternativeNames({ dns: ['dev-1'] }),
      ],
    })
    const change = (at: number, value: number) => {
      const changed = new Uint8Array(bytes)
      changed[at] = value
      return changed
    }
    const places = Array.from(bytes.keys())
    const forms = places.flatMap((at) => [
      bytes.slice(0, at),
      ...[0x00, 0x30, 0x80, 0x84, 0xff].map((value) => change(at, value)),
    ])
    for (const form of forms) {
      try {
        readCertificate(form)
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedDer)
      }
    }
    const sent = places.filter((at) => at % 12 === 0)
    for (const at of sent) {
      const form = change(at, (bytes[at] ?? 0) ^ 0x80)
      expect((await ask(worker, connectionBy(form, name))).status).toBe(401)
    }
    expect((await ask(worker, connectionBy(bytes, name))).status).toBe(200)
  })

  test('an authority is a certificate that may sign others, with a key that can', async () => {
    const { api } = await startWithDevice()
    const pair = await makePair()
    const own = { subject: nameOf('A'), issuer: nameOf('A') }
    const make = async (more: Making, signer = pair) =>
      pemOfCertificate(await makeCertificate(pair, signer, { ...own, ...more }))
    const cases: [string, RegExp][] = [
      [await make({}), /basic constraints/],
      [await make({ extensions: [asAuthority, keyUsage(0x80)] }), /keyCertSign/],
      [
        await make({ extensions: [asAuthority, extension('2.5.29.30', derSequence(), true)] }),
        /2\.5\.29\.30/,
      ],
      [await make({ extensions: [asAuthority] }, await makePair()), /did not sign itself/],
      [(await makeAuthority()).pem + (await makeAuthority()).pem, /several/],
      ['x', /no PEM/],
    ]
    for (const [certificate, detail] of cases) {
      const { status, body } = await api('POST', CAS, { name: 'n', certificate })
      expect([status, body.errors[0]]).toEqual([
        400,
        { pointer: '/certificate', detail: expect.stringMatching(detail) },
      ])
    }
    const over = await makeAuthority('P-256', { not_after: 1 })
    expect((await api('POST', CAS, { name: 'n', certificate: over.pem })).status).toBe(400)
    // One that another one signed is an authority as well: that one is not asked for.
    const between = await make(
      { extensions: [asAuthority], issuer: nameOf('Root') },
      await makePair(),
    )
    expect((await api('POST', CAS, { name: 'n', certificate: between })).status).toBe(201)
    expect((await api('POST', CAS, { name: 'n', certificate: between })).status).toBe(409)
  })

  test('one that has run out vouches for nobody, and ends what it signed', async () => {
    const { worker, api } = await startWithDevice()
    const end = worker.clock.now + 300
    const { issue } = await register(api, {}, { not_after: end })
    const by = await issue()
    expect((await ask(worker, by)).body.credential_expires_in).toBe(300)
    worker.clock.now = end + 1
    expect(await reason(worker, by)).toBe('certificate_not_signed')
  })
})

describe('whom an authority vouches for', () => {
  test('devices of its type, in its place, as they are now', async () => {
    const { worker, api } = await startWithDevice()
    await api('POST', '/v1/device-types', { name: 'lamp' })
    await addGroup(worker, 'site')
    await addGroup(worker, 'room', 'site')
    const { issue } = await register(api, { device_type: 'lamp', group: 'site' })
    const by = await issue()
    expect(await reason(worker, by)).toBe('certificate_not_registered')
    await api('PATCH', '/v1/devices/dev-1', { type: 'lamp' })
    expect(await reason(worker, by)).toBe('certificate_not_registered')
    await addMember(worker, 'room', 'dev-1')
    expect((await ask(worker, by)).status).toBe(200)
    await api('PATCH', '/v1/devices/dev-1', { groups: [] })
    expect(await reason(worker, by)).toBe('certificate_not_registered')
  })

  test('not those whose type takes no certificates', async () => {
    const { worker, api } = await startWithDevice({ credential_kinds: ['jwk'] })
    const { issue } = await register(api)
    const by = await issue()
    expect(await reason(worker, by)).toBe('certificate_not_taken')
    const given = { kind: 'x509', thumbprint: 'A'.repeat(43) }
    expect((await api('POST', '/v1/devices/dev-1/credentials', given)).status).toBe(409)
    await api('PATCH', '/v1/device-types/meter', { credential_kinds: ['x509'] })
    expect((await ask(worker, by)).status).toBe(200)
  })

  test('a type is not deleted under an authority, and what is not there is no bound', async () => {
    const { api } = await startWithDevice()
    await api('POST', '/v1/device-types', { name: 'lamp' })
    await register(api, { device_type: 'lamp' })
    expect((await api('DELETE', '/v1/device-types/lamp')).status).toBe(409)
    const { pem } = await makeAuthority()
    for (const bound of [{ device_type: 'none' }, { group: 'none' }]) {
      const { status, body } = await api('POST', CAS, { name: 'n', certificate: pem, ...bound })
      expect([status, body.errors[0].pointer]).toEqual([400, `/${Object.keys(bound)[0]}`])
    }
  })

  test('a device that is suspended, or gone from its owner, is refused', async () => {
    const { worker, api } = await startWithDevice()
    const { issue } = await register(api)
    const by = await issue()
    await accessToken(worker, by)
    await api('PATCH', '/v1/devices/dev-1', { status: 'suspended' })
    expect(await reason(worker, by)).toBe('device_not_active')
    await api('PATCH', '/v1/devices/dev-1', { status: 'active' })
    expect((await ask(worker, by)).status).toBe(200)
    await api('POST', '/v1/devices/dev-1/release')
    expect(await reason(worker, by)).toBe('certificate_revoked')
  })

  test('another key is demanded of certificates too, also of those that were not shown yet', async () => {
    const { worker, api } = await startWithDevice()
    const now = worker.clock.now
    const { issue } = await register(api)
    const [shown, old] = [
      await issue({ not_before: now - 9 }),
      await issue({ not_before: now - 9 }),
    ]
    await accessToken(worker, shown)
    worker.clock.now = now + 10
    await demandRotationOfType(worker.context(), 'meter', { rotate_by: now + 100 })
    expect((await ask(worker, old)).status).toBe(200)
    worker.clock.now = now + 100
    const fresh = await issue({ not_before: now + 50 })
    for (const by of [shown, old]) expect(await reason(worker, by)).toBe('certificate_over')
    expect((await ask(worker, fresh)).status).toBe(200)
    await demandRotation(worker.context(), 'dev-1', { rotate_by: now + 200 })
    expect((await ask(worker, fresh)).body.credential_expires_in).toBe(100)
    worker.clock.now = now + 200
    expect(await reason(worker, fresh)).toBe('certificate_over')
  })
})

describe('the end of an authority', () => {
  test.each(['disabled', 'deleted'])('that is %s ends what came by it', async (how) => {
    const { worker, api } = await startWithDevice()
    const { id, issue } = await register(api)
    const by = await issue()
    const before = await accessToken(worker, by)
    const secret = (await api('POST', '/v1/devices/dev-1/credentials', { kind: 'secret' })).body
    if (how === 'deleted') expect((await api('DELETE', `${CAS}/${id}`)).status).toBe(204)
    else expect((await api('PATCH', `${CAS}/${id}`, { enabled: false })).status).toBe(200)
    expect(await statusOf(worker, before)).toBe(1)
    expect(await reason(worker, by)).toBe('certificate_not_registered')
    const { items } = (await api('GET', '/v1/devices/dev-1/credentials')).body
    expect(items[0]).toMatchObject({ kind: 'x509', ca: id, unusable: true })
    // Other credentials of the device fetch anew.
    const other = await ask(worker, {}, { client_secret: secret.secret })
    expect(await statusOf(worker, other.body.access_token ?? '')).toBe(0)
    if (how === 'deleted') return
    await api('PATCH', `${CAS}/${id}`, { enabled: true })
    expect(await statusOf(worker, before)).toBe(1)
    expect(await statusOf(worker, await accessToken(worker, by))).toBe(0)
  })

  test('ends nothing of devices that came by another one, nor what was minted', async () => {
    const { worker, api } = await startWithDevice()
    const { id } = await register(api)
    const other = await register(api, { name: 'other' }, { subject: nameOf('Other') })
    const kept = await accessToken(worker, await other.issue())
    await api('DELETE', `${CAS}/${id}`)
    expect(await statusOf(worker, kept)).toBe(0)
  })

  test('with more than 1,000 devices is one row at once, and spread by the job', async () => {
    const { worker, api } = await startWithDevice()
    const { id, issue } = await register(api)
    const by = await issue()
    const before = await accessToken(worker, by)
    await write(
      worker,
      sql`insert into principal (id, kind, rid, created_at)
        with recursive s(i) as (select 1 union all select i + 1 from s where i < 1200)
        select 'm-' || i, 'device', 'fixture', 1 from s`,
      sql`insert into device (id, type, status, metadata, created_at, updated_at, version)
        select id, 'meter', 'active', '{}', 1, 1, 1 from principal where id like 'm-%'`,
      sql`insert into device_credential (id, device_id, kind, created_at, ca_id)
        select 'c' || id, id, 'x509', 1, ${id} from principal where id like 'm-%'`,
    )
    const secret = (await api('POST', '/v1/devices/dev-1/credentials', { kind: 'secret' })).body
    await api('PATCH', `${CAS}/${id}`, { enabled: false })
    const changes = () => worker.context().db.read(sql`select n from status_change`)
    expect(await changes()).toHaveLength(1)
    const self = { authorization: `Bearer ${before}` }
    expect((await worker.request('/v1/self', { headers: self })).status).toBe(401)
    const meanwhile = await ask(worker, {}, { client_secret: secret.secret })
    await spreadStatus(worker.context())
    expect(await statusOf(worker, meanwhile.body.access_token ?? '')).toBe(0)
    const [entries] = await worker.context().db.read(
      sql<{ n: number; devices: number }>`select count(*) as n, count(distinct origin_id) as devices
        from status_entry where kind = 'device'`,
    )
    expect(entries).toEqual({ n: 1201, devices: 1201 })
    expect(await changes()).toEqual([])
    expect(claimsOf(before).status).not.toEqual(claimsOf(meanwhile.body.access_token ?? '').status)
  })

  test('between the look and the first token is an end', async () => {
    const { worker, api } = await startWithDevice()
    const { id, issue } = await register(api)
    const by = await issue()
    const presented = JSON.parse(by['x-test-certificate'])
    const cx = worker.context(SYSTEM, '192.0.2.1', presented)
    const reads = certificateReads(cx, 'dev-1')
    const [device] = await cx.db.read(findDeviceById('dev-1'))
    if (reads === null || device === undefined) throw new Error('nothing was read')
    const proven = await proveCertificate(cx, device, [], await cx.db.read(reads))
    if ('reason' in proven) throw new Error(proven.reason)
    await api('PATCH', `${CAS}/${id}`, { enabled: false })
    await expect(cx.db.write(proven.arrival ?? [])).rejects.toMatchObject({
      reason: 'certificate_not_taken',
    })
    expect((await api('GET', '/v1/devices/dev-1/credentials')).body.items).toEqual([])
  })
})
