// /access/v1: access decisions for other programs (AuthZEN Authorization API 1.0, HTTPS binding),
// and the document that says where they are.
// Has no table of its own: decision_store.ts reads those of access. Leaves to conditions/ what a
// condition means, and to the rooms above whether a token may ask.
// Files: evaluation.ts decides about one subject and one object, search.ts lists for whom or on
// what it would say yes.
import { operation } from '../../api/operation.ts'
import { type Api, createApi, json } from '../../api.ts'
import { Problem } from '../../errors.ts'
import { crossOrigin } from '../../http.ts'
import { previewOperations } from '../preview/preview_routes.ts'
import { setAnswerHeaders } from './answer_headers.ts'
import {
  evaluate,
  evaluateAll,
  evaluationRequest,
  evaluationResponse,
  evaluationsRequest,
  evaluationsResponse,
} from './evaluation.ts'
import { explainOperations } from './explain_routes.ts'
import {
  ACTION_SEARCH,
  RESOURCE_SEARCH,
  SUBJECT_SEARCH,
  searchOperations,
} from './search_routes.ts'

const EVALUATION = '/access/v1/evaluation'
const EVALUATIONS = '/access/v1/evaluations'

export function evaluationRoutes(): Api {
  const api = createApi()
  // AuthZEN §9: public, and found from the issuer.
  api.use('/.well-known/authzen-configuration', crossOrigin(['GET', 'HEAD']))
  api.get('/.well-known/authzen-configuration', (c) => {
    const { issuer, surface } = c.var.cx.config
    if (surface === 'public') return c.notFound()
    c.header('Cache-Control', 'public, max-age=3600')
    return c.json({
      policy_decision_point: issuer,
      access_evaluation_endpoint: issuer + EVALUATION,
      access_evaluations_endpoint: issuer + EVALUATIONS,
      search_subject_endpoint: issuer + SUBJECT_SEARCH,
      search_resource_endpoint: issuer + RESOURCE_SEARCH,
      search_action_endpoint: issuer + ACTION_SEARCH,
    })
  })
  operation(api, {
    id: 'evaluateAccess',
    at: `POST ${EVALUATION}`,
    summary: 'May this subject do this on that resource? (AuthZEN)',
    scope: 'access:read',
    isWithinReach: true,
    body: evaluationRequest,
    answers: { 200: json(evaluationResponse, 'The decision, with the grant that made it') },
    async run(c, { body }) {
      setAnswerHeaders(c)
      return c.json(await evaluate(c.var.cx, body), 200)
    },
  })
  operation(api, {
    id: 'evaluateAccessBatch',
    at: `POST ${EVALUATIONS}`,
    summary: 'Several such questions at once (AuthZEN)',
    scope: 'access:read',
    isWithinReach: true,
    body: evaluationsRequest,
    answers: { 200: json(evaluationsResponse, 'The decisions, in the order of the questions') },
    async run(c, { body }) {
      setAnswerHeaders(c)
      if ((body.evaluations ?? []).length > 0) {
        return c.json(await evaluateAll(c.var.cx, body), 200)
      }
      // AuthZEN §7.1: without `evaluations` the request is a single evaluation.
      const { subject, action, resource, context } = body
      if (subject === undefined || action === undefined || resource === undefined) {
        throw new Problem('invalid_request', 'subject, action and resource are needed')
      }
      return c.json(await evaluate(c.var.cx, { subject, action, resource, context }), 200)
    },
  })
  searchOperations(api)
  explainOperations(api)
  previewOperations(api)
  return api
}
