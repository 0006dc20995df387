// The rights of many, in one statement: for the end of a batch whose changes say who they concern.
import type { Context } from '../../context.ts'
import { type Scalar, type Statement, scalar, sql } from '../../db/sql.ts'
import { type RightsRows, rightsOf } from '../rights.ts'

/** `rights`: JSON of RightsRows. `name`: an address or a user name; of others the id. */
export type NamedRights = { id: string; name: string; rights: string }

/** The rights of each of the principals that `ids` answers. */
export function rightsOfEach(cx: Context, ids: Statement<{ id: string }>): Statement<NamedRights> {
  const { grants, groupsBelow, devices, ownDevice, ownGroups, comingDenial } = rightsOf(
    scalar`looked.id`,
    cx.now(),
  )
  return sql`with looked(id) as materialized (${ids})
    select looked.id, coalesce(nullif(u.email, ''), u.user_name, looked.id) as name, json_object(
      'grants', ${rows(
        grants,
        sql`'id', r.id, 'subject_id', r.subject_id, 'role', r.role,
        'object_id', r.object_id, 'object_kind', r.object_kind, 'expires_at', r.expires_at,
        'permissions', r.permissions, 'acl', r.acl, 'condition', r.condition,
        'subject_kind', r.subject_kind`,
      )},
      'groupsBelow', ${rows(
        groupsBelow,
        sql`'root', r.root, 'group_id', r.group_id,
        'kind', r.kind, 'site', r.site`,
      )},
      'devices', ${rows(
        devices,
        sql`'root', r.root, 'group_id', r.group_id,
        'device_id', r.device_id, 'metadata', r.metadata, 'type', r.type, 'tags', r.tags,
        'group_kind', r.group_kind, 'site', r.site`,
      )},
      'ownDevice', ${rows(
        ownDevice,
        sql`'id', r.id, 'type', r.type,
        'mqtt_client_id', r.mqtt_client_id, 'metadata', r.metadata, 'type_acl', r.type_acl,
        'token_ttl', r.token_ttl, 'by_reference', r.by_reference`,
      )},
      'ownGroups', ${rows(ownGroups, sql`'group_id', r.group_id, 'site', r.site`)},
      'comingDenial', ${rows(comingDenial, sql`'begins_at', r.begins_at`)}) as rights
    from looked left join user u on u.id = looked.id`
}

/** Rows as JSON; said again outside, since the value of a subquery is a text. */
const rows = (of: Statement, members: Statement): Scalar =>
  scalar`json((select json_group_array(json_object(${members})) from (${of}) r))`

/** Reads what `rightsOfEach` answered. */
export const readRights = ({ rights }: NamedRights): RightsRows => JSON.parse(rights) as RightsRows
