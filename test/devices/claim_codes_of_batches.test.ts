// Claim codes of many devices: those that the rows of an import ask for, and those of a sheet.
import { expect, test } from 'vitest'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { sql } from '../../worker/db/sql.ts'
import { devicesOfImport, printCodes } from '../../worker/devices/claiming/code_sheet.ts'
import { openClaim } from '../../worker/devices/claiming/person_claims.ts'
import { ISSUER, startWorker, type TestWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'

type Line = {
  line?: number
  id?: string
  job?: string
  result?: string
  claim_code?: string
  claim_uri?: string
  errors?: { pointer: string }[]
  summary?: Record<string, number>
}

async function start() {
  const worker = await startWorker()
  const device_types = [{ name: 'plug', claim: 'once' }, { name: 'dull' }]
  await applyBlueprint(worker.context(), { device_types, groups: [{ id: 'store' }] }, {})
  const token = await newClientToken(worker)
  const send = async (body: string, type = 'application/x-ndjson', query = '') => {
    const answer = await worker.request(`/v1/devices/import${query}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': type },
      body,
    })
    const text = await answer.text()
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
  }
  const importRows = (rows: readonly object[], query = '') =>
    send(rows.map((row) => JSON.stringify(row)).join('\n'), undefined, query)
  const api = (method: string, path: string, body?: object) =>
    callApi(worker, token, method, path, body)
  return { worker, send, importRows, api }
}

const box = (id: string, more: object = {}) => ({
  ...{ id, type: 'plug', status: 'unclaimed', claim_code: true },
  ...more,
})

const results = (lines: readonly Line[]) => lines.filter(({ result }) => result !== undefined)

const isGood = async (worker: TestWorker, code: string | undefined) =>
  (await openClaim(worker.context(), code ?? '', undefined)) !== null

test('a row asks for a code, which is in its line once', async () => {
  const { worker, importRows, api } = await start()
  const rows = [box('a', { groups: ['store'] }), box('b', { mqtt_client_id: 'b-1' })]
  const first = results(await importRows(rows))
  for (const { result, claim_code, claim_uri } of first) {
    expect(result).toBe('created')
    expect(claim_uri).toBe(`${ISSUER}/claim?token=${claim_code}`)
    expect(await isGood(worker, claim_code)).toBe(true)
  }
  // A second run makes none, and the one on the box stays good.
  const second = results(await importRows(rows))
  expect(second).toEqual([
    { line: 1, id: 'a', result: 'unchanged' },
    { line: 2, id: 'b', result: 'unchanged' },
  ])
  expect(await isGood(worker, first[0]?.claim_code)).toBe(true)
  const shown = await api('GET', '/v1/devices/a/claim-code')
  expect(shown.body).toMatchObject({ state: 'open' })
})

test('a dry run shows no code, and stores none', async () => {
  const { worker, importRows } = await start()
  const lines = await importRows([box('a')], '?dry_run=true')
  expect(results(lines)).toEqual([{ line: 1, id: 'a', result: 'created' }])
  const rows = await worker.context().db.read(sql`select 1 from device_claim`)
  expect(rows).toEqual([])
})

test('a row asks for none where nobody could claim the device', async () => {
  const { importRows } = await start()
  const lines = results(
    await importRows([
      box('a', { status: 'active' }),
      box('b', { type: 'dull' }),
      box('c', { claim_code: 'yes' }),
      box('d', { claim_code: false }),
    ]),
  )
  expect(lines.map(({ result, errors }) => [result, errors?.[0]?.pointer])).toEqual([
    ['failed', '/claim_code'],
    ['failed', '/claim_code'],
    ['failed', '/claim_code'],
    ['created', undefined],
  ])
  expect(lines[3]?.claim_code).toBe(undefined)
})

test('a wrong row takes no code from those beside it', async () => {
  const { worker, importRows } = await start()
  const taken = box('d', { mqtt_client_id: 'same' })
  const lines = results(await importRows([box('a'), taken, box('e', { mqtt_client_id: 'same' })]))
  expect(lines.map(({ result }) => result)).toEqual(['created', 'created', 'failed'])
  for (const { claim_code, result } of lines) {
    expect(claim_code === undefined).toBe(result === 'failed')
    if (claim_code !== undefined) expect(await isGood(worker, claim_code)).toBe(true)
  }
})

test('a row of CSV asks for a code too', async () => {
  const { worker, send } = await start()
  const lines = results(
    await send(
      'type,status,serial,claim_code\nplug,unclaimed,SN-1,true\nplug,unclaimed,SN-2,\nplug,unclaimed,SN-3,1\n',
      'text/csv',
    ),
  )
  expect(lines.map(({ result }) => result)).toEqual(['created', 'created', 'failed'])
  expect(await isGood(worker, lines[0]?.claim_code)).toBe(true)
  expect(lines[1]?.claim_code).toBe(undefined)
})

test('a sheet has a new code for each unclaimed device of an import, and the former is dead', async () => {
  const { worker, importRows, api } = await start()
  const many = Array.from({ length: 501 }, (_, n) => ({
    ...{ id: `d-${n}`, type: 'plug', status: 'unclaimed' },
    hardware_ids: [{ kind: 'serial', value: `SN-${n}` }],
  }))
  const lines = await importRows([box('a'), ...many, { id: 'dull', type: 'dull' }])
  const before = results(lines)[0]?.claim_code
  const job = lines[0]?.job ?? ''
  await api('PATCH', '/v1/devices/d-7', { status: 'active' })
  const cx = worker.context()
  const printed = []
  for await (const ids of devicesOfImport(cx, job)) printed.push(await printCodes(cx, ids, 3600))
  expect(printed).toHaveLength(2)
  const codes = printed.flat()
  expect(codes).toHaveLength(501)
  expect(new Set(codes.map(({ claim_code }) => claim_code)).size).toBe(501)
  expect(codes.map(({ id }) => id)).not.toContain('d-7')
  expect(codes.find(({ id }) => id === 'd-8')).toMatchObject({ serial: 'SN-8', type: 'plug' })
  expect(await isGood(worker, before)).toBe(false)
  const made = codes.find(({ id }) => id === 'a')
  expect(await isGood(worker, made?.claim_code)).toBe(true)
  const { items } = (await api('GET', '/v1/events?object=d-8')).body
  expect(items.map(({ type }) => type)).toContain('device.claim_code_made')
  for await (const ids of devicesOfImport(cx, 'imp_none')) expect(ids).toEqual([])
})

test('a sheet is made by the system alone', async () => {
  const { worker } = await start()
  const cx = worker.context({ kind: 'user', id: 'ann', scopes: new Set(['devices:write']) })
  await expect(printCodes(cx, ['a'], 3600)).rejects.toThrow(TypeError)
})
