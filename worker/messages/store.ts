// The table `message`: texts that operators wrote in the place of those of the program.
import type { Context } from '../context.ts'
import type { message } from '../db/schema.ts'
import { type Statement, sql } from '../db/sql.ts'

export type OverrideRow = typeof message.$inferSelect

export const listOverrides = (): Statement<OverrideRow> => sql`select * from message`

export const findOverride = (locale: string, key: string): Statement<OverrideRow> =>
  sql`select * from message where locale = ${locale} and key = ${key}`

export const writeOverride = (
  cx: Context,
  { locale, key, text }: Omit<OverrideRow, 'updated_at'>,
): Statement =>
  sql`insert into message (locale, key, text, updated_at)
    values (${locale}, ${key}, ${text}, ${cx.now()})
    on conflict (locale, key) do update set text = excluded.text, updated_at = excluded.updated_at`

export const deleteOverride = (locale: string, key: string): Statement =>
  sql`delete from message where locale = ${locale} and key = ${key}`
