// Tokens whose holder has fewer rights than they say: the list shows them as superseded, and the
// next token is good.
import { describe, expect, test } from 'vitest'
import { changeGroup } from '../../worker/access/groups.ts'
import { sql } from '../../worker/db/sql.ts'
import { changeDeviceType } from '../../worker/devices/device_types.ts'
import { changeDevice } from '../../worker/devices/devices.ts'
import { write } from '../oauth/token_fixtures.ts'
import {
  addGroup,
  addMember,
  addRole,
  everyToken,
  give,
  type House,
  startHouse,
  type Whose,
} from './house.ts'
import { claimsOf, statusOf } from './status_reader.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'subscribe', topic })
const deny = (topic: string) => ({ permission: 'deny', action: 'subscribe', topic })

const VALID = { device: 0, client: 0, person: 0, minted: 0 }

/** Everything that may change, before a token is made. */
async function prepare(house: House) {
  const { worker } = house
  await addRole(
    worker,
    'resident',
    [allow('sites/${group.id}/#')],
    ['device:read', 'device:command'],
  )
  await addRole(worker, 'namer', [allow('named/${device.id}/${device.metadata.room}')])
  await addRole(worker, 'denied', [deny('secret/#')])
  await addRole(worker, 'blind', [deny('blind/${device.id}')])
  await addGroup(worker, 'other')
  await addGroup(worker, 'team')
  await addGroup(worker, 'crew', 'team')
  await addMember(worker, 'crew', 'ann')
  await addMember(worker, 'crew', 'job')
}

type Act = (house: House) => unknown

const cases: [string, readonly Whose[], Act, Act][] = [
  [
    'a grant that is deleted',
    ['person'],
    ({ worker }) => give(worker, 'ann', 'resident', 'home'),
    ({ worker }) => write(worker, sql`delete from "grant"`),
  ],
  [
    'a grant to a group above the members that is deleted',
    ['person', 'client'],
    ({ worker }) => give(worker, 'team', 'resident', 'home'),
    ({ worker }) => write(worker, sql`delete from "grant"`),
  ],
  [
    'a membership that gets an end',
    ['person'],
    ({ worker }) => give(worker, 'team', 'resident', 'home'),
    ({ worker }) =>
      write(
        worker,
        sql`update membership set expires_at = ${worker.clock.now + 60} where member_id = 'ann'`,
      ),
  ],
  [
    'a grant that is shortened',
    ['person'],
    ({ worker }) => give(worker, 'ann', 'resident', 'home'),
    ({ worker }) => write(worker, sql`update "grant" set expires_at = ${worker.clock.now + 60}`),
  ],
  [
    'a grant that begins later',
    ['client'],
    ({ worker }) => give(worker, 'job', 'resident', 'home'),
    ({ worker }) => write(worker, sql`update "grant" set not_before = ${worker.clock.now + 60}`),
  ],
  [
    'a grant that goes to another subject',
    ['person'],
    ({ worker }) => give(worker, 'ann', 'resident', 'home'),
    ({ worker }) => write(worker, sql`update "grant" set subject_id = 'bob'`),
  ],
  [
    'a grant with denials',
    ['device', 'minted'],
    () => {},
    ({ worker }) => give(worker, 'dim-1', 'denied', '*'),
  ],
  [
    'a membership that is removed',
    ['person'],
    ({ worker }) => give(worker, 'team', 'resident', 'home'),
    ({ worker }) => write(worker, sql`delete from membership where member_id = 'ann'`),
  ],
  [
    'a membership with denials',
    ['device', 'minted'],
    ({ worker }) => give(worker, 'other', 'denied', '*'),
    ({ worker }) => addMember(worker, 'other', 'dim-1'),
  ],
  [
    'a role that lost a rule',
    ['person', 'client'],
    ({ worker }) => give(worker, 'team', 'resident', 'home'),
    ({ worker }) => write(worker, sql`update role set acl = '[]' where name = 'resident'`),
  ],
  [
    'a role that lost a permission',
    ['person'],
    ({ worker }) => give(worker, 'ann', 'resident', 'home'),
    ({ worker }) =>
      write(worker, sql`update role set permissions = '["device:read"]' where name = 'resident'`),
  ],
  [
    'a role that got a denial',
    ['person'],
    ({ worker }) => give(worker, 'ann', 'resident', 'home'),
    ({ worker }) => {
      const acl = JSON.stringify([allow('sites/${group.id}/#'), deny('sites/a')])
      return write(worker, sql`update role set acl = ${acl} where name = 'resident'`)
    },
  ],
  [
    'a device type that changed',
    ['device', 'minted'],
    () => {},
    ({ worker }) => changeDeviceType(worker.context(), 'type-of-dim-1', { acl: [] }, null),
  ],
  [
    'a device that is of another type',
    ['device', 'minted'],
    ({ worker }) =>
      write(
        worker,
        sql`insert into device_type (name, description, acl, created_at, updated_at, version)
          values ('plain', '', '[]', 1, 1, 1)`,
      ),
    ({ worker }) => changeDevice(worker.context(), 'dim-1', { type: 'plain' }, null),
  ],
  [
    'a value of a device that templates read',
    ['person', 'client'],
    ({ worker }) => give(worker, 'team', 'namer', 'home'),
    ({ worker }) => changeDevice(worker.context(), 'dim-1', { metadata: { room: 'b' } }, null),
  ],
  [
    'a value of a device that the condition of a grant reads',
    ['person'],
    async ({ worker }) => {
      await give(worker, 'ann', 'resident', 'home')
      await write(
        worker,
        sql`update "grant" set condition = 'device.metadata.floor == "1"',
          condition_reads = '["device.metadata.floor"]'`,
      )
    },
    ({ worker }) => changeDevice(worker.context(), 'dim-1', { metadata: { floor: '2' } }, null),
  ],
  [
    'a grant that gets a condition',
    ['person'],
    ({ worker }) => give(worker, 'ann', 'resident', 'home'),
    ({ worker }) =>
      write(
        worker,
        sql`update "grant" set condition = 'device.type == "x"', version = version + 1,
          condition_reads = '["device.type"]'`,
      ),
  ],
  [
    'a device that is taken out of a place, for it and those who name it',
    ['device', 'minted', 'person'],
    ({ worker }) => give(worker, 'ann', 'namer', 'home'),
    ({ worker }) => write(worker, sql`delete from membership where member_id = 'dim-1'`),
  ],
  [
    'a device that comes to a place with denials of it',
    ['person'],
    ({ worker }) => give(worker, 'ann', 'blind', 'other'),
    ({ worker }) => addMember(worker, 'other', 'dim-1'),
  ],
  [
    'a group that is moved, for its members and those who name them',
    ['device', 'minted', 'person'],
    ({ worker }) => give(worker, 'ann', 'namer', 'home'),
    ({ worker }) => changeGroup(worker.context(), 'hall', { parent_id: 'other' }, null),
  ],
  [
    'a group that is moved, for those who reached it from above',
    ['device', 'minted', 'person'],
    ({ worker }) => give(worker, 'ann', 'resident', 'home'),
    ({ worker }) => changeGroup(worker.context(), 'hall', { parent_id: 'other' }, null),
  ],
]

describe('the list shows as superseded', () => {
  test.each(cases)('%s', async (_, whose, before, act) => {
    const house = await startHouse()
    await prepare(house)
    await before(house)
    const { all, seen } = await everyToken(house)
    expect(await seen()).toEqual(VALID)
    for (const one of whose) expect((await house.look(all[one]))['active']).toBe(true)
    await act(house)
    const superseded = Object.fromEntries(whose.map((one) => [one, 3]))
    expect(await seen()).toEqual({ ...VALID, ...superseded })
    for (const one of whose) {
      expect([one, (await house.look(all[one]))['active']]).toEqual([one, false])
      if (one === 'person' || one === 'minted') continue
      const anew = await house.tokens[one]()
      expect(claimsOf(anew).status).not.toEqual(claimsOf(all[one]).status)
      expect(await statusOf(house.worker, anew)).toBe(0)
    }
  })
})

const harmless: [string, Act, Act][] = [
  [
    'a grant that is given, or lasts longer',
    ({ worker }) => give(worker, 'ann', 'resident', 'home', worker.clock.now + 60),
    async ({ worker }) => {
      await give(worker, 'team', 'resident', 'other')
      await write(worker, sql`update "grant" set expires_at = null`)
    },
  ],
  [
    'a role that got a rule',
    ({ worker }) => give(worker, 'team', 'resident', 'home'),
    ({ worker }) => {
      const acl = JSON.stringify([allow('sites/${group.id}/#'), allow('more')])
      return write(worker, sql`update role set acl = ${acl} where name = 'resident'`)
    },
  ],
  [
    'a device that gets another name, or a value that nothing reads',
    () => {},
    ({ worker }) =>
      changeDevice(worker.context(), 'dim-1', { name: 'Lamp', metadata: { color: 'red' } }, null),
  ],
  [
    'rights of somebody else',
    ({ worker }) => give(worker, 'bob', 'resident', 'home'),
    ({ worker }) => write(worker, sql`delete from "grant"`),
  ],
]

describe('the list stays as it is after', () => {
  test.each(harmless)('%s', async (_, before, act) => {
    const house = await startHouse()
    await prepare(house)
    await before(house)
    const { seen } = await everyToken(house)
    await act(house)
    expect(await seen()).toEqual(VALID)
  })
})
