// Mails to people: the words of each and the moment of its sending.
// Routes: /v1/outbox, /v1/mail (routes.ts); outbox_list.ts shows what was sent, mail_reading.ts the
// text of a mail, mail_preview.ts samples, undeliverable.ts addresses that take none.
// Tables: none; the ground writes `mail` and `undeliverable_address` (../../mail/).
// Leaves to each use case when a mail is noted: `noteMail` gives the statements for its batch, and
// `sendMails` is called once the batch is written.
import { type Context, recall, remember } from '../../context.ts'
import { deliver } from '../../deliveries.ts'
import { type MailLanguages, mailDelivery } from '../../mail/mail_delivery.ts'
import { chooseLocale } from '../../messages/locales.ts'
import { loadTexts } from '../../messages/texts.ts'
import { renderMail } from '../../pages/mail/mail_text.ts'
import { type MailLayout, OUR_LAYOUT, readLayout } from '../../pages/mail/own_layout.ts'
import { loadSettings } from '../../settings.ts'

/** The one place where the texts of a language come in. */
export const mailLanguages: MailLanguages = async (cx) => {
  const texts = await loadTexts(cx)
  const { service_name, default_locale } = await loadSettings(cx)
  const layout = layoutOf(cx)
  const service = service_name === '' ? new URL(cx.config.issuer).host : service_name
  return (locale) => (content, name) =>
    renderMail(
      content,
      { service, name },
      texts(chooseLocale(locale === null ? [] : [locale]) ?? default_locale),
      layout,
    )
}

const LAYOUT = 'layout of mails'

/** The layout of the deployment, which the start has judged, or the built-in one. */
function layoutOf(cx: Context): MailLayout {
  const { email_layout } = cx.config
  if (email_layout === null) return OUR_LAYOUT
  const known = recall<MailLayout>(cx, LAYOUT)
  if (known !== undefined) return known
  const read = readLayout(email_layout)
  if ('faults' in read) throw new TypeError(`the layout of mails ${read.faults.join(', ')}`)
  return remember(cx, LAYOUT, read.layout, 3600)
}

export const mails = mailDelivery(mailLanguages)

/** Sends behind the answer all mails that are due; the timer sends again those that fail. */
export const sendMails = (cx: Context): void => cx.background(deliver(cx, [mails]))
