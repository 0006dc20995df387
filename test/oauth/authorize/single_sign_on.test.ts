// One sign-in for several clients: who is asked for a password, what the clients can tell about the session, and what
// happens when somebody else takes the browser over.
import { expect, test } from 'vitest'
import { Browser } from '../../identity/browser.ts'
import { pathOf } from '../flow.ts'
import {
  ANN,
  BOB,
  isGood,
  PASSWORD,
  redeemAt,
  requestOf,
  signInAt,
  startSessions,
  verifyLogoutToken,
  visit,
} from '../session_fixtures.ts'

test('who signed in at one client is known at the next, in the same session', async () => {
  const { worker, browser } = await startSessions()
  const shop = await signInAt(worker, browser, 'shop')
  worker.clock.now += 60
  const bank = await visit(worker, browser, 'bank')
  const silent = await visit(worker, browser, 'bank', { prompt: 'none' })
  for (const { claims } of [bank, silent]) {
    expect(claims).toMatchObject({
      sub: 'ann',
      aud: 'bank',
      sid: shop.claims.sid,
      auth_time: shop.claims.auth_time,
    })
  }
  const elsewhere = await signInAt(worker, new Browser(worker), 'shop')
  expect(elsewhere.claims.sid).not.toBe(shop.claims.sid)
})

test('signing in again keeps the session for the clients, with a new time and a new cookie', async () => {
  const { worker, browser, receivers } = await startSessions()
  const before = await signInAt(worker, browser, 'shop')
  const cookie = browser.cookies.get('session')
  worker.clock.now += 60
  const after = await signInAt(worker, browser, 'bank', { prompt: 'login' })
  await worker.settled()
  expect(after.claims.sid).toBe(before.claims.sid)
  expect(after.claims.auth_time).toBe(before.claims.auth_time + 60)
  expect(browser.cookies.get('session')).not.toBe(cookie)
  expect(await isGood(worker, before.access_token)).toBe(true)
  expect(receivers.got).toEqual([])
})

test('another person who signs in in its place ends the session, and its clients hear of it', async () => {
  const { worker, browser, receivers } = await startSessions()
  const anns = await signInAt(worker, browser, 'shop')
  const asked = await browser.get(requestOf('bank', { prompt: 'select_account' }))
  const back = await browser.signIn(BOB, PASSWORD, pathOf(asked))
  await worker.settled()
  expect(await isGood(worker, anns.access_token)).toBe(false)
  const bobs = await redeemAt(worker, 'bank', await browser.get(pathOf(back)))
  expect(bobs.claims.sub).toBe('bob')
  expect(bobs.claims.sid).not.toBe(anns.claims.sid)
  expect(receivers.got.map(({ client_id }) => client_id)).toEqual(['shop'])
  const payload = await verifyLogoutToken(worker, 'shop', receivers.got[0]?.logout_token ?? '')
  expect(payload).toMatchObject({ sub: 'ann', sid: anns.claims.sid })
  expect(await isGood(worker, bobs.access_token)).toBe(true)
})

test('somebody who fails to sign in in its place ends nothing', async () => {
  const { worker, browser, receivers } = await startSessions()
  const anns = await signInAt(worker, browser, 'shop')
  const page = await browser.signIn(BOB, 'not the password, surely', '/login?return_to=%2Faccount')
  await worker.settled()
  expect(page.status).toBe(403)
  expect(await isGood(worker, anns.access_token)).toBe(true)
  expect(receivers.got).toEqual([])
  expect((await browser.get('/account')).html).toContain(ANN)
})
