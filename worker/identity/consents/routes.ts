// Consents: texts that people decide about, such as terms and privacy, in versions and languages.
// Routes: /v1/consents and /v1/users/{id}/consents. People decide at /continue and at
// /account/consents (continue/continue_routes.ts).
// Tables: `consent`, `consent_version`, `consent_decision` (consent_store.ts).
// Files: consent_texts.ts has the words per language, consents.ts the part of operators,
// decisions.ts that of people.
// Leaves to requirements.ts of identity when a person is asked, and to the rooms above how
// applications lose their access.
import { idSchema } from '../../access/principals.ts'
import { operation } from '../../api/operation.ts'
import { type Api, createApi, demandedVersion, json, listOf, listQuery, tag, z } from '../../api.ts'
import type { Http } from '../../http.ts'
import type { EndAccess } from '../recovery.ts'
import type { SessionsEnded } from '../sessions.ts'
import {
  addVersion,
  askAgain,
  changeVersion,
  consentInput,
  consentPatch,
  consentSchema,
  consentVersionInput,
  consentVersionPatch,
  coverageSchema,
  createConsent,
  describeConsent,
  getConsent,
  listConsents,
  readCoverage,
  updateRequired,
  type WholeConsent,
} from './consents.ts'
import { decisionSchema, listUserDecisions } from './decisions.ts'
import { decideForUser, guardianDecisionInput } from './guardians.ts'

const byKey = z.object({ key: idSchema })
const byVersion = z.object({ key: idSchema, version: idSchema })
const byUser = z.object({ id: idSchema })

export function consentRoutes(effects: {
  endAccess: EndAccess
  onSessionsEnded: SessionsEnded
}): Api {
  const api = createApi()
  const whole = json(consentSchema, 'the consent with all its versions')
  const show = (c: Http, consent: WholeConsent) => {
    tag(c, consent.row.version)
    return describeConsent(consent)
  }

  operation(api, {
    id: 'createConsent',
    at: 'POST /v1/consents',
    summary: 'Make a text that people decide about, such as terms',
    scope: 'settings:write',
    body: consentInput,
    answers: { 201: whole },
    problems: ['conflict'],
    async run(c, { body }) {
      const consent = await createConsent(c.var.cx, body)
      c.header('Location', `/v1/consents/${consent.row.key}`)
      return c.json(show(c, consent), 201)
    },
  })

  operation(api, {
    id: 'listConsents',
    at: 'GET /v1/consents',
    summary: 'All consents with their versions, page by page',
    scope: 'settings:read',
    query: listQuery,
    answers: { 200: json(listOf(consentSchema), 'a page of consents') },
    run: async (c, { query }) => c.json(await listConsents(c.var.cx, query), 200),
  })

  operation(api, {
    id: 'getConsent',
    at: 'GET /v1/consents/{key}',
    summary: 'A consent',
    scope: 'settings:read',
    params: byKey,
    answers: { 200: whole },
    run: async (c, { params }) => c.json(show(c, await getConsent(c.var.cx, params.key)), 200),
  })

  operation(api, {
    id: 'updateConsent',
    at: 'PATCH /v1/consents/{key}',
    summary: 'Change whether people can go on without it (merge patch)',
    scope: 'settings:write',
    params: byKey,
    body: consentPatch,
    answers: { 200: whole },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params, body }) {
      const consent = await updateRequired(c.var.cx, params.key, body, demandedVersion(c))
      return c.json(show(c, consent), 200)
    },
  })

  operation(api, {
    id: 'addConsentVersion',
    at: 'POST /v1/consents/{key}/versions',
    summary: 'Publish a version; from `demanded_from` on people have to accept it',
    scope: 'settings:write',
    params: byKey,
    body: consentVersionInput,
    answers: { 201: whole },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params, body }) {
      const consent = await addVersion(c.var.cx, params.key, body, demandedVersion(c))
      return c.json(show(c, consent), 201)
    },
  })

  operation(api, {
    id: 'updateConsentVersion',
    at: 'PATCH /v1/consents/{key}/versions/{version}',
    summary: 'Change when a version is demanded and, while nobody decided about it, its texts',
    scope: 'settings:write',
    params: byVersion,
    body: consentVersionPatch,
    answers: { 200: whole },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params: { key, version }, body }) {
      const consent = await changeVersion(c.var.cx, key, version, body, demandedVersion(c))
      return c.json(show(c, consent), 200)
    },
  })

  operation(api, {
    id: 'askConsentAgain',
    at: 'POST /v1/consents/{key}/ask-again',
    summary: 'Ask everybody again: no decision of before counts any more',
    scope: 'settings:write',
    params: byKey,
    answers: { 200: whole },
    problems: ['conflict', 'precondition_failed'],
    async run(c, { params }) {
      const consent = await askAgain(c.var.cx, params.key, demandedVersion(c))
      return c.json(show(c, consent), 200)
    },
  })

  operation(api, {
    id: 'getConsentCoverage',
    at: 'GET /v1/consents/{key}/coverage',
    summary: 'How many people accepted which version',
    scope: 'settings:read',
    params: byKey,
    answers: { 200: json(coverageSchema, 'numbers of people') },
    run: async (c, { params }) => c.json(await readCoverage(c.var.cx, params.key), 200),
  })

  operation(api, {
    id: 'listUserConsents',
    at: 'GET /v1/users/{id}/consents',
    summary: 'The decisions of a user, oldest first; those of a guardian name who decided',
    scope: 'users:read',
    params: byUser,
    query: listQuery,
    answers: { 200: json(listOf(decisionSchema), 'a page of decisions') },
    run: async (c, { params, query }) =>
      c.json(await listUserDecisions(c.var.cx, params.id, query), 200),
  })

  operation(api, {
    id: 'decideForUser',
    at: 'POST /v1/users/{id}/consents',
    summary: 'Note what a guardian decided for a user who is too young to decide alone',
    scope: 'users:write',
    params: byUser,
    body: guardianDecisionInput,
    answers: { 201: json(z.object({ id: z.string() }), 'the id of the decision') },
    problems: ['conflict'],
    async run(c, { params, body }) {
      return c.json({ id: await decideForUser(c.var.cx, params.id, body, effects) }, 201)
    },
  })

  return api
}
