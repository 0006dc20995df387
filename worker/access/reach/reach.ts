// Reach: how far a scope of the management API goes. A client has its scopes on everything, by
// registration. A person has a scope on everything (`*`) or on groups: those on which a role gives
// it, with all that is in them and below. An operation that works within a reach shows and changes
// what is within, and answers as if nothing else were there; any other demands the scope on `*`.
// Tables: none; it reads groups, memberships and grants. Leaves to the guard (oauth/bearer.ts) who
// reaches where, to `operation` of api/ the reach of a request, and to power.ts what may be given.
import { type Actor, type Context, placesOf, type Reach } from '../../context.ts'
import {
  type Condition,
  condition,
  join,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  TRUE,
} from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { type HeldScopeRow, isBelow } from './reach_store.ts'

export { listHeldScopes } from './reach_store.ts'

type Holding = 'everywhere' | Reach

function holdingOf(rows: readonly HeldScopeRow[], scope: string): Holding {
  const giving = rows.filter((row) => row.scope === scope || row.scope === 'manage')
  if (giving.some((row) => row.object_id === '*')) return 'everywhere'
  const since = new Map<string, number>()
  for (const row of giving) {
    since.set(row.object_id, Math.min(row.since, since.get(row.object_id) ?? row.since))
  }
  return [...since].map(([group_id, from]) => ({ group_id, since: from }))
}

/** The groups that both name: never more than both reach. */
const intersect = (a: Holding, b: Holding): Holding =>
  a === 'everywhere'
    ? b
    : b === 'everywhere'
      ? a
      : a.flatMap(({ group_id, since }) =>
          b
            .filter((other) => other.group_id === group_id)
            .map((other) => ({ group_id, since: Math.max(since, other.since) })),
        )

/** How far the scopes of a token go for the people on whom it rests: as far as for each of them. */
export function reachOfPeople(
  people: readonly [readonly HeldScopeRow[], ...(readonly HeldScopeRow[])[]],
  scopes: readonly string[],
): Required<Pick<Actor, 'scopes' | 'places'>> {
  const everywhere = new Set<string>()
  const places = new Map<string, Reach>()
  for (const scope of scopes) {
    const holding = people.map((rows) => holdingOf(rows, scope)).reduce(intersect)
    if (holding === 'everywhere') everywhere.add(scope)
    else if (holding.length > 0) places.set(scope, holding)
  }
  return { scopes: everywhere, places }
}

const asScalar = (id: string | Scalar): Scalar => (typeof id === 'string' ? scalar`${id}` : id)

/** A condition: the object is where this request acts. */
export const isWithinReach = (
  { actor: { reach }, now }: Context,
  id: string | Scalar,
): Condition => (reach === undefined ? TRUE : isBelow(reach, asScalar(id), now()))

/** A condition: the object is where the actor holds this scope, which its token carries. */
export const isWithinScope = (
  { actor }: Context,
  scope: string,
  id: string | Scalar,
): Condition => {
  if (actor.scopes.has(scope) || actor.scopes.has('manage')) return TRUE
  const reach = placesOf(actor, scope)
  return reach.length === 0 ? condition`false` : isBelow(reach, asScalar(id))
}

/** Throws Problem forbidden where the request acts within a reach, where this member needs more. */
export function assertEverywhere({ actor }: Context, pointer: string, detail: string): void {
  if (actor.reach === undefined) return
  throw new Problem(
    'forbidden',
    'this needs the scope on everything',
    [{ pointer, detail }],
    'scope_not_held',
  )
}

/**
 * Demands that these objects are where this request acts, or that it has made its change already
 * (`done`): a place may change hands while a request is on its way.
 */
export const demandWithinReach = (
  cx: Context,
  done: Condition,
  ...ids: readonly (string | Scalar)[]
): Statement[] =>
  cx.actor.reach === undefined
    ? []
    : [
        refuseUnless(
          condition`${done} or ${join(
            ids.map((id) => isWithinReach(cx, id)),
            ' and ',
          )}`,
          'out_of_reach',
        ),
      ]
