// Changes that an owner makes on the page of a place, each by the use case of /v1 with its scope.
// Values come from a form: a wrong one is `invalid`, and what the use case refuses is its Problem.

import { changeGroup, createGroup, groupInput, groupPatch } from '../../access/groups.ts'
import type { z } from '../../api.ts'
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
import {
  type Endings,
  end,
  endingsOfGrant,
  endingsOfPerson,
  markOfEndings,
} from './place_endings.ts'
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
  /** A removal that was not asked for yet with what it ends. */
  | { what: 'endings'; action: 'end' | 'remove'; id: string; endings: Endings; seen: string }

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
    case 'end':
    case 'remove': {
      const cx = visitor.to('access:write')
      const id = text(form, 'id')
      const sight = { people: visitor.holds('users:read'), devices: visitor.holds('devices:read') }
      const find = () =>
        (action === 'end' ? endingsOfGrant : endingsOfPerson)(cx, sight, group_id, id)
      const endings = await find()
      const asks = (these: Endings): PlaceDone => ({
        ...{ what: 'endings', action, id },
        ...{ endings: these, seen: markOfEndings(these) },
      })
      if (text(form, 'seen') !== markOfEndings(endings)) return asks(endings)
      const isAll = await end(cx, action === 'remove' ? id : null, endings)
      return isAll ? DONE : asks(await find())
    }
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
