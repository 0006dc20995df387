// Searches (AuthZEN Authorization API 1.0, §8): the subjects, resources and actions for which an
// evaluation would say yes. A page is in the order of ids and may have fewer than were asked for,
// or none, while there are more: then `page.next_token` is not empty.
import { decodeCursor, encodeCursor, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { seal, UnsealError, unseal } from '../../crypto.ts'
import { Problem } from '../../errors.ts'
import {
  listActionsWithin,
  listResourcesWithin,
  listSubjectsWithin,
} from '../reach/decision_reach_store.ts'
import {
  type CandidateRow,
  isKept,
  listActions,
  listResourceCandidates,
  listSubjectCandidates,
  type Slice,
  WALKED_MAX,
} from './decision_store.ts'
import {
  actionSchema,
  contextSchema,
  decisionOf,
  holdsFor,
  resourceSchema,
  subjectSchema,
} from './evaluation.ts'

const pageSchema = z
  .object({
    token: z.string().max(500).optional(),
    limit: z.int().min(1).max(200).default(50),
  })
  .default({ limit: 50 })

const typeOnly = z.object({ type: subjectSchema.shape.type })
const common = { context: contextSchema.optional(), page: pageSchema }

export const subjectSearchRequest = z
  .object({ subject: typeOnly, action: actionSchema, resource: resourceSchema, ...common })
  .openapi('SubjectSearchRequest')

export const resourceSearchRequest = z
  .object({ subject: subjectSchema, action: actionSchema, resource: typeOnly, ...common })
  .openapi('ResourceSearchRequest')

export const actionSearchRequest = z
  .object({ subject: subjectSchema, resource: resourceSchema, ...common })
  .openapi('ActionSearchRequest')

const pageAnswer = z.object({
  next_token: z.string().describe('for the next page; empty when this is the last one'),
  count: z.int(),
})

const named = z.object({ type: z.string(), id: z.string() })

export const foundPrincipals = z
  .object({ results: z.array(named), page: pageAnswer })
  .openapi('SearchResponse')

export const foundActions = z
  .object({ results: z.array(z.object({ name: z.string() })), page: pageAnswer })
  .openapi('ActionSearchResponse')

type SubjectSearch = z.infer<typeof subjectSearchRequest>
type ResourceSearch = z.infer<typeof resourceSearchRequest>
type ActionSearch = z.infer<typeof actionSearchRequest>

/** A token counts for the very same question alone. */
const kindOf = (what: string, question: object): string => JSON.stringify([what, question])

function answerOf<Result>(
  cx: Context,
  kind: string,
  results: readonly Result[],
  next: string | null,
) {
  const next_token = next === null ? '' : encodeCursor(cx, kind, next)
  return { results: [...results], page: { next_token, count: results.length } }
}

/** The page from rows that were looked at, of which not all may be in it, and where to go on. */
function pageOfCandidates(
  type: string,
  rows: readonly CandidateRow[],
  { limit }: Slice,
  isFound: (row: CandidateRow) => boolean,
) {
  const found = rows.filter(isFound)
  const shown = found.slice(0, limit)
  const looked = rows.length === limit + 1 || rows.length === WALKED_MAX ? rows.at(-1) : undefined
  const last = found.length > limit ? shown.at(-1) : looked
  const results = shown.map(({ id }) => ({ type, id }))
  return { results, next: last?.id ?? null }
}

/** One round trip. Throws Problem for a token of another question. */
export async function searchSubjects(cx: Context, request: SubjectSearch) {
  const { action, resource, context, page } = request
  const { type } = request.subject
  const kind = kindOf('subjects', [type, action.name, resource.type, resource.id, context])
  const { reach } = cx.actor
  const after = decodeCursor(cx, kind, page.token)
  const slice = {
    after: reach === undefined ? after : await openPlace(cx, after),
    limit: page.limit,
  }
  if (!isKept(type) || type === 'group')
    return answerOf<{ type: string; id: string }>(cx, kind, [], null)
  const question = { kind: type, action: action.name, resource }
  const rows = await cx.db.read(
    reach === undefined
      ? listSubjectCandidates(question, slice, cx.now())
      : listSubjectsWithin(reach, question, slice, cx.now()),
  )
  const isFound = (row: CandidateRow) =>
    decisionOf(cx, { subject: { type, id: row.id }, context }, row).decision
  const { results, next } = pageOfCandidates(type, rows, slice, isFound)
  return answerOf(cx, kind, results, reach === undefined ? next : await sealPlace(cx, next))
}

const PLACE = 'cursor:subjects'

/** The last who was looked at may be somebody whom a search within a reach does not name. */
const sealPlace = (cx: Context, last: string | null): Promise<string | null> =>
  last === null ? Promise.resolve(null) : seal(cx, PLACE, last, 'seal tokens')

async function openPlace(cx: Context, sealed: string): Promise<string> {
  if (sealed === '') return ''
  try {
    return await unseal(cx, PLACE, sealed, 'seal tokens')
  } catch (error) {
    if (!(error instanceof UnsealError)) throw error
    throw new Problem('invalid_request', 'the page token is not one of this search')
  }
}

/** One round trip. Throws Problem for a token of another question. */
export async function searchResources(cx: Context, request: ResourceSearch) {
  const { subject, action, context, page } = request
  const { type } = request.resource
  const kind = kindOf('resources', [subject.type, subject.id, action.name, type, context])
  const slice = { after: decodeCursor(cx, kind, page.token), limit: page.limit }
  // Objects of other programs are not known here one by one.
  if (!isKept(type)) return answerOf<{ type: string; id: string }>(cx, kind, [], null)
  const question = { subject, action: action.name, kind: type }
  const { id, reach } = cx.actor
  const rows = await cx.db.read(
    reach === undefined
      ? listResourceCandidates(question, slice, cx.now())
      : listResourcesWithin(id, reach, question, slice, cx.now()),
  )
  const isFound = (row: CandidateRow) => decisionOf(cx, { subject, context }, row).decision
  const { results, next } = pageOfCandidates(type, rows, slice, isFound)
  return answerOf(cx, kind, results, next)
}

/** One round trip. Throws Problem for a token of another question. */
export async function searchActions(cx: Context, request: ActionSearch) {
  const { subject, resource, context, page } = request
  const kind = kindOf('actions', [subject.type, subject.id, resource.type, resource.id, context])
  const after = decodeCursor(cx, kind, page.token)
  const { id, reach } = cx.actor
  const rows = await cx.db.read(
    reach === undefined
      ? listActions({ subject, resource }, cx.now())
      : listActionsWithin(id, reach, { subject, resource }, cx.now()),
  )
  const names = rows
    .filter(({ usable, object_known }) => usable === 1 && object_known === 1)
    .filter(
      ({ condition, groups, device }) =>
        condition === null ||
        holdsFor(cx, { subject, context }, { condition, groups: JSON.parse(groups) }, device),
    )
    .flatMap(({ permissions }) => JSON.parse(permissions) as string[])
  const left = [...new Set(names)].sort().filter((name) => name > after)
  const shown = left.slice(0, page.limit)
  const last = left.length > shown.length ? (shown.at(-1) ?? null) : null
  return answerOf(
    cx,
    kind,
    shown.map((name) => ({ name })),
    last,
  )
}
