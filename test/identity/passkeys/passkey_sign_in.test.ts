import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { signInByPasskey } from '../../../worker/identity/passkeys/passkey_sign_in.ts'
import { changeUser, removeUser } from '../../../worker/identity/users.ts'
import { runJobs } from '../../../worker/jobs.ts'
import { countRoundTrips, type TestWorker } from '../../context.ts'
import { ANN, PASSWORD } from '../../support/people.ts'
import { alertOf, Browser } from '../browser.ts'
import { eventsOf, isSignedIn, startWithAnn } from '../people.ts'
import {
  addEve,
  addPasskey,
  answer,
  newestAmr,
  reasonsOf,
  signInByIt,
  startWithPasskey,
} from './passkey_people.ts'
import {
  decode,
  encode,
  FLAGS,
  optionsOf,
  SoftwareAuthenticator,
} from './software_authenticator.ts'

describe('a person with a passkey', () => {
  test.each([
    ['ES256', true, ['swk', 'user', 'mfa']],
    ['Ed25519', false, ['hwk', 'user', 'mfa']],
    ['RS256', false, ['hwk', 'user', 'mfa']],
  ] as const)('signs in by it alone: %s, synced %s, is %j', async (algorithm, isSynced, amr) => {
    const { worker, browser, authenticator } = await startWithPasskey({ algorithm, isSynced })
    const page = await browser.get('/login?return_to=%2Faccount%2Fsecurity')
    const done = await answer(browser, page, await authenticator.get(optionsOf(page)))
    expect([done.status, done.headers.get('location')]).toEqual([303, '/account/security'])
    expect(await isSignedIn(browser)).toBe(true)
    expect(await newestAmr(worker)).toEqual(amr)
    // Both factors were proven, so factors may be changed.
    expect((await browser.get('/account/security/passkey')).status).toBe(200)
  })

  test('takes one page without a round trip, and two for the step', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const shown = await countRoundTrips(worker, () => browser.get('/login'))
    const response = await authenticator.get(optionsOf(shown.value))
    const done = await countRoundTrips(worker, () => answer(browser, shown.value, response))
    expect([shown.roundTrips, done.value.status, done.roundTrips]).toEqual([0, 303, 2])
  })

  test('signs in often, with an authenticator that does not count too', async () => {
    const { worker, authenticator } = await startWithPasskey({ count: null })
    for (let i = 0; i < 3; i++) {
      expect((await signInByIt(new Browser(worker), authenticator)).status).toBe(303)
    }
  })

  test('keeps the session name when signed in already, so that applications still know it', async () => {
    const { worker, owner, authenticator } = await startWithPasskey()
    const sids = () =>
      worker.context().db.read(sql<{ sid: string }>`select sid from session where user_id = 'ann'`)
    const before = await sids()
    const page = await owner.get('/login?return_to=%2Faccount')
    expect((await answer(owner, page, await authenticator.get(optionsOf(page)))).status).toBe(303)
    expect(await sids()).toEqual(before)
  })

  test('two hundred parallel uses of one response give exactly one session', async () => {
    const { worker, browser, authenticator } = await startWithPasskey({ count: null })
    const page = await browser.get('/login')
    const response = await authenticator.get(optionsOf(page))
    const answers = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const twin = new Browser(worker)
        for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
        return (await answer(twin, page, response)).status
      }),
    )
    expect(answers.filter((status) => status === 303)).toHaveLength(1)
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'factor.rolled_back')
    expect(events).toEqual([])
  })
})

describe('the question of the login page', () => {
  test('names nobody’s passkeys, demands verification, and differs each time', async () => {
    const { worker, browser } = await startWithPasskey()
    const known = optionsOf(await browser.get('/login?login_hint=ann%40example.com'))
    const unknown = optionsOf(
      await new Browser(worker).get('/login?login_hint=nobody%40example.com'),
    )
    for (const options of [known, unknown]) {
      expect(options).toMatchObject({
        rpId: 'localhost',
        userVerification: 'required',
        allowCredentials: [],
      })
    }
    expect(known.challenge).not.toBe(unknown.challenge)
  })

  test('is good for five minutes', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const page = await browser.get('/login')
    const response = await authenticator.get(optionsOf(page))
    worker.clock.now += 300
    const late = await answer(browser, page, response)
    expect([late.status, alertOf(late)]).toEqual([
      403,
      'This page was open for too long. Try again.',
    ])
    expect(await isSignedIn(browser)).toBe(false)
    // The page that says so asks anew.
    const again = await answer(browser, late, await authenticator.get(optionsOf(late)))
    expect(again.status).toBe(303)
  })

  test('is answered once, and forgotten when it is too old', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const page = await browser.get('/login')
    const response = await authenticator.get(optionsOf(page))
    const kept = new Map(browser.cookies)
    expect((await answer(browser, page, response)).status).toBe(303)
    const thief = new Browser(worker)
    for (const [name, value] of kept) thief.cookies.set(name, value)
    expect((await answer(thief, page, response)).status).toBe(403)
    expect(await isSignedIn(thief)).toBe(false)
    expect(reasonsOf(worker)).toEqual(['passkey_challenge'])
    const types = (await eventsOf(worker)).map(({ type }) => type)
    expect(types).not.toContain('factor.rolled_back')
    worker.clock.now += 301
    await runJobs(worker.context())
    expect(await worker.context().db.read(sql`select * from passkey_challenge`)).toEqual([])
    expect((await answer(thief, page, response)).status).toBe(403)
  })

  test('is bound to the browser', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const page = await browser.get('/login')
    const response = await authenticator.get(optionsOf(page))
    const other = new Browser(worker)
    const refused = await answer(other, await other.get('/login'), response)
    expect(refused.status).toBe(403)
    expect(await isSignedIn(other)).toBe(false)
    expect(reasonsOf(worker)).toContain('passkey_challenge')
  })

  test('is bound to its step: neither one for adding a passkey nor one for step-up counts', async () => {
    const { worker, owner, authenticator } = await startWithPasskey()
    await worker.context().db.write(sql`update session set amr = '["pwd","otp","mfa"]'`)
    const add = optionsOf(await owner.get('/account/security/passkey'))
    const page = await owner.get('/login?return_to=%2Faccount')
    // The same session in the same browser, with less demanded than the login page does.
    await worker.context().db.write(sql`update session set amr = '["pwd"]'`)
    const stepUp = optionsOf(await owner.get('/login/verify?step_up=1'))
    for (const { challenge } of [add, stepUp]) {
      const response = await authenticator.get({ ...optionsOf(page), challenge })
      expect((await answer(owner, page, response)).status).toBe(403)
    }
    expect(reasonsOf(worker)).toEqual(['passkey_challenge', 'passkey_challenge'])
  })

  test('is no text that somebody makes up', async () => {
    const { browser, authenticator } = await startWithPasskey()
    const page = await browser.get('/login')
    for (const text of ['', 'x', `${'A'.repeat(22)}.9999999999.${'A'.repeat(43)}`]) {
      const challenge = encode(new TextEncoder().encode(text))
      const response = await authenticator.get({ ...optionsOf(page), challenge })
      expect((await answer(browser, page, response)).status).toBe(403)
    }
  })

  test('is not asked where the issuer is an address, to which nothing can be bound', async () => {
    const { browser } = await startWithAnn({ ISSUER: 'http://127.0.0.1:8787' })
    const page = await browser.get('/login')
    expect(page.html).not.toContain('data-passkey')
    await browser.signIn(ANN, PASSWORD)
    expect((await browser.get('/account/security/passkey')).html).toContain('do not work')
  })

  test('allows the one script of the page, by its hash, and no other', async () => {
    const { browser } = await startWithPasskey()
    const page = await browser.get('/login')
    const scripts = [...page.html.matchAll(/<script>([\s\S]*?)<\/script>/g)]
    expect(scripts).toHaveLength(1)
    const text = new TextEncoder().encode(scripts[0]?.[1])
    const hash = btoa(
      String.fromCharCode(...new Uint8Array(await crypto.subtle.digest('SHA-256', text))),
    )
    const policy = page.headers.get('content-security-policy')
    expect(policy).toContain(`script-src 'sha256-${hash}';`)
    expect(page.html).not.toMatch(/\son[a-z]+=|<script [^>]*src/)
    expect((await browser.get('/logout')).headers.get('content-security-policy')).not.toContain(
      'script-src',
    )
  })
})

describe('a response is refused', () => {
  test.each([
    ['of another origin', { origin: 'http://localhost:9999' }, 'passkey_origin'],
    [
      'of an origin that begins alike',
      { origin: 'http://localhost:8787.evil.example' },
      'passkey_origin',
    ],
    ['from a frame of another site', { crossOrigin: true }, 'passkey_origin'],
    ['for another host', { rpId: 'evil.example' }, 'passkey_rp_id'],
    ['of another ceremony', { type: 'webauthn.create' }, 'passkey_malformed'],
    ['without verification of the person', { without: FLAGS.UV }, 'passkey_unverified'],
    ['without the person', { without: FLAGS.UP }, 'passkey_unverified'],
    ['that is backed up but cannot be', { with: FLAGS.BS }, 'passkey_backup_state'],
    ['that can be backed up all at once', { with: FLAGS.BE }, 'passkey_backup_state'],
    ['without the name of its person', { userHandle: null }, 'passkey_unknown'],
    ['with the name of another person', { userHandle: 'AAAA' }, 'passkey_unknown'],
    ['of a passkey that nobody has', { id: 'AAAA' }, 'passkey_unknown'],
  ])('%s', async (_, wrong, reason) => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const refused = await signInByIt(browser, authenticator, wrong)
    expect(refused.status).toBe(403)
    expect(alertOf(refused)).toBe('This passkey did not work. Try again, or sign in another way.')
    expect(await isSignedIn(browser)).toBe(false)
    expect(reasonsOf(worker)).toEqual([reason])
    expect((await signInByIt(browser, authenticator)).status).toBe(303)
  })

  test('whose fields were changed after it was signed', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const { authenticator: hers } = await addEve(worker)
    const flip = (text: string, at: number) => {
      const bytes = decode(text)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      return encode(bytes)
    }
    const changes: ((one: Awaited<ReturnType<typeof authenticator.get>>) => object)[] = [
      (one) => ({ ...one, id: hers.id }),
      (one) => ({ ...one, id: hers.id, userHandle: hers.userHandle }),
      (one) => ({ ...one, userHandle: hers.userHandle }),
      (one) => ({ ...one, authenticatorData: flip(one.authenticatorData, 36) }),
      (one) => ({ ...one, authenticatorData: flip(one.authenticatorData, 32) }),
      (one) => ({ ...one, authenticatorData: `${one.authenticatorData}AAAA` }),
      (one) => ({ ...one, signature: flip(one.signature, 20) }),
      (one) => ({ ...one, signature: 'AAAA' }),
      (one) => {
        const data = JSON.parse(new TextDecoder().decode(decode(one.clientDataJSON)))
        const text = JSON.stringify({ ...data, extra: true })
        return { ...one, clientDataJSON: encode(new TextEncoder().encode(text)) }
      },
    ]
    for (const change of changes) {
      const page = await browser.get('/login')
      const response = await authenticator.get(optionsOf(page))
      expect((await answer(browser, page, change(response))).status).toBe(403)
      expect(await isSignedIn(browser)).toBe(false)
    }
  })

  test.each([
    ['no JSON', 'x'],
    ['no object', '[]'],
    ['an empty object', '{}'],
    ['numbers', '{"id":1,"clientDataJSON":2,"authenticatorData":3,"signature":4}'],
  ])('that is %s', async (_, response) => {
    const { worker, browser } = await startWithPasskey()
    const page = await browser.get('/login')
    const refused = await countRoundTrips(worker, () => answer(browser, page, response))
    expect([refused.value.status, refused.roundTrips]).toEqual([403, 0])
    expect(reasonsOf(worker)).toEqual(['passkey_malformed'])
  })

  test.each([
    ['forty thousand characters', { more: 'A'.repeat(40_000) }],
    ['an id of 1,024 bytes', { id: 'A'.repeat(1366) }],
  ])('that has %s, and is right otherwise', async (_, change) => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const page = await browser.get('/login')
    const response = { ...(await authenticator.get(optionsOf(page))), ...change }
    expect((await answer(browser, page, response)).status).toBe(403)
    expect(reasonsOf(worker)).toEqual(['passkey_malformed'])
  })

  test.each([0, 1, 2])('whose count went back to %i, and the person can see it', async (count) => {
    const { worker, browser, authenticator } = await startWithPasskey()
    expect((await signInByIt(new Browser(worker), authenticator)).status).toBe(303)
    const refused = await signInByIt(browser, authenticator, { count })
    expect(refused.status).toBe(403)
    expect(await isSignedIn(browser)).toBe(false)
    const events = (await eventsOf(worker)).filter(({ type }) => type === 'factor.rolled_back')
    expect(events).toMatchObject([{ subject_id: 'ann', outcome: 'failure' }])
  })

  test('when a use that counted further came at the same moment', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const page = await browser.get('/login')
    const response = JSON.stringify(await authenticator.get(optionsOf(page)))
    const cx = worker.context()
    const write: typeof cx.db.write = async (batch) => {
      await cx.db.write(sql`update factor set sign_count = 50`)
      return cx.db.write(batch)
    }
    const result = await signInByPasskey(
      { ...cx, db: { ...cx.db, write } },
      {
        response,
        browser: `visit ${browser.cookies.get('visit')}`,
        user_agent: '',
        replaces: undefined,
        browsers: [],
      },
    )
    expect(result).toEqual({ outcome: 'refused', reason: 'passkey_outrun' })
  })
})

/** Ends something of Ann, or of her passkey. */
type End = (worker: TestWorker) => Promise<unknown>

describe('a passkey signs nobody in', () => {
  const ENDS: readonly [string, End][] = [
    ['that was removed', (worker) => worker.context().db.write(sql`delete from factor`)],
    [
      'of a disabled account',
      (worker) => changeUser(worker.context(), 'ann', { status: 'disabled' }, null),
    ],
    ['of a deleted account', (worker) => removeUser(worker.context(), 'ann', null)],
  ]

  test.each(ENDS)('%s', async (_, end) => {
    const { worker, browser, authenticator } = await startWithPasskey()
    await end(worker)
    expect((await signInByIt(browser, authenticator)).status).toBe(403)
    expect(await isSignedIn(browser)).toBe(false)
  })

  test.each<readonly [string, End]>([
    ...ENDS,
    [
      'of an account that was disabled and enabled again',
      async (worker) => {
        await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
        await changeUser(worker.context(), 'ann', { status: 'active' }, null)
      },
    ],
    [
      'of an account with another password',
      (worker) => worker.context().db.write(sql`update user set password = 'x' where id = 'ann'`),
    ],
  ])('%s between reading and writing', async (_, end) => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const page = await browser.get('/login')
    const response = JSON.stringify(await authenticator.get(optionsOf(page)))
    const cx = worker.context()
    const write: typeof cx.db.write = async (batch) => {
      await end(worker)
      return cx.db.write(batch)
    }
    const result = await signInByPasskey(
      { ...cx, db: { ...cx.db, write } },
      {
        response,
        browser: `visit ${browser.cookies.get('visit')}`,
        user_agent: '',
        replaces: undefined,
        browsers: [],
      },
    )
    expect(result).toEqual({ outcome: 'refused', reason: 'passkey_outrun' })
  })

  test('in the name of another person', async () => {
    const { worker, browser, authenticator } = await startWithPasskey()
    const { authenticator: hers } = await addEve(worker)
    // The name that Eve's authenticator gives is not signed.
    const refused = await signInByIt(browser, hers, { userHandle: authenticator.userHandle })
    expect(refused.status).toBe(403)
    expect(await isSignedIn(browser)).toBe(false)
  })
})

test('the event of a disabled account is one of a failed sign-in', async () => {
  const { worker, browser, authenticator } = await startWithPasskey()
  await changeUser(worker.context(), 'ann', { status: 'disabled' }, null)
  await signInByIt(browser, authenticator)
  const failed = (await eventsOf(worker)).filter(({ type }) => type === 'login.failed')
  expect(failed).toMatchObject([{ subject_id: 'ann', data: '{"reason":"disabled"}' }])
})

test('a passkey is bound to the host of the issuer, whatever its path', async () => {
  const { worker, browser: owner } = await startWithAnn({ ISSUER: 'https://id.example.com/auth' })
  await owner.signIn(ANN, PASSWORD, '/auth/login')
  const authenticator = await SoftwareAuthenticator.make({ origin: 'https://id.example.com' })
  const page = await owner.get('/auth/account/security/passkey')
  expect(optionsOf(page).rp).toMatchObject({ id: 'id.example.com' })
  expect((await addPasskey(owner, authenticator, {}, '/auth')).status).toBe(200)
  const done = await signInByIt(new Browser(worker), authenticator, {}, '/auth')
  expect([done.status, done.headers.get('location')]).toEqual([303, '/auth/account'])
})
