// The end of all sessions when mProxy stops: a part at a time, so that a fleet does not come back
// to the other mProxies all at once.

import { setTimeout as sleep } from 'node:timers/promises'

const STEP_MS = 100
/** Sessions in one step, at least: few clients are no flood. */
const LEAST = 10

/** Resolves when all of them are closed. Each has `timeout` from when its turn comes. */
export async function drainAtPace(
  sessions: Iterable<{ drain(timeout_ms: number): Promise<void> }>,
  { spread, timeout }: { spread: number; timeout: number },
): Promise<void> {
  const waiting = [...sessions]
  const part = Math.max(LEAST, Math.ceil((waiting.length * STEP_MS) / Math.max(spread, STEP_MS)))
  const ends: Promise<void>[] = []
  while (waiting.length > 0) {
    for (const session of waiting.splice(0, part)) ends.push(session.drain(timeout))
    if (waiting.length > 0) await sleep(STEP_MS)
  }
  await Promise.all(ends)
}
