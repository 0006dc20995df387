// Lists of access, page by page: the grants that a principal holds, itself or by its groups, and
// the grants that reach an object, whoever holds them. Subject search answers the people behind
// groups.
import { decodeCursor, encodeCursor, type PageOf, type PageQuery, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { scalar, TRUE } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { findPrincipal } from '../principals.ts'
import { isKnownSubject } from '../reach/decision_reach_store.ts'
import { isWithinReach } from '../reach/reach.ts'
import { type AccessRow, listAccessOf, listAccessTo } from './decision_store.ts'

export const accessSchema = z
  .object({
    grant: z.string(),
    subject: z.string().describe('the principal itself, or a group by which it holds the grant'),
    role: z.string(),
    permissions: z.array(z.string()),
    object: z.string(),
    not_before: z.int().nullable(),
    expires_at: z.int().nullable(),
    condition: z.string().nullable(),
  })
  .openapi('Access')

type Access = z.infer<typeof accessSchema>

const describeAccess = (row: AccessRow): Access => ({
  grant: row.id,
  subject: row.subject_id,
  role: row.role,
  permissions: JSON.parse(row.permissions),
  object: row.object_id,
  not_before: row.not_before,
  expires_at: row.expires_at,
  condition: row.condition,
})

const nobody = () => new Problem('not_found', 'there is no such principal')

/** Throws Problem. One round trip. */
export async function accessOf(
  cx: Context,
  id: string,
  { limit, cursor }: PageQuery,
): Promise<PageOf<Access>> {
  const { reach } = cx.actor
  const kind = `access of ${id}`
  const after = decodeCursor(cx, kind, cursor)
  const {
    principal: [principal],
    rows,
  } = await cx.db.read({
    principal: findPrincipal(
      id,
      reach === undefined ? TRUE : isKnownSubject(cx.actor.id, reach, scalar`${id}`, cx.now()),
    ),
    rows: listAccessOf(id, after, limit, cx.now(), (object_id) => isWithinReach(cx, object_id)),
  })
  if (principal?.deleted_at !== null) throw nobody()
  return pageOf(cx, kind, rows, limit, (row) => row.id, describeAccess)
}

/** In the order of the objects around it, then of grants. Throws Problem. One round trip. */
export async function accessTo(
  cx: Context,
  id: string,
  { limit, cursor }: PageQuery,
): Promise<PageOf<Access>> {
  const kind = `access to ${id}`
  const [object_id = '', grant_id = ''] = decodeCursor(cx, kind, cursor).split(' ')
  const {
    principal: [principal],
    rows,
  } = await cx.db.read({
    principal: findPrincipal(id, isWithinReach(cx, id)),
    rows: listAccessTo(id, { object_id, id: grant_id }, limit, cx.now(), (object) =>
      isWithinReach(cx, object),
    ),
  })
  const isAll = id === '*' && cx.actor.reach === undefined
  if (!isAll && principal?.deleted_at !== null) throw nobody()
  const found = rows.flatMap(({ grants }) => JSON.parse(grants) as AccessRow[])
  const page = found.slice(0, limit)
  const last = found.length > limit ? page.at(-1) : undefined
  return {
    items: page.map(describeAccess),
    next_cursor: last === undefined ? null : encodeCursor(cx, kind, `${last.object_id} ${last.id}`),
  }
}
