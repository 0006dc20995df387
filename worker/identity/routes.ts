// Users and their sessions in the management API.
import { assertMayEditPrincipal } from '../access/power.ts'
import { idSchema } from '../access/principals.ts'
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
import { emailKey, emailSchema } from './emails.ts'
import { profileSchema, readProfile } from './profile.ts'
import { endAllSessions, endSession, type SessionRow, type SessionsEnded } from './sessions.ts'
import { findUserById, listLiveSessions, listUsers, type UserRow } from './store.ts'
import { createUser, deleteUser, updateUser, userInput, userPatch } from './users.ts'

const userSchema = z
  .object({
    id: z.string(),
    email: z.string(),
    email_verified: z.boolean(),
    name: z.string().nullable(),
    locale: z.string().nullable(),
    status: z.enum(['active', 'disabled']),
    metadata: z.record(z.string(), z.unknown()),
    profile: profileSchema,
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('User')

const sessionSchema = z
  .object({
    id: z.string(),
    auth_time: z.int(),
    amr: z.array(z.string()),
    created_at: z.int(),
    last_seen_at: z.int(),
    expires_at: z.int(),
    address: z.string(),
    user_agent: z.string(),
  })
  .openapi('Session')

const tags = ['users']
const byId = z.object({ id: idSchema })
const bySession = z.object({
  id: idSchema,
  session_id: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be the id of a session'),
})

const createUserRoute = createRoute({
  method: 'post',
  path: '/v1/users',
  operationId: 'createUser',
  tags,
  summary: 'Create a user',
  ...scoped('users:write'),
  request: { body: jsonBody(userInput) },
  responses: {
    201: json(userSchema, 'the user'),
    ...problems('invalid_request', 'unauthorized', 'forbidden', 'conflict'),
  },
})

const listUsersRoute = createRoute({
  method: 'get',
  path: '/v1/users',
  operationId: 'listUsers',
  tags,
  summary: 'All users, or those with an e-mail address or status',
  ...scoped('users:read'),
  request: {
    query: listQuery.extend({
      email: emailSchema.optional(),
      status: z.enum(['active', 'disabled']).optional(),
    }),
  },
  responses: {
    200: json(listOf(userSchema), 'a page of users'),
    ...problems('invalid_request', 'unauthorized', 'forbidden'),
  },
})

const getUserRoute = createRoute({
  method: 'get',
  path: '/v1/users/{id}',
  operationId: 'getUser',
  tags,
  summary: 'A user',
  ...scoped('users:read'),
  request: { params: byId },
  responses: {
    200: json(userSchema, 'the user'),
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

const updateUserRoute = createRoute({
  method: 'patch',
  path: '/v1/users/{id}',
  operationId: 'updateUser',
  tags,
  summary: 'Change a user (merge patch); disabling one ends all sessions',
  ...scoped('users:write'),
  request: { params: byId, body: jsonBody(userPatch) },
  responses: {
    200: json(userSchema, 'the user as changed'),
    ...problems(
      'invalid_request',
      'unauthorized',
      'forbidden',
      'not_found',
      'conflict',
      'precondition_failed',
    ),
  },
})

const deleteUserRoute = createRoute({
  method: 'delete',
  path: '/v1/users/{id}',
  operationId: 'deleteUser',
  tags,
  summary: 'Delete a user, with sessions, memberships and grants; the id is never given again',
  ...scoped('users:write'),
  request: { params: byId },
  responses: {
    204: { description: 'the user is gone' },
    ...problems('unauthorized', 'forbidden', 'not_found', 'conflict', 'precondition_failed'),
  },
})

const listSessionsRoute = createRoute({
  method: 'get',
  path: '/v1/users/{id}/sessions',
  operationId: 'listUserSessions',
  tags,
  summary: 'The live sessions of a user, newest first',
  ...scoped('users:read'),
  request: { params: byId },
  responses: {
    200: json(z.object({ items: z.array(sessionSchema), next_cursor: z.null() }), 'the sessions'),
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

const endSessionsRoute = createRoute({
  method: 'delete',
  path: '/v1/users/{id}/sessions',
  operationId: 'endUserSessions',
  tags,
  summary: 'End all sessions of a user',
  ...scoped('users:write'),
  request: { params: byId },
  responses: {
    204: { description: 'no session is left' },
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

const endSessionRoute = createRoute({
  method: 'delete',
  path: '/v1/users/{id}/sessions/{session_id}',
  operationId: 'endUserSession',
  tags,
  summary: 'End one session of a user',
  ...scoped('users:write'),
  request: { params: bySession },
  responses: {
    204: { description: 'the session is over' },
    ...problems('unauthorized', 'forbidden', 'not_found'),
  },
})

export function userRoutes({ ended }: { ended: SessionsEnded }): Api {
  const api = createApi()

  api.openapi(createUserRoute, async (c) => {
    const row = await createUser(c.var.cx, c.req.valid('json'))
    tag(c, row.version)
    c.header('Location', `/v1/users/${row.id}`)
    return c.json(describe(row), 201)
  })

  api.openapi(listUsersRoute, async (c) => {
    const { cx } = c.var
    const { limit, cursor, email, status } = c.req.valid('query')
    const after = decodeCursor(cx, 'users', cursor)
    const email_key = email === undefined ? undefined : emailKey(email)
    const rows = await cx.db.read(listUsers(after, limit, { email_key, status }))
    return c.json(
      page(cx, 'users', rows, limit, (row) => row.id, describe),
      200,
    )
  })

  api.openapi(getUserRoute, async (c) => {
    const [row] = await c.var.cx.db.read(findUserById(c.req.valid('param').id))
    if (row === undefined) throw noSuchUser()
    tag(c, row.version)
    return c.json(describe(row), 200)
  })

  api.openapi(updateUserRoute, async (c) => {
    const { id } = c.req.valid('param')
    const row = await updateUser(c.var.cx, id, c.req.valid('json'), demandedVersion(c))
    tag(c, row.version)
    return c.json(describe(row), 200)
  })

  api.openapi(deleteUserRoute, async (c) => {
    await deleteUser(c.var.cx, c.req.valid('param').id, demandedVersion(c))
    return c.body(null, 204)
  })

  api.openapi(listSessionsRoute, async (c) => {
    const { cx } = c.var
    const { id } = c.req.valid('param')
    const { users, sessions } = await cx.db.read({
      users: findUserById(id),
      sessions: listLiveSessions(cx, id),
    })
    if (users.length === 0) throw noSuchUser()
    return c.json({ items: sessions.map(describeSession), next_cursor: null }, 200)
  })

  api.openapi(endSessionsRoute, async (c) => {
    const { cx } = c.var
    const { id } = c.req.valid('param')
    await assertMayEditPrincipal(cx, id)
    const { users } = await cx.db.write({
      changes: endAllSessions(cx, id),
      users: findUserById(id),
    })
    if (users.length !== 1) throw noSuchUser()
    await ended(cx, id)
    return c.body(null, 204)
  })

  api.openapi(endSessionRoute, async (c) => {
    const { cx } = c.var
    const { id, session_id } = c.req.valid('param')
    await assertMayEditPrincipal(cx, id)
    const live = await cx.db.read(listLiveSessions(cx, id))
    if (!live.some((row) => row.id_hash === session_id)) {
      throw new Problem('not_found', 'this user has no such session')
    }
    await cx.db.write(endSession(cx, id, session_id))
    await ended(cx, id)
    return c.body(null, 204)
  })

  return api
}

const noSuchUser = () => new Problem('not_found', 'there is no such user')

// The password hash is not here, nor is anything that could become one.
const describe = (row: UserRow): z.infer<typeof userSchema> => ({
  id: row.id,
  email: row.email,
  email_verified: row.email_verified === 1,
  name: row.name,
  locale: row.locale,
  status: row.status,
  metadata: JSON.parse(row.metadata),
  profile: readProfile(row.profile),
  created_at: row.created_at,
  updated_at: row.updated_at,
})

const describeSession = (row: SessionRow): z.infer<typeof sessionSchema> => ({
  id: row.id_hash,
  auth_time: row.auth_time,
  amr: JSON.parse(row.amr),
  created_at: row.created_at,
  last_seen_at: row.last_seen_at,
  expires_at: row.expires_at,
  address: row.address,
  user_agent: row.user_agent,
})
