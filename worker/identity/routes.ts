// Identity: people, passwords, browser sessions, login, set-up.
// Routes: /v1/users, their sessions and factors (here); /login, /account, /logout, /setup, /recover
// (login_routes.ts). Sign-ins on their way are sign_in/'s, second factors factors/'s, passkeys
// passkeys/'s, texts and decisions consents/'s; continue/ asks for what requirements.ts finds
// missing.
// Tables: `user`, `session`, `setup_link` (store.ts), `account_link` (recovery_store.ts).
// Files: sessions.ts has the cookie and the life of a session, passwords.ts the rule and the hash,
// csrf.ts the guard of every form.
// Leaves rights to access/, and to oauth/ all that hangs on a session; it never learns that oauth/
// exists, since login ends in a redirect to an opaque path of our own origin.
import { idSchema } from '../access/principals.ts'
import { operation, streamJson } from '../api/operation.ts'
import { type Api, createApi, demandedVersion, json, listOf, nothing, tag, z } from '../api.ts'
import { exportSchema, exportUser } from './export/data_export.ts'
import { factorsSchema, listUserFactors, removeUserFactor } from './factors/user_factors.ts'
import { listUsers, usersQuery } from './login_ids/user_search.ts'
import {
  createPasswordLink,
  type EndAccess,
  passwordLinkInput,
  passwordLinkSchema,
} from './recovery.ts'
import type { SessionsEnded } from './sessions.ts'
import { createSignInLink, signInLinkInput } from './sign_in/operator_link.ts'
import {
  endUserSession,
  endUserSessions,
  listUserSessions,
  sessionSchema,
} from './user_sessions.ts'
import {
  changeUser,
  createUser,
  describeUser,
  getUser,
  newUserInput,
  removeUser,
  showUser,
  userPatch,
  userSchema,
} from './users.ts'

const byId = z.object({ id: idSchema })
const bySession = z.object({
  id: idSchema,
  session_id: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be the id of a session'),
})
const byFactor = z.object({
  id: idSchema,
  factor_id: z.string().regex(/^fac_[0-9a-z]{26}$/, 'must be the id of a factor'),
})

export function userRoutes({
  onSessionsEnded,
  endAccess,
}: {
  onSessionsEnded: SessionsEnded
  endAccess: EndAccess
}): Api {
  const api = createApi()

  operation(api, {
    id: 'createUser',
    at: 'POST /v1/users',
    summary: 'Create a user',
    scope: 'users:write',
    body: newUserInput,
    answers: { 201: json(userSchema, 'the user') },
    async run(c, { body }) {
      const row = await createUser(c.var.cx, body)
      tag(c, row.version)
      c.header('Location', `/v1/users/${row.id}`)
      return c.json(describeUser(row), 201)
    },
  })

  operation(api, {
    id: 'listUsers',
    at: 'GET /v1/users',
    summary: 'All users, or those that a search and filters find',
    scope: 'users:read',
    isWithinReach: true,
    query: usersQuery,
    answers: { 200: json(listOf(userSchema), 'a page of users') },
    run: async (c, { query }) => c.json(await listUsers(c.var.cx, query), 200),
  })

  operation(api, {
    id: 'getUser',
    at: 'GET /v1/users/{id}',
    summary: 'A user',
    scope: 'users:read',
    isWithinReach: true,
    params: byId,
    answers: { 200: json(userSchema, 'the user') },
    async run(c, { params }) {
      const row = await getUser(c.var.cx, params.id)
      tag(c, row.version)
      return c.json(showUser(c.var.cx, row), 200)
    },
  })

  operation(api, {
    id: 'updateUser',
    at: 'PATCH /v1/users/{id}',
    summary:
      'Change a user (merge patch); disabling or closing one ends all sessions and tokens, for good',
    scope: 'users:write',
    params: byId,
    body: userPatch,
    answers: { 200: json(userSchema, 'the user as changed') },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params: { id }, body }) {
      const row = await changeUser(c.var.cx, id, body, demandedVersion(c))
      tag(c, row.version)
      return c.json(describeUser(row), 200)
    },
  })

  operation(api, {
    id: 'deleteUser',
    at: 'DELETE /v1/users/{id}',
    summary: 'Delete a user, with sessions, memberships and grants; the id is never given again',
    scope: 'users:write',
    params: byId,
    answers: nothing('the user is gone'),
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params }) {
      await removeUser(c.var.cx, params.id, demandedVersion(c), endAccess)
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'exportUser',
    at: 'GET /v1/users/{id}/export',
    summary: 'A copy of all that is kept about a user, without secrets; it is sent piece by piece',
    scope: 'users:read',
    params: byId,
    answers: { 200: json(exportSchema, 'the copy') },
    run: async (c, { params }) => streamJson(c, await exportUser(c.var.cx, params.id)),
  })

  operation(api, {
    id: 'resetUser',
    at: 'POST /v1/users/{id}/reset',
    summary:
      'Make a one-time link to a new password, good for an hour; it is shown this once, or mailed',
    scope: 'users:write',
    params: byId,
    body: passwordLinkInput,
    isBodyOptional: true,
    answers: { 201: json(passwordLinkSchema, 'the link; links from before are dead') },
    async run(c, { params, body }) {
      const link = await createPasswordLink(c.var.cx, params.id, body)
      c.header('Cache-Control', 'no-store')
      return c.json(link, 201)
    },
  })

  operation(api, {
    id: 'createSignInLink',
    at: 'POST /v1/users/{id}/sign_in_link',
    summary:
      'Make a one-time link that signs a user in, good for an hour; it is shown this once, or mailed',
    scope: 'users:write',
    params: byId,
    body: signInLinkInput,
    isBodyOptional: true,
    answers: {
      201: json(passwordLinkSchema, 'the link; those that operators made before are dead'),
    },
    problems: ['conflict'],
    async run(c, { params, body }) {
      const link = await createSignInLink(c.var.cx, params.id, body)
      c.header('Cache-Control', 'no-store')
      return c.json(link, 201)
    },
  })

  operation(api, {
    id: 'listUserSessions',
    at: 'GET /v1/users/{id}/sessions',
    summary: 'The live sessions of a user, newest first',
    scope: 'users:read',
    params: byId,
    answers: {
      200: json(z.object({ items: z.array(sessionSchema), next_cursor: z.null() }), 'the sessions'),
    },
    async run(c, { params }) {
      const items = await listUserSessions(c.var.cx, params.id)
      return c.json({ items, next_cursor: null }, 200)
    },
  })

  operation(api, {
    id: 'endUserSessions',
    at: 'DELETE /v1/users/{id}/sessions',
    summary: 'End all sessions of a user',
    scope: 'users:write',
    params: byId,
    answers: nothing('no session is left'),
    async run(c, { params }) {
      await endUserSessions(c.var.cx, params.id, onSessionsEnded)
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'endUserSession',
    at: 'DELETE /v1/users/{id}/sessions/{session_id}',
    summary: 'End one session of a user',
    scope: 'users:write',
    params: bySession,
    answers: nothing('the session is over'),
    async run(c, { params }) {
      await endUserSession(c.var.cx, params.id, params.session_id, onSessionsEnded)
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'listUserFactors',
    at: 'GET /v1/users/{id}/factors',
    summary: 'The second factors and passkeys of a user, and how many recovery codes are left',
    scope: 'users:read',
    params: byId,
    answers: { 200: json(factorsSchema, 'the factors') },
    run: async (c, { params }) => c.json(await listUserFactors(c.var.cx, params.id), 200),
  })

  operation(api, {
    id: 'removeUserFactor',
    at: 'DELETE /v1/users/{id}/factors/{factor_id}',
    summary: 'Remove a second factor or passkey of a user who lost it',
    scope: 'users:write',
    params: byFactor,
    answers: nothing('the factor is gone'),
    async run(c, { params }) {
      await removeUserFactor(c.var.cx, params.id, params.factor_id)
      return c.body(null, 204)
    },
  })

  return api
}
