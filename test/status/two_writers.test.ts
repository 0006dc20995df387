// Properties of entries under random changes by two writers at once: no entry is lost, none comes
// back, and each origin that may act has one.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { spreadStatus } from '../../worker/status/spreading.ts'
import { valueAt } from '../../worker/status/status_list.ts'
import { ISSUER, type TestWorker } from '../context.ts'
import { signIn, write } from '../oauth/token_fixtures.ts'
import { addRole, give, startHouse } from './house.ts'
import { readList } from './status_reader.ts'

type Place = { seq: number; idx: number }

const present = (worker: TestWorker) =>
  worker.context().db.read(sql<Place>`select seq, idx from status_entry order by seq`)

const CHANGES: Readonly<Record<string, (worker: TestWorker) => Promise<unknown>>> = {
  signIn: (worker) => signIn(worker, { scope: 'openid mqtt' }),
  give: (worker) => give(worker, 'ann', 'resident', 'home'),
  takeAway: (worker) => write(worker, sql`delete from "grant"`),
  takeFromDevice: async (worker) => {
    await give(worker, 'dim-1', 'resident', 'home')
    await write(worker, sql`delete from "grant" where subject_id = 'dim-1'`)
  },
  suspend: (worker) =>
    write(
      worker,
      sql`update device set epoch = epoch + (status = 'active'), status = 'suspended'
        where id = 'dim-1'`,
    ),
  activate: (worker) => write(worker, sql`update device set status = 'active' where id = 'dim-1'`),
  revoke: (worker) =>
    write(worker, sql`update authorization set revoked_at = 1 where revoked_at is null`),
  disableClient: (worker) =>
    write(
      worker,
      sql`update client set epoch = epoch + (status = 'active'), status = 'disabled'
        where id = 'job'`,
      sql`update client set status = 'active' where id = 'job'`,
    ),
  spread: (worker) => spreadStatus(worker.context()),
}

const change = fc.constantFrom(...Object.keys(CHANGES))

test('two writers lose no flip, and nothing is set back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 8 }),
      fc.array(change, { minLength: 1, maxLength: 8 }),
      async (one, other) => {
        const { worker } = await startHouse()
        await addRole(worker, 'resident', [{ permission: 'allow', action: 'all', topic: 'a' }])
        const seen = new Map<number, number>()
        let before = new Map<number, number>()
        const look = async () => {
          for (const { seq, idx } of await present(worker)) seen.set(seq, idx)
          const { places } = await readList(worker, `${ISSUER}/status-lists/0`)
          const now = new Map([...seen].map(([seq, idx]) => [seq, valueAt(places, idx)]))
          for (const [seq, value] of before) {
            if (value !== 0) expect(now.get(seq)).toBe(value)
          }
          before = now
        }
        const writer = async (changes: readonly string[]) => {
          for (const name of changes) await CHANGES[name]?.(worker)
        }
        await look()
        await Promise.all([writer(one), writer(other)])
        await look()
        const here = new Set((await present(worker)).map(({ seq }) => seq))
        for (const [seq, value] of before) expect([seq, value !== 0]).toEqual([seq, !here.has(seq)])
        const origins = await worker.context().db.read(
          sql<{ id: string; n: number }>`select o.id,
              (select count(*) from status_entry e where e.origin_id = o.id) as n
            from (select id from device where status = 'active'
              union all select id from client where status = 'active'
              union all select id from authorization where revoked_at is null) o`,
        )
        for (const origin of origins) expect(origin.n).toBe(1)
      },
    ),
    { numRuns: 10 },
  )
}, 60_000)
