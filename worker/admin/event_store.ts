// Statements that read the table `event`.
import type { event } from '../db/schema.ts'
import { condition, join, type Statement, sql, TRUE } from '../db/sql.ts'

export type EventRow = typeof event.$inferSelect

/** The newest first; `before` is the last id of the page before, '' for the first page. */
export function listEventsBefore(
  filter: { type?: string | undefined; subject_id?: string | undefined; before: string },
  limit: number,
): Statement<EventRow> {
  const conditions = [TRUE]
  if (filter.before !== '') conditions.push(condition`id < ${filter.before}`)
  if (filter.type !== undefined) conditions.push(condition`type = ${filter.type}`)
  if (filter.subject_id !== undefined) conditions.push(condition`subject_id = ${filter.subject_id}`)
  return sql`select * from event where ${join(conditions, ' and ')} order by id desc limit ${limit}`
}
