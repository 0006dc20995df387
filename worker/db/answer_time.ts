// The time in which a request gets its answer, however the database behaves. Counts the waiting of
// one request for the database, all its calls together; the rest of its work is not slowed down by
// others. Leaves to the drivers how a call is tried again, and to failures.ts the answer.
import { type Database, DatabaseUnavailable } from './database.ts'

export interface BoundedDatabase {
  readonly db: Database
  /** Says that the answer is on its way: work behind it may wait as long as the driver does. */
  lift(): void
}

/** How long a call may last in any case, in milliseconds. */
const LEAST = 100

/**
 * The database of one request, whose calls together wait at most `time` milliseconds. After that a
 * call throws DatabaseUnavailable, whether or not the database carries it out: its answer is lost,
 * as with a broken connection.
 */
export function boundedDatabase(db: Database, time: number): BoundedDatabase {
  let left = time
  let isLifted = false
  const pending = new Set<() => void>()

  function bounded<T>(call: (options: { patience: number }) => Promise<T>): Promise<T> {
    // A process that was busy with other things still asks, once and shortly.
    const patience = Math.max(left, LEAST)
    const start = performance.now()
    const answered = call({ patience })
    return new Promise<T>((resolve, reject) => {
      // An answer that came while the process was busy stands in line behind the timers: its turn
      // comes before the call is given up.
      let timer = setTimeout(() => {
        timer = setTimeout(() => {
          end()
          reject(late())
        }, 1)
      }, patience)
      const unbind = () => clearTimeout(timer)
      const end = () => {
        unbind()
        if (pending.delete(unbind)) left -= performance.now() - start
      }
      pending.add(unbind)
      answered.then(
        (answer) => {
          end()
          resolve(answer)
        },
        (error: unknown) => {
          end()
          reject(error)
        },
      )
    })
  }
  const late = () =>
    new DatabaseUnavailable(`the database did not answer within ${time} milliseconds`)

  return {
    db: {
      read: (batch) => (isLifted ? db.read(batch) : bounded((options) => db.read(batch, options))),
      write: (batch) =>
        isLifted ? db.write(batch) : bounded((options) => db.write(batch, options)),
    },
    lift() {
      isLifted = true
      for (const unbind of pending) unbind()
    },
  }
}
