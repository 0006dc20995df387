// Numbers, states and log lines of mProxy for its operator.
//   metrics.ts: counters, tally.ts: one with labels; metrics_server.ts: /metrics, /healthz, /readyz
//   memory_guard.ts: room; draining.ts: the stop
//   shadow_record.ts: topics that were used in shadow mode
//   reporter.ts, report_queue.ts, report_metrics.ts: reports to the worker
//   reports.ts: which lines are logged, and how often; log.ts: the form of a line
// session/ and transport/ call events and import nothing of this room.
//
// Every label has few values, which stand in the source or in the settings: nothing that a client
// sends can make one. A number per packet is a plain one, put into the registry at the scrape.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { RefusedConnection, SessionEvents } from '../session/events.ts'
import { IN_FLIGHT, PACED, PENDING, PUT_OFF, SINK_FULL, VERIFYING } from '../session/state.ts'
import type { Jwks, Refresh } from '../tokens/jwks.ts'
import type { Policies, PolicyFetch } from '../tokens/policies.ts'
import type { ListRefresh, StatusLists } from '../tokens/status_lists.ts'
import type { Verification, Verifier } from '../tokens/verifier.ts'
import type { Capacity } from '../transport/capacity.ts'
import type { DoorCertificates } from '../transport/certificates.ts'
import type { AcceptRefusal, Transport } from '../transport/listen.ts'
import type { Brokers, Dial } from '../transport/upstream.ts'
import type { Reload } from '../transport/watched_files.ts'
import { countReports, type ReportMetrics } from './report_metrics.ts'
import { createTally } from './tally.ts'

export type Metrics = ReportMetrics & {
  readonly sessionEvents: SessionEvents
  connectionOpened(transport: Transport): void
  connectionClosed(transport: Transport): void
  connectionRefused(reason: AcceptRefusal): void
  /** No connection is let in while it is full. */
  memoryChanged(isFull: boolean): void
  /** A CONNECT waits, since too many from its address were refused. */
  connectDelayed(): void
  jwksRefreshed(refresh: Refresh): void
  listRefreshed(refresh: ListRefresh): void
  policyFetched(fetch: PolicyFetch): void
  certificatesReloaded(reload: Reload): void
  /** Reads when each runs out when it is scraped. */
  watchCertificates(certificates: Pick<DoorCertificates, 'inForce'>): void
  /** Reads how many connections proved nothing yet, when it is scraped. */
  watchCapacity(capacity: Pick<Capacity, 'unproven'>): void
  stateWritten(isWritten: boolean): void
  /** Reads counts and ages of keys, lists and policies of each issuer when it is scraped. */
  watchTrust(trusts: readonly WatchedTrust[]): void
  /** Gives the same verifier, with its time measured. */
  timeVerifier(verifier: Verifier): Verifier
  /** Reads which brokers are up when it is scraped. */
  watchBrokers(brokers: Pick<Brokers, 'states'>): void
  clientFailedOver(): void
  /** Gives the same dial, with its outcome counted and passed to `onOutcome`. */
  watchDial(dial: Dial, onOutcome: (isReachable: boolean) => void): Dial
  /** Says for good that the rules of tokens refuse nothing, or that they do. */
  noteAclMode(mode: 'enforce' | 'shadow'): void
  /** Reads how many lines of the log were dropped when it is scraped. */
  watchLog(dropped: () => number): void
  text(): Promise<string>
  readonly contentType: string
}

/** Memory of an issuer, as far as an operator sees it. */
export type WatchedTrust = {
  issuer: string
  jwks: Pick<Jwks, 'age' | 'count'>
  statusLists: Pick<StatusLists, 'age' | 'count'>
  policies: Pick<Policies, 'age' | 'count'>
}

const protocolOf = (version: number) => (version === 4 ? '3.1.1' : version === 5 ? '5.0' : 'none')

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })

  const connections = createTally({
    kind: 'gauge',
    name: 'mproxy_connections',
    help: 'Client connections that are open, those before CONNECT included',
    labelNames: ['transport'],
    registers,
  })
  const accepts = createTally({
    kind: 'counter',
    name: 'mproxy_connections_accepted_total',
    help: 'Client connections that were accepted',
    labelNames: ['transport'],
    registers,
  })
  const drops = new Counter({
    name: 'mproxy_connections_dropped_total',
    help: 'Client connections that were closed before they became a session, by reason',
    labelNames: ['reason'],
    registers,
  })
  const memoryFull = new Gauge({
    name: 'mproxy_memory_full',
    help: '1 while no connection is let in, since the memory is full',
    registers,
  })
  const delays = new Counter({
    name: 'mproxy_connects_delayed_total',
    help: 'CONNECT packets that waited, since too many from their address were refused',
    registers,
  })
  const sessions = createTally({
    kind: 'gauge',
    name: 'mproxy_sessions',
    help: 'MQTT sessions that are open',
    labelNames: ['protocol'],
    registers,
  })
  const connects = createTally({
    kind: 'counter',
    name: 'mproxy_connects_total',
    help: 'Connections that became a session (accepted) or why they did not',
    labelNames: ['result', 'protocol'],
    registers,
  })
  const sessionEnds = createTally({
    kind: 'counter',
    name: 'mproxy_sessions_ended_total',
    help: 'Sessions that ended, by reason',
    labelNames: ['reason', 'protocol'],
    registers,
  })
  const reauthentications = new Counter({
    name: 'mproxy_reauthentications_total',
    help: 'Tokens replaced in mid-session',
    registers,
  })
  const refreshes = new Counter({
    name: 'mproxy_jwks_refreshes_total',
    help: "Attempts to read the issuer's keys, by outcome",
    labelNames: ['outcome'],
    registers,
  })
  const listRefreshes = new Counter({
    name: 'mproxy_status_list_refreshes_total',
    help: 'Attempts to read token status lists, by outcome',
    labelNames: ['outcome'],
    registers,
  })
  const policyFetches = new Counter({
    name: 'mproxy_policy_fetches_total',
    help: 'Attempts to fetch a policy that tokens name by reference, by outcome',
    labelNames: ['outcome'],
    registers,
  })
  const certificateReloads = new Counter({
    name: 'mproxy_tls_reloads_total',
    help: 'Times that the files of TLS were read anew: loaded, or kept as they were',
    labelNames: ['outcome'],
    registers,
  })
  const stateWrites = new Counter({
    name: 'mproxy_state_writes_total',
    help: 'Attempts to keep a key set, status list or policy in STATE_DIR, by outcome',
    labelNames: ['outcome'],
    registers,
  })
  const verification = new Histogram({
    name: 'mproxy_token_verification_seconds',
    help: 'Time to verify a token, with a wait for new keys where there was one',
    labelNames: ['result'],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 10],
    registers,
  })
  const failovers = new Counter({
    name: 'mproxy_upstream_failovers_total',
    help: 'Dials of clients that got to another broker than their own',
    registers,
  })
  const dials = createTally({
    kind: 'counter',
    name: 'mproxy_upstream_dials_total',
    help: 'Attempts to reach a broker, by outcome',
    labelNames: ['outcome'],
    registers,
  })

  const counts = {
    publishAllowed: 0,
    publishDenied: 0,
    subscribeAllowed: 0,
    subscribeDenied: 0,
    deliveryAllowed: 0,
    deliveryDenied: 0,
    publishBytes: 0,
    deliveryBytes: 0,
    clientBytes: 0,
    brokerBytes: 0,
  }
  const pauses = new Map<number, number>()
  countAtScrape(
    'mproxy_client_pauses_total',
    'Times that a client was not read, by reason',
    'reason',
    {
      buffer: () => pauses.get(SINK_FULL) ?? 0,
      token: () => pauses.get(VERIFYING) ?? 0,
      subscriptions: () => pauses.get(PENDING) ?? 0,
      turn: () => pauses.get(PUT_OFF) ?? 0,
      in_flight: () => pauses.get(IN_FLIGHT) ?? 0,
      rate: () => pauses.get(PACED) ?? 0,
    },
  )
  countAtScrape('mproxy_publishes_total', 'PUBLISH packets of clients, by decision', 'decision', {
    allowed: () => counts.publishAllowed,
    denied: () => counts.publishDenied,
  })
  countAtScrape('mproxy_subscriptions_total', 'Topic filters asked for, by decision', 'decision', {
    allowed: () => counts.subscribeAllowed,
    denied: () => counts.subscribeDenied,
  })
  countAtScrape('mproxy_deliveries_total', 'PUBLISH packets of brokers, by decision', 'decision', {
    allowed: () => counts.deliveryAllowed,
    denied: () => counts.deliveryDenied,
  })
  countAtScrape('mproxy_forwarded_bytes_total', 'Bytes of forwarded PUBLISH packets', 'direction', {
    publish: () => counts.publishBytes,
    delivery: () => counts.deliveryBytes,
  })
  countAtScrape('mproxy_received_bytes_total', 'Bytes read, by who sent them', 'from', {
    client: () => counts.clientBytes,
    broker: () => counts.brokerBytes,
  })

  function countAtScrape(
    name: string,
    help: string,
    label: string,
    values: Record<string, () => number>,
  ) {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset()
        for (const [value, read] of Object.entries(values)) this.inc({ [label]: value }, read())
      },
    })
  }

  const shadowed = { publish: 0, subscribe: 0, delivery: 0, will: 0 }
  countAtScrape(
    'mproxy_shadow_denials_total',
    'Packets that the rules of tokens would refuse, and that shadow mode let pass',
    'action',
    {
      publish: () => shadowed.publish,
      subscribe: () => shadowed.subscribe,
      delivery: () => shadowed.delivery,
      will: () => shadowed.will,
    },
  )

  const sessionEvents: SessionEvents = {
    observed({ action, isAllowed }) {
      if (!isAllowed) shadowed[action]++
    },
    sessionStarted(session) {
      const protocol = protocolOf(session.version)
      connects.add('accepted', protocol)
      sessions.add(protocol)
    },
    connectRefused(reason, { version }: RefusedConnection) {
      connects.add(reason, protocolOf(version))
    },
    sessionEnded(session, reason) {
      const protocol = protocolOf(session.version)
      sessionEnds.add(reason, protocol)
      sessions.remove(protocol)
    },
    tokenReplaced() {
      reauthentications.inc()
    },
    clientPaused(why) {
      pauses.set(why, (pauses.get(why) ?? 0) + 1)
    },
    publishAllowed(bytes) {
      counts.publishAllowed++
      counts.publishBytes += bytes
    },
    publishDenied() {
      counts.publishDenied++
    },
    subscribeAllowed(filters) {
      counts.subscribeAllowed += filters
    },
    subscribeDenied(filters) {
      counts.subscribeDenied += filters
    },
    deliveryAllowed(bytes) {
      counts.deliveryAllowed++
      counts.deliveryBytes += bytes
    },
    deliveryDenied() {
      counts.deliveryDenied++
    },
    refused() {},
    bytesFromClient(bytes) {
      counts.clientBytes += bytes
    },
    bytesFromBroker(bytes) {
      counts.brokerBytes += bytes
    },
  }

  return {
    sessionEvents,
    connectionOpened(transport) {
      accepts.add(transport)
      connections.add(transport)
    },
    connectionClosed(transport) {
      connections.remove(transport)
    },
    connectionRefused(reason) {
      drops.inc({ reason })
    },
    memoryChanged(isFull) {
      memoryFull.set(isFull ? 1 : 0)
    },
    connectDelayed() {
      delays.inc()
    },
    jwksRefreshed({ outcome }) {
      refreshes.inc({ outcome })
    },
    listRefreshed({ outcome }) {
      listRefreshes.inc({ outcome })
    },
    policyFetched({ outcome }) {
      policyFetches.inc({ outcome })
    },
    certificatesReloaded({ outcome }) {
      certificateReloads.inc({ outcome })
    },
    watchCertificates(certificates) {
      new Gauge({
        name: 'mproxy_tls_certificate_expiry_timestamp_seconds',
        help: 'When the certificate of a file runs out',
        labelNames: ['file'],
        registers,
        collect() {
          for (const { file, expires_at } of certificates.inForce()) this.set({ file }, expires_at)
        },
      })
    },
    watchCapacity(capacity) {
      new Gauge({
        name: 'mproxy_connections_unproven',
        help: 'Client connections that are open and whose CONNECT was not judged yet',
        registers,
        collect() {
          this.set(capacity.unproven)
        },
      })
    },
    stateWritten(isWritten) {
      stateWrites.inc({ outcome: isWritten ? 'ok' : 'failed' })
    },
    watchTrust(trusts) {
      const watch = (
        name: string,
        help: string,
        read: (trust: WatchedTrust) => number | undefined,
      ) =>
        new Gauge({
          name,
          help,
          labelNames: ['issuer'],
          registers,
          collect() {
            for (const trust of trusts) {
              const value = read(trust)
              if (value === undefined) this.remove({ issuer: trust.issuer })
              else this.set({ issuer: trust.issuer }, value)
            }
          },
        })
      watch('mproxy_jwks_keys', 'Usable keys of the issuer that are held', ({ jwks }) =>
        jwks.count(),
      )
      watch(
        'mproxy_jwks_age_seconds',
        'Time since the issuer confirmed its keys; at 24 hours no token of it is let in',
        ({ jwks }) => jwks.age(),
      )
      watch(
        'mproxy_status_lists',
        'Token status lists that are kept or asked for',
        ({ statusLists }) => statusLists.count(),
      )
      watch(
        'mproxy_status_list_age_seconds',
        'Time since the oldest token status list that a session hangs on was confirmed',
        ({ statusLists }) => statusLists.age(),
      )
      watch('mproxy_policies', 'Policies that tokens may name by reference', ({ policies }) =>
        policies.count(),
      )
      watch(
        'mproxy_policy_age_seconds',
        'Time since the issuer gave or listed policies',
        ({ policies }) => policies.age(),
      )
    },
    noteAclMode(mode) {
      new Gauge({
        name: 'mproxy_shadow_mode',
        help: '1 while the rules of tokens refuse nothing (MQTT_ACL_MODE=shadow)',
        registers,
      }).set(mode === 'shadow' ? 1 : 0)
    },
    ...countReports(registers),
    watchLog(dropped) {
      new Counter({
        name: 'mproxy_log_lines_dropped_total',
        help: 'Lines of the log that were dropped, since nobody read it',
        registers,
        collect() {
          this.reset()
          this.inc(dropped())
        },
      })
    },
    timeVerifier(verifier) {
      return {
        verify(token) {
          const start = performance.now()
          const note = (result: Verification) => {
            const seconds = (performance.now() - start) / 1000
            verification.observe({ result: result.ok ? 'ok' : 'refused' }, seconds)
            return result
          }
          const result = verifier.verify(token)
          return result instanceof Promise ? result.then(note) : note(result)
        },
      }
    },
    watchBrokers(brokers) {
      new Gauge({
        name: 'mproxy_upstream_up',
        help: 'Whether a broker was reached by the last dial or look: 1, or 0',
        labelNames: ['broker'],
        registers,
        collect() {
          for (const { broker, isUp } of brokers.states()) this.set({ broker }, isUp ? 1 : 0)
        },
      })
    },
    clientFailedOver() {
      failovers.inc()
    },
    watchDial(dial, onOutcome) {
      return async (signal, caller) => {
        try {
          const upstream = await dial(signal, caller)
          dials.add('ok')
          onOutcome(true)
          return upstream
        } catch (error) {
          // A client that went away while its broker was dialled says nothing about the broker.
          dials.add(signal.aborted ? 'abandoned' : 'failed')
          if (!signal.aborted) onOutcome(false)
          throw error
        }
      }
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
