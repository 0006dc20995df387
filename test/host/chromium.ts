// A real browser for tests: Debian's Chromium, a fresh profile, no talk with the world.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'
import { ROOT } from '../support/tree.ts'

export const PHONE = { width: 390, height: 844 }
export const DESKTOP = { width: 1280, height: 800 }

/** Where screenshots are put, to be looked at. */
export const SCREENSHOTS = join(ROOT, 'test/.output')

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

/**
 * Asserts that axe-core finds nothing in a page as it stands, in light and dark. axe needs script, so
 * the same document is shown in a page that has it.
 */
async function assertAccessible(page: Page, name: string): Promise<void> {
  const body = await page.content()
  const context = await page.context().browser()?.newContext({ viewport: PHONE })
  if (context === undefined) throw new Error('the page has no browser')
  try {
    const copy = await context.newPage()
    await copy.route(page.url(), (route) => route.fulfill({ contentType: 'text/html', body }))
    for (const colorScheme of ['light', 'dark'] as const) {
      await copy.emulateMedia({ colorScheme })
      await copy.goto(page.url())
      await copy.evaluate(axe.source)
      const { violations } = (await copy.evaluate('axe.run()')) as AxeAnswer
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`)
      expect(found, `axe on ${name}, ${colorScheme}`).toEqual([])
    }
  } finally {
    await context.close()
  }
}

/**
 * Takes pictures of a page on a phone and a desktop, on neither of which it may need sideways
 * scrolling.
 */
export async function shoot(page: Page, name: string, fullPage = true): Promise<void> {
  for (const [width, size] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    await page.setViewportSize(size)
    await page.screenshot({ path: join(SCREENSHOTS, `${name}_${width}.png`), fullPage })
    const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth')
    expect(wide, `${name} on a ${width}`).toBe(false)
  }
  await assertAccessible(page, name)
}
