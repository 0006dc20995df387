// Contexts whose database has a bad day: the answer to a batch is lost, or somebody else is
// quicker.
import type { Context } from '../../worker/context.ts'

/**
 * The context, but the answer of every write is lost once: its batch is sent again, after what
 * happens `between`.
 */
export const losingWrites = (
  cx: Context,
  between: () => Promise<unknown> = async () => {},
): Context => ({
  ...cx,
  db: {
    ...cx.db,
    write: async (batch) => {
      await cx.db.write(batch)
      await between()
      return cx.db.write(batch)
    },
  },
})

/**
 * The context, but something happens between what a use case reads first and what it writes first.
 */
export function overtakenOnce(cx: Context, happens: () => Promise<unknown>): Context {
  let isOver = false
  return {
    ...cx,
    db: {
      ...cx.db,
      write: async (batch) => {
        if (!isOver) await happens()
        isOver = true
        return cx.db.write(batch)
      },
    },
  }
}
