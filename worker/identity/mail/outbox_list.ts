// The outbox for operators: which mails went to whom, and how. Never a text; mail_reading.ts shows
// one where that is permitted.
import { idSchema } from '../../access/principals.ts'
import { decodeCursor, listQuery, type PageOf, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { emailKey, emailSchema } from '../../email_address.ts'
import { Problem } from '../../errors.ts'
import { MAIL_KIND_NAMES } from '../../mail/mail_kinds.ts'
import { findListedMail, type ListedMail, listMailsBefore } from '../../mail/mail_store.ts'

const STATES = ['waiting', 'sent', 'kept', 'abandoned', 'suppressed', 'withdrawn'] as const

export const mailSchema = z
  .object({
    id: z.string(),
    kind: z.string(),
    user_id: z.string().nullable().describe('null where the address has no account'),
    address: z.string(),
    locale: z.string().nullable(),
    state: z
      .enum(STATES)
      .describe(
        '`kept`: EMAIL_URL is `outbox:`; `suppressed`: the address is marked; `withdrawn`: its link was used or replaced before',
      ),
    attempts: z.int(),
    fault: z.string().nullable().describe('of the last attempt, as docs/people.md explains it'),
    created_at: z.int(),
    next_at: z.int().nullable().describe('when it is tried next'),
    settled_at: z.int().nullable().describe('when it ceased to wait'),
    expires_at: z.int().nullable().describe('when its link or code runs out'),
  })
  .openapi('Mail')

export type Mail = z.infer<typeof mailSchema>

export const outboxQuery = listQuery.extend({
  state: z.enum(STATES).optional(),
  kind: z.enum(MAIL_KIND_NAMES).optional(),
  user_id: idSchema.optional(),
  address: emailSchema.optional(),
})

export function describeMail(row: ListedMail): Mail {
  const { id, kind, user_id, address, locale, state, attempts, fault } = row
  const { created_at, settled_at, expires_at } = row
  const next_at = state === 'waiting' ? row.next_at : null
  const times = { created_at, next_at, settled_at, expires_at }
  return { id, kind, user_id, address, locale, state, attempts, fault, ...times }
}

/** A page of the outbox, the newest first. One round trip. */
export async function listOutbox(
  cx: Context,
  { limit, cursor, address, ...filter }: z.output<typeof outboxQuery>,
): Promise<PageOf<Mail>> {
  const address_key = address === undefined ? undefined : emailKey(address)
  const before = decodeCursor(cx, 'outbox', cursor)
  const rows = await cx.db.read(listMailsBefore(before, limit, { ...filter, address_key }))
  return pageOf(cx, 'outbox', rows, limit, ({ id }) => id, describeMail)
}

/** Throws Problem not_found. One round trip. */
export async function getMail(cx: Context, id: string): Promise<Mail> {
  const [row] = await cx.db.read(findListedMail(id))
  if (row === undefined) throw noSuchMail()
  return describeMail(row)
}

export const noSuchMail = () => new Problem('not_found', 'the outbox has no such mail')
