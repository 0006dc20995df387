// The rules for files of `public/`: which path is one, on which surface, and the headers of its
// answer.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startWorker, type TestWorker } from '../context.ts'
import { lender } from '../databases/remote.ts'

const FILES = {
  'console/index.html': '<script src="/console/app-4f3a9b2c.js"></script>',
  'console/app-4f3a9b2c.js': 'export {}',
  'console/.hidden.js': 'a secret',
  'apps/app.css': 'body {}',
  'apps/logo.svg': '<svg/>',
  'apps/LICENSE': 'text',
  'v1/users': 'never sent',
  login: 'never sent',
  'style.css': 'never sent',
  '.gitkeep': '',
}

let worker: TestWorker
beforeAll(async () => {
  worker = await startWorker({}, { files: FILES })
})
afterAll(lender.closeDatabases)

const get = (path: string, init?: RequestInit) => worker.request(path, init)

const INDEX = FILES['console/index.html']

describe('a file', () => {
  test.each([
    ['/console/app-4f3a9b2c.js', 'text/javascript; charset=utf-8', 'export {}'],
    ['/console/index.html', 'text/html; charset=utf-8', INDEX],
    ['/apps/app.css', 'text/css; charset=utf-8', 'body {}'],
    ['/apps/logo.svg', 'image/svg+xml', '<svg/>'],
    ['/apps/LICENSE', 'application/octet-stream', 'text'],
    ['/apps/app.css?version=2', 'text/css; charset=utf-8', 'body {}'],
  ])('%s is %s, and no browser guesses otherwise', async (path, type, text) => {
    const before = await worker.roundTrips()
    const answer = await get(path)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe(type)
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await answer.text()).toBe(text)
    expect(await worker.roundTrips()).toBe(before)
  })

  test('has scripts, styles and calls of its own origin alone, nothing inline and no frame', async () => {
    for (const path of ['/console/', '/apps/logo.svg']) {
      const policy = (await get(path)).headers.get('content-security-policy') ?? ''
      expect(policy.split('; ')).toEqual(
        expect.arrayContaining([
          "default-src 'none'",
          "script-src 'self'",
          "style-src 'self'",
          "connect-src 'self'",
          "frame-ancestors 'none'",
          "base-uri 'none'",
        ]),
      )
      expect(policy).not.toContain('unsafe')
    }
    const console = await get('/console/')
    expect(console.headers.get('cross-origin-opener-policy')).toBe('same-origin')
    const page = await get('/login')
    expect(page.headers.get('content-security-policy')).not.toMatch(/script-src 'self'|connect-src/)
  })

  test('is answered to HEAD without its bytes', async () => {
    const answer = await get('/apps/app.css', { method: 'HEAD' })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/css; charset=utf-8')
    expect(answer.headers.get('etag')).toBe('"tag-of-7"')
    expect(await answer.text()).toBe('')
  })

  test.each(['POST', 'PUT', 'DELETE'])('is nothing for %s', async (method) => {
    expect((await get('/apps/app.css', { method })).status).toBe(404)
  })
})

describe('a name', () => {
  const HASHED = [
    'app-4f3a9b2c.js',
    'app.0123456789abcdef0123.css',
    'app-4f3a9b2c.js.map',
    'index-BdX3kZ_a.js',
    'chunk-ABCD2345.js',
  ]
  const PLAIN = [
    'index.html',
    'app.js',
    'app-settings.js',
    'sign-in-complete.js',
    'app-version2.js',
    'release-20261127.js',
    'deadbeef-app.js',
    'app-4f3a9b2c',
    '4f3a9b2c.js',
    'app-4f3a9b2.js',
  ]

  test.each(HASHED)('with a hash of the content, %s, is kept for a year', async (name) => {
    const hashed = await startWorker({}, { files: { [`apps/${name}`]: 'x' } })
    const answer = await hashed.request(`/apps/${name}`)
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
  })

  test.each(PLAIN)('without one, %s, is asked for again each time', async (name) => {
    const plain = await startWorker({}, { files: { [`apps/${name}`]: 'x' } })
    const answer = await plain.request(`/apps/${name}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-cache')
    expect(answer.headers.get('etag')).toBe('"tag-of-1"')
  })
})

describe('If-None-Match', () => {
  test.each([
    ['"tag-of-7"', 304],
    ['W/"tag-of-7"', 304],
    ['"other", W/"tag-of-7"', 304],
    ['*', 304],
    ['"other"', 200],
    ['tag-of-7', 200],
    ['', 200],
  ])('%s is answered with %i', async (tag, status) => {
    for (const method of ['GET', 'HEAD']) {
      const answer = await get('/apps/app.css', { method, headers: { 'if-none-match': tag } })
      expect(answer.status).toBe(status)
      expect(answer.headers.get('etag')).toBe('"tag-of-7"')
      expect(answer.headers.get('cache-control')).toBe('no-cache')
      expect(await answer.text()).toBe(status === 200 && method === 'GET' ? 'body {}' : '')
    }
  })
})

describe('the console', () => {
  test.each([
    '/console/',
    '/console/users',
    '/console/users/',
    '/console/users/ann@example.com',
    '/console/devices/lamp.1?tab=keys',
    '/console/clients/https%3A%2F%2Fapp.example.com%2Fclient.json',
    '/console/groups/%E5%AE%B6',
  ])('answers the place %s with its page', async (path) => {
    const answer = await get(path)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-cache')
    expect(await answer.text()).toBe(INDEX)
  })

  test('is at /console/, with the slash', async () => {
    const answer = await get('/console')
    expect(answer.status).toBe(308)
    expect(answer.headers.get('location')).toBe('/console/')
  })

  test.each([
    '/console/app-00000000.js',
    '/console/assets/lost.css',
    '/console/LOST.JS',
    '/consoles/',
  ])('has nothing at %s', async (path) => {
    expect((await get(path)).status).toBe(404)
  })

  test('below the path of an issuer names its files there', async () => {
    const below = await startWorker({ ISSUER: 'https://example.com/auth' }, { files: FILES })
    const at = (path: string, init?: RequestInit) =>
      below.app.request(`https://example.com${path}`, init)
    const page = await at('/auth/console/users')
    expect(await page.text()).toBe('<script src="/auth/console/app-4f3a9b2c.js"></script>')
    expect((await at('/auth/console/app-4f3a9b2c.js')).status).toBe(200)
    expect((await at('/auth/console')).headers.get('location')).toBe('/auth/console/')
    const etag = page.headers.get('etag') ?? ''
    const again = await at('/auth/console/', { headers: { 'if-none-match': etag } })
    expect(again.status).toBe(304)
    for (const path of ['/console/', '/console', '/console/app-4f3a9b2c.js', '/apps/app.css']) {
      expect((await at(path)).status).toBe(404)
    }
  })
})

describe('on the surface', () => {
  const CONSOLE = ['/console', '/console/', '/console/users', '/console/app-4f3a9b2c.js']
  const OTHERS = ['/apps/app.css', '/apps/LICENSE']

  test.each([
    ['all', { console: true, others: true }],
    ['internal', { console: true, others: false }],
    ['public', { console: false, others: true }],
  ] as const)('%s there are %o', async (SURFACE, served) => {
    const one = await startWorker({ SURFACE }, { files: FILES })
    const isServed = async (path: string) => (await one.request(path)).status !== 404
    for (const path of CONSOLE) expect(await isServed(path), path).toBe(served.console)
    for (const path of OTHERS) expect(await isServed(path), path).toBe(served.others)
  })

  test.each(['/%63onsole/', '/console%2F', '//console/', '/CONSOLE/'])(
    'public, %s is no way to the console',
    async (path) => {
      const one = await startWorker({ SURFACE: 'public' }, { files: FILES })
      expect((await one.app.request(`http://localhost:8787${path}`)).status).toBe(404)
    },
  )

  test('internal, the console may call the issuer, where it gets its token', async () => {
    const env = { SURFACE: 'internal', ISSUER: 'https://id.example.com/auth' }
    const one = await startWorker(env, { files: FILES })
    const answer = await one.app.request('https://admin.example.net/auth/console/')
    expect(answer.headers.get('content-security-policy')).toContain(
      "; connect-src 'self' https://id.example.com;",
    )
  })
})

test.each([
  ['/login', 200],
  ['/v1/users', 401],
  ['/style.css', 200],
])('a file with the name of the route %s does not stand before it', async (path, status) => {
  const answer = await get(path)
  expect(answer.status).toBe(status)
  expect(await answer.text()).not.toContain('never sent')
})

/** As they come from a peer that does not resolve dots as `fetch` does. */
const HOSTILE = [
  '/.gitkeep',
  '/console/.hidden.js',
  '/console/%2ehidden.js',
  '/console/.hidden',
  '/console/..%2f..%2fpackage.json',
  '/console/..%2f..%2fetc/passwd',
  '/console/..%2f..%2f..%2fetc%2fpasswd',
  '/console/%2e%2e%2f%2e%2e%2fwrangler.toml',
  '/console/%252e%252e%252fpasswd',
  '/console/..%5c..%5cwrangler',
  '/console/users%5c..',
  '/console/users%00',
  '/console/app-4f3a9b2c.js%00.html',
  '/console/%0d%0a',
  '/console/%ff',
  '/console//index.html',
  '/apps//app.css',
  '/apps/',
  '/apps',
  '/apps/app.css/',
  '/apps/app%2Ecss%00',
  '/C:/windows/win.ini',
]

test.each(HOSTILE)('%s is nothing', async (path) => {
  const answer = await worker.app.request(`http://localhost:8787${path}`)
  expect(answer.status).toBe(404)
})
