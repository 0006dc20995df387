// The client by which mProxy reports (devices/connections/), made at a start that knows its secret.
// It is made once: neither a later secret nor a deletion by an operator is undone.
import type { Context } from '../../context.ts'
import { sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { createClient } from './clients.ts'

/** Its id, which mProxy names where its settings say no other. */
const client_id = 'mproxy'

/** Answers whether it was made. Throws Problem for a secret that cannot be one. */
export async function ensureReportingClient(cx: Context, client_secret: string): Promise<boolean> {
  const found = await cx.db.read(sql`select 1 from principal where id = ${client_id}`)
  if (found.length > 0) return false
  try {
    await createClient(cx, {
      client_id,
      client_secret,
      client_name: 'mProxy',
      grant_types: ['client_credentials'],
      scope: 'mproxy:report',
    })
    return true
  } catch (error) {
    // Another instance was quicker.
    if (error instanceof Problem && error.type === 'conflict') return false
    throw error
  }
}
