// The SQL that a whole run of the tests sent. Each distinct text must prepare on a migrated
// database, and each template of a store must have been sent: a statement that nothing tries fails
// the run.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'libsql'

const WORKER = fileURLToPath(new URL('../worker', import.meta.url))

/** The texts between the holes of one template, with the place where it stands. */
export type Template = { place: string; parts: readonly string[] }

/** Texts that cannot be explained or speak of tables that a test makes for itself. */
export const isOfTest = (sql: string) =>
  /^\s*(explain|pragma|begin|commit|rollback|create|drop|alter)\b/i.test(sql)

/** Every text that does not prepare, with what the database says. */
export function findUnprepared(file: string, texts: Iterable<string>): string[] {
  const db = new Database(file, {})
  const faults: string[] = []
  for (const text of texts) {
    if (isOfTest(text)) continue
    try {
      db.prepare(`explain ${text}`)
    } catch (error) {
      faults.push(`${error instanceof Error ? error.message : error}: ${text}`)
    }
  }
  db.close()
  return faults
}

/** The templates of all stores, each once. */
export function templatesOfStores(): Template[] {
  return readdirSync(WORKER, { recursive: true, encoding: 'utf8' })
    .filter((file) => /(^|\/|_)store\.ts$/.test(file))
    .flatMap((file) => templatesIn(readFileSync(join(WORKER, file), 'utf8'), file))
}

/**
 * The templates that are tagged with sql, condition or scalar, and the tables of inserts that have
 * none.
 */
export function templatesIn(text: string, file: string): Template[] {
  const source = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const found: Template[] = []
  const placeOf = (at: number) => {
    const names = [...source.slice(0, at).matchAll(/^(?:export )?(?:const|function) (\w+)/gm)]
    return `${file}: ${names.at(-1)?.[1] ?? 'the file'}`
  }
  for (const match of source.matchAll(/\b(?:sql|condition|scalar)(?:<[^`]*?>)?`/g)) {
    const start = match.index + match[0].length
    found.push({ place: placeOf(match.index), parts: partsFrom(source, start) })
  }
  for (const match of source.matchAll(/\binsert(?:Into|Where)\(\s*(\w+)/g)) {
    found.push({ place: placeOf(match.index), parts: [`insert into "${match[1]}" (`] })
  }
  return found.filter(({ parts }) => parts.some((part) => part.trim() !== ''))
}

/**
 * The texts of the template whose first character stands at `start`; templates in its holes are
 * other ones.
 */
function partsFrom(source: string, start: number): string[] {
  const parts: string[] = []
  let text = ''
  for (let at = start; at < source.length; at++) {
    const char = source[at]
    if (char === '`') break
    if (char === '\\') text += source[++at]
    else if (char === '$' && source[at + 1] === '{') {
      parts.push(text)
      text = ''
      at = endOfHole(source, at + 2)
    } else text += char
  }
  return [...parts, text]
}

/** Where the `}` stands that ends the hole whose first character stands at `start`. */
function endOfHole(source: string, start: number): number {
  let depth = 1
  for (let at = start; at < source.length; at++) {
    const char = source[at]
    if (char === '`') at = endOfTemplate(source, at + 1)
    else if (char === "'") at = source.indexOf("'", at + 1)
    else if (char === '{') depth++
    else if (char === '}' && --depth === 0) return at
  }
  throw new Error('a hole of a template has no end')
}

function endOfTemplate(source: string, start: number): number {
  for (let at = start; at < source.length; at++) {
    if (source[at] === '`') return at
    if (source[at] === '\\') at++
    else if (source[at] === '$' && source[at + 1] === '{') at = endOfHole(source, at + 2)
  }
  throw new Error('a template has no end')
}

/** The places of the templates that no text holds, part after part. */
export function findUnsent(templates: readonly Template[], texts: Iterable<string>): string[] {
  const sent = [...texts]
  const isIn = (text: string, parts: readonly string[]) => {
    let at = 0
    for (const [i, part] of parts.entries()) {
      // A driver may cut the space around a statement.
      const found = text.indexOf(i === 0 ? part.trimStart() : part, at)
      if (found < 0) return false
      at = found + (i === 0 ? part.trimStart() : part).length
    }
    return true
  }
  return templates
    .filter(({ parts }) => !sent.some((text) => isIn(text, parts)))
    .map(
      ({ place, parts }) => `${place}: ${parts.join('?').replace(/\s+/g, ' ').trim().slice(0, 90)}`,
    )
}
