// A dry run of an import refuses the rows that the import refuses, and no others: its statements
// are those of the import, undone.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { sql } from '../../worker/db/sql.ts'
import { importDevices } from '../../worker/devices/getting_in/device_import.ts'
import { actor } from '../access/fixture.ts'
import { startWorker, type TestWorker } from '../context.ts'
import { newJwk } from './device_api.ts'

type Line = { line?: number; result?: string; errors?: { pointer: string; detail: string }[] }

const RULE = { permission: 'allow', action: 'all', topic: '#' } as const

const DOCUMENT = {
  groups: [{ id: 'plain' }, { id: 'mighty' }, { id: 'watched' }],
  roles: [
    { name: 'boss', permissions: ['users:write'] },
    { name: 'opener', permissions: ['lock:open'] },
  ],
  device_types: [
    { name: 'meter' },
    { name: 'broad', acl: [RULE] },
    { name: 'lot', acl: [{ ...RULE, topic: 'lots/${device.metadata.lot}' }] },
  ],
  devices: [
    { id: 'low', type: 'meter', hardware_ids: [{ kind: 'serial', value: 'LOW' }] },
    { id: 'high', type: 'meter', groups: ['mighty'] },
    { id: 'old', type: 'meter', mqtt_client_id: 'n-2' },
    { id: 'gone', type: 'meter', status: 'retired' },
  ],
  users: [{ id: 'ann', email: 'ann@example.com' }],
  grants: [
    { subject: 'mighty', role: 'boss', object: '*' },
    { subject: 'ann', role: 'opener', object: '*', condition: '"red" in device.tags' },
  ],
} as const

/** A worker with an actor who may write devices and no more, and the rows of two runs. */
async function startImports() {
  const worker = await startWorker()
  await applyBlueprint(worker.context(), DOCUMENT, {})
  const jwk = await newJwk()
  return { worker, jwk }
}

async function runImport(worker: TestWorker, rows: readonly unknown[], dry_run: boolean) {
  const cx = worker.context(actor('client', 'importer', 'devices:read devices:write'))
  const text = rows.map((row) => JSON.stringify(row)).join('\n')
  async function* body() {
    yield new TextEncoder().encode(text)
  }
  const answer = await importDevices(cx, body(), {
    format: 'application/x-ndjson',
    dry_run,
    resume: undefined,
  })
  const lines = (await new Response(answer).text()).trim().split('\n')
  return lines
    .map((line) => JSON.parse(line) as Line)
    .filter(({ result }) => result !== undefined)
    .map(({ line, result, errors }) => ({
      ...{ line, result },
      // Each run draws other ids.
      errors: errors?.map(({ detail, pointer }) => ({
        detail: detail.replaceAll(/dev_[0-9a-z]{26}/g, 'dev_new'),
        pointer,
      })),
    }))
}

const tables = ['device', 'principal', 'membership', 'hardware_id', 'device_credential', 'event']
const countsOf = (worker: TestWorker) =>
  worker
    .context()
    .db.read(Object.fromEntries(tables.map((name) => [name, COUNTS[name] ?? sql`select 1`])))

const COUNTS: Record<string, ReturnType<typeof sql>> = {
  device: sql`select count(*) as n, sum(version) as v from device`,
  principal: sql`select count(*) as n from principal`,
  membership: sql`select count(*) as n from membership`,
  hardware_id: sql`select count(*) as n from hardware_id`,
  device_credential: sql`select count(*) as n from device_credential`,
  event: sql`select count(*) as n from event`,
}

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })

const rowOf = (jwk: JsonWebKey) =>
  fc
    .record({
      id: maybe(fc.constantFrom('low', 'high', 'gone', 'old', 'n-1', 'n-2', 'n-3', 'plain')),
      type: fc.constantFrom('meter', 'meter', 'meter', 'broad', 'lot', 'none'),
      groups: maybe(fc.subarray(['plain', 'mighty', 'watched'])),
      tags: maybe(fc.subarray(['red', 'blue'])),
      metadata: maybe(fc.constantFrom({}, { lot: '7' })),
      mqtt_client_id: maybe(fc.constantFrom('legacy', 'n-1', 'low:x')),
      parent: maybe(fc.constantFrom('low', 'high', 'n-1', 'n-3')),
      status: maybe(fc.constantFrom('active', 'suspended', 'unclaimed')),
      hardware_ids: maybe(
        fc
          .subarray(['LOW', 'S-1', 'S-2'])
          .map((values) => values.map((value) => ({ kind: 'serial', value }))),
      ),
      credentials: maybe(fc.constant([{ kind: 'jwk', jwk }])),
    })
    // A row that names no device of its own is refused before either.
    .map((row) => ({ ...row, id: row.id ?? (row.hardware_ids?.length ? undefined : 'n-3') }))

/** A row without the members that may be there. */
const some = (id: 'n-1' | 'n-2' | 'n-3', type: 'broad' | 'none' | 'meter') => ({
  ...{ groups: undefined, tags: undefined, metadata: undefined, mqtt_client_id: undefined },
  ...{ parent: undefined, status: undefined, hardware_ids: undefined, credentials: undefined },
  id,
  type,
})

test('a dry run refuses exactly the rows that the import refuses, with the same words, and stores nothing', async () => {
  const { jwk } = await startImports()
  const seen = { failed: 0, stored: 0, powerless: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(rowOf(jwk), { minLength: 3, maxLength: 8 }), async (rows) => {
      // A row about a device of an earlier row is judged when that one is stored.
      const { worker } = await startImports()
      const before = await countsOf(worker)
      const dry = await runImport(worker, distinct(rows), true)
      expect(await countsOf(worker)).toEqual(before)
      const real = await runImport(worker, distinct(rows), false)
      expect(dry).toEqual(real)
      for (const { result, errors } of real) {
        if (result === 'failed') seen.failed++
        else seen.stored++
        if (errors?.some(({ detail }) => /hold|power|lack/.test(detail))) seen.powerless++
      }
    }),
    // One of each outcome, whatever comes by chance.
    {
      numRuns: 24,
      examples: [[[some('n-1', 'broad'), some('n-2', 'none'), some('n-3', 'meter')]]],
    },
  )
  expect(Math.min(seen.failed, seen.stored, seen.powerless)).toBeGreaterThan(0)
}, 90_000)

/** Rows that name each device, number and client id once. */
function distinct(
  rows: readonly { id?: string | undefined; hardware_ids?: object[] | undefined }[],
) {
  const names = new Set<string>()
  return rows.filter(({ id, hardware_ids = [] }) => {
    const own = [
      ...(id === undefined ? [] : [id]),
      ...hardware_ids.map((one) => JSON.stringify(one)),
    ]
    if (own.some((name) => names.has(name))) return false
    for (const name of own) names.add(name)
    return true
  })
}

test('of rows that are alike but for their tags each needs the power over its own', async () => {
  const { worker } = await startImports()
  const row = (n: number, tags: string[]) => ({
    id: `m-${n}`,
    type: 'meter',
    tags,
  })
  const rows = [row(1, ['red']), row(2, [])]
  for (const dry_run of [true, false]) {
    const results = await runImport(worker, rows, dry_run)
    expect(results.map(({ result }) => result)).toEqual(['failed', 'created'])
  }
})

test('a dry run sees the rows before it in their chunk: a gateway, and a client id that is taken', async () => {
  const { worker } = await startImports()
  const rows = [
    { id: 'hub', type: 'meter', mqtt_client_id: 'legacy' },
    { id: 'leaf', type: 'meter', parent: 'hub' },
    { id: 'rival', type: 'meter', mqtt_client_id: 'legacy' },
    { id: 'stray', type: 'meter', parent: 'rival' },
  ]
  for (const dry_run of [true, false]) {
    const results = await runImport(worker, rows, dry_run)
    expect(results.map(({ result }) => result)).toEqual(['created', 'created', 'failed', 'failed'])
  }
})
