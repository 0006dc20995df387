// A strict relying party (oauth4webapi): takes the answer that the browser was sent to it with, redeems the code,
// verifies the ID token with the published keys, and asks for userinfo.
import * as oauth from 'oauth4webapi'
import { ISSUER, type TestWorker } from '../context.ts'
import type { Page } from '../identity/browser.ts'
import { CALLBACK, locationOf, VERIFIER } from './flow.ts'
import { foreign, foreignClient } from './token_fixtures.ts'

export type SignedIn = {
  access_token: string
  id_token: string
  refresh_token: string
  /** Claims of the ID token, validated. */
  claims: Record<string, unknown>
  scope: string
}

export type Registered = Partial<oauth.Client> & { client_id?: string; secret?: string }

export async function relyingParty(worker: TestWorker, registered: Registered = {}) {
  const { client_id = 'app', secret, ...rest } = registered
  const client: oauth.Client = { ...foreignClient(worker, client_id), ...rest }
  const transport = foreign(worker)
  const issuer = new URL(ISSUER)
  const server = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, transport),
  )
  const authentication = secret === undefined ? oauth.None() : oauth.ClientSecretPost(secret)

  const check = async (
    response: Response,
    process: (response: Response) => Promise<oauth.TokenEndpointResponse>,
  ): Promise<SignedIn> => {
    const tokens = await process(response)
    await oauth.validateApplicationLevelSignature(server, response, transport)
    const { access_token, id_token = '', refresh_token = '', scope = '' } = tokens
    const claims = oauth.getValidatedIdTokenClaims(tokens) as Record<string, unknown>
    return { access_token, id_token, refresh_token, scope, claims }
  }

  return {
    server,
    client,
    /** Redeems the code of an answer. Throws for an error in it. */
    async redeem(page: Page, callback = CALLBACK, more: { maxAge?: number } = {}) {
      const parameters = oauth.validateAuthResponse(server, client, locationOf(page), 'state-1')
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        authentication,
        parameters,
        callback,
        VERIFIER,
        transport,
      )
      return check(response, (answer) =>
        oauth.processAuthorizationCodeResponse(server, client, answer, {
          requireIdToken: true,
          ...more,
        }),
      )
    },
    async refresh(refresh_token: string) {
      const response = await oauth.refreshTokenGrantRequest(
        server,
        client,
        authentication,
        refresh_token,
        transport,
      )
      return check(response, (answer) => oauth.processRefreshTokenResponse(server, client, answer))
    },
    /** Userinfo, with the signature verified where there is one. */
    async userinfo({ access_token, claims }: SignedIn): Promise<Record<string, unknown>> {
      const response = await oauth.userInfoRequest(server, client, access_token, transport)
      const sub = String(claims['sub'])
      const told = await oauth.processUserInfoResponse(server, client, sub, response)
      if (client['userinfo_signed_response_alg'] !== undefined) {
        await oauth.validateApplicationLevelSignature(server, response, transport)
      }
      return told
    },
  }
}
