// Status lists for operators: how many there are, and which changes wait for their spreading.
import { z } from '../api.ts'
import type { Context } from '../context.ts'
import { countStatus, listChanges } from './list_store.ts'
import { SUPERSEDED } from './status_list.ts'

export const statusListsSchema = z
  .object({
    lists: z.int(),
    /** Entries that were ever allotted. */
    entries: z.int(),
    /** Entries that were given up, ended or superseded. */
    flips: z.int(),
    /** Changes that concern more holders than were flipped at once; the oldest 100. */
    waiting: z.array(
      z.object({
        scope: z.enum(['subject', 'object', 'role', 'device_type', 'client', 'actor', 'device_ca']),
        id: z.string(),
        outcome: z.enum(['ended', 'superseded']),
        /** The entry that was looked at last, and the last one that it concerns. */
        done: z.int(),
        upto: z.int(),
      }),
    ),
  })
  .openapi('StatusLists')

/** One round trip. */
export async function describeLists(cx: Context): Promise<z.infer<typeof statusListsSchema>> {
  const {
    counts: [counts],
    changes,
  } = await cx.db.read({ counts: countStatus(), changes: listChanges(100) })
  return {
    ...(counts ?? { lists: 0, entries: 0, flips: 0 }),
    waiting: changes.map((one) => ({
      ...one,
      outcome: one.outcome === SUPERSEDED ? 'superseded' : 'ended',
    })),
  }
}
