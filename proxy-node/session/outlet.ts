// The way out to one peer: passes on bytes of the other peer, in runs as long as possible, and puts
// packets of mProxy in between, only where one packet ends and the next begins.

import type { PeerStream } from '../transport/send_queue.ts'
import { NEVER } from '../wire/connect_codec.ts'

export class Outlet {
  readonly stream: PeerStream
  /** The largest packet that the peer takes [MQTT-3.1.2-24]. */
  packetMaximum = NEVER
  #run: Buffer | null = null
  #start = 0
  #end = 0
  /** Packets of mProxy that wait for the end of a PUBLISH that is being streamed. */
  #waiting: Buffer[] = []
  #waitingLength = 0
  #isMidPacket = false
  #isCorked = false
  #wrote = false

  constructor(stream: PeerStream) {
    this.stream = stream
  }

  /** Half a packet of the other side is out. */
  get isMidPacket(): boolean {
    return this.#isMidPacket
  }

  /** Bytes of the other side that go on as they are. Kept back until flush(). */
  pass(buffer: Buffer, start: number, end: number, endsPacket: boolean): void {
    if (this.#run === buffer && this.#end === start) {
      this.#end = end
    } else {
      if (this.#run !== null) this.#cork() // more than one write comes
      this.#writeRun()
      this.#run = buffer
      this.#start = start
      this.#end = end
    }
    this.#isMidPacket = !endsPacket
    if (endsPacket && this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      this.#waitingLength = 0
      for (const packet of waiting) this.insert(packet)
    }
  }

  /** A packet of mProxy. Kept back until flush() too. One that is too large counts as sent. */
  insert(packet: Buffer): void {
    if (packet.length > this.packetMaximum) return // [MQTT-3.1.2-25]
    if (this.#isMidPacket) {
      this.#waiting.push(packet)
      this.#waitingLength += packet.length
      return
    }
    this.#cork()
    this.#writeRun()
    this.#write(packet)
  }

  /** Writes of one turn go out together. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.stream.cork()
  }

  /** Writes the bytes that were kept back. True when any were written since the last time. */
  flush(): boolean {
    this.#writeRun()
    if (this.#isCorked) {
      this.#isCorked = false
      this.stream.uncork()
    }
    const wrote = this.#wrote
    this.#wrote = false
    return wrote
  }

  /**
   * Says whether so much waits in the stream that the source of passed bytes should pause. Then
   * `drain` will come.
   */
  isFull(highWater: number): boolean {
    return this.stream.writableNeedDrain && this.stream.writableLength >= highWater
  }

  /**
   * Says the same for the source of packets that get answers, which may wait for the end of one
   * that is being streamed. To stop the source of that packet for them would be to wait for ever.
   */
  isFullOfAnswers(room: number): boolean {
    return this.#waitingLength >= room || this.isFull(room)
  }

  #writeRun(): void {
    const run = this.#run
    if (run === null) return
    this.#run = null
    this.#write(
      this.#start === 0 && this.#end === run.length ? run : run.subarray(this.#start, this.#end),
    )
  }

  #write(bytes: Buffer): void {
    this.#wrote = true
    if (this.stream.writable) this.stream.write(bytes)
  }
}
