// Reports of mProxy: who is connected, and samples of refusals. Each is one batch, which renews the
// lease of its sender; one that comes twice counts once. No report gives anybody a right.
import { decodeCursor, lineSchema, type listQuery, type PageOf, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { REFUSAL_EVENTS } from '../../db/things_schema.ts'
import {
  deletePresence,
  endOtherLeases,
  findLease,
  insertPresence,
  insertRefusals,
  LEASE_TTL,
  type LeaseRow,
  leaseIsMine,
  listLeases,
  noteConnected,
  type RefusalRow,
  renewLease,
  trimRefusals,
} from './connection_store.ts'

/** Most entries of one report. */
export const ENTRIES_MAX = 500

const plain = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\0]*$/, 'must not contain NUL')
// Half a character, as a topic that was cut may end with, has no place in JSON of the database.
const text = (max: number) => plain(max).transform((one) => one.toWellFormed())
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const time = z.int().min(0).max(253_402_300_799)
const word = z.string().regex(/^[a-z0-9_]{1,60}$/, 'must be a word such as not_allowed')

const entryInput = z
  .strictObject({
    event: z.enum(['connected', 'disconnected', ...REFUSAL_EVENTS]),
    session: count.describe('a number that no other session of this mProxy has'),
    sub: text(200),
    client_id: text(200).describe('of MQTT'),
    reason: word.optional(),
    topic: text(1000).optional().describe('of the first different refusals of a session'),
    count: count.min(1).default(1),
    at: time.describe('epoch seconds'),
  })
  .openapi('MqttReportEntry')

export const mqttReportInput = z
  .strictObject({
    proxy: lineSchema(100).describe('name of the mProxy'),
    epoch: z
      .string()
      .regex(/^[A-Za-z0-9_-]{16,64}$/)
      .describe('drawn anew at each start, and after each gap in the reports'),
    seq: count.min(1).describe('of this report within its epoch, from 1 on'),
    started_at: time,
    sessions: count,
    key_age: count.nullable().describe('seconds since the keys were confirmed; null: none'),
    list_age: count.nullable().describe('seconds since the oldest list was confirmed; null: none'),
    dropped: count.default(0).describe('entries that could not be reported since the start'),
    entries: z.array(entryInput).max(ENTRIES_MAX),
  })
  .openapi('MqttReport')

export const mqttReportAnswer = z
  .object({
    lease: z.int().describe('seconds within which the next report has to come'),
    resync: z
      .boolean()
      .describe('this epoch is not known: begin another one, with all that are connected'),
  })
  .openapi('MqttReportAnswer')

type Report = z.output<typeof mqttReportInput>
type Entry = Report['entries'][number]

/** Round trips: 1 write. */
export async function takeReport(
  cx: Context,
  report: Report,
): Promise<z.infer<typeof mqttReportAnswer>> {
  const { entries, epoch: id, ...about } = report
  const now = cx.now()
  const lease: LeaseRow = {
    ...about,
    id,
    reporter: cx.actor.id ?? '',
    started_at: Math.min(about.started_at, now),
    seen_at: now,
    expires_at: now + LEASE_TTL,
    rid: cx.rid,
  }
  const mine = leaseIsMine(cx, id)
  const of = (event: Entry['event']) => entries.filter((one) => one.event === event)
  const connected = of('connected')
  const refusals = refusalsIn(entries, now)
  const refused = JSON.stringify([...new Set(refusals.map(({ device_id }) => device_id))])
  const { stored } = await cx.db.write({
    changes: [
      renewLease(cx, lease),
      endOtherLeases(lease, mine),
      ...(connected.length === 0
        ? []
        : [
            insertPresence(
              id,
              JSON.stringify(connected.map((one) => ({ ...one, since: Math.min(one.at, now) }))),
              mine,
            ),
            noteConnected(cx, JSON.stringify(connected.map(({ sub }) => sub)), mine),
          ]),
      // Behind those that connect: a session does so before it ends, and once.
      deletePresence(id, JSON.stringify(of('disconnected').map(({ session }) => session)), mine),
      ...(refusals.length === 0
        ? []
        : [insertRefusals(JSON.stringify(refusals), mine), trimRefusals(refused, mine)]),
    ],
    stored: findLease(id),
  })
  const [row] = stored
  const isKnown = row !== undefined && row.expires_at > 0 && row.reporter === lease.reporter
  return { lease: LEASE_TTL, resync: !isKnown }
}

type NewRefusal = Omit<RefusalRow, 'event'> & { event: string }

/** The refusals among the entries, one for each that is the same. */
function refusalsIn(entries: readonly Entry[], now: number): NewRefusal[] {
  const found = new Map<string, NewRefusal>()
  for (const { event, sub, client_id, reason = '', topic = '', count, at } of entries) {
    if (event === 'connected' || event === 'disconnected') continue
    const key = JSON.stringify([sub, event, reason, topic])
    const at_most = Math.min(at, now)
    const same = found.get(key)
    if (same === undefined) {
      const times = { first_at: at_most, last_at: at_most }
      found.set(key, { device_id: sub, event, reason, topic, client_id, count, ...times })
      continue
    }
    same.count += count
    same.first_at = Math.min(same.first_at, at_most)
    same.last_at = Math.max(same.last_at, at_most)
  }
  return [...found.values()]
}

// --- mProxies ---------------------------------------------------------------------------------

export const mproxySchema = z
  .object({
    proxy: z.string(),
    started_at: z.int(),
    seen_at: z.int(),
    expires_at: z.int().describe('when its sessions are no longer shown without another report'),
    sessions: z.int(),
    key_age: z.int().nullable(),
    list_age: z.int().nullable(),
    dropped: z.int(),
  })
  .openapi('Mproxy')

/** The mProxies that report now. One read. Throws Problem. */
export async function listMproxies(
  cx: Context,
  { limit, cursor }: z.output<typeof listQuery>,
): Promise<PageOf<z.infer<typeof mproxySchema>>> {
  const after = decodeCursor(cx, 'mproxies', cursor)
  const rows = await cx.db.read(listLeases(cx, after, limit + 1))
  return pageOf(
    cx,
    'mproxies',
    rows,
    limit,
    ({ id }) => id,
    ({ id: _, reporter: _reporter, seq: _seq, rid: _rid, ...shown }) => shown,
  )
}
