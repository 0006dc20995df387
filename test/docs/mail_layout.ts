// The layout of mails as the worker has it: worker/pages/mail/layout.html, with its style in each
// element, since mail programs drop style sheets. Those rules that no element can have (dark) stay
// in the head.
import { readFileSync } from 'node:fs'
import juice from 'juice'

const path = (name: string) => new URL(`../../worker/pages/mail/${name}`, import.meta.url).pathname

export const LAYOUT_FILE = path('layout.ts')

/** The text of layout.ts, out of layout.html. */
export function makeLayout(): string {
  const inlined = juice(readFileSync(path('layout.html'), 'utf8'), {
    preserveMediaQueries: true,
    removeStyleTags: true,
    applyWidthAttributes: false,
    applyAttributesTableElements: false,
  })
  if (/[`\\]|\$\{/.test(inlined)) throw new Error('layout.html has a sign that a template has not')
  const [page = '', rest = ''] = inlined.split('<!-- parts -->\n')
  const found = [...rest.matchAll(/<!-- part: (\w+) -->(.*)<!-- end -->/g)]
  const end = rest.slice(rest.lastIndexOf('<!-- end -->') + '<!-- end -->\n'.length)
  const parts = found.map(([, name, text]) => `  ${name}: \`${text}\`,`)
  return `// Made from layout.html by: npm run docs. Words in {{}} are slots: pages/mail/mail_text.ts fills
// them with escaped values.
export const LAYOUT = \`${page}${end}\`

export const LAYOUT_PARTS = {
${parts.join('\n')}
}
`
}
