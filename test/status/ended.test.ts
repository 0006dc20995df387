// Tokens that end before their time: each way in which their origin ends shows in the list, for
// good.
import { describe, expect, test } from 'vitest'
import { revokeMintedToken } from '../../worker/admin/minted_tokens.ts'
import { beginEpoch } from '../../worker/admin/new_epoch.ts'
import { sql } from '../../worker/db/sql.ts'
import { revokeCredential } from '../../worker/devices/credentials.ts'
import { changeDevice } from '../../worker/devices/devices.ts'
import { removeDevice } from '../../worker/devices/removal.ts'
import { changeUser } from '../../worker/identity/users.ts'
import { changeClient, removeClient } from '../../worker/oauth/clients/clients.ts'
import { ISSUER } from '../context.ts'
import { post, row, write } from '../oauth/token_fixtures.ts'
import { everyToken, type House, startHouse, type Whose } from './house.ts'
import { claimsOf, readList, statusOf } from './status_reader.ts'

const VALID = { device: 0, client: 0, person: 0, minted: 0 }

const cases: [string, readonly Whose[], (house: House, all: Record<Whose, string>) => unknown][] = [
  [
    'a device that is suspended',
    ['device', 'minted'],
    ({ worker }) => changeDevice(worker.context(), 'dim-1', { status: 'suspended' }, null),
  ],
  [
    'a device that is retired',
    ['device', 'minted'],
    ({ worker }) => changeDevice(worker.context(), 'dim-1', { status: 'retired' }, null),
  ],
  [
    'a device that is deleted',
    ['device', 'minted'],
    ({ worker }) => removeDevice(worker.context(), 'dim-1', null),
  ],
  [
    'a credential that is revoked',
    ['device'],
    async ({ worker }) => {
      const { id } = await row(worker, sql<{ id: string }>`select id from device_credential`)
      await revokeCredential(worker.context(), 'dim-1', id)
    },
  ],
  [
    'a minted token that is revoked',
    ['minted'],
    async ({ worker }) => {
      const { id } = await row(worker, sql<{ id: string }>`select id from device_token`)
      await revokeMintedToken(worker.context(), 'dim-1', id)
    },
  ],
  [
    'an authorization that is revoked',
    ['person'],
    ({ worker }, { person }) => post(worker, '/oauth/revoke', { token: person, client_id: 'app' }),
  ],
  [
    'a client that is disabled',
    ['client'],
    ({ worker }) => changeClient(worker.context(), 'job', { status: 'disabled' }, null),
  ],
  [
    'a client of people that is disabled',
    ['person'],
    ({ worker }) => changeClient(worker.context(), 'app', { status: 'disabled' }, null),
  ],
  [
    'a client that is deleted',
    ['client'],
    ({ worker }) => removeClient(worker.context(), 'job', null),
  ],
  [
    'a client of people that is deleted',
    ['person'],
    ({ worker }) => removeClient(worker.context(), 'app', null),
  ],
  [
    'a person who is disabled',
    ['person'],
    ({ worker }) => changeUser(worker.context(), 'ann', { status: 'disabled' }, null),
  ],
  [
    'a person whose account is closed',
    ['person'],
    ({ worker }) =>
      write(worker, sql`update user set status = 'closed', epoch = epoch + 1 where id = 'ann'`),
  ],
  [
    'a person whose account is reset',
    ['person'],
    ({ worker }) => write(worker, sql`update user set epoch = epoch + 1 where id = 'ann'`),
  ],
  [
    'a person who is deleted',
    ['person'],
    ({ worker }) => write(worker, sql`delete from user where id = 'ann'`),
  ],
  [
    'everything, when an epoch begins anew',
    ['device', 'minted', 'client', 'person'],
    ({ worker }) => beginEpoch(worker.context()),
  ],
]

describe('the list shows the end of', () => {
  test.each(cases)('%s', async (_, whose, act) => {
    const house = await startHouse()
    const { all, seen } = await everyToken(house)
    expect(await seen()).toEqual(VALID)
    await act(house, all)
    const ended = Object.fromEntries(whose.map((one) => [one, 1]))
    expect(await seen()).toEqual({ ...VALID, ...ended })
  })
})

test('an epoch ends entries that the restored database does not know', async () => {
  const house = await startHouse()
  const { worker, tokens } = house
  const { seen } = await everyToken(house)
  await write(
    worker,
    sql`delete from status_entry`,
    sql`delete from authorization`,
    sql`delete from device_token`,
    sql`update sqlite_sequence set seq = 0 where name = 'status_entry'`,
  )
  await beginEpoch(worker.context())
  worker.memory.clear()
  expect(await seen()).toEqual({ device: 1, client: 1, person: 1, minted: 1 })
  const later = [await tokens.device(), await tokens.client(), await tokens.minted()]
  expect(await Promise.all(later.map((one) => statusOf(worker, one)))).toEqual([0, 0, 0])
  // Lists that were begun behind the copy have ended too.
  const { places } = await readList(worker, `${ISSUER}/status-lists/1`)
  expect(new Set(places)).toEqual(new Set([0b01010101]))
})

test('activating again brings no token back, and gives a new entry', async () => {
  const house = await startHouse()
  const { worker, tokens } = house
  const { all, seen } = await everyToken(house)
  const cx = worker.context()
  for (const status of ['suspended', 'active'] as const) {
    await changeDevice(cx, 'dim-1', { status }, null)
    await changeUser(cx, 'ann', { status: status === 'active' ? status : 'disabled' }, null)
    const ofClient = status === 'active' ? status : 'disabled'
    for (const id of ['job', 'app']) await changeClient(cx, id, { status: ofClient }, null)
    expect(await seen()).toEqual({ device: 1, client: 1, person: 1, minted: 1 })
  }
  for (const whose of ['device', 'client', 'person', 'minted'] as const) {
    const anew = await tokens[whose]()
    expect([whose, await statusOf(worker, anew)]).toEqual([whose, 0])
    expect(claimsOf(anew).status).not.toEqual(claimsOf(all[whose]).status)
  }
})

test('the other credentials of a device go on with a new token', async () => {
  const { worker, tokens, look } = await startHouse()
  await write(
    worker,
    sql`insert into device_credential (id, device_id, kind, secret_hash, created_at)
      values ('crd_other', 'dim-1', 'secret', 'x', 1)`,
  )
  const before = await tokens.device()
  await revokeCredential(worker.context(), 'dim-1', 'crd_other')
  expect(await statusOf(worker, before)).toBe(1)
  expect((await look(before))['active']).toBe(false)
  expect(await statusOf(worker, await tokens.device())).toBe(0)
})

test('what has run out leaves the tables without a flip', async () => {
  const house = await startHouse()
  const { worker } = house
  await everyToken(house)
  const { deleteEnded } = await import('../../worker/oauth/authorizations/store.ts')
  const { deleteOldDeviceTokens } = await import('../../worker/devices/minted_token_store.ts')
  worker.clock.now += 200 * 86_400
  const cx = worker.context()
  await cx.db.write([...deleteEnded(cx), ...deleteOldDeviceTokens(cx)])
  const left = await cx.db.read({
    flips: sql`select * from status_flip`,
    entries: sql`select * from status_entry where kind in ('authorization', 'device_token')`,
  })
  expect(left).toEqual({ flips: [], entries: [] })
})
