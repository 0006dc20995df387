// One device of `npm run soak` and the model of it: what it may do, whether it counts, and what must
// have happened at the broker. It does at random what devices do, and writes down each thing that
// came out otherwise than the model says.
import { type Connection, connect, tryConnect } from '../host/mproxy_fixtures/clients.ts'
import type { TestIssuer } from '../host/mproxy_fixtures/issuer.ts'
import type { PublishedList } from '../host/mproxy_fixtures/status_list.ts'
import { until } from '../host/mproxy_fixtures/until.ts'

/** Everything that one run shares. */
export type World = {
  url: string
  issuer: TestIssuer
  list: PublishedList
  /** Entries of the list that are not 0. */
  ended: Record<number, number>
  nextIndex: number
  entries: number
  /** Payloads that a subscriber of everything saw at the broker. */
  seen: Set<string>
  /** Wills that must not be seen there. */
  suppressed: Set<string>
  /** Publishes at the broker, past mProxy. */
  publishAtBroker(topic: string, payload: string): Promise<void>
  counts: Record<string, number>
  faults: string[]
  isOver(): boolean
}

/** Numbers of 0 to 1, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Act =
  | 'connects'
  | 'knocksWithNothing'
  | 'publishes'
  | 'publishesElsewhere'
  | 'hears'
  | 'renews'
  | 'leaves'
  | 'isCut'
  | 'isRevoked'

const BAD_TOKEN = { 4: [4, 5], 5: [0x86, 0x87] } as const

export class SoakDevice {
  readonly #world: World
  readonly #sub: string
  readonly #version: 4 | 5
  readonly #random: () => number
  #index = 0
  #serial = 0
  #connection: Connection | null = null
  /** The payload of the Will of this connection. */
  #will: string | null = null

  constructor(world: World, number: number, seed: number) {
    this.#world = world
    this.#sub = `thing-${number}`
    this.#version = number % 2 === 0 ? 5 : 4
    this.#random = randomFrom(seed * 1009 + number)
  }

  /** Acts until the run is over, with a pause of up to `pause` ms between two acts; then leaves. */
  async live(pause: number): Promise<void> {
    this.#takeIndex()
    while (!this.#world.isOver()) {
      await new Promise((go) => setTimeout(go, this.#random() * pause))
      const act = this.#choose()
      try {
        await this.#acts[act]()
        this.#world.counts[act] = (this.#world.counts[act] ?? 0) + 1
      } catch (error) {
        this.#fault(`${act}: ${error instanceof Error ? error.message : String(error)}`)
        this.#connection?.cut()
        this.#connection = null
      }
    }
    if (this.#connection !== null) await this.#acts.leaves()
  }

  #choose(): Act {
    if (this.#connection === null) return this.#random() < 0.2 ? 'knocksWithNothing' : 'connects'
    const at = this.#random()
    if (at < 0.35) return 'publishes'
    if (at < 0.5) return 'publishesElsewhere'
    if (at < 0.65) return 'hears'
    if (at < 0.8) return 'renews'
    if (at < 0.87) return 'leaves'
    if (at < 0.94 || this.#world.nextIndex >= this.#world.entries) return 'isCut'
    return 'isRevoked'
  }

  readonly #acts: Record<Act, () => Promise<void>> = {
    connects: async () => {
      this.#will = this.#random() < 0.5 ? this.#payload('will') : null
      const payload = Buffer.from(this.#will ?? '')
      const will = { topic: this.#own('gone'), payload, qos: 1 as const, retain: false }
      this.#connection = await connect({
        url: this.#world.url,
        version: this.#version,
        id: this.#sub,
        token: await this.#token(),
        ...(this.#will !== null && { will }),
      })
      const [own] = await this.#connection.subscribe([this.#own('in')])
      const [alien] = await this.#connection.subscribe(['soak/another/in'])
      if (own !== 1) this.#fault(`its own filter was answered ${own}`)
      if (alien === undefined || alien < 0x80) this.#fault(`an alien filter was answered ${alien}`)
    },
    knocksWithNothing: async () => {
      const token = `${await this.#token()}x`
      const { url } = this.#world
      const code = await tryConnect({ url, version: this.#version, id: this.#sub, token })
      this.#expectRefused(code)
    },
    publishes: async () => {
      const payload = this.#payload('may')
      await this.#open.publish(this.#own('out'), payload)
      // It was acknowledged, so the broker has it.
      await until(`${payload} at the broker`, () => this.#world.seen.has(payload))
    },
    publishesElsewhere: async () => {
      const payload = this.#payload('never')
      const answer = await this.#open.publish('soak/another/out', payload).then(
        () => 'acknowledged',
        (error: { code?: number }) => error.code,
      )
      // MQTT 3.1.1 has no answer but the good one; the broker must not have it either way.
      const right = this.#version === 5 ? 0x87 : 'acknowledged'
      if (answer !== right) this.#fault(`a publish elsewhere was answered ${answer}`)
    },
    hears: async () => {
      const payload = this.#payload('told')
      const { messages } = this.#open
      await this.#world.publishAtBroker(this.#own('in'), payload)
      await until(`${payload} at the device`, () =>
        messages.includes(`${this.#own('in')} ${payload}`),
      )
      messages.length = 0
    },
    renews: async () => {
      await this.#open.publish('$allauth/token', await this.#token())
    },
    leaves: async () => {
      await this.#open.end()
      this.#connection = null
      this.#suppressWill()
    },
    isCut: async () => {
      this.#open.cut()
      this.#connection = null
      const will = this.#will
      if (will !== null) await until(`${will} at the broker`, () => this.#world.seen.has(will))
    },
    isRevoked: async () => {
      const old = await this.#token()
      const connection = this.#open
      this.#world.ended[this.#index] = 1
      await this.#world.list.publish({
        length: this.#world.entries,
        values: this.#world.ended,
      })
      const code = await connection.untilClosed(20)
      if (this.#version === 5 && code !== 0x98) this.#fault(`revoked, it was told ${code}`)
      this.#suppressWill()
      this.#connection = null
      const { url } = this.#world
      const token = old
      this.#expectRefused(await tryConnect({ url, version: this.#version, id: this.#sub, token }))
      this.#takeIndex()
    },
  }

  get #open(): Connection {
    if (this.#connection === null) throw new Error('is not connected')
    if (this.#connection.isClosed()) throw new Error('was closed without a reason')
    return this.#connection
  }

  /** It left in order, or counts no more. */
  #suppressWill(): void {
    if (this.#will !== null) this.#world.suppressed.add(this.#will)
  }

  #takeIndex(): void {
    this.#index = this.#world.nextIndex++
  }

  #own(last: string): string {
    return `soak/${this.#sub}/${last}`
  }

  #payload(kind: string): string {
    return `${kind} ${this.#sub} ${++this.#serial}`
  }

  #token(): Promise<string> {
    const acl = [{ permission: 'allow', action: 'all', topic: `soak/${this.#sub}/#` }]
    const exp = Math.floor(Date.now() / 1000) + 600 + this.#serial++
    const { issuer, list } = this.#world
    return issuer.mint({ claims: { sub: this.#sub, acl, exp, ...list.at(this.#index) } })
  }

  #expectRefused(code: number | 'closed'): void {
    const right: readonly unknown[] = BAD_TOKEN[this.#version]
    if (!right.includes(code)) this.#fault(`a bad token was answered ${code}`)
  }

  #fault(text: string): void {
    this.#world.faults.push(`${this.#sub} (MQTT ${this.#version}): ${text}`)
  }
}
