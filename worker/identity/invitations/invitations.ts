// Invitations: an operator invites an address, with rights that the person gets. The mailed link
// proves the address and is good once; the person makes an account behind it, or accepts with one
// that is there. The rights are judged by the power of the one who invites: when the invitation is
// made, and in the batch that accepts it. Whoever was disabled, or recovered the account, since
// then gives nothing any more.
// Routes: /v1/invitations here in routes.ts; /invitation is acceptance_routes.ts's.
// Owns the table `invitation` (invitation_store.ts). Leaves rights to access/, and making an
// account to users.ts.

import {
  type InvitedRights,
  invitedRightsSchema,
  lackingToInvite,
  listMissingParties,
  lookAtInvited,
} from '../../access/invited_rights.ts'
import { assertNothingLacks, demandPower, lackingToHandOn, nameLacks } from '../../access/power.ts'
import { assertFits } from '../../access/preview/wide_rights.ts'
import { decodeCursor, lineSchema, type PageOf, type PageQuery, pageOf, z } from '../../api.ts'
import { type Context, carriedScopes } from '../../context.ts'
import { randomId, randomToken, sha256 } from '../../crypto.ts'
import { type Condition, condition, sql } from '../../db/sql.ts'
import { emailKey, emailSchema } from '../../email_address.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import { withdrawMails } from '../../mail/mail_store.ts'
import { noteMail } from '../../mail/outbox.ts'
import { LOCALES } from '../../messages/locales.ts'
import { loadSettings } from '../../settings.ts'
import { findUserByAddress } from '../login_ids/login_id_store.ts'
import { sendMails } from '../mail/mails.ts'
import { storedInviter } from '../mailed_offers/offerer.ts'
import {
  findIntroduction,
  findInvitation,
  type InvitationRow,
  insertInvitation,
  invitationHas,
  isInvitationListed,
  isInvitationWithin,
  isOpenInvitationListed,
  isPending,
  listInvitationsBefore,
  renewInvitation,
  revokeInvitation,
} from './invitation_store.ts'

export const INVITATION_PATH = '/invitation'

const HOUR = 3600
const DAY = 86_400

export const invitationInput = z
  .strictObject({
    address: emailSchema,
    name: lineSchema(200).nullish(),
    locale: z.enum(LOCALES).nullish().describe('language of the mail and of the page'),
    ...invitedRightsSchema,
    expires_in: z
      .int()
      .min(HOUR)
      .max(30 * DAY)
      .default(7 * DAY)
      .describe('for how many seconds the link is good, from each sending'),
  })
  .openapi('InvitationInput')

const rightsShape = z.object({
  grants: z.array(
    z.object({
      role: z.string(),
      object: z.string(),
      expires_at: z.int().nullable(),
      condition: z.string().nullable().default(null),
    }),
  ),
  groups: z.array(z.string()),
  groups_expire_at: z.int().nullable(),
})

export const invitationSchema = z
  .object({
    id: z.string(),
    state: z.enum(['open', 'accepted', 'revoked', 'expired']),
    address: z.string(),
    name: z.string().nullable(),
    locale: z.string().nullable(),
    invited_by: z.string().nullable().describe('the person or client that invited'),
    ...rightsShape.shape,
    created_at: z.int(),
    expires_at: z.int(),
    accepted_at: z.int().nullable(),
    accepted_by: z.string().nullable().describe('the user who accepted'),
    revoked_at: z.int().nullable(),
  })
  .openapi('Invitation')

type Invitation = z.infer<typeof invitationSchema>

export const invitedRightsOf = ({
  grants,
  groups,
  groups_expire_at,
}: Pick<InvitationRow, 'grants' | 'groups' | 'groups_expire_at'>) =>
  rightsShape.parse({ grants: JSON.parse(grants), groups: JSON.parse(groups), groups_expire_at })

export const describeInvitation = (cx: Context, row: InvitationRow): Invitation => ({
  id: row.id,
  state:
    row.accepted_at !== null
      ? 'accepted'
      : row.revoked_at !== null
        ? 'revoked'
        : row.expires_at > cx.now()
          ? 'open'
          : 'expired',
  address: row.address,
  name: row.name,
  locale: row.locale,
  invited_by: row.invited_by,
  ...invitedRightsOf(row),
  created_at: row.created_at,
  expires_at: row.expires_at,
  accepted_at: row.accepted_at,
  accepted_by: row.accepted_by,
  revoked_at: row.revoked_at,
})

/** The scope that rights need beside the one of the operation, as grants and members do. */
export const scopesToInvite = ({ grants, groups }: InvitedRights): string[] =>
  grants.length + groups.length === 0 ? ['users:write'] : ['users:write', 'access:write']

function assertMayInvite({ actor }: Context, rights: InvitedRights): void {
  const carried = carriedScopes(actor)
  if (actor.reach !== undefined && rights.groups.length === 0) {
    const detail = 'must have a group that the actor reaches'
    throw new Problem('forbidden', detail, [{ pointer: '/groups', detail }], 'scope_not_held')
  }
  if (carried.includes('manage')) return
  const missing = scopesToInvite(rights).find((scope) => !carried.includes(scope))
  if (missing === undefined) return
  const detail = `an invitation with rights needs the scope ${missing} too`
  throw new Problem('forbidden', detail, [{ pointer: '/grants', detail }], 'scope_not_held')
}

/** Throws Problem. Round trips: 1 read, 1 write. */
export async function createInvitation(
  cx: Context,
  input: z.output<typeof invitationInput>,
): Promise<Invitation> {
  const { address, grants, groups, groups_expire_at, expires_in } = input
  const rights = { grants, groups, groups_expire_at }
  assertMayInvite(cx, rights)
  const address_key = emailKey(address)
  const { sign_up } = await loadSettings(cx)
  const lacking = lackingToInvite(cx, rights)
  const { actor } = cx
  const texts = { grants: JSON.stringify(grants), groups: JSON.stringify(groups) }
  const read = await cx.db.read({
    lacks: lacking,
    missing: listMissingParties(cx, rights),
    user: findUserByAddress(address),
    width: lookAtInvited(cx, address, rights),
    epoch: sql<{ epoch: number }>`select epoch from user where id = ${actor.id}
      union all select epoch from client where id = ${actor.id}`,
    introduction: findIntroduction(actor.id, texts.groups, texts.grants),
  })
  // Within a reach, what is elsewhere is not there, and nothing is said of it.
  if (actor.reach === undefined) assertNothingLacks(read.lacks)
  if (read.missing.length > 0) {
    throw new Problem(
      'invalid_request',
      'the invitation names something that is not there',
      read.missing.map(({ pointer }) => ({ pointer, detail: 'there is no such thing' })),
    )
  }
  assertNothingLacks(read.lacks)
  await assertFits(cx, address, read.width, '/grants')
  // Whether there is an account is no matter of an actor that reaches some places alone.
  if (sign_up === 'off' && read.user.length === 0 && actor.reach === undefined) {
    throw new Problem(
      'conflict',
      'nobody makes an account here: set sign_up to by_invitation or open first',
      [{ pointer: '/address', detail: 'there is no account with this address' }],
    )
  }
  const token = randomToken(cx)
  const row: InvitationRow = {
    id: randomId(cx, 'inv'),
    hash: sha256(token),
    address,
    address_key,
    name: input.name ?? null,
    locale: input.locale ?? null,
    invited_by: actor.id,
    inviter: storedInviter(cx),
    inviter_epoch: read.epoch[0]?.epoch ?? 0,
    ...texts,
    groups_expire_at,
    valid_for: expires_in,
    created_at: cx.now(),
    expires_at: cx.now() + expires_in,
    used_by: null,
    accepted_at: null,
    accepted_by: null,
    revoked_at: null,
  }
  const mail = await linkMail(cx, row, token, read.introduction[0], invitationHas(row.hash))
  await nameLacks(cx, lacking, () =>
    cx.db.write([
      ...demandPower(lacking),
      insertInvitation(row),
      ...mail.statements,
      appendEvent(
        cx,
        { type: 'invitation.created', subject_id: row.id, data: { mail_id: mail.id } },
        invitationHas(row.hash),
      ),
    ]),
  )
  sendMails(cx)
  return describeInvitation(cx, row)
}

const linkMail = (
  cx: Context,
  row: InvitationRow,
  token: string,
  introduction: { inviter: string | null; place: string | null } | undefined,
  when: Condition,
) =>
  noteMail(
    cx,
    {
      kind: 'invitation',
      values: {
        link: `${cx.config.issuer}${INVITATION_PATH}?token=${token}`,
        valid_for: row.valid_for,
        ...(introduction?.inviter == null ? {} : { inviter: introduction.inviter }),
        ...(introduction?.place == null ? {} : { place: introduction.place }),
      },
      to: { address: row.address, name: row.name },
      locale: row.locale,
      expires_at: row.expires_at,
      secret_of: row.hash,
    },
    when,
  )

const noSuchInvitation = () => new Problem('not_found', 'there is no such invitation')
const notPending = () =>
  new Problem('conflict', 'the invitation was accepted or taken back already')

/** Throws Problem not_found. */
export async function getInvitation(cx: Context, id: string): Promise<Invitation> {
  const [row] = await cx.db.read(findInvitation(id, isInvitationWithin(cx)))
  if (row === undefined) throw noSuchInvitation()
  return describeInvitation(cx, row)
}

/** Throws Problem for a forged cursor. */
export async function listInvitations(
  cx: Context,
  { limit, cursor, address }: PageQuery & { address?: string | undefined },
): Promise<PageOf<Invitation>> {
  const before = decodeCursor(cx, 'invitations', cursor)
  const key = address === undefined ? null : emailKey(address)
  const rows = await cx.db.read(listInvitationsBefore(before, limit, key, isInvitationListed(cx)))
  return pageOf(
    cx,
    'invitations',
    rows,
    limit,
    (row) => row.id,
    (row) => describeInvitation(cx, row),
  )
}

/** A page of those on their way, as the actor sees them; `kind` is that of the cursor. */
export async function listOpenInvitations(
  cx: Context,
  kind: string,
  { limit, cursor }: PageQuery,
): Promise<PageOf<Invitation>> {
  const before = decodeCursor(cx, kind, cursor)
  const rows = await cx.db.read(
    listInvitationsBefore(before, limit, null, isOpenInvitationListed(cx)),
  )
  return pageOf(
    cx,
    kind,
    rows,
    limit,
    (row) => row.id,
    (row) => describeInvitation(cx, row),
  )
}

/** The invitation, which the actor could make too. Throws Problem. */
async function findWithinPower(cx: Context, id: string) {
  const [row] = await cx.db.read(findInvitation(id, isInvitationWithin(cx)))
  if (row === undefined) throw noSuchInvitation()
  const rights = invitedRightsOf(row)
  assertMayInvite(cx, rights)
  return { row, lacking: lackingToInvite(cx, rights) }
}

/** Takes an invitation back: its link is dead. Throws Problem. Round trips: 1 read, 1 write. */
export async function withdrawInvitation(cx: Context, id: string): Promise<void> {
  const { row, lacking } = await findWithinPower(cx, id)
  const { pending } = await nameLacks(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      pending: sql<{ yes: 1 }>`select 1 as yes where ${isPending(id)}`,
      event: appendEvent(cx, { type: 'invitation.revoked', subject_id: id }, isPending(id)),
      change: revokeInvitation(cx, id),
      mails: withdrawMails(cx, condition`secret_of = ${row.hash} and not ${isPending(id)}`),
    }),
  )
  if (pending.length === 0) throw notPending()
}

/**
 * Sends it once more, with another link; the one of before is dead. Whoever sends it has to hold
 * what it gives, and what the one who invited holds still counts. Throws Problem. Round trips: 2
 * reads, 1 write.
 */
export async function sendInvitation(cx: Context, id: string): Promise<Invitation> {
  const { row: before, lacking } = await findWithinPower(cx, id)
  const token = randomToken(cx)
  const row = { ...before, hash: sha256(token), expires_at: cx.now() + before.valid_for }
  const [introduction] = await cx.db.read(findIntroduction(row.invited_by, row.groups, row.grants))
  const isNew = invitationHas(row.hash)
  const mail = await linkMail(cx, row, token, introduction, isNew)
  const { renewed } = await nameLacks(cx, lacking, () =>
    cx.db.write({
      power: demandPower(lacking),
      change: renewInvitation(id, row),
      older: withdrawMails(cx, condition`secret_of = ${before.hash} and ${isNew}`),
      mail: mail.statements,
      event: appendEvent(
        cx,
        { type: 'invitation.sent', subject_id: id, data: { mail_id: mail.id } },
        isNew,
      ),
      renewed: sql<{ yes: 1 }>`select 1 as yes where ${isNew}`,
    }),
  )
  if (renewed.length === 0) throw notPending()
  sendMails(cx)
  return describeInvitation(cx, row)
}

/** Lists what the one who invited lacks by now, of the scopes that it takes. */
export const lackingScopes = (cx: Context, rights: InvitedRights) =>
  // Within a reach they are demanded on each place that the invitation names.
  lackingToHandOn(cx, cx.actor.reach === undefined ? scopesToInvite(rights) : [], cx.now())
