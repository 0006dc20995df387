// The database behind the protocol of libSQL: sqld, Turso, or the endpoint in hrana/hrana.ts. Made
// of web standards alone, since this driver runs in workerd. There a client belongs to the request
// that made it: a shared client waits for an answer in the context of another request and hangs for
// good.

import { type Client, createClient } from '@libsql/client/web'
import { type Database, DatabaseUnavailable, databaseOver } from '../db/database.ts'
import type { Statement } from '../db/sql.ts'
import {
  asConstraintViolation,
  backOff,
  codeOf,
  isLockedOut,
  rowsFromDriver,
  type ScriptRunner,
  toDriver,
} from './embedded/libsql.ts'

export interface RemoteDatabase extends Database, ScriptRunner {
  close(): void
}

export interface RemoteDatabaseOptions {
  /** `libsql://`, `https://`, `http://`, `wss://` or `ws://` */
  url: string
  authToken?: string | undefined
  fetch?: typeof globalThis.fetch | undefined
  /** For each attempt, in milliseconds. */
  timeout?: number
  /** Number of times that a batch is sent when it meets a lock. */
  attempts?: number
}

/** Thrown when the server was asked and its answer was lost, so the request may have happened. */
class AnswerLost extends Error {
  override readonly name = 'AnswerLost'
}

/**
 * Dials nothing yet. Each read and each write is one HTTP request, as long as nothing goes wrong.
 * Throws TypeError for a URL that cannot be one.
 */
export function openRemoteDatabase({
  url,
  authToken,
  fetch = globalThis.fetch,
  timeout = 10_000,
  attempts = 5,
}: RemoteDatabaseOptions): RemoteDatabase {
  const client = connect(url, authToken, boundedFetch(fetch, timeout))

  async function run<T>(work: () => Promise<T>): Promise<T> {
    let isRepeated = false
    for (let attempt = 1; ; attempt++) {
      try {
        return await within(timeout, work())
      } catch (error) {
        const violation = asConstraintViolation(error)
        if (violation !== null) throw violation
        if (isLockedOut(error)) {
          if (attempt >= attempts) {
            throw new DatabaseUnavailable('the database stayed locked', { cause: error })
          }
        } else if (isLost(error)) {
          // A read changes nothing and a write is conditional on its rid, so to send it once more
          // is safe.
          if (isRepeated) {
            throw new DatabaseUnavailable('the database does not answer', { cause: error })
          }
          isRepeated = true
        } else {
          throw asRefusal(error)
        }
        await backOff(attempt)
      }
    }
  }

  const send = (mode: 'read' | 'write') => async (statements: readonly Statement<unknown>[]) => {
    const results = await run(() => client.batch(statements.map(toDriver), mode))
    return results.map(rowsFromDriver)
  }
  return {
    ...databaseOver({ read: send('read'), write: send('write') }),
    runScript: (script) =>
      run(() => client.executeMultiple(`BEGIN IMMEDIATE;\n${script}\n;COMMIT;`)),
    close: () => client.close(),
  }
}

function connect(
  url: string,
  authToken: string | undefined,
  fetch: typeof globalThis.fetch,
): Client {
  // `http://host/db` would drop `db`, `http://host/db/` keeps it.
  const [base = '', query] = url.split('?', 2)
  const whole = (base.endsWith('/') ? base : base + '/') + (query === undefined ? '' : '?' + query)
  try {
    return createClient({ url: whole, fetch, ...(authToken ? { authToken } : {}) })
  } catch (error) {
    throw new TypeError(
      `the database's address ${base} cannot be used; write for example https://db.example.com`,
      { cause: error },
    )
  }
}

/** Gives up after `timeout`, and tells a lost answer apart from everything else. */
function boundedFetch(fetch: typeof globalThis.fetch, timeout: number): typeof globalThis.fetch {
  return async (input, init) => {
    try {
      const answer = await fetch(input, { ...init, signal: AbortSignal.timeout(timeout) })
      // The body belongs to the attempt: it is read here, where its loss can be recognised.
      const body = await answer.arrayBuffer()
      const { status, headers } = answer
      if (answer.ok) return new Response(body, { status, headers })
      const { words, coded } = readWords(new TextDecoder().decode(body))
      if (status === 408 || status === 429 || status >= 500) {
        throw new AnswerLost(`the server answered ${status}${words === '' ? '' : `: ${words}`}`)
      }
      // The client of libSQL keeps the words of plain text and of its own JSON; of all other
      // answers only the status.
      return coded
        ? new Response(body, { status, headers: { 'content-type': 'application/json' } })
        : new Response(words, { status, headers: { 'content-type': 'text/plain' } })
    } catch (error) {
      throw error instanceof AnswerLost ? error : new AnswerLost('no answer', { cause: error })
    }
  }
}

/** Most characters of the words of a server that are kept. */
const WORDS_MAX = 500

/**
 * The words of a refusal: those in its JSON, else its whole text, cut. `coded`: they have the form
 * of the libSQL protocol.
 */
function readWords(text: string): { words: string; coded: boolean } {
  let found: Record<string, unknown> = {}
  try {
    found = Object(JSON.parse(text))
  } catch {
    // no JSON, but perhaps a sentence
  }
  const { code, error, message } = found
  const words = [message, error].find((one) => typeof one === 'string') ?? text
  return {
    words: String(words).trim().slice(0, WORDS_MAX),
    coded: typeof code === 'string' && typeof message === 'string',
  }
}

/** For WebSockets, which no fetch bounds. */
function within<T>(timeout: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new AnswerLost('no answer in time')), timeout + 500)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function isLost(error: unknown): boolean {
  return (
    error instanceof AnswerLost ||
    error instanceof SyntaxError || // half a JSON body
    /^(HRANA_(WEBSOCKET|CLOSED|PROTO)_ERROR|STREAM_EXPIRED|TRANSACTION_TIMEOUT)$/.test(
      codeOf(error),
    )
  )
}

/** An answer that another try will not change. */
function asRefusal(error: unknown): unknown {
  // The code of the client for any other HTTP status: 401 for a bad token, 404 for no such
  // database.
  return codeOf(error) === 'SERVER_ERROR' || /^(AUTH_|BLOCKED)/.test(codeOf(error))
    ? new DatabaseUnavailable(
        'the database refused: check DATABASE_URL and DATABASE_AUTH_TOKEN ' +
          `(${error instanceof Error ? error.message : String(error)})`,
        { cause: error },
      )
    : error
}
