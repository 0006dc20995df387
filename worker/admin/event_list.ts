// The record of events for operators. Rooms write it through events.ts of the ground.
import { assertEverywhere } from '../access/reach/reach.ts'
import { decodeCursor, type PageOf, type PageQuery, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { Problem } from '../errors.ts'
import { type EntryOfCatalogue, OBJECT_KINDS, type ObjectKind } from '../events/catalogue_entry.ts'
import { CATALOGUE } from '../events/event_catalogue.ts'
import { type EventFilter, type EventRow, listEventsBefore } from './event_store.ts'

/** The cursor is a `seq`. Another kind than that of cursors that were ids. */
const CURSOR = 'events by seq'

/** A client may be named by an address. */
const ID_MAX = 512

const seconds = z.coerce
  .number()
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER / 2)

const members = z.record(z.string(), z.unknown())

/** The part that all events share. */
const event = z
  .object({
    seq: z.int().describe('the order of events; a later one has a greater number'),
    id: z.string(),
    at: z.int(),
    type: z.string(),
    outcome: z.enum(['success', 'failure']),
    actor_kind: z.enum(['user', 'client', 'device', 'system', 'anonymous']),
    actor_id: z.string().nullable(),
    subject_id: z.string().nullable(),
    client_id: z.string().nullable(),
    session_id: z.string().nullable(),
    rid: z.string().nullable(),
    address: z.string(),
    objects: z.array(z.object({ kind: z.enum(OBJECT_KINDS), id: z.string() })),
    data: members,
    before: members.nullable(),
    after: members.nullable(),
  })
  .openapi('EventBase')

const VALUES = {
  string: z.string(),
  'string or null': z.string().nullable(),
  number: z.int(),
  'number or null': z.int().nullable(),
  strings: z.array(z.string()),
}

/** The form of the events of one type. Events from before a member was there lack it. */
function formOf(type: string, { data, changes, ...entry }: EntryOfCatalogue) {
  const values = Object.entries(data).map(([name, { is, optional, meaning }]) => {
    const value = VALUES[is].describe(meaning)
    return [name, optional === true ? value.optional() : value] as const
  })
  const changed = changes === true ? members.nullable() : z.null()
  return event
    .extend({
      type: z.literal(type),
      outcome: z.literal(entry.outcome ?? 'success'),
      data: z.object(Object.fromEntries(values)),
      before: changed,
      after: changed,
    })
    .openapi(nameOf(type), { description: entry.meaning })
}

/** `grant.created` as the name of a schema: `EventGrantCreated`. */
const nameOf = (type: string): string =>
  `Event${type.replace(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase())}`

const [first, ...others] = Object.entries(CATALOGUE).map(([type, entry]) => formOf(type, entry))
if (first === undefined) throw new TypeError('the catalogue of events is empty')

export const eventSchema = z.discriminatedUnion('type', [first, ...others]).openapi('Event')

type Event = z.infer<typeof eventSchema>

/** The filters of the list; they hold together. */
export const eventQuery = z.object({
  type: z.string().max(100).optional(),
  actor_id: z.string().max(ID_MAX).optional(),
  subject_id: z.string().max(ID_MAX).optional(),
  client_id: z.string().max(ID_MAX).optional(),
  rid: z.string().max(100).optional(),
  outcome: z.enum(['success', 'failure']).optional(),
  object: z.string().max(ID_MAX).optional(),
  object_kind: z.enum(OBJECT_KINDS).optional(),
  from: seconds.optional(),
  to: seconds.optional(),
})

const describe = ({ objects, data, before, after, ...row }: EventRow): Event => ({
  ...row,
  objects: (JSON.parse(objects) as [ObjectKind, string][]).map(([kind, id]) => ({ kind, id })),
  data: JSON.parse(data),
  before: before === null ? null : JSON.parse(before),
  after: after === null ? null : JSON.parse(after),
})

/**
 * The event as somebody within a reach sees it: without the ways of the one who acted, and without
 * values, which may speak of other places.
 */
const describeWithin = (row: EventRow): Event => {
  const hidden = { client_id: null, session_id: null, rid: null, address: '' }
  return describe({ ...row, ...hidden, before: null, after: null })
}

/** The newest first. Throws Problem for a forged cursor. One round trip. */
export async function listEvents(
  cx: Context,
  { limit, cursor, ...filter }: PageQuery & EventFilter,
): Promise<PageOf<Event>> {
  if (filter.object_kind !== undefined && filter.object === undefined) {
    throw new Problem('invalid_request', 'a kind alone chooses nothing', [
      { pointer: '/object_kind', detail: 'say object too' },
    ])
  }
  for (const name of ['client_id', 'rid'] as const) {
    // The answer would tell what is not shown.
    if (filter[name] !== undefined) {
      assertEverywhere(cx, `/${name}`, 'is asked by who reaches everything')
    }
  }
  const { reach } = cx.actor
  const before = decodeCursor(cx, CURSOR, cursor)
  const last = before === '' ? null : Number(before)
  const rows = await cx.db.read(listEventsBefore(filter, last, limit + 1, reach))
  return pageOf(
    cx,
    CURSOR,
    rows,
    limit,
    (row) => String(row.seq),
    reach === undefined ? describe : describeWithin,
  )
}
