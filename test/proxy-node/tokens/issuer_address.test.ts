// An issuer that mProxy reaches under another address than its name: everything is fetched there,
// and all names stay those of the issuer.
import { createHash } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { reachAt } from '../../../proxy-node/tokens/issuer_fetch.ts'
import { openJwks, type Refresh } from '../../../proxy-node/tokens/jwks.ts'
import { openPolicies, type PolicyFetch } from '../../../proxy-node/tokens/policies.ts'
import { type ListRefresh, openStatusLists } from '../../../proxy-node/tokens/status_lists.ts'
import { startIssuer, type TestIssuer } from '../../host/mproxy_fixtures/issuer.ts'
import { packList } from '../../host/mproxy_fixtures/status_list.ts'
import { until } from '../../host/mproxy_fixtures/until.ts'

/** Nobody answers under this name. */
const NAME = 'https://id.invalid/home'

const open: { close: () => unknown }[] = []
let server: TestIssuer
beforeEach(async () => {
  server = await startIssuer()
})
afterEach(async () => {
  for (const { close } of open.splice(0)) close()
  await server.stop()
})

const address = () => `${server.url}/inner/`
const serve = (path: string, text: string) =>
  server.answers.set(`/inner${path}`, (_, response) => response.end(text))

/** Serves metadata and keys as the issuer of that name. */
function serveIssuer(issuer = NAME) {
  const metadata = JSON.stringify({ issuer, jwks_uri: `${NAME}/keys` })
  server.answers.set('/.well-known/oauth-authorization-server/inner', (_, response) =>
    response.end(metadata),
  )
  serve('/keys', JSON.stringify({ keys: server.keys.map(({ jwk }) => jwk) }))
}

async function sign(typ: string, claims: Record<string, unknown>): Promise<string> {
  const { kid, privateKey } = server.keys[0]!
  const at = Math.floor(Date.now() / 1000)
  return new SignJWT({ iat: at, exp: at + 3600, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid, typ })
    .sign(privateKey)
}

async function rig() {
  const refreshes: Refresh[] = []
  const lists: ListRefresh[] = []
  const fetches: PolicyFetch[] = []
  const common = { issuer: NAME, address: address() }
  const jwks = openJwks({ ...common, onRefresh: (one) => refreshes.push(one) })
  await jwks.start()
  const statusLists = openStatusLists({ ...common, jwks, onRefresh: (one) => lists.push(one) })
  const policies = openPolicies({ ...common, jwks, onFetch: (one) => fetches.push(one) })
  open.push(jwks, statusLists, policies)
  return { jwks, statusLists, policies, refreshes, lists, fetches }
}

test('keys, status lists and policies are fetched at the address, under the names of the issuer', async () => {
  serveIssuer()
  const uri = `${NAME}/status-lists/0`
  const status_list = { bits: 2, lst: packList(2, [0, 1]) }
  serve('/status-lists/0', await sign('statuslist+jwt', { sub: uri, ttl: 1, status_list }))
  const policy = '[]'
  const hash = createHash('sha256').update(policy).digest('base64url')
  const sub = `${NAME}/policies/${hash}`
  serve(`/policies/${hash}`, await sign('policy+jwt', { iss: NAME, sub, policy }))
  const { statusLists, policies, refreshes, lists } = await rig()
  expect(refreshes).toMatchObject([{ outcome: 'ok', keys: 1 }])
  const iat = Math.floor(Date.now() / 1000)
  expect(statusLists.judge({ uri, idx: 1, iat })).toBe('unknown')
  await until('the list', () => lists.length > 0)
  expect(lists[0]).toMatchObject({ uri, outcome: 'ok' })
  expect(statusLists.judge({ uri, idx: 1, iat })).toBe('ended')
  expect(await policies.fetch(hash)).toBe(true)
})

test('a server that says it is another issuer, or signs for another name, is not believed there', async () => {
  serveIssuer(`${server.url}/inner`)
  expect((await rig()).refreshes).toMatchObject([{ outcome: 'issuer_mismatch', keys: 0 }])
  serveIssuer()
  const uri = `${NAME}/status-lists/0`
  const sub = `${server.url}/inner/status-lists/0`
  const status_list = { bits: 2, lst: packList(2, [1]) }
  serve('/status-lists/0', await sign('statuslist+jwt', { sub, ttl: 1, status_list }))
  const { statusLists, lists } = await rig()
  statusLists.judge({ uri, idx: 0, iat: 0 })
  await until('the list', () => lists.length > 0)
  expect(lists[0]?.outcome).not.toBe('ok')
})

test('only what is below the name of the issuer is asked for at the address', () => {
  const reach = reachAt('https://id.example/home', 'https://inner.example/')
  expect(reach('https://id.example/home/policies/x')).toBe('https://inner.example/policies/x')
  expect(reach('https://id.example/home')).toBe('https://inner.example')
  for (const other of [
    'https://id.example/homes/x',
    'https://id.example/',
    'https://x.example/a',
  ]) {
    expect(reach(other)).toBe(other)
  }
  expect(reachAt('https://id.example', undefined)('https://id.example/a')).toBe(
    'https://id.example/a',
  )
})
