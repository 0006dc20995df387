import { describe, expect, test } from 'vitest'
import { findGrantsByKeys, planGrant } from '../../worker/access/grants.ts'
import { buryPrincipal, emailKeyOf, forgetRights } from '../../worker/access/principals.ts'
import { findRolesByNames, planRole } from '../../worker/access/roles.ts'
import { sql } from '../../worker/db/sql.ts'
import { emailKey } from '../../worker/email_address.ts'
import { details, startHouse } from './fixture.ts'

async function startSite() {
  const house = await startHouse()
  await house.make('POST /v1/groups', { id: 'site' })
  await house.user('ann')
  await house.make('POST /v1/roles', { name: 'resident', permissions: ['device:read'] })
  return house
}

describe('roles', () => {
  test('a role is made, read, changed and deleted; its rules are kept as they were given', async () => {
    const { call, make, events } = await startHouse()
    const acl = [
      { permission: 'deny', action: 'all', topic: 'a/${group.id}/#' },
      { permission: 'allow', action: 'publish', topic: 'b', qos: [0, 1], retain: false },
    ]
    const made = await call('POST /v1/roles', {
      name: 'r',
      permissions: ['device:read', 'device:read'],
      acl,
    })
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toBe('/v1/roles/r')
    expect(made.body).toMatchObject({
      name: 'r',
      description: '',
      permissions: ['device:read'],
      acl,
      builtin: false,
    })
    expect((await call('POST /v1/roles', { name: 'r' })).status).toBe(409)
    const changed = await call('PATCH /v1/roles/r', { description: 'what it is for', acl: [] })
    expect(changed.body).toMatchObject({
      description: 'what it is for',
      acl: [],
      permissions: ['device:read'],
    })
    expect(changed.headers.get('etag')).toBe('"2"')
    const stale = { headers: { 'if-match': '"1"' } }
    expect((await call('PATCH /v1/roles/r', { description: 'x' }, stale)).status).toBe(412)
    expect((await call('DELETE /v1/roles/r', undefined, stale)).status).toBe(412)
    const names = ((await make('GET /v1/roles'))['items'] as { name: string }[]).map(
      (role) => role.name,
    )
    expect(names).toEqual(['operator', 'r'])
    expect((await call('DELETE /v1/roles/r')).status).toBe(204)
    expect((await call('DELETE /v1/roles/r')).status).toBe(404)
    for (const type of ['role.created', 'role.updated', 'role.deleted']) {
      expect([type, (await events(type)).length]).toEqual([type, 1])
    }
  })

  // AuthZEN §5.3: the name of an action is any string.
  test.each([
    ...['read', 'can_read_user', 'Device:read', 'GET', 'a:b:c', 'https://todo.example/read'],
    ...['may see', 'öffnen', '読む', 'device:*'],
  ])('a permission is named as the programs name their action: %s', async (permission) => {
    const { call, make } = await startSite()
    await make('POST /v1/roles', { name: 'named', permissions: [permission] })
    const about = { subject: { type: 'user', id: 'ann' }, resource: { type: 'group', id: 'site' } }
    const question = { ...about, action: { name: permission } }
    const decide = async () => (await call('POST /access/v1/evaluation', question)).body['decision']
    expect(await decide()).toBe(false)
    await make('POST /v1/grants', { subject: 'ann', role: 'named', object: 'site' })
    expect(await decide()).toBe(true)
  })

  test('a permission that cannot be seen and a name that is no id are refused', async () => {
    const { call } = await startHouse()
    for (const permission of [
      ...['', ' ', ' read', 'read ', 'a\nb', 'a\0b', 'a\u202eb', 'a\u200bb', '\ud800'],
      'x'.repeat(201),
    ]) {
      const answer = await call('POST /v1/roles', { name: 'r', permissions: [permission] })
      expect([permission, answer.status]).toEqual([permission, 400])
      expect(details(answer)).toContain('/permissions/0')
    }
    expect((await call('POST /v1/roles', { name: 'a/b' })).status).toBe(400)
  })

  test('the built-in role operator can be neither changed, deleted nor made again', async () => {
    const { call } = await startHouse()
    expect((await call('GET /v1/roles/operator')).body).toMatchObject({
      permissions: ['manage'],
      builtin: true,
    })
    expect((await call('PATCH /v1/roles/operator', { permissions: [] })).status).toBe(409)
    expect((await call('DELETE /v1/roles/operator')).status).toBe(409)
    expect((await call('POST /v1/roles', { name: 'operator' })).status).toBe(409)
  })

  test('a role in use cannot be deleted', async () => {
    const { call, make } = await startSite()
    const grant = await make('POST /v1/grants', {
      subject: 'ann',
      role: 'resident',
      object: 'site',
    })
    const answer = await call('DELETE /v1/roles/resident')
    expect(answer.status).toBe(409)
    expect(details(answer)).toContain('in use')
    await make(`DELETE /v1/grants/${grant['id']}`)
    await make('DELETE /v1/roles/resident')
  })

  test('a role is never both deleted and granted at the same moment', async () => {
    const { call, make, worker } = await startSite()
    const outcomes = { granted: 0, deleted: 0 }
    for (let i = 0; i < 10; i++) {
      await make('POST /v1/roles', { name: `r${i}` })
      const [granted, deleted] = await Promise.all([
        call('POST /v1/grants', { subject: 'ann', role: `r${i}`, object: 'site' }),
        call(`DELETE /v1/roles/r${i}`),
      ])
      expect(granted.status === 201).toBe(deleted.status !== 204)
      if (granted.status === 201) outcomes.granted++
      else outcomes.deleted++
    }
    const rows = await worker
      .context()
      .db.read(sql`select 1 from "grant" where role not in (select name from role)`)
    expect(rows).toEqual([])
    console.log('role races:', JSON.stringify(outcomes))
  })
})

describe('grants', () => {
  test('a grant is made for an id or an e-mail address, found again, given an end and deleted', async () => {
    const { call, make, events } = await startSite()
    const made = await call('POST /v1/grants', {
      subject: 'Ann@Example.com',
      role: 'resident',
      object: 'site',
    })
    expect(made.status).toBe(201)
    const id = made.body['id'] as string
    expect(id).toMatch(/^grt_[0-9a-z]{26}$/)
    expect(made.headers.get('location')).toBe(`/v1/grants/${id}`)
    expect(made.body).toMatchObject({
      subject: 'ann',
      role: 'resident',
      object: 'site',
      not_before: null,
      expires_at: null,
    })
    for (const filter of [
      'subject=ann',
      'role=resident',
      'object=site',
      'subject=ann&object=site',
    ]) {
      expect([filter, (await make(`GET /v1/grants?${filter}`))['items']]).toEqual([
        filter,
        [made.body],
      ])
    }
    expect((await make('GET /v1/grants?object=*'))['items']).toEqual([])
    const ended = await call(`PATCH /v1/grants/${id}`, { expires_at: 1_800_000_100 })
    expect(ended.body).toMatchObject({ expires_at: 1_800_000_100 })
    expect((await call(`PATCH /v1/grants/${id}`, { not_before: 1_800_000_100 })).status).toBe(400)
    expect(
      (
        await call(
          `PATCH /v1/grants/${id}`,
          { expires_at: null },
          { headers: { 'if-match': '"1"' } },
        )
      ).status,
    ).toBe(412)
    expect((await call(`DELETE /v1/grants/${id}`)).status).toBe(204)
    expect((await call(`GET /v1/grants/${id}`)).status).toBe(404)
    for (const type of ['grant.created', 'grant.updated', 'grant.deleted']) {
      expect((await events(type)).map((event) => event.subject_id)).toEqual(['ann'])
    }
  })

  test('what is not there is refused, all at once; a user or a client is no object', async () => {
    const { call, client } = await startSite()
    const answer = await call('POST /v1/grants', {
      subject: 'no@example.com',
      role: 'none',
      object: 'nowhere',
    })
    expect(answer.status).toBe(400)
    for (const pointer of ['/subject', '/role', '/object'])
      expect(details(answer)).toContain(pointer)
    await client('app')
    for (const object of ['ann', 'app']) {
      expect(
        (await call('POST /v1/grants', { subject: 'ann', role: 'resident', object })).status,
      ).toBe(400)
    }
    const backwards = {
      subject: 'ann',
      role: 'resident',
      object: '*',
      not_before: 20,
      expires_at: 20,
    }
    expect(details(await call('POST /v1/grants', backwards))).toContain('/expires_at')
  })

  test('the same grant twice is refused, another window is not', async () => {
    const { call } = await startSite()
    const grant = { subject: 'ann', role: 'resident', object: 'site' }
    expect((await call('POST /v1/grants', grant)).status).toBe(201)
    expect((await call('POST /v1/grants', { ...grant, subject: 'ann@example.com' })).status).toBe(
      409,
    )
    expect((await call('POST /v1/grants', { ...grant, expires_at: 1_900_000_000 })).status).toBe(
      201,
    )
    const same = await Promise.all(
      Array.from({ length: 5 }, () => call('POST /v1/grants', { ...grant, object: '*' })),
    )
    expect(same.filter((answer) => answer.status === 201).length).toBe(1)
  })

  test('the last lasting grant of operator that someone can use is not taken away', async () => {
    const { call, make, user } = await startHouse()
    await user('ann')
    await user('bob', 'disabled')
    await user('cat')
    await make('POST /v1/groups', { id: 'operators' })
    const grant = async (subject: string, more: object = {}) =>
      (await make('POST /v1/grants', { subject, role: 'operator', object: '*', ...more }))['id']
    const first = await grant('ann')
    await grant('bob') // cannot sign in
    await grant('cat', { expires_at: 1_900_000_000 }) // ends
    await grant('operators') // nobody is in it
    const refused = await call(`DELETE /v1/grants/${first}`)
    expect(refused.status).toBe(409)
    expect(details(refused)).toContain('last lasting grant')
    expect((await call(`PATCH /v1/grants/${first}`, { expires_at: 1_900_000_000 })).status).toBe(
      409,
    )
    expect((await call(`PATCH /v1/grants/${first}`, { not_before: 1_900_000_000 })).status).toBe(
      409,
    )
    await make('POST /v1/groups/operators/members', { id: 'cat' })
    await make(`DELETE /v1/grants/${first}`)
  })

  test('two operators who take each other away at the same moment do not leave the system without one', async () => {
    const { call, make, user } = await startHouse()
    for (let i = 0; i < 5; i++) {
      const ids: unknown[] = []
      for (const who of ['a', 'b']) {
        await user(`${who}${i}`)
        ids.push(
          (await make('POST /v1/grants', { subject: `${who}${i}`, role: 'operator', object: '*' }))[
            'id'
          ],
        )
      }
      const before = ((await make('GET /v1/grants?role=operator'))['items'] as unknown[]).length
      if (before > 2) continue
      const answers = await Promise.all(ids.map((id) => call(`DELETE /v1/grants/${id}`)))
      expect(answers.map((answer) => answer.status).sort()).toEqual([204, 409])
    }
  })

  test('with its principal a grant goes: as subject, as object, and its memberships too', async () => {
    const { worker, make, device } = await startSite()
    await device('dim', { groups: ['site'] })
    await make('POST /v1/grants', { subject: 'dim', role: 'resident', object: 'site' })
    await make('POST /v1/grants', { subject: 'ann', role: 'resident', object: 'dim' })
    const kept = await make('POST /v1/grants', { subject: 'ann', role: 'resident', object: 'site' })
    const cx = worker.context()
    await cx.db.write(forgetRights('dim'))
    expect(((await make('GET /v1/grants'))['items'] as unknown[]).length).toBe(3) // it is still there
    await cx.db.write([buryPrincipal(cx, 'dim'), ...forgetRights('dim')])
    expect((await make('GET /v1/grants'))['items']).toEqual([kept])
    expect((await make('GET /v1/groups/site/members'))['items']).toEqual([])
  })
})

describe('plans', () => {
  test('roles and grants of a blueprint are created once, then unchanged, then updated', async () => {
    const { worker, user, make } = await startHouse()
    const cx = worker.context()
    const role = {
      name: 'resident',
      permissions: ['device:read'],
      acl: [{ permission: 'allow' as const, action: 'publish' as const, topic: 's/${group.id}/x' }],
    }
    const entry = { subject: 'ann@example.com', role: 'resident', object: 'site' }
    const keys = [{ ...entry, email_key: emailKeyOf(entry.subject) }]
    await make('POST /v1/groups', { id: 'site' })
    await user('ann')
    const made = await planRole(cx, role, undefined)
    const granted = await planGrant(cx, entry, undefined)
    // In one batch, which may be repeated: the grant finds the role that was made before it.
    const batch = [...made.statements, ...granted.statements]
    await cx.db.write(batch)
    await cx.db.write(batch)
    const {
      roleRow: [roleRow],
      grants,
    } = await cx.db.read({
      roleRow: findRolesByNames(['resident']),
      grants: findGrantsByKeys(keys),
    })
    expect(grants.length).toBe(1)
    expect(grants[0]).toMatchObject({ subject_id: 'ann', object_id: 'site', position: 0 })
    expect((await planRole(cx, role, roleRow)).change).toBe('unchanged')
    expect((await planGrant(cx, entry, grants[0])).change).toBe('unchanged')

    const changed = await planRole(cx, { ...role, permissions: [] }, roleRow)
    expect([changed.change, changed.fields]).toEqual(['updated', ['permissions']])
    const moved = await planGrant(cx, { ...entry, expires_at: 1_900_000_000 }, grants[0])
    expect([moved.change, moved.fields]).toEqual(['updated', ['expires_at']])
    await cx.db.write([...changed.statements, ...moved.statements])
    expect((await make('GET /v1/roles/resident'))['permissions']).toEqual([])
    expect((await make('GET /v1/grants'))['items']).toMatchObject([{ expires_at: 1_900_000_000 }])
  })

  test('a blueprint that changes a built-in role is refused, one that repeats it is not', async () => {
    const { worker } = await startHouse()
    const cx = worker.context()
    const [operator] = await cx.db.read(findRolesByNames(['operator']))
    await expect(planRole(cx, { name: 'operator', permissions: [] }, operator)).rejects.toThrow(
      'built in',
    )
    expect(
      (await planRole(cx, { name: 'operator', permissions: ['manage'] }, operator)).change,
    ).toBe('unchanged')
  })
})

test('an e-mail address names the same account here as in identity', () => {
  for (const email of [
    'Ann@Example.com',
    'ann@EXAMPLE.com',
    'ＡＮＮ@example.com',
    'K@x.example',
    'İ@x.example',
    'ß@x.example',
    'ǅ@x.example',
  ]) {
    expect([email, emailKeyOf(email)]).toEqual([email, emailKey(email)])
  }
  expect(emailKeyOf('ann')).toBe(null)
})
