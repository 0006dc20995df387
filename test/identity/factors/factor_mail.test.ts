// Mails to a person whose account got another factor, or new recovery codes.
import { expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import type { TestWorker } from '../../context.ts'
import { ANN, PASSWORD } from '../../support/people.ts'
import { addAuthenticator, codeAt } from '../authenticator.ts'
import { Browser } from '../browser.ts'
import { mailsOf } from '../mails.ts'
import { addPasskey } from '../passkeys/passkey_people.ts'
import { SoftwareAuthenticator } from '../passkeys/software_authenticator.ts'
import { startWithAnn } from '../people.ts'

/** The texts of the mails about factors, oldest first. */
const told = async (worker: TestWorker) =>
  (await mailsOf(worker))
    .filter(({ kind, address }) => kind === 'factor_added' && address === ANN)
    .map(({ text }) => text)

async function startSignedIn() {
  const started = await startWithAnn()
  await started.browser.signIn(ANN, PASSWORD)
  return started
}

test('an app is told with its name, once it is proven', async () => {
  const { worker, browser } = await startSignedIn()
  const offered = await browser.get('/account/security/add')
  const refused = await browser.submit(offered, { code: '000000', name: 'Phone', action: 'add' })
  expect([refused.status, await told(worker)]).toEqual([400, []])
  await addAuthenticator(worker, browser)
  const [text, ...others] = await told(worker)
  expect(text).toContain('The authenticator app “Phone” now signs in to your account')
  expect(text).toContain('If it was not you, set a new password now')
  // The recovery codes that come with it are no news of their own.
  expect(others).toEqual([])
})

test('a passkey is told, in the language of the person', async () => {
  const { worker, browser } = await startSignedIn()
  await worker.context().db.write(sql`update user set locale = 'pl' where id = 'ann'`)
  const added = await addPasskey(browser, await SoftwareAuthenticator.make())
  expect(added.status).toBe(200)
  const [text] = await told(worker)
  expect(text).toMatch(/Klucz dostępu „.+” służy teraz do logowania/)
})

test('new recovery codes are told', async () => {
  const { worker, browser } = await startSignedIn()
  const { key } = await addAuthenticator(worker, browser)
  worker.clock.now += 60
  const signedIn = new Browser(worker)
  const asked = await signedIn.signIn(ANN, PASSWORD)
  const page = await signedIn.get(asked.headers.get('location') ?? '')
  await signedIn.submit(page, { code: await codeAt(key, worker.clock.now), action: 'verify' })
  await signedIn.submit(await signedIn.get('/account/security'), { action: 'codes' })
  const [, text, ...others] = await told(worker)
  expect(text).toContain('New recovery codes were made for your account')
  expect(others).toEqual([])
})
