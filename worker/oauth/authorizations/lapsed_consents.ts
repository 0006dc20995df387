// The end of the access that applications and assistants have of people who did not accept a
// required text by the time it was demanded, where the setting says so. Texts are identity's; a
// timer looks here, so that no refresh costs a look of its own.
import { type Context, recall, remember } from '../../context.ts'
import { condition, type Statement, scalar, sql } from '../../db/sql.ts'
import { listDemanded, listLackingConsents } from '../../identity/consents/decisions.ts'
import { loadSettings } from '../../settings.ts'
import { endAuthorization } from './authorizations.ts'

const AT_ONCE = 100
const BATCHES_MAX = 100

/** Seconds after which a look is repeated although no text changed. */
const REPEATED = 600

type Lapsed = { id: string; user_id: string; client_id: string }

const listLapsed = (cx: Context): Statement<Lapsed> =>
  sql`select a.id, a.user_id, a.client_id from authorization a
    where a.revoked_at is null and exists (${listLackingConsents(cx, scalar`a.user_id`)})
    limit ${AT_ONCE}`

/**
 * Ends such access. One round trip where no text changed since the last look; else one more, and
 * two for each hundred.
 */
export async function endLapsedAccess(cx: Context): Promise<void> {
  const { lapsed_consent_ends_access } = await loadSettings(cx)
  if (!lapsed_consent_ends_access) return
  const demanded = JSON.stringify(await cx.db.read(listDemanded(cx)))
  if (recall<string>(cx, SEEN) === demanded) return
  for (let i = 0; i < BATCHES_MAX; i++) {
    const rows = await cx.db.read(listLapsed(cx))
    if (rows.length === 0) break
    await cx.db.write(
      rows.flatMap((row) => {
        const isLapsed = condition`exists (${listLackingConsents(cx, row.user_id)})`
        return endAuthorization(cx, row, 'consent_lapsed', isLapsed)
      }),
    )
  }
  remember(cx, SEEN, demanded, REPEATED)
}

const SEEN = 'texts whose lapse was looked for'
