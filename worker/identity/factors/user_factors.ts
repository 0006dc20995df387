// The factors of a user for operators: listing, and removing one for a person who lost it.
// Nobody removes a factor of somebody who holds more power: with it goes half of that account's
// lock.
import { demandPower, lackingOver, nameLacks } from '../../access/power.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { condition, sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { sendMails } from '../mail/mails.ts'
import { findUserById } from '../store.ts'
import { noSuchUser } from '../users.ts'
import { countRecoveryCodes, listFactors } from './factor_store.ts'
import { factorRemoval } from './own_factors.ts'
import { listRecoveryCodes } from './removed_factor_store.ts'
import { keepRemoved } from './removed_factors.ts'

export const factorSchema = z
  .object({
    id: z.string(),
    kind: z
      .enum(['totp', 'passkey'])
      .describe('`totp`: an authenticator app (RFC 6238); `passkey`: a passkey (WebAuthn)'),
    name: z.string().describe('the name that the person gave it'),
    created_at: z.int(),
    last_used_at: z.int().nullable(),
    synced: z
      .boolean()
      .nullable()
      .describe('of a passkey: its provider may keep it on several devices; null for an app'),
  })
  .openapi('Factor')

export const factorsSchema = z.object({
  items: z.array(factorSchema),
  recovery_codes: z.int().describe('how many recovery codes are left'),
  next_cursor: z.null(),
})

/** Throws Problem not_found. One round trip. */
export async function listUserFactors(
  cx: Context,
  id: string,
): Promise<z.infer<typeof factorsSchema>> {
  const { users, factors, codes } = await cx.db.read({
    users: findUserById(id),
    factors: listFactors(id),
    codes: countRecoveryCodes(id),
  })
  if (users.length === 0) throw noSuchUser()
  return {
    items: factors.map(({ id, kind, name, created_at, last_used_at, is_synced }) => ({
      id,
      kind,
      name,
      created_at,
      last_used_at,
      synced: is_synced === null ? null : is_synced === 1,
    })),
    recovery_codes: codes[0]?.left ?? 0,
    next_cursor: null,
  }
}

/**
 * Removes the factor; the person is told by mail, with a link that undoes it for a day. Throws
 * Problem not_found, forbidden. Round trips: 1 read, 1 write.
 */
export async function removeUserFactor(cx: Context, id: string, factor_id: string): Promise<void> {
  const { factors, codes } = await cx.db.read({
    factors: listFactors(id),
    codes: listRecoveryCodes(id),
  })
  const factor = factors.find((one) => one.id === factor_id)
  const lacking = lackingOver(cx, id)
  const isThere = condition`exists (select 1 from factor
    where user_id = ${id} and id = ${factor_id})`
  const kept = factor === undefined ? [] : await keepRemoved(cx, { factor, codes }, isThere)
  const { removed } = await nameLacks(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      removed: sql<{ id: string }>`select id from factor
        where user_id = ${id} and id = ${factor_id}`,
      // Before the removal, whose batch may be repeated.
      kept,
      changes: factorRemoval(cx, { user_id: id, id: factor_id }),
    }),
  )
  if (removed.length === 0) throw new Problem('not_found', 'this user has no such factor')
  sendMails(cx)
}
