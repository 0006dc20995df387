// Account linking as Google and Alexa do it, to the letter of what they publish: a whole life of a link, from the
// page to unlinking, with what goes wrong on the way.
import { beforeAll, describe, expect, test } from 'vitest'
import { changeSettings } from '../../../worker/admin/settings_change.ts'
import { JOBS } from '../../../worker/jobs.ts'
import { messagesIn } from '../../../worker/messages/messages.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { answerOf, locationOf, rowsOf } from '../flow.ts'
import {
  ALEXA_URI,
  agree,
  alexa,
  GOOGLE_URI,
  google,
  question,
  requestOf,
  startLinking,
  type Vendor,
  works,
} from '../linking.ts'
import { addClient, basic, losingAnswers, overtaken, setStatus, token } from '../token_fixtures.ts'

const DAY = 86_400
/** Everything that runs by itself: what ends with sessions, what is forgotten. Twice, for one leads to the other. */
async function runTimer(worker: TestWorker) {
  for (const job of [...JOBS, ...JOBS]) await job.run(worker.context())
}

const VENDORS: [string, Vendor][] = [
  ['Google', google],
  ['Alexa', alexa],
]

describe.each(VENDORS)('a link of %s', (name, vendor) => {
  let at: Awaited<ReturnType<typeof startLinking>>
  beforeAll(async () => {
    at = await startLinking(vendor)
  })

  /** A new link by a person who agrees. */
  async function link() {
    const answer = await at.redeem(at.worker, await agree(at.browser, vendor))
    expect(answer.status, JSON.stringify(answer.body)).toBe(200)
    return answer.body
  }

  test('comes about without PKCE and gives what vendors check', async () => {
    const page = await question(at.browser, vendor)
    // Google names the person's language, which is German here.
    const words =
      name === 'Google'
        ? 'Ihr Konto bei <bdi>localhost:8787</bdi> wird mit Google verknüpft.'
        : 'Your <bdi>localhost:8787</bdi> account will be linked with Amazon Alexa.'
    expect(page.html).toContain(words)
    const m = messagesIn(name === 'Google' ? 'de' : 'en')
    // That access lasts is said once, in the words of a link.
    expect(page.html).toContain(m('linking.lasting'))
    expect(page.html).not.toContain(m('scope.offline_access'))
    const done = await at.browser.submit(page, { action: 'allow' })
    const { state, iss, code } = answerOf(done, vendor.redirect_uri)
    expect([state, iss]).toEqual(['opaque~state/1', 'http://localhost:8787'])
    const { status, body, headers } = await at.redeem(at.worker, code ?? '')
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toMatchObject({ token_type: 'Bearer', scope: 'openid email' })
    expect(body.expires_in).toBeGreaterThanOrEqual(360)
    expect(body.refresh_token).toMatch(/^\S{20,}$/)
    expect(await works(at.worker, body.access_token)).toBe(true)
  })

  test('has access tokens that are no JWTs', async () => {
    const { access_token = '', refresh_token } = await link()
    const next = await at.refresh(at.worker, refresh_token)
    for (const one of [access_token, next.body.access_token ?? '']) {
      expect(one.split('.').length).not.toBe(3)
      expect(one).not.toMatch(/^eyJ/)
    }
  })

  test('works by either way of sending the secret', async () => {
    const { refresh_token = '' } = await link()
    const parameters = { grant_type: 'refresh_token', refresh_token }
    const { client_id } = vendor
    const inBody = await token(at.worker, { ...parameters, client_id, client_secret: at.secret })
    expect(inBody.status).toBe(200)
    expect((await token(at.worker, parameters, basic(client_id, at.secret))).status).toBe(200)
    // The secret is still needed.
    expect((await token(at.worker, { ...parameters, client_id })).status).not.toBe(200)
  })

  test('gives another access token at each refresh, and the older ones keep working', async () => {
    const first = await link()
    const seen = [first.access_token]
    for (let i = 0; i < 3; i++) {
      const { status, body } = await at.refresh(at.worker, first.refresh_token)
      expect(status).toBe(200)
      // Kept: either it is not told anew, or it is the same.
      expect([undefined, first.refresh_token]).toContain(body.refresh_token)
      expect(seen).not.toContain(body.access_token)
      seen.push(body.access_token)
    }
    for (const one of seen) expect(await works(at.worker, one)).toBe(true)
  })

  test('survives 50 refreshes at once: all succeed, with tokens of their own', async () => {
    const { refresh_token } = await link()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => at.refresh(at.worker, refresh_token)),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(answers.map(({ body }) => body.access_token)).size).toBe(50)
    expect((await at.refresh(at.worker, refresh_token)).status).toBe(200)
  })

  test('survives two parallel refreshes of which one is overtaken by the other', async () => {
    const { refresh_token } = await link()
    const slow = overtaken(at.worker, () => at.refresh(at.worker, refresh_token))
    const late = await at.refresh(slow, refresh_token)
    expect(late.status).toBe(200)
    expect(await works(at.worker, late.body.access_token)).toBe(true)
  })

  test('survives a lost answer, of the database and of ours', async () => {
    const code = await agree(at.browser, vendor)
    const { status, body } = await at.redeem(losingAnswers(at.worker), code)
    expect(status).toBe(200)
    // Ours was lost: the vendor never saw these tokens and asks again with what it has.
    expect((await at.refresh(at.worker, body.refresh_token)).status).toBe(200)
    const lost = losingAnswers(at.worker, () => at.refresh(at.worker, body.refresh_token))
    expect((await at.refresh(lost, body.refresh_token)).status).toBe(200)
    const again = await at.refresh(at.worker, body.refresh_token)
    expect(again.status).toBe(200)
    expect(await works(at.worker, again.body.access_token)).toBe(true)
  })

  test('needs two round trips for a refresh', async () => {
    const { refresh_token } = await link()
    const { roundTrips } = await countRoundTrips(at.worker, () =>
      at.refresh(at.worker, refresh_token),
    )
    expect(roundTrips).toBe(2)
  })

  test('is on record, and so is each refresh, once', async () => {
    const { refresh_token } = await link()
    await at.worker.settled()
    const before = (await rowsOf(at.worker, 'event')).length
    await at.refresh(losingAnswers(at.worker), refresh_token)
    const events = (await rowsOf(at.worker, 'event')).slice(before)
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({
      type: 'authorization.refreshed',
      actor_kind: 'client',
      actor_id: vendor.client_id,
      subject_id: 'ann',
      outcome: 'success',
    })
    await at.refresh(at.worker, 'unknown')
    await at.worker.settled()
    // The refusal is an event of its own.
    const later = (await rowsOf(at.worker, 'event')).slice(before + 1)
    expect(later.map(({ type }) => type)).toEqual(['token.refused'])
  })

  test('is not ended by a second one, and each is unlinked for itself', async () => {
    const first = await link()
    const second = await link()
    expect((await at.refresh(at.worker, first.refresh_token)).status).toBe(200)
    expect((await at.revoke(at.worker, first.refresh_token)).status).toBe(200)
    expect((await at.refresh(at.worker, first.refresh_token)).status).toBe(400)
    expect(await works(at.worker, first.access_token)).toBe(false)
    expect((await at.refresh(at.worker, second.refresh_token)).status).toBe(200)
    expect(await works(at.worker, second.access_token)).toBe(true)
  })

  test.each(['refresh_token', 'access_token'] as const)(
    'ends with all its tokens when the %s is revoked',
    async (which) => {
      const first = await link()
      const { body } = await at.refresh(at.worker, first.refresh_token)
      expect((await at.revoke(at.worker, first[which])).status).toBe(200)
      for (const one of [first.access_token, body.access_token]) {
        expect(await works(at.worker, one)).toBe(false)
      }
      const refused = await at.refresh(at.worker, first.refresh_token)
      expect([refused.status, refused.body.error]).toEqual([400, 'invalid_grant'])
    },
  )

  test('gives nothing while the person is locked, and is there again afterwards', async () => {
    const { refresh_token } = await link()
    await setStatus(at.worker, 'user', 'ann', 'disabled')
    const refused = await at.refresh(at.worker, refresh_token)
    await setStatus(at.worker, 'user', 'ann', 'active')
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_grant'])
    expect((await at.refresh(at.worker, refresh_token)).status).toBe(200)
  })

  test('is asked for each time, though the person allowed it before', async () => {
    await link()
    const again = await question(at.browser, vendor)
    expect([again.status, again.html.includes('/consent"')]).toEqual([200, true])
    const silent = await at.browser.get(requestOf(vendor, { prompt: 'none' }))
    expect(answerOf(silent, vendor.redirect_uri)['error']).toBe('consent_required')
  })

  test('does not come about when the person cancels', async () => {
    const denied = await at.browser.submit(await question(at.browser, vendor), { action: 'deny' })
    expect(answerOf(denied, vendor.redirect_uri)).toMatchObject({
      error: 'access_denied',
      state: 'opaque~state/1',
    })
  })

  test.each([
    `${vendor.redirect_uri}/`,
    `${vendor.redirect_uri}?x=1`,
    vendor.redirect_uri.replace('https:', 'http:'),
    vendor.redirect_uri.replace('.com', '.com.evil.example'),
    vendor.redirect_uri.slice(0, -1),
  ])('never leads to %s', async (redirect_uri) => {
    const page = await at.browser.get(requestOf(vendor, { redirect_uri }))
    expect([page.status, page.headers.get('location')]).toEqual([400, null])
  })

  test('outlives the browser session, and whatever ends other refresh tokens', async () => {
    // Alone: the clock goes on for years here.
    const own = await startLinking(vendor)
    const { worker } = own
    const { body } = await own.redeem(worker, await agree(own.browser, vendor))
    expect((await rowsOf(worker, 'authorization'))[0]).toMatchObject({ offline: 1 })
    // 15 days, in which nobody opens a browser: the session is over after 12 hours.
    worker.clock.now += 15 * DAY
    await runTimer(worker)
    expect((await own.browser.get('/account')).status).toBe(303)
    expect((await own.refresh(worker, body.refresh_token)).status).toBe(200)
    // More than the idle lifetime and the whole one of other refresh tokens.
    worker.clock.now += 400 * DAY
    await runTimer(worker)
    // Introspection finds it good, and names no end.
    const looked = await worker.request('/oauth/introspect', {
      method: 'POST',
      headers: basic(vendor.client_id, own.secret),
      body: new URLSearchParams({ token: body.refresh_token ?? '' }),
    })
    const answer = (await looked.json()) as object
    expect(answer).toMatchObject({ active: true, sub: 'ann' })
    expect(answer).not.toHaveProperty('exp')
    const { status, body: last } = await own.refresh(worker, body.refresh_token)
    expect(status).toBe(200)
    expect(await works(worker, last.access_token)).toBe(true)
    // Who may end it sees that it is there, also when it was not used for so long.
    worker.clock.now += 400 * DAY
    const ops = { client_id: 'ops', grant_types: ['client_credentials' as const] }
    const secret = await addClient(worker, { ...ops, scope: 'users:read' })
    const reader = await token(worker, { grant_type: 'client_credentials' }, basic('ops', secret))
    const listed = await worker.request('/v1/users/ann/authorizations', {
      headers: { authorization: `Bearer ${reader.body.access_token}` },
    })
    expect(await listed.json()).toMatchObject({
      items: [{ client_id: vendor.client_id, offline: true }],
    })
    // It has no end but the one that somebody makes, and then it is forgotten like others.
    await own.revoke(worker, body.refresh_token)
    worker.clock.now += 400 * DAY
    await runTimer(worker)
    expect(await rowsOf(worker, 'authorization')).toEqual([])
  })
})

describe('what the vendors differ in', () => {
  test('a request of Google without scope asks for what the client is registered for', async () => {
    const { worker, browser, redeem } = await startLinking(google)
    expect(requestOf(google)).not.toContain('scope')
    const { body } = await redeem(worker, await agree(browser, google))
    expect(body.scope).toBe('openid email')
  })

  test('Google hears one refusal, whatever was wrong: 400 and invalid_grant, without a word more', async () => {
    const { worker, browser, secret, redeem, refresh } = await startLinking(google)
    const code = await agree(browser, google)
    const { body } = await redeem(worker, code)
    const good = {
      client_id: 'google',
      client_secret: secret,
      grant_type: 'refresh_token',
      refresh_token: body.refresh_token,
    }
    const refusals: Record<string, Parameters<typeof token>[1]> = {
      'a wrong refresh token': { ...good, refresh_token: 'wrong' },
      'no refresh token': { ...good, refresh_token: undefined },
      'a wrong code': { ...good, grant_type: 'authorization_code', code: 'wrong' },
      'no code': { ...good, grant_type: 'authorization_code' },
      'a wrong secret': { ...good, client_secret: 'x'.repeat(43) },
      'no secret': { ...good, client_secret: undefined },
      'no grant type': { ...good, grant_type: undefined },
      'a grant type that is not offered': { ...good, grant_type: 'password' },
      'a grant type of other clients': { ...good, grant_type: 'client_credentials' },
      'too wide a scope': { ...good, scope: 'openid email profile' },
      'a foreign resource': { ...good, resource: 'https://other.example/' },
    }
    for (const [what, parameters] of Object.entries(refusals)) {
      const { roundTrips, value } = await countRoundTrips(worker, () => token(worker, parameters))
      expect([what, value.status, value.body]).toEqual([what, 400, { error: 'invalid_grant' }])
      expect([what, roundTrips]).toEqual([what, expect.toSatisfy((n: number) => n <= 2)])
    }
    const byHeader = await token(
      worker,
      { grant_type: 'refresh_token', refresh_token: body.refresh_token },
      basic('google', 'wrong-secret'),
    )
    expect([byHeader.status, byHeader.body]).toEqual([400, { error: 'invalid_grant' }])
    expect(byHeader.headers.get('www-authenticate')).toBeNull()
    // A code presented twice ends the link, as everywhere.
    expect((await refresh(worker, body.refresh_token)).status).toBe(200)
    const twice = await redeem(worker, code)
    expect([twice.status, twice.body]).toEqual([400, { error: 'invalid_grant' }])
    expect((await refresh(worker, body.refresh_token)).status).toBe(400)
    // Why is in the log.
    expect(worker.log.map(({ fields }) => fields['reason'])).toContain('wrong_secret')
  })

  test('a fault of ours is not told to Google as the end of the link', async () => {
    const { worker, browser, redeem, refresh } = await startLinking(google)
    const { body } = await redeem(worker, await agree(browser, google))
    const broken = overtaken(worker, async () => {
      throw new Error('the database is away')
    })
    const { status, body: answer } = await refresh(broken, body.refresh_token)
    expect([status, answer.error]).toEqual([500, 'server_error'])
  })

  test('Alexa hears the errors of the standard', async () => {
    const { worker, secret } = await startLinking(alexa)
    const good = { grant_type: 'refresh_token', refresh_token: 'wrong' }
    const grant = await token(worker, good, basic('alexa', secret))
    expect([grant.status, grant.body.error]).toEqual([400, 'invalid_grant'])
    const client = await token(worker, good, basic('alexa', 'wrong'))
    expect([client.status, client.body.error]).toEqual([401, 'invalid_client'])
    expect(client.headers.get('www-authenticate')).toContain('Basic')
  })

  test('each address of Alexa is good, and one of Google’s is not', async () => {
    const { browser } = await startLinking(alexa)
    for (const host of ['pitangui.amazon.com', 'layla.amazon.com', 'alexa.amazon.co.jp']) {
      const redirect_uri = ALEXA_URI.replace('layla.amazon.com', host)
      const page = await browser.get(requestOf(alexa, { redirect_uri }))
      expect(locationOf(page).pathname).toBe('/login')
    }
    const other = await browser.get(requestOf(alexa, { redirect_uri: GOOGLE_URI }))
    expect(other.status).toBe(400)
  })

  test('both addresses of Google are good', async () => {
    const { browser } = await startLinking(google)
    const redirect_uri = GOOGLE_URI.replace('redirect.', 'redirect-sandbox.')
    const page = await browser.get(requestOf(google, { redirect_uri }))
    expect(locationOf(page).pathname).toBe('/login')
  })

  test('a code challenge that is sent is verified', async () => {
    const { worker, browser, secret } = await startLinking(alexa)
    const challenge = '7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM'
    const pkce = {
      ...alexa,
      asks: { ...alexa.asks, code_challenge: challenge, code_challenge_method: 'S256' },
    }
    const attempt = async (verifier: Record<string, string>) => {
      const code = await agree(browser, pkce)
      const { redirect_uri } = alexa
      const parameters = { grant_type: 'authorization_code', code, redirect_uri, ...verifier }
      return (await token(worker, parameters, basic('alexa', secret))).status
    }
    expect(await attempt({ code_verifier: 'v'.repeat(43) })).toBe(200)
    expect(await attempt({ code_verifier: 'w'.repeat(43) })).toBe(400)
    expect(await attempt({})).toBe(400)
    // A challenge that was taken away on the way leaves its method, or its verifier, behind.
    const half = await browser.get(requestOf(alexa, { code_challenge_method: 'S256' }))
    expect(answerOf(half, ALEXA_URI)['error']).toBe('invalid_request')
    const code = await agree(browser, alexa)
    const late = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: ALEXA_URI,
      code_verifier: 'v'.repeat(43),
    }
    expect((await token(worker, late, basic('alexa', secret))).status).toBe(400)
  })

  test('a link comes about also where all others have to push their requests', async () => {
    const { worker, browser } = await startLinking(google)
    await changeSettings(worker.context(), { require_pushed_authorization_requests: true })
    expect(await agree(browser, google)).toMatch(/^\S{43}$/)
  })

  test('user_locale is a wish: a language that is not there, or none, is no fault', async () => {
    const { browser } = await startLinking(google)
    for (const user_locale of ['de-DE', 'en', 'x', '<script>', 'a'.repeat(90)]) {
      const page = await browser.get(requestOf(google, { user_locale }))
      expect(locationOf(page).pathname).toBe('/login')
    }
    // It comes along to the login page, and `ui_locales` goes before.
    const login = locationOf(await browser.get(requestOf(google)))
    expect(login.searchParams.get('ui_locales')).toBe('de-DE')
    const both = await browser.get(requestOf(google, { ui_locales: 'pl' }))
    expect(locationOf(both).searchParams.get('ui_locales')).toBe('pl')
    expect((await question(browser, google)).html).toContain('<html lang="de" dir="ltr">')
  })
})
