// Verdicts that are remembered are those of the walk through the rules: for any order of topics, QoS
// and retain, in both directions, and not beyond the token that they were made for.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mayPublish, type Qos } from '../../../policy/acl.ts'
import { TopicMemory } from '../../../proxy-node/session/topic_memory.ts'
import { allow, deny, identify } from '../fixtures/proxy.ts'
import { both, marker, ok, open, proxy } from '../fixtures/stage.ts'
import { publish } from '../fixtures/wire.ts'

test('a memory answers as the rules do', () => {
  const acls = [
    identify('a', [
      allow('publish', 'x/+', { qos: [0] }),
      allow('publish', 'y', { retain: false }),
    ]),
    identify('b', [deny('publish', 'x/a'), allow('publish', '#')]),
  ].map(({ acl }) => acl)
  const long = `x/${'é'.repeat(200)}`
  const step = fc.record({
    topic: fc.constantFrom('x/a', 'x/é', 'y', long),
    acl: fc.constantFrom(...acls),
    qos: fc.constantFrom<Qos>(0, 1),
    retain: fc.boolean(),
    padding: fc.nat(3),
  })
  let recalled = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const memory = new TopicMemory<boolean>()
      for (const { topic, acl, qos, retain, padding } of steps) {
        const bytes = Buffer.concat([
          Buffer.alloc(padding, 120),
          Buffer.from(topic),
          Buffer.from('?'),
        ])
        expect(memory.read(bytes, padding, Buffer.byteLength(topic))).toBe(topic)
        const kind = qos | (retain ? 4 : 0)
        const known = memory.recall(acl, kind)
        const verdict = mayPublish(acl, topic, qos, retain)
        if (known === undefined) memory.remember(acl, kind, verdict)
        else expect(known).toBe(verdict)
        if (known !== undefined) recalled++
        bytes.fill(0)
      }
    }),
    { numRuns: 300 },
  )
  expect(recalled).toBeGreaterThan(5)
})

test.each(both)(
  'a narrower token judges the topic of before anew, at level %i',
  async (version) => {
    const { client, broker } = await open(version, [ok, allow('all', 'a')])
    client.send(publish('a'), publish('a'))
    broker.send(publish('a'), publish('a'))
    await broker.next('publish')
    await broker.next('publish')
    await client.next('publish')
    await client.next('publish')
    const expires_at = Math.floor(Date.now() / 1000) + 4000
    proxy.tokens.set('next', identify('dev', [ok], { expires_at }))
    client.send(publish('$allauth/token', { payload: 'next', qos: 1, messageId: 1 }))
    await client.next('puback')
    client.send(publish('a'), marker)
    broker.send(publish('a'), marker)
    expect((await broker.next('publish')).topic).toBe('ok')
    expect((await client.next('publish')).topic).toBe('ok')
    expect(proxy.counts).toMatchObject({ publishDenied: 1, deliveryDenied: 1 })
  },
)
