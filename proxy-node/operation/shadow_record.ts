// Topics and filters that clients used in shadow mode, for `allauth mproxy learn`: who, which way,
// and whether the rules would have refused it; never a payload. Bounded in memory and on disk, and
// kept in STATE_DIR over a restart. A client can fill its own share, and not that of others.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  parseShadowFile,
  type Seen,
  SHADOW_FILE,
  type ShadowFile,
} from '../../policy/shadow_file.ts'
import type { ProxyConfig } from '../config.ts'
import type { Observation, SessionEvents } from '../session/events.ts'
import type { WriteLog } from './log.ts'
import type { Metrics } from './metrics.ts'

const SEEN_MAX = 20_000
const SEEN_PER_SUBJECT_MAX = 200
const TOPIC_MAX = 512
const SAVE_EVERY_MS = 60_000

export type ShadowRecord = {
  note(seen: Observation): void
  /** Observations that found no room. */
  dropped(): number
  /** Writes it once more and no longer. */
  close(): void
}

/** `onFault` hears of a disk that takes nothing; the record goes on in memory. */
export function openShadowRecord(folder: string, onFault: (code: string) => void): ShadowRecord {
  const file = join(folder, SHADOW_FILE)
  const seen = new Map<string, Seen>()
  const perSubject = new Map<string, number>()
  let dropped = 0
  let isChanged = false
  const before = readBefore(file)
  if (before !== null) {
    dropped = before.dropped
    for (const one of before.seen) add(one)
  }

  function add(one: Seen): boolean {
    const { sub, topic } = one
    const count = perSubject.get(sub) ?? 0
    const isFull = seen.size >= SEEN_MAX || count >= SEEN_PER_SUBJECT_MAX
    if (isFull || topic.length > TOPIC_MAX) return false
    perSubject.set(sub, count + 1)
    seen.set(keyOf(one), one)
    return true
  }

  function save(): void {
    if (!isChanged) return
    isChanged = false
    const content: ShadowFile = { version: 1, dropped, seen: [...seen.values()] }
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      writeFileSync(`${file}.new`, JSON.stringify(content), { mode: 0o600 })
      renameSync(`${file}.new`, file)
    } catch (error) {
      onFault(error instanceof Error && 'code' in error ? String(error.code) : 'unknown')
    }
  }

  const timer = setInterval(save, SAVE_EVERY_MS).unref()
  return {
    note({ identity, action, topic, retain, isAllowed }) {
      // A delivery is the other end of a filter; the Will is a PUBLISH.
      if (action === 'delivery') return
      const { principal: sub, mqtt_client_id } = identity
      const way = action === 'subscribe' ? 'subscribe' : 'publish'
      isChanged = true
      const known = seen.get(keyOf({ sub, action: way, topic }))
      if (known !== undefined) {
        known.count++
        if (!known.retain.includes(retain)) known.retain.push(retain)
        known.denied ||= !isAllowed
        return
      }
      const one: Seen = {
        sub,
        ...(mqtt_client_id === undefined ? {} : { mqtt_client_id }),
        action: way,
        topic,
        retain: [retain],
        denied: !isAllowed,
        count: 1,
      }
      if (!add(one)) dropped++
    },
    dropped: () => dropped,
    close() {
      clearInterval(timer)
      save()
    },
  }
}

/** Says at the start that the rules refuse nothing, and notes what sessions do meanwhile. */
export function watchShadow(
  { limits, stateFolder }: ProxyConfig,
  metrics: Metrics,
  log: WriteLog,
): { watch: (events: SessionEvents) => SessionEvents; close: () => void } {
  metrics.noteAclMode(limits.acl_mode)
  if (limits.acl_mode !== 'shadow') return { watch: (events) => events, close: () => {} }
  const warning = 'the rules of tokens refuse nothing: every client reads and writes every topic'
  log('shadow_mode', { warning, setting: 'MQTT_ACL_MODE', record: stateFolder !== undefined })
  if (stateFolder === undefined) return { watch: (events) => events, close: () => {} }
  const record = openShadowRecord(stateFolder, (code) => log('shadow_record', { fault: code }))
  return {
    watch: (events) => ({
      ...events,
      observed(seen) {
        events.observed(seen)
        record.note(seen)
      },
    }),
    close: record.close,
  }
}

/** Topics have no NUL, and neither have names in tokens. */
const keyOf = ({ sub, action, topic }: Pick<Seen, 'sub' | 'action' | 'topic'>): string =>
  `${sub}\0${action}\0${topic}`

/** A file that cannot be read, or is none, is written anew. */
function readBefore(file: string): ShadowFile | null {
  try {
    return parseShadowFile(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}
