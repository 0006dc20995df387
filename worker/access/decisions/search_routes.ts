// Searches at /access/v1/search (AuthZEN Authorization API 1.0, §8). One round trip each.
import { operation } from '../../api/operation.ts'
import { type Api, json } from '../../api.ts'
import { setAnswerHeaders } from './answer_headers.ts'
import {
  actionSearchRequest,
  foundActions,
  foundPrincipals,
  resourceSearchRequest,
  searchActions,
  searchResources,
  searchSubjects,
  subjectSearchRequest,
} from './search.ts'

export const SUBJECT_SEARCH = '/access/v1/search/subject'
export const RESOURCE_SEARCH = '/access/v1/search/resource'
export const ACTION_SEARCH = '/access/v1/search/action'

export function searchOperations(api: Api): void {
  operation(api, {
    id: 'searchSubjects',
    at: `POST ${SUBJECT_SEARCH}`,
    summary: 'Which subjects may do this on that resource? (AuthZEN)',
    scope: 'access:read',
    isWithinReach: true,
    body: subjectSearchRequest,
    answers: { 200: json(foundPrincipals, 'A page of subjects') },
    async run(c, { body }) {
      setAnswerHeaders(c)
      return c.json(await searchSubjects(c.var.cx, body), 200)
    },
  })
  operation(api, {
    id: 'searchResources',
    at: `POST ${RESOURCE_SEARCH}`,
    summary: 'On which resources may this subject do this? (AuthZEN)',
    scope: 'access:read',
    isWithinReach: true,
    body: resourceSearchRequest,
    answers: { 200: json(foundPrincipals, 'A page of resources') },
    async run(c, { body }) {
      setAnswerHeaders(c)
      return c.json(await searchResources(c.var.cx, body), 200)
    },
  })
  operation(api, {
    id: 'searchActions',
    at: `POST ${ACTION_SEARCH}`,
    summary: 'What may this subject do on that resource? (AuthZEN)',
    scope: 'access:read',
    isWithinReach: true,
    body: actionSearchRequest,
    answers: { 200: json(foundActions, 'A page of actions') },
    async run(c, { body }) {
      setAnswerHeaders(c)
      return c.json(await searchActions(c.var.cx, body), 200)
    },
  })
}
