// A real browser for tests: Debian's Chromium, a fresh profile, no talk with the world.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'
import { ROOT } from '../support/tree.ts'

const PHONE = { width: 390, height: 844 }
const DESKTOP = { width: 1280, height: 800 }

/** Where screenshots are put, to be looked at. */
const SCREENSHOTS = join(ROOT, 'test/.output')

const pathOfPicture = (name: string) => join(SCREENSHOTS, `${name}.png`)

export function openBrowser(): Promise<Browser> {
  mkdirSync(SCREENSHOTS, { recursive: true })
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Rules of axe that look at colors; all others look at what is the same in light and dark. */
const COLOR_RULES = ['color-contrast', 'link-in-text-block']

/**
 * Pages that have axe and are used by nobody, by the origin whose pages they examine. To make one
 * costs more than its use, and to read axe more than to examine a page.
 */
const examiners = new WeakMap<Browser, Map<string, Page[]>>()

function idleExaminers(browser: Browser, origin: string): Page[] {
  const byOrigin = examiners.get(browser) ?? new Map<string, Page[]>()
  examiners.set(browser, byOrigin)
  const idle = byOrigin.get(origin) ?? []
  byOrigin.set(origin, idle)
  return idle
}

async function makeExaminer(browser: Browser, origin: string): Promise<Page> {
  const context = await browser.newContext({ viewport: PHONE })
  const examiner = await context.newPage()
  const start = `${origin}/examiner`
  await examiner.route(start, (route) => route.fulfill({ contentType: 'text/html', body: '' }))
  await examiner.goto(start)
  await examiner.evaluate(axe.source)
  return examiner
}

/** Violations that axe finds in the page that the examiner shows: a line for each rule. */
async function findViolations(examiner: Page, rules: readonly string[]): Promise<string[]> {
  const options = {
    resultTypes: ['violations'],
    ...(rules.length > 0 && { runOnly: { type: 'rule', values: rules } }),
  }
  return (await examiner.evaluate(`axe.run(${JSON.stringify(options)}).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html)))`)) as string[]
}

/**
 * Asserts that axe-core finds nothing in a page as it stands, in light and dark. axe needs script, so
 * the same document is written into a page that has it, and that keeps it from one to the next.
 */
async function assertAccessible(page: Page, name: string): Promise<void> {
  const { origin } = new URL(page.url())
  const browser = page.context().browser()
  if (browser === null) throw new Error('the page has no browser')
  const idle = idleExaminers(browser, origin)
  const examiner = idle.pop() ?? (await makeExaminer(browser, origin))
  await examiner.emulateMedia({ colorScheme: 'light' })
  await examiner.setContent(await page.content())
  expect(await findViolations(examiner, []), `axe on ${name}, light`).toEqual([])
  await examiner.emulateMedia({ colorScheme: 'dark' })
  expect(await findViolations(examiner, COLOR_RULES), `axe on ${name}, dark`).toEqual([])
  idle.push(examiner)
}

/**
 * Takes pictures of a page on a phone and a desktop, on neither of which it may need sideways
 * scrolling. Only a page that is longer than the window is painted beyond it, which takes several
 * times as long.
 */
async function takePictures(page: Page, name: string, fullPage: boolean): Promise<void> {
  for (const [width, size] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    await page.setViewportSize(size)
    const { isWide, isLong } = (await page.evaluate(`({
      isWide: document.documentElement.scrollWidth > innerWidth,
      isLong: document.documentElement.scrollHeight > innerHeight,
    })`)) as { isWide: boolean; isLong: boolean }
    expect(isWide, `${name} on a ${width}`).toBe(false)
    await page.screenshot({ path: pathOfPicture(`${name}_${width}`), fullPage: fullPage && isLong })
  }
}

/** Takes these pictures, and asserts that the page is accessible. */
export async function shoot(page: Page, name: string, fullPage = true): Promise<void> {
  await takePictures(page, name, fullPage)
  await assertAccessible(page, name)
}

/** The same in dark, and then in light. */
export async function shootInBoth(page: Page, name: string, fullPage = true): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark' })
  await takePictures(page, `${name}_dark`, fullPage)
  await page.emulateMedia({ colorScheme: 'light' })
  await shoot(page, name, fullPage)
}
