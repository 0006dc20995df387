// Open sessions at mProxy, and what it refused to a device lately, with the rule of the device's
// token that decides about it now, or the nearest one.
import type { AclRule } from '../../../policy/acl.ts'
import { explainVerdict } from '../../../policy/explanation.ts'
import { compileAcl } from '../../access/acl_claim.ts'
import { heldObjects, listSeenObjects } from '../../access/reach/decision_reach_store.ts'
import { isWithinReach } from '../../access/reach/reach.ts'
import { rightsWithin } from '../../access/reach/rights_within.ts'
import { rightsOf } from '../../access/rights.ts'
import { decodeCursor, encodeCursor, listQuery, type PageOf, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { condition, scalar, TRUE } from '../../db/sql.ts'
import { REFUSAL_EVENTS } from '../../db/things_schema.ts'
import { loadSettings } from '../../settings.ts'
import { noSuchDevice } from '../refusals.ts'
import { deviceExists, findDeviceById } from '../store.ts'
import {
  isRefusedSince,
  listPresence,
  listPresenceOf,
  listPresenceWithin,
  listRefusals,
  type PresencePlace,
  type RefusalRow,
} from './connection_store.ts'

export const connectionSchema = z
  .object({
    sub: z.string(),
    client_id: z.string().describe('of MQTT'),
    proxy: z.string(),
    since: z.int(),
  })
  .openapi('Connection')

export const connectionsQuery = listQuery.extend({
  sub: z.string().min(1).max(200).optional().describe('of this principal alone'),
})

/** Most sessions that one page looks at: those that are over may be many. */
const EXAMINED_MAX = 2000

/**
 * Within a reach, the sessions of devices there: when people are connected is their own affair. A
 * page may be short while there are more. One read. Throws Problem.
 */
export async function listConnections(
  cx: Context,
  { limit, cursor, sub }: z.output<typeof connectionsQuery>,
): Promise<PageOf<z.infer<typeof connectionSchema>>> {
  const kind = `connections ${JSON.stringify(sub ?? null)}`
  const last = decodeCursor(cx, kind, cursor)
  const place: PresencePlace = last === '' ? [sub ?? '', '', -1] : JSON.parse(last)
  const { reach } = cx.actor
  const isSeen = (id: string) =>
    reach === undefined
      ? TRUE
      : condition`${deviceExists(id)} and ${isWithinReach(cx, scalar`${id}`)}`
  const examined = await cx.db.read(
    sub !== undefined
      ? listPresenceOf(cx, place, isSeen(sub), EXAMINED_MAX)
      : reach !== undefined
        ? listPresenceWithin(cx, reach, place, EXAMINED_MAX)
        : listPresence(cx, place, EXAMINED_MAX),
  )
  const open = examined.filter(({ proxy }) => proxy !== null)
  const items = open.slice(0, limit)
  const isMore = open.length > limit || examined.length === EXAMINED_MAX
  const end = open.length > limit ? items.at(-1) : examined.at(-1)
  return {
    items: items.map(({ sub, client_id, proxy, since }) => ({
      ...{ sub, client_id, proxy: proxy ?? '', since },
    })),
    next_cursor:
      isMore && end !== undefined
        ? encodeCursor(cx, kind, JSON.stringify([end.sub, end.lease, end.session]))
        : null,
  }
}

const ruleSchema = z.object({
  permission: z.enum(['allow', 'deny']),
  action: z.enum(['publish', 'subscribe', 'all']),
  topic: z.string(),
})

const nearestSchema = ruleSchema.extend({
  lacking: z.array(z.enum(['action', 'qos', 'retain', 'part', 'topic'])),
})

export const mqttRefusalSchema = z
  .object({
    event: z.enum(REFUSAL_EVENTS),
    reason: z.string(),
    topic: z.string().nullable().describe('null: of those behind the first 20 of a session'),
    client_id: z.string().describe('of MQTT, of the last one'),
    count: z.int(),
    first_at: z.int(),
    last_at: z.int(),
    decision: z
      .boolean()
      .nullable()
      .describe('whether a token fetched now would allow it; null: no question of a topic'),
    rule: ruleSchema.nullable().describe('the rule of such a token that decides'),
    nearest: nearestSchema.nullable().describe('the rule that comes nearest, where none decides'),
  })
  .openapi('MqttRefusal')

/**
 * Within a reach a device has the rules that come from there, and refusals since it has been
 * reached. One read. Throws Problem.
 */
export async function listRefusalsOf(
  cx: Context,
  device_id: string,
  { limit, cursor }: z.output<typeof listQuery>,
): Promise<PageOf<z.infer<typeof mqttRefusalSchema>>> {
  const kind = `refusals of ${device_id}`
  const before = decodeCursor(cx, kind, cursor)
  const place = before === '' ? ([Number.MAX_SAFE_INTEGER, 0] as const) : JSON.parse(before)
  const settings = await loadSettings(cx)
  const { reach } = cx.actor
  const read = await cx.db.read({
    device: findDeviceById(device_id, isWithinReach(cx, device_id)),
    rows: listRefusals(
      device_id,
      place,
      reach === undefined ? TRUE : isRefusedSince(reach, device_id),
      limit + 1,
    ),
    rights: rightsOf(device_id, cx.now()),
    seen: reach === undefined ? null : listSeenObjects(reach, heldObjects(device_id, cx.now())),
  })
  const { device, rows } = read
  if (device.length === 0) throw noSuchDevice()
  const rights = reach === undefined ? read.rights : rightsWithin(read.rights, read.seen)
  const silent = { ...cx, log: () => {} }
  const compiled = compileAcl(silent, device_id, rights, settings.acl_max_rules)
  const rules = 'rules' in compiled ? compiled.rules : []
  return pageOf(
    cx,
    kind,
    rows,
    limit,
    (row) => JSON.stringify([row.last_at, row.place]),
    (row) => describeRefusal(row, rules),
  )
}

const shown = ({ permission, action, topic }: AclRule) => ({ permission, action, topic })

function describeRefusal(
  { event, reason, topic, client_id, count, first_at, last_at }: RefusalRow,
  rules: readonly AclRule[],
): z.infer<typeof mqttRefusalSchema> {
  const row = { event, reason, client_id, count, first_at, last_at }
  const about = { ...row, topic: topic === '' ? null : topic }
  if (topic === '' || event === 'connect_refused') {
    return { ...about, decision: null, rule: null, nearest: null }
  }
  // Whatever quality of service it had: the report does not say.
  const question = { topic, qos: 0 } as const
  const { isAllowed, decides, nearest } = explainVerdict(
    rules,
    event === 'publish_refused'
      ? { action: 'publish', ...question, retain: false }
      : { action: 'subscribe', ...question },
  )
  return {
    ...about,
    decision: isAllowed,
    rule: decides === null ? null : shown(decides.rule),
    nearest: nearest === null ? null : { ...shown(nearest.rule), lacking: [...nearest.lacking] },
  }
}
