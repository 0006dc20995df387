// Roles: named permissions and templates of acl rules. A role gives nothing until a grant gives it
// to a subject on an object. Built-in roles cannot be changed; a role in use cannot be deleted.
import { decodeCursor, type PageOf, type PageQuery, type Plan, pageOf, z } from '../api.ts'
import type { Context } from '../context.ts'
import { unlessRefused } from '../db/database.ts'
import { type Condition, condition, refuseUnless, type Statement, scalar, sql } from '../db/sql.ts'
import { Problem } from '../errors.ts'
import { appendEvent, changedValues } from '../events.ts'
import { acceptSettings, listSettings } from '../settings.ts'
import { aclSchema, storedAcl } from './acl_templates.ts'
import {
  assertNothingLacks,
  changedMeanwhile,
  demandNothingLacks,
  type Lack,
  lackingToDefine,
} from './power.ts'
import { listConcerned, subjectsOfRole } from './preview/preview_store.ts'
import { assertHoldersFit, demandSameRights, EXAMINED_MAX } from './preview/wide_rights.ts'
import { idSchema } from './principals.ts'
import {
  deleteRole,
  demandFreeRoleName,
  demandRoleBefore,
  demandRoleUnused,
  demandRoleVersion,
  findRole,
  insertRole,
  listRolesAfter,
  type RoleRow,
  roleExists,
  roleIs,
  roleIsUnused,
  updateRole,
} from './store.ts'

export { findRolesByNames, roleExists } from './store.ts'

/**
 * `manage` is every permission. A permission named like a scope of the management API gives that
 * scope, when it is held on `*`. Any other is a word of the installation: the name of an action as
 * its programs ask for it (AuthZEN §5.3).
 */
export const permissionSchema = z
  .string()
  .max(200)
  .regex(
    /^[^\s\p{C}]([^\p{C}\p{Zl}\p{Zp}]*[^\s\p{C}])?$/u,
    'must be visible text, no space at its ends, such as device:read or can_read',
  )
  .openapi({ example: 'device:read' })

const permissionsSchema = z.array(permissionSchema).max(200)

const descriptionSchema = z
  .string()
  .max(1000)
  .regex(/^[^\0]*$/, 'must not contain NUL')

const requireFactorSchema = z
  .boolean()
  .describe('whether people who hold the role, on any object, need a second factor')

export const roleInput = z
  .strictObject({
    name: idSchema,
    description: descriptionSchema.default(''),
    permissions: permissionsSchema.default([]),
    acl: aclSchema.default([]),
    require_factor: requireFactorSchema.default(false),
  })
  .openapi('RoleInput')

export const rolePatch = z
  .strictObject({
    description: descriptionSchema.optional(),
    permissions: permissionsSchema.optional(),
    acl: aclSchema.optional(),
    require_factor: requireFactorSchema.optional(),
  })
  .openapi('RolePatch')

export const roleSchema = z
  .object({
    name: idSchema,
    description: z.string(),
    permissions: z.array(z.string()),
    acl: aclSchema,
    require_factor: requireFactorSchema,
    builtin: z.boolean(),
    created_at: z.int(),
    updated_at: z.int(),
  })
  .openapi('Role')

export type RoleInput = z.input<typeof roleInput>
export type RolePatch = z.infer<typeof rolePatch>

export const describeRole = (row: RoleRow): z.infer<typeof roleSchema> => ({
  name: row.name,
  description: row.description,
  permissions: JSON.parse(row.permissions),
  acl: JSON.parse(row.acl),
  require_factor: row.require_factor === 1,
  builtin: row.builtin === 1,
  created_at: row.created_at,
  updated_at: row.updated_at,
})

const storedPermissions = (permissions: readonly string[]): string =>
  JSON.stringify([...new Set(permissions)])

// --- plans ------------------------------------------------------------------------------------

function rowOf(cx: Context, input: RoleInput): RoleRow {
  const now = cx.now()
  return {
    name: input.name,
    description: input.description ?? '',
    permissions: storedPermissions(input.permissions ?? []),
    acl: storedAcl(input.acl ?? []),
    require_factor: Number(input.require_factor ?? false),
    builtin: 0,
    created_at: now,
    updated_at: now,
    version: 1,
  }
}

const creation = (cx: Context, row: RoleRow): Statement[] => [
  demandFreeRoleName(row),
  insertRole(row),
  appendEvent(cx, { type: 'role.created', data: { role: row.name } }),
]

function patched(cx: Context, current: RoleRow, patch: RolePatch) {
  const { description, permissions, acl, require_factor } = patch
  const wanted: Partial<RoleRow> = {
    ...(description === undefined ? {} : { description }),
    ...(permissions === undefined ? {} : { permissions: storedPermissions(permissions) }),
    ...(acl === undefined ? {} : { acl: storedAcl(acl) }),
    ...(require_factor === undefined ? {} : { require_factor: Number(require_factor) }),
  }
  const fields = (['description', 'permissions', 'acl', 'require_factor'] as const).filter(
    (field) => wanted[field] !== undefined && wanted[field] !== current[field],
  )
  const row = { ...current, ...wanted, updated_at: cx.now(), version: current.version + 1 }
  return { row, fields }
}

const change = (cx: Context, current: RoleRow, row: RoleRow, fields: string[]): Statement[] => [
  demandRoleBefore(row),
  updateRole(row),
  appendEvent(cx, {
    type: 'role.updated',
    data: { role: row.name, fields },
    ...changedValues(describeRole(current), describeRole(row), fields),
  }),
]

const isBuiltin = (name: string) =>
  new Problem('conflict', `the role ${name} is built in and stays as it is`)

/** Plans an entry. Throws Problem for a built-in role that would change. */
export async function planRole(
  cx: Context,
  entry: RoleInput,
  current: RoleRow | undefined,
): Promise<Plan> {
  if (current === undefined) {
    return {
      change: 'created',
      fields: Object.keys(entry),
      statements: creation(cx, rowOf(cx, entry)),
    }
  }
  const { name: _, ...patch } = entry
  const { row, fields } = patched(cx, current, patch)
  if (fields.length === 0) return { change: 'unchanged', fields, statements: [] }
  if (current.builtin === 1) throw isBuiltin(current.name)
  return { change: 'updated', fields, statements: change(cx, current, row, fields) }
}

// --- use cases --------------------------------------------------------------------------------

const noRole = () => new Problem('not_found', 'there is no such role')
const otherVersion = () => new Problem('precondition_failed', 'the role is at another version')
/** Throws Problem. Round trips: 1 read, 1 write. */
export async function createRole(cx: Context, input: RoleInput): Promise<RoleRow> {
  const wanted = rowOf(cx, input)
  const { name, permissions, acl } = wanted
  const lacking = lackingToDefine(cx, name, permissions, acl)
  const nameTaken = () =>
    new Problem('conflict', 'there is a role of this name', [
      { pointer: '/name', detail: 'choose another name, or change that role' },
    ])
  const {
    lacks,
    namesake: [namesake],
  } = await cx.db.read({
    lacks: lacking,
    namesake: findRole(name),
  })
  assertNothingLacks(lacks)
  if (namesake !== undefined) throw nameTaken()
  const demands = demandNothingLacks(roleIs(wanted), lacking)
  await unlessRefused(cx.db.write([...demands, ...creation(cx, wanted)]), (reason) => {
    throw reason === 'role_exists' ? nameTaken() : changedMeanwhile()
  })
  return wanted
}

export async function getRole(cx: Context, name: string): Promise<RoleRow> {
  const [row] = await cx.db.read(findRole(name))
  if (row === undefined) throw noRole()
  return row
}

/** Throws Problem for a forged cursor. */
export async function listRoles(
  cx: Context,
  { limit, cursor }: PageQuery,
): Promise<PageOf<z.infer<typeof roleSchema>>> {
  const rows = await cx.db.read(listRolesAfter(decodeCursor(cx, 'roles', cursor), limit))
  return pageOf(cx, 'roles', rows, limit, (row) => row.name, describeRole)
}

/** Lists what the actor lacks to change or delete the role as it is stored. */
const lackingToRewrite = (cx: Context, name: string): Statement<Lack> =>
  lackingToDefine(
    cx,
    name,
    scalar`(select permissions from role where name = ${name})`,
    scalar`(select acl from role where name = ${name})`,
  )

/**
 * Changes a role. The actor needs power over the old and the new content, since it changes for
 * every subject that holds the role. Throws Problem. Round trips: 1 read, one more for other rules
 * of a role that is held, 1 write; again when others write at the same time.
 */
export async function changeRole(
  cx: Context,
  name: string,
  patch: RolePatch,
  demanded: number | null,
): Promise<RoleRow> {
  const before = lackingToRewrite(cx, name)
  const after = lackingToDefine(
    cx,
    name,
    storedPermissions(patch.permissions ?? []),
    storedAcl(patch.acl ?? []),
  )
  for (let attempt = 0; attempt < 5; attempt++) {
    const {
      current: [current],
      lacksBefore,
      lacksAfter,
      holders,
    } = await cx.db.read({
      current: findRole(name),
      holders:
        patch.acl === undefined
          ? []
          : [listConcerned(subjectsOfRole(name, EXAMINED_MAX), EXAMINED_MAX, cx.now())],
      lacksBefore: before,
      lacksAfter: after,
    })
    if (current === undefined) throw noRole()
    if (demanded !== null && demanded !== current.version) throw otherVersion()
    const { row, fields } = patched(cx, current, patch)
    if (fields.length === 0) return current
    if (current.builtin === 1) throw isBuiltin(name)
    assertNothingLacks([...lacksBefore, ...lacksAfter])
    const { permissions, acl } = row
    const supposed = { roles: JSON.stringify([{ name, permissions, acl }]) }
    const marks = fields.includes('acl')
      ? await assertHoldersFit(cx, holders, supposed, '/acl')
      : []
    const demands = [
      ...demandNothingLacks(roleIs(row), before, after),
      ...demandSameRights(roleIs(row), marks),
    ]
    const write = cx.db.write([...demands, ...change(cx, current, row, fields)])
    const reason = await unlessRefused(
      write.then(() => null),
      (one) => one,
    )
    if (reason === null) return row
    if (demanded !== null && reason !== 'rights_changed') throw otherVersion()
  }
  throw changedMeanwhile()
}

const isOwnerRole = () =>
  new Problem(
    'conflict',
    'the setting owner_role names this role: owners of places get it. Set owner_role to another role, or to an empty text, first',
  )

/** A condition: somebody made it the role of owners; the default is looked at by the reader. */
const isNamedOwnerRole = (name: string): Condition =>
  condition`exists (select 1 from setting
    where name = 'owner_role' and value = ${JSON.stringify(name)})`

/** Throws Problem. Round trips: 1 read, 1 write. */
export async function removeRole(
  cx: Context,
  name: string,
  demanded: number | null,
): Promise<void> {
  const lacking = lackingToRewrite(cx, name)
  const {
    row: [row],
    lacks,
    settings,
    use: [use],
  } = await cx.db.read({
    row: findRole(name),
    lacks: lacking,
    settings: listSettings(),
    use: sql<{ unused: number }>`select ${roleIsUnused(name)} as unused`,
  })
  if (row === undefined) throw noRole()
  if (row.builtin === 1) throw isBuiltin(name)
  if (demanded !== null && demanded !== row.version) throw otherVersion()
  assertNothingLacks(lacks)
  const { owner_role } = acceptSettings(cx, settings)
  if (owner_role === name) throw isOwnerRole()
  const inUse = () => new Problem('conflict', 'the role is in use: delete the grants of it first')
  if (use?.unused !== 1) throw inUse()
  const write = cx.db.write([
    ...(demanded === null ? [] : [demandRoleVersion(name, demanded)]),
    ...demandNothingLacks(condition`not ${roleExists(name)}`, lacking),
    demandRoleUnused(name),
    refuseUnless(condition`not ${roleExists(name)} or not ${isNamedOwnerRole(name)}`, 'owner_role'),
    appendEvent(cx, { type: 'role.deleted', data: { role: name } }, roleExists(name)),
    deleteRole(name),
  ])
  await unlessRefused(write, (reason) => {
    if (reason === 'power_not_held') throw changedMeanwhile()
    if (reason === 'owner_role') throw isOwnerRole()
    throw reason === 'role_version' ? otherVersion() : inUse()
  })
}
