// The bodies of requests on Node: as long as they come, they may take as long as they like.
import { createServer, type RequestListener, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { endSlowBodies } from '../../worker/entry/node_server/slow_bodies.ts'

const EVERY = 1000

/** A server whose handler answers with the number of bytes that it read. */
async function startServer(before: () => Promise<unknown> = async () => {}): Promise<number> {
  const answer: RequestListener = async (asked, response) => {
    await before()
    let size = 0
    for await (const piece of asked) size += piece.length
    response.end(String(size))
  }
  const server = createServer((asked, response) => {
    Promise.resolve(answer(asked, response)).catch(() => response.destroy())
  })
  endSlowBodies(server, { every: EVERY, least: 1000 })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** The body of the answer; null when the connection was ended without one. */
function send(port: number, write: (piece: Buffer) => Promise<unknown>, pieces: readonly Buffer[]) {
  const sent = request({ port, host: '127.0.0.1', method: 'POST' })
  const answer = new Promise<string | null>((resolve) => {
    sent.on('error', () => resolve(null))
    sent.on('response', (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk
      })
      response.on('error', () => resolve(null))
      response.on('end', () => resolve(text))
    })
  })
  const sending = async () => {
    for (const piece of pieces) {
      if (sent.destroyed) return
      sent.write(piece)
      await write(piece)
    }
    sent.end()
  }
  void sending()
  return answer
}

const pieces = (count: number, size: number) =>
  Array.from({ length: count }, () => Buffer.alloc(size, 97))

test('a body that keeps coming is taken whole, however long it takes', async () => {
  const port = await startServer()
  const answer = await send(port, () => pause(EVERY / 20), pieces(80, 10_000))
  expect(answer).toBe('800000')
})

test('a body that stops, or comes drop by drop, ends with its connection', async () => {
  const port = await startServer()
  expect(await send(port, () => new Promise(() => {}), pieces(1, 10_000))).toBeNull()
  expect(await send(port, () => pause(EVERY / 4), pieces(400, 1))).toBeNull()
})

test('a peer that waits for the worker is not the slow one', async () => {
  const port = await startServer(() => pause(3 * EVERY))
  expect(await send(port, async () => {}, pieces(200, 50_000))).toBe('10000000')
})
