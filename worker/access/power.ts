// Power over the system: nobody gives, takes away or changes more than their own rights. An actor
// with `manage` may do all. Every other actor needs, for a role on an object, each permission of
// the role, held on that object, on a group above it or on `*`, for at least as long. `manage` held
// there gives every permission. Permissions named like scopes of the management API count only as
// far as the token carries them, so that a token made for less cannot reach for more. For a role
// with acl rules see `lackingFor`. To take needs the same as to give, so that nobody can unseat an
// actor with more power. Each check is a statement: use cases read it for the answer, and demand it
// (`demandNothingLacks`) at the head of the write.
import { API_SCOPES } from '../api.ts'
import type { Context } from '../context.ts'
import {
  type Condition,
  condition,
  refuseUnless,
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

export { leavesAnOperator } from './operator_store.ts'

const mayAll = (cx: Context): boolean => cx.actor.scopes.has('manage')

/** Statement for a case in which nothing can lack. */
export const NOTHING = sql<Lack>`select null as role, null as object_id, null as missing where false`

/**
 * Lists what the actor lacks to give or take the roles on the objects. For a role with acl rules
 * the actor must hold that same role there, or `manage` on `*`. Rules may name any topic, so they
 * cannot be compared object by object. A role with a denial needs `manage` on `*`: a subject that
 * is bound by the denial holds the role too, and could loosen it.
 */
export const lackingFor = (cx: Context, needed: Statement<NeededRow>): Statement<Lack> =>
  mayAll(cx) ? NOTHING : listLacking(cx.actor, needed, cx.now())

/** Lists what the actor lacks to give one role on one object until a time. */
export const lackingToGrant = (
  cx: Context,
  role: string,
  object_id: string,
  expires_at: number | null,
): Statement<Lack> =>
  lackingFor(cx, sql`select ${role} as role, ${object_id} as object_id, ${expires_at} as until`)

/**
 * Lists what the actor lacks to let a member (or a group with all below it) enter or leave a group.
 */
export const lackingToMove = (
  cx: Context,
  group: string | Scalar,
  member: string | Scalar,
): Statement<Lack> => {
  const value = (one: string | Scalar) => (typeof one === 'string' ? scalar`${one}` : one)
  return lackingFor(cx, listConferred(value(group), value(member), cx.now()))
}

/**
 * Lists what the actor lacks to write the content of a role: it must hold all of it on `*`, for
 * good. Both parts are JSON texts, or SQL.
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

/**
 * The condition of a write. It is judged again in the transaction of the write, so a right that
 * changed in between cannot be used. Where a room checks with an `assert...` function alone, a role
 * that the actor loses at that very moment still counts.
 */
export const nothingLacks = (lacking: Statement<Lack>): Condition =>
  lacking === NOTHING ? TRUE : condition`not exists (${lacking})`

/**
 * Demands that the actor lacks nothing. `done` holds when this very request has made its change
 * already.
 */
export const demandNothingLacks = (
  done: Condition,
  ...lacking: readonly Statement<Lack>[]
): Statement[] =>
  lacking
    .filter((one) => one !== NOTHING)
    .map((one) => refuseUnless(condition`${done} or ${nothingLacks(one)}`, 'power_not_held'))

/** Demands that an operator is left (`leavesAnOperator`). `done` as above. */
export const demandOperatorLeft = (done: Condition, isLeft: Condition): Statement =>
  refuseUnless(condition`${done} or ${isLeft}`, 'last_operator')

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

/**
 * Problem for a batch that found another state than the read before it: nothing of it was stored.
 */
export const changedMeanwhile = () =>
  new Problem('conflict', 'something this depends on was changed at the same time; try again')

/**
 * Asserts the scope to run devices for an actor that moves a device: the rules of a device follow
 * from its groups.
 */
export function assertMayMoveKind(cx: Context, kind: string): void {
  if (kind !== 'device' || mayAll(cx) || cx.actor.scopes.has('devices:write')) return
  const detail = 'to put devices into groups needs the scope devices:write too'
  throw new Problem('forbidden', detail, [], 'scope_not_held')
}

/**
 * Asserts that the actor has every management scope that it gives to a client, since a registered
 * client acts with its scopes.
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
 * Asserts that the principal holds no more than the actor. An actor that changed it, or set a
 * credential of it, could act as that principal afterwards. One round trip, none for an actor with
 * `manage`. Throws Problem forbidden.
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
