// The acl claim: the rules of a principal, compiled from its grants and from a device's own type
// (rights.ts reads them, acl_templates.ts fills the templates in). Denials come first.
import { type AclRule, MAX_RULES, orderAcl, type Qos } from '../../policy/acl.ts'
import {
  type Bind,
  CLIENT_ID,
  DEVICE_ID,
  fillPolicy,
  fillTemplate,
  GROUP_ID,
  METADATA,
  namesPlace,
  type PolicyPlace,
  parsePolicy,
  SITE_ID,
  SUBJECT_ID,
  type Value,
  variablesOf,
} from '../../policy/templates.ts'
import { coversFilter } from '../../policy/topic_filter.ts'
import type { Context } from '../context.ts'
import { type AclTemplate, isPartOfLevel, readStoredAcl } from './acl_templates.ts'
import { holds, isOfMoment, readsDevice, readsGroup } from './conditions/expression.ts'
import type { RightsRows } from './rights.ts'
import { type HeldGrantRow, type OwnDeviceRow, ROWS_MAX } from './rights_store.ts'

/**
 * `expires_at`: time at which the first grant behind an allowance ends, or the first denial begins
 * that is granted already. A token must not outlive it, or the one would count only from the end of
 * the token. `is_void`: one rule could not be read, so there are no rules and no token may have
 * any.
 */
export type CompiledAcl =
  | { rules: AclRule[]; expires_at: number | null; is_void?: true }
  | { fault: 'too_many_rules' }

/** Most rules before duplicates are dropped; more are a fault. Bounds the work. */
const WORK_MAX = 40_000

/**
 * The rules of a principal. Denials come first; an allowance that another one covers is left out.
 * An allowance is void when a value in its template is missing or no topic level; a denial is
 * widened then. A denial that cannot be read or expressed leaves no rule at all. All this is
 * logged. A grant with a condition gives its allowances where that holds, and its denials where it
 * does not fail to hold: one that cannot be evaluated gives the denials alone.
 */
export function compileAcl(
  cx: Context,
  subject_id: string,
  rows: RightsRows,
  maxRules: number,
): CompiledAcl {
  const { grants, groupsBelow, devices, ownGroups } = rows
  const [own] = rows.ownDevice
  if ([grants, groupsBelow, devices, ownGroups].some((some) => some.length > ROWS_MAX)) {
    return { fault: 'too_many_rules' }
  }
  const subject = { subject_id, own }
  const groupsOf = new Map<string, Group[]>()
  for (const { root, group_id, kind, site } of groupsBelow) {
    push(groupsOf, root, { id: group_id, kind, site })
  }
  const devicesOf = new Map<string, Place[]>()
  const order = ({ device_id, group_id }: (typeof devices)[number]) => `${device_id} ${group_id}`
  for (const row of [...devices].sort((a, b) => (order(a) < order(b) ? -1 : 1))) {
    const { root, group_id, group_kind, site, device_id, type, tags, metadata } = row
    push(devicesOf, root, {
      site,
      group: group_id === null ? null : { id: group_id, kind: group_kind ?? '', site },
      device: { id: device_id, type, tags: JSON.parse(tags), metadata: readMetadata(metadata) },
    })
  }

  const found: AclRule[] = []
  const notes = new Set<string>()
  let expires_at: number | null = rows.comingDenial[0]?.begins_at ?? null
  let work = 0

  /** False when the acl has to be empty. */
  const apply = (origin: string, template: AclTemplate, places: Iterable<Place>): boolean => {
    for (const place of places) {
      if (++work > WORK_MAX) return true
      const filled = fillTemplate(template, bindIn(place, subject))
      if ('rule' in filled) found.push(filled.rule)
      const problem = 'rule' in filled ? filled.widened : filled.void
      if (problem !== null) notes.add(`${origin}: ${template.topic}: ${problem}`)
      if ('void' in filled && filled.fatal) return false
    }
    return true
  }
  const nothing = (origin: string): CompiledAcl => {
    notes.add(`${origin}: a rule is not understood, so no rule is given`)
    report(cx, subject_id, notes)
    return { rules: [], expires_at: null, is_void: true }
  }

  if (own !== undefined && own.type_acl !== null) {
    const origin = `device type ${own.type}`
    const device = { id: own.id, type: own.type, tags: [], metadata: readMetadata(own.metadata) }
    const templates = readStoredAcl(own.type_acl)
    if (templates === null) return nothing(origin)
    const all = ownGroups.map(({ group_id, site }) => ({
      group: { id: group_id, kind: '', site },
      site,
      device,
    }))
    for (const template of templates) {
      const places =
        namesPlace(template.topic) && all.length > 0 ? all : [{ group: null, site: null, device }]
      if (!apply(origin, template, places)) return nothing(origin)
    }
  }
  for (const grant of grants) {
    const origin = `role ${grant.role}`
    const templates = readStoredAcl(grant.acl)
    if (templates === null) return nothing(origin)
    const answers = new Map<string, boolean | null>()
    for (const template of templates) {
      const places = placesOf(grant, template, groupsOf, devicesOf)
      const left =
        grant.condition === null
          ? places
          : places.filter((place) => {
              const answer = holdsAt(grant, subject_id, place, answers)
              return template.permission === 'deny' ? answer !== false : answer === true
            })
      if (!apply(origin, template, left)) return nothing(origin)
    }
    const allows = templates.some((template) => template.permission === 'allow')
    if (allows && grant.expires_at !== null) {
      expires_at = Math.min(expires_at ?? grant.expires_at, grant.expires_at)
    }
  }
  report(cx, subject_id, notes)
  if (work > WORK_MAX) return { fault: 'too_many_rules' }
  const rules = withoutCovered(orderAcl(found), maxRules)
  return rules === null ? { fault: 'too_many_rules' } : { rules, expires_at }
}

/**
 * The places from which a token that names the rules of its device's type by reference has them:
 * null where `acl` says more than the type does, or the type does not opt in, or the reader of the
 * token would not come to the same rules.
 */
export function placesByReference({
  grants,
  ownDevice: [own],
  ownGroups,
}: RightsRows): PolicyPlace[] | null {
  if (own === undefined || own.type_acl === null || own.by_reference === 0) return null
  if (grants.some(({ acl }) => acl !== '[]')) return null
  const templates = parsePolicy(own.type_acl)
  if (templates === null) return null
  const isNamed = templates.some(({ topic }) => namesPlace(topic))
  // A site that no rule names would only make the token longer.
  const namesSite = templates.some(({ topic }) => variablesOf(topic).includes(SITE_ID))
  const placeOf = ({ group_id: group, site }: (typeof ownGroups)[number]): PolicyPlace => ({
    group,
    site: namesSite ? site : null,
  })
  const places = isNamed ? ownGroups.map(placeOf) : []
  const claims = { device: own.id, client_id: own.mqtt_client_id, places }
  const rules = fillPolicy(templates, claims)
  return rules === null || rules.length > MAX_RULES ? null : places
}

type Device = {
  id: string
  type: string
  tags: readonly string[]
  metadata: Record<string, unknown>
}
type Group = { id: string; kind: string; site: string | null }

/** Values for the variables of one rule. */
type Place = {
  group: Group | 'any' | null
  site: string | 'any' | null
  device: Device | 'any' | null
}

/**
 * Whether the condition of the grant holds at the place; null when that cannot be said, as of a
 * moment that is not known when a token is made. Once for each place: `answers` remembers them.
 */
function holdsAt(
  grant: HeldGrantRow,
  subject_id: string,
  { group, device }: Place,
  answers: Map<string, boolean | null>,
): boolean | null {
  const condition = grant.condition ?? ''
  if (isOfMoment(condition)) return null
  const of = (one: { id: string } | 'any' | null) =>
    one === null || one === 'any' ? undefined : one.id
  const key = JSON.stringify([of(group), of(device)])
  const known = answers.get(key)
  if (known !== undefined) return known
  const answer = holds(condition, {
    subject: { id: subject_id, kind: grant.subject_kind ?? '' },
    device: device === null || device === 'any' ? undefined : device,
    group: group === null || group === 'any' ? undefined : group,
  })
  answers.set(key, answer)
  return answer
}

/**
 * True when every topic of the template belongs to the object: it names the device, or the group or
 * its devices.
 */
export const narrowsTo = (template: AclTemplate, kind: 'device' | 'group'): boolean => {
  const used = variablesOf(template.topic)
  return used.includes(DEVICE_ID) || (kind === 'group' && used.includes(GROUP_ID))
}

const NOWHERE: Place = { group: null, site: null, device: null }

/** One place for each rule that the template gives on the object of the grant. */
function placesOf(
  grant: HeldGrantRow,
  template: AclTemplate,
  groupsOf: ReadonlyMap<string, Group[]>,
  devicesOf: ReadonlyMap<string, Place[]>,
): Place[] {
  const { condition, object_id, object_kind } = grant
  if (object_id === '*') return [{ group: 'any', site: 'any', device: 'any' }]
  const asksGroup = condition !== null && readsGroup(condition)
  const devices = devicesOf.get(object_id) ?? []
  if (object_kind === 'device') {
    if (namesPlace(template.topic) || asksGroup) return devices
    const isBare = condition === null && variablesOf(template.topic).every((one) => !ofDevice(one))
    return isBare ? [NOWHERE] : devices.slice(0, 1)
  }
  if (object_kind !== 'group') return [NOWHERE]
  const groups = groupsOf.get(object_id) ?? []
  const asksDevice = condition !== null && readsDevice(condition)
  return placesBelow(template, groups, devices, { asksGroup, asksDevice })
}

const ofDevice = (variable: string): boolean =>
  variable === DEVICE_ID || variable.startsWith(METADATA)

/**
 * The places of a template on a group. `+` may stand for the devices of a group, for those of a
 * site and for the groups of a site, where it takes a whole level, the group or the site is in the
 * topic, and no condition asks of which one it speaks. A site counts only where the object reaches
 * it: so all that is in it is reached, and a topic that names it is of nothing else.
 */
function placesBelow(
  { topic }: AclTemplate,
  groups: readonly Group[],
  devices: readonly Place[],
  { asksGroup, asksDevice }: { asksGroup: boolean; asksDevice: boolean },
): Place[] {
  const used = variablesOf(topic)
  const isPart = (variable: string) => isPartOfLevel(topic, variable)
  const namesGroup = used.includes(GROUP_ID)
  const namesSite = used.includes(SITE_ID)
  const namesDevice = used.includes(DEVICE_ID)
  const isListed = namesDevice && (asksDevice || isPart(DEVICE_ID))
  if (isListed || used.some((one) => one.startsWith(METADATA))) return [...devices]
  const mayMerge = namesSite && !asksGroup && !isPart(GROUP_ID)
  const whole = mayMerge ? groups.filter(({ kind }) => kind === 'site') : []
  const isOfWhole = ({ site }: Place) => whole.some(({ id }) => id === site)
  const sites = whole.map(
    ({ id }): Place => ({
      group: namesGroup ? 'any' : null,
      site: id,
      device: 'any',
    }),
  )
  if (namesDevice && !namesGroup) return [...sites, ...devices.filter((one) => !isOfWhole(one))]
  if (!namesGroup && !namesSite) return [NOWHERE]
  const each = groups.map((one): Place => ({ group: one, site: one.site, device: 'any' }))
  return [...sites, ...each.filter((one) => !isOfWhole(one))]
}

/**
 * `${clientid}` and `${subject.id}` belong to the connecting principal; all other variables to the
 * object.
 */
const bindIn =
  (
    { group, site, device }: Place,
    { subject_id, own }: { subject_id: string; own: OwnDeviceRow | undefined },
  ): Bind =>
  (variable) => {
    if (variable === SUBJECT_ID) return { is: subject_id }
    if (variable === CLIENT_ID) return whenText(own?.mqtt_client_id)
    if (variable === GROUP_ID) return group === 'any' ? 'any' : whenText(group?.id)
    if (variable === SITE_ID) return site === 'any' ? 'any' : whenText(site)
    if (variable === DEVICE_ID) return device === 'any' ? 'any' : whenText(device?.id)
    // There is no metadata of `*`, and `+` would stand for more than the devices have.
    if (device === 'any' || device === null || !variable.startsWith(METADATA)) return 'missing'
    const name = variable.slice(METADATA.length)
    return Object.hasOwn(device.metadata, name) ? whenText(device.metadata[name]) : 'missing'
  }

const whenText = (value: unknown): Value => (typeof value === 'string' ? { is: value } : 'missing')

function readMetadata(stored: string): Record<string, unknown> {
  const value: unknown = JSON.parse(stored)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

function report(cx: Context, subject_id: string, notes: ReadonlySet<string>): void {
  const shown = [...notes].slice(0, 10)
  for (const note of shown) cx.log('warn', 'an acl rule is void or widened', { subject_id, note })
  if (notes.size > shown.length) {
    cx.log('warn', 'more acl rules are void or widened', { subject_id, count: notes.size })
  }
}

/**
 * Leaves out rules that another rule of the same permission covers; null when more than `maxRules`
 * remain.
 */
function withoutCovered(rules: readonly AclRule[], maxRules: number): AclRule[] | null {
  // In this order a rule comes after every rule that covers it, so that one pass is enough.
  const widestFirst = [...rules].sort(
    (a, b) => breadth(a) - breadth(b) || scopeSize(b) - scopeSize(a),
  )
  const kept = new Set<AclRule>()
  for (const rule of widestFirst) {
    if ([...kept].some((wider) => coversRule(wider, rule))) continue
    if (kept.size >= maxRules) return null
    kept.add(rule)
  }
  return rules.filter((rule) => kept.has(rule))
}

/**
 * The rules that two lists permit in common: the denials of both, and of each list the allowances
 * that one allowance of the other covers. An allowance that only several rules together cover is
 * left out: the result is never wider, and now and then narrower.
 */
export function intersectAcl(a: readonly AclRule[], b: readonly AclRule[]): AclRule[] {
  const [mine, yours] = [a, b].map((rules) => rules.filter(isAllowance)) as [AclRule[], AclRule[]]
  const within = (rules: readonly AclRule[], others: readonly AclRule[]) =>
    rules.filter((rule) => others.some((wider) => coversRule(wider, rule)))
  const both = [...within(mine, yours), ...within(yours, mine)]
  if (both.length === 0) return []
  const denials = [...a, ...b].filter((rule) => !isAllowance(rule))
  return withoutCovered(orderAcl([...denials, ...both]), Number.POSITIVE_INFINITY) ?? []
}

const isAllowance = ({ permission }: AclRule): boolean => permission === 'allow'

/**
 * Order by breadth; a smaller number is wider. Filters with `#` come first, by their depth; then
 * the others, those with more `+` first.
 */
function breadth({ topic }: AclRule): number {
  const levels = topic.split('/')
  const depth = topic.endsWith('#') ? levels.length : 1000
  return depth * 1000 - levels.filter((level) => level === '+').length
}

const ALL_QOS: readonly Qos[] = [0, 1, 2]

const scopeSize = ({ action, qos, retain }: AclRule): number =>
  (action === 'all' ? 100 : 0) + (qos ?? ALL_QOS).length * 10 + (retain === undefined ? 1 : 0)

/** Whether a rule says all that another of the same permission says. */
export function coversRule(wider: AclRule, rule: AclRule): boolean {
  return (
    wider.permission === rule.permission &&
    (wider.action === 'all' || wider.action === rule.action) &&
    (rule.qos ?? ALL_QOS).every((qos) => (wider.qos ?? ALL_QOS).includes(qos)) &&
    (wider.retain === undefined || wider.retain === rule.retain) &&
    coversFilter(wider.topic, rule.topic)
  )
}
