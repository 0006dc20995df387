// Who may do without PKCE (RFC 7636, RFC 9700 §2.1.1), and that what was sent is held to all the same.
import * as oauth from 'oauth4webapi'
import { describe, expect, test } from 'vitest'
import { sql } from '../../../worker/db/sql.ts'
import { type ClientInput, createClient } from '../../../worker/oauth/clients/clients.ts'
import {
  answerOf,
  CALLBACK,
  CHALLENGE,
  locationOf,
  requestPath,
  rowsOf,
  signIn,
  startFlow,
  VERIFIER,
} from '../flow.ts'
import {
  AS,
  basic,
  fapiMembers,
  foreign,
  foreignClient,
  makeSigner,
  token,
  write,
} from '../token_fixtures.ts'

const SECRET = 'a secret of more than thirty characters'
const signer = await makeSigner('ES256')
const NO_PKCE = { code_challenge: undefined, code_challenge_method: undefined }

async function startFree(client: Partial<ClientInput> = {}) {
  const flow = await startFlow()
  await createClient(flow.worker.context(), {
    client_id: 'web',
    client_secret: SECRET,
    redirect_uris: [CALLBACK],
    scope: 'openid',
    first_party: true,
    require_pkce: false,
    ...client,
  })
  await signIn(flow.worker, flow.browser, 'ann')
  return flow
}

const path = (changes: Parameters<typeof requestPath>[0]) =>
  requestPath({ client_id: 'web', ...changes })

describe('a client that proves itself and need not use PKCE', () => {
  test('gets tokens without it, as a strict foreign client', async () => {
    const { worker, browser } = await startFree()
    const client = foreignClient(worker, 'web')
    const done = locationOf(await browser.get(path(NO_PKCE)))
    const parameters = oauth.validateAuthResponse(AS, client, done, 'state-1')
    expect(await rowsOf(worker, 'authorization_code')).toMatchObject([{ code_challenge: null }])
    const answer = await oauth.authorizationCodeGrantRequest(
      AS,
      client,
      oauth.ClientSecretBasic(SECRET),
      parameters,
      CALLBACK,
      oauth.nopkce,
      foreign(worker),
    )
    expect(await oauth.processAuthorizationCodeResponse(AS, client, answer)).toMatchObject({
      scope: 'openid',
    })
  })

  const redeem = async (
    flow: Awaited<ReturnType<typeof startFree>>,
    changes: object,
    more: object,
  ) => {
    const { code } = answerOf(await flow.browser.get(path({ ...changes })))
    const form = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, ...more }
    return token(flow.worker, form, basic('web', SECRET))
  }

  test('is held to a challenge that it sent', async () => {
    const flow = await startFree()
    expect((await redeem(flow, {}, { code_verifier: VERIFIER })).status).toBe(200)
    for (const more of [{}, { code_verifier: 'w'.repeat(43) }]) {
      expect((await redeem(flow, {}, more)).body.error).toBe('invalid_grant')
    }
  })

  test('is refused a verifier where it sent no challenge', async () => {
    const flow = await startFree()
    const answer = await redeem(flow, NO_PKCE, { code_verifier: VERIFIER })
    expect(answer.body.error).toBe('invalid_grant')
  })

  test.each([
    ['plain', { code_challenge: VERIFIER, code_challenge_method: 'plain' }],
    ['a challenge without method', { code_challenge_method: undefined }],
    ['a method without challenge', { code_challenge: undefined }],
    ['a challenge of another form', { code_challenge: `${CHALLENGE}=` }],
  ])('is refused %s', async (_, changes) => {
    const { browser } = await startFree()
    expect(answerOf(await browser.get(path(changes)))).toMatchObject({ error: 'invalid_request' })
  })
})

describe('the lack of a challenge is refused', () => {
  test.each([
    ['to a client of which nothing else was said', { require_pkce: true }],
    ['to a client with profile fapi2', fapiMembers(signer)],
  ])('%s', async (_, client) => {
    const { browser } = await startFree(client)
    expect(answerOf(await browser.get(path(NO_PKCE)))).toMatchObject({ error: 'invalid_request' })
  })

  test('to a public client, whatever its row says', async () => {
    const { worker, browser } = await startFree()
    await write(worker, sql`update client set token_endpoint_auth_method = 'none' where id = 'web'`)
    expect(answerOf(await browser.get(path(NO_PKCE)))).toMatchObject({ error: 'invalid_request' })
    const rows = await rowsOf(worker, 'authorization_code')
    expect(rows).toEqual([])
  })
})
