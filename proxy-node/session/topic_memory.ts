// The last topic of one direction and what was decided about it: senders repeat their topics, and a
// walk through many rules costs more than a comparison. A verdict counts for the rules, QoS and
// retain that it was made for, so other rules make it void.

import type { Acl } from '../../policy/acl.ts'

/** A longer topic is not remembered. */
const LENGTH_MAX = 256
const NOTHING = Buffer.alloc(0)

export class TopicMemory<Verdict> {
  topic = ''
  #bytes: Buffer = NOTHING
  #length = -1
  #acl: Acl | undefined
  #kind = 0
  #verdict: Verdict | undefined

  /** The topic that stands there, decoded again only where it is another one. */
  read(buffer: Buffer, start: number, length: number): string {
    if (this.#stands(buffer, start, length)) return this.topic
    this.topic = buffer.toString('utf8', start, start + length)
    this.#verdict = undefined
    if (length > LENGTH_MAX) {
      this.#length = -1
      return this.topic
    }
    if (length > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(length)
    buffer.copy(this.#bytes, 0, start, start + length)
    this.#length = length
    return this.topic
  }

  #stands(buffer: Buffer, start: number, length: number): boolean {
    if (length !== this.#length) return false
    const bytes = this.#bytes
    for (let i = length - 1; i >= 0; i--) if (bytes[i] !== buffer[start + i]) return false
    return true
  }

  /** The verdict about the topic that was read last, if it was made for the same. */
  recall(acl: Acl, kind: number): Verdict | undefined {
    return this.#acl === acl && this.#kind === kind ? this.#verdict : undefined
  }

  remember(acl: Acl, kind: number, verdict: Verdict): void {
    this.#acl = acl
    this.#kind = kind
    this.#verdict = verdict
  }
}
