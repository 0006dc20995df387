// The worker on Node: `npm run worker`. The server is @hono/node-server; all else is host.ts.
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { serve } from '@hono/node-server'
import type { Config } from '../environment.ts'
import { createSetupLink } from '../identity/setup.ts'
import type { OutgoingMail } from '../mail/outgoing.ts'
import { isLoopbackHost } from '../web/loopback.ts'
import { runProgram } from './cannot_start.ts'
import { explainListen, logToStderr, startHost } from './host.ts'
import { endSlowBodies } from './http/slow_bodies.ts'

await runProgram(async () => {
  // Started by `npm start`, on the machine of a person who develops.
  const host = await startHost(process.env, logToStderr, {
    showMail: process.send === undefined ? undefined : showMail,
  })
  const { config } = host
  const server = serve({
    fetch: (request, env) =>
      host.fetch(request, 'incoming' in env ? (env.incoming.socket.remoteAddress ?? '') : ''),
    hostname: config.host,
    port: config.port,
  }) as Server
  // Slow peers: the whole head within 10 s, 64 KB of the body within 30 s.
  server.headersTimeout = 10_000
  endSlowBodies(server, { seconds: 30, bytes: 64 * 1024 })
  await new Promise<void>((resolve, reject) => {
    if (server.listening) return resolve()
    server.once('listening', resolve)
    server.once('error', reject)
  }).catch(async (error: unknown) => {
    await host.close()
    throw explainListen(error, config.host, config.port)
  })

  const { port } = server.address() as AddressInfo
  // An internal surface has no pages to open it on.
  const setup_link = config.surface === 'internal' ? null : await createSetupLink(host.system())
  // The one secret that is printed: any reader of this console can set up the first operator.
  if (process.send !== undefined) process.send({ ready: true, port, setup_link })
  else {
    console.log(`AllAuth on Node listens on http://${config.host}:${port}, issuer ${config.issuer}`)
    if (setup_link !== null) console.log(`Set up the first operator: ${setup_link}`)
  }

  giveBackMemory()

  let stopping = false
  const stop = () => {
    if (stopping) process.exit(1)
    stopping = true
    server.close(() => host.close().then(() => process.exit(0)))
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), 5000).unref()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // Started by `npm start`: when that process is gone, only this line stops the worker.
  if (process.send !== undefined) process.on('disconnect', stop)
})

/** A mail of `outbox:` for the console, as far as its issuer is this machine: it holds power. */
function showMail({ to, subject, text }: OutgoingMail, { issuer }: Config): void {
  if (!isLoopbackHost(new URL(issuer).hostname)) return
  console.log(`\nMail to ${to.address}: ${subject}\n\n${text.trim().replace(/^/gm, '  ')}\n`)
}

/**
 * Gives back the memory that reading and compiling the program took. V8 keeps it until its next
 * full collection, which does not come to a program without work.
 */
function giveBackMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect === 'function') collect({ type: 'major', flavor: 'last-resort' })
}
