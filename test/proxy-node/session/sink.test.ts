// Since when a peer takes nothing: a look that saw bytes go moves that time, one that did not leaves it.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Sink } from '../../../proxy-node/session/sink.ts'
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
  /** Looks so often that the system would have told. */
  const look = async () => {
    const before = sink.stuckSince
    for (let i = 0; i < 5 && sink.stuckSince === before; i++) {
      sink.look(0)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return sink.stuckSince !== before
  }
  sink.look(0)
  expect(sink.stuckSince).toBe(0)
  sink.note(true)
  expect(await look()).toBe(true)
  await until(async () => !(await look()), 'nothing moves any more')
  let read = 0
  reader.on('data', (chunk: Buffer) => {
    read += chunk.length
    reader.pause()
  })
  reader.resume()
  await until(async () => {
    reader.resume()
    return await look()
  }, 'a step is seen')
  expect([read > 0, drains]).toEqual([true, 0])
  sink.note(false)
  expect(sink.stuckSince).toBe(0)
  reader.destroy()
  writer.destroy()
})
