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

type AxeAnswer = { violations: { id: string; nodes: { html: string }[] }[] }

/** Pages in which copies are examined, while nobody uses them: making one costs more than its use. */
const examiners = new WeakMap<Browser, Page[]>()

async function lendExaminer(browser: Browser): Promise<Page> {
  const free = examiners.get(browser)?.pop()
  if (free !== undefined) return free
  const context = await browser.newContext({ viewport: PHONE })
  return context.newPage()
}

function giveBack(browser: Browser, examiner: Page): void {
  const free = examiners.get(browser) ?? []
  examiners.set(browser, [...free, examiner])
}

/**
 * Asserts that axe-core finds nothing in a page as it stands, in light and dark. axe needs script, so
 * the same document is shown in a page that has it.
 */
async function assertAccessible(page: Page, name: string): Promise<void> {
  const url = page.url()
  const body = await page.content()
  const browser = page.context().browser()
  if (browser === null) throw new Error('the page has no browser')
  const copy = await lendExaminer(browser)
  await copy.route(url, (route) => route.fulfill({ contentType: 'text/html', body }))
  await copy.emulateMedia({ colorScheme: 'light' })
  await copy.goto(url)
  await copy.evaluate(axe.source)
  for (const colorScheme of ['light', 'dark'] as const) {
    await copy.emulateMedia({ colorScheme })
    const { violations } = (await copy.evaluate('axe.run()')) as AxeAnswer
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`)
    expect(found, `axe on ${name}, ${colorScheme}`).toEqual([])
  }
  await copy.unroute(url)
  giveBack(browser, copy)
}

/**
 * Takes pictures of a page on a phone and a desktop, on neither of which it may need sideways
 * scrolling.
 */
export async function shoot(page: Page, name: string, fullPage = true): Promise<void> {
  for (const [width, size] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    await page.setViewportSize(size)
    await page.screenshot({ path: pathOfPicture(`${name}_${width}`), fullPage })
    const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth')
    expect(wide, `${name} on a ${width}`).toBe(false)
  }
  await assertAccessible(page, name)
}

/** The same in dark, and then in light. */
export async function shootInBoth(page: Page, name: string, fullPage = true): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark' })
  for (const [width, size] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    await page.setViewportSize(size)
    await page.screenshot({ path: pathOfPicture(`${name}_dark_${width}`), fullPage })
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await shoot(page, name, fullPage)
}
