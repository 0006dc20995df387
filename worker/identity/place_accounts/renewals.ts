// Renewals of a way in, of which the person is told at the next sign-in (/continue).
import type { Context } from '../../context.ts'
import { findUnseenRenewal, noteRenewalSeen } from './place_account_store.ts'

/** The renewal that the person was not told of yet; undefined without one. One read. */
export async function readRenewal(cx: Context, user_id: string) {
  const [renewal] = await cx.db.read(findUnseenRenewal(user_id))
  return renewal
}

/** Notes that the person has seen it. A later one is told of again. One write. */
export async function markRenewalSeen(
  cx: Context,
  user_id: string,
  renewed_at: number,
): Promise<void> {
  await cx.db.write(noteRenewalSeen(cx, user_id, renewed_at))
}
