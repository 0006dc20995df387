// docs/mproxy.md has every normative statement of MQTT 3.1.1 and 5.0 once: in a row with its test,
// or in a list with the reason why it is left to others.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findTests, readRows } from './support/named_tests.ts'
import { ROOT } from './support/tree.ts'

/** Sections with how many statements each has, counted from 1 (or from where `from` says). */
const numbers = (sections: Record<string, number>, from: Record<string, number> = {}): string[] =>
  Object.entries(sections).flatMap(([section, last]) => {
    const first = from[section] ?? 1
    return Array.from({ length: last - first + 1 }, (_, i) => `${section}-${first + i}`)
  })

// The standard's appendices B, by number alone.
const MQTT_3 = numbers({
  '1.5.3': 3,
  '2.2.2': 2,
  '2.3.1': 7,
  '3.1.0': 2,
  '3.1.2': 24,
  '3.1.3': 11,
  '3.1.4': 5,
  '3.2.0': 1,
  '3.2.2': 6,
  '3.3.1': 12,
  '3.3.2': 3,
  '3.3.4': 1,
  '3.3.5': 2,
  '3.6.1': 1,
  '3.8.1': 1,
  '3.8.3': 4,
  '3.8.4': 6,
  '3.9.3': 2,
  '3.10.1': 1,
  '3.10.3': 2,
  '3.10.4': 6,
  '3.12.4': 1,
  '3.14.1': 1,
  '3.14.4': 3,
  '4.1.0': 2,
  '4.3.1': 1,
  '4.3.2': 2,
  '4.3.3': 2,
  '4.4.0': 1,
  '4.5.0': 2,
  '4.6.0': 6,
  '4.7.1': 3,
  '4.7.2': 1,
  '4.7.3': 4,
  '4.8.0': 2,
  '6.0.0': 4,
  '7.0.0': 2,
  '7.1.1': 1,
  '7.1.2': 1,
})
const MQTT_5 = numbers(
  {
    '1.5.4': 3,
    '1.5.5': 1,
    '1.5.7': 1,
    '2.1.3': 1,
    '2.2.1': 6,
    '2.2.2': 1,
    '3.1.0': 2,
    '3.1.2': 30,
    '3.1.3': 12,
    '3.1.4': 6,
    '3.2.0': 2,
    '3.2.2': 22,
    '3.3.1': 13,
    '3.3.2': 20,
    '3.3.4': 10,
    '3.4.2': 3,
    '3.5.2': 3,
    '3.6.1': 1,
    '3.6.2': 3,
    '3.7.2': 3,
    '3.8.1': 1,
    '3.8.3': 5,
    '3.8.4': 8,
    '3.9.2': 2,
    '3.9.3': 2,
    '3.10.1': 1,
    '3.10.3': 2,
    '3.10.4': 6,
    '3.11.2': 2,
    '3.11.3': 2,
    '3.12.4': 1,
    '3.14.0': 1,
    '3.14.1': 1,
    '3.14.2': 4,
    '3.14.4': 3,
    '3.15.1': 1,
    '3.15.2': 3,
    '4.1.0': 2,
    '4.2.0': 1,
    '4.3.1': 1,
    '4.3.2': 5,
    '4.3.3': 13,
    '4.4.0': 2,
    '4.5.0': 2,
    '4.6.0': 6,
    '4.7.0': 1,
    '4.7.1': 2,
    '4.7.2': 1,
    '4.7.3': 4,
    '4.8.2': 6,
    '4.9.0': 3,
    '4.12.0': 7,
    '4.12.1': 2,
    '4.13.1': 1,
    '4.13.2': 1,
    '6.0.0': 4,
  },
  { '2.2.1': 2 },
)

const page = readFileSync(join(ROOT, 'docs/mproxy.md'), 'utf8')
const NUMBER = /\b\d+\.\d+\.\d+-\d+\b/g

test('the numbers are as many as the standards have', () => {
  expect([MQTT_3.length, MQTT_5.length]).toEqual([141, 251])
})

test('every row names a test, and every test that is named is there', () => {
  const rows = readRows(page).filter((row) => !['test', '---'].includes(row.at(-1)!.trim()))
  expect(rows.filter((row) => findTests([row]).count === 0)).toEqual([])
  const { count, missing } = findTests(rows)
  expect(missing).toEqual([])
  console.log(`docs/mproxy.md: ${rows.length} rows, ${count} references to tests`)
})

test('the source cites statements that exist', () => {
  const cited = ['proxy-node', 'policy'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [
        ...readFileSync(join(ROOT, folder, file), 'utf8').matchAll(/(3\.1\.1 )?\[MQTT-([^\]]+)\]/g),
      ]),
  )
  const unknown = cited.filter(([, old, number = '']) => {
    return !(old ? MQTT_3 : MQTT_5).includes(number)
  })
  expect(unknown.map(([citation]) => citation)).toEqual([])
  expect(cited.length).toBeGreaterThan(50)
})

describe.each([
  ['MQTT 3.1.1', MQTT_3],
  ['MQTT 5.0', MQTT_5],
])('%s', (version, statements) => {
  const part = page.split(/^## /m).find((text) => text.startsWith(`${version}\n`)) ?? ''
  const rows = readRows(part).filter(([number = '']) => number.match(NUMBER))

  test('each statement is there once', () => {
    const lists = part.split('\n').filter((line) => /^(\* | {2}\S)/.test(line))
    const named = [...rows.map(([number = '']) => number), ...lists].flatMap(
      (text) => text.match(NUMBER) ?? [],
    )
    const lacking = statements.filter((number) => !named.includes(number))
    const unknown = named.filter((number) => !statements.includes(number))
    const twice = named.filter((number, i) => named.indexOf(number) !== i)
    expect({ lacking, unknown, twice }).toEqual({ lacking: [], unknown: [], twice: [] })
    console.log(`${version}: ${rows.length} rows, ${statements.length} statements`)
  })
})
