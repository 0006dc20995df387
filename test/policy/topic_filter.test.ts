import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  coversFilter,
  isTopicFilter,
  isTopicLevel,
  isTopicName,
  MAX_LEVELS,
  matchesTopic,
  overlapsFilter,
  parseSubscription,
} from '../../policy/topic_filter.ts'
import { enumerate, intersects, isSubset, naiveMatch } from './oracle.ts'

const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31)
const numRuns = 20_000

describe('validity', () => {
  const levels = (n: number) => Array(n).fill('a').join('/')

  test.each([
    'a',
    '/',
    '//',
    'a/',
    '/a',
    'a b',
    '$SYS',
    'ä/€/𝄞',
    '\ufeffa',
    levels(MAX_LEVELS),
    'x'.repeat(65_535),
    'é'.repeat(32_767) + 'x',
    '€'.repeat(21_845),
    '𝄞'.repeat(16_383) + 'abc',
  ])('%#: a topic name and a topic filter', (text) => {
    expect(isTopicName(text)).toBe(true)
    expect(isTopicFilter(text)).toBe(true)
  })

  test.each([
    '',
    '\0',
    'a/\0/b',
    '\ud800',
    'a\udc00',
    '\udc00\ud800',
    '\ud800\ud800\udc00',
    '𝄞\ud834',
    'a\ud834/b',
    levels(MAX_LEVELS + 1),
    'x'.repeat(65_536),
    'é'.repeat(32_768),
    '€'.repeat(21_845) + 'x',
    '𝄞'.repeat(16_384),
  ])('%#: refused as topic name and as topic filter', (text) => {
    expect(isTopicName(text)).toBe(false)
    expect(isTopicFilter(text)).toBe(false)
  })

  test.each(['#', '+', 'a/#', '/#', '+/+', '+/a/+', '/+', '+/', '+/#', 'a/+/b', '$x/#'])(
    '%s is a filter and refused as topic name',
    (text) => {
      expect(isTopicFilter(text)).toBe(true)
      expect(isTopicName(text)).toBe(false)
    },
  )

  test.each(['a#', '#a', 'a/#/b', '#/', '#/#', 'a+', '+a', 'a/+b', 'a/b+/c', '++', '+#', '##'])(
    '%s is refused: a wildcard stands alone, and # stands last',
    (text) => {
      expect(isTopicFilter(text)).toBe(false)
      expect(isTopicName(text)).toBe(false)
    },
  )

  test('a lower limit on levels refuses what lies deeper', () => {
    expect(isTopicName('a/b/c', 3)).toBe(true)
    expect(isTopicName('a/b/c', 2)).toBe(false)
    expect(isTopicFilter('a/b/#', 3)).toBe(true)
    expect(isTopicFilter('//#', 2)).toBe(false)
    expect(parseSubscription('$share/g/a/b', 2)).toEqual({ group: 'g', filter: 'a/b' })
    expect(parseSubscription('$share/g/a/b/c', 2)).toBeNull()
  })

  test.each(['a', 'dim-0042', 'a b', 'a$', 'a$b', '{x}', '.', 'é', '𝄞', '\ufeff', 'A:b~_-.'])(
    '%s may stand for a variable',
    (value) => expect(isTopicLevel(value)).toBe(true),
  )

  test.each([
    '',
    '$',
    '$x',
    `\${a}`,
    `a\${b}`,
    `a\${`,
    '/',
    'a/b',
    '+',
    'a+',
    '#',
    '#a',
    'a\0',
    '\ud800a',
  ])('%j is refused as value of a variable', (value) => expect(isTopicLevel(value)).toBe(false))
})

describe('shared subscriptions', () => {
  test.each([
    ['a/b', null, 'a/b'],
    ['$share', null, '$share'],
    ['$shared/g/a', null, '$shared/g/a'],
    ['$SYS/#', null, '$SYS/#'],
    ['$share/g/a', 'g', 'a'],
    ['$share/g/a/+/#', 'g', 'a/+/#'],
    ['$share/g/#', 'g', '#'],
    ['$share/g//', 'g', '/'],
    ['$share/g//a', 'g', '/a'],
    ['$share/$g/a', '$g', 'a'],
    ['$share/g/$queue/a', 'g', '$queue/a'],
    ['$share/g/$share/h/a', 'g', '$share/h/a'],
  ])('%s is group %s of %s', (requested, group, filter) => {
    expect(parseSubscription(requested)).toEqual({ group, filter })
  })

  test.each([
    '',
    '$share/',
    '$share//',
    '$share//x',
    '$share/g',
    '$share/g/',
    '$share/#',
    '$share/+',
    '$share/+/x',
    '$share/#/x',
    '$share/g+/x',
    '$share/g#/x',
    '$share/g/a#',
    '$share/g/#/a',
    '$share/g\0/a',
    '$share/\ud800/a',
    '$share/g/' + 'x'.repeat(65_527),
    'a/#/b',
  ])('%j is refused', (requested) => {
    expect(parseSubscription(requested)).toBeNull()
  })
})

describe('matching', () => {
  test.each([
    // MQTT 5.0 §4.7.1.2, §4.7.1.3, §4.7.2
    ['sport/tennis/player1/#', 'sport/tennis/player1'],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking'],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon'],
    ['sport/#', 'sport'],
    ['#', 'a'],
    ['#', '/'],
    ['sport/tennis/+', 'sport/tennis/player1'],
    ['sport/+', 'sport/'],
    ['+/+', '/finance'],
    ['/+', '/finance'],
    ['+/tennis/#', 'sport/tennis'],
    ['$SYS/#', '$SYS/a'],
    ['$SYS/monitor/+', '$SYS/monitor/Clients'],
    ['a/+/c', 'a/$x/c'],
    ['a/#', 'a/$x'],
    ['/#', '/'],
    ['/#', '/$x'],
    ['a//b', 'a//b'],
    ['a/+/b', 'a//b'],
  ])('%s matches %s', (filter, topic) => {
    expect(matchesTopic(filter, topic)).toBe(true)
    expect(naiveMatch(filter, topic)).toBe(true)
  })

  test.each([
    ['sport/tennis/+', 'sport/tennis/player1/ranking'],
    ['sport/+', 'sport'],
    ['+', '/finance'],
    ['#', '$SYS'],
    ['#', '$SYS/a'],
    ['+/monitor/Clients', '$SYS/monitor/Clients'],
    ['+', '$x'],
    ['+/#', '$x/a'],
    ['$SYS/#', '$sys/a'],
    ['$SYS/#', '$SYSTEM/a'],
    ['a', 'A'],
    ['a', 'ab'],
    ['ab', 'a'],
    ['a/b', 'a'],
    ['a', 'a/'],
    ['a/', 'a'],
    ['/a', 'a'],
    ['ab/#', 'a'],
    ['a/#', 'ab'],
    ['é', 'e\u0301'],
  ])('%s does not match %s', (filter, topic) => {
    expect(matchesTopic(filter, topic)).toBe(false)
    expect(naiveMatch(filter, topic)).toBe(false)
  })
})

describe('covering', () => {
  test.each([
    ['a/#', 'a'],
    ['a/#', 'a/+'],
    ['a/#', 'a/b/#'],
    ['a/#', 'a/#'],
    ['a/+', 'a/b'],
    ['a/+', 'a/+'],
    ['+/+', 'a/+'],
    ['+/#', '#'],
    ['#', '+/#'],
    ['#', '+'],
    ['#', '/#'],
    ['/+/#', '/#'],
    ['+/+/#', '/#'],
    ['$x/#', '$x/+'],
    ['$x/+', '$x/a'],
  ])('%s covers %s', (rule, requested) => {
    expect(coversFilter(rule, requested)).toBe(true)
  })

  test.each([
    ['a/+', 'a/#'],
    ['a/+', 'a'],
    ['+', '#'],
    ['+', '+/#'],
    ['+/+', '+'],
    ['+/+', '#'],
    ['a/b', 'a/+'],
    ['a/+/#', 'a/#'],
    ['a', 'a/#'],
    ['a/b/#', 'a/#'],
    ['/+/#', '+/#'],
    ['/', '+/+'],
    ['#', '$x'],
    ['#', '$x/#'],
    ['+/#', '$x/a'],
    ['+/a', '$x/a'],
    ['$x/#', '#'],
    ['$x', '+'],
    ['ab/#', 'a/b'],
    ['a', 'ab'],
  ])('%s does not cover %s', (rule, requested) => {
    expect(coversFilter(rule, requested)).toBe(false)
  })
})

describe('overlapping', () => {
  test.each([
    ['secret/#', '#'],
    ['secret/#', 'secret'],
    ['secret/#', '+'],
    ['secret/#', '+/+/+'],
    ['a/+', '+/b'],
    ['a/b/#', 'a/#'],
    ['a/+/c', 'a/b/#'],
    ['/#', '+/#'],
    ['/#', '+/+'],
    ['$x/#', '$x/+'],
    ['a', 'a'],
    ['a/#', '+'],
  ])('%s and %s share a topic', (a, b) => {
    expect(overlapsFilter(a, b)).toBe(true)
    expect(overlapsFilter(b, a)).toBe(true)
  })

  test.each([
    ['a/+', 'a'],
    ['a/b', 'a/c'],
    ['a/b/#', 'a/c/#'],
    ['a/+', '+/+/+'],
    ['$x/#', '#'],
    ['$x/#', '+/#'],
    ['$x', '+'],
    ['$x/a', '+/a'],
    ['/#', '+'],
    ['a', 'ab'],
    ['ab/#', 'a/#'],
    ['a/', 'a'],
  ])('%s and %s share none', (a, b) => {
    expect(overlapsFilter(a, b)).toBe(false)
    expect(overlapsFilter(b, a)).toBe(false)
  })
})

describe('against the enumeration', () => {
  test.each([
    { literals: ['a', 'b', '', '$x'], fresh: 'f' },
    // One level is the beginning of another, and `$` is a whole level.
    { literals: ['a', 'ab', '', '$'], fresh: 'abc' },
  ])('every pair of filters over $literals covers and overlaps exactly as listed', (alphabet) => {
    const { filters, topics, matched } = enumerate(alphabet.literals, alphabet.fresh, 4)
    const wrong: string[] = []
    let covering = 0
    let overlapping = 0
    for (const a of filters) {
      for (const b of filters) {
        const covers = isSubset(matched(b), matched(a))
        const overlaps = intersects(matched(a), matched(b))
        if (covers) covering++
        if (overlaps) overlapping++
        if (coversFilter(a, b) !== covers) wrong.push(`covers ${a} ${b} is ${covers}`)
        if (overlapsFilter(a, b) !== overlaps) wrong.push(`overlaps ${a} ${b} is ${overlaps}`)
      }
    }
    console.log(
      `pairs of filters: levels ${JSON.stringify(alphabet.literals)}, depth 1..4, ` +
        `${filters.length} filters, ${filters.length ** 2} pairs, ${topics.length} topics, ` +
        `${covering} covering, ${overlapping} overlapping`,
    )
    expect(wrong).toEqual([])
  })

  test('every filter matches exactly the topics that the naive matcher lists', () => {
    const { filters, topics } = enumerate(['a', 'ab', '', '$x'], 'f', 3)
    const wrong: string[] = []
    for (const filter of filters) {
      expect(isTopicFilter(filter)).toBe(true)
      for (const topic of topics) {
        if (matchesTopic(filter, topic) !== naiveMatch(filter, topic)) {
          wrong.push(`${filter} ${topic}`)
        }
      }
    }
    console.log(`matching: ${filters.length} filters, ${topics.length} topics`)
    expect(wrong).toEqual([])
  })

  const level = fc.oneof(
    fc.constantFrom('', 'a', 'b', 'ab', '$', '$x', 'é', '𝄞'),
    fc.string({ unit: 'binary', maxLength: 3 }).map((s) => s.replace(/[/+#\0]/g, '_')),
  )
  const topicLevels = fc.array(level, { minLength: 1, maxLength: 10 })

  test('a filter made of a topic matches as the naive matcher says, in any alphabet', () => {
    let matching = 0
    const property = fc.property(
      topicLevels,
      fc.array(fc.constantFrom('keep', 'keep', 'keep', '+', 'a'), { maxLength: 10 }),
      fc.option(fc.nat(10)),
      (levels, changes, cut) => {
        const topic = levels.join('/')
        const changed = levels.map((l, i) => {
          const change = changes[i] ?? 'keep'
          return change === 'keep' ? l : change
        })
        const filter = (cut === null ? changed : [...changed.slice(0, cut), '#']).join('/')
        fc.pre(topic !== '' && filter !== '')
        const expected = naiveMatch(filter, topic)
        if (expected) matching++
        expect(isTopicName(topic)).toBe(true)
        expect(isTopicFilter(filter)).toBe(true)
        expect(matchesTopic(filter, topic)).toBe(expected)
        if (expected) {
          expect(coversFilter(filter, topic)).toBe(true)
          expect(overlapsFilter(topic, filter)).toBe(true)
        }
      },
    )
    fc.assert(property, { seed, numRuns })
    console.log(`filters made of topics: seed ${seed}, ${numRuns} cases, ${matching} matching`)
    expect(matching).toBeGreaterThan(numRuns / 10)
  })

  test('any string at all is judged valid exactly as the naive reading of §4.7 says', () => {
    const naiveName = (s: string) =>
      s !== '' && s.isWellFormed() && !/[+#\0]/.test(s) && s.split('/').length <= 5
    const naiveFilter = (s: string) =>
      s !== '' &&
      s.isWellFormed() &&
      !s.includes('\0') &&
      s.split('/').length <= 5 &&
      s
        .split('/')
        .every((l, i, all) => (l === '#' ? i === all.length - 1 : l === '+' || !/[+#]/.test(l)))
    const unit = fc.constantFrom('a', '/', '/', '+', '#', '\0', '$', 'é', '𝄞', '\ud834', '\udd1e')
    const counts = { names: 0, filters: 0 }
    const property = fc.property(fc.string({ unit, maxLength: 8 }), (text) => {
      if (naiveName(text)) counts.names++
      if (naiveFilter(text)) counts.filters++
      expect(isTopicName(text, 5)).toBe(naiveName(text))
      expect(isTopicFilter(text, 5)).toBe(naiveFilter(text))
    })
    fc.assert(property, { seed, numRuns })
    console.log(
      `validity: seed ${seed}, ${numRuns} cases, ` +
        `${counts.names} valid names, ${counts.filters} valid filters`,
    )
    expect(counts.names).toBeGreaterThan(numRuns / 50)
    expect(counts.filters).toBeGreaterThan(counts.names)
  })
})
