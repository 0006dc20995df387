// The text of a mail: values and the texts of a language in; subject, plain text and HTML out.
// Pure. Files: mail_words.ts says which texts stand in which kind, layout.html has the looks,
// layout.ts is made of it by `npm run docs`, own_layout.ts reads one of the deployment. No script,
// no image, nothing that is fetched when the mail is opened.
// Tables: none. Leaves to the rooms above when a mail is sent, and to the ground how.
import { html } from 'hono/html'
import type { RenderedMail } from '../../mail/mail_delivery.ts'
import type { MailContent } from '../../mail/mail_kinds.ts'
import { headerLine } from '../../mail/outgoing.ts'
import type { Messages } from '../../messages/messages.ts'
import { mailWords } from './mail_words.ts'
import { type MailLayout, OUR_LAYOUT } from './own_layout.ts'

type Slots = Readonly<Record<string, string>>

export function renderMail(
  content: MailContent,
  v: { service: string; name: string | null },
  m: Messages,
  layout: MailLayout = OUR_LAYOUT,
): RenderedMail {
  const service = headerLine(v.service)
  const values = lineValues(content)
  const { subject, heading, lead, button: label = '', note } = mailWords(m, values, service)
  const { link, code, valid_for, client_name } = commonValues(values)
  const before = [
    ...(v.name === null ? [] : [m('mail.greeting', { name: headerLine(v.name) })]),
    ...lead,
  ]
  const after = [
    ...(valid_for === undefined ? [] : [goodFor(m, valid_for)]),
    ...(client_name === undefined ? [] : [m('mail.client', { client: client_name })]),
    note,
  ]
  const foot = m('mail.foot', { service })
  const { paragraph, button, code: number, quiet, address } = layout.parts
  const parts = [
    ...before.map((text) => slots(paragraph, { text })),
    ...(link === undefined ? [] : [slots(button, { link, label })]),
    ...(code === undefined ? [] : [slots(number, { code })]),
    ...after.map((text) => slots(quiet, { text })),
    ...(link === undefined
      ? []
      : [slots(quiet, { text: m('mail.copy') }), slots(address, { link })]),
  ]
  const { locale, direction } = m
  const frame = { locale, direction, subject, service, heading, foot }
  const text = [
    heading,
    ...before,
    ...(link === undefined ? [] : [`${label}:\n${link}`]),
    ...(code === undefined ? [] : [code]),
    ...after,
    `-- \n${foot}`,
  ].join('\n\n')
  const page = slots(layout.page, frame, { parts: parts.join('\n') })
  return { subject, text: `${text}\n`, html: page, sender: m('mail.sender', { service }) }
}

/**
 * The values, each text of them one line: a text of a stranger cannot begin a line of its own, or a
 * paragraph. The link is made here.
 */
function lineValues({ kind, values }: MailContent): MailContent {
  const lines = Object.entries<string | number | undefined>(values).map(([name, value]) => [
    name,
    typeof value !== 'string' || name === 'link' ? value : headerLine(value),
  ])
  return { kind, values: Object.fromEntries(lines) } as MailContent
}

/** The values that several kinds have, and that stand at the same place in each. */
type CommonValues = { link?: string; code?: string; valid_for?: number; client_name?: string }

const commonValues = ({ values }: MailContent): CommonValues => ({
  ...('link' in values ? { link: values.link } : {}),
  ...('code' in values ? { code: values.code } : {}),
  ...('valid_for' in values ? { valid_for: values.valid_for } : {}),
  ...('client_name' in values && values.client_name !== undefined
    ? { client_name: values.client_name }
    : {}),
})

/** How long link or code is good, in the greatest unit in which that is whole. */
function goodFor(m: Messages, seconds: number): string {
  if (seconds % 86_400 === 0) return m('mail.good_for_days', { count: seconds / 86_400 })
  if (seconds % 3600 === 0) return m('mail.good_for_hours', { count: seconds / 3600 })
  return m('mail.good_for_minutes', { count: Math.floor(seconds / 60) })
}

/** In one pass: a value that looks like a slot is none. Values are escaped, `parts` are HTML. */
const slots = (text: string, values: Slots, parts: Slots = {}): string =>
  text.replace(
    /\{\{(\w+)\}\}/g,
    (_, name: string) => parts[name] ?? String(html`${values[name] ?? ''}`),
  )
