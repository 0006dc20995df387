// The record of events for operators. Rooms write it through events.ts of the ground.
import { decodeCursor, type PageOf, type PageQuery, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { type EventRow, listEventsBefore } from './event_store.ts'

export const eventSchema = z
  .object({
    id: z.string(),
    at: z.int(),
    type: z.string(),
    outcome: z.enum(['success', 'failure']),
    actor_kind: z.enum(['user', 'client', 'device', 'system', 'anonymous']),
    actor_id: z.string().nullable(),
    subject_id: z.string().nullable(),
    address: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .openapi('Event')

type Event = z.infer<typeof eventSchema>

const describe = (row: EventRow): Event => ({ ...row, data: JSON.parse(row.data) })

/** The newest first. Throws Problem for a forged cursor. One round trip. */
export async function listEvents(
  cx: Context,
  {
    limit,
    cursor,
    ...filter
  }: PageQuery & { type?: string | undefined; subject_id?: string | undefined },
): Promise<PageOf<Event>> {
  const before = decodeCursor(cx, 'events', cursor)
  const rows = await cx.db.read(listEventsBefore({ ...filter, before }, limit + 1))
  return pageOf(cx, 'events', rows, limit, (row) => row.id, describe)
}
