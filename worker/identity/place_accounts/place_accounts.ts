// Accounts of people without an e-mail address, which an owner makes in a place: for a child, or a
// grandparent. The owner hands over a link that is good once, behind which the person sets the
// password. An owner renews the way in only while the account is the place's: made there, without
// an address or a passkey of its own and without a right elsewhere. The person is told at the next
// sign-in (renewals.ts). After a transfer nobody renews it any more, the new owner neither.
// Routes: /v1/groups/{id}/accounts in routes.ts.
// Owns the table `place_account` (place_account_store.ts). Leaves links to recovery_store.ts, and
// rights to access/.
import { grantEndSchema } from '../../access/grants.ts'
import {
  giveInvitedRights,
  type InvitedRights,
  lackingToInvite,
  listMissingParties,
} from '../../access/invited_rights.ts'
import { placeExists } from '../../access/places/place_store.ts'
import {
  assertNothingLacks,
  demandPower,
  lackingOver,
  lackingWithin,
  nameLacks,
} from '../../access/power.ts'
import { demandFreeId, idSchema, principalIsMine } from '../../access/principals.ts'
import { demandWithinReach, isWithinReach } from '../../access/reach/reach.ts'
import { decodeCursor, lineSchema, type PageOf, type PageQuery, pageOf, z } from '../../api.ts'
import { type Context, carriedScopes } from '../../context.ts'
import { unlessRefused } from '../../db/database.ts'
import { condition, sql } from '../../db/sql.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { LOCALES } from '../../messages/locales.ts'
import { loadSettings } from '../../settings.ts'
import { userNameSchema } from '../login_ids/user_names.ts'
import { newOperatorLink } from '../mail/operator_links.ts'
import { storedInviter } from '../mailed_offers/offerer.ts'
import { PASSWORD_RESET_PATH } from '../recovery.ts'
import { deleteOpenLinks, insertAccountLink, noteMakerEpoch } from '../recovery_store.ts'
import { rowOfUser, userCreation } from '../users.ts'
import {
  ACCOUNTS_MAX,
  demandRoom,
  insertPlaceAccount,
  listPlaceAccounts,
  mayBeRenewed,
  noteRenewal,
  type ShownAccountRow,
} from './place_account_store.ts'

const DAY = 86_400

/** Lifetime of a link that an owner prints or hands over, in seconds. */
const LINK_TTL = DAY

export const placeAccountInput = z
  .strictObject({
    user_name: userNameSchema.describe(
      'the beginning of the name with which the person signs in; digits are put behind it',
    ),
    name: lineSchema(200).nullish(),
    locale: z.enum(LOCALES).nullish(),
    roles: z
      .array(
        z.strictObject({ role: idSchema, expires_at: grantEndSchema.nullable().default(null) }),
      )
      .max(20)
      .default([])
      .describe('roles that the person gets on the place'),
    expires_at: grantEndSchema
      .nullable()
      .default(null)
      .describe('until when the person is a member of the place; null: for good'),
  })
  .openapi('PlaceAccountInput')

export const placeAccountSchema = z
  .object({
    user_id: idSchema,
    user_name: z.string().nullable(),
    name: z.string().nullable(),
    made_by: z.string().nullable(),
    created_at: z.int(),
    renewed_by: z.string().nullable(),
    renewed_at: z.int().nullable(),
    can_renew: z.boolean().describe('whether an owner of the place may renew the way in'),
  })
  .openapi('PlaceAccount')

export type PlaceAccount = z.infer<typeof placeAccountSchema>

/** A way in: a link that is shown once. */
export const wayInSchema = z
  .object({
    user_id: idSchema,
    user_name: z.string().nullable(),
    url: z
      .string()
      .nullable()
      .describe('good once: hand it to the person on a way that nobody else reads'),
    expires_at: z.int(),
  })
  .openapi('WayIn')

export type WayIn = z.infer<typeof wayInSchema>

const describe = ({ group_id: _, seen_at: _seen, can_renew, ...row }: ShownAccountRow) => ({
  ...row,
  can_renew: can_renew === 1,
})

const noPlace = () => new Problem('not_found', 'there is no such place')

/** Throws Problem. One read. */
export async function listAccountsOf(
  cx: Context,
  group_id: string,
  { limit, cursor }: PageQuery,
): Promise<PageOf<PlaceAccount>> {
  const list = `place accounts ${group_id}`
  const rows = await readAccounts(cx, group_id, decodeCursor(cx, list, cursor), limit)
  return pageOf(cx, list, rows, limit, (row) => row.user_id, describe)
}

/** The first of those behind the id of a person. Throws Problem. One read. */
export async function listAccountsAfter(
  cx: Context,
  group_id: string,
  after: string,
  limit: number,
): Promise<PlaceAccount[]> {
  const rows = await readAccounts(cx, group_id, after, limit)
  return rows.slice(0, limit).map(describe)
}

async function readAccounts(
  cx: Context,
  group_id: string,
  after: string,
  limit: number,
): Promise<readonly ShownAccountRow[]> {
  const isSeen = isWithinReach(cx, group_id)
  const { place, rows } = await cx.db.read({
    place: sql<{ yes: 1 }>`select 1 as yes where ${placeExists(group_id)} and ${isSeen}`,
    rows: listPlaceAccounts(group_id, after, limit, isSeen, cx.now()),
  })
  if (place.length === 0) throw noPlace()
  return rows
}

/** Digits behind a user name, so that nobody learns which names are taken. */
const someDigits = (cx: Context): string =>
  [...cx.random(5)].map((byte) => String(byte % 10)).join('')

function assertMayGive({ actor }: Context): void {
  const carried = carriedScopes(actor)
  if (carried.includes('manage') || carried.includes('access:write')) return
  const detail = 'an account in a place needs the scope access:write too'
  throw new Problem('forbidden', detail, [], 'scope_not_held')
}

/**
 * Makes an account in the place and answers the link to its first password, this once. Throws
 * Problem. Round trips: 1 read, 1 write.
 */
export async function makePlaceAccount(
  cx: Context,
  group_id: string,
  input: z.output<typeof placeAccountInput>,
): Promise<WayIn> {
  assertMayGive(cx)
  const { sign_up, sign_in_names } = await loadSettings(cx)
  const rights: InvitedRights = {
    grants: input.roles.map((one) => ({ ...one, object: group_id, condition: null })),
    groups: [group_id],
    groups_expire_at: input.expires_at,
  }
  const lacking = lackingToInvite(cx, rights)
  const read = await cx.db.read({
    place: sql<{ yes: 1 }>`select 1 as yes
      where ${placeExists(group_id)} and ${isWithinReach(cx, group_id)}`,
    lacks: lacking,
    missing: listMissingParties(cx, rights),
  })
  if (read.place.length === 0) throw noPlace()
  if (read.missing.length > 0) {
    throw new Problem(
      'invalid_request',
      'the account names something that is not there',
      read.missing.map(({ pointer }) => ({
        pointer: pointer.replace('/grants/', '/roles/'),
        detail: 'there is no such thing',
      })),
    )
  }
  assertNothingLacks(read.lacks)
  if (sign_up === 'off' || !sign_in_names.includes('user_name')) {
    throw new Problem(
      'conflict',
      'nobody makes an account without an address here: set sign_up to by_invitation or open, and have user_name in sign_in_names',
    )
  }
  const user_name = `${input.user_name}.${someDigits(cx)}`
  const row = await rowOfUser(cx, { user_name, name: input.name, locale: input.locale })
  const isMine = principalIsMine(cx, row.id)
  const made = await linkTo(cx, row.id)
  // Powerless comes first: the other refusals are words about the place.
  const write = nameLacks(cx, lacking, () =>
    cx.db.write([
      ...demandPower(lacking),
      ...demandWithinReach(cx, condition`false`, group_id),
      demandRoom(group_id, row.id),
      demandFreeId(cx, row.id),
      ...userCreation(cx, row),
      insertPlaceAccount(
        {
          user_id: row.id,
          group_id,
          made_by: cx.actor.id,
          created_at: cx.now(),
          renewed_by: null,
          renewed_at: null,
          seen_at: null,
        },
        isMine,
      ),
      appendEvent(
        cx,
        { type: 'place.account_made', subject_id: row.id, data: { group_id } },
        isMine,
      ),
      ...giveInvitedRights(cx, row.id, rights, isMine),
      insertAccountLink(linkRow(cx, row.id, group_id, made), isMine),
      noteMakerEpoch(made.hash),
    ]),
  )
  await unlessRefused(write, (reason) => {
    throw reason === 'place_accounts'
      ? new Problem('conflict', `owners make at most ${ACCOUNTS_MAX} accounts in a place`)
      : new Problem('conflict', 'the place was changed at the same time; try again')
  })
  return { user_id: row.id, user_name, url: made.answer.url, expires_at: made.expires_at }
}

const linkTo = (cx: Context, user_id: string) =>
  newOperatorLink(cx, {
    user_id,
    kind: 'recovery',
    path: PASSWORD_RESET_PATH,
    ttl: LINK_TTL,
    send: false,
  })

const linkRow = (
  cx: Context,
  user_id: string,
  group_id: string,
  { hash, expires_at }: { hash: string; expires_at: number },
) => ({
  hash,
  user_id,
  purpose: 'password_reset' as const,
  created_at: cx.now(),
  expires_at,
  used_by: null,
  used_at: null,
  // Judged again when it is used: the maker's power, and that the account is the place's still.
  made_by: JSON.stringify({ ...JSON.parse(storedInviter(cx)), place: group_id }),
  address_key: null,
  address: null,
  browser: null,
  journey: null,
})

/**
 * Makes another link to a password, this once; links from before are dead. Sessions and access of
 * applications end when it is used. Throws Problem. Round trips: 1 read, 1 write.
 */
export async function renewPlaceAccount(
  cx: Context,
  group_id: string,
  user_id: string,
): Promise<WayIn> {
  const lacking = [
    ...lackingOver(cx, user_id),
    ...lackingWithin(cx, 'users:write', group_id, cx.now()),
  ]
  const mayBe = mayBeRenewed(group_id, user_id, cx.now())
  const read = await cx.db.read({
    account: sql<{ user_name: string | null; may_be: number }>`
      select u.user_name, ${mayBe} as may_be
      from place_account a join user u on u.id = a.user_id
      where a.user_id = ${user_id} and a.group_id = ${group_id} and ${isWithinReach(cx, group_id)}
        and ${isWithinReach(cx, user_id)}`,
    lacks: lacking,
  })
  const [account] = read.account
  if (account === undefined) throw new Problem('not_found', 'no such account was made in the place')
  assertNothingLacks(read.lacks)
  if (account.may_be !== 1) throw notOfThePlace()
  const made = await linkTo(cx, user_id)
  await unlessRefused(
    nameLacks(cx, lacking, () =>
      cx.db.write([
        ...demandPower(lacking),
        ...demandWithinReach(cx, condition`false`, group_id, user_id),
        insertAccountLink(linkRow(cx, user_id, group_id, made), mayBe),
        noteMakerEpoch(made.hash),
        deleteOpenLinks(user_id, 'password_reset', made.hash),
        noteRenewal(cx, user_id, made.isStored),
        appendEvent(
          cx,
          { type: 'user.reset_started', subject_id: user_id, data: made.data },
          made.isStored,
        ),
      ]),
    ),
    () => {
      throw notOfThePlace()
    },
  )
  const [stored] = await cx.db.read(sql<{ yes: number }>`select ${made.isStored} as yes`)
  if (stored?.yes !== 1) throw notOfThePlace()
  return {
    user_id,
    user_name: account.user_name,
    url: made.answer.url,
    expires_at: made.expires_at,
  }
}

const notOfThePlace = () =>
  new Problem(
    'conflict',
    'the account has an address, a passkey or a right of its own elsewhere, or is no member of the place: its person gets back alone, or an operator helps',
  )
