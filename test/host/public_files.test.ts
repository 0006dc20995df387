// The files of `public/` as each runtime sends them, and the folder as Node, Deno and Bun read it.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publicFolder } from '../../worker/entry/public_folder.ts'
import { temporaryFolder } from '../support/folder.ts'
import { ROOT } from '../support/tree.ts'
import { RUNTIMES, type RunningWorker, startWorkerOn } from './programs.ts'

const STYLE = readFileSync(join(ROOT, 'public/console/placeholder.css'), 'utf8')

/** The status for a path that goes out as it is written: `fetch` would resolve its dots. */
function statusOf(origin: string, path: string): Promise<number> {
  const { hostname, port } = new URL(origin)
  return new Promise((done, failed) => {
    const sent = request({ host: hostname, port, path }, (answer) => {
      answer.resume()
      done(answer.statusCode ?? 0)
    })
    sent.once('error', failed)
    sent.end()
  })
}

const PLACES = [...RUNTIMES.map((runtime) => [runtime, ''] as const), ['workerd', '/auth']] as const

describe.each(PLACES)('on %s, below the path "%s"', (runtime, path) => {
  let worker: RunningWorker
  beforeAll(async () => {
    worker = await startWorkerOn(runtime, {}, {}, undefined, path)
  }, 90_000)
  afterAll(() => worker?.stop())

  test('the page of the console is at /console/ and at the places within it, with files of its own', async () => {
    const answer = await fetch(`${worker.issuer}/console`)
    expect(answer.url).toBe(`${worker.issuer}/console/`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-security-policy')).toContain("script-src 'self'")
    const page = await answer.text()
    expect(page).toContain(`href="${path}/console/placeholder.css"`)
    expect(await (await fetch(`${worker.issuer}/console/users/a.b`)).text()).toBe(page)
    expect((await fetch(`${worker.issuer}/console/lost.css`)).status).toBe(404)
  })

  test('a file has its type, its length and a tag that answers 304', async () => {
    const url = `${worker.issuer}/console/placeholder.css`
    const answer = await fetch(url)
    expect(answer.headers.get('content-type')).toBe('text/css; charset=utf-8')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('cache-control')).toBe('no-cache')
    expect(answer.headers.get('x-request-id')).toBeTruthy()
    expect(await answer.text()).toBe(STYLE)
    const etag = answer.headers.get('etag') ?? ''
    expect(etag).toMatch(/^(W\/)?"[^"]+"$/)
    const again = await fetch(url, { headers: { 'if-none-match': etag }, cache: 'no-store' })
    expect(again.status).toBe(304)
    expect(again.headers.get('etag')).toBe(etag)
    const head = await fetch(url, { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect(head.headers.get('etag')).toBe(etag)
    expect(await head.text()).toBe('')
  })

  test.each([
    '/.gitkeep',
    '/console/../../package.json',
    '/console/..%2f..%2fpackage.json',
    '/console/%2e%2e/%2e%2e/package.json',
    '/..%5c..%5cpackage.json',
    '/console/..\\..\\package.json',
    '/console/placeholder.css%00',
    '//console/placeholder.css',
    '/console/%2e%2e%2f',
  ])('%s is nothing', async (hostile) => {
    const status = await statusOf(new URL(worker.issuer).origin, path + hostile)
    expect([400, 404]).toContain(status)
  })
})

describe('the folder', () => {
  const outside = temporaryFolder()
  const folder = join(outside.path, 'public')
  const read = (name: string) => publicFolder(folder)(null, name)

  beforeAll(() => {
    mkdirSync(join(folder, 'console'), { recursive: true })
    writeFileSync(join(outside.path, 'secret.txt'), 'secret')
    writeFileSync(join(folder, 'console/app.js'), 'export {}')
    symlinkSync('../../secret.txt', join(folder, 'console/link.txt'))
    symlinkSync('../..', join(folder, 'console/up'))
  })
  afterAll(() => outside.remove())

  test('has a file by its name, with a tag of its bytes', async () => {
    const first = await read('console/app.js')
    expect(Buffer.from(first?.body as Uint8Array).toString()).toBe('export {}')
    writeFileSync(join(folder, 'console/other.js'), 'export {}')
    expect((await read('console/other.js'))?.etag).toBe(first?.etag)
    writeFileSync(join(folder, 'console/other.js'), 'export { }')
    expect((await read('console/other.js'))?.etag).not.toBe(first?.etag)
  })

  test.each([
    'console',
    'console/lost.js',
    'console/app.js/more',
    `console/${'x'.repeat(300)}.js`,
    '../secret.txt',
    'console/../../secret.txt',
    'console/link.txt',
    'console/up/secret.txt',
    '',
  ])('has nothing by the name "%s"', async (name) => {
    expect(await read(name)).toBe(null)
  })

  test('that is not there has nothing', async () => {
    expect(await publicFolder(join(folder, 'lost'))(null, 'console/app.js')).toBe(null)
  })
})
