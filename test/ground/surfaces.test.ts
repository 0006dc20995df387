// Which path is served where, and to whom: the table of surfaces, /v1 in public, and other origins.
import { expect, test } from 'vitest'
import { changeSettings } from '../../worker/admin/settings_change.ts'
import { isServed, type Surface } from '../../worker/web/surfaces.ts'
import { REDIRECT } from '../oauth/token_fixtures.ts'
import { startHomes } from '../support/places.ts'

const served = (surface: Surface, ...paths: string[]) =>
  paths.map((path) => isServed(surface, path))

test('each path has its surface, and one that is not named is public', () => {
  const people = ['/login', '/oauth/token', '/account', '/places', '/claim', '/', '/style.css']
  const shared = ['/.well-known/jwks.json', '/v1/self', '/v1/self/rules', '/v1/time']
  const documents = ['/status-lists/1', '/policies/dimmer']
  const operators = ['/access/v1/evaluation', '/openapi.json', '/console', '/console/x.js']
  const everything = [...people, ...shared, ...documents, ...operators, '/v1/users']
  expect(new Set(served('all', ...everything))).toEqual(new Set([true]))
  expect(new Set(served('public', ...people, ...shared, ...documents))).toEqual(new Set([true]))
  expect(new Set(served('public', ...operators))).toEqual(new Set([false]))
  expect(served('public', '/v1/users', '/v1/selfish', '/v1/times')).toEqual(
    Array(3).fill('limited'),
  )
  expect(new Set(served('internal', ...people))).toEqual(new Set([false]))
  expect(new Set(served('internal', ...shared, ...documents, ...operators))).toEqual(
    new Set([true]),
  )
})

test('in public /v1 is there where the setting is on, for tokens with a limited reach', async () => {
  const { worker, as, ops } = await startHomes(undefined, { SURFACE: 'public' })
  const ann = await as('ann')
  const nothing = (await ann('GET /v1/nowhere')).body
  const off = await ann('GET /v1/groups/site-1')
  expect([off.status, off.body]).toEqual([404, nothing])
  await changeSettings(worker.context(), { public_api: true })
  worker.memory.clear()
  expect((await ann('GET /v1/groups/site-1')).status).toBe(200)
  expect((await worker.request('/v1/groups')).status).toBe(401)
  const boss = await as('boss')
  for (const call of [ops, boss]) {
    const answer = await call('GET /v1/groups/site-1')
    expect([answer.status, answer.body]).toEqual([404, nothing])
  }
  const question = { subject: { type: 'user', id: 'ann' }, action: { name: 'x' } }
  const body = { ...question, resource: { type: 'device', id: 'lamp-1' } }
  expect((await ann('POST /access/v1/evaluation', body)).status).toBe(404)
})

test('an answer of /v1 is for scripts of the origins to which its client redirects, and no others', async () => {
  const { worker, as, ops } = await startHomes()
  const ann = await as('ann')
  const { origin } = new URL(REDIRECT)
  const allowed = async (from: string, what = 'GET /v1/groups') =>
    (await ann(what, undefined, { origin: from })).headers.get('access-control-allow-origin')
  expect(await allowed(origin)).toBe(origin)
  // A refusal is read too, by the program that has to show it.
  expect(await allowed(origin, 'GET /v1/groups/site-2')).toBe(origin)
  expect(await allowed(origin, 'GET /v1/keys')).toBe(origin)
  for (const other of ['https://evil.example', `${origin}.evil.example`, 'null', `${origin}:444`]) {
    expect(await allowed(other), other).toBe(null)
  }
  const own = await ops('GET /v1/groups', undefined, { origin })
  expect(own.headers.get('access-control-allow-origin')).toBe(null)
  expect(own.headers.get('vary')).toContain('Origin')
  const before = await worker.request('/v1/groups', {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'PATCH' },
  })
  expect(before.status).toBe(204)
  expect(before.headers.get('access-control-allow-origin')).toBe(origin)
  expect(before.headers.get('access-control-allow-methods')).toContain('PATCH')
  expect(before.headers.get('access-control-allow-headers')).toContain('Authorization')
  expect(before.headers.get('access-control-allow-credentials')).toBe(null)
})
