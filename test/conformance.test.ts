// docs/conformance.md names tests by words of theirs: each must stand in the named file, once.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from './support/tree.ts'

test('every test that docs/conformance.md names is there', () => {
  const rows = readFileSync(join(ROOT, 'docs/conformance.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'))
  const missing: string[] = []
  let count = 0
  for (const row of rows) {
    const cells = row.split(/(?<!\\)\|/)
    const last = cells.at(-2) ?? ''
    for (const [, file = '', quoted = ''] of last.matchAll(/`([\w/]+)`((?:,? "[^"]+")+)/g)) {
      const text = readFileSync(join(ROOT, 'test', `${file}.test.ts`), 'utf8')
      for (const [, words = ''] of quoted.matchAll(/"([^"]+)"/g)) {
        count++
        const found = text.split(words.replaceAll('\\|', '|')).length - 1
        if (found !== 1) missing.push(`${file}: "${words}" stands there ${found} times`)
      }
    }
  }
  console.log(`docs/conformance.md: ${count} references to tests`)
  expect(count).toBeGreaterThan(100)
  expect(missing).toEqual([])
})
