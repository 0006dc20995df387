// Profile of the person who is signed in, as the person edits it: the fields that the setting
// `own_profile_fields` names, and no other.
// Files: own_profile_routes.ts has the page, profile_fields.ts reads and judges what is typed.
// Owns no table. Leaves what operators change to users.ts, and what is demanded at a sign-in to
// continue/.
import { as, type Context } from '../../context.ts'
import { unlessRefused } from '../../db/database.ts'
import { refuseUnless } from '../../db/sql.ts'
import { loadSettings } from '../../settings.ts'
import { isOldEnough } from '../consents/guardians.ts'
import { firstRequirement, type Requirement, requirementsOf, standingOf } from '../requirements.ts'
import { findSession, isSessionLive, type LiveSession, noteSession, userOf } from '../sessions.ts'
import { findUserById, type UserRow } from '../store.ts'
import { applyPatch, userChange } from '../users.ts'
import { faultyFields, patchOf, readFields } from './profile_fields.ts'

export type OwnProfile = {
  session: LiveSession
  user: UserRow
  lacking: readonly Requirement[]
}

/** Null where nobody is signed in. One round trip, none without a cookie. */
export async function readOwnProfile(
  cx: Context,
  cookie: string | undefined,
): Promise<OwnProfile | null> {
  if (cookie === undefined) return null
  const {
    session: [session],
    user: [user],
    lacking,
  } = await cx.db.read({
    session: findSession(cx, cookie),
    user: findUserById(userOf(cx, cookie)),
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
  })
  noteSession(cx, session)
  return session === undefined || user === undefined ? null : { session, user, lacking }
}

export type ProfileChange =
  | { outcome: 'saved' }
  /** Names of fields that cannot be so; nothing was written. */
  | { outcome: 'faulty'; names: readonly string[] }
  /** Somebody else changed the account at the same time. */
  | { outcome: 'outrun' }

/**
 * Changes the fields that a person may change, and no other. One that is demanded at each sign-in
 * cannot become empty. One write, none where nothing changes.
 */
export async function changeOwnProfile(
  cx: Context,
  { session, user, lacking }: OwnProfile,
  values: (name: string) => string | undefined,
): Promise<ProfileChange> {
  if (firstRequirement(lacking) !== null) return { outcome: 'outrun' }
  const { own_profile_fields, required_profile_fields } = await loadSettings(cx)
  // A person who is too young to decide alone does not become older by a form.
  const isFree = await isOldEnough(cx, user)
  const own = own_profile_fields.filter((name) => isFree || name !== 'birthdate')
  const typed = readFields(own, values)
  const names = faultyFields(typed, required_profile_fields)
  if (names.length > 0) return { outcome: 'faulty', names }
  const { row, changed } = applyPatch(cx, user, patchOf(typed), 'merge')
  if (changed.length === 0) return { outcome: 'saved' }
  const acting = as(cx, { kind: 'user', id: user.id })
  const write = cx.db.write([
    refuseUnless(isSessionLive(cx, session), 'session_ended'),
    ...userChange(acting, user, row, changed),
  ])
  return unlessRefused(
    write.then(() => ({ outcome: 'saved' }) as const),
    () => ({ outcome: 'outrun' }) as const,
  )
}
