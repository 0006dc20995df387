// The patches of `npm run guards` fit the source as it is: each text stands in its file exactly
// once, and each test is there. That their removal is noticed is for the command to show; it takes
// minutes.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { GUARDS } from './guards/guards.ts'
import { ROOT } from './support/tree.ts'

test('every guard stands where its patch looks for it, and its test is there', () => {
  const lost = GUARDS.flatMap(({ name, file, from, test, title = '' }) => {
    const times = readFileSync(join(ROOT, file), 'utf8').split(from).length - 1
    const tests = readFileSync(join(ROOT, 'test', `${test}.test.ts`), 'utf8')
    return times === 1 && tests.includes(title) ? [] : [`${name}: ${times} times in ${file}`]
  })
  expect(GUARDS.length).toBeGreaterThan(0)
  expect(lost).toEqual([])
  expect(new Set(GUARDS.map(({ name }) => name)).size).toBe(GUARDS.length)
})
