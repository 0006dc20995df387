// Finds where SQL statements begin and end, and their parameters. The local endpoint needs this,
// and the embedded library does not tell it (it runs the first statement of a text, drops the rest
// without a word, and binds by position or by name, not both).

export interface ScannedStatement {
  /** The statement alone, without its semicolon. */
  readonly sql: string
  /** Name of each argument, with its prefix; null for `?`. The first is argument 1. */
  readonly parameters: readonly (string | null)[]
  /** The first words, in capitals: `BEGIN`, `TRANSACTION`, `READONLY`. At most four. */
  readonly words: readonly string[]
}

const word = /[A-Za-z0-9_$\u0080-\uffff]+/y
const parameter = /\?\d*|[:@#$][A-Za-z0-9_$\u0080-\uffff]+/y
const space = /\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y
const quote = /'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$)/y

/** Texts that were scanned lately. The rooms send the same few hundred again and again. */
const scanned = new Map<string, readonly ScannedStatement[]>()
const SCANNED_MAX = 1000
/** Longest text that is remembered: scripts are not sent again. */
const REMEMBERED_LENGTH = 10_000

/** The statements of a text, without empty ones. A text that is not SQL comes out unchanged. */
export function scanSql(text: string): readonly ScannedStatement[] {
  const known = scanned.get(text)
  if (known !== undefined) return known
  const statements = scan(text)
  if (scanned.size >= SCANNED_MAX) scanned.clear()
  if (text.length <= REMEMBERED_LENGTH) scanned.set(text, statements)
  return statements
}

function scan(text: string): ScannedStatement[] {
  const statements: ScannedStatement[] = []
  let start = 0
  let words: string[] = []
  let parameters: (string | null)[] = []
  let tail: string[] = [] // the last two tokens, in capitals
  let position = 0

  const take = (shape: RegExp): string | null => {
    shape.lastIndex = position
    const found = shape.exec(text)
    if (found === null || found[0] === '') return null
    position = shape.lastIndex
    return found[0]
  }
  const finish = (end: number) => {
    const sql = text.slice(start, end).trim()
    if (tail.length > 0) statements.push({ sql, parameters, words })
    words = []
    parameters = []
    tail = []
    start = position
  }

  while (position < text.length) {
    if (take(space) !== null) continue
    let token = take(quote)
    if (token === null) {
      token = take(parameter)
      if (token !== null) number(parameters, token)
    }
    if (token === null) {
      token = take(word)
      if (token !== null && words.length < 4) {
        words.push(token.toUpperCase())
      }
    }
    if (token === null) token = text[position++] ?? ''
    if (token === ';' && !isInsideTrigger(words, tail)) finish(position - 1)
    else tail = [...tail.slice(-1), token.toUpperCase()]
  }
  finish(text.length)
  return statements
}

// The body of a trigger holds statements of its own; it ends with `; END ;` and nothing else does.
function isInsideTrigger(words: readonly string[], tail: readonly string[]): boolean {
  const isTrigger = /^(EXPLAIN )?CREATE (TEMP |TEMPORARY )?TRIGGER/.test(words.join(' '))
  return isTrigger && !(tail[0] === ';' && tail[1] === 'END')
}

// https://www.sqlite.org/lang_expr.html#varparam
function number(parameters: (string | null)[], token: string): void {
  if (token === '?') {
    parameters.push(null)
  } else if (token.startsWith('?')) {
    const last = Math.min(Number(token.slice(1)), 32_766)
    while (parameters.length < last) parameters.push(null)
  } else if (!parameters.includes(token)) {
    parameters.push(token)
  }
}
