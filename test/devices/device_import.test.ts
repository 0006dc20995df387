// Devices that come by the thousand: rows of JSON and of CSV, read as they arrive.
import { beforeEach, expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { BODY_MAX } from '../../worker/api.ts'
import { sql } from '../../worker/db/sql.ts'
import { countRoundTrips, startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { newJwk } from './device_api.ts'

type Line = {
  line?: number
  id?: string
  result?: string
  errors?: { pointer: string; detail: string }[]
  job?: string
  resume?: string
  summary?: Record<string, number>
}

let worker: TestWorker
let token: string

beforeEach(async () => {
  worker = await startWorker()
  await applyBlueprint(
    worker.context(),
    {
      groups: [{ id: 'site-1' }],
      device_types: [
        { name: 'meter' },
        { name: 'broad', acl: [{ permission: 'allow', action: 'all', topic: '#' }] },
        { name: 'typed', fields: { required: ['lot'] }, credential_kinds: ['jwk'] },
      ],
    },
    {},
  )
  token = await newClientToken(worker)
})

async function send(
  body: string | ReadableStream<Uint8Array>,
  { query = '', type = 'application/x-ndjson', by = token } = {},
) {
  const answer = await worker.request(`/v1/devices/import${query}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${by}`, 'content-type': type },
    body,
    ...(typeof body === 'string' ? {} : { duplex: 'half' }),
  } as RequestInit)
  const text = new TextDecoder().decode(await answer.arrayBuffer())
  if (answer.status !== 200)
    return { status: answer.status, text, lines: [], rows: [], summary: {} }
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  const rows = lines.filter(({ result }) => result !== undefined)
  return { status: 200, text, lines, rows, summary: lines.at(-1)?.summary ?? {} }
}

const ndjson = (rows: readonly unknown[]) =>
  rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n')

const meter = (n: number, more: object = {}) => ({
  type: 'meter',
  hardware_ids: [{ kind: 'serial', value: `SN-${n}` }],
  ...more,
})

const read = async (path: string) => (await callApi(worker, token, 'GET', path)).body

test('rows of JSON become devices, and a second run leaves them as they are', async () => {
  const jwk = await newJwk('P-256')
  const rows = [
    meter(1, { groups: ['site-1'], tags: ['new'], metadata: { lot: '7' } }),
    meter(2, { credentials: [{ kind: 'jwk', jwk }] }),
    { id: 'own', type: 'meter', mqtt_client_id: 'legacy', status: 'unclaimed' },
    { id: 'behind', type: 'meter', parent: 'own' },
  ]
  const first = await send(ndjson(rows))
  expect(first.summary).toEqual({ created: 4, updated: 0, unchanged: 0, failed: 0 })
  expect(first.rows.map(({ line }) => line)).toEqual([1, 2, 3, 4])
  const again = await send(`${ndjson(rows)}\n`)
  expect(again.summary).toEqual({ created: 0, updated: 0, unchanged: 4, failed: 0 })
  expect(again.rows.map(({ id }) => id)).toEqual(first.rows.map(({ id }) => id))
  const id = first.rows[0]?.id ?? ''
  expect(await read(`/v1/devices/${id}`)).toMatchObject({
    type: 'meter',
    status: 'active',
    groups: ['site-1'],
    tags: ['new'],
    metadata: { lot: '7' },
    hardware_ids: [{ kind: 'serial', value: 'SN-1' }],
  })
  const keys = await read(`/v1/devices/${first.rows[1]?.id}/credentials`)
  expect(keys.items).toMatchObject([{ kind: 'jwk', jwk: { crv: 'P-256' } }])
  expect(await read('/v1/devices/behind')).toMatchObject({ parent: 'own' })
  const changed = await send(ndjson([meter(1, { name: 'Hall' }), meter(3)]))
  expect(changed.summary).toEqual({ created: 1, updated: 1, unchanged: 0, failed: 0 })
})

test('one event stands for the rows stored together, in the record of each device and of the import', async () => {
  const { lines, rows } = await send(ndjson([meter(1), meter(2)]))
  const job = lines[0]?.job ?? ''
  expect(job).toMatch(/^imp_/)
  const ids = rows.map(({ id }) => id)
  const events = await worker
    .context()
    .db.read(
      sql<{ type: string; data: string }>`select type, data from event where subject_id = ${job}`,
    )
  expect(events.map(({ type, data }) => [type, JSON.parse(data)])).toEqual([
    ['devices.imported', { created: ids, updated: [] }],
  ])
  for (const object of [...ids, `${job}&object_kind=import_job`]) {
    const found = await read(`/v1/events?object=${object}`)
    expect(found.items, object).toMatchObject([{ type: 'devices.imported' }])
  }
})

test('a row that is wrong fails alone, with its line and reason', async () => {
  const rows = [
    meter(1),
    '{"type":"meter","hardware_ids":[{"kind":"ser',
    '[]',
    { type: 'meter' },
    meter(2, { type: 'nothing' }),
    meter(3, { groups: ['nowhere'] }),
    meter(4, { colour: 'red' }),
    { id: 'site-1', type: 'meter' },
    meter(5, { credentials: [{ kind: 'secret' }] }),
    meter(6, { metadata: { watt: 4 } }),
    meter(7, { type: 'typed' }),
    meter(8, { type: 'typed', metadata: { lot: 1 }, credentials: [{ kind: 'secret' }] }),
    meter(9, { id: 'no/level' }),
    JSON.stringify(meter(10, { name: 'x'.repeat(70_000) })),
    '{"type":"meter","id":"nul","metadata":{"a":"\\u0000"}}',
    meter(11, { parent: 'nobody' }),
    { id: 'other', ...meter(1) },
    meter(12),
  ]
  const { rows: results, summary } = await send(ndjson(rows))
  expect(summary).toEqual({ created: 2, updated: 0, unchanged: 0, failed: rows.length - 2 })
  expect(results.map(({ line }) => line)).toEqual(rows.map((_, i) => i + 1))
  const places = results.map(({ errors }) => errors?.map(({ pointer }) => pointer).join(' '))
  expect(places).toEqual([
    undefined,
    '',
    '',
    '/id',
    '/type',
    '/groups/0',
    '',
    '/id',
    '/credentials/0/secret',
    '/metadata/watt',
    '/metadata',
    '/credentials/0/kind',
    '/id',
    '',
    '',
    '/parent',
    '/hardware_ids',
    undefined,
  ])
})

test('the same row twice is one device, also among many', async () => {
  const rows = Array.from({ length: 1200 }, (_, n) => meter(n % 700))
  const { summary } = await send(ndjson(rows))
  expect(summary).toEqual({ created: 700, updated: 0, unchanged: 500, failed: 0 })
})

test('a device that came meanwhile fails its own row, and the others of its chunk are stored', async () => {
  const rows = Array.from({ length: 20 }, (_, n) => meter(n, { id: `m-${n}` }))
  // No look before the write sees the rival: it has the id of a new device as its MQTT client id.
  await callApi(worker, token, 'POST', '/v1/devices', {
    id: 'rival',
    type: 'meter',
    mqtt_client_id: 'm-7',
  })
  const { summary, rows: results } = await send(ndjson(rows))
  expect(summary).toEqual({ created: 19, updated: 0, unchanged: 0, failed: 1 })
  expect(results.filter(({ result }) => result === 'failed').map(({ id }) => id)).toEqual(['m-7'])
})

test('a dry run says the same and stores nothing', async () => {
  const { summary } = await send(ndjson([meter(1), meter(2), '{']), { query: '?dry_run=true' })
  expect(summary).toEqual({ created: 2, updated: 0, unchanged: 0, failed: 1 })
  expect((await read('/v1/devices')).items).toEqual([])
})

test('an import goes on behind the line that its token names', async () => {
  const rows = Array.from({ length: 1100 }, (_, n) => meter(n))
  const { lines } = await send(ndjson(rows))
  const tokens = lines.filter(({ resume }) => resume !== undefined)
  expect(tokens.map(({ line }) => line)).toEqual([500, 1000, 1100])
  const next = await send(ndjson(rows), { query: `?resume=${tokens[1]?.resume}` })
  expect(next.lines[0]?.job).toBe(lines[0]?.job)
  expect(next.rows.map(({ line }) => line)[0]).toBe(1001)
  expect(next.summary).toEqual({ created: 0, updated: 0, unchanged: 100, failed: 0 })
  expect((await send('', { query: `?resume=${tokens[1]?.resume}x` })).status).toBe(400)
})

test('CSV has a line of names; cells may be quoted, and an empty one says nothing', async () => {
  const jwk = JSON.stringify(await newJwk()).replaceAll('"', '""')
  const csv = [
    'id,type,name,serial,mac,groups,tags,metadata.lot,jwk',
    `a,meter,"Hall, ""left""\nsecond line",SN-1,00:1b:44:11:3a:b7,site-1,new;red,7,"${jwk}"`,
    ',meter,,SN-2,,,,,',
    'b,meter,too,few',
    'c,meter,"open,SN-4,,,,,',
  ].join('\r\n')
  const { rows, summary } = await send(csv.replace('\nsecond line', ''), { type: 'text/csv' })
  expect(summary).toEqual({ created: 2, updated: 0, unchanged: 0, failed: 2 })
  expect(rows.map(({ line, result }) => [line, result])).toEqual([
    [2, 'created'],
    [3, 'created'],
    [4, 'failed'],
    [5, 'failed'],
  ])
  expect(await read('/v1/devices/a')).toMatchObject({
    name: 'Hall, "left"',
    tags: ['new', 'red'],
    groups: ['site-1'],
    metadata: { lot: '7' },
    hardware_ids: [
      { kind: 'mac', value: '00:1b:44:11:3a:b7' },
      { kind: 'serial', value: 'SN-1' },
    ],
  })
  for (const head of ['id,colour', 'id,id', '"id', 'metadata.']) {
    const refused = await send(`${head}\na,b\n`, { type: 'text/csv' })
    expect(refused.status, head).toBe(400)
  }
})

test('a body larger than other bodies may be is read as it comes, in pieces cut anywhere', async () => {
  const rows = Array.from({ length: 3000 }, (_, n) => meter(n, { name: 'ü'.repeat(190) }))
  const bytes = new TextEncoder().encode(ndjson(rows))
  expect(bytes.length).toBeGreaterThan(BODY_MAX)
  let at = 0
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(at, at + 7919))
      at += 7919
    },
  })
  const { summary } = await send(body)
  expect(summary).toEqual({ created: 3000, updated: 0, unchanged: 0, failed: 0 })
})

test('a chunk of rows costs one read and one write', async () => {
  const rows = Array.from({ length: 400 }, (_, n) => meter(n, { groups: ['site-1'] }))
  const { roundTrips } = await countRoundTrips(worker, () => send(ndjson(rows)))
  expect(roundTrips).toBe(3)
})

test('a row fails for whoever may not give what the device would have, and the others are stored', async () => {
  const few = await newClientToken(worker, 'devices:write devices:read')
  const rows = [meter(1), meter(2, { type: 'broad' }), meter(3)]
  for (const query of ['?dry_run=true', '']) {
    const { summary, rows: results } = await send(ndjson(rows), { by: few, query })
    expect(summary, query).toEqual({ created: 2, updated: 0, unchanged: 0, failed: 1 })
    expect(results[1]?.result).toBe('failed')
  }
  const none = await newClientToken(worker, 'devices:read')
  expect((await send(ndjson(rows), { by: none })).status).toBe(403)
})

test('a body of another type, or none, is refused', async () => {
  expect((await send('{}', { type: 'application/json' })).status).toBe(415)
  expect((await send('', { query: '?dry=true' })).status).toBe(400)
  expect((await send('')).summary).toEqual({ created: 0, updated: 0, unchanged: 0, failed: 0 })
})
