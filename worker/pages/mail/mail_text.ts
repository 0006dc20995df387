// The words of a mail: values and texts of a language in; subject, plain text and HTML out. Pure.
// Files: mail_messages.ts has the texts, layout.html the looks, layout.ts what is made of them by
// `npm run docs`. No script, no image, nothing that is fetched when the mail is opened.
// Tables: none. Leaves to the rooms above when a mail is sent, and to the ground how.
import { html } from 'hono/html'
import type { RenderedMail } from '../../mail/mail_delivery.ts'
import type { MailContent } from '../../mail/mail_kinds.ts'
import { headerLine } from '../../mail/outgoing.ts'
import { LAYOUT, LAYOUT_PARTS } from './layout.ts'
import { englishMails, type MailMessages } from './mail_messages.ts'

type Words = Readonly<Record<string, string>>

export function renderMail(
  content: MailContent,
  v: { service: string; name: string | null },
  m: MailMessages = englishMails,
): RenderedMail {
  const service = headerLine(v.service)
  const words = wordsOf(content, service, m)
  const { optional = {}, ...texts } = m.kinds[content.kind]
  const say = (pattern: string) => fill(pattern, (name) => words[name] ?? '')
  const has = (name: string) => words[name] !== undefined
  const { link, code } = words
  const before = [
    ...(v.name === null ? [] : [fill(m.greeting, () => headerLine(v.name ?? ''))]),
    say(texts.lead),
    ...Object.entries(optional).flatMap(([name, line]) => (has(name) ? [say(line)] : [])),
  ]
  const after = [
    ...(has('valid_for') ? [say(m.valid_for)] : []),
    ...(has('client_name') ? [say(m.client)] : []),
    say(texts.note),
  ]
  const heading = say(texts.heading)
  const foot = say(m.foot)
  const subject = say(texts.subject)
  const label = say(texts.button ?? '')
  const { paragraph, button, code: number, quiet, address } = LAYOUT_PARTS
  const parts = [
    ...before.map((text) => slots(paragraph, { text })),
    ...(link === undefined ? [] : [slots(button, { link, label })]),
    ...(code === undefined ? [] : [slots(number, { code })]),
    ...after.map((text) => slots(quiet, { text })),
    ...(link === undefined ? [] : [slots(quiet, { text: m.copy }), slots(address, { link })]),
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
  const page = slots(LAYOUT, frame, { parts: parts.join('\n') })
  return { subject, text: `${text}\n`, html: page, sender: service }
}

/**
 * The values as they stand in the mail: each one line, durations and times in the language. A text
 * of a stranger cannot begin a line of its own, or a paragraph.
 */
function wordsOf({ values }: MailContent, service: string, { locale }: MailMessages): Words {
  const words = Object.entries<string | number | undefined>(values).flatMap(([name, value]) => {
    if (value === undefined) return []
    if (typeof value === 'string') return [[name, name === 'link' ? value : headerLine(value)]]
    if (name === 'valid_for') return [[name, duration(value, locale)]]
    if (name === 'at') return [[name, time(value, locale)]]
    return [[name, new Intl.NumberFormat(locale).format(value)]]
  })
  return { ...Object.fromEntries(words), service }
}

/** In the greatest unit in which it is whole. */
function duration(seconds: number, locale: string): string {
  const units = [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
    ['second', 1],
  ] as const
  const [unit, length] = units.find(([, one]) => seconds % one === 0) ?? ['second', 1]
  const format = new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' })
  return format.format(seconds / length)
}

/** In UTC, since nothing is known of where the recipient is. */
const time = (at: number, locale: string): string => {
  const format = { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' } as const
  return `${new Intl.DateTimeFormat(locale, format).format(new Date(at * 1000))} UTC`
}

/** In one pass: a value that looks like a place is not filled again. */
const fill = (pattern: string, value: (name: string) => string): string =>
  pattern.replace(/\{(\w+)\}/g, (_, name: string) => value(name))

/** The same for slots; values are escaped, `parts` are HTML already. */
const slots = (text: string, values: Words, parts: Words = {}): string =>
  text.replace(
    /\{\{(\w+)\}\}/g,
    (_, name: string) => parts[name] ?? String(html`${values[name] ?? ''}`),
  )
