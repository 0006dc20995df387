// What is told about a person: by scope, by the `claims` parameter, and never without their consent.
import { beforeEach, describe, expect, test } from 'vitest'
import { changeUser } from '../../worker/identity/users.ts'
import { CLAIMS_MAX, readClaimsParameter } from '../../worker/oauth/claims.ts'
import { changeClient, createClient } from '../../worker/oauth/clients/clients.ts'
import { countRoundTrips, type TestWorker } from '../context.ts'
import type { Browser, Page } from '../identity/browser.ts'
import { APP, answerOf, follow, pathOf, requestPath, rowsOf, signIn, startFlow } from './flow.ts'
import { relyingParty } from './relying_party.ts'

const PROFILE = {
  given_name: 'Ann',
  family_name: 'Ex',
  nickname: 'Annie',
  birthdate: '1990-02-28',
  zoneinfo: 'Europe/Vienna',
  picture: 'https://ann.example/me.png',
  phone_number: '+4315550100',
  address: { locality: 'Vienna', country: 'Austria' },
}

let worker: TestWorker
let browser: Browser
beforeEach(async () => {
  ;({ worker, browser } = await startFlow({
    scope: 'openid profile email address phone offline_access mqtt',
  }))
  const patch = { name: 'Ann Ex', locale: 'de-AT', profile: PROFILE }
  await changeUser(worker.context(), 'ann', patch, null)
  await signIn(worker, browser.inEnglish(), 'ann')
})

const ask = async (changes: Parameters<typeof requestPath>[0]): Promise<Page> =>
  follow(browser, await browser.get(requestPath(changes)))

const allow = (page: Page) => browser.submit(page, { action: 'allow' })

const asking = (claims: object) => JSON.stringify(claims)

/** What the person told the client after allowing what was asked. */
async function told(changes: Parameters<typeof requestPath>[0]) {
  const party = await relyingParty(worker)
  const signedIn = await party.redeem(await allow(await ask(changes)))
  const { sub: _, ...userinfo } = await party.userinfo(signedIn)
  return { ...signedIn, userinfo }
}

/** The claims about the person in an ID token. */
const personal = (claims: Record<string, unknown>) => {
  const own = 'iss sub aud exp iat auth_time amr acr at_hash sid nonce'.split(' ')
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !own.includes(name)))
}

describe('a scope brings', () => {
  const { phone_number, address, ...rest } = PROFILE
  const cases: [string, object][] = [
    ['profile', { name: 'Ann Ex', locale: 'de-AT', updated_at: 1_800_000_000, ...rest }],
    ['email', { email: 'ann@example.com', email_verified: false }],
    ['address', { address }],
    ['phone', { phone_number, phone_number_verified: false }],
  ]
  test.each(cases)('%s its claims at userinfo, and none in the ID token', async (scope, claims) => {
    const answer = await told({ scope: `openid ${scope}` })
    expect(answer.userinfo).toEqual(claims)
    expect(personal(answer.claims)).toEqual({})
  })

  test('address and phone with words on the question', async () => {
    const { html } = await ask({ scope: 'openid address phone' })
    expect(html).toContain('see your postal address')
    expect(html).toContain('see your phone number')
  })
})

describe('the claims parameter', () => {
  test('brings single claims to where they were asked for, and nothing beside', async () => {
    const answer = await told({
      claims: asking({
        userinfo: { nickname: null, phone_number: { essential: true }, shoe_size: null },
        id_token: { email: { essential: false }, birthdate: null, auth_time: { essential: true } },
      }),
    })
    expect(answer.userinfo).toEqual({ nickname: 'Annie', phone_number: '+4315550100' })
    expect(personal(answer.claims)).toEqual({ email: 'ann@example.com', birthdate: '1990-02-28' })
    expect(answer.claims['auth_time']).toBe(worker.clock.now)
  })

  test('is kept with the authorization: refreshed ID tokens say the same of the person as they are then', async () => {
    const answer = await told({
      scope: 'openid offline_access',
      claims: asking({ id_token: { nickname: null }, userinfo: { nickname: null } }),
    })
    await changeUser(worker.context(), 'ann', { profile: { nickname: 'Nan' } }, null)
    const party = await relyingParty(worker)
    const refreshed = await party.refresh(answer.refresh_token)
    expect(personal(refreshed.claims)).toEqual({ nickname: 'Nan' })
    expect(await party.userinfo(refreshed)).toEqual({ sub: 'ann', nickname: 'Nan' })
  })

  test('with a value that the person does not have brings nothing, without an error', async () => {
    const answer = await told({
      claims: asking({
        userinfo: {
          locale: { values: ['en', 'fr'], essential: true },
          nickname: { value: 'Annie' },
          zoneinfo: { value: 'Europe/Paris' },
        },
      }),
    })
    expect(answer.userinfo).toEqual({ nickname: 'Annie' })
  })

  test('narrows nothing that a scope brings', async () => {
    const answer = await told({
      scope: 'openid email',
      claims: asking({ userinfo: { email: { value: 'bob@example.com' } } }),
    })
    expect(answer.userinfo).toEqual({ email: 'ann@example.com', email_verified: false })
  })

  test('without openid asks for nothing', async () => {
    const page = await ask({ scope: 'mqtt', claims: asking({ id_token: { email: null } }) })
    expect(page.html).not.toContain('<code>email</code>')
    await allow(page)
    expect(await rowsOf(worker, 'authorization_code')).toMatchObject([{ claims: null }])
  })

  test('never sets a claim of the token itself', async () => {
    const claims = asking({ id_token: { iss: { value: 'x' }, aud: { value: 'y' }, exp: null } })
    const answer = await told({ claims })
    expect(answer.claims).toMatchObject({ aud: 'app', exp: worker.clock.now + 300 })
  })

  const faulty: [string, string][] = [
    ['that is no JSON', '{'],
    ['that is a list', '[]'],
    ['that is null', 'null'],
    ['that is text', '"email"'],
    ['whose userinfo is a list', '{"userinfo":["email"]}'],
    ['whose id_token is null', '{"id_token":null}'],
    ['with a claim that is text', '{"userinfo":{"email":"yes"}}'],
    ['with a claim that is true', '{"userinfo":{"email":true}}'],
    ['with essential as text', '{"userinfo":{"email":{"essential":"true"}}}'],
    ['with values that are no list', '{"userinfo":{"email":{"values":"x"}}}'],
    ['with no values', '{"userinfo":{"email":{"values":[]}}}'],
    ['with value and values', '{"userinfo":{"email":{"value":"x","values":["x"]}}}'],
    ['that is too long', JSON.stringify({ userinfo: {}, x: 'x'.repeat(CLAIMS_MAX) })],
  ]
  test.each(faulty)('%s is refused, and the client is told', async (_, claims) => {
    const answer = answerOf(await browser.get(requestPath({ claims })))
    expect(answer).toMatchObject({ error: 'invalid_request', state: 'state-1' })
  })

  test('given twice is refused', async () => {
    const answer = answerOf(await browser.get(requestPath({ claims: ['{}', '{}'] })))
    expect(answer['error']).toBe('invalid_request')
  })

  test('takes names such as __proto__ for names, and keeps only claims that we have', () => {
    const text =
      '{"__proto__":{"userinfo":{"email":null}},"userinfo":{"__proto__":{"email":null},"toString":null,"constructor":{},"name":{"__proto__":{"value":"x"},"ui":1}},"x":1}'
    expect(readClaimsParameter(text)).toEqual({
      userinfo: { name: { essential: false } },
      id_token: {},
    })
  })
})

describe('what no scope brings', () => {
  const claims = asking({
    userinfo: { phone_number: null, email_verified: null },
    id_token: { birthdate: null },
  })

  test('is asked of the person in words, once', async () => {
    const page = await ask({ claims })
    for (const text of [
      'see your phone number',
      'see your birthdate',
      'see whether your e-mail address was verified',
    ]) {
      expect(page.html).toContain(text)
    }
    await allow(page)
    expect(answerOf(await browser.get(requestPath({ claims })))).toHaveProperty('code')
    // One of them alone was allowed with the others.
    const one = asking({ userinfo: { birthdate: null } })
    expect(answerOf(await browser.get(requestPath({ claims: one })))).toHaveProperty('code')
    const events = await rowsOf(worker, 'event')
    const data = events.filter((event) => event['type'] === 'authorization.allowed').at(-1)?.[
      'data'
    ]
    expect(JSON.parse(String(data))).toEqual({
      client_id: 'app',
      scope: ['openid'],
      claims: ['birthdate', 'email_verified', 'phone_number'],
    })
  })

  test('is asked for although the scopes were allowed before, and more is asked for anew', async () => {
    await allow(await ask({}))
    expect(pathOf(await browser.get(requestPath({ claims })))).toMatch(/^\/consent/)
    await allow(await ask({ claims }))
    const more = asking({ userinfo: { gender: null } })
    expect(pathOf(await browser.get(requestPath({ claims: more })))).toMatch(/^\/consent/)
    const silent = answerOf(await browser.get(requestPath({ claims: more, prompt: 'none' })))
    expect(silent['error']).toBe('consent_required')
  })

  test('is not allowed by a scope of the client’s own that is called like it', async () => {
    const scope = 'openid phone_number claims claims/phone_number'
    const registered = `${scope} phone`
    await createClient(worker.context(), { ...APP, client_id: 'odd', scope: registered })
    await allow(await ask({ client_id: 'odd', scope }))
    const asked = { client_id: 'odd', claims: asking({ userinfo: { phone_number: null } }) }
    expect(pathOf(await browser.get(requestPath(asked)))).toMatch(/^\/consent/)
  })

  test('needs no question where a scope that was allowed brings it', async () => {
    await allow(await ask({ scope: 'openid email phone profile' }))
    const path = requestPath({ scope: 'openid email phone profile', claims })
    expect(answerOf(await browser.get(path))).toHaveProperty('code')
  })

  test('is told to a first-party client without a question, within two round trips', async () => {
    await changeClient(worker.context(), 'app', { first_party: true }, null)
    await browser.get(requestPath({ claims }))
    const { value, roundTrips } = await countRoundTrips(worker, () =>
      browser.get(requestPath({ claims })),
    )
    expect(roundTrips).toBe(2)
    const party = await relyingParty(worker)
    const signedIn = await party.redeem(value)
    expect(personal(signedIn.claims)).toEqual({ birthdate: '1990-02-28' })
    expect(await party.userinfo(signedIn)).toEqual({
      sub: 'ann',
      phone_number: '+4315550100',
      email_verified: false,
    })
  })
})

describe('a claim of a scope that the client is not registered for', () => {
  const claims = asking({ userinfo: { phone_number: null, name: null }, id_token: { email: null } })
  const reduce = (scope: string) => changeClient(worker.context(), 'app', { scope }, null)

  test('is not told, neither to a first-party client nor to one that people are asked about', async () => {
    await reduce('openid profile')
    const page = await ask({ claims })
    expect(page.html).toContain('see your name')
    expect(page.html).not.toContain('phone number')
    const party = await relyingParty(worker)
    const asked = await party.redeem(await allow(page))
    await changeClient(worker.context(), 'app', { first_party: true }, null)
    const unasked = await party.redeem(await browser.get(requestPath({ claims })))
    for (const signedIn of [asked, unasked]) {
      expect(personal(signedIn.claims)).toEqual({})
      expect(await party.userinfo(signedIn)).toEqual({ sub: 'ann', name: 'Ann Ex' })
    }
  })

  test('is told no longer when the operator takes the scope away', async () => {
    const party = await relyingParty(worker)
    const signedIn = await party.redeem(await allow(await ask({ claims })))
    expect(personal(signedIn.claims)).toEqual({ email: 'ann@example.com' })
    await reduce('openid profile')
    // The token of before gave more, so another one is fetched.
    await expect(party.userinfo(signedIn)).rejects.toThrow('challenge')
    const again = await party.redeem(await browser.get(requestPath({ claims })))
    expect(personal(again.claims)).toEqual({})
    expect(await party.userinfo(again)).toEqual({ sub: 'ann', name: 'Ann Ex' })
  })
})

describe('the claim sub with a value', () => {
  const named = (sub: object) => requestPath({ claims: asking({ id_token: { sub } }) })

  test('of who is signed in gives a code, of anybody else a login', async () => {
    await changeClient(worker.context(), 'app', { first_party: true }, null)
    expect(answerOf(await browser.get(named({ value: 'ann' })))).toHaveProperty('code')
    expect(answerOf(await browser.get(named({ values: ['bob', 'ann'] })))).toHaveProperty('code')
    for (const sub of [{ value: 'bob' }, { values: ['bob', 'cid'] }, { value: 7 }]) {
      expect(pathOf(await browser.get(named(sub)))).toMatch(/^\/login/)
    }
    const userinfo = requestPath({ claims: asking({ userinfo: { sub: { value: 'bob' } } }) })
    expect(pathOf(await browser.get(userinfo))).toMatch(/^\/login/)
  })

  test('of somebody else is login_required with prompt=none, and after another sign-in', async () => {
    await changeClient(worker.context(), 'app', { first_party: true }, null)
    const claims = asking({ id_token: { sub: { value: 'bob', essential: true } } })
    const silent = answerOf(await browser.get(requestPath({ claims, prompt: 'none' })))
    expect(silent['error']).toBe('login_required')
    const login = pathOf(await browser.get(requestPath({ claims })))
    await signIn(worker, browser, 'ann')
    const back = new URLSearchParams(login.split('?')[1]).get('return_to') ?? ''
    expect(answerOf(await browser.get(back))['error']).toBe('login_required')
  })
})
