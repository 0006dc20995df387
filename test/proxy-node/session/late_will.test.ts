// A Will with a delay is published by the end of the token that allowed it.

import type { Packet } from 'mqtt-packet'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../fixtures/mosquitto.ts'
import { allow, identify, type RunningProxy, startProxy } from '../fixtures/proxy.ts'
import { login, startAccepting, type Wire } from '../fixtures/wire.ts'

const LIFE = 1000
let now = 0
let accepting: Awaited<ReturnType<typeof startAccepting>>
let proxy: RunningProxy

beforeEach(async () => {
  now = Date.now()
  accepting = await startAccepting(0)
  // The session looks at its deadlines this often, without any packet.
  proxy = await startProxy(accepting.port, {
    limits: { write_stall_timeout_ms: 40 },
    now: () => now,
  })
})
afterEach(async () => {
  await proxy.stop()
  accepting.stop()
})

type Options = { delay: number; qos?: 0 | 1 | 2; expiry?: number }

async function begin({ delay, qos = 1, expiry = 100_000 }: Options) {
  const expires_at = Math.floor(now / 1000) + LIFE
  proxy.tokens.set('dev', identify('dev', [allow('publish', 'will')], { expires_at }))
  const properties = { willDelayInterval: delay, contentType: 'text/x' }
  const client = await login(proxy.port, 5, 'dev', {
    keepalive: 0,
    properties: { sessionExpiryInterval: expiry },
    will: { topic: 'will', payload: Buffer.from('gone'), qos, retain: true, properties },
  })
  return { client, broker: accepting.brokers.at(-1)! }
}

function willOf({ packets: [connect] }: Wire) {
  if (connect?.cmd !== 'connect') throw new Error('no CONNECT came')
  return connect.will
}

const later = ({ packets }: Wire): Packet[] => packets.slice(1)
const published = (qos: number) => ({
  cmd: 'publish',
  topic: 'will',
  payload: Buffer.from('gone'),
  qos,
  retain: true,
  properties: { contentType: 'text/x' },
})
const goodbye = { cmd: 'disconnect', reasonCode: 0 }

test.each([
  [5, 5],
  [LIFE, LIFE],
  [7 * 86_400, LIFE],
  [0xffffffff, LIFE],
])('a delay of %i s reaches the broker as %i s', async (delay, bounded) => {
  const { broker } = await begin({ delay })
  const { willDelayInterval, contentType } = willOf(broker)?.properties ?? {}
  expect([bounded - (willDelayInterval ?? 0) < 2, contentType]).toEqual([true, 'text/x'])
  expect(willDelayInterval).toBeLessThanOrEqual(bounded)
  expect(willOf(broker)).toMatchObject({ topic: 'will', payload: Buffer.from('gone'), qos: 1 })
})

describe('where the delay would go beyond the end of the token', () => {
  test.each([0, 1, 2] as const)('a Will of QoS %i comes when the token runs out', async (qos) => {
    const { broker } = await begin({ delay: 100, qos })
    now += 1000 * LIFE
    await until(() => broker.isClosed, 'the session ends')
    expect(later(broker)).toMatchObject([published(Math.min(qos, 1)), goodbye])
    expect(proxy.ended()).toEqual(['token_expired'])
  })

  test('it comes when the client is gone shortly before', async () => {
    const { client, broker } = await begin({ delay: 100 })
    now += 1000 * (LIFE - 50)
    client.close()
    await until(() => broker.isClosed, 'the session ends')
    expect(later(broker)).toMatchObject([published(1), goodbye])
  })

  test('it comes when the client asks for it, and not when it says goodbye', async () => {
    for (const reasonCode of [4, 0]) {
      const { client, broker } = await begin({ delay: 100 })
      now += 1000 * (LIFE - 50)
      client.send({ cmd: 'disconnect', reasonCode, properties: { sessionExpiryInterval: 9 } })
      await until(() => broker.isClosed, 'the session ends')
      const farewell = { ...goodbye, properties: { sessionExpiryInterval: 9 } }
      expect(later(broker)).toMatchObject(reasonCode === 4 ? [published(1), farewell] : [farewell])
    }
  })

  test('it does not come when the session is revoked', async () => {
    const { broker } = await begin({ delay: 100 })
    now += 1000 * (LIFE - 50)
    proxy.sessions[0]!.revoke()
    await until(() => broker.isClosed, 'the session ends')
    expect(later(broker)).toMatchObject([goodbye])
  })
})

describe('else it is left to the broker', () => {
  test.each([
    ['long before', { delay: 100 }, LIFE - 200],
    ['where the session ends by then, and the Will with it', { delay: 100, expiry: 10 }, LIFE - 50],
  ])('%s', async (_, options, passed) => {
    const { client, broker } = await begin(options)
    now += 1000 * passed
    client.close()
    await until(() => broker.isClosed, 'the session ends')
    expect(later(broker)).toEqual([])
  })
})
