// A layout of mails that a deployment brings: what it may hold, and that values are escaped in it.
import { describe, expect, test } from 'vitest'
import { type MailContent, sampleContent } from '../../worker/mail/mail_kinds.ts'
import { english } from '../../worker/messages/messages.ts'
import layoutPage from '../../worker/pages/mail/layout.html?raw'
import { renderMail } from '../../worker/pages/mail/mail_text.ts'
import { readLayout } from '../../worker/pages/mail/own_layout.ts'

const OWN = `<!doctype html><html lang="{{locale}}" dir="{{direction}}"><title>{{subject}}</title>
<body style="margin:0"><img src="https://example.com/logo.png" alt=""><h1>{{heading}}</h1>{{parts}}<p>{{foot}}</p></body></html>
<!-- part: paragraph --><div class="own">{{text}}</div><!-- end -->
<!-- part: button --><a href="{{link}}">{{label}}</a><!-- end -->
`

const faultsOf = (text: string): string[] => {
  const read = readLayout(text)
  return 'faults' in read ? read.faults : []
}

test('a mail has the page and the parts of the layout, and the built-in ones that it lacks', () => {
  const read = readLayout(OWN)
  if ('faults' in read) throw new Error(read.faults.join())
  const hostile = '<b>x</b>"{{parts}}'
  const content = {
    kind: 'invitation',
    values: { ...sampleContent('invitation').values, place: hostile },
  }
  const v = { service: hostile, name: null }
  const { html } = renderMail(content as MailContent, v, english, read.layout)
  expect(html).toContain('<html lang="en" dir="ltr">')
  expect(html).toContain('<div class="own">You are invited')
  expect(html).toContain('<a href="https://id.example.com/invitation?token=sample">')
  expect(html).toContain('class="quiet"')
  expect(html).not.toContain('part:')
  expect(html).not.toContain('<b>x')
  expect(html.match(/<div class="own">/g)).toHaveLength(3)
})

test('the built-in layout would be taken', () => {
  expect(faultsOf(layoutPage)).toEqual([])
})

describe('is refused:', () => {
  test.each([
    ['a script', OWN.replace('<title>', '<script>1</script><title>'), /element script/],
    ['a handler', OWN.replace('<img', '<img onerror="x()"'), /attribute onerror/],
    ['a handler after a slash', OWN.replace('<img', '<img/onerror=x() '), /not plain/],
    ['a value without quotes', OWN.replace('alt=""', 'alt=x'), /not plain/],
    [
      'an address that runs',
      OWN.replace('https://example.com/logo.png', 'java\tscript:1'),
      /address/,
    ],
    ['an address in signs', OWN.replace('https://', '&#106;avascript:'), /address/],
    ['a picture over http', OWN.replace('https://', 'http://'), /address/],
    ['a form', OWN.replace('<h1>', '<form action="https://x"><h1>'), /element form/],
    ['a frame', OWN.replace('<h1>', '<iframe src="https://x"></iframe><h1>'), /element iframe/],
    ['a drawing', OWN.replace('<h1>', '<svg><h1>'), /element svg/],
    ['a style from elsewhere', OWN.replace('<h1>', '<style>@import "x"</style><h1>'), /style/],
    ['a style that ends early', OWN.replace('<h1>', '<style></style ><script></style><h1>'), /./],
    ['a style that hides it', OWN.replace('<h1>', '<p style="background:u\\72l(x)"><h1>'), /style/],
    [
      'a comment for one program',
      OWN.replace('<h1>', '<!--[if mso]><script><![endif]--><h1>'),
      /comment/,
    ],
    ['a redirect', OWN.replace('<title>', '<meta http-equiv="refresh"><title>'), /http-equiv/],
    ['markup without an end', OWN.replace('<h1>', '<h1> <img src="https://x'), /./],
    ['an unknown slot', OWN.replace('{{foot}}', '{{foot}}{{password}}'), /\{\{password\}\}/],
    ['a slot that is missing', OWN.replace('{{parts}}', ''), /lacks the slot \{\{parts\}\}/],
    ['a slot that comes twice', OWN.replace('{{parts}}', '{{parts}}{{parts}}'), /twice/],
    ['a value in an attribute', OWN.replace('alt=""', 'alt="{{service}}"'), /within an element/],
    [
      'a value in a link',
      OWN.replace('<h1>', '<a href="{{service}}">x</a><h1>'),
      /within an element/,
    ],
    [
      'a value in a style',
      OWN.replace('<h1>', '<style>p{color:{{service}}}</style><h1>'),
      /within/,
    ],
    ['a value in a comment', OWN.replace('<h1>', '<!-- {{service}} --><h1>'), /within/],
    ['a part without its text', OWN.replace('{{text}}', ''), /lacks the slot \{\{text\}\}/],
    ['a part that mails do not have', `${OWN}<!-- part: menu -->x<!-- end -->`, /the part menu/],
    ['a long one', OWN + ' '.repeat(70_000), /longer/],
  ])('%s', (_, text, fault) => {
    expect(faultsOf(text)).toEqual(expect.arrayContaining([expect.stringMatching(fault)]))
  })
})
