// The stop of mProxy: sessions end a part at a time, and clients hear where to go.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { drainAtPace } from '../../../proxy-node/operation/draining.ts'
import { buildHouse, connectBytes, type House } from '../fixtures/door.ts'
import { dialWire, type Version } from '../fixtures/wire.ts'

let house: House
beforeAll(async () => {
  house = await buildHouse()
})
afterAll(() => house.stop())

async function start(env: Record<string, string> = {}) {
  const door = await house.start({ MQTT_LISTEN: 'mqtt://127.0.0.1:0', ...env })
  const join = async (sub: string, version: Version = 5) => {
    const wire = await dialWire(door.ports[0]!, version)
    wire.send(await connectBytes(house.issuer, sub, {}, version))
    await wire.next('connack')
    return wire
  }
  return { ...door, join }
}

test('many sessions end a part at a time, the first while the last go on', async () => {
  const door = await start()
  const wires = await Promise.all(Array.from({ length: 60 }, (_, i) => door.join(`dev-${i}`)))
  const stopped = door.proxy.close({ spread: 400, timeout: 1000 })
  const open: number[] = []
  const ends = wires.map(async (wire) => {
    expect(await wire.next('disconnect')).toMatchObject({ reasonCode: 0x8b })
    open.push(wires.filter(({ untaken, isClosed }) => untaken.length === 0 && !isClosed).length)
  })
  await Promise.all([stopped, ...ends])
  // When the first heard of it, most had not.
  expect(open[0]).toBeGreaterThan(30)
  expect(door.lines('session_ended')).toHaveLength(60)
})

test('few sessions end at once, and a session has its time from its turn on', async () => {
  const turns: [number, number][] = []
  const fake = (id: number) => ({
    drain: async (timeout: number) => {
      turns.push([id, timeout])
    },
  })
  const few = drainAtPace([1, 2, 3].map(fake), { spread: 60_000, timeout: 7 })
  expect(turns).toEqual([
    [1, 7],
    [2, 7],
    [3, 7],
  ])
  await few
  await drainAtPace([], { spread: 60_000, timeout: 7 })
})

test('clients of MQTT 5 are sent to another server, where one is named', async () => {
  const door = await start({ MQTT_SERVER_REFERENCE: 'mqtt2.example.com:8883' })
  const [five, three] = [await door.join('five'), await door.join('three', 4)]
  await door.proxy.close({ spread: 0, timeout: 1000 })
  expect(await five.next('disconnect')).toMatchObject({
    reasonCode: 0x9c,
    properties: { serverReference: 'mqtt2.example.com:8883' },
  })
  await three.closed()
  expect(three.untaken).toEqual([])
})
