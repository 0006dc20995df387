// Requests to the outside as Node sends them, to real servers: what comes back whole, and what is
// given up.
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sendOutside } from '../../worker/entry/http/outside_requests.ts'
import { guardFetch } from '../../worker/outside.ts'

let server: Server
let origin: string
const asked: string[] = []

const answers: Record<string, RequestListener> = {
  '/keys': (_, response) => response.end('{"keys":[]}'),
  '/echo': (request, response) => {
    request.setEncoding('utf8')
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => response.end(`${request.method} ${request.headers.host} ${text}`))
  },
  '/elsewhere': (_, response) => response.writeHead(302, { location: '/keys' }).end(),
  '/nothing': (_, response) => response.writeHead(204).end(),
  '/huge': (_, response) => response.end('x'.repeat(100_000)),
  '/silent': () => {},
  '/drip': (_, response) => {
    const timer = setInterval(() => response.write('x'), 5)
    response.on('close', () => clearInterval(timer))
  },
}

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    answers[request.url ?? '']?.(request, response)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const fetch = guardFetch(sendOutside(true), true)

test('an answer comes whole, with its status and headers', async () => {
  expect(await fetch(`${origin}/keys`)).toMatchObject({ status: 200, text: '{"keys":[]}' })
  expect(await fetch(`${origin}/nothing`)).toMatchObject({ status: 204, text: '' })
  const posted = await fetch(`${origin}/echo`, { method: 'POST', body: 'logout_token=ä' })
  expect(posted.text).toBe(`POST ${new URL(origin).host} logout_token=ä`)
})

test('a redirect, a huge answer, a silent and a dripping peer are given up', async () => {
  const reasonOf = (path: string) =>
    fetch(`${origin}${path}`, { timeout_ms: 200 }).then(
      () => 'answered',
      (error) => error.reason,
    )
  expect(await reasonOf('/elsewhere')).toBe('redirect')
  expect(await reasonOf('/huge')).toBe('too_large')
  expect(await reasonOf('/silent')).toBe('timeout')
  expect(await reasonOf('/drip')).toBe('timeout')
})

test('a peer that is not there, and a name that is none, are unreachable', async () => {
  await expect(fetch('http://127.0.0.1:1/')).rejects.toMatchObject({ reason: 'unreachable' })
  await expect(fetch('http://no-such-name.invalid/')).rejects.toMatchObject({
    reason: 'unreachable',
  })
})

test('a name that leads to a private address is refused after DNS, and nothing is sent', async () => {
  // The guard for names is passed by, so that only what DNS answers is left to judge: localhost is
  // loopback.
  const send = sendOutside(false)
  const { port } = new URL(origin)
  const before = asked.length
  const init = { method: 'GET', headers: {}, body: undefined, signal: new AbortController().signal }
  await expect(send(new URL(`http://localhost:${port}/keys`), init)).rejects.toMatchObject({
    reason: 'private_address',
  })
  expect(asked.length).toBe(before)
})
