// Getting devices in. An import: rows are read, judged and stored in chunks, one read and one write
// each, and answered line by line, so that a million of them need no more memory than ten thousand.
// Files: import_rows.ts reads rows, import_store.ts has their statements; claim_tokens.ts and
// claims.ts have devices that come by themselves, claim_store.ts their statements, release.ts what
// frees one; routes.ts and claim_routes.ts the paths.
// Tables: `claim_batch`, `claim_use`, `claim_serial`; with the rest of the room those of devices.
// Leaves single devices to ../devices.ts, and memberships and power to access/.
import { decodeCursor, encodeCursor, fieldErrors, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomId } from '../../crypto.ts'
import { BatchRefused, ConstraintViolation } from '../../db/database.ts'
import { condition, refuseUnless, type Statement } from '../../db/sql.ts'
import { type FieldError, Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { contextOfJob, textOfActor } from '../bulk/job_actor.ts'
import {
  CLAIM_CODE_TTL,
  claimCodeCreation,
  findEpochOfActor,
  type MadeClaimCode,
  makeClaimCode,
} from '../claiming/claim_code.ts'
import {
  assertKinds,
  assertNotOver,
  assertSoundCredentials,
  newCredential,
} from '../credentials.ts'
import { assertMetadata } from '../device_metadata.ts'
import { type DeviceInput, deviceInput } from '../device_schema.ts'
import { type DeviceTypeRow, findDeviceTypesByNames } from '../device_types.ts'
import { planCreation, planDevice, rowOfNew, type WholeDeviceRow } from '../devices.ts'
import { hardwareKey, withKeys } from '../hardware_ids.ts'
import { demandDevicePower, guarded, lackingToRegister } from '../refusals.ts'
import type { DeviceRow } from '../store.ts'
import { type ImportFormat, type ImportRow, readImportRows } from './import_rows.ts'
import {
  findDevicesOf,
  findKnownGroups,
  findOwnersOf,
  findTakenIds,
  insertDevices,
  type OwnedHardwareId,
} from './import_store.ts'
import { findFitting, type RowsWidth, readsOfRows } from './import_width.ts'

/** Rows that are stored together. */
const CHUNK = 500

/** Seconds after which the actor is looked at again. */
const LOOKED_EVERY = 10

const CURSOR = 'device import'

export type ImportRequest = {
  format: ImportFormat
  dry_run: boolean
  /** The token of a former answer: the rows up to its line are passed over. */
  resume: string | undefined
}

type Change = 'created' | 'updated' | 'unchanged'
type Result = { line: number; id: string | null } & (
  | { result: Change; claim_code?: string; claim_uri?: string }
  | { result: 'failed'; errors: FieldError[] }
)

/**
 * Imports devices and answers lines of JSON while it goes on: the job, a line for each row, a token
 * to go on with after each chunk, and a summary. Throws Problem before the first line.
 */
export async function importDevices(
  cx: Context,
  body: AsyncIterable<Uint8Array>,
  { format, dry_run, resume }: ImportRequest,
): Promise<ReadableStream<Uint8Array>> {
  const [job, from] = readResume(cx, resume)
  const rows = readImportRows(body, format)
  // CSV without names is refused before the answer begins.
  const first = await rows.next()
  const lines = importLines(cx, chunksOf(first, rows, from), { job, dry_run })
  const utf8 = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await lines.next()
      if (done) controller.close()
      else {
        const text = value.map((line) => `${JSON.stringify(line)}\n`).join('')
        controller.enqueue(utf8.encode(text))
      }
    },
    async cancel() {
      await lines.return(undefined)
    },
  })
}

function readResume(cx: Context, resume: string | undefined): [job: string, line: number] {
  if (resume === undefined) return [randomId(cx, 'imp'), 0]
  const [job = '', line = ''] = decodeCursor(cx, CURSOR, resume).split(' ')
  return [job, Number(line)]
}

/** A device, perhaps with a code by which a person claims it. */
const rowInput = deviceInput.extend({ claim_code: z.boolean().optional() })

/** A row as it was read, with its keys. */
type Candidate = {
  line: number
  input: DeviceInput
  keys: readonly string[]
  wantsCode: boolean
}
/** With the lines of its last row, and of the one before its first. */
type Chunk = { rows: Candidate[]; failed: Result[]; last: number; before: number }

/**
 * Rows in chunks. A chunk ends before a row that speaks of a device of its own rows, which then
 * finds that device stored.
 */
async function* chunksOf(
  first: IteratorResult<ImportRow>,
  rest: AsyncGenerator<ImportRow>,
  from: number,
): AsyncGenerator<Chunk> {
  let chunk: Chunk = { rows: [], failed: [], last: from, before: from }
  let seen = new Set<string>()
  for (let next = first; !next.done; next = await rest.next()) {
    const { line } = next.value
    if (line <= from) continue
    const read = readRow(next.value)
    const isFull = chunk.rows.length + chunk.failed.length >= CHUNK
    if (isFull || ('keys' in read && read.keys.some((key) => seen.has(key)))) {
      yield chunk
      chunk = { rows: [], failed: [], last: line, before: chunk.last }
      seen = new Set()
    }
    chunk.last = line
    if ('keys' in read) {
      chunk.rows.push(read)
      for (const key of read.keys) seen.add(key)
    } else chunk.failed.push(read)
  }
  if (chunk.rows.length + chunk.failed.length > 0) yield chunk
}

const failure = (line: number, id: string | null, errors: FieldError[]): Result => ({
  line,
  id,
  result: 'failed',
  errors,
})

function readRow(row: ImportRow): Candidate | Result {
  const { line } = row
  if ('fault' in row) return failure(line, null, [{ pointer: '', detail: row.fault }])
  const read = rowInput.safeParse(row.value)
  if (!read.success) return failure(line, null, fieldErrors(read.error))
  const { claim_code: wantsCode = false, ...input } = read.data
  const { id, hardware_ids = [] } = input
  const keys = hardware_ids.map((one) => `${one.kind} ${hardwareKey(one)}`)
  if (id !== undefined) keys.push(`id ${id}`)
  if (keys.length > 0) return { line, input, keys, wantsCode }
  const detail = 'is needed, or a hardware id: a second run would make another device'
  return failure(line, null, [{ pointer: '/id', detail }])
}

type Line = Result | object

async function* importLines(
  cx: Context,
  chunks: AsyncGenerator<Chunk>,
  { job, dry_run }: { job: string; dry_run: boolean },
): AsyncGenerator<readonly Line[]> {
  const summary = { created: 0, updated: 0, unchanged: 0, failed: 0 }
  yield [{ job, dry_run }]
  const actor = textOfActor(cx)
  let own = cx
  let looked = cx.now()
  for await (const chunk of chunks) {
    // The body may come for hours, and an actor whose power ended stores nothing more.
    if (cx.actor.kind !== 'system' && cx.now() - looked >= LOOKED_EVERY) {
      looked = cx.now()
      const found = await contextOfJob(cx, actor)
      // An import is for one who reaches everything.
      if (found === null || found.actor.reach !== undefined) {
        yield [{ line: chunk.before, stopped: 'its actor may change devices no more' }]
        break
      }
      own = found
    }
    const results = [...chunk.failed, ...(await importChunk(own, chunk.rows, job, dry_run))]
    results.sort((a, b) => a.line - b.line)
    for (const { result } of results) summary[result]++
    const resume = encodeCursor(cx, CURSOR, `${job} ${chunk.last}`)
    yield [...results, { line: chunk.last, resume }]
  }
  yield [{ summary }]
}

// --- a chunk ----------------------------------------------------------------------------------

type Standing = {
  width: RowsWidth
  types: ReadonlyMap<string, DeviceTypeRow>
  groups: ReadonlySet<string>
  taken: ReadonlySet<string>
  owners: ReadonlyMap<string, string>
  /** Of the actor. */
  epoch: number
  devices: ReadonlyMap<string, WholeDeviceRow>
}

/** A row with what it changes. */
type Planned = { line: number; id: string; change: Change; code?: MadeClaimCode } & (
  | { made: New }
  | { statements: readonly Statement[] }
)

async function importChunk(
  cx: Context,
  rows: readonly Candidate[],
  job: string,
  dry_run: boolean,
): Promise<Result[]> {
  if (rows.length === 0) return []
  const standing = await readStanding(cx, rows)
  const { fitting, failed } = await findFitting(cx, rows, standing)
  const results: Result[] = failed.map(({ row, error }) =>
    failure(row.line, row.input.id ?? null, errorsOf(error)),
  )
  const planned: Planned[] = []
  for (const { line, input, wantsCode } of fitting) {
    try {
      const row = await planRow(cx, input, standing)
      // A code is shown once: a device that is there keeps the one that it has.
      const code =
        wantsCode && row.change === 'created' ? await codeFor(cx, row.id, input, standing) : null
      planned.push({ line, ...row, ...(code === null ? {} : { code }) })
    } catch (error) {
      results.push(failure(line, input.id ?? null, errorsOf(error)))
    }
  }
  const stored = await store(cx, planned, { job, tried: dry_run ? [] : null })
  return [...results, ...stored]
}

/** All that the rows name, in one read. */
async function readStanding(cx: Context, rows: readonly Candidate[]): Promise<Standing> {
  const ids = rows.flatMap(({ input }) => input.id ?? [])
  const numbers = rows.flatMap(({ input }) => withKeys(input.hardware_ids ?? []))
  const groups = new Set(rows.flatMap(({ input }) => input.groups ?? []))
  const found = await cx.db.read({
    types: findDeviceTypesByNames([...new Set(rows.map(({ input }) => input.type))]),
    groups: findKnownGroups([...groups]),
    taken: findTakenIds(ids),
    owners: findOwnersOf(numbers),
    devices: findDevicesOf(ids, numbers),
    width: readsOfRows(cx, rows),
    actor: rows.some(({ wantsCode }) => wantsCode) ? findEpochOfActor(cx) : null,
  })
  return {
    width: found.width,
    types: new Map(found.types.map((row) => [row.name, row])),
    groups: new Set(found.groups.map(({ id }) => id)),
    taken: new Set(found.taken.map(({ id }) => id)),
    epoch: found.actor?.[0]?.epoch ?? 0,
    owners: new Map(found.owners.map(({ kind, key, device_id }) => [`${kind} ${key}`, device_id])),
    devices: new Map(found.devices.map((row) => [row.id, row])),
  }
}

const refused = (pointer: string, detail: string) =>
  new Problem('conflict', 'the row cannot be imported', [{ pointer, detail }])

/** Throws Problem. */
async function planRow(cx: Context, input: DeviceInput, standing: Standing) {
  const type = standing.types.get(input.type)
  if (type === undefined) throw refused('/type', 'there is no such device type')
  const missing = (input.groups ?? []).findIndex((group) => !standing.groups.has(group))
  if (missing >= 0) throw refused(`/groups/${missing}`, 'there is no such group')
  const owners = (input.hardware_ids ?? []).flatMap(
    (one) => standing.owners.get(`${one.kind} ${hardwareKey(one)}`) ?? [],
  )
  const known = input.id === undefined ? undefined : standing.devices.get(input.id)
  const id = known?.id ?? input.id ?? owners[0]
  if (owners.some((owner) => owner !== id)) {
    throw refused('/hardware_ids', 'is that of another device')
  }
  const current = id === undefined ? undefined : standing.devices.get(id)
  if (current !== undefined) {
    const { change, statements } = await planDevice(cx, { ...input, id: current.id }, current, type)
    return { id: current.id, change, statements }
  }
  if (id !== undefined && standing.taken.has(id)) {
    throw refused('/id', 'is that of another principal; ids are never given twice')
  }
  return planNew(cx, { ...input, id: id ?? randomId(cx, 'dev') }, type)
}

/** The code of a new device. Throws Problem. */
async function codeFor(
  cx: Context,
  id: string,
  { type, status }: DeviceInput,
  { types, epoch }: Standing,
): Promise<MadeClaimCode> {
  if (status !== 'unclaimed' || types.get(type)?.claim === 'never') {
    throw refused('/claim_code', 'is for an unclaimed device of a type that people claim')
  }
  return makeClaimCode(cx, id, { expires_in: CLAIM_CODE_TTL, epoch })
}

type New = {
  row: DeviceRow
  groups: readonly string[]
  numbers: readonly OwnedHardwareId[]
  credentials: ReturnType<typeof newCredential>['row'][]
}

async function planNew(cx: Context, input: DeviceInput & { id: string }, type: DeviceTypeRow) {
  const { id, credentials = [], groups = [], hardware_ids = [] } = input
  assertKinds(credentials, type)
  const secretless = credentials.findIndex((one) => one.kind === 'secret' && !one.secret)
  if (secretless >= 0) {
    throw refused(`/credentials/${secretless}/secret`, 'is needed: nobody is shown another one')
  }
  assertNotOver(cx, credentials, (n) => `/credentials/${n}`)
  // The schema has judged the key itself; here is left that no two are the same.
  if (credentials.length > 1) await assertSoundCredentials(credentials, (n) => `/credentials/${n}`)
  await assertMetadata(input.metadata ?? {}, type.fields)
  const change: Change = 'created'
  // These need demands of their own.
  if ((input.parent ?? input.mqtt_client_id ?? null) !== null) {
    return { id, change, statements: planCreation(cx, input).plan.statements }
  }
  const made: New = {
    row: rowOfNew(cx, input),
    groups,
    numbers: withKeys(hardware_ids).map((one) => ({ ...one, device_id: id })),
    credentials: credentials.map((one) => newCredential(cx, id, one).row),
  }
  return { id, change, made }
}

/** The power that the actor lacks for new devices: asked once for all that are alike. */
function lacksOf(cx: Context, news: readonly New[]) {
  const alike = new Map<string, New>()
  for (const one of news) {
    const { type, metadata, tags } = one.row
    alike.set(JSON.stringify([type, metadata, one.groups, tags === '[]']), one)
  }
  return [...alike.values()].map(({ row, groups }) => ({
    id: row.id,
    lacks: lackingToRegister(cx, row, groups),
  }))
}

function statementsOf(cx: Context, planned: readonly Planned[], job: string): Statement[] {
  const news = planned.flatMap((one) => ('made' in one ? one.made : []))
  const changed = planned.filter(({ change }) => change !== 'unchanged')
  const [first] = changed
  if (first === undefined) return []
  const codes = changed.flatMap(({ code }) => code ?? [])
  const ids = (wanted: Change) => changed.filter(({ change }) => change === wanted)
  return [
    ...(news.length === 0
      ? []
      : insertDevices(cx, {
          rows: news.map(({ row }) => row),
          numbers: news.flatMap(({ numbers }) => numbers),
          memberships: news.flatMap(({ row, groups }) =>
            groups.map((group_id) => ({ group_id, member_id: row.id })),
          ),
          credentials: news.flatMap(({ credentials }) => credentials),
        })),
    ...lacksOf(cx, news).flatMap(({ id, lacks }) => demandDevicePower(id, lacks)),
    ...changed.flatMap((one) => ('statements' in one ? one.statements : [])),
    ...claimCodeCreation(cx, codes),
    appendEvent(cx, {
      type: 'devices.imported',
      subject_id: job,
      data: {
        created: ids('created').map(({ id }) => id),
        updated: ids('updated').map(({ id }) => id),
      },
    }),
  ]
}

const errorsOf = (error: unknown): FieldError[] => {
  if (!(error instanceof Problem)) throw error
  return error.errors.length > 0 ? [...error.errors] : [{ pointer: '', detail: error.detail }]
}

const done = ({ line, id, change, code }: Planned): Result => ({
  line,
  id,
  result: change,
  ...(code === undefined ? {} : { claim_code: code.claim_code, claim_uri: code.claim_uri }),
})

/** The job, and in a dry run the rows of the chunk that would be stored by now. */
type Storing = { job: string; tried: Planned[] | null }

/** Undoes its batch, which could have been stored. */
const UNDONE = refuseUnless(condition`false`, 'dry_run')

/**
 * Stores rows together; where that is refused by halves, until the wrong row is alone. A dry run
 * sends the same statements, behind those of the rows before, and undoes them: so the database
 * refuses what it would refuse.
 */
async function store(
  cx: Context,
  planned: readonly Planned[],
  storing: Storing,
): Promise<Result[]> {
  const { job, tried } = storing
  const own = statementsOf(cx, planned, job)
  if (own.length === 0) return planned.map(done)
  const statements =
    tried === null ? own : [...statementsOf(cx, [...tried, ...planned], job), UNDONE]
  try {
    const [only] = planned
    const news = planned.flatMap((one) => ('made' in one ? one.made : []))
    const lacks =
      planned.length === 1 && only !== undefined
        ? lacksOf(cx, news).flatMap((one) => one.lacks)
        : []
    await guarded(cx, lacks, () => cx.db.write(statements))
    return planned.map(done)
  } catch (error) {
    if (error instanceof BatchRefused && error.reason === 'dry_run') {
      tried?.push(...planned)
      // A code that is not stored is none.
      return planned.map(({ code: _, ...one }) => done(one))
    }
    const isRefusal =
      error instanceof Problem ||
      error instanceof BatchRefused ||
      error instanceof ConstraintViolation
    const [only] = planned
    if (!isRefusal || only === undefined) throw error
    if (planned.length === 1) {
      const problem = error instanceof Problem ? error : refused('', 'something changed meanwhile')
      return [failure(only.line, only.id, errorsOf(problem))]
    }
    const half = planned.length >> 1
    return [
      ...(await store(cx, planned.slice(0, half), storing)),
      ...(await store(cx, planned.slice(half), storing)),
    ]
  }
}
