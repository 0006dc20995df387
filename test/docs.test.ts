// The pages of docs/ that are made from tables in the code are as the tables are.
import { expect, test } from 'vitest'
import { PAGES, readPage, withTables } from './docs/pages.ts'

test.each(PAGES)('docs/$file is as the table in the code', (page) => {
  const text = readPage(page)
  expect(text, `docs/${page.file} is stale: run "npm run docs"`).toBe(withTables(page, text))
})
