// The reasons of refusals and their sentences, of which docs/refusals.md is made.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SENTENCES } from '../worker/entry/refusal_sentences.ts'

const root = new URL('..', import.meta.url).pathname

const sources = readdirSync(join(root, 'worker'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /(?<!\.d)\.ts$/.test(file))
  .map((file) => ({ file, text: readFileSync(join(root, 'worker', file), 'utf8') }))

/** Why an address outside is not fetched. */
const OUTSIDE = [
  ...['bad_url', 'private_address', 'redirect', 'too_large', 'not_text', 'timeout'],
  'unreachable',
]

const CLOCKS = ['expired', 'not_yet_valid']

/** The ends of reasons that a template puts together, by the beginning that it has. */
const ENDS: Record<string, readonly string[]> = {
  document_: OUTSIDE,
  jwks_uri_: [...OUTSIDE, 'status', 'no_jwk_set'],
  object_: [...CLOCKS, 'signature'],
  assertion_: CLOCKS,
  proof_: CLOCKS,
}

/** The two tokens of an exchange, with which reasons begin. */
const BEGINNINGS = ['subject', 'actor']

test('each reason is one that the worker gives', () => {
  const given = new Set<string>()
  for (const { file, text } of sources) {
    if (file.startsWith('entry/') || /^refusal(s|_sentences)\.ts$/.test(file)) continue
    for (const [, literal = ''] of text.matchAll(/'([a-z_]+)'/g)) given.add(literal)
    for (const [, start = ''] of text.matchAll(/`([a-z_]+_)\$\{[\w.]+\}`/g)) {
      for (const end of ENDS[start] ?? []) given.add(start + end)
    }
    for (const [, end = ''] of text.matchAll(/`\$\{whose\}([a-z_]+)`/g)) {
      for (const start of BEGINNINGS) given.add(start + end)
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
