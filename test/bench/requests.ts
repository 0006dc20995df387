// Requests of a benchmark, each prepared once and sent over and over: a fixed number of
// connections, each sending its next request when the last was answered.
import { Agent, request } from 'node:http'
import type { Measured } from './load.ts'

/** A request, and the status with which it must be answered. */
export type Prepared = {
  url: string
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body: string
  status: number
  /** Part of the answer that shows that the work was done; '' where the status says it. */
  shows: string
}

export function send(agent: Agent, prepared: Prepared): Promise<void> {
  const { url, method, headers, body, status, shows } = prepared
  return new Promise((resolve, reject) => {
    const length = { 'content-length': Buffer.byteLength(body) }
    const options = { method, agent, headers: { ...headers, ...(body === '' ? {} : length) } }
    const sent = request(url, options, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        if (response.statusCode === status && text.includes(shows)) return resolve()
        reject(new Error(`${url} answered ${response.statusCode} ${text.slice(0, 300)}`))
      })
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Latencies in milliseconds. */
export async function repeat(
  prepared: Prepared,
  { connections, seconds }: { connections: number; seconds: number },
): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const latencies: number[] = []
  const begun = performance.now()
  const end = begun + seconds * 1000
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < end) {
        const at = performance.now()
        await send(agent, prepared)
        latencies.push(performance.now() - at)
      }
    }),
  )
  const taken = (performance.now() - begun) / 1000
  agent.destroy()
  return { requests: latencies.length, seconds: taken, latencies }
}
