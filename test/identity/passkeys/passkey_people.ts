// Parts that the tests of passkeys share: Ann with a passkey, and the forms of the pages.
import { expect } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import type { TestWorker } from '../../context.ts'
import { ANN, createPerson, PASSWORD } from '../../support/people.ts'
import { Browser, type Page } from '../browser.ts'
import { startWithAnn } from '../people.ts'
import { optionsOf, SoftwareAuthenticator, type Wrong } from './software_authenticator.ts'

export const EVE = 'eve@example.com'
const ADD = '/account/security/passkey'

/** Sends the answer of an authenticator with the form of the page. */
export const answer = (browser: Browser, page: Page, response: object | string): Promise<Page> =>
  browser.submit(page, {
    passkey: typeof response === 'string' ? response : JSON.stringify(response),
  })

/** Adds the passkey in the browser, which is signed in. */
export async function addPasskey(
  browser: Browser,
  authenticator: SoftwareAuthenticator,
  wrong: Wrong = {},
  base = '',
): Promise<Page> {
  const page = await browser.get(base + ADD)
  expect(page.status).toBe(200)
  return answer(browser, page, await authenticator.create(optionsOf(page), wrong))
}

/** Ann with a passkey and recovery codes, and a browser in which nobody is signed in. */
export async function startWithPasskey(
  options: Parameters<typeof SoftwareAuthenticator.make>[0] = {},
  env: Record<string, string> = {},
) {
  const { worker, browser: owner } = await startWithAnn(env)
  const authenticator = await SoftwareAuthenticator.make(options)
  await owner.signIn(ANN, PASSWORD)
  const added = await addPasskey(owner, authenticator)
  expect(added.status).toBe(200)
  return { worker, owner, authenticator, added, browser: new Browser(worker) }
}

/** Signs in by the passkey alone. */
export async function signInByIt(
  browser: Browser,
  authenticator: SoftwareAuthenticator,
  wrong: Wrong = {},
  base = '',
): Promise<Page> {
  const page = await browser.get(`${base}/login?return_to=%2Faccount`)
  return answer(browser, page, await authenticator.get(optionsOf(page), wrong))
}

/** Eve with a passkey of her own. */
export async function addEve(worker: TestWorker) {
  await createPerson(worker.context(), { id: 'eve', email: EVE, password: PASSWORD })
  const browser = new Browser(worker)
  await browser.signIn(EVE, PASSWORD)
  const authenticator = await SoftwareAuthenticator.make()
  expect((await addPasskey(browser, authenticator)).status).toBe(200)
  return { browser, authenticator }
}

/** The methods of the newest session. */
export async function newestAmr(worker: TestWorker): Promise<string[]> {
  const [row] = await worker
    .context()
    .db.read(sql<{ amr: string }>`select amr from session order by rowid desc limit 1`)
  return JSON.parse(row?.amr ?? '[]')
}

/** The reasons of refusals in the log. */
export const reasonsOf = (worker: TestWorker): unknown[] =>
  worker.log.map(({ fields }) => fields['reason']).filter((reason) => reason !== undefined)
