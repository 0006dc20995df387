// Turns of the event loop, shared by all sessions: how much work one may take, and the work that is
// put off because a turn was full. So nobody waits long for the many packets of somebody else, nor
// for the many sessions of somebody else. Only work that mounts up asks here, not each packet.

/** Milliseconds of one turn. A peer that waits meanwhile should not notice. */
const TURN_MS = 2

/** Work that was put off, in the order in which it is gone on with. */
const waiting: (() => void)[] = []
let isWaiting = false
/** Monotonic ms when this turn's work began to mount up, or 0. */
let began_at = 0

/** Says whether this turn has had its share of work. */
export function isTurnSpent(): boolean {
  if (began_at === 0) {
    began_at = performance.now()
    setImmediate(endTurn)
    return false
  }
  return performance.now() - began_at >= TURN_MS
}

function endTurn(): void {
  if (!isWaiting) began_at = 0
}

/** Goes on with this in a later turn, behind all that was put off before. */
export function putOff(goOn: () => void): void {
  waiting.push(goOn)
  if (isWaiting) return
  isWaiting = true
  setImmediate(takeTurn)
}

/**
 * Resolves in a later turn, for work that is done behind a promise: each of those who wait is asked
 * by itself, when the work of the one before is done.
 */
export function untilTurn(): Promise<void> {
  return new Promise((resolve) => {
    const ask = () => {
      if (isTurnSpent()) setImmediate(ask)
      else resolve()
    }
    setImmediate(ask)
  })
}

/** Bytes that arrive meanwhile are read between two such turns, and have a share of their own. */
function takeTurn(): void {
  began_at = performance.now()
  // One that is put off again comes behind the others.
  const count = waiting.length
  let next = 0
  while (next < count && performance.now() - began_at < TURN_MS) waiting[next++]!()
  waiting.splice(0, next)
  isWaiting = waiting.length > 0
  if (isWaiting) setImmediate(takeTurn)
  began_at = 0
}
