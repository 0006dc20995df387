// Filters of which a token allows some topics alone, where MQTT_PARTIAL_FILTERS=deliver: through
// mProxy at a real Mosquitto. A model says which messages come, and all others must not.

import fc from 'fast-check'
import mqttjs, { type MqttClient } from 'mqtt'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { AclRule } from '../../../policy/acl.ts'
import { naiveMatch, naiveReceive } from '../../policy/oracle.ts'
import { type Mosquitto, startMosquitto, until } from '../fixtures/mosquitto.ts'
import { allow, deny, identify, type RunningProxy, startProxy } from '../fixtures/proxy.ts'
import type { Version } from '../fixtures/wire.ts'

let broker: Mosquitto
let proxy: RunningProxy
let clients: MqttClient[] = []
let serial = 0

beforeAll(async () => {
  broker = await startMosquitto()
  proxy = await startProxy(broker.port, { limits: { partial_filters: 'deliver' } })
})
afterEach(() => {
  for (const client of clients) client.end(true)
  clients = []
})
afterAll(async () => {
  await proxy.stop()
  await broker.stop()
})

type Message = { topic: string; text: string; retain: boolean; ids: unknown }

async function connect(version: Version, rules: AclRule[], more: mqttjs.IClientOptions = {}) {
  const sub = `part-${++serial}`
  proxy.tokens.set(sub, identify(sub, rules))
  const client = mqttjs.connect(`mqtt://127.0.0.1:${proxy.port}`, {
    protocolVersion: version,
    clientId: sub,
    username: 'any',
    password: sub,
    reconnectPeriod: 0,
    ...more,
  })
  clients.push(client)
  const messages: Message[] = []
  client.on('message', (topic, payload, { retain, properties }) =>
    messages.push({
      topic,
      text: payload.toString(),
      retain,
      ids: properties?.subscriptionIdentifier,
    }),
  )
  client.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve())
    client.once('error', reject)
  })
  const renew = async (next: AclRule[]) => {
    const token = `${sub}-${++serial}`
    const expires_at = Math.floor(Date.now() / 1000) + 3600 + serial
    proxy.tokens.set(token, identify(sub, next, { expires_at }))
    await client.publishAsync('$allauth/token', token, { qos: 1 })
  }
  /** Whether the filter is taken. */
  const ask = async (
    filter: string,
    qos: 0 | 1 | 2,
    options: Partial<mqttjs.IClientSubscribeOptions> = {},
  ) => {
    const [grant] = await client.subscribeAsync(filter, { qos, ...options }).catch(() => [])
    return grant !== undefined && grant.qos < 3
  }
  return Object.assign(client, { sub, messages, renew, ask })
}

describe.each([4, 5] as Version[])('at level %i', (version) => {
  test('one device that is denied is left out, retained messages and every QoS alike', async () => {
    const all = await connect(version, [allow('all', '#')])
    const at = `house-${++serial}`
    await all.publishAsync(`${at}/lamp/state`, 'kept', { retain: true, qos: 1 })
    await all.publishAsync(`${at}/lock/state`, 'secret', { retain: true, qos: 1 })
    const app = await connect(version, [
      deny('subscribe', `${at}/lock/#`),
      allow('subscribe', `${at}/+/state`),
      allow('subscribe', `${at}/end`),
    ])
    expect(await app.ask(`${at}/+/state`, 2)).toBe(true)
    expect(await app.ask(`${at}/lock/+`, 2)).toBe(false)
    expect(await app.ask(`$share/g/${at}/+/state`, 0)).toBe(false)
    expect(await app.ask(`${at}/end`, 2)).toBe(true)
    // More than a window of them: each is acknowledged, or nothing would come behind.
    for (let i = 0; i < 120; i++) {
      await all.publishAsync(`${at}/lock/state`, 'secret', { qos: i % 2 === 0 ? 1 : 2 })
    }
    await all.publishAsync(`${at}/lamp/state`, 'on', { qos: 2 })
    await all.publishAsync(`${at}/end`, 'end', { qos: 2 })
    await until(() => app.messages.some(({ text }) => text === 'end'), 'the end comes')
    expect(app.messages.map(({ text, retain }) => [text, retain])).toEqual([
      ['kept', true],
      ['on', false],
      ['end', false],
    ])
    expect(proxy.counts.deliveryDenied).toBeGreaterThanOrEqual(121)
    proxy.counts.deliveryDenied = 0
    await all.publishAsync(`${at}/lamp/state`, '', { retain: true, qos: 1 })
    await all.publishAsync(`${at}/lock/state`, '', { retain: true, qos: 1 })
  })

  test('a resumed session goes on, and is judged by the rules of now', async () => {
    const all = await connect(version, [allow('all', '#')])
    const at = `house-${++serial}`
    const rules = [deny('subscribe', `${at}/lock/#`), allow('subscribe', `${at}/#`)]
    const keeps = {
      clean: false,
      ...(version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {}),
    }
    const first = await connect(version, rules, keeps)
    expect(await first.ask(`${at}/#`, 1)).toBe(true)
    await first.endAsync()
    await all.publishAsync(`${at}/lamp`, 'lamp', { qos: 1 })
    await all.publishAsync(`${at}/lock`, 'lock', { qos: 1 })
    await all.publishAsync(`${at}/door`, 'door', { qos: 1 })
    proxy.tokens.set(first.sub, identify(first.sub, [deny('subscribe', `${at}/door`), ...rules]))
    const again = mqttjs.connect(`mqtt://127.0.0.1:${proxy.port}`, {
      protocolVersion: version,
      clientId: first.sub,
      username: 'any',
      password: first.sub,
      reconnectPeriod: 0,
      ...keeps,
    })
    clients.push(again)
    const texts: string[] = []
    again.on('message', (_, payload) => texts.push(payload.toString()))
    await new Promise<void>((resolve) => again.once('connect', () => resolve()))
    await all.publishAsync(`${at}/end`, 'end', { qos: 1 })
    await until(() => texts.includes('end'), 'the end comes')
    expect(texts).toEqual(['lamp', 'end'])
  })
})

test('a subscription identifier and No Local hold for a filter that is taken in part', async () => {
  const at = `house-${++serial}`
  const all = await connect(5, [allow('all', '#')])
  const app = await connect(5, [deny('subscribe', `${at}/lock`), allow('all', `${at}/#`)])
  expect(await app.ask(`${at}/+`, 1, { nl: true, properties: { subscriptionIdentifier: 7 } })).toBe(
    true,
  )
  await app.publishAsync(`${at}/lamp`, 'own', { qos: 1 })
  await all.publishAsync(`${at}/lock`, 'no', { qos: 1 })
  await all.publishAsync(`${at}/lamp`, 'other', { qos: 1 })
  await until(() => app.messages.length > 0, 'a message comes')
  expect(app.messages.map(({ text, ids }) => [text, ids])).toEqual([['other', 7]])
})

// --- the property -----------------------------------------------------------------------------

const PLACES = ['a', 'b', 'c'].flatMap((one) => [`${one}/state`, `${one}/set`, one])
const FILTERS = ['+/state', '#', 'a/+', '+/+', 'b/#', '+', ...PLACES]
const rule = fc.record({
  permission: fc.constantFrom(
    'allow' as const,
    'allow' as const,
    'allow' as const,
    'deny' as const,
  ),
  topic: fc.constantFrom(...FILTERS),
})
const rules = fc.array(rule, { minLength: 1, maxLength: 5 })
const subscriptions = fc.uniqueArray(
  fc.record({ filter: fc.constantFrom(...FILTERS), qos: fc.constantFrom(0, 1, 2) }),
  { minLength: 1, maxLength: 3, selector: ({ filter }) => filter },
)
const round = fc.array(
  fc.record({
    topic: fc.constantFrom(...PLACES),
    qos: fc.constantFrom(0, 1, 2),
    retain: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
)

test('all that the rules allow is delivered and nothing that they deny, before and after they change', async () => {
  const counts = { delivered: 0, dropped: 0, inPart: 0, refused: 0 }
  const all = await connect(5, [allow('all', '#')])
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<Version>(4, 5),
      rules,
      rules,
      subscriptions,
      fc.tuple(round, round, round),
      async (version, before, after, asked, [kept, first, second]) => {
        const at = `t${++serial}`
        // Denials first, as the issuer writes them.
        const listOf = (list: typeof before): AclRule[] => [
          allow('subscribe', `${at}-end`),
          ...list
            .filter((one) => one.permission === 'deny')
            .map((one) => deny('subscribe', `${at}/${one.topic}`)),
          ...list
            .filter((one) => one.permission === 'allow')
            .map((one) => allow('subscribe', `${at}/${one.topic}`)),
        ]
        const may = (list: typeof before, topic: string) =>
          naiveReceive(listOf(list), `${at}/${topic}`)
        let sent = 0
        const send = async (some: typeof kept, retains: boolean) => {
          const texts: { topic: string; text: string }[] = []
          for (const { topic, qos, retain } of some) {
            const text = `${++sent}`
            const options = { qos: qos as 0 | 1 | 2, retain: retains && retain }
            texts.push({ topic, text })
            await all.publishAsync(`${at}/${topic}`, text, options)
          }
          return texts
        }
        const old = await send(kept, true)
        const retained = new Map<string, string>()
        for (const [i, { topic, text }] of old.entries()) {
          if (kept[i]!.retain) retained.set(topic, text)
        }
        // No smaller window: Mosquitto 2.0 itself stalls now and then where one of 2 is full of
        // both QoS 1 and 2, without a proxy too. The tests above fill a window with drops.
        const client = await connect(version, listOf(before))
        const taken: string[] = []
        await client.ask(`${at}-end`, 2)
        const end = async (text: string) => {
          await all.publishAsync(`${at}-end`, text, { qos: 2 })
          await until(() => client.messages.some((one) => one.text === text), `${text} comes`)
        }
        for (const { filter, qos } of asked) {
          const matched = PLACES.filter((topic) => naiveMatch(filter, topic))
          const reached = matched.filter((topic) => may(before, topic))
          const isTaken = await client.ask(`${at}/${filter}`, qos as 0 | 1 | 2)
          if (isTaken) taken.push(filter)
          // A refused filter may deliver nothing; `#` and `+` match more than the places.
          if (!isTaken) expect(reached).toEqual([])
          if (isTaken && reached.length < matched.length) counts.inPart++
          if (!isTaken) counts.refused++
        }
        const isExpected = (list: typeof before, topic: string) =>
          may(list, topic) && taken.some((filter) => naiveMatch(filter, topic))
        const expected = new Set<string>()
        const note = (list: typeof before, some: { topic: string; text: string }[]) => {
          for (const { topic, text } of some) {
            if (isExpected(list, topic)) expected.add(text)
            else counts.dropped++
          }
        }
        note(
          before,
          [...retained].map(([topic, text]) => ({ topic, text })),
        )
        note(before, await send(first, false))
        await end('end-1')
        await client.renew(listOf(after))
        note(after, await send(second, false))
        await end('end-2')
        const got = new Set(client.messages.map(({ text }) => text))
        for (const text of ['end-1', 'end-2']) got.delete(text)
        counts.delivered += got.size
        expect([...got].sort()).toEqual([...expected].sort())
        client.end(true)
        for (const topic of retained.keys()) {
          await all.publishAsync(`${at}/${topic}`, '', { retain: true, qos: 0 })
        }
      },
    ),
    // Shrinking would wait for each message that does not come.
    { numRuns: 60, endOnFailure: true },
  )
  console.log(`filters in part: ${JSON.stringify(counts)}`)
  expect(counts.inPart).toBeGreaterThan(10)
  expect(counts.dropped).toBeGreaterThan(50)
}, 60_000)
