// The decisions themselves, as values: no bytes, no sockets.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  findLost,
  findToken,
  isOwnClientId,
  judgeConnect,
  judgeDelivery,
  judgePublish,
  judgeReplacement,
  judgeSubscribe,
  judgeWill,
} from '../../proxy-node/gate.ts'
import type { Identity, Verification } from '../../proxy-node/tokens/verifier.ts'
import type { Connect, Will } from '../../proxy-node/wire/connect_codec.ts'
import { allow, defaultLimits, deny, identify } from './fixtures/proxy.ts'

const connect = (more: Partial<Connect> = {}): Connect => ({
  version: 5,
  clean: true,
  keepAlive: 60,
  clientId: 'dev',
  username: undefined,
  password: Buffer.from('token'),
  will: undefined,
  sessionExpiry: 0,
  maximumPacketSize: 0xffffffff,
  authenticationMethod: undefined,
  authenticationData: undefined,
  properties: Buffer.alloc(0),
  ...more,
})
const will = (topic: string, more: Partial<Will> = {}): Will => ({
  topic,
  qos: 0,
  retain: false,
  responseTopic: undefined,
  bytes: Buffer.alloc(0),
  ...more,
})
const aclOf = (...rules: Parameters<typeof identify>[1]) => identify('dev', rules).acl

describe('the token', () => {
  test.each([
    ['the password', {}, 'token'],
    [
      'authentication data',
      { authenticationMethod: 'OAUTH2-JWT', authenticationData: Buffer.from('a') },
      'a',
    ],
    ['no password in its place', { authenticationMethod: 'OAUTH2-JWT' }, 'no_token'],
    ['an empty password', { password: Buffer.alloc(0) }, 'no_token'],
    ['more than 8 KiB', { password: Buffer.alloc(8193) }, 'too_large'],
    ['another method', { authenticationMethod: 'oauth2-jwt' }, 'bad_authentication_method'],
  ])('%s', (_, more, outcome) => {
    const found = findToken(connect(more))
    expect(found.ok ? found.token.toString() : found.reason).toBe(outcome)
  })
})

describe('the client id', () => {
  const id = fc.stringMatching(/^[A-Za-z0-9._~-]{1,12}$/)
  const anyId = fc.oneof(
    id,
    fc.string({ maxLength: 20 }),
    fc.tuple(id, id).map((p) => p.join(':')),
  )

  test('of one subject is never that of another, whatever it asks for', () => {
    let accepted = 0
    const pair = fc.tuple(id, id).filter(([a, b]) => a !== b)
    const asked = pair.chain(([a, b]) =>
      fc.tuple(
        fc.constant([a, b] as const),
        fc.oneof(
          anyId,
          fc.constant(a),
          fc.constant(b),
          id.map((s) => `${a}:${s}`),
        ),
      ),
    )
    fc.assert(
      fc.property(asked, ([[a, b], clientId]) => {
        const one = isOwnClientId(identify(a, []), clientId)
        const other = isOwnClientId(identify(b, []), clientId)
        if (one) accepted++
        expect(one && other).toBe(false)
      }),
      { numRuns: 3000 },
    )
    console.log(`client ids: 3000 runs, ${accepted} accepted for the one`)
    expect(accepted).toBeGreaterThan(500)
  })

  test.each<[string, Partial<Identity>, string, boolean]>([
    ['the fixed one', { mqtt_client_id: 'PLC 7/é' }, 'PLC 7/é', true],
    ['a suffix to the fixed one', { mqtt_client_id: 'plc' }, 'plc:a', false],
    ['the fixed one of a foreign issuer', { mqtt_client_id: 'plc', foreign: true }, 'plc', false],
    ['a foreign sub without colon', { foreign: true }, 'dev:x', true],
    ['a suffix that is no id', {}, 'dev:é', false],
    ['a longer id that begins alike', {}, 'dev2', false],
    ['nothing', {}, '', false],
  ])('%s', (_, more, clientId, good) => {
    expect(isOwnClientId(identify('dev', [], more), clientId)).toBe(good)
  })

  test('no sub of a foreign issuer with a colon is anybody, and no empty one', () => {
    expect(isOwnClientId(identify('a:b', [], { foreign: true }), 'a:b')).toBe(false)
    expect(isOwnClientId(identify('', []), ':x')).toBe(false)
  })

  test('an empty one is assigned, unless a 3.1.1 client wants to keep its session', () => {
    const judge = (more: Partial<Connect>) =>
      judgeConnect(connect({ clientId: '', ...more }), identify('dev', []), 'rnd')
    expect(judge({})).toEqual({ ok: true, clientId: 'dev:rnd', isAssigned: true })
    expect(judge({ clean: false })).toMatchObject({ ok: true })
    expect(judge({ version: 4 })).toMatchObject({ clientId: 'dev:rnd' })
    expect(judge({ version: 4, clean: false })).toMatchObject({ ok: false, reason: 'client_id' })
  })

  test('an empty one is refused where no id with the sub can be the own one', () => {
    const foreign = identify('a:b', [], { foreign: true })
    expect(judgeConnect(connect({ clientId: '' }), foreign, 'rnd')).toEqual({
      ok: false,
      code: 0x85,
      reason: 'client_id',
    })
  })

  test.each([
    [undefined, 'anything', true],
    [undefined, undefined, true],
    ['ann', 'ann', true],
    ['ann', 'Ann', false],
    ['ann', undefined, false],
  ])('a token for the user %s and the user name %s: %s', (username, given, good) => {
    const identity = identify('dev', [], username ? { username } : {})
    expect(judgeConnect(connect({ username: given }), identity, 'x').ok).toBe(good)
  })
})

describe('publishing', () => {
  const acl = aclOf(
    deny('publish', 'a/secret'),
    allow('publish', 'a/#', { qos: [0, 1] }),
    allow('publish', 'k', { retain: true }),
    allow('all', '$allauth/#'),
    allow('subscribe', 'r/+'),
  )
  test.each([
    ['a/b', 0, false, undefined, 0],
    ['a/b', 2, false, undefined, 0x87],
    ['a/secret', 0, false, undefined, 0x87],
    ['k', 0, true, undefined, 0],
    ['k', 0, false, undefined, 0x87],
    ['b', 0, false, undefined, 0x87],
    ['a', 0, false, undefined, 0],
    ['A', 0, false, undefined, 0x87],
    ['$allauth/token', 1, false, undefined, 0x87],
    ['$allauth/', 0, false, undefined, 0x87],
    ['a/b', 0, false, 'r/1', 0],
    ['a/b', 0, false, 'r', 0x87],
    ['a/b', 0, false, '$allauth/token', 0x87],
    ['a/b', 0, false, 'r/+', 0x81],
    ['a/b', 0, false, '', 0x81],
    ['a/+', 0, false, undefined, 0x81],
    ['a/#', 0, false, undefined, 0x81],
    ['', 0, false, undefined, 0x81],
    ['a/1/2/3/4', 0, false, undefined, 0],
    ['a/1/2/3/4/5', 0, false, undefined, 0x90],
  ] as const)('%j QoS %i retain %s response %j: %i', (topic, qos, retain, response, code) => {
    const five = { ...defaultLimits, topic_levels_max: 5 }
    expect(judgePublish(acl, topic, qos, retain, response, five)).toBe(code)
    expect(judgeWill(acl, will(topic, { qos, retain, responseTopic: response }), five)).toBe(code)
  })

  test('an empty acl permits nothing', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 9 }), (topic) => {
        expect(judgePublish(aclOf(), topic, 0, false, undefined, defaultLimits)).not.toBe(0)
        expect(judgeDelivery(aclOf(), topic)).toBe(false)
        expect([...judgeSubscribe(aclOf(), [topic], [0], limits)]).not.toEqual([0])
      }),
    )
  })
})

const limits = {
  subscriptions_per_packet: 8,
  topic_levels_max: 4,
  upstream_dialect: 'mqtt' as const,
  partial_filters: 'refuse' as const,
}

describe('subscribing', () => {
  test('each filter is judged in its place', () => {
    const acl = aclOf(
      deny('subscribe', 'a/x'),
      allow('subscribe', 'a/+'),
      allow('subscribe', 'd/#', { qos: [0] }),
    )
    const asked: [string, 0 | 1 | 2, number][] = [
      ['a/b', 2, 0],
      ['a/+', 0, 0x87],
      ['a/#', 0, 0x87],
      ['d/e', 0, 0],
      ['d/e', 1, 0x87],
      ['$share/g/d/e', 0, 0],
      ['$share/+/d/e', 0, 0x8f],
      ['d/1/2/3/4', 0, 0x8f],
    ]
    const codes = judgeSubscribe(
      acl,
      asked.map((a) => a[0]),
      asked.map((a) => a[1]),
      limits,
    )
    expect([...codes]).toEqual(asked.map((a) => a[2]))
  })

  test.each<[string, 0 | 1 | 2, number]>([
    ['h/+/state', 1, 0],
    ['h/#', 2, 0],
    ['h/lamp/+', 0, 0],
    ['#', 0, 0],
    ['+/+/state', 0, 0],
    // Nothing of it may come.
    ['h/lock/+', 0, 0x87],
    ['h/+/set', 0, 0x87],
    ['other/#', 0, 0x87],
    // One of its topics may come at QoS 0 alone.
    ['q/+', 0, 0],
    ['q/+', 1, 0x87],
    // A member of the group that may not see it would take it from the others.
    ['$share/g/h/+/state', 0, 0x87],
    ['$share/g/h/lamp/state', 0, 0],
    // A broker may make another filter of it.
    ['$queue/#', 0, 0x87],
    ['$SYS/#', 0, 0x87],
    ['$SYS/load', 0, 0],
    ['h/#/x', 0, 0x8f],
  ])(
    'by setting, %s at QoS %i is answered %i where a part of it is allowed',
    (filter, qos, code) => {
      const acl = aclOf(
        deny('subscribe', 'h/lock/#'),
        allow('subscribe', 'h/+/state'),
        allow('subscribe', 'q/a', { qos: [0] }),
        allow('subscribe', 'q/b'),
        allow('subscribe', '$queue/h'),
        allow('subscribe', '$SYS/load'),
      )
      const deliver = { ...limits, partial_filters: 'deliver' as const }
      expect([...judgeSubscribe(acl, [filter], [qos], deliver)]).toEqual([code])
    },
  )

  test('what a narrower token lost is found by its own QoS', () => {
    const held: [string, 0 | 1 | 2][] = [
      ['a', 1],
      ['b', 0],
      ['$share/g/c', 0],
      ['d/#', 2],
    ]
    const acl = aclOf(
      allow('subscribe', 'a', { qos: [0] }),
      allow('subscribe', 'c'),
      allow('subscribe', 'd/+'),
    )
    expect(findLost(acl, held, limits)).toEqual(['a', 'b', 'd/#'])
    const deliver = { partial_filters: 'deliver' } as const
    // `a` at QoS 1 is not delivered at QoS 0; of `d/#` a part is left.
    expect(findLost(acl, held, deliver)).toEqual(['a', 'b'])
  })
})

describe('the next token', () => {
  const current = identify('dev', [], { expires_at: 1000 })
  const session = { clientId: 'dev', username: 'u', will: will('w') as Will | undefined }
  const good = (more: Partial<Identity> = {}, sub = 'dev'): Verification => ({
    ok: true,
    identity: identify(sub, [allow('publish', 'w')], { expires_at: 2000, ...more }),
  })
  const bad = (reason: Exclude<Verification, { ok: true }>['reason']): Verification => ({
    ok: false,
    reason,
  })
  // In AUTH, and on the reserved topic.
  test.each<[string, Verification, string, string]>([
    ['a newer one', good(), 'replace', 'replace'],
    ['one as old', good({ expires_at: 1000 }), 'replace', 'ignore'],
    ['an older one', good({ expires_at: 900 }), 'replace', 'ignore'],
    ['of another subject', good({}, 'other'), 'close', 'close'],
    ['older, of another subject', good({ expires_at: 9 }, 'other'), 'close', 'close'],
    ['of another issuer', good({ iss: 'x' }), 'close', 'close'],
    ['for another user name', good({ username: 'v' }), 'close', 'close'],
    ['for the user name', good({ username: 'u' }), 'replace', 'replace'],
    ['expired', bad('expired'), 'close', 'ignore'],
    ['from the future', bad('not_yet_valid'), 'close', 'ignore'],
    ['while keys are missing', bad('keys_unavailable'), 'close', 'ignore'],
    ['of a key that may be on its way', bad('key_pending'), 'close', 'ignore'],
    ['forged', bad('bad_signature'), 'close', 'close'],
    ['no token', bad('malformed'), 'close', 'close'],
    ['revoked', bad('revoked'), 'close', 'close'],
  ])('%s', (_, next, inAuth, handedIn) => {
    expect(judgeReplacement(current, next, session, false, defaultLimits).decision).toBe(inAuth)
    expect(judgeReplacement(current, next, session, true, defaultLimits).decision).toBe(handedIn)
  })

  test('that forbids the stored Will closes the session and suppresses it', () => {
    const next: Verification = { ok: true, identity: identify('dev', [], { expires_at: 2000 }) }
    const judged = judgeReplacement(current, next, session, false, defaultLimits)
    expect(judged).toEqual({ decision: 'close', suppressWill: true })
    const without = judgeReplacement(
      current,
      next,
      { ...session, will: undefined },
      false,
      defaultLimits,
    )
    expect(without.decision).toBe('replace')
  })
})
