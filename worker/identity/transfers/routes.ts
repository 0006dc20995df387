// /v1/groups/{id}/transfer: an owner, or an operator, offers a place to a new owner, sees what
// would end or has ended, and takes the offer back.
import { idSchema } from '../../access/principals.ts'
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, nothing, z } from '../../api.ts'
import {
  getTransfer,
  offerTransfer,
  type PlaceEnds,
  transferInput,
  transferSchema,
  withdrawOffer,
} from './transfers.ts'

const params = z.object({ id: idSchema })

export function transferRoutes(ends: PlaceEnds): Api {
  const api = createApi()

  operation(api, {
    id: 'offerTransfer',
    at: 'POST /v1/groups/{id}/transfer',
    summary: 'Offer a place to a new owner by a mailed link, or say what would end by that',
    scope: 'access:write',
    isWithinReach: true,
    params,
    body: transferInput,
    answers: {
      200: json(transferSchema, 'a dry run: what would end'),
      201: json(transferSchema, 'the offer'),
    },
    async run(c, { params: { id }, body }) {
      const made = await offerTransfer(c.var.cx, id, body, ends)
      return body.dry_run ? c.json(made, 200) : c.json(made, 201)
    },
  })

  operation(api, {
    id: 'getTransfer',
    at: 'GET /v1/groups/{id}/transfer',
    summary: 'The last transfer of a place, with what would end or has ended',
    scope: 'access:read',
    isWithinReach: true,
    params,
    answers: { 200: json(transferSchema, 'the transfer') },
    run: async (c, { params: { id } }) => c.json(await getTransfer(c.var.cx, id, ends), 200),
  })

  operation(api, {
    id: 'withdrawTransfer',
    at: 'DELETE /v1/groups/{id}/transfer',
    summary: 'Take the offer of a place back that nobody accepted yet',
    scope: 'access:write',
    isWithinReach: true,
    params,
    answers: nothing('its link is dead'),
    async run(c, { params: { id } }) {
      await withdrawOffer(c.var.cx, id)
      return c.body(null, 204)
    },
  })

  return api
}
