// The list of devices, by any filters together. A page examines a bounded number of devices, in the
// order of one index, so that it costs the same in a fleet of a million: where few of them fit, it
// is short, and its cursor goes on behind those that were examined.
// Files: device_list_store.ts has the statements, and says which filter leads.
// Tables: none of its own; reads those of devices/ and `membership`. Leaves the words and tags by
// which devices are found to triggers of the database.
import { idSchema } from '../../access/principals.ts'
import { decodeCursor, encodeCursor, listQuery, type PageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { Problem } from '../../errors.ts'
import { searchQuery } from '../../identity/login_ids/user_search_store.ts'
import { metadataKey } from '../device_metadata.ts'
import { describeDevice, deviceSchema, tagSchema } from '../device_schema.ts'
import { hardwareKey } from '../hardware_ids.ts'
import {
  type DeviceFilter,
  findReach,
  isNarrowed,
  type ListedRow,
  lastExamined,
  leadOf,
  listCandidates,
  MEMBERS_MAX,
} from './device_list_store.ts'

const text = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\0]*$/, 'must not contain NUL')

const tags = z
  .string()
  .transform((list) => list.split(','))
  .pipe(z.array(tagSchema).min(1).max(10))

const time = z.coerce.number().int().min(0).max(253_402_300_799)

/** Names of query parameters that begin so lead to a member of the metadata. */
export const METADATA_PARAMETER = 'metadata.'

export const devicesQuery = listQuery
  .extend({
    status: deviceSchema.shape.status.optional(),
    type: text.optional(),
    group: text.optional().describe('a group of which the device is a member'),
    below: z.enum(['true', 'false']).optional().describe('with `group`: or a group below it'),
    tag: tags.optional().describe('words with commas between them; the device has all of them'),
    tag_any: tags.optional().describe('words with commas between them; the device has one of them'),
    hardware_id: text.optional().describe('kind and value, such as `mac:00:1b:44:11:3a:b7`'),
    parent: idSchema.optional().describe('the gateway before the device'),
    silent_since: time
      .optional()
      .describe('epoch seconds: got no token since; alone, the longest silent come first'),
    key_ends_before: time
      .optional()
      .describe('epoch seconds: has a credential that ends before; alone, the first to end first'),
    q: text
      .optional()
      .describe('beginnings of words of id, name, hardware ids and metadata; all of them'),
  })
  .catchall(text)

type DevicesQuery = z.output<typeof devicesQuery>

/**
 * A page of devices by id; with `q` as they were registered. Round trips: 1 read, and 1 before it
 * with `below`. Throws Problem.
 */
export async function listDevices(
  cx: Context,
  query: DevicesQuery,
): Promise<PageOf<z.infer<typeof deviceSchema>>> {
  const { limit, cursor } = query
  const filter = readFilter(query)
  const kind = `devices ${JSON.stringify(filter)}`
  filter.reach = cx.actor.reach
  const after = readPlace(decodeCursor(cx, kind, cursor))
  if (filter.below !== undefined) {
    const [reach] = await cx.db.read(findReach(filter.below))
    filter.isWide = reach === undefined || Math.max(reach.groups, reach.members) > MEMBERS_MAX
  }
  const lead = leadOf(filter)
  const {
    rows,
    last: [last],
  } = await cx.db.read({
    rows: listCandidates(filter, lead, after, limit),
    last: isNarrowed(filter, lead) ? lastExamined(filter, lead, after) : null,
  })
  const shown = rows.slice(0, limit)
  const end = rows.length > limit ? shown.at(-1) : last
  return {
    items: shown.map(describeDevice),
    next_cursor:
      end === undefined ? null : encodeCursor(cx, kind, JSON.stringify([end.place, end.place_id])),
  }
}

/** The place in the order after which a page begins. */
function readPlace(cursor: string): Pick<ListedRow, 'place' | 'place_id'> | null {
  if (cursor === '') return null
  const [place, place_id] = JSON.parse(cursor) as [string | number, string]
  return { place, place_id }
}

function readFilter(query: DevicesQuery): DeviceFilter {
  const refuse = (pointer: string, detail: string): never => {
    throw new Problem('invalid_request', 'the filter cannot be read', [{ pointer, detail }])
  }
  const { status, type, group, below, tag, tag_any, hardware_id, parent } = query
  const { silent_since, key_ends_before, q, ...others } = query
  const values = Object.entries(others).flatMap(([name, value]) => {
    if (!name.startsWith(METADATA_PARAMETER) || typeof value !== 'string') return []
    const member = name.slice(METADATA_PARAMETER.length)
    if (!metadataKey.safeParse(member).success)
      refuse(`/${name}`, 'is no name of a metadata member')
    return [{ name: member, value }]
  })
  if (below === 'true' && group === undefined) refuse('/below', 'goes with `group`')
  const words = q === undefined ? undefined : (searchQuery(q) ?? refuse('/q', 'has no word in it'))
  return {
    status,
    type,
    ...(below === 'true' ? { below: group } : { group }),
    tags: tag,
    anyTags: tag_any,
    hardware: hardware_id === undefined ? undefined : readHardwareId(hardware_id, refuse),
    parent,
    silent_since,
    key_ends_before,
    words,
    values,
    isWide: false,
  }
}

function readHardwareId(textOfId: string, refuse: (pointer: string, detail: string) => never) {
  const at = textOfId.indexOf(':')
  const kind = textOfId.slice(0, Math.max(at, 0))
  const key = hardwareKey({ kind, value: textOfId.slice(at + 1) })
  if (at < 1 || key === null) {
    return refuse('/hardware_id', 'is no kind and value, such as serial:SN-0001')
  }
  return { kind, key }
}
