// Changes of accounts are done whole or not at all: repeated after a lost answer they find their
// own work, and plans are undone when the account is another one by then.
import { describe, expect, test } from 'vitest'
import type { Context } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { changeUser, createUser, planUser, removeUser } from '../../worker/identity/users.ts'
import { ANN } from '../support/people.ts'
import { losingWrites, overtakenOnce } from '../support/repeated_writes.ts'
import { eventsOf, startWithAnn } from './people.ts'

const BOB = { id: 'bob', email: 'bob@example.com' }

describe('repeated after a lost answer', () => {
  test.each<[string, string, (cx: Context) => Promise<unknown>]>([
    ['a user', 'user.created', (cx) => createUser(cx, BOB)],
    ['another name', 'user.updated', (cx) => changeUser(cx, 'ann', { name: 'A' }, 1)],
    ['another address', 'user.updated', (cx) => changeUser(cx, 'ann', { email: 'a@b.example' }, 1)],
    ['a disabled user', 'user.updated', (cx) => changeUser(cx, 'ann', { status: 'disabled' }, 1)],
    ['the end of a user', 'user.deleted', (cx) => removeUser(cx, 'ann', 1)],
  ])('%s is made once', async (_, type, change) => {
    const { worker } = await startWithAnn()
    const count = async () => (await eventsOf(worker)).filter((row) => row.type === type).length
    const before = await count()
    await change(losingWrites(worker.context()))
    expect(await count()).toBe(before + 1)
    const rows = await worker.context().db.read(sql<{ version: number }>`select version from user`)
    for (const { version } of rows) expect(version).toBeLessThan(3)
  })

  test('a change is not laid over what another has made of it in between', async () => {
    const { worker } = await startWithAnn()
    let others = 0
    const losing = losingWrites(worker.context(), async () => {
      if (others++ === 0) await changeUser(worker.context(), 'ann', { locale: 'de' }, null)
    })
    await expect(changeUser(losing, 'ann', { name: 'A' }, 1)).rejects.toMatchObject({
      type: 'precondition_failed',
    })
    const rows = await worker.context().db.read(sql`select * from user`)
    expect(rows).toMatchObject([{ name: 'A', locale: 'de', version: 3 }])
  })
})

describe('overtaken by another request', () => {
  test('a change without a version is made of what the other left', async () => {
    const { worker } = await startWithAnn()
    const late = overtakenOnce(worker.context(), () =>
      changeUser(worker.context(), 'ann', { locale: 'de' }, null),
    )
    expect(await changeUser(late, 'ann', { name: 'A' }, null)).toMatchObject({
      name: 'A',
      locale: 'de',
      version: 3,
    })
  })

  test('a deletion for a version that is gone is refused, and takes nothing away', async () => {
    const { worker } = await startWithAnn()
    const late = overtakenOnce(worker.context(), () =>
      changeUser(worker.context(), 'ann', { locale: 'de' }, null),
    )
    await expect(removeUser(late, 'ann', 1)).rejects.toMatchObject({ type: 'precondition_failed' })
    const types = (await eventsOf(worker)).map((row) => row.type)
    expect(types).not.toContain('user.deleted')
    const rows = await worker.context().db.read(sql`select deleted_at from principal`)
    expect(rows).toEqual([{ deleted_at: null }])
  })

  test('a plan is undone whole when the account has changed, or its id is taken', async () => {
    const { worker, ann } = await startWithAnn()
    const cx = worker.context()
    const changed = await planUser(cx, { email: ANN, name: 'Mine' }, ann)
    const created = await planUser(cx, BOB, undefined)
    await changeUser(worker.context(), 'ann', { name: 'Theirs' }, null)
    await createUser(worker.context(), { id: 'bob', email: 'other@example.com' })
    for (const [{ statements }, reason] of [
      [changed, 'user_version'],
      [created, 'id_taken'],
    ] as const) {
      await expect(cx.db.write(statements)).rejects.toMatchObject({ name: 'BatchRefused', reason })
    }
  })
})
