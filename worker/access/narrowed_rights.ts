// Rights of a person, narrowed to named devices and groups, as in a rich authorization request (RFC
// 9396). These are the roles that the person holds on each named object, also when the grant is on
// a larger object. Of their rules only those remain that speak of nothing but the named object.
import { type AclRule, orderAcl } from '../../policy/acl.ts'
import type { Context } from '../context.ts'
import type { Answers } from '../db/database.ts'
import { type Scalar, type Statement, scalar } from '../db/sql.ts'
import { type CompiledAcl, compileAcl, coversRule, narrowsTo } from './acl_claim.ts'
import { type AclTemplate, readStoredAcl } from './acl_templates.ts'
import type { RightsRows } from './rights.ts'
import {
  type HeldGrantRow,
  listNarrowedGrants,
  listNarrowedPlaces,
  ROWS_MAX,
} from './rights_store.ts'

/**
 * Actions on named objects. `publish` and `subscribe` are those of MQTT; all others are permissions
 * of roles.
 */
export type Narrowing = {
  actions: readonly string[]
  devices: readonly string[]
  groups: readonly string[]
}

/**
 * Group of statements for a read batch, beside `rightsOf`. `narrowings` is a JSON array of
 * Narrowing, as SQL that gives one text; null gives no rows.
 */
export const narrowedRightsOf = (
  subject: Scalar | Statement<unknown>,
  narrowings: Scalar | Statement<unknown>,
  now: number,
) => ({
  grants: listNarrowedGrants(scalar`(${subject})`, scalar`(${narrowings})`, now),
  places: listNarrowedPlaces(scalar`(${narrowings})`),
})

export type NarrowedRows = Answers<ReturnType<typeof narrowedRightsOf>>

const VERBS = ['publish', 'subscribe']

/**
 * The narrowings with only those actions and objects that the subject holds. A narrowing that
 * becomes empty is left out.
 */
export function heldNarrowings<N extends Narrowing>(
  narrowings: readonly N[],
  { grants }: Pick<NarrowedRows, 'grants'>,
): N[] {
  const holds = (object_id: string, action: string) => grants.some(givesAction(object_id, action))
  return narrowings.flatMap((narrowing) => {
    // Objects with the same actions stay together.
    const kinds = new Map<string, { actions: string[]; devices: string[]; groups: string[] }>()
    for (const kind of ['devices', 'groups'] as const) {
      for (const id of narrowing[kind]) {
        const actions = narrowing.actions.filter((action) => holds(id, action))
        if (actions.length === 0) continue
        const key = actions.join(' ')
        const objects = kinds.get(key) ?? { actions, devices: [], groups: [] }
        objects[kind].push(id)
        kinds.set(key, objects)
      }
    }
    return [...kinds.values()].map((left) => ({ ...narrowing, ...left }))
  })
}

const givesAction =
  (object_id: string, action: string) =>
  (grant: HeldGrantRow): boolean => {
    if (grant.object_id !== object_id) return false
    const permissions = JSON.parse(grant.permissions) as string[]
    if (permissions.includes(action) || permissions.includes('manage')) return true
    return VERBS.includes(action) && (readStoredAcl(grant.acl) ?? []).some(allowsVerb(action))
  }

const allowsVerb = (verb: string) => (template: AclTemplate) =>
  template.permission === 'allow' && (template.action === verb || template.action === 'all')

/**
 * When the first of these ends that the subject holds: an action on an object lasts as long as the
 * last grant that gives it. Infinity: never.
 */
export function narrowingsEnd(
  narrowings: readonly Narrowing[],
  { grants }: Pick<NarrowedRows, 'grants'>,
): number {
  const ends = narrowings.flatMap(({ actions, devices, groups }) =>
    [...devices, ...groups].flatMap((id) =>
      actions.map((action) =>
        Math.max(
          ...grants.filter(givesAction(id, action)).map(({ expires_at }) => expires_at ?? Infinity),
        ),
      ),
    ),
  )
  return Math.min(Infinity, ...ends)
}

/**
 * The rules for the `acl` claim of a narrowed token: every denial of the subject, and those
 * allowances of the subject that a narrowing names. A role gives its rules for `publish` or
 * `subscribe` where a narrowing names that action. It gives all of its rules where a narrowing
 * names each of its permissions. An allowance that does not name the object (`${device.id}`, or for
 * groups `${group.id}`) may reach other objects too, and is left out.
 */
export function compileNarrowedAcl(
  cx: Context,
  subject_id: string,
  narrowings: readonly Narrowing[],
  rights: RightsRows,
  { grants, places }: NarrowedRows,
  maxRules: number,
): CompiledAcl {
  const tooMany = [grants, places].some((some) => some.length > ROWS_MAX)
  if (tooMany) return { fault: 'too_many_rules' }
  const denials = compileAcl(
    cx,
    subject_id,
    { ...rights, grants: rights.grants.map(onlyDenials) },
    maxRules,
  )
  const narrowed = grants.map((grant) => {
    const named = narrowings
      .filter(({ devices, groups }) =>
        (grant.object_kind === 'device' ? devices : groups).includes(grant.object_id),
      )
      .map(({ actions }) => actions)
    return withTemplates(grant, (template) => narrowTemplate(template, grant, named))
  })
  const groups = places.filter((row) => row.device_id === null)
  const devices = places.filter((row) => row.device_id !== null)
  const allowances = compileAcl(
    cx,
    subject_id,
    {
      grants: narrowed,
      // No condition reads a kind or a type here: such grants are not narrowed.
      groupsBelow: groups.map(({ root, group_id, site }) => ({
        root,
        group_id: group_id ?? '',
        kind: group_id === site ? 'site' : '',
        site,
      })),
      devices: devices.map((row) => ({
        ...row,
        device_id: row.device_id ?? '',
        metadata: row.metadata ?? '{}',
        type: '',
        tags: '[]',
        group_kind: null,
      })),
      ownDevice: [],
      ownGroups: [],
      comingDenial: rights.comingDenial,
    },
    maxRules,
  )
  if ('fault' in denials) return denials
  if ('fault' in allowances) return allowances
  // A denial that cannot be read may be about a named object, on whatever object it was granted.
  if (denials.is_void || allowances.is_void) return { rules: [], expires_at: null, is_void: true }
  const rules = orderAcl([...denials.rules, ...allowances.rules])
  return rules.length > maxRules
    ? { fault: 'too_many_rules' }
    : { rules, expires_at: allowances.expires_at }
}

/**
 * The grant with other templates. A list that cannot be read stays, and leaves no rule at all when
 * it is compiled.
 */
function withTemplates(
  grant: HeldGrantRow,
  change: (template: AclTemplate) => AclTemplate[],
): HeldGrantRow {
  const templates = readStoredAcl(grant.acl)
  return templates === null ? grant : { ...grant, acl: JSON.stringify(templates.flatMap(change)) }
}

const onlyDenials = (grant: HeldGrantRow): HeldGrantRow =>
  withTemplates(grant, (template) => (template.permission === 'deny' ? [template] : []))

/** Whether a lesser role has the rule, of which all permissions are named. */
function sharesRule(
  template: AclTemplate,
  parts: string,
  isNamed: (permissions: string) => boolean,
): boolean {
  return (JSON.parse(parts) as { permissions: string; acl: string }[]).some(
    ({ permissions, acl }) =>
      isNamed(permissions) && (readStoredAcl(acl) ?? []).some((one) => coversRule(one, template)),
  )
}

function narrowTemplate(
  template: AclTemplate,
  grant: { permissions: string; object_kind: string | null; parts: string },
  named: readonly (readonly string[])[],
): AclRule[] {
  if (template.permission !== 'allow') return []
  if (!narrowsTo(template, grant.object_kind === 'device' ? 'device' : 'group')) return []
  const isNamed = (permissions: string) => {
    const all = JSON.parse(permissions) as string[]
    return named.some((actions) => all.length > 0 && all.every((one) => actions.includes(one)))
  }
  if (isNamed(grant.permissions) || sharesRule(template, grant.parts, isNamed)) return [template]
  const verbs = (['publish', 'subscribe'] as const).filter(
    (verb) => allowsVerb(verb)(template) && named.some((actions) => actions.includes(verb)),
  )
  return verbs.map((action) => ({ ...template, action }))
}
