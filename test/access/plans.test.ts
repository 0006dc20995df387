// Statements that are sent for each token and each decision reach their rows through an index,
// however large the tables are; and the room's part of the API can be described.
import { expect, test } from 'vitest'
import {
  findEvaluation,
  listAccessOf,
  listAccessTo,
  listActions,
  listExplanations,
  listResourceCandidates,
  listSubjectCandidates,
} from '../../worker/access/decisions/decision_store.ts'
import { evaluationRoutes } from '../../worker/access/decisions/evaluation_routes.ts'
import { accessDemandsFactor } from '../../worker/access/factor_demand.ts'
import { narrowedRightsOf } from '../../worker/access/narrowed_rights.ts'
import { leavesAnOperator, operatorExists } from '../../worker/access/operator_store.ts'
import {
  listConditioned,
  listConferred,
  listHoused,
  listLacking,
  listLackingReaders,
  listLackingRules,
  listNeededForPrincipal,
} from '../../worker/access/power_store.ts'
import { rightsOf } from '../../worker/access/rights.ts'
import { accessRoutes } from '../../worker/access/routes.ts'
import {
  demandNoSameGrant,
  findGrantsByKeys,
  insertGrant,
  listGrantsAfter,
} from '../../worker/access/store.ts'
import { condition, type Statement, scalar, sql } from '../../worker/db/sql.ts'
import { startWorker } from '../context.ts'
import { actor } from './fixture.ts'

const TABLES = ['grant', 'membership', 'group', 'device', 'user', 'client', 'principal', 'role']

test('no statement of rights, decisions or power walks through a whole table', async () => {
  const cx = (await startWorker()).context()
  const ann = actor('user', 'ann', 'access:write')
  const question = {
    subject: { type: 'user', id: 'ann' },
    action: 'device:read',
    resource: { type: 'device', id: 'lamp' },
  }
  const conferred = listConferred(scalar`${'g'}`, scalar`${'m'}`, 1)
  const shape = {
    type: scalar`${'dimmer'}`,
    groups: scalar`${'["g"]'}`,
    metadata: scalar`${'{}'}`,
    mqtt_client_id: scalar`${null}`,
  }
  const statements: Statement<unknown>[] = [
    ...Object.values(rightsOf('ann', 1)),
    ...Object.values(narrowedRightsOf(sql`${'ann'}`, sql`${'[]'}`, 1)),
    findEvaluation(question, 1),
    listActions(question, 1),
    listExplanations(question, 9, 1),
    listAccessOf('ann', '', 9, 1),
    listAccessTo('lamp', { object_id: '', id: '' }, 9, 1),
    ...(['device', 'group', 'user'] as const).flatMap((kind) => [
      listResourceCandidates({ ...question, kind }, { after: '', limit: 9 }, 1),
      listSubjectCandidates({ ...question, kind }, { after: '', limit: 9 }, 1),
    ]),
    listLacking(ann, conferred, 1),
    listLacking(ann, listNeededForPrincipal('bob', 1), 1),
    listLackingRules(ann, shape, 1),
    listLackingReaders(ann, 'lamp', shape, ['${clientid}'], 1),
    listLacking(ann, listConditioned('lamp', shape.groups, ['device.type'], 1), 1),
    listLacking(ann, listHoused('g', scalar`${'site'}`, scalar`${'p'}`, 1), 1),
    sql`select ${accessDemandsFactor(scalar`${'ann'}`, 1, condition`${true}`)}`,
    sql`delete from factor where user_id = ${'ann'}
      and not ${accessDemandsFactor(scalar`${'ann'}`, 1, condition`${true}`)}`,
    sql`select ${leavesAnOperator(1, { grant: 'grt_1' })}`,
    sql`select ${operatorExists(1)}`,
    findGrantsByKeys([{ subject: 'ann', role: 'r', object: '*' }]),
  ]
  const plans = await Promise.all(
    statements.map((statement) =>
      cx.db.read(sql<{ detail: string }>`explain query plan ${statement}`),
    ),
  )
  const aliases = [...TABLES, 'g', 'm', 'd', 'u', 'c', 'p', 'o', 'r', 't']
  const scans = plans.flatMap((rows, i) =>
    rows
      .map((row) => row.detail)
      .filter((detail) => /^SCAN /.test(detail) && !detail.includes('VIRTUAL TABLE'))
      .filter((detail) => aliases.includes(detail.split(' ')[1] ?? ''))
      .map((detail) => `${i}: ${detail}`),
  )
  console.log(`plans looked at: ${plans.length}, steps: ${plans.flat().length}`)
  expect(plans.flat().length).toBeGreaterThan(50)
  expect(scans).toEqual([])
})

test('no look for power or for one grant begins at all grants of a role', async () => {
  const cx = (await startWorker()).context()
  const ann = actor('user', 'ann', 'access:write')
  const row = {
    ...{ id: 'grt_1', role: 'resident', object_id: 'home', not_before: null, expires_at: null },
    ...{ condition: null, condition_reads: null, created_at: 1, updated_at: 1, version: 1 },
  }
  const statements: Statement<unknown>[] = [
    listLacking(ann, listNeededForPrincipal('bob', 1), 1),
    listLacking(ann, listConferred(scalar`${'g'}`, scalar`${'m'}`, 1), 1),
    insertGrant(row, scalar`${'ann'}`),
    demandNoSameGrant(row, scalar`${'ann'}`),
    findGrantsByKeys([{ subject: 'ann', role: 'r', object: '*' }]),
    listGrantsAfter('', 9, { subject: 'ann', role: 'r', object: 'home' }, undefined),
    listGrantsAfter('', 9, { role: 'r', object: 'home' }, undefined),
    listGrantsAfter('', 9, { role: 'r', object: 'home' }, [{ group_id: 'home', since: 1 }]),
  ]
  for (const statement of statements) {
    const plan = await cx.db.read(sql<{ detail: string }>`explain query plan ${statement}`)
    const steps = plan.map(({ detail }) => detail)
    expect(steps.length).toBeGreaterThan(0)
    expect(steps.filter((step) => step.includes('grant_role'))).toEqual([])
  }
})

test('every operation has a name, a scope and a description in the API document', () => {
  const operations = [accessRoutes(), evaluationRoutes()].flatMap((api) => {
    const document = api.getOpenAPI31Document({
      openapi: '3.1.0',
      info: { title: 't', version: '1' },
    })
    return Object.values(document.paths ?? {}).flatMap((path) => Object.values(path))
  }) as { operationId: string; security: { oauth2: string[] }[] }[]
  expect(operations.map((one) => one.operationId).sort()).toEqual(
    [
      ...['createGroup', 'listGroups', 'getGroup', 'updateGroup', 'deleteGroup'],
      ...['listGroupMembers', 'addGroupMember', 'removeGroupMember'],
      ...['createRole', 'listRoles', 'getRole', 'updateRole', 'deleteRole'],
      ...['createGrant', 'listGrants', 'getGrant', 'updateGrant', 'deleteGrant'],
      ...['evaluateAccess', 'evaluateAccessBatch'],
      ...['searchSubjects', 'searchResources', 'searchActions', 'previewAccess'],
      ...['explainAccess', 'listSubjectAccess', 'listObjectAccess'],
    ].sort(),
  )
  for (const { operationId, security } of operations) {
    const writes = /^(create|update|delete|add|remove)/.test(operationId)
    expect([operationId, security[0]?.oauth2]).toEqual([
      operationId,
      [writes ? 'access:write' : 'access:read'],
    ])
  }
})
