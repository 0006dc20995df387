// Messages that others must get although they may be away for a while: logout tokens, mails, later
// webhooks. A room notes a delivery in the batch that causes it. This file takes it, sends it,
// sends it again after longer and longer pauses, and gives it up in the end. One conditional update
// takes each delivery before it is sent, so that of several instances one sends it; after a crash
// it may be sent twice. A kind is an entry that its room makes; jobs.ts has the list.
// Each kind has pauses of its own: `backoff` of its entry, for logout tokens in
// oauth/logout/logout_tokens.ts.
import { as, type Context } from './context.ts'
import { randomId, randomToken } from './crypto.ts'
import { delivery } from './db/event_schema.ts'
import { type Condition, condition, insertWhere, type Statement, sql, TRUE } from './db/sql.ts'
import type { NewEvent } from './events/event_catalogue.ts'
import { appendEvent } from './events.ts'

/** Deliveries sent at once, and in one run of one kind; the rest waits for the next run. */
const AT_ONCE = 10
const RUN_MAX = 200

type DeliveryRow = typeof delivery.$inferSelect

/** A message to one recipient. It holds no secret: a sender makes secret parts when it sends. */
export type Delivery = {
  /** The client, user or other receiver; when it is deleted, all its waiting deliveries go. */
  recipient: string
  /** Subject of the message. A recipient has one delivery of a kind about it. */
  about: string
  payload: Readonly<Record<string, string | number | boolean | null>>
  /** Number of times that it was sent, this time included. */
  attempts: number
}

/**
 * `reason`: a literal for the log and the event. `also`: statements that are written with the
 * outcome, for a kind that keeps a record of its own; `when` holds while this run has the delivery.
 */
export type DeliveryOutcome = { also?: (when: Condition) => readonly Statement[] } & (
  | { outcome: 'done' }
  /** Sent again after the next pause; after the last one it is given up. */
  | { outcome: 'again'; reason: string }
  /** No further attempt could help. */
  | { outcome: 'give_up'; reason: string }
  /** Nobody wants it any more: it is deleted without an event. */
  | { outcome: 'unwanted' }
)

export type DeliveryKind = {
  /** Name in the table; it stays the same for ever. */
  name: string
  /** Seconds from each attempt to the next; the last is how long the final attempt may take. */
  backoff: readonly number[]
  /**
   * Reads the data for some deliveries, in one round trip, and answers the function that sends one.
   */
  prepare(
    cx: Context,
    taken: readonly Delivery[],
  ): Promise<(one: Delivery) => Promise<DeliveryOutcome>>
  /** The event that is written when the recipient took it. */
  delivered(one: Delivery): NewEvent
  /** The event that is written when the delivery is given up. */
  abandoned(one: Delivery, reason: string): NewEvent
}

/**
 * Notes a delivery where the condition holds, unless the recipient has one already about the same.
 */
export const insertDelivery = (
  cx: Context,
  kind: Pick<DeliveryKind, 'name'>,
  { recipient, about, payload }: Omit<Delivery, 'attempts'>,
  when: Condition,
): Statement =>
  insertWhere(
    delivery,
    {
      id: randomId(cx, 'dlv'),
      kind: kind.name,
      recipient,
      about,
      payload: JSON.stringify(payload),
      attempts: 0,
      taken_by: null,
      next_at: cx.now(),
      created_at: cx.now(),
    },
    when,
    sql<never>`on conflict do nothing`,
  )

/** Deletes all deliveries to a recipient that is gone. */
export const deleteDeliveriesTo = (recipient: string, when: Condition = TRUE): Statement =>
  sql`delete from delivery where recipient = ${recipient} and ${when}`

/**
 * Takes some deliveries that are due, each until its next attempt: no other instance takes it
 * before. A delivery that was taken and not settled is due again then.
 */
export const takeDeliveries = (
  cx: Context,
  { name, backoff }: DeliveryKind,
  lease: string,
): Statement<DeliveryRow> =>
  sql`update delivery set taken_by = ${lease}, attempts = attempts + 1,
      next_at = ${cx.now()} + coalesce(
        json_extract(${JSON.stringify(backoff)}, '$[' || attempts || ']'), ${backoff.at(-1) ?? 60})
    where id in (select id from delivery where kind = ${name} and next_at <= ${cx.now()}
      order by next_at limit ${AT_ONCE})
    returning *`

/** A condition: the delivery is still taken by this run. */
const isTaken = ({ id, taken_by }: DeliveryRow): Condition =>
  condition`exists (select 1 from delivery where id = ${id} and taken_by = ${taken_by})`

const deleteDelivery = ({ id, taken_by }: DeliveryRow): Statement =>
  sql`delete from delivery where id = ${id} and taken_by = ${taken_by}`

/**
 * Sends all that is due of these kinds, which do not wait for each other. Three round trips for
 * each ten deliveries. A delivery that its recipient does not take is kept for later. Throws only
 * for a fault of this program.
 */
export async function deliver(cx: Context, kinds: readonly DeliveryKind[]): Promise<void> {
  // The system tells others, also behind the request of a person.
  const system: Context = { ...as(cx, { kind: 'system', id: null }), address: '' }
  const runs = await Promise.allSettled(kinds.map((kind) => deliverKind(system, kind)))
  for (const run of runs) if (run.status === 'rejected') throw run.reason
}

async function deliverKind(cx: Context, kind: DeliveryKind): Promise<void> {
  for (let sent = 0; sent < RUN_MAX; sent += AT_ONCE) {
    const taken = await cx.db.write(takeDeliveries(cx, kind, randomToken(cx, 16)))
    if (taken.length === 0) return
    const deliveries = taken.map((row) => ({ row, one: deliveryOf(row) }))
    const send = await kind.prepare(
      cx,
      deliveries.map(({ one }) => one),
    )
    const settled = await Promise.all(
      deliveries.map(async ({ row, one }) => {
        const outcome = await send(one).catch((error: unknown) => fault(cx, kind, error))
        return settle(cx, kind, row, one, outcome)
      }),
    )
    await cx.db.write(settled.flat())
    if (taken.length < AT_ONCE) return
  }
}

const deliveryOf = ({ recipient, about, payload, attempts }: DeliveryRow): Delivery => ({
  recipient,
  about,
  payload: JSON.parse(payload) as Delivery['payload'],
  attempts,
})

function fault(cx: Context, { name }: DeliveryKind, error: unknown): DeliveryOutcome {
  cx.log('error', 'a delivery was not sent', { kind: name, error: String(error) })
  return { outcome: 'again', reason: 'bug' }
}

/** The statements that record the outcome of a delivery, and delete it unless it is sent again. */
function settle(
  cx: Context,
  kind: DeliveryKind,
  row: DeliveryRow,
  one: Delivery,
  result: DeliveryOutcome,
): readonly Statement[] {
  const also = result.also?.(isTaken(row)) ?? []
  if (result.outcome === 'unwanted') return [...also, deleteDelivery(row)]
  if (result.outcome === 'again' && one.attempts < kind.backoff.length) return also
  const event = result.outcome === 'done' ? kind.delivered(one) : kind.abandoned(one, result.reason)
  return [...also, appendEvent(cx, event, isTaken(row)), deleteDelivery(row)]
}
