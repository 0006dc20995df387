// The use of a claim code by the person who is signed in. One batch uses the code, takes from the
// device what it had before, makes it active and puts it into the place, which may be a new one.
// It is undone as a whole where the code is used already, its maker could not give the device away
// any more, or the person may not put devices into that place.
import { insertMembership } from '../../access/groups.ts'
import { listPlacesOf, ownerRole, placeCreation } from '../../access/places/owner_role.ts'
import { placeExists } from '../../access/places/place_store.ts'
import {
  demandNothingLacks,
  type Lack,
  lackingToMove,
  lackingToShape,
  lackingWithin,
  nothingLacks,
} from '../../access/power.ts'
import { demandSameRights, fits, markRights } from '../../access/preview/wide_rights.ts'
import { grantsOfTaken, takeRights } from '../../access/principals.ts'
import { type Actor, as, type Context } from '../../context.ts'
import { randomId } from '../../crypto.ts'
import { type Answers, unlessRefused } from '../../db/database.ts'
import {
  condition,
  join,
  refuseUnless,
  type Scalar,
  type Statement,
  scalar,
  sql,
} from '../../db/sql.ts'
import { appendEvent } from '../../events.ts'
import { demandOfferer, readInviter } from '../../identity/mailed_offers/offerer.ts'
import {
  meetsRequirements,
  type Requirement,
  requirementsOf,
  standingIn,
  standingOf,
} from '../../identity/requirements.ts'
import {
  findSession,
  isSessionLive,
  type LiveSession,
  noteSession,
  userOf,
} from '../../identity/sessions.ts'
import { findGuesses, judgeSecret } from '../../secret_guesses.ts'
import { activateClaimed } from '../getting_in/claim_store.ts'
import { endKeysMadeFor } from '../made_in_place.ts'
import { revokeDeviceTokensOf } from '../minted_token_store.ts'
import { groupIsThere } from '../store.ts'
import { deviceFits, readsOfWidth, type WidthRows } from '../width.ts'
import { hashOfClaimCode, lackingToGiveAway } from './claim_code.ts'
import {
  claimedDevice,
  claimedInto,
  claimIsMine,
  consumeClaimCode,
  findAnyClaimCode,
  findOpenClaimCode,
  findOwnClaim,
  isInGroups,
  isOpenClaimCode,
  type OpenClaimCode,
  typeOfClaimed,
} from './claim_code_store.ts'

/** Name under which wrong codes are counted, for each address and in all. */
const GUESSES = 'claim codes'

/** The word for a new place; no id has a star. */
export const NEW_PLACE = '*'

export type Place = { id: string; name: string }

export type OpenedClaim = {
  code: OpenClaimCode
  session: LiveSession | null
  /** All that the person who is signed in lacks. */
  lacking: readonly Requirement[]
  /** The places into which the person may put devices. */
  places: readonly Place[]
  /** The role that the owner of a new place gets; null: nobody makes one here. */
  role: string | null
  /** The rights in the place that was asked about, with the device; null: about none. */
  width: WidthRows | null
  /** The id that a new place would have. */
  new_id: string
  /** The rights of the person as the owner of the new place; null: it was not asked about. */
  owner: OwnerRows | null
}

type OwnerRows = Answers<ReturnType<typeof readsOfOwner>>

/** The place into which the person who is signed in has just put the device: a form sent twice. */
export type OwnClaim = { own: Place }

/**
 * The device of a code with the person who opens it; null for a code that nobody can use, whyever.
 * `place_id`: the place into which the device shall go, NEW_PLACE for one that is made.
 * Round trips: 1, and 1 for a code that there never was. Throws OAuthError too_many_requests.
 */
export async function openClaim(
  cx: Context,
  code: string,
  cookie: string | undefined,
  place_id?: string,
): Promise<OpenedClaim | OwnClaim | null> {
  const hash = await hashOfClaimCode(cx, code)
  const role = await ownerRole(cx)
  const new_id = randomId(cx, 'grp')
  const isNew = place_id === NEW_PLACE
  const read = await cx.db.read({
    guesses: findGuesses(cx, GUESSES),
    any: findAnyClaimCode(hash),
    code: findOpenClaimCode(cx, hash),
    own: findOwnClaim(cx, hash, userOf(cx, cookie)),
    session: findSession(cx, cookie),
    lacking: requirementsOf(cx, standingOf(cx, cookie)),
    places: listPlacesOf(userOf(cx, cookie), 'devices:write', cx.now()),
    role: sql<{ name: string }>`select name from role where name = ${role}`,
    // It brings none of the rights that it has: a claim takes them.
    width:
      place_id === undefined
        ? null
        : readsOfWidth(
            cx,
            '',
            typeOfClaimed(hash),
            JSON.stringify([isNew ? new_id : place_id]),
            true,
            isNew ? { groups: newPlace(new_id) } : {},
          ),
    owner: isNew && role !== null ? readsOfOwner(cx, userOf(cx, cookie), hash, new_id, role) : null,
  })
  const [session] = read.session
  noteSession(cx, session)
  if (!(await judgeSecret(cx, GUESSES, read.guesses, () => read.any.length > 0))) return null
  const [found] = read.code
  const [own] = read.own
  if (own !== undefined) return { own }
  if (found === undefined) return null
  const { lacking, places, width, owner } = read
  return {
    code: found,
    session: session ?? null,
    lacking,
    places,
    role: read.role[0]?.name ?? null,
    width: Array.isArray(width) ? null : width,
    new_id,
    owner: Array.isArray(owner) ? null : owner,
  }
}

/** A supposition of groups: a place that is not there yet. */
const newPlace = (id: string): string => JSON.stringify([{ id, parent_id: null, kind: 'site' }])

/** The rights of a person as the owner of a place that is made for the device with the code. */
const readsOfOwner = (cx: Context, user_id: Scalar, hash: string, new_id: string, role: string) =>
  markRights(cx, user_id, {
    grants: [
      {
        id: new_id,
        subject: user_id,
        role,
        object: new_id,
        expires_at: null,
        condition: null,
        condition_reads: null,
      },
    ],
    joins: JSON.stringify([new_id]),
    groups: newPlace(new_id),
    devices: claimedInto(hash, new_id),
    without: grantsOfTaken(claimedDevice(hash)),
  })

/**
 * The person at this page, with all that the own roles give: what these are is looked up by each
 * statement that compares.
 */
const ownerAt = (user_id: string): Actor => ({
  kind: 'user',
  id: user_id,
  scopes: new Set(),
  places: new Map([['manage', []]]),
  reach: [],
})

/** Lists what the person lacks to put devices into a place that is there. */
const lackingToTakeIn = (cx: Context, group_id: string): readonly Statement<Lack>[] => [
  ...lackingWithin(cx, 'devices:write', group_id, cx.now()),
  // The device comes with the rights of its maker, so that what others hold there needs no power;
  // what the place itself holds elsewhere does.
  lackingToMove(cx, group_id, scalar`null`),
]

/** Lists what an actor lacks to give the device the rules of its type in this place. */
const lackingRules = (cx: Context, device_id: string, group_id: string) =>
  lackingToShape(
    cx,
    device_id,
    { groups: scalar`${JSON.stringify([group_id])}` },
    { metadata: [], mqtt_client_id: false },
  )

/**
 * Demands that the person may put devices into the place. The rules that the device gets there by
 * its type come of the power of its maker, or of that of the person.
 */
function demandPlace(
  cx: Context,
  user_id: string,
  maker: Context,
  { hash, device_id }: OpenClaimCode,
  group_id: string,
): readonly Statement[] {
  const mine = claimIsMine(cx, hash)
  const owner = { ...cx, actor: ownerAt(user_id) }
  const mayGive = [maker, owner].map((one) => lacksNothing(lackingRules(one, device_id, group_id)))
  return [
    refuseUnless(condition`${mine} or ${placeExists(group_id)}`, 'claim_place'),
    ...demandNothingLacks(mine, ...lackingToTakeIn(owner, group_id)),
    refuseUnless(condition`${mine} or ${join(mayGive, ' or ')}`, 'claim_place'),
  ]
}

const lacksNothing = (lacks: readonly Statement<Lack>[]) => join(lacks.map(nothingLacks), ' and ')

export type ClaimOutcome =
  | { outcome: 'done'; place: Place }
  /** Used, over, taken back, or given by somebody who can no longer give the device. */
  | { outcome: 'dead'; reason: 'claim_code_dead' | 'claim_code_maker' }
  /** The person may not put devices into the place, or it is gone. */
  | { outcome: 'no_place' }
  /** Somebody's rules in the place, or those of the device, would fit into no token. */
  | { outcome: 'too_wide' }
  /** The rights of the person are others than those that were looked at. */
  | { outcome: 'changed' }

export type WantedPlace = { id: string } | { name: string; role: string }

/** Whether the device, as it would be in the place, leaves a token to everybody. */
const fitsInPlace = async (
  cx: Context,
  { code, width, owner }: OpenedClaim,
  group_id: string,
): Promise<boolean> => {
  const placed = { ...code, id: code.device_id, groups: [group_id] }
  const ending = { without: grantsOfTaken(scalar`${code.device_id}`) }
  return (
    (width === null || (await deviceFits(cx, placed, width, ending))) &&
    (owner === null || (await fits(cx, owner)))
  )
}

/**
 * `place`: that about which `openClaim` was asked, one that is there or a new one with the role of
 * its owner. One write, and one read where somebody's rules name each device of the place.
 */
export async function claimDeviceByCode(
  cx: Context,
  opened: OpenedClaim,
  session: LiveSession,
  place: WantedPlace,
): Promise<ClaimOutcome> {
  const { code } = opened
  const { hash, device_id } = code
  const { user_id } = session
  const acting = as(cx, { kind: 'user', id: user_id })
  const mine = claimIsMine(cx, hash)
  const open = isOpenClaimCode(cx, hash)
  const group_id = 'id' in place ? place.id : opened.new_id
  const offerer = {
    invited_by: code.made_by,
    inviter: code.maker,
    inviter_epoch: code.maker_epoch,
  }
  const maker = { ...cx, actor: readInviter(offerer) }
  const groups = JSON.parse(code.groups) as string[]
  const isWaiting = condition`exists (
    select 1 from device where id = ${device_id} and status = 'unclaimed')`
  const mayClaim = join(
    [isSessionLive(cx, session), meetsRequirements(cx, standingIn(session))],
    ' and ',
  )
  const isTooWide = !(await fitsInPlace(cx, opened, group_id))
  const marks = (opened.owner?.mark ?? []).map((one) => ({ id: user_id, ...one }))
  const write = cx.db.write({
    // For what there is now: groups and rights may have changed since the code was made.
    maker: demandOfferer(cx, offerer, open, (then) => lackingToGiveAway(then, device_id, groups)),
    place: 'id' in place ? demandPlace(cx, user_id, maker, code, place.id) : [],
    unmoved: refuseUnless(
      condition`${mine} or ${isInGroups(device_id, code.groups)}`,
      'claim_over',
    ),
    // Before the code is used, which stands for the whole change having been made.
    sameRights: demandSameRights(mine, marks),
    used: consumeClaimCode(cx, code, mayClaim),
    isUsed: refuseUnless(mine, 'claim_over'),
    // Stands behind all other demands: only who may use the code and the place learns of it.
    width: isTooWide ? refuseUnless(condition`false`, 'too_many_rules') : [],
    made: 'id' in place ? [] : placeCreation(acting, { ...place, id: group_id }, user_id, mine),
    changes: [
      // Once: a batch that is repeated finds the device active, in its new place.
      ...takeRights(device_id, isWaiting),
      ...endKeysMadeFor(cx, device_id, isWaiting),
      revokeDeviceTokensOf(cx, device_id),
      activateClaimed(cx, device_id),
      insertMembership(cx, group_id, device_id, groupIsThere(group_id, mine)),
      appendEvent(acting, {
        type: 'device.claimed_by_person',
        subject_id: device_id,
        data: { code: code.id, group: group_id, made_by: code.made_by },
      }),
    ],
    done: sql<Place>`select id, name from "group" where id = ${group_id}`,
  })
  const written = await unlessRefused(write, (reason) => reason)
  if (typeof written !== 'string') {
    const [done] = written.done
    return { outcome: 'done', place: done ?? { id: group_id, name: group_id } }
  }
  if (written === 'inviter_powerless') return { outcome: 'dead', reason: 'claim_code_maker' }
  if (written === 'claim_over') return { outcome: 'dead', reason: 'claim_code_dead' }
  if (written === 'rights_changed') return { outcome: 'changed' }
  return { outcome: written === 'too_many_rules' ? 'too_wide' : 'no_place' }
}
