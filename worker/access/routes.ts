// /v1/groups, /v1/roles and /v1/grants: HTTP in and out.
import {
  type Api,
  createApi,
  createRoute,
  decodeCursor,
  demandedVersion,
  json,
  jsonBody,
  listOf,
  listQuery,
  page,
  problems,
  scoped,
  tag,
  z,
} from '../api.ts'
import { Problem } from '../errors.ts'
import {
  createGrant,
  deleteGrant,
  describeGrant,
  getGrant,
  grantInput,
  grantPatch,
  grantSchema,
  updateGrant,
} from './grants.ts'
import {
  addMember,
  createGroup,
  deleteGroup,
  getGroup,
  groupInput,
  groupPatch,
  groupSchema,
  memberInput,
  memberSchema,
  removeMember,
  updateGroup,
} from './groups.ts'
import { idSchema } from './principals.ts'
import {
  createRole,
  deleteRole,
  describeRole,
  getRole,
  roleInput,
  rolePatch,
  roleSchema,
  updateRole,
} from './roles.ts'
import {
  findGroup,
  type GroupRow,
  listGrants,
  listGroups,
  listMembers,
  listRoles,
} from './store.ts'

const refused = problems('invalid_request', 'unauthorized', 'forbidden', 'not_found')
const refusedWrite = problems(
  'invalid_request',
  'unauthorized',
  'forbidden',
  'not_found',
  'conflict',
  'precondition_failed',
)
const nothing = { 204: { description: 'Done' } }
const byId = z.object({ id: idSchema })
const byName = z.object({ name: idSchema })

const describeGroup = ({ version: _, ...group }: GroupRow): z.infer<typeof groupSchema> => group

export function accessRoutes(): Api {
  const api = createApi()
  groupRoutes(api)
  memberRoutes(api)
  roleRoutes(api)
  grantRoutes(api)
  return api
}

function groupRoutes(api: Api): void {
  api.openapi(
    createRoute({
      method: 'post',
      path: '/v1/groups',
      operationId: 'createGroup',
      summary: 'Make a group',
      tags: ['access'],
      ...scoped('access:write'),
      request: { body: jsonBody(groupInput) },
      responses: { 201: json(groupSchema, 'The group'), ...refusedWrite },
    }),
    async (c) => {
      const row = await createGroup(c.var.cx, c.req.valid('json'))
      tag(c, row.version)
      c.header('Location', `/v1/groups/${row.id}`)
      return c.json(describeGroup(row), 201)
    },
  )
  api.openapi(
    createRoute({
      method: 'get',
      path: '/v1/groups',
      operationId: 'listGroups',
      summary: 'Groups, page by page',
      tags: ['access'],
      ...scoped('access:read'),
      request: {
        query: listQuery.extend({ kind: idSchema.optional(), parent_id: idSchema.optional() }),
      },
      responses: { 200: json(listOf(groupSchema), 'A page of groups'), ...refused },
    }),
    async (c) => {
      const { limit, cursor, kind, parent_id } = c.req.valid('query')
      const { cx } = c.var
      const after = decodeCursor(cx, 'groups', cursor)
      const rows = await cx.db.read(listGroups(after, limit, { kind, parent_id }))
      return c.json(
        page(cx, 'groups', rows, limit, (row) => row.id, describeGroup),
        200,
      )
    },
  )
  api.openapi(
    createRoute({
      method: 'get',
      path: '/v1/groups/{id}',
      operationId: 'getGroup',
      summary: 'One group',
      tags: ['access'],
      ...scoped('access:read'),
      request: { params: byId },
      responses: { 200: json(groupSchema, 'The group'), ...refused },
    }),
    async (c) => {
      const row = await getGroup(c.var.cx, c.req.valid('param').id)
      tag(c, row.version)
      return c.json(describeGroup(row), 200)
    },
  )
  api.openapi(
    createRoute({
      method: 'patch',
      path: '/v1/groups/{id}',
      operationId: 'updateGroup',
      summary: 'Change or move a group',
      tags: ['access'],
      ...scoped('access:write'),
      request: { params: byId, body: jsonBody(groupPatch) },
      responses: { 200: json(groupSchema, 'The group as it is now'), ...refusedWrite },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const row = await updateGroup(c.var.cx, id, c.req.valid('json'), demandedVersion(c))
      tag(c, row.version)
      return c.json(describeGroup(row), 200)
    },
  )
  api.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/groups/{id}',
      operationId: 'deleteGroup',
      summary: 'Delete a group that nothing is in',
      tags: ['access'],
      ...scoped('access:write'),
      request: { params: byId },
      responses: { ...nothing, ...refusedWrite },
    }),
    async (c) => {
      await deleteGroup(c.var.cx, c.req.valid('param').id, demandedVersion(c))
      return c.body(null, 204)
    },
  )
}

function memberRoutes(api: Api): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/v1/groups/{id}/members',
      operationId: 'listGroupMembers',
      summary: 'Who and what is in a group itself',
      tags: ['access'],
      ...scoped('access:read'),
      request: {
        params: byId,
        query: listQuery.extend({ kind: z.enum(['user', 'client', 'device']).optional() }),
      },
      responses: { 200: json(listOf(memberSchema), 'A page of direct members'), ...refused },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const { limit, cursor, kind } = c.req.valid('query')
      const { cx } = c.var
      const after = decodeCursor(cx, `members ${id}`, cursor)
      const {
        group: [group],
        rows,
      } = await cx.db.read({
        group: findGroup(id),
        rows: listMembers(id, after, limit, kind),
      })
      if (group === undefined) throw new Problem('not_found', 'there is no such group')
      return c.json(
        page(
          cx,
          `members ${id}`,
          rows,
          limit,
          (row) => row.id,
          (row) => row,
        ),
        200,
      )
    },
  )
  api.openapi(
    createRoute({
      method: 'post',
      path: '/v1/groups/{id}/members',
      operationId: 'addGroupMember',
      summary: 'Put a user, device or client into a group',
      tags: ['access'],
      ...scoped('access:write'),
      request: { params: byId, body: jsonBody(memberInput) },
      responses: {
        200: json(memberSchema, 'It was a member already'),
        201: json(memberSchema, 'The new member'),
        ...refusedWrite,
      },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const { member, added } = await addMember(c.var.cx, id, c.req.valid('json').id)
      if (!added) return c.json(member, 200)
      c.header('Location', `/v1/groups/${id}/members/${member.id}`)
      return c.json(member, 201)
    },
  )
  api.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/groups/{id}/members/{member_id}',
      operationId: 'removeGroupMember',
      summary: 'Take one out of a group',
      tags: ['access'],
      ...scoped('access:write'),
      request: { params: byId.extend({ member_id: idSchema }) },
      responses: { ...nothing, ...refusedWrite },
    }),
    async (c) => {
      const { id, member_id } = c.req.valid('param')
      await removeMember(c.var.cx, id, member_id)
      return c.body(null, 204)
    },
  )
}

function roleRoutes(api: Api): void {
  api.openapi(
    createRoute({
      method: 'post',
      path: '/v1/roles',
      operationId: 'createRole',
      summary: 'Make a role',
      tags: ['access'],
      ...scoped('access:write'),
      request: { body: jsonBody(roleInput) },
      responses: { 201: json(roleSchema, 'The role'), ...refusedWrite },
    }),
    async (c) => {
      const row = await createRole(c.var.cx, c.req.valid('json'))
      tag(c, row.version)
      c.header('Location', `/v1/roles/${row.name}`)
      return c.json(describeRole(row), 201)
    },
  )
  api.openapi(
    createRoute({
      method: 'get',
      path: '/v1/roles',
      operationId: 'listRoles',
      summary: 'Roles, page by page',
      tags: ['access'],
      ...scoped('access:read'),
      request: { query: listQuery },
      responses: { 200: json(listOf(roleSchema), 'A page of roles'), ...refused },
    }),
    async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const { cx } = c.var
      const rows = await cx.db.read(listRoles(decodeCursor(cx, 'roles', cursor), limit))
      return c.json(
        page(cx, 'roles', rows, limit, (row) => row.name, describeRole),
        200,
      )
    },
  )
  api.openapi(
    createRoute({
      method: 'get',
      path: '/v1/roles/{name}',
      operationId: 'getRole',
      summary: 'One role',
      tags: ['access'],
      ...scoped('access:read'),
      request: { params: byName },
      responses: { 200: json(roleSchema, 'The role'), ...refused },
    }),
    async (c) => {
      const row = await getRole(c.var.cx, c.req.valid('param').name)
      tag(c, row.version)
      return c.json(describeRole(row), 200)
    },
  )
  api.openapi(
    createRoute({
      method: 'patch',
      path: '/v1/roles/{name}',
      operationId: 'updateRole',
      summary: 'Change what a role permits',
      tags: ['access'],
      ...scoped('access:write'),
      request: { params: byName, body: jsonBody(rolePatch) },
      responses: { 200: json(roleSchema, 'The role as it is now'), ...refusedWrite },
    }),
    async (c) => {
      const { name } = c.req.valid('param')
      const row = await updateRole(c.var.cx, name, c.req.valid('json'), demandedVersion(c))
      tag(c, row.version)
      return c.json(describeRole(row), 200)
    },
  )
  api.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/roles/{name}',
      operationId: 'deleteRole',
      summary: 'Delete a role that no grant uses',
      tags: ['access'],
      ...scoped('access:write'),
      request: { params: byName },
      responses: { ...nothing, ...refusedWrite },
    }),
    async (c) => {
      await deleteRole(c.var.cx, c.req.valid('param').name, demandedVersion(c))
      return c.body(null, 204)
    },
  )
}

function grantRoutes(api: Api): void {
  api.openapi(
    createRoute({
      method: 'post',
      path: '/v1/grants',
      operationId: 'createGrant',
      summary: 'Give a subject a role on an object',
      tags: ['access'],
      ...scoped('access:write'),
      request: { body: jsonBody(grantInput) },
      responses: { 201: json(grantSchema, 'The grant'), ...refusedWrite },
    }),
    async (c) => {
      const row = await createGrant(c.var.cx, c.req.valid('json'))
      tag(c, row.version)
      c.header('Location', `/v1/grants/${row.id}`)
      return c.json(describeGrant(row), 201)
    },
  )
  api.openapi(
    createRoute({
      method: 'get',
      path: '/v1/grants',
      operationId: 'listGrants',
      summary: 'Grants, page by page',
      tags: ['access'],
      ...scoped('access:read'),
      request: {
        query: listQuery.extend({
          subject: idSchema.optional(),
          role: idSchema.optional(),
          object: z.union([z.literal('*'), idSchema]).optional(),
        }),
      },
      responses: { 200: json(listOf(grantSchema), 'A page of grants'), ...refused },
    }),
    async (c) => {
      const { limit, cursor, subject, role, object } = c.req.valid('query')
      const { cx } = c.var
      const after = decodeCursor(cx, 'grants', cursor)
      const rows = await cx.db.read(listGrants(after, limit, { subject, role, object }))
      return c.json(
        page(cx, 'grants', rows, limit, (row) => row.id, describeGrant),
        200,
      )
    },
  )
  api.openapi(
    createRoute({
      method: 'get',
      path: '/v1/grants/{id}',
      operationId: 'getGrant',
      summary: 'One grant',
      tags: ['access'],
      ...scoped('access:read'),
      request: { params: byId },
      responses: { 200: json(grantSchema, 'The grant'), ...refused },
    }),
    async (c) => {
      const row = await getGrant(c.var.cx, c.req.valid('param').id)
      tag(c, row.version)
      return c.json(describeGrant(row), 200)
    },
  )
  api.openapi(
    createRoute({
      method: 'patch',
      path: '/v1/grants/{id}',
      operationId: 'updateGrant',
      summary: 'Change the times of a grant',
      tags: ['access'],
      ...scoped('access:write'),
      request: { params: byId, body: jsonBody(grantPatch) },
      responses: { 200: json(grantSchema, 'The grant as it is now'), ...refusedWrite },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const row = await updateGrant(c.var.cx, id, c.req.valid('json'), demandedVersion(c))
      tag(c, row.version)
      return c.json(describeGrant(row), 200)
    },
  )
  api.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/grants/{id}',
      operationId: 'deleteGrant',
      summary: 'Take a grant back',
      tags: ['access'],
      ...scoped('access:write'),
      request: { params: byId },
      responses: { ...nothing, ...refusedWrite },
    }),
    async (c) => {
      await deleteGrant(c.var.cx, c.req.valid('param').id, demandedVersion(c))
      return c.body(null, 204)
    },
  )
}
