// Since when a peer takes nothing: a look that saw bytes go moves that time, one that did not leaves it.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { findUnacknowledged } from '../../../proxy-node/transport/send_queue.ts'
import { Sink } from '../../../proxy-node/transport/sink.ts'
import { until } from '../fixtures/mosquitto.ts'

test('bytes that the peer takes are progress long before all of them are taken', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [writer] = (await once(server, 'connection')) as [Socket]
  server.close()
  reader.pause()
  let drains = 0
  writer.on('drain', () => drains++)
  do {
    drains = 0
    writer.write(Buffer.alloc(1_000_000))
    await new Promise((resolve) => setTimeout(resolve, 20))
  } while (drains > 0)

  const sink = new Sink(writer)
  /** Looks, and waits until the system has told. */
  const look = async () => {
    sink.look(0)
    await findUnacknowledged(writer, 0)
  }
  await look()
  expect(sink.stuckSince).toBe(0)
  sink.note(true)
  await look()
  expect(sink.stuckSince).toBeGreaterThan(0)
  let before = 0
  await until(async () => {
    before = sink.stuckSince
    for (let i = 0; i < 3; i++) await look()
    return sink.stuckSince === before
  }, 'nothing moves any more')
  reader.on('data', () => reader.pause())
  await until(async () => {
    reader.resume()
    await look()
    return sink.stuckSince > before
  }, 'a step is seen')
  expect(drains).toBe(0)
  sink.note(false)
  expect(sink.stuckSince).toBe(0)
  reader.destroy()
  writer.destroy()
})
