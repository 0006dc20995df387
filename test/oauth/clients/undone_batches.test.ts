// Changes of clients are done whole or not at all: repeated after a lost answer they find their own
// work, and plans are undone when the client is another one by then.
import { describe, expect, test } from 'vitest'
import type { Context } from '../../../worker/context.ts'
import { sql } from '../../../worker/db/sql.ts'
import {
  createClientSecret,
  removeClientSecret,
} from '../../../worker/oauth/clients/client_secrets.ts'
import {
  changeClient,
  createClient,
  findClientById,
  planClient,
  removeClient,
} from '../../../worker/oauth/clients/clients.ts'
import { startWorker } from '../../context.ts'
import { losingWrites, overtakenOnce } from '../../support/repeated_writes.ts'

const SECRET = 'Zp3kQ8vT1nL6xR9wB4cY7hJ2mF5sD0gA'

async function startWithClient() {
  const worker = await startWorker()
  const made = { client_id: 'app', grant_types: ['client_credentials' as const] }
  await createClient(worker.context(), { ...made, client_secret: SECRET })
  const events = () =>
    worker.context().db.read(sql<{ type: string }>`select type from event order by rowid`)
  const count = async (type: string) => (await events()).filter((one) => one.type === type).length
  const [secret] = await worker.context().db.read(sql<{ id: string }>`select id from client_secret`)
  return { worker, count, made, secret: secret?.id ?? '' }
}

describe('repeated after a lost answer', () => {
  type Started = Awaited<ReturnType<typeof startWithClient>>

  test.each<[string, string, (cx: Context, started: Started) => Promise<unknown>]>([
    [
      'a client',
      'client.created',
      (cx, { made }) => createClient(cx, { ...made, client_id: 'new' }),
    ],
    ['a change', 'client.updated', (cx) => changeClient(cx, 'app', { client_name: 'A' }, 1)],
    ['the end of a client', 'client.deleted', (cx) => removeClient(cx, 'app', 1)],
    ['a secret', 'client.secret_created', (cx) => createClientSecret(cx, 'app', {})],
    [
      'a secret that ends the others',
      'client.secret_created',
      (cx) => createClientSecret(cx, 'app', { others_expire_at: cx.now() }),
    ],
    [
      'the end of a secret',
      'client.secret_deleted',
      (cx, { secret }) => removeClientSecret(cx, 'app', secret),
    ],
  ])('%s is made once', async (_, type, change) => {
    const started = await startWithClient()
    const before = await started.count(type)
    await change(losingWrites(started.worker.context()), started)
    expect(await started.count(type)).toBe(before + 1)
  })

  test('the last secret for which there is room is added', async () => {
    const { worker } = await startWithClient()
    for (let n = 2; n < 5; n++) await createClientSecret(worker.context(), 'app', {})
    await createClientSecret(losingWrites(worker.context()), 'app', {})
    await expect(createClientSecret(worker.context(), 'app', {})).rejects.toMatchObject({
      type: 'conflict',
    })
    const rows = await worker.context().db.read(sql`select id from client_secret`)
    expect(rows).toHaveLength(5)
  })
})

describe('overtaken by another request', () => {
  test('a change without a version is made of what the other left, with one it is refused', async () => {
    const { worker } = await startWithClient()
    const late = (scope: string) =>
      overtakenOnce(worker.context(), () => changeClient(worker.context(), 'app', { scope }, null))
    expect(await changeClient(late('openid'), 'app', { client_name: 'A' }, null)).toMatchObject({
      client_name: 'A',
      scope: ['openid'],
    })
    const gone = { type: 'precondition_failed' }
    await expect(changeClient(late('email'), 'app', { client_name: 'B' }, 3)).rejects.toMatchObject(
      gone,
    )
    await expect(removeClient(late('openid'), 'app', 4)).rejects.toMatchObject(gone)
    await expect(createClientSecret(late('email'), 'app', {})).rejects.toMatchObject({
      type: 'conflict',
    })
    const rows = await worker.context().db.read(sql`select id from client_secret`)
    expect(rows).toHaveLength(1)
  })

  test('a plan is undone whole when the client has changed, or its id is taken', async () => {
    const { worker, made } = await startWithClient()
    const cx = worker.context()
    const [current] = await cx.db.read(findClientById('app'))
    const entry = { ...made, client_secret: SECRET }
    const changed = await planClient(cx, { ...entry, client_name: 'Mine' }, current)
    const created = await planClient(cx, { ...entry, client_id: 'new' }, undefined)
    await changeClient(worker.context(), 'app', { client_name: 'Theirs' }, null)
    await createClient(worker.context(), { ...made, client_id: 'new' })
    for (const [{ statements }, reason] of [
      [changed, 'client_version'],
      [created, 'id_taken'],
    ] as const) {
      await expect(cx.db.write(statements)).rejects.toMatchObject({ name: 'BatchRefused', reason })
    }
  })
})
