// /v1/invitations: operators invite people, see what became of it, send it again or take it back.
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json, listOf, listQuery, nothing, z } from '../../api.ts'
import { emailSchema } from '../../email_address.ts'
import {
  createInvitation,
  getInvitation,
  invitationInput,
  invitationSchema,
  listInvitations,
  sendInvitation,
  withdrawInvitation,
} from './invitations.ts'

const params = z.object({
  id: z.string().regex(/^inv_[0-9a-z]{26}$/, 'must be the id of an invitation'),
})

export function invitationRoutes(): Api {
  const api = createApi()

  operation(api, {
    id: 'createInvitation',
    at: 'POST /v1/invitations',
    summary: 'Invite an address: a link is mailed, behind which rights come with an account',
    scope: 'users:write',
    isWithinReach: true,
    body: invitationInput,
    answers: { 201: json(invitationSchema, 'the invitation') },
    async run(c, { body }) {
      const made = await createInvitation(c.var.cx, body)
      c.header('Location', `/v1/invitations/${made.id}`)
      return c.json(made, 201)
    },
  })

  operation(api, {
    id: 'listInvitations',
    at: 'GET /v1/invitations',
    summary: 'Invitations, the newest first; those that ended are kept for 30 days',
    scope: 'users:read',
    isWithinReach: true,
    query: listQuery.extend({ address: emailSchema.optional() }),
    answers: { 200: json(listOf(invitationSchema), 'a page of invitations') },
    run: async (c, { query }) => c.json(await listInvitations(c.var.cx, query), 200),
  })

  operation(api, {
    id: 'getInvitation',
    at: 'GET /v1/invitations/{id}',
    summary: 'An invitation',
    scope: 'users:read',
    isWithinReach: true,
    params,
    answers: { 200: json(invitationSchema, 'the invitation') },
    run: async (c, { params: { id } }) => c.json(await getInvitation(c.var.cx, id), 200),
  })

  operation(api, {
    id: 'revokeInvitation',
    at: 'DELETE /v1/invitations/{id}',
    summary: 'Take an invitation back that nobody accepted yet',
    scope: 'users:write',
    isWithinReach: true,
    params,
    answers: nothing('its link is dead'),
    problems: ['conflict'],
    async run(c, { params: { id } }) {
      await withdrawInvitation(c.var.cx, id)
      return c.body(null, 204)
    },
  })

  operation(api, {
    id: 'sendInvitation',
    at: 'POST /v1/invitations/{id}/send',
    summary: 'Send an invitation again, with another link; the one of before is dead',
    scope: 'users:write',
    isWithinReach: true,
    params,
    answers: { 200: json(invitationSchema, 'the invitation, with its new end') },
    run: async (c, { params: { id } }) => c.json(await sendInvitation(c.var.cx, id), 200),
  })

  return api
}
