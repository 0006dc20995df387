// Guards of one connection at mProxy: bytes that count, peers that stall, sizes, and what is malformed.
import type { Guard } from './guards.ts'

export const DOOR: readonly Guard[] = [
  {
    name: 'bytes-ahead-of-a-close',
    attack: 'a reading of a battery device that closes behind its DISCONNECT, lost without a word',
    file: 'proxy-node/session/session.ts',
    from: "else if (this.#phase === 'connect' || !this.#isAhead())",
    to: 'else',
    test: 'proxy-node/session/fire_and_forget',
    title: 'closed whole, QoS 1',
  },
  {
    name: 'client-that-gave-up',
    attack: 'a client that gave up, connected late and so in the place of its next connection',
    file: 'proxy-node/session/session.ts',
    from: " || !this.#isAhead()) this.#refuse('client_gone', 0)",
    to: ") this.#refuse('client_gone', 0)",
    test: 'proxy-node/session/fire_and_forget',
    title: 'is not connected where',
  },
  {
    name: 'bytes-before-a-reset',
    attack: 'bytes that mProxy had read and not looked at, lost with the connection',
    file: 'proxy-node/session/session.ts',
    from: "if (this.#phase === 'open') this.#relay!.takeLate(rest)",
    to: "if (this.#phase === 'open') continue",
    test: 'proxy-node/session/fire_and_forget',
    title: 'is heard in mid-session, though',
  },
  {
    name: 'slow-broker-at-the-end',
    attack: 'the last messages of a client, thrown away because the broker needs a second for them',
    file: 'proxy-node/session/session.ts',
    from: 'stream === this.#broker ? write_stall_timeout_ms : close_grace_ms',
    to: 'close_grace_ms',
    test: 'proxy-node/session/fire_and_forget',
    title: 'has a broker that takes its time',
  },
]
