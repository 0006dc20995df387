// The end of a session, whichever way it came: what hangs on it is revoked, what outlives it goes on, and every
// client that was signed in in it hears of it once, by a token that it can verify.
import { describe, expect, test } from 'vitest'
import type { Context } from '../../../worker/context.ts'
import { type Statement, scalar, sql } from '../../../worker/db/sql.ts'
import { deliver, takeDeliveries } from '../../../worker/deliveries.ts'
import { changeUser, removeUser } from '../../../worker/identity/users.ts'
import { rotateKey } from '../../../worker/keys/signing_keys.ts'
import { deleteEnded } from '../../../worker/oauth/authorizations/store.ts'
import {
  allowsSomething,
  listAllowedScopesOfUser,
  listLiveAuthorizations,
} from '../../../worker/oauth/authorizations/user_authorization_store.ts'
import { changeClient, removeClient } from '../../../worker/oauth/clients/clients.ts'
import { logoutTokens } from '../../../worker/oauth/logout/logout_tokens.ts'
import { listHanging, listHangingOfSession } from '../../../worker/oauth/logout/store.ts'
import { sweepSessions } from '../../../worker/oauth/logout/tokens_of_ended_sessions.ts'
import { DEFAULT_SETTINGS } from '../../../worker/settings.ts'
import { SYSTEM, startWorker, type TestWorker } from '../../context.ts'
import { Browser } from '../../identity/browser.ts'
import {
  BOB,
  deliveriesOf,
  eventsOf,
  isGood,
  isSignedIn,
  PASSWORD,
  receiverOf,
  runTimer,
  signInAt,
  startSessions,
  verifyLogoutToken,
  visit,
} from '../session_fixtures.ts'
import { claimsOf, headerOf, overtaken, refresh } from '../token_fixtures.ts'

const BACKOFF = logoutTokens.backoff
const deliverLogoutTokens = (cx: Context) => deliver(cx, [logoutTokens])

const signOut = async (worker: TestWorker, browser: Browser) => {
  await browser.submit(await browser.get('/logout'), { action: 'logout' })
  await worker.settled()
}

const toldOf = (receivers: { got: { client_id: string }[] }) =>
  receivers.got.map(({ client_id }) => client_id).sort()

test('each client that was signed in gets one logout token, which it verifies by our published keys', async () => {
  const { worker, browser, receivers } = await startSessions()
  const shop = await signInAt(worker, browser, 'shop')
  await visit(worker, browser, 'shop')
  await visit(worker, browser, 'bank')
  const other = new Browser(worker)
  await signInAt(worker, other, 'bank', { email: BOB })
  await signOut(worker, browser)
  expect(toldOf(receivers)).toEqual(['bank', 'shop'])
  const payloads = await Promise.all(
    receivers.got.map(async ({ client_id, logout_token }) => {
      expect(headerOf(logout_token)).toMatchObject({ typ: 'logout+jwt', alg: 'RS256' })
      return verifyLogoutToken(worker, client_id, logout_token)
    }),
  )
  for (const payload of payloads) {
    expect(Object.keys(payload).sort()).toEqual(
      ['aud', 'events', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub'].sort(),
    )
    expect(payload).toMatchObject({
      sub: 'ann',
      sid: shop.claims.sid,
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    })
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(120)
  }
  expect(new Set(payloads.map(({ jti }) => jti)).size).toBe(2)
  expect(await deliveriesOf(worker)).toEqual([])
  expect(await eventsOf(worker, 'logout_token.delivered')).toMatchObject([
    { outcome: 'success', actor_kind: 'system', subject_id: 'ann', data: { attempts: 1 } },
    { outcome: 'success', actor_kind: 'system', subject_id: 'ann', data: { attempts: 1 } },
  ])
  // Nothing is left to be told again.
  await runTimer(worker)
  expect(receivers.got).toHaveLength(2)
})

test('tokens that hang on the session are dead with the answer, those for offline_access live on', async () => {
  const { worker, browser, receivers } = await startSessions()
  const online = await signInAt(worker, browser, 'shop')
  const offline = await visit(worker, browser, 'bank', { scope: 'openid offline_access' })
  const elsewhere = new Browser(worker)
  const other = await signInAt(worker, elsewhere, 'shop')
  const page = await browser.get('/logout')
  await browser.submit(page, { action: 'logout' })
  // Before anything was sent.
  expect(await isGood(worker, online.access_token)).toBe(false)
  expect(await isGood(worker, offline.access_token)).toBe(true)
  expect(await isGood(worker, other.access_token)).toBe(true)
  await worker.settled()
  // The client whose tokens live on has a session of its own to end, so it is told as well.
  expect(toldOf(receivers)).toEqual(['bank', 'shop'])
  const again = await refresh(worker, offline.refresh_token, { client_id: 'bank' })
  expect(again.status).toBe(200)
  // What is signed in newly is not of the session that ended.
  expect(offline.claims.sid).toBe(online.claims.sid)
  expect(claimsOf(again.body.id_token)).not.toHaveProperty('sid')
  expect(await eventsOf(worker, 'authorization.revoked')).toMatchObject([
    { subject_id: 'ann', actor_id: 'ann', data: { client_id: 'shop', reason: 'session_ended' } },
  ])
})

describe('clients hear of the end of a session', () => {
  type Started = Awaited<ReturnType<typeof startSessions>>
  const WAYS: [string, (started: Started) => Promise<unknown>][] = [
    ['by a sign-out on our page', ({ worker, browser }) => signOut(worker, browser)],
    [
      'by a sign-out that another client initiated',
      async ({ worker, browser }) => {
        const { id_token } = await visit(worker, browser, 'bank')
        await browser.get(`/oauth/logout?${new URLSearchParams({ id_token_hint: id_token })}`)
        await worker.settled()
      },
    ],
    [
      'by a sign-out everywhere, from another browser',
      async ({ worker }) => {
        const other = new Browser(worker)
        await signInAt(worker, other, 'bank')
        const page = await other.get('/account')
        const csrf = /name="csrf" value="([^"]*)"/.exec(page.html)?.[1] ?? ''
        await other.post('/account/sessions', { csrf, action: 'everywhere' })
        await worker.settled()
      },
    ],
    [
      'because another person signs in in its place',
      async ({ worker, browser }) => {
        const page = await browser.get('/login?return_to=%2Faccount')
        await browser.submit(page, { username: BOB, password: PASSWORD, action: 'login' })
        await worker.settled()
      },
    ],
    [
      'that ran out, once the timer has seen to it',
      async ({ worker }) => {
        await runTimer(worker, DEFAULT_SETTINGS.session_ttl)
        await runTimer(worker)
      },
    ],
    [
      'of a user who was disabled, within a minute',
      async ({ worker }) => {
        await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
        await runTimer(worker)
      },
    ],
    [
      'of a user who was deleted, within a minute',
      async ({ worker }) => {
        await removeUser(worker.context(), 'ann', null)
        await runTimer(worker)
      },
    ],
  ]
  test.each(WAYS)('%s', async (_, end) => {
    const started = await startSessions()
    const { worker, browser, receivers } = started
    const { claims, access_token } = await signInAt(worker, browser, 'shop')
    await end(started)
    const told = receivers.got.filter(({ client_id }) => client_id === 'shop')
    expect(told).toHaveLength(1)
    const payload = await verifyLogoutToken(worker, 'shop', told[0]?.logout_token ?? '')
    expect(payload).toMatchObject({ sub: 'ann', sid: claims.sid })
    expect(await isGood(worker, access_token)).toBe(false)
  })
})

test('a receiver that never answers does not delay the sign-out', async () => {
  const { worker, browser, receivers } = await startSessions()
  await signInAt(worker, browser, 'shop')
  let release = (_: Response) => {}
  receivers.answer = () =>
    new Promise((done) => {
      release = done
    })
  const page = await browser.get('/logout')
  const answer = await browser.submit(page, { action: 'logout' })
  expect(answer.status).toBe(303)
  expect(await eventsOf(worker, 'logout_token.delivered')).toEqual([])
  while (receivers.got.length === 0) await new Promise((done) => setTimeout(done, 5))
  release(new Response(null, { status: 204 }))
  await worker.settled()
  expect(await eventsOf(worker, 'logout_token.delivered')).toHaveLength(1)
})

describe('a receiver that does not take it', () => {
  test('gets it again, later each time, until it does', async () => {
    const { worker, browser, receivers } = await startSessions()
    await signInAt(worker, browser, 'shop')
    receivers.answer = () => new Response('no', { status: 500 })
    await signOut(worker, browser)
    expect(receivers.got).toHaveLength(1)
    await runTimer(worker, 59)
    expect(receivers.got).toHaveLength(1)
    await runTimer(worker, 60)
    expect(receivers.got).toHaveLength(2)
    await runTimer(worker, 299)
    expect(receivers.got).toHaveLength(2)
    receivers.answer = () => new Response(null, { status: 204 })
    await runTimer(worker, 60)
    expect(receivers.got).toHaveLength(3)
    // Each is a token of its own and fresh.
    const tokens = receivers.got.map(({ logout_token }) => claimsOf(logout_token))
    expect(new Set(tokens.map(({ jti }) => jti)).size).toBe(3)
    await verifyLogoutToken(worker, 'shop', receivers.got[2]?.logout_token ?? '')
    expect(await eventsOf(worker, 'logout_token.delivered')).toMatchObject([
      { data: { client_id: 'shop', attempts: 3 } },
    ])
    await runTimer(worker, 86_400)
    expect(receivers.got).toHaveLength(3)
  })

  test('is given up after a day, which is noted as a failure', async () => {
    const { worker, browser, receivers } = await startSessions()
    await signInAt(worker, browser, 'shop')
    receivers.answer = () => Response.redirect('https://elsewhere.example/', 302)
    await signOut(worker, browser)
    for (const seconds of BACKOFF) await runTimer(worker, seconds)
    expect(receivers.got).toHaveLength(BACKOFF.length)
    expect(BACKOFF.slice(0, -1).reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(86_400)
    expect(await deliveriesOf(worker)).toEqual([])
    expect(await eventsOf(worker, 'logout_token.abandoned')).toMatchObject([
      { outcome: 'failure', subject_id: 'ann', data: { client_id: 'shop', reason: 'redirect' } },
    ])
    expect(await eventsOf(worker, 'logout_token.delivered')).toEqual([])
  })

  test('at an address that only we could reach is never called', async () => {
    const { worker, browser } = await startSessions({
      backchannel_logout_uri: 'https://127.0.0.1/backchannel',
    })
    await signInAt(worker, browser, 'shop')
    await signOut(worker, browser)
    const warned = worker.log.filter(({ message }) => message === 'a logout token was not taken')
    expect(warned.map(({ fields }) => fields['reason'])).toEqual(['private_address'])
    // Neither the log nor the events have the token.
    expect(JSON.stringify(worker.log)).not.toContain('eyJ')
  })
})

describe('of several at once', () => {
  test('one deliverer sends', async () => {
    const { worker, browser, receivers } = await startSessions()
    for (let i = 0; i < 3; i++) {
      const one = i === 0 ? browser : new Browser(worker)
      await signInAt(worker, one, 'shop')
      await visit(worker, one, 'bank')
    }
    await worker.context().db.write(sql`delete from session`)
    await sweepSessions(worker.context(), null)
    expect(await deliveriesOf(worker)).toHaveLength(6)
    await Promise.all(Array.from({ length: 8 }, () => deliverLogoutTokens(worker.context())))
    expect(toldOf(receivers)).toEqual(['bank', 'bank', 'bank', 'shop', 'shop', 'shop'])
    expect(await eventsOf(worker, 'logout_token.delivered')).toHaveLength(6)
  })

  test('sweepers note each client and each revocation once, also when an answer was lost', async () => {
    const { worker, browser } = await startSessions()
    await signInAt(worker, browser, 'shop')
    await visit(worker, browser, 'bank')
    await worker.context().db.write(sql`delete from session`)
    const lossy = (): Context => {
      const cx = worker.context()
      const write: Context['db']['write'] = async (batch) => {
        await cx.db.write(batch)
        return cx.db.write(batch)
      }
      return { ...cx, db: { ...cx.db, write } }
    }
    await Promise.all(Array.from({ length: 6 }, () => sweepSessions(lossy(), null)))
    expect(await deliveriesOf(worker)).toHaveLength(2)
    expect(await eventsOf(worker, 'authorization.revoked')).toHaveLength(2)
  })

  test('one that read too early tells nobody again', async () => {
    const { worker, browser, receivers } = await startSessions()
    await signInAt(worker, browser, 'shop')
    await worker.context().db.write(sql`delete from session`)
    const cx = worker.context()
    const late: Context = {
      ...cx,
      db: {
        ...cx.db,
        // Another one sweeps and delivers between this one's read and write.
        write: async (batch) => {
          await sweepSessions(worker.context(), null)
          await deliverLogoutTokens(worker.context())
          return cx.db.write(batch)
        },
      },
    }
    await sweepSessions(late, null)
    await deliverLogoutTokens(worker.context())
    expect(receivers.got).toHaveLength(1)
  })
})

test('a sender that died is made up for when its lease has run out', async () => {
  const { worker, browser, receivers } = await startSessions()
  await signInAt(worker, browser, 'shop')
  await worker.context().db.write(sql`delete from session`)
  await sweepSessions(worker.context(), null)
  await worker.context().db.write(takeDeliveries(worker.context(), logoutTokens, 'of the dead'))
  await deliverLogoutTokens(worker.context())
  expect(receivers.got).toEqual([])
  worker.clock.now += BACKOFF[0] ?? 0
  await deliverLogoutTokens(worker.context())
  expect(receivers.got).toHaveLength(1)
})

test('many hanging authorizations are all ended, and their client is told once', async () => {
  const { worker, browser, receivers } = await startSessions()
  const { access_token } = await signInAt(worker, browser, 'shop')
  await worker.context().db.write(
    sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < 250)
      insert into authorization (id, user_id, client_id, scope, resource, auth_time, amr,
        created_at, last_used_at, sid, offline)
      select 'azn_0' || i, user_id, client_id, scope, resource, auth_time, amr,
        created_at, last_used_at, sid, 0 from authorization, n`,
  )
  const { id_token } = await visit(worker, browser, 'bank')
  await browser.get(`/oauth/logout?${new URLSearchParams({ id_token_hint: id_token })}`)
  await worker.settled()
  const rows = await worker
    .context()
    .db.read(sql<{ n: number }>`select count(*) as n from authorization where revoked_at is null`)
  expect(rows[0]?.n).toBe(0)
  expect(await isGood(worker, access_token)).toBe(false)
  expect(toldOf(receivers)).toEqual(['bank', 'shop'])
})

describe('not told is', () => {
  test('a client without an address, one that is disabled, and one that went', async () => {
    const { worker, browser, receivers } = await startSessions()
    const cx = worker.context()
    const first = new Browser(worker)
    await signInAt(worker, first, 'shop')
    await changeClient(cx, 'shop', { backchannel_logout_uri: null }, null)
    await signOut(worker, first)
    await signInAt(worker, browser, 'bank')
    await changeClient(cx, 'bank', { status: 'disabled' }, null)
    await signOut(worker, browser)
    await runTimer(worker)
    expect(receivers.got).toEqual([])
  })

  test('a client that was deleted, or wants no more of it, while a delivery waits', async () => {
    const { worker, browser, receivers } = await startSessions()
    const cx = worker.context()
    receivers.answer = () => new Response(null, { status: 503 })
    await signInAt(worker, browser, 'shop')
    await visit(worker, browser, 'bank')
    await signOut(worker, browser)
    expect(receivers.got).toHaveLength(2)
    await removeClient(cx, 'bank', null)
    expect((await deliveriesOf(worker)).map(({ client_id }) => client_id)).toEqual(['shop'])
    await changeClient(cx, 'shop', { backchannel_logout_uri: null }, null)
    await runTimer(worker)
    expect(await deliveriesOf(worker)).toEqual([])
    expect(receivers.got).toHaveLength(2)
  })

  test('anybody while the session goes on, though the person signed in again', async () => {
    const { worker, browser, receivers } = await startSessions()
    const first = await signInAt(worker, browser, 'shop')
    worker.clock.now += 60
    const again = await signInAt(worker, browser, 'shop', { prompt: 'login' })
    await runTimer(worker)
    expect(again.claims.sid).toBe(first.claims.sid)
    expect(again.claims.auth_time).toBeGreaterThan(first.claims.auth_time)
    expect(receivers.got).toEqual([])
    expect(await isGood(worker, first.access_token)).toBe(true)
    await signOut(worker, browser)
    expect(toldOf(receivers)).toEqual(['shop'])
  })
})

test('a sign-out that came too late for its session ends nothing of the one that took its place', async () => {
  const { worker, browser, receivers } = await startSessions()
  const { id_token, access_token } = await signInAt(worker, browser, 'shop')
  // In another tab the person signs in again while the sign-out is between its read and its write.
  const between = overtaken(worker, async () => {
    await signInAt(worker, browser, 'shop', { prompt: 'login' })
  })
  const tab = new Browser({ ...worker, ...between })
  for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
  await tab.get(`/oauth/logout?${new URLSearchParams({ id_token_hint: id_token })}`)
  await worker.settled()
  expect(await isSignedIn(browser)).toBe(true)
  expect(await isGood(worker, access_token)).toBe(true)
  expect(receivers.got).toEqual([])
  expect(await deliveriesOf(worker)).toEqual([])
})

test('a client hears of a session that lasted longer than its tokens are remembered', async () => {
  const { worker, browser, receivers } = await startSessions()
  await signInAt(worker, browser, 'shop')
  await visit(worker, browser, 'shop')
  for (let hours = 0; hours < 72; hours += 8) {
    await runTimer(worker, 8 * 3600)
    await browser.get('/account')
  }
  await worker.context().db.write(deleteEnded(worker.context()))
  const rows = await worker.context().db.read(sql<{ id: string }>`select id from authorization`)
  // The last one only.
  expect(rows).toHaveLength(1)
  await signOut(worker, browser)
  expect(toldOf(receivers)).toEqual(['shop'])
  worker.clock.now += 2 * 86_400
  await worker.context().db.write(deleteEnded(worker.context()))
  const left = await worker.context().db.read(sql<{ id: string }>`select id from authorization`)
  expect(left).toEqual([])
})

test('the logout token is signed as the client’s ID tokens are', async () => {
  const { worker, browser, receivers } = await startSessions({
    id_token_signed_response_alg: 'ES256',
  })
  await rotateKey(worker.context(SYSTEM), 'ES256')
  await signInAt(worker, browser, 'shop')
  await signOut(worker, browser)
  const { logout_token = '' } = receivers.got[0] ?? {}
  expect(headerOf(logout_token).alg).toBe('ES256')
  await verifyLogoutToken(worker, 'shop', logout_token)
})

test('a pairwise client hears of the person by the name that it knows, and hints by it', async () => {
  const { worker, browser, receivers } = await startSessions({ subject_type: 'pairwise' })
  const shop = await signInAt(worker, browser, 'shop')
  const bank = await visit(worker, browser, 'bank')
  const hint = new URLSearchParams({ id_token_hint: bank.id_token })
  const page = await browser.get(`/oauth/logout?${hint}`)
  expect(page.html).toContain('You are signed out')
  await worker.settled()
  const subs = Object.fromEntries(
    receivers.got.map(({ client_id, logout_token }) => [client_id, claimsOf(logout_token).sub]),
  )
  expect(subs).toEqual({ shop: shop.claims.sub, bank: bank.claims.sub })
  expect(shop.claims.sub).not.toBe(bank.claims.sub)
  expect(JSON.stringify(subs)).not.toContain('"ann"')
})

test('a logout token opens nothing of ours', async () => {
  const { worker, browser, receivers } = await startSessions()
  await signInAt(worker, browser, 'shop')
  await signOut(worker, browser)
  const { logout_token = '' } = receivers.got[0] ?? {}
  expect(await isGood(worker, logout_token)).toBe(false)
  const answer = await worker.request('/v1/users', {
    headers: { Authorization: `Bearer ${logout_token}` },
  })
  expect(answer.status).toBe(401)
  expect(receiverOf('shop')).toContain('https://')
})

test('no statement about sessions and what hangs on them walks through a whole table', async () => {
  const cx = (await startWorker()).context()
  const page = { after: '', limit: 50, idle_ttl: 1 }
  const statements: Statement<unknown>[] = [
    listHanging(null),
    listHanging('ann'),
    listHangingOfSession('x'),
    listLiveAuthorizations(cx, 'ann', page),
    listAllowedScopesOfUser(scalar`${'ann'}`),
    sql`select ${allowsSomething('ann', null)}, ${allowsSomething('ann', 'shop')}`,
    // How `takeDeliveries` and `deleteAllowed` find their rows: the farm explains no writes.
    sql`select id from delivery where kind = ${'x'} and next_at <= ${1}
      order by next_at limit ${10}`,
    sql`select * from authorization_code where user_id = ${'a'} and redeemed_by is null`,
    sql`select * from allowed_scope where user_id = ${'a'} and client_id = ${'b'}`,
  ]
  const plans = await Promise.all(
    statements.map((statement) =>
      cx.db.read(sql<{ detail: string }>`explain query plan ${statement}`),
    ),
  )
  const details = plans.map((rows) => rows.map(({ detail }) => detail))
  expect(details.flat().filter((detail) => /^SCAN (?!CONSTANT)/.test(detail))).toEqual([])
  expect(details[0]?.join()).toContain('authorization_sid (sid>?)')
  expect(details[1]?.join()).toContain('authorization_user (user_id=?)')
  expect(details[6]?.join()).toContain('delivery_due (kind=? AND next_at<?)')
  expect(details.flat().join()).toContain('authorization_code_waiting (user_id=?)')
})
