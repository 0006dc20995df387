// Lines that mProxy logs as it runs: each session's start, refusal and end, the keys, connections
// that were dropped. Owns how many lines a flood may cause. Counting is metrics.ts's, the form of a
// line log.ts's.

import type { SessionEvents, SessionFacts } from '../session/events.ts'
import type { Refresh } from '../tokens/jwks.ts'
import type { PolicyFetch } from '../tokens/policies.ts'
import type { PassedOver } from '../tokens/state_folder.ts'
import type { ListRefresh } from '../tokens/status_lists.ts'
import type { DoorCertificates } from '../transport/certificates.ts'
import type { AcceptRefused } from '../transport/listen.ts'
import type { Reload } from '../transport/watched_files.ts'
import type { WriteLog } from './log.ts'
import type { Metrics, WatchedTrust } from './metrics.ts'

const protocolOf = (version: number) =>
  version === 4 ? '3.1.1' : version === 5 ? '5.0' : undefined

/** A line when reading the keys fails, when it works again, and when their number changes. */
export function reportRefreshes(
  metrics: Metrics,
  log: WriteLog,
  /** Of an issuer that is not the main one. */
  issuer?: string,
): (refresh: Refresh) => void {
  let last: Refresh | undefined
  return (refresh) => {
    metrics.jwksRefreshed(refresh)
    const { outcome, keys, next } = refresh
    if (outcome !== 'ok' || last?.outcome !== 'ok' || last.keys !== keys) {
      log('keys', { issuer, outcome, keys, next_seconds: Math.round(next) })
    }
    last = refresh
  }
}

/** A line when reading a list begins to fail, fails in another way, or works again. */
export function reportLists(metrics: Metrics, log: WriteLog): (refresh: ListRefresh) => void {
  const last = new Map<string, string>()
  return (refresh) => {
    metrics.listRefreshed(refresh)
    const { uri, outcome, entries, next } = refresh
    const isGood = outcome === 'ok' || outcome === 'unchanged'
    const before = last.get(uri)
    // As many as there are lists; those that were forgotten are few.
    if (isGood) last.delete(uri)
    else last.set(uri, outcome)
    if (isGood ? before === undefined : before === outcome) return
    log('status_list', { uri, outcome, entries, next_seconds: Math.round(next) })
  }
}

/** A line for each document that came, or did not. */
export function reportPolicies(
  metrics: Metrics,
  log: WriteLog,
  /** Of an issuer that is not the main one. */
  issuer?: string,
): (fetch: PolicyFetch) => void {
  return (fetch) => {
    metrics.policyFetched(fetch)
    log('policy', { issuer, ...fetch })
  }
}

/** A line for each issuer that says with what mProxy begins, before it asks anybody. */
export function logState(trusts: readonly WatchedTrust[], log: WriteLog): void {
  for (const { issuer, jwks, statusLists, policies } of trusts) {
    const age = jwks.age()
    log('state', {
      issuer,
      keys: jwks.count(),
      key_age_seconds: age === undefined ? undefined : Math.round(age),
      lists: statusLists.count(),
      policies: policies.count(),
    })
  }
}

/** Lines about files of STATE_DIR that do not count; a folder may be full of them. */
const PASSED_OVER_MAX = 20

/**
 * A line for each file that does not count, and one when writing begins to fail, fails in another
 * way, or works again.
 */
export function reportState(metrics: Metrics, log: WriteLog) {
  let passed = 0
  let last: string | undefined
  return {
    onPassedOver({ file, fault }: PassedOver): void {
      passed++
      if (passed <= PASSED_OVER_MAX) log('state_passed_over', { file, fault })
      if (passed === PASSED_OVER_MAX) log('state_passed_over', { file: 'others', fault: 'many' })
    },
    onWrite(fault: string | undefined): void {
      metrics.stateWritten(fault === undefined)
      if (fault === last) return
      last = fault
      log('state_write', { outcome: fault ?? 'ok' })
    },
  }
}

/** Counts each, with a line once a second at most: a flood must not become a flood of lines. */
export function reportAcceptRefusals(metrics: Metrics, log: WriteLog): AcceptRefused {
  let lineAt = Number.NEGATIVE_INFINITY
  let unlogged = 0
  return (reason, remote, fault) => {
    metrics.connectionRefused(reason)
    unlogged++
    if (performance.now() - lineAt < 1000) return
    log('connections_dropped', { reason, count: unlogged, remote, fault })
    lineAt = performance.now()
    unlogged = 0
  }
}

/** Counts each, with a line once a second at most, which names one of the addresses that wait. */
export function reportDelays(metrics: Metrics, log: WriteLog): (source: string) => void {
  let lineAt = Number.NEGATIVE_INFINITY
  let unlogged = 0
  return (source) => {
    metrics.connectDelayed()
    unlogged++
    if (performance.now() - lineAt < 1000) return
    log('connects_delayed', { remote: source, count: unlogged })
    lineAt = performance.now()
    unlogged = 0
  }
}

/** A line for each time that the files of TLS were read anew, or kept as they were. */
export function reportCertificates(metrics: Metrics, log: WriteLog): (reload: Reload) => void {
  return (reload) => {
    metrics.certificatesReloaded(reload)
    log('certificates', reload)
  }
}

/** Days before its end from which on a certificate is told of again and again. */
const LAST_DAYS = 14

/** A line for each certificate now, and at each look for one that is new or about to run out. */
export function logCertificates(
  certificates: Pick<DoorCertificates, 'inForce'>,
  log: WriteLog,
  now = Date.now,
): () => void {
  const known = new Map<string, number>()
  const look = () => {
    for (const { file, expires_at } of certificates.inForce()) {
      const days = Math.floor((1000 * expires_at - now()) / 86_400_000)
      if (known.get(file) === expires_at && days >= LAST_DAYS) continue
      known.set(file, expires_at)
      log('certificate', { file, expires_at: new Date(1000 * expires_at).toISOString(), days })
    }
  }
  look()
  return look
}

/** Lines about refused connections in one second. Anybody can cause them, and fill a disk. */
const REFUSALS_MAX = 100

/** The counting events, with one line for each session's start, refusal and end. */
export function logSessions(events: SessionEvents, log: WriteLog): SessionEvents {
  const refusals = { since: Number.NEGATIVE_INFINITY, lines: 0, unlogged: 0 }
  const nameSession = (session: SessionFacts) => ({
    session: session.id,
    sub: session.sub,
    client_id: session.mqttClientId,
    protocol: protocolOf(session.version),
    remote: session.remoteAddress,
  })
  return {
    ...events,
    sessionStarted(session) {
      events.sessionStarted(session)
      const expires_at = session.identity?.expires_at
      log('session_started', { ...nameSession(session), jti: session.identity?.jti, expires_at })
    },
    connectRefused(reason, connection) {
      events.connectRefused(reason, connection)
      const now = performance.now()
      if (now - refusals.since >= 1000) Object.assign(refusals, { since: now, lines: 0 })
      if (refusals.lines >= REFUSALS_MAX) {
        refusals.unlogged++
        return
      }
      refusals.lines++
      const unlogged = refusals.unlogged === 0 ? undefined : refusals.unlogged
      refusals.unlogged = 0
      log('connection_refused', {
        reason,
        sub: connection.sub,
        client_id: connection.client_id,
        protocol: protocolOf(connection.version),
        remote: connection.remoteAddress,
        untold: unlogged,
      })
    },
    sessionEnded(session, reason) {
      events.sessionEnded(session, reason)
      const seconds = Math.round((Date.now() - session.opened_at) / 100) / 10
      log('session_ended', { ...nameSession(session), reason, seconds, ...session.counts })
    },
    tokenReplaced(session) {
      events.tokenReplaced(session)
      const expires_at = session.identity?.expires_at
      log('session_reauthenticated', { ...nameSession(session), expires_at })
    },
  }
}
