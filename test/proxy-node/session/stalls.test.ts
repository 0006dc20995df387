// Peers that stop, and peers that are only slow: the first are noticed on both sides, the second are
// left alone as long as they take or send anything.

import mqtt, { type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { until } from '../fixtures/mosquitto.ts'
import { begin, both, marker, ok, open, proxy } from '../fixtures/stage.ts'
import { publish, subscribe, type Wire } from '../fixtures/wire.ts'

const STALL = 200
const patient = { connect: { keepalive: 0 } }
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Reads so many bytes a second, as a modem with a bad line does. */
function readSlowly({ socket }: Wire, rate: number): () => void {
  const began_at = performance.now()
  let isSlow = true
  let read = 0
  const isDue = () => read < ((performance.now() - began_at) / 1000) * rate
  socket.on('data', (chunk) => {
    read += chunk.length
    if (isSlow && !isDue()) socket.pause()
  })
  socket.pause()
  const timer = setInterval(() => isDue() && socket.resume(), 20)
  return () => {
    isSlow = false
    clearInterval(timer)
    socket.resume()
  }
}

describe.each(both)('at level %i', (version) => {
  const large = mqtt.generate(publish('ok', { payload: Buffer.alloc(200_000) }), {
    protocolVersion: version,
  })

  test.each([
    ['a PUBLISH that is read whole', mqtt.generate(publish('ok'), { protocolVersion: version })],
    ['a PUBLISH that is streamed', large],
  ])('a broker that stops in %s is lost', async (_, packet) => {
    await begin({ write_stall_timeout_ms: STALL })
    const { client, broker } = await open(version, [ok], patient)
    broker.send(packet.subarray(0, packet.length - 1))
    await client.closed()
    await broker.closed()
    expect(proxy.ended()).toEqual(['broker_lost'])
  })

  test('a broker that is dead behind a client that pings is lost', async () => {
    await begin({ write_stall_timeout_ms: STALL })
    const { client, broker } = await open(version, [ok], { connect: { keepalive: 60 } })
    client.send({ cmd: 'pingreq' })
    await broker.next('pingreq')
    const timer = setInterval(() => client.send({ cmd: 'pingreq' }), STALL / 4)
    if (version === 5) expect((await client.next('disconnect')).reasonCode).toBe(0x80)
    await client.closed()
    clearInterval(timer)
    expect(proxy.ended()).toEqual(['broker_lost'])
  })

  test('a broker that answers each SUBSCRIBE in time is not lost, one that answers no more is', async () => {
    await begin({ write_stall_timeout_ms: STALL, inflight_subscribes_max: 1 })
    const { client, broker } = await open(version, [ok], patient)
    client.send(subscribe(1, 'ok'))
    await broker.next('subscribe')
    await pause(STALL / 4)
    broker.send({ cmd: 'suback', messageId: 1, granted: [0] } as Packet)
    await client.next('suback')
    client.send(subscribe(2, 'ok'))
    await broker.next('subscribe')
    await client.closed()
    expect(proxy.ended()).toEqual(['broker_lost'])
  })
})

test('a broker that sends a byte at a time is not', async () => {
  await begin({ write_stall_timeout_ms: 3 * STALL })
  const { client, broker } = await open(5, [ok], patient)
  // Another session, whose broker stops, is the clock.
  const other = await open(5, [ok], patient)
  other.broker.send(Buffer.from([0x30, 0x10]))
  const bytes = mqtt.generate(publish('ok', { payload: Buffer.alloc(90) }), {
    protocolVersion: 5,
  })
  let at = 0
  while (!other.client.isClosed) {
    broker.send(bytes.subarray(at, ++at))
    await pause(STALL / 20)
  }
  broker.send(bytes.subarray(at))
  expect((await client.next('publish')).topic).toBe('ok')
  expect(proxy.ended()).toEqual(['broker_lost'])
})

test('a broker that answers pings late, or has other things to say first, is not lost', async () => {
  await begin({ write_stall_timeout_ms: 2 * STALL })
  const { client, broker } = await open(5, [ok], { connect: { keepalive: 60 } })
  client.send({ cmd: 'pingreq' }, { cmd: 'pingreq' })
  for (let i = 0; i < 16; i++) {
    await pause(STALL / 8)
    broker.send(i === 14 ? { cmd: 'pingresp' } : marker)
  }
  broker.send({ cmd: 'pingresp' })
  await pause(3 * STALL)
  expect(proxy.ended()).toEqual([])
  expect(client.untaken.filter(({ cmd }) => cmd === 'pingresp')).toHaveLength(2)
})

test('a broker that reads slowly is left alone, beside one that reads nothing and began later', async () => {
  // The system tells of progress in steps of some 200 KB here, for which the slow one needs 300 ms;
  // to Node it tells of steps of more than a megabyte.
  await begin({ write_stall_timeout_ms: 5 * STALL })
  const large = mqtt.generate(publish('ok', { payload: Buffer.alloc(200_000) }))
  const slow = await open(4, [ok], patient)
  const goOn = readSlowly(slow.broker, 650_000)
  for (let i = 0; i < 100; i++) slow.client.socket.write(large)
  await until(() => proxy.streams[0]!.isPaused(), 'mProxy waits for the slow one')
  const dead = await open(4, [ok], patient)
  dead.broker.socket.pause()
  for (let i = 0; i < 100; i++) dead.client.socket.write(large)
  await until(() => proxy.ended().length > 0, 'one is given up')
  expect(proxy.events.at(-1)).toMatchObject({ id: proxy.sessions[1]!.id, reason: 'broker_lost' })
  expect(slow.broker.untaken.length).toBeLessThan(100)
  goOn()
  await until(() => slow.broker.untaken.length === 100, 'every message comes')
})
