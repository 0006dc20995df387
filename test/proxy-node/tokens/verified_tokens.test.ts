// The memory of tokens whose signature was checked: what it saves, and that nothing counts longer
// for it.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Jwks, openJwks } from '../../../proxy-node/tokens/jwks.ts'
import { openPolicies } from '../../../proxy-node/tokens/policies.ts'
import { openStatusLists } from '../../../proxy-node/tokens/status_lists.ts'
import { VerifiedTokens } from '../../../proxy-node/tokens/verified_tokens.ts'
import { createVerifier, type Identity } from '../../../proxy-node/tokens/verifier.ts'
import {
  audience,
  makeKey,
  startIssuer,
  type TestIssuer,
} from '../../host/mproxy_fixtures/issuer.ts'
import { publishList } from '../../host/mproxy_fixtures/status_list.ts'
import { identify } from '../fixtures/proxy.ts'

const open: { close: () => unknown }[] = []
let issuer: TestIssuer
beforeEach(async () => {
  issuer = await startIssuer()
})
afterEach(async () => {
  for (const { close } of open.splice(0)) await close()
  await issuer.stop()
})

const later = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

/** A verifier that counts how often a key was looked for: once for each signature check. */
async function rig() {
  let ahead = 0
  const now = () => Date.now() + ahead
  const clock = { now, schedule: () => () => {} }
  const real = openJwks({ issuer: issuer.url, clock })
  await real.start()
  let checks = 0
  const jwks: Jwks = {
    ...real,
    find(kid, alg) {
      checks++
      return real.find(kid, alg)
    },
  }
  const statusLists = openStatusLists({ issuer: issuer.url, jwks: real, clock })
  const policies = openPolicies({ issuer: issuer.url, jwks: real, clock })
  open.push(real, statusLists, policies)
  const parts = { issuer: issuer.url, audience, jwks, statusLists, policies, now }
  const verifier = createVerifier(parts)
  const verify = async (token: string | Uint8Array) => {
    const verification = await verifier.verify(token)
    return verification.ok ? 'ok' : verification.reason
  }
  return {
    jwks: real,
    verify,
    checks: () => checks,
    advance: (seconds: number) => {
      ahead += seconds * 1000
    },
  }
}

describe('a token that comes again', () => {
  test('has its signature checked once, as text and as bytes', async () => {
    const { verify, checks } = await rig()
    const token = await issuer.mint()
    const outcomes = [await verify(token), await verify(Buffer.from(token)), await verify(token)]
    expect([outcomes, checks()]).toEqual([['ok', 'ok', 'ok'], 1])
    await verify(await issuer.mint({ claims: { jti: 'other' } }))
    expect(checks()).toBe(2)
  })

  test('is not the token with another signature, nor one that was refused', async () => {
    const { verify, checks } = await rig()
    const token = await issuer.mint()
    await verify(token)
    const [head, payload] = token.split('.')
    const [, , other] = (await issuer.mint({ claims: { jti: 'other' } })).split('.')
    const forged = `${head}.${payload}.${other}`
    expect([await verify(forged), await verify(forged)]).toEqual(['bad_signature', 'bad_signature'])
    expect(checks()).toBe(3)
  })

  test('counts until its very last second', async () => {
    const { verify, advance, checks } = await rig()
    const token = await issuer.mint({ claims: { exp: later(60) } })
    expect(await verify(token)).toBe('ok')
    advance(50)
    expect(await verify(token)).toBe('ok')
    advance(11)
    expect([await verify(token), checks()]).toEqual(['expired', 1])
  })

  test('does not count before it begins, when the clock was set back', async () => {
    const { verify, advance } = await rig()
    const token = await issuer.mint({ claims: { nbf: later(0) } })
    expect(await verify(token)).toBe('ok')
    advance(-3600)
    expect(await verify(token)).toBe('not_yet_valid')
  })

  test('is refused once its key is withdrawn, and once the keys are too old', async () => {
    const { verify, jwks, advance } = await rig()
    const token = await issuer.mint({ claims: { exp: later(3 * 86_400) } })
    expect(await verify(token)).toBe('ok')
    issuer.keys = [await makeKey('ES256', 'second')]
    await jwks.refreshForUnknownKey()
    expect(await verify(token)).toBe('unknown_key')
    const next = await issuer.mint({ claims: { exp: later(3 * 86_400) } })
    expect(await verify(next)).toBe('ok')
    await issuer.stop()
    advance(86_401)
    expect(await verify(next)).toBe('keys_unavailable')
    await issuer.resume()
  })

  test('is judged by its status list each time', async () => {
    const { verify, checks, advance } = await rig()
    const list = await publishList(issuer, '/status-lists/1', {
      values: { 4: 1 },
      claims: { exp: later(100) },
    })
    const token = await issuer.mint({ claims: list.at(4) })
    expect(await verify(token)).toBe('ok')
    await expect.poll(() => verify(token)).toBe('revoked')
    const other = await issuer.mint({ claims: list.at(5) })
    await verify(other)
    const before = checks()
    expect([await verify(other), checks()]).toEqual(['ok', before])
    advance(200)
    expect([await verify(other), checks()]).toEqual(['status_unavailable', before])
  })
})

describe('the memory', () => {
  const entry = (identity: Identity) => ({ identity, not_before: 0 })

  test('has a bound, and forgets the token that was unused for the longest', () => {
    const tokens = new VerifiedTokens<Identity>(3, Number.POSITIVE_INFINITY)
    for (const name of ['a', 'b', 'c']) tokens.add(name, entry(identify(name, [])))
    expect(tokens.find('a')?.identity.sub).toBe('a')
    tokens.add('d', entry(identify('d', [])))
    const left = ['a', 'b', 'c', 'd'].filter((name) => tokens.find(name) !== undefined)
    expect([left, tokens.count]).toEqual([['a', 'c', 'd'], 3])
  })

  test('holds fewer tokens where each has many rules', () => {
    const rules = Array.from({ length: 100 }, (_, i) => ({
      permission: 'allow' as const,
      action: 'all' as const,
      topic: `a/${i}`,
    }))
    const small = new VerifiedTokens<Identity>(1000, 100_000)
    const large = new VerifiedTokens<Identity>(1000, 100_000)
    for (let i = 0; i < 1000; i++) {
      small.add(`${i}`, entry(identify('a', [])))
      large.add(`${i}`, entry(identify('a', rules)))
    }
    expect(large.count).toBeGreaterThan(0)
    expect(large.count).toBeLessThan(small.count / 10)
    large.clear()
    expect(large.count).toBe(0)
  })
})
