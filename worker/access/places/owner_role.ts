// Owners of places: the role that the setting `owner_role` names, the places that a person owns,
// the statements that make a place with its owner, and the roles of a new installation.
// Scopes that roles give on a place, and not the name of a role, say that somebody runs it.
import type { ApiScope } from '../../api.ts'
import type { Context } from '../../context.ts'
import {
  type Condition,
  condition,
  join,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { loadSettings } from '../../settings.ts'
import { storedAcl } from '../acl_templates.ts'
import { giveInvitedRights, type InvitedRights } from '../invited_rights.ts'
import { insertPrincipal, principalIsMine } from '../principals.ts'
import { grantsHeld, within } from '../rights_store.ts'
import { insertGroup, roleExists } from '../store.ts'

/** The role that owners of places get; null where nobody becomes an owner without a role said. */
export async function ownerRole(cx: Context): Promise<string | null> {
  const { owner_role } = await loadSettings(cx)
  return owner_role === '' ? null : owner_role
}

/** Problem for a place that nobody can own as the settings are. */
export const noOwnerRole = () =>
  new Problem(
    'conflict',
    'there is no role for owners of places: set owner_role to the name of a role that is there',
  )

/** The rights of an owner, as an invitation would give them. */
export const ownersRights = (role: string, group_id: string): InvitedRights => ({
  grants: [{ role, object: group_id, expires_at: null, condition: null }],
  groups: [group_id],
  groups_expire_at: null,
})

/**
 * Makes a group of kind `site`, whose owner and member the person becomes, where the condition
 * holds. `id` is new and drawn by the caller; `role` is that of `ownerRole`. The batch is undone
 * with `no_owner_role` where that role is gone.
 */
export function placeCreation(
  cx: Context,
  { id, name, role }: { id: string; name: string; role: string },
  user_id: string,
  when: Condition,
): readonly Statement[] {
  const now = cx.now()
  const isMine = join([when, principalIsMine(cx, id)], ' and ')
  return [
    refuseUnless(condition`not (${when}) or ${roleExists(role)}`, 'no_owner_role'),
    insertPrincipal(cx, id, 'group', when),
    insertGroup(
      {
        id,
        kind: 'site',
        name,
        parent_id: null,
        require_factor: 0,
        created_at: now,
        updated_at: now,
        placed_at: now,
        version: 1,
      },
      isMine,
    ),
    appendEvent(
      cx,
      { type: 'group.created', subject_id: id, data: { kind: 'site', parent_id: null } },
      isMine,
    ),
    ...giveInvitedRights(cx, user_id, ownersRights(role, id), isMine),
  ]
}

/**
 * The places (groups of kind `site`) on which a person holds a scope of the management API, by a
 * role on the place or on a group above it; not by one on `*`. In the order of ids.
 */
export const listPlacesOf = (
  user_id: string | Scalar,
  scope: ApiScope,
  now: number,
  { after = '', limit = 50 }: { after?: string; limit?: number } = {},
): Statement<{ id: string; name: string }> => {
  const who = typeof user_id === 'string' ? scalar`${user_id}` : user_id
  return sql`with recursive ${within(who, now)}, ${grantsHeld(who, now)}, below(id) as (
      select held.object_id from held cross join role r on r.name = held.role
      where held.object_kind = 'group' and exists (
        select 1 from json_each(r.permissions) p where p.value in (${scope}, 'manage'))
      union
      select g.id from below cross join "group" g on g.parent_id = below.id)
    select g.id, g.name from below cross join "group" g on g.id = below.id
    where g.kind = 'site' and g.id > ${after} order by g.id limit ${limit}`
}

// --- a new installation -----------------------------------------------------------------------

const STATE = 'sites/${site.id}/devices/${device.id}/state'
const SET = 'sites/${site.id}/devices/${device.id}/set'

const HEARS = { permission: 'allow', action: 'subscribe', topic: STATE } as const
const SETS = { permission: 'allow', action: 'publish', topic: SET } as const

/**
 * Roles that make places work from the first day; operators change and delete them. People read the
 * description on the page of their place.
 */
const FIRST_ROLES = [
  {
    name: 'owner',
    description: 'Owner',
    permissions: [
      ...['devices:read', 'devices:write', 'access:read', 'access:write'],
      ...['users:read', 'users:write', 'events:read'],
      ...['device:read', 'device:command', 'device:fit'],
    ],
    acl: [HEARS, SETS],
  },
  {
    name: 'resident',
    description: 'Resident',
    permissions: ['device:read', 'device:command'],
    acl: [HEARS, SETS],
  },
  {
    name: 'guest',
    description: 'Guest',
    permissions: ['device:read'],
    acl: [HEARS],
  },
  {
    name: 'installer',
    description: 'Installer',
    permissions: ['devices:read', 'devices:write', 'device:fit'],
    acl: [],
  },
]

/**
 * Makes the roles `owner`, `resident`, `guest` and `installer` where the condition holds, unless
 * the installation has a role that is not built in.
 */
export function firstRoles(cx: Context, when: Condition): readonly Statement[] {
  const now = cx.now()
  const rows = JSON.stringify(
    FIRST_ROLES.map(({ permissions, acl, ...role }) => ({
      ...role,
      permissions: JSON.stringify(permissions),
      acl: storedAcl(acl),
    })),
  )
  const isNew = condition`not exists (select 1 from role where builtin = 0) and (${when})`
  return [
    ...FIRST_ROLES.map(({ name }) =>
      appendEvent(cx, { type: 'role.created', data: { role: name } }, isNew),
    ),
    sql`insert into role (name, description, permissions, acl, builtin, created_at, updated_at,
        version)
      select value ->> 'name', value ->> 'description', value ->> 'permissions', value ->> 'acl', 0,
        ${now}, ${now}, 1
      from json_each(${rows}) where ${isNew} on conflict (name) do nothing`,
  ]
}
