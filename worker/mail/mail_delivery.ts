// The sending of mails, as a kind of ../deliveries.ts: what was noted becomes a text, the host
// sends it, and the outbox says what became of it. Link and code are erased as soon as the mail has
// gone, or can go no more. After a crash between the sending and its note a mail is sent twice,
// with the same Message-ID.
import type { Context } from '../context.ts'
import { UnsealError, unseal } from '../crypto.ts'
import type { Condition } from '../db/sql.ts'
import type { Delivery, DeliveryKind, DeliveryOutcome } from '../deliveries.ts'
import { bringTexts } from '../messages/texts.ts'
import { contentOf, hasSecrets, type MailContent } from './mail_kinds.ts'
import {
  findMailsToSend,
  type MailRow,
  type MailState,
  markUndeliverable,
  noteAttempt,
} from './mail_store.ts'
import { contextOfMail, MAIL_DELIVERY } from './outbox.ts'
import {
  headerLine,
  type MailOutcome,
  type OutgoingMail,
  sendableAddress,
  subjectLine,
} from './outgoing.ts'

/** A mail in words. `sender` is the name of the service in this language. */
export type RenderedMail = { subject: string; text: string; html: string; sender: string }

/** The words of a mail to a person, or to an address without a name. */
export type RenderMail = (content: MailContent, name: string | null) => RenderedMail

/** Reads the words of some languages, each once, and answers those of one. */
export type MailLanguages = (
  cx: Context,
  locales: readonly (string | null)[],
) => Promise<(locale: string | null) => RenderMail>

/** A day and a half in all; a link runs out before, most often. */
const BACKOFF = [60, 120, 600, 1800, 7200, 21_600, 43_200, 60]

/** The deliveries of mails, in words that a room above knows. */
export const mailDelivery = (languages: MailLanguages): DeliveryKind => ({
  name: MAIL_DELIVERY,
  backoff: BACKOFF,
  async prepare(outer, deliveries) {
    const cx = bringTexts(outer)
    const rows = await cx.db.read(findMailsToSend(deliveries.map(({ about }) => about)))
    const byId = new Map(rows.map((row) => [row.id, row]))
    const wordsOf = await languages(
      cx,
      rows.map(({ locale }) => locale),
    )
    return async (one) => {
      const row = byId.get(one.about)
      // Withdrawn, or its person is deleted.
      if (row === undefined || row.state !== 'waiting') return { outcome: 'unwanted' }
      const isMarked = row.is_undeliverable === 1
      const result = isMarked
        ? giveUp('address_undeliverable')
        : await sendRow(cx, row, wordsOf(row.locale))
      return settled(cx, row, one, result)
    }
  },
  delivered: ({ about, payload, attempts }) => ({
    type: 'mail.sent',
    subject_id: subjectOf(payload),
    data: { mail_id: about, kind: String(payload['mail_kind']), attempts },
  }),
  abandoned({ about, payload, attempts }, reason) {
    const entry = { subject_id: subjectOf(payload), outcome: 'failure' } as const
    const data = { mail_id: about, kind: String(payload['mail_kind']) }
    return reason === 'address_undeliverable'
      ? { type: 'mail.suppressed', ...entry, data }
      : { type: 'mail.abandoned', ...entry, data: { ...data, attempts, reason } }
  },
})

const subjectOf = ({ user_id }: Delivery['payload']): string | null =>
  typeof user_id === 'string' ? user_id : null

const giveUp = (reason: string): MailOutcome => ({
  outcome: 'refused',
  reason,
  answer: '',
  is_address: false,
})

async function sendRow(cx: Context, row: MailRow, words: RenderMail): Promise<MailOutcome> {
  if (row.expires_at !== null && row.expires_at <= cx.now()) return giveUp('ran_out')
  try {
    const content = await openContent(cx, row)
    if (content === null) return giveUp('values_missing')
    const mail = composeMail(cx, row, words(content, row.name))
    return mail === null ? giveUp('bad_address') : await cx.mail(mail)
  } catch (error) {
    // Another instance may have the SECRET_KEY that opens it.
    if (error instanceof UnsealError) return { outcome: 'again', reason: 'not_opened', answer: '' }
    cx.log('error', 'a mail was not sent', { mail: row.id, error: String(error) })
    return { outcome: 'again', reason: 'bug', answer: '' }
  }
}

/** The values of a mail. Null where some are missing. Throws UnsealError. */
export async function openContent(
  cx: Context,
  { id, kind, details, secrets }: MailRow,
): Promise<MailContent | null> {
  if (secrets === null && hasSecrets(kind)) return null
  const opened = secrets === null ? {} : JSON.parse(await unseal(cx, contextOfMail(id), secrets))
  return contentOf(kind, { ...JSON.parse(details), ...opened })
}

/** The mail as a host sends it; null where its address is none that can be sent to. */
export function composeMail(
  { config }: Context,
  { id, address, name }: Pick<MailRow, 'id' | 'address' | 'name'>,
  { sender, subject, text, html }: RenderedMail,
): OutgoingMail | null {
  const to = sendableAddress(address)
  if (to === null) return null
  const { email_from } = config
  return {
    id,
    from: { address: email_from.address, name: headerLine(email_from.name ?? sender) },
    to: { address: to, name: headerLine(name ?? '') },
    subject: subjectLine(subject),
    text,
    html,
  }
}

/** The outcome for the machine, with what the outbox notes beside it. */
function settled(cx: Context, row: MailRow, one: Delivery, result: MailOutcome): DeliveryOutcome {
  const { id, kind } = row
  const { attempts } = one
  const note = (state: MailState, fault: string | null) => (when: Condition) => [
    noteAttempt(cx, id, { state, attempts, fault }, when),
  ]
  if (result.outcome === 'sent') return { outcome: 'done', also: note('sent', null) }
  // Nothing was sent, so there is no event of it.
  if (result.outcome === 'kept') return { outcome: 'unwanted', also: note('kept', null) }
  const { reason } = result
  cx.log('warn', 'a mail was not taken', { mail: id, kind, attempts, reason })
  if (result.outcome === 'again') {
    const isLast = attempts >= BACKOFF.length
    return { outcome: 'again', reason, also: note(isLast ? 'abandoned' : 'waiting', reason) }
  }
  const state = reason === 'address_undeliverable' ? 'suppressed' : 'abandoned'
  const mark = {
    address_key: row.address_key,
    address: row.address,
    reason: 'bounce',
    detail: reason,
    reported_at: cx.now(),
  } as const
  return {
    outcome: 'give_up',
    reason,
    also: (when) => [
      ...note(state, reason)(when),
      ...(result.is_address ? [markUndeliverable(mark, when)] : []),
    ],
  }
}
