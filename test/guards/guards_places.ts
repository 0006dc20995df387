// Guards of places: owners, guests, members without an e-mail address, and the page /places.
import type { Guard } from './guards.ts'

export const PLACES: readonly Guard[] = [
  {
    name: 'owner-role-stays',
    attack: 'a role deleted that new owners are to get, so that nobody can take a home over',
    file: 'worker/access/roles.ts',
    from: 'if (owner_role === name) throw isOwnerRole()',
    to: '',
    test: 'access/places/owner_role',
    title: 'is not deleted while the setting names it',
  },
  {
    name: 'place-with-its-owner',
    attack: 'a place that is made without anybody who may run it',
    file: 'worker/access/places/owner_role.ts',
    from: "refuseUnless(condition`not (${when}) or ${roleExists(role)}`, 'no_owner_role'),",
    to: '',
    test: 'access/places/owner_role',
    title: 'in one batch, or not at all',
  },
  {
    name: 'first-roles-for-new-installations',
    attack: 'roles with power that appear beside those that an operator decided on',
    file: 'worker/access/places/owner_role.ts',
    from: 'condition`not exists (select 1 from role where builtin = 0) and (${when})`',
    to: 'condition`(${when})`',
    test: 'access/places/owner_role',
    title: 'has roles for a place',
  },
]
