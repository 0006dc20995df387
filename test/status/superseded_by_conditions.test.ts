// Tokens whose rules hung on the condition of a grant, or on the house that a rule names.
import { expect, test } from 'vitest'
import { changeGrant, createGrant } from '../../worker/access/grants.ts'
import { changeGroup } from '../../worker/access/groups.ts'
import { changeDevice } from '../../worker/devices/devices.ts'
import { addRole, everyToken, type House, startHouse } from './house.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'subscribe', topic })
const VALID = { device: 0, client: 0, person: 0, minted: 0 }

type Act = (house: House, grant_id: string) => unknown

const conditional = async ({ worker }: House, role: string, condition: string | null) =>
  (await createGrant(worker.context(), { subject: 'ann', role, object: 'home', condition })).id

const cases: [string, string, string | null, Act][] = [
  [
    'a condition that is changed',
    'named',
    'device.type == "dimmer"',
    ({ worker }, id) =>
      changeGrant(worker.context(), id, { condition: 'device.type == "x"' }, null),
  ],
  [
    'a condition that is added',
    'named',
    null,
    ({ worker }, id) => changeGrant(worker.context(), id, { condition: 'now > now' }, null),
  ],
  [
    'a value of a device that a condition reads',
    'named',
    'device.metadata.floor == "1"',
    ({ worker }) => changeDevice(worker.context(), 'dim-1', { metadata: { floor: '2' } }, null),
  ],
  [
    'the kind of a group that a condition reads',
    'placed',
    'group.kind == "site"',
    ({ worker }) => changeGroup(worker.context(), 'hall', { kind: 'room' }, null),
  ],
  [
    'a house that is none any more, where a rule names it',
    'housed',
    null,
    ({ worker }) => changeGroup(worker.context(), 'home', { kind: 'floor' }, null),
  ],
  [
    'a room that leaves the house, where a rule names the house',
    'housed',
    null,
    ({ worker }) => changeGroup(worker.context(), 'hall', { parent_id: null }, null),
  ],
]

test.each(cases)('the token of the holder is superseded by %s', async (_, role, condition, act) => {
  const house = await startHouse()
  await addRole(house.worker, 'named', [allow('d/${device.id}')])
  await addRole(house.worker, 'placed', [allow('g/${group.id}')])
  await addRole(house.worker, 'housed', [allow('s/${site.id}/${group.id}')])
  const id = await conditional(house, role, condition)
  const { seen } = await everyToken(house)
  expect(await seen()).toEqual(VALID)
  await act(house, id)
  expect((await seen()).person).not.toBe(0)
})

test('a value that no condition reads changes no list', async () => {
  const house = await startHouse()
  await addRole(house.worker, 'named', [allow('d/${device.id}')])
  await conditional(house, 'named', 'subject.id == "ann"')
  const { seen } = await everyToken(house)
  await changeDevice(house.worker.context(), 'dim-1', { metadata: { floor: '2' } }, null)
  await changeGroup(house.worker.context(), 'hall', { kind: 'room', name: 'Hall' }, null)
  expect((await seen()).person).toBe(0)
})
