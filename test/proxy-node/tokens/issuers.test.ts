// Several issuers: whose keys a token is held against, and that another issuer than the main one
// reaches neither a topic outside its bound nor a client of anybody else.

import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mayPublish, mayReceive, maySubscribe } from '../../../policy/acl.ts'
import { coversFilter, isTopicFilter, matchesTopic } from '../../../policy/topic_filter.ts'
import { isOwnClientId, judgeReplacement } from '../../../proxy-node/gate.ts'
import { openJwks } from '../../../proxy-node/tokens/jwks.ts'
import { openPolicies } from '../../../proxy-node/tokens/policies.ts'
import { openStatusLists } from '../../../proxy-node/tokens/status_lists.ts'
import type { Bound } from '../../../proxy-node/tokens/trust.ts'
import {
  createVerifier,
  type Identity,
  type Verification,
} from '../../../proxy-node/tokens/verifier.ts'
import {
  audience,
  startIssuer,
  type TestIssuer,
  type TokenParts,
} from '../../host/mproxy_fixtures/issuer.ts'
import { publishList } from '../../host/mproxy_fixtures/status_list.ts'
import { defaultLimits } from '../fixtures/proxy.ts'

const open: { close: () => unknown }[] = []
let a: TestIssuer
let b: TestIssuer
beforeEach(async () => {
  a = await startIssuer()
  b = await startIssuer()
})
afterEach(async () => {
  for (const { close } of open.splice(0)) await close()
  await a.stop()
  await b.stop()
})

const bound: Bound = { client_id_prefix: 'b', topics: ['partner/+/#', 'shared'] }

async function rig() {
  const trust = (issuer: string, of: Bound | undefined, wanted = audience) => {
    const jwks = openJwks({ issuer })
    const statusLists = openStatusLists({ issuer, jwks })
    const policies = openPolicies({ issuer, jwks })
    open.push(jwks, statusLists, policies)
    return { issuer, audience: wanted, jwks, statusLists, policies, bound: of }
  }
  const main = trust(a.url, undefined)
  const other = trust(b.url, bound, 'urn:partner')
  await Promise.all([main.jwks.start(), other.jwks.start()])
  const verifier = createVerifier({ ...main, others: [other], now: Date.now })
  const verify = async (token: string): Promise<Verification> => verifier.verify(token)
  return {
    verify,
    reason: async (issuer: TestIssuer, parts: TokenParts = {}) => {
      const verification = await verify(await mint(issuer, parts))
      return verification.ok ? 'ok' : verification.reason
    },
    identity: async (issuer: TestIssuer, claims: Record<string, unknown> = {}) => {
      const verification = await verify(await mint(issuer, { claims }))
      if (!verification.ok) throw new Error(verification.reason)
      return verification.identity
    },
  }
}

const mint = (issuer: TestIssuer, { claims = {}, ...parts }: TokenParts = {}) =>
  issuer.mint({ claims: { ...(issuer === b ? { aud: 'urn:partner' } : {}), ...claims }, ...parts })

describe('a token', () => {
  test('is held against the keys of its iss, although both have a key of one id', async () => {
    const { reason } = await rig()
    expect([await reason(a), await reason(b)]).toEqual(['ok', 'ok'])
    const mixed = [
      await reason(a, { key: b.keys[0]! }),
      await reason(b, { key: a.keys[0]! }),
      // Signed by one of them, and said to be of the other.
      await reason(b, { claims: { iss: a.url, aud: audience } }),
      await reason(a, { claims: { iss: b.url, aud: 'urn:partner' } }),
    ]
    expect(mixed).toEqual(Array(4).fill('bad_signature'))
    expect(await reason(a, { claims: { iss: 'https://nobody.example' } })).toBe('wrong_issuer')
    expect(await reason(a, { claims: { iss: [b.url] } })).toBe('wrong_issuer')
  })

  test('has the audience that its issuer is to name', async () => {
    const { reason } = await rig()
    expect(await reason(b, { claims: { aud: audience } })).toBe('wrong_audience')
    expect(await reason(a, { claims: { aud: 'urn:partner' } })).toBe('wrong_audience')
  })

  test('with an unknown key makes its own issuer be asked, and no other', async () => {
    const { reason } = await rig()
    expect(await reason(b, { header: { kid: 'new' } })).toBe('unknown_key')
    expect([a.requests.jwks, b.requests.jwks]).toEqual([1, 2])
    // The cool-down of the one is not that of the other.
    expect(await reason(a, { header: { kid: 'new' } })).toBe('unknown_key')
    expect([a.requests.jwks, b.requests.jwks]).toEqual([2, 2])
  })

  test('of an issuer that is away is refused, and those of the other are let in', async () => {
    await b.stop()
    const { reason } = await rig()
    expect([await reason(a), await reason(b)]).toEqual(['ok', 'keys_unavailable'])
    await b.resume()
  })

  test('ends by a list of its own issuer alone', async () => {
    const ended = await publishList(a, '/status-lists/1', { values: { 5: 1 } })
    const { reason } = await rig()
    expect(await reason(b, { claims: ended.at(5) })).toBe('bad_status')
    const own = await publishList(b, '/status-lists/1', { values: { 6: 1 } })
    expect(await reason(b, { claims: own.at(5) })).toBe('ok')
    expect(await reason(a, { claims: ended.at(6) })).toBe('ok')
    await expect.poll(() => reason(b, { claims: own.at(6) })).toBe('revoked')
    expect(await reason(b, { claims: own.at(5) })).toBe('ok')
    expect(await reason(a, { claims: ended.at(6) })).toBe('ok')
  })

  test('says who it is among all issuers', async () => {
    const { identity, reason } = await rig()
    expect(await identity(a)).toMatchObject({ sub: 'dev-1', principal: 'dev-1', foreign: false })
    expect(await identity(b)).toMatchObject({ sub: 'dev-1', principal: 'b::dev-1', foreign: true })
    expect(await reason(b, { claims: { sub: 'b:dev-1' } })).toBe('malformed')
  })

  test('of the one does not follow that of the other in a session', async () => {
    const { identity, verify } = await rig()
    const next = await verify(
      await mint(b, { claims: { exp: Math.floor(Date.now() / 1000) + 900 } }),
    )
    const session = { clientId: 'dev-1', username: undefined, will: undefined }
    const judged = judgeReplacement(await identity(a), next, session, true, defaultLimits)
    expect(judged).toMatchObject({ decision: 'close' })
  })
})

const level = fc.constantFrom('partner', 'x', 'y', '', '$SYS', 'shared')
const topic = fc
  .array(level, { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
  .filter((text) => text !== '')
const filter = fc
  .array(fc.oneof(level, fc.constantFrom('+', '#')), { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
  .filter((text) => isTopicFilter(text))
const rules = fc.array(
  fc.record({
    permission: fc.constantFrom('allow', 'allow', 'deny'),
    action: fc.constantFrom('publish', 'subscribe', 'all'),
    topic: filter,
  }),
  { maxLength: 5 },
)
const name = fc.stringMatching(/^[a-c.:~-]{1,4}$/)

test('no token of another issuer opens a topic outside its bound', async () => {
  const { verify } = await rig()
  const seen = { within: 0, filters: 0 }
  await fc.assert(
    fc.asyncProperty(rules, topic, filter, async (acl, one, asked) => {
      const verification = await verify(await mint(b, { claims: { acl } }))
      if (!verification.ok) throw new Error(verification.reason)
      const { acl: may } = verification.identity
      const isInside = bound.topics.some((inside) => matchesTopic(inside, one))
      if (mayPublish(may, one, 0, false) || mayReceive(may, one)) {
        seen.within++
        expect(isInside).toBe(true)
      }
      if (maySubscribe(may, asked, 0)) {
        seen.filters++
        expect(bound.topics.some((inside) => coversFilter(inside, asked))).toBe(true)
      }
    }),
    { numRuns: 500 },
  )
  expect(seen.within).toBeGreaterThan(5)
})

test('no client id is one of two principals, whichever issuers they are of', async () => {
  const { verify } = await rig()
  const identify = async (issuer: TestIssuer, claims: Record<string, unknown>) => {
    const verification = await verify(await mint(issuer, { claims }))
    return verification.ok ? verification.identity : undefined
  }
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(name, name, name, name, async (subA, subB, suffix, fixed) => {
      const claims = { sub: subA, mqtt_client_id: `b::${fixed}` }
      const mine = await identify(a, claims)
      const theirs = await identify(b, { sub: subB, mqtt_client_id: fixed })
      const parts = [subA, subB, suffix, fixed, 'b']
      const ids = [
        ...parts,
        ...parts.flatMap((one) => [`${one}:${suffix}`, `b::${one}`, `b::${one}:${suffix}`]),
      ]
      for (const id of ids) {
        const owns = (who: Identity | undefined) => who !== undefined && isOwnClientId(who, id)
        if (!owns(theirs)) continue
        accepted++
        expect(owns(mine), id).toBe(false)
        expect(id.startsWith('b::'), id).toBe(true)
      }
    }),
    { numRuns: 500 },
  )
  expect(accepted).toBeGreaterThan(100)
})
