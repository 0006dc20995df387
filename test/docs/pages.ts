// The pages that are made from tables in the code. A page is written by hand, apart from the lines
// between `<!-- made from FILE by: npm run docs -->` and `<!-- end -->`, where the table of FILE
// stands.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { PROXY_VARIABLES } from '../../proxy-node/config.ts'
import { SENTENCES } from '../../worker/entry/refusal_sentences.ts'
import { VARIABLES } from '../../worker/environment.ts'
import { EVENTS } from '../../worker/events/event_catalogue.ts'
import { SETTINGS, scopeToChange } from '../../worker/settings.ts'

type Page = {
  /** Under docs/. */
  file: string
  /** FILE of the marks, and its table in Markdown. */
  tables: Readonly<Record<string, () => string>>
}

/** To add a page: its entry here, and the page itself with the two marks. */
export const PAGES: readonly Page[] = [
  { file: 'settings.md', tables: { 'worker/settings.ts': settingsTable } },
  {
    file: 'environment.md',
    tables: {
      'worker/environment.ts': variablesTable,
      'proxy-node/config.ts': proxyVariablesTable,
    },
  },
  { file: 'events.md', tables: { 'worker/events/event_catalogue.ts': eventsTable } },
  { file: 'refusals.md', tables: { 'worker/entry/refusal_sentences.ts': refusalsTable } },
]

export const fileOf = ({ file }: Page): string =>
  new URL(`../../docs/${file}`, import.meta.url).pathname

export const readPage = (page: Page): string => readFileSync(fileOf(page), 'utf8')

/** The page with its tables as they are in the code. Throws for a page without the marks. */
export function withTables({ file, tables }: Page, text: string): string {
  return Object.entries(tables).reduce((page, [source, write]) => {
    const mark = `<!-- made from ${source} by: npm run docs -->\n`
    const start = page.indexOf(mark) + mark.length
    const end = page.indexOf('<!-- end -->', start)
    if (start < mark.length || end < 0) throw new Error(`docs/${file} lacks the marks of ${source}`)
    return `${page.slice(0, start)}${write()}\n${page.slice(end)}`
  }, text)
}

/** A table in Markdown. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `|${cells.map((cell) => (cell === '' ? ' ' : ` ${cell.replaceAll('|', '\\|')} `)).join('|')}|`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

const code = (text: string): string => `\`${text}\``

function settingsTable(): string {
  const rows = Object.entries(SETTINGS).map(([name, { schema, default: value, unit, meaning }]) => [
    code(name),
    code(JSON.stringify(value)),
    schema instanceof z.ZodNumber ? `${schema.minValue} to ${schema.maxValue}` : '',
    unit ?? '',
    code(scopeToChange(name)),
    meaning,
  ])
  return table(['name', 'default', 'bounds', 'unit', 'to change', 'meaning'], rows)
}

function variablesTable(): string {
  const rows = Object.entries<{
    default: string | undefined
    default_in_words?: string
    runtimes: string
    meaning: string
  }>(VARIABLES).map(([name, { default: value, default_in_words, runtimes, meaning }]) => [
    code(name),
    default_in_words ?? (value === undefined ? '' : code(value)),
    runtimes,
    meaning,
  ])
  return table(['name', 'default', 'where', 'meaning'], rows)
}

function proxyVariablesTable(): string {
  const rows = Object.entries(PROXY_VARIABLES).map(
    ([name, { default: value, remark, example, meaning }]) => {
      const words = value === undefined ? remark : remark === '' ? '' : ` (${remark})`
      return [
        code(name),
        `${value === undefined ? '' : code(value)}${words}`,
        value === example ? '' : code(example),
        meaning,
      ]
    },
  )
  return table(['name', 'default', 'example', 'meaning'], rows)
}

function eventsTable(): string {
  const rows = Object.entries(EVENTS).map(([type, entry]) => [
    code(type),
    [
      entry.meaning,
      ...('outcome' in entry ? ['A failure.'] : []),
      ...('changes' in entry ? ['With `before` and `after`.'] : []),
    ].join(' '),
    entry.subject ?? '',
    Object.entries<{ is: string; optional?: true; meaning: string }>(entry.data)
      .map(([name, { is, optional, meaning }]) => {
        const kind = optional === true ? `${is}, not always there` : is
        return `${code(name)} (${kind}): ${meaning}`
      })
      .join('<br>'),
  ])
  return table(['type', 'meaning', '`subject_id`', '`data`'], rows)
}

/** In the order of the alphabet, for the table is looked up by reason. */
function refusalsTable(): string {
  const rows = Object.entries(SENTENCES).map(([reason, sentence]) => [code(reason), sentence])
  return table(
    ['reason', 'sentence'],
    rows.sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
  )
}
