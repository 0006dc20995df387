// A layout of mails that a deployment brings: a page with slots, and perhaps parts of its own, in
// the form of layout.html. Values are escaped wherever it puts them, and it holds no script.
import { LAYOUT, LAYOUT_PARTS } from './layout.ts'

type LayoutParts = typeof LAYOUT_PARTS
type PartName = keyof LayoutParts

export type MailLayout = { page: string; parts: LayoutParts }

export const OUR_LAYOUT: MailLayout = { page: LAYOUT, parts: LAYOUT_PARTS }

/** The slots of the page; those of a part are in our own part. */
const PAGE_SLOTS = ['locale', 'direction', 'subject', 'service', 'heading', 'parts', 'foot']
/** Slots that mean something only where text stands; a mail without them says less than it must. */
const DEMANDED = ['heading', 'parts', 'foot']

const SIZE_MAX = 65_536

const slotsOf = (text: string): string[] =>
  [...text.matchAll(/\{\{([^{}]*)\}\}/g)].map(([, name = '']) => name)

const isPart = (name: string): name is PartName => Object.hasOwn(LAYOUT_PARTS, name)

/** Elements and attributes that a mail may be made of: nothing runs, sends, or embeds. */
const ELEMENTS =
  'html head meta title style body table thead tbody tfoot tr td th p h1 h2 h3 a img div span br hr b i strong em small center ul ol li blockquote'.split(
    ' ',
  )
const ATTRIBUTES =
  'class id style lang dir width height align valign bgcolor border cellpadding cellspacing colspan rowspan role alt title href src target name content charset'.split(
    ' ',
  )

const ADDRESS = /^(https:\/\/[^\s]+|mailto:[^\s]+|\{\{link\}\})$/

/** CSS that fetches something, or hides from this look what it is. */
const FETCHES = /@import|url\s*\(|expression|\\|</i

/** Faults of a text that is not made of these elements and attributes alone. */
function markupFaults(text: string): string[] {
  const faults: string[] = []
  const rest = text
    .replace(/^\s*<!doctype html>/i, '')
    .replace(/<!--([\s\S]*?)-->/g, (_, comment: string) => {
      // Some programs read markup in it.
      if (/[<[]/.test(comment)) faults.push('has markup in a comment')
      return ''
    })
    .replace(/(<style>)([\s\S]*?)(<\/style>)/gi, (_, open: string, css: string, end: string) => {
      if (FETCHES.test(css)) faults.push('has a style that fetches something')
      return open + end
    })
    .replace(
      /<\/?([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)\s*\/?>/gi,
      (...[, name, list]) => {
        const element = String(name).toLowerCase()
        if (!ELEMENTS.includes(element)) faults.push(`has the element ${element}`)
        faults.push(...attributeFaults(String(list)))
        return ''
      },
    )
  const odd = /<.{0,30}/s.exec(rest)
  if (odd !== null) faults.push(`has markup that is not plain: ${JSON.stringify(odd[0])}`)
  return faults
}

function attributeFaults(list: string): string[] {
  return [...list.matchAll(/([a-z-]+)(?:="([^"]*)")?/gi)].flatMap(
    ([, attribute = '', value = '']) => {
      const name = attribute.toLowerCase()
      if (!ATTRIBUTES.includes(name) && !name.startsWith('aria-'))
        return [`has the attribute ${name}`]
      if ((name === 'href' || name === 'src') && !ADDRESS.test(value)) {
        return [`has an address in ${name} that is none of https and mailto`]
      }
      return name === 'style' && FETCHES.test(value) ? ['has a style that fetches something'] : []
    },
  )
}

/**
 * Reads a layout. Answers it, or every fault at once, in words for operators: an unknown slot, a
 * slot that is missing, a slot where escaping would not hold, markup beyond that of mails.
 */
export function readLayout(text: string): { layout: MailLayout } | { faults: string[] } {
  if (text.length > SIZE_MAX) return { faults: [`is longer than ${SIZE_MAX} characters`] }
  const faults: string[] = []
  const own = new Map<string, string>()
  const page = text.replace(
    /<!-- part: (\w+) -->([\s\S]*?)<!-- end -->\n?/g,
    (_, name: string, part: string) => {
      if (!isPart(name)) faults.push(`has the part ${name}, which mails do not have`)
      own.set(name, part.trim())
      return ''
    },
  )
  faults.push(...[page, ...own.values()].flatMap(markupFaults))
  const parts = { ...LAYOUT_PARTS, ...Object.fromEntries(own) }
  faults.push(...slotFaults('the page', page, PAGE_SLOTS, DEMANDED))
  for (const [name, part] of own) {
    const wanted = isPart(name) ? [...new Set(slotsOf(LAYOUT_PARTS[name]))] : []
    faults.push(...slotFaults(`the part ${name}`, part, wanted, wanted))
  }
  return faults.length > 0 ? { faults } : { layout: { page, parts } }
}

function slotFaults(
  where: string,
  text: string,
  known: readonly string[],
  demanded: readonly string[],
): string[] {
  const found = slotsOf(text)
  const misplaced = text
    .replace(/<[^<>]*>/g, (tag) =>
      // The address of the mail, and the words for language and direction, are safe there.
      tag.replace(/\s(?:href="\{\{link\}\}"|lang="\{\{locale\}\}"|dir="\{\{direction\}\}")/g, ''),
    )
    .match(/<[^<>]*\{\{|<style\b(?:(?!<\/style)[\s\S])*\{\{|<!--(?:(?!-->)[\s\S])*\{\{/i)
  return [
    ...found
      .filter((name) => !known.includes(name))
      .map((name) => `has the slot {{${name}}} in ${where}, which there is none for`),
    ...demanded
      .filter((name) => !found.includes(name))
      .map((name) => `lacks the slot {{${name}}} in ${where}`),
    ...(found.filter((name) => name === 'parts').length > 1 ? ['has {{parts}} twice'] : []),
    ...(misplaced === null
      ? []
      : [`has a slot within an element, a style or a comment of ${where}`]),
  ]
}
