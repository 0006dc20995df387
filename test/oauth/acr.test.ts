// How strongly a person signed in: what is told of it, what may be wished, and what may be demanded.
import { beforeEach, describe, expect, test } from 'vitest'
import { sql } from '../../worker/db/sql.ts'
import { acrFor, acrOf, meetsAcr } from '../../worker/oauth/acr.ts'
import { changeClient } from '../../worker/oauth/clients/clients.ts'
import type { TestWorker } from '../context.ts'
import { addAuthenticator, codeAt } from '../identity/authenticator.ts'
import type { Browser } from '../identity/browser.ts'
import { addPasskey, answer } from '../identity/passkeys/passkey_people.ts'
import { optionsOf, SoftwareAuthenticator } from '../identity/passkeys/software_authenticator.ts'
import { answerOf, pathOf, requestPath, returnTo, signIn, startFlow } from './flow.ts'
import { relyingParty } from './relying_party.ts'

const PWD = 'urn:allauth:acr:pwd'
const MFA = 'urn:allauth:acr:mfa'

describe('the class of a sign-in', () => {
  const cases: [string[], string | null][] = [
    [['pwd'], PWD],
    [['hwk'], PWD],
    [['otp'], PWD],
    [['pwd', 'otp'], MFA],
    [['hwk', 'pwd'], MFA],
    [['swk', 'user'], PWD],
    [['swk', 'pwd'], MFA],
    [['swk', 'user', 'mfa'], MFA],
    [['mfa'], MFA],
    [['pwd', 'mfa', 'otp'], MFA],
    [['pwd', 'pwd'], PWD],
    [['pwd', 'user'], PWD],
    [[], null],
  ]
  test.each(cases)('with %j is %s', (amr, acr) => {
    expect(acrOf(amr)).toBe(acr)
    expect(acrFor(amr, [])).toBe(acr)
  })

  test('two factors meet what one is enough for, and never the other way', () => {
    expect(acrFor(['pwd', 'otp'], [PWD])).toBe(PWD)
    expect(acrFor(['pwd', 'otp'], [PWD, MFA])).toBe(PWD)
    expect(acrFor(['pwd'], [MFA, PWD])).toBe(PWD)
    expect(acrFor(['pwd'], [MFA])).toBe(PWD)
    expect(acrFor(['pwd'], ['0', 'urn:other', 'constructor'])).toBe(PWD)
    expect(meetsAcr(['pwd'], [MFA])).toBe(false)
    expect(meetsAcr(['pwd', 'otp'], [PWD])).toBe(true)
    expect(meetsAcr(['pwd', 'otp'], ['0', ''])).toBe(false)
    expect(meetsAcr([], [PWD])).toBe(false)
  })
})

let worker: TestWorker
let browser: Browser
beforeEach(async () => {
  ;({ worker, browser } = await startFlow({ first_party: true }))
})

const ofIdToken = (acr: object | null) => JSON.stringify({ id_token: { acr } })

/** The class that the ID token of a request names. */
async function told(changes: Parameters<typeof requestPath>[0] = {}) {
  const party = await relyingParty(worker)
  const { claims } = await party.redeem(await browser.get(requestPath(changes)))
  return claims['acr']
}

const error = async (path: string) => answerOf(await browser.get(path))['error']

describe('the ID token names', () => {
  test('the class, also when nothing is wished', async () => {
    await signIn(worker, browser, 'ann')
    expect(await told()).toBe(PWD)
    await signIn(worker, browser, 'ann', ['pwd', 'otp'])
    expect(await told()).toBe(MFA)
  })

  test('no class for a sign-in without a method', async () => {
    await signIn(worker, browser, 'ann', [])
    expect(await told({ acr_values: '0' })).toBeUndefined()
  })

  test('the first of acr_values that is met', async () => {
    await signIn(worker, browser, 'ann', ['pwd', 'hwk'])
    expect(await told({ acr_values: `urn:other ${PWD} ${MFA}` })).toBe(PWD)
    expect(await told({ acr_values: `${MFA} ${PWD}` })).toBe(MFA)
  })

  test('what there is when acr_values is not met: it is a wish', async () => {
    await signIn(worker, browser, 'ann')
    expect(await told({ acr_values: MFA })).toBe(PWD)
    expect(await told({ acr_values: MFA, prompt: 'none' })).toBe(PWD)
    expect(await told({ claims: ofIdToken({ values: [MFA] }) })).toBe(PWD)
    expect(await told({ claims: ofIdToken({ essential: true }) })).toBe(PWD)
    expect(await told({ claims: ofIdToken(null) })).toBe(PWD)
  })

  test('the class of the first sign-in when refreshed', async () => {
    await signIn(worker, browser, 'ann', ['pwd', 'otp'])
    const party = await relyingParty(worker)
    const path = requestPath({ scope: 'openid offline_access' })
    const first = await party.redeem(await browser.get(path))
    await signIn(worker, browser, 'ann')
    expect((await party.refresh(first.refresh_token)).claims['acr']).toBe(MFA)
  })

  test('the default_acr_values of the client, which acr_values overrides', async () => {
    await changeClient(worker.context(), 'app', { default_acr_values: [PWD] }, null)
    await signIn(worker, browser, 'ann', ['pwd', 'otp'])
    expect(await told()).toBe(PWD)
    expect(await told({ acr_values: MFA })).toBe(MFA)
    expect(await told({ claims: ofIdToken({ value: MFA }) })).toBe(MFA)
  })
})

describe('an essential acr', () => {
  const demand = (values: unknown[], changes: Parameters<typeof requestPath>[0] = {}) =>
    requestPath({ claims: ofIdToken({ essential: true, values }), ...changes })

  test('that is met gives a code, and the ID token names one of the values', async () => {
    await signIn(worker, browser, 'ann', ['pwd', 'otp'])
    const essential = true
    expect(await told({ claims: ofIdToken({ essential, values: [MFA] }) })).toBe(MFA)
    expect(await told({ claims: ofIdToken({ essential, value: PWD }) })).toBe(PWD)
    expect(await told({ claims: ofIdToken({ essential, values: ['x', PWD] }) })).toBe(PWD)
  })

  test('that nobody can reach is refused, and never answered with a weaker sign-in', async () => {
    const refused = 'unmet_authentication_requirements'
    expect(await error(demand(['urn:other']))).toBe(refused)
    await signIn(worker, browser, 'ann')
    expect(await error(demand(['0']))).toBe(refused)
    expect(await error(demand([7]))).toBe(refused)
    expect(await error(demand(['urn:other'], { acr_values: PWD }))).toBe(refused)
  })

  test('that a new sign-in could meet leads to one, and is refused when it did not', async () => {
    await signIn(worker, browser, 'ann', [])
    expect(await error(demand([PWD], { prompt: 'none' }))).toBe('login_required')
    const page = await browser.get(demand([PWD]))
    expect(pathOf(page)).toMatch(/^\/login/)
    await signIn(worker, browser, 'ann', [])
    expect(await error(returnTo(page))).toBe('unmet_authentication_requirements')
    const again = await browser.get(demand([PWD]))
    await signIn(worker, browser, 'ann')
    expect(answerOf(await browser.get(returnTo(again)))).toHaveProperty('code')
  })

  test('that needs a factor which the person lacks leads to a sign-in, and is refused after it', async () => {
    await signIn(worker, browser, 'ann')
    expect(await error(demand([MFA], { prompt: 'none' }))).toBe('login_required')
    const page = await browser.get(demand([MFA]))
    // Without a factor there is nothing to step up with: the password is asked for.
    const login = await browser.get(page.headers.get('location') ?? '')
    expect(login.html).toContain('current-password')
    await signIn(worker, browser, 'ann')
    expect(await error(returnTo(page))).toBe('unmet_authentication_requirements')
  })

  test('asks a person who is signed in for the second factor alone, and leaves the rest as it is', async () => {
    await signIn(worker, browser, 'ann')
    const { key } = await addAuthenticator(worker, browser)
    const before = await relyingParty(worker)
    const first = await before.redeem(await browser.get(requestPath()))
    worker.clock.now += 300
    const page = await browser.get(demand([MFA]))
    const login = await browser.get(page.headers.get('location') ?? '')
    expect(pathOf(login)).toMatch(/^\/login\/verify\?/)
    const form = await browser.get(pathOf(login))
    expect(form.html).not.toContain('current-password')
    const code = await codeAt(key, worker.clock.now)
    const done = await browser.submit(form, { code, action: 'verify' })
    expect(done.status).toBe(303)
    const party = await relyingParty(worker)
    const { claims } = await party.redeem(await browser.get(pathOf(done)))
    expect(claims).toMatchObject({ acr: MFA, amr: ['pwd', 'otp', 'mfa'] })
    // The same sign-in, stronger: not a newer one.
    expect(claims['auth_time']).toBe(first.claims['auth_time'])
    expect(claims['sid']).toBe(first.claims['sid'])
    // And it is not asked again.
    expect(answerOf(await browser.get(demand([MFA])))).toHaveProperty('code')
  })

  test('is met by a passkey alone, and the ID token names how it is kept', async () => {
    await signIn(worker, browser, 'ann')
    const authenticator = await SoftwareAuthenticator.make({ isSynced: true })
    await addPasskey(browser, authenticator)
    browser.cookies.clear()
    const page = await browser.get(demand([MFA]))
    const form = await browser.get(page.headers.get('location') ?? '')
    const done = await answer(browser, form, await authenticator.get(optionsOf(form)))
    const party = await relyingParty(worker)
    const { claims } = await party.redeem(await browser.get(pathOf(done)))
    expect(claims).toMatchObject({ acr: MFA, amr: ['swk', 'user', 'mfa'] })
  })

  test('is not met by a wrong code, which leaves the person signed in', async () => {
    await signIn(worker, browser, 'ann')
    await addAuthenticator(worker, browser)
    const page = await browser.get(demand([MFA]))
    const login = await browser.get(page.headers.get('location') ?? '')
    const form = await browser.get(pathOf(login))
    expect((await browser.submit(form, { code: '000000' })).status).toBe(403)
    expect((await browser.get('/account')).status).toBe(200)
    expect(pathOf(await browser.get(returnTo(page)))).toMatch(/^\/login/)
  })

  test('of who is not signed in is login_required with prompt=none', async () => {
    expect(await error(demand([PWD], { prompt: 'none' }))).toBe('login_required')
    expect(await error(demand([MFA], { prompt: 'none' }))).toBe('login_required')
  })

  test('at userinfo binds nobody', async () => {
    await signIn(worker, browser, 'ann')
    const claims = JSON.stringify({ userinfo: { acr: { essential: true, value: MFA } } })
    expect(answerOf(await browser.get(requestPath({ claims })))).toHaveProperty('code')
  })
})

describe('default_max_age', () => {
  beforeEach(async () => {
    await changeClient(worker.context(), 'app', { default_max_age: 100 }, null)
    await signIn(worker, browser, 'ann')
  })

  test('asks for a sign-in that is not older, and max_age overrides it', async () => {
    worker.clock.now += 100
    expect(answerOf(await browser.get(requestPath()))).toHaveProperty('code')
    worker.clock.now += 1
    expect(pathOf(await browser.get(requestPath()))).toMatch(/^\/login/)
    expect(await error(requestPath({ prompt: 'none' }))).toBe('login_required')
    expect(answerOf(await browser.get(requestPath({ max_age: '101' })))).toHaveProperty('code')
  })

  test('is met by a sign-in after the request, whose time a strict client finds in the ID token', async () => {
    worker.clock.now += 500
    const page = await browser.get(requestPath())
    await signIn(worker, browser, 'ann')
    const party = await relyingParty(worker, { default_max_age: 100, require_auth_time: true })
    const { claims } = await party.redeem(await browser.get(returnTo(page)))
    expect(claims['auth_time']).toBe(worker.clock.now)
  })
})

test('a request that was stored before classes were kept still goes on', async () => {
  const page = await browser.get(requestPath())
  await worker
    .context()
    .db.write(
      sql`update authorization_request set parameters = json_remove(parameters, '$.acr_values')`,
    )
  await signIn(worker, browser, 'ann')
  expect(answerOf(await browser.get(returnTo(page)))).toHaveProperty('code')
})
