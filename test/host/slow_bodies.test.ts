// Slow peers on Node: a body that trickles in is ended, one that takes long but comes is read.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { endSlowBodies } from '../../worker/entry/http/slow_bodies.ts'

const SECONDS = 0.4
const BYTES = 1000

let server: Server
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

/** Sends a piece of a body as often as `times` says, and answers what came back. */
async function send(
  read: 'at once' | 'late',
  { piece, times, every }: { piece: number; times: number; every: number },
): Promise<string> {
  server = createServer((request, answer) => {
    let length = 0
    const begin = () =>
      request.on('data', (chunk: Buffer) => {
        length += chunk.length
      })
    request.on('end', () => answer.end(`read ${length}`)).on('error', () => undefined)
    setTimeout(begin, read === 'late' ? SECONDS * 4000 : 0)
  })
  endSlowBodies(server, { seconds: SECONDS, bytes: BYTES })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let answer = ''
  socket.on('data', (data) => {
    answer += data.toString()
  })
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  socket.write(
    `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${piece * times}\r\n\r\n`,
  )
  for (let i = 0; i < times && !socket.destroyed; i++) {
    socket.write(Buffer.alloc(piece, 'x'))
    await pause(every)
  }
  await closed
  return answer
}

test('a body that trickles in is ended with 408', async () => {
  const answer = await send('at once', { piece: 1, times: 40, every: 100 })
  expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  expect(answer).not.toContain('read')
})

test('a body that comes on for many times of the limit is read to its end', async () => {
  const answer = await send('at once', { piece: 2000, times: 20, every: 100 })
  expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*read 40000$/)
})

test('a peer that waits for us to read is not slow', async () => {
  const answer = await send('late', { piece: 1_000_000, times: 4, every: 1 })
  expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*read 4000000$/)
})
