import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { findUnacknowledged } from '../../../proxy-node/transport/send_queue.ts'

const opened: { destroy(): void }[] = []
afterEach(() => {
  for (const one of opened.splice(0)) one.destroy()
})

async function connectPair(host: string, listen = host): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, listen)
  await once(server, 'listening')
  const reader = connect((server.address() as AddressInfo).port, host)
  const [writer] = (await once(server, 'connection')) as [Socket]
  server.close()
  opened.push(reader, writer)
  return [writer, reader]
}

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '::1'],
  ['127.0.0.1', '::'],
])(
  'to %s from a listener on %s the kernel says what is not taken, and that it gets less',
  async (host, listen) => {
    const [writer, reader] = await connectPair(host, listen)
    reader.pause()
    expect(await findUnacknowledged(writer, 0)).toBe(0)
    while (writer.writableLength === 0) {
      writer.write(Buffer.alloc(1_000_000))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const full = await findUnacknowledged(writer, 0)
    expect(full).toBeGreaterThan(0)
    reader.resume()
    await once(writer, 'drain')
    let left = full
    while (left !== 0) left = await findUnacknowledged(writer, 0)
  },
)

test('of a stream that is no connection nothing is known', async () => {
  expect(await findUnacknowledged(new PassThrough(), 0)).toBeUndefined()
})
