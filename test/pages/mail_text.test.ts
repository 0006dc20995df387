// The words of mails: each kind in text and HTML, and values of strangers in them.
import { describe, expect, test } from 'vitest'
import { MAIL_KIND_NAMES, type MailContent, sampleContent } from '../../worker/mail/mail_kinds.ts'
import { LOCALES } from '../../worker/messages/locales.ts'
import { english, type Messages, messagesIn } from '../../worker/messages/messages.ts'
import { renderMail } from '../../worker/pages/mail/mail_text.ts'

const SERVICE = { service: 'Example Home', name: null }

describe.each(MAIL_KIND_NAMES)('%s', (kind) => {
  const mail = renderMail(sampleContent(kind), SERVICE, english)

  test('says who sends it, in subject and body, and leaves no slot', () => {
    expect(mail.subject).toMatch(/\S/)
    expect(mail.subject).not.toMatch(/[\r\n{}]/)
    expect(mail.sender).toBe('Example Home')
    for (const text of [mail.text, mail.html]) {
      expect(text).toContain('Example Home')
      expect(text).not.toMatch(/\{\w*\}|undefined|\[object/)
    }
  })

  test('fetches nothing, runs nothing, and is short', () => {
    expect(mail.html).not.toMatch(/<(script|img|link|iframe|form|object)\b|\bon\w+=|url\(|@import/i)
    const addresses = [...mail.html.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, url]) => url)
    const { link } = sampleContent(kind).values as { link?: string }
    expect(new Set(addresses)).toEqual(new Set(link === undefined ? [] : [link]))
    expect(new TextEncoder().encode(mail.html).length).toBeLessThan(12_000)
  })

  test('has its style in each element, and colours for light and dark', () => {
    expect(mail.html).toContain('prefers-color-scheme: dark')
    expect(mail.html).toMatch(/<h1 style="[^"]*color/)
    expect(mail.html).toContain('<html lang="en" dir="ltr">')
  })

  test('link and code stand in the text and in the HTML', () => {
    const { link, code } = sampleContent(kind).values as { link?: string; code?: string }
    const secret = link ?? code
    if (secret === undefined) return
    expect(mail.text).toContain(secret)
    expect(mail.html).toContain(secret)
  })
})

test.each(LOCALES)('in %s each kind has its words in that language and direction', (locale) => {
  const m = messagesIn(locale)
  for (const kind of MAIL_KIND_NAMES) {
    const mail = renderMail(sampleContent(kind), SERVICE, m)
    expect(mail.html).toContain(`<html lang="${locale}" dir="${m.direction}">`)
    for (const text of [mail.subject, mail.text, mail.html]) {
      expect(text, kind).not.toMatch(/\{\w*\}|undefined|\[object/)
    }
    if (locale === 'en') continue
    const before = renderMail(sampleContent(kind), SERVICE, english)
    expect([kind, mail.subject === before.subject]).toEqual([kind, false])
  }
})

const invitation = (values: object): MailContent =>
  ({
    kind: 'invitation',
    values: { link: 'https://id.example.com/i?a=1&b=2', valid_for: 604_800, ...values },
  }) as MailContent

test('values of strangers are escaped, on one line, and never slots', () => {
  const hostile = '<img src=x onerror=alert(1)>\r\n\r\nhttps://evil.example {{parts}} {service} "\''
  const mail = renderMail(
    invitation({ inviter: hostile, place: hostile }),
    {
      service: `{{parts}}<b>${hostile}`,
      name: hostile,
    },
    english,
  )
  expect(mail.html).not.toMatch(/<img|<b>/)
  expect(mail.html.match(/class="button"/g)).toHaveLength(1)
  expect(mail.html).toContain('&lt;img src=x onerror=alert(1)&gt;')
  expect(mail.subject).not.toMatch(/[\r\n]/)
  const lines = mail.text.split('\n')
  expect(lines.filter((line) => line.startsWith('https://'))).toEqual([
    'https://id.example.com/i?a=1&b=2',
  ])
  expect(mail.html).toContain('href="https://id.example.com/i?a=1&amp;b=2"')
})

test('lines of optional values are left out with them', () => {
  expect(renderMail(invitation({}), SERVICE, english).text).not.toMatch(
    /invitation is from|leads into/,
  )
  const { text } = renderMail(invitation({ inviter: 'Bea', place: 'Garden' }), SERVICE, english)
  expect(text).toContain('The invitation is from Bea.')
  expect(text).toContain('It leads into: Garden.')
})

test('durations and times are said in words', () => {
  const say = (valid_for: number) =>
    renderMail(invitation({ valid_for }), SERVICE, english).text.match(/good for ([^,]*)/)?.[1]
  expect([604_800, 86_400, 3600, 600, 60].map(say)).toEqual([
    '7 days',
    'one day',
    'one hour',
    '10 minutes',
    'one minute',
  ])
  const { text } = renderMail(sampleContent('new_browser'), SERVICE, english)
  expect(text).toContain('on 15 January 2027 at 08:00 UTC')
  const low = (left: number) =>
    renderMail({ kind: 'recovery_codes_low', values: { left } }, SERVICE, english).text
  expect([low(1), low(3)]).toEqual([
    expect.stringContaining('One recovery code is left'),
    expect.stringContaining('3 recovery codes are left'),
  ])
})

test('a language from right to left turns the page around', () => {
  const turned: Messages = Object.assign(english.bind(null), english, { direction: 'rtl' as const })
  const { html } = renderMail(sampleContent('recovery'), SERVICE, turned)
  expect(html).toContain('dir="rtl"')
})
