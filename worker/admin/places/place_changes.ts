// Changes that an owner makes on the page of a place, each by the use case of /v1 with its scope.
// Values come from a form: a wrong one is `invalid`, and what the use case refuses is its Problem.

import { getGrant, removeGrant } from '../../access/grants.ts'
import { removeMember } from '../../access/group_members.ts'
import { changeGroup, createGroup, groupInput, groupPatch } from '../../access/groups.ts'
import { lasts } from '../../access/places/membership_ends.ts'
import { insidePlace } from '../../access/places/place_store.ts'
import type { z } from '../../api.ts'
import { sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import type { Form } from '../../http.ts'
import {
  createInvitation,
  invitationInput,
  withdrawInvitation,
} from '../../identity/invitations/invitations.ts'
import {
  makePlaceAccount,
  placeAccountInput,
  renewPlaceAccount,
  type WayIn,
} from '../../identity/place_accounts/place_accounts.ts'
import {
  type Numbers,
  offerTransfer,
  transferInput,
  withdrawOffer,
} from '../../identity/transfers/transfers.ts'
import { PLACE_ENDS } from '../place_ends.ts'
import type { PlaceVisitor } from './place_visitor.ts'

/** Buttons of the page. */
export const PLACE_ACTIONS = [
  'invite',
  'withdraw',
  'remove',
  'end',
  'account',
  'renew',
  'room',
  'rename',
  'ask',
  'offer',
  'keep',
] as const

export type PlaceAction = (typeof PLACE_ACTIONS)[number]

/** Those that give a way in or the place away: a sign-in of the last minutes comes first. */
export const FRESH_ACTIONS: readonly PlaceAction[] = ['account', 'renew', 'ask', 'offer']

export type PlaceDone =
  | { what: 'done' }
  /** A link that is shown once. */
  | { what: 'way_in'; way: WayIn }
  | { what: 'numbers'; to: string; numbers: Numbers }

const DONE: PlaceDone = { what: 'done' }

/** Throws Problem invalid_request. */
function accept<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const read = schema.safeParse(value)
  if (read.success) return read.data
  throw new Problem('invalid_request', 'the form has a value that cannot be so')
}

const text = (form: Form, name: string): string => form.get(name)?.trim() ?? ''

/** The end of the day (UTC) that a form names; null without one. Throws Problem. */
export function endOfDay(form: Form): number | null {
  const value = text(form, 'until')
  if (value === '') return null
  const day = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : Number.NaN
  if (Number.isNaN(day)) throw new Problem('invalid_request', 'the day is none')
  return day / 1000 + 86_400
}

const roleOf = (form: Form) => {
  const role = text(form, 'role')
  return role === '' ? [] : [{ role, expires_at: endOfDay(form) }]
}

/** Does what a button says. Throws Problem. */
export async function changePlace(
  visitor: PlaceVisitor,
  group_id: string,
  action: PlaceAction,
  form: Form,
  locale: string,
): Promise<PlaceDone> {
  switch (action) {
    case 'invite': {
      const cx = visitor.to('users:write')
      const input = accept(invitationInput, {
        address: text(form, 'address'),
        locale,
        grants: roleOf(form).map((one) => ({ ...one, object: group_id })),
        groups: [group_id],
        groups_expire_at: endOfDay(form),
      })
      await createInvitation(cx, input)
      return DONE
    }
    case 'withdraw':
      await withdrawInvitation(visitor.to('users:write'), text(form, 'id'))
      return DONE
    case 'end': {
      const cx = visitor.to('access:write')
      await getGrant(cx, text(form, 'id'))
      await removeGrant(cx, text(form, 'id'), null)
      return DONE
    }
    case 'remove':
      return removePerson(visitor, group_id, text(form, 'id'))
    case 'account': {
      const cx = visitor.to('users:write')
      const name = text(form, 'name')
      const input = accept(placeAccountInput, {
        user_name: text(form, 'user_name'),
        ...(name === '' ? {} : { name }),
        locale,
        roles: roleOf(form),
        expires_at: endOfDay(form),
      })
      return { what: 'way_in', way: await makePlaceAccount(cx, group_id, input) }
    }
    case 'renew': {
      const cx = visitor.to('users:write')
      return { what: 'way_in', way: await renewPlaceAccount(cx, group_id, text(form, 'id')) }
    }
    case 'room': {
      const cx = visitor.to('access:write')
      const room = { kind: 'room', name: text(form, 'name'), parent_id: group_id }
      await createGroup(cx, accept(groupInput, room))
      return DONE
    }
    case 'rename': {
      const cx = visitor.to('access:write')
      await changeGroup(
        cx,
        text(form, 'id'),
        accept(groupPatch, { name: text(form, 'name') }),
        null,
      )
      return DONE
    }
    case 'ask':
    case 'offer': {
      const cx = visitor.to('access:write')
      const dry_run = action === 'ask'
      const input = accept(transferInput, { to: text(form, 'to'), locale, dry_run })
      const made = await offerTransfer(cx, group_id, input, PLACE_ENDS)
      if (!dry_run || made.ends === null) return DONE
      return { what: 'numbers', to: input.to, numbers: made.ends }
    }
    case 'keep':
      await withdrawOffer(visitor.to('access:write'), group_id)
      return DONE
  }
}

/** Ends what a person itself holds in the place: each grant and membership as alone. */
async function removePerson(
  visitor: PlaceVisitor,
  group_id: string,
  id: string,
): Promise<PlaceDone> {
  const cx = visitor.to('access:write')
  const { grants, groups } = await cx.db.read({
    grants: sql<{ id: string }>`with recursive ${insidePlace(group_id)}
      select g.id from inside cross join "grant" g on g.object_id = inside.id
      where g.subject_id = ${id} limit 100`,
    groups: sql<{ id: string }>`with recursive ${insidePlace(group_id)}
      select m.group_id as id from below cross join membership m on m.group_id = below.id
      where m.member_id = ${id} and ${lasts(cx.now())} limit 100`,
  })
  if (grants.length + groups.length === 0) {
    throw new Problem('not_found', 'there is no such person in the place')
  }
  // Memberships last: without the last one the person is out of reach.
  for (const grant of grants) await removeGrant(cx, grant.id, null)
  for (const group of groups) await removeMember(cx, group.id, id)
  return DONE
}
