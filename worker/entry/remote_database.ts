// The database behind the protocol of libSQL: sqld, Turso, or the endpoint in hrana/hrana.ts. Made
// of web standards alone, since this driver runs in workerd. There a client belongs to the request
// that made it: a shared client waits for an answer in the context of another request and hangs for
// good.

import { type Client, createClient } from '@libsql/client/web'
import {
  type CallOptions,
  type Database,
  DatabaseUnavailable,
  type Driver,
  databaseOver,
} from '../db/database.ts'
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
  /**
   * For how many milliseconds a call may last, with its turn, its locks and its repetition; the
   * caller of a call may say less.
   */
  patience?: number
}

/** Most requests at a time: sqld refuses more connections than 128, of all its clients together. */
const CONCURRENCY = 20

/** Thrown when the server was asked and its answer was lost, so the request may have happened. */
class AnswerLost extends Error {
  override readonly name = 'AnswerLost'
}

/**
 * Thrown when the server has no connection to give (sqld: 429 with `DbCreateTimeout`). Nothing was
 * done, as with a lock.
 */
class Busy extends Error {
  override readonly name = 'Busy'
  readonly code = 'TRANSACTION_BUSY'

  constructor(words: string) {
    super(`the server is busy${words === '' ? '' : `: ${words}`}`)
  }
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
  patience = 10_000,
}: RemoteDatabaseOptions): RemoteDatabase {
  // Over HTTP each attempt has a client of its own, so that its request ends with its time; such a
  // client holds no connection. One over a WebSocket is the connection.
  const isSocket = /^wss?:/i.test(url)
  const shared = connect(url, authToken, boundedFetch(fetch, timeout))
  const clientFor = (time: number) =>
    isSocket ? shared : connect(url, authToken, boundedFetch(fetch, time))
  const semaphore = new Semaphore(CONCURRENCY)

  async function run<T>(
    work: (client: Client) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const until = performance.now() + (options.patience ?? patience)
    await semaphore.acquire(until)
    try {
      return await attempt(work, until)
    } finally {
      semaphore.release()
    }
  }

  async function attempt<T>(work: (client: Client) => Promise<T>, until: number): Promise<T> {
    let isRepeated = false
    let isLocked = false
    for (let tries = 1; ; tries++) {
      const time = Math.ceil(Math.min(timeout, Math.max(1, until - performance.now())))
      try {
        return await within(time, work(clientFor(time)))
      } catch (error) {
        const violation = asConstraintViolation(error)
        if (violation !== null) throw violation
        if (isLockedOut(error)) {
          isLocked = true
          if (performance.now() >= until) {
            throw new DatabaseUnavailable('the database stayed locked', { cause: error })
          }
        } else if (isLost(error)) {
          // A read changes nothing and a write is conditional on its rid, so to send it once more
          // is safe.
          if (isRepeated || performance.now() >= until) {
            const words = isLocked ? 'the database stayed locked' : 'the database does not answer'
            throw new DatabaseUnavailable(words, { cause: error })
          }
          isRepeated = true
        } else {
          throw asRefusal(error)
        }
        await backOff(tries)
      }
    }
  }

  const send =
    (mode: 'read' | 'write'): Driver['read'] =>
    async (statements, options) => {
      const results = await run((client) => client.batch(statements.map(toDriver), mode), options)
      return results.map(rowsFromDriver)
    }
  return {
    ...databaseOver({ read: send('read'), write: send('write') }),
    runScript: (script) =>
      run((client) => client.executeMultiple(`BEGIN IMMEDIATE;\n${script}\n;COMMIT;`)),
    close: () => shared.close(),
  }
}

/**
 * The turns of calls at one database, in their order. A call whose time is over leaves the queue,
 * so that a database which comes back does not meet calls that nobody waits for.
 */
class Semaphore {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** Throws DatabaseUnavailable when no turn came until then (`performance.now()`). */
  acquire(until: number): Promise<void> | void {
    if (this.#free > 0) {
      this.#free--
      return
    }
    return new Promise((resolve, reject) => {
      const next = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(next)
        reject(new DatabaseUnavailable('the database does not keep up with the calls'))
      }, until - performance.now())
      this.#waiting.add(next)
    })
  }

  release(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next)
      next()
      return
    }
    this.#free++
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
    return createClient({
      url: whole,
      fetch,
      concurrency: 0, // no queue of its own: Semaphore has one that can be left
      ...(authToken ? { authToken } : {}),
    })
  } catch (error) {
    throw new TypeError(
      "the database's address cannot be used; write for example https://db.example.com",
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
      if (status === 429) throw new Busy(words)
      if (status === 408 || status >= 500) {
        throw new AnswerLost(`the server answered ${status}${words === '' ? '' : `: ${words}`}`)
      }
      // The client of libSQL keeps the words of plain text and of its own JSON; of all other
      // answers only the status.
      return coded
        ? new Response(body, { status, headers: { 'content-type': 'application/json' } })
        : new Response(words, { status, headers: { 'content-type': 'text/plain' } })
    } catch (error) {
      if (error instanceof AnswerLost || error instanceof Busy) throw error
      throw new AnswerLost('no answer', { cause: error })
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
