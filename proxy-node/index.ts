// mProxy as a whole: from the environment to listeners, sessions, keys and metrics, and back down.
// Owns start, stop and the exit codes.
//   gate.ts: every decision about a client; config.ts: every variable of the environment
//   session/: one connection; transport/: streams; wire/: packets; tokens/: tokens and keys;
//   operation/: metrics and log
//
// Run as a program it exits with 0 after a signal to stop, with 1 after an error that nobody
// foresaw, with 2 for a configuration that it cannot run with. A second signal ends it at once.

import { randomBytes } from 'node:crypto'
import { realpathSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import {
  describeFault,
  PROXY_VARIABLES,
  type ProxyConfig,
  readProxyConfig,
  type VariableFault,
} from './config.ts'
import type { DrainTimes } from './door_variables.ts'
import { compareSettings, type Environment, takeLive, withSettingsFile } from './live_settings.ts'
import { drainAtPace } from './operation/draining.ts'
import { logToStdout, stdoutLog, type WriteLog } from './operation/log.ts'
import { findMemoryMax, guardMemory } from './operation/memory_guard.ts'
import { createMetrics, type Metrics } from './operation/metrics.ts'
import { type Readiness, serveMetrics } from './operation/metrics_server.ts'
import { openReporter } from './operation/reporter.ts'
import {
  logCertificates,
  logSessions,
  logState,
  reportAcceptRefusals,
  reportCertificates,
  reportDelays,
  reportLists,
  reportPolicies,
  reportRefreshes,
  reportState,
} from './operation/reports.ts'
import { watchShadow } from './operation/shadow_record.ts'
import { Session } from './session/session.ts'
import { Reception, Visit } from './shares/reception.ts'
import { openStateFolder } from './tokens/state_folder.ts'
import type { Withdrawal } from './tokens/status_lists.ts'
import { closeTrust, openTrusts, startTrust } from './tokens/trust.ts'
import { createVerifier, type Identity } from './tokens/verifier.ts'
import { Capacity, findConnectionLimit, sourceOf } from './transport/capacity.ts'
import { openBrokerTls, openCertificates } from './transport/certificates.ts'
import { ListenError, type Listener, listen, type Transport } from './transport/listen.ts'
import { openBrokers } from './transport/upstream.ts'
import {
  FileFault,
  FileFaults,
  type Reload,
  type WatchedFiles,
  watchFiles,
} from './transport/watched_files.ts'

export type Proxy = {
  /** With the ports that were really taken, in the order of MQTT_LISTEN. */
  readonly listening: Pick<Listener, 'transport' | 'port' | 'url'>[]
  readonly metricsPort: number | undefined
  /** Reads the files of TLS anew. */
  reload(): void
  /** Takes what may change while it runs from another configuration. */
  take(next: ProxyConfig): void
  /** Sessions end as a stop of the proxy ends them; resolves when all is closed. */
  close(drain?: DrainTimes): Promise<void>
}

/** A setting that reads well and still cannot be obeyed, like a port that is taken. */
export class StartError extends Error {}

export async function startProxy(config: ProxyConfig, log: WriteLog = logToStdout): Promise<Proxy> {
  const metrics = createMetrics()
  if (log === logToStdout) metrics.watchLog(stdoutLog().dropped)
  const shadow = watchShadow(config, metrics, log)
  const sessions = new Set<Session>()
  let isDraining = false

  // Before anybody is let in: those who ended before a restart are known to have ended.
  const state = await openStateFolder({
    folder: config.stateFolder,
    issuers: [config.issuer, ...config.foreignIssuers.map(({ issuer }) => issuer)],
    ...reportState(metrics, log),
  })
  const reportReload = reportCertificates(metrics, log)
  const tls = openTls(config, (reload) => {
    reportReload(reload)
    tellOfCertificates()
  })
  const { certificates } = tls
  metrics.watchCertificates(certificates)
  const tellOfCertificates = logCertificates(certificates, log)
  const halfDays = setInterval(tellOfCertificates, 43_200_000).unref()
  const trusts = openTrusts(config, (issuer, isMain) => {
    const named = isMain ? undefined : issuer
    const reportKeys = reportRefreshes(metrics, log, named)
    return {
      keeper: state.of(issuer),
      onKeys(refresh) {
        reportKeys(refresh)
        // A token that was verified just before must have reached its session first.
        if (refresh.outcome === 'ok') setImmediate(endSessionsOfWithdrawnKeys)
      },
      onList: reportLists(metrics, log),
      onPolicy: reportPolicies(metrics, log, named),
    }
  })
  const { main, others } = trusts
  metrics.watchTrust(trusts.all)
  if (config.stateFolder !== undefined) logState(trusts.all, log)
  const verifier = metrics.timeVerifier(
    createVerifier({ ...main, others, clientIdRule: config.clientIdRule, now: Date.now }),
  )
  const broker = watchBroker(metrics, log, config, tls.brokerTls)
  const watched = shadow.watch(logSessions(metrics.sessionEvents, log))
  const reporter =
    config.reports === undefined
      ? undefined
      : openReporter({
          issuer: config.issuer,
          address: config.issuerAddress,
          reports: config.reports,
          ages: () => ({ key_age: main.jwks.age(), list_age: main.statusLists.age() }),
          metrics,
          log,
        })
  const parts = {
    verifier,
    dial: broker.dial,
    limits: config.limits,
    events: reporter?.watch(watched) ?? watched,
    watchStatus: ({ iss, status }: Identity, withdraw: (why: Withdrawal) => void) =>
      status === undefined ? () => {} : trusts.of(iss).statusLists.watch(status, withdraw),
    now: Date.now,
    random: randomBytes,
  }

  /**
   * Ends the sessions whose present token hangs on a key that the issuer publishes no more. A key
   * that is replaced in the ordinary way leaves only after its last token has run out.
   */
  function endSessionsOfWithdrawnKeys(): void {
    const orphans = [...sessions].filter(
      ({ identity }) =>
        identity !== undefined && !trusts.of(identity.iss).jwks.lists(identity.signed_by),
    )
    if (orphans.length > 0) log('keys_withdrawn', { sessions: orphans.length })
    for (const session of orphans) session.revoke()
  }

  const memoryMax = config.memoryMax === undefined ? findMemoryMax() : config.memoryMax * 2 ** 20
  const memory = guardMemory(memoryMax, (isFull, megabytes) => {
    metrics.memoryChanged(isFull)
    log(isFull ? 'memory_full' : 'memory_free', { megabytes, of: Math.round(memoryMax / 2 ** 20) })
  })

  async function readiness(): Promise<Readiness> {
    const keys = main.jwks.isUsable()
    const isReachable = await broker.isReachable()
    return {
      ready: keys && isReachable && !isDraining && !memory.isFull(),
      keys,
      broker: isReachable,
      memory: !memory.isFull(),
      draining: isDraining,
    }
  }

  const { metrics: metricsAddress } = config
  const metricsServer =
    metricsAddress === undefined
      ? undefined
      : await serveMetrics(metricsAddress, metrics, readiness).catch((error) => {
          throw new StartError(
            describeListenFault('METRICS_LISTEN', addressOf(metricsAddress), error),
          )
        })

  const connectionsMax = findConnectionLimit(config.connectionsMax, (limited) => {
    log('connections_limited', limited)
  })
  const onRefused = reportAcceptRefusals(metrics, log)
  const capacity = new Capacity(
    {
      connectionsMax,
      connectionsPerAddress: () => config.connectionsPerAddress,
      unprovenMax: () => config.unprovenMax ?? connectionsMax,
      isMemoryFull: memory.isFull,
    },
    (source) => onRefused('crowded_out', source),
  )
  metrics.watchCapacity(capacity)
  const reception = new Reception(() => config.reception, reportDelays(metrics, log))
  let listeners: Listener[]
  try {
    listeners = await listen(config.listen, {
      capacity,
      connectTimeout: config.limits.connect_timeout_ms,
      door: config.door,
      tellsEndpoints: config.reach.tellsEndpoints,
      certificates,
      webSocket: {
        upgradeTimeout: config.limits.connect_timeout_ms,
        messageMax: Math.max(config.limits.packet_max, config.limits.connect_packet_max),
        unreadMax: config.limits.connect_packet_max,
        bufferSize: config.limits.buffer_high_water,
        closeTimeout: config.limits.close_grace_ms,
      },
      openSession(stream, arrival, prove) {
        const visit = new Visit(reception, sourceOf(arrival.address ?? ''), prove)
        const session = new Session(stream, { ...parts, visit, arrival })
        sessions.add(session)
        void session.closed.finally(() => {
          sessions.delete(session)
          visit.leave()
        })
        if (isDraining) void session.drain(0)
        return session
      },
      onOpened: metrics.connectionOpened,
      onClosed: metrics.connectionClosed,
      onRefused,
    })
  } catch (error) {
    await metricsServer?.close()
    if (!(error instanceof ListenError)) throw error
    throw new StartError(describeListenFault('MQTT_LISTEN', addressOf(error.address), error))
  }
  // Nothing waits for it: a client that comes before the keys gets "server unavailable".
  for (const trust of trusts.all) void startTrust(trust)

  for (const { url } of listeners) log('listening', { url })
  if (metricsServer !== undefined && metricsAddress !== undefined) {
    log('listening', {
      url: `http://${addressOf({ ...metricsAddress, port: metricsServer.port })}`,
    })
  }

  return {
    listening: listeners.map(({ transport, port, url }) => ({ transport, port, url })),
    metricsPort: metricsServer?.port,
    reload: () => tls.reload(),
    take(next) {
      takeLive(config, next)
      parts.limits = config.limits
    },
    async close(times = config.drain) {
      isDraining = true
      for (const listener of listeners) listener.close()
      const { spread, timeout } = times
      log('draining', { sessions: sessions.size, seconds: (spread + timeout) / 1000 })
      await drainAtPace(sessions, times)
      shadow.close()
      await reporter?.close()
      for (const trust of trusts.all) closeTrust(trust)
      memory.close()
      await state.written()
      tls.close()
      clearInterval(halfDays)
      broker.close()
      await metricsServer?.close()
      log('stopped')
    },
  }
}

/** TLS of both sides; a StartError says which files are not good. */
function openTls({ door, reach, upstream }: ProxyConfig, onReload: (reload: Reload) => void) {
  const names = new Map<string | undefined, keyof typeof PROXY_VARIABLES>([
    [reach.authorities, 'MQTT_UPSTREAM_CA_FILE'],
    [reach.certificate?.certificate, 'MQTT_UPSTREAM_CERT_FILE'],
    [reach.certificate?.key, 'MQTT_UPSTREAM_KEY_FILE'],
    [door.clientAuthorities, 'MQTT_TLS_CLIENT_CA_FILE'],
  ])
  for (const { certificate, key } of door.certificates) {
    names.set(key, 'MQTT_TLS_KEY_FILE').set(certificate, 'MQTT_TLS_CERT_FILE')
  }
  const faults: string[] = []
  function read<T>(open: () => T): T | undefined {
    try {
      return open()
    } catch (error) {
      if (!(error instanceof FileFaults)) throw error
      for (const { file, message: problem } of error.faults) {
        const name = names.get(file) ?? 'MQTT_TLS_CERT_FILE'
        faults.push(describeFault({ name, problem, example: PROXY_VARIABLES[name].example }))
      }
      return undefined
    }
  }
  const certificates = read(() => openCertificates(door, onReload))
  const isTls = upstream.some(({ tls }) => tls)
  const brokerTls = read(() => (isTls ? openBrokerTls(reach, onReload) : undefined))
  if (certificates === undefined || faults.length > 0) throw new StartError(faults.join('\n'))
  return {
    certificates,
    brokerTls,
    reload() {
      certificates.reload()
      brokerTls?.reload()
    },
    close() {
      certificates.close()
      brokerTls?.close()
    },
  }
}

const addressOf = ({ host, port }: { host: string; port: number }): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`

function describeListenFault(name: string, address: string, error: Error & { code?: string }) {
  const causes: Record<string, string> = {
    EADDRINUSE: 'another program already listens there',
    EACCES: 'the system does not allow it to this user',
    EADDRNOTAVAIL: 'this machine does not have that address',
    ENOTFOUND: 'no such host is known',
  }
  const code = error.code ?? 'unknown'
  const problem = `cannot listen on ${address}: ${causes[code] ?? 'it failed'} (${code})`
  const example = name === 'METRICS_LISTEN' ? '127.0.0.1:9465' : 'mqtt://127.0.0.1:1884'
  return describeFault({ name, problem, example })
}

/** The dial of the sessions, and whether it lately reached a broker. */
function watchBroker(
  metrics: Metrics,
  log: WriteLog,
  { upstream, reach }: ProxyConfig,
  tls: WatchedFiles<ConnectionOptions> | undefined,
) {
  const lately = 10_000
  let last = { at: Number.NEGATIVE_INFINITY, isReachable: false }
  let probe: Promise<boolean> | undefined
  const brokers = openBrokers(upstream, {
    tellsEndpoints: reach.tellsEndpoints,
    sharesSessions: reach.sharesSessions,
    look_interval_ms: reach.lookInterval,
    tls: () => tls?.value,
    onChange: (broker, isUp) => log('broker', { broker, state: isUp ? 'up' : 'down' }),
    onFailover: metrics.clientFailedOver,
  })
  metrics.watchBrokers(brokers)
  const dial = metrics.watchDial(brokers.dial, (isReachable) => {
    last = { at: performance.now(), isReachable }
  })
  const probeOnce = async () => {
    try {
      const { stream } = await dial(AbortSignal.timeout(lately))
      stream.on('error', () => {})
      stream.destroy()
      return true
    } catch {
      return false
    }
  }
  return {
    dial,
    close: () => brokers.close(),
    /** Dials only when no session did so lately, and once for all callers. */
    isReachable(): Promise<boolean> | boolean {
      if (performance.now() - last.at < lately && last.isReachable) return true
      probe ??= probeOnce().finally(() => {
        probe = undefined
      })
      return probe
    },
  }
}

/** Ends the program with one line for each thing that a person has to put right. */
function exitWithFaults(lines: readonly string[]): never {
  for (const line of lines) process.stderr.write(`mProxy: ${line}\n`)
  process.exit(2)
}

/** The environment with SETTINGS_FILE, and what both mean. */
function readSettings() {
  const whole = withSettingsFile(process.env)
  if (!whole.ok) return whole
  const reading = readProxyConfig(whole.env)
  return reading.ok ? { ...reading, env: whole.env } : reading
}

/** Takes over what changes in SETTINGS_FILE and may change while `proxy` runs. */
function followSettings(started: Environment, proxy: Proxy): WatchedFiles<unknown> | undefined {
  const file = process.env['SETTINGS_FILE']?.trim() ?? ''
  if (file === '') return undefined
  let before = started
  const load = (last: unknown) => {
    if (last === undefined) return started
    const reading = readSettings()
    if (!reading.ok) throw new FileFaults([new FileFault(file, describeFaults(reading.faults))])
    const { live, waiting } = compareSettings(before, reading.env)
    before = { ...before, ...pick(reading.env, live) }
    proxy.take(reading.config)
    logToStdout('settings', { outcome: 'loaded', changed: live.join(), restart: waiting.join() })
    return reading.env
  }
  return watchFiles([file], load, (reload) => {
    if (reload.outcome === 'kept') logToStdout('settings', reload)
  })
}

const describeFaults = (faults: readonly VariableFault[]) =>
  faults.map(describeFault).join(', and ')

const pick = (env: Environment, names: readonly string[]): Environment =>
  Object.fromEntries(names.map((name) => [name, env[name]]))

async function main(): Promise<void> {
  const major = Number.parseInt(process.versions.node, 10)
  if (major < 24) {
    exitWithFaults([
      `Node 24 or newer is needed and this is ${process.versions.node}; ` +
        'where npm install was run, npm run proxy brings one',
    ])
  }
  process.on('uncaughtException', (error) => {
    process.stderr.write(`mProxy: ${error.stack ?? String(error)}\n`)
    logToStdout('crashed', { error: error.name })
    process.exit(1)
  })
  // The reader of the lines may be gone; that is no reason to end service.
  process.stdout.on('error', () => {})
  process.stderr.on('error', () => {})

  const started = readSettings()
  if (!started.ok) exitWithFaults(started.faults.map(describeFault))
  const { config } = started

  let proxy: Proxy
  try {
    proxy = await startProxy(config)
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    exitWithFaults(error.message.split('\n'))
  }

  let isStopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(signal === 'SIGINT' ? 130 : 143)
    isStopping = true
    // A session that does not end in its own time is not waited for.
    const { spread, timeout } = config.drain
    setTimeout(() => process.exit(0), spread + timeout + 5000)
    void proxy.close().then(() => process.exit(0))
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // The parent that started this program and talks to it is gone, and nobody else will end it.
  process.on('disconnect', () => isStopping || stop('SIGTERM'))

  // A reload that is not possible changes nothing, and says so.
  const settings = followSettings(started.env, proxy)
  process.on('SIGHUP', () => {
    settings?.reload()
    proxy.reload()
  })

  const portsOf = (transport: Transport) =>
    proxy.listening.filter((one) => one.transport === transport).map(({ port }) => port)
  process.send?.({
    ready: true,
    ports: {
      mqtt: portsOf('tcp'),
      mqtts: portsOf('tls'),
      ws: portsOf('ws'),
      wss: portsOf('wss'),
      metrics: proxy.metricsPort,
    },
    urls: proxy.listening.map(({ url }) => url),
  })
}

/** Node 24.0 and older do not know `import.meta.main`, and would do nothing and exit with 0. */
function isProgram(): boolean {
  const [, started] = process.argv
  return (
    import.meta.main ?? (started !== undefined && realpathSync(started) === import.meta.filename)
  )
}

if (isProgram()) await main()
