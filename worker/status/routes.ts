// Token status lists (draft-ietf-oauth-status-list): which tokens have ended before their time.
// Routes: /status-lists/{id}, the aggregation of all at /status-lists, and /v1/status-lists.
// Tables: `status_list`, `status_flip`, `status_change` (list_store.ts), `status_entry`
// (entry_store.ts); triggers write them with the rows that they are about.
// Files: status_list.ts has the bits of a list, status_list_token.ts signs it, telling.ts gives a
// token its claim, spreading.ts works on the timer, lists_in_numbers.ts is for operators.
// Leaves to the rooms above the claim `status` of a token, and whether its origin may act.
import { Hono } from 'hono'
import { operation } from '../api/operation.ts'
import { type Api, createApi, json } from '../api.ts'
import { Problem } from '../errors.ts'
import { crossOrigin, type Env } from '../http.ts'
import { describeLists, statusListsSchema } from './lists_in_numbers.ts'
import { aggregation, STATUS_LIST_TYPE, signedList } from './status_list_token.ts'

/** Place of the aggregation (§9), below which the lists are. */
export const STATUS_LISTS = '/status-lists'

/** Database round trips: 1. */
export function statusRoutes(): Hono<Env> {
  return new Hono<Env>()
    .use(STATUS_LISTS, crossOrigin(['GET', 'HEAD']))
    .use(`${STATUS_LISTS}/*`, crossOrigin(['GET', 'HEAD']))
    .get(STATUS_LISTS, async (c) => {
      c.header('Cache-Control', 'public, no-cache')
      return c.json(await aggregation(c.var.cx))
    })
    .get(`${STATUS_LISTS}/:id`, async (c) => {
      const id = c.req.param('id')
      const found = /^(0|[1-9]\d{0,9})$/.test(id) ? await signedList(c.var.cx, Number(id)) : null
      if (found === null) throw new Problem('not_found', 'there is no status list of this number')
      // Caches ask each time: a list that is kept longer would hide what ended meanwhile.
      c.header('Cache-Control', 'public, no-cache')
      c.header('ETag', found.etag)
      if (isKnown(c.req.header('if-none-match'), found.etag)) return c.body(null, 304)
      return c.body(found.jwt, 200, { 'Content-Type': `application/${STATUS_LIST_TYPE}` })
    })
}

export function statusListRoutes(): Api {
  const api = createApi()
  operation(api, {
    id: 'getStatusLists',
    at: 'GET /v1/status-lists',
    summary: 'How many entries status lists have, and which changes are still spread to holders',
    scope: 'keys:read',
    answers: { 200: json(statusListsSchema, 'the lists') },
    run: async (c) => c.json(await describeLists(c.var.cx), 200),
  })
  return api
}

/** RFC 9110 §13.1.2: by weak comparison. */
const isKnown = (header: string | undefined, etag: string): boolean =>
  (header ?? '').split(',').some((one) => one.trim().replace(/^(?!W\/)/, 'W/') === etag)
