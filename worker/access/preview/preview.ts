// Preview of a change: who would gain and lose which topics, and whose token would not fit any
// more, before a role, a grant, a membership or a device type is changed. Nothing is written.
// Has no table: it reads rights as they are and as they would be (`Supposition`). Leaves to
// acl_claim.ts what rules come of them, and to the changes themselves whether they are allowed.
// A change may concern many: the first holders are looked at, and the answer says whether there are
// more.
import type { AclRule } from '../../../policy/acl.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { scalar, sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { loadSettings } from '../../settings.ts'
import { type CompiledAcl, compileAcl, coversRule } from '../acl_claim.ts'
import { aclSchema, storedAcl } from '../acl_templates.ts'
import { conditionSchema, readsOf } from '../conditions/expression.ts'
import { grantEndSchema, grantObjectSchema } from '../grants.ts'
import { findPrincipal, idSchema, principalReference } from '../principals.ts'
import { listSeenObjects } from '../reach/decision_reach_store.ts'
import { assertEverywhere, isWithinReach } from '../reach/reach.ts'
import { rightsWithin } from '../reach/rights_within.ts'
import { type RightsRows, rightsOf } from '../rights.ts'
import type { Supposition } from '../rights_store.ts'
import { permissionSchema } from '../roles.ts'
import { idOfSubject } from '../store.ts'
import {
  devicesOfType,
  groupOf,
  listConcerned,
  oneSubject,
  roleContent,
  subjectOfGrant,
  subjectsOfRole,
} from './preview_store.ts'
import { EXAMINED_MAX, TOO_WIDE, widthFault } from './wide_rights.ts'

/** Most rules that an answer lists. */
const SHOWN_MAX = 20

const membershipSchema = z.strictObject({ group: idSchema, member: principalReference })

export const previewRequest = z
  .strictObject({
    create_grant: z
      .strictObject({
        subject: principalReference,
        role: idSchema,
        object: grantObjectSchema,
        expires_at: grantEndSchema.nullable().default(null),
        condition: conditionSchema.nullable().default(null),
      })
      .optional(),
    delete_grant: z.string().max(64).optional().describe('the id of a grant'),
    add_member: membershipSchema.optional(),
    remove_member: membershipSchema.optional(),
    role: z
      .strictObject({
        name: idSchema,
        permissions: z.array(permissionSchema).max(200).optional(),
        acl: aclSchema.optional(),
      })
      .optional()
      .describe('a role as it would be'),
    device_type: z
      .strictObject({ name: idSchema, acl: aclSchema })
      .optional()
      .describe('a device type as it would be'),
  })
  .refine((change) => Object.values(change).filter((one) => one !== undefined).length === 1, {
    message: 'name exactly one change',
  })
  .openapi('PreviewRequest')

const ruleOfSubject = z.object({
  subject: z.string(),
  permission: z.enum(['allow', 'deny']),
  action: z.enum(['publish', 'subscribe', 'all']),
  topic: z.string(),
})

const difference = z.object({
  count: z.int().describe('of all who were looked at'),
  rules: z.array(ruleOfSubject).describe(`the first ${SHOWN_MAX}`),
})

export const previewAnswer = z
  .object({
    examined: z.int().describe('people, clients and devices that were looked at'),
    more: z.boolean().describe('whether the change concerns others too'),
    gains: difference.describe('allowances that come, and denials that end'),
    loses: difference.describe('allowances that end, and denials that come'),
    unfit: z
      .array(z.object({ subject: z.string(), reason: z.string() }))
      .describe('whose rules would not fit into a token any more'),
  })
  .openapi('Preview')

type Preview = z.infer<typeof previewAnswer>
type Change = z.infer<typeof previewRequest>

const missing = (pointer: string, detail: string) =>
  new Problem('invalid_request', 'the change names something that is not there', [
    { pointer, detail },
  ])

/** Those that the change concerns, and how rights are under it. */
function planOf(
  cx: Context,
  change: Change,
): {
  subjects: Parameters<typeof listConcerned>[0]
  supposed: Supposition
} {
  const { create_grant, delete_grant, add_member, remove_member, role, device_type } = change
  if (create_grant !== undefined) {
    const subject = idOfSubject(create_grant.subject)
    const { condition } = create_grant
    const condition_reads = condition === null ? null : JSON.stringify(readsOf(condition))
    const grants = [{ ...create_grant, id: 'preview', subject, condition_reads }]
    return { subjects: oneSubject(subject), supposed: { grants } }
  }
  if (delete_grant !== undefined) {
    const without = JSON.stringify([delete_grant])
    const isSeen = isWithinReach(cx, scalar`object_id`)
    return { subjects: subjectOfGrant(delete_grant, isSeen), supposed: { without } }
  }
  const membership = add_member ?? remove_member
  if (membership !== undefined) {
    const groups = JSON.stringify([membership.group])
    const supposed = add_member === undefined ? { leaves: groups } : { joins: groups }
    return { subjects: oneSubject(idOfSubject(membership.member)), supposed }
  }
  if (role !== undefined) {
    return { subjects: subjectsOfRole(role.name, EXAMINED_MAX + 1), supposed: {} }
  }
  return { subjects: devicesOfType(device_type?.name ?? '', EXAMINED_MAX + 1), supposed: {} }
}

/** Throws Problem for something that is not there. Round trips: 2 reads. */
export async function previewChange(cx: Context, change: Change): Promise<Preview> {
  const { acl_max_rules } = await loadSettings(cx)
  const { role, device_type, create_grant } = change
  const { subjects, supposed } = planOf(cx, change)
  const { reach } = cx.actor
  if (role !== undefined || device_type !== undefined) {
    assertEverywhere(cx, role === undefined ? '/device_type' : '/role', 'is the same everywhere')
  }
  const object = create_grant?.object
  const roleName = role?.name ?? create_grant?.role
  const group = (change.add_member ?? change.remove_member)?.group
  const rows = await cx.db.read({
    concerned: sql<{ id: string }>`select id from (
      ${listConcerned(subjects, EXAMINED_MAX + 1, cx.now())})
      where ${isWithinReach(cx, scalar`id`)}`,
    object:
      object === undefined || reach === undefined
        ? []
        : [findPrincipal(object, isWithinReach(cx, object))],
    role: roleName === undefined ? [] : [roleContent(roleName)],
    group: group === undefined ? [] : [groupOf(group, isWithinReach(cx, group))],
  })
  if (object !== undefined && reach !== undefined && rows.object.length === 0) {
    throw missing('/object', 'there is no such device or group')
  }
  const [content] = rows.role
  if (roleName !== undefined && content === undefined) {
    throw missing('/role', 'there is no such role')
  }
  if (group !== undefined && rows.group.length === 0) {
    throw missing('/group', 'there is no such group')
  }
  const isOfHolders = role !== undefined || device_type !== undefined
  if (rows.concerned.length === 0 && !isOfHolders && create_grant === undefined) {
    throw missing('', 'there is no such grant, person, client or device')
  }
  const under: Supposition =
    role === undefined || content === undefined
      ? supposed
      : {
          roles: JSON.stringify([
            {
              name: role.name,
              permissions: JSON.stringify(role.permissions ?? JSON.parse(content.permissions)),
              acl: role.acl === undefined ? content.acl : storedAcl(role.acl),
            },
          ]),
        }
  const ids = rows.concerned.slice(0, EXAMINED_MAX).map(({ id }) => id)
  const read = await cx.db.read({
    before: Object.fromEntries(ids.map((id, i) => [i, rightsOf(id, cx.now())])),
    after: Object.fromEntries(ids.map((id, i) => [i, rightsOf(id, cx.now(), under)])),
  })
  const objects = Object.values({ ...read.before, ...read.after })
    .concat(Object.values(read.before))
    .flatMap(({ grants }) => grants.map(({ object_id }) => object_id))
  const seen =
    reach === undefined
      ? []
      : await cx.db.read(listSeenObjects(reach, scalar`${JSON.stringify([...new Set(objects)])}`))
  const gains: Preview['gains'] = { count: 0, rules: [] }
  const loses: Preview['loses'] = { count: 0, rules: [] }
  const unfit: Preview['unfit'] = []
  const silent = { ...cx, log: () => {} }
  for (const [i, subject] of ids.entries()) {
    const [then, now] = [read.after[i], read.before[i]]
    if (then === undefined || now === undefined) continue
    const own = then.ownDevice.map((row) =>
      device_type === undefined ? row : { ...row, type_acl: storedAcl(device_type.acl) },
    )
    const rulesFrom = (rights: RightsRows) => compileAcl(silent, subject, rights, acl_max_rules)
    const whole = { ...then, ownDevice: own }
    const reason = widthFault(rulesFrom(whole), acl_max_rules)
    if (reason !== null) {
      unfit.push({ subject, reason: reach === undefined ? reason : TOO_WIDE })
    }
    const shown = (rights: RightsRows) =>
      rulesOf(rulesFrom(reach === undefined ? rights : rightsWithin(rights, seen)))
    compare(subject, shown(now), shown(whole), gains, loses)
  }
  return {
    examined: ids.length,
    more: rows.concerned.length > EXAMINED_MAX,
    gains,
    loses,
    unfit,
  }
}

const rulesOf = (compiled: CompiledAcl): readonly AclRule[] =>
  'fault' in compiled ? [] : compiled.rules

function compare(
  subject: string,
  before: readonly AclRule[],
  after: readonly AclRule[],
  gains: Preview['gains'],
  loses: Preview['loses'],
): void {
  const note = (into: Preview['gains'], { permission, action, topic }: AclRule) => {
    into.count++
    if (into.rules.length < SHOWN_MAX) into.rules.push({ subject, permission, action, topic })
  }
  for (const rule of after) {
    if (!before.some((one) => coversRule(one, rule))) {
      note(rule.permission === 'allow' ? gains : loses, rule)
    }
  }
  for (const rule of before) {
    if (!after.some((one) => coversRule(one, rule))) {
      note(rule.permission === 'allow' ? loses : gains, rule)
    }
  }
}
