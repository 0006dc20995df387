// Sentences about things that a run left behind.
import type { SoakReport } from './soak.ts'

/** Connections and timers of mProxy itself that come and go: to the issuer, and for metrics. */
const SWAY = 4

/** Bytes that the heap may differ by, since code is still compiled; and for each session. */
const HEAP_SWAY = 3 * 1024 * 1024
const BYTES_A_SESSION = 64

export function findLeft({ before, after, sessions }: SoakReport): string[] {
  const left: string[] = []
  const sockets = after.sockets - before.sockets
  if (sockets > SWAY) left.push(`${sockets} sockets more than before`)
  const timers = after.timers - before.timers
  if (timers > SWAY) left.push(`${timers} timers more than before`)
  const heap = after.heap - before.heap
  const most = HEAP_SWAY + sessions * BYTES_A_SESSION
  if (heap > most) left.push(`${heap} bytes more than before, after ${sessions} sessions`)
  return left
}
