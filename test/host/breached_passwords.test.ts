// The look-up of leaked passwords against a real HTTP server that is slow, broken, lying or huge.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const SECRET = 'ops-secret-of-at-least-32-characters-0001'
const LEAKED = 'plum tree in my dogs'
const DIGEST = createHash('sha1').update(LEAKED).digest('hex').toUpperCase()
const LINE = `${DIGEST.slice(5)}:17\r\n`

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const ANSWERS: Readonly<Record<string, Answer>> = {
  good: (_, response) => response.end(`${'0'.repeat(35)}:0\r\n${LINE}`),
  silent: () => {},
  drip: (_, response) => {
    const timer = setInterval(() => response.write('0'), 50)
    response.on('close', () => clearInterval(timer))
  },
  broken: (_, response) => {
    response.writeHead(200, { 'content-length': 1000 })
    response.write(LINE)
    setTimeout(() => response.destroy(), 20)
  },
  failing: (_, response) => response.writeHead(503).end(LINE),
  lying: (_, response) => response.end(`${LINE}<script>alert(1)</script>`),
  redirecting: (_, response) => response.writeHead(302, { location: '/good/00000' }).end(),
  huge: (_, response) => {
    const more = () => {
      while (!response.destroyed && response.write(LINE.repeat(1000))) {}
    }
    response.on('drain', more)
    more()
  },
  binary: (_, response) => response.end(Buffer.from([0xff, 0xfe, 0xfd])),
}

const asked: string[] = []
const server = createServer((request, response) => {
  asked.push(`${request.url} ${request.headers['add-padding']}`)
  ANSWERS[request.url?.split('/')[1] ?? '']?.(request, response)
})
let worker: RunningWorker
let token: string

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const blueprint = {
    clients: [
      {
        client_id: 'ops',
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        scope: 'manage',
      },
    ],
  }
  worker = await startWorkerOn('node', blueprint, { ALLOW_PRIVATE_ADDRESSES: 'yes' })
  const answer = await fetch(`${worker.issuer}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`ops:${SECRET}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'manage' }),
  })
  token = ((await answer.json()) as { access_token: string }).access_token
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await worker.stop()
})

async function call(method: string, path: string, body?: object) {
  const answer = await fetch(`${worker.issuer}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: await answer.json() }
}

let people = 0

async function createUnder(kind: string) {
  const { port } = server.address() as AddressInfo
  const breached_passwords_url = `http://127.0.0.1:${port}/${kind}`
  expect((await call('PATCH', '/v1/settings', { breached_passwords_url })).status).toBe(200)
  people += 1
  const email = `person-${people}@example.com`
  return (await call('POST', '/v1/users', { email, password: LEAKED })).status
}

test('a password that the service knows is refused; five digits went out', async () => {
  expect(await createUnder('good')).toBe(400)
  expect(asked).toEqual([`/good/${DIGEST.slice(0, 5)} true`])
})

test.each(Object.keys(ANSWERS).filter((kind) => kind !== 'good'))(
  'a service that is %s stops nobody',
  async (kind) => {
    expect(await createUnder(kind)).toBe(201)
    expect(asked.at(-1)).toBe(`/${kind}/${DIGEST.slice(0, 5)} true`)
  },
)

test('each look-up without an answer is counted in an event', async () => {
  const { body } = await call('GET', '/v1/events?type=breached_passwords.unavailable&limit=100')
  const { items } = body as { items: { data: { reason: string; count: number } }[] }
  const counts = new Map<string, number>()
  for (const { data } of items) {
    counts.set(data.reason, (counts.get(data.reason) ?? 0) + data.count)
  }
  expect(Object.fromEntries(counts)).toEqual({
    timeout: 2,
    unreachable: 1,
    status: 1,
    not_a_range: 1,
    redirect: 1,
    too_large: 1,
    not_text: 1,
  })
})
