// Documents with the rules that small tokens name: when they are fetched, believed and kept.

import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { mayPublish } from '../../../policy/acl.ts'
import { openJwks } from '../../../proxy-node/tokens/jwks.ts'
import { openPolicies, type PolicyFetch } from '../../../proxy-node/tokens/policies.ts'
import { openStateFolder } from '../../../proxy-node/tokens/state_folder.ts'
import { openStatusLists } from '../../../proxy-node/tokens/status_lists.ts'
import { createVerifier } from '../../../proxy-node/tokens/verifier.ts'
import {
  audience,
  makeKey,
  startIssuer,
  type TestIssuer,
} from '../../host/mproxy_fixtures/issuer.ts'
import { publishList } from '../../host/mproxy_fixtures/status_list.ts'

const open: { close: () => unknown }[] = []
let issuer: TestIssuer
let folder: string
beforeEach(async () => {
  issuer = await startIssuer()
  folder = mkdtempSync(join(tmpdir(), 'policies-'))
})
afterEach(async () => {
  for (const { close } of open.splice(0)) close()
  await issuer.stop()
  rmSync(folder, { recursive: true })
})

const content = JSON.stringify([
  { permission: 'allow', action: 'publish', topic: '${site.id}/${group.id}/${device.id}' },
  { permission: 'allow', action: 'publish', topic: 'c/${clientid}' },
])
const hashOf = (text: string) => createHash('sha256').update(text).digest('base64url')
const hash = hashOf(content)

type Parts = { claims?: Record<string, unknown>; typ?: string; key?: TestIssuer['keys'][0] }

/** Serves a document at the address of `at`, and counts how it is asked. */
async function publish(
  text = content,
  { claims = {}, typ = 'policy+jwt', key }: Parts = {},
  at = hashOf(text),
) {
  const path = `/policies/${at}`
  const { privateKey, kid } = key ?? issuer.keys[0]!
  const jwt = await new SignJWT({
    iss: issuer.url,
    sub: issuer.url + path,
    policy: text,
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', kid, typ })
    .sign(privateKey)
  const asked = { count: 0 }
  issuer.answers.set(path, (_request, response) => {
    asked.count++
    response.end(jwt)
  })
  return asked
}

async function rig(state?: string, wanted = audience) {
  const fetches: PolicyFetch[] = []
  let ahead = 0
  const now = () => Date.now() + ahead
  const clock = { now, schedule: () => () => {} }
  const jwks = openJwks({ issuer: issuer.url, clock })
  await jwks.start()
  const onFetch = (fetch: PolicyFetch) => fetches.push(fetch)
  const kept = await openStateFolder({ folder: state, issuers: [issuer.url] })
  const keeper = kept.of(issuer.url)
  const policies = openPolicies({ issuer: issuer.url, jwks, keeper, clock, onFetch })
  const statusLists = openStatusLists({ issuer: issuer.url, jwks, clock })
  open.push(jwks, policies, statusLists)
  const verifier = createVerifier({
    issuer: issuer.url,
    audience: wanted,
    jwks,
    statusLists,
    policies,
    now,
  })
  const verify = async (claims: Record<string, unknown> = {}) =>
    verifier.verify(await mint({ acl_ref: hash, ...claims }))
  return {
    policies,
    fetches,
    verify,
    look: async (token: string) => verifier.verify(token),
    advance: (seconds: number) => {
      ahead += seconds * 1000
    },
    reason: async (claims?: Record<string, unknown>) => {
      const verification = await verify(claims)
      return verification.ok ? 'ok' : verification.reason
    },
  }
}

const mint = (claims: Record<string, unknown>) =>
  issuer.mint({
    claims: {
      aud: undefined,
      iat: undefined,
      jti: undefined,
      client_id: undefined,
      places: [['hall', 'home']],
      ...claims,
    },
    header: { typ: 'atr+jwt' },
  })

test('the rules are filled in from the claims of the token', async () => {
  await publish()
  const { verify } = await rig()
  const verification = await verify({ mqtt_client_id: 'plc' })
  if (!verification.ok) throw new Error(verification.reason)
  const { identity } = verification
  expect(identity).toMatchObject({ sub: 'dev-1', client_id: 'dev-1', mqtt_client_id: 'plc' })
  const topics = ['home/hall/dev-1', 'c/plc', 'home/hall/dev-2', 'c/dev-1', 'hall/home/dev-1']
  const may = topics.map((topic) => mayPublish(identity.acl, topic, 0, false))
  expect(may).toEqual([true, true, false, false, false])
})

test('a hundred tokens at once cause one request, and later ones none', async () => {
  const asked = await publish()
  const { reason } = await rig()
  const reasons = await Promise.all(Array.from({ length: 100 }, () => reason()))
  expect(new Set(reasons)).toEqual(new Set(['ok']))
  expect(await reason()).toBe('ok')
  expect(asked.count).toBe(1)
})

test('those that the issuer lists are read ahead', async () => {
  const asked = await publish()
  issuer.answers.set('/policies', (_request, response) => {
    response.end(JSON.stringify({ policies: [hash, 'x', 7, '../keys'] }))
  })
  const { policies, reason } = await rig()
  await policies.start()
  expect(policies.count()).toBe(1)
  await issuer.stop()
  expect(await reason()).toBe('ok')
  expect(asked.count).toBe(1)
  await issuer.resume()
})

test('without its document a token is refused, and it is asked for again after a while', async () => {
  const { reason, fetches, advance } = await rig()
  expect([await reason(), await reason()]).toEqual(['policy_unavailable', 'policy_unavailable'])
  expect(fetches).toEqual([{ policy: hash, outcome: 'status' }])
  await publish()
  advance(11)
  expect(await reason()).toBe('ok')
})

test('a token that is forged causes no request', async () => {
  const asked = await publish()
  const { look } = await rig()
  const forged = await issuer.mint({
    key: await makeKey('ES256', 'first'),
    claims: { acl_ref: hash },
    header: { typ: 'atr+jwt' },
  })
  expect(await look(forged)).toMatchObject({ ok: false, reason: 'bad_signature' })
  expect(asked.count).toBe(0)
})

test.each<[string, string, () => Promise<unknown>]>([
  ['of another type', 'wrong_type', () => publish(content, { typ: 'at+jwt' })],
  ['of another address', 'wrong_subject', () => publish(content, { claims: { sub: 'x' } })],
  ['with other rules', 'wrong_hash', () => publish(content.replace('${clientid}', '#'), {}, hash)],
  ['without rules', 'malformed', () => publish(content, { claims: { policy: undefined } })],
  [
    'with a forged signature',
    'bad_signature',
    async () => publish(content, { key: await makeKey('ES256', 'first') }),
  ],
])('a document %s is not believed: %s', async (_, outcome, serve) => {
  await serve()
  const { reason, fetches } = await rig()
  expect(await reason()).toBe('policy_unavailable')
  expect(fetches).toEqual([{ policy: hash, outcome }])
})

test.each([
  '{}',
  '[{"permission":"allow"}]',
  '[{"permission":"allow","action":"all","topic":"${subject.id}"}]',
])('rules that are not understood give none: %s', async (text) => {
  await publish(text)
  const { reason } = await rig()
  expect(await reason({ acl_ref: hashOf(text) })).toBe('policy_unavailable')
})

test.each([
  ['no hash', { acl_ref: undefined }, 'malformed'],
  ['a path in its place', { acl_ref: '../../keys' }, 'malformed'],
  ['places that are none', { places: 'hall' }, 'bad_acl'],
  ['a place of three', { places: [['a', 'b', 'c']] }, 'bad_acl'],
  ['an entry that is none', { entry: [1] }, 'bad_acl'],
  ['an index that is none', { entry: [1, -1] }, 'bad_status'],
  ['a key that nobody proves', { cnf: { jkt: 'x' } }, 'bound_token'],
  ['another issuer', { iss: 'https://other.example' }, 'wrong_issuer'],
  ['another audience', { aud: 'urn:other' }, 'wrong_audience'],
])('a token with %s is refused', async (_, claims, expected) => {
  await publish()
  const { reason } = await rig()
  expect(await reason(claims)).toBe(expected)
})

test('a token without an audience is for mProxy under its usual name alone', async () => {
  await publish()
  const { reason } = await rig(undefined, 'urn:mine')
  expect([await reason(), await reason({ aud: 'urn:mine' })]).toEqual(['wrong_audience', 'ok'])
})

test('its entry of a status list counts as that of any token', async () => {
  await publish()
  const list = await publishList(issuer, '/status-lists/3', { values: { 7: 1 } })
  const { reason } = await rig()
  expect(await reason({ entry: [3, 7] })).toBe('ok')
  await list.asked()
  await expect.poll(() => reason({ entry: [3, 7] })).toBe('revoked')
  expect(await reason({ entry: [3, 8] })).toBe('ok')
})

test('documents are kept on disk, and what is not the document is passed over', async () => {
  await publish()
  const first = await rig(folder)
  expect(await first.reason()).toBe('ok')
  const kept = () => readdirSync(folder).filter((one) => one.startsWith('policy-'))
  await expect.poll(() => kept().length).toBe(1)
  const [name = ''] = kept()
  issuer.answers.clear()
  const again = await rig(folder)
  await again.policies.start()
  expect(await again.reason()).toBe('ok')
  writeFileSync(join(folder, name), content.replace('${clientid}', '#'))
  const last = await rig(folder)
  await last.policies.start()
  expect(await last.reason()).toBe('policy_unavailable')
})
