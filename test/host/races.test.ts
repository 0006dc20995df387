// Single use on the embedded file, through the real program: many parallel redemptions have one
// winner.
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { optionsOf, SoftwareAuthenticator } from '../identity/passkeys/software_authenticator.ts'
import { claimsOf, codeFlow, discover, FormBrowser, makeBlueprint, PASSWORD } from './black_box.ts'
import { type RunningWorker, startWorkerOn } from './programs.ts'

const PARALLEL = 200

const TV = {
  client_id: 'tv',
  token_endpoint_auth_method: 'none',
  grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  scope: 'openid offline_access',
}

/** At an address that no program of a machine can take, so nobody is asked. */
const SHOP = {
  client_id: 'shop',
  redirect_uris: ['https://shop.example/callback'],
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code'],
  scope: 'openid',
  first_party: true,
}

const PARTNER = 'https://partner.example'
const PORTAL = {
  client_id: 'portal',
  client_secret: 'a-secret-of-more-than-thirty-characters',
  token_endpoint_auth_method: 'client_secret_post',
  grant_types: ['urn:ietf:params:oauth:grant-type:jwt-bearer'],
  scope: 'openid',
  first_party: true,
}

let worker: RunningWorker
let as: oauth.AuthorizationServer
let deviceKey: CryptoKey
let partnerKey: CryptoKey

beforeAll(async () => {
  const { blueprint, ...keys } = await makeBlueprint()
  deviceKey = keys.deviceKey
  const partner = await generateKeyPair('ES256')
  partnerKey = partner.privateKey
  const jwks = { keys: [await exportJWK(partner.publicKey)] }
  const clients = [...blueprint.clients, TV, PORTAL, SHOP]
  const settings = { trusted_issuers: [{ issuer: PARTNER, subject: 'email', jwks }] }
  const users = [...blueprint.users, { email: 'cleo@example.com', password: PASSWORD }]
  worker = await startWorkerOn('node', { ...blueprint, clients, settings, users })
  as = await discover(worker.issuer)
})
afterAll(() => worker?.stop())

const post = async (parameters: Record<string, string>) => {
  const answer = await fetch(as.token_endpoint ?? '', {
    method: 'POST',
    body: new URLSearchParams(parameters),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, string> }
}

/** A code that was not redeemed yet. */
async function freshCode() {
  const verifier = oauth.generateRandomCodeVerifier()
  const start = new URL(as.authorization_endpoint ?? '')
  start.search = new URLSearchParams({
    client_id: 'app',
    redirect_uri: 'http://localhost:5173/callback',
    response_type: 'code',
    scope: 'openid offline_access',
    state: 's',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }).toString()
  const browser = new FormBrowser()
  const login = await browser.follow(start.href)
  const typed = { username: 'ann@example.com', password: PASSWORD, action: 'login' }
  let page = await browser.submit(login, typed)
  if (page.html !== null) page = await browser.submit(page, { action: 'allow' })
  const code = page.url.searchParams.get('code') ?? ''
  expect(code).not.toBe('')
  return { code, verifier }
}

const redemption = ({ code, verifier }: { code: string; verifier: string }) => ({
  grant_type: 'authorization_code',
  client_id: 'app',
  redirect_uri: 'http://localhost:5173/callback',
  code,
  code_verifier: verifier,
})

const userinfo = (token: string) =>
  fetch(as.userinfo_endpoint ?? '', { headers: { authorization: `Bearer ${token}` } })

test('of 200 parallel redemptions of one code exactly one succeeds, and the reuse revokes what it issued', async () => {
  const parameters = redemption(await freshCode())
  const answers = await Promise.all(Array.from({ length: PARALLEL }, () => post(parameters)))
  const good = answers.filter(({ status }) => status === 200)
  console.log(
    `embedded file: ${PARALLEL} parallel redemptions of one code: ${good.length} succeeded`,
  )
  expect(good).toHaveLength(1)
  const others = answers.filter(({ status }) => status !== 200)
  expect(new Set(others.map(({ body }) => body['error']))).toEqual(new Set(['invalid_grant']))
  const token = good[0]?.body['access_token'] ?? ''
  expect((await userinfo(token)).status).toBe(401)
  const again = await post({
    grant_type: 'refresh_token',
    client_id: 'app',
    refresh_token: good[0]?.body['refresh_token'] ?? '',
  })
  expect(again.body['error']).toBe('invalid_grant')
})

test('a code that is redeemed once, then presented again, ends what it issued', async () => {
  const parameters = redemption(await freshCode())
  const first = await post(parameters)
  expect(first.status).toBe(200)
  const token = first.body['access_token'] ?? ''
  expect((await userinfo(token)).status).toBe(200)
  const wrong = await post({ ...parameters, code_verifier: 'x'.repeat(43) })
  expect(wrong.body['error']).toBe('invalid_grant')
  // Without the verifier a leaked spent code is no weapon.
  expect((await userinfo(token)).status).toBe(200)
  expect((await post(parameters)).body['error']).toBe('invalid_grant')
  expect((await userinfo(token)).status).toBe(401)
})

test('200 parallel uses of one rotating refresh token leave one family in which one successor can live', async () => {
  const { tokens } = await codeFlow(as, 'openid offline_access')
  const use = (token: string) =>
    post({ grant_type: 'refresh_token', client_id: 'app', refresh_token: token })
  const parent = tokens.refresh_token ?? ''
  const answers = await Promise.all(Array.from({ length: PARALLEL }, () => use(parent)))
  const successors = answers
    .filter(({ status }) => status === 200)
    .map(({ body }) => body['refresh_token'] ?? '')
  const origins = new Set(
    answers
      .filter(({ status }) => status === 200)
      .map(({ body }) => String(claimsOf(body['access_token'] ?? '')['jti']).split('.')[0]),
  )
  console.log(
    `embedded file: ${PARALLEL} parallel uses of one refresh token: ${successors.length} answers, ${origins.size} family`,
  )
  expect(successors.length).toBeGreaterThan(0)
  expect(origins.size).toBe(1)
  expect(new Set(successors).size).toBe(successors.length)
  const [chosen = '', sibling] = successors
  const next = await use(chosen)
  expect(next.status).toBe(200)
  if (sibling !== undefined) expect((await use(sibling)).body['error']).toBe('invalid_grant')
  // The sibling's use was that of a stolen token: the whole family has ended.
  const last = await use(next.body['refresh_token'] ?? '')
  expect(last.status).toBe(sibling === undefined ? 200 : 400)
})

test('of 200 parallel answers to one pushed request exactly one has a code', async () => {
  const { browser } = await codeFlow(as, 'openid')
  const pushed = await fetch(as.pushed_authorization_request_endpoint ?? '', {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'shop',
      redirect_uri: 'https://shop.example/callback',
      response_type: 'code',
      scope: 'openid',
      code_challenge: await oauth.calculatePKCECodeChallenge('v'.repeat(43)),
      code_challenge_method: 'S256',
    }),
  })
  const { request_uri } = (await pushed.json()) as { request_uri: string }
  const url = `${as.authorization_endpoint}?${new URLSearchParams({ client_id: 'shop', request_uri })}`
  const answers = await Promise.all(Array.from({ length: PARALLEL }, () => browser.open(url)))
  await Promise.all(answers.map((answer) => answer.body?.cancel()))
  const codes = answers.filter(({ headers }) => headers.get('location')?.includes('code='))
  console.log(
    `embedded file: ${PARALLEL} parallel answers to one pushed request: ${codes.length} codes`,
  )
  expect(codes).toHaveLength(1)
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([303, 400]))
})

test('of 200 parallel uses of one response of a passkey exactly one signs in', async () => {
  const { issuer } = worker
  const browser = new FormBrowser()
  const typed = { username: 'cleo@example.com', password: PASSWORD, action: 'login' }
  await browser.submit(await browser.follow(`${issuer}/login`), typed)
  // One that does not count, so that its counter refuses nothing.
  const authenticator = await SoftwareAuthenticator.make({ origin: issuer, count: null })
  const offered = await browser.follow(`${issuer}/account/security/passkey`)
  const made = JSON.stringify(await authenticator.create(optionsOf(offered)))
  await browser.submit(offered, { passkey: made })
  browser.cookies.clear()
  const login = await browser.follow(`${issuer}/login`)
  const used = JSON.stringify(await authenticator.get(optionsOf(login)))
  const answers = await Promise.all(
    Array.from({ length: PARALLEL }, () => {
      const twin = new FormBrowser()
      for (const [name, value] of browser.cookies) twin.cookies.set(name, value)
      return twin.submit(login, { passkey: used })
    }),
  )
  const signedIn = answers.filter(({ url }) => url.pathname === '/account')
  console.log(`embedded file: ${PARALLEL} uses of one passkey: ${signedIn.length} sessions`)
  expect(signedIn).toHaveLength(1)
})

test('of 200 parallel uses of one DPoP proof exactly one is answered, at the token endpoint and at userinfo', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  let nonce = 'x'
  const prove = (htm: string, htu = '', ath?: string) =>
    new SignJWT({
      jti: crypto.randomUUID(),
      htm,
      htu,
      nonce,
      ...(ath === undefined ? {} : { ath }),
    })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk })
      .setIssuedAt()
      .sign(privateKey)
  const exchange = async (parameters: Record<string, string>, DPoP: string) => {
    const body = new URLSearchParams(parameters)
    const answer = await fetch(as.token_endpoint ?? '', { method: 'POST', headers: { DPoP }, body })
    nonce = answer.headers.get('dpop-nonce') ?? ''
    return { status: answer.status, body: (await answer.json()) as Record<string, string> }
  }
  const parameters = redemption(await freshCode())
  const ignorant = await exchange(parameters, await prove('POST', as.token_endpoint))
  expect(ignorant.body['error']).toBe('use_dpop_nonce')
  const { body } = await exchange(parameters, await prove('POST', as.token_endpoint))
  const { access_token = '', refresh_token = '' } = body

  const renewal = { grant_type: 'refresh_token', client_id: 'app', refresh_token }
  const proof = await prove('POST', as.token_endpoint)
  const tokens = await Promise.all(Array.from({ length: PARALLEL }, () => exchange(renewal, proof)))
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(access_token))
  const ath = Buffer.from(digest).toString('base64url')
  const headers = {
    authorization: `DPoP ${access_token}`,
    DPoP: await prove('GET', as.userinfo_endpoint, ath),
  }
  const infos = await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      const answer = await fetch(as.userinfo_endpoint ?? '', { headers })
      await answer.text()
      return answer
    }),
  )
  const count = (answers: { status: number }[]) =>
    answers.filter(({ status }) => status === 200).length
  console.log(
    `embedded file: ${PARALLEL} parallel uses of one proof: ${count(tokens)} token, ${count(infos)} userinfo`,
  )
  expect([count(tokens), count(infos)]).toEqual([1, 1])
  const refused = tokens.filter(({ body }) => body['error'] === 'invalid_dpop_proof')
  expect(refused).toHaveLength(PARALLEL - 1)
})

test('of 200 parallel uses of one client assertion exactly one has a token', async () => {
  const now = Math.floor(Date.now() / 1000)
  const client_assertion = await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer('dim-0042')
    .setSubject('dim-0042')
    .setAudience(as.issuer)
    .setExpirationTime(now + 60)
    .sign(deviceKey)
  const parameters = {
    grant_type: 'client_credentials',
    scope: 'mqtt',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion,
  }
  const answers = await Promise.all(Array.from({ length: PARALLEL }, () => post(parameters)))
  const good = answers.filter(({ status }) => status === 200)
  const refused = answers.filter(({ body }) => body['error'] === 'invalid_client')
  console.log(`embedded file: ${PARALLEL} parallel uses of one assertion: ${good.length} tokens`)
  expect([good.length, refused.length]).toEqual([1, PARALLEL - 1])
})

test('of 200 parallel polls with one device code that was allowed exactly one has tokens', async () => {
  const begun = await fetch(as.device_authorization_endpoint ?? '', {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'tv', scope: TV.scope }),
  })
  const { device_code, verification_uri_complete } = (await begun.json()) as Record<string, string>
  const { browser } = await codeFlow(as, 'openid')
  const typed = await browser.follow(verification_uri_complete ?? '')
  const code = new URL(verification_uri_complete ?? '').searchParams.get('user_code') ?? ''
  const question = await browser.submit(typed, { code, action: 'continue' })
  const done = await browser.submit(question, { action: 'allow' })
  expect(done.html).toContain('connected')
  const parameters = {
    grant_type: TV.grant_types[0] ?? '',
    client_id: 'tv',
    device_code: device_code ?? '',
  }
  const answers = await Promise.all(Array.from({ length: PARALLEL }, () => post(parameters)))
  const good = answers.filter(({ status }) => status === 200)
  const refused = answers.filter(({ body }) => body['error'] === 'invalid_grant')
  console.log(`embedded file: ${PARALLEL} parallel polls: ${good.length} redemptions`)
  expect([good.length, refused.length]).toEqual([1, PARALLEL - 1])
  // Unlike a code, one that a device asks for twice ends nothing.
  expect((await userinfo(good[0]?.body['access_token'] ?? '')).status).toBe(200)
})

test('of 200 parallel uses of one assertion of another issuer exactly one has a token', async () => {
  const assertion = await new SignJWT({
    email: 'ann@example.com',
    email_verified: true,
    jti: crypto.randomUUID(),
  })
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer(PARTNER)
    .setSubject('partner-user-7')
    .setAudience(as.issuer)
    .setExpirationTime(Math.floor(Date.now() / 1000) + 60)
    .sign(partnerKey)
  const parameters = {
    grant_type: PORTAL.grant_types[0] ?? '',
    client_id: PORTAL.client_id,
    client_secret: PORTAL.client_secret,
    scope: 'openid',
    assertion,
  }
  const answers = await Promise.all(Array.from({ length: PARALLEL }, () => post(parameters)))
  const good = answers.filter(({ status }) => status === 200)
  const refused = answers.filter(({ body }) => body['error'] === 'invalid_grant')
  console.log(
    `embedded file: ${PARALLEL} parallel uses of a foreign assertion: ${good.length} tokens`,
  )
  expect([good.length, refused.length]).toEqual([1, PARALLEL - 1])
})
