// Log lines: one JSON object per line on stdout, for a person or a collector. Owns that a line
// stays one line of bounded length, whatever a client put into its names, and that lines which
// nobody reads fill no memory. The words are reports.ts's; no caller passes a token or a password.

import type { Writable } from 'node:stream'

const TEXT_MAX = 200

export type LogValue = string | number | boolean | undefined

export type WriteLog = (event: string, fields?: Readonly<Record<string, LogValue>>) => void

/** Cuts text to a bounded length, and never in the middle of a surrogate pair. */
function boundText(text: string): string {
  if (text.length <= TEXT_MAX) return text
  return `${text.slice(0, TEXT_MAX).toWellFormed()}...`
}

/**
 * Characters that could move a terminal's cursor, hide or reorder text, beyond what JSON escapes:
 * DEL and C1 controls, line separators, directional marks.
 */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g

const escapeCharacter = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** JSON or text that moves no cursor and hides nothing. */
export const printable = (text: string): string => text.replace(UNPRINTABLE, escapeCharacter)

/** The line, without its end. Undefined fields are left out. */
export function formatLine(
  at: Date,
  event: string,
  fields: Readonly<Record<string, LogValue>> = {},
): string {
  const line: Record<string, LogValue> = { at: at.toISOString(), event }
  for (const [name, value] of Object.entries(fields)) {
    line[name] = typeof value === 'string' ? boundText(value) : value
  }
  return printable(JSON.stringify(line))
}

/** Bytes that may wait for a reader. A line is some 300. */
const WAITING_MAX = 1_048_576

export type LineLog = {
  write: WriteLog
  /** Lines dropped since the start. */
  dropped(): number
}

/**
 * Writes lines to a stream whose reader may be slow, or stuck for good: then lines wait up to a
 * bound, and are dropped and counted beyond it. Once half of it is read again a line
 * `lines_dropped` says how many there were.
 */
export function openLog(stream: Writable, waitingMax = WAITING_MAX): LineLog {
  let dropped = 0
  let unsaid = 0
  const put = (event: string, fields?: Readonly<Record<string, LogValue>>) =>
    stream.write(`${formatLine(new Date(), event, fields)}\n`)
  const sayDropped = () => {
    if (unsaid === 0 || stream.writableLength > waitingMax / 2) return
    put('lines_dropped', { count: unsaid })
    unsaid = 0
  }
  stream.on('drain', sayDropped)
  return {
    write(event, fields) {
      sayDropped()
      // Once lines are dropped, all are, until that was said: so a gap stands where it was.
      if (unsaid > 0 || stream.writableLength > waitingMax) {
        dropped++
        unsaid++
        return
      }
      put(event, fields)
    },
    dropped: () => dropped,
  }
}

/** Opened with the first line: tests import this file, and leave their standard output alone. */
let stdout: LineLog | undefined
export const stdoutLog = (): LineLog => (stdout ??= openLog(process.stdout))

export const logToStdout: WriteLog = (event, fields) => stdoutLog().write(event, fields)
