// /v1/users/{id}/login_ids; login_ids.ts has the plate of this room.
import { idSchema } from '../../access/principals.ts'
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, nothing, z } from '../../api.ts'
import {
  addUserLoginId,
  listUserLoginIds,
  loginIdInput,
  loginIdSchema,
  makeUserLoginIdPrimary,
  removeUserLoginId,
} from './user_login_ids.ts'

const byUser = z.object({ id: idSchema })
const byName = z.object({
  id: idSchema,
  login_id: z.string().regex(/^lid_[0-9a-z]{26}$/, 'must be the id of a name'),
})

export function loginIdRoutes(): Api {
  const api = createApi()

  operation(api, {
    id: 'listUserLoginIds',
    at: 'GET /v1/users/{id}/login_ids',
    summary: 'The names of a user: addresses, user name, phones',
    scope: 'users:read',
    params: byUser,
    answers: {
      200: json(z.object({ items: z.array(loginIdSchema), next_cursor: z.null() }), 'the names'),
    },
    async run(c, { params }) {
      const items = await listUserLoginIds(c.var.cx, params.id)
      return c.json({ items, next_cursor: null }, 200)
    },
  })

  operation(api, {
    id: 'addUserLoginId',
    at: 'POST /v1/users/{id}/login_ids',
    summary: 'Give a user another name',
    scope: 'users:write',
    params: byUser,
    body: loginIdInput,
    answers: { 201: json(loginIdSchema, 'the name') },
    run: async (c, { params, body }) =>
      c.json(await addUserLoginId(c.var.cx, params.id, body), 201),
  })

  operation(api, {
    id: 'removeUserLoginId',
    at: 'DELETE /v1/users/{id}/login_ids/{login_id}',
    summary: 'Take a name from a user; the last one by which the user signs in stays',
    scope: 'users:write',
    params: byName,
    answers: nothing('the name is gone'),
    problems: ['conflict'],
    async run(c, { params }) {
      await removeUserLoginId(c.var.cx, params.id, params.login_id)
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'makeUserLoginIdPrimary',
    at: 'POST /v1/users/{id}/login_ids/{login_id}/primary',
    summary: 'Let mails go to this address of a user',
    scope: 'users:write',
    params: byName,
    answers: { 200: json(loginIdSchema, 'the address') },
    run: async (c, { params }) =>
      c.json(await makeUserLoginIdPrimary(c.var.cx, params.id, params.login_id), 200),
  })

  return api
}
