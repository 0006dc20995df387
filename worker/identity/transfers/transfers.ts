// Transfers: a place gets a new owner. Somebody with power over all that ends there offers it to an
// address; the mailed link is good once. In the batch that accepts, the rights of everybody else in
// the place end, with invitations on their way and links of assistants, and the new owner gets the
// role. Devices go on: keys and tokens that the former people made for them end by choice.
// Routes: /v1/groups/{id}/transfer here in routes.ts; /transfer is transfer_page_routes.ts's.
// Owns the table `place_transfer` (transfer_store.ts). Leaves to access/places/ which rights end,
// and to rooms above, by functions of `PlaceEnds`, what of theirs stands on the place.
import { lackingToInvite, lookAtInvited } from '../../access/invited_rights.ts'
import { noOwnerRole, ownerRole, ownersRights } from '../../access/places/owner_role.ts'
import {
  isShared,
  listSharedDevices,
  makesOperators,
  placeExists,
  rightsThatEnd,
} from '../../access/places/place_store.ts'
import {
  assertNothingLacks,
  demandPower,
  lackingToHandOn,
  lackingToTransfer,
  lackingWithin,
  nameLacks,
} from '../../access/power.ts'
import { assertFits } from '../../access/preview/wide_rights.ts'
import { idSchema } from '../../access/principals.ts'
import { demandWithinReach, isWithinReach } from '../../access/reach/reach.ts'
import { z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { randomId, randomToken, sha256 } from '../../crypto.ts'
import { unlessRefused } from '../../db/database.ts'
import {
  type Condition,
  condition,
  refuseUnless,
  type Scalar,
  type Statement,
  sql,
} from '../../db/sql.ts'
import { emailKey, emailSchema } from '../../email_address.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { noteMail } from '../../mail/outbox.ts'
import { LOCALES } from '../../messages/locales.ts'
import { loadSettings } from '../../settings.ts'
import { countInvitationsTo } from '../invitations/invitation_store.ts'
import { findUserByAddress } from '../login_ids/login_id_store.ts'
import { sendMails } from '../mail/mails.ts'
import { storedInviter } from '../mailed_offers/offerer.ts'
import {
  findTransferOf,
  insertTransfer,
  isPendingTransfer,
  replaceTransfersOf,
  type TransferRow,
  transferHas,
  withdrawTransfer,
} from './transfer_store.ts'

export const TRANSFER_PATH = '/transfer'

const HOUR = 3600
const DAY = 86_400

/** A key or a minted token of a device that somebody made who reached some places alone. */
export type MadeThing = { id: string; device_id: string; made_by: string; created_at: number }

/** Parts of rooms above that stand on a place. Statements of `end` come before its rights end. */
export type PlaceEnds = {
  links(cx: Context, group_id: string): Scalar
  claimTokens(cx: Context, group_id: string): Scalar
  credentials(cx: Context, group_id: string): Statement<MadeThing>
  tokens(cx: Context, group_id: string): Statement<MadeThing>
  end(
    cx: Context,
    group_id: string,
    chosen: { end_credentials: boolean; end_tokens: boolean },
    when: Condition,
  ): readonly Statement[]
}

export const transferInput = z
  .strictObject({
    to: z.union([emailSchema, idSchema]).describe('e-mail address or user id of the new owner'),
    role: idSchema
      .optional()
      .describe('the role that the new owner gets on the place; absent: that of `owner_role`'),
    locale: z.enum(LOCALES).nullish().describe('language of the mail and of the page'),
    end_credentials: z
      .boolean()
      .default(false)
      .describe('end the keys of devices that people of this place added'),
    end_tokens: z
      .boolean()
      .default(false)
      .describe('end the tokens of devices that people of this place minted'),
    expires_in: z
      .int()
      .min(HOUR)
      .max(30 * DAY)
      .default(7 * DAY)
      .describe('for how many seconds the link is good'),
    dry_run: z.boolean().default(false).describe('say what would end, and offer nothing'),
  })
  .openapi('TransferInput')

const numbersSchema = z
  .object({
    people: z.int().describe('people who lose access'),
    grants: z.int(),
    memberships: z.int(),
    invitations: z.int().describe('invitations on their way to the place'),
    authorizations: z.int().describe('links of assistants and apps that name the place'),
    claim_tokens: z.int().default(0).describe('claim tokens by which devices come into the place'),
    credentials: z.int().describe('keys that people of the place added'),
    tokens: z.int().describe('tokens that people of the place minted'),
  })
  .openapi('TransferNumbers')

export type Numbers = z.infer<typeof numbersSchema>

const madeSchema = z.object({
  id: z.string(),
  device_id: idSchema,
  made_by: idSchema,
  created_at: z.int(),
})

export const transferSchema = z
  .object({
    id: z.string().nullable().describe('null: of a dry run'),
    state: z.enum(['dry_run', 'open', 'accepted', 'withdrawn', 'expired']),
    group_id: idSchema,
    address: z.string(),
    role: idSchema,
    end_credentials: z.boolean(),
    end_tokens: z.boolean(),
    offered_by: z.string().nullable().describe('the person or client that offers the place'),
    created_at: z.int(),
    expires_at: z.int(),
    accepted_at: z.int().nullable(),
    accepted_by: z.string().nullable(),
    ends: numbersSchema
      .nullable()
      .describe('in numbers: what would end now, or what ended when it was accepted'),
    credentials: z
      .array(madeSchema)
      .describe(
        'the first 100 keys of devices that people of the place added and that are left; of an accepted transfer those of before',
      ),
    tokens: z
      .array(madeSchema)
      .describe(
        'the first 100 tokens of devices that people of the place minted and that are left; of an accepted transfer those of before',
      ),
  })
  .openapi('Transfer')

type Transfer = z.infer<typeof transferSchema>

/** In numbers, all that would end now, as one row. */
export const numbersOf = (cx: Context, group_id: string, ends: PlaceEnds): Statement<Numbers> => {
  const rights = rightsThatEnd(group_id, cx.now())
  return sql<Numbers>`select ${rights.people} as people, ${rights.grants} as grants,
    ${rights.memberships} as memberships, ${countInvitationsTo(cx, group_id)} as invitations,
    ${ends.links(cx, group_id)} as authorizations,
    ${ends.claimTokens(cx, group_id)} as claim_tokens,
    (select count(*) from (${ends.credentials(cx, group_id)})) as credentials,
    (select count(*) from (${ends.tokens(cx, group_id)})) as tokens`
}

/** The reads that an answer shows beside the row. */
const shown = (cx: Context, group_id: string, ends: PlaceEnds) => ({
  numbers: numbersOf(cx, group_id, ends),
  credentials: sql<MadeThing>`${ends.credentials(cx, group_id)} order by 1 limit 100`,
  tokens: sql<MadeThing>`${ends.tokens(cx, group_id)} order by 1 limit 100`,
})

type Shown = {
  numbers: readonly Numbers[]
  credentials: readonly MadeThing[]
  tokens: readonly MadeThing[]
}

function stateOf(cx: Context, row: TransferRow): Transfer['state'] {
  if (row.accepted_at !== null) return 'accepted'
  if (row.withdrawn_at !== null) return 'withdrawn'
  return row.expires_at > cx.now() ? 'open' : 'expired'
}

const describe = (
  row: TransferRow,
  state: Transfer['state'],
  { numbers, credentials, tokens }: Shown,
): Transfer => ({
  id: state === 'dry_run' ? null : row.id,
  state,
  group_id: row.group_id,
  address: row.address,
  role: row.role,
  end_credentials: row.end_credentials === 1,
  end_tokens: row.end_tokens === 1,
  offered_by: row.invited_by,
  created_at: row.created_at,
  expires_at: row.expires_at,
  accepted_at: row.accepted_at,
  accepted_by: row.accepted_by,
  ends: row.ended === null ? (numbers[0] ?? null) : numbersSchema.parse(JSON.parse(row.ended)),
  credentials: leftIn(row, credentials),
  tokens: leftIn(row, tokens),
})

/** Once it was accepted: those of before that are left. */
const leftIn = ({ accepted_at }: TransferRow, made: readonly MadeThing[]): MadeThing[] =>
  made.filter(({ created_at }) => accepted_at === null || created_at <= accepted_at)

/**
 * Lists what the actor lacks to give the place away: power over all that ends there, the role of
 * the new owner, which it must hold for good, and the scope.
 */
export const lackingToOffer = (cx: Context, row: Pick<TransferRow, 'group_id' | 'role'>) => [
  lackingToTransfer(cx, row.group_id),
  ...lackingToInvite(cx, ownersRights(row.role, row.group_id)),
  ...lackingWithin(cx, 'access:write', row.group_id, null),
  ...(cx.actor.reach === undefined ? [lackingToHandOn(cx, ['access:write'], cx.now())] : []),
]

/** A condition: the place can change hands as it is. */
export const canChangeHands = ({ group_id, role }: Pick<TransferRow, 'group_id' | 'role'>) =>
  condition`${placeExists(group_id)} and not ${isShared(group_id)}
    and not ${makesOperators(group_id)} and exists (select 1 from role where name = ${role})`

const noPlace = () => new Problem('not_found', 'there is no such place')

/** Throws Problem. Round trips: 1 read, and 1 write unless it is a dry run. */
export async function offerTransfer(
  cx: Context,
  group_id: string,
  input: z.output<typeof transferInput>,
  ends: PlaceEnds,
): Promise<Transfer> {
  const { expires_in, dry_run } = input
  const role = input.role ?? (await ownerRole(cx))
  if (role === null) throw noOwnerRole()
  const lacking = lackingToOffer(cx, { group_id, role })
  const { actor } = cx
  const isAddressed = input.to.includes('@')
  const read = await cx.db.read({
    group: sql<{ name: string; kind: string }>`select name, kind from "group"
      where id = ${group_id} and ${isWithinReach(cx, group_id)}`,
    role: sql<{ name: string }>`select name from role where name = ${role}`,
    // Within a reach, people are known by their address alone.
    user: isAddressed
      ? findUserByAddress(input.to)
      : sql<{ email: string }>`select email from user
          where id = ${input.to} and ${isWithinReach(cx, input.to)}`,
    lacks: lacking,
    width: lookAtInvited(cx, input.to, ownersRights(role, group_id)),
    shared: listSharedDevices(group_id),
    operators: sql<{ yes: number }>`select ${makesOperators(group_id)} as yes`,
    inviter: sql<{ epoch: number; name: string | null }>`
      select epoch, name from user where id = ${actor.id}
      union all select epoch, null from client where id = ${actor.id}`,
    ...shown(cx, group_id, ends),
  })
  const [group] = read.group
  if (group === undefined) throw noPlace()
  const wrong = (pointer: string, detail: string) =>
    new Problem('invalid_request', 'the place cannot be offered so', [{ pointer, detail }])
  if (group.kind !== 'site') throw wrong('', 'only a group of kind site changes hands')
  if (read.role.length === 0) {
    throw input.role === undefined ? noOwnerRole() : wrong('/role', 'there is no such role')
  }
  assertNothingLacks(read.lacks)
  await assertFits(cx, input.to, read.width, '/role')
  const [user] = read.user
  const address = isAddressed ? input.to : (user?.email ?? '')
  if (address === '') throw wrong('/to', 'there is no user of this id with an address')
  if (read.operators[0]?.yes === 1) {
    throw new Problem('conflict', 'members of this place, or of a group around it, are operators')
  }
  if (read.shared.length > 0) {
    throw new Problem(
      'conflict',
      'devices of the place are in another place too: take them out of one of both',
      read.shared.map(({ id }) => ({ pointer: '', detail: `the device ${id}` })),
    )
  }
  if (user === undefined && actor.reach === undefined) {
    const { sign_up } = await loadSettings(cx)
    if (sign_up === 'off') {
      throw new Problem(
        'conflict',
        'nobody makes an account here: set sign_up to by_invitation or open first',
        [{ pointer: '/to', detail: 'there is no account with this address' }],
      )
    }
  }
  const token = randomToken(cx)
  const row: TransferRow = {
    id: randomId(cx, 'trf'),
    hash: sha256(token),
    group_id,
    address,
    address_key: emailKey(address),
    locale: input.locale ?? null,
    role,
    end_credentials: Number(input.end_credentials),
    end_tokens: Number(input.end_tokens),
    invited_by: actor.id,
    inviter: storedInviter(cx),
    inviter_epoch: read.inviter[0]?.epoch ?? 0,
    created_at: cx.now(),
    expires_at: cx.now() + expires_in,
    used_by: null,
    accepted_at: null,
    accepted_by: null,
    withdrawn_at: null,
    ended: null,
    done: 0,
  }
  if (dry_run) return describe(row, 'dry_run', read)
  const isNew = transferHas(row.hash)
  const inviter = read.inviter[0]?.name ?? null
  const mail = await noteMail(
    cx,
    {
      kind: 'transfer',
      values: {
        link: `${cx.config.issuer}${TRANSFER_PATH}?token=${token}`,
        valid_for: expires_in,
        place: group.name,
        ...(inviter === null ? {} : { inviter }),
      },
      to: { address, name: null },
      locale: row.locale,
      expires_at: row.expires_at,
      secret_of: row.hash,
    },
    isNew,
  )
  const older = condition`secret_of in (select hash from place_transfer
    where group_id = ${group_id} and used_by is null and withdrawn_at is not null)`
  await unlessRefused(
    nameLacks(cx, lacking, () =>
      cx.db.write([
        ...demandPower(lacking),
        ...demandWithinReach(cx, condition`false`, group_id),
        refuseUnless(condition`${isNew} or (${canChangeHands(row)})`, 'place_state'),
        replaceTransfersOf(cx, group_id, condition`not ${isNew}`),
        withdrawMails(cx, older),
        insertTransfer(row),
        ...mail.statements,
        appendEvent(
          cx,
          {
            type: 'place.transfer_offered',
            subject_id: group_id,
            data: { transfer: row.id, mail_id: mail.id },
          },
          isNew,
        ),
      ]),
    ),
    () => {
      throw new Problem('conflict', 'the place was changed at the same time; try again')
    },
  )
  sendMails(cx)
  return describe(row, 'open', read)
}

/** The last transfer of the place. Throws Problem. Round trips: 1 read. */
export async function getTransfer(
  cx: Context,
  group_id: string,
  ends: PlaceEnds,
): Promise<Transfer> {
  const read = await cx.db.read({
    row: findTransferOf(group_id, isWithinReach(cx, group_id)),
    ...shown(cx, group_id, ends),
  })
  const [row] = read.row
  if (row === undefined) throw new Problem('not_found', 'there is no transfer of such a place')
  return describe(row, stateOf(cx, row), read)
}

/** Takes the offer back: its link is dead. Throws Problem. Round trips: 2 reads, 1 write. */
export async function withdrawOffer(cx: Context, group_id: string): Promise<void> {
  const [row] = await cx.db.read(findTransferOf(group_id, isWithinReach(cx, group_id)))
  if (row === undefined || stateOf(cx, row) !== 'open') {
    throw new Problem('not_found', 'no transfer of such a place is on its way')
  }
  // The one who offered it may take it back, with whichever power is left.
  const lacking = row.invited_by === cx.actor.id ? [] : lackingToOffer(cx, row)
  assertNothingLacks(await cx.db.read(lacking))
  const pending = isPendingTransfer(row.id)
  await nameLacks(cx, lacking, () =>
    cx.db.write([
      ...demandPower(lacking),
      appendEvent(
        cx,
        {
          type: 'place.transfer_withdrawn',
          subject_id: group_id,
          data: { transfer: row.id },
        },
        pending,
      ),
      withdrawTransfer(cx, row.id),
      withdrawMails(cx, condition`secret_of = ${row.hash} and not ${pending}`),
    ]),
  )
}
