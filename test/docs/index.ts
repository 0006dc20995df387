// `npm run docs`: writes the tables of the pages anew from the tables in the code, and the layout of
// mails from its page.
import { readFileSync, writeFileSync } from 'node:fs'
import { LAYOUT_FILE, makeLayout } from './mail_layout.ts'
import { fileOf, PAGES, readPage, withTables } from './pages.ts'

for (const page of PAGES) {
  const before = readPage(page)
  const after = withTables(page, before)
  if (after === before) continue
  writeFileSync(fileOf(page), after)
  console.log(`docs/${page.file} is written`)
}

const layout = makeLayout()
if (layout !== readFileSync(LAYOUT_FILE, 'utf8')) {
  writeFileSync(LAYOUT_FILE, layout)
  console.log('worker/pages/mail/layout.ts is written')
}
