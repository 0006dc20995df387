// The rights of many, read by one statement, are those that are read one by one, to the member.
import { expect, test } from 'vitest'
import { readRights, rightsOfEach } from '../../worker/access/preview/many_rights.ts'
import { type RightsRows, rightsOf } from '../../worker/access/rights.ts'
import { applyBlueprint } from '../../worker/admin/blueprint.ts'
import { sql } from '../../worker/db/sql.ts'
import { startWorker } from '../context.ts'

const allow = (topic: string) => ({ permission: 'allow', action: 'publish', topic })

test('the rights of each of many are those of each alone', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  const document = {
    settings: { sign_in_names: ['email', 'user_name'] },
    roles: [
      { name: 'wide', permissions: ['read'], acl: [allow('${group.id}'), allow('${device.id}')] },
      { name: 'barred', acl: [{ ...allow('no'), permission: 'deny' }] },
    ],
    groups: [
      { id: 'site', kind: 'site' },
      { id: 'room', kind: 'room', parent_id: 'site' },
    ],
    users: [
      { id: 'ann', email: 'ann@example.com', groups: ['room'] },
      { id: 'liz', user_name: 'Liz' },
      { id: 'nobody', email: 'nobody@example.com' },
    ],
    device_types: [{ name: 'lamp', acl: [allow('${device.id}')], acl_by_reference: true }],
    devices: ['lamp-1', 'lamp-2'].map((id) => ({
      ...{ id, type: 'lamp', groups: ['room'] },
      ...{ metadata: { floor: '1 "a"' }, tags: ['light'], mqtt_client_id: `mqtt-${id}` },
    })),
    grants: [
      { subject: 'site', role: 'wide', object: 'site', condition: '"light" in device.tags' },
      { subject: 'liz', role: 'wide', object: 'lamp-1', expires_at: 3_000_000_000 },
      { subject: 'liz', role: 'barred', object: '*', not_before: 2_500_000_000 },
    ],
  }
  await applyBlueprint(cx, document, {})
  const all = JSON.stringify(['ann', 'liz', 'nobody', 'lamp-1', 'lamp-2'])
  const ids = sql<{ id: string }>`select value as id from json_each(${all})`
  const many = await cx.db.read(rightsOfEach(cx, ids))
  expect(many.map(({ name }) => name).sort()).toEqual([
    'Liz',
    'ann@example.com',
    'lamp-1',
    'lamp-2',
    'nobody@example.com',
  ])
  const filled = new Set<string>()
  for (const one of many) {
    const alone: RightsRows = await cx.db.read(rightsOf(one.id, cx.now()))
    expect(readRights(one), one.name).toEqual(alone)
    for (const [name, rows] of Object.entries(alone)) if (rows.length > 0) filled.add(name)
  }
  expect([...filled].sort()).toEqual([
    'comingDenial',
    'devices',
    'grants',
    'groupsBelow',
    'ownDevice',
    'ownGroups',
  ])
})
