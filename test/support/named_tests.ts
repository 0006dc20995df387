// Tables of a page that name tests: `file` and, in quotes, words that stand in that file once.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './tree.ts'

const split = (row: string): string[] => row.split(/(?<!\\)\|/).slice(1, -1)

/** The cells of each row of a page's tables. */
export function readRows(page: string): string[][] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map(split)
}

/** How many tests the last cells name, and those of them that are not there. */
export function findTests(rows: string[][]): { count: number; missing: string[] } {
  const missing: string[] = []
  let count = 0
  for (const row of rows) {
    for (const [, file = '', quoted = ''] of (row.at(-1) ?? '').matchAll(
      /`([\w/-]+)`((?:,? "[^"]+")+)/g,
    )) {
      const path = join(ROOT, 'test', `${file}.test.ts`)
      const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
      for (const [, words = ''] of quoted.matchAll(/"([^"]+)"/g)) {
        count++
        const found = text.split(words.replaceAll('\\|', '|')).length - 1
        if (found !== 1) missing.push(`${file}: "${words}" stands there ${found} times`)
      }
    }
  }
  return { count, missing }
}
