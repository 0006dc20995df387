// docs/conformance.md and docs/reliability.md name tests by words of theirs: each must stand in the
// named file, once.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findTests, readRows } from './support/named_tests.ts'
import { ROOT } from './support/tree.ts'

test('every test that docs/conformance.md names is there', () => {
  const page = readFileSync(join(ROOT, 'docs/conformance.md'), 'utf8')
  const { count, missing } = findTests(readRows(page))
  console.log(`docs/conformance.md: ${count} references to tests`)
  expect(count).toBeGreaterThan(100)
  expect(missing).toEqual([])
})

test('every test that docs/reliability.md names is there', () => {
  const page = readFileSync(join(ROOT, 'docs/reliability.md'), 'utf8')
  const { count, missing } = findTests(readRows(page))
  expect(missing).toEqual([])
  expect(count).toBeGreaterThan(15)
})
