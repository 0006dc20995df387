import { describe, expect, test } from 'vitest'
import { safeReturnTo } from '../../worker/identity/return_to.ts'
import { startWorker } from '../context.ts'
import { ANN, PASSWORD } from '../support/people.ts'
import { startWithAnn } from './people.ts'

const LEADS_ELSEWHERE = [
  'https://evil.example',
  'https://evil.example/http://localhost:8787',
  'http://localhost:8787/account',
  'http://localhost:8787@evil.example/',
  'http:evil.example',
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\/evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '\t//evil.example',
  ' //evil.example',
  '/\n/evil.example',
  '/\r\nSet-Cookie: session=x',
  '/%2Fevil.example',
  '/%2f/evil.example',
  '/%5Cevil.example',
  '/%5cevil.example/..',
  '%2F%2Fevil.example',
  '/.//evil.example',
  '/..//evil.example',
  '/x/..//evil.example',
  '/x/%2e%2e//evil.example',
  '/%2e//evil.example',
  '/x/../%2fevil.example',
  '/a\\b',
  '/\u2215evil.example',
  '/\uff0fevil.example',
  '/\u00a0/evil.example',
  'javascript:alert(1)',
  'data:text/html,x',
  'evil.example',
  'account',
  '',
  '?x',
  '#x',
  '/' + 'x'.repeat(9000),
]

const STAYS: readonly [string, string][] = [
  ['/', '/'],
  ['/account', '/account'],
  [
    '/oauth/authorize?client_id=a&request_uri=urn%3Ax%3Ay',
    '/oauth/authorize?client_id=a&request_uri=urn%3Ax%3Ay',
  ],
  ['/x?next=https://evil.example', '/x?next=https://evil.example'],
  ['/x?next=//evil.example', '/x?next=//evil.example'],
  ['/a//b', '/a//b'],
  ['/a/../b', '/b'],
  ['/@evil.example', '/@evil.example'],
  ['/x#fragment', '/x'],
]

describe('where to go on after signing in', () => {
  test('is refused where it could lead elsewhere, and is a path of ours where it could not', async () => {
    const cx = (await startWorker()).context()
    for (const text of LEADS_ELSEWHERE) {
      expect([text, safeReturnTo(cx, text)]).toEqual([text, undefined])
    }
    for (const [text, path] of STAYS) expect([text, safeReturnTo(cx, text)]).toEqual([text, path])
    expect(safeReturnTo(cx, undefined)).toBeUndefined()
    console.log(`targets refused: ${LEADS_ELSEWHERE.length}, kept: ${STAYS.length}`)
  })

  test('is refused where it leads elsewhere without the path of the issuer', async () => {
    const cx = (await startWorker({ ISSUER: 'https://id.example.com/auth' })).context()
    for (const path of ['//evil.example', '/%2fevil.example', '/%2F/evil.example', '///evil']) {
      for (const text of [`/auth${path}`, `/x/../auth${path}`]) {
        expect([text, safeReturnTo(cx, text)]).toEqual([text, undefined])
      }
    }
    for (const text of ['/auth/account?a=//b', '/account?a=//b']) {
      expect(safeReturnTo(cx, text)).toBe('/account?a=//b')
    }
  })

  test('never leaves the origin, whatever was asked for and however it is sent', async () => {
    const { worker, browser } = await startWithAnn()
    for (const text of LEADS_ELSEWHERE) {
      const query = new URLSearchParams({ return_to: text.slice(0, 4000) })
      const page = await browser.get(`/login?${query}`)
      const { origin } = new URL(worker.config.issuer)
      const given = { username: ANN, password: PASSWORD, return_to: text }
      const answer = await browser.submit(
        page.status === 200 ? page : await browser.get('/login?return_to=/x'),
        given,
      )
      const location = answer.headers.get('location') ?? '-'
      expect([text, answer.status, location]).toEqual([text, 303, '/account'])
      expect(new URL(location, worker.config.issuer).origin).toBe(origin)
    }
  })

  test('is kept as little after signing out', async () => {
    const { browser } = await startWithAnn()
    await browser.signIn(ANN, PASSWORD)
    const page = await browser.get('/logout?return_to=//evil.example')
    const out = await browser.submit(page, { action: 'logout', return_to: '//evil.example' })
    expect(out.headers.get('location')).toBe('/logout')
    const again = await browser.get('/logout?return_to=//evil.example')
    expect([again.status, again.headers.get('location')]).toEqual([200, null])
  })
})
