// SETTINGS_FILE: variables in a file, which counts before the environment and is read anew when it
// changes or by SIGHUP. Says which variables take effect while mProxy runs; the others wait for its
// next start, as addresses and issuers do.

import { readFileSync } from 'node:fs'
import { PROXY_VARIABLES, type ProxyConfig, type VariableFault } from './config.ts'

/** Variables whose change takes effect at once: for sessions, upgrades and stops that follow. */
export const LIVE_VARIABLES = [
  'PROXY_PROTOCOL_FROM',
  'MQTT_WS_ORIGINS',
  'MQTT_SESSION_EXPIRY_MAX',
  'MQTT_KEEPALIVE_MAX',
  'MQTT_CONNECTIONS_PER_ADDRESS',
  'MQTT_CONNECTIONS_UNPROVEN_MAX',
  'MQTT_REFUSED_CONNECTS_PER_ADDRESS',
  'MQTT_CONNECTS_PER_PRINCIPAL',
  'MQTT_SESSIONS_PER_PRINCIPAL',
  'MQTT_PACKETS_PER_SECOND',
  'MQTT_BYTES_PER_SECOND',
  'MQTT_INFLIGHT_MAX',
  'MQTT_SUBSCRIPTIONS_MAX',
  'MQTT_REFUSED_FILTERS_PER_MINUTE',
  'MQTT_REAUTHENTICATIONS_PER_MINUTE',
  'MQTT_STALL_TIMEOUT',
  'MQTT_DENIED_PUBLISH',
  'MQTT_DENIED_RESUMED_DELIVERY',
  'MQTT_PARTIAL_FILTERS',
  'MQTT_DRAIN_TIMEOUT',
  'MQTT_DRAIN_SPREAD',
  'MQTT_SERVER_REFERENCE',
] as const satisfies readonly (keyof typeof PROXY_VARIABLES)[]

/** Puts the live part of `next` into `running`, whose parts are shared by all that runs. */
export function takeLive(running: ProxyConfig, next: ProxyConfig): void {
  const { limits } = next
  running.door.peers = next.door.peers
  running.door.origins = next.door.origins
  running.drain = next.drain
  running.connectionsPerAddress = next.connectionsPerAddress
  running.unprovenMax = next.unprovenMax
  running.reception = next.reception
  // A new object: sessions that are open keep what they began with.
  running.limits = {
    ...running.limits,
    session_expiry_max_s: limits.session_expiry_max_s,
    keepalive_max_s: limits.keepalive_max_s,
    subscriptions_max: limits.subscriptions_max,
    refused_filters_per_minute: limits.refused_filters_per_minute,
    reauthentications_per_minute: limits.reauthentications_per_minute,
    packets_per_second: limits.packets_per_second,
    bytes_per_second: limits.bytes_per_second,
    inflight_max: limits.inflight_max,
    write_stall_timeout_ms: limits.write_stall_timeout_ms,
    denied_publish_3: limits.denied_publish_3,
    denied_resumed_delivery: limits.denied_resumed_delivery,
    partial_filters: limits.partial_filters,
    server_reference: limits.server_reference,
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Names of the variables that differ: those that take effect, and those that wait for a start. */
export function compareSettings(before: Environment, after: Environment) {
  const changed = Object.keys(PROXY_VARIABLES).filter(
    (name) => (before[name] ?? '').trim() !== (after[name] ?? '').trim(),
  )
  const live: readonly string[] = LIVE_VARIABLES
  return {
    live: changed.filter((name) => live.includes(name)),
    waiting: changed.filter((name) => !live.includes(name)),
  }
}

/** The environment with the file that it names, where it names one. */
export function withSettingsFile(
  env: Environment,
): { ok: true; env: Environment } | { ok: false; faults: VariableFault[] } {
  const file = env['SETTINGS_FILE']?.trim() ?? ''
  if (file === '') return { ok: true, env }
  const { example } = PROXY_VARIABLES.SETTINGS_FILE
  const fault = (problem: string) => ({ name: 'SETTINGS_FILE', problem, example })
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
    return { ok: false, faults: [fault(`${file} cannot be read (${code})`)] }
  }
  const problems: string[] = []
  const own: Record<string, string> = {}
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const reading = readLine(line.trim())
    if (reading === undefined) continue
    if (typeof reading === 'string') problems.push(`${file}, line ${i + 1}: ${reading}`)
    else own[reading.name] = reading.value
  }
  if (problems.length > 0) return { ok: false, faults: problems.map(fault) }
  return { ok: true, env: { ...env, ...own } }
}

/** A line of the form that systemd reads too; a sentence says the problem, and never the value. */
function readLine(line: string): { name: string; value: string } | string | undefined {
  if (line === '' || line.startsWith('#')) return undefined
  const [, name, text = ''] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? []
  if (name === undefined) return 'is not NAME=value'
  if (!(name in PROXY_VARIABLES) || name === 'SETTINGS_FILE') return `${name} is no variable for it`
  const [, , quoted] = /^(["'])(.*)\1$/.exec(text) ?? []
  return { name, value: quoted ?? text }
}
