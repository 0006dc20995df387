// The tables `mail` and `undeliverable_address`. Statements, no rules.
import type { Context } from '../context.ts'
import { mail, undeliverable_address } from '../db/event_schema.ts'
import {
  type Condition,
  condition,
  insertWhere,
  join,
  list,
  type Statement,
  sql,
} from '../db/sql.ts'

export type MailRow = typeof mail.$inferSelect
export type MailState = MailRow['state']
export type UndeliverableRow = typeof undeliverable_address.$inferSelect

/** The part of a row that its recipient does not say. */
export type NewMailRow = Omit<MailRow, 'user_id' | 'address' | 'address_key' | 'name'>

const ONCE = sql<never>`on conflict (id) do nothing`

/** Inserts a mail to an address, where the condition holds. */
export const insertMail = (row: MailRow, when: Condition): Statement =>
  insertWhere(mail, row, when, ONCE)

/**
 * Inserts a mail to the address that the user has in this very moment, the primary one or that of
 * the row `login_id`, where the condition holds; none to a user without one.
 * The name goes along only where the address is proven: else a stranger who made the account could
 * write to anybody in it.
 */
export const insertMailToUser = (
  row: NewMailRow,
  { user_id, login_id }: { user_id: string; login_id?: string },
  when: Condition,
): Statement =>
  sql`insert into mail (id, kind, user_id, address, address_key, name, locale, details, secrets,
      secret_of, expires_at, state, attempts, fault, created_at, settled_at)
    select ${row.id}, ${row.kind}, user.id, named.value, named.key,
      case when named.verified_at is not null then user.name end,
      coalesce(${row.locale}, user.locale), ${row.details},
      ${row.secrets}, ${row.secret_of}, ${row.expires_at}, ${row.state}, ${row.attempts},
      ${row.fault}, ${row.created_at}, ${row.settled_at}
    from user join login_id as named on named.user_id = user.id
    where user.id = ${user_id} and (${when}) and named.kind = 'email'
      and ${login_id === undefined ? condition`named.is_primary = 1` : condition`named.id = ${login_id}`}
    on conflict (id) do nothing`

/** A condition: the mail was noted. */
export const mailExists = (id: string): Condition =>
  condition`exists (select 1 from mail where id = ${id})`

/** Mails by id, each with the mark on its address. */
export const findMailsToSend = (
  ids: readonly string[],
): Statement<MailRow & { is_undeliverable: number }> =>
  sql`select mail.*, exists (select 1 from undeliverable_address
      where undeliverable_address.address_key = mail.address_key) as is_undeliverable
    from mail where id in (${list(ids)})`

/**
 * Notes an attempt and how the mail stands after it. Link and code are erased, unless the mail
 * waits or is kept.
 */
export const noteAttempt = (
  cx: Context,
  id: string,
  { state, attempts, fault }: Pick<MailRow, 'state' | 'attempts' | 'fault'>,
  when: Condition,
): Statement =>
  sql`update mail set attempts = ${attempts}, fault = ${fault},
      secrets = case when ${state === 'waiting' || state === 'kept'} then secrets end,
      settled_at = ${state === 'waiting' ? null : cx.now()},
      state = case when ${state === 'waiting'} then state else ${state} end
    where id = ${id} and (${when})`

/**
 * Erases link and code of these mails, since they are of no more use; those that wait are not sent.
 */
export const withdrawMails = (cx: Context, which: Condition): Statement =>
  sql`update mail set secrets = null,
      settled_at = case state when 'waiting' then ${cx.now()} else settled_at end,
      state = case state when 'waiting' then 'withdrawn' else state end
    where secrets is not null and (${which})`

/** No mail of the past is sent any more, and no link of it is kept. */
export const withdrawAllMails = (cx: Context): Statement =>
  sql`update mail set secrets = null,
      settled_at = case state when 'waiting' then ${cx.now()} else settled_at end,
      state = case state when 'waiting' then 'withdrawn' else state end
    where secrets is not null or state = 'waiting'`

/** Deletes the mails of a person who is deleted. */
export const deleteMailsOf = (user_id: string): Statement =>
  sql`delete from mail where user_id = ${user_id}`

/** Most mails that one run of the timer deletes. */
const DELETED_AT_ONCE = 5000

/** For the timer: erases links and codes that ran out, and deletes mails that are old. */
export const forgetOldMails = (cx: Context, mail_ttl: number): readonly Statement[] => [
  sql`update mail set secrets = null where secrets is not null and state <> 'waiting'
    and expires_at <= ${cx.now()}`,
  sql`delete from mail where id in (select id from mail where created_at <= ${cx.now() - mail_ttl}
    and state <> 'waiting' order by created_at limit ${DELETED_AT_ONCE})`,
]

/** A mail of the outbox, with when it is tried next. */
export type ListedMail = Omit<MailRow, 'secrets' | 'details'> & { next_at: number | null }

const LISTED = sql<never>`mail.id, mail.kind, mail.user_id, mail.address, mail.address_key, mail.name,
    mail.locale, mail.secret_of, mail.expires_at, mail.state, mail.attempts, mail.fault,
    mail.created_at, mail.settled_at,
    (select next_at from delivery where kind = 'mail' and about = mail.id
      and recipient = coalesce(mail.user_id, mail.address_key)) as next_at`

/** A page of the mails before the id `before`, and one more; the newest first. */
export const listMailsBefore = (
  before: string,
  limit: number,
  filter: {
    state?: MailState | undefined
    kind?: string | undefined
    user_id?: string | undefined
    address_key?: string | undefined
  },
): Statement<ListedMail> => {
  const { state, kind, user_id, address_key } = filter
  // One recipient has few mails; a condition that may not hold would hide the index.
  const to: Condition[] = []
  if (user_id !== undefined) to.push(condition`user_id = ${user_id}`)
  if (address_key !== undefined) to.push(condition`address_key = ${address_key}`)
  return sql`select ${LISTED} from mail where (${before} = '' or id < ${before})
    and (${state ?? null} is null or state = ${state ?? null})
    and (${kind ?? null} is null or kind = ${kind ?? null})
    and ${join(to, ' and ')} order by id desc limit ${limit + 1}`
}

export const findListedMail = (id: string): Statement<ListedMail> =>
  sql`select ${LISTED} from mail where id = ${id}`

export const findMail = (id: string): Statement<MailRow> => sql`select * from mail where id = ${id}`

// --- sealed values ----------------------------------------------------------------------------

/** Sealed links and codes by the SECRET_KEY that sealed them; its id stands behind `v1.`. */
export const countSealedMails = (): Statement<{ sealer: string; count: number }> =>
  sql`select substr(secrets, 4, 8) as sealer, count(*) as count from mail
    where secrets is not null group by sealer`

export type SealedMail = { id: string; secrets: string }

/** Mails whose link or code another SECRET_KEY sealed than the one of this id, some at a time. */
export const listMailsNotSealedBy = (sealer: string): Statement<SealedMail> =>
  sql`select id, secrets from mail where secrets is not null
    and substr(secrets, 4, 8) <> ${sealer} order by id limit 500`

export const resealMail = ({ id, secrets }: SealedMail, resealed: string): Statement =>
  sql`update mail set secrets = ${resealed} where id = ${id} and secrets = ${secrets}`

// --- addresses that take no mail --------------------------------------------------------------

/** Marks an address; a later report takes the place of an earlier one. */
export const markUndeliverable = (row: UndeliverableRow, when: Condition): Statement =>
  insertWhere(
    undeliverable_address,
    row,
    when,
    sql<never>`on conflict (address_key) do update set address = excluded.address,
      reason = excluded.reason, detail = excluded.detail, reported_at = excluded.reported_at`,
  )

export const clearUndeliverable = (address_key: string): Statement<{ address: string }> =>
  sql`delete from undeliverable_address where address_key = ${address_key} returning address`

export const findUndeliverable = (address_key: string): Statement<UndeliverableRow> =>
  sql`select * from undeliverable_address where address_key = ${address_key}`

/** A condition: the address is marked. */
export const isUndeliverable = (address_key: string): Condition =>
  condition`exists (select 1 from undeliverable_address where address_key = ${address_key})`

/** Marks whose key has a domain that is not in ASCII, some at a time. */
export const listFormerMarks = (limit: number): Statement<UndeliverableRow> =>
  sql`select * from undeliverable_address
    where substr(address_key, instr(address_key, '@')) glob '*[^ -~]*' limit ${limit}`

/** Gives a mark its present key; one that is there already stays. */
export const rewriteMark = (
  { address_key }: UndeliverableRow,
  key: string,
): readonly Statement[] => [
  sql`update or ignore undeliverable_address set address_key = ${key}
    where address_key = ${address_key}`,
  sql`delete from undeliverable_address where address_key = ${address_key}
    and ${address_key} <> ${key}`,
]

export const listUndeliverableAfter = (after: string, limit: number): Statement<UndeliverableRow> =>
  sql`select * from undeliverable_address where address_key > ${after}
    order by address_key limit ${limit + 1}`
