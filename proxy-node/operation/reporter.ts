// Reports to the worker: who is connected, and samples of refusals (report_queue.ts). Best effort
// and beside all packets: one request at a time, each under a deadline; while the worker is away
// entries wait, up to a bound, and are dropped and counted beyond it. A report is a lease there, so
// one goes out every few seconds even where there is nothing to tell.

import { randomBytes } from 'node:crypto'
import type { SessionEvents } from '../session/events.ts'
import { fetchFromIssuer, reachAt } from '../tokens/issuer_fetch.ts'
import type { WriteLog } from './log.ts'
import type { ReportMetrics } from './report_metrics.ts'
import { REPORT_MAX, type ReportEntry, ReportQueue } from './report_queue.ts'

/** The client by which mProxy reports. */
export type ReportsConfig = { client_id: string; client_secret: string; proxy: string }

const EVERY_MS = 5_000
/** Without anything to tell, below the lease of the worker. */
const IDLE_MS = 10_000
const PAUSE_MAX_MS = 60_000
const TIMEOUT_MS = 10_000
const ANSWER_MAX = 65_536
/** Time that the last report has when mProxy stops. */
const LAST_MS = 2_000

type Outcome = 'ok' | 'unreachable' | 'no_token' | 'refused' | 'malformed'

class Failure extends Error {
  readonly outcome: Outcome
  constructor(outcome: Outcome) {
    super(outcome)
    this.outcome = outcome
  }
}

export type Reporter = {
  /** The same events, with what is reported of them. */
  watch(events: SessionEvents): SessionEvents
  close(): Promise<void>
}

export type ReporterParts = {
  issuer: string
  address: string | undefined
  reports: ReportsConfig
  /** Seconds since keys and lists were confirmed. */
  ages: () => { key_age: number | undefined; list_age: number | undefined }
  metrics: ReportMetrics
  log: WriteLog
  /** For tests. */
  every_ms?: number
  waiting_max?: number
}

export function openReporter(parts: ReporterParts): Reporter {
  const { issuer, reports, metrics, log, every_ms = EVERY_MS } = parts
  const reach = reachAt(issuer, parts.address)
  const queue = new ReportQueue(parts.waiting_max)
  metrics.watchReports(
    () => queue.dropped,
    () => queue.waiting,
  )
  const closing = new AbortController()
  const started_at = Math.floor(Date.now() / 1000)
  let epoch = ''
  let seq = 0
  /** A report that nobody has confirmed, and goes out again as it is. */
  let pending: { seq: number; entries: ReportEntry[] } | null = null
  let token: { text: string; until: number } | null = null
  /** The report that is on its way. */
  let sending: Promise<void> | null = null
  let sentAt = Number.NEGATIVE_INFINITY
  let pausedUntil = 0
  let failures = 0
  let last: Outcome = 'ok'

  function begin(): void {
    queue.begin()
    epoch = randomBytes(18).toString('base64url')
    seq = 0
    pending = null
  }
  begin()

  async function post(
    uri: string,
    headers: Record<string, string>,
    body: string,
  ): Promise<{ status: number; answer: unknown }> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(TIMEOUT_MS)])
    try {
      const response = await fetch(uri, {
        method: 'POST',
        redirect: 'manual',
        signal,
        headers,
        body,
      })
      const text = await response.text()
      const answer: unknown = text.length > ANSWER_MAX ? null : parse(text)
      return { status: response.status, answer }
    } catch {
      throw new Failure('unreachable')
    }
  }

  async function fetchToken(): Promise<string> {
    if (token !== null && token.until > performance.now()) return token.text
    token = null
    const endpoint = await findTokenEndpoint()
    const { client_id, client_secret } = reports
    const credentials = Buffer.from(
      `${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`,
    ).toString('base64')
    const { status, answer } = await post(
      endpoint,
      {
        authorization: `Basic ${credentials}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      'grant_type=client_credentials&scope=mproxy%3Areport',
    )
    const { access_token, expires_in } = (answer ?? {}) as Record<string, unknown>
    if (status !== 200 || typeof access_token !== 'string') throw new Failure('no_token')
    const seconds = typeof expires_in === 'number' ? expires_in : 60
    token = { text: access_token, until: performance.now() + 800 * seconds }
    return access_token
  }

  async function findTokenEndpoint(): Promise<string> {
    const uri = reach(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
    const options = { accept: 'application/json', bytes_max: ANSWER_MAX, closing: closing.signal }
    const { text } = await fetchFromIssuer(uri, options).catch(() => {
      throw new Failure('unreachable')
    })
    const endpoint = (parse(text ?? '') as Record<string, unknown> | null)?.['token_endpoint']
    if (typeof endpoint !== 'string' || !URL.canParse(endpoint)) throw new Failure('malformed')
    const reached = new URL(reach(endpoint))
    const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(reached.hostname)
    // The secret goes there.
    if (reached.protocol !== 'https:' && !isLocal) throw new Failure('malformed')
    return reached.href
  }

  /** Sends one report; true if there is more to send at once. */
  async function sendOne(): Promise<boolean> {
    if (pending === null) {
      if (queue.hasGap) begin()
      const entries = queue.take()
      if (entries.length === 0 && performance.now() - sentAt < IDLE_MS) return false
      pending = { seq: ++seq, entries }
    }
    const now = pending
    const { key_age, list_age } = parts.ages()
    const body = JSON.stringify({
      proxy: reports.proxy,
      epoch,
      seq: now.seq,
      started_at,
      sessions: queue.sessions,
      key_age: key_age === undefined ? null : Math.floor(key_age),
      list_age: list_age === undefined ? null : Math.floor(list_age),
      dropped: queue.dropped,
      entries: now.entries,
    })
    const headers = {
      authorization: `Bearer ${await fetchToken()}`,
      'content-type': 'application/json',
    }
    const { status, answer } = await post(
      reach(`${issuer.replace(/\/$/, '')}/v1/reports`),
      headers,
      body,
    )
    if (status === 401) token = null
    if (status >= 500 || status === 401 || status === 403 || status === 429) {
      throw new Failure(status >= 500 ? 'unreachable' : 'refused')
    }
    sentAt = performance.now()
    pending = null
    if (status !== 200) {
      // It would be refused again.
      queue.lose(now.entries)
      throw new Failure('refused')
    }
    if ((answer as { resync?: unknown } | null)?.resync === true) {
      begin()
      // Not at once: an issuer that says so for ever is asked no more often for it.
      sentAt = Number.NEGATIVE_INFINITY
      return false
    }
    return queue.isFull
  }

  function send(): Promise<void> {
    if (performance.now() < pausedUntil) return Promise.resolve()
    sending ??= sendAll().finally(() => {
      sending = null
    })
    return sending
  }

  async function sendAll(): Promise<void> {
    let outcome: Outcome = 'ok'
    try {
      while (await sendOne());
      failures = 0
    } catch (error) {
      outcome = error instanceof Failure ? error.outcome : 'malformed'
      pausedUntil = performance.now() + Math.min(every_ms * 2 ** failures++, PAUSE_MAX_MS)
    }
    metrics.reportSent(outcome)
    if (outcome !== last) log('reports', { outcome, dropped: queue.dropped })
    last = outcome
  }

  const timer = setInterval(() => void send(), every_ms).unref()
  const sendFull = () => {
    if (queue.waiting >= REPORT_MAX && sending === null) setImmediate(() => void send())
  }

  return {
    watch: (events) => ({
      ...events,
      sessionStarted(session) {
        events.sessionStarted(session)
        queue.began(session)
        sendFull()
      },
      sessionEnded(session, reason) {
        events.sessionEnded(session, reason)
        queue.ended(session, reason)
        sendFull()
      },
      connectRefused(reason, connection) {
        events.connectRefused(reason, connection)
        const { sub, client_id } = connection
        if (sub !== undefined) queue.refusedConnect(sub, client_id ?? '', reason)
      },
      refused(counts, event, topic, code) {
        queue.refused(counts, event, topic, code)
      },
    }),
    async close() {
      clearInterval(timer)
      const timeout = setTimeout(() => closing.abort(), LAST_MS)
      // One that is on its way does not know who went last.
      await sending
      pausedUntil = 0
      sentAt = Number.NEGATIVE_INFINITY
      await send()
      clearTimeout(timeout)
      closing.abort()
    },
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
