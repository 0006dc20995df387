// Demands of a second factor that come with groups and roles. Statements, no rules: who is asked,
// and when, is identity's.
import { API_SCOPES } from '../api.ts'
import { type Condition, condition, type Scalar } from '../db/sql.ts'
import { grantsHeld, within } from './rights_store.ts'

/** Permissions that are power over the system, as one value. */
const POWERS = JSON.stringify(['manage', ...API_SCOPES])

/**
 * A condition: a group of the person (or one above it) or a role that is held in force demands a
 * factor; and, where `ofOperators` holds, a role on everything that gives a scope of the management
 * API.
 */
export const accessDemandsFactor = (
  person: Scalar,
  now: number,
  ofOperators: Condition,
): Condition =>
  condition`exists (with recursive ${within(person, now)}, ${grantsHeld(person, now, 'withConditional')}
    select 1 from within cross join "group" g on g.id = within.id where g.require_factor = 1
    union all
    select 1 from held join role on role.name = held.role
    where role.require_factor = 1 or (held.object_id = '*' and ${ofOperators} and exists (
      select 1 from json_each(role.permissions) p
      where p.value in (select value from json_each(${POWERS})))))`
