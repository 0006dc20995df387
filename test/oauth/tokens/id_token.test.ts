// The ID token by the algorithm that a client registered, and as a hint afterwards.
import * as client from 'openid-client'
import { beforeEach, describe, expect, test } from 'vitest'
import { applyBlueprint } from '../../../worker/admin/blueprint.ts'
import { encodeBase64url } from '../../../worker/crypto.ts'
import { rotateKey } from '../../../worker/keys/signing_keys.ts'
import { changeClient, createClient } from '../../../worker/oauth/clients/clients.ts'
import { countRoundTrips, ISSUER, type TestWorker } from '../../context.ts'
import type { Browser } from '../../identity/browser.ts'
import {
  APP,
  answerOf,
  locationOf,
  pathOf,
  requestPath,
  signIn,
  startFlow,
  VERIFIER,
} from '../flow.ts'
import { relyingParty } from '../relying_party.ts'
import { claimsOf, headerOf } from '../token_fixtures.ts'

let worker: TestWorker
let browser: Browser
beforeEach(async () => {
  ;({ worker, browser } = await startFlow({ first_party: true }))
  await signIn(worker, browser, 'ann')
})

const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const
type Alg = (typeof ALGORITHMS)[number]

const register = (alg: Alg) =>
  changeClient(worker.context(), 'app', { id_token_signed_response_alg: alg }, null)

async function published(): Promise<string[]> {
  const answer = await worker.request('/.well-known/jwks.json')
  const { keys } = (await answer.json()) as { keys: { alg: string }[] }
  return keys.map((key) => key.alg).sort()
}

describe.each(ALGORITHMS)('an ID token by %s', (alg) => {
  beforeEach(() => register(alg))

  test('is verified by a strict client, signature and at_hash', async () => {
    const party = await relyingParty(worker, { id_token_signed_response_alg: alg })
    const signedIn = await party.redeem(
      await browser.get(requestPath({ scope: 'openid offline_access' })),
    )
    expect(headerOf(signedIn.id_token)).toMatchObject({ alg, typ: 'JWT' })
    // OpenID Connect Core §3.1.3.6: SHA-512 is the hash in Ed25519 (RFC 8032 §5.1).
    const name = alg === 'EdDSA' ? 'SHA-512' : 'SHA-256'
    const token = new TextEncoder().encode(signedIn.access_token)
    const hash = new Uint8Array(await crypto.subtle.digest(name, token))
    const at_hash = encodeBase64url(hash.slice(0, hash.length / 2))
    expect(signedIn.claims).toMatchObject({ sub: 'ann', at_hash })
    // RFC 9068 leaves the access token to its readers, who know ES256.
    expect(headerOf(signedIn.access_token).alg).toBe('ES256')
    const refreshed = await party.refresh(signedIn.refresh_token)
    expect(headerOf(refreshed.id_token).alg).toBe(alg)
  })

  test('is verified by another one', async () => {
    const skew = worker.clock.now - Math.floor(Date.now() / 1000)
    const config = await client.discovery(
      new URL(ISSUER),
      'app',
      { id_token_signed_response_alg: alg, [client.clockSkew]: skew },
      client.None(),
      {
        execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
        [client.customFetch]: async (url, init) => worker.request(url, init as RequestInit),
      },
    )
    const page = await browser.get(requestPath({ nonce: 'n-1' }))
    const tokens = await client.authorizationCodeGrant(config, locationOf(page), {
      pkceCodeVerifier: VERIFIER,
      expectedState: 'state-1',
      expectedNonce: 'n-1',
      idTokenExpected: true,
    })
    expect(tokens.claims()).toMatchObject({ sub: 'ann', nonce: 'n-1' })
    const told = await client.fetchUserInfo(config, tokens.access_token, 'ann')
    expect(told).toEqual({ sub: 'ann' })
  })

  test('is taken as id_token_hint, and one altered or signed by nobody is not', async () => {
    const party = await relyingParty(worker, { id_token_signed_response_alg: alg })
    const { id_token } = await party.redeem(await browser.get(requestPath()))
    worker.clock.now += 86_400 / 4
    const hinted = (id_token_hint: string) => browser.get(requestPath({ id_token_hint }))
    expect(answerOf(await hinted(id_token))).toHaveProperty('code')
    const [header, body, signature = ''] = id_token.split('.')
    const none = btoa(JSON.stringify({ alg: 'none', typ: 'JWT' })).replaceAll('=', '')
    const other = alg === 'ES256' ? 'EdDSA' : 'ES256'
    const confused = btoa(JSON.stringify({ ...headerOf(id_token), alg: other })).replaceAll('=', '')
    const flipped = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)
    for (const bad of [
      `${header}.${body}.${flipped}`,
      `${none}.${body}.`,
      `${confused}.${body}.${signature}`,
    ]) {
      expect(answerOf(await hinted(bad))['error']).toBe('invalid_request')
    }
  })
})

describe('the first key of an algorithm', () => {
  test.each([
    'id_token_signed_response_alg',
    'userinfo_signed_response_alg',
    'introspection_signed_response_alg',
    'authorization_signed_response_alg',
  ])('is published when a client registers it as %s', async (member) => {
    await createClient(worker.context(), { ...APP, client_id: 'other', [member]: 'EdDSA' })
    expect(await published()).toEqual(['ES256', 'EdDSA', 'RS256'])
  })

  test('is there from when a client asks for it, and not before', async () => {
    expect(await published()).toEqual(['ES256', 'RS256'])
    await register('EdDSA')
    expect(await published()).toEqual(['ES256', 'EdDSA', 'RS256'])
    await createClient(worker.context(), {
      ...APP,
      client_id: 'other',
      userinfo_signed_response_alg: 'EdDSA',
    })
    expect(await published()).toEqual(['ES256', 'EdDSA', 'RS256'])
  })

  test('is made by a blueprint that asks for it, and by no dry run', async () => {
    const document = {
      clients: [{ ...APP, client_id: 'spa', id_token_signed_response_alg: 'EdDSA' }],
    }
    await applyBlueprint(worker.context(), document, {}, { dryRun: true })
    worker.memory.clear()
    expect(await published()).toEqual(['ES256', 'RS256'])
    await applyBlueprint(worker.context(), document, {})
    expect(await published()).toEqual(['ES256', 'EdDSA', 'RS256'])
  })

  test('is one, however many processes make it at once', async () => {
    const cx = worker.context()
    // As many instances, each with a memory of its own and none of whom knows the key yet.
    await Promise.all(
      Array.from({ length: 5 }, async (_, i) => {
        const input = {
          ...APP,
          client_id: `c${i}`,
          id_token_signed_response_alg: 'EdDSA',
        } as const
        await createClient({ ...cx, rid: `r${i}`, memory: new Map() }, input)
      }),
    )
    worker.memory.clear()
    expect(await published()).toEqual(['ES256', 'EdDSA', 'RS256'])
  })

  test('signs at once, and is found by a process that did not know it', async () => {
    await worker.request('/.well-known/jwks.json')
    const stale = new Map(worker.memory)
    await register('EdDSA')
    const before = await published()
    worker.memory.clear()
    for (const [name, value] of stale) worker.memory.set(name, value)
    const party = await relyingParty(worker, { id_token_signed_response_alg: 'EdDSA' })
    const page = await browser.get(requestPath())
    const { value, roundTrips } = await countRoundTrips(worker, () => party.redeem(page))
    expect(headerOf(value.id_token).alg).toBe('EdDSA')
    expect(roundTrips).toBe(3)
    expect(await published()).toEqual(before)
  })

  test('signs also while one that an operator asked for still waits', async () => {
    await rotateKey(worker.context(), 'EdDSA')
    await register('EdDSA')
    const party = await relyingParty(worker, { id_token_signed_response_alg: 'EdDSA' })
    const first = await party.redeem(await browser.get(requestPath()))
    worker.clock.now += 400
    const second = await party.redeem(await browser.get(requestPath()))
    // It was published before anything was signed, so there is nothing to wait for.
    expect(headerOf(second.id_token).kid).toBe(headerOf(first.id_token).kid)
  })
})

test('an access token, and signed userinfo, are no id_token_hint', async () => {
  await changeClient(worker.context(), 'app', { userinfo_signed_response_alg: 'RS256' }, null)
  const party = await relyingParty(worker)
  const { access_token } = await party.redeem(await browser.get(requestPath()))
  const told = await worker.request('/oauth/userinfo', {
    headers: { authorization: `Bearer ${access_token}` },
  })
  const jwt = await told.text()
  expect(claimsOf(jwt)).toMatchObject({ sub: 'ann', aud: 'app', iss: ISSUER })
  for (const id_token_hint of [access_token, jwt]) {
    expect(answerOf(await browser.get(requestPath({ id_token_hint })))['error']).toBe(
      'invalid_request',
    )
  }
  expect(pathOf(await browser.get(requestPath({ prompt: 'login' })))).toMatch(/^\/login/)
})
