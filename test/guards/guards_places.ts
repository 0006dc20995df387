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
  {
    name: 'membership-ends-in-rights',
    attack: 'a guest whose token says after Sunday what the group gave',
    file: 'worker/access/rights_store.ts',
    from: `  select m.group_id, coalesce(m.expires_at, \${FOREVER}) from membership m
    where m.member_id = \${subject} and \${lasts(now)}`,
    to: `  select m.group_id, coalesce(m.expires_at, \${FOREVER}) from membership m
    where m.member_id = \${subject}`,
    test: 'access/places/membership_ends',
    title: 'has what the group gives until then',
  },
  {
    name: 'membership-bounds-its-grants',
    attack: 'a token that outlives the membership on which its rules rest',
    file: 'worker/access/rights_store.ts',
    from: 'nullif(min(coalesce(g.expires_at, ${FOREVER}), holder.until), ${FOREVER}) as expires_at,',
    to: 'g.expires_at as expires_at,',
    test: 'access/places/membership_ends',
    title: 'has what the group gives until then',
  },
  {
    name: 'membership-power-as-long',
    attack: 'an owner until this evening who makes a member for good',
    file: 'worker/access/group_members.ts',
    from: 'const lacking = lackingToMoveMember(cx, group_id, reference, member, longest(member))',
    to: 'const lacking = lackingToMoveMember(cx, group_id, reference, member, scalar`0`)',
    test: 'access/places/membership_ends',
    title: 'that ends makes no membership',
  },
  {
    name: 'membership-end-not-of-the-last-operator',
    attack: 'a system that nobody runs from Sunday on',
    file: 'worker/access/group_members.ts',
    from: 'if (ends && state?.remains !== 1) throw lastOperator()',
    to: '',
    test: 'access/places/membership_ends',
    title: 'not left to a membership that ends',
  },
  {
    name: 'membership-ends-in-lists',
    attack: 'an owner who goes on seeing the name and address of a guest of last year',
    file: 'worker/access/reach/reach_store.ts',
    from: '        and ${lasts(now)}\n',
    to: '',
    test: 'access/places/membership_ends',
    title: 'is no person of the place any more',
  },
]
