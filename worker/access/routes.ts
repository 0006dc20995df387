// Access: principals (one id space), groups, roles, grants, decisions and the `acl` claim.
// Routes: /v1/groups, /v1/roles, /v1/grants; decisions/ has /access/v1.
// Tables: `principal` (principals.ts), `group`, `membership`, `role`, `grant` (store.ts).
// Files: rights.ts reads rights, acl_claim.ts and narrowed_rights.ts compile rules, power.ts says
// what an actor may hand on, evaluation.ts answers questions of other programs.
// Leaves to the rooms above whether a principal may act at all, and to policy/ what a rule means.
import { operation } from '../api/operation.ts'
import {
  type Api,
  createApi,
  demandedVersion,
  json,
  listOf,
  listQuery,
  nothing,
  tag,
  z,
} from '../api.ts'
import {
  changeGrant,
  createGrant,
  describeGrant,
  getGrant,
  grantInput,
  grantPatch,
  grantSchema,
  listGrants,
  removeGrant,
} from './grants.ts'
import { addMember, listMembers, memberInput, memberSchema, removeMember } from './group_members.ts'
import {
  changeGroup,
  createGroup,
  getGroup,
  groupInput,
  groupPatch,
  groupSchema,
  listGroups,
  removeGroup,
  showGroup,
} from './groups.ts'
import { idSchema } from './principals.ts'
import {
  changeRole,
  createRole,
  describeRole,
  getRole,
  listRoles,
  removeRole,
  roleInput,
  rolePatch,
  roleSchema,
} from './roles.ts'

const byId = z.object({ id: idSchema })
const byName = z.object({ name: idSchema })

export function accessRoutes(): Api {
  const api = createApi()
  groupOperations(api)
  memberOperations(api)
  roleOperations(api)
  grantOperations(api)
  return api
}

function groupOperations(api: Api): void {
  operation(api, {
    id: 'createGroup',
    at: 'POST /v1/groups',
    summary: 'Make a group',
    scope: 'access:write',
    isWithinReach: true,
    body: groupInput,
    answers: { 201: json(groupSchema, 'The group') },
    async run(c, { body }) {
      const row = await createGroup(c.var.cx, body)
      tag(c, row.version)
      c.header('Location', `/v1/groups/${row.id}`)
      return c.json(showGroup(c.var.cx, row), 201)
    },
  })
  operation(api, {
    id: 'listGroups',
    at: 'GET /v1/groups',
    summary: 'Groups, page by page',
    scope: 'access:read',
    isWithinReach: true,
    query: listQuery.extend({ kind: idSchema.optional(), parent_id: idSchema.optional() }),
    answers: { 200: json(listOf(groupSchema), 'A page of groups') },
    run: async (c, { query }) => c.json(await listGroups(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'getGroup',
    at: 'GET /v1/groups/{id}',
    summary: 'One group',
    scope: 'access:read',
    isWithinReach: true,
    params: byId,
    answers: { 200: json(groupSchema, 'The group') },
    async run(c, { params }) {
      const row = await getGroup(c.var.cx, params.id)
      tag(c, row.version)
      return c.json(showGroup(c.var.cx, row), 200)
    },
  })
  operation(api, {
    id: 'updateGroup',
    at: 'PATCH /v1/groups/{id}',
    summary: 'Change or move a group',
    scope: 'access:write',
    isWithinReach: true,
    params: byId,
    body: groupPatch,
    answers: { 200: json(groupSchema, 'The group as it is now') },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params, body }) {
      const row = await changeGroup(c.var.cx, params.id, body, demandedVersion(c))
      tag(c, row.version)
      return c.json(showGroup(c.var.cx, row), 200)
    },
  })
  operation(api, {
    id: 'deleteGroup',
    at: 'DELETE /v1/groups/{id}',
    summary: 'Delete a group that nothing is in',
    scope: 'access:write',
    isWithinReach: true,
    params: byId,
    answers: nothing('Done'),
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params }) {
      await removeGroup(c.var.cx, params.id, demandedVersion(c))
      return c.body(null, 204)
    },
  })
}

function memberOperations(api: Api): void {
  operation(api, {
    id: 'listGroupMembers',
    at: 'GET /v1/groups/{id}/members',
    summary: 'Who and what is in a group itself',
    scope: 'access:read',
    isWithinReach: true,
    params: byId,
    query: listQuery.extend({ kind: z.enum(['user', 'client', 'device']).optional() }),
    answers: { 200: json(listOf(memberSchema), 'A page of direct members') },
    run: async (c, { params, query }) => c.json(await listMembers(c.var.cx, params.id, query), 200),
  })
  operation(api, {
    id: 'addGroupMember',
    at: 'POST /v1/groups/{id}/members',
    summary: 'Put a user, device or client into a group, or move the end of a membership',
    scope: 'access:write',
    isWithinReach: true,
    params: byId,
    body: memberInput,
    answers: {
      200: json(memberSchema, 'It was a member already'),
      201: json(memberSchema, 'The new member'),
    },
    async run(c, { params: { id }, body }) {
      const { member, added } = await addMember(c.var.cx, id, body.id, body.expires_at)
      if (!added) return c.json(member, 200)
      c.header('Location', `/v1/groups/${id}/members/${member.id}`)
      return c.json(member, 201)
    },
  })
  operation(api, {
    id: 'removeGroupMember',
    at: 'DELETE /v1/groups/{id}/members/{member_id}',
    summary: 'Take one out of a group',
    scope: 'access:write',
    isWithinReach: true,
    params: byId.extend({ member_id: idSchema }),
    answers: nothing('Done'),
    problems: ['conflict'],
    async run(c, { params }) {
      await removeMember(c.var.cx, params.id, params.member_id)
      return c.body(null, 204)
    },
  })
}

function roleOperations(api: Api): void {
  operation(api, {
    id: 'createRole',
    at: 'POST /v1/roles',
    summary: 'Make a role',
    scope: 'access:write',
    body: roleInput,
    answers: { 201: json(roleSchema, 'The role') },
    async run(c, { body }) {
      const row = await createRole(c.var.cx, body)
      tag(c, row.version)
      c.header('Location', `/v1/roles/${row.name}`)
      return c.json(describeRole(row), 201)
    },
  })
  operation(api, {
    id: 'listRoles',
    at: 'GET /v1/roles',
    summary: 'Roles, page by page',
    scope: 'access:read',
    isWithinReach: true,
    query: listQuery,
    answers: { 200: json(listOf(roleSchema), 'A page of roles') },
    run: async (c, { query }) => c.json(await listRoles(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'getRole',
    at: 'GET /v1/roles/{name}',
    summary: 'One role',
    scope: 'access:read',
    isWithinReach: true,
    params: byName,
    answers: { 200: json(roleSchema, 'The role') },
    async run(c, { params }) {
      const row = await getRole(c.var.cx, params.name)
      tag(c, row.version)
      return c.json(describeRole(row), 200)
    },
  })
  operation(api, {
    id: 'updateRole',
    at: 'PATCH /v1/roles/{name}',
    summary: 'Change what a role permits',
    scope: 'access:write',
    params: byName,
    body: rolePatch,
    answers: { 200: json(roleSchema, 'The role as it is now') },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params, body }) {
      const row = await changeRole(c.var.cx, params.name, body, demandedVersion(c))
      tag(c, row.version)
      return c.json(describeRole(row), 200)
    },
  })
  operation(api, {
    id: 'deleteRole',
    at: 'DELETE /v1/roles/{name}',
    summary: 'Delete a role that no grant uses',
    scope: 'access:write',
    params: byName,
    answers: nothing('Done'),
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params }) {
      await removeRole(c.var.cx, params.name, demandedVersion(c))
      return c.body(null, 204)
    },
  })
}

function grantOperations(api: Api): void {
  operation(api, {
    id: 'createGrant',
    at: 'POST /v1/grants',
    summary: 'Give a subject a role on an object',
    scope: 'access:write',
    isWithinReach: true,
    body: grantInput,
    answers: { 201: json(grantSchema, 'The grant') },
    async run(c, { body }) {
      const row = await createGrant(c.var.cx, body)
      tag(c, row.version)
      c.header('Location', `/v1/grants/${row.id}`)
      return c.json(describeGrant(row), 201)
    },
  })
  operation(api, {
    id: 'listGrants',
    at: 'GET /v1/grants',
    summary: 'Grants, page by page',
    scope: 'access:read',
    isWithinReach: true,
    query: listQuery.extend({
      subject: idSchema.optional(),
      role: idSchema.optional(),
      object: z.union([z.literal('*'), idSchema]).optional(),
    }),
    answers: { 200: json(listOf(grantSchema), 'A page of grants') },
    run: async (c, { query }) => c.json(await listGrants(c.var.cx, query), 200),
  })
  operation(api, {
    id: 'getGrant',
    at: 'GET /v1/grants/{id}',
    summary: 'One grant',
    scope: 'access:read',
    isWithinReach: true,
    params: byId,
    answers: { 200: json(grantSchema, 'The grant') },
    async run(c, { params }) {
      const row = await getGrant(c.var.cx, params.id)
      tag(c, row.version)
      return c.json(describeGrant(row), 200)
    },
  })
  operation(api, {
    id: 'updateGrant',
    at: 'PATCH /v1/grants/{id}',
    summary: 'Change the times of a grant',
    scope: 'access:write',
    isWithinReach: true,
    params: byId,
    body: grantPatch,
    answers: { 200: json(grantSchema, 'The grant as it is now') },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params, body }) {
      const row = await changeGrant(c.var.cx, params.id, body, demandedVersion(c))
      tag(c, row.version)
      return c.json(describeGrant(row), 200)
    },
  })
  operation(api, {
    id: 'deleteGrant',
    at: 'DELETE /v1/grants/{id}',
    summary: 'Take a grant back',
    scope: 'access:write',
    isWithinReach: true,
    params: byId,
    answers: nothing('Done'),
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params }) {
      await removeGrant(c.var.cx, params.id, demandedVersion(c))
      return c.body(null, 204)
    },
  })
}
