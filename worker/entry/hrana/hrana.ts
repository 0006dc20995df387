// A libSQL server over HTTP (Hrana, versions 2 and 3) in front of one local file. FOR DEVELOPMENT
// AND TESTS ONLY: one process, one file, fewer promises about the disk than sqld. workerd cannot
// open files, so `npm run dev` and the tests of the worker need it. Also a program of its own: node
// worker/entry/hrana/hrana.ts --file .allauth/dev.db --port 8080
// Files: protocol.ts has the messages, stream.ts carries them out on the connections of
// connections.ts, sql_text.ts finds the statements of a text.
// Owns no table, and leaves the meaning of statements to SQLite.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Connections } from './connections.ts'
import { cursorRequest, pipeline } from './protocol.ts'
import { errorMessage, Stream } from './stream.ts'

export interface HranaOptions extends HranaServiceOptions {
  host?: string
  /** 0 for any free one. */
  port?: number
}

export interface HranaServiceOptions {
  file: string
  /** When set, requests must carry it as their bearer token. */
  authToken?: string | undefined
  /** Milliseconds after which a silent stream is rolled back. */
  idleTimeout?: number
  /** Milliseconds that a writer waits for the others. */
  lockTimeout?: number
  /** In bytes. */
  maxBodySize?: number
  /** Called with each text before it runs. */
  onStatement?: (sql: string) => void
  /**
   * True when the file must survive a crash of the machine. Otherwise nothing waits for the disk.
   */
  isDurable?: boolean
}

interface Counted {
  /** Pipelines received since the start or the last reset: the number of round trips. */
  requests(): number
  resetRequests(): void
  close(): Promise<void>
}

export interface HranaEndpoint extends Counted {
  readonly url: string
}

/** An endpoint behind a server that has others too. */
export interface HranaService extends Counted {
  /** `path`: what follows the address of the endpoint, such as `/v2/pipeline`. */
  answer(request: IncomingMessage, response: ServerResponse, path: string): void
  /** Rolls back the streams at rest, and resolves when no request is in work. */
  settle(): Promise<void>
}

class HttpRefusal extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, message: string, code: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export function openHrana({
  file,
  authToken,
  idleTimeout = 10_000,
  lockTimeout = 5_000,
  maxBodySize = 16 * 1024 * 1024,
  isDurable = true,
  onStatement = () => {},
}: HranaServiceOptions): HranaService {
  mkdirSync(dirname(resolve(file)), { recursive: true })
  const connections = new Connections(resolve(file), lockTimeout, isDurable, onStatement)
  const resting = new Map<string, { stream: Stream; timer: NodeJS.Timeout }>()
  const expired = new Set<string>()
  let count = 0
  const running = new Set<Promise<unknown>>()

  function wake(baton: string): Stream {
    const found = resting.get(baton)
    if (found === undefined) {
      throw expired.has(baton)
        ? new HttpRefusal(400, 'The stream has expired due to inactivity', 'STREAM_EXPIRED')
        : new HttpRefusal(400, 'The baton is invalid, or was used before', 'BATON_INVALID')
    }
    clearTimeout(found.timer)
    resting.delete(baton)
    return found.stream
  }

  function rest(stream: Stream): string | null {
    if (stream.isClosed) return null
    const baton = randomBytes(24).toString('base64url')
    const timer = setTimeout(() => {
      resting.delete(baton)
      if (expired.size >= 1000) expired.clear()
      expired.add(baton)
      stream.close()
    }, idleTimeout)
    resting.set(baton, { stream, timer })
    return baton
  }

  const streamOf = (baton: string | null | undefined) =>
    baton == null ? new Stream(connections) : wake(baton)

  async function runPipeline(request: IncomingMessage): Promise<readonly object[]> {
    count++
    const { baton: previous, requests } = await readMessage(request, pipeline, maxBodySize)
    const stream = streamOf(previous)
    const results: object[] = []
    try {
      for (const each of requests) {
        try {
          results.push({ type: 'ok', response: await stream.answer(each) })
        } catch (error) {
          results.push({ type: 'error', error: errorMessage(error) })
        }
      }
    } finally {
      if (connections.isClosed) stream.close()
    }
    connections.lockFreed()
    return [{ baton: rest(stream), base_url: null, results }]
  }

  async function runCursor(request: IncomingMessage): Promise<readonly object[]> {
    count++
    const { baton: previous, batch } = await readMessage(request, cursorRequest, maxBodySize)
    const stream = streamOf(previous)
    let entries: object[]
    try {
      entries = await stream.cursor(batch)
    } catch (error) {
      entries = [{ type: 'error', error: errorMessage(error) }]
    } finally {
      if (connections.isClosed) stream.close()
    }
    connections.lockFreed()
    return [{ baton: rest(stream), base_url: null }, ...entries]
  }

  /** The lines of the answer: one, or those of a cursor. */
  async function linesOf(request: IncomingMessage, path: string): Promise<readonly object[]> {
    // A web page in a browser on this machine can reach a loopback address; it is refused.
    if (request.headers.origin !== undefined) {
      throw new HttpRefusal(403, 'Not for browsers', 'FORBIDDEN')
    }
    if (request.method === 'GET' && /^\/(v2|v3|health)?$/.test(path)) return [{}]
    const run = path === '/v3/cursor' ? runCursor : /^\/v[23]\/pipeline$/.test(path) && runPipeline
    if (!run) throw new HttpRefusal(404, 'Not found', 'NOT_FOUND')
    if (request.method !== 'POST') throw new HttpRefusal(405, 'POST only', 'METHOD_NOT_ALLOWED')
    if (authToken && !isSame(request.headers.authorization ?? '', `Bearer ${authToken}`)) {
      throw new HttpRefusal(401, 'The bearer token is missing or wrong', 'AUTH_INVALID')
    }
    return run(request)
  }

  function endResting(): void {
    for (const { stream, timer } of resting.values()) {
      clearTimeout(timer)
      stream.close()
    }
    resting.clear()
  }

  async function settle(): Promise<void> {
    while (resting.size > 0 || running.size > 0) {
      endResting()
      await Promise.allSettled(running)
    }
  }

  return {
    answer(request, response, path) {
      const answered = linesOf(request, path)
      running.add(answered)
      answered.finally(() => running.delete(answered)).catch(() => undefined)
      answered.then(
        (lines) => send(response, 200, lines),
        (error: unknown) => {
          // The rest of a refused body is not read, so the connection cannot go on.
          if (!request.complete) response.setHeader('connection', 'close')
          const status = error instanceof HttpRefusal ? error.status : 500
          const code = error instanceof HttpRefusal ? error.code : 'INTERNAL_ERROR'
          send(response, status, [{ message: errorMessage(error).message, code }])
        },
      )
    },
    requests: () => count,
    resetRequests() {
      count = 0
    },
    settle,
    async close() {
      connections.close() // callers that wait for a lock give up
      await settle()
    },
  }
}

export async function serveHrana({
  host = '127.0.0.1',
  port = 0,
  ...options
}: HranaOptions): Promise<HranaEndpoint> {
  const service = openHrana(options)
  const server = createServer((request, response) =>
    service.answer(request, response, new URL(request.url ?? '/', 'http://local').pathname),
  )
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(port, host, listening)
  }).catch(async (error: unknown) => {
    await service.close()
    throw error
  })
  const { port: bound } = server.address() as AddressInfo

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    requests: service.requests,
    resetRequests: service.resetRequests,
    async close() {
      const closed = new Promise((done) => server.close(done))
      server.closeAllConnections()
      await Promise.all([service.close(), closed])
    },
  }
}

async function readMessage<T>(
  request: IncomingMessage,
  schema: { parse(message: unknown): T },
  maxBodySize: number,
): Promise<T> {
  const tooLarge = () => new HttpRefusal(413, 'The request is too large', 'REQUEST_TOO_LARGE')
  if (Number(request.headers['content-length'] ?? 0) > maxBodySize) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length
    if (size > maxBodySize) throw tooLarge()
    chunks.push(chunk as Buffer)
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    return schema.parse(JSON.parse(text))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new HttpRefusal(400, `Not such a message: ${reason.slice(0, 500)}`, 'HRANA_PROTO_ERROR')
  }
}

function send(response: ServerResponse, status: number, lines: readonly object[]): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(lines.map((line) => JSON.stringify(line)).join('\n'))
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

async function main(): Promise<void> {
  try {
    const { values } = parseArgs({
      options: {
        file: { type: 'string' },
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '8080' },
      },
    })
    if (values.file === undefined) throw new Error('--file is missing, for example --file dev.db')
    if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535) {
      throw new Error(`--port ${values.port} is not a port, for example --port 8080`)
    }
    const endpoint = await serveHrana({
      file: values.file,
      host: values.host,
      port: Number(values.port),
      authToken: process.env['DATABASE_AUTH_TOKEN'],
    })
    console.log(`local libSQL endpoint, for development and tests only: ${endpoint.url}`)
    const stop = () => void endpoint.close().then(() => process.exit(0))
    process.once('SIGINT', stop).once('SIGTERM', stop)
  } catch (error) {
    console.error(`local libSQL endpoint: ${error instanceof Error ? error.message : error}`)
    process.exit(2)
  }
}

if (import.meta.main) await main()
