// The member `consents` of a blueprint.
import { expect, test } from 'vitest'
import page from '../../docs/people.md?raw'
import { applyBlueprint, startBlueprint } from '../../worker/admin/blueprint.ts'
import { sql } from '../../worker/db/sql.ts'
import { getConsent } from '../../worker/identity/consents/consents.ts'
import { createUser } from '../../worker/identity/users.ts'
import { startWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'

const texts = (words: string) => ({ en: { title: 'Terms', text: words } })
const document = (versions: unknown[], required = true) => ({
  consents: [{ key: 'terms', required, versions }],
})
const FIRST = { version: '1', texts: texts('One.') }
const SECOND = { version: '2', texts: texts('Two.'), demanded_from: 4_000_000_000 }

test('consents come about, get versions, and a second time change nothing', async () => {
  const worker = await startWorker()
  const apply = (value: unknown) => applyBlueprint(worker.context(), value, {})
  expect((await apply(document([FIRST]))).changes).toEqual(['created consent terms'])
  worker.clock.now += 10
  expect((await apply(document([FIRST]))).changes).toEqual([])
  expect((await apply(document([FIRST, SECOND]))).changes).toEqual([
    'updated consent terms (versions)',
  ])
  expect((await apply(document([FIRST, SECOND], false))).changes).toEqual([
    'updated consent terms (required)',
  ])
  // Versions that are not in the file stay.
  expect((await apply(document([SECOND], false))).changes).toEqual([])
  const { versions } = await getConsent(worker.context(), 'terms')
  expect(versions.map(({ version, position }) => [version, position])).toEqual([
    ['1', 1],
    ['2', 2],
  ])
  const types = await worker
    .context()
    .db.read(sql<{ type: string }>`select type from event where type like 'consent.%' order by seq`)
  expect(types.map(({ type }) => type)).toEqual([
    'consent.created',
    'consent.version_added',
    'consent.updated',
  ])
})

test('a file that rewrites a version about which somebody decided is refused, at a start left alone', async () => {
  const worker = await startWorker()
  const apply = (value: unknown) => applyBlueprint(worker.context(), value, {})
  await apply(document([FIRST]))
  await worker.context().db.write(sql`update consent_version set is_decided = 1`)
  const rewritten = document([{ ...FIRST, texts: texts('Other words.') }])
  await expect(apply(rewritten)).rejects.toThrow('somebody decided about version 1')
  const atStart = await startBlueprint(worker.context(), rewritten, {})
  expect(atStart.changes).toEqual([])
  expect(atStart.left.join()).toContain('somebody decided')
})

test('a start leaves alone what operators changed', async () => {
  const worker = await startWorker()
  const apply = (value: unknown) => startBlueprint(worker.context(), value, {})
  await apply(document([FIRST]))
  await worker.context().db.write(sql`update consent set required = 0`)
  expect((await apply(document([FIRST]))).changes).toEqual([])
  expect((await getConsent(worker.context(), 'terms')).row.required).toBe(0)
})

test('a blueprint with the same key twice, or without a text, is refused', async () => {
  const worker = await startWorker()
  const twice = { consents: [...document([FIRST]).consents, ...document([FIRST]).consents] }
  await expect(applyBlueprint(worker.context(), twice, {})).rejects.toThrow('says again')
  const bare = document([{ version: '1', texts: {} }])
  await expect(applyBlueprint(worker.context(), bare, {})).rejects.toThrow(
    'consents[0].versions[0].texts',
  )
})

test('the blueprint and the requests of docs/people.md work', async () => {
  const worker = await startWorker()
  const [, section = ''] = /^## Consents[^\n]*\n(.*?)(?=^## |(?![\s\S]))/ms.exec(page) ?? []
  const [, blueprint = ''] = /```json\n(.*?)```/s.exec(section) ?? []
  const { changes } = await applyBlueprint(worker.context(), JSON.parse(blueprint), {})
  expect(changes).toEqual([
    'updated settings (required_profile_fields)',
    'created consent terms',
    'created consent newsletter',
  ])
  await createUser(worker.context(), { id: 'ann', email: 'ann@example.com' })
  const token = await newClientToken(worker, 'settings:read settings:write users:read users:write')
  const bodies: Record<string, object> = {
    'PATCH /v1/users/{id}': { must_change_password: true },
    'POST /v1/consents': { key: 'privacy', required: true, versions: [FIRST] },
    'POST /v1/consents/terms/versions': { ...SECOND, version: '2027-02' },
    'PATCH /v1/consents/terms/versions/2027-01': { texts: texts('Mended.'), demanded_from: 4e9 },
    'PATCH /v1/consents/terms': { required: false },
  }
  const requests = [...section.matchAll(/`((?:GET|POST|PATCH) \/v1\/[^`]*)`/g)]
  expect(requests.length).toBeGreaterThan(8)
  for (const [, request = ''] of requests) {
    const [method = '', path = ''] = request.split(' ')
    const url = path.replace('{id}', 'ann')
    const answer = await callApi(worker, token, method, url, bodies[request])
    expect([200, 201], request).toContain(answer.status)
  }
})
