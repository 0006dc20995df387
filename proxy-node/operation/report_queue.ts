// Entries of reports that wait to be sent, bounded, and the sessions that are open. Whoever is told
// of all from the first report of an epoch on knows who is connected: so where something was
// dropped, the next report begins another epoch with all sessions that are open then.

import type { Ending, RefusedTopic, SessionCounts, SessionFacts } from '../session/events.ts'
import {
  NOT_AUTHORIZED,
  PACKET_TOO_LARGE,
  QUOTA_EXCEEDED,
  TOPIC_FILTER_INVALID,
  TOPIC_NAME_INVALID,
} from '../wire/reason_codes.ts'

export type ReportEntry = {
  event: 'connected' | 'disconnected' | 'connect_refused' | RefusedTopic
  session: number
  sub: string
  client_id: string
  reason?: string
  topic?: string
  count?: number
  /** Epoch seconds. */
  at: number
}

/** Most entries of one report. */
export const REPORT_MAX = 500

/** Most entries that wait. */
const WAITING_MAX = 10_000

/** Different refusals of a session whose topics are told; of the rest their numbers. */
const TOPICS_PER_SESSION = 20

/** Topics of all sessions that are remembered. */
const TOPICS_MAX = 20_000

const TOPIC_LENGTH = 200
const NAME_LENGTH = 200

/** Refusals of one kind. `told`: the number that was told of so far. */
type Tally = { event: RefusedTopic; code: number; topic: string; count: number; told: number }

type Open = { session: SessionFacts; topics: Map<string, Tally> | null; rest: Tally[] | null }

export class ReportQueue {
  readonly #waitingMax: number
  /** By the counts of the session, which a packet's judge has at hand. */
  readonly #open = new Map<SessionCounts, Open>()
  /** Those with refusals that were not told of. */
  readonly #refused = new Set<Open>()
  #waiting: ReportEntry[] = []
  #topics = 0
  /** Sessions that the epoch has yet to tell of. */
  #unsaid: Iterator<Open> | null = null
  /** Something was dropped since the epoch began. */
  hasGap = false
  dropped = 0

  constructor(waitingMax = WAITING_MAX) {
    this.#waitingMax = waitingMax
  }

  get sessions(): number {
    return this.#open.size
  }

  get waiting(): number {
    return this.#waiting.length
  }

  began(session: SessionFacts): void {
    this.#open.set(session.counts as SessionCounts, { session, topics: null, rest: null })
    // Else the walk through those that are open comes to it.
    if (this.#unsaid === null) this.#add(entryOf('connected', session))
  }

  ended(session: SessionFacts, reason: Ending): void {
    const open = this.#open.get(session.counts as SessionCounts)
    if (open === undefined) return
    this.#tell(open)
    this.#topics -= open.topics?.size ?? 0
    this.#open.delete(session.counts as SessionCounts)
    this.#add({ ...entryOf('disconnected', session), reason })
  }

  /** A client whose token was good. */
  refusedConnect(sub: string, client_id: string, reason: string): void {
    const entry = { event: 'connect_refused', session: 0, sub, client_id, reason, at: seconds() }
    this.#add(cut(entry as ReportEntry))
  }

  /** Called for each packet that is refused: a look into a small table, once that is full. */
  refused(counts: SessionCounts, event: RefusedTopic, topic: string, code: number): void {
    const open = this.#open.get(counts)
    if (open === undefined) return
    this.#refused.add(open)
    const tally = this.#tallyOf(open, event, topic, code)
    tally.count++
  }

  #tallyOf(open: Open, event: RefusedTopic, topic: string, code: number): Tally {
    const key = topic.length > TOPIC_LENGTH ? topic.slice(0, TOPIC_LENGTH) : topic
    const known = open.topics?.get(key)
    if (known !== undefined && known.event === event && known.code === code) return known
    const isRoom = (open.topics?.size ?? 0) < TOPICS_PER_SESSION && this.#topics < TOPICS_MAX
    if (topic !== '' && known === undefined && isRoom) {
      // A part of a text keeps the whole of it in memory.
      const own = key === topic ? topic : Buffer.from(key).toString()
      const tally = { event, code, topic: own, count: 0, told: 0 }
      open.topics ??= new Map()
      open.topics.set(own, tally)
      this.#topics++
      return tally
    }
    open.rest ??= []
    const same = open.rest.find((one) => one.event === event && one.code === code)
    if (same !== undefined) return same
    const tally = { event, code, topic: '', count: 0, told: 0 }
    open.rest.push(tally)
    return tally
  }

  #tell(open: Open): void {
    if (!this.#refused.delete(open)) return
    for (const tally of [...(open.topics?.values() ?? []), ...(open.rest ?? [])]) {
      const count = tally.count - tally.told
      if (count === 0) continue
      tally.told = tally.count
      this.#add({
        ...entryOf(tally.event, open.session),
        reason: wordOf(tally.code),
        ...(tally.topic === '' ? {} : { topic: tally.topic }),
        count,
      })
    }
  }

  #add(entry: ReportEntry): void {
    if (this.#waiting.length < this.#waitingMax) {
      this.#waiting.push(entry)
      return
    }
    this.dropped++
    this.hasGap = true
  }

  /** Begins an epoch: its first reports tell of all sessions that are open. */
  begin(): void {
    this.hasGap = false
    this.#waiting = this.#waiting.filter(
      ({ event }) => event !== 'connected' && event !== 'disconnected',
    )
    this.#unsaid = this.#open.size === 0 ? null : this.#open.values()
  }

  /** The entries of the next report. */
  take(): ReportEntry[] {
    const entries: ReportEntry[] = []
    while (this.#unsaid !== null && entries.length < REPORT_MAX) {
      const { value, done } = this.#unsaid.next()
      if (done) this.#unsaid = null
      else entries.push(entryOf('connected', value.session))
    }
    for (const open of this.#refused) this.#tell(open)
    entries.push(...this.#waiting.splice(0, REPORT_MAX - entries.length))
    return entries
  }

  /** There is enough for a report. */
  get isFull(): boolean {
    return this.#unsaid !== null || this.#waiting.length >= REPORT_MAX
  }

  /** Entries that a report held and that nobody took. */
  lose(entries: readonly ReportEntry[]): void {
    this.dropped += entries.length
    if (entries.length > 0) this.hasGap = true
  }
}

const seconds = () => Math.floor(Date.now() / 1000)

const entryOf = (event: ReportEntry['event'], session: SessionFacts): ReportEntry =>
  cut({
    event,
    session: session.id,
    sub: session.sub ?? '',
    client_id: session.mqttClientId,
    at: event === 'connected' ? Math.floor(session.opened_at / 1000) : seconds(),
  })

/** Names are those of tokens, which have no length of their own. */
const cut = (entry: ReportEntry): ReportEntry => ({
  ...entry,
  sub: entry.sub.slice(0, NAME_LENGTH),
  client_id: entry.client_id.slice(0, NAME_LENGTH).replaceAll('\0', ' '),
})

const WORDS: Readonly<Record<number, string>> = {
  [NOT_AUTHORIZED]: 'not_allowed',
  [TOPIC_FILTER_INVALID]: 'filter_invalid',
  [TOPIC_NAME_INVALID]: 'topic_invalid',
  [PACKET_TOO_LARGE]: 'packet_too_large',
  [QUOTA_EXCEEDED]: 'quota_exceeded',
}

const wordOf = (code: number): string => WORDS[code] ?? `code_${code.toString(16)}`
