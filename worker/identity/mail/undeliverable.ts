// Addresses that take no mail: one came back, or its owner complained. An adapter of the operator
// reports them, since each provider has a webhook of its own form; mail servers that refuse an
// address for good mark it too (mail_delivery.ts). An operator clears a mark.
import { decodeCursor, lineSchema, type PageOf, type PageQuery, pageOf, z } from '../../api.ts'
import type { Context } from '../../context.ts'
import { TRUE } from '../../db/sql.ts'
import { emailKey, emailSchema } from '../../email_address.ts'
import { Problem } from '../../errors.ts'
import { appendEvent } from '../../events.ts'
import {
  clearUndeliverable,
  findUndeliverable,
  isUndeliverable,
  listUndeliverableAfter,
  markUndeliverable,
  type UndeliverableRow,
} from '../../mail/mail_store.ts'
import { findUserByAddress } from '../login_ids/login_id_store.ts'

export const mailReportInput = z
  .strictObject({
    address: emailSchema,
    reason: z
      .enum(['bounce', 'complaint'])
      .describe('a bounce that is for good, or the word of the recipient'),
    detail: lineSchema(200).optional().describe('words of the provider, for operators'),
  })
  .openapi('MailReport')

export const undeliverableSchema = z
  .object({
    address: z.string(),
    reason: z.enum(['bounce', 'complaint']),
    detail: z.string().nullable(),
    reported_at: z.int(),
  })
  .openapi('UndeliverableAddress')

export type Undeliverable = z.infer<typeof undeliverableSchema>

const describe = ({ address, reason, detail, reported_at }: UndeliverableRow): Undeliverable => ({
  address,
  reason,
  detail,
  reported_at,
})

/** Marks an address; of later reports the last counts. Round trips: 1 read, 1 write. */
export async function reportMail(
  cx: Context,
  { address, reason, detail }: z.output<typeof mailReportInput>,
): Promise<Undeliverable> {
  const address_key = emailKey(address)
  const [user] = await cx.db.read(findUserByAddress(address))
  const row: UndeliverableRow = {
    address_key,
    address,
    reason,
    detail: detail ?? null,
    reported_at: cx.now(),
  }
  await cx.db.write([
    markUndeliverable(row, TRUE),
    appendEvent(cx, {
      type: 'mail_address.marked',
      subject_id: user?.id ?? null,
      data: { reason },
    }),
  ])
  return describe(row)
}

/** Takes the mark away. Throws Problem not_found. Round trips: 1 read, 1 write. */
export async function clearMark(cx: Context, address: string): Promise<void> {
  const address_key = emailKey(address)
  const {
    mark: [mark],
    user: [user],
  } = await cx.db.read({
    mark: findUndeliverable(address_key),
    user: findUserByAddress(address),
  })
  if (mark === undefined) throw new Problem('not_found', 'this address is not marked')
  await cx.db.write([
    appendEvent(
      cx,
      { type: 'mail_address.cleared', subject_id: user?.id ?? null },
      isUndeliverable(address_key),
    ),
    clearUndeliverable(address_key),
  ])
}

export async function listMarks(
  cx: Context,
  { limit, cursor }: PageQuery,
): Promise<PageOf<Undeliverable>> {
  const after = decodeCursor(cx, 'undeliverable', cursor)
  const rows = await cx.db.read(listUndeliverableAfter(after, limit))
  return pageOf(cx, 'undeliverable', rows, limit, (row) => row.address_key, describe)
}
