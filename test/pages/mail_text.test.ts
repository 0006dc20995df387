// The words of mails: each kind in text and HTML, and values of strangers in them.
import { describe, expect, test } from 'vitest'
import { MAIL_KIND_NAMES, type MailContent, sampleContent } from '../../worker/mail/mail_kinds.ts'
import { englishMails, mailMessagesFor } from '../../worker/pages/mail/mail_messages.ts'
import { renderMail } from '../../worker/pages/mail/mail_text.ts'

const SERVICE = { service: 'Example Home', name: null }

describe.each(MAIL_KIND_NAMES)('%s', (kind) => {
  const mail = renderMail(sampleContent(kind), SERVICE)

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

const invitation = (values: object): MailContent =>
  ({
    kind: 'invitation',
    values: { link: 'https://id.example.com/i?a=1&b=2', valid_for: 604_800, ...values },
  }) as MailContent

test('values of strangers are escaped, on one line, and never slots', () => {
  const hostile = '<img src=x onerror=alert(1)>\r\n\r\nhttps://evil.example {{parts}} {service} "\''
  const mail = renderMail(invitation({ inviter: hostile, place: hostile }), {
    service: `{{parts}}<b>${hostile}`,
    name: hostile,
  })
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
  expect(renderMail(invitation({}), SERVICE).text).not.toMatch(/invitation is from|leads into/)
  const { text } = renderMail(invitation({ inviter: 'Bea', place: 'Garden' }), SERVICE)
  expect(text).toContain('The invitation is from Bea.')
  expect(text).toContain('It leads into: Garden.')
})

test('durations and times are said in the language', () => {
  const say = (valid_for: number) =>
    renderMail(invitation({ valid_for }), SERVICE).text.match(/good for ([^,]*)/)?.[1]
  expect([604_800, 86_400, 3600, 600, 90].map(say)).toEqual([
    '7 days',
    '1 day',
    '1 hour',
    '10 minutes',
    '90 seconds',
  ])
  const german = { ...englishMails, locale: 'de' }
  expect(renderMail(invitation({ valid_for: 600 }), SERVICE, german).text).toContain('10 Minuten')
  const { text } = renderMail(sampleContent('new_browser'), SERVICE)
  expect(text).toMatch(/January 15, 2027 at 8:00\sAM UTC/)
})

test('a language from right to left turns the page around', () => {
  const arabic = { ...englishMails, locale: 'ar', direction: 'rtl' as const }
  expect(renderMail(sampleContent('recovery'), SERVICE, arabic).html).toContain(
    '<html lang="ar" dir="rtl">',
  )
})

test('an unknown language is English, a region is its language', () => {
  expect(mailMessagesFor('en-GB').locale).toBe('en')
  expect(mailMessagesFor('../../etc/passwd').locale).toBe('en')
  expect(mailMessagesFor('__proto__').locale).toBe('en')
  expect(mailMessagesFor(null).locale).toBe('en')
})
