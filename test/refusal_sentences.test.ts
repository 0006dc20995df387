// Reasons of refusals, their sentences and docs/refusals.md, which is made from them: `npx vitest run -u` on this file.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SENTENCES } from '../worker/refusal_sentences.ts'

const root = new URL('..', import.meta.url).pathname

const sources = readdirSync(join(root, 'worker'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /(?<!\.d)\.ts$/.test(file))
  .map((file) => ({ file, text: readFileSync(join(root, 'worker', file), 'utf8') }))

const HEAD = `# Reasons of refusals

Each refusal is logged once, as one line of JSON. The caller gets few and dull words; the log has the rest:

| member | meaning |
| --- | --- |
| \`rid\` | the id of the request: the answer has it in \`X-Request-Id\`, error pages show it |
| \`reason\` | one of those below; it never leaves the service |
| \`status\`, \`error\` | the answer: HTTP status, and the code of the protocol or type of problem |
| \`address\`, \`path\` | where the request came from and went to, without its query |
| \`client_id\` | the client as the request names it, which proves nothing; cut, without control characters |
| \`sub\` | the subject, once a session, a token or a code has proven it |
| \`cause\` | the words of whatever lies behind it, such as those of the database |

No secret, token, code or password is in it. \`npm run allauth -- refusal REASON\` says the sentence of one reason.

| reason | sentence |
| --- | --- |
`

test('docs/refusals.md has the sentence of each reason', async () => {
  const rows = Object.entries(SENTENCES).sort(([a], [b]) => (a < b ? -1 : 1))
  const lines = rows.map(([reason, sentence]) => `| \`${reason}\` | ${sentence} |\n`)
  await expect(HEAD + lines.join('')).toMatchFileSnapshot(join(root, 'docs/refusals.md'))
})

/** What stands in the templates that reasons are put together from. */
const VARIABLE_PARTS: Record<string, readonly string[]> = {
  whose: ['subject', 'actor'],
  fault: ['expired', 'not_yet_valid'],
  'judged.fault': ['signature', 'expired', 'not_yet_valid'],
  'error.reason': [
    ...['bad_url', 'private_address', 'redirect', 'too_large', 'not_text', 'timeout'],
    'unreachable',
  ],
}

test('each reason is one that the worker gives', () => {
  const given = new Set<string>()
  for (const { file, text } of sources) {
    if (file.startsWith('entry/') || /^refusal(s|_sentences)\.ts$/.test(file)) continue
    for (const [, literal = ''] of text.matchAll(/'([a-z_]+)'/g)) given.add(literal)
    for (const [, before = '', variable = '', after = ''] of text.matchAll(
      /`([a-z_]*)\$\{([\w.]+)\}([a-z_]*)`/g,
    )) {
      for (const part of VARIABLE_PARTS[variable] ?? []) given.add(before + part + after)
    }
  }
  expect(Object.keys(SENTENCES).filter((reason) => !given.has(reason))).toEqual([])
  expect(Object.keys(SENTENCES).length).toBeGreaterThan(200)
})

test('of the worker the command line alone imports the sentences', () => {
  const importers = sources.filter(({ text }) =>
    /from '[^']*refusal_sentences|import\([^)]*refusal_sentences/.test(text),
  )
  expect(importers.map(({ file }) => file)).toEqual(['entry/cli.ts'])
})

test('sentences are sentences: a capital or a name first, a full stop last', () => {
  for (const [reason, sentence] of Object.entries(SENTENCES)) {
    expect(sentence, reason).toMatch(/^[A-Z`].*[.]$/)
    expect(sentence, reason).not.toMatch(/^(What|Who|Whoever)\b|\|/)
  }
})
