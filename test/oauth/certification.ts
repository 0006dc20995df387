// A relying party as the OpenID Foundation's suite is one: it registers clients with an initial access token, sends a
// browser that signs in and allows, takes answers from the address or the form, and checks tokens strictly
// (oauth4webapi).
import * as oauth from 'oauth4webapi'
import { changeUser } from '../../worker/identity/users.ts'
import type { InitialAccessTokenInput } from '../../worker/oauth/registration/initial_access_tokens.ts'
import { ISSUER, type Outside, startWorker, type TestWorker } from '../context.ts'
import { Browser, formFields, type Page } from '../identity/browser.ts'
import { ANN, createPerson, PASSWORD } from '../support/people.ts'
import { pathOf } from './flow.ts'
import { addInitialAccessToken } from './registration_fixtures.ts'
import { foreign, makeSigner } from './token_fixtures.ts'

export const CALLBACK = 'https://suite.example/callback'

/** All that can be told about Ann. */
export const PROFILE = {
  given_name: 'Ann',
  family_name: 'Ex',
  middle_name: 'Bo',
  nickname: 'Annie',
  preferred_username: 'ann',
  profile: 'https://ann.example/',
  picture: 'https://ann.example/me.png',
  website: 'https://ann.example/blog',
  gender: 'female',
  birthdate: '1990-02-28',
  zoneinfo: 'Europe/Vienna',
  phone_number: '+4315550100',
  address: { street_address: 'Ring 1', locality: 'Vienna', country: 'Austria' },
}

/** What the suite signs with, at first. */
export const RSA = await makeSigner('RS256', 'rp-1')

export type Mode = 'query' | 'form_post'
export type Changes = Record<string, string | undefined>

/** What the browser saw on its way, and the answer where it came back to the client. */
export type Visit = {
  /** `login` and `consent`, in the order in which they were shown. */
  shown: string[]
  page: Page
  answer: URLSearchParams | null
  state: string | undefined
  nonce: string | undefined
}

export type Tokens = oauth.TokenEndpointResponse & { id_token: string; claims: oauth.IDToken }

export type Suite = Awaited<ReturnType<typeof startSuite>>
export type Party = Awaited<ReturnType<Suite['register']>>

/** What an operator gives the suite: clients may do without PKCE, and send unsigned requests where they say no other. */
const GIVEN: InitialAccessTokenInput = {
  defaults: { require_pkce: false, request_object_signing_alg: 'none' },
}

export async function startSuite({
  mode = 'query',
  outside = {},
}: {
  mode?: Mode
  outside?: Outside
} = {}) {
  const worker = await startWorker({}, { outside })
  const cx = worker.context()
  const about = { name: 'Ann Ex', locale: 'de-AT', profile: PROFILE }
  await createPerson(cx, { id: 'ann', email: ANN, password: PASSWORD })
  await changeUser(cx, 'ann', about, null)
  const { initial_access_token } = await addInitialAccessToken(worker, GIVEN)
  const transport = foreign(worker)
  const issuer = new URL(ISSUER)
  const discover = async () =>
    oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, transport))
  const server = await discover()

  /** Asks for a client as the suite does. */
  const ask = (metadata: Record<string, unknown> = {}) =>
    oauth.dynamicClientRegistrationRequest(
      server,
      {
        client_name: 'Suite',
        redirect_uris: [CALLBACK],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
        contacts: ['certification@suite.example'],
        ...(metadata['jwks_uri'] === undefined
          ? { jwks: { keys: [{ ...RSA.jwk, alg: 'RS256', use: 'sig' }] as never } }
          : {}),
        ...metadata,
      },
      { initialAccessToken: initial_access_token, ...transport },
    )

  /** A new client, with a browser in which nobody is signed in unless it is given one. */
  async function register(
    metadata: Record<string, unknown> = {},
    browser = new Browser(worker).inEnglish(),
  ) {
    const answer = await oauth.processDynamicClientRegistrationResponse(await ask(metadata))
    return party({ worker, mode, server, browser }, answer)
  }

  return { worker, mode, server, discover, transport, ask, register }
}

type Setting = {
  worker: TestWorker
  mode: Mode
  server: oauth.AuthorizationServer
  browser: Browser
}

function party(
  { worker, mode, server, browser }: Setting,
  registered: Omit<oauth.Client, symbol> & { client_id: string },
) {
  const transport = foreign(worker)
  const { client_id } = registered
  const redirect_uri = (registered['redirect_uris'] as string[])[0] ?? ''
  // The clock of the tests is set, and this is read at each use.
  const client = (): oauth.Client => ({
    ...(registered as oauth.Client),
    [oauth.clockSkew]: worker.clock.now - Math.floor(Date.now() / 1000),
  })
  let key = RSA

  function authentication(): oauth.ClientAuth {
    const secret = String(registered['client_secret'])
    const method = registered['token_endpoint_auth_method']
    if (method === 'client_secret_basic') return oauth.ClientSecretBasic(secret)
    if (method === 'client_secret_post') return oauth.ClientSecretPost(secret)
    return oauth.PrivateKeyJwt({ key: key.privateKey, kid: String(key.jwk['kid']) })
  }

  /** The parameters of a request; undefined leaves one out. */
  function request(changes: Changes = {}): Record<string, string> {
    const all: Changes = {
      client_id,
      redirect_uri,
      scope: 'openid',
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      response_type: 'code',
      ...(mode === 'form_post' ? { response_mode: 'form_post' } : {}),
      ...changes,
    }
    const told = Object.entries(all).filter(
      (pair): pair is [string, string] => pair[1] !== undefined,
    )
    return Object.fromEntries(told)
  }

  /** The answer in a page that leads to the client, by redirect or form; null for every other page. */
  function answerIn(page: Page): URLSearchParams | null {
    if (mode === 'form_post') {
      const action = /<form method="post" action="([^"]*)"/.exec(page.html)?.[1]
      if (action?.replaceAll('&amp;', '&') !== redirect_uri) return null
      return new URLSearchParams(formFields(page))
    }
    const location = page.headers.get('location')
    if (page.status !== 303 || location === null || !URL.canParse(location)) return null
    const url = new URL(location)
    if (url.origin + url.pathname !== redirect_uri.split('?')[0]) return null
    // The member names of an answer come once, also where the address has a query of its own.
    for (const name of url.searchParams.keys()) {
      if (url.searchParams.getAll(name).length !== 1) throw new Error(`${name} comes twice`)
    }
    return url.searchParams
  }

  /** Follows redirects of ours, signs in where that is asked, and allows. */
  async function follow(first: Page): Promise<Omit<Visit, 'state' | 'nonce'>> {
    const shown: string[] = []
    let page = first
    for (let i = 0; i < 12; i++) {
      const answer = answerIn(page)
      if (answer !== null) return { shown, page, answer }
      if (page.status === 303) page = await browser.get(pathOf(page))
      else if (page.html.includes('action="/login"')) {
        shown.push('login')
        page = await browser.submit(page, { username: ANN, password: PASSWORD, action: 'login' })
      } else if (page.html.includes('action="/consent"')) {
        shown.push('consent')
        page = await browser.submit(page, { action: 'allow' })
      } else break
    }
    return { shown, page, answer: null }
  }

  const pathWith = (parameters: Record<string, string>) =>
    `/oauth/authorize?${new URLSearchParams(parameters)}`

  /** Sends the browser with these parameters, and whoever sits there does what is asked. */
  async function openWith(parameters: Record<string, string>): Promise<Visit> {
    const visit = await follow(await browser.get(pathWith(parameters)))
    return { ...visit, state: parameters['state'], nonce: parameters['nonce'] }
  }

  const open = (changes: Changes = {}) => openWith(request(changes))

  /** Redeems the code of an answer, and checks all that a client has to check. Throws for an error in it. */
  async function redeem(
    { answer, state, nonce }: Visit,
    { verifier = oauth.nopkce as string | typeof oauth.nopkce } = {},
  ): Promise<Tokens> {
    if (answer === null) throw new Error('the browser did not come back')
    const expected = state ?? oauth.expectNoState
    const parameters = oauth.validateAuthResponse(server, client(), answer, expected)
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client(),
      authentication(),
      parameters,
      redirect_uri,
      verifier as string,
      transport,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(server, client(), response, {
      expectedNonce: nonce ?? oauth.expectNoNonce,
      requireIdToken: true,
    })
    return checked(tokens, response)
  }

  async function checked(tokens: oauth.TokenEndpointResponse, response: Response): Promise<Tokens> {
    await oauth.validateApplicationLevelSignature(server, response, transport)
    const claims = oauth.getValidatedIdTokenClaims(tokens)
    if (claims === undefined || tokens.id_token === undefined) throw new Error('no ID token')
    return { ...tokens, id_token: tokens.id_token, claims }
  }

  return {
    browser,
    client,
    authentication,
    request,
    pathWith,
    follow,
    open,
    openWith,
    redeem,
    /** Opens and redeems. */
    signIn: async (changes: Changes = {}) => redeem(await open(changes)),
    /** The error that a request comes to, with its state and issuer checked; null where it gave a code. */
    async errorOf(visit: Visit): Promise<string | null> {
      const { answer, state = oauth.expectNoState } = visit
      if (answer === null) throw new Error('the browser did not come back')
      try {
        oauth.validateAuthResponse(server, client(), answer, state)
        return null
      } catch (error) {
        if (error instanceof oauth.AuthorizationResponseError) return error.error
        throw error
      }
    },
    async refresh(refresh_token: string | undefined): Promise<Tokens> {
      const response = await oauth.refreshTokenGrantRequest(
        server,
        client(),
        authentication(),
        refresh_token ?? '',
        transport,
      )
      return checked(await oauth.processRefreshTokenResponse(server, client(), response), response)
    },
    /** Userinfo, strictly, with its signature where one was registered. */
    async userinfo({ access_token, claims }: Tokens): Promise<oauth.UserInfoResponse> {
      const response = await oauth.userInfoRequest(server, client(), access_token, transport)
      const told = await oauth.processUserInfoResponse(server, client(), claims.sub, response)
      if (registered['userinfo_signed_response_alg'] !== undefined) {
        await oauth.validateApplicationLevelSignature(server, response, transport)
      }
      return told
    },
    /** Signs assertions with another key from now on. */
    useKey(signer: typeof RSA) {
      key = signer
    },
  }
}

/** The error of a token request that the client refuses to take for an answer. */
export async function refusal(request: Promise<unknown>): Promise<string> {
  try {
    await request
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError) return error.error
    throw error
  }
  return 'none'
}
