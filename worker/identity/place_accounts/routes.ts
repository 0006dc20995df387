// /v1/groups/{id}/accounts: accounts of people without an address, which owners of a place make.
import { idSchema } from '../../access/principals.ts'
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, listOf, listQuery, z } from '../../api.ts'
import {
  listAccountsOf,
  makePlaceAccount,
  placeAccountInput,
  placeAccountSchema,
  renewPlaceAccount,
  wayInSchema,
} from './place_accounts.ts'

const params = z.object({ id: idSchema })

export function placeAccountRoutes(): Api {
  const api = createApi()

  operation(api, {
    id: 'listPlaceAccounts',
    at: 'GET /v1/groups/{id}/accounts',
    summary: 'Accounts without an address that owners made in a place',
    scope: 'users:read',
    isWithinReach: true,
    params,
    query: listQuery,
    answers: { 200: json(listOf(placeAccountSchema), 'a page of accounts') },
    run: async (c, { params: { id }, query }) =>
      c.json(await listAccountsOf(c.var.cx, id, query), 200),
  })

  operation(api, {
    id: 'createPlaceAccount',
    at: 'POST /v1/groups/{id}/accounts',
    summary: 'Make an account without an address in a place, with a link to its first password',
    scope: 'users:write',
    isWithinReach: true,
    params,
    body: placeAccountInput,
    answers: { 201: json(wayInSchema, 'the account, with a link that is good once') },
    run: async (c, { params: { id }, body }) =>
      c.json(await makePlaceAccount(c.var.cx, id, body), 201),
  })

  operation(api, {
    id: 'renewPlaceAccount',
    at: 'POST /v1/groups/{id}/accounts/{user_id}/renew',
    summary: 'Make another link to a password for such an account; the person is told of it',
    scope: 'users:write',
    isWithinReach: true,
    params: params.extend({ user_id: idSchema }),
    answers: { 200: json(wayInSchema, 'a link that is good once') },
    run: async (c, { params: { id, user_id } }) =>
      c.json(await renewPlaceAccount(c.var.cx, id, user_id), 200),
  })

  return api
}
