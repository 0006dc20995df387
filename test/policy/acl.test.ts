import { describe, expect, test } from 'vitest'
import {
  type Acl,
  type AclRule,
  MAX_RULES,
  mayPublish,
  mayReceive,
  maySubscribe,
  orderAcl,
  parseAcl,
  parseRule,
} from '../../policy/acl.ts'

const rule = (permission: string, action: string, topic: unknown, more: object = {}) => ({
  permission,
  action,
  topic,
  ...more,
})

function aclOf(...claim: unknown[]): Acl {
  const read = parseAcl(JSON.parse(JSON.stringify(claim)))
  if ('fault' in read) throw new Error(read.fault)
  return read.acl
}

describe('reading the claim', () => {
  test.each([[undefined], [[]]])('a claim of %j permits nothing', (claim) => {
    const read = parseAcl(claim)
    if ('fault' in read) throw new Error(read.fault)
    expect(mayPublish(read.acl, 'a', 0, false)).toBe(false)
    expect(maySubscribe(read.acl, 'a', 0)).toBe(false)
    expect(maySubscribe(read.acl, '#', 0)).toBe(false)
    expect(mayReceive(read.acl, 'a')).toBe(false)
  })

  test('a well-formed claim keeps its rules, their order and nothing else', () => {
    const claim = [
      { permission: 'deny', action: 'all', topic: 'secret/#' },
      { permission: 'allow', action: 'publish', topic: 'a/+', qos: [0, 2], retain: false },
      { permission: 'allow', action: 'subscribe', topic: '$SYS/#', qos: [1], retain: true },
    ]
    expect(aclOf(...claim).rules).toEqual(claim)
  })

  test.each([
    ['null', null],
    ['a text', 'allow all'],
    ['a number', 1],
    ['an object', { pub: ['#'], sub: ['#'] }],
    ['an array-like object', { length: 1, 0: rule('allow', 'all', '#') }],
  ])('a claim that is %s is refused', (_, claim) => {
    expect(parseAcl(claim)).toEqual({ fault: 'acl is not a list' })
  })

  const topicFault = '.topic is not a topic filter'
  const qosFault = '.qos is not a list of 0, 1 and 2'
  const retainFault = '.retain is not true or false'
  const shareFault = '.topic is a shared subscription: name the filter without "$share"'
  const malformed: [unknown, string][] = [
    [null, ' is not an object'],
    ['a', ' is not an object'],
    [[], ' is not an object'],
    [['allow', 'all', 'a'], ' is not an object'],
    [{}, '.permission is not "allow" or "deny"'],
    [rule('Deny', 'all', 'a'), '.permission is not "allow" or "deny"'],
    [rule('ignore', 'all', 'a'), '.permission is not "allow" or "deny"'],
    [{ permission: ['deny'], action: 'all', topic: 'a' }, '.permission is not "allow" or "deny"'],
    [{ action: 'all', topic: 'a' }, '.permission is not "allow" or "deny"'],
    [rule('deny', 'pub', 'a'), '.action is not "publish", "subscribe" or "all"'],
    [{ permission: 'deny', topic: 'a' }, '.action is not "publish", "subscribe" or "all"'],
    [{ permission: 'deny', action: 'all' }, topicFault],
    [rule('deny', 'all', ['a']), topicFault],
    [rule('deny', 'all', 7), topicFault],
    [rule('deny', 'all', ''), topicFault],
    [rule('deny', 'all', 'a/#/b'), topicFault],
    [rule('deny', 'all', 'a+'), topicFault],
    [rule('deny', 'all', 'a\0'), topicFault],
    [rule('deny', 'all', '\ud800'), topicFault],
    [rule('deny', 'all', 'x'.repeat(65_536)), topicFault],
    [rule('deny', 'all', '/'.repeat(128)), topicFault],
    [rule('deny', 'all', 'eq a/b'), '.topic begins with "eq "'],
    [rule('deny', 'all', `a/\${clientid}/b`), '.topic has a variable'],
    [rule('deny', 'all', `\${username}`), '.topic has a variable'],
    [rule('deny', 'subscribe', '$share'), shareFault],
    [rule('deny', 'subscribe', '$share/g/secret'), shareFault],
    [rule('deny', 'all', 'a', { qos: 1 }), qosFault],
    [rule('deny', 'all', 'a', { qos: [] }), qosFault],
    [rule('deny', 'all', 'a', { qos: [3] }), qosFault],
    [rule('deny', 'all', 'a', { qos: [-1] }), qosFault],
    [rule('deny', 'all', 'a', { qos: [0.5] }), qosFault],
    [rule('deny', 'all', 'a', { qos: ['0'] }), qosFault],
    [rule('deny', 'all', 'a', { qos: [0, null] }), qosFault],
    [rule('deny', 'all', 'a', { qos: null }), qosFault],
    [rule('deny', 'all', 'a', { retain: 1 }), retainFault],
    [rule('deny', 'all', 'a', { retain: 'false' }), retainFault],
    [rule('deny', 'all', 'a', { retain: null }), retainFault],
    [rule('allow', 'all', 'a', { clientid: 'x' }), ' has an unknown member'],
    [JSON.parse('{"__proto__":{"permission":"allow"}}'), ' has an unknown member'],
  ]
  test.each(malformed)('%#: one unreadable rule makes the whole claim refused', (bad, fault) => {
    expect(parseRule(bad)).toEqual({ fault })
    const good = rule('allow', 'all', '#')
    expect(parseAcl([bad, good])).toEqual({ fault: `acl[0]${fault}` })
    expect(parseAcl([good, good, bad])).toEqual({ fault: `acl[2]${fault}` })
  })

  test('more rules than the limit are refused', () => {
    const rules = (n: number) => Array.from({ length: n }, (_, i) => rule('deny', 'all', `a/${i}`))
    expect(parseAcl(rules(MAX_RULES))).toHaveProperty('acl')
    expect(parseAcl(rules(MAX_RULES + 1))).toEqual({ fault: 'acl has more than 256 rules' })
    expect(parseAcl(rules(3), 2)).toEqual({ fault: 'acl has more than 2 rules' })
  })

  test('"eq" and "$share" are ordinary elsewhere in a topic', () => {
    for (const topic of ['eq', 'eq/a', 'a/eq b', 'eqa', '$shared/a', 'a/$share/b', 'a$b']) {
      expect(parseRule(rule('allow', 'all', topic))).toHaveProperty('rule.topic', topic)
    }
  })
})

describe('publish', () => {
  test('the first rule that holds decides', () => {
    const acl = aclOf(
      rule('allow', 'publish', 'a/b'),
      rule('deny', 'publish', 'a/+'),
      rule('allow', 'all', 'a/#'),
    )
    expect(mayPublish(acl, 'a/b', 0, false)).toBe(true)
    expect(mayPublish(acl, 'a/c', 0, false)).toBe(false)
    expect(mayPublish(acl, 'a/c/d', 0, false)).toBe(true)
    expect(mayPublish(acl, 'b', 0, false)).toBe(false)
  })

  test('a right to subscribe is none to publish, and the other way round', () => {
    const acl = aclOf(rule('allow', 'subscribe', 's'), rule('allow', 'publish', 'p'))
    expect(mayPublish(acl, 's', 0, false)).toBe(false)
    expect(maySubscribe(acl, 's', 0)).toBe(true)
    expect(mayReceive(acl, 's')).toBe(true)
    expect(mayPublish(acl, 'p', 0, false)).toBe(true)
    expect(maySubscribe(acl, 'p', 0)).toBe(false)
    expect(mayReceive(acl, 'p')).toBe(false)
  })

  test('QoS and retain outside the rule are refused', () => {
    const acl = aclOf(rule('allow', 'publish', 'a', { qos: [0, 2], retain: false }))
    expect(mayPublish(acl, 'a', 0, false)).toBe(true)
    expect(mayPublish(acl, 'a', 1, false)).toBe(false)
    expect(mayPublish(acl, 'a', 2, false)).toBe(true)
    expect(mayPublish(acl, 'a', 0, true)).toBe(false)
    const retained = aclOf(rule('allow', 'all', 'a', { retain: true }))
    expect(mayPublish(retained, 'a', 0, true)).toBe(true)
    expect(mayPublish(retained, 'a', 0, false)).toBe(false)
    const either = aclOf(rule('allow', 'all', 'a'))
    expect(mayPublish(either, 'a', 2, true)).toBe(true)
  })

  test('a denial of retained messages leaves the others alone', () => {
    const acl = aclOf(rule('deny', 'publish', '#', { retain: true }), rule('allow', 'publish', '#'))
    expect(mayPublish(acl, 'a', 0, true)).toBe(false)
    expect(mayPublish(acl, 'a', 0, false)).toBe(true)
    const qos2 = aclOf(rule('deny', 'publish', '#', { qos: [2] }), rule('allow', 'publish', '#'))
    expect(mayPublish(qos2, 'a', 2, false)).toBe(false)
    expect(mayPublish(qos2, 'a', 1, false)).toBe(true)
  })

  test('what is no topic name is refused, even where the rule reads the same', () => {
    const acl = aclOf(rule('allow', 'all', '#'), rule('allow', 'all', 'a/+'))
    for (const topic of ['', '#', '+', 'a/+', 'a/#', 'a\0', '\ud800', '/'.repeat(128)]) {
      expect(mayPublish(acl, topic, 0, false)).toBe(false)
      expect(mayReceive(acl, topic)).toBe(false)
    }
  })
})

describe('subscribe', () => {
  test('a grant on a/+ is refused a/#', () => {
    const acl = aclOf(rule('allow', 'subscribe', 'a/+'))
    expect(maySubscribe(acl, 'a/+', 0)).toBe(true)
    expect(maySubscribe(acl, 'a/b', 0)).toBe(true)
    expect(maySubscribe(acl, 'a/#', 0)).toBe(false)
    expect(maySubscribe(acl, 'a', 0)).toBe(false)
    expect(maySubscribe(acl, '+/+', 0)).toBe(false)
    expect(maySubscribe(acl, '#', 0)).toBe(false)
  })

  test('with secret/# denied and # allowed, # and all that reaches secret are refused', () => {
    const acl = aclOf(rule('deny', 'subscribe', 'secret/#'), rule('allow', 'all', '#'))
    for (const filter of ['#', '+', '+/#', '+/a', 'secret', 'secret/#', 'secret/+/x']) {
      expect(maySubscribe(acl, filter, 0)).toBe(false)
      expect(maySubscribe(acl, `$share/g/${filter}`, 0)).toBe(false)
    }
    expect(maySubscribe(acl, 'open/#', 0)).toBe(true)
    expect(mayReceive(acl, 'open/a')).toBe(true)
    expect(mayReceive(acl, 'secret')).toBe(false)
    expect(mayReceive(acl, 'secret/a')).toBe(false)
    expect(mayPublish(acl, 'secret/a', 0, false)).toBe(true)
  })

  test('an earlier allowance is not undone by a later denial', () => {
    const acl = aclOf(rule('allow', 'all', 'a/#'), rule('deny', 'all', '#'))
    expect(maySubscribe(acl, 'a/+', 0)).toBe(true)
    expect(mayReceive(acl, 'a/b')).toBe(true)
    expect(maySubscribe(acl, '#', 0)).toBe(false)
  })

  test('two grants on a/b and a/c are refused a/+', () => {
    const acl = aclOf(rule('allow', 'subscribe', 'a/b'), rule('allow', 'subscribe', 'a/c'))
    expect(maySubscribe(acl, 'a/+', 0)).toBe(false)
    expect(maySubscribe(acl, 'a/b', 0)).toBe(true)
    expect(maySubscribe(acl, 'a/c', 0)).toBe(true)
  })

  test('an allowance is for its QoS, a denial and a delivery for any', () => {
    const acl = aclOf(
      rule('deny', 'subscribe', 'a/x', { qos: [2], retain: true }),
      rule('allow', 'subscribe', 'a/+', { qos: [0, 1], retain: true }),
    )
    expect(maySubscribe(acl, 'a/b', 0)).toBe(true)
    expect(maySubscribe(acl, 'a/b', 1)).toBe(true)
    expect(maySubscribe(acl, 'a/b', 2)).toBe(false)
    expect(maySubscribe(acl, 'a/x', 0)).toBe(false)
    expect(maySubscribe(acl, 'a/+', 0)).toBe(false)
    expect(mayReceive(acl, 'a/b')).toBe(true)
    expect(mayReceive(acl, 'a/x')).toBe(false)
  })

  test('an allowance of a lower QoS does not stop a later one', () => {
    const acl = aclOf(rule('allow', 'all', 'a', { qos: [0] }), rule('allow', 'all', '#'))
    expect(maySubscribe(acl, 'a', 2)).toBe(true)
    expect(mayPublish(acl, 'a', 2, false)).toBe(true)
  })

  test('a shared subscription is judged by its filter, a malformed one is refused', () => {
    const acl = aclOf(rule('allow', 'subscribe', 'a/#'), rule('allow', 'subscribe', '+/b'))
    for (const filter of ['a', 'a/+', 'a/#', '+/b']) {
      expect(maySubscribe(acl, `$share/g/${filter}`, 0)).toBe(true)
      expect(maySubscribe(acl, `$share/$SYS/${filter}`, 0)).toBe(true)
    }
    for (const requested of [
      '$share/g/c',
      '$share/g/#',
      '$share/a/b',
      '$share//a',
      '$share/g/',
      '$share/a',
      '$share/+/a',
      '$share/#',
      '$share',
      '$share/g/$share/h/a',
    ]) {
      expect(maySubscribe(acl, requested, 0)).toBe(false)
    }
  })

  test('what is no topic filter is refused', () => {
    const acl = aclOf(rule('allow', 'all', '#'))
    for (const filter of ['', 'a#', '#/a', 'a/+b', 'a\0', '\udfff', '/'.repeat(128)]) {
      expect(maySubscribe(acl, filter, 0)).toBe(false)
    }
  })
})

describe('reserved spaces', () => {
  const spaces = ['$SYS', '$CONTROL', '$queue', '$exclusive', '$delayed', '$oshare', '$JS', '$MQTT']
  const wide = ['#', '+', '+/#', '+/+', '+/+/#', '+/+/+', 'a/#', '/#', '+/a', '+/g/a', '+/5/a'].map(
    (topic) => rule('allow', 'all', topic),
  )

  test.each(spaces)('%s is refused unless a rule spells it', (space) => {
    const topics = [space, `${space}/`, `${space}/a`, `${space}/g/a`, `${space}/5/a`]
    const filters = [...topics, `${space}/#`, `${space}/+`, `${space}/g/#`, `${space}/+/a`]
    const acl = aclOf(...wide)
    const others = spaces.filter((s) => s !== space).map((s) => rule('allow', 'all', `${s}/#`))
    const allOthers = aclOf(...wide, ...others, rule('allow', 'all', `${space}X/#`))
    const named = aclOf(...wide, rule('allow', 'all', `${space}/#`))
    for (const topic of topics) {
      for (const refusing of [acl, allOthers]) {
        expect(mayPublish(refusing, topic, 0, false)).toBe(false)
        expect(mayReceive(refusing, topic)).toBe(false)
      }
      expect(mayPublish(named, topic, 0, false)).toBe(true)
      expect(mayReceive(named, topic)).toBe(true)
    }
    for (const filter of filters) {
      for (const requested of [filter, `$share/g/${filter}`]) {
        expect(maySubscribe(acl, requested, 0)).toBe(false)
        expect(maySubscribe(allOthers, requested, 0)).toBe(false)
        expect(maySubscribe(named, requested, 0)).toBe(true)
      }
    }
  })

  test('a rewritten space is no way around a denial of what lies behind it', () => {
    const acl = aclOf(rule('deny', 'all', 'secret/#'), rule('allow', 'all', '#'))
    for (const requested of [
      '$queue/secret/a',
      '$queue/#',
      '$exclusive/secret/a',
      '$oshare/g/secret/a',
      '$share/g/$queue/secret/a',
      '$share/g/$exclusive/secret/#',
      '$share/g/$share/g/secret/a',
      '$queue/$share/g/secret/a',
    ]) {
      expect(maySubscribe(acl, requested, 0)).toBe(false)
    }
    for (const topic of ['$delayed/5/secret/a', '$queue/secret/a', '$share/g/secret/a']) {
      expect(mayPublish(acl, topic, 0, false)).toBe(false)
    }
  })

  test('a rule for one part of a space is refused the rest', () => {
    const acl = aclOf(rule('allow', 'publish', '$delayed/+/sites/1/#'))
    expect(mayPublish(acl, '$delayed/5/sites/1/a', 1, false)).toBe(true)
    expect(mayPublish(acl, '$delayed/5/sites/2/a', 1, false)).toBe(false)
    expect(mayPublish(acl, '$delayed/5/6/sites/1/a', 1, false)).toBe(false)
    expect(maySubscribe(acl, '$delayed/5/sites/1/a', 1)).toBe(false)
  })
})

describe('order of a compiled list', () => {
  test('denials come first, the order is otherwise kept, each rule stands once', () => {
    const allow = (topic: string, more: Partial<AclRule> = {}): AclRule => ({
      permission: 'allow',
      action: 'all',
      topic,
      ...more,
    })
    const deny = (topic: string, more: Partial<AclRule> = {}): AclRule => ({
      ...allow(topic, more),
      permission: 'deny',
    })
    const given = [
      allow('b'),
      deny('b'),
      allow('a'),
      allow('b'),
      deny('a', { qos: [0, 1] }),
      allow('b', { retain: false }),
      deny('a', { qos: [1, 0] }),
      allow('b', { action: 'publish' }),
      deny('b'),
      allow('b', { retain: true }),
      allow('b', { qos: [2] }),
    ]
    const before = structuredClone(given)
    expect(orderAcl(given)).toEqual([
      deny('b'),
      deny('a', { qos: [0, 1] }),
      allow('b'),
      allow('a'),
      allow('b', { retain: false }),
      allow('b', { action: 'publish' }),
      allow('b', { retain: true }),
      allow('b', { qos: [2] }),
    ])
    expect(given).toEqual(before)
    expect(orderAcl([])).toEqual([])
  })
})
