// Why a decision is as it is, and lists of access, at /access/v1. One round trip each.
import { operation } from '../../api/operation.ts'
import { type Api, json, listOf, listQuery, z } from '../../api.ts'
import { idSchema } from '../principals.ts'
import { accessOf, accessSchema, accessTo } from './access_lists.ts'
import { setAnswerHeaders } from './answer_headers.ts'
import { explainAnswer, explainDecision, explainRequest } from './explain.ts'

const byId = z.object({ id: idSchema })

export function explainOperations(api: Api): void {
  operation(api, {
    id: 'explainAccess',
    at: 'POST /access/v1/explain',
    summary: 'Which grant or rule decides, or what is lacking',
    scope: 'access:read',
    isWithinReach: true,
    body: explainRequest,
    answers: { 200: json(explainAnswer, 'The decision, and why it is so') },
    async run(c, { body }) {
      setAnswerHeaders(c)
      return c.json(await explainDecision(c.var.cx, body), 200)
    },
  })
  operation(api, {
    id: 'listSubjectAccess',
    at: 'GET /access/v1/subjects/{id}/access',
    summary: 'The grants that a principal holds, itself or by its groups, page by page',
    scope: 'access:read',
    isWithinReach: true,
    params: byId,
    query: listQuery,
    answers: { 200: json(listOf(accessSchema), 'A page of grants in force') },
    run: async (c, { params, query }) => c.json(await accessOf(c.var.cx, params.id, query), 200),
  })
  operation(api, {
    id: 'listObjectAccess',
    at: 'GET /access/v1/objects/{id}/access',
    summary: 'The grants that reach an object, page by page',
    scope: 'access:read',
    isWithinReach: true,
    params: byId,
    query: listQuery,
    answers: { 200: json(listOf(accessSchema), 'A page of grants in force') },
    run: async (c, { params, query }) => c.json(await accessTo(c.var.cx, params.id, query), 200),
  })
}
