// The rows of an import, read one after the other from a body that is never held whole: lines of
// JSON, or CSV with a line of names (RFC 4180). A row that cannot be read is a fault of that row.
import { Problem } from '../../errors.ts'
import { parseJsonObject } from '../../http.ts'

export type ImportFormat = 'application/x-ndjson' | 'text/csv'

/** A row with the line where it begins, from 1. `value` is what the API would take. */
export type ImportRow = { line: number } & ({ value: unknown } | { fault: string })

/** Longest row, in bytes. */
export const ROW_MAX = 65_536

const NEWLINE = 10
const QUOTE = 34
const CR = 13

type Piece = { line: number; bytes: Uint8Array | null }

/**
 * The rows of the body. Throws Problem, before the first row, for CSV without names or with names
 * that mean nothing.
 */
export async function* readImportRows(
  body: AsyncIterable<Uint8Array>,
  format: ImportFormat,
): AsyncGenerator<ImportRow> {
  let names: string[] | null = null
  for await (const { line, bytes } of readPieces(body, format === 'text/csv')) {
    if (bytes === null) {
      if (format === 'text/csv' && names === null) throw noNames()
      yield { line, fault: `the row is longer than ${ROW_MAX} bytes, or a quote is never closed` }
    } else if (format === 'application/x-ndjson') {
      const value = parseJsonObject(bytes)
      yield value === null ? { line, fault: 'is no JSON object in UTF-8' } : { line, value }
    } else if (names === null) {
      names = namesOf(bytes)
    } else {
      const cells = cellsOf(bytes)
      if (cells === null) yield { line, fault: 'is no row of CSV in UTF-8' }
      else if (cells.length !== names.length) {
        yield { line, fault: `has ${cells.length} cells, and the first line ${names.length} names` }
      } else yield rowOf(line, names, cells)
    }
  }
}

/** The bytes of each row, without its end; null for one that is too long. Empty rows are none. */
async function* readPieces(
  body: AsyncIterable<Uint8Array>,
  isQuoted: boolean,
): AsyncGenerator<Piece> {
  let parts: Uint8Array[] = []
  let size = 0
  let quotes = 0
  let line = 1
  let begin = 1
  const whole = (): Piece | null => {
    const place = begin
    const bytes = size > ROW_MAX ? null : trimmed(joined(parts, size))
    parts = []
    size = 0
    quotes = 0
    begin = line
    return bytes?.length === 0 ? null : { line: place, bytes }
  }
  for await (const chunk of body) {
    let from = 0
    while (from < chunk.length) {
      const end = chunk.indexOf(NEWLINE, from)
      const part = chunk.subarray(from, end < 0 ? chunk.length : end + 1)
      from += part.length
      if (end >= 0) line++
      size += part.length
      if (size <= ROW_MAX) parts.push(part)
      else parts = []
      if (isQuoted) for (const byte of part) if (byte === QUOTE) quotes++
      // A row that is too long ends with its line, so that an open quote takes no more than that.
      if (end < 0 || (quotes % 2 === 1 && size <= ROW_MAX)) continue
      const piece = whole()
      if (piece !== null) yield piece
    }
  }
  if (size > 0) {
    const piece = quotes % 2 === 1 ? { line: begin, bytes: null } : whole()
    if (piece !== null) yield piece
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const bytes = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function trimmed(bytes: Uint8Array): Uint8Array {
  let end = bytes.length
  while (end > 0 && (bytes[end - 1] === NEWLINE || bytes[end - 1] === CR)) end--
  return bytes.subarray(0, end)
}

// --- CSV --------------------------------------------------------------------------------------

const PLAIN = ['id', 'type', 'name', 'status', 'mqtt_client_id', 'parent']
const LISTS = ['groups', 'tags']
const NUMBERS = ['serial', 'mac', 'imei']
const OTHERS = ['jwk', 'secret', 'x509', 'claim_code']

function namesOf(bytes: Uint8Array): string[] {
  const names = cellsOf(bytes)
  const strange = names?.filter(
    (name) =>
      ![...PLAIN, ...LISTS, ...NUMBERS, ...OTHERS].includes(name) &&
      !/^(metadata|hardware)\../.test(name),
  )
  if (names === null || new Set(names).size !== names.length || strange?.length !== 0) {
    throw noNames()
  }
  return names
}

function noNames(): Problem {
  const known = [...PLAIN, ...LISTS, ...NUMBERS, ...OTHERS].join(' ')
  return new Problem('invalid_request', 'the first line of the CSV names no columns', [
    { pointer: '', detail: `the names are ${known}, metadata.NAME and hardware.KIND, each once` },
  ])
}

/** The cells of a row, or null. */
function cellsOf(bytes: Uint8Array): string[] | null {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
  if (text.includes('\0')) return null
  const cells: string[] = []
  const cell = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y
  for (;;) {
    const found = cell.exec(text)
    if (found === null) return null
    const [, quoted, plain = '', end] = found
    cells.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    if (end === '') return cells
  }
}

const FLAGS = new Map([
  ['true', true],
  ['false', false],
])

/** An empty cell says nothing. Elements of a list have a semicolon between them. */
function rowOf(line: number, names: readonly string[], cells: readonly string[]): ImportRow {
  const row = new Map<string, unknown>()
  const metadata: [string, string][] = []
  const hardware_ids: { kind: string; value: string }[] = []
  const credentials: unknown[] = []
  for (const [i, name] of names.entries()) {
    const cell = cells[i] ?? ''
    if (cell === '') continue
    const [area = '', inner = ''] = name.split(/\.(.*)/s)
    if (PLAIN.includes(name)) row.set(name, cell)
    else if (LISTS.includes(name)) row.set(name, cell.split(';'))
    else if (area === 'metadata') metadata.push([inner, cell])
    else if (NUMBERS.includes(name)) hardware_ids.push({ kind: name, value: cell })
    else if (area === 'hardware') hardware_ids.push({ kind: inner, value: cell })
    else if (name === 'claim_code') row.set(name, FLAGS.get(cell) ?? cell)
    else if (name === 'secret') credentials.push({ kind: 'secret', secret: cell })
    else if (name === 'x509') credentials.push({ kind: 'x509', thumbprint: cell })
    else {
      const jwk = parseJsonObject(cell)
      if (jwk === null) return { line, fault: 'has a jwk that is no JSON object' }
      credentials.push({ kind: 'jwk', jwk })
    }
  }
  if (metadata.length > 0) row.set('metadata', Object.fromEntries(metadata))
  if (hardware_ids.length > 0) row.set('hardware_ids', hardware_ids)
  if (credentials.length > 0) row.set('credentials', credentials)
  return { line, value: Object.fromEntries(row) }
}
