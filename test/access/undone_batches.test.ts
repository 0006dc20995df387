// Batches of groups, roles and grants are done whole or not at all: repeated after a lost answer
// they find their own work, and a fault that no rule foresaw is not taken for a refusal.
import { describe, expect, test } from 'vitest'
import { changeGrant, createGrant, planGrant, removeGrant } from '../../worker/access/grants.ts'
import { addMember, removeMember } from '../../worker/access/group_members.ts'
import { changeGroup, createGroup, planGroup, removeGroup } from '../../worker/access/groups.ts'
import { changeRole, createRole, planRole, removeRole } from '../../worker/access/roles.ts'
import type { Context } from '../../worker/context.ts'
import { sql } from '../../worker/db/sql.ts'
import { startWorker } from '../context.ts'
import { callApi, newClientToken } from '../support/operator.ts'
import { losingWrites, overtakenOnce } from '../support/repeated_writes.ts'
import { actor, startHouse } from './fixture.ts'

/**
 * Ann has her power through the team, so a change that takes it from her is refused when it is judged again after it
 * was done.
 */
async function startTeam() {
  const house = await startHouse()
  const { make, user, worker } = house
  for (const id of ['ann', 'bob']) await user(id)
  await make('POST /v1/groups', { id: 'above' })
  await make('POST /v1/groups', { id: 'team', parent_id: 'above' })
  await make('POST /v1/roles', { name: 'keeper', permissions: ['device:command'] })
  const { id } = await make('POST /v1/grants', { subject: 'above', role: 'keeper', object: '*' })
  await make('POST /v1/groups/team/members', { id: 'ann' })
  const ann = actor('user', 'ann', 'access:write')
  return { ...house, grant: String(id), cx: () => worker.context(ann) }
}

describe('repeated after a lost answer', () => {
  type Team = Awaited<ReturnType<typeof startTeam>>

  test.each<[string, string, (cx: Context, team: Team) => Promise<unknown>]>([
    ['a group', 'group.created', (cx) => createGroup(cx, { id: 'new', parent_id: 'team' })],
    ['another name', 'group.updated', (cx) => changeGroup(cx, 'team', { name: 'T' }, 1)],
    ['another place', 'group.updated', (cx) => changeGroup(cx, 'team', { parent_id: null }, 1)],
    [
      'the end of a group',
      'group.deleted',
      async (cx, { make }) => {
        await make('POST /v1/groups', { id: 'empty' })
        await removeGroup(cx, 'empty', 1)
      },
    ],
    ['a member', 'group.member_added', (cx) => addMember(cx, 'team', 'bob')],
    ['the end of a membership', 'group.member_removed', (cx) => removeMember(cx, 'team', 'ann')],
    [
      'a role',
      'role.created',
      (cx) => createRole(cx, { name: 'new', permissions: ['device:command'] }),
    ],
    ['a smaller role', 'role.updated', (cx) => changeRole(cx, 'keeper', { permissions: [] }, 1)],
    [
      'the end of a role',
      'role.deleted',
      async (cx, { make }) => {
        await make('POST /v1/roles', { name: 'idle' })
        await removeRole(cx, 'idle', 1)
      },
    ],
    [
      'a grant',
      'grant.created',
      (cx) => createGrant(cx, { subject: 'bob', role: 'keeper', object: 'team' }),
    ],
    [
      'other times',
      'grant.updated',
      (cx, { grant }) => changeGrant(cx, grant, { expires_at: 1 }, 1),
    ],
    ['the end of a grant', 'grant.deleted', (cx, { grant }) => removeGrant(cx, grant, 1)],
  ])('%s is made once', async (_, event, change) => {
    const team = await startTeam()
    const before = await team.events(event)
    await change(losingWrites(team.cx()), team)
    expect(await team.events(event)).toHaveLength(before.length + 1)
    for (const row of await team.worker.context().db.read(
      sql<{ version: number }>`select version from "group" union all select version from role
        union all select version from "grant"`,
    )) {
      expect(row.version).toBeLessThan(3)
    }
  })

  test('a change is not laid over what another has made of it in between', async () => {
    const { worker, cx, make } = await startTeam()
    let others = 0
    const losing = losingWrites(cx(), async () => {
      if (others++ === 0) await make('PATCH /v1/groups/team', { name: 'Other', kind: 'fleet' })
    })
    await expect(changeGroup(losing, 'team', { name: 'T' }, 1)).rejects.toMatchObject({
      type: 'precondition_failed',
    })
    const [row] = await worker.context().db.read(sql`select * from "group" where id = 'team'`)
    expect(row).toMatchObject({ name: 'Other', kind: 'fleet', version: 3 })
  })
})

describe('overtaken by another request', () => {
  test('an id that is taken at that moment is a conflict, and nothing of the group stays', async () => {
    const { cx, make, events } = await startTeam()
    const late = overtakenOnce(cx(), () => make('POST /v1/groups', { id: 'new', name: 'First' }))
    await expect(createGroup(late, { id: 'new', parent_id: 'team' })).rejects.toMatchObject({
      type: 'conflict',
      errors: [{ pointer: '/id' }],
    })
    expect(await make('GET /v1/groups/new')).toMatchObject({ name: 'First', parent_id: null })
    expect(await events('group.created')).toHaveLength(3)
  })

  test('a parent that goes takes no id with it', async () => {
    const { cx, make } = await startTeam()
    await make('POST /v1/groups', { id: 'old' })
    const late = overtakenOnce(cx(), () => make('DELETE /v1/groups/old'))
    await expect(createGroup(late, { id: 'new', parent_id: 'old' })).rejects.toMatchObject({
      type: 'conflict',
      errors: [],
    })
    await make('POST /v1/groups', { id: 'new' })
  })

  test('a deletion for a version that is gone, or of what came into use, is refused', async () => {
    const { worker, make, events } = await startTeam()
    await make('POST /v1/groups', { id: 'empty' })
    await make('POST /v1/roles', { name: 'idle' })
    const late = (what: string, body: unknown) =>
      overtakenOnce(worker.context(), () => make(what, body))
    const gone = { type: 'precondition_failed' }
    const inUse = { type: 'conflict', detail: expect.stringContaining('in use') }
    await expect(
      removeGroup(late('PATCH /v1/groups/empty', { name: 'E' }), 'empty', 1),
    ).rejects.toMatchObject(gone)
    await expect(
      removeGroup(late('POST /v1/groups/empty/members', { id: 'bob' }), 'empty', 2),
    ).rejects.toMatchObject(inUse)
    await expect(
      removeRole(late('PATCH /v1/roles/idle', { description: 'E' }), 'idle', 1),
    ).rejects.toMatchObject(gone)
    const grant = { subject: 'bob', role: 'idle', object: '*' }
    await expect(removeRole(late('POST /v1/grants', grant), 'idle', null)).rejects.toMatchObject(
      inUse,
    )
    expect(await events('group.deleted')).toEqual([])
    expect(await events('role.deleted')).toEqual([])
  })

  test('plans are undone whole when what they were made for has changed', async () => {
    const { worker, make, grant } = await startTeam()
    const cx = worker.context()
    const { groups, roles, grants } = await cx.db.read({
      groups: sql<never>`select * from "group" where id = 'team'`,
      roles: sql<never>`select * from role where name = 'keeper'`,
      grants: sql<never>`select * from "grant" where id = ${grant}`,
    })
    const plans = [
      ['group_version', await planGroup(cx, { id: 'team', name: 'Mine' }, groups[0])],
      ['role_version', await planRole(cx, { name: 'keeper', description: 'Mine' }, roles[0])],
      [
        'grant_version',
        await planGrant(
          cx,
          { subject: 'above', role: 'keeper', object: '*', expires_at: 5_000_000_000 },
          grants[0],
        ),
      ],
      ['id_taken', await planGroup(cx, { id: 'new' }, undefined)],
      ['role_exists', await planRole(cx, { name: 'new' }, undefined)],
      [
        'grant_parties',
        await planGrant(cx, { subject: 'bob', role: 'nowhere', object: '*' }, undefined),
      ],
    ] as const
    await make('PATCH /v1/groups/team', { name: 'Theirs' })
    await make('PATCH /v1/roles/keeper', { description: 'Theirs' })
    await make(`PATCH /v1/grants/${grant}`, { expires_at: 6_000_000_000 })
    await make('POST /v1/groups', { id: 'new' })
    await make('POST /v1/roles', { name: 'new', description: 'Theirs' })
    const mark = sql`insert into membership (group_id, member_id, created_at) values ('new', 'bob', 1)`
    for (const [reason, { statements }] of plans) {
      await expect(cx.db.write([mark, ...statements])).rejects.toMatchObject({
        name: 'BatchRefused',
        reason,
      })
    }
    expect((await make('GET /v1/groups/new/members'))['items']).toEqual([])
  })
})

test('a fault that no rule foresaw is a 500 with its cause in the log, and no refusal', async () => {
  const worker = await startWorker()
  const token = await newClientToken(worker)
  const api = (method: string, path: string, body?: unknown) =>
    callApi(worker, token, method, path, body)
  await api('POST', '/v1/groups', { id: 'team' })
  await api('POST', '/v1/groups', { id: 'other' })
  await api('POST', '/v1/users', { id: 'bob', email: 'bob@example.com' })
  await api('POST', '/v1/roles', { name: 'idle' })
  const created = await api('POST', '/v1/grants', { subject: 'bob', role: 'idle', object: '*' })
  const grant = `/v1/grants/${created.body['id']}`
  // Its words are those of the table of refusals.
  await worker.context().db.write(
    sql`create trigger unforeseen before insert on event
      begin select raise(abort, 'CHECK constraint failed: refused'); end`,
  )
  for (const [method, path, body] of [
    ['POST', '/v1/groups', { id: 'new', parent_id: 'team' }],
    ['PATCH', '/v1/groups/team', { parent_id: 'other' }],
    ['DELETE', '/v1/groups/team', undefined],
    ['POST', '/v1/groups/team/members', { id: 'bob' }],
    ['POST', '/v1/roles', { name: 'new' }],
    ['PATCH', '/v1/roles/idle', { description: 'x' }],
    ['POST', '/v1/grants', { subject: 'bob', role: 'idle', object: 'team' }],
    ['PATCH', grant, { expires_at: 5_000_000_000 }],
    ['DELETE', grant, undefined],
    ['POST', '/v1/users', { email: 'cat@example.com' }],
    ['PATCH', '/v1/users/bob', { name: 'Bob' }],
    ['DELETE', '/v1/users/bob', undefined],
  ] as const) {
    worker.log.length = 0
    const answer = await api(method, path, body)
    expect([method, path, answer.status]).toEqual([method, path, 500])
    expect(worker.log).toMatchObject([
      { level: 'error', fields: { reason: 'bug', cause: expect.stringContaining('refused') } },
    ])
  }
})
