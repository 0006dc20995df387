// The pages of docs/ that are made from tables in the code are as the tables are.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LAYOUT_FILE, makeLayout } from './docs/mail_layout.ts'
import { PAGES, readPage, withTables } from './docs/pages.ts'

test.each(PAGES)('docs/$file is as the table in the code', (page) => {
  const text = readPage(page)
  expect(text, `docs/${page.file} is stale: run "npm run docs"`).toBe(withTables(page, text))
})

test('the layout of mails is as its page, with its style in each element', () => {
  expect(makeLayout(), 'run "npm run docs"').toBe(readFileSync(LAYOUT_FILE, 'utf8'))
})
