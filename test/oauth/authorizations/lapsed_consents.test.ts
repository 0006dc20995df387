// Access of applications and assistants, of people who did not accept a text in time.
import { beforeEach, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { runJobs } from '../../../worker/jobs.ts'
import { endLapsedAccess } from '../../../worker/oauth/authorizations/lapsed_consents.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import type { Browser } from '../../identity/browser.ts'
import { accept, publishTerms, publishVersion } from '../../support/consents.ts'
import { answerOf, CALLBACK, requestPath, rowsOf, signIn, startFlow, VERIFIER } from '../flow.ts'
import { token } from '../token_fixtures.ts'

let worker: TestWorker
let browser: Browser
let refresh_token: string

beforeEach(async () => {
  const flow = await startFlow({ first_party: true })
  worker = flow.worker
  browser = flow.browser
  await signIn(worker, browser, 'ann')
  await publishTerms(worker)
  await accept(browser, await browser.get('/continue'))
  const page = await browser.get(requestPath({ scope: 'openid offline_access' }))
  const { body } = await token(worker, {
    grant_type: 'authorization_code',
    client_id: 'app',
    code: answerOf(page)['code'] ?? '',
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
  })
  refresh_token = String(body.refresh_token)
})

const refreshes = async () => {
  const { status, body } = await token(worker, {
    grant_type: 'refresh_token',
    client_id: 'app',
    refresh_token,
  })
  if (status === 200) refresh_token = String(body.refresh_token)
  return status === 200
}

const runs = async () => {
  worker.clock.now += 60
  await runJobs(worker.context())
}

test('goes on where no setting ends it', async () => {
  await publishVersion(worker, '2')
  await runs()
  expect(await refreshes()).toBe(true)
})

test('ends with the setting, once the new version is demanded and not before', async () => {
  await changeSettings(worker.context(), { lapsed_consent_ends_access: true })
  await publishVersion(worker, '2', { demanded_from: worker.clock.now + 100 })
  await runs()
  expect(await refreshes()).toBe(true)
  await runs()
  expect(await refreshes()).toBe(false)
  const events = await rowsOf(worker, 'event')
  const ended = events.filter(({ type }) => type === 'authorization.revoked')
  expect(ended.map(({ data }) => JSON.parse(String(data)).reason)).toEqual(['consent_lapsed'])
})

test('goes on with the setting for a person who accepted in time', async () => {
  await changeSettings(worker.context(), { lapsed_consent_ends_access: true })
  await publishVersion(worker, '2', { demanded_from: worker.clock.now + 100 })
  await browser.submit(await browser.get('/account/consents'), { action: 'accept' })
  await runs()
  await runs()
  expect(await refreshes()).toBe(true)
})

test('is looked at again only when a text or its time changed', async () => {
  await changeSettings(worker.context(), { lapsed_consent_ends_access: true })
  const cx = worker.context()
  const trips = async () => (await countRoundTrips(worker, () => endLapsedAccess(cx))).roundTrips
  expect([await trips(), await trips()]).toEqual([2, 1])
  await publishVersion(worker, '2')
  expect([await trips(), await trips()]).toEqual([4, 1])
})
