// A guard of the memory: when little is left no connection is let in any more, so that those who
// are connected keep their service. Memory that was freed goes back to the system late or never;
// half of what was in use being free again counts, too.

import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'

/** A look at the memory, in bytes. */
export type MemoryReading = {
  /** Of the whole process, as the system counts it. */
  resident: number
  /** In use for values and buffers. */
  used: number
  /** Of these, in the heap of values, which has an end of its own. */
  heap: number
  heapMax: number
}

export type MemoryGuard = {
  isFull(): boolean
  close(): void
}

/** Share of the memory of the machine, or of its container, without a limit of its own. */
const SHARE = 0.9
/** Of the heap: beyond it most time goes into looking for what is free. */
const HEAP_FULL = 0.9
const HEAP_FREE = 0.8
const FREE = 0.95
const LOOK_MS = 250
const MEGABYTE = 1_048_576

/** Bytes that the process may have: of the container, or of the machine. */
export function findMemoryMax(): number {
  const contained = process.constrainedMemory()
  return Math.floor(SHARE * Math.min(totalmem(), contained > 0 ? contained : Infinity))
}

/** undefined: the system does not tell, for which it takes a descriptor. */
function readMemory(): MemoryReading | undefined {
  try {
    const { rss, heapUsed, external } = process.memoryUsage()
    const heapMax = getHeapStatistics().heap_size_limit
    return { resident: rss, used: heapUsed + external, heap: heapUsed, heapMax }
  } catch {
    return undefined
  }
}

/** Looks four times a second; `max` is in bytes. `onChange` hears of the first and the last. */
export function guardMemory(
  max: number,
  onChange: (isFull: boolean, megabytes: number) => void,
  read: () => MemoryReading | undefined = readMemory,
): MemoryGuard & { look(): void } {
  let isFull = false
  let usedWhenFull = 0
  function look(): void {
    const reading = read()
    if (reading === undefined) return
    const { resident, used, heap, heapMax } = reading
    const wasFull = isFull
    if (!isFull) {
      isFull = resident >= max || heap >= HEAP_FULL * heapMax
      usedWhenFull = used
    } else {
      const isRoom = resident < FREE * max || used < usedWhenFull / 2
      isFull = !isRoom || heap >= HEAP_FREE * heapMax
    }
    if (isFull !== wasFull) onChange(isFull, Math.round(resident / MEGABYTE))
  }
  look()
  const timer = setInterval(look, LOOK_MS)
  timer.unref()
  return { isFull: () => isFull, look, close: () => clearInterval(timer) }
}
