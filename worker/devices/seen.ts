// When devices were first and last seen: as they get tokens, once a minute at most.
import type { Context } from '../context.ts'
import { type Statement, sql } from '../db/sql.ts'
import type { DeviceRow } from './store.ts'

/** Seconds after which a device that gets a token is noted again. */
const SEEN_EVERY = 60

/** The statement that notes the device, or null when it was noted lately. No version changes. */
export const noteSeen = (cx: Context, { id, last_seen_at }: DeviceRow): Statement | null =>
  last_seen_at > cx.now() - SEEN_EVERY
    ? null
    : sql`update device set last_seen_at = ${cx.now()},
        first_seen_at = case first_seen_at when 0 then ${cx.now()} else first_seen_at end
      where id = ${id} and last_seen_at <= ${cx.now() - SEEN_EVERY}`

/** Writes it behind the answer. A failure is logged: the next token notes the device again. */
export async function writeSeen(cx: Context, note: Statement): Promise<void> {
  try {
    await cx.db.write(note)
  } catch (error) {
    cx.log('warn', 'a device was not noted as seen', { cause: String(error) })
  }
}
