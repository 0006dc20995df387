// Power over the system: nobody gives, takes away or changes more than their own rights. Whatever
// changes what somebody may do is compared here: grants, roles, memberships, places of groups,
// clients with their scopes and secrets, people, the type and the values of devices that rules
// read, tokens that are minted, settings that give trust.
// An actor needs, for a role on an object, each permission of the role, held on that object, on a
// group above it or on `*`, for at least as long: so a power that ends is not made to last.
// `manage` held there gives every permission. Permissions named like scopes of the management API
// count only as far as the token carries them, so that a token made for less cannot reach for more.
// For a role with acl rules see `lackingFor`. To take needs the same as to give, so that nobody can
// unseat an actor with more power. Each check is a statement: use cases read it for the answer, and
// demand it (`demandNothingLacks`) at the head of the write.
import { CLIENT_ID, METADATA } from '../../policy/templates.ts'
import type { ApiScope } from '../api.ts'
import type { Actor, Context } from '../context.ts'
import { BatchRefused } from '../db/database.ts'
import {
  type Condition,
  condition,
  join,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
  TRUE,
} from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { listRolesThatEnd } from './places/place_store.ts'
import {
  type DeviceShape,
  type Lack,
  listConditioned,
  listConferred,
  listHoused,
  listHousedTypes,
  listLacking,
  listLackingContent,
  listLackingReaders,
  listLackingRules,
  listLackingScopes,
  listLackingThere,
  listNeededForPrincipal,
  markOutside,
  type NeededRow,
  reservedOf,
  scopesOfClient,
} from './power_store.ts'
import { isWithinScope } from './reach/reach.ts'

export { leavesAnOperator } from './operator_store.ts'
export type { DeviceShape, Lack } from './power_store.ts'

/**
 * Whether the actor holds everything, and for good: the system, or a client that is registered for
 * `manage`. A person with `manage` has it by grants, which may end.
 */
export const mayAll = ({ actor }: Context): boolean =>
  actor.kind !== 'user' && actor.scopes.has('manage')

/** Statement for a case in which nothing can lack. */
export const NOTHING = sql<Lack>`
  select null as "of", null as name, null as object_id, null as missing where false`

/** Statements without the mark of what is out of reach: for conditions, which name nothing. */
const UNMARKED = new WeakMap<Statement<Lack>, Statement<Lack>>()

/** The statement for the actor, together with that for each person who acts for it. */
function ofEach({ actor }: Context, list: (one: Actor) => Statement<Lack>): Statement<Lack> {
  const { acting = [], reach } = actor
  const lacks =
    acting.length === 0
      ? list(actor)
      : join(
          [actor, ...acting.map((id) => ({ ...actor, id }))].map(
            (one) => sql`select * from (${list(one)})`,
          ),
          ' union all ',
        )
  if (reach === undefined) return lacks
  const marked = markOutside(reach, lacks)
  UNMARKED.set(marked, lacks)
  return marked
}

/**
 * Lists what the actor lacks to give or take the roles on the objects. For a role with acl rules
 * the actor must hold that same role there, or `manage` on `*`. Rules may name any topic, so they
 * cannot be compared object by object. A role with a denial needs `manage` on `*`: a subject that
 * is bound by the denial holds the role too, and could loosen it.
 */
const lackingFor = (cx: Context, needed: Statement<NeededRow>): Statement<Lack> =>
  mayAll(cx) ? NOTHING : ofEach(cx, (one) => listLacking(one, needed, cx.now()))

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
 * `end`: until when it is a member, as SQL; the power is needed for as long.
 */
export const lackingToMove = (
  cx: Context,
  group: string | Scalar,
  member: string | Scalar,
  end: Scalar = scalar`null`,
): Statement<Lack> => {
  const value = (one: string | Scalar) => (typeof one === 'string' ? scalar`${one}` : one)
  return lackingFor(cx, listConferred(value(group), value(member), cx.now(), end))
}

/**
 * Lists what the actor lacks to give a place to a new owner: the roles that end there, for as long
 * as they would last, since to take needs the same as to give.
 */
export const lackingToTransfer = (cx: Context, group: string): Statement<Lack> =>
  lackingFor(cx, listRolesThatEnd(group, cx.now()))

/**
 * Lists what the actor lacks to rename, move or delete a group: the roles that it confers on its
 * members, itself or through groups above, and the roles that others hold on it.
 */
export const lackingOverGroup = (cx: Context, id: string): Statement<Lack> =>
  lackingToMove(cx, id, id)

/**
 * Lists what the actor lacks to let rules name another house: those of roles on a group and below
 * it, and those of the types of devices in there.
 */
export const lackingToRehouse = (
  cx: Context,
  id: string,
  kind: Scalar,
  parent_id: Scalar,
): readonly Statement<Lack>[] =>
  mayAll(cx)
    ? []
    : [
        lackingFor(cx, listHoused(id, kind, parent_id, cx.now())),
        ofEach(cx, (one) => listHousedTypes(one, id, kind, parent_id, cx.now())),
      ]

/**
 * Lists what the actor lacks to let a member enter or leave a group, with the rules of its own type
 * where that is a device.
 */
export const lackingToMoveMember = (
  cx: Context,
  group: string,
  member: string,
  id: string | Scalar = member,
  end: Scalar = scalar`null`,
): readonly Statement<Lack>[] => [
  lackingToMove(cx, group, id, end),
  ...lackingToShape(
    cx,
    member,
    {
      groups: scalar`(select json_group_array(group_id) from (
        select group_id from membership where member_id = ${member} union select ${group}))`,
    },
    { metadata: [], mqtt_client_id: false },
  ),
]

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
  return ofEach(cx, (one) =>
    listLackingContent(one, role, value(permissions), value(acl), cx.now()),
  )
}

/**
 * Lists the scopes of the management API among `scopes` that the actor does not hold until the
 * time, or for good. For whatever acts with these scopes afterwards, and for changes that outlive
 * the actor's own power.
 */
export function lackingToHandOn(
  cx: Context,
  scopes: Iterable<string>,
  until: number | null = null,
): Statement<Lack> {
  const reserved = reservedOf(scopes)
  if (mayAll(cx) || reserved.length === 0) return NOTHING
  const wanted = scalar`${JSON.stringify(reserved)}`
  return ofEach(cx, (one) => listLackingScopes(one, wanted, until, cx.now()))
}

/**
 * Lists the scope where an actor within a reach does not hold it over the object until the time, or
 * for good: for whatever goes on after the actor's own power there has ended.
 */
export const lackingWithin = (
  cx: Context,
  scope: ApiScope,
  object_id: string,
  until: number | null,
): readonly Statement<Lack>[] =>
  cx.actor.reach === undefined
    ? []
    : [ofEach(cx, (one) => listLackingThere(one, scope, object_id, until, cx.now()))]

/** The device as it is stored. */
const storedShape = (id: string): DeviceShape => ({
  type: scalar`(select type from device where id = ${id})`,
  metadata: scalar`(select metadata from device where id = ${id})`,
  mqtt_client_id: scalar`(select mqtt_client_id from device where id = ${id})`,
  groups: scalar`(select json_group_array(group_id) from membership where member_id = ${id})`,
})

/**
 * Lists what the actor lacks to change a principal, or to set a credential of it, since it could
 * act as that principal afterwards: the roles that it holds, for as long, the scopes of a client,
 * the rules of a device's type.
 */
export const lackingOver = (cx: Context, id: string): readonly Statement<Lack>[] =>
  mayAll(cx)
    ? []
    : [
        lackingFor(cx, listNeededForPrincipal(id, cx.now())),
        ofEach(cx, (one) => listLackingScopes(one, scopesOfClient(id), null, cx.now())),
        ofEach(cx, (one) => listLackingRules(one, storedShape(id), cx.now())),
      ]

/**
 * Lists what the actor lacks to make a device so, or to make it in the first place. `shape` has the
 * values that change, the stored device the others. A value that a rule or the condition of a grant
 * reads changes what somebody may do: for a condition the actor must be able to give that grant.
 */
export function lackingToShape(
  cx: Context,
  id: string,
  shape: Partial<DeviceShape>,
  changed: { metadata: readonly string[]; mqtt_client_id: boolean },
): readonly Statement<Lack>[] {
  if (mayAll(cx)) return []
  const whole = { ...storedShape(id), ...shape }
  const variables = [
    ...changed.metadata.map((name) => `\${${METADATA}${name}}`),
    ...(changed.mqtt_client_id ? [`\${${CLIENT_ID}}`] : []),
  ]
  const reads = [
    ...(shape.type === undefined ? [] : ['device.type']),
    ...(changed.metadata.length === 0 ? [] : ['device.metadata']),
    ...changed.metadata.map((name) => `device.metadata.${name}`),
  ]
  return [
    ofEach(cx, (one) => listLackingRules(one, whole, cx.now())),
    ...(reads.length === 0
      ? []
      : [lackingFor(cx, listConditioned(id, whole.groups, reads, cx.now()))]),
    ...(variables.length === 0
      ? []
      : [ofEach(cx, (one) => listLackingReaders(one, id, whole, variables, cx.now()))]),
  ]
}

/** Lists what the actor lacks to give a device other tags, where conditions of grants read them. */
export const lackingToTag = (
  cx: Context,
  id: string,
  groups = storedShape(id).groups,
): Statement<Lack> => lackingFor(cx, listConditioned(id, groups, ['device.tags'], cx.now()))

/**
 * The condition of a write. It is judged again in the transaction of the write, so a right that
 * changed in between cannot be used.
 */
export const nothingLacks = (lacking: Statement<Lack>): Condition =>
  lacking === NOTHING ? TRUE : condition`not exists (${UNMARKED.get(lacking) ?? lacking})`

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

/** Undoes the batch of a change that nobody else makes twice, such as one at a demanded version. */
export const demandPower = (lacking: readonly Statement<Lack>[]): Statement[] =>
  demandNothingLacks(condition`false`, ...lacking)

const SENTENCES: Record<Lack['of'], (lack: Lack) => { pointer: string; detail: string }> = {
  role: ({ name, object_id, missing }) => ({
    pointer: '',
    detail:
      missing === 'acl'
        ? `the role ${name} has acl rules that the actor does not hold on ${object_id} for as long, or one that denies`
        : `the role ${name} gives ${missing} on ${object_id}, which the actor does not hold for as long`,
  }),
  scope: ({ name }) => ({
    pointer: '/scope',
    detail: `the scope ${name} is not held by the actor for as long`,
  }),
  'device type': ({ name }) => ({
    pointer: '/type',
    detail: `the device type ${name} has rules that the actor does not hold, or one that denies`,
  }),
  reader: ({ name, object_id, missing }) => ({
    pointer: missing === `\${${CLIENT_ID}}` ? '/mqtt_client_id' : '/metadata',
    detail: `the role ${name} on ${object_id} reads ${missing}, and the actor may not write its rules`,
  }),
}

/** Scopes and types of devices are no secret of a place. */
const isHidden = ({ of, is_seen }: Lack) => is_seen === 0 && of !== 'scope' && of !== 'device type'

const OUTSIDE = {
  pointer: '',
  detail: 'it has rights, or gives some, that the actor does not hold and may not see',
}

/** Throws Problem forbidden that names what the actor would have to hold. */
export function assertNothingLacks(lacks: readonly Lack[]): void {
  if (lacks.length === 0) return
  throw new Problem(
    'forbidden',
    'this would hand on or take away more than the actor holds',
    lacks.some(isHidden)
      ? [
          OUTSIDE,
          ...lacks.filter((lack) => !isHidden(lack)).map((lack) => SENTENCES[lack.of](lack)),
        ]
      : lacks.map((lack) => SENTENCES[lack.of](lack)),
    'power_not_held',
  )
}

/**
 * Runs a write with demands of power. If it was undone for want of power, asks what lacks, to name
 * it, and throws the Problem, which `assert` words.
 */
export async function nameLacks<T>(
  cx: Context,
  lacking: readonly Statement<Lack>[],
  write: () => Promise<T>,
  assert: (lacks: readonly Lack[]) => void = assertNothingLacks,
): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (!(error instanceof BatchRefused) || error.reason !== 'power_not_held') throw error
    assert(await cx.db.read(lacking.filter((one) => one !== NOTHING)))
    throw changedMeanwhile()
  }
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

/** A condition: a device, if it is one, is where the actor holds the scope to run devices. */
export const mayMove = (cx: Context, id: string | Scalar): Condition =>
  condition`(not exists (select 1 from device where id = ${id})
    or ${isWithinScope(cx, 'devices:write', id)})`

/**
 * Asserts the scope to run devices (`mayMove`) for an actor that moves a device: the rules of a
 * device follow from its groups.
 */
export function assertMayMove({ may_move }: { may_move: number }): void {
  if (may_move === 1) return
  const detail = 'to put devices into groups needs the scope devices:write too'
  throw new Problem('forbidden', detail, [], 'scope_not_held')
}
