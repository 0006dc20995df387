// Log lines: one JSON object per line on stdout, for a person or a collector. Owns that a line
// stays one line of bounded length, whatever a client put into its names. The words are
// reports.ts's; no caller passes a token or a password.

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
  return JSON.stringify(line).replace(UNPRINTABLE, escapeCharacter)
}

export const logToStdout: WriteLog = (event, fields) => {
  process.stdout.write(`${formatLine(new Date(), event, fields)}\n`)
}
