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

/** Asserts that axe-core finds nothing in the page as it stands. */
async function assertAccessible(page: Page, name: string): Promise<void> {
  await page.evaluate(axe.source)
  const { violations } = (await page.evaluate('axe.run()')) as AxeAnswer
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`)
  expect(found, `axe on ${name}`).toEqual([])
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
    await assertAccessible(page, `${name} on a ${width}`)
  }
}
