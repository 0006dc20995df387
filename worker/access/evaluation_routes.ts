// /access/v1: access decisions for other programs (AuthZEN Authorization API 1.0, HTTPS binding),
// and the document that says where they are.
import { operation } from '../api/operation.ts'
import { type Api, createApi, json } from '../api.ts'
import { Problem } from '../errors.ts'
import { crossOrigin, type Http } from '../http.ts'
import {
  evaluate,
  evaluateAll,
  evaluationRequest,
  evaluationResponse,
  evaluationsRequest,
  evaluationsResponse,
} from './evaluation.ts'

const EVALUATION = '/access/v1/evaluation'
const EVALUATIONS = '/access/v1/evaluations'

/**
 * Forbids storing, since a decision holds for this moment only. Echoes the request id that a caller
 * sent.
 */
function prepare(c: Http): void {
  c.header('Cache-Control', 'no-store')
  const id = c.req.header('x-request-id')
  if (id !== undefined && /^[\x20-\x7e]{1,200}$/.test(id)) c.header('X-Request-ID', id)
}

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
      prepare(c)
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
      prepare(c)
      if ((body.evaluations ?? []).length > 0) {
        return c.json(await evaluateAll(c.var.cx, body), 200)
      }
      // AuthZEN §7.1: without `evaluations` the request is a single evaluation.
      const { subject, action, resource } = body
      if (subject === undefined || action === undefined || resource === undefined) {
        throw new Problem('invalid_request', 'subject, action and resource are needed')
      }
      return c.json(await evaluate(c.var.cx, { subject, action, resource }), 200)
    },
  })
  return api
}
