// MQTT client ids of the applications of one person, where MQTT_CLIENT_ID_RULE=application: from signed tokens to the
// gate's word, and at a broker that takes sessions over as brokers do.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import type { Packet } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readProxyConfig } from '../../proxy-node/config.ts'
import { isOwnClientId, judgeConnect, judgeReplacement } from '../../proxy-node/gate.ts'
import type { ClientIdRule } from '../../proxy-node/tokens/client_space.ts'
import { openJwks } from '../../proxy-node/tokens/jwks.ts'
import { openPolicies } from '../../proxy-node/tokens/policies.ts'
import { openStatusLists } from '../../proxy-node/tokens/status_lists.ts'
import { createVerifier, type Identity } from '../../proxy-node/tokens/verifier.ts'
import type { Connect } from '../../proxy-node/wire/connect_codec.ts'
import { clientIdRule } from '../../worker/entry/broker/client_id_rule.ts'
import { audience, startIssuer, type TestIssuer } from '../host/mproxy_fixtures/issuer.ts'
import { temporaryFolder } from '../support/folder.ts'
import { defaultLimits } from './fixtures/proxy.ts'
import { knock, open, proxy, scripted, wires } from './fixtures/stage.ts'

const spaceOf = (client_id: string) =>
  createHash('sha256').update(client_id).digest('base64url').slice(0, 10)
const NARROW = spaceOf('narrow')

let issuer: TestIssuer
let verifierOf: (rule: ClientIdRule) => ReturnType<typeof createVerifier>
let close = () => {}
beforeAll(async () => {
  issuer = await startIssuer()
  const jwks = openJwks({ issuer: issuer.url })
  await jwks.start()
  const statusLists = openStatusLists({ issuer: issuer.url, jwks })
  const policies = openPolicies({ issuer: issuer.url, jwks })
  const parts = { issuer: issuer.url, audience, jwks, statusLists, policies, now: Date.now }
  verifierOf = (clientIdRule) => createVerifier({ ...parts, clientIdRule })
  close = () => {
    policies.close()
    statusLists.close()
    jwks.close()
  }
})
afterAll(async () => {
  close()
  await issuer.stop()
})

/** The identity that mProxy reads from a token of Ann's application. */
async function identityOf(claims: Record<string, unknown>, rule: ClientIdRule = 'application') {
  const token = await issuer.mint({ claims: { sub: 'ann', client_id: 'narrow', ...claims } })
  const verification = await verifierOf(rule).verify(token)
  if (!verification.ok) throw new Error(verification.reason)
  return verification.identity
}

const connect = (clientId: string, more: Partial<Connect> = {}): Connect => ({
  version: 5,
  clean: true,
  keepAlive: 60,
  clientId,
  username: undefined,
  password: undefined,
  will: undefined,
  sessionExpiry: 0,
  maximumPacketSize: 0xffffffff,
  authenticationMethod: undefined,
  authenticationData: undefined,
  properties: Buffer.alloc(0),
  ...more,
})

describe('an application that is not first party', () => {
  const others = 'client_id_of_another_application'
  test.each([
    [`ann:${NARROW}`, undefined],
    [`ann:${NARROW}-phone`, undefined],
    [`ann:${NARROW}${'x'.repeat(54)}`, undefined],
    [`ann:${NARROW}${'x'.repeat(55)}`, 'client_id'],
    [`ann:${NARROW}/`, 'client_id'],
    [`ann:${NARROW.slice(0, 9)}`, others],
    [`ann:${spaceOf('other')}`, others],
    ['ann', others],
    ['ann:phone', others],
    [`ann:x${NARROW}`, others],
    [`bob:${NARROW}`, others],
    [NARROW, others],
  ])('as %s is refused for %s', async (clientId, reason) => {
    const identity = await identityOf({ first_party: false })
    expect(isOwnClientId(identity, clientId)).toBe(reason === undefined)
    expect(judgeConnect(connect(clientId), identity, 'rnd')).toEqual(
      reason === undefined
        ? { ok: true, clientId, isAssigned: false }
        : { ok: false, code: 0x85, reason },
    )
  })

  test('that brings none gets one with its prefix', async () => {
    const identity = await identityOf({ first_party: false })
    expect(judgeConnect(connect(''), identity, 'rnd')).toEqual({
      ok: true,
      clientId: `ann:${NARROW}rnd`,
      isAssigned: true,
    })
  })

  test('has no fixed id, and shares no id with any other', async () => {
    const fixed = await identityOf({ first_party: false, mqtt_client_id: 'meter' })
    expect(isOwnClientId(fixed, 'meter')).toBe(false)
    const one = await identityOf({ first_party: false })
    const other = await identityOf({ first_party: false, client_id: 'other' })
    const suffix = fc.stringMatching(/^[A-Za-z0-9._~-]{0,12}$/)
    const ids = fc.oneof(
      suffix.map((text) => `ann:${NARROW}${text}`),
      suffix.map((text) => `ann:${spaceOf('other')}${text}`),
      suffix.map((text) => `ann:${text}`),
    )
    fc.assert(
      fc.property(ids, (id) => !(isOwnClientId(one, id) && isOwnClientId(other, id))),
      { numRuns: 500 },
    )
  })

  test('hands in no token in the session of another application', async () => {
    const wide = await identityOf({ first_party: true, client_id: 'home' })
    const next = { ok: true, identity: await identityOf({ first_party: false }) } as const
    const session = { clientId: 'ann:phone', username: undefined, will: undefined }
    expect(judgeReplacement(wide, next, session, false, defaultLimits).decision).toBe('close')
    const own = { ...session, clientId: `ann:${NARROW}` }
    expect(judgeReplacement(wide, next, own, false, defaultLimits).decision).toBe('replace')
  })
})

describe('all ids of the subject are open to', () => {
  test.each<[string, Record<string, unknown>, ClientIdRule]>([
    ['an application that is first party', { first_party: true }, 'application'],
    ['a token that does not say, as those of the version before', {}, 'application'],
    ['each application where the rule is off', { first_party: false }, 'subject'],
    [
      'a device, whatever its token says',
      { client_id: 'ann', first_party: false, mqtt_client_id: 'meter' },
      'application',
    ],
  ])('%s', async (_, claims, rule) => {
    const identity = await identityOf(claims, rule)
    for (const id of ['ann', 'ann:phone', `ann:${NARROW}`]) {
      expect(isOwnClientId(identity, id)).toBe(true)
    }
    expect(judgeConnect(connect(''), identity, 'rnd')).toMatchObject({ clientId: 'ann:rnd' })
  })
})

test.each([['yes'], [0], [null]])(
  'first_party: %j is no claim that is understood',
  async (value) => {
    for (const rule of ['application', 'subject'] as const) {
      await expect(identityOf({ first_party: value }, rule)).rejects.toThrow('malformed')
    }
  },
)

test('the rule is a setting, off where nothing is said', () => {
  const read = (env: Record<string, string>) => {
    const reading = readProxyConfig({ MQTT_UPSTREAM: 'mqtt://h', ...env })
    return reading.ok ? reading.config.clientIdRule : reading.faults
  }
  expect(read({})).toBe('subject')
  expect(read({ MQTT_CLIENT_ID_RULE: 'application' })).toBe('application')
  expect(read({ MQTT_CLIENT_ID_RULE: 'client' })).toMatchObject([{ name: 'MQTT_CLIENT_ID_RULE' }])
})

describe('npm start', () => {
  const folder = temporaryFolder()
  afterAll(folder.remove)
  const at = (name: string) => ({ ALLAUTH_FOLDER: join(folder.path, name) })

  test('sets the rule in a new folder, and keeps it there', () => {
    const first = clientIdRule(at('new'))
    expect(first.rule).toBe('application')
    // The worker makes the folder in between.
    mkdirSync(join(folder.path, 'new'))
    first.keep()
    expect(clientIdRule(at('new')).rule).toBe('application')
    expect(clientIdRule({ ...at('new'), MQTT_CLIENT_ID_RULE: 'subject' }).rule).toBe('subject')
  })

  test('leaves a folder of before, and a database elsewhere, as they are', () => {
    mkdirSync(join(folder.path, 'old'))
    for (const env of [at('old'), { ...at('none'), DATABASE_URL: 'libsql://db.example.com' }]) {
      const { rule, keep } = clientIdRule(env)
      keep()
      expect([rule, existsSync(join(env.ALLAUTH_FOLDER, 'client_id_rule'))]).toEqual([
        undefined,
        false,
      ])
    }
  })
})

describe('at the door', () => {
  const narrow: Partial<Identity> = {
    sub: 'ann',
    principal: 'ann',
    client_id: 'narrow',
    client_space: `ann:${NARROW}`,
  }

  test('an assigned id is told to a client of MQTT 5, and its broker gets the same', async () => {
    const { connect, connack } = await open(5, [], { identity: narrow, connect: { clientId: '' } })
    const told = (connack as { properties?: { assignedClientIdentifier?: string } }).properties
      ?.assignedClientIdentifier
    expect(told).toMatch(new RegExp(`^ann:${NARROW}[\\w-]{12}$`))
    expect(connect.clientId).toBe(told)
  })

  test('the id of another application reaches no broker, which would end that one’s session', async () => {
    await open(5, [], { identity: narrow, connect: { clientId: `ann:${NARROW}` } })
    expect(scripted.connections).toBe(1)
    for (const version of [4, 5] as const) {
      const client = await knock(version, { clientId: 'ann:phone' })
      const { returnCode, reasonCode } = (await client.next('connack')) as Packet & {
        returnCode?: number
        reasonCode?: number
      }
      expect(version === 5 ? reasonCode : returnCode).toBe(version === 5 ? 0x85 : 2)
    }
    expect(proxy.refused()).toEqual([
      'client_id_of_another_application',
      'client_id_of_another_application',
    ])
    expect(scripted.connections).toBe(1)
    expect(wires.length).toBe(4)
  })
})
