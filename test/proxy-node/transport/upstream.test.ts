// Reaching a broker: failover, patience, giving up, TLS.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { expect, test } from 'vitest'
import { createDial } from '../../../proxy-node/transport/upstream.ts'
import { temporaryFolder } from '../../support/folder.ts'

const never = new AbortController().signal
const dead = { host: '127.0.0.1', port: 1, tls: false }

async function listen() {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = (server.address() as AddressInfo).port
  return {
    address: { host: '127.0.0.1', port, tls: false },
    connections: () => connections,
    server,
  }
}

test('an address that is down is left out for one that is not', async () => {
  const [first, second] = [await listen(), await listen()]
  const dial = createDial([first.address, { ...second.address, username: 'u' }])
  const ask = async () => {
    const { stream, username } = await dial(never)
    stream.destroy()
    return username === 'u' ? 'second' : 'first'
  }
  expect(await ask()).toBe('first')
  first.server.close()
  await once(first.server, 'close')
  expect([await ask(), await ask()]).toEqual(['second', 'second'])
  second.server.close()
})

test('when all are down it fails, and finds the first that is back at once', async () => {
  const broker = await listen()
  broker.server.close()
  await once(broker.server, 'close')
  const dial = createDial([dead, broker.address])
  await expect(dial(never)).rejects.toThrow('no broker is reachable')
  broker.server.listen(broker.address.port, '127.0.0.1')
  await once(broker.server, 'listening')
  const { stream } = await dial(never)
  stream.destroy()
  broker.server.close()
})

test('a dial that was given up leaves no connection behind', async () => {
  const broker = await listen()
  const given = new AbortController()
  const dialled = createDial([broker.address])(given.signal)
  given.abort()
  await expect(dialled).rejects.toThrow()
  await expect(createDial([dead])(given.signal)).rejects.toThrow()
  const counted = new Promise<number>((resolve, reject) => {
    broker.server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })
  expect(await counted).toBe(0)
  broker.server.close()
})

test('mqtts: a certificate is verified, and one that is not trusted refused', async () => {
  const { path: folder, remove } = temporaryFolder()
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '1']
  execFileSync('openssl', [...request, ...name, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (socket) => {
    socket.on('error', () => {})
    socket.end('hello')
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = { host: 'localhost', port: (server.address() as AddressInfo).port, tls: true }
  const { stream } = await createDial([address], { tls: () => ({ ca: readFileSync(cert) }) })(never)
  const [chunk] = await once(stream, 'data')
  expect(String(chunk)).toBe('hello')
  stream.destroy()
  await expect(createDial([address])(never)).rejects.toThrow('no broker is reachable')
  server.close()
  remove()
})
