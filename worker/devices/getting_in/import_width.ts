// Whether the rules of devices that are imported, and of those who hold roles around them whose
// rules name each device, fit into tokens: read once for rows that are alike, in the read of their
// chunk. Leaves the rules themselves to access/preview/wide_rights.ts.
import { listHoldersAround } from '../../access/preview/preview_store.ts'
import {
  assertFits,
  assertHoldersFit,
  EXAMINED_MAX,
  lookAtRights,
} from '../../access/preview/wide_rights.ts'
import type { Context } from '../../context.ts'
import type { Answers } from '../../db/database.ts'
import { scalar } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import type { DeviceInput } from '../device_schema.ts'
import { storedTags } from '../device_schema.ts'
import type { DeviceTypeRow } from '../store.ts'

type Row = { line: number; input: DeviceInput }

/** Rows of one type in the same groups: as to width, they are one. */
const keyOf = ({ input: { type, groups = [] } }: Row): string =>
  JSON.stringify([type, [...groups].sort()])

/** Most kinds of rows that are looked at in a chunk: those in the most groups. */
const KINDS_MAX = 20

/** Reads about the rows of a chunk, for the batch that reads all else about them. */
export function readsOfRows(cx: Context, rows: readonly Row[]) {
  const alike = new Map(rows.map((row) => [keyOf(row), row.input.groups ?? []]))
  const widest = [...alike].sort(([, a], [, b]) => b.length - a.length).slice(0, KINDS_MAX)
  const groups = new Set(rows.flatMap(({ input }) => input.groups ?? []))
  return {
    own: Object.fromEntries(
      widest.map(([key, joins]) => [key, lookAtRights(cx, '', { joins: JSON.stringify(joins) })]),
    ),
    holders: listHoldersAround(
      scalar`${JSON.stringify([...groups])}`,
      'devices',
      cx.now(),
      EXAMINED_MAX,
    ),
  }
}

export type RowsWidth = Answers<ReturnType<typeof readsOfRows>>

/** The rows after which every token fits, and those that are too many, each with its Problem. */
export async function findFitting<R extends Row>(
  cx: Context,
  rows: readonly R[],
  { width, types }: { width: RowsWidth; types: ReadonlyMap<string, DeviceTypeRow> },
): Promise<{ fitting: R[]; failed: { row: R; error: unknown }[] }> {
  const failed: { row: R; error: unknown }[] = []
  const own: R[] = []
  const judged = new Map<string, unknown>()
  for (const row of rows) {
    const key = keyOf(row)
    if (!judged.has(key)) judged.set(key, await faultOfKind(cx, row, width, types))
    const error = judged.get(key)
    if (error === null) own.push(row)
    else failed.push({ row, error })
  }
  const fitting: R[] = []
  await judgeHolders(cx, own, { width, fitting, failed })
  return { fitting, failed }
}

async function faultOfKind(
  cx: Context,
  row: Row,
  width: RowsWidth,
  types: ReadonlyMap<string, DeviceTypeRow>,
): Promise<unknown> {
  const { type, metadata = {}, mqtt_client_id = null, id = `line-${row.line}` } = row.input
  const look = width.own[keyOf(row)]
  const rules = types.get(type)
  if (look === undefined || rules === undefined) return null
  const own = {
    id,
    type,
    mqtt_client_id,
    metadata: JSON.stringify(metadata),
    type_acl: rules.acl,
    token_ttl: null,
    by_reference: rules.acl_by_reference === 1 ? (1 as const) : (0 as const),
  }
  const after = { ...look.after, ownDevice: [own] }
  return await problemOf(assertFits(cx, id, { ...look, after }, '/groups'))
}

async function problemOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
    return null
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

/** Where too many come for somebody, by halves, until the rows that are too many are alone. */
async function judgeHolders<R extends Row>(
  cx: Context,
  rows: readonly R[],
  so: { width: RowsWidth; fitting: R[]; failed: { row: R; error: unknown }[] },
): Promise<void> {
  const { width, fitting, failed } = so
  const [only] = rows
  if (only === undefined) return
  if (width.holders.length === 0) {
    fitting.push(...rows)
    return
  }
  const devices = [...fitting, ...rows].map(({ line, input }) => ({
    id: input.id ?? `line-${line}`,
    type: input.type,
    tags: storedTags(input.tags ?? []),
    metadata: JSON.stringify(input.metadata ?? {}),
    groups: input.groups ?? [],
  }))
  const supposed = { devices: JSON.stringify(devices) }
  const error = await problemOf(assertHoldersFit(cx, width.holders, supposed, '/groups'))
  if (error === null) fitting.push(...rows)
  else if (rows.length === 1) failed.push({ row: only, error })
  else {
    const half = rows.length >> 1
    await judgeHolders(cx, rows.slice(0, half), so)
    await judgeHolders(cx, rows.slice(half), so)
  }
}
