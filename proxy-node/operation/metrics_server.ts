// The address of METRICS_LISTEN: /metrics for Prometheus, /healthz and /readyz for a supervisor.
// The numbers are metrics.ts's; whether mProxy is ready is said by index.ts.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Metrics } from './metrics.ts'

/** The answer of /readyz: each part, and whether clients should be sent here. */
export type Readiness = {
  ready: boolean
  keys: boolean
  broker: boolean
  /** Whether connections are let in, as far as the memory goes. */
  memory: boolean
  draining: boolean
}

/** Serves the three documents; resolves with the port once it listens, rejects if it cannot. */
export function serveMetrics(
  { host, port }: { host: string; port: number },
  metrics: Metrics,
  readiness: () => Promise<Readiness>,
): Promise<{ port: number; close: () => Promise<void> }> {
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('cache-control', 'no-store')
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end()
      return
    }
    const [path] = (request.url ?? '').split('?')
    if (path === '/metrics') {
      response.setHeader('content-type', metrics.contentType)
      response.end(await metrics.text())
    } else if (path === '/healthz') {
      response.setHeader('content-type', 'application/json').end('{"healthy":true}\n')
    } else if (path === '/readyz') {
      const state = await readiness()
      response.writeHead(state.ready ? 200 : 503, { 'content-type': 'application/json' })
      response.end(`${JSON.stringify(state)}\n`)
    } else {
      response.writeHead(404).end()
    }
  }

  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5000 },
    (request, response) => {
      answer(request, response).catch(() => response.destroy())
    },
  )
  server.maxConnections = 64
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      // An accept that fails concerns one scrape, and the next one comes by itself.
      server.on('error', () => {})
      const address = server.address()
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : port,
        async close() {
          server.closeAllConnections()
          await new Promise((done) => server.close(done))
        },
      })
    })
  })
}
