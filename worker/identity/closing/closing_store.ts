// Statements about accounts that are closed, and the deletion of an account. No rules.
import { buryPrincipal, forgetRights } from '../../access/principals.ts'
import type { Context } from '../../context.ts'
import { type Condition, condition, type Statement, sql } from '../../db/sql.ts'
import { deleteDeliveriesTo } from '../../deliveries.ts'
import { appendEvent, forgetPersonInEvents } from '../../events.ts'
import { deleteMailsOf, withdrawMails } from '../../mail/mail_store.ts'
import { deleteDecisionsOf } from '../consents/consent_store.ts'
import { deleteFactorsOf } from '../factors/factor_store.ts'
import { deleteRemovedFactorsOf } from '../factors/removed_factor_store.ts'
import { deleteInvitationsOf } from '../invitations/invitation_store.ts'
import { deleteMailCodesOf } from '../mail_codes/mail_code_store.ts'
import { deletePlaceAccountsOf } from '../place_accounts/place_account_store.ts'
import { deleteAccountLinksOf, dropOpenLinks } from '../recovery_store.ts'
import { type EndAccess, endSessionsOf } from '../sessions.ts'
import { deleteFailedSignInsOf } from '../sign_in/failed_sign_ins.ts'
import { isOpenSignIn } from '../sign_in/sign_in_store.ts'
import { deleteUser, PERSON_LABEL, type UserRow, userExists } from '../store.ts'
import { deleteTransfersOf } from '../transfers/transfer_store.ts'

/** Whether the person of a closed account can still keep it. */
export const canBeKept = (
  cx: Context,
  { status, closes_at }: Pick<UserRow, 'status' | 'closes_at'>,
): boolean => status === 'closed' && (closes_at ?? 0) > cx.now()

/** A condition: the account is active. */
export const isActive = (id: string): Condition =>
  condition`exists (select 1 from user where id = ${id} and status = 'active')`

/** A condition: the account is closed. */
export const isClosed = (id: string): Condition =>
  condition`exists (select 1 from user where id = ${id} and status = 'closed')`

/** Closes the account until then. Raises the epoch: whatever was issued to the person is dead. */
export const closeUser = (cx: Context, id: string, closes_at: number, when: Condition): Statement =>
  sql`update user set status = 'closed', closes_at = ${closes_at}, epoch = epoch + 1,
      version = version + 1, updated_at = ${cx.now()}
    where id = ${id} and status = 'active' and (${when})`

/**
 * Makes a closed account active again, where the condition holds: an open sign-in to it is one, and
 * is none once the account is due.
 */
export const reopenUser = (cx: Context, id: string, when: Condition): Statement =>
  sql`update user set status = 'active', closes_at = null, version = version + 1,
      updated_at = ${cx.now()}
    where id = ${id} and status = 'closed' and (${when})`

/**
 * Ends the mailed links of a person, where the condition holds. Those that put an address back
 * stay: whoever took the account over may have closed it.
 */
export const endOpenWays = (cx: Context, id: string, when: Condition): readonly Statement[] => [
  withdrawMails(
    cx,
    condition`secret_of in (select hash from account_link where user_id = ${id}
      and used_by is null and purpose <> 'undo_address') and ${when}`,
  ),
  dropOpenLinks(id, when),
]

/** A complete sign-in to a closed account, with the account. */
export type ClosedSignIn = {
  id_hash: string
  user_id: string
  password: string | null
  methods: string
  email: string
  name: string | null
  locale: string | null
  closes_at: number
  has_factor: number
}

/** The sign-in of a person whose account is closed and can be kept, complete or not. */
export const findClosedSignIn = (cx: Context, id_hash: string): Statement<ClosedSignIn> =>
  sql`select sign_in.id_hash, sign_in.user_id, sign_in.password, sign_in.methods, ${PERSON_LABEL} as email,
      user.name, user.locale, user.closes_at,
      exists (select 1 from factor where factor.user_id = user.id) as has_factor
    from sign_in join user on user.id = sign_in.user_id
    where sign_in.id_hash = ${id_hash} and user.status = 'closed' and ${isOpenSignIn(cx)}`

/** Accounts that are due to be deleted, some at a time. */
export const listDueAccounts = (cx: Context, limit: number): Statement<{ id: string }> =>
  sql`select id from user where status = 'closed' and closes_at <= ${cx.now()}
    order by closes_at, id limit ${limit}`

/** A condition: the account is due to be deleted, or is gone. */
export const isDueOrGone = (cx: Context, id: string): Condition =>
  condition`not exists (select 1 from user where id = ${id}
    and not (status = 'closed' and closes_at <= ${cx.now()}))`

/** Access of applications that nobody has to end, since none was given. */
const NO_ACCESS: EndAccess = () => []

/**
 * The statements that delete a person, with all that is kept. Rights go with the tombstone of the
 * principal; the id stays taken. Whoever adds a table about people adds its deletion here.
 */
export const userRemoval = (
  cx: Context,
  id: string,
  endAccess: EndAccess = NO_ACCESS,
): readonly Statement[] => [
  ...endAccess(cx, id, userExists(id)),
  appendEvent(cx, { type: 'user.deleted', subject_id: id }, userExists(id)),
  ...forgetPersonInEvents(id),
  ...endSessionsOf(id),
  buryPrincipal(cx, id),
  ...forgetRights(id),
  deleteAccountLinksOf(id),
  deleteInvitationsOf(id),
  deleteTransfersOf(id),
  ...deletePlaceAccountsOf(id),
  deleteDecisionsOf(id),
  ...deleteFactorsOf(id),
  ...deleteMailCodesOf(id),
  deleteRemovedFactorsOf(id),
  deleteFailedSignInsOf(id),
  deleteMailsOf(id),
  deleteDeliveriesTo(id),
  deleteUser(id),
]
