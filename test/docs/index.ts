// `npm run docs`: writes the tables of the pages anew from the tables in the code.
import { writeFileSync } from 'node:fs'
import { fileOf, PAGES, readPage, withTables } from './pages.ts'

for (const page of PAGES) {
  const before = readPage(page)
  const after = withTables(page, before)
  if (after === before) continue
  writeFileSync(fileOf(page), after)
  console.log(`docs/${page.file} is written`)
}
