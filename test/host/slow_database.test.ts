// Answers of the worker while its database is silent, slow in the middle of an answer, without
// connections, or gone: each comes in time, says when to try again, and the next one is as before.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Database from 'libsql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findFreePort } from '../../worker/entry/broker/free_port.ts'
import { type HranaEndpoint, serveHrana } from '../../worker/entry/hrana/hrana.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { type Program, run } from './programs.ts'

const TIMEOUT = 1
/** For a busy machine; without the limit an answer takes ten seconds and more. */
const SLACK = 6

const { path: folder, remove } = temporaryFolder()
let program: Program
let issuer: string
const file = join(folder, 'remote.db')

afterAll(remove)

async function start(DATABASE_URL: string): Promise<void> {
  const port = await findFreePort()
  issuer = `http://localhost:${port}`
  program = run(process.execPath, [join(ROOT, 'worker/entry/node.ts')], {
    cwd: folder,
    env: {
      PORT: String(port),
      DATABASE_URL,
      DATABASE_TIMEOUT: String(TIMEOUT),
      SECRET_KEY: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8',
    },
  })
  await program.printed(/listens on/)
}

const form = (path: string, fields: Record<string, string>) =>
  fetch(issuer + path, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' })

/** A request of each kind of surface that needs the database to answer. */
const READERS: Record<string, () => Promise<Response>> = {
  readiness: () => fetch(`${issuer}/readyz`),
  'a token request': () =>
    form('/oauth/token', {
      grant_type: 'client_credentials',
      client_id: 'nobody',
      client_secret: 'x'.repeat(40),
    }),
  'a page': () =>
    fetch(`${issuer}/oauth/authorize?client_id=nobody&response_type=code`, {
      headers: { accept: 'text/html' },
    }),
}

async function isInTime(request: () => Promise<Response>): Promise<void> {
  const began = performance.now()
  const answer = await request()
  const text = await answer.text()
  expect(answer.status, text).toBe(503)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((performance.now() - began) / 1000).toBeLessThan(TIMEOUT + SLACK)
}

describe('of a remote database that is', () => {
  let endpoint: HranaEndpoint
  let manner: (request: IncomingMessage, response: ServerResponse) => void
  let url: string

  /** Hands the request on to the real endpoint. */
  const pass = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = 'GET', url: path = '/' } = request
    const body = method === 'GET' ? null : Buffer.concat(chunks)
    const answer = await fetch(endpoint.url + path, { method, body })
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(await answer.text())
  }
  const front = createServer((request, response) => manner(request, response))

  beforeAll(async () => {
    endpoint = await serveHrana({ file, isDurable: false })
    manner = pass
    await new Promise<void>((listening) => front.listen(0, '127.0.0.1', listening))
    url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`
    await start(url)
    return async () => {
      await program.stop()
      front.closeAllConnections()
      front.close()
      await endpoint.close()
    }
  })

  const manners: [string, typeof manner][] = [
    ['silent', (request) => request.resume()],
    [
      'slow in the middle of its answer',
      (request, response) => {
        request.resume()
        response.writeHead(200, { 'content-type': 'application/json' }).write('{"baton":')
      },
    ],
    [
      'out of connections',
      (request, response) => {
        request.resume()
        response.writeHead(429).end('{"error":"timed out while creating a connection"}')
      },
    ],
    ['broken', (request, response) => request.resume() && response.writeHead(502).end('oops')],
    ['gone', (request) => request.socket.destroy()],
  ]

  test.each(manners)('%s', { timeout: 30_000 }, async (_, how) => {
    manner = how
    await Promise.all(Object.values(READERS).map(isInTime))
    // All at once, more than the database has connections for.
    const many = Array.from({ length: 60 }, () => READERS['a token request'] ?? READERS.readiness)
    await Promise.all(many.map((request) => request && isInTime(request)))
    expect((await fetch(`${issuer}/healthz`)).status).toBe(200)

    manner = pass
    const answers = await Promise.all(Object.values(READERS).map((request) => request()))
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 400])
  })

  test('a request that meets a lock of half its time is answered as ever', async () => {
    let busyUntil = performance.now() + TIMEOUT * 450
    manner = (request, response) => {
      if (performance.now() >= busyUntil) return pass(request, response)
      request.resume()
      response.writeHead(429).end('{"error":"timed out while creating a connection"}')
    }
    expect((await READERS['a token request']?.())?.status).toBe(401)
    busyUntil = 0
  })
})

describe('of an embedded database that another program has locked', () => {
  beforeAll(async () => {
    await start(`file:${join(folder, 'embedded.db')}`)
    return () => program.stop().then(() => undefined)
  })

  test('come in time, and those that need no lock at once', { timeout: 30_000 }, async () => {
    const rival = new Database(join(folder, 'embedded.db'), {})
    rival.exec('BEGIN IMMEDIATE')
    // Wrong passwords are counted in the database.
    const page = await fetch(`${issuer}/login`)
    const cookie = (page.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    const csrf = /name="csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? ''
    const signIn = () =>
      fetch(`${issuer}/login`, {
        method: 'POST',
        redirect: 'manual',
        headers: { cookie, origin: issuer },
        body: new URLSearchParams({
          csrf,
          username: 'ann@example.com',
          password: 'guess',
          action: 'login',
        }),
      })
    const locked = Promise.all([isInTime(signIn), isInTime(signIn), isInTime(signIn)])
    expect((await READERS['a token request']?.())?.status).toBe(401)
    await locked
    rival.exec('ROLLBACK')
    rival.close()
    const next = await signIn()
    expect(next.status, await next.text()).toBeLessThan(500)
  })
})
