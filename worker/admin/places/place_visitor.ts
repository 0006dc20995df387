// Persons on the pages /places: who is signed in, and the scopes that roles give on one place. All
// that the pages do is done by the use cases of /v1, as an actor that acts in this place alone: no
// page has a power of its own.
// Tables: none. Files: place_view.ts reads, place_changes.ts changes, routes.ts has the pages.
// Leaves power to access/power.ts, and each change to its room.
import { listScopesOn, placesOfActor } from '../../access/places/own_places.ts'
import { withinScope } from '../../api/operation.ts'
import type { ApiScope } from '../../api.ts'
import type { Context } from '../../context.ts'

/** A person in a place: what the roles there give. */
export type PlaceVisitor = {
  /** Whether the person holds the scope on the place. */
  holds(scope: ApiScope): boolean
  /** The context in which an operation of this scope runs there. Throws Problem forbidden. */
  to(scope: ApiScope): Context
}

/** The visitor of a place; null for one who may not look at who is there. One read. */
export async function visitPlace(
  cx: Context,
  user_id: string,
  group_id: string,
): Promise<PlaceVisitor | null> {
  const rows = await cx.db.read(listScopesOn(user_id, group_id, cx.now()))
  const places = placesOfActor(group_id, rows)
  if (!places.has('access:read')) return null
  const acting: Context = { ...cx, actor: { kind: 'user', id: user_id, scopes: new Set(), places } }
  return { holds: (scope) => places.has(scope), to: (scope) => withinScope(acting, scope, true) }
}
