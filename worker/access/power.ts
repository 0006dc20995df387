// Power over the system: nobody hands on, takes away or changes more than he holds. Whoever acts
// with `manage` may all. Everyone else needs, for a role on an object,
// * each permission of the role, from a role held on that object, on a group above it or on `*`,
//   for at least as long; `manage` held there gives every permission, but those of the management
//   API (named like its scopes) count only as far as the token carries them, so that a token made
//   for less cannot reach for more;
// * if the role has acl rules, that same role held there, or `manage` held on `*`: rules may name
//   any topic, so they cannot be compared object by object. A role that denies needs the latter:
//   whom it binds holds it too, and would else loosen it. To take needs the same as to give, so
//   that nobody unseats who stands above him.
//
// Each check is a statement. Use cases read it for the answer, and put `nothingLacks` into the
// condition of the write, in whose transaction it is judged again: what changed in between cannot
// be used. Where a room checks with an `assert...` function alone, a role that is taken from the
// actor at that very moment still counts.
import { API_SCOPES } from '../api.ts'
import type { Context } from '../context.ts'
import {
  type Condition,
  condition,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { Problem } from '../errors.ts'
import {
  type Lack,
  listConferred,
  listLacking,
  listLackingContent,
  listNeededForPrincipal,
  type NeededRow,
} from './rights_store.ts'

export { leavesAnOperator } from './store.ts'

const mayAll = (cx: Context): boolean => cx.actor.scopes.has('manage')

/** Nothing is lacking. */
export const NOTHING = sql<Lack>`select null as role, null as object_id, null as missing where false`

/** What lacks to give (or take) the roles on the objects. */
export const lackingFor = (cx: Context, needed: Statement<NeededRow>): Statement<Lack> =>
  mayAll(cx) ? NOTHING : listLacking(cx.actor, needed, cx.now())

/** What lacks to give one role on one object until a time. */
export const lackingToGrant = (
  cx: Context,
  role: string,
  object_id: string,
  expires_at: number | null,
): Statement<Lack> =>
  lackingFor(cx, sql`select ${role} as role, ${object_id} as object_id, ${expires_at} as until`)

/** What lacks to let a member (or a group with all below) enter or leave a group. */
export const lackingToMove = (
  cx: Context,
  group: string | Scalar,
  member: string | Scalar,
): Statement<Lack> => {
  const value = (one: string | Scalar) => (typeof one === 'string' ? scalar`${one}` : one)
  return lackingFor(cx, listConferred(value(group), value(member), cx.now()))
}

/**
 * What lacks to write a role's content: all of it must be held on `*`, for good. Both are JSON
 * texts, or SQL.
 */
export const lackingToDefine = (
  cx: Context,
  role: string,
  permissions: string | Scalar,
  acl: string | Scalar,
): Statement<Lack> => {
  if (mayAll(cx)) return NOTHING
  const value = (one: string | Scalar) => (typeof one === 'string' ? scalar`${one}` : one)
  return listLackingContent(cx.actor, role, value(permissions), value(acl), cx.now())
}

/** The condition of a write. */
export const nothingLacks = (lacking: Statement<Lack>): Condition =>
  lacking === NOTHING ? TRUE : condition`not exists (${lacking})`

/** Throws Problem forbidden that names what the actor would have to hold. */
export function assertNothingLacks(lacks: readonly Lack[]): void {
  if (lacks.length === 0) return
  const errors = lacks.map(({ role, object_id, missing }) => ({
    pointer: '',
    detail:
      missing === 'acl'
        ? `the role ${role} has acl rules that the actor does not hold on ${object_id}, or one that denies`
        : `the role ${role} gives ${missing} on ${object_id}, which the actor does not hold`,
  }))
  throw new Problem(
    'forbidden',
    'this would hand on or take away more than the actor holds',
    errors,
    'power_not_held',
  )
}

export const lastOperator = () =>
  new Problem(
    'conflict',
    'this takes away the last lasting grant of operator on * that a user has: nobody could run the system',
  )

/** The batch found another state than the read before it, and nothing of it was stored. */
export const changedMeanwhile = () =>
  new Problem('conflict', 'something this depends on was changed at the same time; try again')

/**
 * A device's own rules follow from its groups, so who moves devices needs the scope to run devices.
 */
export function assertMayMoveKind(cx: Context, kind: string): void {
  if (kind !== 'device' || mayAll(cx) || cx.actor.scopes.has('devices:write')) return
  const detail = 'to put devices into groups needs the scope devices:write too'
  throw new Problem('forbidden', detail, [], 'scope_not_held')
}

/**
 * A registered client acts with its scopes: nobody gives one more scopes of the management API than
 * his own.
 */
export function assertMayHandOnScopes(cx: Context, scopes: Iterable<string>): void {
  if (mayAll(cx)) return
  const reserved: readonly string[] = ['manage', ...API_SCOPES]
  const beyond = [...scopes].filter(
    (scope) => reserved.includes(scope) && !cx.actor.scopes.has(scope),
  )
  if (beyond.length === 0) return
  throw new Problem(
    'forbidden',
    'this would hand on more than the actor holds',
    beyond.map((scope) => ({
      pointer: '/scope',
      detail: `the scope ${scope} is not held by the actor`,
    })),
    'power_not_held',
  )
}

/**
 * An actor cannot change, or set a credential of, a principal that holds more than it does: it
 * could act as that principal afterwards. One round trip, none for an actor with `manage`. Throws
 * Problem forbidden.
 */
export async function assertMayEditPrincipal(cx: Context, id: string): Promise<void> {
  if (mayAll(cx)) return
  const { lacks, clients } = await cx.db.read({
    lacks: lackingFor(cx, listNeededForPrincipal(id, cx.now())),
    clients: sql<{ scope: string }>`select scope from client where id = ${id}`,
  })
  assertNothingLacks(lacks)
  assertMayHandOnScopes(
    cx,
    clients.flatMap(({ scope }) => scope.split(' ')),
  )
}
