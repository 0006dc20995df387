// Claiming by a person. A box carries a code, as QR and to be typed; whoever holds it puts the
// device into a place of one's own, once and until a time. Whoever makes the code gives the device
// away by it, and is judged again when it is used; a device that has an owner has no good code.
// Files: this one makes codes, claim_code_store.ts has their statements, person_claims.ts the use
// of one; routes.ts the operations of /v1, claim_page_routes.ts the page /claim.
// Tables: `device_claim`. Leaves the tokens of batches to getting_in/, which device comes in how
// to its type, and what the new owner may do to the role of owners (access/places/).
import { demandPower, type Lack, lackingToHandOn } from '../../access/power.ts'
import { demandWithinReach, isWithinReach } from '../../access/reach/reach.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { hmacSha256, randomId } from '../../crypto.ts'
import { BatchRefused } from '../../db/database.ts'
import { condition, refuseUnless, type Statement, sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent, appendEventOfEach } from '../../events.ts'
import { storedInviter } from '../../identity/mailed_offers/offerer.ts'
import { storedSecret } from '../../stored_secrets.ts'
import { groupsOf } from '../device_schema.ts'
import { guarded, lacking, lackingToLeave, noSuchDevice } from '../refusals.ts'
import { deviceExists, findDeviceById, findDeviceWithGroups } from '../store.ts'
import {
  type DeviceClaimRow,
  findClaimCodeOf,
  hasOpenCode,
  insertClaimCodes,
  isClaimable,
  replaceClaimCodes,
  withdrawClaimCodeOf,
} from './claim_code_store.ts'

export const CLAIM_PATH = '/claim'

const HOUR = 3600
const DAY = 86_400

/** Seconds for which a code is good where nothing else is said. */
export const CLAIM_CODE_TTL = 365 * DAY

// Crockford's base32, without I, L, O and U: 20 letters of 5 bits, shown in groups of four.
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const LENGTH = 20
const TYPED_MAX = 80

const show = (letters: string): string => (letters.match(/.{4}/g) ?? []).join('-')

function newCode(cx: Context): string {
  let letters = ''
  for (const byte of cx.random(LENGTH)) letters += LETTERS[byte & 31]
  return show(letters)
}

/** A code as somebody types it, in the form in which it is shown; null when it cannot be one. */
export function readClaimCode(text: string | undefined): string | null {
  if (text === undefined || text.length > TYPED_MAX) return null
  const letters = text
    .toUpperCase()
    .replaceAll(/[\s\p{P}]/gu, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1')
  const isCode = letters.length === LENGTH && [...letters].every((one) => LETTERS.includes(one))
  return isCode ? show(letters) : null
}

/**
 * The stored form of a code. Its key is kept for good, so that a new SECRET_KEY ends no code that
 * is printed on a box. No round trip when warm.
 */
export const hashOfClaimCode = async (cx: Context, code: string): Promise<string> =>
  hmacSha256(await storedSecret(cx, 'claim codes'), code)

export const claimCodeInput = z
  .strictObject({
    expires_in: z
      .int()
      .min(HOUR)
      .max(3660 * DAY)
      .default(CLAIM_CODE_TTL)
      .describe('seconds for which the code is good'),
  })
  .openapi('NewClaimCode')

export const claimCodeSchema = z
  .object({
    id: z.string(),
    device_id: z.string(),
    state: z.enum(['open', 'used', 'withdrawn', 'expired']),
    made_by: z.string().nullable().describe('the person or client that made it'),
    created_at: z.int(),
    expires_at: z.int(),
    claimed_at: z.int().nullable(),
  })
  .openapi('ClaimCode')

export const newClaimCodeSchema = claimCodeSchema
  .extend({
    claim_code: z.string().openapi({ description: 'To be typed. In this answer only.' }),
    claim_uri: z.string().openapi({ description: 'For a QR code. In this answer only.' }),
  })
  .openapi('CreatedClaimCode')

type ClaimCode = z.infer<typeof claimCodeSchema>
type NewClaimCode = z.infer<typeof newClaimCodeSchema>

function stateOf(cx: Context, row: DeviceClaimRow): ClaimCode['state'] {
  if (row.claimed_at !== null) return 'used'
  if (row.withdrawn_at !== null) return 'withdrawn'
  return row.expires_at > cx.now() ? 'open' : 'expired'
}

export const describeClaimCode = (cx: Context, row: DeviceClaimRow): ClaimCode => ({
  id: row.id,
  device_id: row.device_id,
  state: stateOf(cx, row),
  made_by: row.made_by,
  created_at: row.created_at,
  expires_at: row.expires_at,
  claimed_at: row.claimed_at,
})

/** A new code with the row that is stored of it. */
export type MadeClaimCode = { row: DeviceClaimRow; claim_code: string; claim_uri: string }

/** A code that nobody knows yet. `epoch` is that of the actor. */
export async function makeClaimCode(
  cx: Context,
  device_id: string,
  { expires_in, epoch }: { expires_in: number; epoch: number },
): Promise<MadeClaimCode> {
  const claim_code = newCode(cx)
  const row: DeviceClaimRow = {
    id: randomId(cx, 'clc'),
    hash: await hashOfClaimCode(cx, claim_code),
    device_id,
    made_by: cx.actor.id,
    maker: storedInviter(cx),
    maker_epoch: epoch,
    created_at: cx.now(),
    expires_at: cx.now() + expires_in,
    used_by: null,
    claimed_at: null,
    withdrawn_at: null,
  }
  const claim_uri = `${cx.config.issuer}${CLAIM_PATH}?token=${claim_code}`
  return { row, claim_code, claim_uri }
}

/** Statements that store new codes, in the place of those of before. */
export const claimCodeCreation = (
  cx: Context,
  made: readonly MadeClaimCode[],
): readonly Statement[] => {
  const rows = made.map(({ row }) => row)
  return made.length === 0 ? [] : [replaceClaimCodes(cx, rows), insertClaimCodes(rows)]
}

/** An event about each of them. */
export const claimCodeEvents = (
  cx: Context,
  made: readonly MadeClaimCode[],
): readonly Statement[] => [
  appendEventOfEach(
    cx,
    { type: 'device.claim_code_made', subject_id: null, data: { code: '', expires_at: 0 } },
    sql`select value ->> 'id' as key, value ->> 'device_id' as subject_id,
        json_object('code', value ->> 'id', 'expires_at', value ->> 'expires_at') as data
      from json_each(${JSON.stringify(made.map(({ row }) => row))})`,
  ),
]

/** The epoch of the actor, for `makeClaimCode`. */
export const findEpochOfActor = ({ actor: { id } }: Context): Statement<{ epoch: number }> =>
  sql`select epoch from user where id = ${id} union all select epoch from client where id = ${id}`

/**
 * Lists what an actor lacks to give a device away to whoever holds its code: power over the device,
 * and over what it leaves.
 */
export const lackingToGiveAway = (
  cx: Context,
  device_id: string,
  groups: readonly string[],
): readonly Statement<Lack>[] => [
  ...lacking(cx, device_id, { groups: [], moves: groups }),
  ...lackingToLeave(cx, device_id, groups),
  ...(cx.actor.reach === undefined && cx.actor.kind === 'user'
    ? [lackingToHandOn(cx, ['devices:write'], cx.now())]
    : []),
]

const notClaimable = () =>
  new Problem('conflict', 'people cannot claim this device', [
    {
      pointer: '',
      detail:
        'it must be unclaimed, and the member claim of its type must say that people claim such devices',
    },
  ])

/** The power that the actor lacks, with its epoch. Round trips: 1. Throws Problem. */
async function readGiver(cx: Context, device_id: string) {
  const read = await cx.db.read({
    seen: findDeviceById(device_id, isWithinReach(cx, device_id)),
    // It leaves groups too that are out of reach.
    whole: findDeviceWithGroups(device_id),
    actor: findEpochOfActor(cx),
  })
  const [whole] = read.whole
  if (read.seen.length === 0 || whole === undefined) throw noSuchDevice()
  const lacks = lackingToGiveAway(cx, device_id, groupsOf(whole))
  return { lacks, epoch: read.actor[0]?.epoch ?? 0 }
}

/** Makes a code; the one of before is dead. Round trips: 1 read, 1 write. Throws Problem. */
export async function createClaimCode(
  cx: Context,
  device_id: string,
  input: z.input<typeof claimCodeInput>,
): Promise<NewClaimCode> {
  const { expires_in } = claimCodeInput.parse(input)
  const { lacks, epoch } = await readGiver(cx, device_id)
  const made = await makeClaimCode(cx, device_id, { expires_in, epoch })
  const { row } = made
  await refusedAsProblem(() =>
    guarded(cx, lacks, () =>
      cx.db.write([
        ...demandPower(lacks),
        ...demandWithinReach(cx, condition`not ${deviceExists(device_id)}`, device_id),
        refuseUnless(isClaimable(device_id), 'claim_code_state'),
        ...claimCodeCreation(cx, [made]),
        ...claimCodeEvents(cx, [made]),
      ]),
    ),
  )
  const { claim_code, claim_uri } = made
  return { ...describeClaimCode(cx, row), claim_code, claim_uri }
}

async function refusedAsProblem<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (error instanceof BatchRefused && error.reason === 'claim_code_state') throw notClaimable()
    throw error
  }
}

const noCode = () => new Problem('not_found', 'there is no claim code of such a device')

/** The last code of a device, without the code itself. Round trips: 1 read. Throws Problem. */
export async function getClaimCode(cx: Context, device_id: string): Promise<ClaimCode> {
  const which = isWithinReach(cx, device_id)
  const [row] = await cx.db.read(findClaimCodeOf(device_id, which))
  if (row === undefined) throw noCode()
  return describeClaimCode(cx, row)
}

/** Takes the code back. Round trips: 1 read, 1 write. Throws Problem. */
export async function withdrawClaimCode(cx: Context, device_id: string): Promise<void> {
  const { lacks } = await readGiver(cx, device_id)
  const isWithin = isWithinReach(cx, device_id)
  const open = condition`${hasOpenCode(cx, device_id)} and ${isWithin}`
  const { there } = await guarded(cx, lacks, () =>
    cx.db.write({
      power: demandPower(lacks),
      there: sql<{ yes: 1 }>`select 1 as yes where ${open}`,
      event: appendEvent(cx, { type: 'device.claim_code_withdrawn', subject_id: device_id }, open),
      change: withdrawClaimCodeOf(cx, device_id, isWithin),
    }),
  )
  if (there.length === 0) throw noCode()
}
