// Statements within a reach begin at its roots or at the object that is asked for, and never look
// through a table of things, groups, grants or people.
import { expect, test } from 'vitest'
import { listAccessOf, listAccessTo } from '../../../worker/access/decisions/decision_store.ts'
import { lackingToGrant, lackingWithin } from '../../../worker/access/power.ts'
import {
  listHoldersAround,
  listMovedMembers,
  rightsMark,
} from '../../../worker/access/preview/preview_store.ts'
import {
  findEvaluationWithin,
  heldObjects,
  listActionsWithin,
  listExplanationsWithin,
  listResourcesWithin,
  listSeenObjects,
  listSubjectsWithin,
} from '../../../worker/access/reach/decision_reach_store.ts'
import { isWithinReach } from '../../../worker/access/reach/reach.ts'
import { listHeldScopes } from '../../../worker/access/reach/reach_store.ts'
import { rightsOf } from '../../../worker/access/rights.ts'
import { findGroup, listGrantsAfter, listGroupsAfter } from '../../../worker/access/store.ts'
import { listEventsBefore } from '../../../worker/admin/event_store.ts'
import type { Context } from '../../../worker/context.ts'
import { type Statement, scalar, sql } from '../../../worker/db/sql.ts'
import {
  type DeviceFilter,
  leadOf,
  listCandidates,
} from '../../../worker/devices/listing/device_list_store.ts'
import { findDeviceWithGroups } from '../../../worker/devices/store.ts'
import { listUsersAfter } from '../../../worker/identity/login_ids/user_search_store.ts'
import { startWorker } from '../../context.ts'
import { EVERY_DEVICE } from '../../devices/device_filter.ts'

const TABLES = ['grant', 'membership', 'group', 'device', 'user', 'principal', 'event']
const ALIASES = ['event_object', 'g', 'm', 'd', 'p', 'o', 'named']

function listDevices(more: Partial<DeviceFilter>): Statement<unknown> {
  const filter = { ...EVERY_DEVICE, ...more }
  return listCandidates(filter, leadOf(filter), null, 50)
}

test('no statement within a reach walks through a whole table', async () => {
  const reach = [{ group_id: 'site-1', since: 1 }]
  const worker = await startWorker()
  const cx: Context = worker.context({
    kind: 'user',
    id: 'ann',
    scopes: new Set(),
    places: new Map([['access:write', reach]]),
    reach,
  })
  const question = {
    subject: { type: 'user', id: 'bob' },
    action: 'device:read',
    resource: { type: 'device', id: 'lamp' },
  }
  const slice = { after: '', limit: 50 }
  const statements: Record<string, Statement<unknown>> = {
    scopes: listHeldScopes('ann', 1),
    group: findGroup('room-1', isWithinReach(cx, 'room-1')),
    device: findDeviceWithGroups('lamp', reach),
    groups: listGroupsAfter('a', 50, { kind: 'room', parent_id: 'site-1' }, reach),
    'all groups': listGroupsAfter('', 50, {}, reach),
    grants: listGrantsAfter('', 50, {}, reach),
    'grants of a role': listGrantsAfter('', 50, { role: 'guest', subject: 'bob' }, reach),
    devices: listDevices({ reach }),
    'devices of a group': listDevices({ group: 'room-1', type: 'x', reach }),
    users: listUsersAfter(cx, '', 50, {}),
    'users of a group': listUsersAfter(cx, '', 50, { group: 'room-1' }),
    events: listEventsBefore({}, null, 50, reach),
    'events of a thing': listEventsBefore({ object: 'lamp', type: 'x' }, 9, 50, reach),
    decision: findEvaluationWithin('ann', reach, question, 1),
    subjects: listSubjectsWithin(reach, { ...question, kind: 'user' }, slice, 1),
    resources: listResourcesWithin('ann', reach, { ...question, kind: 'device' }, slice, 1),
    actions: listActionsWithin('ann', reach, question, 1),
    explanation: listExplanationsWithin('ann', reach, question, 200, 1),
    seen: listSeenObjects(reach, heldObjects('bob', 1)),
    'access of': listAccessOf('bob', '', 50, 1, (id) => isWithinReach(cx, id)),
    'access to': listAccessTo('lamp', { object_id: '', id: '' }, 50, 1, (id) =>
      isWithinReach(cx, id),
    ),
    holders: listHoldersAround(scalar`'["room-1"]'`, 'devices', 1, 20),
    members: listMovedMembers('room-1', scalar`'site-1'`, 20, 1),
    mark: sql`select ${rightsMark(scalar`'bob'`, 1)}`,
    supposed:
      Object.values(rightsOf('bob', 1, { groups: '[]', devices: '[]' }))[2] ?? sql`select 1`,
    power: lackingToGrant(cx, 'guest', 'room-1', null),
    scope: sql`${lackingWithin(cx, 'access:write', 'room-1', null)[0] ?? scalar`select 1`}`,
  }
  const scans: string[] = []
  for (const [name, statement] of Object.entries(statements)) {
    const plan = await cx.db.read(sql<{ detail: string }>`explain query plan ${statement}`)
    expect(plan.length, name).toBeGreaterThan(0)
    for (const { detail } of plan) {
      const [, table = ''] = /^SCAN (\S+)/.exec(detail) ?? []
      const isWhole = [...TABLES, ...ALIASES].includes(table)
      if (isWhole && !detail.includes('VIRTUAL TABLE')) scans.push(`${name}: ${detail}`)
    }
  }
  expect(scans).toEqual([])
})
